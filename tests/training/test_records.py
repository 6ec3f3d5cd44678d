"""What a run writes down: whole after a kill, nothing twice after a resume, and told to whoever listens."""

import json
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from moe_mamba_asv.errors import ConfigError, TrainingError
from moe_mamba_asv.training.records.tables import Records


def _resumed(out: Path, step: int = 0, roll_backs: int = 0, *loggers: str) -> Records:
    records = Records(out, loggers)
    records.resume(step, roll_backs)
    return records


def _events(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def _killed_after(out: Path, steps: int) -> None:
    """A run that was killed: every step has a row and an event."""
    records = _resumed(out)
    for step in range(1, steps + 1):
        records.step(step, {"loss": 1 / step})
        records.event({"step": step, "roll_backs": 0, "utterances": ["ü"]})


def test_steps_are_on_the_disk_before_the_run_ends(tmp_path: Path) -> None:
    records = _resumed(tmp_path)
    records.step(1, {"loss": 0.5, "gradient_norm": math.inf})
    records.step(2, {"loss": math.nan, "gradient_norm": 1e-9})
    table = pl.read_csv(tmp_path / "steps.csv")
    assert table["step"].to_list() == [1, 2]
    assert table["gradient_norm"].to_list() == [math.inf, 1e-9]
    assert table["loss"].is_nan().to_list() == [False, True]


def test_resuming_cuts_steps_and_events_back(tmp_path: Path) -> None:
    _killed_after(tmp_path, 5)
    records = _resumed(tmp_path, 3)
    records.step(4, {"loss": 9.0})
    table = pl.read_csv(tmp_path / "steps.csv")
    assert table["step"].to_list() == [1, 2, 3, 4]
    assert table["loss"][-1] == 9.0
    assert [event["step"] for event in _events(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["steps.csv", "events.jsonl"])
def test_a_kill_at_any_byte_of_the_last_lines_leaves_a_file_that_resumes(tmp_path: Path, name: str) -> None:
    _killed_after(tmp_path, 12)
    whole = (tmp_path / name).read_bytes()
    for length in range(len(whole) - 80, len(whole)):
        (tmp_path / name).write_bytes(whole[:length])
        _resumed(tmp_path, 12)
        num_lines = whole[:length].count(b"\n")
        assert (tmp_path / name).read_bytes() == b"".join(whole.splitlines(keepends=True)[:num_lines])


def test_a_row_after_a_torn_header_has_a_header(tmp_path: Path) -> None:
    (tmp_path / "steps.csv").write_bytes(b"step,lo")
    _resumed(tmp_path).step(1, {"loss": 0.5})
    assert (tmp_path / "steps.csv").read_text() == "step,loss\n1,0.5\n"


@pytest.mark.parametrize(("name", "line"), [("steps.csv", "0.5"), ("events.jsonl", "{"), ("events.jsonl", "{}")])
def test_a_broken_line_amid_others_is_named(tmp_path: Path, name: str, line: str) -> None:
    _killed_after(tmp_path, 3)
    lines = (tmp_path / name).read_text().splitlines()
    (tmp_path / name).write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    with pytest.raises(TrainingError, match=rf"line 3 of .*{name}"):
        _resumed(tmp_path, 3)


def test_a_value_that_comes_later_has_a_column_of_its_own(tmp_path: Path) -> None:
    _resumed(tmp_path).step(1, {"loss": 0.5, "step_s": 2.0})
    records = _resumed(tmp_path, 1)
    records.step(2, {"supcon": 0.25, "loss": 0.5})
    records.step(3, {"step_s": 3.0, "loss": 0.125})
    assert {line.count(",") for line in (tmp_path / "steps.csv").read_text().splitlines()} == {3}
    assert pl.read_csv(tmp_path / "steps.csv").to_dict(as_series=False) == {
        "step": [1, 2, 3],
        "loss": [0.5, 0.5, 0.125],
        "step_s": [2.0, None, 3.0],
        "supcon": [None, 0.25, None],
    }


def test_what_led_to_a_roll_back_stays_known(tmp_path: Path) -> None:
    _killed_after(tmp_path, 3)
    records = _resumed(tmp_path, 1, 1)
    records.event({"step": 2, "roll_backs": 1})
    _resumed(tmp_path, 1, 1)
    assert [(event["step"], event["roll_backs"]) for event in _events(tmp_path)] == [(1, 0), (2, 0), (3, 0)]


def test_the_table_of_epochs_grows_columns(tmp_path: Path) -> None:
    records = _resumed(tmp_path)
    first = {"step": 8, "dev_eer": 0.25}
    records.epochs([first])
    records.epochs([first, {"step": 16, "dev_eer": 0.125, "expert_share_0_1": 0.5}])
    assert pl.read_csv(tmp_path / "metrics.csv").to_dict(as_series=False) == {
        "step": [8, 16],
        "dev_eer": [0.25, 0.125],
        "expert_share_0_1": [None, 0.5],
    }


def test_a_table_of_epochs_with_a_value_that_is_not_finite_is_still_of_numbers(tmp_path: Path) -> None:
    _resumed(tmp_path).epochs([{"step": 8, "loss": math.nan}, {"step": 16, "loss": math.inf}])
    first, second = pl.read_csv(tmp_path / "metrics.csv")["loss"]
    assert math.isnan(first)
    assert second == math.inf


def test_all_devices_but_the_first_write_nothing(tmp_path: Path) -> None:
    with Records(tmp_path, ["tensorboard"], is_written=False) as records:
        records.resume(0, 0)
        records.step(1, {"loss": 1.0})
        records.event({"step": 1, "roll_backs": 0})
        records.epochs([{"step": 1, "dev_eer": 0.5}])
    assert not list(tmp_path.iterdir())


def test_an_unknown_logger_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'tensorbord'.*wandb"):
        Records(tmp_path, ["tensorbord"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"pip install 'moe-mamba-asv\[{name}\]'"):
        Records(tmp_path, ["tensorboard", name])


def _curve(out: Path, name: str) -> list[tuple[int, float]]:
    shown = EventAccumulator(str(out / "tensorboard"))
    shown.Reload()
    return [(event.step, event.value) for event in shown.Scalars(name)]


def test_tensorboard_shows_what_a_killed_run_wrote_and_each_step_once(tmp_path: Path) -> None:
    killed = _resumed(tmp_path, 0, 0, "tensorboard", "tensorboard")
    for step in range(1, 6):
        killed.step(step, {"loss": 1.0})
    killed.epochs([{"step": 5, "dev_eer": 0.5}])
    assert _curve(tmp_path, "step/loss") == [(step, 1.0) for step in range(1, 6)]  # though it was not closed
    with _resumed(tmp_path, 3, 0, "tensorboard") as records:
        records.step(4, {"loss": 2.0})
        assert _curve(tmp_path, "step/loss") == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)]
        records.resume(0, 1)  # a roll-back within the process
        records.step(1, {"loss": 3.0})
        records.epochs([{"step": 1, "dev_eer": 0.25}])
    assert _curve(tmp_path, "step/loss") == [(1, 3.0)]
    assert _curve(tmp_path, "epoch/dev_eer") == [(1, 0.25)]
    killed.close()


class _MlflowClient:
    """With the signatures of MLflow 3.17; one store a tracking address, which outlives its clients."""

    stores: dict[str | None, dict[str, Any]]

    def __init__(
        self, tracking_uri: str | None = None, registry_uri: str | None = None, workspace_store_uri: str | None = None
    ) -> None:
        self.store = self.stores.setdefault(tracking_uri, {"experiments": {}, "runs": {}})

    def get_experiment_by_name(self, name: str) -> Any:
        known = self.store["experiments"]
        return SimpleNamespace(experiment_id=f"id of {name}") if name in known else None

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: dict[str, Any] | None = None
    ) -> str:
        self.store["experiments"][name] = artifact_location
        return f"id of {name}"

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Any:
        run_id = f"run{len(self.store['runs'])}"
        self.store["runs"][run_id] = {
            "experiment": experiment_id,
            "name": run_name,
            "status": ["RUNNING"],
            "metrics": [],
        }
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id))

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        if run_id not in self.store["runs"]:
            raise _MlflowError(f"Run with id={run_id} not found")
        self.store["runs"][run_id]["status"].append(status)

    def log_batch(
        self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = (), synchronous: bool | None = None
    ) -> None:
        self.store["runs"][run_id]["metrics"] += [(one.key, one.value, one.step) for one in metrics]

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        self.store["runs"][run_id]["status"].append(status)


class _MlflowError(Exception):
    pass


def _metric(key: str, value: float, timestamp: int, step: int) -> SimpleNamespace:
    assert timestamp > 1.6e12  # milliseconds
    return SimpleNamespace(key=key, value=value, step=step)


@pytest.fixture
def mlflow_stores(monkeypatch: pytest.MonkeyPatch) -> dict[str | None, dict[str, Any]]:
    """MLflow, stood in for; what it was told, by tracking address."""
    stores: dict[str | None, dict[str, Any]] = {}
    monkeypatch.setattr(_MlflowClient, "stores", stores, raising=False)
    module = SimpleNamespace(
        MlflowClient=_MlflowClient,
        entities=SimpleNamespace(Metric=_metric),
        exceptions=SimpleNamespace(MlflowException=_MlflowError),
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return stores


def _stopped_and_resumed(out: Path, logger: str) -> None:
    out.mkdir(exist_ok=True)
    with suppress(KeyboardInterrupt), _resumed(out, 0, 0, logger, logger) as records:
        records.step(1, {"loss": 1.0})
        raise KeyboardInterrupt
    with _resumed(out, 1, 0, logger) as records:
        records.step(2, {"loss": 2.0})
        records.epochs([{"step": 2, "dev_eer": 0.5}])


def test_mlflow_keeps_one_run_in_the_folder(tmp_path: Path, mlflow_stores: dict[str | None, dict[str, Any]]) -> None:
    out = tmp_path / "first"
    _stopped_and_resumed(out, "mlflow")
    (uri,) = mlflow_stores
    assert uri == f"sqlite:///{(out / 'mlflow' / 'mlflow.db').as_posix()}"
    assert (out / "mlflow").is_dir()
    assert mlflow_stores[uri]["experiments"] == {"moe-mamba-asv": (out / "mlflow").as_uri()}
    assert mlflow_stores[uri]["runs"] == {
        "run0": {
            "experiment": "id of moe-mamba-asv",
            "name": "first",
            "status": ["RUNNING", "FAILED", "RUNNING", "FINISHED"],
            "metrics": [("step/loss", 1.0, 1), ("step/loss", 2.0, 2), ("epoch/dev_eer", 0.5, 2)],
        }
    }


def test_mlflow_goes_where_the_environment_says(
    tmp_path: Path, mlflow_stores: dict[str | None, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "streams")
    for name in ("first", "second"):
        _stopped_and_resumed(tmp_path / name, "mlflow")
    store = mlflow_stores["http://tracking.example.org"]
    assert store["experiments"] == {"streams": None}
    assert [run["name"] for run in store["runs"].values()] == ["first", "second"]
    assert not (tmp_path / "first" / "mlflow").exists()


def test_a_run_that_mlflow_does_not_know_names_where_it_was_sought(
    tmp_path: Path, mlflow_stores: dict[str | None, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _stopped_and_resumed(tmp_path, "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.example.org")
    with pytest.raises(ConfigError, match=r"elsewhere\.example\.org.*not found.*mlflow-run"):
        _resumed(tmp_path, 2, 0, "mlflow")


class _WandbError(Exception):
    pass


class _WandbRun:
    """With the signatures of W&B 0.31."""

    def __init__(self, run_id: str, told: list[Any]) -> None:
        self.id, self._told = run_id, told

    def define_metric(
        self,
        name: str,
        step_metric: str | None = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        overwrite: bool | None = None,
    ) -> None:
        self._told.append(("axis", name, step_metric))

    def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        self._told.append(("log", data, step))

    def finish(self, exit_code: int | None = None) -> None:
        self._told.append(("finish", exit_code))


def _stand_in_for_wandb(monkeypatch: pytest.MonkeyPatch, init: Callable[..., _WandbRun]) -> None:
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=_WandbError))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


def test_wandb_continues_the_record_and_repeats_no_step_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def init(*, project: str, name: str, dir: Path, id: str | None, resume: str) -> _WandbRun:
        told.append(("init", project, name, dir, id, resume))
        return _WandbRun(id or "abc", told)

    _stand_in_for_wandb(monkeypatch, init)
    out = tmp_path / "first"
    _stopped_and_resumed(out, "wandb")
    assert told == [
        ("init", "moe-mamba-asv", "first", out, None, "allow"),
        ("axis", "*", "step"),
        ("log", {"step/loss": 1.0, "step": 1}, None),
        ("finish", 1),
        ("init", "moe-mamba-asv", "first", out, "abc", "allow"),
        ("axis", "*", "step"),
        ("log", {"step/loss": 2.0, "step": 2}, None),
        ("log", {"epoch/dev_eer": 0.5, "step": 2}, None),
        ("finish", 0),
    ]


def test_wandb_that_knows_no_account_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_options: Any) -> _WandbRun:
        raise _WandbError("api_key not configured (no-tty)")

    _stand_in_for_wandb(monkeypatch, init)
    with pytest.raises(ConfigError, match=r"api_key not configured.*WANDB_MODE=offline"):
        _resumed(tmp_path, 0, 0, "wandb")
