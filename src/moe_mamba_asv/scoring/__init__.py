"""Model × audio = scores."""
