"""Loggers that people have elsewhere: TensorBoard, MLflow, W&B. The last two are optional packages."""

import importlib
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.scores import write_atomically

_PROJECT = "moe-mamba-asv"


class Logger(Protocol):
    """Somebody else who is told of values."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Values by name, after so many steps."""
        ...

    def close(self, *, failed: bool) -> None:
        """No more will come."""
        ...


def logger_opener(name: str) -> Callable[[Path, int], Logger]:
    """What opens a logger, given the run folder and the step that the run goes on from.

    Args:
        name: ``tensorboard``, ``mlflow`` or ``wandb``.

    Raises:
        ConfigError: no such logger, or its package is not installed; from what is answered: it cannot be opened.
    """
    match name:
        case "tensorboard":
            return _Tensorboard
        case "mlflow":
            return partial(_Mlflow, _import(name))
        case "wandb":
            return partial(_Wandb, _import(name))
    raise ConfigError(f"no logger {name!r}", wanted="tensorboard, mlflow, wandb or none")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"the logger {name} cannot be imported: {error}", remedy=f"pip install 'moe-mamba-asv[{name}]'"
        ) from error


class _Tensorboard:
    """Event files in ``tensorboard/`` of the run folder."""

    def __init__(self, out: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What a killed run had written beyond its state is not shown any more.
        self._writer = SummaryWriter(out / "tensorboard", purge_step=step + 1)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        # By itself it keeps two minutes in memory, which a kill would leave out of the curves for good.
        self._writer.flush()

    def close(self, *, failed: bool) -> None:
        self._writer.close()


class _Mlflow:
    """A run at MLFLOW_TRACKING_URI, or in ``mlflow/mlflow.db`` of the run folder; MLflow 3 writes no plain folders.

    Through a client, not ``mlflow.start_run``: a process may have a run of its own open.
    """

    def __init__(self, mlflow: Any, out: Path, step: int) -> None:
        own, asked = (out / "mlflow").resolve(), os.environ.get("MLFLOW_TRACKING_URI")
        uri = asked or f"sqlite:///{(own / 'mlflow.db').as_posix()}"
        self._metric, kept = mlflow.entities.Metric, out / "mlflow-run"
        try:
            if not asked:
                own.mkdir(exist_ok=True)
            self._client = mlflow.MlflowClient(tracking_uri=uri)
            if kept.is_file():
                self._run_id = kept.read_text()
                self._client.update_run(self._run_id, status="RUNNING")
            else:
                self._run_id = self._begin(out, None if asked else own.as_uri())
                write_atomically(kept, self._run_id)
        except mlflow.exceptions.MlflowException as error:
            raise ConfigError(
                f"MLflow at {uri}: {error}",
                remedy="another MLFLOW_TRACKING_URI; a file in the run folder needs more than mlflow-skinny; "
                f"without {kept} a resumed run begins a new record",
            ) from error

    def _begin(self, out: Path, artifacts: str | None) -> str:
        """A new run's id."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        experiment = self._client.get_experiment_by_name(name)
        known = self._client.create_experiment(name, artifacts) if experiment is None else experiment.experiment_id
        return self._client.create_run(known, run_name=out.resolve().name).info.run_id

    def log(self, values: Mapping[str, float], step: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        metrics = [self._metric(name, value, now_ms, step) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics)

    def close(self, *, failed: bool) -> None:
        self._client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED")


class _Wandb:
    """A run of Weights & Biases, which goes by WANDB_MODE, WANDB_PROJECT and the like."""

    def __init__(self, wandb: Any, out: Path, step: int) -> None:
        kept = out / "wandb-run"
        known = kept.read_text() if kept.is_file() else None
        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        try:
            self._run = wandb.init(project=project, name=out.resolve().name, dir=out, id=known, resume="allow")
        except wandb.Error as error:
            raise ConfigError(f"W&B: {error}", remedy="`wandb login`, or WANDB_MODE=offline") from error
        # Its own count refuses a step that is repeated after a stop; so ours stands beside, as the axis.
        self._run.define_metric("*", step_metric="step")
        write_atomically(kept, self._run.id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({**values, "step": step})

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))
