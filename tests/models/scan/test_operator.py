"""The scan among PyTorch's compilers and exporters, and behind the official interface."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.backends.bimamba import BiMambaBlock, BiMambaConfig
from moe_mamba_asv.models.scan import available_implementations, explain_automatic, selective_scan
from moe_mamba_asv.models.scan import official as official_module
from moe_mamba_asv.models.scan.inputs import TENSORS, ScanInputs
from moe_mamba_asv.models.scan.official import scan_official
from moe_mamba_asv.models.scan.operator import run_operator
from moe_mamba_asv.models.scan.reference import scan_reference
from scan_cases import made

native = pytest.param(
    "native", marks=pytest.mark.skipif(available_implementations()["native"] is not None, reason="no kernel")
)
compiled = pytest.mark.parametrize("implementation", ["chunked", native])


def _gradients(function: Any, inputs: ScanInputs) -> tuple[Tensor, dict[str, Tensor]]:
    leaves = {
        name: value.detach().clone().requires_grad_() for name, value in inputs.tensors().items() if name != "lengths"
    }
    out, last_state = function(replace(inputs, **leaves))
    (out.square().sum() + last_state.sum()).backward()
    return out.detach(), {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


@compiled
@pytest.mark.parametrize("without", [(), ("D", "z", "delta_bias", "initial_state", "lengths")])
def test_pytorch_finds_nothing_wrong_with_the_operator(implementation: str, without: tuple[str, ...]) -> None:
    inputs = made(length=40, without=without)
    tensors = [getattr(inputs, name) for name in TENSORS]
    leaves = [
        tensor if tensor is None or tensor.dtype == torch.int64 else tensor.requires_grad_() for tensor in tensors
    ]
    torch.library.opcheck(
        torch.ops.moe_mamba_asv.selective_scan.default, (*leaves, inputs.delta_softplus, True, implementation)
    )


@compiled
def test_a_compiler_sees_through_it(implementation: str) -> None:
    """Channels last, whose strides the compiler relies on; forward and backward in one graph."""
    inputs = made(channels=18, length=40)
    inputs = replace(inputs, u=inputs.u.mT.contiguous().mT, delta=inputs.delta.mT.contiguous().mT)

    def scan(x: ScanInputs) -> Any:
        return selective_scan(**x.tensors(), delta_softplus=True, return_last_state=True, implementation=implementation)

    def as_graph(x: ScanInputs) -> Any:
        return torch.compile(
            lambda **tensors: selective_scan(
                **tensors, delta_softplus=True, return_last_state=True, implementation=implementation
            ),
            backend="aot_eager",
            fullgraph=True,
        )(**x.tensors())

    eager, graph = _gradients(scan, inputs), _gradients(as_graph, inputs)
    torch.testing.assert_close(graph, eager, rtol=0, atol=0)


def test_an_exported_program_takes_any_length() -> None:
    model = BiMambaBlock(8, BiMambaConfig()).eval()
    frames = torch.export.Dim("frames", min=2)
    program = torch.export.export(model, (torch.randn(2, 40, 8),), dynamic_shapes=({1: frames},))
    for length in (3, 40, 97):
        clip = torch.randn(2, length, 8)
        torch.testing.assert_close(program.module()(clip), model(clip), rtol=0, atol=1e-6)


# The exporter itself uses what PyTorch 2.13 calls old, and warns of axis names that it makes.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*axis name.*:UserWarning")
def test_onnx_takes_any_batch_and_length(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from moe_mamba_asv.models.scan.onnx import translation_table

    model = BiMambaBlock(8, BiMambaConfig(mix="gated")).eval()
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    program = torch.onnx.export(
        model,
        (torch.randn(2, 31, 8), torch.tensor([31, 20])),
        dynamo=True,
        dynamic_shapes=({0: batch, 1: frames}, {0: batch}),
        custom_translation_table=translation_table(),
        verbose=False,
    )
    assert program is not None
    program.save(str(tmp_path / "model.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    names = [given.name for given in session.get_inputs()]
    for clips, length in ((2, 31), (1, 7), (3, 201)):
        given = torch.randn(clips, length, 8), torch.randint(1, length + 1, (clips,))
        found = session.run(None, dict(zip(names, (tensor.numpy() for tensor in given), strict=True)))[0]
        with torch.inference_mode():
            torch.testing.assert_close(torch.from_numpy(found), model(*given), rtol=0, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("without", [("lengths",), ("D", "z", "delta_bias", "lengths"), ("delta_softplus",), ()])
def test_official_kernels_are_asked_for_the_same_function(
    groups: int, without: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in with the signature of mamba-ssm's function, and its restrictions, in place of the kernels."""
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.selective_scan_interface", _official_stand_in())
    monkeypatch.setitem(sys.modules, "mamba_ssm", ModuleType("mamba_ssm"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops", ModuleType("mamba_ssm.ops"))
    official_module.official_scan.cache_clear()
    try:
        inputs = made(channels=4, groups=groups, without=("initial_state", *without))
        wanted = _gradients(scan_reference, inputs)
        torch.testing.assert_close(_gradients(scan_official, inputs), wanted, rtol=1e-5, atol=1e-5)
        with pytest.raises(ScanError, match="initial state"):
            scan_official(made())
    finally:
        official_module.official_scan.cache_clear()


def _official_stand_in() -> ModuleType:
    module = ModuleType("mamba_ssm.ops.selective_scan_interface")

    def selective_scan_fn(
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None = None,
        z: Tensor | None = None,
        delta_bias: Tensor | None = None,
        delta_softplus: bool = False,
        return_last_state: bool = False,
    ) -> tuple[Tensor, Tensor]:
        assert return_last_state
        assert B.dtype == C.dtype == delta.dtype == u.dtype
        matrices = (matrix.unsqueeze(1) if matrix.ndim == 3 else matrix for matrix in (B, C))
        return scan_reference(ScanInputs(u, delta, A, *matrices, D, z, delta_bias, delta_softplus=delta_softplus))

    module.selective_scan_fn = selective_scan_fn  # pyright: ignore[reportAttributeAccessIssue]
    return module


def test_without_a_gradient_no_states_are_kept() -> None:
    inputs = made()
    out, _ = run_operator(inputs, keep_states=False, implementation="chunked")
    assert not out.requires_grad
    torch.testing.assert_close(out, scan_reference(inputs)[0])


def test_auto_says_what_it_took_and_why() -> None:
    name, reason = explain_automatic("cpu")
    assert name == ("native" if available_implementations()["native"] is None else "chunked")
    assert reason
    assert explain_automatic("mps") == ("chunked", "no kernel is written for mps")
    assert explain_automatic("cuda", torch.float64)[0] == "chunked"


@compiled
def test_a_second_derivative_is_refused_not_wrong(implementation: str) -> None:
    inputs = made()
    u = inputs.u.requires_grad_()
    out = selective_scan(**inputs.tensors(), delta_softplus=True, implementation=implementation)
    assert isinstance(out, Tensor)
    (slope,) = torch.autograd.grad(out.square().sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        slope.sum().backward()
