"""Clips a second in PyTorch, ONNX Runtime and ONNX Runtime with int8 weights; the same weights, the same clips.

Run: `OMP_NUM_THREADS=2 python benchmarks/onnx_scoring.py`. The weights are drawn at random: speed does not depend on
them.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from turns import medians_s

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.models.aasist.model import AasistConfig
from moe_mamba_asv.models.build import ModelConfig, build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.models.onnx_export import export_onnx
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scoring.allocator import keep_freed_blocks
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.scoring.scorer import Scorer

#: Of both runtimes.
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
REPEATS = 7
BATCH = 8
MODELS: dict[str, tuple[ModelConfig, int]] = {
    "aasist": (AasistConfig(), NUM_SAMPLES),
    "lcnn-small": (SpectralLcnnConfig(), 16_000),
}


def scorers(name: str, folder: Path) -> dict[str, Scorer]:
    """The three of a model, from files as a person would have them."""
    config, num_samples = MODELS[name]
    torch.manual_seed(0)
    checkpoint = Checkpoint.of(build_model(config), name, config, {}, num_samples)
    source = folder / f"{name}.safetensors"
    save_checkpoint(checkpoint, source)
    answers: dict[str, Scorer] = {"PyTorch": Predictor(source)}
    for label, int8 in (("ONNX float32", False), ("ONNX int8", True)):
        path = folder / f"{name}-{label[5:]}.onnx"
        export_onnx(checkpoint, path, source_sha256="", int8=int8)
        answers[label] = OnnxPredictor(path, threads=THREADS)
    return answers


def clips_per_s(runs: list[Callable[[], object]], batch: int) -> list[float]:
    """By the median time of each, taken in turns."""
    return [batch / seconds for seconds in medians_s(runs, REPEATS)]


def main() -> None:
    """Print a row for each model and batch size."""
    keep_freed_blocks()
    torch.set_num_threads(THREADS)
    generator = np.random.default_rng(0)
    print("model | clips at once | PyTorch | ONNX float32 | ONNX int8 (clips/s) | largest difference, float32 | int8")
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or MODELS:
            ready = scorers(name, Path(folder))
            for batch in (1, BATCH):
                noise = generator.standard_normal((batch, MODELS[name][1])).astype(np.float32)
                print_row(name, ready, [0.1 * clip for clip in noise])


def print_row(name: str, ready: dict[str, Scorer], clips: list[NDArray[np.float32]]) -> None:
    """Time the three on the same clips."""
    wanted, *others = (scorer.score(clips) for scorer in ready.values())
    differences = [f"{np.abs(scores - wanted).max():.1e}" for scores in others]
    speeds = clips_per_s([lambda s=scorer: s.score(clips) for scorer in ready.values()], len(clips))
    print(" | ".join([name, str(len(clips)), *(f"{speed:.1f}" for speed in speeds), *differences]), flush=True)


if __name__ == "__main__":
    main()
