"""The scan in ONNX: one ``Scan`` node over time, so that batch and length may be of any size at run time."""

from collections.abc import Callable
from typing import Any

import torch

from moe_mamba_asv.errors import ConfigError

try:
    import onnx_ir as ir
    from onnxscript import opset18
except ImportError as error:
    raise ConfigError("export to ONNX needs onnxscript", remedy="pip install 'moe-mamba-asv[export]'") from error

#: Typed for tensors; the exporter calls it with symbols.
op: Any = opset18


def translation_table() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For ``torch.onnx.export(…, custom_translation_table=translation_table())``."""
    return {torch.ops.moe_mamba_asv.selective_scan.default: _translate}


def _translate(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any = None,
    z: Any = None,
    delta_bias: Any = None,
    initial_state: Any = None,
    lengths: Any = None,
    delta_softplus: bool = False,
    keep_states: bool = False,
    implementation: str = "auto",
) -> tuple[Any, Any, Any]:
    """The operator of `operator.py`, in float32; the states for a backward pass are left out."""
    channels, states, groups = A.shape[0], A.shape[1], B.shape[1]
    if delta_bias is not None:
        delta = op.Add(delta, _reshape(delta_bias, [1, channels, 1]))
    if delta_softplus:
        delta = op.Softplus(delta)
    valid = None if lengths is None else _valid_steps(u, lengths)
    if valid is not None:
        zero = op.Constant(value_float=0.0)
        delta = op.Where(valid, delta, zero)
        u = op.Where(valid, u, zero)
        B, C = (op.Where(op.Unsqueeze(valid, _ints([1])), matrix, zero) for matrix in (B, C))
    if initial_state is None:
        batch = op.Shape(u, start=0, end=1)
        shape = op.Concat(batch, _ints([channels, states]), axis=0)
        initial_state = op.Expand(op.Constant(value_float=0.0), shape)

    # Time first; (length, batch, groups, channels of a group, state) with ones where there is nothing.
    grouped = [0, 0, groups, channels // groups, 1]
    rates = _reshape(A, [groups, channels // groups, states])
    step = _reshape(op.Transpose(delta, perm=[2, 0, 1]), grouped)
    driven = _reshape(op.Transpose(op.Mul(delta, u), perm=[2, 0, 1]), grouped)
    entering, read = (op.Unsqueeze(op.Transpose(matrix, perm=[3, 0, 1, 2]), _ints([3])) for matrix in (B, C))
    start = _reshape(initial_state, [0, groups, channels // groups, states])
    body = _one_step(rates)
    last = op.Scan(start, step, driven, entering, read, body=body, num_scan_inputs=4)
    # The exporter gives an operator whose number of outputs varies just one; this one has two.
    last.producer().resize_outputs(2)
    y = last.producer().outputs[1]

    out = op.Transpose(_reshape(y, [0, 0, channels]), perm=[1, 2, 0])
    if D is not None:
        out = op.Add(out, op.Mul(_reshape(D, [1, channels, 1]), u))
    if z is not None:
        out = op.Mul(out, op.Mul(z, op.Sigmoid(z)))
    if valid is not None:
        out = op.Where(valid, out, op.Constant(value_float=0.0))
    return out, _reshape(last, [0, channels, states]), op.Constant(value_float=0.0)


def _one_step(rates: Any) -> ir.Graph:
    """h = exp(delta A) h + delta u B; y = sum over the states of C h. ``rates`` is taken from outside the graph."""
    h, step, driven, entering, read = (
        ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT))
        for name in ("scan_h", "scan_step", "scan_driven", "scan_entering", "scan_read")
    )
    nodes: list[ir.Node] = []

    def node(kind: str, *inputs: ir.Value, attributes: list[ir.Attr] | None = None) -> ir.Value:
        made = ir.Node("", kind, inputs, attributes or [], name=f"scan_{len(nodes)}")
        made.outputs[0].name = f"scan_value_{len(nodes)}"
        nodes.append(made)
        return made.outputs[0]

    decay = node("Exp", node("Mul", step, rates))
    following = node("Add", node("Mul", decay, h), node("Mul", driven, entering))
    axis = node("Constant", attributes=[ir.AttrInt64s("value_ints", [-1])])
    y = node("ReduceSum", node("Mul", following, read), axis, attributes=[ir.AttrInt64("keepdims", 0)])
    return ir.Graph([h, step, driven, entering, read], [following, y], nodes=nodes, name="selective_scan_step")


def _valid_steps(u: Any, lengths: Any) -> Any:
    """(batch, 1, length), true where a step belongs to the clip."""
    length = op.Squeeze(op.Shape(u, start=2, end=3), _ints([0]))
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    return op.Less(op.Range(zero, length, one), op.Unsqueeze(lengths, _ints([1, 2])))


def _ints(values: list[int]) -> Any:
    return op.Constant(value_ints=values)


def _reshape(tensor: Any, shape: list[int]) -> Any:
    """Reshape; a zero keeps the size that is there."""
    return op.Reshape(tensor, _ints(shape))
