"""`mma evaluate`: a score file and the labels of its corpus become figures."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moe_mamba_asv.cli.evaluate_many import evaluate_many
from moe_mamba_asv.cli.evaluate_show import shout, shout_faults, show, show_gap
from moe_mamba_asv.cli.evaluate_tables import asked_breakdown, write_table
from moe_mamba_asv.cli.evaluate_use import calibrated, show_use
from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.evaluation.asv import AsvScores
    from moe_mamba_asv.evaluation.faults.faults import Fault
    from moe_mamba_asv.evaluation.join import Trials
    from moe_mamba_asv.scores import ScoreTable
    from moe_mamba_asv.types import Corpus

_EXAMPLE = """\
Judge a score file: EER, min t-DCF in both forms, per attack, known and unknown, with 95 % intervals.

Example: `mma evaluate scores.tsv --corpus asvspoof2019-la --root LA --out result.json`

The official table, also for a paper: `--table 2021-la --write table.tex`; by any columns: `--by attack --by codec`

What would all attacks together come to if A18 had an EER of 5 %: `--what-if A18=0.05`

What are calibrated scores worth, if 1 % of all audio is bona fide: `--calibration best.calibration.json --prior 0.01`

How many are decided rightly at a threshold: `--threshold 1.5`

a-DCF and t-EER, from a file with columns utterance, asv_score and kind: `--asv-trials asv.tsv`

Exit code 0: everything was judged; 1: the score file lists failed utterances, which are in no figure; 2: wrong use.
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("evaluate", help=_EXAMPLE)(evaluate_command)


def evaluate_command(
    scores: Annotated[
        Path,
        typer.Argument(
            help="Score file: the project's own, ASVspoof 2019, 2021 or 5 form, CSV, Parquet, or - for stdin; "
            "or a folder with a file for each system or seed.",
            allow_dash=True,
        ),
    ],
    corpus: Annotated[str, typer.Option(help="Corpus reader, e.g. asvspoof2019-la.")],
    root: Annotated[Path | None, typer.Option(help="The corpus's tree.")] = None,
    protocol: Annotated[Path | None, typer.Option(help="Its protocol or key file alone, without the sound.")] = None,
    partition: Annotated[Literal["train", "dev", "eval"], typer.Option(help="What to judge.")] = "eval",
    subset: Annotated[Literal["eval", "progress", "hidden", "all"], typer.Option(help="Of ASVspoof 2021.")] = "eval",
    asv_scores: Annotated[Path | None, typer.Option(help="ASV scores of the partition, for t-DCF.")] = None,
    asv_trials: Annotated[
        Path | None, typer.Option(help="ASV score of every trial: utterance, asv_score, kind; for a-DCF and t-EER.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What `mma calibrate` wrote  [default: what the score file has]")
    ] = None,
    prior: Annotated[
        float | None,
        typer.Option(help="Share of bona fide in all audio  [default: what the score file states, or 0.5]"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Decide at this score  [default: where the calibration says one half, at the prior]"),
    ] = None,
    system: Annotated[str, typer.Option(help="Name of the system  [default: what the score file says].")] = "",
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates of the EER intervals; 0 for none.")] = 1000,
    cluster: Annotated[
        str | None, typer.Option(help="Draw speakers (or another column) for the intervals, in place of trials.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    if_attack: Annotated[
        list[str] | None, typer.Option("--what-if", metavar="ATTACK=EER", help="Pooled figures if it were so. Repeat.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="A table by attack, kind, codec, speaker or another column; two are crossed."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--table", help="2019-la, 2021-la, 2021-df or asvspoof5-track1: the official table.")
    ] = None,
    write: Annotated[
        list[Path] | None, typer.Option(help="Write the table here: .csv, .json, .md or .tex. Repeat for more.")
    ] = None,
    dev: Annotated[
        Path | None, typer.Option(help="Scores of the same system on dev: how much worse is it here, and why.")
    ] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Judge a part of the partition.")] = False,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Drop scores from outside it.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the figures here as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON on stdout (fractions).")] = False,
) -> None:
    """Judge a score file."""
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.evaluation.evaluate import evaluate
    from moe_mamba_asv.evaluation.gap.gap import generalisation_gap
    from moe_mamba_asv.evaluation.join import join
    from moe_mamba_asv.evaluation.tables.forms import to_markdown
    from moe_mamba_asv.evaluation.use.asv_trials import pair_scores, read_asv_trials
    from moe_mamba_asv.scores import read_scores, write_atomically
    from moe_mamba_asv.types import Partition

    with expected_errors():
        phase = None if subset == "all" else subset
        labels = read_corpus(corpus, root=root, protocol=protocol, partition=Partition(partition), subset=phase)
        asv = asked_or_found_asv_scores(asv_scores, root, corpus, partition)
        if scores.is_dir():
            alone = {
                **{
                    "--asv-trials": asv_trials,
                    "--calibration": calibration,
                    "--prior": prior,
                    "--threshold": threshold,
                },
                **{"--system": system, "--what-if": if_attack, "--by": by, "--table": preset, "--write": write},
                **{"--dev": dev, "--allow-missing": allow_missing, "--allow-extra": allow_extra, "--out": out},
            }
            _refuse_of_folders(
                [name for name, value in alone.items() if value is not None and value is not False and value != ""]
            )
            raise typer.Exit(
                evaluate_many(
                    scores, labels, asv=asv, n_bootstrap=bootstrap, seed=seed, cluster=cluster, as_json=as_json
                )
            )
        scored = calibrated(read_scores(str(scores)), calibration, prior)
        trials, faults = _judgeable(scored, labels, asv, allow_missing, allow_extra)
        name = system or trials.system or scores.stem
        wanted = _wanted_eers(if_attack or [])
        tandem = None
        if asv_trials is not None:
            allowed = {"allow_missing": allow_missing, "allow_extra": allow_extra}
            tandem = pair_scores(read_asv_trials(asv_trials), trials, **allowed)
        drawn = {"n_bootstrap": bootstrap, "seed": seed, "cluster": cluster}
        use = {"prior": prior, "threshold": threshold, "tandem": tandem}
        evaluation = evaluate(trials, asv=asv, system=name, wanted_eers=wanted, **drawn, **use)
        table = asked_breakdown(trials, by or [], preset, phase, asv=asv, **drawn)
        gap = None
        if dev is not None:
            dev_labels = read_corpus(corpus, root=root, partition=Partition.DEV, subset=phase)
            gap = generalisation_gap(join(read_scores(dev), dev_labels), trials, n_bootstrap=bootstrap, seed=seed)
        for file in write or []:
            write_table(evaluation if table is None else table, file)
        found = {
            **evaluation.to_json(),
            "faults": [asdict(fault) for fault in faults],
            **({"table": table.model_dump(mode="json")} if table else {}),
            **({"gap": gap.to_json()} if gap else {}),
        }
        if out:
            write_atomically(out, json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    shout(evaluation)
    # What `evaluate` and `join` warn of by themselves is not said twice.
    shout_faults(
        [fault for fault in faults if fault.kind not in {"wrong ASV scores", "missing", "reversed", "useless"}]
    )
    if as_json:
        print_json(found)
    else:
        show(evaluation)
        show_use(evaluation)
        if table:
            console.print(to_markdown(table), markup=False, highlight=False, soft_wrap=True)
        if gap:
            show_gap(gap)
    raise typer.Exit(SOME_FAILED if evaluation.failed else DONE)


def _refuse_of_folders(asked: list[str]) -> None:
    from moe_mamba_asv.errors import ConfigError

    if asked:
        raise ConfigError(f"{', '.join(asked)} for a folder of score files", wanted="a single file with these options")


def _judgeable(
    scored: ScoreTable, labels: Corpus, asv: AsvScores | None, allow_missing: bool, allow_extra: bool
) -> tuple[Trials, tuple[Fault, ...]]:
    """The trials, and what is doubtful of them; where they cannot be judged, why, as far as it can be told."""
    from moe_mamba_asv.errors import ScoreError
    from moe_mamba_asv.evaluation.faults.faults import find_faults, join_what_fits
    from moe_mamba_asv.evaluation.join import join

    try:
        trials = join(scored, labels, allow_missing=allow_missing, allow_extra=allow_extra)
    except ScoreError as refusal:
        with suppress(ScoreError):  # where nothing of it fits, the refusal says so
            shout_faults(find_faults(join_what_fits(scored, labels), scores=scored, asv=asv, corpus=labels))
        raise refusal
    return trials, find_faults(trials, scores=scored, asv=asv, corpus=labels)


def asked_or_found_asv_scores(file: Path | None, root: Path | None, corpus: str, partition: str) -> AsvScores | None:
    """The ASV scores that were asked for, or those in the corpus's tree."""
    from moe_mamba_asv.evaluation.asv import find_asv_scores, read_asv_scores

    if file is None and root is not None:
        file = find_asv_scores(root, corpus, partition)
        if file is not None:
            stderr.print(f"ASV scores found in the corpus: {file}", markup=False, highlight=False, soft_wrap=True)
    return read_asv_scores(file) if file else None


def _wanted_eers(asked: list[str]) -> dict[str, float]:
    from moe_mamba_asv.errors import ConfigError

    wanted = {}
    for text in asked:
        name, _, value = text.partition("=")
        try:
            wanted[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"--what-if {text}", wanted="ATTACK=EER as a fraction, such as A18=0.05") from error
    return wanted
