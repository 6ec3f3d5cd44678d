"""`mma evaluate FOLDER`: a score file for each system or seed, side by side, with their mean and spread."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, print_json, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.evaluation.asv import AsvScores
    from moe_mamba_asv.evaluation.result import Evaluation
    from moe_mamba_asv.types import Corpus


def evaluate_many(
    folder: Path,
    labels: Corpus,
    *,
    asv: AsvScores | None,
    n_bootstrap: int,
    seed: int,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Judge every score file of a folder on the same trials, and say so.

    Returns:
        The exit code: 1 where a file could not be judged.

    Raises:
        ScoreError: not one file can be judged.
    """
    from moe_mamba_asv.errors import ScoreError
    from moe_mamba_asv.evaluation.evaluate import evaluate
    from moe_mamba_asv.evaluation.join import join
    from moe_mamba_asv.scores.many import read_systems

    systems = read_systems(folder)
    refused = {name: str(reason) for name, reason in systems.refused.items()}
    judged: dict[str, Evaluation] = {}
    for name, table in systems.items():
        try:
            trials = join(table, labels)
            judged[name] = evaluate(trials, asv=asv, n_bootstrap=n_bootstrap, seed=seed, system=name, cluster=cluster)
        except ScoreError as error:
            refused[name] = str(error)
    for name, reason in refused.items():
        stderr.print(f"left out {name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if not judged:
        raise ScoreError(f"not one system of {folder} can be judged", wanted=f"scores of {labels.kind}")
    eers = [evaluation.eer for evaluation in judged.values()]
    spread = statistics.stdev(eers) if len(eers) > 1 else None
    if as_json:
        rows = {name: evaluation.to_json() for name, evaluation in judged.items()}
        print_json({"systems": rows, "refused": refused, "mean_eer": statistics.mean(eers), "spread_eer": spread})
    else:
        _show(judged)
        around = "" if spread is None else f", spread {spread:.2%}"
        console.print(f"EER over {len(eers)} systems: mean {statistics.mean(eers):.2%}{around}", highlight=False)
    return SOME_FAILED if refused else DONE


def _show(judged: dict[str, Evaluation]) -> None:
    from rich.markup import escape
    from rich.table import Table

    first = next(iter(judged.values()))
    has_costs = first.min_tdcf_2019 is not None
    costs = ("min t-DCF 2019", "min t-DCF 2021") if has_costs else ()
    trials = f"{first.counts.bonafide:,} bona fide and {first.counts.spoof:,} spoofed trials"
    table = Table("system", "EER", f"{first.confidence:.0%} interval", *costs, caption=f"{first.corpus}, {trials}")
    for name, evaluation in sorted(judged.items(), key=lambda item: item[1].eer):
        ends = evaluation.eer_ci
        interval = "–" if ends is None else f"{100 * ends[0]:.2f} … {100 * ends[1]:.2f} %"
        values = [f"{value:.5f}" for value in (evaluation.min_tdcf_2019, evaluation.min_tdcf_2021) if value is not None]
        table.add_row(escape(name), f"{100 * evaluation.eer:.3f} %", interval, *values)
    console.print(table)
