"""The kinds of corpora that can be read: what each is, the layout it has on disk, its official counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from moe_mamba_asv.types import Partition

TRAIN, DEV, EVAL = Partition.TRAIN, Partition.DEV, Partition.EVAL


@dataclass(frozen=True)
class OfficialCount:
    """Number of trials that the organisers publish for one part of a corpus.

    Attributes:
        partition: the part.
        bonafide: bona fide trials.
        spoof: spoofed trials.
        subset: phase of ASVspoof 2021 (``eval``, ``progress``, ``hidden``); None elsewhere.
        per_attack: trials of each attack, where all have the same number.
    """

    partition: Partition
    bonafide: int
    spoof: int
    subset: str | None = None
    per_attack: int | None = None

    @property
    def name(self) -> str:
        """How a person calls this part: ``eval``, or ``eval/progress`` for a phase."""
        return f"{self.partition}/{self.subset}" if self.subset else str(self.partition)


@dataclass(frozen=True)
class Kind:
    """One kind of corpus.

    Attributes:
        name: as ``--corpus`` takes it.
        what: one line for a person.
        layout: files that a root folder must hold, one pattern each.
        counts: official counts; empty where the corpus has none.
    """

    name: str
    what: str
    layout: tuple[str, ...]
    counts: tuple[OfficialCount, ...] = ()

    @property
    def wanted(self) -> str:
        """The layout in one line, for an error."""
        return " and ".join(self.layout)


_KINDS = (
    Kind(
        "asvspoof2019-la",
        "ASVspoof 2019 logical access: TTS and VC attacks A01 to A19, from VCTK",
        (
            "[LA/]ASVspoof2019_LA_{train,dev,eval}/flac/*.flac",
            "[LA/]ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{train.trn,dev.trl,eval.trl}.txt",
        ),
        (
            OfficialCount(TRAIN, 2_580, 22_800, per_attack=3_800),
            OfficialCount(DEV, 2_548, 22_296, per_attack=3_716),
            OfficialCount(EVAL, 7_355, 63_882, per_attack=4_914),
        ),
    ),
    Kind(
        "asvspoof2021-la",
        "ASVspoof 2021 logical access: 2019 attacks through telephone codecs and transmission",
        ("ASVspoof2021_LA_eval/flac/*.flac", "keys/LA/CM/trial_metadata.txt"),
        (
            OfficialCount(EVAL, 14_816, 133_360, subset="eval"),
            OfficialCount(EVAL, 1_676, 14_788, subset="progress"),
            OfficialCount(EVAL, 1_960, 14_966, subset="hidden"),
        ),
    ),
    Kind(
        "asvspoof2021-df",
        "ASVspoof 2021 deepfake: compressed speech from ASVspoof 2019, VCC 2018 and VCC 2020",
        ("ASVspoof2021_DF_eval/flac/*.flac", "keys/DF/CM/trial_metadata.txt"),
        (
            OfficialCount(EVAL, 14_869, 519_059, subset="eval"),
            OfficialCount(EVAL, 5_768, 53_557, subset="progress"),
            OfficialCount(EVAL, 1_980, 16_596, subset="hidden"),
        ),
    ),
    Kind(
        "asvspoof5",
        "ASVspoof 5 Track 1: crowdsourced speech, 32 attacks, adversarial ones among them",
        (
            "flac_{T,D,E_eval}/*.flac",
            "[ASVspoof5_protocols/]ASVspoof5.{train,dev.track_1,eval.track_1}.tsv",
        ),
        (
            OfficialCount(TRAIN, 18_797, 163_560),
            OfficialCount(DEV, 31_334, 109_616),
            OfficialCount(EVAL, 138_688, 542_086),
        ),
    ),
    Kind(
        "in-the-wild",
        "In-the-Wild: deepfakes and recordings of public figures, found on the internet",
        ("[release_in_the_wild/]meta.csv", "[release_in_the_wild/]*.wav"),
        (OfficialCount(EVAL, 19_963, 11_816),),
    ),
    Kind(
        "folder",
        "any two folders of speech; everything is eval unless a folder train/, dev/ or eval/ is above",
        ("[train/|dev/|eval/]bonafide/**", "[train/|dev/|eval/]spoof/[ATTACK/]**"),
    ),
    Kind(
        "manifest",
        "any CSV, TSV or Parquet table; further columns become conditions",
        ("a file with the columns utterance or path, label, and if wanted attack, speaker, partition",),
    ),
    Kind(
        "minispoof",
        "the embedded corpus that `mma corpus build minispoof` makes from real speech",
        (
            "minispoof_{train,dev,eval}/flac/*.flac",
            "minispoof_cm_protocols/minispoof.cm.{train.trn,dev.trl,eval.trl}.txt",
            "corpus.json",
        ),
    ),
)

#: By name, in the order a person reads them.
KIND_BY_NAME: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})
#: Names of all kinds.
KINDS: tuple[str, ...] = tuple(KIND_BY_NAME)
