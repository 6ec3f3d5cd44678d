"""One actor of a Ray cluster against two, with AASIST, where the model is what takes the time.

Run: `python benchmarks/cluster.py [CLIPS]`. Each actor has one core. The clock starts when every actor has answered, so
that the start of processes and models is not counted.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import ray
import soundfile

from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.scoring.inputs import Input
from moe_mamba_asv.scoring.ray_batch import Cluster, score_on_ray

BATCH = 2


def clips_per_s(inputs: list[Input], model: Path, actors: int) -> float:
    """Of all clips but the first batches, one for each actor."""
    times: list[tuple[int, float]] = []
    ray.init(num_cpus=2, log_to_driver=False, object_store_memory=200 * 2**20)
    try:
        score_on_ray(
            inputs,
            model,
            Cluster(actors=actors),
            batch_size=BATCH,
            on_progress=lambda done: times.append((done, time.perf_counter())),
        )
    finally:
        ray.shutdown()
    first, last = next(one for one in times if one[0] >= actors * BATCH), times[-1]
    return (last[0] - first[0]) / (last[1] - first[1])


def main() -> None:
    """Make clips and a model, measure, compare."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    with tempfile.TemporaryDirectory() as place:
        model, inputs = Path(place) / "aasist.safetensors", []
        save_checkpoint(Checkpoint.of(Aasist(AasistConfig()), "aasist", AasistConfig(), {"partition": "dev"}), model)
        for number in range(count):
            path = Path(place) / f"{number:04}.flac"
            soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(64_600), 16_000)
            inputs.append(Input(path.stem, path))
        one, two = (clips_per_s(inputs, model, actors) for actors in (1, 2))
    print(f"one actor {one:.2f} clips/s, two {two:.2f}: {two / one:.2f} times")


if __name__ == "__main__":
    main()
