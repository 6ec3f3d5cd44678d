"""What is hidden cannot be heard, by any family; without a mask, the model is the published one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.models.frontends.ssl_source import load_published, save_published
from moe_mamba_asv.training.pretrain.predictor import MaskedPredictor
from tiny_ssl import KINDS, published_states, save_tiny

Tiny = Callable[[str], Path]
FAMILIES = ("wavlm-stable", "wav2vec2-stable", "hubert-stable", "whisper")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Folder of a tiny model of one kind, which does not look at the level of a clip, written once."""
    folders: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = save_tiny(tmp_path_factory.mktemp(kind), kind, do_normalize=False)
        return folders[kind]

    return folder


def noise(num_samples: int = 16_000) -> Tensor:
    return 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(num_samples))


def mask_of(predictor: MaskedPredictor, first: int = 0, last: int = 0) -> Tensor:
    mask = torch.zeros(2, len(predictor.encoder.frame_centres(16_000)), dtype=torch.bool)
    mask[:, first:last] = True
    return mask


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_mask_it_is_the_published_model(tiny: Tiny, kind: str) -> None:
    predictor = MaskedPredictor(load_published(str(tiny(kind))), 5, None).eval()
    with torch.no_grad():
        found = predictor.encoder(noise(), mask_of(predictor))
    wanted = published_states(tiny(kind), noise())[-1]
    assert (found - wanted).norm() <= 1e-5 * wanted.norm()
    assert predictor(noise(), mask_of(predictor)).shape == (*wanted.shape[:2], 5)


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_is_hidden_cannot_be_heard(tiny: Tiny, kind: str) -> None:
    predictor = MaskedPredictor(load_published(str(tiny(kind))), 5, None).eval()
    hidden, seen = noise(), noise()
    # Frames 10 to 29 begin at sample 3,200; each sees 400 samples, and 1,040 of Whisper.
    hidden[:, 5_000:7_000] = noise(2_000)
    seen[:, 500:1_500] = noise(1_000)
    with torch.no_grad():
        for clips, is_heard in ((hidden, False), (seen, True)):
            answers = [predictor(one, mask_of(predictor, 10, 30)) for one in (noise(), clips)]
            # At a hidden frame, which has to guess from its surroundings.
            assert bool((answers[0] - answers[1])[:, 20].abs().max() > 1e-4) == is_heard
        changed = predictor(noise(), mask_of(predictor)) - predictor(hidden, mask_of(predictor))
        assert changed[:, 20].abs().max() > 1e-4


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_middle_of_a_frame_is_where_it_looks(tiny: Tiny, kind: str) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny(kind))))
    centres = MaskedPredictor(load_published(str(tiny(kind))), 5, None).encoder.frame_centres(16_000)
    assert len(centres) == frontend.num_frames(16_000)
    clips = noise()[:1].requires_grad_()
    analyse = frontend.input if kind == "whisper" else frontend.input.convolutions
    analyse(frontend.prepare(clips) if kind == "whisper" else clips)[0, 20].sum().backward()
    seen = clips.grad[0].nonzero().float()
    # Whisper pairs each mel frame with the next, so its middle leans half a hop to one side.
    assert (seen.max() + 1 + seen.min()) / 2 == pytest.approx(centres[20].item(), abs=161)


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_trained_range_the_mask_and_the_head_are_trained(tiny: Tiny, kind: str) -> None:
    predictor = MaskedPredictor(load_published(str(tiny(kind))), 5, (1, 2)).train()
    assert [layer.training for layer in predictor.encoder.layers] == [False, True, True, False]
    predictor(noise(), mask_of(predictor, 3, 9)).square().sum().backward()
    moved = {name for name, one in predictor.named_parameters() if one.grad is not None and one.grad.any()}
    asked = {name for name, one in predictor.named_parameters() if one.requires_grad}
    inside = {id(one) for one in predictor.encoder.layers[1:3].parameters()}
    others = {name for name, one in predictor.named_parameters() if id(one) in inside}
    embedding = {name for name, one in predictor.named_parameters() if one is predictor.encoder.mask_embedding}
    assert asked == others | embedding | {"head.weight", "head.bias"}
    assert embedding | {"head.weight", "head.bias"} <= moved <= asked
    with pytest.raises(ConfigError, match="0 to 3"):
        MaskedPredictor(load_published(str(tiny(kind))), 5, (2, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_model_is_trained_but_for_whispers_positions(tiny: Tiny, kind: str) -> None:
    published = load_published(str(tiny(kind)))
    published.model.config.layerdrop = 0.0  # else one may be skipped, and ask for nothing
    predictor = MaskedPredictor(published, 5, None).train()
    predictor(noise(), mask_of(predictor, 3, 9)).square().sum().backward()
    still = [name for name, one in predictor.named_parameters() if one.requires_grad and one.grad is None]
    assert still == []
    fixed = [name for name, one in predictor.named_parameters() if not one.requires_grad]
    assert fixed == (["encoder.input.positions.weight"] if kind == "whisper" else [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_written_back_is_the_same(tiny: Tiny, kind: str, tmp_path: Path) -> None:
    save_published(load_published(str(tiny(kind))), tmp_path)
    old, new = (load_file(folder / "model.safetensors") for folder in (tiny(kind), tmp_path))
    assert new.keys() == {name for name in old if not name.startswith("decoder.")}
    assert all(torch.equal(old[name], new[name]) for name in new)
    frontends = [SslFrontend(SslConfig(source=str(folder))) for folder in (tiny(kind), tmp_path)]
    assert torch.equal(frontends[0](noise()), frontends[1](noise()))
    if kind != "whisper":
        assert frontends[1].architecture["do_normalize"] is False


def test_a_model_without_an_embedding_for_hidden_frames_gets_one(tiny: Tiny, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, "wavlm-stable")
    weights = load_file(folder / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    embedding = load_published(str(folder)).model.masked_spec_embed
    assert embedding.isfinite().all()
    assert embedding.std() > 0.1
    del weights["encoder.layers.0.final_layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lacks 1 weights"):
        load_published(str(folder))


def test_random_weights_need_no_more_than_a_configuration(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny("hubert-post") / "config.json").read_bytes())
    with pytest.raises(CheckpointError):
        load_published(str(tmp_path))
    assert load_published(str(tmp_path), at_random=True).model.config.model_type == "hubert"
