"""Made scores of several systems on a made corpus of three attacks."""

import numpy as np
import polars as pl

from moe_mamba_asv.evaluation.comparison.lineup import Lineup, line_up
from moe_mamba_asv.scores import ScoreTable
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Attack, Corpus

ATTACKS = ("X1", "X2", "X3")
PER_KIND = 400


def made_corpus(partition: str = "eval", per_kind: int = PER_KIND) -> Corpus:
    kinds = ["", *ATTACKS] * per_kind
    rows = [
        (f"{partition}{n}", None, "spoof" if kind else "bonafide", kind or None, f"speaker{n // 4 % 20}", partition)
        for n, kind in enumerate(kinds)
    ]
    catalogue = {name: Attack(name, "TTS", "made", "made", known=name == "X1") for name in ATTACKS}
    return Corpus("made", pl.DataFrame(rows, schema=dict(UTTERANCE_SCHEMA), orient="row"), catalogue)


def table_of(corpus: Corpus, scores: np.ndarray) -> ScoreTable:
    frame = corpus.table.select("utterance", pl.Series("score", scores), pl.lit(None, pl.String).alias("error"))
    return ScoreTable(frame)


def made_scores(corpus: Corpus, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=len(corpus.table)) + 2.0 * (corpus.table["label"] == "bonafide").to_numpy()


def of_attack(corpus: Corpus, name: str) -> np.ndarray:
    return (corpus.table["attack"] == name).fill_null(False).to_numpy()


def lined_up(corpus: Corpus, *scores: np.ndarray) -> Lineup:
    return line_up({f"system{n}": table_of(corpus, of) for n, of in enumerate(scores)}, corpus)
