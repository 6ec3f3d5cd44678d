"""Diagnosis of layers and bands: weights that are set by hand, in models that are built as real ones are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from moe_mamba_asv.diagnostics.layers import diagnose_layers
from moe_mamba_asv.diagnostics.results.layers import SincBankResult
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.sincnet import BandPassBank
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn, SpectralLcnnConfig
from tiny_ssl import NUM_LAYERS, save_tiny


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("ssl"), "wavlm-stable")


def _model(source: Path, **sinc: object) -> Countermeasure:
    """A weighted tiny WavLM beside a small SincNet."""
    config = {
        "frontends": [
            {"kind": "ssl", "source": str(source), "layers": "weighted"},
            {"kind": "sincnet", "channels": [2, 2], "num_filters": 40, **sinc},
        ],
        "width": 8,
        "fusion": {"kind": "squeeze-excitation"},
        "backend": {"kind": "transformer", "num_blocks": 1},
        "pooling": {"kind": "mean"},
        "head": {"kind": "linear"},
    }
    return Countermeasure(CountermeasureConfig.model_validate(config))


def _mix_of(model: Countermeasure) -> LayerMix:
    (mix,) = [part for part in model.modules() if isinstance(part, LayerMix)]
    return mix


def _bank_of(model: Countermeasure) -> BandPassBank:
    (bank,) = [part for part in model.modules() if isinstance(part, BandPassBank)]
    return bank


@torch.no_grad()
def _move(bank: BandPassBank, first: int, low_hz: float, high_hz: float) -> None:
    """Filters from ``first`` on become adjoining bands, equally wide, between two frequencies."""
    edges = torch.linspace(low_hz, high_hz, len(bank.low_logits) - first + 1)
    room = bank.high_hz - 5
    bank.low_logits[first:] = torch.logit(edges[:-1] / room)
    bank.band_logits[first:] = torch.logit((edges[1:] - edges[:-1] - 5) / (room - edges[:-1]))


def _only_bank(model: Countermeasure) -> SincBankResult:
    (bank,) = diagnose_layers(model).banks
    return bank


def test_a_fresh_model_has_no_fault(source: Path) -> None:
    result = diagnose_layers(_model(source))
    (weights,), (bank,) = result.weights, result.banks
    assert weights.place == "frontends.0.mix"
    assert weights.shares == pytest.approx([1 / (NUM_LAYERS + 1)] * (NUM_LAYERS + 1))
    assert weights.entropy == pytest.approx(1)
    assert bank.place == "frontends.1.bank"
    assert bank.learnable
    assert bank.coverage == bank.fresh_coverage == 1
    assert bank.widest_gap_hz is None
    assert bank.mean_shift_hz == 0
    assert bank.filters[3].low_hz == pytest.approx(bank.filters[2].high_hz, abs=0.01)
    assert {finding.fault for finding in result.findings} == {"single_layer", "uncovered_band"}
    assert not any(finding.raised for finding in result.findings)


@pytest.mark.parametrize("sinc", [{"low_hz": 300, "high_hz": 3400}, {"num_filters": 128}, {"num_taps": 33}])
def test_a_fresh_bank_of_any_size_and_range_is_no_fault(source: Path, sinc: dict[str, int]) -> None:
    bank = _only_bank(_model(source, **sinc))
    assert not bank.findings[0].raised
    assert bank.coverage == bank.fresh_coverage


def test_a_narrow_range_leaves_the_rest_unheard(source: Path) -> None:
    bank = _only_bank(_model(source, low_hz=300, high_hz=3400))
    assert bank.coverage < 0.55
    assert bank.widest_gap_hz is not None
    low_hz, high_hz = bank.widest_gap_hz
    assert 3400 < low_hz < 3700
    assert high_hz == 8000


def test_one_layer_with_nearly_everything_is_found(source: Path) -> None:
    model = _model(source)
    _mix_of(model).logits.data[2] = 6.0
    result = diagnose_layers(model)
    share = np.exp(6) / (np.exp(6) + NUM_LAYERS)
    assert result.weights[0].heaviest == 2
    assert result.weights[0].shares[2] == pytest.approx(share, rel=1e-5)
    rest = (1 - share) / NUM_LAYERS
    entropy = -(share * np.log(share) + NUM_LAYERS * rest * np.log(rest)) / np.log(NUM_LAYERS + 1)
    assert result.weights[0].entropy == pytest.approx(entropy, rel=1e-4)
    (finding,) = [finding for finding in result.findings if finding.fault == "single_layer"]
    assert finding.raised
    assert finding.n == NUM_LAYERS + 1


def test_three_hidden_states_are_not_judged(source: Path) -> None:
    model = _model(source)
    stream = model.frontends[0]
    stream.mix = LayerMix(3)
    stream.mix.logits.data[0] = 40.0  # so far that the other shares are 0 in float32
    result = diagnose_layers(model)
    assert result.weights[0].entropy == pytest.approx(0, abs=1e-9)
    assert not [finding for finding in result.findings if finding.fault == "single_layer"]


def test_a_bank_whose_upper_half_moved_down_leaves_a_gap(source: Path) -> None:
    model = _model(source)
    _move(_bank_of(model), 20, 200, 2000)
    result = diagnose_layers(model)
    (bank,) = result.banks
    # The lower half of 40 mel bands reaches to 1806 Hz, so above 2 kHz nothing listens.
    assert bank.widest_gap_hz is not None
    low_hz, high_hz = bank.widest_gap_hz
    assert 2000 < low_hz < 2300
    assert high_hz == 8000
    assert bank.coverage == pytest.approx(low_hz / 8000, abs=0.02)
    (finding,) = [finding for finding in result.findings if finding.fault == "uncovered_band"]
    assert finding.raised
    assert finding.where == "frontends.1.bank"
    assert bank.filters[-1].high_hz == pytest.approx(2000, abs=1)
    assert bank.filters[-1].start_high_hz == pytest.approx(8000, abs=5)


def test_a_closed_gate_is_a_gap_too(source: Path) -> None:
    model = _model(source, frequency_mask=True)
    logits = _bank_of(model).mask_logits
    assert logits is not None
    logits.data[30:] = -6.0
    bank = _only_bank(model)
    assert bank.filters[35].mask == pytest.approx(1 / (1 + np.exp(6)), rel=1e-5)
    assert bank.mean_shift_hz == 0
    assert bank.findings[0].raised


def test_filters_that_crowd_do_not_make_a_lone_one_fall_silent(source: Path) -> None:
    model = _model(source, num_filters=128)
    bank = _bank_of(model)
    with torch.no_grad():  # one hears 0 to 4 kHz, all others 4 to 8 kHz: those are 21 dB louder together
        bank.low_logits[:] = torch.logit(torch.tensor(4000 / 7995))
        bank.band_logits[:] = torch.logit(torch.tensor(3990 / 3995))
        bank.low_logits[0], bank.band_logits[0] = torch.logit(torch.tensor([1 / 7995, 3995 / 7994]))
    found = _only_bank(model)
    assert max(found.summed_db) - found.summed_db[32] > 20  # 2 kHz
    assert found.coverage == 1


def test_the_answers_of_filters_add_up_as_powers(source: Path) -> None:
    bank = _only_bank(_model(source))
    powers = 10 ** (np.array([one.response_db for one in bank.filters]) / 10)
    assert bank.summed_db == pytest.approx(10 * np.log10(powers.sum(axis=0)), abs=1e-6)


def test_the_response_of_a_wide_filter_is_flat_inside_and_low_outside(source: Path) -> None:
    model = _model(source)
    _move(_bank_of(model), 39, 2000, 4000)
    bank = _only_bank(model)
    response = dict(zip(bank.frequencies_hz, bank.filters[39].response_db, strict=True))
    assert response[3000.0] == pytest.approx(0, abs=0.1)
    assert response[2000.0] == pytest.approx(-6, abs=0.2)  # half the amplitude at an edge
    assert response[1000.0] < -50
    assert response[5000.0] < -50


def test_shifts_are_told_from_the_model_that_training_began_with(source: Path) -> None:
    start, model = _model(source), _model(source)
    _move(_bank_of(start), 0, 100, 4100)
    _move(_bank_of(model), 0, 150, 4150)
    assert diagnose_layers(model, start).banks[0].mean_shift_hz == pytest.approx(50, abs=0.1)
    assert diagnose_layers(model).banks[0].mean_shift_hz > 100
    with pytest.raises(ConfigError, match="40 filters"):
        diagnose_layers(model, _model(source, num_filters=20))


def test_a_fixed_bank_stays_where_it_is() -> None:
    (bank,) = diagnose_layers(Aasist(AasistConfig())).banks
    assert not bank.learnable
    assert len(bank.filters) == 70
    assert (bank.coverage, bank.mean_shift_hz) == (1, 0)
    assert bank.filters[0].low_hz == 0
    assert bank.filters[-1].high_hz == pytest.approx(8000)


def test_a_model_without_such_parts_has_none() -> None:
    result = diagnose_layers(SpectralLcnn(SpectralLcnnConfig()))
    assert (result.weights, result.banks, result.findings) == ((), (), ())
