"""The organisers' tables: their rows, columns and subsets, whatever the trials."""

import numpy as np
import polars as pl
import pytest
from test_breakdown import CATALOGUE, make_asv, make_trials

from moe_mamba_asv.audio.augment.conditions import condition_names
from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.cllr import cllr
from moe_mamba_asv.evaluation.tables.presets import (
    CONDITIONS_2021_DF,
    CONDITIONS_2021_LA,
    PRESETS,
    find_preset,
    official_table,
)

# Attack or vocoder, codec, score, subset. Of eval in gsm: bona fide 1 3 against 0 2, an EER of 1/2; pooled over codecs
# bona fide 1 3 5 against 0 2 4. Progress would turn everything around.
ROWS_2021 = [
    *[(None, "gsm", 1.0, "eval"), (None, "gsm", 3.0, "eval"), (None, "opus", 5.0, "eval")],
    *[("A07", "gsm", 0.0, "eval"), ("A07", "gsm", 2.0, "eval"), ("A08", "opus", 4.0, "eval")],
    *[(None, "gsm", -9.0, "progress"), ("A09", "gsm", 9.0, "progress")],
]


def trials_2021_la(rows=ROWS_2021):
    subsets = [subset for *_, subset in rows]
    return make_trials([row[:3] for row in rows], corpus="asvspoof2021-la", subset=subsets)


def trials_2021_df():
    compressions = {"gsm": "low_mp3", "opus": "nocodec"}
    trials = trials_2021_la()
    vocoders = ["bonafide" if fine else "neural_vocoder_autoregressive" for fine in trials.is_bonafide]
    frame = trials.frame.with_columns(
        pl.col("codec").replace(compressions).alias("compression"), pl.Series("vocoder", vocoders)
    )
    return make_trials(
        [row[:3] for row in ROWS_2021],
        corpus="asvspoof2021-df",
        compression=frame["compression"],
        vocoder=frame["vocoder"],
        subset=[subset for *_, subset in ROWS_2021],
    )


def test_table_of_2021_la_is_of_eval_by_attack_and_condition():
    table = official_table(trials_2021_la(), "2021-la", n_bootstrap=0)
    rows, columns = table.axes
    assert rows.levels == (*(f"A{number:02d}" for number in range(7, 20)), "pooled")
    assert columns.labels == ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "pooled")
    assert dict(zip(columns.labels, columns.levels, strict=True))["C3"] == "pstn"
    assert table.cell("A07", "gsm").figures["eer"].value == 0.5
    assert table.cell("A08", "gsm").reason == "no spoofed trials"
    assert table.cell("A08", "opus").figures["eer"].value == 0.0
    # 0 2 against 1 3 5: above 1, (1/3, 1/2) is the nearest.
    assert table.cell("A07", "pooled").figures["eer"].value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert (table.cell("pooled", "pooled").n_bonafide, table.cell("pooled", "pooled").n_spoof) == (3, 3)
    assert table.cell("A09", "pooled").n_spoof == 0
    assert "subset eval" in table.caption
    assert "C3 pstn" in table.caption
    assert table.split == "eval, subset eval"
    assert any("6 of 8" in note for note in table.notes)


def test_another_subset_is_judged_on_request_and_said():
    table = official_table(trials_2021_la(), "2021-la", subset="progress", n_bootstrap=0)
    assert table.cell("A09", "gsm").figures["eer"].value == 1.0
    assert "subset progress (published figures: eval)" in table.caption


def test_table_of_2021_df_is_by_vocoder_and_compression():
    table = official_table(trials_2021_df(), "2021-df", n_bootstrap=0)
    rows, columns = table.axes
    assert (rows.bonafide, columns.bonafide) == ("all", "same")
    assert rows.labels == ("traditional", "concatenation", "neural AR", "neural non-AR", "unknown", "pooled")
    assert columns.labels == (*(f"C{number}" for number in range(1, 10)), "pooled")
    assert table.cell("neural_vocoder_autoregressive", "low_mp3").figures["eer"].value == 0.5
    assert table.cell("unknown", "low_mp3").reason == "no spoofed trials"
    assert table.cell("neural_vocoder_autoregressive", "pooled").n_bonafide == 3


def test_table_of_2019_la_has_all_eval_attacks_and_both_forms_of_the_tdcf():
    rows = [(None, "-", 1.0), (None, "-", 2.0), ("A07", "-", 0.0), ("A16", "-", 1.5)]
    trials = make_trials(rows, corpus="asvspoof2019-la", catalogue=CATALOGUE)
    table = official_table(trials, "2019-la", asv=make_asv("A07", "A16"), n_bootstrap=10)
    assert len(table.cells) == 14
    assert table.cell("A16").figures["eer"].value == 0.5
    assert {"eer", "min_tdcf_2019", "min_tdcf_2021"} == set(table.cell("pooled").figures)


def test_table_of_asvspoof5_has_the_four_measures_pooled_and_per_attack():
    rows = [(None, "-", 2.0), (None, "-", 3.0), ("A17", "-", -1.0), ("A32", "-", 2.5)]
    table = official_table(make_trials(rows, corpus="asvspoof5", catalogue={}), "asvspoof5-track1", n_bootstrap=10)
    assert table.axes[0].levels == (*(f"A{number}" for number in range(17, 33)), "pooled")
    for level in ("A17", "A32", "pooled"):
        assert set(table.cell(level).figures) == {"eer", "min_dcf", "act_dcf", "cllr"}
    # Rejecting all costs .95 and accepting all .5; between them (1/2, 0) costs .475.
    assert table.cell("A32").figures["min_dcf"].value == pytest.approx(0.95)
    assert table.cell("A32").figures["act_dcf"].value == pytest.approx(1.0)
    assert table.cell("A17").figures["cllr"].value == cllr(np.array([2.0, 3.0]), np.array([-1.0]))
    assert any("p_spoof 0.05, c_miss 1, c_fa 10" in note for note in table.notes)


def test_conditions_are_those_that_can_be_made():
    assert condition_names("la") == CONDITIONS_2021_LA
    assert condition_names("df") == CONDITIONS_2021_DF


def test_every_name_has_its_preset_and_no_other():
    assert [find_preset(name).name for name in PRESETS] == list(PRESETS)
    with pytest.raises(ConfigError, match=r"'2020-la'.*2019-la, 2021-la"):
        find_preset("2020-la")


@pytest.mark.parametrize(("corpus", "partition"), [("asvspoof2019-la", "dev"), ("minispoof", "eval")])
def test_trials_of_another_corpus_or_partition_are_refused(corpus, partition):
    with pytest.raises(ScoreError, match=f"2019-la of {corpus}, partition {partition}"):
        official_table(make_trials(corpus=corpus, partition=partition), "2019-la", n_bootstrap=0)


def test_impossible_subsets_are_refused():
    with pytest.raises(ConfigError, match="subset 'test'"):
        official_table(trials_2021_la(), "2021-la", subset="test", n_bootstrap=0)
    with pytest.raises(ConfigError, match="subset 'eval' of the table 2019-la"):
        official_table(make_trials(corpus="asvspoof2019-la"), "2019-la", subset="eval", n_bootstrap=0)
    with pytest.raises(ScoreError, match=r"of subset hidden.*eval, progress"):
        official_table(trials_2021_la(), "2021-la", subset="hidden", n_bootstrap=0)
