"""What is wrong with a score file, by name."""
