"""Self-supervised front-ends answer what transformers does, and what is frozen stays so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from moe_mamba_asv.errors import AudioError, CheckpointError, ConfigError
from moe_mamba_asv.models.frontends import fast_products
from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.models.frontends.ssl_inputs import slaney_mel_filters
from tiny_ssl import KINDS, NUM_LAYERS, WIDTH, published_states, save_tiny

LENGTHS = (16_000, 64_599, 64_600, 64_601)
FAMILIES = ("wavlm-stable", "wav2vec2-stable", "hubert-post", "whisper")
Tiny = Callable[[str], Path]


def clips(num_samples: int = 4_000, batch: int = 2) -> Tensor:
    """Noise of two loudnesses, so that a norm over the batch would show."""
    noise = torch.randn(batch, num_samples, generator=torch.Generator().manual_seed(num_samples))
    return noise * torch.linspace(0.05, 0.2, batch)[:, None] + 0.01


def assert_close(states: list[Tensor], wanted: list[Tensor], tolerance: float = 1e-5) -> None:
    """Relative L2 distance of each; 1e-5 is ten times what float32 rounding gave."""
    for index, (state, exact) in enumerate(zip(states, wanted, strict=True)):
        assert state.shape == exact.shape
        assert (state - exact).norm() <= tolerance * exact.norm(), index


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_transformers(tiny: Tiny, kind: str) -> None:
    whole = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted"))
    cut = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted", num_layers=2))
    chosen = SslFrontend(SslConfig(source=str(tiny(kind)), layers=(1, 3)))
    assert (len(whole.layers), len(cut.layers), len(chosen.layers)) == (NUM_LAYERS, 2, 3)
    for num_samples in LENGTHS:
        waveforms = clips(num_samples)
        published = published_states(tiny(kind), waveforms)
        assert published[0].shape[1] == whole.num_frames(num_samples)
        assert_close(whole.hidden_states(waveforms), published)
        assert_close(cut.hidden_states(waveforms), published[:3])
        assert_close(chosen.hidden_states(waveforms), [published[1], published[3]])


@pytest.mark.parametrize("kind", FAMILIES)
def test_forward_is_the_last_layer_in_use(tiny: Tiny, kind: str) -> None:
    published = published_states(tiny(kind), clips())
    for num_layers in (None, 1):
        frontend = SslFrontend(SslConfig(source=str(tiny(kind)), num_layers=num_layers))
        assert frontend.width == WIDTH
        assert frontend.frame_rate_hz == 50
        assert_close([frontend(clips())], [published[num_layers or NUM_LAYERS]])


@pytest.mark.parametrize("do_normalize", [True, False])
def test_input_is_normalised_where_the_preprocessor_says_so(tmp_path: Path, do_normalize: bool) -> None:
    for kind in ("wav2vec2-stable", "wavlm-post"):
        folder = save_tiny(tmp_path / kind, kind, do_normalize=do_normalize)
        frontend = SslFrontend(SslConfig(source=str(folder), layers="weighted"))
        assert_close(frontend.hidden_states(clips()), published_states(folder, clips()))


@pytest.mark.parametrize(("kind", "normalised"), [("wav2vec2-stable", True), ("wavlm-post", False)])
def test_without_a_preprocessor_the_usual_one_is_taken(tmp_path: Path, kind: str, normalised: bool) -> None:
    folder = save_tiny(tmp_path, kind)
    (folder / "preprocessor_config.json").unlink()
    assert SslFrontend(SslConfig(source=str(folder))).architecture["do_normalize"] is normalised


@pytest.mark.parametrize("num_bins", [80, 128])
def test_mel_filters_are_those_of_whisper(num_bins: int) -> None:
    wanted = mel_filter_bank(201, num_bins, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    torch.testing.assert_close(torch.from_numpy(slaney_mel_filters(num_bins)), torch.from_numpy(wanted).mT)


@pytest.mark.parametrize(("kind", "samples"), [("hubert-stable", 400), ("whisper", 1040)])
def test_a_frame_sees_its_receptive_field(tiny: Tiny, kind: str, samples: int) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny(kind))))
    waveforms = clips(16_000, batch=1).requires_grad_()
    # Before attention and, where positions are a convolution, before that.
    analyse = frontend.input if kind == "whisper" else frontend.input.convolutions
    analyse(frontend.prepare(waveforms) if kind == "whisper" else waveforms)[0, 20].sum().backward()
    seen = waveforms.grad[0].nonzero()
    assert frontend.receptive_field_samples == samples
    # The first sample of a Hann window counts nothing.
    assert samples - 1 <= seen.max() - seen.min() + 1 <= samples


@pytest.mark.parametrize("kind", FAMILIES)
def test_frozen_is_frozen_for_good(tiny: Tiny, kind: str) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny(kind))))
    parent = nn.Sequential(frontend).train()
    assert not any(module.training for part in (frontend.input, frontend.layers[0]) for module in part.modules())
    assert not any(parameter.requires_grad for parameter in parent.parameters())
    first, second = frontend(clips()), frontend(clips())
    assert not first.requires_grad
    assert torch.equal(first, second)  # neither dropout, nor random masks, nor skipped layers


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_trained_range_is_trained_and_nothing_else(tiny: Tiny, kind: str, precision: str) -> None:
    config = SslConfig(source=str(tiny(kind)), layers="weighted", trainable=(1, 2), precision=precision)
    frontend = SslFrontend(config).train()
    assert [layer.training for layer in frontend.layers] == [False, True, True, False]
    frontend(clips()).square().mean().backward()
    with_gradient = {name for name, parameter in frontend.named_parameters() if parameter.grad is not None}
    assert with_gradient == {
        name for name, _ in frontend.named_parameters() if name.startswith(("layers.1.", "layers.2.", "mix."))
    }
    assert {parameter.dtype for name, parameter in frontend.named_parameters() if name in with_gradient} == {
        torch.float32
    }
    assert [layer.training for layer in frontend.eval().layers] == [False] * NUM_LAYERS
    exact = published_states(tiny(kind), clips())
    # Rounding to bfloat16 shows more in so small a model: 3 % at worst, where WavLM-Large's size has 1.3 %.
    assert_close(frontend.hidden_states(clips()), exact, tolerance=1e-5 if precision == "float32" else 0.05)
    with torch.inference_mode():
        assert not frontend(clips()).requires_grad


def test_frozen_in_bfloat16_answers_float32_close_by(tiny: Tiny) -> None:
    for kind in KINDS:
        frontend = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted", precision="bfloat16"))
        states = frontend.hidden_states(clips())
        assert {state.dtype for state in states} == {torch.float32}
        assert_close(states, published_states(tiny(kind), clips()), tolerance=0.05)


class Adapter(nn.Module):
    """As LoRA: a frozen projection and a trained product of two thin ones."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down, self.up = nn.Linear(base.in_features, 1), nn.Linear(1, base.out_features)

    def forward(self, frames: Tensor) -> Tensor:
        return self.base(frames) + self.up(self.down(frames))


def test_an_adapter_in_a_frozen_layer_has_effect_and_gradient(tiny: Tiny) -> None:
    """Transformers' WavLM reads the bare weights of its projections, past any adapter."""
    frontend = SslFrontend(SslConfig(source=str(tiny("wavlm-stable"))))
    before = frontend(clips())
    frontend.layers[2].attention.q_proj = Adapter(frontend.layers[2].attention.q_proj)
    assert (frontend(clips()) - before).abs().max() > 1e-4
    frontend.train()
    assert [layer.training for layer in frontend.layers] == [False, False, True, False]
    frontend(clips()).square().mean().backward()
    assert {name for name, parameter in frontend.named_parameters() if parameter.grad is not None} == {
        f"layers.2.attention.q_proj.{part}.{kind}" for part in ("down", "up") for kind in ("weight", "bias")
    }


def test_an_adapter_in_bfloat16_is_refused(tiny: Tiny) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny("wavlm-stable")), precision="bfloat16"))
    frontend.layers[2].attention.q_proj = Adapter(frontend.layers[2].attention.q_proj)
    with pytest.raises(ConfigError, match="layer 2 is trained and held in bfloat16"):
        frontend(clips())


def test_the_mix_starts_even_and_learns() -> None:
    states = [torch.randn(2, 5, 3) for _ in range(4)]
    mix = LayerMix(4)
    torch.testing.assert_close(mix.shares(), torch.full((4,), 0.25))
    torch.testing.assert_close(mix(states), torch.stack(states).mean(0))
    mix(states)[0, 0, 0].backward()
    values = torch.stack([state[0, 0, 0] for state in states])
    torch.testing.assert_close(mix.logits.grad, 0.25 * (values - values.mean()))  # of a softmax with equal shares
    with torch.no_grad():
        mix.logits[2] = 100
    torch.testing.assert_close(mix(states), states[2])
    assert not mix.shares().requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_needs_no_source(tiny: Tiny, kind: str) -> None:
    config = SslConfig(source=str(tiny(kind)), layers="weighted", num_layers=3)
    frontend = SslFrontend(config)
    architecture = json.loads(json.dumps(frontend.architecture))
    assert architecture == frontend.architecture
    assert str(tiny(kind)) not in json.dumps(architecture)
    moved = SslFrontend(config.model_copy(update={"source": "nowhere/at-all"}), architecture=architecture)
    assert moved.architecture == architecture
    assert not any(module.training for module in moved.input.modules())
    assert not torch.equal(moved(clips()), frontend(clips()))
    moved.load_state_dict(frontend.state_dict())
    assert torch.equal(moved(clips()), frontend(clips()))


def test_an_unreachable_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"microsoft/wavlm-large.*--local-dir FOLDER"):
        SslFrontend(SslConfig(source="microsoft/wavlm-large"))
    with pytest.raises(CheckpointError, match="/no/such/folder"):
        SslFrontend(SslConfig(source="/no/such/folder"))


def test_folders_that_hold_no_such_model_are_named(tmp_path: Path) -> None:
    config = SslConfig(source=str(tmp_path))
    with pytest.raises(CheckpointError, match="model_type None"):
        SslFrontend(config)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match=r"model_type 'bert'.*one of hubert, wav2vec2, wavlm, whisper"):
        SslFrontend(config)
    save_tiny(tmp_path, "hubert-post")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="no self-supervised model could be read"):
        SslFrontend(config)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no self-supervised model could be read"):
        SslFrontend(config)


def test_weights_that_are_missing_or_do_not_fit_are_named(tmp_path: Path) -> None:
    weights = load_file(save_tiny(tmp_path, "wavlm-stable") / "model.safetensors")
    name = "encoder.layers.1.attention.q_proj.weight"
    for change in ({}, {name: torch.zeros(3, 3)}):
        changed = {key: tensor for key, tensor in weights.items() if key != name} | change
        save_file(changed, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=rf"lacks 1 weights.*{name}"):
            SslFrontend(SslConfig(source=str(tmp_path)))
        SslFrontend(SslConfig(source=str(tmp_path), num_layers=1))  # which does without


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 5}, "layer 5 of"),
        ({"layers": (1, 5)}, "layer 5 of"),
        ({"trainable": (2, 4)}, "from 0 to 3"),
        ({"trainable": (0, 1), "num_layers": 1}, "from 0 to 0"),
    ],
)
def test_more_layers_than_there_are_is_an_error(tiny: Tiny, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SslFrontend(SslConfig.model_validate({"source": str(tiny("hubert-post")), **options}))


@pytest.mark.parametrize(
    "options",
    [
        {"layers": ()},
        {"layers": (3, 3)},
        {"layers": (12, 3)},
        {"layers": (-1, 3)},
        {"layers": (3, 12), "num_layers": 6},
        {"layers": "first"},
        {"num_layers": 0},
        {"trainable": (3, 2)},
        {"trainable": (-1, 2)},
        {"precision": "float16"},
    ],
)
def test_impossible_configurations_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SslConfig.model_validate({"source": "somewhere", **options})


def test_clips_that_fit_no_model_are_named(tiny: Tiny) -> None:
    for kind in ("wav2vec2-stable", "whisper"):
        frontend = SslFrontend(SslConfig(source=str(tiny(kind))))
        assert frontend(clips(400)).shape[1] == frontend.num_frames(400) == 1
        with pytest.raises(AudioError, match="399 samples"):
            frontend(clips(399))
    assert frontend(clips(480_000, batch=1)).shape[1] == 1500
    with pytest.raises(AudioError, match="at most 30 s"):
        frontend(clips(480_160, batch=1))


def test_several_layers_are_no_single_stream(tiny: Tiny) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny("hubert-post")), layers=(1, 2)))
    with pytest.raises(ConfigError, match="kind: cascade"):
        frontend(clips())


def test_fast_products_leave_the_setting_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    cpu = torch.device("cpu")
    inside = "medium" if fast_products.medium_is_float32() else before
    with fast_products.fast_products(cpu):
        with fast_products.fast_products(cpu):
            assert torch.get_float32_matmul_precision() == inside
        assert torch.get_float32_matmul_precision() == inside
    assert torch.get_float32_matmul_precision() == before
    with fast_products.fast_products(torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == before
    # As on a processor that would round to bfloat16.
    monkeypatch.setattr(fast_products, "medium_is_float32", lambda: False)
    with fast_products.fast_products(cpu):
        assert torch.get_float32_matmul_precision() == before


@pytest.mark.shared
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_real_whisper_answers_what_transformers_does(shared: Path, precision: str, tolerance: float) -> None:
    folder = shared / "weights/whisper-tiny.en-encoder"
    samples, rate_hz = soundfile.read(shared / "speech/flac/LIBRI_0001.flac", dtype="float32", frames=64_000)
    assert (rate_hz, len(samples)) == (16_000, 64_000)
    waveforms = torch.from_numpy(samples)[None]
    frontend = SslFrontend(SslConfig(source=str(folder), layers="weighted", precision=precision))
    states = frontend.hidden_states(waveforms)
    assert states[-1].shape == (1, 200, 384)
    assert_close(states, published_states(folder, waveforms), tolerance)
