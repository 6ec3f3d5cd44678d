"""The commands end to end, on trees of the official layout, as a person types them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from made_corpus import write_folder_corpus
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.scores import read_scores
from stand_in import RATE_HZ, asvspoof2019_tree, asvspoof2021_tree, clip, start_mma

COMMANDS = (
    "corpus",
    "pretrain",
    "train",
    "compare",
    "score",
    "evaluate",
    "report",
    "recipes",
    "export",
    "bench",
    "doctor",
)
SMALL = [
    *("--set", "model.channels=[2,2,2,2]", "--set", "training.batch_size=4", "--set", "training.epochs=1"),
    *(
        "--set",
        "training.num_samples=8000",
        "--set",
        "training.crop_samples=8000",
        "--set",
        "training.crops_per_clip=1",
    ),
]


def mma(*words: object, code: int = 0):
    """Run a command; answers what typer's runner saw."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained detector."""
    root = write_folder_corpus(tmp_path_factory.mktemp("corpus"))
    out = tmp_path_factory.mktemp("train") / "run"
    result = mma("train", "lcnn-small", "--corpus", "folder", "--root", root, "--out", out, "--json", *SMALL)
    assert json.loads(result.stdout)["selection"]["partition"] == "dev"
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert "mma " in mma(command, "--help").output


@pytest.mark.parametrize("kind", ["asvspoof2019-la", "asvspoof2021-df", "asvspoof2021-la"])
def test_the_commands_for_the_real_trees(kind: str, run: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    if kind == "asvspoof2019-la":
        asvspoof2019_tree(tmp_path / "tree", generator)
    else:
        asvspoof2021_tree(tmp_path / "tree", "DF" if kind.endswith("df") else "LA", generator)
    place = ["--corpus", kind, "--root", tmp_path / "tree"]
    scores = tmp_path / "scores.tsv"
    mma("score", *place, "--partition", "eval", "--model", run, "--out", scores)
    found = json.loads(mma("evaluate", scores, *place, "--json").stdout)
    table = read_scores(scores)
    assert found["counts"]["bonafide"] + found["counts"]["spoof"] == len(table.frame)
    assert table.header["direction"] == "higher = bona fide"
    assert len(table.header["model_sha256"]) == 64
    assert {"eer", "threshold", "attacks", "known", "unknown", "min_tdcf_2019", "min_tdcf_2021"} <= set(found)
    mma("report", scores, *place, "--lang", "both", "--out", tmp_path / "report")
    assert (tmp_path / "report" / "report.zh.html").stat().st_size > 1000


def test_training_on_the_real_tree(tmp_path: Path) -> None:
    asvspoof2019_tree(tmp_path / "tree", np.random.default_rng(0))
    place = ["--corpus", "asvspoof2019-la", "--root", tmp_path / "tree", "--out", tmp_path / "run"]
    small = ["--set", "model.encoder_width=8", "--set", "training.batch_size=2", "--max-steps", 2]
    found = json.loads(mma("train", "aasist", *place, *small, "--json").stdout)
    assert found["selection"]["step"] == 2
    assert found["selection"]["corpus"] == "asvspoof2019-la"


def test_a_recipe_of_the_model_line_from_training_to_a_file_that_stands_alone(tmp_path: Path) -> None:
    from tiny_ssl import save_tiny

    root, source = write_folder_corpus(tmp_path / "corpus"), save_tiny(tmp_path / "source", "whisper")
    changes = {
        "model.frontends.0.source": source,
        "model.frontends.1.channels": "[4,4,4,4,4,4]",
        "model.width": 16,
        "model.backend.num_blocks": 1,
        "training.batch_size": 4,
        "training.num_samples": 8000,
        "training.crop_samples": 8000,
        "training.ssl_learning_rate": 1e-3,
    }
    options = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    place = ["--corpus", "folder", "--root", root]
    mma("train", "phase4-small", *place, "--out", tmp_path / "run", "--max-steps", 2, *options)
    mma("export", "--model", tmp_path / "run", "--full", "--out", tmp_path / "whole.safetensors")
    mma("score", *place, "--model", tmp_path / "run", "--out", tmp_path / "light.tsv")
    shutil.rmtree(source)
    mma("score", *place, "--model", tmp_path / "whole.safetensors", "--out", tmp_path / "whole.tsv")
    light, whole = (read_scores(tmp_path / f"{name}.tsv").frame["score"].to_list() for name in ("light", "whole"))
    assert light == whole
    mma("score", *place, "--model", tmp_path / "run", "--out", tmp_path / "again.tsv", code=2)


@pytest.mark.parametrize("form", ["asvspoof2019", "asvspoof2021", "asvspoof5"])
def test_scores_in_the_forms_of_the_field_evaluate_to_the_same(form: str, run: Path, tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus", clips=4)
    place = ["--corpus", "folder", "--root", root]
    answers = []
    for name in ("mma", form):
        mma("score", *place, "--model", run, "--out", tmp_path / name, "--form", name)
        answers.append(json.loads(mma("evaluate", tmp_path / name, *place, "--json").stdout)["eer"])
    assert answers[0] == answers[1]


def test_a_bad_file_is_listed_and_the_exit_code_is_one(run: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", clip(np.random.default_rng(0), spoof=False, duration_s=1), RATE_HZ)
    (tmp_path / "bad.wav").write_text("no sound")
    result = mma("score", tmp_path, "--model", run, "--out", tmp_path / "s.tsv", "--json", code=1)
    rows = {row["utterance"]: row for row in json.loads(result.stdout)["scores"]}
    assert rows["bad"]["score"] is None
    assert "bad.wav" in rows["bad"]["error"]
    assert rows["good"]["error"] is None
    assert "bad" in result.stderr
    assert not (tmp_path / "s.tsv.partial").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["score", "nowhere.wav", "--model", "nothing"],
        ["score", "--model", "nothing"],
        ["score", "--corpus", "asvspof2019-la", "--root", ".", "--model", "nothing"],
        ["train", "aasits", "--corpus", "folder", "--root", ".", "--out", "run"],
        ["evaluate", "nowhere.tsv", "--corpus", "folder", "--root", "."],
        ["export", "--model", "nothing", "--out", "m.safetensors"],
        ["recipes", "show", "aasits"],
        ["corpus", "check", "asvspoof2019-la", "--root", "nowhere"],
        ["surprise"],
    ],
)
def test_wrong_use_ends_with_two_and_a_reason(words: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = mma(*words, code=2)
    assert "error" in result.output.lower()
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_scoring_killed_and_repeated_writes_the_same_file(kill: signal.Signals, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(400):
        sound = clip(np.random.default_rng(number), spoof=False, duration_s=0.3)
        soundfile.write(folder / f"{number:03d}.wav", sound, RATE_HZ)

    def start(out: Path) -> subprocess.Popen:
        return start_mma("score", folder, "--model", run, "--out", out, "--batch-size", 2)

    victim = start(tmp_path / "parts.tsv")
    journal = tmp_path / "parts.tsv.partial"
    while victim.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 20):
        time.sleep(0.002)
    os.kill(victim.pid, kill)
    assert victim.wait() != 0
    assert not (tmp_path / "parts.tsv").exists()
    assert start(tmp_path / "parts.tsv").wait() == 0
    assert start(tmp_path / "whole.tsv").wait() == 0
    assert (tmp_path / "parts.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


@pytest.mark.shared
@pytest.mark.parametrize("batch_size", [1, 3])
def test_official_weights_from_the_command_line(shared: Path, tmp_path: Path, batch_size: int) -> None:
    golden = dict(line.split("\t") for line in (shared / "golden/aasist_official.tsv").read_text().splitlines()[1:6])
    files = [shared / "speech" / "flac" / f"{name}.flac" for name in golden]
    mma("export", "--model", shared / "weights" / "AASIST.pth", "--out", tmp_path / "aasist.safetensors")
    words = ["--model", tmp_path / "aasist.safetensors", "--batch-size", batch_size, "--json"]
    rows = json.loads(mma("score", *files, *words).stdout)["scores"]
    for row in rows:
        assert row["score"] == pytest.approx(float(golden[row["utterance"]]), abs=1e-4)


def test_evaluation_never_imports_torch(run: Path, tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus", clips=4)
    mma("score", "--corpus", "folder", "--root", root, "--model", run, "--out", tmp_path / "s.tsv")
    program = (
        "import sys; from moe_mamba_asv.cli.main import app\n"
        f"app(['evaluate', {str(tmp_path / 's.tsv')!r}, '--corpus', 'folder', '--root', {str(root)!r}],"
        " standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_doctor_and_recipes_answer_machines() -> None:
    found = json.loads(mma("doctor", "--json").stdout)
    assert all(package["version"] for package in found["packages"])
    assert all(choice["takes"] for choice in found["kernels"].values())
    sizes = {row["name"]: row["parameters"] for row in json.loads(mma("recipes", "--json").stdout)}
    assert (sizes["aasist"], sizes["aasist-l"]) == (297_866, 85_306)
    shown = json.loads(mma("recipes", "show", "aasist", "--set", "training.epochs=3", "--json").stdout)
    assert shown["training"]["epochs"] == 3
