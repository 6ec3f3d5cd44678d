"""The attacks of ASVspoof 2019 LA, and the counts that its organisers and those of later corpora published.

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

#: (bona fide, spoof) by kind of corpus and partition; of ASVspoof 2021 the ``eval`` subset.
OFFICIAL_COUNTS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "asvspoof2019-la": {"train": (2_580, 22_800), "dev": (2_548, 22_296), "eval": (7_355, 63_882)},
    "asvspoof2021-la": {"eval": (14_816, 133_360)},
    "asvspoof2021-df": {"eval": (14_869, 519_059)},
    "asvspoof5": {"train": (18_797, 163_560), "dev": (31_334, 109_616), "eval": (138_688, 542_086)},
    "in-the-wild": {"eval": (19_963, 11_816)},
}
