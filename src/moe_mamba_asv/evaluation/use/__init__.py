"""A countermeasure in use: its scores as probabilities, as decisions, and in front of speaker verification."""
