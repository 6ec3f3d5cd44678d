"""From a detector in PyTorch to an ONNX graph: waveforms (batch, samples) go in, scores (batch,) come out."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.aasist.model import Aasist
from moe_mamba_asv.models.frontends.causal_sincnet import CausalSincNetFrontend
from moe_mamba_asv.models.frontends.frontend import SHORTEST_SAMPLES
from moe_mamba_asv.models.frontends.sincnet import BandPassBank, SincNetFrontend
from moe_mamba_asv.models.onnx_header import SCORES, WAVEFORMS
from moe_mamba_asv.models.output import Detector

#: Clips that are traced: the exporter takes sizes of 0 and 1 for constants.
_TRACED_CLIPS = 2
#: Constants are folded whatever their size.
_ANY_SIZE = 2**40


def trace_to_onnx(model: Detector, num_samples: int, *, any_length: bool) -> Any:
    """The graph of a detector in evaluation mode, for any batch size.

    Filters are computed once and written down; pooling and padding are said in operators that ONNX has. The numbers
    are those of ``model``, which stays as it is.

    Args:
        model: as `Checkpoint.build` answers it.
        num_samples: length of what is traced.
        any_length: leave the length open, see `shortest_samples`; else it is ``num_samples``.

    Returns:
        ``onnx.ModelProto``.

    Raises:
        ConfigError: no exporter is installed; or the detector does something that it has no word for.
    """
    from moe_mamba_asv.models.scan.onnx import translation_table  # asks for onnxscript, and says so

    axis = torch.export.Dim.AUTO
    shape = {0: axis, 1: axis if any_length else torch.export.Dim.STATIC}
    waveforms = torch.zeros(_TRACED_CLIPS, num_samples)
    with torch.no_grad(), quiet():
        scorer = _ScoreAlone(_spelled_out(model, any_length)).eval()
        try:
            traced = torch.export.export(scorer, (waveforms,), dynamic_shapes=(shape,))
            program = torch.onnx.export(
                traced,
                dynamo=True,
                custom_translation_table=translation_table(),
                input_names=[WAVEFORMS],
                output_names=[SCORES],
                verbose=False,
                optimize=False,  # it takes a number as small as 1e-8 for 0; see `_fold_constants`
            )
            assert program is not None  # it is for dynamo=True
            _fold_constants(program.model)
            proto = program.model_proto
        except Exception as error:
            raise ConfigError(
                f"a detector that cannot be said in ONNX: {_reason(error)}", remedy="score it with --runtime torch"
            ) from error
    _name_axes(proto.graph.input[0], ("batch", "samples"))
    _name_axes(proto.graph.output[0], ("batch",))
    return proto


def shortest_samples(model: Detector, num_samples: int) -> int | None:
    """Shortest clip of a graph that takes any length from there on; None for one that takes ``num_samples`` alone.

    AASIST keeps a share of its nodes, and the tracer writes down how many that are at one length. A front-end of
    band-pass filters repeats a clip too short for one frame, which a graph does not.
    """
    if isinstance(model, Aasist):
        return None
    shortest = SHORTEST_SAMPLES
    for module in model.modules():
        if isinstance(module, CausalSincNetFrontend):
            shortest = max(shortest, module.hop_samples)
        elif isinstance(module, SincNetFrontend):
            shortest = max(shortest, module.hop_samples + module.bank.num_taps - 1)
    return shortest if shortest <= num_samples else None


class _ScoreAlone(nn.Module):
    """(batch, samples) to (batch,)."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.detector(waveforms).score.float()


class _FixedBank(nn.Module):
    """A `BandPassBank` whose filters are what they are now."""

    filters: Tensor

    def __init__(self, bank: BandPassBank) -> None:
        super().__init__()
        self.num_taps = bank.num_taps
        self.register_buffer("filters", bank.filters().detach())

    def forward(self, waveforms: Tensor) -> Tensor:
        return nn.functional.conv1d(waveforms.unsqueeze(1), self.filters)


def _spelled_out(model: Detector, any_length: bool) -> Detector:
    """A copy that says the same in operators that the exporter knows for every size."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, Aasist):
            module._encode = MethodType(_encode, module)
        if isinstance(module, SincNetFrontend):
            module.bank = _FixedBank(module.bank)  # pyright: ignore[reportAttributeAccessIssue]
            module._stem = MethodType(_stem, module)
            if any_length:
                module.forward = module._embed  # a graph repeats no clip
    return model


def _encode(model: Aasist, waveforms: Tensor) -> Tensor:
    """`Aasist._encode` with the pooling as one operator, of which ONNX Runtime has a fast form."""
    maps = nn.functional.max_pool2d(model.sinc_bank(waveforms).unsqueeze(1).abs(), 3)
    return model.encoder(nn.functional.selu(model.stem_norm(maps)))


def _stem(frontend: SincNetFrontend, waveforms: Tensor) -> Tensor:
    """`SincNetFrontend._stem` without ``max_pool1d``, which the tracer takes for one of this very length."""
    envelopes = nn.functional.max_pool2d(frontend.bank(waveforms).abs().unsqueeze(1), (1, 3))
    maps = nn.functional.max_pool2d(envelopes, (3, 1), ceil_mode=True)
    return nn.functional.selu(frontend.stem_norm(maps))


def _fold_constants(model: Any) -> None:
    """Compute what no input changes, in place; every weight of a product becomes a constant, as int8 needs it.

    The exporter's own optimiser does more: among other things it leaves out a sum with what it takes for 0, and takes
    1e-8 for that, the floor of a power whose logarithm is wanted.
    """
    from onnx_ir.passes import common
    from onnxscript.optimizer import fold_constants_ir

    common.InlinePass()(model)
    fold_constants_ir(model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    common.RemoveUnusedNodesPass()(model)
    common.RemoveUnusedFunctionsPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.DeduplicateInitializersPass()(model)
    common.CommonSubexpressionEliminationPass()(model)


def _name_axes(value: Any, names: tuple[str, ...]) -> None:
    """Name the open axes of an input or output; the tracer calls them s0, s1 …"""
    for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
        if not axis.HasField("dim_value"):
            axis.dim_param = name


def _reason(error: Exception) -> str:
    """The last line of an exporter's long message that says something."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0] if lines else 'no reason given'}"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep an exporter's talk about its own insides off the terminal: old functions it uses, operators it lacks."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
