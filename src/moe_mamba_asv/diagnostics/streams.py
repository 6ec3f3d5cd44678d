"""How much of a decision comes from which stream, and what fine-tuning did to that.

Three looks, as each alone can mislead: the share of a stream in the fused frames says how loud it is, its gradient
share how much the score would answer to it, and replacing it by its mean what the decisions lose without it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moe_mamba_asv.diagnostics.drift import eer_shifts
from moe_mamba_asv.diagnostics.results.finding import Finding, by_rule
from moe_mamba_asv.diagnostics.results.streams import StreamBalance, StreamsResult, StreamsShift
from moe_mamba_asv.diagnostics.sample import Sample
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.fusion.align import align
from moe_mamba_asv.models.fusion.fusion import Fusion
from moe_mamba_asv.scoring.predictor import Predictor

#: A stream without which the scores move less than this, in their standard deviations, has no say: a detector that
#: listens to both moves by tenths.
SILENT_SCORE_CHANGE = 0.05
#: A share that moves by more than this from one checkpoint to the next is another balance.
SHIFTED_SHARE = 0.2
BONAFIDE = "bonafide"
_BATCH = 8
_WANTED = "two streams and a fusion, as phase 4 has them"


@dataclass(frozen=True)
class _Heard:
    """What both streams hand to the fusion, for all clips.

    Attributes:
        streams: two of (clips, frames of the stream, width).
        means: of each over clips and frames, (width,).
    """

    streams: tuple[Tensor, Tensor]
    means: tuple[Tensor, Tensor]


def diagnose_streams(
    predictor: Predictor,
    sample: Sample,
    generator: np.random.Generator,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> StreamsResult:
    """Measure the balance of two streams.

    Args:
        predictor: of a `Countermeasure` with two front-ends.
        sample: clips of both classes.
        generator: of the bootstrap.
        on_clips: told of every batch's size; the front-ends hear each clip once.

    Raises:
        ConfigError: the model has not two streams.
    """
    model = _two_streams(predictor)
    heard = _listen(predictor, model, sample, on_clips)
    scores, shares, gates = _decide(model, heard)
    gradients = _gradient_shares(model, heard)
    without = [_decide(model, heard, replaced=number)[0] for number in (0, 1)]
    first, second = (
        _balance(name, number, sample, scores, without[number], shares, gates, gradients, generator)
        for number, name in enumerate(stream_names(model))
    )
    findings = [_silence(stream, len(scores)) for stream in (first, second)]
    return StreamsResult(n=len(scores), streams=(first, second), findings=tuple(findings))


def diagnose_shift(
    before: tuple[str, StreamsResult, NDArray[np.float64]],
    after: tuple[str, StreamsResult, NDArray[np.float64]],
    sample: Sample,
    generator: np.random.Generator,
) -> StreamsShift:
    """Compare the balance of two checkpoints, such as a phase and what fine-tuning made of it.

    Args:
        before: name, balance and scores (clips,) of the first.
        after: likewise of the second, on the same sample.
        sample: the clips.
        generator: of the bootstrap.

    Raises:
        ConfigError: their streams are not the same.
    """
    (name, old, old_scores), (new_name, new, new_scores) = before, after
    names = [stream.name for stream in old.streams]
    if names != [stream.name for stream in new.streams]:
        raise ConfigError(f"streams {names} of {name}, others of {new_name}", wanted="two checkpoints of one model")
    pairs = list(zip(old.streams, new.streams, strict=True))
    pooled, attacks = eer_shifts(sample, old_scores, new_scores, generator)
    share = {one.name: two.share - one.share for one, two in pairs}
    gradient = {one.name: two.gradient_share - one.gradient_share for one, two in pairs}
    return StreamsShift(
        before=name,
        after=new_name,
        share=share,
        gradient_share=gradient,
        score_change={one.name: two.score_change - one.score_change for one, two in pairs},
        eer=pooled,
        attacks=attacks,
        findings=tuple(
            by_rule("stream_shift", measure, -change[stream], limit=SHIFTED_SHARE, n=new.n, where=stream)
            for measure, change in (("share_lost", share), ("gradient_share_lost", gradient))
            for stream in names
        ),
    )


def stream_names(model: Countermeasure) -> list[str]:
    """Of the front-ends: what they are, numbered where two are the same."""
    kinds = [frontend.kind for frontend in model.config.frontends]
    return [kind if kinds.count(kind) == 1 else f"{kind} {number}" for number, kind in enumerate(kinds, start=1)]


def _two_streams(predictor: Predictor) -> Countermeasure:
    model = predictor.model
    if not isinstance(model, Countermeasure):
        raise ConfigError(f"a model without streams, {predictor.checkpoint.recipe}", wanted=_WANTED)
    _fusion_of(model)
    return model


def _fusion_of(model: Countermeasure) -> Fusion:
    if model.fusion is None:
        raise ConfigError("a model of one stream", wanted=_WANTED)
    return model.fusion


@torch.inference_mode()
def _listen(predictor: Predictor, model: Countermeasure, sample: Sample, on_clips: Callable[[int], None]) -> _Heard:
    parts = []
    for start in range(0, len(sample.waveforms), _BATCH):
        crops = [predictor.crop(waveform) for waveform in sample.waveforms[start : start + _BATCH]]
        parts.append(model.projected(torch.from_numpy(np.stack(crops)).to(predictor.device)))
        on_clips(len(crops))
    first, second = (torch.cat([part[number] for part in parts]) for number in (0, 1))
    return _Heard((first, second), (first.mean((0, 1)), second.mean((0, 1))))


@torch.inference_mode()
def _decide(
    model: Countermeasure, heard: _Heard, replaced: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Scores (clips,), shares (clips, 2) and gates (clips, 2) or None; one stream may be replaced by its mean."""
    fusion, scores, shares, gates = _fusion_of(model), [], [], []
    for streams in _batches(heard):
        if replaced is not None:
            streams[replaced] = heard.means[replaced].expand_as(streams[replaced])
        frames, auxiliaries = model.fuse(streams)
        scores.append(model.decide(frames).score.double())
        shares.append(auxiliaries["stream_shares"].double())
        gate = fusion.mean_gates(*align(*streams))
        gates += [] if gate is None else [gate.double()]
    joined = torch.cat(gates).cpu().numpy() if gates else None
    return torch.cat(scores).cpu().numpy(), torch.cat(shares).cpu().numpy(), joined


def _gradient_shares(model: Countermeasure, heard: _Heard) -> NDArray[np.float64]:
    """(2,): the first-order change of the score if a stream were replaced by its mean, relative to both streams'."""
    sums = torch.zeros(2, dtype=torch.float64)
    for batch in _batches(heard):
        # Copies: tensors of inference mode take no part in a graph.
        streams = [stream.clone().requires_grad_() for stream in batch]
        with torch.enable_grad():
            frames, _ = model.fuse(streams)
            gradients = torch.autograd.grad(model.decide(frames).score.sum(), streams)
        for number, (gradient, stream) in enumerate(zip(gradients, streams, strict=True)):
            moved = gradient * (stream.detach() - heard.means[number].clone())
            sums[number] += moved.sum((1, 2)).abs().sum().double().cpu()
    total = sums.sum()
    return (sums / total if total > 0 else torch.full((2,), 0.5, dtype=torch.float64)).numpy()


def _batches(heard: _Heard) -> list[list[Tensor]]:
    first, second = (stream.split(_BATCH) for stream in heard.streams)
    return [list(pair) for pair in zip(first, second, strict=True)]


def _balance(
    name: str,
    number: int,
    sample: Sample,
    scores: NDArray[np.float64],
    without: NDArray[np.float64],
    shares: NDArray[np.float64],
    gates: NDArray[np.float64] | None,
    gradients: NDArray[np.float64],
    generator: np.random.Generator,
) -> StreamBalance:
    pooled, attacks = eer_shifts(sample, scores, without, generator)
    of = {BONAFIDE: sample.rows_of(""), **{attack: sample.rows_of(attack) for attack in sample.attack_names}}
    spread = float(scores.std()) or 1.0
    return StreamBalance(
        name=name,
        share=float(shares[:, number].mean()),
        gate=None if gates is None else float(gates[:, number].mean()),
        gradient_share=float(gradients[number]),
        score_change=float(np.sqrt(np.mean((without - scores) ** 2)) / spread),
        pooled=pooled,
        attacks=attacks,
        shares={group: float(shares[rows, number].mean()) for group, rows in of.items()},
    )


def _silence(stream: StreamBalance, clips: int) -> Finding:
    return by_rule(
        "silent_stream",
        "score_change",
        stream.score_change,
        limit=SILENT_SCORE_CHANGE,
        beyond="below",
        n=clips,
        where=stream.name,
    )
