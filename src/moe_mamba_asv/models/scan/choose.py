"""Which implementation serves a scan, and why the others don't."""

import importlib.util
import logging
from functools import cache
from typing import Literal, get_args

import torch

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.scan.inputs import ScanInputs

Implementation = Literal["auto", "reference", "chunked", "native", "triton", "mamba_ssm"]

_log = logging.getLogger(__name__)


def available_implementations() -> dict[str, str | None]:
    """Every implementation by name: None where it can be used here, else the reason why it can't."""
    return {
        "reference": None,
        "chunked": None,
        "native": _why_not_native(),
        "triton": _why_not_triton(),
        "mamba_ssm": _why_not_official(),
    }


def _why_not_native() -> str | None:
    from moe_mamba_asv.models.scan.native.library import find_library

    found = find_library()
    return found if isinstance(found, str) else None


@cache
def _why_not_triton() -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "the package triton is not installed"
    if not torch.cuda.is_available():
        return "no CUDA device"
    import triton

    # Kernels take strides as tuples, which older versions refuse.
    if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 3):
        return f"triton {triton.__version__} is older than 3.3"
    return None


@cache
def _why_not_official() -> str | None:
    from moe_mamba_asv.models.scan.official import official_scan

    found = official_scan()
    if isinstance(found, str):
        return found
    return None if torch.cuda.is_available() else "no CUDA device"


def choose(inputs: ScanInputs, wanted: str) -> Implementation:
    """Resolve ``auto``; refuse what cannot serve.

    Raises:
        ScanError: an unknown name, or an implementation that is not there; the message says why.
    """
    match wanted:
        case "auto":
            return _automatic(inputs.u.device.type, inputs.accumulate_dtype)
        case "reference" | "chunked":
            return wanted
        case "native":
            reason = _why_not_native() or _wrong_device(inputs, "cpu")
        case "triton":
            reason = _why_not_triton() or _wrong_device(inputs, "cuda")
        case "mamba_ssm":
            reason = _why_not_official() or _wrong_device(inputs, "cuda")
        case _:
            raise ScanError(f"scan implementation {wanted!r}", wanted=", ".join(get_args(Implementation)))
    if reason is not None:
        raise ScanError(f"scan implementation {wanted!r}: {reason}", remedy="'auto' takes the best that is there")
    return wanted


def _wrong_device(inputs: ScanInputs, wanted: str) -> str | None:
    return None if inputs.u.device.type == wanted else f"tensors on {inputs.u.device}, not on {wanted}"


def _automatic(device: str, dtype: torch.dtype) -> Implementation:
    name, reason = explain_automatic(device, dtype)
    _say_once(device, name, reason)
    return name


def explain_automatic(device: str, dtype: torch.dtype = torch.float32) -> tuple[Implementation, str]:
    """What ``auto`` takes on a device, and why.

    The official kernels are not among them: they take no initial state, so a stream would need another.
    """
    if device == "cpu":
        reason = _why_not_native()
        return ("native", "the compiled kernel is there") if reason is None else ("chunked", f"native: {reason}")
    if device == "cuda":
        if dtype == torch.float64:
            return "chunked", "triton: computes in float32 only"
        reason = _why_not_triton()
        return ("triton", "a CUDA device and triton are there") if reason is None else ("chunked", f"triton: {reason}")
    return "chunked", f"no kernel is written for {device}"


@cache
def _say_once(device: str, name: str, reason: str) -> None:
    _log.info("selective scan on %s: %s (%s)", device, name, reason)
