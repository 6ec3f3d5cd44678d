"""Broken recordings by the hundred thousand, sent through the processes that decode for `mma serve`.

Small files of six forms, made on the spot, are broken in four ways and in mixtures of them: flipped bits, a cut end,
lies in the header, the end of another file. Each goes through the service's own `Decoders`, with the limits of its
settings; every tenth through its `BlockDecoders` too. An answer must be a finite waveform or an `AudioError`. After
each batch the whole files are decoded again: a process that no longer can is as bad as none. The exit code is 1 where
an answer was another one, or the processes are gone.

Run: `python benchmarks/fuzz_decoder.py [FILES] [--seed N] [--keep FOLDER]`. A batch has a seed of its own, which is
printed: `--seed N` and as many files as a batch has make the same ones. `--keep` writes down what crashed a decoder,
hung it, used up its memory or set off an error that nobody foresaw.
"""

import argparse
import io
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.stream_decode import stream_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.serving.decoders import BlockDecoders, Decoders
from moe_mamba_asv.serving.settings import MB, Settings

BATCH = 1_000
BLOCKS_EVERY = 10
#: Where most forms keep sizes, rates and counts.
HEADER_BYTES = 200
#: Numbers that a header may lie with.
LIES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Kinds of refusal, by their words; the first that fits.
KINDS = {
    "empty": r"is empty",
    "truncated": r"is truncated",
    "too long": r"is longer than",
    "no samples": r"holds no samples",
    "not finite": r"NaN or infinite|overflows when resampled",
    "not decodable": r"cannot be decoded",
    "out of memory": r"more memory",
    "crashed": r"crashes the decoder",
    "hung": r"takes more than",
    "unforeseen": r"the decoder failed with",
}
#: Refused as promised, but worth a look.
NOTABLE = ("out of memory", "crashed", "hung", "unforeseen")

Break = Callable[[bytes, Sequence[bytes], np.random.Generator], bytes]


class Pools(NamedTuple):
    """The processes that decode, as the service has them."""

    whole: Decoders
    blocks: BlockDecoders

    @classmethod
    def of(cls, settings: Settings) -> "Pools":
        """Started with the limits of these settings."""
        memory_bytes = settings.decode_memory_mb * MB
        whole = Decoders(
            partial(load_16k, max_duration_s=settings.max_duration_s),
            count=settings.decoders,
            timeout_s=settings.decode_timeout_s,
            memory_bytes=memory_bytes,
        )
        blocks = BlockDecoders(
            stream_16k,
            count=settings.jobs_at_once,
            timeout_s=settings.long_decode_timeout_s,
            memory_bytes=memory_bytes,
            max_duration_s=settings.max_long_duration_s,
        )
        return cls(whole, blocks)

    def close(self) -> None:
        """Stop them."""
        self.whole.close()
        self.blocks.close()


def whole_files() -> dict[str, bytes]:
    """A noisy tone of 0.4 s in each form."""
    rng = np.random.default_rng(0)
    samples = 0.3 * np.sin(np.arange(6_400) / 20) + 0.02 * rng.standard_normal(6_400)
    stereo = np.stack([samples, -0.5 * samples], axis=1)
    return {
        "WAV": _written(samples, "WAV", "PCM_16"),
        "WAV float stereo": _written(stereo, "WAV", "FLOAT"),
        "FLAC": _written(samples, "FLAC", "PCM_16"),
        "OGG": _written(stereo, "OGG", "VORBIS"),
        "MP3": _written(samples, "MP3", "MPEG_LAYER_III"),
        "M4A": _m4a(samples),
    }


def _written(samples: NDArray[np.float64], form: str, subtype: str) -> bytes:
    written = io.BytesIO()
    soundfile.write(written, samples, 16_000, format=form, subtype=subtype)
    return written.getvalue()


def _m4a(samples: NDArray[np.float64]) -> bytes:
    written = io.BytesIO()
    with av.open(written, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written.getvalue()


def flip_bits(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One to 64 bits, anywhere."""
    broken = bytearray(content)
    for _ in range(int(2 ** rng.integers(0, 7))):
        broken[rng.integers(len(broken))] ^= 1 << int(rng.integers(8))
    return bytes(broken)


def cut_end(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Anything from one byte to all but the last."""
    return content[: rng.integers(1, len(content))] if len(content) > 1 else content


def lie(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One to four numbers of the header become extreme ones."""
    broken = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        width, order = int(rng.choice([1, 2, 4])), ("little", "big")[rng.integers(2)]
        place = int(rng.integers(max(1, min(HEADER_BYTES, len(broken)) - width + 1)))
        number = LIES[rng.integers(len(LIES))] & (256**width - 1)
        broken[place : place + width] = number.to_bytes(width, order)
    return bytes(broken)


def splice(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another, or of itself."""
    other = others[rng.integers(len(others))]
    return content[: rng.integers(1, len(content) + 1)] + other[rng.integers(len(other)) :]


BREAKS: tuple[Break, ...] = (flip_bits, cut_end, lie, splice)


def broken_file(files: Mapping[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """Form and content of one broken file, by the seed of its batch and its number in that."""
    rng = np.random.default_rng([seed, number])
    names = list(files)
    name = names[rng.integers(len(names))]
    content = files[name]
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        content = BREAKS[rng.integers(len(BREAKS))](content, list(files.values()), rng)
    return name, content


def answer_kind(ask: Callable[[], NDArray[np.float32]]) -> str:
    """What came of a file: ``waveform``, one of `KINDS`, or ``wrong: …`` where the answer is none of these."""
    try:
        waveform = ask()
    except AudioError as error:
        return next((kind for kind, words in KINDS.items() if re.search(words, error.got)), f"wrong: {error.got}")
    except Exception as error:  # noqa: BLE001 (what is looked for)
        return f"wrong: {type(error).__name__}"
    if waveform.dtype != np.float32 or waveform.ndim != 1 or not len(waveform) or not np.isfinite(waveform).all():
        return "wrong: no finite waveform"
    return "waveform"


def ways(pools: Pools, content: bytes, number: int) -> list[tuple[str, Callable[[], NDArray[np.float32]]]]:
    """How this file of a batch is asked for."""
    found: list[tuple[str, Callable[[], NDArray[np.float32]]]] = [("", lambda: pools.whole.decode(content))]
    if number % BLOCKS_EVERY == 0:
        found.append(("in blocks: ", lambda: np.concatenate(list(pools.blocks.blocks(content)))))
    return found


def run_batch(pools: Pools, files: Mapping[str, bytes], seed: int, size: int, keep: Path | None = None) -> Counter[str]:
    """Answers by kind to a batch of broken files.

    Args:
        pools: that decode.
        files: whole ones.
        seed: of the batch.
        size: files in it.
        keep: folder for those that are worth a look; None keeps none.
    """
    found = Counter[str]()
    for number in range(size):
        name, content = broken_file(files, seed, number)
        for way, ask in ways(pools, content, number):
            kind = answer_kind(ask)
            found[way + kind] += 1
            if kind in NOTABLE or kind.startswith("wrong"):
                print(f"  seed {seed}, file {number}, {name}: {way}{kind}", flush=True)
                if keep is not None:
                    (keep / f"{seed}-{number}-{kind.replace(' ', '-')[:40]}").write_bytes(content)
    return found


def faults(pools: Pools, files: Mapping[str, bytes]) -> list[str]:
    """Whole files that are not decoded any more."""
    asked = ((way + name, answer_kind(ask)) for name, content in files.items() for way, ask in ways(pools, content, 0))
    return [f"a whole file, {name}: {kind}" for name, kind in asked if kind != "waveform"]


def main() -> None:
    """Break, ask, count."""
    parser = argparse.ArgumentParser(description="Broken recordings for the decoders of mma serve.")
    parser.add_argument("count", type=int, nargs="?", default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first batch; the next have the next ones")
    parser.add_argument("--keep", type=Path, help="folder for files that are worth a look")
    given = parser.parse_args()
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    files, found, wrong = whole_files(), Counter[str](), list[str]()
    pools, started = Pools.of(Settings(models={"none": "none"}, decoders=1)), time.monotonic()
    try:
        for number, first in enumerate(range(0, given.count, BATCH)):
            seed = given.seed + number
            batch = run_batch(pools, files, seed, min(BATCH, given.count - first), given.keep)
            found += batch
            wrong += [kind for kind in batch if "wrong: " in kind] + faults(pools, files)
            told = ", ".join(f"{kind} {count}" for kind, count in batch.most_common())
            print(f"seed {seed}, {first + BATCH:,} files, {time.monotonic() - started:.0f} s: {told}", flush=True)
        lost = (pools.whole.lost, pools.blocks.lost)
    finally:
        pools.close()
    seconds = time.monotonic() - started
    print(f"{found.total():,} answers to {given.count:,} files in {seconds:.0f} s; processes lost: {lost}")
    for kind, count in found.most_common():
        print(f"  {kind}: {count:,}")
    print("\n".join(wrong) or "every answer a finite waveform or a typed error; whole files decoded after each batch")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
