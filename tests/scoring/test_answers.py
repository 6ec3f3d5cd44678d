"""Answers in words: verdict, probability, what is unlike, what it rests on; and the other ways to score by command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from made_corpus import write_folder_corpus
from made_detectors import config, detector, predictor_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.calibration.calibration import Calibration
from moe_mamba_asv.scoring.answer import answer


def _mma(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _calibration(slope: float = 1.0, offset: float = 0.0) -> Calibration:
    return Calibration.model_validate(
        {
            "parameters": {"kind": "logistic", "slope": slope, "offset": offset, "prior": 0.5},
            "corpus": "folder",
            "partition": "dev",
            "bonafide": 50,
            "spoof": 50,
            "failed": 0,
            "system": "made",
            "model_sha256": "",
            "eer": 0.1,
            "cllr_before": 0.9,
            "cllr_after": 0.5,
            "min_cllr": 0.4,
        }
    )


@pytest.mark.parametrize(
    ("score", "prior", "probability", "verdict"),
    [
        (0.0, 0.5, 0.5, "undecided"),
        (1.0, 0.5, 0.7311, "undecided"),  # odds of 2.72
        (1.2, 0.5, 0.7685, "bona fide"),  # odds of 3.32
        (-1.2, 0.5, 0.2315, "spoof"),
        (1.2, 0.01, 0.0324, "spoof"),  # rare bona fide
        (50.0, 0.5, 1.0, "bona fide"),
        (-800.0, 0.5, 0.0, "spoof"),
    ],
)
def test_a_verdict_needs_odds_of_three(score: float, prior: float, probability: float, verdict: str) -> None:
    found = answer("a", score, calibration=_calibration(), prior=prior, unlike=[])
    assert found.llr == pytest.approx(score)
    assert found.probability == pytest.approx(probability, abs=1e-4)
    assert found.verdict == verdict


def test_without_a_calibration_there_is_no_verdict_and_an_impossible_prior_is_refused() -> None:
    bare = answer("a", 3.0, calibration=None, prior=0.5, unlike=None)
    assert (bare.llr, bare.probability, bare.verdict, bare.unlike) == (None, None, None, None)
    with pytest.raises(ConfigError, match="prior"):
        answer("a", 3.0, calibration=_calibration(), prior=1.0, unlike=None)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with calibration and profile, and a corpus of its kind."""
    root = tmp_path_factory.mktemp("place")
    corpus = write_folder_corpus(root / "corpus", clips=24)
    predictor_of(detector(config()), root / "m.safetensors")
    (root / "m.calibration.json").write_text(_calibration(slope=2.0).model_dump_json())
    assert _mma("profile", root / "m.safetensors", "--corpus", "folder", "--root", corpus).exit_code == 0
    return root


def test_an_answer_says_what_it_rests_on_and_how_a_recording_is_unlike(place: Path, tmp_path: Path) -> None:
    known = next((place / "corpus" / "eval" / "bonafide").glob("*.flac"))
    sound, rate_hz = soundfile.read(known)
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.tile(sound, 20) * 0.001, rate_hz)
    result = _mma("score", known, quiet, "--model", place / "m.safetensors", "--prior", 0.2)
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == [known.stem, "quiet"]
    for _, score, probability, llr, verdict in rows:
        assert float(llr) == pytest.approx(2 * float(score), abs=1e-3)
        assert 0 <= float(probability) <= 1
        assert verdict in ("bona fide", "spoof", "undecided")
    assert "quiet is unlike what the model knows: duration_s" in result.stderr
    assert "quiet is unlike what the model knows: level_dbfs" in result.stderr
    assert "calibrated on dev of folder, EER 10.00%; prior of bona fide 0.2" in result.stderr
    said = json.loads(_mma("score", known, quiet, "--model", place / "m.safetensors", "--json").stdout)
    assert said["answers"][1]["utterance"] == "quiet"
    assert said["answers"][1]["unlike"]
    assert said["answers"][0]["prior"] == 0.5


def test_a_timeline_of_a_recording_by_command(place: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.flac"
    sounds = [soundfile.read(path)[0] for path in sorted((place / "corpus" / "dev").rglob("*.flac"))[:10]]
    soundfile.write(long, np.concatenate(sounds), 16_000)
    words = ("score", long, "--long", "--model", place / "m.safetensors", "--out", tmp_path / "t.tsv")
    result = _mma(*words, "--timeline", tmp_path / "t.svg", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["recordings"]["long"]
    assert found["windows"][-1]["end_s"] == pytest.approx(found["duration_s"])
    assert (tmp_path / "t.tsv").read_text().startswith("# mma-timeline 1\n")
    assert (tmp_path / "t.svg").read_text().lstrip().startswith("<?xml")
    refused = _mma(*words, "--prior", 0.5)
    assert refused.exit_code == 2
    assert "--prior means nothing" in " ".join(refused.output.replace("│", " ").split())


def test_a_clip_has_one_score_as_a_file_in_a_batch_and_as_a_window(place: Path, tmp_path: Path) -> None:
    files = sorted((place / "corpus" / "eval").rglob("*.flac"))[:5]
    model = ("--model", place / "m.safetensors", "--json")
    alone = [json.loads(_mma("score", path, *model).stdout)["scores"][0]["score"] for path in files]
    batch = {row["utterance"]: row["score"] for row in json.loads(_mma("score", *files, *model).stdout)["scores"]}
    windows = json.loads(_mma("score", *files, "--long", *model).stdout)["recordings"]
    for path, score in zip(files, alone, strict=True):
        assert score == pytest.approx(batch.get(path.stem, batch.get(path.as_posix())), abs=1e-4)
        first = windows.get(path.stem, windows.get(path.as_posix()))["windows"][0]
        assert first["score"] == pytest.approx(score, abs=1e-4)
