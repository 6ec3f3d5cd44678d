"""What the service says of recordings: the scores of `mma score`, and an error for what is none."""

import io
import json
import socket
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_uploads import OFFSET, SLOPE, sound
from starlette.testclient import TestClient
from typer.testing import CliRunner

from moe_mamba_asv.cli.main import app as mma
from moe_mamba_asv.scores import read_scores
from moe_mamba_asv.scoring.answer import verdict_of


def post(client: TestClient, *contents: bytes, name: str = "a.wav", **query: object):
    return client.post("/v1/score", files=[("file", (name, one)) for one in contents], params=query)


@pytest.mark.parametrize("model", ["known", "bare"])
def test_an_upload_has_the_score_of_mma_score(client: TestClient, models: Path, tmp_path: Path, model: str) -> None:
    contents = [sound(seed, form) for seed, form in enumerate(["WAV", "FLAC", "OGG", "MP3"])]
    contents.append(sound(7, duration_s=3.0))
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.wav").write_bytes(content)
    words = ["score", tmp_path, "--model", models / f"{model}.safetensors", "--out", tmp_path / "scores.tsv"]
    assert CliRunner().invoke(mma, list(map(str, words))).exit_code == 0
    wanted = read_scores(tmp_path / "scores.tsv").frame.sort("utterance")
    answer = post(client, *contents, model=model).json()
    got = [file["result"]["score"] for file in answer["files"]]
    assert got == pytest.approx(wanted["score"].to_list(), abs=1e-4)
    assert len({round(score, 4) for score in got}) == len(contents)  # else agreement would show little
    if model == "known":
        probabilities = [file["result"]["calibrated"]["probability"] for file in answer["files"]]
        assert probabilities == pytest.approx(wanted["probability"].to_list(), abs=1e-4)


def test_a_bad_file_is_never_in_the_way(client: TestClient) -> None:
    answer = post(client, sound(1), b"this is no sound", sound(2))
    assert answer.status_code == 200
    first, bad, last = answer.json()["files"]
    assert first["error"] is last["error"] is bad["result"] is None
    assert "cannot be decoded" in bad["error"]["got"]
    assert "0x" not in bad["error"]["got"]  # no address of the service's memory
    assert [file["index"] for file in answer.json()["files"]] == [0, 1, 2]


def _nan_wav() -> bytes:
    written = io.BytesIO()
    samples = np.full(8_000, 0.1, np.float32)
    samples[77] = np.nan
    soundfile.write(written, samples, 16_000, format="WAV", subtype="FLOAT")
    return written.getvalue()


def _hours_of_silence() -> bytes:
    written = io.BytesIO()
    with soundfile.SoundFile(written, "w", 48_000, 1, format="FLAC") as file:
        for _ in range(240):
            file.write(np.zeros(30 * 48_000, np.int16))
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (np.random.default_rng(0).bytes(50_000), "cannot be decoded"),
        (sound(0, "FLAC")[:9_000], "cannot be decoded"),
        (_nan_wav(), "NaN"),
        (sound(0)[:44] + bytes(16_000), "truncated"),
        (b"RIFF", "cannot be decoded"),
    ],
)
def test_what_cannot_be_scored_is_told_why(client: TestClient, content: bytes, said: str) -> None:
    answer = post(client, content)
    assert answer.status_code == 422
    [file] = answer.json()["files"]
    assert said in file["error"]["got"]
    assert file["result"] is None


def test_hours_in_a_small_file_are_refused_while_decoding(client: TestClient) -> None:
    bomb = _hours_of_silence()  # 2 h, 1.4 GB as float32: more than a decoder may take
    assert len(bomb) < 2_000_000
    [file] = post(client, bomb).json()["files"]
    assert "longer than 60 s" in file["error"]["got"]
    assert client.get("/readyz").status_code == 200


def test_silence_is_no_speech(client: TestClient) -> None:
    written = io.BytesIO()
    soundfile.write(written, np.zeros(16_000), 16_000, format="WAV")
    assert "silence" in post(client, written.getvalue()).json()["files"][0]["error"]["got"]


def test_a_playlist_opens_nothing(client: TestClient, tmp_path: Path) -> None:
    """FFmpeg follows what a playlist names, a file or an address; a decoder must not get at either."""
    (tmp_path / "secret.wav").write_bytes(sound(3))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
        for place in (address, str(tmp_path / "secret.wav")):
            hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{place}\n#EXT-X-ENDLIST\n"
            concat = f"ffconcat version 1.0\nfile '{place}'\n"
            for content in (hls, concat):
                assert post(client, content.encode()).json()["files"][0]["error"] is not None
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_calibrated_answer_says_what_it_is_worth(client: TestClient) -> None:
    result = post(client, sound(4), prior=0.01).json()["files"][0]["result"]
    llr = SLOPE * result["score"] + OFFSET
    odds = np.exp(llr) * 0.01 / 0.99
    wanted = {"llr": llr, "probability": odds / (1 + odds), "prior": 0.01}
    assert {name: result["calibrated"][name] for name in wanted} == pytest.approx(wanted, rel=1e-6)
    assert post(client, sound(4)).json()["files"][0]["result"]["calibrated"]["prior"] == 0.5


def test_the_verdict_is_the_one_of_mma_score(client: TestClient, models: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sound(4))
    verdicts = set()
    for prior in (0.0001, 0.3, 0.5, 0.7, 0.9999):
        words = ["score", tmp_path / "a.wav", "--model", models / "known.safetensors", "--prior", prior, "--json"]
        [wanted] = json.loads(CliRunner().invoke(mma, list(map(str, words))).stdout)["answers"]
        calibrated = post(client, sound(4), prior=prior).json()["files"][0]["result"]["calibrated"]
        assert calibrated["verdict"] == wanted["verdict"]
        assert calibrated["least_odds"] == 3.0
        verdicts.add(calibrated["verdict"])
    assert verdicts >= {"bona fide", "spoof"}


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.0, "spoof"),
        (0.25, "spoof"),
        (0.2501, "undecided"),
        (0.5, "undecided"),
        (0.7499, "undecided"),
        (0.75, "bona fide"),
        (1.0, "bona fide"),
    ],
)
def test_a_verdict_needs_odds_of_three_either_way(probability: float, verdict: str) -> None:
    assert verdict_of(probability) == verdict


def test_what_is_unlike_is_said(client: TestClient) -> None:
    usual, short = (post(client, sound(6, duration_s=length)).json()["files"][0] for length in (1.2, 0.3))
    assert usual["result"]["unlike"] == []
    assert any(reason.startswith("duration_s") for reason in short["result"]["unlike"])


def test_a_bare_model_claims_nothing(client: TestClient) -> None:
    result = post(client, sound(6, duration_s=2.0), model="bare").json()["files"][0]["result"]
    assert result["calibrated"] is None
    assert result["unlike"] is None
    assert result["duration_s"] == 2.0
    assert result["heard_s"] == 0.6  # 9,600 samples


def test_who_answered_is_said(client: TestClient, models: Path) -> None:
    answer = post(client, sound(1)).json()
    known, bare = client.get("/v1/models").json()["models"]
    assert answer["model"] == known
    assert known["calibrated_on"] == "made dev"
    assert (known["has_profile"], bare["has_profile"]) == (True, False)
    assert len(known["sha256"]) == 64
    assert str(models) not in str(client.get("/v1/models").json())
    assert "evidence, not proof" in answer["meaning"]
    assert set(answer["versions"]) == {"moe-mamba-asv", "python", "torch"}


def test_nothing_of_a_recording_stays_on_the_disk(client: TestClient, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened: list[object] = []
    spool = tempfile.SpooledTemporaryFile
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda *a, **k: opened.append(a) or spool(*a, **k))
    assert post(client, sound(1, duration_s=50)).status_code == 200  # 1.6 MB: beyond what Starlette keeps in memory
    assert not opened
    assert not list(tmp_path.iterdir())
