"""From a configuration to a detector."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn, SpectralLcnnConfig

ModelConfig = Annotated[AasistConfig | CountermeasureConfig | SpectralLcnnConfig, Field(discriminator="kind")]


def build_model(config: ModelConfig, architectures: Sequence[Mapping[str, Any] | None] | None = None) -> Detector:
    """Build a detector with fresh weights, drawn from PyTorch's generator.

    Args:
        config: which, and how large.
        architectures: of self-supervised models inside, as `Detector.architectures` answers: then theirs are drawn as
            well, to be loaded from elsewhere; else they come from the sources that the configuration names.
    """
    match config:
        case AasistConfig():
            return Aasist(config)
        case CountermeasureConfig():
            return Countermeasure(config, architectures)
        case SpectralLcnnConfig():
            return SpectralLcnn(config)
