"""Score on a cluster with Ray Data: each actor holds one model, and what comes back is written down at once.

Ray hands batches of inputs to actors, as many as there is room for, and hands a batch out again when its node dies.
Rows come back in the order of the inputs and go into the same journal as those of `score_files`, so a driver that was
killed goes on where it was, and no row is lost or there twice. Sounds are read where the actor runs: a path must be the
same on every node, an address one that every node can open. Of a shard an actor reads the stretches of its batch.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.scores.table import ScoreTable
from moe_mamba_asv.scoring.files import score_batch
from moe_mamba_asv.scoring.inputs import Input, Place
from moe_mamba_asv.scoring.journal import Journal, Row, fingerprint, table_of
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.scoring.remote import is_address
from moe_mamba_asv.scoring.shards import Member


@dataclass(frozen=True)
class Cluster:
    """Where to score.

    Attributes:
        address: of a running cluster, ``auto`` for the one that this machine is part of; None starts one here.
        actors: that score at once; each holds a model.
        cpus: of each actor, and threads of its PyTorch.
        gpus: of each actor; may be a fraction.
    """

    address: str | None = None
    actors: int = 1
    cpus: int = 1
    gpus: float = 0.0


def score_on_ray(
    inputs: Sequence[Input],
    model: Path,
    cluster: Cluster,
    *,
    batch_size: int,
    journal: Path | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> ScoreTable:
    """Score every input on a cluster; the arguments that `score_files` has too mean the same.

    Args:
        inputs: what to score.
        model: a model file. It travels to the actors; what it leaves out (`mma export` without ``--full``) must be
            where it names it, on every node.
        cluster: where.
        batch_size: clips a forward pass.
        journal: finished rows are kept here.
        on_progress: called with the number of inputs done.

    Returns:
        One row an input, in order.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached.
    """
    ray = _connect(cluster)
    predictor = Predictor(model)  # refuses a bad model here, and knows the header
    log = Journal(journal, fingerprint(inputs, predictor.header, batch_size))
    rows = log.rows[: len(log.rows) // batch_size * batch_size] if len(log.rows) < len(inputs) else log.rows
    log.start(rows)
    on_progress(len(rows))
    waiting = inputs[len(rows) :]
    for fresh in _scored(ray, waiting, model, cluster, batch_size) if waiting else ():
        log.append(fresh)
        rows = rows + fresh
        on_progress(len(rows))
    return table_of(rows, predictor.header)


def _connect(cluster: Cluster) -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(f"Ray cannot be imported: {error}", remedy="pip install 'moe-mamba-asv[ray]'") from error
    if not ray.is_initialized():
        try:
            ray.init(address=cluster.address, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"no cluster at {cluster.address}: {error}", remedy="`ray start --head` on one machine, or no --address"
            ) from error
    return ray


def _scored(ray: Any, inputs: Sequence[Input], model: Path, cluster: Cluster, batch_size: int) -> Any:
    """Rows of one batch after the other, in the order of the inputs."""
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    # Blocks of whole batches: a batch then holds the same inputs as on one machine.
    blocks = -(-len(inputs) // batch_size)
    items = [{"utterance": item.utterance, "place": _said(item.path)} for item in inputs]
    scored = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
        _Actor,
        fn_constructor_args=(ray.put(model.read_bytes()), model.name, cluster.cpus, cluster.gpus > 0),
        batch_size=batch_size,
        concurrency=cluster.actors,
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus or None,
    )
    for batch in scored.iter_batches(batch_size=None, batch_format="numpy"):
        columns = zip(batch["utterance"], batch["score"], batch["error"], strict=True)
        yield [Row(str(name), None if error else float(score), str(error) or None) for name, score, error in columns]


def _said(place: Place) -> str:
    """A place as text, the one thing of it that Ray can put in a table; `_place` undoes it."""
    return json.dumps(vars(place) | {"shard": str(place.shard)} if isinstance(place, Member) else str(place))


def _place(text: str) -> Place:
    said = json.loads(text)
    if isinstance(said, str):
        return _path(said)
    return Member(**{**said, "shard": _path(said["shard"])})


def _path(text: str) -> Path | str:
    return text if is_address(text) else Path(text)


class _Actor:
    """Holds one model."""

    def __init__(self, model: Any, name: str, threads: int, on_gpu: bool) -> None:
        import tempfile

        import ray
        import torch

        from moe_mamba_asv.scoring.allocator import keep_freed_blocks

        keep_freed_blocks()
        torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(ray.get(model) if isinstance(model, ray.ObjectRef) else model)
            self._predictor = Predictor(path, device="cuda" if on_gpu else "cpu")

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        said = zip(batch["utterance"], batch["place"], strict=True)
        inputs = [Input(str(name), _place(str(place))) for name, place in said]
        rows = score_batch(inputs, self._predictor)
        return {
            "utterance": np.array([row.utterance for row in rows], dtype=object),
            "score": np.array([np.nan if row.score is None else row.score for row in rows], dtype=np.float64),
            "error": np.array([row.error or "" for row in rows], dtype=object),
        }
