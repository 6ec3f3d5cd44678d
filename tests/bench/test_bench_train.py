"""`mma bench train`: a short run, timed and thrown away."""

import json
from pathlib import Path

from typer.testing import CliRunner

from made_corpus import write_folder_corpus
from made_run import OVERRIDES
from moe_mamba_asv.cli.main import app


def test_it_counts_steps_and_waiting_and_leaves_nothing_but_the_cache(tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus")
    options = [word for override in OVERRIDES for word in ("--set", override)]
    place = ["--corpus", "folder", "--root", str(root), "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(app, ["bench", "train", "lcnn-small", *place, "--steps", "5", "--json", *options])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["steps"] == 5
    assert found["clips_per_s"] > 0
    assert abs(found["clips_per_s"] - 4 * found["steps_per_s"]) < 1e-6
    assert 0 < found["waiting"] < 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "corpus"]
