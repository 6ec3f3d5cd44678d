"""Paired comparison: what systems share cancels, and a difference is found where it is and nowhere else."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from made_systems import ATTACKS, PER_KIND, lined_up, made_corpus, made_scores, of_attack, table_of
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.asv import AsvScores, read_asv_scores
from moe_mamba_asv.evaluation.comparison.compare import compare
from moe_mamba_asv.evaluation.comparison.correlation import correlate
from moe_mamba_asv.evaluation.comparison.lineup import Lineup, line_up, name_systems
from moe_mamba_asv.evaluation.comparison.paired import paired_bootstrap
from moe_mamba_asv.evaluation.comparison.result import Comparison, read_interpolation
from moe_mamba_asv.evaluation.comparison.significance import holm, two_sided_p
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.evaluation.metrics.bootstrap.costs import LinearCost
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.scores import ScoreTable, read_scores


@pytest.fixture(scope="module")
def better_on_x2() -> Lineup:
    """Two systems that answer nearly alike, but the first pushes X2 much further down."""
    rng, corpus = np.random.default_rng(1), made_corpus()
    shared = made_scores(corpus, rng)
    first, second = (shared + 0.3 * rng.normal(size=shared.size) for _ in range(2))
    first[of_attack(corpus, "X2")] -= 1.0
    return lined_up(corpus, first, second)


@pytest.fixture(scope="module")
def asv() -> AsvScores:
    rng = np.random.default_rng(2)
    counts = dict.fromkeys(ATTACKS, 50)
    return AsvScores(rng.normal(4, 1, 150), rng.normal(0, 1, 150), rng.normal(3, 1, 150), counts, Path("made.txt"))


def test_identical_systems_do_not_differ_at_all(asv: AsvScores) -> None:
    corpus = made_corpus()
    scores = made_scores(corpus, np.random.default_rng(0))
    (pair,) = compare(lined_up(corpus, scores, scores), asv=asv, n_bootstrap=50).pairs
    for group in (pair.pooled, pair.known, pair.unknown, *pair.attacks.values()):
        assert set(group.differences) == {"eer", "min_tdcf_2019", "min_tdcf_2021"}
        for found in group.differences.values():
            assert (found.value, found.ci, found.p, found.verdict) == (0, (0, 0), 1, "no difference shown")


def test_a_system_better_on_one_attack_is_found_there_and_nowhere_else(better_on_x2: Lineup, asv: AsvScores) -> None:
    (pair,) = compare(better_on_x2, asv=asv).pairs
    for measure in ("eer", "min_tdcf_2019", "min_tdcf_2021"):
        verdicts = {name: attack.differences[measure].verdict for name, attack in pair.attacks.items()}
        assert verdicts == {"X1": "no difference shown", "X2": "A better", "X3": "no difference shown"}
    found = pair.attacks["X2"].differences["eer"]
    assert found.value == found.a - found.b < 0
    assert found.ci[0] < found.value < found.ci[1] < 0
    assert found.p == 2 / 1001
    assert found.p_corrected == 3 * found.p
    assert pair.pooled.differences["eer"].p_corrected is None
    assert pair.unknown.differences["eer"].verdict == "A better"
    assert pair.known.differences["eer"] == pair.attacks["X1"].differences["eer"].model_copy(
        update={"p_corrected": None}
    )


def test_the_second_system_can_win_too(better_on_x2: Lineup) -> None:
    turned = dataclasses.replace(better_on_x2, scores=better_on_x2.scores[::-1])
    (pair,) = compare(turned).pairs
    assert pair.attacks["X2"].differences["eer"].verdict == "B better"


def test_pairing_makes_the_interval_narrower(better_on_x2: Lineup) -> None:
    a, b = better_on_x2.scores
    common = {"stratum": better_on_x2.stratum, "groups": [[1, 2, 3]], "replicates": 400}
    paired = paired_bootstrap(np.stack([a, b]), rng=np.random.default_rng(0), **common).difference(0, 1)
    apart = [
        paired_bootstrap(one[None], rng=np.random.default_rng(seed), **common).values[0]
        for seed, one in enumerate((a, b))
    ]
    assert paired.std() < 0.8 * (apart[0] - apart[1]).std()


@pytest.mark.parametrize("clustered", [False, True])
def test_every_resample_is_measured_as_if_it_had_been_written_out(clustered: bool) -> None:
    rng = np.random.default_rng(3)
    stratum = rng.permutation(np.repeat([0, 1, 2], [40, 30, 20]))
    scores = np.round(rng.normal(size=(2, 90)) + (stratum == 0), 1)  # with ties
    clusters = rng.integers(0, 6, size=90) if clustered else None
    groups, cost = [[1, 2], [1], [2]], LinearCost(0.9, 0.4, 0.03)
    found = paired_bootstrap(
        scores, stratum, groups, replicates=30, rng=np.random.default_rng(7), costs=[cost], clusters=clusters
    )
    again = np.random.default_rng(7)
    weights = np.zeros((30, 90), dtype=int)
    if clusters is None:
        for kind, size in enumerate((40, 30, 20)):
            drawn = again.integers(0, size, size=(30, size))
            weights[:, stratum == kind] = [np.bincount(one, minlength=size) for one in drawn]
    else:
        weights = again.multinomial(6, np.full(6, 1 / 6), size=30)[:, clusters]
        assert found.redrawn == 0
    for system, of in enumerate(scores):
        for group, kinds in enumerate(groups):
            for row, weight in enumerate(weights):
                bonafide, spoof = (
                    np.repeat(of[rows], weight[rows]) for rows in (stratum == 0, np.isin(stratum, kinds))
                )
                eer, least = found.values[system, :, group, row]
                assert eer == pytest.approx(equal_error_rate(bonafide, spoof).value, abs=1e-12)
                thresholds = np.append(-np.inf, of)[:, None]
                p_miss, p_fa = (bonafide <= thresholds).mean(axis=1), (spoof > thresholds).mean(axis=1)
                wanted = (0.03 + (0.9 * p_miss + 0.4 * p_fa).min()) / 0.43
                assert least == pytest.approx(wanted, abs=1e-12)


def test_the_same_seed_draws_the_same_trials_whatever_the_systems(better_on_x2: Lineup) -> None:
    alone = compare(better_on_x2, n_bootstrap=40, seed=5)
    third = better_on_x2.with_system("third", better_on_x2.scores.mean(axis=0))
    together = compare(third, n_bootstrap=40, seed=5)
    assert together.pairs[0] == alone.pairs[0]
    assert compare(better_on_x2, n_bootstrap=40, seed=6).pairs[0] != alone.pairs[0]
    assert [(pair.a, pair.b) for pair in together.pairs] == [
        ("system0", "system1"),
        ("system0", "third"),
        ("system1", "third"),
    ]


def test_drawing_speakers_widens_the_interval_where_they_are_unlike() -> None:
    rng, corpus = np.random.default_rng(4), made_corpus()
    first = made_scores(corpus, rng)
    speakers = np.unique(corpus.table["speaker"].to_numpy(), return_inverse=True)[1]
    second = first + rng.normal(0, 1, 20)[speakers]
    lineup = lined_up(corpus, first, second)
    trials, by_speaker = (compare(lineup, cluster=of).pairs[0].pooled.differences["eer"] for of in (None, "speaker"))
    assert trials.value == by_speaker.value
    assert np.diff(by_speaker.ci) > 1.25 * np.diff(trials.ci)


def test_a_resample_without_an_attack_is_left_out_and_one_without_a_class_drawn_anew() -> None:
    stratum = np.array([0, 0, 1, 2, 1, 0])
    scores = np.array([[3.0, 1.0, 2.0, 0.0, 1.5, 4.0]])
    found = paired_bootstrap(
        *(scores, stratum, [[1, 2], [2]]),
        replicates=200,
        rng=np.random.default_rng(0),
        clusters=np.array([0, 0, 0, 1, 2, 2]),
    )
    pooled, second = found.values[0, 0]
    assert np.isfinite(pooled).all()
    assert 0 < np.isnan(second).sum() < 200
    assert found.redrawn > 0  # only cluster 1, which has no bona fide trial
    assert two_sided_p(np.array([np.nan, -1.0, -1.0, -1.0])) == 0.5


def test_holm_by_hand() -> None:
    # Sorted: .01 x 4 = .04, .02 x 3 = .06, .03 x 2 = .06, .9 x 1 = .9; none may fall below the one before.
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


def test_a_p_value_counts_the_rarer_side_and_ties_to_both() -> None:
    assert two_sided_p(np.array([1.0] * 18 + [-1.0])) == 2 * 2 / 20
    assert two_sided_p(np.array([1.0] * 18 + [0.0])) == 2 * 2 / 20
    assert two_sided_p(np.array([1.0, -1.0])) == 1


def test_a_failed_trial_is_a_mismatch_unless_allowed() -> None:
    rng, corpus = np.random.default_rng(0), made_corpus(per_kind=20)
    whole, lacking = (table_of(corpus, made_scores(corpus, rng)) for _ in range(2))
    broken = pl.col("utterance") == "eval3"
    lacking = ScoreTable(
        lacking.frame.with_columns(
            score=pl.when(broken).then(None).otherwise("score"), error=pl.when(broken).then(pl.lit("no sound"))
        )
    )
    with pytest.raises(ScoreError, match=r"1 trials are scored by some systems and not by second: eval3"):
        line_up({"first": whole, "second": lacking}, corpus)
    lineup = line_up({"first": whole, "second": lacking}, corpus, allow_missing=True)
    assert lineup.scores.shape == (2, 79)
    kept = whole.frame.filter(~broken)
    np.testing.assert_array_equal(lineup.scores[0], kept["score"].to_numpy())
    assert lineup.trials.frame["utterance"].to_list() == kept["utterance"].to_list()
    assert lineup.failed.rows() == [("eval3", "second: no sound")]
    assert compare(lineup, n_bootstrap=0).failed == 1
    assert any("1 of 80 trials are not scored by all" in warning for warning in lineup.warnings)


def test_trials_that_one_system_lacks_are_an_error_that_names_it() -> None:
    corpus = made_corpus(per_kind=20)
    whole = table_of(corpus, made_scores(corpus, np.random.default_rng(0)))
    part = ScoreTable(whole.frame.head(70))
    with pytest.raises(ScoreError, match=r"^part: 10 of 80 utterances have no score"):
        line_up({"whole": whole, "part": part}, corpus)
    assert line_up({"whole": whole, "part": part}, corpus, allow_missing=True).scores.shape == (2, 70)


def test_one_system_is_no_comparison() -> None:
    corpus = made_corpus(per_kind=5)
    with pytest.raises(ConfigError, match="two or more"):
        lined_up(corpus, np.arange(20.0))


def test_spoofed_trials_of_no_attack_count_in_the_pooled_figures_only(better_on_x2: Lineup) -> None:
    unnamed = made_corpus()
    table = unnamed.table.with_columns(attack=pl.when(pl.col("attack") != "X3").then("attack"))
    lineup = lined_up(dataclasses.replace(unnamed, table=table), *better_on_x2.scores)
    (pair,) = compare(lineup, n_bootstrap=20).pairs
    assert list(pair.attacks) == ["X1", "X2"]
    assert pair.pooled.n == 3 * PER_KIND
    wanted = compare(better_on_x2, n_bootstrap=0).pairs[0].pooled.differences["eer"].value
    assert pair.pooled.differences["eer"].value == wanted


def test_too_few_replicates_for_holm_are_told(better_on_x2: Lineup) -> None:
    few, enough = (compare(better_on_x2, n_bootstrap=count) for count in (119, 120))
    assert any("take 120 or more" in note for note in few.notes)
    assert not any("take" in note for note in enough.notes)
    assert few.pairs[0].attacks["X2"].differences["eer"].verdict == "no difference shown"
    assert enough.pairs[0].attacks["X2"].differences["eer"].verdict == "A better"


def test_without_a_bootstrap_there_are_values_and_no_verdicts(better_on_x2: Lineup) -> None:
    found = compare(better_on_x2, n_bootstrap=0)
    one = found.pairs[0].attacks["X2"].differences["eer"]
    assert (one.ci, one.p, one.p_corrected, one.verdict) == (None, None, None, None)
    assert Comparison.model_validate_json(json.dumps(found.to_json(), allow_nan=False)) == found


def test_reversed_scores_and_strange_asv_scores_are_told(better_on_x2: Lineup, asv: AsvScores) -> None:
    turned = dataclasses.replace(better_on_x2, scores=better_on_x2.scores * [[1], [-1]])
    strange = dataclasses.replace(asv, attack_counts={"X1": 1, "X2": 1})
    warnings = compare(turned, asv=strange, n_bootstrap=0).warnings
    assert [warning.split(":")[0] for warning in warnings] == ["system1", "the ASV scores lack X3"]


def test_an_unknown_cluster_is_refused(better_on_x2: Lineup) -> None:
    with pytest.raises(ConfigError, match="without a codec"):
        compare(better_on_x2, cluster="codec")


def test_correlation_by_hand() -> None:
    found = correlate(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 8.0]))
    assert found.spearman == pytest.approx(1)
    assert found.pearson == pytest.approx(8 / np.sqrt(2 * 38))
    assert correlate(np.zeros(3), np.arange(3.0)).pearson is None


def test_correlation_within_a_class_is_not_that_of_the_classes() -> None:
    rng, corpus = np.random.default_rng(0), made_corpus()
    apart = lined_up(corpus, *(made_scores(corpus, rng) for _ in range(2)))
    found = compare(apart, n_bootstrap=0).pairs[0].correlation
    assert found["pooled"].pearson > 0.3
    assert abs(found["bonafide"].pearson) < 0.15
    assert abs(found["spoof"].spearman) < 0.15


def test_names_are_the_first_that_tell_the_files_apart() -> None:
    assert name_systems(["a", "b"], ["m", "n"], ["x/a", "x/b"]) == ["m", "n"]
    assert name_systems(["a", "b"], ["m", ""], ["x/a", "x/b"]) == ["a", "b"]
    assert name_systems(["a", "a"], ["m", "m"], ["x/a", "y/a"]) == ["x/a", "y/a"]
    assert name_systems(["a", "a"], ["", ""], ["x/a", "x/a"]) == ["x/a (1)", "x/a (2)"]


def test_a_file_that_is_no_interpolation_is_named(tmp_path: Path) -> None:
    file = tmp_path / "points.json"
    good = {"models": ["a", "b"], "clips": 3, "points": [{"share": 0, "dev_eer": 0.5, "interval": [0, 1]}], "out": None}
    file.write_text(json.dumps(good))
    assert read_interpolation(file).points[0].dev_eer == 0.5
    file.write_text(json.dumps(good | {"points": [{"share": 2, "dev_eer": 0.5, "interval": [0, 1]}]}))
    with pytest.raises(ScoreError, match=r"points\.json at points\.0\.share"):
        read_interpolation(file)


@pytest.mark.shared
def test_two_published_systems(shared: Path) -> None:
    protocol = shared / "asvspoof2019" / "protocols" / "ASVspoof2019.LA.cm.eval.trl.txt"
    labels = read_corpus("asvspoof2019-la", protocol=protocol, partition="eval")
    tables = {name: read_scores(shared / "scores" / f"RawGAT_ST_{name}.eval.txt") for name in ("mul", "cat")}
    asv = read_asv_scores(shared / "asvspoof2019" / "asv_scores" / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt")
    found = compare(line_up(tables, labels), asv=asv, n_bootstrap=100)
    (pair,) = found.pairs
    pooled = pair.pooled.differences
    assert 100 * pooled["eer"].value == pytest.approx(1.0601 - 1.235, abs=6e-4)
    assert pooled["min_tdcf_2019"].value == pytest.approx(0.03354 - 0.03881, abs=1e-5)
    assert pair.attacks["A18"].differences["eer"].a == pytest.approx(0.0309, abs=5e-5)
    for name, system in zip(("mul", "cat"), found.systems, strict=True):
        alone = evaluate(join(tables[name], labels), asv=asv, n_bootstrap=0)
        values = {measure: figure.value for measure, figure in system.figures.items()}
        assert values == {measure: getattr(alone, measure) for measure in values}
