"""Between two models: weights on the line from one to the other, judged on dev.

Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (WiSE-FT): between a model and what
fine-tuning made of it there often lies one that keeps what the first knew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.evaluation.metrics.bootstrap import eer_interval
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.training.averaging import interpolate
from moe_mamba_asv.training.data.clips import Clips
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.training.dev import Dev
from moe_mamba_asv.types import Corpus, Partition

_REPLICATES = 1000


@dataclass(frozen=True)
class Point:
    """A model on the line.

    Attributes:
        share: of the second model, from 0 to 1.
        dev_eer: a fraction.
        interval: of it, 95 %, bootstrap over trials.
    """

    share: float
    dev_eer: float
    interval: tuple[float, float]


def sweep_shares(
    first: str,
    second: str,
    dev: Sequence[Corpus],
    shares: Sequence[float],
    *,
    out: Path | None = None,
    batch_size: int = 8,
    report: Callable[[int], None] = lambda done: None,
) -> list[Point]:
    """Score dev with weights (1 - share) · first + share · second.

    Args:
        first: model file, run folder or hub name.
        second: likewise, of the same architecture.
        dev: dev partitions, pooled; never eval.
        shares: of the second model.
        out: where to write the model with the lowest EER on dev.
        batch_size: clips scored at once.
        report: told after each share how many are done.

    Returns:
        A point for each share.

    Raises:
        TrainingError: another partition than dev.
        CheckpointError: models that do not fit each other.
    """
    _require_dev(dev)
    ends = [load_checkpoint(find_model(name)) for name in (first, second)]
    model = ends[1].build()
    states = ends[0].build().state_dict(), {name: one.clone() for name, one in model.state_dict().items()}
    fabric = lightning.Fabric(accelerator="auto", devices=1)
    fabric.to_device(model)
    mixture = Mixture(dev)
    pass_over_dev = Dev(
        fabric, mixture, Clips(mixture, ends[1].num_samples, seed=None), batch_size=batch_size, workers=0
    )
    is_bonafide = (mixture.table["label"] == "bonafide").to_numpy()
    points: list[Point] = []
    for share in shares:
        model.load_state_dict(interpolate(*states, share))
        found = pass_over_dev.score(model)
        steps = det_steps(found.scores[is_bonafide], found.scores[~is_bonafide])
        interval = eer_interval(steps, replicates=_REPLICATES, rng=np.random.default_rng(0))
        points.append(Point(share, found.eer, interval))
        report(len(points))
    if out is not None:
        best = min(points, key=lambda point: point.dev_eer)
        model.load_state_dict(interpolate(*states, best.share))
        selection = {
            "partition": Partition.DEV.value,
            "metric": "eer",
            "value": best.dev_eer,
            "corpus": ", ".join(corpus.kind for corpus in dev),
            "clips": len(mixture),
            "weights": f"{1 - best.share:g} of {first}, {best.share:g} of {second}",
        }
        end = ends[1]
        save_checkpoint(Checkpoint.of(model, end.recipe, end.config, selection, end.num_samples), out)
    return points


def _require_dev(dev: Sequence[Corpus]) -> None:
    partitions = {value for corpus in dev for value in corpus.table["partition"].unique()}
    if partitions != {Partition.DEV.value}:
        raise TrainingError(f"partitions {sorted(map(str, partitions))} to choose weights on", wanted="dev alone")
