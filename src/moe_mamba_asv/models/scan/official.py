"""The official CUDA kernels of mamba-ssm, where they are installed, behind our interface."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import softplus

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.scan.inputs import ScanInputs


@cache
def official_scan() -> Callable[..., tuple[Tensor, Tensor]] | str:
    """Its scan function, of version 1 or 2, or the reason why there is none."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError, AttributeError) as error:
        return f"mamba-ssm does not import: {error}"
    return selective_scan_fn


def scan_official(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """Scan by ``selective_scan_fn``.

    Returns:
        The output, like u, and the last state, (batch, channels, state).

    Raises:
        ScanError: an initial state is given, which these kernels do not take; or they are not there.
    """
    function = official_scan()
    if isinstance(function, str):
        raise ScanError(f"scan implementation 'mamba_ssm': {function}", remedy="'auto' takes the best that is there")
    if inputs.initial_state is not None:
        raise ScanError("mamba-ssm's scan takes no initial state", remedy="implementation='triton' or 'auto'")
    padding, x = inputs.padding(), inputs.silenced()
    if padding is not None:
        # The kernel knows no padding: a step size of zero, after bias and softplus, leaves the state as it is.
        delta = x.delta if x.delta_bias is None else x.delta + x.delta_bias[:, None].to(x.delta.dtype)
        delta = softplus(delta) if x.delta_softplus else delta
        x = replace(x, delta=delta.masked_fill(padding, 0), delta_bias=None, delta_softplus=False)
    matrices = (matrix.squeeze(1) if x.num_groups == 1 else matrix for matrix in (x.B, x.C))
    D, bias = (None if value is None else value.float() for value in (x.D, x.delta_bias))
    out, last_state = function(
        x.u,
        x.delta.to(x.u.dtype),
        x.A.float(),
        *(matrix.to(x.u.dtype) for matrix in matrices),
        D,
        z=None if x.z is None else x.z.to(x.u.dtype),
        delta_bias=bias,
        delta_softplus=x.delta_softplus,
        return_last_state=True,
    )
    if padding is not None:
        out = out.masked_fill(padding, 0)
    return out, last_state.to(torch.float32)
