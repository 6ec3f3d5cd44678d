"""The published models that the recipes name: what they are, so that a recipe can be sized without fetching them.

Values of their config.json files; what is not said is transformers' default.
"""

from collections.abc import Mapping
from typing import Any

_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "do_normalize": True,
}

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "microsoft/wavlm-large": {"model_type": "wavlm", "conv_bias": False, **_LARGE},
    "facebook/wav2vec2-xls-r-300m": {"model_type": "wav2vec2", "conv_bias": True, **_LARGE},
    "openai/whisper-tiny.en": {
        "model_type": "whisper",
        "d_model": 384,
        "encoder_layers": 4,
        "num_hidden_layers": 4,
        "encoder_attention_heads": 6,
        "encoder_ffn_dim": 1536,
        "num_mel_bins": 80,
    },
}
