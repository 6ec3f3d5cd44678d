"""Requests that are refused as a whole, what the service says it can do, and a real server with rude clients."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import uvicorn
from made_uploads import sound
from starlette.testclient import TestClient

from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.run import allow_connections, make_server
from moe_mamba_asv.serving.settings import Settings

_HEAD = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
_PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


def _raw(client: TestClient, body: bytes, kind: str = "multipart/form-data; boundary=b"):
    return client.post("/v1/score", content=body, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (sound(1), "audio/wav", 415, "not_multipart"),
        (b"", "multipart/form-data", 415, "not_multipart"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 400, "no_file"),
        (b"nonsense", "multipart/form-data; boundary=b", 400, "malformed"),
        (_PART + b"RIFF", "multipart/form-data; boundary=b", 400, "incomplete"),
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--\r\n', None, 400, "not_a_file"),
        ((_PART + b"x\r\n") * 33 + b"--b--\r\n", None, 413, "too_many_files"),
    ],
)
def test_a_body_that_is_no_upload(client: TestClient, body: bytes, kind: str | None, status: int, code: str) -> None:
    answer = _raw(client, body, kind or "multipart/form-data; boundary=b")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_parameters_that_make_no_sense(client: TestClient) -> None:
    files = [("file", ("a.wav", sound(1)))]
    assert client.post("/v1/score?model=none", files=files).json()["wanted"] == "known, bare"
    for prior in ("0", "1", "nan", "x"):
        answer = client.post(f"/v1/score?prior={prior}", files=files)
        assert (answer.status_code, answer.json()["code"]) == (422, "impossible")
    assert client.get("/v1/score").json()["code"] == "http"


def test_too_much_is_refused_by_what_comes_and_by_what_is_promised(client: TestClient) -> None:
    body = _PART + bytes(5_100_000) + b"\r\n--b--\r\n"
    told = _raw(client, body)
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    untold = client.post(
        "/v1/score", content=(body[at : at + 65_536] for at in range(0, len(body), 65_536)), headers=kind
    )
    for answer in (told, untold):
        assert answer.status_code == 413
        assert "5 MB or less" in answer.json()["wanted"]


def test_the_description_has_examples_and_every_refusal(client: TestClient) -> None:
    told = client.get("/openapi.json").json()
    score = told["paths"]["/v1/score"]["post"]
    assert set(score["responses"]) >= {"200", "400", "401", "404", "408", "413", "415", "422", "429", "503"}
    assert "multipart/form-data" in score["requestBody"]["content"]
    assert told["components"]["schemas"]["ScoreAnswer"]["examples"][0]["files"][0]["result"]["score"]
    assert client.get("/docs").status_code == 404  # it would load scripts from elsewhere


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[uvicorn.Server]:
    """A real one, with short patience, on a free port."""
    short = {"port": 0, "header_timeout_s": 1.0, "body_timeout_s": 2.0, "max_held_mb": 3.0, "max_upload_mb": 2.0}
    short["models"] = {"bare": settings.models["bare"]}
    strict = Settings(**{**settings.model_dump(), **short})
    server = make_server(create_app(strict), strict)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield server
    server.should_exit = True
    thread.join()


def _connect(server: uvicorn.Server) -> socket.socket:
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    return connection


def _answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def _is_served(server: uvicorn.Server) -> bool:
    body = _PART + sound(1) + b"\r\n--b--\r\n"
    with closing(_connect(server)) as connection:
        connection.sendall(_HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return _answer(connection).startswith(b"HTTP/1.1 200")


def test_a_client_that_sends_a_byte_now_and_then(server: uvicorn.Server) -> None:
    with closing(_connect(server)) as slow:
        slow.sendall(_HEAD + b"Content-Length: 1000\r\n\r\n" + _PART)
        started = time.monotonic()
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.2):
                try:
                    slow.sendall(b"-")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert _is_served(server)
        answer = _answer(slow)
        stop.set()
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"not there after 2 s" in answer
    assert 1.9 < time.monotonic() - started < 10


def test_headers_that_never_end(server: uvicorn.Server) -> None:
    with closing(_connect(server)) as slow:
        started = time.monotonic()
        slow.sendall(b"POST /v1/score HTTP/1.1\r\n")
        for _ in range(100):
            try:
                slow.sendall(b"X: y\r\n")
            except OSError:
                break
            time.sleep(0.1)
        _answer(slow)
        assert time.monotonic() - started < 5


def test_half_open_connections_are_let_go_and_others_are_answered(server: uvicorn.Server) -> None:
    silent = [_connect(server) for _ in range(200)]
    assert _is_served(server)
    started = time.monotonic()
    assert all(_answer(one) == b"" for one in silent)
    assert time.monotonic() - started < 10
    for one in silent:
        one.close()


def test_a_low_limit_of_open_files_is_raised_as_far_as_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))
        allow_connections()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert (soft, hard) == (min(hard, 65_536), before[1])
        allow_connections()  # again changes nothing
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_endless_upload_is_cut_off(server: uvicorn.Server) -> None:
    with closing(_connect(server)) as greedy:
        greedy.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
        first = f"{len(_PART):x}\r\n".encode() + _PART + b"\r\n"
        sent = 0
        try:
            greedy.sendall(first)
            while sent < 200_000_000:
                greedy.sendall(chunk)
                sent += 65_536
        except OSError:
            pass
    assert sent < 60_000_000  # what the kernel had room for besides the 2 MB
    assert _is_served(server)


@pytest.mark.parametrize("size", [1_000, 1_000_000, 3_000_000])
def test_who_is_refused_reads_why_though_it_was_still_sending(server: uvicorn.Server, size: int) -> None:
    for _ in range(5):
        with closing(_connect(server)) as connection:
            head = b"POST /v1/score?model=none HTTP/1.1\r\nHost: x\r\n"
            connection.sendall(head + f"Content-Length: {size}\r\n\r\n".encode())
            time.sleep(0.02)
            started = time.monotonic()
            connection.sendall(bytes(size))
            answer = _answer(connection)
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 413"))
        assert b'"code"' in answer
        assert time.monotonic() - started < 1.5  # it does not linger when all is there


def test_too_much_at_once_is_put_off(server: uvicorn.Server) -> None:
    """Two uploads that stop midway hold 1.6 MB each; together they are more than the 3 MB."""
    held = []
    for _ in range(2):
        connection = _connect(server)
        connection.sendall(_HEAD + b"Content-Length: 1900000\r\n\r\n" + _PART + bytes(1_600_000))
        held.append(connection)
        time.sleep(0.3)
    answers = [_answer(connection) for connection in held]
    assert answers[0].startswith(b"HTTP/1.1 408")
    assert answers[1].startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in answers[1].lower()
    for connection in held:
        connection.close()
    assert _is_served(server)
