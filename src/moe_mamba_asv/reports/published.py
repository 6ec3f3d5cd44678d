"""Results that others published, to stand beside measured ones and never among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: ``claimed``: as its source prints it; ``recomputed``: again by others or by us, from released scores or weights.
Status = Literal["claimed", "recomputed"]


@dataclass(frozen=True)
class PublishedResult:
    """One system on the eval partition of one corpus.

    Attributes:
        key: a short name, for `--baseline`.
        system: as people call it.
        corpus: the corpus reader's name.
        eer: a fraction.
        min_tdcf_2019: legacy form, or None.
        status: who vouches for the number.
        source: where it is printed.
    """

    key: str
    system: str
    corpus: str
    eer: float
    min_tdcf_2019: float | None
    status: Status
    source: str


_LA, _LA21, _DF21, _WILD = "asvspoof2019-la", "asvspoof2021-la", "asvspoof2021-df", "in-the-wild"
_AASIST = "Jung et al., AASIST, ICASSP 2022"
_REPORT = "Report on the model line, 2025; nobody has run it again"
_RAWGAT = "Score files of RawGAT-ST (Tak et al., 2021), evaluated by this package"
_MFA = "Guo et al., Audio deepfake detection with self-supervised WavLM and multi-fusion attentive classifier, 2024"
_XLSR_MAMBA = "Xiao and Das, XLSR-Mamba, 2024"
_NES2NET = "Liu et al., Nes2Net, 2025"
_AGAIN = "Recomputed by later comparisons from the released weights"
_XLSR = "Tak et al., Automatic speaker verification spoofing and deepfake detection using wav2vec 2.0, Odyssey 2022"

PUBLISHED = (
    PublishedResult("aasist", "AASIST", _LA, 0.0083, 0.0275, "claimed", _AASIST),
    PublishedResult("aasist-l", "AASIST-L", _LA, 0.0099, 0.0309, "claimed", _AASIST),
    PublishedResult("rawgat-st", "RawGAT-ST (mul)", _LA, 0.010601, 0.03354, "recomputed", _RAWGAT),
    PublishedResult("wavlm-mfa", "WavLM + MFA", _LA, 0.0042, None, "claimed", _MFA),
    PublishedResult("phase1", "Phase 1, Cascade-Mamba", _LA, 0.02735, None, "claimed", _REPORT),
    PublishedResult("phase2", "Phase 2, WavLM-Mamba", _LA, 0.0957, None, "claimed", _REPORT),
    PublishedResult("phase3", "Phase 3, MoE-Mamba", _LA, 0.0917, None, "claimed", _REPORT),
    PublishedResult("phase4", "Phase 4, WavLM and SincNet", _LA, 0.0711, None, "claimed", _REPORT),
    PublishedResult("phase5", "Phase 5, fine-tuned", _LA, 0.0444, None, "claimed", _REPORT),
    PublishedResult("aasist", "AASIST", _LA21, 0.1235, None, "recomputed", _AGAIN),
    PublishedResult("aasist-l", "AASIST-L", _LA21, 0.1315, None, "recomputed", _AGAIN),
    PublishedResult("wavlm-mfa", "WavLM + MFA", _LA21, 0.0508, None, "claimed", _MFA),
    PublishedResult("xlsr-mamba", "XLSR-Mamba", _LA21, 0.0093, None, "claimed", _XLSR_MAMBA),
    PublishedResult("nes2net-x", "Nes2Net-X", _LA21, 0.0188, None, "claimed", _NES2NET),
    PublishedResult("xlsr-aasist", "XLS-R + AASIST, fine-tuned", _LA21, 0.0082, None, "claimed", _XLSR),
    PublishedResult("aasist", "AASIST", _DF21, 0.1704, None, "recomputed", _AGAIN),
    PublishedResult("aasist-l", "AASIST-L", _DF21, 0.1596, None, "recomputed", _AGAIN),
    PublishedResult("wavlm-mfa", "WavLM + MFA", _DF21, 0.0256, None, "claimed", _MFA),
    PublishedResult("xlsr-mamba", "XLSR-Mamba", _DF21, 0.0188, None, "claimed", _XLSR_MAMBA),
    PublishedResult("nes2net-x", "Nes2Net-X", _DF21, 0.0149, None, "claimed", _NES2NET),
    PublishedResult("xlsr-aasist", "XLS-R + AASIST, fine-tuned", _DF21, 0.0285, None, "claimed", _XLSR),
    PublishedResult("phase5", "Phase 5, fine-tuned", _DF21, 0.4731, None, "claimed", _REPORT),
    PublishedResult("aasist", "AASIST", _WILD, 0.4301, None, "recomputed", _AGAIN),
    PublishedResult("aasist-l", "AASIST-L", _WILD, 0.4445, None, "recomputed", _AGAIN),
    PublishedResult("xlsr-aasist", "XLS-R + AASIST, fine-tuned", _WILD, 0.1046, None, "recomputed", _AGAIN),
    PublishedResult("xlsr-mamba", "XLSR-Mamba", _WILD, 0.0671, None, "claimed", _XLSR_MAMBA),
    PublishedResult("nes2net-x", "Nes2Net-X", _WILD, 0.0515, None, "claimed", _NES2NET),
)


def published_on(corpus: str, partition: str | None) -> Sequence[PublishedResult]:
    """What was published on the eval partition of a corpus, best first; nothing on any other."""
    rows = [row for row in PUBLISHED if row.corpus == corpus and partition == "eval"]
    return sorted(rows, key=lambda row: row.eer)
