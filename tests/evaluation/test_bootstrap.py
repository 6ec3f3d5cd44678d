"""The lazy bootstrap against plain resampling, and its coverage."""

import numpy as np
import pytest

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.metrics.bootstrap import bootstrap_eers, eer_interval
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate


def naive_bootstrap(bonafide, spoof, replicates, rng):
    """Draw the trials themselves and compute every EER anew."""
    return np.array(
        [
            equal_error_rate(rng.choice(bonafide, bonafide.size), rng.choice(spoof, spoof.size)).value
            for _ in range(replicates)
        ]
    )


@pytest.mark.parametrize("decimals", [8, 0], ids=["distinct", "many ties"])
@pytest.mark.parametrize("sizes", [(300, 900), (40, 25), (5, 4)])
def test_replicates_are_distributed_as_plain_resampling(sizes, decimals):
    rng = np.random.default_rng(7)
    bonafide = np.round(rng.normal(0.8, 1, sizes[0]), decimals)
    spoof = np.round(rng.normal(-0.5, 1.2, sizes[1]), decimals)
    replicates = 6000
    ours = bootstrap_eers(det_steps(bonafide, spoof), replicates=replicates, rng=rng)
    naive = naive_bootstrap(bonafide, spoof, replicates, rng)
    # Two samples of one distribution: the Kolmogorov-Smirnov distance stays under 1.95 * sqrt(2 / n) in 999 of 1,000.
    points = np.unique(np.concatenate([ours, naive]).round(12))
    distance = np.abs([np.mean(ours <= x + 1e-12) - np.mean(naive <= x + 1e-12) for x in points]).max()
    assert distance < 1.95 * np.sqrt(2 / replicates)
    assert ours.std() > 0


def test_interval_covers_the_true_eer_about_as_often_as_it_says():
    # Two unit normals two apart cross at one standard deviation: the true EER is Phi(-1) = 15.87 %.
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        steps = det_steps(rng.normal(2, 1, 250), rng.normal(0, 1, 500))
        low, high = eer_interval(steps, replicates=400, rng=rng)
        covered += low <= 0.158655 <= high
    # 95 % of 300 is 285; four standard errors of it (15) and a percentile interval's small bias stay inside.
    assert 268 <= covered <= 299


def test_same_seed_same_interval():
    steps = det_steps(np.arange(0.0, 50), np.arange(-40.0, 20))
    first, again, other = (eer_interval(steps, replicates=200, rng=np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_interval_holds_the_estimate_and_is_ordered():
    rng = np.random.default_rng(5)
    bonafide, spoof = rng.normal(1, 1, 500), rng.normal(-1, 1, 700)
    low, high = eer_interval(det_steps(bonafide, spoof), replicates=500, rng=rng)
    assert low < equal_error_rate(bonafide, spoof).value < high


@pytest.mark.parametrize(
    ("bonafide", "spoof", "expected"), [([1, 2], [-1, 0], 0), ([-1, 0], [1, 2], 1), ([1], [1], 0.5)]
)
def test_nothing_to_resample_gives_a_point(bonafide, spoof, expected):
    steps = det_steps(np.array(bonafide, dtype=float), np.array(spoof, dtype=float))
    assert eer_interval(steps, replicates=50, rng=np.random.default_rng(0)) == (expected, expected)


@pytest.mark.parametrize("options", [{"replicates": 0}, {"replicates": 10, "confidence": 1.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError):
        eer_interval(det_steps(np.array([1.0]), np.array([0.0])), rng=np.random.default_rng(0), **options)
