"""What an ONNX file of ours says of itself. Nothing here needs PyTorch: who scores with the file may not have it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moe_mamba_asv.errors import CheckpointError, ConfigError

#: The one entry of the file's metadata, as in our safetensors files.
ENTRY = "moe-mamba-asv"
#: Names of the graph's input, (batch, samples) at 16 kHz, and of its output, (batch,).
WAVEFORMS, SCORES = "waveforms", "scores"
#: A float32 graph whose scores differ by more from PyTorch's is not written; in int8, such scores are others.
LARGEST_DIFFERENCE = 1e-4


class OnnxHeader(BaseModel):
    """Facts that a score depends on, and where the weights came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(default=1, description="of this header")
    recipe: str = Field(description="name of the recipe, e.g. aasist")
    num_samples: int = Field(ge=1, description="length of the crop that the model was trained on and scores")
    shortest_samples: int | None = Field(
        default=None, ge=1, description="the graph takes any length from here; none: num_samples and no other"
    )
    precision: Literal["float32", "int8"] = Field(description="int8: the weights of matrix products are 8 bits wide")
    label_order: tuple[Literal["spoof"], Literal["bonafide"]] = Field(
        default=("spoof", "bonafide"), description="of the logits that the score was made of"
    )
    score_direction: Literal["higher = bona fide"] = Field(
        default="higher = bona fide", description="what a higher score says"
    )
    source_sha256: str = Field(description="digest of the model file that was exported")
    selection: dict[str, Any] = Field(description="how the weights were chosen, as that file says")
    versions: dict[str, str] = Field(description="of the packages that exported it")
    largest_difference: float = Field(description="of a score from PyTorch's, on made clips when it was exported")
    calibration: dict[str, Any] | None = Field(
        default=None, description="learned on scores of that model file; only where the scores are the same"
    )
    usual_facts: dict[str, Any] | None = Field(
        default=None, description="of that file's profile what needs no embedding, which the graph does not answer"
    )

    @property
    def has_parity(self) -> bool:
        """Whether the scores are those of the model file, so that what was learned on those holds for these."""
        return self.largest_difference <= LARGEST_DIFFERENCE


def parse_header(metadata: dict[str, str], name: str) -> OnnxHeader:
    """The header among an ONNX file's metadata.

    Args:
        metadata: of the file, as ONNX Runtime answers it.
        name: of the file, for the error.

    Raises:
        CheckpointError: there is none, or one that says what this version does not understand.
    """
    if ENTRY not in metadata:
        raise CheckpointError(
            f"{name}: an ONNX file without {ENTRY!r} in its metadata",
            wanted="one that `mma export --format onnx` wrote",
            remedy="mma export --model … --format onnx",
        )
    try:
        return OnnxHeader.model_validate_json(metadata[ENTRY])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise CheckpointError(
            f"{name}: a header that is not understood: {place}: {first['msg']}",
            remedy="export the model again with this version",
        ) from error


def read_header(path: Path) -> OnnxHeader:
    """What an ONNX file says of itself.

    Raises:
        CheckpointError: no such file, not ONNX, or not one of ours.
        ConfigError: ONNX Runtime is not installed.
    """
    return parse_header(open_session(path, optimise=False).get_modelmeta().custom_metadata_map, str(path))


def open_session(path: Path, *, threads: int = 0, optimise: bool = True) -> Any:
    """ONNX Runtime's session of a file, on the CPU.

    Args:
        path: of the ONNX file.
        threads: of one forward pass; 0 is a thread for each core.
        optimise: the graph; takes time that only scoring repays.

    Raises:
        CheckpointError: no such file, or not ONNX.
        ConfigError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("no ONNX Runtime", remedy="pip install 'moe-mamba-asv[onnx]'") from error
    if not path.is_file():
        raise CheckpointError(f"no model file at {path}", wanted="an .onnx file that `mma export` wrote")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; its warnings are of nodes that it could place better
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} cannot be read: {first_line}", wanted="an ONNX file that `mma export` wrote"
        ) from error
