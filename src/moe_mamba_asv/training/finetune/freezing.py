"""What never moves: parts of a detector that are frozen, and batch norms."""

from torch import nn

from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.finetune.config import FinetuneConfig
from moe_mamba_asv.training.finetune.parts import lies_in, prefixes_of


def apply_freezing(model: Detector, config: FinetuneConfig) -> None:
    """Freeze what never moves; after `start_from`, before anything asks which weights are trained.

    Raises:
        ConfigError: a name that the model does not know.
    """
    frozen = _prefixes(model, config.frozen)
    for name, parameter in model.named_parameters():
        if lies_in(name, frozen):
            parameter.requires_grad_(False)
    if config.freeze_batch_norm:
        for module in model.modules():
            if _is_batch_norm(module):
                module.requires_grad_(False)
    keep_modes(model, config)


def keep_modes(model: Detector, config: FinetuneConfig) -> None:
    """Put what never moves in evaluation mode: no dropout, no new statistics; to be called after ``train()``."""
    if not config.frozen and not config.freeze_batch_norm:
        return
    frozen = _prefixes(model, config.frozen)
    for name, module in model.named_modules():
        if lies_in(name, frozen) or (config.freeze_batch_norm and _is_batch_norm(module)):
            module.training = False


def _prefixes(model: Detector, names: tuple[str, ...]) -> list[str]:
    return [prefix for name in names for prefix in prefixes_of(name, model)]


def _is_batch_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
