"""The process that opens other people's files: it can take little memory, open nothing and write nothing.

What it answers is plain bytes, never a pickle: a file that takes it over has nothing to hand on but samples and words.
"""

import contextlib
import io
import json
import os
import re
import resource
import signal
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.audio.decode import pyav_blocks
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.stream_decode import stream_16k
from moe_mamba_asv.errors import AudioError

#: From the content of a file to samples (samples,) at 16 kHz, float32.
Decode = Callable[[bytes], NDArray[np.float32]]
#: From the content of a file to consecutive blocks of such samples.
Read = Callable[[bytes], Iterator[NDArray[np.float32]]]
#: First byte of a message: the worker is up; samples follow; a JSON list of got, wanted and remedy follows; no more
#: samples.
READY, SOUND, FAULT, END = b"r", b"s", b"f", b"e"
#: What a worker that reads in blocks is told after a file's content: the next block, or no more of it.
NEXT, STOP = b"n", b"x"
#: Samples in a message of such a worker, at most: 16 s.
PIECE_SAMPLES = 1 << 18
_ADDRESS = re.compile(r"<_io\.BytesIO object at 0x[0-9a-f]+>")


def work(connection: Connection, decode: Decode, memory_bytes: int) -> None:
    """Decode what comes in until nobody asks any more.

    Args:
        connection: contents come in, answers go out.
        decode: raises `AudioError` for what cannot be used.
        memory_bytes: that decoding may take.
    """
    _prepare(connection, memory_bytes)
    while (content := _content(connection)) is not None:
        connection.send_bytes(_guarded(lambda content=content: _sound(decode(content))))


def work_in_blocks(connection: Connection, read: Read, memory_bytes: int) -> None:
    """Decode what comes in block by block, each when it is asked for, until nobody asks any more.

    Args:
        connection: a content comes in, then `NEXT` or `STOP` after each answer but the last.
        read: raises `AudioError` for what cannot be used.
        memory_bytes: that decoding may take.
    """
    _prepare(connection, memory_bytes)
    while (content := _content(connection)) is not None:
        pieces = _pieces(read, content)
        del content
        while _content(connection) == NEXT:
            answer = _guarded(lambda pieces=pieces: next(pieces, END))
            connection.send_bytes(answer)
            if answer[:1] != SOUND:
                break
        pieces.close()


def _pieces(read: Read, content: bytes) -> Generator[bytes]:
    """Messages with the samples of a file."""
    for block in read(content):
        for start in range(0, len(block), PIECE_SAMPLES):
            yield _sound(block[start : start + PIECE_SAMPLES])


def _content(connection: Connection) -> bytes | None:
    """What comes in next; None when nobody asks any more."""
    try:
        return connection.recv_bytes()
    except EOFError:
        return None


def _sound(waveform: NDArray[np.float32]) -> bytes:
    return SOUND + waveform.astype(np.float32, copy=False).tobytes()


def _guarded(answer: Callable[[], bytes]) -> bytes:
    """An answer, or the message that says why there is none."""
    try:
        return answer()
    except AudioError as error:
        return fault(_ADDRESS.sub("the upload", error.got), error.wanted, error.remedy)
    except MemoryError:
        return fault("the recording takes more memory to decode than is allowed", "a smaller or shorter recording")
    except Exception as error:  # noqa: BLE001 (whatever a hostile file sets off is the answer to that file)
        return fault(f"the decoder failed with {type(error).__name__}", "a sound recording")


def fault(got: str, wanted: str, remedy: str = "convert it to FLAC or WAV and send that") -> bytes:
    """The message that says why there are no samples."""
    return FAULT + json.dumps([got, wanted, remedy]).encode()


def _prepare(connection: Connection, memory_bytes: int) -> None:
    """Load what is needed, give up what is not, and say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service decides when it ends, also after Ctrl-C
    _warm_up()
    _silence()
    _confine(memory_bytes)
    connection.send_bytes(READY)


def _warm_up() -> None:
    """Have all that is loaded at first use loaded now: later no file can be opened."""
    recording = io.BytesIO()
    soundfile.write(recording, 0.1 * np.sin(np.arange(4_000)), 8_000, format="WAV", subtype="FLOAT")
    load_16k(recording.getvalue())
    list(stream_16k(recording.getvalue()))
    list(pyav_blocks(recording.getvalue(), "warm-up"))
    with contextlib.suppress(AudioError):
        load_16k(bytes(1_000))


def _silence() -> None:
    """What libraries say of broken files goes nowhere: whoever sends them would fill the service's log."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _confine(memory_bytes: int) -> None:
    """Give up what decoding does not need."""
    limit = _address_space_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # No file and no connection can be opened: a playlist posing as a recording could name either.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no recording on the disk


def _address_space_bytes() -> int:
    """What the process has now: libraries alone reserve more than they ever use."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
