"""Scores and labels that do not fit are refused with their ids, or said loudly."""

import numpy as np
import polars as pl
import pytest

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.scores import ScoreTable
from moe_mamba_asv.scores.table import SCORE_SCHEMA
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Attack, Corpus

ROWS = [
    ("U0", None, "bonafide", None, "S1", "eval"),
    ("U1", None, "spoof", "A16", "S1", "eval"),
    ("U2", None, "spoof", "A07", "S2", "eval"),
    ("U3", None, "bonafide", None, "S2", "eval"),
    ("U4", None, "spoof", "A07", "S2", "eval"),
]
SCORES = {"U0": 2.0, "U1": -1.0, "U2": 0.5, "U3": 3.0, "U4": -2.0}


def corpus(rows=ROWS, kind="asvspoof2019-la", **conditions):
    table = pl.DataFrame(rows, schema=dict(UTTERANCE_SCHEMA), orient="row")
    attacks = {name: Attack(name, "TTS", "", "", known=name == "A16") for name in ("A07", "A16")}
    table = table.with_columns(pl.Series(name, values) for name, values in conditions.items())
    return Corpus(kind, table, attacks, notes=("a note",))


def scores(rows=SCORES, errors=None, trials=None, header=None):
    pairs = list(rows.items()) if isinstance(rows, dict) else rows
    failed = [(name, None, reason) for name, reason in (errors or {}).items()]
    frame = pl.DataFrame([(*pair, None) for pair in pairs] + failed, schema=SCORE_SCHEMA, orient="row")
    own = pl.DataFrame(trials, schema=["utterance", "attack", "label"], orient="row") if trials else None
    return ScoreTable(frame, header or {}, own)


def without(*names):
    return {name: score for name, score in SCORES.items() if name not in names}


def test_arrays_follow_the_corpus_whatever_the_order_of_the_scores():
    turned = dict(reversed(SCORES.items()))
    trials = join(scores(turned, header={"model": "aasist"}), corpus(codec=["none", "alaw", "none", "ulaw", "none"]))
    assert trials.frame["utterance"].to_list() == ["U0", "U1", "U2", "U3", "U4"]
    assert trials.score.tolist() == [2.0, -1.0, 0.5, 3.0, -2.0]
    assert trials.is_bonafide.tolist() == [True, False, False, True, False]
    assert trials.attack_names == ("A07", "A16")
    assert trials.attack.tolist() == [-1, 1, 0, -1, 0]
    assert trials.attack_scores("A07").tolist() == [0.5, -2.0]
    assert trials.bonafide_scores.tolist() == [2.0, 3.0]
    assert trials.spoof_scores.tolist() == [-1.0, 0.5, -2.0]
    assert trials.frame["codec"].to_list() == ["none", "alaw", "none", "ulaw", "none"]
    assert (trials.partition, trials.system, trials.corpus) == ("eval", "aasist", "asvspoof2019-la")
    assert (trials.warnings, trials.notes, len(trials.failed)) == ((), ("a note",), 0)


def test_corpus_without_attacks_or_partitions():
    rows = [(name, None, label, None, None, None) for name, _, label, *_ in ROWS]
    trials = join(scores(), corpus(rows, kind="in-the-wild"))
    assert trials.attack_names == ()
    assert trials.attack.tolist() == [-1] * 5
    assert trials.partition is None


@pytest.mark.parametrize(
    ("table", "labels", "message"),
    [
        (scores(without("U1", "U2")), corpus(), "2 of 5 utterances have no score: U1, U2;.*--allow-missing"),
        (scores(SCORES | {"X1": 1.0}), corpus(), "1 scored utterances are not in asvspoof2019-la: X1;.*--allow-extra"),
        (scores({"X1": 1.0, "X2": 2.0}), corpus(), "none of the 2 scored utterances.*X1, X2.*such as U0"),
        (scores([*SCORES.items(), ("U1", -1.0)]), corpus(), "1 utterances scored more than once: U1"),
        (scores(SCORES | {"U1": np.nan, "U3": np.nan}), corpus(), "2 scores are NaN, infinite or absent: U1, U3"),
        (scores(SCORES | {"U1": np.inf}), corpus(), "U1"),
        (scores(SCORES | {"U1": None}), corpus(), "U1"),
        (scores(dict.fromkeys(SCORES, 0.25)), corpus(), "all 5 scores are 0.25: U0, U1, U2, U3, U4"),
        (scores({"U1": 1.0, "U2": 2.0}), corpus(ROWS[1:3]), "no scored bonafide trials"),
        (scores({"U0": 1.0, "U3": 2.0}), corpus([ROWS[0], ROWS[3]]), "no scored spoof trials"),
        (scores(), corpus([(*ROWS[0][:2], None, *ROWS[0][3:]), *ROWS[1:]]), "no label for 1 of 5 utterances: U0"),
        (scores(), corpus([]), "no utterances to judge"),
        (scores(without("U1"), {"U1": "silent", "U2": "silent"}), corpus(), "more than once: U2"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_ids(table, labels, message):
    with pytest.raises(ScoreError, match=message):
        join(table, labels)


def test_only_the_first_ids_of_many_are_listed():
    rows = [(f"V{index}", None, "spoof", "A07", None, "eval") for index in range(1000)]
    with pytest.raises(ScoreError, match=r"1,000 of 1,005 utterances have no score: V0, V1, V2, V3, V4 and 995 more"):
        join(scores(), corpus([*ROWS, *rows]))


def test_allowed_gaps_are_said():
    trials = join(scores(without("U4")), corpus(), allow_missing=True)
    assert len(trials.score) == 4
    assert "1 of 5 utterances have no score: U4" in trials.warnings[0]
    trials = join(scores(SCORES | {"X1": 9.0}), corpus(), allow_extra=True)
    assert 9.0 not in trials.score
    assert "1 scores of utterances outside the corpus were dropped: X1" in trials.notes


def test_failed_files_are_counted_and_said_but_are_not_missing():
    trials = join(scores(without("U4"), {"U4": "silent"}), corpus())
    assert trials.failed.rows() == [("U4", "silent")]
    assert len(trials.score) == 4
    assert "1 of 5 utterances could not be scored and are in no number: U4" in trials.warnings[0]


def test_other_subsets_of_2021_are_dropped_with_a_note():
    cut = corpus(kind="asvspoof2021-la", subset=["eval"] * 5)
    trials = join(scores(SCORES | {"P1": 1.0, "H1": 2.0}), cut)
    assert len(trials.score) == 5
    assert "2 scores of other subsets (progress, hidden) were dropped" in trials.notes
    whole = corpus(kind="asvspoof2021-la", subset=["eval", "progress", "hidden", "eval", "eval"])
    with pytest.raises(ScoreError, match="P1"):
        join(scores(SCORES | {"P1": 1.0}), whole)


def test_labels_in_the_score_file_must_be_the_corpus_s():
    own = [(name, attack, label) for name, _, label, attack, *_ in ROWS]
    assert len(join(scores(trials=own), corpus()).score) == 5
    other_key = [("U0", "A07", "spoof"), *own[1:]]
    with pytest.raises(
        ScoreError, match="1 trials are labelled otherwise in the score file: U0; U0 is A07 spoof there"
    ):
        join(scores(trials=other_key), corpus())
    other_attack = [own[0], ("U1", "A07", "spoof"), *own[2:]]
    with pytest.raises(ScoreError, match="U1 is A07 spoof there and A16 spoof in the protocol"):
        join(scores(trials=other_attack), corpus())


def test_whole_2021_df_size():
    count = 611_829
    names = [f"DF_E_{index:07d}" for index in range(count)]
    table = pl.DataFrame(
        {
            "utterance": names,
            "path": pl.Series([None] * count, dtype=pl.String),
            "label": ["bonafide" if index % 36 == 0 else "spoof" for index in range(count)],
            "attack": pl.Series([None if index % 36 == 0 else f"A{index % 13:02d}" for index in range(count)]),
            "speaker": ["S"] * count,
            "partition": ["eval"] * count,
        }
    )
    values = np.random.default_rng(0).normal(size=count)
    frame = pl.DataFrame({"utterance": names, "score": values, "error": [None] * count}, schema=SCORE_SCHEMA)
    trials = join(ScoreTable(frame.reverse()), Corpus("asvspoof2021-df", table))
    assert (trials.score == values).all()
    assert trials.is_bonafide.sum() == -(-count // 36)
