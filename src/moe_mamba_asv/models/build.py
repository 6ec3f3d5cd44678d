"""From a configuration to a detector."""

from typing import Annotated

from pydantic import Field

from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn, SpectralLcnnConfig

ModelConfig = Annotated[AasistConfig | SpectralLcnnConfig, Field(discriminator="kind")]


def build_model(config: ModelConfig) -> Countermeasure:
    """Build a detector with fresh weights, drawn from PyTorch's generator."""
    match config:
        case AasistConfig():
            return Aasist(config)
        case SpectralLcnnConfig():
            return SpectralLcnn(config)
