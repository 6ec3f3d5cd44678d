"""Live sound over a WebSocket: the scores of a stream, and a reason where there are none."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from made_live import in_chunks, live_settings
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from made_streams import HOP, causal_detector, changing_noise
from moe_mamba_asv.scoring.stream import Stream
from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.settings import Settings


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return live_settings(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def client(strict: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(strict)) as client:
        yield client


def _ended(live: WebSocketTestSession) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """All scores until the end, and the message of the end."""
    scores: list[dict[str, float]] = []
    while "scores" in (message := live.receive_json()):
        scores += message["scores"]
    return scores, message


def _refused(live: WebSocketTestSession) -> tuple[int, dict[str, str]]:
    """Code and problem of a stream that is closed."""
    _, message = _ended(live)
    with pytest.raises(WebSocketDisconnect) as caught:
        live.receive_json()
    assert caught.value.reason == message["error"]["code"]
    return caught.value.code, message["error"]


@pytest.mark.parametrize(("form", "half_life_s"), [("float32", None), ("int16", None), ("float32", 0.5)])
def test_scores_are_those_of_the_stream(client: TestClient, form: str, half_life_s: float | None) -> None:
    samples = changing_noise(4.0)
    if form == "int16":
        samples = (np.clip(samples, -1, 1) * 32_767).astype("<i2")
    heard = samples / np.float32(32_768) if form == "int16" else samples
    wanted = Stream(causal_detector(), half_life_s=half_life_s).push(heard)
    with client.websocket_connect("/v1/stream") as live:
        live.send_json({"format": form, "half_life_s": half_life_s})
        ready = live.receive_json()["ready"]
        for chunk in in_chunks(samples, seed=len(form)):
            live.send_bytes(chunk.tobytes())
        live.send_json({"end": True})
        scores, end = _ended(live)
    assert ready["hop_s"] == HOP / 16_000
    assert ready["model"]["name"] == "causal"
    assert len(scores) == len(wanted) == 64_000 // HOP
    assert [one["time_s"] for one in scores] == [one.time_s for one in wanted]
    assert [one["score"] for one in scores] == pytest.approx([one.score for one in wanted], rel=0, abs=1e-5)
    assert np.ptp([one.score for one in wanted]) > 0.01  # else agreement would show little
    assert end["end"]["heard_s"] == 4.0


def test_the_last_score_is_the_offline_score(client: TestClient) -> None:
    model, samples = causal_detector(), changing_noise(3.0, seed=5)[: 190 * HOP]
    with torch.inference_mode():
        wanted = float(model(torch.from_numpy(samples)[None]).score)
    with client.websocket_connect("/v1/stream") as live:
        live.send_json({"format": "float32"})
        live.receive_json()
        for chunk in in_chunks(samples, seed=1):
            live.send_bytes(chunk.tobytes())
        live.send_json({"end": True})
        scores, _ = _ended(live)
    assert scores[-1]["score"] == pytest.approx(wanted, rel=0, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"format": "mulaw"}', "impossible"),
        ("{}", "impossible"),
        ("[", "impossible"),
        (b"\0\0", "impossible"),
        ('{"format": "int16", "rate": 8000}', "impossible"),
        ('{"format": "int16", "half_life_s": 0}', "impossible"),
        ('{"format": "int16", "half_life_s": 1e999}', "impossible"),
        ('{"format": "int16", "model": "none"}', "unknown_model"),
        ('{"format": "int16", "model": "deaf"}', "not_streaming"),
    ],
)
def test_a_start_that_makes_no_sense(client: TestClient, first: str | bytes, code: str) -> None:
    with client.websocket_connect("/v1/stream") as live:
        live.send_bytes(first) if isinstance(first, bytes) else live.send_text(first)
        closed, problem = _refused(live)
    assert (closed, problem["code"]) == (1008, code)
    assert problem["wanted"]


@pytest.mark.parametrize(
    ("form", "message", "closed", "code"),
    [
        ("int16", bytes(3), 1007, "bad_samples"),
        ("float32", bytes(6), 1007, "bad_samples"),
        ("float32", np.array([0.1, np.nan], "<f4").tobytes(), 1007, "bad_samples"),
        ("int16", "sound", 1007, "impossible"),
        ("int16", '{"end": false}', 1007, "impossible"),
        ("int16", bytes(100_001), 1009, "too_large"),
        ("int16", "x" * 100_001, 1009, "too_large"),
    ],
)
def test_what_is_no_sound_closes_with_a_reason(
    client: TestClient, form: str, message: str | bytes, closed: int, code: str
) -> None:
    with client.websocket_connect("/v1/stream") as live:
        live.send_json({"format": form})
        live.receive_json()
        live.send_bytes(message) if isinstance(message, bytes) else live.send_text(message)
        found, problem = _refused(live)
    assert (found, problem["code"]) == (closed, code)


@pytest.mark.parametrize("says_hello", [False, True])
def test_a_silent_client_is_let_go(client: TestClient, *, says_hello: bool) -> None:
    with client.websocket_connect("/v1/stream") as live:
        started = time.monotonic()
        if says_hello:
            live.send_json({"format": "int16"})
            live.receive_json()
        assert _refused(live)[1]["code"] == "silent"
    assert 0.4 < time.monotonic() - started < 3


def test_a_stream_is_bounded_in_sound_and_by_the_clock(client: TestClient, strict: Settings) -> None:
    with client.websocket_connect("/v1/stream") as live:
        live.send_json({"format": "int16"})
        live.receive_json()
        for _ in range(7):
            live.send_bytes(bytes(32_000))
        assert _refused(live)[1]["code"] == "too_long"
    hasty = strict.model_copy(update={"max_stream_s": 1.0})
    with TestClient(create_app(hasty)) as other, other.websocket_connect("/v1/stream") as live:
        live.send_json({"format": "int16"})
        live.receive_json()
        for _ in range(4):
            live.send_bytes(bytes(2))
            time.sleep(0.3)
        assert _refused(live)[1]["code"] == "too_long"


def test_open_streams_are_counted_and_bounded(client: TestClient) -> None:
    def is_open(count: int) -> bool:
        return f"mma_streams_open {count}\n" in client.get("/metrics").text

    with client.websocket_connect("/v1/stream") as first, client.websocket_connect("/v1/stream") as second:
        for live in (first, second):
            live.send_json({"format": "int16"})
            live.receive_json()
        assert is_open(2)
        with client.websocket_connect("/v1/stream") as third:
            assert _refused(third)[0] == 1013
        first.close()
        for _ in range(40):
            if is_open(1):
                break
            time.sleep(0.05)
        assert is_open(1)


@pytest.mark.parametrize(
    ("origin", "is_let_in"), [("http://testserver", True), ("https://elsewhere.example", False), ("null", False)]
)
def test_pages_of_other_origins_may_not_listen(client: TestClient, origin: str, *, is_let_in: bool) -> None:
    with client.websocket_connect("/v1/stream", headers={"Origin": origin}) as live:
        if is_let_in:
            live.send_json({"format": "int16"})
            assert "ready" in live.receive_json()
        else:
            assert _refused(live)[1]["code"] == "foreign_origin"
