"""Convolutions and attention of self-supervised encoders as a small C kernel, for a CPU."""
