"""The score table and its files: the one thing that passes between scoring and evaluation.

One meaning everywhere: a higher score says "bona fide".
"""

from typing import TYPE_CHECKING, Any

from moe_mamba_asv.scores.table import DIRECTION, ScoreTable, name_some, write_atomically
from moe_mamba_asv.scores.write import ScoreForm, write_scores

if TYPE_CHECKING:
    from moe_mamba_asv.scores.read import read_scores

__all__ = ["DIRECTION", "ScoreForm", "ScoreTable", "name_some", "read_scores", "write_atomically", "write_scores"]


def __getattr__(name: str) -> Any:
    """Reading needs polars, which scoring and writing do without: it is imported when it is asked for."""
    if name != "read_scores":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moe_mamba_asv.scores.read import read_scores

    return read_scores
