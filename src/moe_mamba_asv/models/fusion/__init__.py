"""From two streams of frames to one."""
