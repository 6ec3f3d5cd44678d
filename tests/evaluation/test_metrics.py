"""EER, DET steps and t-DCF: worked by hand, as properties, and as the organisers have them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.det import det_curve, det_steps
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.evaluation.metrics.tdcf import (
    AsvOperatingPoint,
    asv_operating_point,
    min_tdcf_2019,
    min_tdcf_2021,
    tdcf_weights_2019,
    tdcf_weights_2021,
)

#: Few distinct values, so that ties within and between the classes are common.
SCORES = st.lists(st.integers(-6, 6), min_size=1, max_size=30).map(lambda values: np.array(values, dtype=float))

#: The official 2019 evaluation ASV system.
ASV_2019_EVAL = AsvOperatingPoint(
    threshold=-5.68005, eer=0.024578, p_fa=820 / 33327, p_miss=132 / 5370, p_miss_spoof=0.239347547
)


def organisers_eer(bonafide, spoof):
    """The routine as published: one step per trial, the first least difference."""
    scores = np.concatenate([bonafide, spoof])
    labels = np.concatenate([np.ones(bonafide.size), np.zeros(spoof.size)])[np.argsort(scores, kind="mergesort")]
    missed = np.cumsum(labels)
    p_miss = np.append(0, missed / bonafide.size)
    p_fa = np.append(1, (spoof.size - (np.arange(1, scores.size + 1) - missed)) / spoof.size)
    nearest = np.argmin(np.abs(p_miss - p_fa))
    return (p_miss[nearest] + p_fa[nearest]) / 2


def eer(bonafide, spoof):
    return equal_error_rate(np.array(bonafide, dtype=float), np.array(spoof, dtype=float))


@pytest.mark.parametrize(
    ("bonafide", "spoof", "expected", "threshold"),
    [
        ([1, 2], [-2, -1], 0.0, -1.0),  # apart: everything above the best spoof is accepted
        ([-2, -1], [1, 2], 1.0, -1.0),  # apart the wrong way round
        ([1, 3, 4, 5], [-1, 0, 0.5, 2], 0.25, 1.0),  # one of four wrong on each side
        ([0, 2, 4], [1, 3, -1], 1 / 3, 1.0),  # (1/3, 2/3) at 0, then (1/3, 1/3) at 1
    ],
)
def test_eer_worked_by_hand(bonafide, spoof, expected, threshold):
    assert eer(bonafide, spoof) == (expected, threshold)


def test_equally_close_steps_are_averaged():
    # Steps (p_miss, p_fa): (0, 1) (1/2, 1) (1/2, 0) (1, 0): the second and third are both 1/2 apart.
    value, threshold = eer([0, 2], [1])
    assert value == 0.5
    assert threshold == 0.0


def test_constant_scores_are_chance():
    assert eer([3, 3, 3], [3, 3]).value == 0.5


def test_det_steps_move_tied_trials_together():
    steps = det_steps(np.array([0.0, 1.0, 1.0, 2.0]), np.array([-1.0, 1.0]))
    assert steps.thresholds[1:].tolist() == [-1.0, 0.0, 1.0, 2.0]
    assert steps.thresholds[0] < -1
    assert steps.misses.tolist() == [0, 0, 1, 3, 4]
    assert steps.false_alarms.tolist() == [2, 1, 1, 0, 0]


@given(SCORES, SCORES)
def test_det_curve_counts_what_each_threshold_does(bonafide, spoof):
    thresholds, p_miss, p_fa = det_curve(bonafide, spoof)
    for threshold, miss, fa in zip(thresholds, p_miss, p_fa, strict=True):
        assert miss == np.mean(bonafide <= threshold)
        assert fa == np.mean(spoof > threshold)
    assert (p_miss[0], p_fa[0], p_miss[-1], p_fa[-1]) == (0, 1, 1, 0)


@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_eer_does_not_depend_on_order(bonafide, spoof, random):
    shuffled_bonafide, shuffled_spoof = bonafide.tolist(), spoof.tolist()
    random.shuffle(shuffled_bonafide)
    random.shuffle(shuffled_spoof)
    assert eer(shuffled_bonafide, shuffled_spoof) == eer(bonafide, spoof)


@given(SCORES, SCORES, st.sampled_from([lambda s: 2 * s - 7, np.exp, np.arctan, lambda s: s**3]))
def test_eer_does_not_depend_on_the_scale(bonafide, spoof, monotone):
    assert eer(monotone(bonafide), monotone(spoof)).value == eer(bonafide, spoof).value


@given(SCORES, SCORES)
def test_eer_is_symmetric_under_label_swap_with_sign_flip(bonafide, spoof):
    assert eer(-spoof, -bonafide).value == pytest.approx(eer(bonafide, spoof).value, abs=1e-15)


@given(SCORES, SCORES)
def test_reversed_scores_have_the_complement(bonafide, spoof):
    # Not only "roughly": with the tie convention it holds exactly, in counts.
    assert eer(-bonafide, -spoof).value == pytest.approx(1 - eer(bonafide, spoof).value, abs=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_eer_is_the_organisers_without_ties(seed):
    rng = np.random.default_rng(seed)
    # Sizes whose greatest common divisor is 1 and that are odd leave no two steps equally close.
    bonafide, spoof = rng.normal(1.5, 1, 301), rng.normal(-1, 2, 2003)
    assert eer(bonafide, spoof).value == organisers_eer(bonafide, spoof)


@pytest.mark.parametrize(("bonafide", "spoof"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])])
def test_metrics_refuse_what_has_no_answer(bonafide, spoof):
    with pytest.raises(ScoreError):
        eer(bonafide, spoof)


def test_tdcf_constants_of_the_official_asv_system():
    c1, c2 = tdcf_weights_2019(ASV_2019_EVAL)
    assert (round(c1, 7), round(c2, 7)) == (0.9150441, 0.3803262)
    c0, c1, c2 = tdcf_weights_2021(ASV_2019_EVAL)
    assert (round(c0, 7), round(c1, 7), round(c2, 7)) == (0.0254559, 0.9150441, 0.3803262)


def test_perfect_countermeasure_reaches_the_floor_of_each_form():
    steps = det_steps(np.array([1.0, 2.0]), np.array([-1.0, 0.0]))
    assert min_tdcf_2019(steps, ASV_2019_EVAL) == 0
    assert round(min_tdcf_2021(steps, ASV_2019_EVAL), 4) == 0.0627


def test_useless_countermeasure_costs_one_in_both_forms():
    steps = det_steps(np.array([3.0, 3.0]), np.array([3.0]))
    assert min_tdcf_2019(steps, ASV_2019_EVAL) == pytest.approx(1)
    assert min_tdcf_2021(steps, ASV_2019_EVAL) == pytest.approx(1)


def test_tdcf_worked_by_hand():
    # A perfect ASV system that accepts every spoof: C0 = 0, C1 = Ptar = .9405, C2 = .5; best step (0, 1/4).
    asv = AsvOperatingPoint(threshold=0, eer=0, p_fa=0, p_miss=0, p_miss_spoof=0)
    steps = det_steps(np.array([1.0, 2.0]), np.array([-3.0, -2.0, -1.0, 1.5]))
    assert min_tdcf_2019(steps, asv) == pytest.approx(0.25)
    assert min_tdcf_2021(steps, asv) == pytest.approx(0.25)


def test_tdcf_refuses_an_asv_system_that_rejects_every_spoof():
    asv = AsvOperatingPoint(threshold=0, eer=0, p_fa=0, p_miss=0, p_miss_spoof=1)
    with pytest.raises(ScoreError, match="C2 = 0"):
        min_tdcf_2019(det_steps(np.array([1.0]), np.array([0.0])), asv)


def test_asv_operating_point_accepts_the_trial_on_the_threshold():
    point = asv_operating_point(np.array([1.0, 3.0, 4.0, 5.0]), np.array([-1.0, 0.0, 0.5, 2.0]), np.array([0.9, 1.0]))
    assert point == AsvOperatingPoint(threshold=1.0, eer=0.25, p_fa=0.25, p_miss=0.0, p_miss_spoof=0.5)


def test_asv_operating_point_needs_spoofed_trials():
    with pytest.raises(ScoreError, match="no spoofed trials"):
        asv_operating_point(np.array([1.0]), np.array([0.0]), np.array([]))
