"""What the compiled kernels share: how they are found, and how they work on several threads."""
