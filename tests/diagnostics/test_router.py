"""Where frames are sent: dead experts and collapsed routers are named."""

from pathlib import Path

import numpy as np
import pytest
import torch

from made_detectors import NUM_SAMPLES, config, detector, made_sample, predictor_of, with_experts
from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.diagnostics.results.router import RouterResult
from moe_mamba_asv.diagnostics.router import diagnose_router
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.countermeasure import Countermeasure

SAMPLE = made_sample()


def _raised(found: RouterResult) -> list[tuple[str, str]]:
    return [(finding.fault, finding.where) for finding in found.findings if finding.raised]


def _diagnosed(model: Countermeasure, folder: Path) -> RouterResult:
    return diagnose_router(predictor_of(model, folder / "m.safetensors"), SAMPLE)


def _balanced() -> Countermeasure:
    """Routers whose mean logits on the sample are even, so that what a frame says decides."""
    model = detector(with_experts())
    crops = torch.from_numpy(np.stack([fit_length(waveform, NUM_SAMPLES) for waveform in SAMPLE.waveforms]))
    for block in model.backend.blocks:
        router, seen = block.mixture.router, []
        hook = router.register_forward_hook(lambda module, given, logits, seen=seen: seen.append(logits))
        with torch.no_grad():
            model(crops)
            router.bias -= seen[0].mean(0)
        hook.remove()
    return model


def _lean(model: Countermeasure, block: int, bias: list[float]) -> None:
    """Make a router add this to its logits, far beyond what frames can say against it."""
    with torch.no_grad():
        model.backend.blocks[block].mixture.router.bias.add_(torch.tensor(bias))


def test_a_healthy_router_raises_nothing(tmp_path: Path) -> None:
    found = _diagnosed(_balanced(), tmp_path)
    assert _raised(found) == []
    assert [len(block.shares) for block in found.blocks] == [4, 4]
    for block in found.blocks:
        assert sum(block.shares) == pytest.approx(1)
        assert 0 < block.entropy <= 1
        assert set(block.groups) == {"bonafide", "A01", "A02"}
        weights = [8, 4, 4]
        mixed = np.average([block.groups[name] for name in ("bonafide", "A01", "A02")], axis=0, weights=weights)
        np.testing.assert_allclose(mixed, block.shares)


def test_an_expert_that_nobody_asks_is_named(tmp_path: Path) -> None:
    model = _balanced()
    _lean(model, 1, [0, 0, -1e4, 0])
    found = _diagnosed(model, tmp_path)
    assert _raised(found) == [("dead_expert", "block 2, expert 3")]
    assert found.blocks[1].shares[2] == 0


def test_a_router_that_always_asks_one_expert_first_has_not_collapsed_but_one_of_eight_has(tmp_path: Path) -> None:
    model = detector(config(backend={"kind": "moe-bimamba", "num_blocks": 1, "moe": {"num_experts": 8}}))
    _lean(model, 0, [1e4, 1e3, 0, 0, 0, 0, 0, 0])
    found = _diagnosed(model, tmp_path)
    assert found.blocks[0].evenness == pytest.approx(np.log(2) / np.log(8))
    assert ("router_collapse", "block 1") in _raised(found)


def test_a_model_without_a_router_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a router"):
        _diagnosed(detector(config()), tmp_path)
