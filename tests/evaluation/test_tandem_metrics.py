"""a-DCF and t-EER: worked by hand, by brute force over all thresholds, and as the organisers compute them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.adcf import AdcfCosts, min_adcf, trinary_steps
from moe_mamba_asv.evaluation.metrics.dcf import DcfCosts, min_dcf
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.evaluation.metrics.teer import PairedScores, concurrent_teer, tandem_steps, teer_path

#: Few distinct values, so that ties within and between the kinds of trial are common.
SCORES = st.lists(st.integers(-4, 4), min_size=1, max_size=12).map(lambda values: np.array(values, dtype=float))
PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=12).map(
    lambda pairs: PairedScores(*np.array(pairs, dtype=float).T)
)
MONOTONE = st.sampled_from([np.exp, np.arctan, lambda s: s**3 - 7])


def gaussian_tandem(seed, trials=4000, spoof_asv=1.0, spoof_cm=-2.5):
    """Continuous scores: spoofs pass the ASV system more often than impostors, and the CM sees most of them."""
    rng = np.random.default_rng(seed)

    def pair(asv, cm, size):
        return PairedScores(rng.normal(asv, 1, size), rng.normal(cm, 1, size))

    return pair(2, 0, trials), pair(-1, 0, 2 * trials), pair(spoof_asv, spoof_cm, 3 * trials)


def errors_at(kinds, asv_threshold, cm_threshold):
    target, nontarget, spoof = kinds
    passed = np.mean(np.concatenate([target.cm, nontarget.cm]) > cm_threshold)
    p_miss = 1 - passed * np.mean(target.asv > asv_threshold)
    p_fa_nontarget = passed * np.mean(nontarget.asv > asv_threshold)
    return p_miss, p_fa_nontarget, np.mean(spoof.cm > cm_threshold) * np.mean(spoof.asv > asv_threshold)


def thresholds_of(kinds, system):
    return [-np.inf, *sorted({score for kind in kinds for score in getattr(kind, system).tolist()})]


def next_to_a_path(kinds, share):
    """Every pair of thresholds on either side of a path, with its errors; all CM thresholds tried in turn."""
    cm_thresholds = thresholds_of(kinds, "cm")
    for asv_threshold in thresholds_of(kinds, "asv"):
        errors = [errors_at(kinds, asv_threshold, cm_threshold) for cm_threshold in cm_thresholds]
        gaps = [miss - ((1 - share) * fa_nontarget + share * fa_spoof) for miss, fa_nontarget, fa_spoof in errors]
        after = next(step for step, gap in enumerate(gaps) if gap > -1e-12)
        yield errors[max(after - 1, 0)], gaps[max(after - 1, 0)], errors[after], gaps[after]


def organisers_concurrent_teer(kinds):
    """The procedure of the evaluation package: the path of share 1/2, and where two ratios on it are closest."""
    steps = tandem_steps(*kinds)
    closest, answer = math.inf, math.nan
    for p_miss, nontarget, spoof in zip(steps.asv.p_miss, steps.asv.p_fa_nontarget, steps.asv.p_fa_spoof, strict=True):
        if p_miss >= (nontarget + spoof) / 2:
            continue
        passed = 1 - steps.cm.p_miss
        gap = np.abs(1 - passed * (1 - p_miss) - (passed * nontarget + steps.cm.p_fa * spoof) / 2)
        cm = int(np.argmin(gap))
        distance = abs(nontarget / spoof - steps.cm.p_fa[cm] / passed[cm])
        if distance < closest:
            closest, answer = distance, spoof * steps.cm.p_fa[cm]
    return answer


def test_adcf_worked_by_hand():
    # Steps (miss, nontarget, spoof): at 0 (0, 1/2, 1), at 1 (0, 1/2, 1/2), at 2 (1/2, 1/2, 1/2), at 3 (1/2, 1/2, 0),
    # at 4 (1/2, 0, 0), at 5 (1, 0, 0), over the .9 of rejecting everything: at 4 it is one half.
    steps = trinary_steps(np.array([2.0, 5.0]), np.array([0.0, 4.0]), np.array([1.0, 3.0]))
    assert steps.p_miss.tolist() == [0, 0, 0, 0.5, 0.5, 0.5, 1]
    assert steps.p_fa_nontarget.tolist() == [1, 0.5, 0.5, 0.5, 0.5, 0, 0]
    assert steps.p_fa_spoof.tolist() == [1, 1, 0.5, 0.5, 0, 0, 0]
    assert min_adcf(steps) == pytest.approx(0.5)
    # With dear misses, rejecting anybody is out: at 1 it costs .25 + .5 over the .5 + 1 of accepting everything.
    assert min_adcf(steps, AdcfCosts(c_miss=100)) == pytest.approx(0.75 / 1.5)


def test_adcf_of_perfect_and_of_constant_scores():
    assert min_adcf(trinary_steps(np.array([2.0]), np.array([0.0]), np.array([1.0]))) == 0
    assert min_adcf(trinary_steps(np.array([1.0]), np.array([1.0]), np.array([1.0]))) == 1


@given(SCORES, SCORES, SCORES, st.floats(0.1, 20), st.floats(0.1, 20))
def test_adcf_is_the_least_over_all_thresholds(target, nontarget, spoof, c_miss, c_fa_spoof):
    costs = AdcfCosts(0.5, 0.2, 0.3, c_miss, 5, c_fa_spoof)
    least = min(
        0.5 * c_miss * np.mean(target <= t) + np.mean(nontarget > t) + 0.3 * c_fa_spoof * np.mean(spoof > t)
        for t in [-np.inf, *target, *nontarget, *spoof]
    )
    expected = least / min(0.5 * c_miss, 1 + 0.3 * c_fa_spoof)
    assert min_adcf(trinary_steps(target, nontarget, spoof), costs) == pytest.approx(expected)


@given(SCORES, SCORES)
def test_adcf_is_the_plain_dcf_where_impostors_and_spoofs_are_the_same(target, other):
    tripled = DcfCosts(p_spoof=0.1, c_miss=1, c_fa=15)  # 10 x .05 + 20 x .05 = 15 x .1
    assert min_adcf(trinary_steps(target, other, other)) == pytest.approx(min_dcf(det_steps(target, other), tripled))


@given(SCORES, SCORES, SCORES, st.randoms(use_true_random=False), MONOTONE, st.integers(1, 3))
def test_neither_order_nor_scale_nor_class_size_moves_the_adcf(target, nontarget, spoof, random, monotone, times):
    shuffled = [monotone(np.array(random.sample(s.tolist(), s.size))) for s in (target, nontarget, spoof)]
    shuffled[1] = np.repeat(shuffled[1], times)
    expected = min_adcf(trinary_steps(target, nontarget, spoof))
    assert min_adcf(trinary_steps(*shuffled)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("field", ["p_target", "p_nontarget", "p_spoof", "c_miss", "c_fa_nontarget", "c_fa_spoof"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_impossible_adcf_costs_are_refused(field, value):
    with pytest.raises(ConfigError, match=field):
        AdcfCosts(**{field: value})


def test_adcf_priors_must_sum_to_one():
    with pytest.raises(ConfigError, match="sum to 1"):
        AdcfCosts(p_target=0.9405)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(("scores", "message"), [([], "no {} trials"), ([np.nan, 1], "1 {} scores")])
def test_absent_and_broken_trials_are_named(place, scores, message):
    kinds = [np.array([1.0]), np.array([0.0]), np.array([0.5])]
    kinds[place] = np.array(scores)
    with pytest.raises(ScoreError, match=message.format(("target", "nontarget", "spoof")[place])):
        trinary_steps(*kinds)


def test_tandem_needs_both_scores_of_every_trial():
    pair = PairedScores(np.ones(2), np.ones(2))
    with pytest.raises(ScoreError, match="2 ASV and 3 CM scores of spoof trials"):
        tandem_steps(pair, pair, PairedScores(np.ones(2), np.ones(3)))


def test_concurrent_teer_worked_by_hand():
    # The CM passes all of bona fide and half of the spoofs; the ASV system passes half of targets and impostors, and
    # all spoofs: misses, impostors and spoofs are all one half.
    target = PairedScores(asv=np.array([1.0, 3.0]), cm=np.array([2.0, 2.0]))
    nontarget = PairedScores(asv=np.array([0.0, 2.0]), cm=np.array([2.0, 2.0]))
    spoof = PairedScores(asv=np.array([3.0, 3.0]), cm=np.array([0.0, 2.0]))
    point = concurrent_teer(tandem_steps(target, nontarget, spoof))
    assert (point.value, point.asv_threshold, point.cm_threshold, point.spread) == (0.5, 1.0, 0.0, 0.0)


def test_perfect_systems_have_no_concurrent_teer_left():
    target, nontarget = PairedScores(np.ones(2), np.ones(2)), PairedScores(np.zeros(3), np.ones(3))
    point = concurrent_teer(tandem_steps(target, nontarget, PairedScores(np.ones(5), np.zeros(5))))
    assert (point.value, point.spread) == (0, 0)


def test_where_no_point_is_concurrent_the_spread_says_so():
    # The ASV system keeps out every spoof before the first impostor, so accepted spoofs never rise to its errors.
    rng = np.random.default_rng(1)
    target = PairedScores(rng.normal(1, 1, 500), rng.normal(0, 1, 500))
    nontarget = PairedScores(rng.normal(-1, 1, 500), rng.normal(0, 1, 500))
    spoof = PairedScores(np.full(500, -9.0), rng.normal(-2, 1, 500))
    point = concurrent_teer(tandem_steps(target, nontarget, spoof))
    assert point.p_fa_spoof == 0
    assert point.spread == pytest.approx(equal_error_rate(target.asv, nontarget.asv).value, abs=0.003)


@given(PAIRS, PAIRS, PAIRS)
def test_concurrent_teer_is_the_most_equal_point_beside_both_paths(target, nontarget, spoof):
    kinds = (target, nontarget, spoof)
    beside = [
        errors for share in (0, 1) for before, _, after, _ in next_to_a_path(kinds, share) for errors in (before, after)
    ]
    least = min(max(errors) - min(errors) for errors in beside)
    lowest = min(float(np.mean(errors)) for errors in beside if max(errors) - min(errors) <= least + 1e-12)
    point = concurrent_teer(tandem_steps(*kinds))
    assert point.spread == pytest.approx(least, abs=1e-12)
    assert point.value == pytest.approx(lowest, abs=1e-12)
    errors = errors_at(kinds, point.asv_threshold, point.cm_threshold)
    assert (point.p_miss, point.p_fa_nontarget, point.p_fa_spoof) == pytest.approx(errors, abs=1e-12)


@given(PAIRS, PAIRS, PAIRS, st.sampled_from([0.0, 0.3, 1.0]))
def test_path_is_the_nearest_of_all_cm_thresholds(target, nontarget, spoof, share):
    kinds = (target, nontarget, spoof)
    path = teer_path(tandem_steps(*kinds), p_spoof=share)
    weights = np.array([1, 1 - share, share]) / 2
    for teer, asv_threshold, cm_threshold, (before, gap_before, after, gap_after) in zip(
        path.teer, path.asv_thresholds, path.cm_thresholds, next_to_a_path(kinds, share), strict=True
    ):
        asv_alone = errors_at(kinds, asv_threshold, -np.inf) @ np.array([1, share - 1, -share])
        if asv_alone > 1e-9:
            assert math.isnan(teer)
            assert math.isnan(cm_threshold)
        else:
            nearest = before if abs(gap_before) < abs(gap_after) - 1e-9 else after
            assert teer == pytest.approx(weights @ nearest, abs=1e-12)
            assert errors_at(kinds, asv_threshold, cm_threshold) @ weights == pytest.approx(teer, abs=1e-12)


@given(PAIRS, PAIRS, PAIRS, st.randoms(use_true_random=False), MONOTONE, MONOTONE, st.integers(1, 3))
def test_neither_order_nor_scale_nor_class_size_moves_the_teer(target, nontarget, spoof, random, of_asv, of_cm, times):
    def changed(kind, times=1):
        order = random.sample(range(kind.asv.size), kind.asv.size) * times
        return PairedScores(of_asv(kind.asv[order]), of_cm(kind.cm[order]))

    expected = concurrent_teer(tandem_steps(target, nontarget, spoof))
    moved = concurrent_teer(tandem_steps(changed(target), changed(nontarget), changed(spoof, times)))
    assert (moved.value, moved.spread) == pytest.approx((expected.value, expected.spread), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_concurrent_teer_lies_on_the_path_of_every_share(seed):
    steps = tandem_steps(*gaussian_tandem(seed))
    point = concurrent_teer(steps)
    assert point.spread < 0.002
    for share in (0.0, 0.2, 0.7, 1.0):
        path = teer_path(steps, p_spoof=share)
        there = path.teer[path.asv_thresholds == point.asv_threshold]
        assert there == pytest.approx([point.value], abs=0.002)


@pytest.mark.parametrize("seed", range(4))
def test_concurrent_teer_agrees_with_the_organisers_procedure(seed):
    kinds = gaussian_tandem(seed, trials=400)
    assert concurrent_teer(tandem_steps(*kinds)).value == pytest.approx(organisers_concurrent_teer(kinds), abs=0.005)


def test_path_of_impostors_only_ends_at_the_eer_of_the_asv_system():
    target, nontarget, spoof = gaussian_tandem(7)
    path = teer_path(tandem_steps(target, nontarget, spoof), p_spoof=0.0)
    answered = path.teer[~np.isnan(path.teer)]
    assert answered[0] == pytest.approx(0.5, abs=0.001)
    assert answered[-1] == pytest.approx(equal_error_rate(target.asv, nontarget.asv).value, abs=0.001)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_of_spoofs_is_a_fraction(share):
    with pytest.raises(ConfigError, match="share of spoofs"):
        teer_path(tandem_steps(*gaussian_tandem(0, trials=2)), p_spoof=share)
