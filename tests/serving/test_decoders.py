"""Files that crash, hang or starve a decoder: named, replaced, and nobody else waits."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
from made_uploads import sound
from planted_decoders import decode

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.serving.decoders import Decoders


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    found = Decoders(decode, count=2, timeout_s=2.0, memory_bytes=256_000_000)
    yield found
    found.close()


def _wait_for_both(decoders: Decoders) -> None:
    for _ in range(300):
        if decoders.alive == 2 and decoders._idle.qsize() == 2:
            return
        time.sleep(0.1)
    raise AssertionError("a decoder was not replaced")


def test_samples_are_those_of_load_16k(decoders: Decoders) -> None:
    content = sound(3, "FLAC")
    assert np.array_equal(decoders.decode(content), load_16k(content))


def test_one_that_crashes_is_replaced(decoders: Decoders) -> None:
    lost = decoders.lost
    for _ in range(3):
        with pytest.raises(AudioError, match="crashes the decoder"):
            decoders.decode(b"crash")
    assert decoders.lost == lost + 3
    assert len(decoders.decode(sound(1))) == 16_000
    _wait_for_both(decoders)


def test_while_one_hangs_others_are_answered(decoders: Decoders) -> None:
    _wait_for_both(decoders)
    said: list[str] = []

    def hang() -> None:
        with pytest.raises(AudioError) as caught:
            decoders.decode(b"hang")
        said.append(str(caught.value))

    waiting = threading.Thread(target=hang)
    started = time.monotonic()
    waiting.start()
    for seed in range(5):
        decoders.decode(sound(seed))
    assert waiting.is_alive()
    waiting.join()
    assert 1.9 < time.monotonic() - started < 20
    assert "more than 2 s to decode" in said[0]
    _wait_for_both(decoders)


def test_memory_is_limited_and_the_decoder_goes_on(decoders: Decoders) -> None:
    lost = decoders.lost
    with pytest.raises(AudioError, match="more memory"):
        decoders.decode(b"eat")
    assert decoders.lost == lost


@pytest.mark.parametrize("content", [b"read", b"connect"])
def test_a_file_that_takes_it_over_gets_at_nothing(decoders: Decoders, content: bytes) -> None:
    with pytest.raises(AudioError, match="OSError"):
        decoders.decode(content)


def test_a_playlist_reads_no_file_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg follows a playlist to files beside it, that is, in the folder where the service runs."""
    (tmp_path / "secret.mp3").write_bytes(sound(3, "MP3"))
    monkeypatch.chdir(tmp_path)
    beside = Decoders(decode, count=1, timeout_s=10, memory_bytes=256_000_000)
    with closing(beside), pytest.raises(AudioError, match="cannot be decoded"):
        beside.decode(b"ffconcat version 1.0\nfile 'secret.mp3'\n")


def test_forms_that_only_ffmpeg_reads_need_no_file(decoders: Decoders) -> None:
    written = io.BytesIO()
    with av.open(written, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(decoders.decode(written.getvalue())) == pytest.approx(16_000, abs=2_100)


def test_a_fault_of_the_decoder_is_an_answer_without_its_words(decoders: Decoders) -> None:
    with pytest.raises(AudioError, match="IndexError") as caught:
        decoders.decode(b"bug")
    assert "words" not in str(caught.value)


def test_what_a_library_says_of_a_broken_file_is_not_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    loud = Decoders(decode, count=1, timeout_s=10, memory_bytes=256_000_000)
    with closing(loud), pytest.raises(AudioError):
        loud.decode(b"shout")
    assert "words of the file" not in capfd.readouterr().err


def test_who_waits_when_it_closes_is_told() -> None:
    closing = Decoders(decode, count=1, timeout_s=30, memory_bytes=256_000_000)
    said: list[Exception] = []

    def ask(content: bytes) -> None:
        try:
            closing.decode(content)
        except AudioError as error:
            said.append(error)

    threads = [threading.Thread(target=ask, args=(b"hang",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    closing.close()
    for thread in threads:
        thread.join(timeout=10)
    assert len(said) == 3
    assert closing.alive == 0
