"""How a file becomes samples: decode, 16 kHz, fixed length."""
