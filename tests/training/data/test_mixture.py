"""Corpora in one table: what is unique stays unique, and one corpus's A01 is not another's."""

import pytest
from made_tables import corpus

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.data.mixture import Mixture


def test_one_corpus_keeps_its_names() -> None:
    mixture = Mixture([corpus(2, {"A02": 1, "A01": 2, None: 1})])
    assert mixture.attack_names == ("A01", "A02")
    assert mixture.table["utterance"].to_list() == [f"u{n}" for n in range(6)]
    assert mixture.table["attack_index"].to_list() == [0, 0, 2, 1, 1, -1]
    assert mixture.table["domain"].to_list() == [0] * 6
    assert mixture.domain_names == ("manifest",)


def test_equal_names_of_several_corpora_are_told_apart() -> None:
    mixture = Mixture([corpus(1, {"A01": 1}), corpus(1, {"A01": 1, "A02": 1}, "folder"), corpus(1, {None: 1})])
    assert mixture.domain_names == ("manifest", "folder", "manifest#2")
    assert mixture.attack_names == ("folder/A01", "folder/A02", "manifest/A01")
    assert mixture.table["attack_index"].to_list() == [0, 3, 0, 1, 2, 0, -1]
    assert mixture.table["attack"].null_count() == 4
    assert mixture.table["utterance"].n_unique() == 7
    assert mixture.table["utterance"][5] == "manifest#2/u0"


def test_different_attacks_of_several_corpora_need_no_prefix() -> None:
    assert Mixture([corpus(1, {"A07": 1}), corpus(1, {"A01": 1}, "folder")]).attack_names == ("A01", "A07")


def test_durations_are_numbers_where_they_are_told() -> None:
    timed = corpus(1, {"A01": 1}, durations_s=[1.5, 2.0])
    mixture = Mixture([timed, corpus(1, {}, "folder")])
    assert mixture.table["duration_s"].to_list() == [1.5, 2.0, None]


def test_weights_are_exact_and_mean_nothing_for_one_corpus() -> None:
    one = corpus(1, {"A01": 1})
    weights = Mixture([one, one], [0.7, 0.3]).weights
    assert weights is not None
    assert sum(weights) == 1
    assert Mixture([one], [0.7]).weights is None


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_impossible_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(TrainingError, match="one positive number for each corpus"):
        Mixture([corpus(1, {}), corpus(1, {})], weights)


@pytest.mark.parametrize("column", ["path", "label"])
def test_clips_without_audio_or_label_are_refused(column: str) -> None:
    whole = corpus(1, {"A01": 1})
    lacking = whole.table.with_columns(whole.table[column].replace(whole.table[column][0], None).alias(column))
    with pytest.raises(TrainingError, match=f"without {column}"):
        Mixture([whole, type(whole)("folder", lacking)])


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(TrainingError, match="no corpus"):
        Mixture([])
    with pytest.raises(TrainingError, match="folder without utterances"):
        Mixture([corpus(1, {}), corpus(0, {}, "folder")])
