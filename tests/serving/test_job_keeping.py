"""Jobs belong to one key, are bounded, can be deleted, and leave nothing behind."""

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_jobs import KEYS, finished, recording, start
from made_uploads import sound
from starlette.testclient import TestClient

from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.jobs import Job, Jobs
from moe_mamba_asv.serving.served_model import ServedModel
from moe_mamba_asv.serving.settings import Settings


@pytest.fixture
def patient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TestClient, threading.Event]]:
    """Two keys, room for three jobs, results kept for a second, and a model that waits for a sign."""
    gate = threading.Event()
    score = ServedModel.score

    def wait(self: ServedModel, crops: Any) -> Any:
        assert gate.wait(30)
        return score(self, crops)

    monkeypatch.setattr(ServedModel, "score", wait)
    changed = {
        "api_keys": ("mine", "other"),
        "max_jobs": 3,
        "job_keep_s": 1.0,
        "max_long_upload_mb": 1.0,
        "max_long_held_mb": 1.5,
    }
    with TestClient(create_app(Settings(**{**settings.model_dump(), **changed}))) as client:
        yield client, gate
        gate.set()


def test_jobs_belong_to_the_key_that_made_them(patient: tuple[TestClient, threading.Event]) -> None:
    client, gate = patient
    job = start(client, recording(2), KEYS["mine"]).json()
    assert len(job["id"]) == 32  # 24 random bytes
    ask = [("GET", job["address"]), ("GET", job["events"]), ("DELETE", job["address"]), ("GET", "/v1/jobs/none")]
    refusals = [client.request(method, path, headers=KEYS["other"]) for method, path in ask]
    assert {answer.status_code for answer in refusals} == {404}
    assert len({answer.text for answer in refusals}) == 1
    assert client.get(job["address"]).status_code == 401
    gate.set()
    assert finished(client, job, KEYS["mine"])["state"] == "done"


def test_jobs_wait_in_line_and_are_bounded(patient: tuple[TestClient, threading.Event]) -> None:
    client, gate = patient
    content = recording(2)
    jobs = [start(client, content, KEYS["mine"]).json() for _ in range(3)]
    time.sleep(0.3)
    counts = client.get("/metrics", headers=KEYS["mine"]).text
    assert "mma_jobs_running 1\n" in counts
    assert "mma_jobs_queued 2\n" in counts
    assert f"mma_long_upload_bytes_held {3 * len(content):g}\n" in counts
    refused = start(client, content, KEYS["other"])
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_jobs")
    assert int(refused.headers["retry-after"]) >= 1
    unread = client.post("/v1/score/long", content=b"x", headers=KEYS["other"])
    assert unread.json()["code"] == "too_many_jobs"  # told before the body is looked at
    assert start(client, bytes(1_100_000), KEYS["mine"]).status_code == 413
    gate.set()
    assert [finished(client, job, KEYS["mine"])["state"] for job in jobs] == ["done"] * 3


def test_what_is_deleted_stops_and_makes_room(patient: tuple[TestClient, threading.Event]) -> None:
    client, gate = patient
    running, waiting, last = (start(client, recording(4), KEYS["mine"]).json() for _ in range(3))
    for job in (waiting, running):
        assert client.delete(job["address"], headers=KEYS["mine"]).status_code == 204
        assert client.get(job["address"], headers=KEYS["mine"]).status_code == 404
    assert start(client, recording(2), KEYS["mine"]).status_code == 202
    gate.set()
    assert finished(client, last, KEYS["mine"])["state"] == "done"
    counts = client.get("/metrics", headers=KEYS["mine"]).text
    assert "mma_long_decoders_lost_total 0" in counts  # the process was let go, not killed


def test_who_listens_is_told_that_it_was_deleted(patient: tuple[TestClient, threading.Event]) -> None:
    client, _ = patient
    job = start(client, recording(2), KEYS["mine"]).json()
    deleting = threading.Timer(0.5, client.delete, (job["address"],), {"headers": KEYS["mine"]})
    deleting.start()
    assert client.get(job["events"], headers=KEYS["mine"]).text.endswith("event: deleted\ndata: {}\n\n")
    deleting.join()


def test_so_many_may_listen_to_a_job(patient: tuple[TestClient, threading.Event]) -> None:
    client, gate = patient
    job = start(client, recording(2), KEYS["mine"]).json()
    told: list[str] = []
    threads = [
        threading.Thread(target=lambda: told.append(client.get(job["events"], headers=KEYS["mine"]).text))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert client.get(job["events"], headers=KEYS["mine"]).json()["code"] == "busy"
    gate.set()
    for thread in threads:
        thread.join()
    assert all("event: done" in text for text in told)
    assert len(told) == 8
    assert client.get(job["events"], headers=KEYS["mine"]).status_code == 200


def test_nothing_of_a_recording_stays(
    patient: tuple[TestClient, threading.Event], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client, gate = patient
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    jobs: list[Job] = []
    begin = Jobs.start
    monkeypatch.setattr(Jobs, "start", lambda *given: jobs.append(begin(*given)) or jobs[-1])
    heard, waits, broken = (start(client, content, KEYS["mine"]).json() for content in (recording(), recording(), b"x"))
    assert all(job.content for job in jobs)
    client.delete(waits["address"], headers=KEYS["mine"])
    time.sleep(0.2)
    assert [bool(job.content) for job in jobs] == [True, False, True]  # it does not wait for its turn to be forgotten
    gate.set()
    assert finished(client, heard, KEYS["mine"])["state"] == "done"
    assert finished(client, broken, KEYS["mine"])["state"] == "failed"
    assert [job.content for job in jobs] == [b"", b"", b""]
    assert not list(tmp_path.iterdir())


def test_results_are_kept_for_a_while_and_recordings_are_not(patient: tuple[TestClient, threading.Event]) -> None:
    client, gate = patient
    gate.set()
    job = start(client, recording(2), KEYS["mine"]).json()
    assert finished(client, job, KEYS["mine"])["kept_s"] == 1.0
    assert "mma_long_upload_bytes_held 0\n" in client.get("/metrics", headers=KEYS["mine"]).text
    assert client.get(job["address"], headers=KEYS["mine"]).status_code == 200
    time.sleep(1.2)
    assert client.get(job["address"], headers=KEYS["mine"]).status_code == 404
    assert "mma_jobs_done 0\n" in client.get("/metrics", headers=KEYS["mine"]).text


def test_recordings_that_wait_are_bounded_together_and_apart_from_short_ones(
    patient: tuple[TestClient, threading.Event],
) -> None:
    client, gate = patient
    waits = start(client, recording(28), KEYS["mine"]).json()  # 0.9 MB
    refused = start(client, recording(28), KEYS["mine"])
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    short = client.post("/v1/score", files=[("file", ("a.wav", sound(1, duration_s=59.0)))], headers=KEYS["mine"])
    assert short.status_code == 200
    gate.set()
    assert finished(client, waits, KEYS["mine"])["state"] == "done"
    assert start(client, recording(28), KEYS["mine"]).status_code == 202
