"""Why is it wrong? Each diagnosis measures, and names a fault only by a stated rule."""
