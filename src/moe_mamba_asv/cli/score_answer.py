"""`mma score FILE` without an output file: an answer that says what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from moe_mamba_asv.cli.terminal import stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from moe_mamba_asv.evaluation.calibration.calibration import Calibration
    from moe_mamba_asv.scores import ScoreTable
    from moe_mamba_asv.scoring.answer import Answer
    from moe_mamba_asv.scoring.inputs import Input
    from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor
    from moe_mamba_asv.scoring.predictor import Predictor


def answers_of(
    inputs: Sequence[Input],
    table: ScoreTable,
    predictor: Predictor | OnnxPredictor,
    model: Path,
    calibration: Calibration | None,
    prior: float,
) -> list[Answer]:
    """One for each input that was scored; what is unlike is measured where the model has a profile."""
    from moe_mamba_asv.audio.load import load_16k
    from moe_mamba_asv.scoring.answer import answer

    judge = _judge_of(predictor, model)
    inputs_by_name = {item.utterance: item for item in inputs}
    found = []
    for utterance, score in table.rows("utterance", "score"):
        if score is None:
            continue
        unlike = None
        if judge is not None:
            unlike = judge(load_16k(inputs_by_name[utterance].content()))
        found.append(answer(utterance, score, calibration=calibration, prior=prior, unlike=unlike))
    return found


def _judge_of(predictor: Predictor | OnnxPredictor, model: Path) -> Callable[[NDArray[np.float32]], list[str]] | None:
    """What tells how a waveform is unlike those that the model knows; in ONNX, as far as that needs no embedding."""
    from moe_mamba_asv.scoring.domain import embed, profile_beside
    from moe_mamba_asv.scoring.onnx_knowledge import onnx_usual_facts
    from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor

    if isinstance(predictor, OnnxPredictor):
        usual = onnx_usual_facts(predictor, model)
        return None if usual is None else usual.unlike_facts
    profile = profile_beside(model, predictor.header["model_sha256"])
    return profile and (lambda waveform: profile.unlike(waveform, embed(predictor, [waveform])[0]))


def tell_answers(
    answers: Sequence[Answer], predictor: Predictor | OnnxPredictor, calibration: Calibration | None
) -> None:
    """A line for each recording to stdout; to stderr what is unlike, and what all of it rests on."""
    for one in answers:
        typer.echo(_line(one))  # Rich would turn tabs into spaces
        for reason in one.unlike or ():
            told = f"{one.utterance} is unlike what the model knows: {reason}"
            stderr.print(told, style="yellow", highlight=False, markup=False, soft_wrap=True)
    for line in _grounds(answers, predictor, calibration):
        stderr.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)


def _line(one: Answer) -> str:
    """Name and score; of a calibrated model also probability of bona fide, log-likelihood ratio and verdict."""
    told = f"{one.utterance}\t{one.score:.6g}"
    if one.probability is not None and one.llr is not None:
        told += f"\t{one.probability:.4f}\t{one.llr:+.3f}\t{one.verdict}"
    return told


def _grounds(
    answers: Sequence[Answer], predictor: Predictor | OnnxPredictor, calibration: Calibration | None
) -> list[str]:
    chosen = predictor.selection
    lines = [f"model {predictor.header['model']}, {predictor.header['crop']}; higher = bona fide"]
    if chosen.get("value") is not None:
        where = f"{chosen.get('partition')} of {chosen.get('corpus')}"
        lines.append(f"chosen on {where}: {chosen.get('metric')} {chosen['value']:.4g}")
    if calibration is None:
        lines.append(
            "not calibrated: a score alone tells no probability; `mma calibrate` learns one from scores of dev"
        )
    else:
        learned = f"calibrated on {calibration.partition} of {calibration.corpus}, EER {calibration.eer:.2%}"
        lines.append("name, score, probability of bona fide, log-likelihood ratio, verdict; evidence, not proof")
        lines.append(f"{learned}; prior of bona fide {answers[0].prior if answers else 0.5:g}")
    if answers and answers[0].unlike is None:
        lines.append("no profile: whether a recording is unlike those it knows was not asked; `mma profile` makes one")
    elif "runtime" in predictor.header:
        lines.append("of the profile the ranges alone were asked: an ONNX file answers no embedding")
    return lines
