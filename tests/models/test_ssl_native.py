"""The compiled part of self-supervised encoders against PyTorch: every instruction set that this processor has."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from moe_mamba_asv.models.frontends.native.encoder import (
    can_place,
    run_attention,
    run_convolution,
    run_positions,
    serves,
)
from moe_mamba_asv.models.frontends.native.library import Library, find_library
from moe_mamba_asv.models.frontends.ssl import SslFrontend
from moe_mamba_asv.models.frontends.ssl_config import SslConfig
from moe_mamba_asv.models.native.serving import kernel_variant
from tiny_ssl import KINDS, published_states, save_tiny

_KERNEL = find_library()
VARIANTS = list(_KERNEL.variants) if isinstance(_KERNEL, Library) else []
needs_kernel = pytest.mark.skipif(not VARIANTS, reason="no kernel")
each_variant = pytest.mark.parametrize("variant", VARIANTS)

#: Channels in and out, kernel, stride, frames: those of wav2vec 2.0; whole and broken vectors' panels and depths; the
#: fewest frames, a tile's end and a task's.
CONVOLUTIONS = [
    (1, 512, 10, 5, 1000),
    (512, 512, 3, 2, 403),
    (512, 512, 2, 2, 100),
    (1, 16, 10, 5, 10),
    (16, 48, 3, 2, 3),
    (48, 16, 3, 2, 8),
    (272, 32, 3, 2, 91),
    (16, 16, 2, 2, 61),
    (32, 80, 5, 3, 50),
]
#: Channels, groups, taps, frames: those of WavLM's two sizes, others, fewer frames than a tile.
POSITIONS = [(1024, 16, 128, 201), (768, 16, 128, 50), (64, 4, 16, 33), (32, 2, 8, 7), (48, 1, 20, 57), (16, 1, 4, 1)]
#: Heads, their width, frames: WavLM-Large's; one frame; around the ends of vectors and of blocks of queries.
ATTENTIONS = [(16, 64, 201), (2, 16, 1), (3, 32, 15), (1, 48, 16), (2, 16, 33), (1, 80, 300)]


def test_the_kernel_was_built() -> None:
    """Where a compiler is: a build that fails is silent, and all would go on, only slower."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    assert isinstance(_KERNEL, Library)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory):
    """Folder of a tiny model of a kind whose widths the kernel takes."""
    return lambda kind: save_tiny(tmp_path_factory.mktemp(kind), kind, width=64)


def _close(found: Tensor, exact: Tensor, tolerance: float) -> None:
    """Within a share of the largest number."""
    assert found.shape == exact.shape
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=tolerance * exact.abs().max().item())


def _norm(channels: int) -> nn.LayerNorm:
    norm = nn.LayerNorm(channels)
    nn.init.uniform_(norm.weight, 0.5, 2)
    nn.init.normal_(norm.bias)
    return norm


@each_variant
@pytest.mark.parametrize("with_norm", [True, False])
@pytest.mark.parametrize("sizes", CONVOLUTIONS)
@torch.inference_mode()
def test_a_convolution_is_the_one_in_pytorch(variant: str, sizes: tuple[int, ...], with_norm: bool) -> None:
    torch.manual_seed(0)
    in_channels, channels, kernel, stride, num_frames = sizes
    frames, weight = torch.randn(2, num_frames, in_channels), torch.randn(channels, kernel, in_channels)
    bias, norm = (torch.randn(channels), _norm(channels)) if with_norm else (None, None)
    with kernel_variant(variant):
        found = run_convolution(frames, weight.flatten(1), bias, kernel=kernel, stride=stride, norm=norm)
    exact = nn.functional.conv1d(
        frames.double().mT, weight.double().mT, None if bias is None else bias.double(), stride
    ).mT
    exact = nn.functional.gelu(exact if norm is None else norm.double()(exact))
    _close(found, exact, 3e-6)


@each_variant
@pytest.mark.parametrize("sizes", POSITIONS)
@torch.inference_mode()
def test_positions_are_those_of_pytorch(variant: str, sizes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    channels, groups, taps, num_frames = sizes
    convolution = nn.Conv1d(channels, channels, taps, padding=taps // 2, groups=groups)
    frames = torch.randn(2, num_frames, channels)
    assert can_place(convolution)
    with kernel_variant(variant):
        found = run_positions(frames, convolution)
    # An even kernel makes a frame too many, which wav2vec 2.0 leaves out.
    # Measured 9e-6 at most, with the most taps and channels; PyTorch's float32 is off by up to 1e-6.
    _close(found, convolution.double()(frames.double().mT)[..., :num_frames].mT, 2e-5)


def test_positions_that_the_kernel_does_not_know_are_left_to_pytorch() -> None:
    for options in (
        {"kernel_size": 15, "padding": 7},
        {"kernel_size": 16, "padding": 7},
        {"kernel_size": 16, "padding": 8, "stride": 2},
        {"kernel_size": 16, "padding": 8, "groups": 4},
        {"kernel_size": 2048, "padding": 1024},
    ):
        assert not can_place(nn.Conv1d(32, 32, **options))


@each_variant
@pytest.mark.parametrize("sizes", ATTENTIONS)
@torch.inference_mode()
def test_attention_is_the_formula(variant: str, sizes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    heads, width, num_frames = sizes
    query, key, value = torch.randn(3, 2, num_frames, heads * width)
    gate, bias = torch.randn(2, heads, num_frames), 3 * torch.randn(heads, num_frames, num_frames)
    with kernel_variant(variant):
        found = run_attention(query, key, value, num_heads=heads, gate=gate, bias=bias)
    q, k, v = (x.double().unflatten(-1, (heads, width)).transpose(1, 2) for x in (query, key, value))
    weights = (q @ k.mT / width**0.5 + gate.double()[..., None] * bias.double()).softmax(-1)
    _close(found, (weights @ v).transpose(1, 2).flatten(2), 2e-6)


@each_variant
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "whisper"])
def test_hidden_states_are_those_of_transformers(wide, variant: str, kind: str) -> None:
    folder = wide(kind)
    frontend = SslFrontend(SslConfig(source=str(folder), layers="weighted")).eval()
    waveforms = 0.1 * torch.randn(2, 8_000, generator=torch.Generator().manual_seed(0))
    with kernel_variant(variant), torch.inference_mode():
        states = frontend.hidden_states(waveforms)
    for found, exact in zip(states, published_states(folder, waveforms), strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-4, atol=2e-5)


def _operations(frontend: SslFrontend, waveforms: Tensor) -> set[str]:
    """Names of the functions of the kernel that a pass calls."""
    library, called = find_library(), set()
    assert isinstance(library, Library)
    before = library.call
    library.call = lambda name, *rest: (called.add(name), before(name, *rest))[1]  # pyright: ignore
    try:
        with torch.inference_mode():
            frontend.hidden_states(waveforms)
    finally:
        del library.call
    return called


@needs_kernel
def test_the_kernel_serves_all_of_wavlm(wide) -> None:
    frontend = SslFrontend(SslConfig(source=str(wide("wavlm-stable")))).eval()
    called = _operations(frontend, torch.randn(1, 4_000))
    assert called == {"encoder_convolution", "encoder_positions", "encoder_attention"}
    with kernel_variant(None):
        assert not _operations(frontend, torch.randn(1, 4_000))


@each_variant
@torch.inference_mode()
def test_no_bit_depends_on_threads_or_the_batch(variant: str, threads) -> None:
    torch.manual_seed(0)
    frames, weight = torch.randn(3, 301, 32), torch.randn(48, 96)
    query, key, value = torch.randn(3, 3, 90, 64)
    gate, bias = torch.randn(3, 2, 90), torch.randn(2, 90, 90)

    def answers(part: slice) -> list[Tensor]:
        attended = run_attention(query[part], key[part], value[part], num_heads=2, gate=gate[part], bias=bias)
        return [run_convolution(frames[part], weight, None, kernel=3, stride=2, norm=None), attended]

    with kernel_variant(variant):
        threads(2)
        whole = answers(slice(0, 3))
        for number in (1, 5):
            threads(number)
            assert all(torch.equal(one, all_[1:2]) for one, all_ in zip(answers(slice(1, 2)), whole, strict=True))


@each_variant
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_number_that_is_none_makes_states_that_are_none(wide, variant: str, number: float) -> None:
    frontend = SslFrontend(SslConfig(source=str(wide("wavlm-post")))).eval()
    waveforms = 0.1 * torch.randn(2, 8_000)
    waveforms[0, 4_000] = number
    with kernel_variant(variant), torch.inference_mode():
        states = frontend(waveforms)
    assert states.isnan().any(2).any(1).tolist() == [True, False]


@needs_kernel
def test_pytorch_serves_where_the_kernel_must_not(wide) -> None:
    frontend = SslFrontend(SslConfig(source=str(wide("wavlm-stable")))).eval()
    layer = frontend.get_submodule("input.convolutions.layers.1")
    frames = torch.randn(1, 40, 32)
    assert not serves(frames, layer)  # a gradient may be wanted
    with torch.inference_mode():
        assert serves(frames, layer)
        assert not serves(frames.double(), layer)
        assert not serves(frames[:0], layer)
        assert not serves(frames, layer.train())
        with FlopCounterMode(display=False) as counter:
            layer.eval()(frames)
        assert counter.get_total_flops() > 0


@each_variant
@torch.inference_mode()
def test_gelu_is_the_exact_one(variant: str) -> None:
    """By a convolution of one tap that changes nothing."""
    numbers = torch.cat([torch.linspace(-9, 9, 20_001), torch.tensor([-1e30, 1e30, torch.inf, -torch.inf, torch.nan])])
    exact = nn.functional.gelu(numbers.double())
    with kernel_variant(variant):
        found = run_convolution(numbers[None, :, None], torch.ones(16, 1), None, kernel=1, stride=1, norm=None)[0, :, 0]
    _close(found[:20_001], exact[:20_001], 1e-7)
    assert found[-5:-2].tolist() == [0, numbers[-4].item(), torch.inf]
    assert found[-2] == 0  # the limit; PyTorch's answer is no number
    assert found[-1].isnan()


def test_wavlm_with_dropout_in_training_is_left_to_pytorch(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, "wavlm-stable", width=64)
    frontend = SslFrontend(SslConfig(source=str(folder), trainable=(0, 3))).train()
    with torch.no_grad():
        first, second = (frontend(0.1 * torch.ones(1, 4_000)) for _ in range(2))
    assert not torch.equal(first, second)  # what is dropped is another each time
