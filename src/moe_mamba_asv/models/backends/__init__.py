"""From frames to an embedding."""
