"""The selective scan as a small C kernel, called through ctypes: no link against PyTorch's C++ interface."""
