"""The spoofing algorithms of minispoof: one file an algorithm, each a function of waveform and generator."""
