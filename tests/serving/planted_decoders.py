"""What the processes that decode run here: a file may say that it crashes, hangs, eats memory or looks around."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.stream_decode import stream_16k


def decode(content: bytes) -> NDArray[np.float32]:
    if content == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if content == b"hang":
        time.sleep(600)
    if content == b"eat":
        np.ones(1 << 30)
    if content == b"bug":
        raise IndexError("words of the file")
    if content == b"shout":
        os.write(2, b"words of the file")
    if content == b"read":
        Path(__file__).read_bytes()
    if content == b"connect":
        socket.socket()
    return load_16k(content, max_duration_s=60)


def read(content: bytes) -> Iterator[NDArray[np.float32]]:
    """The same, in blocks: after the first one it goes wrong."""
    if content.startswith(b"RIFF"):
        yield from stream_16k(content)
        return
    yield np.zeros(16_000, np.float32)
    for _ in count():
        if content == b"drip":
            time.sleep(0.1)
        elif content not in (b"endless", b"large"):
            decode(content)
        yield np.zeros(1_000_000 if content == b"large" else 1_600, np.float32)
