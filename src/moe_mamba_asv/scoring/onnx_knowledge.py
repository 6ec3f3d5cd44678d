"""What is known of the model that an ONNX file was exported from, as far as it holds for the file; no PyTorch."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from moe_mamba_asv.errors import CheckpointError, ScoreError
from moe_mamba_asv.evaluation.base import misfit
from moe_mamba_asv.evaluation.calibration.calibration import Calibration, read_calibration
from moe_mamba_asv.scoring.domain import UsualFacts, profile_beside
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor

_Part = TypeVar("_Part", bound=BaseModel)


def onnx_calibration(predictor: OnnxPredictor, path: Path) -> Calibration | None:
    """The calibration that holds for the scores of an ONNX file; None where there is none.

    One beside the file (``best.calibration.json``, else ``calibration.json``) comes before one that the file carries.
    It holds if it was learned on scores of this very file; or of the model file that was exported, where both score
    the same, see `OnnxHeader.has_parity`.

    Args:
        predictor: of the file.
        path: of the file.

    Returns:
        It names this file as its model, whichever of the two it was learned on.

    Raises:
        ScoreError: ``<name>.calibration.json`` holds for other scores, or is no calibration.
        CheckpointError: what the file carries is none, or is of another model.
    """
    known, own = predictor.onnx_header, predictor.header["model_sha256"]
    holds = {own, *(("", known.source_sha256) if known.has_parity else ())}
    beside = path.with_name(f"{path.stem}.calibration.json")
    for place in (beside, path.with_name("calibration.json")):
        found = read_calibration(place) if place.exists() else None
        if found is not None and found.model_sha256 in holds:
            return found.model_copy(update={"model_sha256": own})
        if found is not None and place == beside:
            raise ScoreError(
                f"{place} was learned on scores that those of {path.name} ({known.precision}) need not be like",
                wanted=f"scores of {path.name}",
                remedy="score dev with this file and --runtime onnx, and run `mma calibrate` again",
            )
    if known.calibration is None:
        return None
    carried = _parsed(Calibration, known.calibration, path)
    if not known.has_parity or carried.model_sha256 != known.source_sha256:
        raise CheckpointError(f"{path} carries a calibration of another model", remedy="mma export it again")
    return carried.model_copy(update={"model_sha256": own})


def onnx_usual_facts(predictor: OnnxPredictor, path: Path) -> UsualFacts | None:
    """The ranges of the exported model's profile, beside the ONNX file or carried by it; None where there are none.

    Args:
        predictor: of the file.
        path: of the file.

    Raises:
        CheckpointError: a profile of another model beside it, or a part that does not fit.
    """
    known = predictor.onnx_header
    beside = profile_beside(path, known.source_sha256)
    if beside is not None:
        return beside.usual_facts
    return None if known.usual_facts is None else _parsed(UsualFacts, known.usual_facts, path)


def _parsed(kind: type[_Part], part: dict[str, Any], path: Path) -> _Part:
    try:
        return kind.model_validate(part)
    except ValidationError as error:
        raise CheckpointError(misfit(path, error), remedy="mma export it again") from error
