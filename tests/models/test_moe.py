"""The mixture of experts, its router's statistics, and the back-end around it."""

import math
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from moe_mamba_asv.models.backends.backend import Backend
from moe_mamba_asv.models.backends.build import BackendConfig, build_backend
from moe_mamba_asv.models.backends.moe import MixtureOfExperts, MoeBiMamba, MoeBiMambaConfig, MoeConfig

LENGTHS = torch.tensor([20, 13, 1])


def _mixture(width: int = 8, **config: int) -> MixtureOfExperts:
    torch.manual_seed(0)
    return MixtureOfExperts(width, MoeConfig(**config))


def _dense(mixture: MixtureOfExperts, frames: Tensor) -> Tensor:
    """Every expert on every frame, and all but the chosen weighted by 0."""
    logits = mixture.router(frames)
    kept, chosen = logits.topk(mixture.top_k, dim=-1)
    weights = torch.zeros_like(logits).scatter(-1, chosen, kept.softmax(-1))
    answers = torch.stack([expert(frames) for expert in mixture.experts], dim=-1)
    return (answers * weights.unsqueeze(-2)).sum(-1)


def _count_rows(mixture: MixtureOfExperts) -> list[int]:
    """The list fills with the frames that each expert computes."""
    rows: list[int] = []
    for expert in mixture.experts:
        expert.register_forward_hook(lambda module, given, answer: rows.append(given[0].shape[0]))
    return rows


@pytest.mark.parametrize(("num_experts", "top_k"), [(4, 2), (8, 3), (3, 3)])
def test_sparse_is_dense_with_weights_of_zero(num_experts: int, top_k: int) -> None:
    """Values and every gradient."""
    mixture, frames = _mixture(num_experts=num_experts, top_k=top_k), torch.randn(3, 20, 8, requires_grad=True)
    leaves = (frames, *mixture.parameters())
    sparse, dense = mixture(frames)[0], _dense(mixture, frames)
    torch.testing.assert_close(sparse, dense, rtol=0, atol=1e-6)
    towards = torch.randn_like(sparse)
    gradients = [torch.autograd.grad((answer * towards).sum(), leaves) for answer in (sparse, dense)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)  # sums over 60 frames


def test_an_expert_computes_only_the_frames_that_chose_it() -> None:
    mixture, frames = _mixture(num_experts=8), torch.randn(3, 20, 8)
    rows = _count_rows(mixture)
    _, statistics = mixture(frames, LENGTHS)
    assert sum(rows) == 2 * LENGTHS.sum()
    torch.testing.assert_close(statistics.expert_share, torch.tensor(rows) / sum(rows))


def test_padding_changes_nothing_and_stays_zero() -> None:
    mixture, frames = _mixture(), torch.randn(3, 20, 8)
    frames[1, 13:], frames[2, 1:] = torch.inf, torch.nan
    answers, statistics = mixture(frames, LENGTHS)
    for clip, length in enumerate(LENGTHS.tolist()):
        alone = mixture(frames[clip : clip + 1, :length])[0]
        torch.testing.assert_close(answers[clip, :length], alone[0], rtol=0, atol=1e-6)
        assert not answers[clip, length:].any()
    unpadded = torch.cat([frames[clip, :length] for clip, length in enumerate(LENGTHS.tolist())])
    torch.testing.assert_close(vars(mixture(unpadded[None])[1]), vars(statistics), rtol=1e-6, atol=1e-6)
    (answers.square().sum() + statistics.load_balance_loss).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in mixture.parameters())


def test_an_undecided_router_is_balanced_and_knows_it() -> None:
    mixture = _mixture(num_experts=4, top_k=4)
    nn.init.zeros_(mixture.router.weight)
    nn.init.zeros_(mixture.router.bias)
    statistics = mixture(torch.randn(2, 20, 8))[1]
    assert statistics.load_balance_loss.item() == pytest.approx(1)
    assert statistics.entropy.item() == pytest.approx(math.log(4))
    assert statistics.expert_share.tolist() == [0.25] * 4


def test_a_starved_expert_shows() -> None:
    mixture = _mixture()
    with torch.no_grad():
        mixture.router.bias[2] = -100
    statistics = mixture(torch.randn(8, 50, 8))[1]
    assert statistics.expert_share[2] == 0
    assert statistics.load_balance_loss > 1.2  # 4/3 where the other three are even
    assert statistics.entropy < math.log(3)


def test_a_collapsed_router_has_the_greatest_loss() -> None:
    mixture = _mixture(num_experts=8)
    with torch.no_grad():
        mixture.router.bias[:2] = 100
    statistics = mixture(torch.randn(2, 20, 8))[1]
    assert statistics.load_balance_loss.item() == pytest.approx(8 / 2)
    assert statistics.expert_share.tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]


def test_the_load_balance_loss_feeds_a_starved_expert() -> None:
    """Its gradient reaches the router, and nothing but the router; descent brings the share back."""
    mixture, frames = _mixture(), torch.randn(8, 50, 8)
    with torch.no_grad():
        mixture.router.bias[2] = -3
    before = mixture(frames)[1]
    before.load_balance_loss.backward()
    reached = {name for name, parameter in mixture.named_parameters() if parameter.grad is not None}
    assert reached == {"router.weight", "router.bias"}
    optimiser = torch.optim.Adam(mixture.router.parameters(), 0.1)
    for _ in range(60):
        optimiser.zero_grad()
        mixture(frames)[1].load_balance_loss.backward()
        optimiser.step()
    after = mixture(frames)[1]
    assert before.expert_share[2] < 0.05
    assert after.expert_share[2] > 0.15
    assert after.load_balance_loss < before.load_balance_loss


def test_an_idle_expert_still_has_a_gradient() -> None:
    """Zeros, not None: a process of a distributed run waits for the gradient of every weight."""
    mixture = _mixture()
    with torch.no_grad():
        mixture.router.bias[2] = -100
    mixture(torch.randn(2, 20, 8))[0].square().sum().backward()
    gradients = [parameter.grad for parameter in mixture.experts[2].parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_the_same_frames_give_the_same_bits() -> None:
    mixture, frames = _mixture(num_experts=8, top_k=3), torch.randn(2, 20, 8)
    assert torch.equal(mixture(frames)[0], mixture(frames)[0])


def test_bfloat16_does_not_choose_other_experts() -> None:
    mixture, frames = _mixture(num_experts=8), torch.randn(4, 50, 8)
    exact, statistics = mixture(frames)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, rounded_statistics = mixture(frames)
    torch.testing.assert_close(vars(rounded_statistics), vars(statistics))
    assert (rounded - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.parametrize("config", [{"num_experts": 4, "top_k": 5}, {"top_k": 1}, {"capacity": 2}])
def test_an_impossible_size_is_refused(config: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        MoeConfig(**config)


def test_a_padded_batch_equals_the_clips_alone() -> None:
    torch.manual_seed(0)
    model = MoeBiMamba(8, MoeBiMambaConfig(num_blocks=2)).eval()
    frames = torch.randn(3, 20, 8)
    frames[1, 13:] = 1e3
    batch = model(frames, LENGTHS)
    assert len(batch.routers) == 2
    for clip, length in enumerate(LENGTHS.tolist()):
        alone = model(frames[clip : clip + 1, :length])
        torch.testing.assert_close(batch.frames[clip, :length], alone.frames[0], rtol=0, atol=1e-5)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = MoeBiMamba(8, MoeBiMambaConfig(num_blocks=2))
    model(torch.randn(2, 20, 8)).frames.square().mean().backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert idle == []


# The exporter itself uses what PyTorch 2.13 calls old, and warns of axis names that it makes.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*axis name.*:UserWarning")
def test_onnx_takes_any_batch_and_length(tmp_path: Path) -> None:
    """The choice of experts is made by the exported graph, not written down in it."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from moe_mamba_asv.models.scan.onnx import translation_table

    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backend = MoeBiMamba(8, MoeBiMambaConfig(num_blocks=1))

        def forward(self, frames: Tensor) -> Tensor:
            return self.backend(frames).frames

    torch.manual_seed(0)
    model = Frames().eval()
    program = torch.onnx.export(
        model,
        (torch.randn(2, 31, 8),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch"), 1: torch.export.Dim("frames")},),
        custom_translation_table=translation_table(),
        verbose=False,
    )
    assert program is not None
    program.save(str(tmp_path / "model.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for clips, length in ((2, 31), (1, 7), (3, 201)):
        frames = torch.randn(clips, length, 8)
        found = session.run(None, {session.get_inputs()[0].name: frames.numpy()})[0]
        with torch.inference_mode():
            torch.testing.assert_close(torch.from_numpy(found), model(frames), rtol=0, atol=1e-5)


@pytest.mark.parametrize("change", [{"num_experts": 5}, {"top_k": 3}, {"expansion": 3}])
def test_every_field_of_a_mixture_changes_it(change: dict[str, int]) -> None:
    frames = torch.randn(2, 20, 8)
    assert not torch.equal(_mixture()(frames)[0], _mixture(**change)(frames)[0])


@pytest.mark.parametrize("section", ["bimamba", "moe-bimamba", "transformer"])
def test_a_section_of_a_recipe_becomes_the_backend_it_names(section: str) -> None:
    config = TypeAdapter(BackendConfig).validate_python({"kind": section, "num_blocks": 1})
    backend = build_backend(config, 8).eval()
    assert isinstance(backend, Backend)
    output = backend(torch.randn(2, 20, 8), torch.tensor([20, 7]))
    assert output.frames.shape == (2, 20, 8)
    assert len(output.routers) == (section == "moe-bimamba")
