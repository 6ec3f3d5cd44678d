"""Every fault is found in made scores that have it, and not in those that have not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.asv import AsvScores, read_asv_scores
from moe_mamba_asv.evaluation.faults.faults import find_faults, join_what_fits
from moe_mamba_asv.evaluation.faults.file_order import find_other_order
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.scores import ScoreTable, read_scores
from moe_mamba_asv.scores.table import SCORE_SCHEMA
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Corpus, Partition

ATTACKS = ("A07", "A08", "A09")


def corpus(rng, n=1500, *, partition="eval", letter="E", grouped=False, kind="folder"):
    """Utterances with numbers at random, a sixth of them bona fide."""
    attack = rng.choice([-1, 0, 1, 2], n, p=[1 / 6, 1 / 6, 1 / 3, 1 / 3])
    attack = np.sort(attack) if grouped else attack
    names = [f"LA_{letter}_{number}" for number in rng.permutation(n) + 1_000_000]
    rows = [
        (name, None, "bonafide" if code < 0 else "spoof", None if code < 0 else ATTACKS[code], "S1", partition)
        for name, code in zip(names, attack, strict=True)
    ]
    return Corpus(kind, pl.DataFrame(rows, schema=dict(UTTERANCE_SCHEMA), orient="row"))


def bonafide(labels):
    return (labels.table["label"] == "bonafide").to_numpy()


def table(names, values):
    return ScoreTable(pl.DataFrame({"utterance": names, "score": values, "error": None}, schema=SCORE_SCHEMA))


def useful(labels, rng, apart=2.0):
    return rng.normal(size=len(labels.table)) + apart * bonafide(labels)


def faults_of(values, labels, names=None, **more):
    scores = table(labels.table["utterance"] if names is None else names, values)
    return find_faults(join_what_fits(scores, labels), scores=scores, **more)


def kinds(faults):
    return [fault.kind for fault in faults]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_sound_scores_have_no_fault(rng):
    for seed in range(20):
        labels = corpus(np.random.default_rng(seed))
        assert faults_of(useful(labels, rng), labels, corpus=labels) == ()


def test_duplicates_and_not_finite_and_missing(rng):
    labels = corpus(rng)
    names, values = labels.table["utterance"].to_list(), useful(labels, rng)
    values[3] = np.nan
    values[5] = np.inf
    found = faults_of([*values[:-2], values[0]], labels, [*names[:-2], names[0]], corpus=labels)
    assert kinds(found) == ["duplicates", "not finite", "missing"]
    assert names[0] in found[0].message
    assert f"2 scores are NaN, infinite or absent: {names[3]}, {names[5]}" in found[1].message
    assert f"2 of 1,500 trials of folder eval have no score: {names[-2]}, {names[-1]}" in found[2].message


def test_missing_trials_of_a_public_corpus_are_told_by_its_size(rng):
    labels = corpus(rng, kind="asvspoof2019-la")
    (fault,) = faults_of(useful(labels, rng), labels)
    assert fault.kind == "missing"
    assert "69,737 of 71,237 trials of asvspoof2019-la eval" in fault.message


def test_wrong_split_by_foreign_ids_and_by_letter(rng):
    labels = corpus(rng)
    strangers = [f"LA_D_{index}" for index in range(1_000_000, 1_000_500)]
    names = [*labels.table["utterance"], *strangers]
    (fault,) = faults_of([*useful(labels, rng), *rng.normal(size=500)], labels, names)
    assert (fault.kind, fault.severity) == ("wrong split", "error")
    assert "500 of 2,000" in fault.message
    called_dev = corpus(rng, partition="dev")
    (fault,) = faults_of(useful(called_dev, rng), called_dev)
    assert (fault.kind, "the ids are of eval, the partition is called dev") == ("wrong split", fault.message)
    with pytest.raises(ScoreError, match="none of the 500"):
        join_what_fits(table(strangers, rng.normal(size=500)), labels)


def test_other_subsets_of_the_same_source_are_no_wrong_split(rng):
    labels = corpus(rng)
    names = [*labels.table["utterance"], "LA_E_0000001"]
    assert faults_of([*useful(labels, rng), 0.0], labels, names) == ()


def asv(counts):
    return AsvScores(np.ones(1), np.zeros(1), np.zeros(1), counts, Path("asv.dev.txt"))


def test_wrong_asv_scores_by_attack_and_by_number(rng):
    labels = corpus(rng)
    values = useful(labels, rng)
    right = dict(labels.table["attack"].drop_nulls().value_counts().iter_rows())
    assert faults_of(values, labels, asv=asv(right)) == ()
    (fault,) = faults_of(values, labels, asv=asv({"A01": 9, "A07": right["A07"]}))
    assert (fault.kind, fault.severity) == ("wrong ASV scores", "error")
    assert "asv.dev.txt has the attacks A01, A07 but not A08, A09" in fault.message
    (fault,) = faults_of(values, labels, asv=asv(right | {"A08": 7, "A10": 3}))
    assert (fault.kind, fault.severity) == ("wrong ASV scores", "warning")
    assert "A08 7 for" in fault.message
    assert "A10 3 for 0" in fault.message


def test_constant_scores(rng):
    labels = corpus(rng)
    values = np.where(rng.random(1500) < 0.95, 0.125, useful(labels, rng))
    assert "constant" in kinds(faults_of(values, labels))


def test_quantised_scores(rng):
    labels = corpus(rng)
    (few,) = faults_of(np.round(useful(labels, rng), 1), labels)
    assert few.kind == "quantised"
    values = useful(labels, rng)
    tied = np.where((values > 0.9) & (values < 1.2), 1.0, values)
    (fault,) = faults_of(tied, labels)
    assert fault.kind == "quantised"
    assert "tied at the threshold leave the EER open by" in fault.message


def test_saturated_scores(rng):
    labels = corpus(rng)
    (fault,) = faults_of(np.clip(useful(labels, rng) / 3 + 0.2, 0, 1), labels)
    assert fault.kind == "saturated"
    assert "exactly 0 or 1" in fault.message


def test_reversed_polarity_and_chance_is_not_reversed(rng):
    labels = corpus(rng)
    (fault,) = faults_of(-useful(labels, rng, 0.6), labels)
    assert (fault.kind, fault.severity) == ("reversed", "error")
    called = sum("reversed" in kinds(faults_of(rng.normal(size=300), corpus(rng, 300))) for _ in range(300))
    assert called <= 3  # 0.3 are expected


def test_useless_system_is_not_called_shuffled(rng):
    labels = corpus(rng)
    (fault,) = faults_of(rng.normal(size=1500), labels)
    assert (fault.kind, fault.severity) == ("useless", "warning")


def drifting(labels, rng):
    """Slow swings along the file, as of a batch norm that follows its input."""
    steps = np.cumsum(rng.normal(size=len(labels.table)))
    return steps - np.convolve(np.pad(steps, 100, mode="edge"), np.full(201, 1 / 201), "valid")


def by_blocks(labels, rng):
    """Scores that tell the speaker only, and speakers that follow one another."""
    return np.repeat(rng.normal(size=30), len(labels.table) // 30) + 0.3 * rng.normal(size=len(labels.table))


def fooled_by_one_attack(labels, rng):
    return rng.normal(size=len(labels.table)) + 3 * (labels.table["attack"] == "A07").fill_null(False).to_numpy()


NULLS = {
    "noise": lambda labels, rng: rng.normal(size=len(labels.table)),
    "weak": lambda labels, rng: useful(labels, rng, 0.3),
    "drifting": drifting,
    "by blocks": by_blocks,
    "fooled by one attack": fooled_by_one_attack,
    "five values": lambda labels, rng: rng.integers(0, 5, len(labels.table)).astype(float),
}


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("kind", NULLS)
def test_real_systems_near_chance_are_called_shuffled_in_less_than_one_of_a_hundred(kind, grouped):
    called, searched, rng = 0, 0, np.random.default_rng(1)
    for _ in range(100):
        labels = corpus(rng, grouped=grouped)
        scores = table(labels.table["utterance"], NULLS[kind](labels, rng))
        order = rng.choice(["corpus", "random", "by score"])  # of the rows, each score beside its id
        if order != "corpus":
            key = scores.frame["score"].to_numpy() if order == "by score" else rng.random(len(scores.frame))
            scores = ScoreTable(scores.frame[np.argsort(key)])
        trials = join(scores, labels)
        searched += 0.4 <= equal_error_rate(trials.bonafide_scores, trials.spoof_scores).value <= 0.6
        called += find_other_order(trials, scores) is not None
    assert called == 0
    assert searched >= (20 if grouped else 80), searched


def test_a_system_fooled_by_the_attack_at_the_top_of_its_file_is_not_called_shuffled(rng):
    for _ in range(20):
        labels = corpus(rng)
        scores = table(labels.table["utterance"], fooled_by_one_attack(labels, rng))
        by_attack = labels.table["attack"].fill_null("bona fide").arg_sort()
        scores = ScoreTable(scores.frame[by_attack])
        trials = join(scores, labels)
        assert equal_error_rate(trials.bonafide_scores, trials.spoof_scores).value < 0.6
        assert find_other_order(trials, scores) is None


def shifted(labels, values, rng):
    return labels.table["utterance"].to_list(), np.roll(values, rng.integers(1, 100) * rng.choice([-1, 1]))


def first_lost(labels, values, rng):
    return labels.table["utterance"].to_list(), np.append(values[1:], rng.normal())


def ids_sorted(labels, values, rng):
    return labels.table["utterance"].sort().to_list(), values


def scores_of_sorted_ids(labels, values, rng):
    return labels.table["utterance"].to_list(), values[labels.table["utterance"].arg_sort().to_numpy()]


def backwards(labels, values, rng):
    return labels.table["utterance"].to_list(), values[::-1]


def dealt_to_four(labels, values, rng):
    return labels.table["utterance"].to_list(), np.concatenate([values[first::4] for first in range(4)])


def bonafide_first(labels, values, rng):
    return labels.table["utterance"].to_list(), values[np.argsort(~bonafide(labels), kind="stable")]


SHUFFLES = [shifted, first_lost, ids_sorted, scores_of_sorted_ids, backwards, dealt_to_four, bonafide_first]


@pytest.mark.parametrize("apart", [1.2, 4.0])
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_shuffled_join_is_found_in_more_than_95_of_a_hundred(shuffle, apart):
    found, rng = 0, np.random.default_rng(2)
    for _ in range(60):
        labels = corpus(rng)
        names, values = shuffle(labels, useful(labels, rng, apart), rng)
        scores = table(names, values)
        found += find_other_order(join(scores, labels), scores) is not None
    assert found >= 58


def test_shuffled_names_the_order_and_what_the_eer_would_be(rng):
    labels = corpus(rng)
    values = useful(labels, rng, 4.0)
    (fault,) = faults_of(np.roll(values, 3), labels)
    assert (fault.kind, fault.severity) == ("shuffled", "error")
    assert "in their own order, shifted by 3 rows" in fault.message
    (fault,) = faults_of(values, labels, labels.table["utterance"].sort())
    assert "in the corpus's order: " in fault.message
    assert "but 2." in fault.message


def test_rows_in_random_order_are_only_called_useless(rng):
    labels = corpus(rng)
    assert kinds(faults_of(rng.permutation(useful(labels, rng, 4.0)), labels)) == ["useless"]


@pytest.mark.shared
def test_a_published_system_is_sound_and_each_fault_of_it_is_found(shared):
    protocol = shared / "asvspoof2019/protocols/ASVspoof2019.LA.cm.eval.trl.txt"
    protocol = read_corpus("asvspoof2019-la", root=None, protocol=protocol, partition=Partition.EVAL)
    frame = read_scores(shared / "scores/RawGAT_ST_mul.eval.txt").frame
    names, values = frame["utterance"], frame["score"].to_numpy()
    asv_scores = {
        part: read_asv_scores(shared / f"asvspoof2019/asv_scores/ASVspoof2019.LA.asv.{part}.gi.trl.scores.txt")
        for part in ("dev", "eval")
    }
    assert faults_of(values, protocol, names, asv=asv_scores["eval"], corpus=protocol) == ()
    assert kinds(faults_of(values, protocol, names, asv=asv_scores["dev"])) == ["wrong ASV scores"]
    assert kinds(faults_of(-values, protocol, names)) == ["reversed"]
    assert kinds(faults_of(np.roll(values, 1), protocol, names)) == ["shuffled"]
    assert kinds(faults_of(values, protocol, names.sort())) == ["shuffled"]
    assert kinds(faults_of(values[:-1], protocol, names[:-1])) == ["missing"]
