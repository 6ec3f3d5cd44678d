"""Which stream decides: planted silences are found, and a balanced model is left alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from made_detectors import detector, made_sample, predictor_of, two_streams, with_experts
from moe_mamba_asv.diagnostics.drift import eer_shifts
from moe_mamba_asv.diagnostics.sample import score_all
from moe_mamba_asv.diagnostics.streams import diagnose_shift, diagnose_streams
from moe_mamba_asv.errors import ConfigError

SAMPLE = made_sample()


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("fusion", ["concatenation", "cross-attention", "gated", "multi-scale", "squeeze-excitation"])
def test_a_balanced_model_raises_nothing(fusion: str, tmp_path: Path) -> None:
    found = diagnose_streams(predictor_of(detector(two_streams(fusion)), tmp_path / "m.safetensors"), SAMPLE, _rng())
    assert [finding.raised for finding in found.findings] == [False, False]
    first, second = found.streams
    assert first.share + second.share == pytest.approx(1)
    assert first.gradient_share + second.gradient_share == pytest.approx(1)
    assert set(first.attacks) == {"A01", "A02"}
    assert set(first.shares) == {"bonafide", "A01", "A02"}
    assert (first.gate is not None) == (fusion in ("gated", "squeeze-excitation"))


@pytest.mark.parametrize("cut", [0, 1])
def test_a_stream_that_was_cut_is_named(cut: int, tmp_path: Path) -> None:
    model = detector(two_streams())
    with torch.no_grad():
        model.projections[cut].weight.zero_()
    found = diagnose_streams(predictor_of(model, tmp_path / "m.safetensors"), SAMPLE, _rng())
    raised = [finding for finding in found.findings if finding.raised]
    assert [finding.where for finding in raised] == [f"sincnet {cut + 1}"]
    assert found.streams[cut].score_change < 1e-3
    assert found.streams[cut].gradient_share < 1e-3
    assert found.streams[cut].pooled.change == pytest.approx(0)


def test_scores_without_a_stream_are_those_of_a_model_that_hears_its_mean(tmp_path: Path) -> None:
    model = detector(two_streams())
    predictor = predictor_of(model, tmp_path / "m.safetensors")
    found = diagnose_streams(predictor, SAMPLE, _rng())
    crops = torch.from_numpy(np.stack([predictor.crop(waveform) for waveform in SAMPLE.waveforms]))
    with torch.no_grad():
        first, second = model.projected(crops)
        with_both = model(crops).score.numpy()
        without = model.decide(model.fuse([first, second.mean((0, 1)).expand_as(second)])[0]).score.numpy()
    change = np.sqrt(np.mean((without - with_both) ** 2)) / with_both.std()
    assert found.streams[1].score_change == pytest.approx(change, rel=1e-4)
    pooled, attacks = eer_shifts(SAMPLE, with_both.astype(float), without.astype(float), _rng())
    assert found.streams[1].pooled.after == pytest.approx(pooled.after)
    assert {name: shift.n for name, shift in attacks.items()} == {"A01": 4, "A02": 4}


def test_a_lost_stream_is_seen_between_two_checkpoints(tmp_path: Path) -> None:
    model = detector(two_streams())
    before = predictor_of(model, tmp_path / "start.safetensors")
    with torch.no_grad():
        model.projections[1].weight.mul_(0.01)
        model.projections[1].bias.mul_(0.01)
    after = predictor_of(model, tmp_path / "tuned.safetensors")
    looks = [
        (name, diagnose_streams(one, SAMPLE, _rng()), score_all(one, SAMPLE.waveforms))
        for name, one in (("start", before), ("tuned", after))
    ]
    shift = diagnose_shift(looks[0], looks[1], SAMPLE, _rng())
    assert {finding.where for finding in shift.findings if finding.raised} == {"sincnet 2"}
    assert shift.share["sincnet 2"] < -0.2
    assert shift.share["sincnet 1"] == pytest.approx(-shift.share["sincnet 2"])
    same = diagnose_shift(looks[0], looks[0], SAMPLE, _rng())
    assert not any(finding.raised for finding in same.findings)
    assert (same.eer.change, same.eer.ci) == (0, (0, 0))


def test_a_model_of_one_stream_is_refused(tmp_path: Path) -> None:
    predictor = predictor_of(detector(with_experts()), tmp_path / "m.safetensors")
    with pytest.raises(ConfigError, match="one stream"):
        diagnose_streams(predictor, SAMPLE, _rng())
