"""By which rules a report is made."""

from dataclasses import dataclass

from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.join import Trials, join
from moe_mamba_asv.scores import ScoreTable
from moe_mamba_asv.types import Corpus


@dataclass(frozen=True)
class Making:
    """Facts about the making of a report that no file tells.

    Attributes:
        command: what was typed.
        created: ISO 8601 date.
        version: of the package.
    """

    command: str
    created: str
    version: str


@dataclass(frozen=True)
class Judging:
    """How scores are judged.

    Attributes:
        asv: ASV scores of the same partition, for t-DCF.
        num_bootstrap: replicates of every interval; 0 leaves the intervals out.
        seed: of the bootstrap.
        allow_missing: as in `join`.
        allow_extra: as in `join`.
    """

    asv: AsvScores | None = None
    num_bootstrap: int = 1000
    seed: int = 0
    allow_missing: bool = False
    allow_extra: bool = False

    def join(self, table: ScoreTable, corpus: Corpus) -> Trials:
        """Scores and labels, by these rules."""
        return join(table, corpus, allow_missing=self.allow_missing, allow_extra=self.allow_extra)
