"""How fast, how large and how exact is what we wrote, beside what others published? Measured on the spot."""
