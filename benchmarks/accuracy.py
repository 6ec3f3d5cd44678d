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
import re
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moe_mamba_asv.training.augment import settings_of

#: The same number of presentations for every system, as many as there are training clips; half of a batch bona fide.
BUDGET = (
    "training.batch_size=16",
    "training.epochs=1",
    "training.crop_samples=24000",
    "training.sampling.balance=class",
    "training.learning_rate=1.0e-3",
    "training.min_learning_rate=1.0e-5",
)
#: bfloat16 makes AASIST's steps twice as fast here; it hears as much of a clip as it is scored on.
AASIST = ("training.precision=bfloat16", "training.state_every_steps=25", "training.crop_samples=64600")
#: One thread, and an allocator (glibc's) that keeps freed blocks: AASIST's steps take 9 s in place of 15, and 6.4 GB.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
#: A 2-D encoder that two cores can train.
NARROW_SINC = "model.frontends.1={kind: sincnet, num_filters: 24, channels: [4, 4, 8, 8]}"
SSL_RATE = "training.ssl_learning_rate=5.0e-5"
#: Attacks of eval whose algorithm is in training too.
KNOWN = ("A16", "A19")


@dataclass(frozen=True)
class Row:
    """A system: a recipe, what is changed of it, the seeds, whether it is scored on the coded copy too, the system that
    it is compared with on the same trials, and which weights of a run are scored."""

    recipe: str
    settings: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1,)
    coded: bool = False
    beside: str = "aasist"
    weights: str = "best.safetensors"


#: What is counted is shown as it is, each clip once, and as long as it is scored; the rates move two numbers alone.
COUNTED = (
    "training.crop_samples=64600",
    "training.sampling.balance=none",
    "training.learning_rate=2.0e-2",
    "training.min_learning_rate=1.0e-3",
)

#: What hears 1.5 s of a clip is compared with an AASIST that does.
SHORT = "aasist, crops of 1.5 s"
SYSTEMS = {
    "aasist": Row("aasist", AASIST, (1, 2, 3), coded=True),
    "phase6-small": Row("phase6-small", COUNTED, (1, 2, 3), coded=True),
    SHORT: Row("aasist", AASIST[:1], (1, 2, 3)),
    "phase6-small, crops of 1.5 s": Row("phase6-small", (*COUNTED, "training.crop_samples=24000"), beside=SHORT),
    "phase6-mamba-small": Row("phase6-mamba-small", (), (1, 2, 3), coded=True, beside=SHORT),
    "aasist-l, crops of 1.5 s": Row("aasist-l", AASIST[:1], beside=SHORT),
    "lcnn-small": Row("lcnn-small", beside=SHORT),
    "phase1-small": Row("phase1-small", beside=SHORT),
    "phase2-small": Row("phase2-small", beside=SHORT),
    "phase3-small": Row("phase3-small", (SSL_RATE,), beside=SHORT),
    "phase4-small": Row("phase4-small", (NARROW_SINC, SSL_RATE), beside=SHORT),
}
#: Whisper's stream of phase6-mamba-small. It is frozen: what it says of the first 1.5 s of a clip is computed once.
BASE = "one stream"
ONE_STREAM = (
    "model.frontends=[{kind: ssl, source: WHISPER, layers: weighted, num_layers: 3, standardised: true}]",
    "model.fusion=null",
    "training.num_samples=24000",
)
FROZEN = (*ONE_STREAM, "training.frozen_features=true")
#: Both streams of phase6-mamba-small, heard in the same way.
TWO = "two streams"
TWO_STREAMS = ("training.num_samples=24000", "training.frozen_features=true")
BACKEND = "model.backend={kind: moe-bimamba, num_blocks: 1, dropout: 0.3, moe: {num_experts: %d}}"
SINC = "model.frontends.1={kind: sincnet, num_filters: %d, channels: [4, 4, 8, 8], frequency_mask: %s}"


def _changes(base: str, common: tuple[str, ...], changes: dict[str, tuple[str, ...]]) -> dict[str, Row]:
    """Rows of a base and of what one change makes of it."""
    return {name: Row("phase6-mamba-small", (*common, *change), beside=base) for name, change in changes.items()}


CHANGES = (
    _changes(
        BASE,
        FROZEN,
        {
            BASE: (),
            "4 experts": (BACKEND % 4,),
            "8 experts": (BACKEND % 8,),
            "Transformer": ("model.backend={kind: transformer, num_blocks: 1, dropout: 0.3}",),
            "attentive pooling": ("model.pooling={kind: attentive}",),
            "OC-Softmax": ("model.head={kind: one-class}", "training.objective.loss={kind: oc-softmax}"),
            "with SupCon": ("model.projection_width=64", "training.objective.supcon={weight: 0.1}"),
            "attack types": ("model.num_attacks=7", "training.objective.attack_type=1.0"),
            "EMA": ("training.averaging={kind: ema, decay: 0.98}",),
            "first 4 s": ("training.num_samples=64600",),
            "5 presentations": ("training.epochs=5",),
        },
    )
    | {
        "5 presentations, mean of the best 3": Row(
            "phase6-mamba-small",
            (*FROZEN, "training.epochs=5", "training.averaging={kind: best, k: 3}"),
            beside=BASE,
            weights="averaged.safetensors",
        )
    }
    | _changes(
        BASE,
        ONE_STREAM,
        {
            "random crops": (),
            "RawBoost 3": settings_of(["rawboost-df"]),
            "RawBoost 5": settings_of(["rawboost-la"]),
            "codecs": settings_of(["codec"]),
            "vocoded": settings_of(["vocoded"]),
            "mixup": ("training.mixup={}",),
        },
    )
    | _changes(
        TWO,
        TWO_STREAMS,
        {
            TWO: (),
            "squeeze-and-excitation": ("model.fusion={kind: squeeze-excitation}",),
            "gated": ("model.fusion={kind: gated}",),
            "cross-attention": ("model.fusion={kind: cross-attention}",),
            "multi-scale": ("model.fusion={kind: multi-scale}",),
            "24 sinc filters for the spectrum": (SINC % (24, "false"),),
            "70 sinc filters for the spectrum": (SINC % (70, "false"),),
            "70 sinc filters with a mask": (SINC % (70, "true"),),
            "100 sinc filters for the spectrum": (SINC % (100, "false"),),
            "128 sinc filters for the spectrum": (SINC % (128, "false"),),
        },
    )
)
ROWS = SYSTEMS | CHANGES


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
        """Run a command, its words first."""
        print(shlex.join(["mma", *words]), flush=True)
        command = [shutil.which("mma") or "mma", *words]
        subprocess.run(command, check=True, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.DEVNULL)

    def code(self) -> None:
        """The copy of eval that went through codecs."""
        if not (self.out / "coded" / "manifest.csv").is_file():
            self.mma("corpus", "recode", "minispoof", *self.place[2:], "--out", str(self.out / "coded"))

    def folder(self, row: str, seed: int) -> Path:
        """Where all of a row lies."""
        return self.out / f"{re.sub('[^a-zA-Z0-9]+', '-', row)}-{seed}"

    def run(self, row: str, seed: int) -> None:
        """Train, score and evaluate one system with one seed."""
        folder = self.folder(row, seed)
        recipe, settings = ROWS[row].recipe, ROWS[row].settings
        if not (folder / "minutes.json").is_file():
            started = time.monotonic()
            fixed = ["--out", str(folder), "--cache", str(self.out / "cache"), "--seed", str(seed), "--resume"]
            given = (*self._source(recipe), *BUDGET, *settings)
            options = [word for one in given for word in ("--set", one.replace("WHISPER", str(self.whisper)))]
            self.mma("train", recipe, *self.place, *fixed, *options)
            _write(folder / "minutes.json", (time.monotonic() - started) / 60)
        self.score(folder, folder / ROWS[row].weights, coded=ROWS[row].coded)

    def _source(self, recipe: str) -> tuple[str, ...]:
        """Where the encoder is, for a recipe that has one."""
        if not recipe.startswith("phase"):
            return ()
        inner = "ssl." if recipe.startswith("phase1") else ""
        return (f"model.frontends.0.{inner}source={self.whisper}",)

    def score(self, folder: Path, model: Path, *, coded: bool) -> None:
        """Score the tests with a model and evaluate them, into a folder."""
        tests = [("dev", self.place, "dev"), ("eval", self.place, "eval"), ("coded", self.coded, "eval")]
        for name, place, partition in tests if coded else tests[:2]:
            scores, found = folder / f"{name}.tsv", folder / f"{name}.json"
            if not found.is_file():
                self.mma("score", *place, "--partition", partition, "--model", str(model), "--out", str(scores))
                self.mma("evaluate", str(scores), *self.place, "--partition", partition, "--out", str(found))

    def compare(self, row: str, beside: str, seed: int) -> dict[str, Any]:
        """A system less another one of the same seed: EER on eval, paired, with its interval."""
        files = [str(self.folder(name, seed) / "eval.tsv") for name in (row, beside)]
        command = [shutil.which("mma") or "mma", "compare", *files, *self.place, "--json"]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(said)["pairs"][0]["pooled"]["differences"]["eer"]

    def results(self) -> list[dict[str, Any]]:
        """A record of each row and seed that was run to its end."""
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        made = [(name, seed) for name, row in ROWS.items() for seed in row.seeds]
        return [
            {**self._result(row, seed), "machine": _machine(), "commit": commit}
            for row, seed in made
            if (self.folder(row, seed) / "eval.json").is_file()
        ]

    def _result(self, row: str, seed: int) -> dict[str, Any]:
        folder = self.folder(row, seed)
        dev, clean = (json.loads((folder / f"{name}.json").read_text()) for name in ("dev", "eval"))
        coded = folder / "coded.json"
        unknown = {name: attack["eer"] for name, attack in clean["attacks"].items() if name not in KNOWN}
        worst = max(unknown, key=lambda name: unknown[name])
        return {
            "row": row,
            "recipe": ROWS[row].recipe,
            "settings": list(ROWS[row].settings),
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
            "less": self._difference(row, seed),
        }

    def _difference(self, row: str, seed: int) -> dict[str, Any] | None:
        """A system less AASIST, a change less what it changes; None where that is not there."""
        beside = ROWS[row].beside
        if row == beside or not (self.folder(beside, seed) / "eval.json").is_file():
            return None
        return {"beside": beside, **self.compare(row, beside, seed)}


def table(results: list[dict[str, Any]]) -> list[str]:
    """All systems, in Markdown; changes of one stream are a table of their own."""
    lines = [
        "| system | seed | dev | eval | less AASIST | unknown attacks | worst attack | eval, coded | minutes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        cells = [
            f"`{one['row']}`",
            str(one["seed"]),
            _percent(one["dev_eer"]),
            _interval(one["eer"], one["eer_ci"]),
            _less(one["less"]),
            _interval(one["unknown_eer"], one["unknown_eer_ci"]),
            f"{one['worst_attack']} {_percent(one['worst_attack_eer'])}",
            "not run" if one["coded"] is None else _interval(one["coded"]["eer"], one["coded"]["eer_ci"]),
            f"{one['minutes']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def changes_table(results: list[dict[str, Any]]) -> list[str]:
    """What one change makes of a base, for each base."""
    lines = ["| change | dev | eval | less the base | unknown attacks | minutes |", "|---|---|---|---|---|---|"]
    for one in results:
        cells = [
            one["row"],
            _percent(one["dev_eer"]),
            _interval(one["eer"], one["eer_ci"]),
            _less(one["less"]),
            _interval(one["unknown_eer"], one["unknown_eer_ci"]),
            f"{one['minutes']:.1f}",
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


def _less(difference: dict[str, Any] | None) -> str:
    return "" if difference is None else _interval(difference["value"], difference["ci"]).replace("-", "−")


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
    if any(ROWS[row].coded for row in asked):
        study.code()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda made: study.run(*made), [(row, seed) for row in asked for seed in ROWS[row].seeds]))
    results = study.results()
    _write(study.out / "results.json", results)
    systems = [one for one in results if one["row"] in SYSTEMS]
    changes = [one for one in results if one["row"] in CHANGES]
    text = "\n".join([*table(systems), "", *attack_table(systems), "", *changes_table(changes)])
    (study.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
