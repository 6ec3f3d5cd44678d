"""MoE-Mamba-ASV: build, judge and explain detectors of synthetic speech."""

__version__ = "0.1.0"
