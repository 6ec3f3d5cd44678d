"""The Mamba block and its bidirectional forms."""

import math

import pytest
import torch

from moe_mamba_asv.models.backends.bimamba import BiMamba, BiMambaBlock, BiMambaConfig, reverse_time
from moe_mamba_asv.models.backends.mamba import Mamba, MambaConfig, MambaState
from moe_mamba_asv.models.scan import selective_scan

#: Names and shapes of ``mamba_ssm.Mamba(d_model=144)``: d_inner 288, dt_rank 9, d_state 16, d_conv 4.
OFFICIAL = {
    "A_log": (288, 16),
    "D": (288,),
    "in_proj.weight": (576, 144),
    "conv1d.weight": (288, 1, 4),
    "conv1d.bias": (288,),
    "x_proj.weight": (41, 288),
    "dt_proj.weight": (288, 9),
    "dt_proj.bias": (288,),
    "out_proj.weight": (144, 288),
}
VARIANTS = [(columns, mix) for columns in ("two", "shared") for mix in ("mean", "gated")]


def test_official_weights_would_load() -> None:
    block = Mamba(144, MambaConfig())
    assert {name: tuple(tensor.shape) for name, tensor in block.state_dict().items()} == OFFICIAL


def test_the_block_is_the_published_one() -> None:
    """The definition written out frame by frame, with the official names."""
    torch.manual_seed(0)
    block = Mamba(6, MambaConfig(d_state=3)).double()
    frames = torch.randn(2, 11, 6, dtype=torch.float64)
    weight = dict(block.named_parameters())
    A, h, seen = -weight["A_log"].exp(), torch.zeros(2, 12, 3, dtype=torch.float64), torch.zeros(2, 3, 12).double()
    outputs = []
    for frame in frames.unbind(1):
        x, z = (frame @ weight["in_proj.weight"].T).chunk(2, dim=-1)
        seen = torch.cat([seen, x[:, None]], dim=1)
        x = (seen[:, -4:] * weight["conv1d.weight"][:, 0].T).sum(1) + weight["conv1d.bias"]
        x = torch.nn.functional.silu(x)
        dt, B, C = (x @ weight["x_proj.weight"].T).split([1, 3, 3], dim=-1)
        delta = torch.nn.functional.softplus(dt @ weight["dt_proj.weight"].T + weight["dt_proj.bias"])
        h = (delta[..., None] * A).exp() * h + (delta * x)[..., None] * B[:, None]
        y = (h * C[:, None]).sum(-1) + weight["D"] * x
        outputs.append((y * torch.nn.functional.silu(z)) @ weight["out_proj.weight"].T)
    torch.testing.assert_close(block(frames), torch.stack(outputs, dim=1))


def test_initial_values_are_the_official_ones() -> None:
    block = Mamba(144, MambaConfig())
    steps = torch.nn.functional.softplus(block.dt_proj.bias)
    assert steps.min() >= 0.001 * 0.99
    assert steps.max() <= 0.1 * 1.01
    assert steps.median().item() == pytest.approx(0.01, rel=0.5)  # even on a logarithmic scale
    torch.testing.assert_close(block.A_log.exp(), torch.arange(1.0, 17).expand(288, 16))
    assert (block.D == 1).all()
    assert block.dt_proj.weight.abs().max() <= 9**-0.5


@pytest.mark.parametrize("chunk", [1, 3, 4, 29])
def test_a_stream_equals_the_whole(chunk: int) -> None:
    torch.manual_seed(0)
    block = Mamba(12, MambaConfig()).eval()
    frames = torch.randn(2, 29, 12)
    state = block.empty_state(2, frames)
    parts = []
    for part in frames.split(chunk, dim=1):
        out, state = block.stream(part, state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, dim=1), block(frames), rtol=0, atol=1e-5)
    assert isinstance(state, MambaState)
    assert state.conv.shape == (2, 3, 24)


def test_whole_clips_need_no_initial_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The official kernels take none, and `scan: mamba_ssm` is to work."""

    def scan(*inputs: torch.Tensor, **options: object) -> object:
        assert options["initial_state"] is None
        assert options["implementation"] == "mamba_ssm"
        return selective_scan(*inputs, **{**options, "implementation": "auto"})  # pyright: ignore

    monkeypatch.setattr("moe_mamba_asv.models.backends.mamba.selective_scan", scan)
    assert Mamba(8, MambaConfig(scan="mamba_ssm"))(torch.randn(1, 5, 8)).shape == (1, 5, 8)


def test_a_causal_block_does_not_see_the_future() -> None:
    block = Mamba(8, MambaConfig())
    frames = torch.randn(1, 20, 8)
    changed = frames.clone()
    changed[:, 12:] += 1
    different = (block(frames) != block(changed)).any(-1)[0]
    assert different.tolist() == [False] * 12 + [True] * 8


@pytest.mark.parametrize(("columns", "mix"), VARIANTS)
def test_a_padded_batch_equals_the_clips_alone(columns: str, mix: str) -> None:
    torch.manual_seed(0)
    model = BiMamba(8, BiMambaConfig(num_blocks=2, columns=columns, mix=mix)).eval()
    frames, lengths = torch.randn(3, 20, 8), torch.tensor([20, 13, 1])
    frames[1, 13:] = 1e3  # whatever the padding holds
    batch = model(frames, lengths).frames
    for clip, length in enumerate(lengths.tolist()):
        alone = model(frames[clip : clip + 1, :length]).frames
        torch.testing.assert_close(batch[clip, :length], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("columns", "mix"), VARIANTS)
def test_every_parameter_gets_a_gradient(columns: str, mix: str) -> None:
    model = BiMamba(8, BiMambaConfig(num_blocks=2, columns=columns, mix=mix))
    model(torch.randn(2, 20, 8)).frames.square().mean().backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert idle == []


def test_shared_columns_have_half_the_weights_and_every_frame_sees_all() -> None:
    two, shared = (BiMamba(8, BiMambaConfig(num_blocks=1, columns=columns)).eval() for columns in ("two", "shared"))
    scan_weights = sum(parameter.numel() for parameter in Mamba(8, MambaConfig()).parameters())
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (two, shared)]
    assert sizes[0] - sizes[1] == scan_weights
    frames = torch.randn(1, 20, 8, dtype=torch.float64)
    changed = frames.clone()
    changed[:, 10] = torch.randn(8)
    for model in (two.double(), shared.double()):
        assert (model(frames).frames != model(changed).frames).any(-1).all()


def test_two_directions_do_not_double_the_magnitude() -> None:
    """On a clip that reads the same both ways, shared directions answer the same, and their mix is that answer."""
    block = BiMambaBlock(8, BiMambaConfig(columns="shared", dropout=0))
    half = torch.randn(1, 10, 8)
    frames = torch.cat([half, half.flip(1)], dim=1)
    added = block(frames) - frames
    ahead = block.ahead(block.norm(frames))
    torch.testing.assert_close(added, (ahead + ahead.flip(1)) / 2)


def test_a_gate_stays_between_its_directions() -> None:
    torch.manual_seed(0)
    block = BiMambaBlock(8, BiMambaConfig(mix="gated", dropout=0))
    frames = torch.randn(1, 10, 8)
    normed = block.norm(frames)
    ahead, back = block.ahead(normed), block.back(normed.flip(1)).flip(1)
    added = block(frames) - frames
    assert (added <= torch.maximum(ahead, back) + 1e-6).all()
    assert (added >= torch.minimum(ahead, back) - 1e-6).all()


def test_reversal_stays_within_a_clip() -> None:
    frames = torch.arange(5.0).expand(3, 5)[..., None]
    turned = reverse_time(frames, torch.tensor([5, 3, 0]))
    assert turned[..., 0].tolist() == [[4, 3, 2, 1, 0], [2, 1, 0, 3, 4], [0, 1, 2, 3, 4]]
    assert torch.equal(reverse_time(turned, torch.tensor([5, 3, 0])), frames)


def test_bfloat16_on_a_cpu_stays_close() -> None:
    torch.manual_seed(0)
    model = BiMamba(16, BiMambaConfig(num_blocks=2)).eval()
    frames = torch.randn(2, 50, 16)
    exact = model(frames).frames
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(frames).frames
    assert (rounded.float() - exact).abs().max() < 0.05 * exact.abs().max()


def test_training_on_a_hard_start_stays_finite() -> None:
    """A copy of the past is learnt from steps a hundred times too large, where hand-written scans went to NaN."""
    torch.manual_seed(0)
    model = BiMamba(8, BiMambaConfig(num_blocks=2, dropout=0, mamba=MambaConfig(dt_min=0.1, dt_max=10)))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        frames = torch.randn(8, 40, 8)
        loss = (model(frames).frames[:, 5:] - frames[:, :-5]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(map(math.isfinite, losses))
    assert losses[-1] < 0.8 * losses[0]
