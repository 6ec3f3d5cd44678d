"""The compiled stem and blocks against PyTorch's: every instruction set that this processor has."""

import shutil

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.models.aasist.encoder import ResidualBlock
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.models.aasist.native.encoder import run_stem, serves_block, serves_stem
from moe_mamba_asv.models.aasist.native.library import Library, find_library
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.native.serving import kernel_variant
from moe_mamba_asv.training.recipe import load_recipe

_KERNEL = find_library()
VARIANTS = list(_KERNEL.variants) if isinstance(_KERNEL, Library) else []
needs_kernel = pytest.mark.skipif(not VARIANTS, reason="no kernel")
each_variant = pytest.mark.parametrize("variant", VARIANTS)

#: Channels in and out, bands, frames: widths of AASIST and AASIST-L, of no whole vector, of a single number; lengths
#: around the pooling's remainder, a tile's end and a chunk's; more bands than a segment has, and one.
SHAPES = [
    (1, 32, 23, 500),
    (32, 32, 23, 283),
    (32, 64, 5, 150),
    (64, 64, 23, 88),
    (32, 24, 3, 11),
    (24, 24, 7, 40),
    (64, 64, 1, 3),
    (7, 5, 2, 4),
    (5, 5, 1, 5),
    (1, 1, 2, 7),
    (2, 17, 4, 277),
]


def test_the_kernel_was_built() -> None:
    """Where a compiler is: a build that fails is silent, and all would go on, at a third of the speed."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    assert isinstance(_KERNEL, Library)


def _block(in_channels: int, out_channels: int, seed: int = 0) -> ResidualBlock:
    """A block whose norm has something to do."""
    torch.manual_seed(seed)
    block = ResidualBlock(in_channels, out_channels, first=True, recomputed=False).eval()
    for tensor, low, high in ((block.norm2.running_mean, -1, 1), (block.norm2.running_var, 0.5, 2)):
        assert tensor is not None
        tensor.uniform_(low, high)
    nn.init.uniform_(block.norm2.weight, 0.5, 2)
    nn.init.normal_(block.norm2.bias)
    return block.requires_grad_(False)


def _model(recipe: str = "aasist") -> Aasist:
    torch.manual_seed(0)
    model = build_model(load_recipe(recipe).model).eval()
    assert isinstance(model, Aasist)
    return model


def _clips(batch: int = 1, samples: int = NUM_SAMPLES) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(batch))


@each_variant
@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_a_block_is_the_one_in_pytorch(variant: str, shape: tuple[int, int, int, int]) -> None:
    in_channels, out_channels, bands, frames = shape
    block, maps = _block(in_channels, out_channels), torch.randn(2, in_channels, bands, frames)
    with kernel_variant(variant):
        assert serves_block(block.parts(), maps)
        pooled = block(maps)
    exact = block.double()(maps.double())
    assert pooled.shape == exact.shape
    # Measured 1.2e-6 of the largest number at most; PyTorch's float32 is off by up to 6e-7.
    torch.testing.assert_close(pooled.double(), exact, rtol=0, atol=5e-6 * exact.abs().max().item())


@each_variant
@pytest.mark.parametrize("samples", [131, 132, 134, 1000, NUM_SAMPLES])
@torch.inference_mode()
def test_the_stem_is_the_one_in_pytorch(variant: str, samples: int) -> None:
    model, clips = _model(), _clips(2, samples)
    nn.init.constant_(model.stem_norm.weight, -3.0)  # so that SELU's other side is seen
    nn.init.constant_(model.stem_norm.bias, 0.5)
    bank, filters = model.sinc_bank, model.sinc_bank.filters
    with kernel_variant(variant):
        assert serves_stem(bank, model.stem_norm, clips)
        maps = run_stem(bank, model.stem_norm, clips)
    largest = nn.functional.max_pool2d(
        nn.functional.conv1d(clips.double()[:, None], filters.double())[:, None].abs(), 3
    )
    exact = nn.functional.selu(model.stem_norm.double()(largest))
    torch.testing.assert_close(maps.double(), exact, rtol=0, atol=1e-6)


@each_variant
@pytest.mark.parametrize("recipe", ["aasist", "aasist-l"])
@torch.inference_mode()
def test_scores_are_those_of_pytorch(variant: str, recipe: str) -> None:
    model, clips = _model(recipe), _clips(2)
    with kernel_variant(None):
        expected = model(clips).score
    with kernel_variant(variant):
        torch.testing.assert_close(model(clips).score, expected, rtol=0, atol=1e-5)


@each_variant
@torch.inference_mode()
def test_no_bit_depends_on_threads_or_the_batch(variant: str, threads) -> None:
    model, clips = _model(), _clips(3)
    with kernel_variant(variant):
        threads(2)
        maps = model._encode(clips)
        for number in (1, 5):
            threads(number)
            assert torch.equal(model._encode(clips[1:2]), maps[1:2])


@each_variant
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
@torch.inference_mode()
def test_a_number_that_is_none_makes_a_score_that_is_none(variant: str, number: float) -> None:
    clips = _clips(2)
    clips[0, 30_000] = number
    with kernel_variant(variant):
        scores = _model()(clips).score
    assert scores.isfinite().tolist() == [False, True]


@each_variant
@torch.inference_mode()
def test_nan_reaches_the_frames_that_see_it_and_no_others_far_away(variant: str) -> None:
    block, maps = _block(32, 32), torch.randn(1, 32, 5, 120)
    maps[0, 3, 2, 60] = torch.nan
    with kernel_variant(variant):
        found = block(maps).isnan()[0]
    with kernel_variant(None):
        expected = block(maps).isnan()[0]
    assert (found | ~expected).all()
    assert not found[:, :, :15].any()
    assert not found[:, :, 25:].any()


@needs_kernel
def test_the_layout_of_what_comes_in_does_not_matter() -> None:
    block, maps = _block(8, 8), torch.randn(1, 8, 6, 41)
    with torch.inference_mode():
        expected = block(maps)
        shifted = torch.empty(maps.numel() + 1)[1:].view(1, 6, 41, 8).permute(0, 3, 1, 2)  # at no address of a vector
        assert torch.equal(block(shifted.copy_(maps)), expected)
        assert torch.equal(block(maps.transpose(2, 3).contiguous().transpose(2, 3)), expected)


@needs_kernel
def test_pytorch_serves_where_the_kernel_must_not() -> None:
    block, maps = _block(4, 4), torch.randn(1, 4, 3, 9)
    assert not serves_block(block.parts(), maps)  # a gradient may be wanted
    with torch.inference_mode():
        assert serves_block(block.parts(), maps)
        assert not serves_block(block.parts(), maps.double())
        assert not serves_block(block.parts(), maps[:0])
        assert not serves_block(block.parts(), maps[..., :2])
        assert not serves_block(block.train().parts(), maps)
        with kernel_variant(None):
            assert not serves_block(block.eval().parts(), maps)
        with FlopCounterMode(display=False) as counter:
            block(maps)
        assert counter.get_total_flops() > 0
        with torch.autocast("cpu", torch.bfloat16):
            assert block(maps).dtype == torch.bfloat16
        seen = []
        handle = block.conv2.register_forward_hook(lambda *_: seen.append(1))
        block(maps)
        handle.remove()
        assert seen
        block.conv1 = nn.Sequential(block.conv1)  # pyright: ignore[reportAttributeAccessIssue]
        assert not serves_block(block.parts(), maps)


@needs_kernel
def test_filters_that_are_not_symmetric_are_left_to_pytorch() -> None:
    model, clips = _model(), _clips(samples=1000)
    with torch.inference_mode():
        model.sinc_bank.filters[0, 0, 0] += 1
        assert not serves_stem(model.sinc_bank, model.stem_norm, clips)


@pytest.mark.parametrize("batch", [0, 1])
@torch.inference_mode()
def test_what_is_too_short_or_empty_fares_as_in_pytorch(batch: int) -> None:
    block = _block(4, 4)
    with pytest.raises(RuntimeError, match="too small"):
        block(torch.randn(1, 4, 3, 2))
    assert block(torch.randn(batch, 4, 3, 9)).shape == (batch, 4, 3, 3)


@needs_kernel
def test_a_compiler_sees_pytorchs_operators() -> None:
    model = build_model(AasistConfig(encoder_width=8, graph_width=4)).eval()
    with torch.no_grad():
        graph = torch.export.export(model.encoder[0], (torch.randn(2, 1, 23, 30),)).graph
    assert any("conv2d" in str(node.target) for node in graph.nodes)
