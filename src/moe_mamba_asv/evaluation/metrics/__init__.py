"""Numbers from scores: NumPy only, fractions everywhere, higher score = bona fide."""
