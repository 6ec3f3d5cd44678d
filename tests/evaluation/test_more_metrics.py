"""Hull, AUC, detection cost, Cllr, reliability and decisions: by hand, by brute force, and as scikit-learn has them."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.auc import auc
from moe_mamba_asv.evaluation.metrics.cllr import cllr, min_cllr, pav_llrs
from moe_mamba_asv.evaluation.metrics.dcf import ASVSPOOF5_TRACK1, DcfCosts, act_dcf, min_dcf
from moe_mamba_asv.evaluation.metrics.decisions import decisions_at
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.hull import eer_of_hull, hull_vertices, roc_hull
from moe_mamba_asv.evaluation.metrics.reliability import expected_calibration_error, reliability

#: Few distinct values, so that ties within and between the classes are common.
SCORES = st.lists(st.integers(-6, 6), min_size=1, max_size=30).map(lambda values: np.array(values, dtype=float))
COSTS = st.builds(DcfCosts, st.floats(0.01, 0.99), st.floats(0.1, 10), st.floats(0.1, 10))
METRICS = [auc, eer_of_hull, min_dcf, min_cllr]


def steps_of(bonafide, spoof):
    return det_steps(np.array(bonafide, dtype=float), np.array(spoof, dtype=float))


def tied_scores(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, 301).round(1), rng.normal(0, 1.5, 1003).round(1)


def lowest_chord_crossing(steps):
    """Of all chords between two steps, the lowest place where one meets the diagonal."""
    points = [
        (Fraction(int(m), steps.bonafide), Fraction(int(f), steps.spoof))
        for m, f in zip(steps.misses, steps.false_alarms, strict=True)
    ]
    above = [point for point in points if point[0] < point[1]]
    below = [point for point in points if point[0] >= point[1]]
    crossings = []
    for m0, f0 in above:
        for m1, f1 in below:
            share = (f0 - m0) / (f0 - m0 + m1 - f1)
            crossings.append(m0 + share * (m1 - m0))
    return float(min(crossings))


def pooled_blocks(steps):
    """Adjacent violators pooled one by one, as in the textbook: ``[[bona fide, spoofs, scores], ...]``."""
    blocks = []
    for bonafide, spoof in zip(np.diff(steps.misses), -np.diff(steps.false_alarms), strict=True):
        blocks.append([int(bonafide), int(spoof), 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    return blocks


@pytest.mark.parametrize(
    ("bonafide", "spoof", "area", "hull", "dcf", "bits"),
    [
        ([1, 2], [-2, -1], 1, 0, 0, 0),  # apart
        ([-2, -1], [1, 2], 0, 0.5, 1, 1),  # apart the wrong way round: any mixture of all and nothing is better
        ([3, 3, 3], [3, 3], 0.5, 0.5, 1, 1),  # constant
        ([0, 2], [-1, 1], 0.75, 0.25, 0.5, 0.5),  # the edge from (0, 1/2) to (1/2, 0) holds half of each class
        # Edges (0, 1) (0, 1/2) (1, 0): y = 1/2 - x / 2 meets the diagonal at 1/3; the last holds 1 and 1/2 of the
        # classes, and costs (log2 1.5 + log2(3) / 2) / 2 bits.
        ([1, 1], [0, 1], 0.75, 1 / 3, 0.5, (math.log2(1.5) + math.log2(3) / 2) / 2),
    ],
)
def test_metrics_worked_by_hand(bonafide, spoof, area, hull, dcf, bits):
    steps = steps_of(bonafide, spoof)
    assert auc(steps) == area
    assert eer_of_hull(steps) == hull
    assert min_dcf(steps) == pytest.approx(dcf, abs=1e-15)
    assert min_cllr(steps) == pytest.approx(bits, abs=1e-15)


@pytest.mark.parametrize("metric", METRICS)
@given(SCORES, SCORES, st.randoms(use_true_random=False), st.sampled_from([np.exp, np.arctan, lambda s: s**3 - 7]))
def test_neither_order_nor_scale_moves_a_metric(metric, bonafide, spoof, random, monotone):
    expected = metric(det_steps(bonafide, spoof))
    shuffled = [monotone(np.array(random.sample(scores.tolist(), scores.size))) for scores in (bonafide, spoof)]
    assert metric(det_steps(*shuffled)) == expected


@pytest.mark.parametrize("metric", METRICS)
@given(SCORES, SCORES, st.integers(1, 4), st.integers(1, 4))
def test_class_sizes_do_not_move_a_metric(metric, bonafide, spoof, times_bonafide, times_spoof):
    larger = det_steps(np.repeat(bonafide, times_bonafide), np.tile(spoof, times_spoof))
    assert metric(larger) == pytest.approx(metric(det_steps(bonafide, spoof)), abs=1e-12)


@given(SCORES, SCORES)
def test_auc_counts_pairs(bonafide, spoof):
    wins = sum((b > s) + (b == s) / 2 for b in bonafide for s in spoof)
    assert auc(det_steps(bonafide, spoof)) == wins / (bonafide.size * spoof.size)


@given(SCORES, SCORES)
def test_hull_eer_is_the_lowest_that_two_thresholds_reach(bonafide, spoof):
    steps = det_steps(bonafide, spoof)
    assert eer_of_hull(steps) == pytest.approx(lowest_chord_crossing(steps), abs=1e-15)


@given(SCORES, SCORES)
def test_hull_edges_are_the_blocks_of_pooled_violators(bonafide, spoof):
    steps = det_steps(bonafide, spoof)
    assert np.diff(hull_vertices(steps)).tolist() == [scores for _, _, scores in pooled_blocks(steps)]


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_hull_of_many_trials_has_the_blocks_of_pooled_violators(scale):
    # Large enough for several passes before the walk, from nearly useless scores to nearly perfect ones.
    rng = np.random.default_rng(5)
    steps = det_steps(rng.normal(scale, 5, 3000), rng.normal(0, 5, 9000))
    blocks = pooled_blocks(steps)
    assert np.diff(hull_vertices(steps)).tolist() == [scores for _, _, scores in blocks]
    p_miss, p_fa = roc_hull(steps)
    np.testing.assert_allclose(np.diff(p_miss), [bonafide / 3000 for bonafide, _, _ in blocks], atol=1e-12)
    np.testing.assert_allclose(-np.diff(p_fa), [spoof / 9000 for _, spoof, _ in blocks], atol=1e-12)


def test_hull_of_a_curve_that_is_all_corners_keeps_every_step():
    # Ever fewer spoofs and ever more bona fide trials per score: no step lies on or above a chord of others.
    scores = np.arange(60.0)
    steps = det_steps(np.repeat(scores, range(60)), np.repeat(scores, range(60, 0, -1)))
    assert hull_vertices(steps).tolist() == list(range(61))


@pytest.mark.parametrize("on_top", [1, 300, 871, 1500, 2342, 5000])
def test_a_last_score_full_of_spoofs_takes_the_corners_before_it_one_by_one(on_top):
    # Neighbours alone give away one corner at a time here. With 871 and 2342 a corner lies exactly on the last edge.
    scores = np.arange(61.0)
    steps = det_steps(np.repeat(scores, [*range(60), 1]), np.repeat(scores, [*range(60, 0, -1), on_top]))
    assert np.diff(hull_vertices(steps)).tolist() == [scores for _, _, scores in pooled_blocks(steps)]


@given(SCORES, SCORES, COSTS)
def test_min_dcf_is_the_least_over_all_thresholds(bonafide, spoof, costs):
    thresholds = [-np.inf, *bonafide, *spoof]
    miss, fa = costs.c_miss * (1 - costs.p_spoof), costs.c_fa * costs.p_spoof
    least = min(miss * np.mean(bonafide <= t) + fa * np.mean(spoof > t) for t in thresholds)
    assert min_dcf(det_steps(bonafide, spoof), costs) == pytest.approx(least / min(miss, fa))


@given(SCORES, SCORES, COSTS)
def test_act_dcf_is_never_below_min_dcf(bonafide, spoof, costs):
    assert act_dcf(bonafide, spoof, costs) >= min_dcf(det_steps(bonafide, spoof), costs) - 1e-12


@given(SCORES, SCORES, COSTS)
def test_calibrated_ratios_reach_min_dcf(bonafide, spoof, costs):
    steps = det_steps(bonafide, spoof)
    llrs = pav_llrs(steps)
    calibrated = [llrs[np.searchsorted(steps.thresholds[1:], scores)] for scores in (bonafide, spoof)]
    assert act_dcf(calibrated[0], calibrated[1], costs) == pytest.approx(min_dcf(steps, costs))


def test_act_dcf_decides_at_the_threshold_of_the_evaluation_plan():
    # -ln 1.9 = -.642: 950 parts of cost for one miss of two, 500 for a false alarm of one, over 500.
    assert pytest.approx(-math.log(1.9)) == ASVSPOOF5_TRACK1.bayes_threshold
    assert act_dcf(np.array([-0.65, 1.0]), np.array([-0.63])) == pytest.approx((0.475 + 0.5) / 0.5)
    assert act_dcf(np.array([-0.63, 1.0]), np.array([-0.65])) == 0


@pytest.mark.parametrize(
    "costs", [(0, 1, 1), (1, 1, 1), (0.5, 0, 1), (0.5, 1, -1), (math.nan, 1, 1), (0.5, 1, math.inf)]
)
def test_impossible_costs_are_refused(costs):
    with pytest.raises(ConfigError, match="p_spoof"):
        DcfCosts(*costs)


def test_cllr_worked_by_hand():
    # log2(1 + 1/3) for bona fide three times as likely as not, log2(1 + 1) for a spoof that says nothing.
    assert cllr(np.array([math.log(3)]), np.array([0.0])) == pytest.approx((math.log2(4 / 3) + 1) / 2)
    assert cllr(np.array([np.inf]), np.array([-np.inf])) == 0
    assert cllr(np.array([-np.inf]), np.array([-1.0])) == np.inf
    assert cllr(np.array([-2000.0]), np.array([-2000.0])) == pytest.approx(1000 / math.log(2))


@given(SCORES, SCORES)
def test_min_cllr_is_what_the_best_calibration_costs(bonafide, spoof):
    steps = det_steps(bonafide, spoof)
    llrs = pav_llrs(steps)
    calibrated = [llrs[np.searchsorted(steps.thresholds[1:], scores)] for scores in (bonafide, spoof)]
    assert (np.diff(llrs[np.isfinite(llrs)]) >= 0).all()
    assert min_cllr(steps) == pytest.approx(cllr(*calibrated), abs=1e-12)


@given(SCORES, SCORES, st.floats(0.05, 3), st.floats(-3, 3))
def test_no_scale_and_shift_of_the_scores_costs_less_than_min_cllr(bonafide, spoof, scale, shift):
    limit = min(cllr(bonafide * scale + shift, spoof * scale + shift), 1)
    assert min_cllr(det_steps(bonafide, spoof)) <= limit + 1e-12


@pytest.mark.parametrize(("bonafide", "spoof"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.nan])])
@pytest.mark.parametrize("metric", [cllr, act_dcf])
def test_metrics_of_ratios_refuse_what_has_no_answer(metric, bonafide, spoof):
    with pytest.raises(ScoreError):
        metric(np.array(bonafide), np.array(spoof))


def test_reliability_worked_by_hand():
    # Ranks 0 to 5 in two bins of three; the tie of .5 straddles them and stays in the bin of its first trial.
    table = reliability(steps_of([0.4, 0.5, 0.9], [0.1, 0.5, 0.7]), bins=2)
    assert table.lowest.tolist() == [0.1, 0.7]
    assert table.highest.tolist() == [0.5, 0.9]
    assert table.count.tolist() == [4, 2]
    assert table.fraction_bonafide.tolist() == [0.5, 0.5]
    assert table.mean_probability == pytest.approx([1.5 / 4, 0.8])
    assert expected_calibration_error(table) == pytest.approx((4 * 0.125 + 2 * 0.3) / 6)


def test_bins_hold_the_same_number_without_ties():
    rng = np.random.default_rng(2)
    table = reliability(det_steps(rng.uniform(size=40), rng.uniform(size=63)), bins=10)
    assert table.count.sum() == 103
    assert set(table.count) == {10, 11}


def test_calibrated_probabilities_have_a_small_error_and_overconfident_ones_a_large_one():
    rng = np.random.default_rng(3)
    probabilities = rng.uniform(size=40_000)
    is_bonafide = rng.uniform(size=probabilities.size) < probabilities
    right = reliability(det_steps(probabilities[is_bonafide], probabilities[~is_bonafide]))
    pushed = (probabilities > 0.5).astype(float)
    overconfident = reliability(det_steps(pushed[is_bonafide], pushed[~is_bonafide]))
    assert expected_calibration_error(right) < 0.01
    assert overconfident.count.size == 2
    assert expected_calibration_error(overconfident) == pytest.approx(0.25, abs=0.01)


@given(SCORES, SCORES, st.integers(1, 20))
def test_trials_of_a_probability_share_the_bin_of_their_rank(bonafide, spoof, bins):
    bonafide, spoof = (bonafide + 6) / 12, (spoof + 6) / 12
    pooled, labels = np.concatenate([bonafide, spoof]), np.repeat([1, 0], [bonafide.size, spoof.size])
    bin_of_trial = np.array([int((pooled < p).sum()) * bins // pooled.size for p in pooled])
    members = [bin_of_trial == b for b in sorted(set(bin_of_trial.tolist()))]
    table = reliability(det_steps(bonafide, spoof), bins=bins)
    assert table.count.tolist() == [m.sum() for m in members]
    assert table.fraction_bonafide == pytest.approx([labels[m].mean() for m in members])
    assert table.mean_probability == pytest.approx([pooled[m].mean() for m in members])
    assert table.lowest.tolist() == [pooled[m].min() for m in members]
    assert table.highest.tolist() == [pooled[m].max() for m in members]


def test_reliability_refuses_raw_scores_and_no_bins():
    with pytest.raises(ScoreError, match=r"probabilities from -2 to 0\.5"):
        reliability(steps_of([0.5], [-2]))
    with pytest.raises(ConfigError, match="0 bins"):
        reliability(steps_of([0.5], [0.1]), bins=0)


def test_decisions_worked_by_hand():
    decided = decisions_at(steps_of([1, 3, 4, 5], [-1, 0, 0.5, 2, 4, 4]), 2)
    counts = (decided.bonafide_accepted, decided.bonafide_rejected, decided.spoof_accepted, decided.spoof_rejected)
    assert counts == (3, 1, 2, 4)
    assert decided.accuracy == 0.7
    assert decided.balanced_accuracy == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert decided.bonafide == pytest.approx((3 / 5, 3 / 4, 6 / 9))
    assert decided.spoof == pytest.approx((4 / 5, 4 / 6, 8 / 11))


@given(SCORES, SCORES, st.one_of(st.integers(-8, 8).map(lambda n: n / 2), st.sampled_from([-np.inf, np.inf])))
def test_decisions_count_scores_above_the_threshold(bonafide, spoof, threshold):
    decided = decisions_at(det_steps(bonafide, spoof), threshold)
    assert (decided.bonafide_accepted, decided.spoof_accepted) == (
        (bonafide > threshold).sum(),
        (spoof > threshold).sum(),
    )
    assert decided.bonafide_accepted + decided.bonafide_rejected == bonafide.size
    assert decided.spoof_accepted + decided.spoof_rejected == spoof.size


def test_a_class_never_decided_for_has_no_precision():
    decided = decisions_at(steps_of([1, 2], [0]), 9)
    assert math.isnan(decided.bonafide.precision)
    assert decided.bonafide[1:] == (0, 0)
    assert decided.balanced_accuracy == 0.5


def test_a_threshold_must_be_a_number():
    with pytest.raises(ScoreError, match="NaN"):
        decisions_at(steps_of([1], [0]), math.nan)


@pytest.mark.parametrize("seed", range(5))
def test_curves_and_area_are_those_of_scikit_learn(seed):
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    bonafide, spoof = tied_scores(seed)
    steps = det_steps(bonafide, spoof)
    labels, pooled = np.repeat([1, 0], [bonafide.size, spoof.size]), np.concatenate([bonafide, spoof])
    p_fa, p_hit, _ = sklearn_metrics.roc_curve(labels, pooled, drop_intermediate=False)
    np.testing.assert_allclose(steps.p_fa, p_fa[::-1], atol=1e-12)
    np.testing.assert_allclose(1 - steps.p_miss, p_hit[::-1], atol=1e-12)
    # Its DET curve leaves out the ends that lie on a class's last trial.
    det_p_fa, det_p_miss, _ = sklearn_metrics.det_curve(labels, pooled)
    ours = set(zip(steps.p_fa.round(12), steps.p_miss.round(12), strict=True))
    assert set(zip(det_p_fa.round(12), det_p_miss.round(12), strict=True)) <= ours
    assert auc(steps) == pytest.approx(sklearn_metrics.roc_auc_score(labels, pooled), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_decisions_and_pooling_are_those_of_scikit_learn(seed):
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    isotonic_regression = pytest.importorskip("sklearn.isotonic").isotonic_regression
    bonafide, spoof = tied_scores(seed)
    steps = det_steps(bonafide, spoof)
    labels, pooled = np.repeat([1, 0], [bonafide.size, spoof.size]), np.concatenate([bonafide, spoof])
    decided, predicted = decisions_at(steps, 0.5), (pooled > 0.5).astype(int)
    quality = np.array(sklearn_metrics.precision_recall_fscore_support(labels, predicted)[:3])
    np.testing.assert_allclose(quality.T, [decided.spoof, decided.bonafide])
    assert decided.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    assert decided.balanced_accuracy == pytest.approx(sklearn_metrics.balanced_accuracy_score(labels, predicted))

    trials = np.diff(steps.misses) - np.diff(steps.false_alarms)
    posterior = isotonic_regression(np.diff(steps.misses) / trials, sample_weight=trials.astype(float))
    odds = np.exp(pav_llrs(steps)) * bonafide.size / spoof.size
    np.testing.assert_allclose(1 - 1 / (1 + odds), posterior, atol=1e-9)
