"""Published selective scans in PyTorch, each behind the same call; a package is imported when its scan is loaded.

Every loader takes the size and answers a function of u, delta, A, B, C, D. Where time stands in each tensor is said
beside the loader in `contenders`.
"""

import importlib
import inspect

import torch
from torch import Tensor

from moe_mamba_asv.bench.problem import Scan, Size


def mamba_ssm_reference(size: Size) -> Scan:
    """The reference scan of mamba-ssm (state-spaces/mamba, ``selective_scan_ref``), written again.

    The package does not import without CUDA. Structure and costs are those of the original: both products of full
    size, (batch, channels, length, state), by einsum; a loop over time; the outputs stacked; backward by autograd.
    """
    return _reference


def _reference(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    decay = torch.exp(torch.einsum("bct,cn->bctn", delta, A))
    entering = torch.einsum("bct,bnt,bct->bctn", delta, B, u)
    state = u.new_zeros(u.shape[0], *A.shape)
    outputs = []
    for step in range(u.shape[-1]):
        state = decay[:, :, step] * state + entering[:, :, step]
        outputs.append(torch.einsum("bcn,bn->bc", state, C[:, :, step]))
    return torch.stack(outputs, dim=2) + u * D[:, None]


def mamba_ssm_kernel(size: Size) -> Scan:
    """The official CUDA kernel of mamba-ssm."""
    return importlib.import_module("mamba_ssm.ops.selective_scan_interface").selective_scan_fn


def mambapy_parallel(size: Size) -> Scan:
    """mambapy's parallel scan (Blelloch), the one that its block trains with."""
    return _mambapy_block(size).selective_scan


def mambapy_sequential(size: Size) -> Scan:
    """mambapy's loop over time."""
    return _mambapy_block(size).selective_scan_seq


def _mambapy_block(size: Size):
    mamba = importlib.import_module("mambapy.mamba")
    # The sequential scan reads its width and its number of states from the block.
    config = mamba.MambaConfig(d_model=size.channels, n_layers=1, d_state=size.states, expand_factor=1)
    return mamba.MambaBlock(config)


def transformers_slow_path(size: Size) -> Scan:
    """The scan in plain PyTorch that transformers' MambaMixer falls back to where no kernel is installed.

    A function of its own (seen in 5.24), so neither the mixer's projections nor its gate are in the figures. It is
    wrapped, so that a kernel may take its place: unwrapped, it is the slow path on every machine.
    """
    scan = inspect.unwrap(importlib.import_module("transformers.models.mamba.modeling_mamba").mamba_selective_scan)

    def transformers_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        # The mixer hands over B and C as views of (batch, length, state), which the function turns back.
        return scan(u, delta, A, B.transpose(1, 2), C.transpose(1, 2), D)

    return transformers_scan


def accelerated_scan_reference(size: Size) -> Scan:
    """accelerated-scan's tree in PyTorch: one scan of (batch, channels · state, length)."""
    scan = importlib.import_module("accelerated_scan.ref").scan

    def accelerated_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        gates = torch.exp(delta[:, :, None] * A[:, :, None])
        tokens = (delta * u)[:, :, None] * B[:, None]
        states = scan(gates.flatten(1, 2), tokens.flatten(1, 2)).unflatten(1, A.shape)
        return (states * C[:, None]).sum(2) + u * D[:, None]

    return accelerated_scan
