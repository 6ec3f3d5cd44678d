"""Several systems on the same trials: differences, who wins where, fusion."""
