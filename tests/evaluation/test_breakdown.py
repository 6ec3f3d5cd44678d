"""Breakdowns of hand-made trials, where the figures of every cell are known."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.asv import AsvScores, read_asv_scores
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import Trials, join
from moe_mamba_asv.evaluation.metrics.dcf import ASVSPOOF5_TRACK1
from moe_mamba_asv.evaluation.tables.axes import NOT_GIVEN, Axis
from moe_mamba_asv.evaluation.tables.breakdown import breakdown
from moe_mamba_asv.evaluation.tables.forms import to_markdown
from moe_mamba_asv.evaluation.tables.result import Figure
from moe_mamba_asv.scores import read_scores
from moe_mamba_asv.types import Attack

# Clean: A07 0 2 against bona fide 1 3 has an EER of 1/2; A16 lies below. Gsm: A07 2 3 lies below bona fide 5 7.
# Opus has an A07 alone, alaw a bona fide trial alone.
ROWS = [
    *[(None, "clean", 1.0), (None, "clean", 3.0), ("A07", "clean", 0.0), ("A07", "clean", 2.0)],
    *[("A16", "clean", -1.0), ("A16", "clean", -2.0)],
    *[(None, "gsm", 5.0), (None, "gsm", 7.0), ("A07", "gsm", 2.0), ("A07", "gsm", 3.0)],
    *[("A07", "opus", 0.5), (None, "alaw", 9.0)],
]
CATALOGUE = {"A07": Attack("A07", "VC", "", "", known=False), "A16": Attack("A16", "TTS", "", "", known=True)}


def make_trials(rows=ROWS, catalogue=CATALOGUE, partition="eval", corpus="made", **columns):
    attacks = [attack for attack, *_ in rows]
    names = tuple(sorted({attack for attack in attacks if attack}))
    frame = pl.DataFrame({"attack": attacks, "codec": [codec for _, codec, _ in rows], **columns}, strict=False)
    return Trials(
        score=np.array([score for *_, score in rows]),
        is_bonafide=np.array([attack is None for attack in attacks]),
        attack=np.array([names.index(attack) if attack else -1 for attack in attacks], dtype=np.int32),
        attack_names=names,
        frame=frame,
        failed=pl.DataFrame(),
        corpus=corpus,
        catalogue=catalogue,
        partition=partition,
    )


def make_asv(*attacks):
    # Threshold 1: one of two impostors accepted, no target missed, one of two spoofs rejected.
    return AsvScores(
        target=np.array([2.0, 3.0]),
        nontarget=np.array([0.0, 1.0]),
        spoof=np.array([4.0, 0.5]),
        attack_counts=dict.fromkeys(attacks, 1),
        source=Path("asv.txt"),
    )


def eers(table):
    return {cell.levels: cell.figures["eer"].value if cell.figures else cell.reason for cell in table.cells}


def test_attacks_stand_against_all_bona_fide_trials():
    table = breakdown(make_trials(), ["attack"], n_bootstrap=0)
    assert [(cell.n_bonafide, cell.n_spoof) for cell in table.cells] == [(5, 5), (5, 2), (5, 7)]
    # A07 0 .5 2 2 3 against 1 3 5 7 9. Above 1: (1/5, 3/5); above 2: (1/5, 1/5).
    assert eers(table) == {("A07",): pytest.approx(0.2), ("A16",): 0.0, ("pooled",): pytest.approx((1 / 5 + 1 / 7) / 2)}
    assert (table.axes[0].bonafide, table.axes[0].levels) == ("all", ("A07", "A16", "pooled"))
    assert table.asv is None


def test_conditions_stand_against_their_own_bona_fide_trials():
    table = breakdown(make_trials(), ["codec"], n_bootstrap=0)
    assert table.axes[0].bonafide == "same"
    # Clean: above 0, (0, 1/4) and above 1, (1/2, 1/4) are equally near.
    assert eers(table) == {
        ("alaw",): "no spoofed trials",
        ("clean",): pytest.approx((1 / 8 + 3 / 8) / 2),
        ("gsm",): 0.0,
        ("opus",): "no bona fide trials",
        ("pooled",): pytest.approx((1 / 5 + 1 / 7) / 2),
    }
    assert (table.cell("opus").n_bonafide, table.cell("opus").n_spoof, table.cell("opus").figures) == (0, 1, {})


@pytest.mark.parametrize("order", [("attack", "codec"), ("codec", "attack")])
def test_cross_of_attack_and_codec_takes_bona_fide_of_the_codec(order):
    table = breakdown(make_trials(), order, n_bootstrap=0)
    turn = slice(None) if order[0] == "attack" else slice(None, None, -1)
    found = eers(table)
    assert len(found) == 3 * 5
    assert found[("A07", "clean")[turn]] == 0.5
    assert found[("A16", "clean")[turn]] == 0.0
    assert found[("A07", "gsm")[turn]] == 0.0
    assert found[("A16", "gsm")[turn]] == "no spoofed trials"
    assert found[("A16", "opus")[turn]] == "no bona fide and no spoofed trials"
    assert found[("A07", "pooled")[turn]] == pytest.approx(0.2)
    assert found[("pooled", "clean")[turn]] == pytest.approx(0.25)
    cell = table.cell(*("A07", "clean")[turn])
    assert (cell.n_bonafide, cell.n_spoof) == (2, 2)


def test_two_attributes_of_spoofs_and_two_conditions_cross_too():
    of_spoofs = breakdown(make_trials(), ["kind", "known"], n_bootstrap=20)
    assert eers(of_spoofs)["VC", "unknown"] == pytest.approx(0.2)
    assert eers(of_spoofs)["VC", "known"] == "no spoofed trials"
    assert of_spoofs.cell("pooled", "known").n_bonafide == 5
    sexes = ["F", "M"] * 6
    conditions = breakdown(make_trials(sex=sexes), ["codec", "sex"], n_bootstrap=20)
    # Clean, F: bona fide 1, spoofs 0 and -1. Clean, M: bona fide 3, spoofs 2 and -2.
    assert (conditions.cell("clean", "F").n_bonafide, conditions.cell("clean", "F").n_spoof) == (1, 2)
    assert eers(conditions)["clean", "F"] == 0.0
    assert conditions.cell("clean", "pooled").n_spoof == 4


def test_column_that_says_nothing_of_bona_fide_is_of_spoofs_only():
    generators = [None if attack is None else "new" for attack, *_ in ROWS]
    table = breakdown(make_trials(generator=generators), ["generator"], n_bootstrap=0)
    assert table.axes[0].bonafide == "all"
    assert [cell.n_bonafide for cell in table.cells] == [5, 5]


def test_trials_without_a_level_are_listed():
    sexes = ["F", "F", "", None, *["F"] * 8]
    table = breakdown(make_trials(sex=sexes), ["sex"], n_bootstrap=0)
    assert table.axes[0].levels == ("F", NOT_GIVEN, "pooled")
    assert (table.cell(NOT_GIVEN).n_spoof, table.cell(NOT_GIVEN).reason) == (2, "no bona fide trials")
    uncatalogued = breakdown(make_trials(catalogue={"A07": CATALOGUE["A07"]}), ["known"], n_bootstrap=0)
    assert uncatalogued.cell(NOT_GIVEN).n_spoof == 2


def test_stated_levels_come_first_even_without_trials():
    axis = Axis(name="codec", levels=("opus", "ulaw", "gsm"), labels={"gsm": "C6"})
    table = breakdown(make_trials(), [axis], n_bootstrap=0)
    assert table.axes[0].levels == ("opus", "ulaw", "gsm", "alaw", "clean", "pooled")
    assert table.axes[0].labels == ("opus", "ulaw", "C6", "alaw", "clean", "pooled")
    assert table.cell("ulaw").reason == "no bona fide and no spoofed trials"


def test_durations_fall_into_stated_bins_with_the_lower_edge_inside():
    durations = ["0.5", "1.0", "0.99", "1", "2", "1.99", "3", "4", "1.5", "0.1", None, "2.5"]
    table = breakdown(make_trials(duration_s=durations), [Axis(name="duration", edges_s=(1, 2))], n_bootstrap=0)
    levels = ("below 1 s", "1 to below 2 s", "2 s or more")
    assert table.axes[0].levels == (*levels, NOT_GIVEN, "pooled")
    assert [(table.cell(level).n_bonafide, table.cell(level).n_spoof) for level in levels] == [(1, 2), (1, 3), (3, 1)]


def test_durations_without_edges_fall_into_quartiles():
    table = breakdown(make_trials(duration_s=[float(number) for number in range(12)]), ["duration"], n_bootstrap=0)
    assert table.axes[0].levels[:2] == ("below 2.75 s", "2.75 to below 5.5 s")
    assert [cell.n_bonafide + cell.n_spoof for cell in table.cells] == [3, 3, 3, 3, 12]
    same = breakdown(make_trials(duration_s=[2.0] * 12), ["duration"], n_bootstrap=0)
    assert [cell.n_bonafide + cell.n_spoof for cell in same.cells] == [0, 12, 12]


def test_tdcf_stands_only_where_the_asv_scores_speak_of_the_trials():
    table = breakdown(make_trials(), ["attack", "codec"], asv=make_asv("A07", "A16"), n_bootstrap=30)
    with_tdcf = {cell.levels for cell in table.cells if "min_tdcf_2019" in cell.figures}
    assert with_tdcf == {("A07", "pooled"), ("A16", "pooled"), ("pooled", "pooled")}
    # C0 = .0475, C1 = .893, C2 = .25, as in test_evaluate.
    assert table.cell("A16", "pooled").figures["min_tdcf_2019"].value == 0.0
    assert table.cell("A16", "pooled").figures["min_tdcf_2021"].value == pytest.approx(0.0475 / 0.2975)
    # Of A07, (0, 3/5) costs .15 and (1/5, 1/5) costs .2286.
    assert table.cell("A07", "pooled").figures["min_tdcf_2019"].value == pytest.approx(0.6)
    assert table.cell("A07", "pooled").figures["min_tdcf_2019"].ci is not None
    assert table.asv is not None
    assert any("asv.txt" in note for note in table.notes)


def test_tdcf_is_withheld_where_the_asv_scores_lack_an_attack():
    table = breakdown(make_trials(), ["attack"], asv=make_asv("A07"), n_bootstrap=0)
    assert {cell.levels for cell in table.cells if "min_tdcf_2021" in cell.figures} == {("A07",)}
    assert any("have no A16" in warning for warning in table.warnings)
    both = breakdown(make_trials(partition="dev+eval"), ["attack"], asv=make_asv("A07", "A16"), n_bootstrap=0)
    assert not any("min_tdcf_2019" in cell.figures for cell in both.cells)


def test_costs_of_the_countermeasure_alone_come_with_dcf():
    cell = breakdown(make_trials(), ["codec"], dcf=ASVSPOOF5_TRACK1, n_bootstrap=20).cell("gsm")
    assert {*cell.figures} == {"eer", "min_dcf", "act_dcf", "cllr"}
    # All scores are above -ln 1.9: every spoof is accepted, which is what the cheaper useless system does.
    assert (cell.figures["min_dcf"].value, cell.figures["act_dcf"].value) == (0.0, pytest.approx(1.0))
    assert cell.figures["cllr"].value == pytest.approx(
        (np.log2(1 + np.exp([-5.0, -7.0])).mean() + np.log2(1 + np.exp([2.0, 3.0])).mean()) / 2
    )
    assert cell.figures["min_dcf"].ci == (0.0, 0.0)


def test_seed_decides_the_intervals_and_nothing_else():
    rng = np.random.default_rng(0)
    rows = [(attack, codec, float(rng.normal() + (attack is None))) for attack, codec, _ in ROWS[:10] * 40]
    first, again, other = (
        breakdown(make_trials(rows), ["attack", "codec"], n_bootstrap=100, seed=s) for s in (1, 1, 2)
    )
    assert first == again
    assert eers(first) == eers(other)
    assert first.cells != other.cells
    for cell in first.cells:
        figure = cell.figures.get("eer", Figure(value=0.5, ci=(0.0, 1.0)))
        assert figure.ci is not None
        assert figure.ci[0] <= figure.value <= figure.ci[1]


def speakers_of(rows):
    """Twelve speakers, each with an offset of its own: what makes clusters matter."""
    rng = np.random.default_rng(0)
    names = [f"S{index % 12:02d}" for index in range(len(rows))]
    offsets = {name: float(rng.normal(0, 2)) for name in sorted(set(names))}
    shifted = [
        (attack, codec, float(rng.normal() + 2 * (attack is None) + offsets[name]))
        for (attack, codec, _), name in zip(rows, names, strict=True)
    ]
    return shifted, names


def test_speakers_may_be_drawn_in_tables_too_and_the_intervals_are_those_of_an_evaluation():
    rows, names = speakers_of(ROWS[:10] * 47)
    trials = make_trials(rows, speaker=names)
    by_trial, by_speaker = (
        breakdown(trials, ["attack"], asv=make_asv("A07", "A16"), n_bootstrap=1000, cluster=of)
        for of in (None, "speaker")
    )
    assert by_speaker.cluster == "speaker"
    assert eers(by_trial) == eers(by_speaker)
    for cell, wider in zip(by_trial.cells, by_speaker.cells, strict=True):
        for measure in ("eer", "min_tdcf_2019", "min_tdcf_2021"):
            narrow, wide = cell.figures[measure].ci, wider.figures[measure].ci
            assert wide[1] - wide[0] > 1.1 * (narrow[1] - narrow[0])
    pooled = evaluate(trials, n_bootstrap=2000, cluster="speaker", seed=1).eer_ci
    assert by_speaker.cell("pooled").figures["eer"].ci == pytest.approx(pooled, abs=0.02)
    assert "drawn by speaker" in to_markdown(by_speaker)
    assert "drawn by" not in to_markdown(by_trial)


def test_cells_of_one_speaker_have_no_intervals_and_it_is_said():
    rows, names = speakers_of(ROWS[:10] * 47)
    table = breakdown(make_trials(rows, speaker=names), ["speaker"], n_bootstrap=50, cluster="speaker")
    assert all(cell.figures["eer"].ci is None for cell in table.cells[:-1])
    assert table.cells[-1].figures["eer"].ci is not None
    assert "no intervals where all trials are of one speaker" in table.notes


def test_an_attack_of_few_speakers_is_judged_in_the_resamples_that_have_it():
    rows, names = speakers_of(ROWS[:10] * 47)
    names = ["S03" if attack == "A16" else name for (attack, *_), name in zip(rows, names, strict=True)]
    table = breakdown(make_trials(rows, speaker=names), ["attack"], n_bootstrap=200, cluster="speaker")
    low, high = table.cell("A16").figures["eer"].ci
    assert 0 <= low <= table.cell("A16").figures["eer"].value <= high <= 1


def test_speakers_that_are_not_told_cannot_be_drawn():
    names = [None, *["S1"] * (len(ROWS) - 1)]
    for columns in ({}, {"speaker": names}):
        with pytest.raises(ConfigError, match="without a speaker"):
            breakdown(make_trials(**columns), ["attack"], n_bootstrap=10, cluster="speaker")


def test_reversed_cells_and_perfect_ones_are_said():
    rows = [(attack, codec, -score if codec == "gsm" else score) for attack, codec, score in ROWS]
    table = breakdown(make_trials(rows), ["codec"], n_bootstrap=10)
    assert any("above 50 % for gsm" in warning for warning in table.warnings)
    perfect = breakdown(make_trials(), ["codec"], n_bootstrap=10)
    assert any("no errors were made" in note for note in perfect.notes)
    assert perfect.warnings == ()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ([], "a breakdown by nothing"),
        (["attack", "codec", "kind"], "one axis or two"),
        (["attack", "attack"], "one axis or two"),
        (["colour"], "no 'colour'.*kind, known, attack, codec"),
        (["duration"], "duration_s"),
        ([Axis(name="codec", levels=("pooled",))], "a level 'pooled'"),
    ],
)
def test_impossible_breakdowns_are_refused(by, message):
    with pytest.raises(ConfigError, match=message):
        breakdown(make_trials(), by, n_bootstrap=0)


@pytest.mark.parametrize(
    ("durations", "message"), [(["x"] * 12, "'?x"), ([-1.0] * 12, "-1"), ([None] * 12, "no utter")]
)
def test_unusable_durations_are_refused(durations, message):
    with pytest.raises(ConfigError, match=message):
        breakdown(make_trials(duration_s=pl.Series(durations).cast(pl.String)), ["duration"], n_bootstrap=0)


def test_kind_without_a_catalogue_and_too_many_levels_are_refused():
    with pytest.raises(ConfigError, match="no 'kind'"):
        breakdown(make_trials(catalogue={}), ["kind"], n_bootstrap=0)
    rows = [(None if index % 2 else "A07", str(index), float(index)) for index in range(20_001)]
    with pytest.raises(ConfigError, match="no table"):
        breakdown(make_trials(rows), ["codec"], n_bootstrap=0)


def test_cell_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="attack: A07, A16, pooled"):
        breakdown(make_trials(), ["attack"], n_bootstrap=0).cell("A99")


@pytest.mark.parametrize("edges", [{"name": "codec", "edges_s": (1,)}, {"name": "duration", "edges_s": (2, 1)}])
def test_impossible_edges_are_refused(edges):
    with pytest.raises(ValidationError, match="edges_s"):
        Axis(**edges)


@pytest.mark.shared
def test_attacks_of_published_scores_have_the_published_figures(shared):
    folder = shared / "asvspoof2019"
    corpus = read_corpus("asvspoof2019-la", protocol=folder / "protocols/ASVspoof2019.LA.cm.eval.trl.txt")
    trials = join(read_scores(shared / "scores/RawGAT_ST_mul.eval.txt"), corpus)
    asv = read_asv_scores(folder / "asv_scores/ASVspoof2019.LA.asv.eval.gi.trl.scores.txt")
    table = breakdown(trials, ["attack"], asv=asv, n_bootstrap=100)
    published = {"A17": "1.75", "A18": "3.09", "A19": "0.71", "pooled": "1.06"}
    for attack, percent in published.items():
        assert f"{100 * table.cell(attack).figures['eer'].value:.2f}" == percent
    assert f"{table.cell('pooled').figures['min_tdcf_2019'].value:.5f}" == "0.03354"
    assert {cell.n_spoof for cell in table.cells} == {4914, 63882}
    whole = evaluate(trials, n_bootstrap=0)
    known = breakdown(trials, ["known"], n_bootstrap=0)
    assert whole.known is not None
    assert known.cell("known").figures["eer"].value == whole.known.eer
