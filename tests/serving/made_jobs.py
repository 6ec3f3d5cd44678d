"""Long recordings, and how a client follows their jobs."""

import io
import json
import time
from typing import Any

import numpy as np
import soundfile
from starlette.testclient import TestClient

from made_recording import RATE_HZ, second

KEYS = {"mine": {"X-API-Key": "mine"}, "other": {"X-API-Key": "other"}}


def recording(seconds: int = 12, form: str = "WAV", rate_hz: int = RATE_HZ) -> bytes:
    """Syllables, three silent seconds in the middle."""
    written = io.BytesIO()
    spoken = [second(number, spoof=number % 2 == 1) for number in range(seconds)]
    spoken[4:7] = [np.zeros(RATE_HZ)] * 3
    soundfile.write(written, np.concatenate(spoken), rate_hz, format=form)
    return written.getvalue()


def start(client: TestClient, content: bytes, headers: dict[str, str] | None = None, **query: Any) -> Any:
    files = [("file", ("secret-name.wav", content))]
    return client.post("/v1/score/long", files=files, params=query, headers=headers)


def finished(client: TestClient, job: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    for _ in range(600):
        answer = client.get(job["address"], headers=headers).json()
        if answer["state"] in ("done", "failed"):
            return answer
        time.sleep(0.05)
    raise AssertionError("it does not end")


def events(client: TestClient, job: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    answer = client.get(job["events"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]
