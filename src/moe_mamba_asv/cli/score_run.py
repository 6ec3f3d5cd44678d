"""How `mma score` has a model run: here in PyTorch or ONNX Runtime, on a cluster, over the windows of long audio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from moe_mamba_asv.cli.terminal import progress_bar, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.scores import ScoreTable
    from moe_mamba_asv.scoring.inputs import Input
    from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor
    from moe_mamba_asv.scoring.predictor import Predictor


def open_model(model: Path, runtime: str, device: str) -> Predictor | OnnxPredictor:
    """Read a model; for ONNX Runtime nothing is imported that imports PyTorch."""
    if runtime == "onnx":
        from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor

        return OnnxPredictor(model)
    from moe_mamba_asv.scoring.allocator import keep_freed_blocks
    from moe_mamba_asv.scoring.predictor import Predictor

    keep_freed_blocks()
    return Predictor(model, device=device)


def score_here(
    inputs: list[Input], predictor: Predictor | OnnxPredictor, batch_size: int, out: Path | None
) -> ScoreTable:
    """Score in this process."""
    from moe_mamba_asv.scoring.files import score_files

    with _progress(len(inputs), out) as on_progress:
        return score_files(inputs, predictor, batch_size=batch_size, journal=_journal(out), on_progress=on_progress)


def score_on_cluster(
    inputs: list[Input],
    model: Path,
    batch_size: int,
    device: str,
    out: Path | None,
    address: str | None,
    actors: int,
) -> ScoreTable:
    """Score by Ray."""
    from moe_mamba_asv.scoring.ray_batch import Cluster, score_on_ray

    cluster = Cluster(address=address, actors=actors, gpus=float(device != "cpu"))
    with _progress(len(inputs), out) as on_progress:
        return score_on_ray(
            inputs, model, cluster, batch_size=batch_size, journal=_journal(out), on_progress=on_progress
        )


def score_windows(
    paths: list[str],
    predictor: Predictor | OnnxPredictor,
    options: tuple[float | None, float, int, int],
    out: Path | None,
    timeline: Path | None,
    as_json: bool,
) -> bool:
    """Whether every recording was answered."""
    from moe_mamba_asv.cli.score_long import score_long_recordings
    from moe_mamba_asv.scoring.inputs import inputs_from_paths
    from moe_mamba_asv.scoring.long_audio import LongOptions

    hop_s, min_speech, lowest, batch_size = options
    laid = LongOptions(hop_s=hop_s, min_speech=min_speech, lowest_count=lowest, batch_size=batch_size)
    inputs = inputs_from_paths(paths)
    return score_long_recordings(
        inputs, predictor, laid, header=predictor.header, out=out, drawing=timeline, as_json=as_json
    )


def _journal(out: Path | None) -> Path | None:
    return out.with_name(out.name + ".partial") if out is not None else None


@contextmanager
def _progress(total: int, out: Path | None) -> Iterator[Callable[[int], None]]:
    """A bar; and a word on how to go on, where there is something to go on from."""
    with progress_bar() as progress:
        task = progress.add_task("scoring", total=total)
        try:
            yield lambda done: progress.update(task, completed=done)
        except KeyboardInterrupt:
            if out is not None:
                stderr.print("stopped; the same command goes on from here")
            raise
