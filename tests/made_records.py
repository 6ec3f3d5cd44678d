"""Run folders written by hand, as `mma train` leaves them, with any curves."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STEPS_PER_EPOCH = 100


def write_run(
    folder: Path,
    losses: Sequence[float],
    eers: Sequence[float],
    *,
    events: Sequence[dict[str, Any]] = (),
    skipped: int = 0,
    dev_clips: int = 10_000,
    **asked: Any,
) -> Path:
    """A run folder as `train` leaves it, with these curves."""
    folder.mkdir(parents=True, exist_ok=True)
    corpora = [{"corpus": "folder", "sha256": "a" * 64}]
    record = {
        "asked": {"recipe": {"name": "made"}, "seed": 0, "train_clips": 400, "dev_clips": dev_clips, **asked},
        "versions": {"torch": "2"},
        "machine": {"system": "Linux", "gpus": [], "threads": 1},
        "git": None,
        "data": {"train": corpora, "dev": corpora},
        "command": "mma train made",
        "started": "2026-01-01T00:00:00+00:00",
    }
    (folder / "run.json").write_text(json.dumps(record))
    rows = [
        f"{STEPS_PER_EPOCH * (number + 1)},{eer},{loss},{loss},0,0"
        for number, (loss, eer) in enumerate(zip(losses, eers, strict=True))
    ]
    header = "step,dev_eer,loss,cross_entropy,skipped,roll_backs"
    if rows:
        (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
    taken = STEPS_PER_EPOCH * len(rows) - skipped
    (folder / "steps.csv").write_text("step,loss\n" + "".join(f"{step},0.5\n" for step in range(taken)))
    if events:
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder
