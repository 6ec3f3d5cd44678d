"""Which of the model line knows attacks that nobody trained on? All rows of docs/results/accuracy.md, by one command.

Each row is trained on minispoof's train partition, its weights taken at the end of the stated budget or where dev was
lowest, scored on dev, eval, and eval after the channels of ASVspoof 2021. docs/results/protocol.md says what is fixed
and why. What is done already is kept, so the command may be stopped and started again.
Run: `python benchmarks/accuracy.py CORPUS WHISPER_TINY_FOLDER OUT [ROW …]`, rows by name, all without any, none for
`tables`; then the tables and results.json of what is done are written to OUT.
"""

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

#: The same for every system: one presentation of each training clip, half of a batch bona fide.
BUDGET = (
    "training.batch_size=16",
    "training.epochs=1",
    "training.crop_samples=24000",
    "training.sampling.balance=class",
    "training.learning_rate=1.0e-3",
    "training.min_learning_rate=1.0e-5",
)
#: bfloat16 makes AASIST's steps twice as fast here; nothing else is changed.
AASIST = ("training.precision=bfloat16",)
#: A 2-D encoder that two cores can train.
NARROW_SINC = "model.frontends.1={kind: sincnet, num_filters: 24, channels: [4, 4, 8, 8]}"
THREE = (1, 2, 3)
#: Attacks of eval whose algorithm is in training too.
KNOWN = ("A16", "A19")
#: Name: recipe, settings, seeds.
ROWS: dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = {
    "aasist": ("aasist", AASIST, THREE),
    "phase6-small": ("phase6-small", (), THREE),
    "lcnn-small": ("lcnn-small", (), (1,)),
    "phase1-small": ("phase1-small", (), (1,)),
    "phase2-small": ("phase2-small", (), (1,)),
    "phase3-small": ("phase3-small", ("training.ssl_learning_rate=5.0e-5",), (1,)),
    "phase4-small": ("phase4-small", (NARROW_SINC, "training.ssl_learning_rate=5.0e-5"), (1,)),
}


class Study:
    """The commands of all rows.

    Args:
        corpus: minispoof, as `mma corpus build` makes it.
        whisper: folder of Whisper-tiny's encoder.
        out: everything is written below.
    """

    def __init__(self, corpus: Path, whisper: Path, out: Path) -> None:
        self.out, self.whisper = out, whisper
        self.place = ["--corpus", "minispoof", "--root", str(corpus)]
        self.coded = ["--corpus", "manifest", "--root", str(out / "coded" / "manifest.csv")]

    def mma(self, *words: str) -> None:
        """Run a command with one thread, its words first."""
        print(shlex.join(["mma", *words]), flush=True)
        command = [shutil.which("mma") or "mma", *words]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)

    def code(self) -> None:
        """The copy of eval that went through codecs."""
        if not (self.out / "coded" / "manifest.csv").is_file():
            self.mma("corpus", "recode", "minispoof", *self.place[2:], "--out", str(self.out / "coded"))

    def run(self, row: str, seed: int) -> None:
        """Train, score and evaluate one system with one seed."""
        folder = self.out / f"{row}-{seed}"
        recipe, settings, _ = ROWS[row]
        if not (folder / "minutes.json").is_file():
            started = time.monotonic()
            fixed = ["--out", str(folder), "--cache", str(self.out / "cache"), "--seed", str(seed), "--resume"]
            given = (*self._source(recipe), *BUDGET, *settings)
            options = [word for setting in given for word in ("--set", setting)]
            self.mma("train", recipe, *self.place, *fixed, *options)
            _write(folder / "minutes.json", (time.monotonic() - started) / 60)
        self.score(folder, folder)

    def _source(self, recipe: str) -> tuple[str, ...]:
        """Where the encoder is, for a recipe that has one."""
        if not recipe.startswith("phase"):
            return ()
        inner = "ssl." if recipe.startswith("phase1") else ""
        return (f"model.frontends.0.{inner}source={self.whisper}",)

    def score(self, model: Path, folder: Path) -> None:
        """Score all three tests with a model and evaluate them."""
        for name, place, partition in (
            ("dev", self.place, "dev"),
            ("eval", self.place, "eval"),
            ("coded", self.coded, "eval"),
        ):
            scores, found = folder / f"{name}.tsv", folder / f"{name}.json"
            if not found.is_file():
                self.mma("score", *place, "--partition", partition, "--model", str(model), "--out", str(scores))
                self.mma("evaluate", str(scores), *self.place, "--partition", partition, "--out", str(found))

    def compare(self, row: str, seed: int) -> dict[str, Any]:
        """A system less AASIST of the same seed: EER on eval, paired, with its interval."""
        files = [str(self.out / f"{name}-{seed}" / "eval.tsv") for name in (row, "aasist")]
        command = [shutil.which("mma") or "mma", "compare", *files, *self.place, "--json"]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(said)["pairs"][0]["pooled"]["differences"]["eer"]

    def results(self) -> list[dict[str, Any]]:
        """A record of each row and seed that was run to its end."""
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        made = [(row, seed) for row, (_, _, seeds) in ROWS.items() for seed in seeds]
        return [
            {**self._result(row, seed), "machine": _machine(), "commit": commit}
            for row, seed in made
            if (self.out / f"{row}-{seed}" / "eval.json").is_file()
        ]

    def _result(self, row: str, seed: int) -> dict[str, Any]:
        folder = self.out / f"{row}-{seed}"
        dev, clean = (json.loads((folder / f"{name}.json").read_text()) for name in ("dev", "eval"))
        coded = folder / "coded.json"
        unknown = {name: attack["eer"] for name, attack in clean["attacks"].items() if name not in KNOWN}
        worst = max(unknown, key=lambda name: unknown[name])
        return {
            "row": row,
            "recipe": ROWS[row][0],
            "settings": list(ROWS[row][1]),
            "seed": seed,
            "corpus": "minispoof eval",
            "trials": sum(clean["counts"].values()),
            "dev_eer": dev["eer"],
            "eer": clean["eer"],
            "eer_ci": clean["eer_ci"],
            "unknown_eer": clean["unknown"]["eer"],
            "unknown_eer_ci": clean["unknown"]["eer_ci"],
            "attacks": {name: attack["eer"] for name, attack in clean["attacks"].items()},
            "worst_attack": worst,
            "worst_attack_eer": unknown[worst],
            "coded": {key: json.loads(coded.read_text())[key] for key in ("eer", "eer_ci")}
            if coded.is_file()
            else None,
            "minutes": json.loads((folder / "minutes.json").read_text()),
        }


def table(results: list[dict[str, Any]]) -> list[str]:
    """All systems, in Markdown."""
    lines = [
        "| system | seed | dev | eval | unknown attacks | worst attack | eval, coded | minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        cells = [
            f"`{one['row']}`",
            str(one["seed"]),
            _percent(one["dev_eer"]),
            _interval(one["eer"], one["eer_ci"]),
            _interval(one["unknown_eer"], one["unknown_eer_ci"]),
            f"{one['worst_attack']} {_percent(one['worst_attack_eer'])}",
            "not run" if one["coded"] is None else _interval(one["coded"]["eer"], one["coded"]["eer_ci"]),
            f"{one['minutes']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def attack_table(results: list[dict[str, Any]]) -> list[str]:
    """EER by attack, the mean over seeds."""
    names = sorted(results[0]["attacks"])
    lines = [f"| system | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in dict.fromkeys(one["row"] for one in results):
        seeds = [one["attacks"] for one in results if one["row"] == row]
        means = [sum(seed[name] for seed in seeds) / len(seeds) for name in names]
        lines.append(f"| `{row}` | {' | '.join(_percent(mean) for mean in means)} |")
    return lines


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _interval(rate: float, ci: list[float]) -> str:
    return f"{_percent(rate)} [{100 * ci[0]:.1f}, {100 * ci[1]:.1f}]"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}, Python {platform.python_version()}"


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def main() -> None:
    """Run what is not done yet, two systems at a time, and write the tables."""
    study = Study(*map(Path, sys.argv[1:4]))
    asked = [row for row in sys.argv[4:] or ROWS if row != "tables"]
    study.out.mkdir(parents=True, exist_ok=True)
    if asked:
        study.code()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda made: study.run(*made), [(row, seed) for row in asked for seed in ROWS[row][2]]))
    results = study.results()
    _write(study.out / "results.json", results)
    pairs = {
        f"{one['row']}-{one['seed']}": study.compare(one["row"], one["seed"])
        for one in results
        if one["row"] != "aasist" and (study.out / f"aasist-{one['seed']}" / "eval.tsv").is_file()
    }
    _write(study.out / "differences.json", pairs)
    text = "\n".join([*table(results), "", *attack_table(results)])
    (study.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
