"""`mma serve` under load: clients that post clips, one after the other, and beside them hostile ones.

Run: `python benchmarks/serving_load.py MODEL [--clients 64] [--seconds 60] [--hostile]`. First `mma score` scores the
same clips offline, some copies and then more; the difference counts, so that the start does not. Then `mma serve`
runs in a process of its own, and the clients share the machine with it. Memory is the proportional set size of it and
its decoders.

`--hostile` adds a byte a second, 10 GB twice (announced, and in chunks), a FLAC of two hours of silence, random bytes
with the names of audio files, and 1,000 WebSockets that say nothing, and prints how each was answered. The deadline of
a body and the patience with silent streams are then a quarter of the time, to see them at work. The exit code is 1
where a clip got no score, or nobody got one for ten seconds.
"""

import argparse
import asyncio
import contextlib
import http.client
import io
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import soundfile
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

MMA = str(Path(sys.executable).with_name("mma"))
RATE_HZ = 16_000
CLIPS, CLIP_SAMPLES = 32, 64_600
#: Offline, copies of the clips at first, and so many times more then; the more where the first take little time.
COPIES, FACTOR_SLOW, FACTOR_FAST, LITTLE_S = 2, 3, 12, 10.0
LONGEST_GAP_S = 10.0
HALF_OPEN = 1_000
ENDLESS_BYTES = 10_000_000_000
KIND = "multipart/form-data; boundary=b"
PART = '--b\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\n'
HEAD = f"POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {KIND}\r\n"


def flac(samples: np.ndarray, times: int = 1) -> bytes:
    """A file with these samples so many times."""
    written = io.BytesIO()
    with soundfile.SoundFile(written, "w", RATE_HZ, 1, format="FLAC") as file:
        for _ in range(times):
            file.write(samples)
    return written.getvalue()


def body(*files: tuple[str, bytes]) -> bytes:
    """Names and contents as a form."""
    return b"".join(PART.format(name).encode() + content + b"\r\n" for name, content in files) + b"--b--\r\n"


def offline_rate(model: Path, clips: list[bytes], folder: Path) -> float:
    """Clips a second of `mma score`, without its start and what is slow only once."""
    scored_in(model, clips[:1], folder / "warm-up")
    few_s = scored_in(model, clips * COPIES, folder / "few")
    factor = FACTOR_FAST if few_s < LITTLE_S else FACTOR_SLOW
    many_s = scored_in(model, clips * COPIES * factor, folder / "many")
    return len(clips) * COPIES * (factor - 1) / (many_s - few_s)


def scored_in(model: Path, contents: list[bytes], folder: Path) -> float:
    """Seconds that `mma score` takes for a folder of these files."""
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number:05}.flac").write_bytes(content)
    command = [MMA, "score", str(folder), "--model", str(model), "--out", str(folder.with_suffix(".tsv"))]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


@contextlib.contextmanager
def served(model: Path, environment: dict[str, str], log: Path) -> Iterator[tuple[psutil.Process, int]]:
    """A service that is ready, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [MMA, "serve", "--model", f"model={model}", "--port", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, env=os.environ | environment, stderr=out) as server:
        try:
            while server.poll() is None:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.2)
            else:
                raise SystemExit(f"the service does not start:\n{log.read_text()}")
            yield psutil.Process(server.pid), port
        finally:
            server.terminate()


def memory_mb(server: psutil.Process) -> float:
    """Of the service and its decoders."""
    return sum(one.memory_full_info().pss for one in (server, *server.children(recursive=True))) / 1e6


class Clients:
    """Those that mean well: each posts a clip, waits for the answer and posts the next."""

    def __init__(self, port: int, clips: list[bytes], until: float) -> None:
        # When each answer came and how long it took, in seconds; requests without a score, by what they got.
        self.answered: list[tuple[float, float]] = []
        self.errors: Counter[str] = Counter()
        self._port, self._bodies, self._until = port, [body(("clip.flac", clip)) for clip in clips], until

    def post(self, number: int) -> None:
        """Until the time is over, from this clip on."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while (started := time.monotonic()) < self._until:
            try:
                connection.request("POST", "/v1/score", self._bodies[number % CLIPS], {"Content-Type": KIND})
                answer = connection.getresponse()
                content, status = answer.read(), answer.status
            except (OSError, http.client.HTTPException) as error:
                self.errors[type(error).__name__] += 1
                connection.close()
                continue
            if status == 200:
                self.answered.append((time.monotonic(), time.monotonic() - started))
            else:
                self.errors[f"{status} {json.loads(content).get('code', '')}"] += 1
            number += 1

    def longest_gap_s(self, started: float) -> float:
        """Longest time without an answer to anybody."""
        times = [started, *sorted(came for came, _ in self.answered), self._until]
        return float(np.diff(np.minimum(times, self._until)).max())


def told(port: int, length: str, parts: Iterator[bytes]) -> str:
    """Send until an answer comes or the line breaks; the answer in a few words."""
    sent, started, said = 0, time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as line:
        try:
            line.sendall(f"{HEAD}{length}\r\n\r\n".encode())
            for part in parts:
                if select.select([line], [], [], 0)[0]:
                    break
                line.sendall(part)
                sent += len(part)
            while more := line.recv(65_536):
                said += more
        except OSError as error:
            said += f'"got":"{type(error).__name__}"'.encode()
    reasons = Counter(re.findall(r'"got":"([^"]{0,70})', said.decode(errors="replace")))
    return f"{said[9:12].decode()} {dict(reasons)}, {time.monotonic() - started:.1f} s, {sent / 1e6:.1f} MB sent"


def dripping() -> Iterator[bytes]:
    """A byte a second."""
    yield PART.encode()
    while True:
        time.sleep(1)
        yield b"-"


def endless(*, chunked: bool) -> Iterator[bytes]:
    """10 GB of one file."""
    for piece in (PART.encode(), *([bytes(65_536)] * (ENDLESS_BYTES // 65_536))):
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if chunked else piece


async def half_open(port: int) -> Counter[str]:
    """Codes with which silent WebSockets are closed."""

    async def one() -> str:
        try:
            async with connect(f"ws://127.0.0.1:{port}/v1/stream", open_timeout=120, proxy=None) as live:
                while True:
                    await live.recv()
        except ConnectionClosed as closed:
            return f"{closed.rcvd.code} {closed.rcvd.reason}" if closed.rcvd else "1006"
        except (OSError, TimeoutError) as error:
            return type(error).__name__

    return Counter(await asyncio.gather(*(one() for _ in range(HALF_OPEN))))


def hostile() -> dict[str, Callable[[int], object]]:
    """What each does to a port, by name."""
    rng = np.random.default_rng(0)
    noise = body(*((f"a.{ending}", rng.bytes(20_000)) for ending in ("wav", "flac", "mp3", "ogg", "m4a")))
    bomb = body(("bomb.flac", flac(np.zeros(60 * RATE_HZ, np.int16), 120)))
    return {
        "a byte a second": lambda port: told(port, "Content-Length: 100000", dripping()),
        "10 GB, announced": lambda port: told(port, f"Content-Length: {ENDLESS_BYTES}", endless(chunked=False)),
        "10 GB, in chunks": lambda port: told(port, "Transfer-Encoding: chunked", endless(chunked=True)),
        "two hours of silence": lambda port: told(port, f"Content-Length: {len(bomb)}", iter([bomb])),
        "random bytes": lambda port: told(port, f"Content-Length: {len(noise)}", iter([noise])),
        f"{HALF_OPEN} silent WebSockets": lambda port: dict(asyncio.run(half_open(port))),
    }


def main() -> None:
    """Offline, then served."""
    parser = argparse.ArgumentParser(description="mma serve under load, beside mma score.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hostile", action="store_true", help="add clients that mean harm")
    given = parser.parse_args()
    noises = (np.random.default_rng(number).standard_normal(CLIP_SAMPLES) for number in range(CLIPS))
    clips, attackers = [flac(0.1 * noise) for noise in noises], hostile() if given.hostile else {}
    patience_s = str(max(3.0, given.seconds / 4))
    environment = {"MMA_SERVE_BODY_TIMEOUT_S": patience_s, "MMA_SERVE_STREAM_IDLE_S": patience_s} if attackers else {}
    answers: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place:
        load = os.getloadavg()[0]
        offline = offline_rate(given.model, clips, Path(place))
        environment["MMA_SERVE_REQUESTS_PER_MINUTE"] = "1000000"
        with served(given.model, environment, Path(place) / "log") as (server, port):
            started = time.monotonic()
            clients = Clients(port, clips, started + given.seconds)
            threads = [threading.Thread(target=clients.post, args=(number,)) for number in range(given.clients)]
            for name, act in attackers.items():
                attack = lambda name=name, act=act: answers.update({name: act(port)})  # noqa: E731 (one a name)
                threads.append(threading.Thread(target=attack, daemon=True))
            for thread in threads:
                thread.start()
            time.sleep(early_s := min(10.0, given.seconds / 2))
            early_mb = memory_mb(server)
            time.sleep(max(0.0, started + given.seconds - time.monotonic()))
            late_mb = memory_mb(server)
            for thread in threads:
                thread.join(timeout=120)
    took = [each for came, each in clients.answered if came <= started + given.seconds] or [float("nan")]
    rate, gap_s = len(took) / given.seconds, clients.longest_gap_s(started)
    print(f"{os.cpu_count()} cores, load before {load:.1f}; {given.clients} clients, {given.seconds:g} s")
    print(f"served {rate:.1f} requests/s, offline {offline:.1f} clips/s: {rate / offline:.2f}")
    print("p50 {:.2f} s, p99 {:.2f} s, longest time without an answer ".format(*np.quantile(took, [0.5, 0.99])), end="")
    print(f"{gap_s:.2f} s; errors: {dict(clients.errors) or 'none'}")
    print(f"memory {early_mb:.0f} MB after {early_s:g} s, {late_mb:.0f} MB at the end")
    for name in attackers:
        print(f"  {name}: {answers.get(name, 'NOT ANSWERED')}")
    sys.exit(bool(clients.errors) or gap_s > LONGEST_GAP_S or answers.keys() != attackers.keys())


if __name__ == "__main__":
    main()
