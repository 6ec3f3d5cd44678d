"""AASIST's stem and residual blocks as a small C kernel, for scoring on a CPU."""
