"""How a training run went: curves, numbers that were not finite, over-fitting; and what the seed decided."""

from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.evaluation.result import Result


class Epoch(Result):
    """What is known of an epoch.

    Attributes:
        epoch: from 1.
        step: at its end.
        loss: mean of its steps; None where none was taken.
        dev_eer: a fraction.
        terms: of the loss, by name, as they entered it.
        learning_rates: at its last step, by parameter group.
        stream_shares: what each stream contributed on dev; empty where there is one stream.
        expert_shares: (blocks, experts) on dev; empty where there are no experts.
    """

    epoch: int
    step: int
    loss: float | None
    dev_eer: float
    terms: dict[str, float]
    learning_rates: dict[str, float]
    stream_shares: tuple[float, ...]
    expert_shares: tuple[tuple[float, ...], ...]


class NonFinite(Result):
    """A kind of number that was not finite, and where it arose.

    Attributes:
        what: ``loss``, ``score``, ``gradient``, ``weights`` or ``dev score``.
        culprit: the module or parameter where it arose.
        steps: at which it was met, in the order of the run; one that was met again after a roll-back stands again.
    """

    what: str
    culprit: str
    steps: tuple[int, ...]


class DataDigest(Result):
    """A partition that a run used; ``sha256`` is over its names, labels and file sizes."""

    corpus: str
    sha256: str


class RunFacts(Result):
    """What must be known to repeat a run.

    Attributes:
        recipe: its name.
        seed: of everything random.
        train: data that it learnt from.
        dev: data that chose the weights.
        train_clips: utterances of the former.
        dev_clips: of the latter.
        versions: of packages, by name.
        system: the machine, as Python calls it.
        gpus: their names.
        threads: of PyTorch.
        commit: of the code; None where git did not tell.
        has_changes: whether the code differed from the commit; None likewise.
        command: as typed.
        started: UTC, ISO 8601.
        ended: likewise; None where the run has not come to its end.
    """

    recipe: str
    seed: int
    train: tuple[DataDigest, ...]
    dev: tuple[DataDigest, ...]
    train_clips: int
    dev_clips: int
    versions: dict[str, str]
    system: str
    gpus: tuple[str, ...]
    threads: int
    commit: str | None
    has_changes: bool | None
    command: str
    started: str
    ended: str | None


class TrainingResult(Result):
    """How a run went.

    Attributes:
        facts: to repeat it.
        epochs: in order; none where numbers that were not finite ended the run before.
        best_epoch: with the lowest EER on dev, the first of equals; None where there is no epoch.
        eer_rise: EER on dev at the last epoch minus the lowest; None likewise.
        overfitting_judged: whether there were epochs enough.
        overfit_since: first epoch of the rise that is called over-fitting; None where none is.
        non_finite: most frequent first.
        steps: that were taken, where a step taken again after a roll-back counts once; and each that was skipped.
        skipped_steps: steps that were not taken for a number that was not finite.
        skipped_share: of all that were tried.
        roll_backs: returns to an earlier state.
        stopped: whether the run gave up.
        findings: ``numeric`` and ``overfitting``.
    """

    facts: RunFacts
    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    eer_rise: float | None
    overfitting_judged: bool
    overfit_since: int | None
    non_finite: tuple[NonFinite, ...]
    steps: int
    skipped_steps: int
    skipped_share: float
    roll_backs: int
    stopped: bool
    findings: tuple[Finding, ...]


class SeedRun(Result):
    """One of several runs that differ in the seed alone; the EER is a fraction, on dev, of its best epoch."""

    seed: int
    best_epoch: int
    best_dev_eer: float


class SeedsResult(Result):
    """What the seed alone decides; fractions.

    Attributes:
        recipe: its name.
        runs: by seed.
        mean: of the best EERs on dev.
        deviation: their standard deviation, of a sample.
        lowest: of them.
        highest: of them.
        judged: whether there were runs enough.
        findings: ``unstable_seeds``.
    """

    recipe: str
    runs: tuple[SeedRun, ...]
    mean: float
    deviation: float
    lowest: float
    highest: float
    judged: bool
    findings: tuple[Finding, ...]
