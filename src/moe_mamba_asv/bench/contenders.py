"""Who is measured: our implementations and the published ones, in the order of the table."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from moe_mamba_asv.bench import peers
from moe_mamba_asv.bench.problem import Scan, Size, our_scan
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.scan import available_implementations


@dataclass(frozen=True)
class Contender:
    """One implementation of the scan.

    Attributes:
        name: as the table shows it.
        load: makes it ready for one size; importing its package is left to this. Travels by pickle.
        published: whether others published it; ours are compared with the best of these.
        package: module that must be installed.
        time_first: the tensors (arguments and ``out``) in which time stands before channels or states, as its own
            interface asks for; in the others time stands last.
        missing: why it cannot run here; None where it can.
    """

    name: str
    load: Callable[[Size], Scan]
    published: bool = True
    package: str | None = None
    time_first: frozenset[str] = frozenset()
    missing: str | None = None


#: What the others are compared with.
REFERENCE = "mamba_ssm reference"
_CHANNELS_LAST = frozenset({"u", "delta", "B", "C", "out"})
#: Ours takes either layout. It is measured in the one that our Mamba block hands over, and once in the official one.
OFFICIAL_LAYOUT = "native, time last"
_PUBLISHED = (
    Contender(REFERENCE, peers.mamba_ssm_reference),
    Contender("mambapy sequential", peers.mambapy_sequential, package="mambapy", time_first=_CHANNELS_LAST),
    Contender("mambapy parallel", peers.mambapy_parallel, package="mambapy", time_first=_CHANNELS_LAST),
    Contender(
        "transformers slow path",
        peers.transformers_slow_path,
        package="transformers",
        time_first=frozenset({"B", "C"}),
    ),
    Contender("accelerated_scan reference", peers.accelerated_scan_reference, package="accelerated_scan"),
)
_PUBLISHED_CUDA = (Contender("mamba_ssm kernel", peers.mamba_ssm_kernel, package="mamba_ssm"),)


def contenders(device: str, names: list[str] | None = None) -> list[Contender]:
    """Our implementations, then the published ones for ``device``; only those of ``names`` where it is given.

    Raises:
        ConfigError: a name that is not there.
    """
    missing = available_implementations()
    ours = [
        Contender(name, partial(_load_ours, name), published=False, time_first=_CHANNELS_LAST, missing=missing[name])
        for name in missing
    ]
    ours.append(Contender(OFFICIAL_LAYOUT, partial(_load, "native"), published=False, missing=missing["native"]))
    published = [*_PUBLISHED, *(_PUBLISHED_CUDA if device == "cuda" else ())]
    everyone = {contender.name: contender for contender in [*ours, *map(_looked_for, published)]}
    for name in names or ():
        if name not in everyone:
            raise ConfigError(f"no implementation {name!r} on {device}", wanted=", ".join(everyone))
    return [contender for name, contender in everyone.items() if not names or name in names]


def _looked_for(contender: Contender) -> Contender:
    if contender.package is None or importlib.util.find_spec(contender.package) is not None:
        return contender
    return replace(contender, missing=f"{contender.package} is not installed")


def _load(name: str, size: Size) -> Scan:
    return our_scan(name)


def _load_ours(name: str, size: Size) -> Scan:
    """Views turn (batch, length, channels) into the (batch, channels, length) of the interface, and back."""
    run = our_scan(name)

    def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        return run(u.mT, delta.mT, A, B.mT, C.mT, D).mT

    return scan
