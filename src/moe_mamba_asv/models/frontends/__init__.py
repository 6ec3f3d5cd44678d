"""From samples to frames."""
