"""What does a model listen to by its own weights: which layers, which bands? Asked of the weights, without any clip."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from moe_mamba_asv.diagnostics.results.finding import Finding, by_rule
from moe_mamba_asv.diagnostics.results.layers import LayersResult, LayerWeights, SincBankResult, SincFilter
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.aasist.sinc_bank import SincBank, mel_band_edges_hz
from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.sincnet import BandPassBank, SincNetConfig
from moe_mamba_asv.models.output import Detector

#: A mean in which one hidden state weighs so much is that state with some noise; 0.9 leaves all others 0.1 together.
SHARE_LIMIT = 0.9
#: Of two or three hidden states, one may well have almost everything.
MIN_STATES = 4
#: A bank hears what is at most so far below the loudest: a fresh bank of 20 to 128 filters of 129 taps stays
#: within 13 dB, and at 20 dB a sound counts for a hundredth of its power.
HEARD_DB = -20.0
#: A choice: a bank may lose a tenth of what a fresh one hears before that is a fault; edges are there to move.
KEPT_COVERAGE = 0.9
#: 0 to 8 kHz in steps of 62.5 Hz, half of what a filter of 129 taps can tell apart.
FREQUENCIES_HZ = np.linspace(0, 8_000, 129)
_SAMPLE_RATE_HZ = 16_000
#: Nothing is told of what lies deeper.
_FLOOR_DB = -120.0
_Filters = NDArray[np.float64]


def diagnose_layers(model: Detector, start: Detector | None = None) -> LayersResult:
    """What the weights of a model say of the layers and bands it listens to.

    Args:
        model: any detector; parts that it does not have are left out.
        start: as it was before training, from which shifts are told; None takes freshly initialised banks, as a
            training from nothing does.

    Raises:
        ConfigError: ``start`` has no bank of this size where the model has one.
    """
    weights = [_weights(place, part) for place, part in model.named_modules() if isinstance(part, LayerMix)]
    banks = []
    for place, part in model.named_modules():
        if isinstance(part, BandPassBank | SincBank):
            banks.append(_bank(place, part, _fresh(part) if start is None else _counterpart(start, place, part)))
    findings = [
        by_rule(
            "single_layer",
            "largest_layer_share",
            max(one.shares),
            limit=SHARE_LIMIT,
            n=len(one.shares),
            where=one.place,
            no_effect=1 / len(one.shares),
            unit="layers",
        )
        for one in weights
        if len(one.shares) >= MIN_STATES
    ]
    findings += [finding for bank in banks for finding in bank.findings]
    return LayersResult(weights=tuple(weights), banks=tuple(banks), findings=tuple(findings))


def _weights(place: str, mix: LayerMix) -> LayerWeights:
    shares = mix.shares().double().cpu().numpy()
    present = shares[shares > 0]
    entropy = -float(present @ np.log(present)) / math.log(len(shares)) if len(shares) > 1 else 1.0
    return LayerWeights(
        place=place, shares=tuple(shares.tolist()), entropy=max(0.0, entropy), heaviest=int(shares.argmax())
    )


def _bank(place: str, bank: BandPassBank | SincBank, start: BandPassBank | SincBank) -> SincBankResult:
    responses, before, fresh = (_responses(_taps(one)) for one in (bank, start, _fresh(bank)))
    summed, summed_before, summed_fresh = (_summed(one) for one in (responses, before, fresh))
    # A hundred filters that crowd raise the loudest point by 20 dB: one that has stayed alone would seem silent.
    loudest = min(summed.max(), summed_fresh.max())
    heard, heard_fresh = _db(summed / loudest) >= HEARD_DB, _db(summed_fresh / summed_fresh.max()) >= HEARD_DB
    edges, edges_before, masks = _edges_hz(bank), _edges_hz(start), _masks(bank)
    filters = [
        SincFilter(
            low_hz=now[0],
            high_hz=now[1],
            mask=mask,
            start_low_hz=then[0],
            start_high_hz=then[1],
            response_db=tuple(_db(response).tolist()),
        )
        for now, then, mask, response in zip(edges, edges_before, masks, responses, strict=True)
    ]
    return SincBankResult(
        place=place,
        learnable=isinstance(bank, BandPassBank) and isinstance(bank.low_logits, nn.Parameter),
        filters=tuple(filters),
        frequencies_hz=tuple(FREQUENCIES_HZ.tolist()),
        summed_db=tuple(_db(summed).tolist()),
        start_summed_db=tuple(_db(summed_before).tolist()),
        coverage=float(heard.mean()),
        fresh_coverage=float(heard_fresh.mean()),
        heard=tuple(heard.tolist()),
        widest_gap_hz=_widest_gap_hz(heard),
        mean_shift_hz=float(np.abs(edges - edges_before).mean()),
        findings=(_uncovered(place, heard, heard_fresh, len(filters)),),
    )


def _uncovered(place: str, heard: NDArray[np.bool_], heard_fresh: NDArray[np.bool_], filters: int) -> Finding:
    """A bank that was made for a part of the band is held to that part."""
    fresh = float(heard_fresh.mean())
    return by_rule(
        "uncovered_band",
        "coverage",
        float(heard.mean()),
        limit=KEPT_COVERAGE * fresh,
        n=filters,
        where=place,
        beyond="below",
        no_effect=fresh,
        unit="filters",
    )


def _fresh(bank: BandPassBank | SincBank) -> BandPassBank | SincBank:
    """As this bank was before any training."""
    if isinstance(bank, SincBank):
        return bank  # no training changes it
    config = SincNetConfig(
        num_filters=len(bank.low_logits),
        num_taps=bank.num_taps,
        low_hz=bank.low_hz,
        high_hz=bank.high_hz,
        frequency_mask=bank.mask_logits is not None,
    )
    return BandPassBank(config)


def _counterpart(start: Detector, place: str, bank: BandPassBank | SincBank) -> BandPassBank | SincBank:
    other = dict(start.named_modules()).get(place)
    if not isinstance(other, BandPassBank | SincBank) or len(_taps(other)) != len(_taps(bank)):
        raise ConfigError(
            f"no bank of {len(_taps(bank))} filters at {place} of the model to start from",
            wanted="the same model before training",
        )
    return other


@torch.no_grad()
def _taps(bank: BandPassBank | SincBank) -> _Filters:
    """(filters, taps), gates included."""
    filters = bank.filters() if isinstance(bank, BandPassBank) else bank.filters
    return filters[:, 0].double().cpu().numpy()


@torch.no_grad()
def _edges_hz(bank: BandPassBank | SincBank) -> _Filters:
    """(filters, 2): lower and upper."""
    if isinstance(bank, BandPassBank):
        return bank.edges_hz().double().cpu().numpy()
    edges = mel_band_edges_hz(len(bank.filters))
    return np.stack([edges[:-1], edges[1:]], axis=1)


@torch.no_grad()
def _masks(bank: BandPassBank | SincBank) -> _Filters:
    """(filters,)"""
    return bank.mask().double().cpu().numpy() if isinstance(bank, BandPassBank) else np.ones(len(bank.filters))


def _responses(taps: _Filters) -> _Filters:
    """|H|: (filters, taps) to (filters, frequencies)."""
    turns = np.outer(np.arange(taps.shape[1]), FREQUENCIES_HZ / _SAMPLE_RATE_HZ)
    return np.abs(taps @ np.exp(-2j * np.pi * turns))


def _summed(responses: _Filters) -> _Filters:
    """The root of summed powers, (frequencies,): what noise of all frequencies leaves behind all filters."""
    return np.sqrt((responses**2).sum(axis=0))


def _db(magnitude: _Filters) -> _Filters:
    return 20 * np.log10(np.maximum(magnitude, 10 ** (_FLOOR_DB / 20)))


def _widest_gap_hz(heard: NDArray[np.bool_]) -> tuple[float, float] | None:
    """The longest run of unheard frequencies, each standing for its step to the neighbours."""
    changes = np.diff(np.concatenate([[False], ~heard, [False]]).astype(int))
    firsts, lasts = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1) - 1
    if not len(firsts):
        return None
    widest = int((lasts - firsts).argmax())
    half = FREQUENCIES_HZ[1] / 2
    low, high = FREQUENCIES_HZ[firsts[widest]] - half, FREQUENCIES_HZ[lasts[widest]] + half
    return max(0.0, float(low)), min(float(FREQUENCIES_HZ[-1]), float(high))
