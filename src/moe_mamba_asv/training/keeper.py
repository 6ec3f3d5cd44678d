"""The model files of a run: the last, the best on dev, and the best few."""

import shutil
from typing import Any

from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.state import Progress
from moe_mamba_asv.types import Partition


class Keeper:
    """Writes model files into a run folder.

    ``last.safetensors`` is of the last epoch, ``best.safetensors`` has the lowest EER on dev; with ``keep_best`` above
    1, ``kept/step-N.safetensors`` are of the best epochs, and ``averaged.safetensors`` is a mean over epochs.

    Args:
        run: what was asked.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.out, self.count = run, run.out, run.recipe.training.keep_best

    def keep_epoch(self, model: Detector, progress: Progress) -> None:
        """Write the files after an epoch, whose row is the last of the progress."""
        epoch = progress.epochs[-1]
        step = int(epoch["step"])
        save_checkpoint(self.checkpoint(model, epoch["dev_eer"], step), self.out / "last.safetensors")
        best = progress.best_epochs(self.count)
        if step == best[0]:
            shutil.copyfile(self.out / "last.safetensors", self.out / "best.new")
            (self.out / "best.new").replace(self.out / "best.safetensors")
        if self.count > 1:
            self._keep_best(best, step)

    def keep_average(self, model: Detector, dev_eer: float, progress: Progress) -> None:
        """Write a mean over epochs, which is the best file as well if dev says so."""
        checkpoint = self.checkpoint(model, dev_eer, progress.step)
        save_checkpoint(checkpoint, self.out / "averaged.safetensors")
        if dev_eer < min(epoch["dev_eer"] for epoch in progress.epochs):
            save_checkpoint(checkpoint, self.out / "best.safetensors")

    def checkpoint(self, model: Detector, dev_eer: float, step: int) -> Checkpoint:
        """The model as it is now, with what dev says of it."""
        recipe = self.run.recipe
        selection: dict[str, Any] = {
            "partition": Partition.DEV.value,
            "metric": "eer",
            "value": dev_eer,
            "step": step,
            "corpus": ", ".join(corpus.kind for corpus in self.run.dev),
            "clips": sum(len(corpus.table) for corpus in self.run.dev),
            "weights": recipe.training.averaging.kind,
        }
        return Checkpoint.of(model, recipe.name, recipe.model, selection, recipe.training.num_samples)

    def _keep_best(self, best: list[int], step: int) -> None:
        folder = self.out / "kept"
        folder.mkdir(exist_ok=True)
        wanted = {f"step-{one}.safetensors" for one in best}
        if f"step-{step}.safetensors" in wanted:
            fresh = folder / "fresh.new"
            shutil.copyfile(self.out / "last.safetensors", fresh)
            fresh.replace(folder / f"step-{step}.safetensors")
        for path in folder.glob("step-*.safetensors"):
            if path.name not in wanted:
                path.unlink()
