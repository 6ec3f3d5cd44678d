"""How long does an hour take, and how much memory?

A recording of 10, 20 and 60 minutes at 16 kHz (FLAC), and one of 60 minutes at 44.1 kHz in stereo (MP3), each scored by
the network of the recipe lcnn-small with fresh weights in a process of its own, whose peak memory is all there is: with
Python, PyTorch and the reading. Of every ten seconds seven are speech, so that every 4 s window has a vote and must be
scored; of 1 s windows, three quarters. The processor's seconds say more than the clock's on a machine that others use.
Run: `python benchmarks/long_audio.py`; single-threaded with OMP_NUM_THREADS=1.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from moe_mamba_asv.audio.speech_activity import frame_levels
from moe_mamba_asv.audio.stream_decode import stream_16k
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.scoring.allocator import keep_freed_blocks
from moe_mamba_asv.scoring.long_audio import LongOptions, score_long
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.training.recipe import load_recipe

#: Minutes, rate in Hz, channels, ending.
RECORDINGS = ((10, 16_000, 1, "flac"), (20, 16_000, 1, "flac"), (60, 16_000, 1, "flac"), (60, 44_100, 2, "mp3"))
SPOKEN, SECONDS = 7, 10


def write_recording(path: Path, minutes: int, rate_hz: int, channels: int) -> None:
    """Every ten seconds, seven of noise in syllables and three of a quiet line."""
    random = np.random.default_rng(0)
    envelope = np.where(np.arange(rate_hz) % (rate_hz // 4) < rate_hz // 5, 0.1, 0.003)
    with soundfile.SoundFile(path, "w", rate_hz, channels) as file:
        for second in range(60 * minutes):
            level = envelope if second % SECONDS < SPOKEN else np.full(rate_hz, 1e-3)
            file.write(np.repeat((level * random.standard_normal(rate_hz))[:, None], channels, axis=1))


def write_model(path: Path) -> None:
    """Fresh weights; the time does not depend on them."""
    torch.manual_seed(0)
    recipe = load_recipe("lcnn-small")
    network = build_model(recipe.model)
    save_checkpoint(Checkpoint("lcnn-small", recipe.model, network.state_dict(), {"partition": "dev"}), path)


def measure(model: Path, recording: Path, window: int) -> None:
    """Print one measurement as JSON; run in a process of its own."""
    keep_freed_blocks()
    predictor = Predictor(model)
    predictor.num_samples = window
    started = time.process_time()
    frame_levels(stream_16k(recording))
    reading_s = time.process_time() - started
    started, started_cpu = time.perf_counter(), time.process_time()
    result = score_long(predictor, recording, LongOptions())
    print(
        json.dumps(
            {
                "windows": len(result.windows),
                "voted": len(result.voted),
                "reading_s": reading_s,
                "all_s": time.perf_counter() - started,
                "cpu_s": time.process_time() - started_cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    """Print a row for each recording and window."""
    print("recording | window | windows | vote | CPU s to read once | CPU s | s | x real time | peak memory, MB")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        write_model(model)
        for minutes, rate_hz, channels, ending in RECORDINGS:
            recording = Path(folder) / f"recording.{ending}"
            write_recording(recording, minutes, rate_hz, channels)
            for window in (16_000, 64_600):
                command = [sys.executable, __file__, str(model), str(recording), str(window)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                what = f"{minutes} min, {rate_hz} Hz, {channels} ch, {ending}"
                print(
                    f"{what} | {window / 16_000:.2f} s | {found['windows']} | {found['voted']} "
                    f"| {found['reading_s']:.1f} | {found['cpu_s']:.1f} | {found['all_s']:.1f} "
                    f"| {60 * minutes / found['all_s']:.0f} | {found['peak_mb']:.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
