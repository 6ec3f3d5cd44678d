"""The bootstrap of all groups and measures at once: by trials, and by speakers."""

import numpy as np
import pytest

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.bootstrap import (
    POOLED,
    Spoken,
    clustered_bootstrap,
    interval,
    stratified_bootstrap,
)
from moe_mamba_asv.evaluation.metrics.dcf import min_dcf
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.eer import eer_of_steps
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint, min_tdcf_2019, min_tdcf_2021

ASV = AsvOperatingPoint(threshold=0.0, eer=0.0246, p_fa=0.0246, p_miss=0.0246, p_miss_spoof=0.2393)
MEASURES = {
    "eer": lambda steps: eer_of_steps(steps).value,
    "min_tdcf_2019": lambda steps: min_tdcf_2019(steps, ASV),
    "min_tdcf_2021": lambda steps: min_tdcf_2021(steps, ASV),
    "min_dcf": min_dcf,
}


def made_trials(decimals, rng):
    spoof = {"A1": rng.normal(-1, 1, 250), "A2": rng.normal(0.4, 0.7, 120), "A3": rng.normal(-3, 0.3, 60)}
    return np.round(rng.normal(1, 1, 150), decimals), {name: np.round(of, decimals) for name, of in spoof.items()}


def measure_plainly(bonafide, spoof):
    """Every measure of the pooled trials and each attack [measures, groups], from the arrays themselves."""
    groups = [det_steps(bonafide, of) for of in (np.concatenate(list(spoof.values())), *spoof.values())]
    return np.array([[measure(steps) for steps in groups] for measure in MEASURES.values()])


def resampled_plainly(bonafide, spoof, rng):
    return rng.choice(bonafide, bonafide.size), {name: rng.choice(of, of.size) for name, of in spoof.items()}


def assert_same_distribution(ours, naive, limit=1.95):
    points = np.unique(np.concatenate([ours, naive]).round(12)) + 1e-12
    ours, naive = (np.searchsorted(np.sort(of), points, side="right") / of.size for of in (ours, naive))
    assert np.abs(ours - naive).max() < limit * np.sqrt(2 / 2000)


@pytest.mark.parametrize("margin", [4.0, -1.0], ids=["wide windows", "windows that most replicates leave"])
@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct", "many ties"])
def test_all_figures_are_distributed_as_by_plain_resampling(decimals, margin, monkeypatch):
    monkeypatch.setattr("moe_mamba_asv.evaluation.metrics.bootstrap.windows._MARGIN", margin)
    rng = np.random.default_rng(7)
    bonafide, spoof = made_trials(decimals, rng)
    ours = stratified_bootstrap(bonafide, spoof, replicates=2000, rng=rng, asv=ASV)
    naive = np.array([measure_plainly(*resampled_plainly(bonafide, spoof, rng)) for _ in range(2000)])
    assert ours.measures == tuple(MEASURES)
    assert ours.groups == (POOLED, "A1", "A2", "A3")
    for measure in range(4):
        for group in range(4):
            assert_same_distribution(ours.values[measure, group], naive[:, measure, group])
        # Jointly: what one replicate says of the pooled trials and of an attack belongs together.
        assert_same_distribution(
            ours.values[measure, 0] - ours.values[measure, 2], naive[:, measure, 0] - naive[:, measure, 2]
        )


@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct", "many ties"])
@pytest.mark.parametrize("margin", [4.0, -1.0])
def test_the_pooled_replicate_is_what_its_attacks_give(decimals, margin, monkeypatch):
    monkeypatch.setattr("moe_mamba_asv.evaluation.metrics.bootstrap.windows._MARGIN", margin)
    rng = np.random.default_rng(3)
    bonafide, spoof = made_trials(decimals, rng)
    alone = stratified_bootstrap(bonafide, {"A1": spoof["A1"]}, replicates=300, rng=rng, asv=ASV)
    assert np.array_equal(alone.values[:, 0], alone.values[:, 1])
    assert alone.of("eer").std() > 0
    below = {"A1": spoof["A1"], "far": np.full(250, -50.0)}
    both = stratified_bootstrap(bonafide, below, replicates=300, rng=rng, asv=ASV)
    # False alarms of the pooled trials are those of A1, halved by the trials that are never accepted.
    cost = dict(zip(both.measures, both.values, strict=True))["min_dcf"]
    assert (cost[0] <= cost[1]).all()
    assert (cost[0] >= cost[1] / 2 - 1e-12).all()
    assert both.of("eer", "far").max() == 0


def test_one_trial_a_class_gives_the_point_values():
    bonafide, spoof = np.array([1.0]), {"A1": np.array([0.0]), "A2": np.array([2.0]), "A3": np.array([1.0])}
    found = stratified_bootstrap(bonafide, spoof, replicates=5, rng=np.random.default_rng(0), asv=ASV)
    assert np.abs(found.values - measure_plainly(bonafide, spoof)[:, :, None]).max() < 1e-12


def weighed_plainly(bonafide, spoof, weights):
    """All measures from arrays in which every trial stands as often as its speaker was drawn."""
    return measure_plainly(
        np.repeat(bonafide.scores, weights[bonafide.speakers]),
        {name: np.repeat(of.scores, weights[of.speakers]) for name, of in spoof.items()},
    )


@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct", "many ties"])
def test_drawn_speakers_bring_all_their_trials(decimals):
    rng = np.random.default_rng(4)
    bonafide, spoof = made_trials(decimals, rng)
    bonafide = Spoken(bonafide, rng.integers(0, 12, bonafide.size))
    spoof = {name: Spoken(of, rng.integers(0, 14, of.size)) for name, of in spoof.items()}  # two without bona fide
    ours = clustered_bootstrap(bonafide, spoof, replicates=40, rng=np.random.default_rng(9), asv=ASV)
    weights = np.random.default_rng(9).multinomial(14, np.full(14, 1 / 14), size=40)
    assert ours.redrawn == 0
    expected = np.array([weighed_plainly(bonafide, spoof, of) for of in weights])
    assert np.abs(ours.values - expected.transpose(1, 2, 0)).max() < 1e-12


def test_resamples_without_a_class_are_redrawn_and_counted():
    bonafide = Spoken(np.array([1.0, 2.0]), np.array(["a", "a"]))
    spoof = {"A1": Spoken(np.array([0.0]), np.array(["b"])), "A2": Spoken(np.array([3.0]), np.array(["c"]))}
    found = clustered_bootstrap(bonafide, spoof, replicates=2000, rng=np.random.default_rng(2))
    # Of 27 equally likely draws 8 lack a and 1 has nothing else; of the other 18, 6 have no b.
    assert abs(found.redrawn / (found.redrawn + 2000) - 9 / 27) < 0.03
    assert not np.isnan(found.of("eer")).any()
    assert abs(np.isnan(found.of("eer", "A1")).mean() - 1 / 3) < 0.04
    assert found.interval("eer", "A1") == (0, 0)
    assert found.interval("eer", "A2") == (1, 1)


def test_speakers_that_differ_widen_the_interval():
    rng = np.random.default_rng(6)
    speakers = np.repeat(np.arange(20), 30)
    of_speaker = rng.normal(0, 1, 20)[speakers]
    bonafide, spoof = of_speaker + rng.normal(1, 0.5, 600), of_speaker + rng.normal(-1, 0.5, 600)
    trials = stratified_bootstrap(bonafide, {"A1": spoof}, replicates=500, rng=rng, asv=ASV)
    by_speaker = clustered_bootstrap(
        Spoken(bonafide, speakers), {"A1": Spoken(spoof, speakers)}, replicates=500, rng=rng, asv=ASV
    )
    for measure in MEASURES:
        assert np.ptp(by_speaker.interval(measure)) > 1.5 * np.ptp(trials.interval(measure))


def test_trials_interval_covers_the_true_eer():
    # Two unit normals two apart cross at one standard deviation: the true EER is Phi(-1) = 15.87 %.
    rng = np.random.default_rng(12)
    covered = 0
    for _ in range(2000):
        bonafide, spoof = rng.normal(2, 1, 300), {"A1": rng.normal(0, 1, 300)}
        low, high = stratified_bootstrap(bonafide, spoof, replicates=300, rng=rng, dcf=None).interval("eer")
        covered += low <= 0.158655 <= high
    assert 0.935 <= covered / 2000 <= 0.965


def test_what_cannot_be_resampled_is_refused():
    rng, one, none = np.random.default_rng(0), np.array([1.0]), np.array([])
    with pytest.raises(ConfigError, match="0 replicates"):
        stratified_bootstrap(one, {"A1": one}, replicates=0, rng=rng)
    with pytest.raises(ScoreError, match="no trials of A2"):
        stratified_bootstrap(one, {"A1": one, "A2": none}, replicates=1, rng=rng)
    with pytest.raises(ScoreError, match="1 speaker"):
        clustered_bootstrap(Spoken(one, one), {"A1": Spoken(one, one)}, replicates=1, rng=rng)
    with pytest.raises(ScoreError, match="2 speakers"):
        Spoken(one, np.array([1, 2]))
    with pytest.raises(ConfigError, match="no 'A2'"):
        stratified_bootstrap(one, {"A1": one}, replicates=1, rng=rng).of("eer", "A2")
    with pytest.raises(ConfigError, match="0 replicates"):
        interval(np.array([np.nan]))
