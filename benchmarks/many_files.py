"""Ten thousand files, three in a hundred of them broken in ten ways: all good ones scored, all bad ones listed.

Run: `python benchmarks/many_files.py [FILES]`. It makes short clips, scores them by `mma score` with an untrained small
detector, and says what came back, how fast, and how much memory it took.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.training.recipe import load_recipe

BROKEN_EVERY = 33


def _sound(seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(8_000)


def _truncated(path: Path) -> None:
    soundfile.write(path, _sound(1), 16_000, format="FLAC")
    path.write_bytes(path.read_bytes()[:200])


def _not_finite(path: Path) -> None:
    soundfile.write(path, np.full(8_000, np.nan), 16_000, subtype="FLOAT")


def _no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0), 16_000)


#: Ways in which a file that is called .wav is none that can be scored.
BROKEN: tuple[Callable[[Path], object], ...] = (
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(np.random.default_rng(0).bytes(4_000)),
    lambda path: path.write_text("not a sound\n" * 100),
    _truncated,
    _no_samples,
    _not_finite,
    lambda path: soundfile.write(path, np.zeros(8_000), 16_000),
    lambda path: path.symlink_to("nowhere.wav"),
    lambda path: path.write_bytes(b"RIFF\xff\xff\xff\x7fWAVEfmt "),
    lambda path: path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(2_000)),
)


def make_files(folder: Path, count: int) -> list[str]:
    """Write the files; the names of the broken ones."""
    broken = []
    for number in range(count):
        path = folder / f"{number:05}.wav"
        if number % BROKEN_EVERY == BROKEN_EVERY - 1:
            BROKEN[len(broken) % len(BROKEN)](path)
            broken.append(path.stem)
        else:
            soundfile.write(path, _sound(number), 16_000)
    return broken


def main() -> None:
    """Make, score, compare."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as place:
        folder, model = Path(place) / "files", Path(place) / "model.safetensors"
        folder.mkdir()
        config = load_recipe("lcnn-small").model
        save_checkpoint(Checkpoint.of(build_model(config), "lcnn-small", config, {"partition": "dev"}), model)
        broken = make_files(folder, count)
        command = ["mma", "score", str(folder), "--model", str(model), "--out", str(Path(place) / "s.tsv"), "--json"]
        started = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        seconds = time.perf_counter() - started
        rows = json.loads(done.stdout)["scores"]
    failed = {row["utterance"]: row["error"] for row in rows if row["score"] is None}
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{len(rows):,} rows for {count:,} files in {seconds:.0f} s, peak {peak_mib:.0f} MiB")
    print(f"exit code {done.returncode}")
    print(f"{len(failed)} failed, {len(broken)} were broken; the same ones: {sorted(failed) == sorted(broken)}")
    for name in broken[: len(BROKEN)]:
        print(f"  {name}: {failed.get(name)}")


if __name__ == "__main__":
    main()
