"""The report before any language: everything a page shows, as frozen typed data.

Every number on a page is a field of this model; the renderers only round and lay out.
"""

from pydantic import BaseModel, ConfigDict

from moe_mamba_asv.diagnostics.results.diagnosis import Diagnosis
from moe_mamba_asv.diagnostics.results.finding import Fault, Finding
from moe_mamba_asv.diagnostics.results.training import SeedsResult, TrainingResult
from moe_mamba_asv.evaluation.comparison.result import PairComparison
from moe_mamba_asv.evaluation.gap.result import Gap, Step
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


class ScoreQuantiles(_Frozen):
    """Where the scores of a group of trials lie.

    Attributes:
        group: attack id; empty for bona fide speech.
        n: trials.
        levels: 5, 25, 50, 75 and 95 % of them score at most this.
    """

    group: str
    n: int
    levels: tuple[float, float, float, float, float]


class SystemReport(_Frozen):
    """One system: its evaluation, the curves that are drawn of it, and what is known of how it came to be.

    Attributes:
        evaluation: figures of its scores.
        det: curve.
        histogram: of both classes.
        quantiles: of bona fide speech, then of each attack.
        score_file: what all this rests on.
        gap: from dev to this partition; None without scores of dev.
        known_to_unknown: from known attacks to unknown ones; None where the corpus does not tell them apart.
        training: records of its run; None where only scores were given.
        settings: of its recipe, ``model.…`` and ``training.…`` by dotted key; empty where only scores were given.
        diagnosis: None where nobody asked for one.
        findings: by all rules that could be tested.
    """

    evaluation: Evaluation
    det: DetPoints
    histogram: ScoreHistogram
    quantiles: tuple[ScoreQuantiles, ...] = ()
    score_file: ScoreFile
    gap: Gap | None = None
    known_to_unknown: Step | None = None
    training: TrainingResult | None = None
    settings: dict[str, str] = {}
    diagnosis: Diagnosis | None = None
    findings: tuple[Finding, ...] = ()


class PublishedRow(_Frozen):
    """A result that somebody published on this partition; fractions.

    Attributes:
        system: as people call it.
        eer: as published.
        min_tdcf_2019: legacy form, or None.
        status: ``claimed`` by its source, or ``recomputed``.
        source: where it is printed.
        is_baseline: whether the report was asked to compare with it.
        times: EER of each system of the report over this one, by name.
    """

    system: str
    eer: float
    min_tdcf_2019: float | None
    status: str
    source: str
    is_baseline: bool
    times: dict[str, float]


class RuleCounts(_Frozen):
    """How many rules there were to test, how many found a fault, and of how many kinds those are."""

    tested: int
    raised: int
    kinds: int


class Suggestion(_Frozen):
    """A next step.

    Attributes:
        key: under which the locales say it.
        because: the faults that ask for it.
    """

    key: str
    because: tuple[Fault, ...]


class Provenance(_Frozen):
    """Where the numbers come from.

    Attributes:
        protocols: files that told which trial is bona fide and which is not.
        asv_scores: the ASV score file behind the t-DCF, if one was given.
        command: what was typed.
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
        history: each system (A) and the next one (B), in the order given, the baseline left out.
        against_baseline: each system (A) and the baseline (B), if that is one of the systems.
        compared_trials: that every system scored, on which both of these rest; None for a single system.
        published: results on this partition, best first.
        seeds: of runs of one recipe with several seeds.
        rules: counts over all systems and seeds.
        suggestions: next steps, the most wanted first.
        provenance: where the numbers come from.
    """

    corpus: str
    partition: str | None
    systems: tuple[SystemReport, ...]
    attacks: tuple[AttackEntry, ...]
    history: tuple[PairComparison, ...] = ()
    against_baseline: tuple[PairComparison, ...] = ()
    compared_trials: int | None = None
    published: tuple[PublishedRow, ...] = ()
    seeds: tuple[SeedsResult, ...] = ()
    rules: RuleCounts
    suggestions: tuple[Suggestion, ...] = ()
    provenance: Provenance
