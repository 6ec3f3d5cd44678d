"""The score table and its files: the one thing that passes between scoring and evaluation.

One meaning everywhere: a higher score says "bona fide".
"""

from moe_mamba_asv.scores.read import read_scores
from moe_mamba_asv.scores.table import DIRECTION, ScoreTable, name_some, write_atomically
from moe_mamba_asv.scores.write import ScoreForm, write_scores

__all__ = ["DIRECTION", "ScoreForm", "ScoreTable", "name_some", "read_scores", "write_atomically", "write_scores"]
