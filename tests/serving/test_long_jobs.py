"""Long recordings: what a job answers, as it goes on and when it is done."""

import io
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_jobs import events, finished, recording, start
from made_uploads import sound
from starlette.testclient import TestClient

from made_recording import RATE_HZ
from moe_mamba_asv.scoring.long_audio import LongOptions, score_long
from moe_mamba_asv.scoring.long_score import LongScore
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.served_model import ServedModel
from moe_mamba_asv.serving.settings import Settings


@pytest.mark.parametrize(("form", "rate_hz", "query"), [("WAV", 16_000, {}), ("FLAC", 44_100, {"hop_s": 0.25})])
def test_the_result_is_that_of_score_long(
    client: TestClient, models: Path, form: str, rate_hz: int, query: dict[str, Any]
) -> None:
    content = recording(12, form, rate_hz)
    predictor = Predictor(models / "known.safetensors")
    wanted = score_long(predictor, content, LongOptions(**query))
    started = start(client, content, model="known", **query)
    assert started.status_code == 202
    assert started.headers["location"] == started.json()["address"]
    found = finished(client, started.json())
    assert found["state"] == "done"
    got = LongScore.model_validate(found["result"]["score"])
    assert len(got.windows) == len(wanted.windows) > 15
    assert {window.no_vote for window in got.windows} == {None, "too little speech"}
    for one, other in zip(got.windows, wanted.windows, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.model_copy(update={"score": None}) == other.model_copy(update={"score": None})
    assert got.pooled is not None
    assert wanted.pooled is not None
    assert got.pooled.model_dump() == pytest.approx(wanted.pooled.model_dump(), abs=1e-4)
    assert len({round(one.score, 4) for one in got.voted if one.score is not None}) > 5
    assert found["result"]["model"]["sha256"] == predictor.header["model_sha256"]
    assert found["progress"] == {"done_s": wanted.duration_s, "total_s": wanted.duration_s}
    assert "secret-name" not in json.dumps(found)


def test_progress_is_told_and_rises(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    score = ServedModel.score

    def slowly(self: ServedModel, crops: Any) -> Any:
        time.sleep(0.5)
        return score(self, crops)

    monkeypatch.setattr(ServedModel, "score", slowly)
    job = start(client, recording(12), model="bare").json()
    told = events(client, job)
    assert [name for name, _ in told] == ["progress"] * (len(told) - 1) + ["done"]
    done_s = [data["done_s"] for name, data in told if name == "progress" and data["total_s"]]
    assert len(done_s) >= 3
    assert all(before < after for before, after in pairwise(done_s))
    assert told[-1][1] == client.get(job["address"]).json()
    assert told[-1][1]["result"]["score"]["duration_s"] == 12


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (np.random.default_rng(0).bytes(50_000), "cannot be decoded"),
        (sound(0, "FLAC", 30.0)[:90_000], "cannot be decoded"),
    ],
)
def test_a_broken_file_fails_with_the_reason(client: TestClient, content: bytes, said: str) -> None:
    job = start(client, content).json()
    found = finished(client, job)
    assert found["state"] == "failed"
    assert found["result"] is None
    assert said in found["error"]["got"]
    assert events(client, job) == [("failed", found)]
    assert finished(client, start(client, recording(2)).json())["state"] == "done"  # nothing stays in the way


def test_what_is_too_long_is_refused_while_it_is_read(settings: Settings) -> None:
    """An hour of silence in a small file, where ten seconds are allowed."""
    written = io.BytesIO()
    with soundfile.SoundFile(written, "w", RATE_HZ, 1, format="FLAC") as file:
        for _ in range(120):
            file.write(np.zeros(30 * RATE_HZ, np.int16))
    with TestClient(create_app(settings.model_copy(update={"max_long_duration_s": 10.0}))) as client:
        assert "longer than 10 s" in finished(client, start(client, written.getvalue()).json())["error"]["got"]
        assert finished(client, start(client, recording(10)).json())["state"] == "done"
        assert "mma_long_decoders_lost_total 0" in client.get("/metrics").text


def test_parameters_that_make_no_sense(client: TestClient) -> None:
    impossible: list[dict[str, Any]] = [
        {"hop_s": 0.01},
        {"hop_s": 0.7},
        {"hop_s": "nan"},
        {"min_speech": 1.1},
        {"lowest_count": 0},
    ]
    for query in impossible:
        answer = start(client, recording(1), **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "impossible")
    assert start(client, recording(1), model="none").status_code == 404
    two = client.post("/v1/score/long", files=[("file", ("a", b"a")), ("file", ("b", b"b"))])
    assert two.json()["code"] == "too_many_files"


def test_a_fault_of_the_service_is_told_without_its_words(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: ServedModel, crops: Any) -> Any:
        raise ValueError("-".join(["secret", "content"]))

    monkeypatch.setattr(ServedModel, "score", broken)
    found = finished(client, start(client, recording(2)).json())
    assert found["error"]["got"] == "an error of the service"
    assert "secret-content" not in json.dumps(found)
    assert any("ValueError" in record.getMessage() for record in caplog.records)
    assert not any("secret-content" in record.getMessage() for record in caplog.records)


def test_a_service_that_stops_waits_for_nobody(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        for _ in range(3):
            start(client, recording(60))
        stopped_at = time.monotonic()
    assert time.monotonic() - stopped_at < 5


def test_the_description_has_examples(client: TestClient) -> None:
    told = client.get("/openapi.json").json()
    assert set(told["paths"]["/v1/score/long"]["post"]["responses"]) >= {"202", "401", "413", "422", "503"}
    done, running = told["components"]["schemas"]["JobAnswer"]["examples"]
    assert done["result"]["score"]["windows"][0]["score"]
    assert running["progress"]["total_s"] == 3600
    assert "text/event-stream" in told["paths"]["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    assert "/v1/stream" in told["info"]["description"]
