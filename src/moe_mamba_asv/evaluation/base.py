"""The base of every result."""

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """What every result is: frozen, and JSON says all of it."""

    # NaN and infinity cannot be said in JSON and are no result: what is absent is None.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
