"""A real server with live streams: rude clients, silent ones, and progress that is told at once."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from made_live import in_chunks, live_settings
from made_uploads import sound
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from made_streams import causal_detector, changing_noise
from moe_mamba_asv.scoring.stream import Stream
from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.run import make_server
from moe_mamba_asv.serving.served_model import ServedModel
from moe_mamba_asv.serving.settings import Settings


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return live_settings(tmp_path_factory.mktemp("live"))


@contextlib.contextmanager
def _served(settings: Settings) -> Iterator[str]:
    """A real server; its address."""
    server = make_server(create_app(settings), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def server(strict: Settings) -> Iterator[str]:
    with _served(strict.model_copy(update={"max_streams": 50})) as address:
        yield address


def test_a_real_client_streams(server: str) -> None:
    samples = changing_noise(2.0)
    wanted = Stream(causal_detector()).push(samples)
    with connect(f"ws://{server}/v1/stream") as live:
        live.send(json.dumps({"format": "float32"}))
        assert "ready" in json.loads(live.recv())
        for chunk in in_chunks(samples, seed=2):
            live.send(chunk.tobytes())
        live.send('{"end": true}')
        messages = [json.loads(message) for message in live]
    scores = [one["score"] for message in messages[:-1] for one in message["scores"]]
    assert scores == pytest.approx([one.score for one in wanted], rel=0, abs=1e-5)
    assert messages[-1] == {"end": {"heard_s": 2.0}}


def _closed(live: ClientConnection) -> tuple[int, str]:
    """Code and reason of a connection that the other side closes; 1006 where it breaks."""
    for _ in range(10):
        try:
            live.recv(timeout=10)
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    raise AssertionError("it stays open")


@pytest.mark.parametrize(("size", "codes"), [(150_000, {1009}), (5_000_000, {1009, 1006})])
def test_a_message_that_is_too_large_is_refused_while_it_comes(server: str, size: int, codes: set[int]) -> None:
    """The larger one is beyond what the protocol lets in; the line may break before its client reads why."""
    with connect(f"ws://{server}/v1/stream") as live:
        live.send('{"format": "int16"}')
        live.recv()
        with contextlib.suppress(ConnectionClosed):
            live.send(bytes(size))
        assert _closed(live)[0] in codes


def test_silent_streams_are_in_nobodys_way(server: str) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(f"ws://{server}/v1/stream")) for _ in range(45)]
        test_a_real_client_streams(server)
        assert {_closed(one) for one in silent} == {(1008, "silent")}


def test_of_eight_half_open_streams_three_are_too_many_and_others_are_answered(strict: Settings) -> None:
    """The limit is told at once; the five are let go when they have been silent, and there is room again."""
    with _served(strict.model_copy(update={"max_streams": 5})) as address, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(f"ws://{address}/v1/stream")) for _ in range(8)]
        assert [_closed(one) for one in silent[5:]] == [(1013, "busy")] * 3
        with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
            connection.request("GET", "/readyz")
            assert connection.getresponse().status == 200
        assert [_closed(one) for one in silent[:5]] == [(1008, "silent")] * 5
        test_a_real_client_streams(address)


def test_events_come_while_the_job_runs(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, score = threading.Event(), ServedModel.score
    monkeypatch.setattr(ServedModel, "score", lambda self, crops: gate.wait(20) and score(self, crops))
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    body = part + sound(1, duration_s=3.0) + b"\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    with closing(http.client.HTTPConnection(server, timeout=20)) as connection:
        connection.request("POST", "/v1/score/long", body, kind)
        job = json.loads(connection.getresponse().read())
        connection.request("GET", job["events"])
        answer = connection.getresponse()
        assert answer.readline() == b"event: progress\n"
        gate.set()
        assert b"event: done\n" in answer.read()
