"""The loop of a run: step after step, epoch after epoch, back to the last good state where it must."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import lightning
import torch
from torch.utils.data import DataLoader

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.averaging import build_average, swapped
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.data.batches import Plan, StepBatches
from moe_mamba_asv.training.data.clips import Clips, collate
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.training.dev import Dev, DevPass
from moe_mamba_asv.training.guards import Fault
from moe_mamba_asv.training.keeper import Keeper
from moe_mamba_asv.training.pieces import load_optimizer, whole
from moe_mamba_asv.training.records.tables import Records
from moe_mamba_asv.training.run import Report, Run
from moe_mamba_asv.training.sharding import is_sharded
from moe_mamba_asv.training.state import Progress, load_state, save_state
from moe_mamba_asv.training.stepper import Stepper


class Loop:
    """Trains one model on the devices of a fabric.

    Args:
        run: what was asked.
        fabric: launched.
        stepper: with the model in it.
        mixture: the training partition.
        plan: which rows of it a step hears.
        clips: of it.
        dev: ready to be scored.
        records: where values are written down.
    """

    def __init__(
        self,
        run: Run,
        fabric: lightning.Fabric,
        stepper: Stepper,
        *,
        mixture: Mixture,
        plan: Plan,
        clips: Clips,
        dev: Dev,
        records: Records,
    ) -> None:
        self.run, self.fabric, self.stepper, self.model = run, fabric, stepper, stepper.model
        self.config, self.total_steps = run.recipe.training, stepper.total_steps
        self.mixture, self.plan, self.clips, self.dev, self.records = mixture, plan, clips, dev, records
        self.keeper, self.progress = Keeper(run), Progress()
        self.average = build_average(self.config.averaging, self.model, self.total_steps)

    def train(self, *, resume: bool, report: Report) -> Path:
        """Train to the end, from the state of the folder if there is one and it is asked for.

        Args:
            resume: from the state.
            report: told after each step.

        Returns:
            The model file with the lowest EER on dev.

        Raises:
            TrainingError: numbers that are not finite came back after every roll-back.
        """
        if resume and self.run.state.is_file():
            self._load()
        else:
            self._save()
        self.records.resume(self.progress.step, self.progress.roll_backs)
        while not self._is_over():
            fault = self._steps(report)
            if fault is not None:
                self._roll_back(fault)
        self._keep_average()
        return self.run.out / "best.safetensors"

    def _is_over(self) -> bool:
        patience, epochs = self.config.early_stop_epochs, self.progress.epochs
        if patience is not None and epochs:
            best = min(range(len(epochs)), key=lambda index: epochs[index]["dev_eer"])
            if len(epochs) - 1 - best >= patience:
                return True
        return self.progress.step >= self.total_steps

    def _steps(self, report: Report) -> Fault | None:
        """Steps until the run is over, or until a fault that only an earlier state can mend."""
        batches = self._batches()
        while not self._is_over():
            began = time.perf_counter()
            parts = [next(batches) for _ in range(self.config.accumulate)]
            waited_s = time.perf_counter() - began
            answer = self.stepper.step(self.progress.step, parts, rate_factor=self._rate_factor())
            self.progress.step += 1
            fault = self._skipped(answer) if isinstance(answer, Fault) else self._taken(answer)
            if not isinstance(answer, Fault):
                seconds = {"step_s": time.perf_counter() - began, "waited_s": waited_s}
                self.records.step(self.progress.step, {**answer, **seconds})
            fault = fault or self._after_step()
            if fault is not None:
                return fault
            report(self.progress.step, self.total_steps, self._dev_eer())
        return None

    def _batches(self) -> Iterator[Batch]:
        """Micro-batches of this device from the present step on."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        own = StepBatches(self.plan, self.progress.step, self.total_steps, rank, world, self.config.accumulate)
        loader = DataLoader(self.clips, batch_sampler=own, num_workers=self.run.workers, collate_fn=collate)
        return (batch.to(self.fabric.device) for batch in loader)

    def _taken(self, values: dict[str, float]) -> None:
        self.progress.in_a_row = 0
        self.progress.add(values)
        self.average.update_step(self.model, self.progress.step)

    def _skipped(self, fault: Fault) -> Fault | None:
        """Count a step that was not taken; the fault comes back when there were too many in a row."""
        self.progress.in_a_row += 1
        self.progress.skipped += 1
        self._write_down(fault, "skipped")
        return fault if self.progress.in_a_row >= self.config.guard.patience else None

    def _after_step(self) -> Fault | None:
        step = self.progress.step
        if step % self.plan.steps_per_epoch == 0 or step == self.total_steps:
            return self._end_epoch()
        return self._save() if step % self.config.state_every_steps == 0 else None

    def _end_epoch(self) -> Fault | None:
        """Score dev, write everything down; a fault if weights or scores are not finite."""
        fault = self.stepper.broken_weights()
        if fault is not None:
            return fault
        smoothed = self.average.running_weights()
        with nullcontext() if smoothed is None else swapped(self.model, smoothed):
            found = self.dev.score(self.model)
            rows = tuple((~torch.isfinite(torch.from_numpy(found.scores))).nonzero().flatten().tolist())
            if rows:
                return Fault("dev score", "a model whose weights are finite", rows)
            self.progress.epochs.append(self._row(found))
            model = self.stepper.whole_model()
            if self.fabric.is_global_zero:
                self.keeper.keep_epoch(model, self.progress)
        self.average.update_epoch(self.model, found.eer)
        self.records.epochs(self.progress.epochs)
        return self._save()

    def _row(self, found: DevPass) -> dict[str, float]:
        """What is known of an epoch."""
        groups = zip(self.stepper.groups, self.stepper.optimizer.param_groups, strict=True)
        rates = {f"learning_rate_{group.name}": settings["lr"] for group, settings in groups}
        counts = {"skipped": float(self.progress.skipped), "roll_backs": float(self.progress.roll_backs)}
        losses = self.progress.means()
        return {"step": self.progress.step, "dev_eer": found.eer, **losses, **rates, **found.watched, **counts}

    def _keep_average(self) -> None:
        """A mean over epochs, scored on dev as any other candidate."""
        weights = self.average.final_weights()
        if weights is None:
            return
        with swapped(self.model, weights):
            found = self.dev.score(self.model)
            if self.fabric.is_global_zero:
                self.keeper.keep_average(self.model, found.eer, self.progress)

    def _dev_eer(self) -> float:
        return self.progress.epochs[-1]["dev_eer"] if self.progress.epochs else float("nan")

    def _rate_factor(self) -> float:
        return self.config.guard.rate_factor**self.progress.roll_backs

    def _roll_back(self, fault: Fault) -> None:
        """Return to the last good state with smaller learning rates, or give up."""
        guard, roll_backs = self.config.guard, self.progress.roll_backs + 1
        if roll_backs > guard.roll_backs:
            self._write_down(fault, "stopped")
            raise TrainingError(
                f"a {fault.what} that is not finite at step {self.progress.step}, from {fault.culprit}; "
                f"{guard.roll_backs} roll-backs did not help",
                wanted="numbers that stay finite",
                remedy=f"a smaller --set training.learning_rate, or look at the clips that "
                f"{self.run.out / 'events.jsonl'} names; --resume goes on from the last good state",
            )
        self._write_down(fault, "rolled back")
        self._load()
        self.progress.roll_backs, self.progress.in_a_row = roll_backs, 0
        self.records.resume(self.progress.step, roll_backs)
        self._save()

    def _write_down(self, fault: Fault, action: str) -> None:
        in_training = self.mixture.table["utterance"].to_list()
        clips = self.dev.utterances if fault.what == "dev score" else in_training
        self.records.event(
            {
                "step": self.progress.step,
                "what": fault.what,
                "culprit": fault.culprit,
                "utterances": [clips[row] for row in fault.rows],
                "in_a_row": self.progress.in_a_row,
                "roll_backs": self.progress.roll_backs,
                "action": action,
            }
        )

    def _save(self) -> Fault | None:
        """Write the state, unless its weights are broken: then answer the fault."""
        fault = self.stepper.broken_weights()
        if fault is None:
            model = self.stepper.whole_model()
            others = whole({"optimizer": self.stepper.optimizer.state_dict(), "average": self.average.state_dict()})
            if self.fabric.is_global_zero:
                save_state(self.run.state, model, self.progress, **others)
        self.fabric.barrier()
        return fault

    def _load(self) -> None:
        # A device that holds a part of the model may have no room for all of a state.
        device = torch.device("cpu") if is_sharded(self.model) else self.fabric.device
        self.progress, others = load_state(self.run.state, self.model, device)
        load_optimizer(self.stepper.optimizer, others["optimizer"])
        self.average.load_state_dict(others["average"])
