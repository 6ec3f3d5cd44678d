"""How many calls can be judged while they are spoken? A hundred at once, in chunks of 100 ms.

Each recipe is built with fresh weights, which cost as much as trained ones. All streams push 100 ms at a time, and the
answer to each push is timed: it must come before the next 100 ms are there. *Real-time factor* is the time for a second
of all streams together, in seconds: below 1 they are followed. The time of the processor is taken too, which other
programs beside hardly change. Run: `python benchmarks/streams.py [THREADS]`.
"""

import os
import platform
import sys
import time

import numpy as np
import torch

from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.scoring.allocator import keep_freed_blocks
from moe_mamba_asv.scoring.stream import Streams
from moe_mamba_asv.training.recipe import load_recipe

CHUNK_S = 0.1
CASES = (("phase1-stream-small", 100), ("phase1-stream-small", 1), ("phase1-stream", 10), ("phase1-stream", 1))
PUSHES = 50
WARM_UP = 5


def main() -> None:
    """Print a line for each recipe and number of streams."""
    keep_freed_blocks()
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, {platform.machine()}, load before: {load}")
    print("recipe, streams | a push: median ms, 95 % ms, most ms | real-time factor | of processor time | kB a stream")
    for name, count in CASES:
        print(_measured(name, count), flush=True)


def _measured(name: str, count: int) -> str:
    torch.manual_seed(0)
    streams = Streams(build_model(load_recipe(name).model).eval(), count)
    sound = np.random.default_rng(0).normal(0, 0.1, (PUSHES + WARM_UP, count, int(16_000 * CHUNK_S)))
    wall, busy = [], []
    for chunks in sound.astype(np.float32):
        started, started_busy = time.perf_counter(), time.process_time()
        streams.push(list(chunks))
        wall.append(time.perf_counter() - started)
        busy.append(time.process_time() - started_busy)
    wall, busy = np.array(wall[WARM_UP:]), np.array(busy[WARM_UP:])
    median, late, most = 1000 * np.quantile(wall, [0.5, 0.95, 1])
    return (
        f"{name}, {count} | {median:.1f}, {late:.1f}, {most:.1f} | {wall.mean() / CHUNK_S:.2f} | "
        f"{busy.mean() / CHUNK_S:.2f} | {streams.state_bytes() / count / 1000:.0f}"
    )


if __name__ == "__main__":
    main()
