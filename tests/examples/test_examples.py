"""Every example runs as a person starts it, and says what it promises."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from made_demo import must, write_demo
from moe_mamba_asv.scores import read_scores
from stand_in import asvspoof2019_tree

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_ONE_CORE = {**os.environ, "OMP_NUM_THREADS": "1"}
#: What a script needs beyond the package, by the module that would be missing, and the extra that brings it.
_EXTRAS = {"onnx_without_pytorch": ("onnxruntime", "onnx"), "ask_the_service": ("uvicorn", "serve")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which `make demo` has been, in miniature; it is the current one."""
    folder, before = tmp_path_factory.mktemp("place"), Path.cwd()
    os.chdir(folder)
    write_demo(folder)
    yield folder
    os.chdir(before)


def example(name: str, *words: object) -> str:
    """What a script prints; a warning is a failure, as in all tests."""
    if name in _EXTRAS and find_spec(_EXTRAS[name][0]) is None:
        pytest.skip(f"needs the extra {_EXTRAS[name][1]}")
    script = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *map(str, words)]
    result = subprocess.run(script, capture_output=True, text=True, env=_ONE_CORE, check=False, timeout=200)
    assert result.returncode == 0, result.stderr
    return result.stdout


def number(pattern: str, text: str) -> float:
    """The number that a pattern captures."""
    found = re.search(pattern, text)
    assert found, f"{pattern} in {text}"
    return float(found[1])


def test_scores_become_answers_once_there_is_a_calibration(place: Path) -> None:
    clip = next((place / "demo/corpus/minispoof_eval").rglob("*.flac"))
    (place / "broken.wav").write_text("no sound")
    bare = example("score_files", "demo/run", clip, "broken.wav")
    assert "no calibration, so no probability" in bare
    assert "broken: not scored" in bare
    taught = example("calibrate")
    assert number(r"Cllr [\d.]+ bit before, ([\d.]+) after", taught) < number(r"Cllr ([\d.]+) bit before", taught)
    rising = [number(rf"= ([\d.]+) where {prior}% ", taught) for prior in (1, 50, 99)]
    assert rising == sorted(set(rising))
    answered = example("score_files", "demo/run", clip)
    said = must("score", clip, "--model", "demo/run", "--json").stdout
    wanted = number(r'"probability": ([\d.]+)', said.partition('"answers"')[2])
    assert number(rf"{clip.stem}: .*P\(bona fide\) = ([\d.]+)", answered) == pytest.approx(wanted, abs=1e-3)


def test_a_score_file_is_judged_without_pytorch_and_as_the_command_does(place: Path) -> None:
    told = example("evaluate_scores")
    said = must("evaluate", "demo/run/eval.tsv", "--corpus", "minispoof", "--root", "demo/corpus", "--json").stdout
    assert number(r"EER ([\d.]+)%", told) == pytest.approx(100 * number(r'"eer": ([\d.]+)', said), abs=0.01)
    assert "no t-DCF" in told
    asvspoof2019_tree(place, np.random.default_rng(0), {"eval": (10, 26)})
    corpus = ("--corpus", "asvspoof2019-la", "--root", "LA")
    must("score", *corpus, "--partition", "eval", "--model", "demo/run", "--out", "la.tsv")
    with_asv = example("evaluate_scores", "la.tsv", "asvspoof2019-la", "LA")
    assert 0 < number(r"min t-DCF ([\d.]+) in the form of 2019", with_asv) <= 1
    program = (
        f"import runpy, sys; runpy.run_path({str(EXAMPLES / 'evaluate_scores.py')!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_a_stream_has_a_score_for_every_half_second() -> None:
    times = [float(time_s) for time_s in re.findall(r"^ *([\d.]+) s  [+-]", example("live_stream"), re.MULTILINE)]
    assert len(times) >= 4
    assert np.diff(times) == pytest.approx(0.5, abs=0.05)


def test_a_long_recording_has_a_window_for_every_second(place: Path) -> None:
    told = example("long_recording")
    start_s, end_s = number(r"from ([\d.]+) to", told), number(r"from [\d.]+ to ([\d.]+) s", told)
    starts = [float(one) for one in re.findall(r"^ *([\d.]+) to ", told, re.MULTILINE)]
    assert 0 < start_s < end_s < starts[-1] + 1
    assert starts[:5] == [0, 1, 2, 3, 4]
    assert (place / "long.svg").read_text().lstrip().startswith("<?xml")


def test_a_model_of_ones_own_is_trained_and_scores(place: Path) -> None:
    assert "step 40 of 40" in example("train_your_own")
    clip = next((place / "demo/corpus/minispoof_eval").rglob("*.flac"))
    assert clip.stem in must("score", clip, "--model", "runs/mine").stdout


@pytest.mark.usefixtures("place")
def test_an_augmentation_of_ones_own_moves_scores() -> None:
    rows = example("add_an_augmentation").splitlines()
    scores = {row[:24].strip(): [float(one) for one in row[24:].split()] for row in rows}
    plain, hum = scores["as it is"], scores["hum"]
    assert all(one != other for one, other in zip(plain, hum, strict=True))
    changed = [one != other for one, other in zip(plain, scores["hum, half of the clips"], strict=True)]
    assert any(changed)
    assert not all(changed)


def test_mamba_remembers_and_has_the_official_names() -> None:
    told = example("mamba_as_a_layer")
    assert number(r"right: (\d+)%", told) > 90
    names = re.findall(r"[\w.]+", told.partition("names:")[2].splitlines()[0])
    official = (
        "A_log D in_proj.weight conv1d.weight conv1d.bias x_proj.weight dt_proj.weight dt_proj.bias out_proj.weight"
    )
    assert sorted(names) == sorted(official.split())
    assert number(r"from the whole: (\S+)", told) < 1e-4


@pytest.mark.usefixtures("place")
def test_onnx_scores_without_pytorch_what_pytorch_scores() -> None:
    if find_spec("onnxscript") is None:
        pytest.skip("needs the extra export")
    must("export", "--model", "demo/run", "--format", "onnx", "--out", "detector.onnx")
    assert "PyTorch imported: False" in example("onnx_without_pytorch")
    ours, theirs = (
        read_scores("onnx.tsv").frame.sort("utterance"),
        read_scores("demo/run/eval.tsv").frame.sort("utterance"),
    )
    assert ours["utterance"].to_list() == theirs["utterance"].to_list()
    assert ours["score"].to_numpy() == pytest.approx(theirs["score"].to_numpy(), abs=1e-4)


@pytest.mark.usefixtures("place")
def test_the_service_answers_what_the_command_answers() -> None:
    if find_spec("uvicorn") is None:
        pytest.skip("needs the extra serve")
    clip = next(Path("demo/corpus/minispoof_eval").rglob("*.flac"))
    Path("broken.wav").write_text("no sound")
    wanted = number(r'"score": (-?[\d.]+)', must("score", clip, "--model", "demo/run", "--json").stdout)
    command = [sys.executable, "-c", "from moe_mamba_asv.cli.main import main; main()"]
    serve = [*command, "serve", "--model", "demo=demo/run", "--port", "0"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, env=_ONE_CORE) as server:
        try:
            assert server.stderr is not None
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            told = example("ask_the_service", address, clip, "broken.wav")
        finally:
            server.terminate()
    assert number(r"score ([+-][\d.]+)", told) == pytest.approx(wanted, abs=1e-3)
    assert "broken.wav: " in told


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_is_short_and_says_how_to_run_it(script: Path) -> None:
    text = script.read_text()
    assert len(text.splitlines()) < 80
    assert f"python examples/{script.name}" in text.split('"""')[1]
    assert script.name in (EXAMPLES / "README.md").read_text()
