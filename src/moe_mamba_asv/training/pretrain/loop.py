"""The loop of a pre-training run."""

import math

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.scores.table import name_some
from moe_mamba_asv.training.guards import Fault
from moe_mamba_asv.training.pretrain.run import HeldOutPass, Pretraining, Report
from moe_mamba_asv.training.pretrain.speech import Crops, Speech
from moe_mamba_asv.training.pretrain.state import Progress, load_state, save_state, write_records
from moe_mamba_asv.training.pretrain.stepper import MaskedStepper

_TRAINED = ("loss", "accuracy", "gradient_norm", "learning_rate")


class Loop:
    """Step after step, with a state and a look at what was held out each so many.

    Args:
        run: what was asked.
        stepper: with the predictor in it.
        speech: to hear.
    """

    def __init__(self, run: Pretraining, stepper: MaskedStepper, speech: Speech) -> None:
        self.run, self.config, self.stepper, self.speech = run, run.config, stepper, speech
        self.progress = Progress()
        self._held_out = speech.held_out_crops()
        self._values: list[dict[str, float]] = []

    def train(self, *, resume: bool, report: Report) -> Progress:
        """Train to the end, from the state of the folder if there is one and it is asked for.

        Raises:
            TrainingError: too many steps in a row with numbers that are not finite.
        """
        if resume and self.run.state.is_file():
            self.progress = load_state(self.run.state, self.stepper)
            self.speech.unreadable.update(self.progress.unreadable)
        else:
            self._keep()
        while self.progress.step < self.config.steps:
            report("pre-training", self.progress.step, self.config.steps, self._loss())
            crops = self.speech.step(self.progress.step, self.config.batch_size)
            answer = self.stepper.step(self.progress.step, crops)
            self.progress.step += 1
            self._skip(answer, crops) if isinstance(answer, Fault) else self._take(answer)
            if self.progress.step % self.config.every_steps == 0 or self.progress.step == self.config.steps:
                self._keep()
        report("pre-training", self.progress.step, self.config.steps, self._loss())
        return self.progress

    def held_out(self, row: dict[str, float | None]) -> HeldOutPass:
        """What a row of ``metrics.csv`` says of the clips that were held out."""
        values = (row[f"held_out_{name}"] for name in HeldOutPass.__dataclass_fields__)
        return HeldOutPass(*(math.nan if value is None else value for value in values))

    def _take(self, values: dict[str, float]) -> None:
        self.progress.in_a_row = 0
        self._values.append(values)

    def _skip(self, fault: Fault, crops: Crops) -> None:
        """Count a step that was not taken; stop where there were too many in a row."""
        progress, patience = self.progress, self.config.patience
        progress.skipped += 1
        progress.in_a_row += 1
        event = {"step": progress.step, "what": fault.what, "culprit": fault.culprit, "files": list(crops.files)}
        progress.events.append(event)
        if progress.in_a_row < patience:
            return
        write_records(self.run.out, progress)
        heard = sorted({file for skipped in progress.events[-patience:] for file in skipped["files"]})
        raise TrainingError(
            f"a {fault.what} that is not finite in {patience} steps in a row up to step {progress.step}, from "
            f"{fault.culprit}; heard: {name_some(heard)}",
            wanted="numbers that stay finite",
            remedy=f"a smaller learning rate, or look at the files that {self.run.out / 'events.jsonl'} names",
        )

    def _keep(self) -> None:
        """Look at what was held out, write everything down, and the state last.

        Raises:
            TrainingError: the loss there is not finite, so the weights are not worth keeping.
        """
        found = self.stepper.score_held_out(self._held_out)
        if not math.isfinite(found.loss):
            raise TrainingError(
                f"a loss of {found.loss} on held-out clips at step {self.progress.step}",
                wanted="weights with which it is finite",
                remedy="a smaller learning rate; the state before it is kept",
            )
        means = {name: self._mean(name) for name in _TRAINED}
        held_out = {f"held_out_{name}": value for name, value in vars(found).items()}
        self.progress.rows.append({"step": self.progress.step, **means, **held_out, "skipped": self.progress.skipped})
        self.progress.unreadable = dict(self.speech.unreadable)
        self._values = []
        write_records(self.run.out, self.progress)
        save_state(self.run.state, self.stepper, self.progress)

    def _mean(self, name: str) -> float | None:
        """Over the steps taken since the last state, none if there were none."""
        return sum(values[name] for values in self._values) / len(self._values) if self._values else None

    def _loss(self) -> float:
        return self.held_out(self.progress.rows[-1]).loss
