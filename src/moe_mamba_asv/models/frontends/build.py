"""From a configuration to a front-end."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from moe_mamba_asv.models.frontends.cascade import CascadeConfig, CascadeFrontend
from moe_mamba_asv.models.frontends.causal_sincnet import CausalSincNetFrontend
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.frontends.sincnet import SincNetConfig, SincNetFrontend
from moe_mamba_asv.models.frontends.spectral import SpectralConfig, SpectralFrontend
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend

FrontendConfig = Annotated[CascadeConfig | SincNetConfig | SpectralConfig | SslConfig, Field(discriminator="kind")]


def build_frontend(config: FrontendConfig, architecture: Mapping[str, Any] | None = None) -> Frontend:
    """Build a front-end.

    Args:
        config: which, and how large.
        architecture: of the self-supervised model inside, as its own library describes it: then its weights are drawn
            at random, to be loaded from elsewhere; else they come from ``config.source``.
    """
    match config:
        case CascadeConfig():
            return CascadeFrontend(config, architecture=architecture)
        case SincNetConfig():
            return CausalSincNetFrontend(config) if config.causal else SincNetFrontend(config)
        case SpectralConfig():
            return SpectralFrontend(config)
        case SslConfig():
            return SslFrontend(config, architecture=architecture)
