"""The report before any language: everything a page shows, as frozen typed data.

Every number on a page is a field of this model; the renderers only round and lay out.
"""

from pydantic import BaseModel, ConfigDict

from moe_mamba_asv.evaluation.result import Evaluation


class _Frozen(BaseModel):
    """A closed, unchangeable record in which NaN and infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DetPoints(_Frozen):
    """The detection error trade-off as corner points, from "accept everything" to "reject everything".

    Attributes:
        p_fa: share of spoofed trials accepted, fractions.
        p_miss: share of bona fide trials rejected, fractions; as long as `p_fa`.
    """

    p_fa: tuple[float, ...]
    p_miss: tuple[float, ...]


class ScoreHistogram(_Frozen):
    """How many trials of each class fall in each score bin.

    Attributes:
        edges: bin borders in score units, one more than bins.
        bonafide: bona fide trials per bin; the outermost bins also hold what lies beyond the borders.
        spoof: spoofed trials per bin, likewise.
        clipped: trials that lie beyond the outermost borders.
    """

    edges: tuple[float, ...]
    bonafide: tuple[int, ...]
    spoof: tuple[int, ...]
    clipped: int


class SourceFile(_Frozen):
    """A file that the numbers rest on.

    Attributes:
        name: file name without its folder: a report must not carry the paths of a machine.
        sha256: digest of its content, hexadecimal.
    """

    name: str
    sha256: str


class ScoreFile(SourceFile):
    """A score file and what its header says.

    Attributes:
        header: facts about the system as the file states them (``model``, ``crop`` …); empty where it has none.
    """

    header: dict[str, str]


class AttackEntry(_Frozen):
    """One line of the corpus's attack catalogue, in the catalogue's own words.

    Attributes:
        id: as the protocol names it.
        kind: TTS, VC, …; empty where nothing is published.
        system: acoustic model or conversion method.
        waveform: how the waveform is made.
        known: whether the algorithm was among the training attacks; None where that is not known.
    """

    id: str
    kind: str = ""
    system: str = ""
    waveform: str = ""
    known: bool | None = None


class SystemReport(_Frozen):
    """One system: its evaluation and the curves that are drawn of it."""

    evaluation: Evaluation
    det: DetPoints
    histogram: ScoreHistogram
    score_file: ScoreFile


class Provenance(_Frozen):
    """Where the numbers come from.

    Attributes:
        protocols: files that told which trial is bona fide and which is not.
        asv_scores: the ASV score file behind the t-DCF, if one was given.
        command: what was typed, paths cut to file names.
        created: date of making, ISO 8601.
        version: of this package.
    """

    protocols: tuple[SourceFile, ...]
    asv_scores: SourceFile | None
    command: str
    created: str
    version: str


class Report(_Frozen):
    """A whole report: one or several systems on the same trials.

    Attributes:
        corpus: the corpus reader's name.
        partition: None where the corpus does not tell.
        systems: at least one, in the order they were given; names are unique.
        attacks: what is published of every attack that was met, by id.
        provenance: where the numbers come from.
    """

    corpus: str
    partition: str | None
    systems: tuple[SystemReport, ...]
    attacks: tuple[AttackEntry, ...]
    provenance: Provenance
