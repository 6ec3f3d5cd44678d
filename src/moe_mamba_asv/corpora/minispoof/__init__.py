"""The embedded corpus: real speech, and real attacks on it made on the spot."""
