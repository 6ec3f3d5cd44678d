"""What a run writes down while it learns: tables in its folder, and what other loggers want.

``metrics.csv`` has a row an epoch, ``steps.csv`` a row a step, ``events.jsonl`` a line for every number that was not
finite. Each is on its way to the disk when the call returns; a kill can tear no more than the last line of the last
two, and resuming cuts it off. Resuming also cuts both back to the step that the run goes on from, and purges
TensorBoard beyond it, so nothing stands twice. MLflow and W&B cannot forget: a step that is repeated is told again.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.scores import write_atomically
from moe_mamba_asv.training.records.loggers import Logger, logger_opener

#: Python's own "nan" would make polars take a whole column for text.
_NAN = "NaN"


class Records:
    """The tables of a run folder, and its loggers; `resume` comes before all else.

    Nothing is written before `resume`, so a logger that is not there can be found out before a folder is claimed.

    Args:
        out: the run folder, which exists when `resume` is called.
        loggers: ``tensorboard``, ``mlflow``, ``wandb``.
        is_written: False on all devices but the first, which write nothing.

    Raises:
        ConfigError: a logger is unknown, or its package is not installed.
    """

    def __init__(self, out: Path, loggers: Sequence[str] = (), *, is_written: bool = True) -> None:
        self.out, self.is_written = out, is_written
        self._openers = [logger_opener(name) for name in dict.fromkeys(loggers)]
        self._loggers: list[Logger] = []
        self._steps = _Steps(out / "steps.csv")
        self._events = _Lines(out / "events.jsonl")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)

    def close(self, *, failed: bool = False) -> None:
        """Close the loggers; ``failed`` is how MLflow and W&B shall show the run."""
        loggers, self._loggers = self._loggers, []
        for logger in loggers:
            logger.close(failed=failed)

    def resume(self, step: int, roll_backs: int) -> None:
        """Cut back to what was known after this step, and open the loggers; what led to a roll-back stays known.

        Args:
            step: that the run goes on from; 0 at its start.
            roll_backs: so far.

        Raises:
            TrainingError: a table holds a line, not the torn last one, that no run wrote.
            ConfigError: a logger cannot be opened.
        """
        if not self.is_written:
            return
        self._steps.cut(step)
        self._events.cut(lambda line: _is_known(json.loads(line), step, roll_backs))
        self.close()
        for open_logger in self._openers:
            self._loggers.append(open_logger(self.out, step))

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """What a step found, kept to six digits; a name that was not there before makes a further column."""
        if not self.is_written:
            return
        self._steps.add(step, values)
        for logger in self._loggers:
            logger.log({f"step/{name}": value for name, value in values.items()}, step)

    def epochs(self, rows: Sequence[Mapping[str, float]]) -> None:
        """What all epochs so far found, each at its ``step``; the last one is new, and may have further names."""
        if not self.is_written:
            return
        text = io.StringIO()
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _NAN if value != value else value for name, value in row.items()} for row in rows)
        write_atomically(self.out / "metrics.csv", text.getvalue())
        found = {f"epoch/{name}": value for name, value in rows[-1].items() if name != "step"}
        for logger in self._loggers:
            logger.log(found, int(rows[-1]["step"]))

    def event(self, event: Mapping[str, Any]) -> None:
        """Something that should not have happened, at its ``step``, after so many ``roll_backs``."""
        if self.is_written:
            self._events.append(json.dumps(event, ensure_ascii=False))


def _cell(value: float) -> str:
    return _NAN if value != value else f"{value:.6g}"


def _is_known(event: Mapping[str, Any], step: int, roll_backs: int) -> bool:
    return event["step"] <= step or event["roll_backs"] < roll_backs


class _Lines:
    """A file of lines that grows at its end; a kill may tear its last line, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: str) -> None:
        with self.path.open("ab") as file:
            file.write(f"{line}\n".encode())

    def whole(self) -> list[bytes]:
        """All lines but a torn last one; bytes, as that one may end within a character."""
        return self.path.read_bytes().split(b"\n")[:-1] if self.path.is_file() else []

    def replace(self, lines: Sequence[bytes]) -> None:
        write_atomically(self.path, b"".join(line + b"\n" for line in lines))

    def cut(self, is_known: Callable[[bytes], bool], *, num_headers: int = 0) -> None:
        """Cut off a torn last line, and all lines below the headers that are not known."""
        if not self.path.is_file():
            return
        lines = self.whole()
        kept = lines[:num_headers]
        for number, line in enumerate(lines[num_headers:], num_headers + 1):
            try:
                kept += [line] if is_known(line) else []
            except (ValueError, KeyError) as error:
                raise TrainingError(
                    f"line {number} of {self.path} is {line[:40]!r}",
                    wanted="a line that a run wrote",
                    remedy="move the file away; the run goes on without it",
                ) from error
        self.replace(kept)


class _Steps:
    """``steps.csv``: a row a step, appended; its columns are all names met so far."""

    def __init__(self, path: Path) -> None:
        self._file = _Lines(path)
        self._names: list[str] = []

    def cut(self, step: int) -> None:
        """Forget the rows after a step."""
        self._file.cut(lambda line: int(line.partition(b",")[0]) <= step, num_headers=1)
        header = self._file.whole()[:1]
        self._names = header[0].decode().split(",")[1:] if header else []

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row; where a name is new, the rows above get an empty cell."""
        fresh = [name for name in values if name not in self._names]
        if fresh:
            self._names += fresh
            rows = [row + b"," * len(fresh) for row in self._file.whole()[1:]]
            self._file.replace([",".join(["step", *self._names]).encode(), *rows])
        cells = (_cell(values[name]) if name in values else "" for name in self._names)
        self._file.append(",".join([str(step), *cells]))
