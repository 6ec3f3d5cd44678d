"""What a breakdown answers: a table of cells, with everything that a reader must know beside them."""

from typing import Literal

from pydantic import Field

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.result import AsvResult, Result
from moe_mamba_asv.scores import name_some

Measure = Literal["eer", "min_tdcf_2019", "min_tdcf_2021", "min_dcf", "act_dcf", "cllr"]


class Figure(Result):
    """One measure of a cell.

    Attributes:
        value: error rates are fractions.
        ci: interval at the table's confidence; None without bootstrap, where all trials are of one cluster, and
            for ``act_dcf`` and ``cllr``.
    """

    value: float
    ci: tuple[float, float] | None = None


class Cell(Result):
    """Spoofed trials of one level of each axis against their bona fide trials.

    Attributes:
        levels: one for each axis; `POOLED` is all of them.
        n_bonafide: bona fide trials.
        n_spoof: spoofed trials.
        figures: by measure; empty where a class is absent.
        reason: why there are no figures; None where there are.
    """

    levels: tuple[str, ...]
    n_bonafide: int
    n_spoof: int
    figures: dict[Measure, Figure]
    reason: str | None = None


class TableAxis(Result):
    """One axis of a table.

    Attributes:
        name: what it is.
        levels: in order; `POOLED` is the last.
        labels: what a reader sees, one for each level.
        bonafide: ``all`` if a level is judged against the bona fide trials of all levels, because only spoofed trials
            have one; ``same`` if against those of its own.
    """

    name: str
    levels: tuple[str, ...]
    labels: tuple[str, ...]
    bonafide: Literal["all", "same"]


class Breakdown(Result):
    """A table of figures of one system.

    Attributes:
        caption: what the table is, in words.
        system: who answered; empty if nobody said.
        corpus: the corpus reader's name.
        split: partition, and subset where the corpus has any.
        axes: one, or rows and columns.
        cells: all combinations of levels, the last axis fastest.
        asv: the speaker verification behind the t-DCF; None without ASV scores.
        confidence: of every interval.
        n_bootstrap: replicates of every interval; 0 if there are none.
        cluster: column whose values were drawn in place of single trials; None where trials were.
        seed: of the bootstrap.
        warnings: what makes the figures suspect.
        notes: choices that a reader must know.
    """

    caption: str
    system: str
    corpus: str
    split: str
    axes: tuple[TableAxis, ...]
    cells: tuple[Cell, ...]
    asv: AsvResult | None
    confidence: float = Field(gt=0, lt=1)
    n_bootstrap: int
    cluster: str | None = None
    seed: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def cell(self, *levels: str) -> Cell:
        """The cell of these levels, one for each axis.

        Raises:
            ConfigError: there is no such cell.
        """
        for cell in self.cells:
            if cell.levels == levels:
                return cell
        there = "; ".join(f"{axis.name}: {name_some(axis.levels, 20)}" for axis in self.axes)
        raise ConfigError(f"no cell {levels}", wanted=there)
