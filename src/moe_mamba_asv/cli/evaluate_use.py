"""What `mma evaluate` makes of calibrations, and what it says of scores in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from moe_mamba_asv.cli.terminal import console

if TYPE_CHECKING:
    from rich.table import Table

    from moe_mamba_asv.evaluation.result import Evaluation
    from moe_mamba_asv.evaluation.use.result import CalibratedResult, ClassResult, DecisionsResult, TandemResult
    from moe_mamba_asv.scores import ScoreTable


def calibrated(table: ScoreTable, calibration: Path | None, prior: float | None) -> ScoreTable:
    """The score table with what a calibration says of it; as it is, where none was asked for.

    Raises:
        ScoreError: not a calibration, or one of other weights.
        ConfigError: a prior outside (0, 1).
    """
    from moe_mamba_asv.evaluation.calibration.calibration import read_calibration
    from moe_mamba_asv.evaluation.calibration.table import DEFAULT_PRIOR, calibrate_table

    if calibration is None:
        return table
    return calibrate_table(table, read_calibration(calibration), prior=DEFAULT_PRIOR if prior is None else prior)


def show_use(evaluation: Evaluation) -> None:
    """Tables for a person: percent."""
    if evaluation.calibrated:
        console.print(_calibrated_table(evaluation.calibrated))
        _say(_worth(evaluation.calibrated))
    if evaluation.decisions:
        console.print(_decisions_table(evaluation.decisions))
        _say(_rates(evaluation.decisions))
    if evaluation.tandem:
        console.print(_tandem_table(evaluation.tandem))


def _calibrated_table(found: CalibratedResult) -> Table:
    from rich.markup import escape
    from rich.table import Table

    title = f"{found.calibration} calibration, learned on {found.calibrated_on}; prior {found.prior:g}"
    table = Table("probability", "trials", "mean", "bona fide of them", title=escape(title), title_justify="left")
    for part in found.bins:
        ends = f"{_percent(part.lowest)} … {_percent(part.highest)}"
        table.add_row(ends, f"{part.count:,}", _percent(part.mean_probability), _percent(part.fraction_bonafide))
    return table


def _worth(found: CalibratedResult) -> str:
    figures = f"act DCF {found.act_dcf:.4f} (ASVspoof 5 Track 1), Cllr {found.cllr:.4f} bit, ECE {_percent(found.ece)}"
    return f"{figures}; means and ECE with the classes weighted to the prior"


def _decisions_table(found: DecisionsResult) -> Table:
    from rich.table import Table

    title = f"Decided: bona fide above a {found.scale} of {found.threshold:.6g}"
    table = Table("class", "accepted", "rejected", "precision", "recall", "F1", title=title, title_justify="left")
    for name, accepted, rejected, of in (
        ("bona fide", found.bonafide_accepted, found.bonafide_rejected, found.bonafide),
        ("spoof", found.spoof_accepted, found.spoof_rejected, found.spoof),
    ):
        table.add_row(name, f"{accepted:,}", f"{rejected:,}", *_quality(of))
    return table


def _rates(found: DecisionsResult) -> str:
    right = f"accuracy {_percent(found.accuracy)}, balanced {_percent(found.balanced_accuracy)}"
    return f"{right}; P_miss {_percent(found.p_miss)}, P_fa {_percent(found.p_fa)}"


def _quality(of: ClassResult) -> tuple[str, str, str]:
    precision = "–" if of.precision is None else _percent(of.precision)
    return precision, _percent(of.recall), _percent(of.f1)


def _tandem_table(found: TandemResult) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(f"In front of the ASV system of {found.source}"), title_justify="left", show_header=False
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("where")
    teer = found.teer
    trials = f"{found.target:,} target, {found.nontarget:,} nontarget, {found.spoof:,} spoof trials"
    errors = f"P_miss {_percent(teer.p_miss)}, P_fa nontarget {_percent(teer.p_fa_nontarget)}"
    errors += f", spoof {_percent(teer.p_fa_spoof)}"
    table.add_row("min a-DCF", f"{found.min_adcf:.4f}", f"countermeasure above {found.cm_threshold:.6g}")
    table.add_row("min a-DCF of the ASV system alone", f"{found.min_adcf_asv:.4f}", trials)
    thresholds = f"ASV above {teer.asv_threshold:.6g}, countermeasure above {teer.cm_threshold:.6g}"
    table.add_row("concurrent t-EER", _percent(teer.value), thresholds)
    table.add_row("its three errors", f"spread {_percent(teer.spread)}", errors)
    return table


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3f} %"
