"""Fusion: systems that err on different attacks are better together, and eval trains nothing."""

import numpy as np
import pytest

from made_systems import lined_up, made_corpus, made_scores, of_attack
from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.comparison.compare import compare
from moe_mamba_asv.evaluation.comparison.fusion import RIDGE, fuse
from moe_mamba_asv.evaluation.comparison.lineup import Lineup
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.evaluation.logistic import fit_logistic
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.scores import read_scores, write_scores


def complementary(partition: str, seed: int) -> Lineup:
    """The first system is fooled by X1 and the second, on a scale of its own, by X3."""
    rng, corpus = np.random.default_rng(seed), made_corpus(partition)
    first, second = made_scores(corpus, rng), made_scores(corpus, rng)
    first[of_attack(corpus, "X1")] += 1.5
    second[of_attack(corpus, "X3")] += 1.5
    return lined_up(corpus, first, 40 * second - 7)


@pytest.mark.parametrize("method", ["average", "logistic"])
def test_complementary_systems_are_better_together(method: str) -> None:
    judged, dev = complementary("eval", 0), complementary("dev", 1)
    fused = fuse(judged, method, dev=dev)
    found = compare(judged, fused=fused)
    assert [pair.pooled.differences["eer"].verdict for pair in found.pairs[1:]] == ["B better", "B better"]
    assert found.pairs[2].b == found.systems[2].system == f"{method} fusion"
    assert found.fusion == fused.fusion
    assert fused.fusion.fitted_on == "dev"


def test_logistic_fusion_leaves_a_useless_system_out() -> None:
    rng = np.random.default_rng(2)
    both = [made_corpus(partition) for partition in ("dev", "eval")]
    dev, judged = (lined_up(of, made_scores(of, rng), rng.normal(size=len(of.table))) for of in both)
    weights = fuse(judged, "logistic", dev=dev).fusion.weights
    assert abs(weights[1]) < 0.1 * weights[0]


def test_the_logistic_weights_are_where_the_loss_is_flat() -> None:
    rng = np.random.default_rng(3)
    is_bonafide = rng.random(500) < 0.2
    scores = rng.normal(size=(2, 500)) + [[1.0], [0.4]] * is_bonafide
    weights, bias = fit_logistic(scores, is_bonafide, ridge=RIDGE)
    p = 1 / (1 + np.exp(-(weights @ scores + bias)))
    share = np.where(is_bonafide, 0.5 / is_bonafide.sum(), 0.5 / (~is_bonafide).sum())
    residual = share * (p - is_bonafide)
    np.testing.assert_allclose(scores @ residual + RIDGE * weights, 0, atol=1e-7)
    assert residual.sum() == pytest.approx(0, abs=1e-7)


def test_fused_scores_are_log_likelihood_ratios_whatever_the_share_of_bona_fide() -> None:
    # Two unit normals two apart: ln p(x|1) / p(x|-1) = 2 x.
    rng = np.random.default_rng(4)
    is_bonafide = np.arange(40_000) % 10 == 0
    scores = rng.normal(np.where(is_bonafide, 1.0, -1.0))[None]
    (weight,), bias = fit_logistic(scores, is_bonafide, ridge=RIDGE)
    assert weight == pytest.approx(2, abs=0.1)
    assert bias == pytest.approx(0, abs=0.1)


def test_classes_without_overlap_have_finite_weights() -> None:
    is_bonafide = np.arange(20) >= 12
    weights, bias = fit_logistic(np.linspace(-2, 2, 20)[None], is_bonafide, ridge=RIDGE)
    assert 0 < weights[0] < 100
    assert np.isfinite(bias)


def test_the_average_ignores_scale_and_labels() -> None:
    judged = complementary("eval", 0)
    fused = fuse(judged, "average")
    a, b = judged.scores
    np.testing.assert_allclose(fused.scores, ((a - a.mean()) / a.std() + (b - b.mean()) / b.std()) / 2, atol=1e-12)
    assert "without their labels" in fused.fusion.fitted_on


def test_the_average_may_be_normalised_on_dev() -> None:
    judged, dev = complementary("eval", 0), complementary("dev", 1)
    found = fuse(judged, "average", dev=dev).fusion
    assert found.means == pytest.approx(dev.scores.mean(axis=1))


def test_nothing_is_trained_on_eval_nor_on_what_is_judged() -> None:
    judged, dev = complementary("eval", 0), complementary("dev", 1)
    with pytest.raises(ConfigError, match="without dev scores"):
        fuse(judged, "logistic")
    with pytest.raises(ScoreError, match="trained on eval"):
        fuse(dev, "logistic", dev=judged)
    with pytest.raises(ScoreError, match="both trained on and judged: dev0"):
        fuse(dev, "logistic", dev=dev)


def test_dev_scores_of_other_systems_are_refused() -> None:
    judged, dev = complementary("eval", 0), complementary("dev", 1)
    with pytest.raises(ConfigError, match="third"):
        fuse(judged, "average", dev=dev.with_system("third", dev.scores[0]))


def test_a_fused_file_is_judged_as_any_other(tmp_path) -> None:
    judged = complementary("eval", 0)
    fused = fuse(judged, "average")
    write_scores(tmp_path / "fused.tsv", fused.table)
    trials = join(read_scores(tmp_path / "fused.tsv"), made_corpus())
    wanted = compare(judged, fused=fused, n_bootstrap=0).systems[2].figures["eer"].value
    assert equal_error_rate(trials.bonafide_scores, trials.spoof_scores).value == wanted
    assert trials.system == "average fusion of system0, system1"
