"""Does fine-tuning cost what the report says? Policies of phase 5 side by side, on minispoof, with Whisper-tiny.

For each seed a small phase 4 is trained, then fine-tuned by each policy, then scored on eval. Every row is a few
commands of `mma`, printed as they run; what is done already is kept.
Run: `python benchmarks/finetuning.py CORPUS WHISPER_TINY_FOLDER OUT` (minispoof as `mma corpus build` makes it).
Two runs at a time, a thread each; the table is printed at the end and written to OUT/table.md.
"""

import csv
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SEEDS = (1, 2, 3)
START_STEPS, TUNING_STEPS = 1000, 160
# A 2-D encoder and clips small enough for two cores; the report's rates times ten, as there are so few steps.
SIZE = (
    "model.frontends.0.standardised=true",
    "model.frontends.1.num_filters=24",
    "model.frontends.1.channels=[4,4,8,8]",
    "training.batch_size=8",
    "training.crop_samples=24000",
    "training.num_samples=24000",
)
# Phase 4 with the whole of Whisper frozen, so that its answers can be kept.
START = (
    "model.frontends.0.trainable=null",
    "training.frozen_features=true",
    "training.learning_rate=1.0e-3",
    "training.sampling.balance=class",
    "training.objective.loss={kind: cross-entropy}",
)
TUNING = ("training.learning_rate=1.0e-4", "training.min_learning_rate=1.0e-5", "training.averaging.decay=0.99")
POLICIES = {
    "report": ("phase5-small", ("training.ssl_learning_rate=5.0e-5",)),
    "lora": ("phase5-lora-small", ("training.ssl_learning_rate=1.0e-3",)),
    "discriminative": (
        "phase5-discriminative-small",
        (
            "training.ssl_learning_rate=5.0e-5",
            "training.finetune.rates={sinc: 1.0e-5, fusion: 1.0e-4, backend: 1.0e-4, head: 5.0e-4}",
        ),
    ),
    "l2-sp": ("phase5-l2sp-small", ("training.ssl_learning_rate=5.0e-5",)),
}


class Study:
    """The commands of the study.

    Args:
        corpus: minispoof.
        whisper: folder of Whisper-tiny's encoder.
        out: everything is written below.
    """

    def __init__(self, corpus: Path, whisper: Path, out: Path) -> None:
        self.out, self.whisper = out, whisper
        self.place = ["--corpus", "minispoof", "--root", str(corpus)]

    def mma(self, *words: str) -> str:
        """Run a command with one thread, and answer what it says."""
        command = [shutil.which("mma") or "mma", *words]
        print(shlex.join(["mma", *words]), flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout

    def train(self, recipe: str, steps: int, out: Path, seed: int, settings: tuple[str, ...], *more: str) -> None:
        """Train, or go on."""
        every = (f"model.frontends.0.source={self.whisper}", *SIZE, *settings)
        options = [word for setting in every for word in ("--set", setting)]
        fixed = ["--out", str(out), "--seed", str(seed), "--max-steps", str(steps), "--cache", str(self.out / "cache")]
        self.mma("train", recipe, *self.place, *fixed, "--resume", *more, *options)

    def score(self, model: Path, out: Path) -> None:
        """Score and evaluate."""
        self.mma("score", *self.place, "--partition", "eval", "--model", str(model), "--out", str(out / "eval.tsv"))
        self.mma("evaluate", str(out / "eval.tsv"), *self.place, "--out", str(out / "evaluation.json"))

    def start(self, seed: int) -> None:
        """The small phase 4 that all policies start from."""
        out = self.out / f"start-{seed}"
        self.train("phase4-small", START_STEPS, out, seed, START)
        self.score(out, out)

    def tune(self, policy: str, seed: int) -> None:
        """One policy."""
        recipe, settings = POLICIES[policy]
        out = self.out / f"{policy}-{seed}"
        start = str(self.out / f"start-{seed}" / "last.safetensors")
        self.train(recipe, TUNING_STEPS, out, seed, (*TUNING, *settings), "--start", start)
        self.score(out / "last.safetensors", out)

    def interpolate(self, seed: int) -> None:
        """Between the start and what the report's policy made of it; dev chooses where."""
        out = self.out / f"interpolation-{seed}"
        out.mkdir(exist_ok=True)
        ends = [str(self.out / f"{name}-{seed}" / "last.safetensors") for name in ("start", "report")]
        model = out / "mixed.safetensors"
        said = self.mma("compare", "--interpolate", *ends, *self.place, "--steps", "4", "--out", str(model), "--json")
        (out / "points.json").write_text(said)
        self.score(model, out)


def rows(out: Path) -> list[str]:
    """The table: for each policy the mean over seeds, and the intervals of each seed."""
    lines = [
        "| weights | EER on dev | eval, all | eval, known attack | eval, unknown attacks | share of Whisper's stream |",
        "|---|---|---|---|---|---|",
    ]
    for policy in ("start", *POLICIES, "interpolation"):
        found = [_found(out / f"{policy}-{seed}") for seed in SEEDS]
        cells = []
        for name in ("eer", "known", "unknown"):
            mean = statistics.mean(one[name][0] for one in found)
            each = "; ".join(
                f"{value:.1%} [{low:.1%}, {high:.1%}]" for value, low, high in (one[name] for one in found)
            )
            cells.append(f"**{mean:.1%}** ({each})")
        dev = statistics.mean(one["dev"] for one in found)
        shares = ", ".join("–" if one["share"] is None else f"{one['share']:.3f}" for one in found)
        lines.append(f"| {policy} | {dev:.1%} | {' | '.join(cells)} | {shares} |")
    return lines


def _found(folder: Path) -> dict:
    """What one run found: EERs with their intervals, and the share of the first stream on dev at its end."""
    evaluation = json.loads((folder / "evaluation.json").read_text())
    groups = {"eer": evaluation, "known": evaluation["known"], "unknown": evaluation["unknown"]}
    found: dict = {name: (group["eer"], *group["eer_ci"]) for name, group in groups.items()}
    metrics = folder / "metrics.csv"
    if not metrics.is_file():
        points = json.loads((folder / "points.json").read_text())["points"]
        return {**found, "dev": min(point["dev_eer"] for point in points), "share": None}
    with metrics.open() as file:
        last = list(csv.DictReader(file))[-1]
    return {**found, "dev": float(last["dev_eer"]), "share": float(last["stream_share_0"])}


def main() -> None:
    """Run what is not done yet, and print the table."""
    study = Study(*map(Path, sys.argv[1:4]))
    study.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(study.start, SEEDS))
        list(pool.map(lambda row: study.tune(*row), [(policy, seed) for seed in SEEDS for policy in POLICIES]))
        list(pool.map(study.interpolate, SEEDS))
    table = "\n".join(rows(study.out))
    (study.out / "table.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
