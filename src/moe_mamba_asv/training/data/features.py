"""What frozen front-ends answer, computed once: a back-end then trains without them.

Features lie in a folder named after all that they depend on: the files, their length, and the front-ends with every
weight that no training changes. Nothing removes an old one: it is a cache, and may be deleted at any time that no run
uses it. They are large: 25 hidden states of WavLM-Large are 20 MB for each clip of 4 s, the last one alone 0.8 MB.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.data.cache import DecodedStore, Progress, open_store
from moe_mamba_asv.training.data.feature_build import FLOAT32, INDEX, FeatureBuild, part_path
from moe_mamba_asv.training.data.mixture import Mixture

#: Raise it whenever the files mean something else, or the parts are cut in another way.
_FORMAT = 1
_LIBRARIES = ("torch", "transformers")


class FixedStore:
    """`Countermeasure.fixed` of the first samples of each clip of a table.

    All that is kept of a clip lies together, as float32, and is read in one piece.

    Args:
        folder: of one store, see `open_features`.

    Attributes:
        folder: as given.
        num_samples: of each clip, at 16 kHz, that the front-ends have heard.

    Raises:
        TrainingError: the store is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text())
            num_parts = -(-len(index["paths"]) // index["part_clips"])
            size = sum(part_path(folder, part).stat().st_size for part in range(num_parts))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(folder, str(error)) from error
        self.num_samples: int = index["num_samples"]
        self._paths: list[str] = index["paths"]
        self._shapes: list[list[int]] = index["shapes"]
        self._part_clips: int = index["part_clips"]
        self._counts = [math.prod(shape) for shape in self._shapes]
        wanted = len(self._paths) * sum(self._counts) * FLOAT32.itemsize
        if size != wanted:
            raise _damaged(folder, f"{size:,} bytes in place of {wanted:,}")

    def __reduce__(self) -> tuple[type["FixedStore"], tuple[Path]]:
        return FixedStore, (self.folder,)

    def __len__(self) -> int:
        return len(self._paths)

    def holds(self, paths: Sequence[str]) -> bool:
        """Whether its clips are these, in this order."""
        return self._paths == _absolute(paths)

    def of(self, row: int) -> tuple[Tensor, ...]:
        """The tensors of one clip, as `Countermeasure.fixed` answers them but for the batch; they may be written to."""
        part, place = divmod(row, self._part_clips)
        count = sum(self._counts)
        offset = place * count * FLOAT32.itemsize
        values = torch.from_numpy(np.fromfile(part_path(self.folder, part), FLOAT32, count, offset=offset))
        return tuple(values.view(shape) for values, shape in zip(values.split(self._counts), self._shapes, strict=True))


def open_features(
    model: Detector,
    mixture: Mixture,
    num_samples: int,
    folder: Path,
    *,
    store: DecodedStore | None = None,
    device: torch.device = torch.device("cpu"),
    batch_size: int = 16,
    on_progress: Progress = lambda done, total: None,
) -> FixedStore:
    """Open what a model's front-ends answer to a table of clips; compute it first where that was not done.

    To be called when the weights are where training starts from, and frozen as they will be. The values are those of a
    pass in float32 to its rounding, which depends on the device and on the clips that share a batch.

    A build is seen by others only when it is whole. Processes that build the same at once share the work, each on its
    own device; a build that was killed goes on where it was, unless another one in that folder has swept it up, more
    than an hour later.

    Args:
        model: stays on its device.
        mixture: the clips; the rows of the store are its rows.
        num_samples: of each clip from the first on; a shorter one is repeated, as by `fit_length`.
        folder: of all stores, decoded clips too; made if it is not there.
        store: the same clips decoded; without it they are decoded into ``folder`` first.
        device: where the front-ends are to run.
        batch_size: clips that they hear at once.
        on_progress: called with clips done and all clips.

    Raises:
        AudioError: ``num_samples`` are too few or too many for the model.
        TrainingError: no front-end has a part that stays fixed; the store holds other clips; files that cannot be
            decoded, all of them with the reason; too little room; a store is damaged.
    """
    if not isinstance(model, Countermeasure) or not any(stream.num_fixed for stream in model.streams()):
        raise TrainingError(
            f"features to keep of a {type(model).__name__} all of which is trained",
            wanted="a self-supervised front-end",
            remedy="train without kept features",
        )
    if store is None:
        store = open_store(mixture.table, folder, on_progress)
    paths = mixture.table["path"].to_list()
    if not store.holds(paths):
        raise TrainingError(f"decoded clips in {store.folder} of other files", wanted="the clips of this table")
    place = folder / _digest(model, store, num_samples)
    if not place.is_dir():
        with _moved(model.frontends, device):
            FeatureBuild(model, store, _absolute(paths), num_samples, device, batch_size, on_progress).run(place)
    return FixedStore(place)


def _digest(model: Countermeasure, store: DecodedStore, num_samples: int) -> str:
    """Of all that the features depend on; a trained weight has no say, but that it is trained has."""
    cached = [number for number, stream in enumerate(model.streams()) if stream.num_fixed]
    facts = {
        "made_by": {"format": _FORMAT, **{name: version(name) for name in _LIBRARIES}},
        "clips": store.folder.name,
        "num_samples": num_samples,
        "frontends": [model.config.frontends[number].model_dump(mode="json") for number in cached],
        "architectures": [model.architectures()[number] for number in cached],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for number in cached:
        stream = model.streams()[number]
        trained = {name for name, parameter in stream.named_parameters() if parameter.requires_grad}
        for name, tensor in stream.state_dict().items():
            if name not in trained:
                digest.update(f"{number} {name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


@contextmanager
def _moved(module: nn.Module, device: torch.device) -> Iterator[None]:
    """In this block a module is on another device."""
    home = next(module.parameters()).device
    module.to(device)
    try:
        yield
    finally:
        module.to(home)


def _absolute(paths: Sequence[str]) -> list[str]:
    return [str(Path(path).absolute()) for path in paths]


def _damaged(folder: Path, found: str) -> TrainingError:
    return TrainingError(
        f"the features in {folder} are damaged: {found}",
        remedy="delete that folder; the next run computes them again",
    )
