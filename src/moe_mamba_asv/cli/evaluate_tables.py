"""The tables of `mma evaluate`: by columns, official ones, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moe_mamba_asv.evaluation.asv import AsvScores
    from moe_mamba_asv.evaluation.join import Trials
    from moe_mamba_asv.evaluation.result import Evaluation
    from moe_mamba_asv.evaluation.tables.result import Breakdown


def asked_breakdown(
    trials: Trials,
    by: list[str],
    preset: str | None,
    subset: str | None,
    *,
    asv: AsvScores | None,
    n_bootstrap: int,
    seed: int,
    cluster: str | None,
) -> Breakdown | None:
    """The table that was asked for, if any.

    Raises:
        ConfigError: both kinds were asked for, there is no such column or preset, or not every trial has a value of
            ``cluster``.
    """
    from moe_mamba_asv.errors import ConfigError
    from moe_mamba_asv.evaluation.tables.breakdown import breakdown
    from moe_mamba_asv.evaluation.tables.presets import official_table

    if preset and by:
        raise ConfigError(f"--table {preset} and --by {by[0]}", wanted="one of them")
    drawn = {"n_bootstrap": n_bootstrap, "seed": seed, "cluster": cluster}
    if preset:
        return official_table(
            trials,
            preset,
            subset=subset if "subset" in trials.frame.columns else None,
            asv=asv,
            **drawn,
        )
    return breakdown(trials, by, asv=asv, **drawn) if by else None


def write_table(table: Breakdown | Evaluation, file: Path) -> None:
    """Write a table in the form that the file's ending names: .csv, .json, .md or .tex.

    Raises:
        ConfigError: another ending.
    """
    from moe_mamba_asv.errors import ConfigError
    from moe_mamba_asv.evaluation.tables.forms import to_csv, to_json, to_latex, to_markdown
    from moe_mamba_asv.scores import write_atomically

    writers = {".csv": to_csv, ".json": to_json, ".md": to_markdown, ".tex": to_latex}
    if file.suffix not in writers:
        raise ConfigError(f"a table in {file.name}", wanted=f"a name that ends in {', '.join(writers)}")
    write_atomically(file, writers[file.suffix](table))
