"""Figures from the few steps that decide them: the same to the last bit as from all steps, on whatever scores."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics import deciding
from moe_mamba_asv.evaluation.metrics.dcf import ASVSPOOF5_TRACK1, min_dcf
from moe_mamba_asv.evaluation.metrics.deciding import deciding_steps
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.eer import eer_of_steps, equal_error_rate
from moe_mamba_asv.evaluation.metrics.points import PointValues, point_values
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint, min_tdcf_2019, min_tdcf_2021

#: The official 2019 evaluation ASV system, and one without errors.
ASV = AsvOperatingPoint(threshold=-5.68005, eer=0.024578, p_fa=820 / 33327, p_miss=132 / 5370, p_miss_spoof=0.239347547)
PERFECT_ASV = AsvOperatingPoint(threshold=0, eer=0, p_fa=0, p_miss=0, p_miss_spoof=0)
DCF = (0.0, ASVSPOOF5_TRACK1.miss_weight, ASVSPOOF5_TRACK1.fa_weight)


def lists_of(scores):
    return st.lists(scores, min_size=1, max_size=60).map(lambda values: np.array(values, dtype=float))


#: Ties within and between the classes; zeros of both signs; the smallest numbers; the whole range; all together.
TIED = st.integers(-6, 6).map(float)
ZEROS = st.sampled_from([-0.0, 0.0, 5e-324, -5e-324, 1e-310])
ORDINARY = st.floats(-3, 3)
ANY = st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.one_of(
    *(lists_of(of) for of in (TIED, ZEROS, ORDINARY, ANY)),
    lists_of(ORDINARY | st.sampled_from([-1e300, 1e300, 1e-300])),
)


def from_all_steps(bonafide, spoof, asv=ASV):
    steps = det_steps(bonafide, spoof)
    return PointValues(eer_of_steps(steps), min_tdcf_2019(steps, asv), min_tdcf_2021(steps, asv))


def narrowing(few, bins):
    """Divide also the smallest files, and into bins so few that much is left in each."""
    return patch.multiple(deciding, _FEW=few, _BINS=bins)


def large(bonafide, spoof):
    """Every score as often as makes the file large enough to be divided, with the shape that it has."""
    return np.tile(bonafide, 200), np.tile(spoof, 5000 // spoof.size + 1)


@given(SCORES, SCORES, st.sampled_from([2, 3, 7, 1024]))
@example(np.array([3.0, 3.0]), np.array([3.0]), 2)  # nothing to divide
@example(np.array([-1e308]), np.array([1e308, 0.0]), 2)  # a range that is not finite
@example(np.array([0.0, 5e-324]), np.array([5e-324]), 2)  # one that bins cannot be made of
@example(np.array([1.0]), np.array([0.0, 2.0, -0.0]), 3)  # one bona fide trial
def test_point_values_are_those_of_all_steps(bonafide, spoof, bins):
    with narrowing(few=0, bins=bins):
        for asv in (ASV, PERFECT_ASV):
            assert point_values(bonafide, spoof, asv) == from_all_steps(bonafide, spoof, asv)
        assert equal_error_rate(bonafide, spoof) == from_all_steps(bonafide, spoof).eer


@given(SCORES, SCORES)
def test_it_holds_for_large_files_as_they_are_divided(bonafide, spoof):
    bonafide, spoof = large(bonafide, spoof)
    assert point_values(bonafide, spoof, ASV) == from_all_steps(bonafide, spoof)
    assert equal_error_rate(bonafide, spoof) == from_all_steps(bonafide, spoof).eer


@given(SCORES, SCORES, st.sampled_from([2, 7]), st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 1))
def test_every_step_is_one_of_all_and_the_least_cost_is_among_them(bonafide, spoof, bins, miss, fa, offset):
    every = det_steps(bonafide, spoof)
    with narrowing(few=0, bins=bins):
        steps = deciding_steps(bonafide, spoof, [(offset, miss, fa)])
    where = np.searchsorted(every.thresholds, steps.thresholds)
    assert (np.diff(where) > 0).all()
    for name in ("thresholds", "misses", "false_alarms"):
        assert getattr(steps, name).tolist() == getattr(every, name)[where].tolist()
    assert (where[0], where[-1]) == (0, every.thresholds.size - 1)
    assert min(offset + miss * steps.p_miss + fa * steps.p_fa) == min(offset + miss * every.p_miss + fa * every.p_fa)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["apart", "reversed", "saturated", "coarse", "wild", "float32"])
def test_files_of_many_kinds(seed, kind):
    rng = np.random.default_rng(seed)
    bonafide, spoof = rng.normal(2, 1, rng.integers(1, 3000)), rng.normal(0, 1, rng.integers(4096, 40_000))
    if kind == "apart":
        bonafide += 20
    elif kind == "reversed":
        bonafide, spoof = -bonafide, -spoof
    elif kind == "saturated":  # as from a softmax
        bonafide, spoof = (1 / (1 + np.exp(-10 * scores)) for scores in (bonafide, spoof))
    elif kind == "coarse":
        bonafide, spoof = bonafide.round(1), spoof.round(1)
    elif kind == "wild":
        bonafide[0], spoof[0], spoof[-1] = 1e12, -1e300, 1e9
    else:
        bonafide, spoof = bonafide.astype(np.float32), spoof.astype(np.float32)
    assert point_values(bonafide, spoof, ASV) == from_all_steps(bonafide, spoof)
    assert equal_error_rate(bonafide, spoof) == from_all_steps(bonafide, spoof).eer
    costs = [DCF, (0.25, 3.0, 1.0)]
    assert min_dcf(deciding_steps(bonafide, spoof, costs)) == min_dcf(det_steps(bonafide, spoof))


def test_worked_by_hand():
    # Bins of width 1. Misses and false alarms at their edges, of 2 and 4: (0, 4) (0, 3) (0, 1) (1, 1) (1, 0) (2, 0).
    # The misses overtake the false alarms in the bin from 2, which has 2.5 alone; below it the threshold is 1.5.
    bonafide, spoof = np.array([2.5, 4.0]), np.array([0.0, 1.0, 1.5, 3.0])
    with narrowing(few=5, bins=4):
        steps = deciding_steps(bonafide, spoof)
    assert steps.thresholds[1:].tolist() == [1.5, 2.5, 4.0]
    assert steps.misses.tolist() == [0, 0, 1, 2]
    assert steps.false_alarms.tolist() == [4, 1, 1, 0]
    # 1/4 apart before and after: the mean of (0 + 1/4) / 2 and (1/2 + 1/4) / 2.
    assert eer_of_steps(steps) == (0.25, 1.5)


def test_a_least_cost_far_above_the_crossing_is_kept():
    # Steps (0, 1) (1/2, 1/2) (1/2, 0) (1, 0). Ten bins: the EER is decided in the lowest, the cost by the spoof at 5.
    with narrowing(few=0, bins=10):
        steps = deciding_steps(np.array([0.0, 10.0]), np.array([0.0, 5.0]), [(0.0, 0.5, 1.0)])
    assert steps.thresholds[1:].tolist() == [0.0, 5.0, 10.0]
    assert (0.5 * steps.p_miss + steps.p_fa).tolist() == [1.0, 0.75, 0.25, 0.5]


@pytest.mark.parametrize("outlier", [0.0, 1e9, -1e300])
def test_little_is_left_to_sort_even_beside_a_wild_score(outlier):
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(2.4, 1, 3000), rng.normal(-1, 1, 60_000)
    spoof[-1] = outlier
    assert deciding_steps(bonafide, spoof).thresholds.size < 4200
    assert deciding_steps(bonafide, spoof, [DCF]).thresholds.size < 6000


def test_saturated_scores_are_divided_again():
    # All but a few in the highest and the lowest of the first bins; the crossing is in the lowest.
    rng = np.random.default_rng(0)
    bonafide, spoof = np.exp(rng.normal(-6, 3, 5000)), np.exp(rng.normal(-20, 4, 60_000))
    assert equal_error_rate(bonafide, spoof) == from_all_steps(bonafide, spoof).eer
    assert deciding_steps(bonafide, spoof).thresholds.size < 20_000


@pytest.mark.parametrize(("bonafide", "spoof"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])])
def test_it_refuses_what_has_no_answer(bonafide, spoof):
    with pytest.raises(ScoreError):
        point_values(np.array(bonafide), np.array(spoof), ASV)


def test_it_refuses_an_asv_system_with_which_errors_are_free():
    asv = AsvOperatingPoint(threshold=0, eer=0, p_fa=0, p_miss=0, p_miss_spoof=1)
    with pytest.raises(ScoreError, match="C2 = 0"):
        point_values(np.array([1.0, 2.0]), np.arange(5000.0), asv)
