"""The dev pass: every clip scored once, whatever the number of devices."""

from dataclasses import dataclass

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.models.output import CountermeasureOutput, Detector
from moe_mamba_asv.training.data.batches import Position
from moe_mamba_asv.training.data.clips import Clips, collate
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.types import Label

#: Auxiliaries of a model that are watched, as what an analyst calls their mean.
_WATCHED = {"stream_shares": "stream_share", "expert_share": "expert_share", "router_entropy": "router_entropy"}


@dataclass(frozen=True)
class DevPass:
    """What a pass over dev answers.

    Attributes:
        scores: (clips,), in the order of the table; higher = bona fide.
        eer: a fraction; nan where a score is not finite.
        watched: means over all clips: ``stream_share_N``, ``expert_share_BLOCK_EXPERT``, ``router_entropy_BLOCK``;
            and ``dead_experts_BLOCK``.
    """

    scores: NDArray[np.float32]
    eer: float
    watched: dict[str, float]


class Dev:
    """The dev partition, ready to be scored again and again.

    The same batches are formed whatever the number of devices, each of which takes its turn; so a score has the same
    bits on any number of them.

    Args:
        fabric: the devices.
        mixture: the dev partition.
        clips: of it, not cropped at random.
        batch_size: clips scored at once.
        workers: processes that decode.
    """

    def __init__(
        self, fabric: lightning.Fabric, mixture: Mixture, clips: Clips, *, batch_size: int, workers: int
    ) -> None:
        self.fabric, self.utterances = fabric, mixture.table["utterance"].to_list()
        self._is_bonafide = (mixture.table["label"] == Label.BONAFIDE.value).to_numpy()
        batches = [
            [Position(0, row) for row in range(start, min(start + batch_size, len(clips)))]
            for start in range(0, len(clips), batch_size)
        ]
        own = batches[fabric.global_rank :: fabric.world_size]
        self._num_own = len(own)
        # A model that is cut up among devices runs on all of them or on none: one without a turn hears the first again.
        own += batches[:1] * (-(-len(batches) // fabric.world_size) - len(own))
        self._loader = DataLoader(clips, batch_sampler=own, num_workers=workers, collate_fn=collate)

    @torch.no_grad()
    def score(self, model: Detector) -> DevPass:
        """Score every clip once; leaves the model in evaluation mode."""
        model.eval()
        self._share_statistics(model)
        scores = torch.zeros(len(self.utterances), dtype=torch.float64, device=self.fabric.device)
        sums: dict[str, Tensor] = {}
        for turn, batch in enumerate(self._loader):
            batch = batch.to(self.fabric.device)
            with self.fabric.autocast():
                output = model(*batch.inputs)
            if turn >= self._num_own:
                continue
            scores[batch.rows] = output.score.double()
            for name, value in _watched(output).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + len(batch.rows) * value
        return self._gathered(scores, sums)

    def _share_statistics(self, model: Detector) -> None:
        """Running statistics as the first device has them, and writes them: else a score would depend on its device."""
        if self.fabric.world_size > 1:
            for buffer in model.buffers():
                if buffer.is_floating_point():
                    torch.distributed.broadcast(buffer, src=0)

    def _gathered(self, scores: Tensor, sums: dict[str, Tensor]) -> DevPass:
        if self.fabric.world_size > 1:
            # A device without a batch knows no names; zeros in the places of others change no sum.
            names = self.fabric.broadcast(list(sums), src=0)
            zero = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
            whole = torch.cat([scores, torch.stack([sums.get(name, zero) for name in names])]) if names else scores
            whole = self.fabric.all_reduce(whole, reduce_op="sum")
            assert isinstance(whole, Tensor)
            scores, sums = whole[: len(scores)], dict(zip(names, whole[len(scores) :], strict=True))
        found = scores.float().cpu().numpy()
        eer = float("nan")
        if np.isfinite(found).all():
            eer = equal_error_rate(found[self._is_bonafide], found[~self._is_bonafide]).value
        watched = {name: (total / len(found)).item() for name, total in sums.items()}
        return DevPass(found, eer, watched | _dead_experts(watched))


def _dead_experts(watched: dict[str, float]) -> dict[str, float]:
    """``dead_experts_BLOCK``: how many experts of a block get less than a tenth of an even share."""
    shares: dict[str, list[float]] = {}
    for name, share in watched.items():
        if name.startswith("expert_share_"):
            shares.setdefault(name.removeprefix("expert_share_").partition("_")[0], []).append(share)
    return {
        f"dead_experts_{block}": float(sum(share < 0.1 / len(of_block) for share in of_block))
        for block, of_block in shares.items()
    }


def _watched(output: CountermeasureOutput) -> dict[str, Tensor]:
    """Means of a batch, each a number, by name."""
    found = {}
    for auxiliary, name in _WATCHED.items():
        if auxiliary in output.auxiliaries:
            value = output.auxiliaries[auxiliary].double()
            value = value.mean(0) if auxiliary == "stream_shares" else value
            for place in np.ndindex(*value.shape):
                found["_".join([name, *map(str, place)])] = value[place]
    return found
