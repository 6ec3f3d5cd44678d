"""The base of every result, and what to say of a file that holds none."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class Result(BaseModel):
    """What every result is: frozen, and JSON says all of it."""

    # NaN and infinity cannot be said in JSON and are no result: what is absent is None.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def misfit(file: Path, error: ValidationError) -> str:
    """What does not fit in a file of results: the file, the first place, and why."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{file}{f' at {place}' if place else ''}: {first['msg']}"
