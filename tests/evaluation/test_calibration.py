"""Calibrations of scores whose log-likelihood ratios are known."""

import hashlib
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.calibration.calibration import (
    calibration_beside,
    learn_calibration,
    read_calibration,
    write_calibration,
)
from moe_mamba_asv.evaluation.calibration.maps import RIDGE
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.cllr import cllr, pav_llrs
from moe_mamba_asv.evaluation.metrics.det import det_steps

KINDS = ("logistic", "isotonic")


def make_trials(bonafide, spoof, partition: str | None = "dev"):
    score = np.concatenate([bonafide, spoof]).astype(float)
    is_bonafide = np.arange(score.size) < len(bonafide)
    return Trials(
        score=score,
        is_bonafide=is_bonafide,
        attack=np.full(score.size, -1, dtype=np.int32),
        attack_names=(),
        frame=pl.DataFrame({"score": score}),
        failed=pl.DataFrame(),
        corpus="made",
        partition=partition,
        system="aasist",
    )


def normals(n_bonafide=20_000, n_spoof=60_000, *, seed=0, partition: str | None = "dev"):
    """Scores 10 + 3 x with x normal of deviation 1 about 2 and 0: the log-likelihood ratio is 2 x - 2."""
    rng = np.random.default_rng(seed)
    return make_trials(10 + 3 * rng.normal(2, 1, n_bonafide), 10 + 3 * rng.normal(0, 1, n_spoof), partition)


def slope(found):
    return found.llr(1.0) - found.llr(0.0)


def overlapping():
    return make_trials([1.0, 3.0, 4.0, 4.0, 9.0], [-2.0, 0.0, 2.0, 4.0, 5.0, -2.0])


def test_logistic_finds_the_known_slope_and_offset():
    found = learn_calibration(normals())
    assert slope(found) == pytest.approx(2 / 3, rel=0.02)
    assert found.llr(13.0) == pytest.approx(0.0, abs=0.03)


def test_the_prior_of_the_regression_does_not_move_log_likelihood_ratios_of_a_true_model():
    trials = normals()
    at = np.array([8.0, 13.0, 18.0])
    for prior in (0.05, 0.9):
        assert learn_calibration(trials, prior=prior).llr(at) == pytest.approx((at - 13) * 2 / 3, abs=0.15)


def test_the_prior_of_the_regression_moves_the_map_where_no_line_fits():
    rng = np.random.default_rng(0)
    trials = make_trials(np.append(rng.normal(2, 1, 900), rng.normal(-4, 1, 100)), rng.normal(0, 1, 1000))
    slopes = [slope(learn_calibration(trials, prior=prior)) for prior in (0.01, 0.99)]
    assert slopes[0] > 1.5 * slopes[1]


def test_logistic_does_not_depend_on_the_scale_of_the_scores():
    trials = overlapping()
    scaled = make_trials(trials.bonafide_scores * 1e-6 + 500, trials.spoof_scores * 1e-6 + 500)
    expected = learn_calibration(trials).llr(trials.score)
    assert learn_calibration(scaled).llr(scaled.score) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_cllr_falls_to_nearly_the_least_that_is_possible(kind):
    found = learn_calibration(normals(), kind=kind)
    assert found.cllr_before > 5
    assert found.min_cllr <= found.cllr_after + 1e-12
    assert found.cllr_after < found.min_cllr + 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_trials_that_it_was_not_learned_on_are_calibrated_too(kind):
    found, fresh = learn_calibration(normals(), kind=kind), normals(seed=1)
    least = learn_calibration(fresh, kind="isotonic").min_cllr
    assert cllr(found.llr(fresh.bonafide_scores), found.llr(fresh.spoof_scores)) < least + 0.01


def test_isotonic_is_the_pooling_of_its_own_trials_with_limits_by_their_number():
    trials = overlapping()
    steps = det_steps(trials.bonafide_scores, trials.spoof_scores)
    pooled = pav_llrs(steps)
    found = learn_calibration(trials, kind="isotonic").llr(steps.thresholds[1:])
    inside = np.isfinite(pooled)
    assert 0 < inside.sum() < pooled.size
    assert (found[inside] == pooled[inside]).all()
    assert set(found[~inside]) == {-np.log(6), np.log(7)}


def test_isotonic_lies_on_a_line_between_pools_and_is_level_beyond_the_ends():
    # Pools: the spoof at -1 alone, 1 and 5 together, the bona fide trial at 9 alone.
    found = learn_calibration(make_trials([1.0, 9.0], [-1.0, 5.0]), kind="isotonic")
    assert found.llr([-1.0, 1.0, 5.0, 9.0]).tolist() == pytest.approx([-np.log(3), 0, 0, np.log(3)])
    assert found.llr([-50.0, 0.0, 3.0, 7.0, 50.0]).tolist() == pytest.approx(
        [-np.log(3), -np.log(3) / 2, 0, np.log(3) / 2, np.log(3)]
    )


finite = st.floats(-1e6, 1e6, width=32)


@given(
    bonafide=st.lists(finite, min_size=1, max_size=20),
    spoof=st.lists(finite, min_size=1, max_size=20),
    asked=st.lists(finite, min_size=2),
    kind=st.sampled_from(KINDS),
)
def test_a_higher_score_never_has_a_lower_ratio_or_probability(bonafide, spoof, asked, kind):
    trials = make_trials(bonafide, spoof)
    assume(trials.bonafide_scores.mean() > trials.spoof_scores.mean() + 1e-3)
    found = learn_calibration(trials, kind=kind)
    ascending = np.sort(np.concatenate([asked, trials.score]))
    for values in (found.llr(ascending), found.probability(ascending, 0.01)):
        assert np.isfinite(values).all()
        assert (np.diff(values) >= 0).all()


@given(
    gap=st.floats(1e-3, 1e3),
    spread=st.floats(0, 1e3),
    n_bonafide=st.integers(1, 30),
    n_spoof=st.integers(1, 30),
    kind=st.sampled_from(KINDS),
)
def test_classes_that_do_not_overlap_have_finite_ratios(gap, spread, n_bonafide, n_spoof, kind):
    trials = make_trials(gap + np.linspace(0, spread, n_bonafide), -np.linspace(0, spread, n_spoof))
    found = learn_calibration(trials, kind=kind)
    assert (found.llr(trials.bonafide_scores) > found.llr(0.0)).all()
    assert np.isfinite(found.llr(trials.score)).all()
    assert found.eer == 0


def test_the_slope_between_classes_that_do_not_overlap_is_where_the_ridge_balances_the_loss():
    trials, prior = make_trials([1.0, 2.0, 5.0], [-1.0, -1.5]), 0.3
    found, deviation = learn_calibration(trials, prior=prior), trials.score.std()
    surprise = np.where(trials.is_bonafide, 1 - found.probability(trials.score, prior), 0)
    surprise += np.where(trials.is_bonafide, 0, found.probability(trials.score, prior))
    share = np.where(trials.is_bonafide, prior / 3, -(1 - prior) / 2)
    fall = (share * surprise) @ (trials.score - trials.score.mean()) / deviation
    assert fall == pytest.approx(RIDGE * slope(found) * deviation, rel=1e-3)


def test_probability_follows_the_stated_prior():
    found = learn_calibration(normals())
    for prior in (0.001, 0.5, 0.9):
        llr = found.llr(14.0)
        odds = np.exp(llr) * prior / (1 - prior)
        assert found.probability(14.0, prior) == pytest.approx(odds / (1 + odds))


def test_probabilities_agree_with_what_turns_out():
    trials, prior = normals(seed=2), 0.25
    probability = learn_calibration(normals()).probability(trials.score, prior)
    near = (probability > 0.55) & (probability < 0.65)
    assert trials.is_bonafide[near].mean() == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_prior_is_refused(prior):
    with pytest.raises(ConfigError, match="prior"):
        learn_calibration(overlapping(), prior=prior)
    with pytest.raises(ConfigError, match="prior"):
        learn_calibration(overlapping()).probability(1.0, prior)


@pytest.mark.parametrize("partition", ["eval", "dev+eval", None])
def test_eval_and_unnamed_partitions_teach_nothing(partition):
    with pytest.raises(ScoreError, match="wanted: train or dev"):
        learn_calibration(normals(50, 50, partition=partition))


def test_a_partition_that_the_corpus_does_not_tell_can_be_stated():
    assert learn_calibration(normals(50, 50, partition=None), partition="dev").partition == "dev"
    with pytest.raises(ScoreError, match="learned on eval"):
        learn_calibration(normals(50, 50, partition=None), partition="eval")
    with pytest.raises(ScoreError, match="eval"):
        learn_calibration(normals(50, 50, partition="eval"), partition="dev")
    with pytest.raises(ScoreError, match="train given as dev"):
        learn_calibration(normals(50, 50, partition="train"), partition="dev")


@pytest.mark.parametrize("kind", KINDS)
def test_reversed_scores_are_refused_and_not_turned_round(kind):
    with pytest.raises(ScoreError, match="do not rise"):
        learn_calibration(make_trials([0.0, 1.0], [2.0, 3.0]), kind=kind)


def test_scores_that_are_not_numbers_have_no_ratio():
    with pytest.raises(ScoreError, match="2 scores are NaN or infinite"):
        learn_calibration(overlapping()).llr([0.0, np.nan, np.inf])


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_gives_back_every_bit(tmp_path, kind):
    learned = learn_calibration(normals(300, 700), kind=kind, model_sha256="ab" * 32)
    write_calibration(learned, tmp_path / "deep" / "calibration.json")
    found = read_calibration(tmp_path / "deep" / "calibration.json")
    assert found == learned
    assert (found.bonafide, found.spoof, found.system, found.corpus) == (300, 700, "aasist", "made")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"partition": "eval"}, "partition"),
        ({"direction": "higher = spoof"}, "direction"),
        ({"format": 2}, "format"),
        ({"parameters": {"kind": "logistic", "slope": -1.0, "offset": 0.0, "prior": 0.5}}, "slope"),
        ({"parameters": {"kind": "isotonic", "scores": [0.0, 1.0], "llrs": [1.0, 0.0]}}, "never descend"),
        ({"parameters": {"kind": "isotonic", "scores": [1.0, 1.0], "llrs": [0.0, 1.0]}}, "ascend"),
        ({"parameters": {"kind": "isotonic", "scores": [0.0, 1.0], "llrs": [0.0]}}, "as many"),
        ({"cllr_after": float("nan")}, "cllr_after"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_file_that_is_not_right_is_refused_by_name(tmp_path, change, fault):
    file = tmp_path / "calibration.json"
    document = learn_calibration(overlapping()).model_dump(mode="json")
    file.write_text(json.dumps({**document, **change}))
    with pytest.raises(ScoreError, match=fault) as refused:
        read_calibration(file)
    assert str(file) in str(refused.value)


def test_half_a_file_and_no_file_are_refused(tmp_path):
    whole = tmp_path / "calibration.json"
    write_calibration(learn_calibration(overlapping()), whole)
    whole.write_bytes(whole.read_bytes()[:100])
    with pytest.raises(ScoreError, match="is not a calibration"):
        read_calibration(whole)
    with pytest.raises(ScoreError, match="cannot be read"):
        read_calibration(tmp_path / "absent.json")


@pytest.fixture
def models(tmp_path):
    """Two model files in a folder, and calibrations of each."""
    learned = {}
    for name in ("best", "last"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        learned[name] = learn_calibration(overlapping(), model_sha256=digest)
    return tmp_path, learned


def test_the_calibration_of_a_model_is_found_beside_it(models):
    folder, learned = models
    assert calibration_beside(folder / "best.safetensors") is None
    write_calibration(learned["best"], folder / "calibration.json")
    assert calibration_beside(folder / "best.safetensors") == learned["best"]
    assert calibration_beside(folder / "last.safetensors") is None
    write_calibration(learned["last"], folder / "last.calibration.json")
    assert calibration_beside(folder / "last.safetensors") == learned["last"]


def test_a_calibration_of_other_weights_is_refused(models):
    folder, learned = models
    write_calibration(learned["best"], folder / "last.calibration.json")
    with pytest.raises(ScoreError, match="learned on scores of a model"):
        calibration_beside(folder / "last.safetensors")


def test_a_calibration_without_a_digest_is_taken_and_a_missing_model_is_not(models):
    folder, _ = models
    anonymous = learn_calibration(overlapping())
    write_calibration(anonymous, folder / "last.calibration.json")
    assert calibration_beside(folder / "last.safetensors") == anonymous
    with pytest.raises(ScoreError, match="no model file"):
        calibration_beside(folder / "other.safetensors")
