"""Names for the weights of a detector: parts, and prefixes of names."""

import difflib
import re
from collections.abc import Iterable

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.frontends.cascade import CascadeFrontend
from moe_mamba_asv.models.frontends.sincnet import SincNetFrontend
from moe_mamba_asv.models.frontends.spectral import SpectralFrontend
from moe_mamba_asv.models.frontends.ssl import SslFrontend
from moe_mamba_asv.models.output import Detector


def parts(model: Detector) -> dict[str, list[str]]:
    """Names of the parameters in each part, trained or not; every parameter is in one part.

    A `Countermeasure` has, where they hold parameters: ``ssl``, self-supervised streams with their adapters and the mix
    of their layers; ``sinc``; ``spectral``; ``projections`` of the streams; ``fusion``, a cascade's injections too;
    ``backend``; ``pooling``; ``head``, with the heads that training alone uses. Other detectors are one part, ``all``.
    """
    names = [name for name, _ in model.named_parameters()]
    found = {part: [name for name in names if lies_in(name, places)] for part, places in _places(model).items()}
    return {part: inside for part, inside in found.items() if inside}


def _places(model: Detector) -> dict[str, tuple[str, ...]]:
    """Prefixes of the names in each part."""
    if not isinstance(model, Countermeasure):
        return {"all": ("",)}
    streams = [(f"frontends.{index}", stream) for index, stream in enumerate(model.streams())]
    cascades = [place for place, stream in streams if isinstance(stream, CascadeFrontend)]
    return {
        "ssl": tuple(ssl_streams(model)),
        "sinc": tuple(place for place, stream in streams if isinstance(stream, SincNetFrontend)),
        "spectral": tuple(place for place, stream in streams if isinstance(stream, SpectralFrontend)),
        "projections": ("projections",),
        "fusion": ("fusion", *(f"{place}.{inner}" for place in cascades for inner in ("projections", "injections"))),
        "backend": ("backend",),
        "pooling": ("pooling",),
        "head": ("head", "projection", "attack_head", "domain_head"),
    }


def ssl_streams(model: Detector) -> dict[str, SslFrontend]:
    """Self-supervised streams by the prefix of their names, those inside a cascade among them."""
    return {name: module for name, module in model.named_modules() if isinstance(module, SslFrontend)}


def encoder_layer(name: str, streams: Iterable[str]) -> tuple[str, int] | None:
    """In which self-supervised stream, and in which encoder layer of it from 0, a parameter lies; None for no layer."""
    for stream in streams:
        found = re.match(rf"{re.escape(stream)}\.layers\.(\d+)\.", name)
        if found:
            return stream, int(found[1])
    return None


def lies_in(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a name begins with one of the prefixes, whole words at a time; the empty one is of every name."""
    return any(not prefix or name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def find_prefixes(asked: str, model: Detector) -> tuple[str, ...]:
    """What names of weights begin with where a person says ``head``, or ``backend.blocks.0``; empty if unknown."""
    places = _places(model)
    if asked in places and any(lies_in(name, places[asked]) for name, _ in model.named_parameters()):
        return places[asked]
    return (asked,) if asked and any(lies_in(entry, [asked]) for entry in model.state_dict()) else ()


def prefixes_of(asked: str, model: Detector) -> tuple[str, ...]:
    """As `find_prefixes`, of a name that must be known.

    Raises:
        ConfigError: it is not; the message has the nearest ones.
    """
    found = find_prefixes(asked, model)
    if not found:
        words = [entry.split(".") for entry in model.state_dict()]
        known = {".".join(word[:depth]) for word in words for depth in range(1, len(word) + 1)} | parts(model).keys()
        raise ConfigError(
            f"no part or weights called {asked!r} in this model",
            wanted=f"one of {', '.join(parts(model))}, or what names of weights begin with",
            remedy=" or ".join(difflib.get_close_matches(asked, sorted(known), n=2)),
        )
    return found
