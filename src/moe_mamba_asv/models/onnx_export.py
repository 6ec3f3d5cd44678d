"""Model files as ONNX: exported, compared with PyTorch, and only then written."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.checkpoint import Checkpoint
from moe_mamba_asv.models.onnx_header import ENTRY, LARGEST_DIFFERENCE, SCORES, WAVEFORMS, OnnxHeader
from moe_mamba_asv.models.onnx_trace import quiet, shortest_samples, trace_to_onnx
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.scores import write_atomically

#: ONNX files, as all of protobuf, end at 2 GiB; some room is left for the graph.
_MOST_BYTES = 2_000_000_000
_SAMPLE_RATE_HZ = 16_000


class OnnxReport(BaseModel):
    """What was exported, and how far its scores are from PyTorch's.

    The clips are made, and of the batch sizes and lengths in ``shapes``. They are no speech: in int8, what the
    difference does to an error rate is to be measured on a corpus.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    precision: str = Field(description="of the file: float32 or int8")
    shortest_samples: int | None = Field(description="the file takes any length from here; none: num_samples alone")
    num_samples: int = Field(description="length of the crop that the model scores")
    shapes: tuple[tuple[int, int], ...] = Field(description="(clips, samples) of the batches that were compared")
    largest_difference: float = Field(
        description="of a float32 score from PyTorch's, as a share of the score where that is beyond 1"
    )
    largest_difference_int8: float | None = Field(description="of an int8 score from PyTorch's; none for float32")
    bytes: int = Field(description="size of the file")
    has_calibration: bool = Field(description="the file carries the calibration of the model")
    has_usual_facts: bool = Field(description="the file carries the ranges of the model's profile")


def export_onnx(
    checkpoint: Checkpoint,
    path: Path,
    *,
    source_sha256: str,
    int8: bool = False,
    calibration: Mapping[str, Any] | None = None,
    usual_facts: Mapping[str, Any] | None = None,
) -> OnnxReport:
    """Write a model as ONNX: any batch size, any length where the network takes any.

    Args:
        checkpoint: the model.
        path: of the ONNX file.
        source_sha256: digest of the model file that the checkpoint is of.
        int8: hold the weights of matrix products in 8 bits, and quantise their inputs as they come; convolutions stay
            as they are, for ONNX Runtime has no fast form of them.
        calibration: learned on the model's scores. The file carries it where its own are the same to
            `LARGEST_DIFFERENCE`: always in float32, hardly ever in int8.
        usual_facts: ranges of the model's profile, which hold whatever the scores are.

    Raises:
        ConfigError: the packages of the extra ``export`` are missing, or the network cannot be said in ONNX.
        CheckpointError: a float32 score is further than `LARGEST_DIFFERENCE` from PyTorch's, or the file would be
            larger than ONNX allows; nothing is written.
    """
    model = checkpoint.build()
    _require_size(model)
    shortest = shortest_samples(model, checkpoint.num_samples)
    batches = made_batches(checkpoint.num_samples, shortest)
    wanted = _torch_scores(model, batches)
    graph = trace_to_onnx(model, checkpoint.num_samples, any_length=shortest is not None)
    difference = _difference(graph, batches, wanted)
    if not difference <= LARGEST_DIFFERENCE:
        raise CheckpointError(
            f"{checkpoint.recipe} scores {difference:.1e} off PyTorch in ONNX",
            wanted=f"at most {LARGEST_DIFFERENCE:g}",
            remedy="precision: float32 in its front-ends; else score it with --runtime torch",
        )
    difference_int8 = None
    if int8:
        graph = _quantised(graph)
        difference_int8 = _difference(graph, batches, wanted)
    largest = difference if difference_int8 is None else difference_int8
    header = OnnxHeader(
        recipe=checkpoint.recipe,
        num_samples=checkpoint.num_samples,
        shortest_samples=shortest,
        precision="int8" if int8 else "float32",
        source_sha256=source_sha256,
        selection=dict(checkpoint.selection),
        versions={**checkpoint.versions, "onnx": version("onnx"), "onnxruntime": version("onnxruntime")},
        largest_difference=largest,
        calibration=dict(calibration) if calibration and largest <= LARGEST_DIFFERENCE else None,
        usual_facts=dict(usual_facts) if usual_facts else None,
    )
    graph.metadata_props.add(key=ENTRY, value=header.model_dump_json())
    content = graph.SerializeToString(deterministic=True)
    write_atomically(path, content)
    return OnnxReport(
        precision=header.precision,
        shortest_samples=shortest,
        num_samples=checkpoint.num_samples,
        shapes=tuple(batch.shape for batch in batches),
        largest_difference=difference,
        largest_difference_int8=difference_int8,
        bytes=len(content),
        has_calibration=header.calibration is not None,
        has_usual_facts=header.usual_facts is not None,
    )


def made_batches(num_samples: int, shortest: int | None) -> list[NDArray[np.float32]]:
    """Batches to compare two runtimes on: sliding tones in swelling noise, from soft to loud; the same each time.

    Args:
        num_samples: length of the crop that the model scores.
        shortest: the model takes any length from here; None: no other length.

    Returns:
        float32 (clips, samples): 1 clip, and 3; where the length is free, 2 that are longer, and 2 that are as short as
        may be.
    """
    generator = np.random.default_rng(0)
    shapes = [(1, num_samples), (3, num_samples)]
    if shortest is not None:
        shapes += [(2, num_samples + num_samples // 5 + 1), (2, shortest)]
    return [np.stack([_made_clip(generator, samples) for _ in range(clips)]) for clips, samples in shapes]


def _made_clip(generator: np.random.Generator, num_samples: int) -> NDArray[np.float32]:
    time = np.arange(num_samples) / _SAMPLE_RATE_HZ
    first_hz, hz_per_s, swell_hz = generator.uniform((100, 100, 1), (1000, 800, 8))
    tone = np.sin(2 * np.pi * (first_hz + hz_per_s * time / 2) * time)
    noise = generator.standard_normal(num_samples) * np.sin(2 * np.pi * swell_hz * time)
    level = 10 ** generator.uniform(-2, -0.5)
    return (level * (tone + noise)).astype(np.float32)


@torch.inference_mode()
def _torch_scores(model: Detector, batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return [model(torch.from_numpy(batch)).score.float().numpy() for batch in batches]


def _difference(graph: Any, batches: Sequence[NDArray[np.float32]], wanted: Sequence[NDArray[np.float32]]) -> float:
    """The largest difference of a score, as a share of it where it is beyond 1; infinite where one is not finite."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; its warnings are of nodes that it could place better
    try:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        scores = [np.asarray(session.run([SCORES], {WAVEFORMS: batch})[0]) for batch in batches]
    except Exception as error:
        raise ConfigError(
            f"an ONNX graph that ONNX Runtime refuses: {str(error).splitlines()[0]}",
            remedy="score the model with --runtime torch",
        ) from error
    largest = max(float((np.abs(a - b) / np.maximum(1, np.abs(b))).max()) for a, b in zip(scores, wanted, strict=True))
    return largest if np.isfinite(largest) else float("inf")


def _quantised(graph: Any) -> Any:
    """The graph with matrix products in 8 bits."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet(), tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "int8.onnx"
        # The default would quantise convolutions too, which ONNX Runtime then runs several times slower.
        quantize_dynamic(graph, out, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8)
        return onnx.load(out)


def _require_size(model: Detector) -> None:
    size = sum(tensor.numel() * 4 for tensor in model.state_dict().values())
    if size > _MOST_BYTES:
        raise CheckpointError(
            f"a model of {size / 1e9:.1f} GB", wanted=f"at most {_MOST_BYTES / 1e9:g} GB, what one ONNX file can hold"
        )
