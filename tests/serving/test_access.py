"""Who is let in and how often; what every answer carries; what is counted."""

import logging

import pytest
from made_uploads import sound
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from moe_mamba_asv.serving.access import Access
from moe_mamba_asv.serving.metrics import Metrics
from moe_mamba_asv.serving.service import Service


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def _ok(request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


def _guarded(clock: Clock, *keys: str, per_minute: int = 1_000) -> TestClient:
    routes = [Route("/v1/asked", _ok), Route("/healthz", _ok), WebSocketRoute("/live", _echo)]
    return TestClient(Access(Starlette(routes=routes), keys=keys, per_minute=per_minute, clock=clock))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"X-API-Key": "first"}, 200),
        ({"X-API-Key": "second"}, 200),
        ({"X-API-Key": "secon"}, 401),
        ({"X-API-Key": "sécond".encode()}, 401),
        ({"Authorization": "Bearer second"}, 200),
        ({"Authorization": "bearer first"}, 200),
        ({"Authorization": "Basic first"}, 401),
        ({"Authorization": "first"}, 401),
    ],
)
def test_a_key_is_wanted(headers: dict[str, str | bytes], status: int) -> None:
    answer = _guarded(Clock(), "first", "second").get("/v1/asked", headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["code"] == "no_access"
        assert "first" not in answer.text


def test_without_keys_anyone_may_ask_and_with_them_anyone_may_ask_for_health() -> None:
    assert _guarded(Clock()).get("/v1/asked").status_code == 200
    assert _guarded(Clock(), "first").get("/healthz").status_code == 200


def test_the_rate_is_limited_for_each_key_and_refills() -> None:
    clock = Clock()
    client = _guarded(clock, "first", "second", per_minute=6)
    first, second = {"X-API-Key": "first"}, {"X-API-Key": "second"}
    assert [client.get("/v1/asked", headers=first).status_code for _ in range(7)] == [200] * 6 + [429]
    refused = client.get("/v1/asked", headers=first)
    assert refused.headers["Retry-After"] == "10"
    assert client.get("/v1/asked", headers=second).status_code == 200
    clock.now += 9.9
    assert client.get("/v1/asked", headers=first).status_code == 429
    clock.now += 0.2
    assert client.get("/v1/asked", headers=first).status_code == 200
    assert client.get("/v1/asked", headers=first).status_code == 429
    clock.now += 3_600
    assert [client.get("/v1/asked", headers=first).status_code for _ in range(7)] == [200] * 6 + [429]


def test_guessing_keys_is_slow_and_costs_the_holder_nothing() -> None:
    client = _guarded(Clock(), "first", per_minute=5)
    guesses = [client.get("/v1/asked", headers={"X-API-Key": f"{number}"}).status_code for number in range(8)]
    assert guesses == [401] * 5 + [429] * 3
    assert client.get("/v1/asked", headers={"X-API-Key": "first"}).status_code == 200


def test_a_websocket_needs_the_key_too() -> None:
    client = _guarded(Clock(), "first")
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/live"):
        pass
    assert caught.value.code == 1008
    with client.websocket_connect("/live", headers={"X-API-Key": "first"}) as live:
        assert live.receive_text() == "in"


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/nowhere", "/v1/score?prior=2"])
def test_every_answer_is_guarded(client: TestClient, path: str) -> None:
    headers = (client.post(path) if "score" in path else client.get(path)).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_other_pages_may_not_ask(client: TestClient) -> None:
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/score", headers=origin).headers


def test_the_log_has_no_names_and_no_content(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client.post("/v1/score?model=secret-query", files=[("file", ("secret-name.wav", b"secret-content"))])
        client.post("/v1/score", files=[("file", ("secret-name.wav", b"secret-content"))])
        client.get("/secret-path")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("moe_mamba_asv")]
    assert [" ".join(line.split()[:3]) for line in lines] == [
        "POST /v1/score 404",
        "POST /v1/score 422",
        "GET other 404",
    ]
    assert not any("secret" in line for line in lines)


def test_what_breaks_is_answered_without_its_words(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*arguments) -> None:
        raise ValueError("-".join(["secret", "content"]))

    monkeypatch.setattr(Service, "score", broken)
    answer = client.post("/v1/score", files=[("file", ("a.wav", b"x"))])
    assert answer.status_code == 500
    assert answer.json()["code"] == "broken"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert _counted(client)['mma_requests_total{path="/v1/score",status="500"}'] == 1
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "ValueError" in line
    assert "in broken" in line
    assert "secret-content" not in line


def _counted(client: TestClient) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_what_happens_is_counted(client: TestClient) -> None:
    before = _counted(client)
    client.post("/v1/score?model=bare", files=[("file", ("a.wav", sound(1))), ("file", ("b.wav", b"none"))])
    client.get("/nowhere")
    after = _counted(client)
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    assert grown['mma_files_total{model="bare",outcome="scored"}'] == 1
    assert grown['mma_files_total{model="bare",outcome="refused"}'] == 1
    assert grown['mma_requests_total{path="/v1/score",status="200"}'] == 1
    assert grown['mma_requests_total{path="other",status="404"}'] == 1
    assert grown["mma_request_seconds_count"] == 3  # the two, and the first look at the counts
    assert grown['mma_request_seconds_bucket{le="+Inf"}'] == 3
    assert after["mma_decoders_alive"] == 1
    assert after["mma_upload_bytes_held"] == after["mma_files_waiting"] == after["mma_clips_waiting"] == 0


def test_classes_of_time_are_cumulative() -> None:
    metrics = Metrics()
    for seconds in (0.05, 0.06, 2.0, 100.0):
        metrics.count_request("/v1/asked", 200, seconds)
    lines = metrics.text({}).splitlines()
    wanted = {"0.05": 1, "0.1": 2, "1.0": 2, "2.5": 3, "60.0": 3, "+Inf": 4}
    assert all(f'mma_request_seconds_bucket{{le="{end}"}} {count}' in lines for end, count in wanted.items())
