"""The process that opens other people's files: it can take little memory, open nothing and write nothing.

What it answers is plain bytes, never a pickle: a file that takes it over has nothing to hand on but samples and words.
"""

import contextlib
import io
import json
import re
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.audio.decode import pyav_blocks
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError

#: From the content of a file to samples (samples,) at 16 kHz, float32.
Decode = Callable[[bytes], NDArray[np.float32]]
#: First byte of a message: the worker is up; samples follow; a JSON list of got, wanted and remedy follows.
READY, SOUND, FAULT = b"r", b"s", b"f"
_ADDRESS = re.compile(r"<_io\.BytesIO object at 0x[0-9a-f]+>")


def work(connection: Connection, decode: Decode, memory_bytes: int) -> None:
    """Decode what comes in until nobody asks any more.

    Args:
        connection: contents come in, answers go out.
        decode: raises `AudioError` for what cannot be used.
        memory_bytes: that decoding may take.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service decides when it ends, also after Ctrl-C
    _warm_up()
    _confine(memory_bytes)
    connection.send_bytes(READY)
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_answer(decode, content))


def _answer(decode: Decode, content: bytes) -> bytes:
    try:
        waveform = decode(content)
    except AudioError as error:
        return fault(_ADDRESS.sub("the upload", error.got), error.wanted, error.remedy)
    except MemoryError:
        return fault("the recording takes more memory to decode than is allowed", "a smaller or shorter recording")
    except Exception as error:  # noqa: BLE001 (whatever a hostile file sets off is the answer to that file)
        return fault(f"the decoder failed with {type(error).__name__}", "a sound recording")
    return SOUND + waveform.astype(np.float32, copy=False).tobytes()


def fault(got: str, wanted: str, remedy: str = "convert it to FLAC or WAV and send that") -> bytes:
    """The message that says why there are no samples."""
    return FAULT + json.dumps([got, wanted, remedy]).encode()


def _warm_up() -> None:
    """Have all that is loaded at first use loaded now: later no file can be opened."""
    recording = io.BytesIO()
    soundfile.write(recording, 0.1 * np.sin(np.arange(4_000)), 8_000, format="WAV", subtype="FLOAT")
    load_16k(recording.getvalue())
    list(pyav_blocks(recording.getvalue(), "warm-up"))
    with contextlib.suppress(AudioError):
        load_16k(bytes(1_000))


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
