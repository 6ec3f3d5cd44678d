"""The Triton scan against the step-by-step reference: on a GPU where there is one, else in Triton's interpreter."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

import scan_cases
from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.scan.inputs import CHUNK
from moe_mamba_asv.models.scan.reference import scan_reference
from scan_cases import OPTIONAL, assert_close, with_padding

pytest.importorskip("triton")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PACKAGE = "moe_mamba_asv.models.scan.triton"
with pytest.MonkeyPatch.context() as patch:
    if DEVICE == "cpu":
        # Triton hears of its interpreter only while it is being imported, and PyTorch may have imported it long ago:
        # this file takes a copy of its own and puts the old one back.
        patch.setenv("TRITON_INTERPRET", "1")
        for name in list(sys.modules):
            if name.startswith(PACKAGE) or (name.split(".")[0] == "triton" and not name.startswith("triton._C")):
                patch.delitem(sys.modules, name)
    triton_scan = importlib.import_module(f"{PACKAGE}.scan")


made = partial(scan_cases.made, device=DEVICE)
assert_as_reference = partial(scan_cases.assert_as_reference, triton_scan.forward_triton, triton_scan.backward_triton)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 65])
def test_every_length_around_a_chunk(length: int) -> None:
    assert_as_reference(made(length=length, without=("lengths",)))


@pytest.mark.parametrize("length", [63, 64, 201, 1000, 4001])
def test_long_clips(length: int) -> None:
    assert_as_reference(made(batch=1, channels=1, length=length, state=2, without=("lengths",)))


@pytest.mark.parametrize(
    ("channels", "state", "groups"), [(5, 1, 1), (3, 16, 1), (1, 3, 1), (10, 3, 2), (2, 3, 2), (6, 16, 2), (2, 65, 1)]
)
def test_blocks_that_are_not_full(channels: int, state: int, groups: int) -> None:
    assert_as_reference(made(batch=1, channels=channels, state=state, groups=groups))


@pytest.mark.parametrize(
    "without",
    [(name,) for name in (*OPTIONAL, "lengths", "delta_softplus")] + [(*OPTIONAL, "lengths", "delta_softplus")],
)
def test_without_what_is_optional(without: tuple[str, ...]) -> None:
    assert_as_reference(made(without=without))


def test_nothing_depends_on_the_last_state() -> None:
    assert_as_reference(made(), last_state_matters=False)


def test_padding_is_not_seen() -> None:
    inputs = replace(
        made(batch=5, channels=2, state=2, length=40), lengths=torch.tensor([40, 33, 32, 7, 0], device=DEVICE)
    )
    padding, unreadable = inputs.padding(), with_padding(inputs, torch.nan)
    grad_out = torch.ones_like(inputs.u).masked_fill(padding, torch.nan)
    gradients = assert_as_reference(unreadable, grad_out=grad_out)
    out = triton_scan.forward_triton(unreadable, keep_states=False).out
    for tensor in (out, gradients.u, gradients.delta, gradients.z):
        assert not tensor[padding.expand_as(tensor)].any()
    for tensor in (gradients.B, gradients.C):
        assert not tensor[padding[:, None].expand_as(tensor)].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_types_are_rounded_once(dtype: torch.dtype) -> None:
    inputs = made()
    over_time = {name: getattr(inputs, name).to(dtype) for name in ("u", "delta", "z", "B", "C")}
    assert_as_reference(replace(inputs, **over_time))  # the parameters in float32, as under autocast
    assert_as_reference(inputs.converted(dtype))


def test_float16_ends_at_its_largest_number() -> None:
    inputs = made(batch=1, channels=2, without=OPTIONAL).converted(torch.float16)
    inputs = replace(inputs, u=torch.full_like(inputs.u, 6e4), D=torch.tensor([10.0, -10.0], device=DEVICE))
    out = triton_scan.forward_triton(inputs, keep_states=False).out
    torch.testing.assert_close(out[0, :, 0], torch.tensor([65504.0, -65504.0], dtype=torch.float16, device=DEVICE))


def test_states_are_those_before_each_chunk() -> None:
    inputs = made(length=2 * CHUNK + 1)
    kept, bare = (triton_scan.forward_triton(inputs, keep_states=keep) for keep in (True, False))
    assert bare.states.shape == (2, 0, 3, 3)
    assert torch.equal(bare.out, kept.out)
    assert torch.equal(bare.last_state, kept.last_state)
    for chunk in range(inputs.num_chunks):
        end = torch.full_like(inputs.lengths, chunk * CHUNK)
        _, wanted = scan_reference(replace(inputs.converted(torch.float64), lengths=inputs.lengths.minimum(end)))
        assert_close(f"state before chunk {chunk}", kept.states[:, chunk].mT, wanted)


def test_strides_are_heeded() -> None:
    inputs = made()
    constant = inputs.B[..., :1]
    time_last = {name: getattr(inputs, name).mT.contiguous().mT for name in ("u", "delta", "z", "C")}
    inputs = replace(inputs, **time_last, B=constant.expand(inputs.B.shape), A=inputs.A.mT.contiguous().mT)
    assert_as_reference(inputs, grad_out=torch.ones((), device=DEVICE).expand(inputs.u.shape))


@pytest.fixture
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_deterministic")
def test_deterministic_sums_are_the_same_sums() -> None:
    inputs = made(channels=10, state=2, groups=2)
    first, second = assert_as_reference(inputs), assert_as_reference(inputs)
    assert torch.equal(first.B, second.B)
    assert torch.equal(first.C, second.C)


# The interpreter's exp(100) is infinite, and NumPy says so; 1 / (1 + infinity) is the zero that is meant.
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("softplus", [True, False])
def test_extremes_stay_finite_and_right(softplus: bool) -> None:
    inputs = made(state=4, length=40, without=("delta_bias", "lengths"))
    delta = torch.logspace(-8, 1.7, 40, dtype=torch.float64, device=DEVICE)
    raw = delta.expm1().log() if softplus else delta
    A = -torch.tensor([1e-4, 1.0, 100.0, 1e4], device=DEVICE).expand(3, 4)
    inputs = replace(inputs, delta=raw.float().expand_as(inputs.u), A=A, z=inputs.z * 50, delta_softplus=softplus)
    assert_as_reference(inputs)


def test_a_small_step_keeps_its_digits() -> None:
    inputs = made(batch=1, without=(*OPTIONAL, "lengths"))
    inputs = replace(inputs, delta=torch.linspace(-20, 20, 33, device=DEVICE).expand_as(inputs.u))
    inputs = replace(
        inputs, A=torch.full_like(inputs.A, -1e30), B=torch.ones_like(inputs.B), C=torch.ones_like(inputs.C)
    )
    wanted, _ = scan_reference(inputs.converted(torch.float64))  # 3 u softplus(delta): nothing of the past is left
    torch.testing.assert_close(
        triton_scan.forward_triton(inputs, keep_states=False).out, wanted.float(), rtol=1e-5, atol=0
    )


def test_float64_is_refused() -> None:
    with pytest.raises(ScanError, match="chunked"):
        triton_scan.forward_triton(made().converted(torch.float64), keep_states=False)


COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import JITFunction, driver
from moe_mamba_asv.models.scan.inputs import ScanInputs
from moe_mamba_asv.models.scan.triton.scan import backward_triton, forward_triton

class Gpu:
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 80, 32))
    get_current_device = staticmethod(lambda: 0)
    get_current_stream = staticmethod(lambda device: 0)

driver.set_active(Gpu())
run = JITFunction.run
JITFunction.run = lambda self, *args, warmup, **kwargs: run(self, *args, warmup=True, **kwargs)

def scan(inputs):
    states = forward_triton(inputs, keep_states=True).states
    backward_triton(inputs, states, inputs.u, None)

signal, matrix = torch.ones(2, 6, 33, dtype=torch.float16), torch.ones(2, 2, 16, 33)
scan(ScanInputs(signal, signal, torch.ones(6, 16), matrix, matrix, torch.ones(6), signal, torch.ones(6),
                torch.ones(2, 6, 16), torch.tensor([33, 7]), delta_softplus=True))
one = torch.ones(1, 1, 1)
scan(ScanInputs(one, one, one[0], one[None], one[None]))
scan(ScanInputs(one, one, one[0], one[None], one[None], lengths=torch.tensor([1])))
"""


@pytest.mark.skipif(DEVICE == "cuda", reason="the other tests have compiled them")
def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """The interpreter lets pass what the compiler does not, such as an attribute of a size that happens to be 1."""
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", COMPILE], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.rglob("*.cubin"))
