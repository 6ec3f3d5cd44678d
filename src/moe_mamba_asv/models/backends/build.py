"""From a configuration to a back-end."""

from typing import Annotated

from pydantic import Field

from moe_mamba_asv.models.backends.backend import Backend
from moe_mamba_asv.models.backends.bimamba import BiMamba, BiMambaConfig
from moe_mamba_asv.models.backends.causal import CausalMamba, CausalMambaConfig
from moe_mamba_asv.models.backends.moe import MoeBiMamba, MoeBiMambaConfig
from moe_mamba_asv.models.backends.none import NoBackend, NoBackendConfig
from moe_mamba_asv.models.backends.transformer import TransformerConfig, TransformerEncoder

BackendConfig = Annotated[
    BiMambaConfig | CausalMambaConfig | MoeBiMambaConfig | NoBackendConfig | TransformerConfig,
    Field(discriminator="kind"),
]


def build_backend(config: BackendConfig, width: int) -> Backend:
    """Build a back-end for frames of this width, with fresh weights."""
    match config:
        case BiMambaConfig():
            return BiMamba(width, config)
        case CausalMambaConfig():
            return CausalMamba(width, config)
        case MoeBiMambaConfig():
            return MoeBiMamba(width, config)
        case NoBackendConfig():
            return NoBackend()
        case TransformerConfig():
            return TransformerEncoder(width, config)
