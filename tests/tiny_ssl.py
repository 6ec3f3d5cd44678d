"""Tiny self-supervised models with random weights, written by transformers itself, and what transformers makes of them.

Importing this costs seconds, for transformers.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    HubertConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
)
from transformers.utils import logging

logging.set_verbosity_error()

NUM_LAYERS = 4
WIDTH = 16
#: stable: the norm comes before each layer, and once behind the last; post: behind each layer, and before the first.
KINDS = ("wavlm-stable", "wavlm-post", "wav2vec2-stable", "wav2vec2-post", "hubert-stable", "hubert-post", "whisper")
_CONFIGS = {"wavlm": WavLMConfig, "wav2vec2": Wav2Vec2Config, "hubert": HubertConfig}


def save_tiny(folder: Path, kind: str, *, do_normalize: bool | None = None, seed: int = 0, width: int = WIDTH) -> Path:
    """Write config.json, model.safetensors and preprocessor_config.json.

    Args:
        folder: where.
        kind: one of `KINDS`.
        do_normalize: in preprocessor_config.json; as the published models of the kind have it if none.
        seed: of the weights.
        width: of a hidden state; convolutions have half as many channels. A compiled kernel wants 64.
    """
    family, _, norm = kind.partition("-")
    if family == "whisper":
        extractor = WhisperFeatureExtractor()
        config = WhisperConfig(
            d_model=WIDTH,
            encoder_layers=NUM_LAYERS,
            encoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_layers=1,
            decoder_attention_heads=2,
            decoder_ffn_dim=32,
            vocab_size=8,
            **{f"{name}_token_id": 0 for name in ("pad", "bos", "eos", "decoder_start")},
            begin_suppress_tokens=None,
        )
    else:
        stable = norm == "stable"
        extractor = Wav2Vec2FeatureExtractor(do_normalize=stable if do_normalize is None else do_normalize)
        config = _CONFIGS[family](
            hidden_size=width,
            num_hidden_layers=NUM_LAYERS,
            num_attention_heads=2,
            intermediate_size=2 * width,
            conv_dim=(width // 2,) * 7,
            conv_bias=stable,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            feat_extract_norm="layer" if stable else "group",
            do_stable_layer_norm=stable,
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModel.from_config(config)
        for parameter in model.parameters():
            # Fresh weights are so small, and norms and biases so even, that a layer left out would hardly show.
            nn.init.normal_(parameter, mean=parameter.mean().item(), std=0.2)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def published_states(folder: Path, waveforms: Tensor) -> list[Tensor]:
    """Hidden states as transformers answers them, each (batch, frames, width); the last is ``last_hidden_state``."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    clips = list(waveforms.numpy())
    if isinstance(extractor, WhisperFeatureExtractor):
        model = AutoModel.from_pretrained(folder, decoder_layers=0).encoder
        inputs = extractor(
            clips, sampling_rate=16_000, return_tensors="pt", padding="max_length", max_length=waveforms.shape[1]
        ).input_features
        trim_positions(model, inputs.shape[-1])
    else:
        model = AutoModel.from_pretrained(folder)
        inputs = extractor(clips, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.no_grad():
        output = model.eval()(inputs, output_hidden_states=True)
    return [*output.hidden_states[:-1], output.last_hidden_state]


def trim_positions(encoder: nn.Module, mel_frames: int) -> None:
    """Let Whisper's encoder take less than 30 s."""
    kept = encoder.embed_positions.weight.detach()[: (mel_frames + 1) // 2].clone()
    encoder.embed_positions = nn.Embedding.from_pretrained(kept)
    # Half a position in the check of lengths, where the number of mel frames is odd; nothing else reads it.
    encoder.config.__dict__["max_source_positions"] = mel_frames / 2
