"""Both READMEs hold the same commands; each is run here, or listed with the reason why not and its options checked."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import soundfile
import torch
import typer

from made_demo import TINY, mma, must, write_demo
from made_recording import encode_aac
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.models.aasist.official import _MEMBERS, _MODULES, _rename
from moe_mamba_asv.scores import read_scores
from moe_mamba_asv.training.recipe import load_recipe
from stand_in import asvspoof2019_tree

ROOT = Path(__file__).resolve().parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")

#: Lines that are not run, each with its reason; their options are checked all the same.
NOT_RUN = {
    "make demo": "minutes; made here in miniature, by the same commands",
    "make test": "it is what runs this",
    "mma train phase4 --corpus asvspoof2019-la --root LA --out runs/phase4 --cache cache": (
        "needs the weights of WavLM-Large from a hub; a small model stands in for what follows"
    ),
    "mma train phase5-lora --start runs/phase4 --corpus asvspoof2019-la --root LA --out runs/phase5 "
    "--sweep seeds=1,2,3": "likewise",
    "mma pretrain microsoft/wavlm-large --speech my_recordings --out wavlm-mine": "likewise",
    "mma score /data/calls --engine ray --address auto --actors 8 --model demo/run --out calls.tsv": (
        "needs a cluster; tests/scoring/test_ray_batch.py starts one"
    ),
    "mma recipes": "builds every model to count it; tests/cli/test_commands.py runs it",
    "mma bench augment": "minutes",
    ".venv/bin/pip install -c constraints.txt -e '.[export,serve]'": "it would change the environment that runs this",
}
#: Words behind a line that keep it short; it is run otherwise as it stands.
SHORTER = {
    "mma corpus build": "--attacks A01,A02,A07,A16 --workers 1",
    "mma train lcnn-small": "--max-steps 2 --logger none --set training.batch_size=8",
    "mma train aasist": "--max-steps 1 --logger none --set training.batch_size=2 --set model.encoder_width=8",
    "mma diagnose": "--clips 20 --only training,scores",
    "mma report aasist.tsv": "--bootstrap 50",
    "mma report runs/phase4": "--bootstrap 50",
    "mma evaluate": "--bootstrap 50",
}
#: Exit code of a line that finds something wrong, and is meant to.
FINDS = {"mma report --check their-report.md": 1}

#: Trials of the stand-in for ASVspoof 2019 LA: of dev as many as a diagnosis asks for, of eval each attack.
_LA = {"train": (6, 12), "dev": (10, 12), "eval": (6, 13)}
#: In the place of the published model, with fresh weights.
AASIST_L = AasistConfig(encoder_width=24, keep_spectral=0.4, keep_temporal=0.5, keep_joint=0.7)

pytestmark = pytest.mark.timeout(600)


def blocks_of(readme: Path) -> list[list[str]]:
    """The lines of each block of shell commands."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [[line for line in block.splitlines() if line and not line.startswith("#")] for block in blocks]


LINES = [line for block in blocks_of(READMES[0]) for line in block]


def test_both_languages_hold_the_same_blocks() -> None:
    english, chinese = map(blocks_of, READMES)
    assert english == chinese
    assert len(english) > 5


def test_both_languages_have_the_same_figures_and_tables() -> None:
    texts = [readme.read_text(encoding="utf-8") for readme in READMES]
    assert all("<!-- results -->" in text and "<!-- default detector -->" in text for text in texts)
    rows = [[row.count("|") for row in text.splitlines() if row.startswith("|")] for text in texts]
    assert rows[0] == rows[1]
    figures = [
        re.findall(r"\d+\.\d+", "\n".join(row for row in text.splitlines() if row.startswith("|"))) for text in texts
    ]
    assert figures[0] == figures[1]


def test_what_is_not_run_or_run_otherwise_is_there() -> None:
    assert set(NOT_RUN) <= set(LINES)
    assert set(FINDS) <= set(LINES)
    assert all(any(line.startswith(start) for line in LINES) for start in SHORTER)


def parsed(words: list[str]) -> Any:
    """Parse a command without running it: every option is there, and every value is of its kind."""
    command: Any = typer.main.get_command(app)
    parent = None
    while words and hasattr(command, "commands"):  # a group; whose Click typer carries differs by version
        parent = command.make_context(command.name, words[:1], parent=parent, resilient_parsing=True)
        command, words = command.commands[words[0]], words[1:]
    return command.make_context(command.name, list(words), parent=parent)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("mma ")])
def test_the_options_of_a_command_exist(line: str) -> None:
    context = parsed(shlex.split(line)[1:])
    if context.info_name == "train":
        load_recipe(context.params["recipe"])


def test_a_planted_option_is_found() -> None:
    assert parsed(["score", "a.wav", "--model", "b"]).params["model"] == "b"
    for wrong, error in ((["--surprise"], "NoSuchOption"), (["--engine", "spark"], "BadParameter")):
        with pytest.raises(Exception, match=wrong[-1]) as caught:
            parsed(["score", "a.wav", "--model", "b", *wrong])
        assert caught.typename == error


def test_targets_and_extras_exist() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in LINES if line.startswith("make ")} <= set(targets)
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    asked = {name for line in LINES for group in re.findall(r"\[([\w,]+)\]", line) for name in group.split(",")}
    assert asked <= extras
    for readme in READMES:
        table = readme.read_text(encoding="utf-8").partition("| `evaluate` |")[2].partition("\n\n")[0]
        told = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] or row)}
        assert told <= extras
        assert extras - {"dev", "docs", "evaluate"} <= told


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the READMEs speak of: recordings, corpora, models; it is the current one."""
    monkeypatch.chdir(tmp_path)
    write_demo(tmp_path)
    _write_sounds(tmp_path)
    asvspoof2019_tree(tmp_path, np.random.default_rng(0), _LA)
    torch.manual_seed(0)
    torch.save(_official(Aasist(AASIST_L).state_dict()), "AASIST.pth")
    # 20 % of 5 is 1, but (5 - 4) / 5 is no 30 %.
    Path("their-report.md").write_text("The EER fell from 5.0 % to 4.0 %, a relative reduction of 30 %.\n")
    _train_phases()
    return tmp_path


def _write_sounds(place: Path) -> None:
    clips = [soundfile.read(clip.path)[0] for clip in embedded_speech().clips[::12]]
    soundfile.write(place / "recording.wav", clips[0], 16_000)
    encode_aac(place / "recording.m4a", clips[1], 16_000)
    soundfile.write(place / "hour.mp3", np.concatenate(clips[:4]), 16_000)
    (place / "interviews").mkdir()
    soundfile.write(place / "interviews" / "one.flac", clips[2], 16_000)
    for number, clip in enumerate(embedded_speech().clips[::18]):  # two of each of six speakers
        path = place / "my_recordings" / clip.speaker / f"{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.path, path)


def _official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our state dict by the names of the published one: those that are renamed to ours."""
    members = {ours: official for official, ours in _MEMBERS.items()}
    renamed = {}
    for key, tensor in state.items():
        ends = [(official, key[len(ours) :]) for official, ours in _MODULES.items() if key.startswith(ours)]
        # A member that was renamed first: its own name would be taken as well.
        names = [official + re.sub(r"(?<=^\.)\w+", lambda m: members.get(m[0], m[0]), end) for official, end in ends]
        names += [official + end for official, end in ends]
        renamed[next(name for name in names if _leads_to(name, key))] = tensor
    return renamed


def _leads_to(official: str, ours: str) -> bool:
    try:
        return _rename(official) == ours
    except CheckpointError:
        return False


def _train_phases() -> None:
    """Small models in the place of those that a hub and a GPU make."""
    place = ("--corpus", "asvspoof2019-la", "--root", "LA", "--logger", "none", "--max-steps", 2)
    tiny = [word for change in [*TINY, "training.batch_size=4"] for word in ("--set", change)]
    must("train", "lcnn-small", *place, "--out", "runs/phase4", *tiny)
    must("train", "lcnn-small", *place, "--out", "runs/phase5", *tiny, "--start", "runs/phase4", "--sweep", "seeds=1,2")


def run_line(line: str) -> None:
    """Run a line of the README here."""
    words = shlex.split(line)
    more = next((words for start, words in SHORTER.items() if line.startswith(start)), "")
    result = mma(*words[1:], *more.split())
    assert result.exit_code == FINDS.get(line, 0), f"{line} {more}\n{result.output}"


def test_every_block_runs_in_its_order(place: Path) -> None:
    for block in blocks_of(READMES[0]):
        if block[0].startswith("mma serve"):
            _serve_and_ask(*block)
            continue
        for line in block:
            if line not in NOT_RUN:
                run_line(line)
    for name in ("scores.tsv", "hour.svg", "gallery/gallery.zh.html", "table.tex", "report/report.zh.html"):
        assert (place / name).stat().st_size > 100, name
    for name in ("history/report.en.html", "mixed.safetensors", "detector.onnx", "onnx.tsv"):
        assert (place / name).stat().st_size > 100, name
    assert sorted(read_scores("scores.tsv").scored["utterance"]) == ["one", "recording"]
    assert len(read_scores("aasist.tsv").scored) == sum(_LA["eval"])


def _serve_and_ask(serve: str, ask: str) -> None:
    """The service of the README, at a free port, and the request beside it."""
    if shutil.which("curl") is None:  # the example does the same
        ask = f"{sys.executable} {ROOT}/examples/ask_the_service.py http://127.0.0.1:8000 recording.wav"
    program = [sys.executable, "-c", "from moe_mamba_asv.cli.main import main; main()", *shlex.split(serve)[1:]]
    environment = {**os.environ, "MMA_SERVE_PORT": "0"}
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stderr is not None
            address = next(_addresses(server.stderr))
            assert urlopen(f"{address}/readyz").status == 200
            request = shlex.split(ask.replace("http://127.0.0.1:8000", address))
            answer = subprocess.run(request, capture_output=True, text=True, check=True)
        finally:
            server.terminate()
    assert re.search(r"\bscore\"?:? ?[+-]?\d", answer.stdout)


def _addresses(lines: Iterator[str]) -> Iterator[str]:
    return (found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
