"""Every recipe of the model line, with tiny self-supervised models written to disk and loaded as real ones are."""

import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

from made_batch import made_batch
from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.losses.objective import objective_terms
from moe_mamba_asv.training.recipe import Recipe, load_recipe, recipe_names
from tiny_ssl import NUM_LAYERS, save_tiny

LINE = [name for name in recipe_names() if name.startswith("phase")]
LENGTHS = (16_000, 64_599, 64_600, 64_601, 160_000)
#: So that the whole line is tried in seconds; the parts stay as the recipe has them.
NARROW = ["model.width=16"]
TINY = {"facebook": "wav2vec2-stable", "microsoft": "wavlm-stable", "openai": "whisper"}


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tiny model for each publisher that the recipes name."""
    return {owner: save_tiny(tmp_path_factory.mktemp(owner), kind) for owner, kind in TINY.items()}


def small(name: str, sources: dict[str, Path], *overrides: str) -> Recipe:
    """A shipped recipe whose self-supervised models are tiny ones of four layers on disk."""
    recipe = load_recipe(name, [*NARROW, *overrides])
    changes = []
    for index, frontend in enumerate(recipe.model.frontends):
        inner, prefix = (frontend.ssl, ".ssl") if frontend.kind == "cascade" else (frontend, "")
        if inner.kind == "sincnet":
            changes.append(f"model.frontends.{index}.channels=[4, 4, 4, 4, 4, 4]")
            continue
        if inner.kind == "spectral":
            changes.append(f"model.frontends.{index}.channels=[4, 4, 4, 4]")
            continue
        place = f"model.frontends.{index}{prefix}"
        changes.append(f"{place}.source={sources[inner.source.partition('/')[0]]}")
        if frontend.kind == "cascade":
            changes += [f"{place}.layers=[1, 2, {NUM_LAYERS}]", f"model.frontends.{index}.width=16"]
        if inner.trainable is not None:
            changes.append(f"{place}.trainable=[2, {NUM_LAYERS - 1}]")
    return load_recipe(name, [*NARROW, *changes, *overrides])


def built(recipe: Recipe) -> Countermeasure:
    torch.manual_seed(0)
    model = build_model(recipe.model)
    assert isinstance(model, Countermeasure)
    return model


@cache
def noise(num_samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", LINE)
def test_every_recipe_runs_learns_and_comes_back(name: str, sources: dict[str, Path], tmp_path: Path) -> None:
    recipe = small(name, sources)
    model = built(recipe)
    for num_samples in LENGTHS:
        with torch.no_grad():
            output = model.eval()(noise(num_samples)[:1])
        assert output.score.shape == (1,)
        assert output.score.isfinite().all()
    terms = objective_terms(model.train()(noise(16_000)), made_batch([0, 1]), recipe.training.objective)
    torch.stack(list(terms.values())).sum().backward()
    idle = [key for key, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert idle == []
    wild = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is not None and not parameter.grad.isfinite().all()
    ]
    assert wild == []

    for full in (False, True):
        path = tmp_path / f"{full}.safetensors"
        save_checkpoint(Checkpoint.of(model, name, recipe.model, {"partition": "dev"}, full=full), path)
        again = load_checkpoint(path).build()
        assert torch.equal(again(noise(16_000)).score, model.eval()(noise(16_000)).score)
    light, whole = ((tmp_path / f"{full}.safetensors").stat().st_size for full in (False, True))
    assert (light < whole) if model.borrowed() else (light == whole)


def test_a_full_checkpoint_needs_no_source_and_a_light_one_says_so(sources: dict[str, Path], tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "wavlm", "wavlm-stable")
    recipe = small("phase4", {**sources, "microsoft": folder})
    model = built(recipe).eval()
    score = model(noise(16_000)).score
    for full in (False, True):
        save_checkpoint(
            Checkpoint.of(model, "phase4", recipe.model, {"partition": "dev"}, full=full),
            tmp_path / f"{full}.safetensors",
        )
    save_tiny(folder, "wavlm-stable", seed=1)  # the source changes behind its name
    with pytest.raises(CheckpointError, match="--full"):
        load_checkpoint(tmp_path / "False.safetensors").build()
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match="no self-supervised model"):
        load_checkpoint(tmp_path / "False.safetensors").build()
    assert torch.equal(load_checkpoint(tmp_path / "True.safetensors").build()(noise(16_000)).score, score)


def test_defect_alignment_by_truncation(sources: dict[str, Path]) -> None:
    """A change in the last second of audio changes the score of the dual stream, through either stream alone."""
    model = built(small("phase4", sources)).eval()
    changed = noise(64_600).clone()
    changed[:, -16_000:] *= 0.5

    def score(waveforms: torch.Tensor) -> torch.Tensor:
        return model(waveforms).score

    assert (score(noise(64_600)) != score(changed)).all()
    for silent in (0, 1):
        handle = model.projections[silent].register_forward_hook(lambda _module, _inputs, frames: frames * 0)
        assert (score(noise(64_600)) != score(changed)).all()
        handle.remove()


def test_defect_frozen_encoder_woken_by_train(sources: dict[str, Path]) -> None:
    model = built(small("phase2", sources)).train()
    encoder = model.frontends[0]
    assert not any(module.training for layer in encoder.layers for module in layer.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_defect_one_class_scored_by_logits(sources: dict[str, Path]) -> None:
    model = built(small("phase3", sources)).eval()
    output = model(noise(16_000))
    cosine = torch.nn.functional.cosine_similarity(output.embedding, model.head.centre, dim=-1)
    torch.testing.assert_close(output.score, cosine)
    assert output.logits is None


def test_defect_r_fake() -> None:
    loss = load_recipe("phase3").training.objective.loss
    assert (loss.kind, loss.r_real, loss.r_fake, loss.alpha) == ("oc-softmax", 0.9, 0.2, 20)


def test_frames_are_all_that_a_decision_rests_on(sources: dict[str, Path]) -> None:
    model = built(
        small("phase4", sources, "model.projection_width=8", "training.objective.supcon={weight: 0.1}")
    ).eval()
    frames, auxiliaries = model.frames(noise(16_000))
    whole, rest = model(noise(16_000)), model.decide(frames)
    assert frames.shape == (2, 49, 16)
    assert auxiliaries.keys() == {"stream_shares"}
    assert torch.equal(rest.score, whole.score)
    assert whole.auxiliaries.keys() == rest.auxiliaries.keys() | auxiliaries.keys()


def test_defect_load_balance_ignored(sources: dict[str, Path]) -> None:
    """Its gradient reaches the router, and its weight in the recipe scales the term."""
    model = built(small("phase3", sources))
    output = model(noise(16_000))
    output.auxiliaries["load_balance"].backward()
    assert all(block.mixture.router.weight.grad.abs().max() > 0 for block in model.backend.blocks)
    light, heavy = (
        objective_terms(
            output,
            made_batch([0, 1]),
            load_recipe("phase3", [f"training.objective.load_balance={weight}"]).training.objective,
        )["load_balance"]
        for weight in (0.01, 0.1)
    )
    torch.testing.assert_close(10 * light, heavy)


def test_auxiliaries_are_there_where_their_parts_are(sources: dict[str, Path]) -> None:
    extras = ["model.projection_width=8", "model.num_attacks=6", "model.num_domains=3"]
    extras += ["training.objective={supcon: {weight: 0.1}, attack_type: 1, domain: 1, loss: {kind: cross-entropy}}"]
    dual = built(small("phase4", sources, *extras))(noise(16_000)).auxiliaries
    assert {name: tuple(value.shape) for name, value in dual.items()} == {
        "stream_shares": (2, 2),
        "projection": (2, 8),
        "attack_logits": (2, 6),
        "domain_logits": (2, 3),
    }
    routed = built(small("phase3", sources))(noise(16_000)).auxiliaries
    assert {name: tuple(value.shape) for name, value in routed.items()} == {
        "load_balance": (),
        "expert_share": (3, 4),
        "router_entropy": (3,),
    }


CHANGES = [
    "model.width=24",
    "model.dropout=0.5",
    "model.fusion.kind=gated",
    "model.fusion.kind=cross-attention",
    "model.fusion.kind=multi-scale",
    "model.fusion.kind=concatenation",
    "model.backend.kind=transformer",
    "model.backend.kind=moe-bimamba",
    "model.backend.num_blocks=1",
    "model.backend.mix=gated",
    "model.backend.columns=shared",
    "model.pooling.kind=mean",
    "model.pooling.kind=statistics",
    "model.head.kind=one-class",
    "model.frontends.1.num_filters=100",
    "model.frontends.1.frequency_mask=true",
    "model.frontends.1.learnable=false",
    "model.frontends.0.layers=last",
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_choice_changes_the_model(change: str, sources: dict[str, Path]) -> None:
    """A field that changes nothing fails."""

    def answer(recipe: Recipe) -> tuple[list[tuple[str, tuple[int, ...]]], list[float]]:
        model = built(recipe).train()
        torch.manual_seed(1)
        shapes = [(key, tuple(value.shape)) for key, value in model.named_parameters()]
        return shapes, model(noise(16_000)).score.tolist()

    changed = small("phase4", sources, change)
    assert changed.model != small("phase4", sources).model
    assert answer(changed) != answer(small("phase4", sources))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.fusion.kid=gated", "kind"),
        ("model.fusion.reductoin=8", "reduction"),
        ("model.backend.mamba.d_sate=8", "d_state"),
        ("model.frontends.1.num_filtres=8", "num_filters"),
        ("model.frontends.7.num_filters=8", "0 to 1"),
        ("model.fusion.kind=sum", "squeeze-excitation"),
        ("model.fusion=null", "two need one"),
        ("training.objective.loss.r_fak=0.5", "known are"),
    ],
)
def test_a_wrong_key_in_a_section_names_the_nearest(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("phase4", [override])


def test_another_kind_takes_its_own_keys() -> None:
    recipe = load_recipe("phase4", ["model.fusion.kind=multi-scale", "training.objective.loss.kind=oc-softmax"])
    assert recipe.model.fusion.kind == "multi-scale"
    assert recipe.training.objective.loss.kind == "oc-softmax"


def test_detectors_without_published_parts_borrow_nothing() -> None:
    model: Detector = build_model(load_recipe("lcnn-small").model)
    assert model.borrowed() == frozenset()
    assert model.architectures() == []
