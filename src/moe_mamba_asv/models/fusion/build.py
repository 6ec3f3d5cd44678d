"""From a configuration to a fusion."""

from typing import Annotated

from pydantic import Field

from moe_mamba_asv.models.fusion.concatenation import Concatenation, ConcatenationConfig
from moe_mamba_asv.models.fusion.cross_attention import CrossAttention, CrossAttentionConfig
from moe_mamba_asv.models.fusion.fusion import Fusion
from moe_mamba_asv.models.fusion.gated import Gated, GatedConfig
from moe_mamba_asv.models.fusion.multi_scale import MultiScale, MultiScaleConfig
from moe_mamba_asv.models.fusion.squeeze_excitation import SqueezeExcitation, SqueezeExcitationConfig

FusionConfig = Annotated[
    ConcatenationConfig | CrossAttentionConfig | GatedConfig | MultiScaleConfig | SqueezeExcitationConfig,
    Field(discriminator="kind"),
]


def build_fusion(config: FusionConfig, width: int) -> Fusion:
    """Build a fusion of two streams of this width, with fresh weights."""
    match config:
        case ConcatenationConfig():
            return Concatenation(width)
        case CrossAttentionConfig():
            return CrossAttention(width, config)
        case GatedConfig():
            return Gated(width)
        case MultiScaleConfig():
            return MultiScale(width, config)
        case SqueezeExcitationConfig():
            return SqueezeExcitation(width, config)
