"""The attacks of ASVspoof 2019 LA.

Source: Wang et al., "ASVspoof 2019: a large-scale public database of synthesized, converted and replayed speech",
Computer Speech & Language, 2020.
"""

from collections.abc import Mapping

from moe_mamba_asv.types import Attack

_ROWS = (
    ("A01", "TTS", "neural AR/VAE", "WaveNet", True),
    ("A02", "TTS", "neural AR/VAE", "WORLD", True),
    ("A03", "TTS", "feed-forward (Merlin)", "WORLD", True),
    ("A04", "TTS", "unit selection", "waveform concatenation", True),
    ("A05", "VC", "VAE", "WORLD", True),
    ("A06", "VC", "transfer function", "spectral filtering + OLA", True),
    ("A07", "TTS", "LSTM", "WORLD + GAN post-filter", False),
    ("A08", "TTS", "neural AR", "neural source-filter", False),
    ("A09", "TTS", "LSTM", "Vocaine", False),
    ("A10", "TTS", "Tacotron 2 + speaker encoder", "WaveRNN", False),
    ("A11", "TTS", "Tacotron 2 + speaker encoder", "Griffin-Lim", False),
    ("A12", "TTS", "neural AR", "WaveNet", False),
    ("A13", "TTS-VC", "moment matching", "waveform filtering", False),
    ("A14", "TTS-VC", "LSTM bottleneck", "STRAIGHT", False),
    ("A15", "TTS-VC", "LSTM bottleneck", "WaveNet", False),
    ("A16", "TTS", "the algorithm of A04", "waveform concatenation", True),
    ("A17", "VC", "VAE", "waveform filtering", False),
    ("A18", "VC", "i-vector/PLDA", "MFCC vocoder", False),
    ("A19", "VC", "the algorithm of A06", "spectral filtering + OLA", True),
)

#: A01–A06 are trained on; of the eval attacks only A16 and A19 repeat a training algorithm.
ATTACKS_2019_LA: Mapping[str, Attack] = {row[0]: Attack(*row) for row in _ROWS}
