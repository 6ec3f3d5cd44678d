"""`mma diagnose`: a whole look at a run, what does not apply, wrong use."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from made_corpus import write_folder_corpus
from made_detectors import detector, made_sample, predictor_of, two_streams
from made_run import made_run
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.diagnostics.diagnose import judge_scores
from moe_mamba_asv.diagnostics.results.diagnosis import read_diagnosis
from moe_mamba_asv.diagnostics.sample import draw_sample
from moe_mamba_asv.errors import ConfigError, CorpusError
from moe_mamba_asv.training.train import train
from moe_mamba_asv.types import Partition


def _mma(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"), clips=12)


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(made_run(corpus, folder))
    return folder


def test_a_run_is_diagnosed_into_its_own_folder(run: Path, corpus: Path) -> None:
    only = "training,layers,scores,streams,shortcuts"
    result = _mma("diagnose", run, "--corpus", "folder", "--root", corpus, "--only", only, "--clips", 20, "--json")
    assert result.exit_code == 1, result.output  # two of the kinds asked for do not apply
    said = json.loads(result.stdout)
    found = read_diagnosis(run / "diagnosis.json")
    assert said == {"files": said["files"], **found.model_dump(mode="json")}
    assert all(Path(file).is_file() for file in said["files"])
    assert {Path(file).name for file in said["files"]} == {"diagnosis.json", "training.svg", "shortcuts.svg"}
    assert found.sample is not None
    assert (found.sample.corpus, found.sample.partition, found.sample.counts.bonafide) == ("folder", "dev", 10)
    assert found.sample.attacks == {"buzz": 10}
    assert set(found.not_done) == {"layers", "streams"}
    assert found.robustness is None
    assert "--only training,layers" in found.command
    assert str(run.parent) not in found.command


def test_faults_are_told_first_and_a_healthy_run_has_none_of_scores_and_training(run: Path, corpus: Path) -> None:
    result = _mma("diagnose", run, "--corpus", "folder", "--root", corpus, "--only", "scores,training", "--out", run)
    assert result.exit_code == 0
    assert result.stdout.startswith("0 faults by 4 rules")


def test_without_sound_the_records_and_weights_are_read(run: Path) -> None:
    result = _mma("diagnose", run)
    assert result.exit_code == 0
    assert "not done: layers" in result.stderr


def test_where_a_recording_is_decided(run: Path, corpus: Path, tmp_path: Path) -> None:
    recording = next((corpus / "eval" / "bonafide").glob("*.flac"))
    result = _mma("diagnose", run, "--where", recording, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert {Path(file).name for file in said["files"]} == {"occlusion.json", "occlusion.svg"}
    assert len(said["changes"]) == len(said["times_s"]) - 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--only", "luck"], "luck; wanted: some of"),
        (["--corpus", "folder"], "--corpus needs --root"),
        (["--before", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use(run: Path, words: list[str], reason: str) -> None:
    result = _mma("diagnose", run, *words)
    assert result.exit_code == 2
    assert reason in " ".join(result.output.replace("│", " ").split())


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "diagnosis.json"
    path.write_text('{"system": 3}')
    with pytest.raises(ConfigError, match=r"diagnosis.json at system"):
        read_diagnosis(path)


def test_reversed_and_worthless_scores_are_told_apart() -> None:
    sample, rng = made_sample(60), np.random.default_rng(3)
    good = np.where(sample.is_bonafide, 1.0, -1.0) + 0.3 * rng.normal(size=60)

    def raised(scores: np.ndarray) -> list[str]:
        found = judge_scores(sample, scores, np.random.default_rng(0))
        return [finding.fault for finding in found.findings if finding.raised]

    assert raised(good) == []
    assert raised(-good) == ["reversed_scores"]
    assert raised(rng.normal(size=60)) == ["chance_scores"]


def test_a_sample_is_half_bona_fide_and_shares_the_rest(corpus: Path) -> None:
    dev = read_corpus("folder", root=corpus, partition=Partition.DEV)
    first, again = (draw_sample(dev, 9, np.random.default_rng(1)) for _ in range(2))
    assert first.utterances == again.utterances
    assert (int(first.is_bonafide.sum()), len(first.rows_of("buzz"))) == (4, 5)
    assert first.attack_names == ["buzz"]
    labels = dict(dev.table.select("utterance", "label").iter_rows())
    assert [labels[name] == "bonafide" for name in first.utterances] == first.is_bonafide.tolist()


def test_clips_that_cannot_be_heard_are_listed_and_a_corpus_of_them_is_refused(corpus: Path) -> None:
    dev = read_corpus("folder", root=corpus, partition=Partition.DEV)
    broken = dev.table.with_columns(path=dev.table["path"].str.replace("dev3", "gone"))
    sample = draw_sample(type(dev)(dev.kind, broken), 40, np.random.default_rng(0))
    assert len(sample.failed) == 2
    assert len(sample.waveforms) == len(dev.table) - 2
    with pytest.raises(CorpusError, match="both classes"):
        draw_sample(read_corpus("folder", root=corpus).only(Partition.DEV), 0, np.random.default_rng(0))


def test_the_balance_of_two_checkpoints_is_compared(corpus: Path, tmp_path: Path) -> None:
    for name, seed in (("before", 0), ("after", 1)):
        predictor_of(detector(two_streams(), seed), tmp_path / f"{name}.safetensors")
    result = _mma(
        "diagnose", tmp_path / "after.safetensors", "--before", tmp_path / "before.safetensors", "--only", "streams",
        "--corpus", "folder", "--root", corpus, "--clips", 20, "--out", tmp_path, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["shift"]["before"], said["shift"]["after"]) == ("before", "after")
    assert sum(said["shift"]["share"].values()) == pytest.approx(0, abs=1e-6)


def test_a_clip_that_cannot_be_heard_is_listed_and_told_by_the_exit_code(run: Path, tmp_path: Path) -> None:
    corpus = write_folder_corpus(tmp_path, clips=12)
    bad = next((corpus / "dev" / "bonafide").glob("*.flac"))
    bad.write_bytes(b"no sound")
    result = _mma(
        "diagnose", run, "--corpus", "folder", "--root", corpus, "--only", "scores", "--clips", 24, "--out", tmp_path
    )
    assert result.exit_code == 1
    assert f"not heard: dev/bonafide/{bad.stem}: " in result.stderr
