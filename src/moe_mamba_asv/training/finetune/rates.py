"""Learning rates: which weights move how fast, and from when on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from torch import nn

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.frontends.lora import is_adapter
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.finetune.config import FinetuneConfig, Unfreeze
from moe_mamba_asv.training.finetune.parts import encoder_layer, lies_in, parts, prefixes_of, ssl_streams


@dataclass(frozen=True, eq=False)
class ParameterGroup:
    """Trained parameters that share a learning rate.

    Attributes:
        name: a part or a prefix, for which the rate is; ``@`` and a share where they are held at first. Unique.
        rate: at the first step of a schedule.
        from_share: share of the run's steps that is over when they begin to move.
        parameters: in the model's order.
    """

    name: str
    rate: float
    from_share: float = 0.0
    parameters: list[nn.Parameter] = field(default_factory=list)

    def is_held(self, share: float) -> bool:
        """Whether they do not move yet when this share of the run's steps is over."""
        return share < self.from_share


def hold_back(groups: list[ParameterGroup], share: float) -> None:
    """Drop the gradients of groups that do not move yet; between the last backward pass and clipping.

    An optimiser of PyTorch skips a parameter without a gradient: no moment, no decay, no count of steps. A function of
    the share alone, so nothing needs to be saved for it.

    Args:
        groups: all of them.
        share: of the run's steps that is over.
    """
    for group in groups:
        if group.is_held(share):
            for parameter in group.parameters:
                parameter.grad = None


def parameter_groups(
    model: Detector, config: FinetuneConfig, base_rate: float, ssl_rate: float | None
) -> list[ParameterGroup]:
    """Sort trained parameters by their rates and by when they begin to move, each into one group.

    Args:
        model: with its parameters frozen where they are to be.
        config: rates and shares.
        base_rate: where nothing else is said.
        ssl_rate: of encoder layers and adapters, unless ``config.rates`` says another; ``base_rate`` if none. The mix
            of the layers is not the published model's, and moves at ``base_rate``.

    Raises:
        ConfigError: nothing is trained at all, or of what the configuration names; a name that the model does not know.

    Source: a rate that falls from layer to layer, and unfreezing one after the other: Howard and Ruder, "Universal
    language model fine-tuning for text classification", ACL 2018.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trained:
        raise ConfigError("a model of which nothing is trained", remedy="fewer names in training.finetune.frozen")
    named = _default_rates(model, base_rate, base_rate if ssl_rate is None else ssl_rate)
    for asked in sorted(config.rates, key=len):  # the longest last, so that it decides
        for name in _trained_in(prefixes_of(asked, model), trained, f"rates: {asked}"):
            named[name] = (asked, config.rates[asked])
    if config.ssl_layer_decay < 1:
        named |= _decayed(model, trained, named, config.ssl_layer_decay)
    shares = _shares(model, config.unfreeze, trained)
    groups: dict[str, ParameterGroup] = {}
    for name, parameter in trained.items():
        label, rate = named[name]
        share = shares.get(name, 0.0)
        label = f"{label}@{share}" if share else label
        groups.setdefault(label, ParameterGroup(label, rate, share)).parameters.append(parameter)
    return list(groups.values())


def _default_rates(model: Detector, base_rate: float, ssl_rate: float) -> dict[str, tuple[str, float]]:
    """For each parameter the name under which its rate is found, and the rate."""
    borrowed = model.borrowed()
    found: dict[str, tuple[str, float]] = {}
    for part, names in parts(model).items():
        for name in names:
            if part != "ssl":
                found[name] = (part, base_rate)
            elif name in borrowed or is_adapter(name):
                found[name] = (part, ssl_rate)
            else:
                found[name] = (name.rpartition(".")[0], base_rate)
    return found


def _decayed(
    model: Detector, trained: Iterable[str], named: Mapping[str, tuple[str, float]], decay: float
) -> dict[str, tuple[str, float]]:
    """Names and rates of the parameters in encoder layers, unless another name than ``ssl`` has set their rate."""
    streams = ssl_streams(model)
    layers = {name: layer for name in trained if (layer := encoder_layer(name, streams)) is not None}
    top: dict[str, int] = {}
    for stream, number in layers.values():
        top[stream] = max(number, top.get(stream, 0))
    found = {
        name: (f"{stream}.layers.{number}", named[name][1] * decay ** (top[stream] - number))
        for name, (stream, number) in layers.items()
        if named[name][0] == "ssl"
    }
    if not found:
        raise ConfigError(
            f"training.finetune.ssl_layer_decay {decay}, of no trained encoder layer whose rate is that of ssl",
            wanted="a self-supervised stream with `trainable` or `lora`",
        )
    return found


def _shares(model: Detector, entries: Iterable[Unfreeze], trained: Collection[str]) -> dict[str, float]:
    """For each parameter that is held at first, the share of the run when it begins to move."""
    shares: dict[str, float] = {}
    for entry in entries:
        where = f"unfreeze: {entry.part}" + (f" layers {entry.layers}" if entry.layers else "")
        for name in _trained_in(_held_prefixes(model, entry), trained, where):
            shares[name] = max(entry.at, shares.get(name, 0.0))
    return shares


def _held_prefixes(model: Detector, entry: Unfreeze) -> tuple[str, ...]:
    if entry.layers is None:
        return prefixes_of(entry.part, model)
    first, last = entry.layers
    return tuple(f"{stream}.layers.{number}" for stream in ssl_streams(model) for number in range(first, last + 1))


def _trained_in(prefixes: Iterable[str], trained: Iterable[str], where: str) -> list[str]:
    """Trained parameters under these prefixes.

    Raises:
        ConfigError: there are none, so the option would change nothing.
    """
    prefixes = list(prefixes)
    found = [name for name in trained if lies_in(name, prefixes)]
    if not found:
        raise ConfigError(f"training.finetune.{where}, of which nothing is trained", remedy="leave it out")
    return found
