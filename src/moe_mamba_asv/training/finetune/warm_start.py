"""Training that starts from a trained model, and the distance to it."""

import torch
from torch import Tensor

from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.checkpoint import differences
from moe_mamba_asv.models.frontends.lora import is_adapter
from moe_mamba_asv.models.hub import from_pretrained
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.finetune.config import FinetuneConfig
from moe_mamba_asv.training.finetune.parts import find_prefixes, lies_in, prefixes_of
from moe_mamba_asv.training.losses.l2_sp import l2_sp


def start_from(model: Detector, config: FinetuneConfig) -> None:
    """Take the weights of ``config.start``, each of them; nothing happens without one.

    Entries under ``config.fresh`` stay as they are, on either side; so do adapters that the source lacks, while the
    weights that they adapt are found under their former names. ``model.replaced`` names what is no longer as a
    published model has it.

    Raises:
        CheckpointError: there is no such model, or an entry is missing, unknown or of another shape: the message lists
            them.
        ConfigError: a name in ``fresh`` that neither model knows.
    """
    if config.start is None:
        return
    source = from_pretrained(config.start)
    fresh = _fresh_prefixes(config, model, source)
    held = model.state_dict()
    given = {_plain(name): tensor for name, tensor in source.state_dict().items()}
    given = {name: tensor for name, tensor in given.items() if not lies_in(name, fresh)}
    places = {_plain(name): name for name in held if not lies_in(_plain(name), fresh)}
    places = {plain: name for plain, name in places.items() if plain in given or not is_adapter(plain)}
    different = differences({plain: held[name] for plain, name in places.items()}, given)
    if different:
        raise CheckpointError(
            f"{config.start} does not fit this model, {different}",
            remedy="the model section of the recipe that it was trained with, or training.finetune.fresh with the "
            "parts that are another on purpose",
        )
    borrowed = model.borrowed()
    changed = {name for plain, name in places.items() if name in borrowed and _differ(held[name], given[plain])}
    with torch.no_grad():
        for plain, name in places.items():
            held[name].copy_(given[plain])
    model.replaced = frozenset(changed)


def _fresh_prefixes(config: FinetuneConfig, model: Detector, source: Detector) -> list[str]:
    """Prefixes of what starts afresh, in either model."""
    found: list[str] = []
    for name in config.fresh:
        in_source = find_prefixes(name, source)
        found += [*in_source, *(find_prefixes(name, model) if in_source else prefixes_of(name, model))]
    return [_plain(prefix) for prefix in found]


def _plain(name: str) -> str:
    """The name of a weight as if nothing adapted it."""
    return name.replace(".base_layer.", ".")


def _differ(held: Tensor, given: Tensor) -> bool:
    return not torch.equal(held, given.to(held))


class Start:
    """Where the trained weights that were there before this training started from.

    Those are all but ``config.fresh`` and adapters; without ``config.start``, what came from a published model. An
    adapter's two factors are left out in any case: the weights that it moves stay at their start themselves.

    Paper: Li, Grandvalet and Davoine, "Explicit inductive bias for transfer learning with convolutional networks",
    ICML 2018 (L2-SP). Differs from it: fresh weights are not drawn towards 0; weight decay may do that.

    Args:
        model: with the weights that it starts from, frozen where it is to be; before the state of a run is loaded.
        config: which weights started afresh.

    Raises:
        ConfigError: there are no such weights, so a distance would always be 0.
    """

    def __init__(self, model: Detector, config: FinetuneConfig) -> None:
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        if config.start is None:
            shared = trained.keys() & model.borrowed()
        else:
            fresh = [_plain(prefix) for name in config.fresh for prefix in find_prefixes(name, model)]
            shared = {name for name in trained if not lies_in(_plain(name), fresh) and not is_adapter(name)}
        if not shared:
            raise ConfigError(
                "a distance to the start, of which no weight is both trained and older than this training",
                remedy="training.finetune.start, or training.objective.l2_sp=0",
            )
        self._parameters = [parameter for name, parameter in trained.items() if name in shared]
        self._values = [parameter.detach().clone() for parameter in self._parameters]

    def distance(self) -> Tensor:
        """Half the squared distance to the start, (), on the model's device and with a graph."""
        device = self._parameters[0].device
        if self._values[0].device != device:  # the model was moved since
            self._values = [value.to(device) for value in self._values]
        return l2_sp(self._parameters, self._values)
