"""The selective scan for CUDA; imported only where it is chosen, since it needs triton."""
