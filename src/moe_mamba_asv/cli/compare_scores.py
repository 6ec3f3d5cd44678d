"""The part of `mma compare` that compares score files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import typer

from moe_mamba_asv.cli.compare_tables import shout, show_comparison
from moe_mamba_asv.cli.evaluate import asked_or_found_asv_scores
from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, print_json

if TYPE_CHECKING:
    from pathlib import Path


def compare_score_files(
    files: list[Path],
    *,
    corpus: str,
    root: Path | None,
    protocol: Path | None,
    partition: str,
    subset: str | None,
    asv_scores: Path | None,
    bootstrap: int,
    cluster: str | None,
    seed: int,
    allow_missing: bool,
    allow_extra: bool,
    fuse: Literal["average", "logistic"] | None,
    dev: list[Path],
    dev_protocol: Path | None,
    interpolation: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare score files and print what comes of it; the options are those of `mma compare`.

    Raises:
        MmaError: whatever does not fit.
        typer.Exit: always, with the exit code.
    """
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.evaluation.comparison.compare import compare
    from moe_mamba_asv.evaluation.comparison.fusion import fuse as fuse_systems
    from moe_mamba_asv.evaluation.comparison.lineup import line_up, name_systems
    from moe_mamba_asv.evaluation.comparison.result import read_interpolation
    from moe_mamba_asv.scores import read_scores, write_scores

    _refuse_unread(files, fuse, dev, dev_protocol, out)
    tables = [read_scores(file) for file in files]
    models = [table.header.get("model", "") for table in tables]
    names = name_systems([file.stem for file in files], models, [str(file) for file in files])
    given = {"allow_missing": allow_missing, "allow_extra": allow_extra}
    labels = read_corpus(corpus, root=root, protocol=protocol, partition=partition, subset=subset)
    lineup = line_up(dict(zip(names, tables, strict=True)), labels, **given)
    dev_lineup = None
    if dev:
        dev_labels = read_corpus(corpus, root=root, protocol=dev_protocol, partition="dev", subset=subset)
        dev_tables = {name: read_scores(file) for name, file in zip(names, dev, strict=True)}
        dev_lineup = line_up(dev_tables, dev_labels, **given)
    fused = fuse_systems(lineup, fuse, dev=dev_lineup) if fuse else None
    comparison = compare(
        lineup,
        asv=asked_or_found_asv_scores(asv_scores, root, corpus, partition),
        n_bootstrap=bootstrap,
        seed=seed,
        cluster=cluster,
        fused=fused,
        interpolation=read_interpolation(interpolation) if interpolation else None,
    )
    if fused and out:
        write_scores(out, fused.table)
    shout(comparison)
    if as_json:
        print_json(comparison.to_json())
    else:
        show_comparison(comparison, out)
    raise typer.Exit(SOME_FAILED if comparison.failed else DONE)


def _refuse_unread(
    files: list[Path], fuse: str | None, dev: list[Path], dev_protocol: Path | None, out: Path | None
) -> None:
    from moe_mamba_asv.errors import ConfigError

    if fuse is None and (dev or out):
        raise ConfigError(f"{'--dev' if dev else '--out'} without a fusion", wanted="--fuse average or --fuse logistic")
    if dev_protocol and not dev:
        raise ConfigError("--dev-protocol without dev scores", wanted="--dev FILE for each system")
    if dev and len(dev) != len(files):
        raise ConfigError(
            f"{len(dev)} files of dev scores for {len(files)} systems",
            wanted="one --dev FILE for each system, in the same order",
        )
