"""What the base installation computes itself, beside SciPy, which it does not bring."""

from statistics import StatisticsError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d
from scipy.special import ndtri
from scipy.stats import rankdata

from moe_mamba_asv.audio.speech_activity import _smooth
from moe_mamba_asv.corpora.shortcut_features import _mean_around
from moe_mamba_asv.evaluation.comparison.correlation import ranks
from moe_mamba_asv.reports.deviates import normal_deviates


@given(st.lists(st.sampled_from([-2.5, -0.0, 0.0, 1e-300, 0.1, 7.0]) | st.floats(-9, 9), min_size=1, max_size=40))
def test_ranks_share_the_mean_of_their_places(values: list[float]) -> None:
    np.testing.assert_array_equal(ranks(np.array(values)), rankdata(values))


def test_deviates() -> None:
    shares = np.concatenate([np.linspace(1e-5, 1 - 1e-5, 2_001), 10.0 ** -np.arange(1, 15)])
    np.testing.assert_allclose(normal_deviates(shares), ndtri(shares), rtol=4e-15, atol=1e-15)
    # 97.5 % of a normal distribution lie below 1.96 deviations, as every table says.
    assert normal_deviates([[0.5, 0.975]]) == pytest.approx(np.array([[0, 1.959964]]), abs=1e-6)
    with pytest.raises(StatisticsError):
        normal_deviates([0.0])


def test_the_mean_around_a_cell_mirrors_the_ends() -> None:
    power = np.random.default_rng(0).lognormal(0, 6, (40, 257)).astype(np.float32)
    found = _mean_around(power)
    assert found.dtype == np.float32
    # SciPy keeps a running sum, so it is the one whose rounding shows.
    np.testing.assert_allclose(found, uniform_filter1d(power, 17, axis=1), rtol=2e-6)
    # By hand: around the first of 0 … 19 lie 0 … 8 above it, itself among them, and 0 … 7 mirrored before it.
    line = np.arange(20, dtype=np.float32)[None]
    assert _mean_around(line)[0, 0] == pytest.approx((sum(range(8)) + sum(range(9))) / 17)
    assert _mean_around(line)[0, 10] == pytest.approx(10)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=12))
def test_clicks_are_dropped_and_pauses_filled(stretches: list[tuple[bool, int]]) -> None:
    is_speech = np.repeat(*np.array(stretches).T).astype(np.bool_)
    opened = binary_opening(is_speech, np.ones(5))
    closed = binary_closing(np.pad(opened, 31), np.ones(31))[31:-31]
    np.testing.assert_array_equal(_smooth(is_speech), closed)
