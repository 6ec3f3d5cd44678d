"""A detector in ONNX Runtime, ready to score: no PyTorch, Lightning or transformers is imported for it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.hub import HUB_ONNX, HUB_SCHEME, fetch_onnx
from moe_mamba_asv.models.onnx_header import SCORES, WAVEFORMS, open_session, parse_header
from moe_mamba_asv.scoring.scorer import scored_stretch, stretch_in_words

#: Names of an ONNX file in a folder, the first that is there.
_IN_FOLDER = ("best.onnx", HUB_ONNX)


class OnnxPredictor:
    """Scores clips with a file that `mma export --format onnx` wrote, on the CPU; see `Scorer`.

    Args:
        path: of the ONNX file.
        threads: of one forward pass; 0 is a thread for each core.

    Attributes:
        onnx_header: what the file says of itself.

    Raises:
        CheckpointError: no such file, not ONNX, or not one of ours.
        ConfigError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self._session = open_session(path, threads=threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.onnx_header = parse_header(metadata, str(path))
        self.num_samples = self.onnx_header.num_samples
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.header = {
            "model": self.onnx_header.recipe,
            "model_sha256": digest,
            "source_sha256": self.onnx_header.source_sha256,
            "runtime": f"onnx {self.onnx_header.precision}",
            "crop": stretch_in_words(self.num_samples),
            "direction": self.onnx_header.score_direction,
        }

    @property
    def selection(self) -> Mapping[str, Any]:
        """How the weights were chosen, as the model file said that was exported."""
        return self.onnx_header.selection

    def crop(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The stretch of a clip that is scored; see `scored_stretch`, also for the error."""
        return scored_stretch(waveform, self.num_samples)

    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Score clips that `crop` made.

        Returns:
            (len(crops),); higher = bona fide. The answer for a clip depends on its neighbours in the batch only by
            float32 rounding; in int8 by more, as the scale of a product's input is that of the whole batch.
        """
        batch = np.stack(crops).astype(np.float32, copy=False)
        (scores,) = self._session.run([SCORES], {WAVEFORMS: batch})
        return scores


def find_onnx_model(name: str) -> Path:
    """The ONNX file that a person means.

    Args:
        name: a file; a folder that holds best.onnx or model.onnx; or ``hf://owner/name``, perhaps with ``@revision``,
            a repository that holds model.onnx.

    Raises:
        CheckpointError: there is none of these, or a file of another ending; or the hub cannot be asked.
    """
    if name.startswith(HUB_SCHEME):
        return fetch_onnx(name)
    path = Path(name)
    candidates = [path / each for each in _IN_FOLDER] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file() and candidate.suffix == ".onnx":
            return candidate
    raise CheckpointError(
        f"no ONNX model at {candidates[0]}",
        wanted=f"an .onnx file, a folder that holds {' or '.join(_IN_FOLDER)}, or hf://owner/name",
        remedy="mma export --model … --format onnx",
    )
