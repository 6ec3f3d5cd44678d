"""Every implementation that runs on this processor against the step-by-step reference, values and gradients."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moe_mamba_asv.errors import NonFiniteError, ScanError
from moe_mamba_asv.models.scan import selective_scan
from moe_mamba_asv.models.scan.chunked import backward_chunked, forward_chunked
from moe_mamba_asv.models.scan.inputs import CHUNK, ScanGradients, ScanInputs, ScanResult, normalise
from moe_mamba_asv.models.scan.native.library import Library, find_library
from moe_mamba_asv.models.scan.native.scan import backward_native, forward_native
from moe_mamba_asv.models.scan.reference import scan_reference
from scan_cases import OPTIONAL, Backward, Forward, assert_as_reference, assert_close, made, with_padding


class Passes(NamedTuple):
    forward: Forward
    backward: Backward


def _passes() -> dict[str, Passes]:
    """Chunked, and native by each instruction set that this processor has."""
    found = {"chunked": Passes(forward_chunked, backward_chunked)}
    kernel = find_library()
    for variant in kernel.variants if isinstance(kernel, Library) else ():
        passes = (partial(function, variant=variant) for function in (forward_native, backward_native))
        found[f"native-{variant}"] = Passes(*passes)
    return found


PASSES = _passes()
FAST = [name for name in PASSES if name != "native-double"]  # the one in double precision is there for gradcheck
every_implementation = pytest.mark.parametrize("passes", [PASSES[name] for name in FAST], ids=FAST)
every_function = pytest.mark.parametrize(
    "implementation",
    ["reference", "chunked", pytest.param("native", marks=pytest.mark.skipif(len(PASSES) == 1, reason="no kernel"))],
)


def test_the_kernel_was_built() -> None:
    """Where a compiler is: a build that fails is silent, and everything would go on, ten times slower."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    assert isinstance(find_library(), Library)


@every_implementation
@pytest.mark.parametrize("length", [1, 2, 31, 32, 63, 64, 65, 201, 1000])
def test_every_length(passes: Passes, length: int) -> None:
    assert_as_reference(*passes, made(batch=2, channels=19, length=length, state=5))


@every_implementation
def test_a_long_clip(passes: Passes) -> None:
    assert_as_reference(*passes, made(batch=1, channels=3, length=4001, state=2, without=("lengths",)))


@every_implementation
@pytest.mark.parametrize(
    ("channels", "state", "groups"),
    [(1, 1, 1), (5, 16, 1), (17, 8, 1), (33, 9, 1), (144, 16, 1), (6, 16, 2), (34, 3, 2), (3, 17, 3), (2, 65, 1)],
)
def test_odd_widths_and_groups(passes: Passes, channels: int, state: int, groups: int) -> None:
    assert_as_reference(*passes, made(channels=channels, length=67, state=state, groups=groups))


@every_implementation
@pytest.mark.parametrize(
    "without",
    [(name,) for name in (*OPTIONAL, "lengths", "delta_softplus")] + [(*OPTIONAL, "lengths", "delta_softplus")],
)
def test_without_what_is_optional(passes: Passes, without: tuple[str, ...]) -> None:
    assert_as_reference(*passes, made(channels=18, length=70, without=without))


@every_implementation
def test_nothing_depends_on_the_last_state(passes: Passes) -> None:
    assert_as_reference(*passes, made(), last_state_matters=False)


@every_implementation
def test_every_layout_of_memory(passes: Passes) -> None:
    """Time last, as the official code has it; channels last, as a linear layer makes it; views; constants over time."""
    inputs = made(channels=48, length=72, state=4)
    channels_last = {name: getattr(inputs, name).mT.contiguous().mT for name in ("u", "delta", "z", "C")}
    constant = inputs.B[..., :1].expand(inputs.B.shape)
    assert_as_reference(*passes, inputs)
    assert_as_reference(*passes, replace(inputs, **channels_last, B=constant))
    half = torch.cat([inputs.u, inputs.z], dim=1)
    assert_as_reference(*passes, replace(inputs, u=half[:, :48], z=half[:, 48:], A=inputs.A.mT.contiguous().mT))


@every_implementation
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_types_are_rounded_once(passes: Passes, dtype: torch.dtype) -> None:
    inputs = made(channels=18, length=70)
    over_time = {name: getattr(inputs, name).to(dtype) for name in ("u", "delta", "z", "B", "C")}
    assert_as_reference(*passes, replace(inputs, **over_time))  # the parameters in float32, as under autocast
    assert_as_reference(*passes, inputs.converted(dtype))


@every_implementation
def test_padding_is_not_seen(passes: Passes) -> None:
    inputs = replace(made(batch=5, channels=17, length=40), lengths=torch.tensor([40, 33, 32, 7, 0]))
    padding, unreadable = inputs.padding(), with_padding(inputs, torch.nan)
    assert padding is not None
    grad_out = torch.ones_like(inputs.u).masked_fill(padding, torch.nan)
    gradients = assert_as_reference(*passes, unreadable, grad_out=grad_out)
    out = passes.forward(unreadable, keep_states=False).out
    for tensor in (out, gradients.u, gradients.delta, gradients.z):
        assert tensor is not None
        assert not tensor[padding.expand_as(tensor)].any()
    for tensor in (gradients.B, gradients.C):
        assert not tensor[padding[:, None].expand_as(tensor)].any()


@every_implementation
def test_a_padded_batch_gives_the_bits_of_the_clips_alone(passes: Passes) -> None:
    inputs = replace(made(batch=3, channels=17, length=90), lengths=torch.tensor([90, 41, 7]))
    batch = passes.forward(inputs, keep_states=False)
    for clip, end in enumerate([90, 41, 7]):
        one = slice(clip, clip + 1)
        over_time = {name: getattr(inputs, name)[one, ..., :end] for name in ("u", "delta", "z", "B", "C")}
        alone = replace(inputs, **over_time, initial_state=inputs.initial_state[one], lengths=None)
        found = passes.forward(alone, keep_states=False)
        torch.testing.assert_close(batch.out[one, :, :end], found.out, rtol=0, atol=1e-6)
        torch.testing.assert_close(batch.last_state[one], found.last_state, rtol=0, atol=1e-6)


def test_the_reference_itself_in_float32() -> None:
    def forward(inputs: ScanInputs, *, keep_states: bool) -> ScanResult:
        assert keep_states
        leaves = {name: value.requires_grad_() for name, value in inputs.tensors().items() if name != "lengths"}
        answers.append(scan_reference(replace(inputs, **leaves)))
        return ScanResult(*(answer.detach() for answer in answers[-1]), torch.empty(0))

    def backward(inputs: ScanInputs, _states: Tensor, grad_out: Tensor, grad_last_state: Tensor) -> ScanGradients:
        names = [name for name in inputs.tensors() if name != "lengths"]
        leaves = [getattr(inputs, name) for name in names]
        gradients = torch.autograd.grad(answers[-1], leaves, (grad_out, grad_last_state))
        return ScanGradients(**dict(zip(names, gradients, strict=True)))

    answers: list[tuple[Tensor, Tensor]] = []
    assert_as_reference(forward, backward, made(channels=5, length=201, state=4))


@every_implementation
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_whatever_the_shape_the_values_are_right_and_clips_keep_apart(passes: Passes, data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 3), "groups")
    channels = groups * data.draw(st.integers(1, 20), "channels of a group")
    batch, length, state = (data.draw(st.integers(1, most)) for most in (3, 70, 18))
    lengths = torch.tensor(data.draw(st.lists(st.integers(0, length), min_size=batch, max_size=batch), "lengths"))
    inputs = replace(made(batch, channels, length, state, groups), lengths=lengths)
    result = passes.forward(inputs, keep_states=False)
    # Absolute as well: a shape may be a single number, and that what larger ones leave of each other.
    close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5, check_dtype=False)
    close((result.out, result.last_state), scan_reference(inputs.converted(torch.float64)))
    order = torch.tensor(data.draw(st.permutations(range(batch)), "order"))
    over_batch = ("u", "delta", "z", "B", "C", "initial_state", "lengths")
    permuted = replace(inputs, **{name: getattr(inputs, name)[order] for name in over_batch})
    close(passes.forward(permuted, keep_states=False).out, result.out[order])


@every_implementation
@pytest.mark.parametrize("cut", [1, 13, 32, 64, 69])
def test_a_stream_equals_the_whole(passes: Passes, cut: int) -> None:
    whole = made(channels=18, length=70, without=("lengths",))
    result = passes.forward(whole, keep_states=False)

    def part(span: slice) -> dict[str, Tensor]:
        return {name: getattr(whole, name)[..., span] for name in ("u", "delta", "z", "B", "C")}

    first = passes.forward(replace(whole, **part(slice(None, cut))), keep_states=False)
    rest = replace(whole, **part(slice(cut, None)), initial_state=first.last_state)
    second = passes.forward(rest, keep_states=False)
    torch.testing.assert_close(torch.cat([first.out, second.out], dim=-1), result.out, rtol=0, atol=1e-5)
    torch.testing.assert_close(second.last_state, result.last_state, rtol=0, atol=1e-5)


@every_implementation
def test_states_are_those_before_each_chunk(passes: Passes) -> None:
    inputs = made(length=2 * CHUNK + 1, without=("lengths",))
    kept, bare = (passes.forward(inputs, keep_states=keep) for keep in (True, False))
    assert bare.states.shape == (2, 0, 3, 3)
    assert torch.equal(bare.out, kept.out)
    for chunk in range(inputs.num_chunks):
        end = torch.full((2,), chunk * CHUNK)
        _, wanted = scan_reference(replace(inputs.converted(torch.float64), lengths=end))
        assert_close(f"state before chunk {chunk}", kept.states[:, chunk].mT, wanted)


@every_implementation
@pytest.mark.parametrize("softplus", [True, False])
def test_extremes_stay_finite_and_right(passes: Passes, softplus: bool) -> None:
    inputs = made(state=4, length=40, without=("delta_bias", "lengths"))
    delta = torch.logspace(-8, 1.7, 40, dtype=torch.float64)
    raw = delta.expm1().log() if softplus else delta
    A = -torch.tensor([1e-4, 1.0, 100.0, 1e4]).expand(3, 4)
    inputs = replace(inputs, delta=raw.float().expand_as(inputs.u), A=A, z=inputs.z * 50, delta_softplus=softplus)
    assert_as_reference(*passes, inputs)


@every_implementation
@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e-40, 1e-45, 65504.0])
@pytest.mark.parametrize("step", [1e-8, 1e-3, 50.0])
def test_constants_stay_finite_in_both_directions(passes: Passes, value: float, step: float) -> None:
    inputs = made(channels=17, length=100, state=4, without=("initial_state",))
    same = {name: torch.full_like(getattr(inputs, name), value) for name in ("u", "B", "C", "z", "D")}
    A = -torch.tensor([1e-8, 1.0, 100.0, 1e4]).expand(17, 4)
    inputs = replace(inputs, **same, A=A, delta=torch.full_like(inputs.delta, step), delta_softplus=False)
    result = passes.forward(inputs, keep_states=True)
    gradients = passes.backward(inputs, result.states, torch.ones_like(result.out), None)
    assert result.out.isfinite().all()
    for name in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias"):
        assert getattr(gradients, name).isfinite().all(), name


@every_implementation
def test_a_hundred_thousand_steps_stay_finite(passes: Passes) -> None:
    inputs = made(batch=1, channels=2, length=100_000, state=2, without=("lengths", "initial_state"))
    slow = replace(inputs, A=torch.full_like(inputs.A, -1e-6), u=torch.ones_like(inputs.u))
    for case in (inputs, slow):
        result = passes.forward(case, keep_states=True)
        gradients = passes.backward(case, result.states, torch.ones_like(result.out), None)
        for tensor in (result.out, gradients.u, gradients.delta, gradients.A, gradients.B, gradients.C):
            assert tensor.isfinite().all()


@every_implementation
def test_float16_ends_at_its_largest_number(passes: Passes) -> None:
    inputs = made(batch=1, channels=2, without=OPTIONAL).converted(torch.float16)
    most = torch.full_like(inputs.u, 65504.0)
    full = torch.full_like(inputs.B, 65504.0)
    inputs = replace(inputs, u=most, B=full, C=full, delta=most, D=torch.tensor([10.0, -10.0]), lengths=None)
    result = passes.forward(inputs, keep_states=True)
    assert (result.out.abs() == 65504.0).all()
    gradients = passes.backward(inputs, result.states, torch.ones_like(result.out), None)
    assert not any(getattr(gradients, name).isnan().any() for name in ("u", "delta", "A", "B", "C", "D"))


@pytest.mark.parametrize("name", [name for name in PASSES if name in {"chunked", "native-double"}])
@pytest.mark.parametrize("length", [1, 3, CHUNK + 1])
def test_gradcheck(name: str, length: int) -> None:
    """Finite differences in float64: no reference is involved."""
    implementation = name.removesuffix("-double")
    inputs = made(batch=2, channels=2, length=length, state=2).converted(torch.float64)
    names = [name for name in inputs.tensors() if name != "lengths"]

    def function(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        given = dict(zip(names, tensors, strict=True))
        return selective_scan(
            **given,
            lengths=inputs.lengths,
            delta_softplus=True,
            return_last_state=True,
            implementation=implementation,
        )

    leaves = [getattr(inputs, name).clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(function, leaves, fast_mode=length > 3)


@every_function
def test_the_official_forms_of_both_matrices(implementation: str) -> None:
    inputs = made(channels=4, without=("lengths",))
    scan = partial(_scan, implementation)
    wanted = scan(inputs)
    torch.testing.assert_close(scan(replace(inputs, B=inputs.B[:, 0], C=inputs.C[:, 0])), wanted)
    B, C = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    constant = replace(inputs, B=B.requires_grad_(), C=C)
    every = B.detach()[None, :, :, None].expand(2, 4, 3, 33)
    torch.testing.assert_close(
        scan(constant), scan(replace(inputs, B=every, C=C[None, :, :, None].expand(2, 4, 3, 33)))
    )
    scan(constant).sum().backward()
    assert B.grad is not None
    assert B.grad.shape == (4, 3)


def _scan(implementation: str, inputs: ScanInputs) -> Tensor:
    answer = selective_scan(**inputs.tensors(), delta_softplus=inputs.delta_softplus, implementation=implementation)
    assert isinstance(answer, Tensor)
    return answer


@every_function
@pytest.mark.parametrize("name", ["u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_an_input_that_is_not_finite_is_named(implementation: str, name: str, value: float) -> None:
    inputs = made(channels=18, length=70)
    spoilt = getattr(inputs, name).clone()
    place = tuple(size // 2 if axis else 0 for axis, size in enumerate(spoilt.shape))
    spoilt[place] = value
    with pytest.raises(NonFiniteError, match=rf"^{name}\[{', '.join(map(str, place))}\] is"):
        _scan(implementation, replace(inputs, **{name: spoilt}))


WRONG: list[tuple[dict[str, Callable[[ScanInputs], Tensor]], str]] = [
    ({"u": lambda x: x.u[0]}, r"u is \(3, 33\)"),
    ({"delta": lambda x: x.delta[..., 1:]}, "delta is"),
    ({"A": lambda x: x.A[0]}, r"A is \(3,\)"),
    ({"B": lambda x: x.B[:, :, 1:]}, "B is"),
    ({"lengths": lambda x: x.lengths[:1]}, "lengths is"),
    ({"z": lambda x: x.z.long()}, "z is torch.int64"),
    ({"A": lambda x: x.A.to(torch.complex64)}, "A is torch.complex64"),
    ({"B": lambda x: x.B.expand(-1, 2, -1, -1), "C": lambda x: x.C.expand(-1, 2, -1, -1)}, "2 groups"),
    ({"lengths": lambda x: x.lengths + 33}, "lengths go from"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_does_not_fit_is_named(changes: dict[str, Callable[[ScanInputs], Tensor]], message: str) -> None:
    inputs = made()
    with pytest.raises(ScanError, match=message):
        normalise(replace(inputs, **{name: change(inputs) for name, change in changes.items()}))


def test_an_implementation_that_is_not_there_says_why() -> None:
    with pytest.raises(ScanError, match="native, triton"):
        _scan("quick", made())
    if not torch.cuda.is_available():
        with pytest.raises(ScanError, match=r"triton.*'auto'"):
            _scan("triton", made())


def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    if len(PASSES) == 1:
        pytest.skip("no kernel")
    inputs = made(batch=1, channels=200, length=70, without=("lengths",))
    threads = torch.get_num_threads()
    answers = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        result = forward_native(inputs, keep_states=True)
        gradients = backward_native(inputs, result.states, torch.ones_like(result.out), None)
        answers.append((result.out, gradients.B, gradients.C, gradients.A))
    torch.set_num_threads(threads)
    for other in answers[1:]:
        assert all(torch.equal(a, b) for a, b in zip(answers[0], other, strict=True))
