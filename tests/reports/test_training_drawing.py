"""Figures of runs, of weights and of occlusion: drawn from any numbers, and where their marks stand."""

import re
from xml.etree import ElementTree

import pytest

from moe_mamba_asv.diagnostics.results.layers import LayersResult, LayerWeights, SincBankResult, SincFilter
from moe_mamba_asv.diagnostics.results.occlusion import Cell, OcclusionResult
from moe_mamba_asv.diagnostics.results.training import Epoch, NonFinite, RunFacts, TrainingResult
from moe_mamba_asv.reports.canvas import BONAFIDE, SPOOF
from moe_mamba_asv.reports.drawings.layers import layer_weights_figure, sinc_figure
from moe_mamba_asv.reports.drawings.occlusion import occlusion_figure
from moe_mamba_asv.reports.drawings.training import _event_epochs, training_figure


def _run(eers: list[float], *, losses: list[float | None] | None = None, steps: tuple[int, ...] = ()) -> TrainingResult:
    best = None if not eers else eers.index(min(eers)) + 1
    facts = RunFacts(
        recipe="made",
        seed=0,
        train=(),
        dev=(),
        train_clips=1,
        dev_clips=1,
        versions={},
        system="Linux",
        gpus=(),
        threads=1,
        commit=None,
        has_changes=None,
        command="mma train made",
        started="2026-01-01T00:00:00+00:00",
        ended=None,
    )
    epochs = [
        Epoch(
            epoch=number,
            step=100 * number,
            loss=loss,
            dev_eer=eer,
            terms={},
            learning_rates={},
            stream_shares=(),
            expert_shares=(),
        )
        for number, (eer, loss) in enumerate(zip(eers, losses or [0.5] * len(eers), strict=True), start=1)
    ]
    return TrainingResult(
        facts=facts,
        epochs=tuple(epochs),
        best_epoch=best,
        eer_rise=None,
        overfitting_judged=False,
        overfit_since=None,
        non_finite=(NonFinite(what="loss", culprit="head", steps=steps),) if steps else (),
        steps=100 * len(eers),
        skipped_steps=len(steps),
        skipped_share=0.0,
        roll_backs=0,
        stopped=False,
        findings=(),
    )


def _words(svg: str) -> str:
    assert "nan" not in svg
    return "".join(ElementTree.fromstring(svg).itertext())


def _bank(*, heard: bool = True) -> SincBankResult:
    one = SincFilter(low_hz=100, high_hz=900, mask=0.0, start_low_hz=0, start_high_hz=800, response_db=(0.0, -120.0))
    return SincBankResult(
        place="frontends.0.bank",
        learnable=True,
        filters=(one, one),
        frequencies_hz=(0.0, 8000.0),
        summed_db=(0.0, -120.0),
        start_summed_db=(0.0, 0.0),
        coverage=1.0 if heard else 0.0,
        fresh_coverage=1.0,
        heard=(heard, heard),
        widest_gap_hz=None,
        mean_shift_hz=100.0,
        findings=(),
    )


def _occlusion(change: float, repeated_from_s: float | None = None) -> OcclusionResult:
    return OcclusionResult(
        score=1.0,
        times_s=(0.0, 0.5, 1.0),
        bands_hz=(0.0, 4000.0, 8000.0),
        time_changes=(change, 0.0),
        band_changes=(change, 0.0),
        changes=((change, 0.0), (0.0, 0.0)),
        telling=Cell(start_s=0, end_s=0.5, low_hz=0, high_hz=4000, change=change),
        repeated_from_s=repeated_from_s,
        attenuation_db=60.0,
    )


def test_events_stand_between_the_ends_of_their_epoch() -> None:
    assert _event_epochs(_run([0.2, 0.1, 0.15], steps=(25, 100, 250))) == pytest.approx([0.25, 1.0, 2.5])
    # A run that stopped within its fourth epoch has no end of it to go by.
    assert _event_epochs(_run([0.2, 0.1, 0.15], steps=(320,))) == [3.0]
    assert _event_epochs(_run([], steps=(5,))) == [0.0]


@pytest.mark.parametrize(
    "run",
    [
        _run([0.2, 0.1, 0.15], steps=(20,)),
        _run([0.2]),
        _run([], steps=(5,)),
        _run([0.2, 0.1], losses=[None, None]),
    ],
    ids=["plain", "one epoch", "none", "no loss"],
)
def test_any_run_is_drawn(run: TrainingResult) -> None:
    assert "dev EER (%)" in _words(training_figure([("a", run)]))


def test_several_runs_have_a_legend_of_plain_names() -> None:
    run = _run([0.2, 0.1])
    words = _words(training_figure([("a$x$", run), ("\u8bad\u7ec3", run)]))
    assert "a$x$" in words
    assert "#2" in words
    assert words.replace("\N{MINUS SIGN}", "-").isascii()


def test_the_heaviest_layer_has_a_colour_of_its_own() -> None:
    mix = LayerWeights(place="frontends.0.mix", shares=(0.1, 0.7, 0.2), entropy=0.7, heaviest=1)
    svg = layer_weights_figure(LayersResult(weights=(mix,), banks=(), findings=()))
    assert len(re.findall(rf"fill: {SPOOF}", svg)) == 1
    assert len(re.findall(rf"fill: {BONAFIDE}", svg)) == 2
    two = layer_weights_figure(LayersResult(weights=(mix, mix), banks=(), findings=()))
    assert "#2" in _words(two)


def test_unheard_frequencies_are_shaded() -> None:
    shaded = [
        sinc_figure(LayersResult(weights=(), banks=(_bank(heard=heard),), findings=())).count(SPOOF)
        for heard in (True, False)
    ]
    assert shaded[0] == 0
    assert shaded[1] > 0


def test_a_cell_that_spoke_for_bona_fide_is_blue_and_one_against_it_orange() -> None:
    # The bar of colours has each of its 21 once; a cell of the map has one more.
    for change, more, less in ((-2.0, BONAFIDE, SPOOF), (2.0, SPOOF, BONAFIDE)):
        svg = occlusion_figure(_occlusion(change))
        assert svg.count(more) > svg.count(less)


def test_a_clip_without_any_change_and_one_that_is_repeated_are_drawn() -> None:
    assert "frequency (kHz)" in _words(occlusion_figure(_occlusion(0.0)))
    assert "score change" in _words(occlusion_figure(_occlusion(1.0, repeated_from_s=0.7)))
