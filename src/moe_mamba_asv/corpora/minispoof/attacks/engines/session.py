"""Neural engines: ONNX models that run on one thread."""

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def one_thread_session(model: bytes) -> "InferenceSession":
    """A model in memory, ready to run on one core: the workers of a build are processes, one a core already."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def packaged_bytes(module: str, *path: str) -> bytes:
    """The content of a file inside an installed package."""
    return files(module).joinpath(*path).read_bytes()
