"""Systems beside each other, on the same trials, and beside what others published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.comparison.compare import compare
from moe_mamba_asv.evaluation.comparison.lineup import line_up
from moe_mamba_asv.evaluation.comparison.result import PairComparison
from moe_mamba_asv.reports.judging import Judging
from moe_mamba_asv.reports.model import PublishedRow, SystemReport
from moe_mamba_asv.reports.published import PUBLISHED, PublishedResult, published_on
from moe_mamba_asv.scores import ScoreTable
from moe_mamba_asv.types import Corpus


@dataclass(frozen=True)
class Compared:
    """Paired comparisons; the first of a pair is A.

    Attributes:
        history: each system and the next one.
        against_baseline: each system and the baseline.
        trials: that every system scored.
    """

    history: tuple[PairComparison, ...]
    against_baseline: tuple[PairComparison, ...]
    trials: int


def resolve_baseline(
    name: str | None, systems: Sequence[str], corpus: str, partition: str | None
) -> tuple[str | None, tuple[tuple[PublishedResult, bool], ...]]:
    """Find what a report shall be compared with.

    Args:
        name: as asked for; None for nothing.
        systems: names of the report's systems.
        corpus: the corpus reader's name.
        partition: that is judged.

    Returns:
        The system, if it is one of the report's; and all published results, each with whether it was asked for.

    Raises:
        ConfigError: neither a system nor a published key.
    """
    published = published_on(corpus, partition)
    keys = sorted({row.key for row in PUBLISHED})
    if name is not None and name not in systems and name not in keys:
        raise ConfigError(
            f"no baseline {name!r}", wanted=f"one of {', '.join(systems)}, or published: {', '.join(keys)}"
        )
    measured = name if name in systems else None
    return measured, tuple((row, row.key == name and measured is None) for row in published)


def compare_all(tables: Mapping[str, ScoreTable], corpus: Corpus, judging: Judging, baseline: str | None) -> Compared:
    """Compare in pairs, on the same resamples.

    Args:
        tables: score tables by the name of the system, in the order of their history.
        corpus: cut down to the partition to be judged.
        judging: by which rules.
        baseline: one of the names, or None.

    Raises:
        ScoreError: scores that cannot be joined.
    """
    line = [name for name in tables if name != baseline]
    # The baseline last, so that it is the B of its pairs.
    ordered = {name: tables[name] for name in (*line, *([baseline] if baseline else []))}
    # Each was joined by the stricter rule already; what one could not score, none is compared on.
    lineup = line_up(ordered, corpus, allow_missing=True, allow_extra=judging.allow_extra)
    whole = compare(lineup, asv=judging.asv, n_bootstrap=judging.num_bootstrap, seed=judging.seed)
    pairs = {(pair.a, pair.b): pair for pair in whole.pairs}
    return Compared(
        history=tuple(pairs[before, after] for before, after in pairwise(line)),
        against_baseline=tuple(pairs[name, baseline] for name in line) if baseline else (),
        trials=whole.counts.bonafide + whole.counts.spoof,
    )


def published_rows(
    systems: Sequence[SystemReport], published: Sequence[tuple[PublishedResult, bool]]
) -> tuple[PublishedRow, ...]:
    """What was published, and how many times its EER each system has.

    Args:
        systems: measured.
        published: results, and whether each is the baseline.
    """
    return tuple(
        PublishedRow(
            system=row.system,
            eer=row.eer,
            min_tdcf_2019=row.min_tdcf_2019,
            status=row.status,
            source=row.source,
            is_baseline=is_baseline,
            times={system.evaluation.system: system.evaluation.eer / row.eer for system in systems},
        )
        for row, is_baseline in published
    )
