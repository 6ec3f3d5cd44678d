"""One step of masked prediction, taken whole or not at all; and the same guesses on what was held out."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from moe_mamba_asv.models.frontends.fast_products import fast_products
from moe_mamba_asv.training.guards import Fault, NormMemory, name_culprit, not_finite
from moe_mamba_asv.training.pretrain.config import PretrainConfig
from moe_mamba_asv.training.pretrain.draws import Purpose, generator, torch_seed
from moe_mamba_asv.training.pretrain.masks import draw_mask
from moe_mamba_asv.training.pretrain.mixing import mix_clips
from moe_mamba_asv.training.pretrain.objective import Prediction, majority_share, masked_prediction
from moe_mamba_asv.training.pretrain.predictor import MaskedPredictor
from moe_mamba_asv.training.pretrain.run import HeldOutPass
from moe_mamba_asv.training.pretrain.speech import Crops
from moe_mamba_asv.training.pretrain.targets import FrameTargets

#: As HuBERT and WavLM were trained.
_BETAS, _EPSILON = (0.9, 0.98), 1e-6


class MaskedStepper:
    """Predictor, targets and optimiser.

    Args:
        predictor: with its first weights, on its device.
        targets: on the same device.
        config: of the training.
        seed: of the run; a step draws from it and its number alone.
    """

    def __init__(self, predictor: MaskedPredictor, targets: FrameTargets, config: PretrainConfig, seed: int) -> None:
        self.predictor, self.targets, self.config, self.seed = predictor, targets, config, seed
        self.device = targets.centres.device
        self.trained = [(name, one) for name, one in predictor.named_parameters() if one.requires_grad]
        self.optimizer = torch.optim.Adam([one for _, one in self.trained], betas=_BETAS, eps=_EPSILON)

    def step(self, number: int, crops: Crops) -> dict[str, float] | Fault:
        """Take a step.

        Args:
            number: of the step, from 0.
            crops: what it hears.

        Returns:
            ``loss`` and ``accuracy`` on hidden frames, ``gradient_norm`` and ``learning_rate``; or a fault, and then
            nothing has changed.
        """
        self.predictor.train()
        self.optimizer.zero_grad(set_to_none=True)
        memory = NormMemory(self.predictor)
        guess, heard = self._guess(number, crops.waveforms)
        with fast_products(self.device):
            answer = guess()
            if not torch.isfinite(answer.loss):
                fault = Fault("loss", name_culprit(self.predictor, guess, heard))
                memory.restore()
                return fault
            answer.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([one for _, one in self.trained], self.config.clip_gradient)
        if not torch.isfinite(norm):
            memory.restore()
            culprit = not_finite((name, one.grad) for name, one in self.trained)
            return Fault("gradient", culprit or "the norm of the whole")
        rate = self.rate(number)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        values = {"loss": answer.masked_loss.item(), "accuracy": answer.accuracy.item()}
        return {**values, "gradient_norm": norm.item(), "learning_rate": rate}

    def rate(self, number: int) -> float:
        """Learning rate at a step: up in a line, then down in a line; it would be 0 at the step behind the last."""
        warm_up = math.ceil(self.config.warm_up_share * self.config.steps)
        if number < warm_up:
            return self.config.learning_rate * (number + 1) / warm_up
        return self.config.learning_rate * (self.config.steps - number) / (self.config.steps - warm_up)

    def _guess(self, number: int, waveforms: np.ndarray) -> tuple[Callable[[], Prediction], Tensor]:
        """The forward pass of a step, the same each time it is called, and what the model hears in it."""
        clean = torch.from_numpy(waveforms).to(self.device)
        heard = clean
        if self.config.mixing is not None:
            mixed = mix_clips(waveforms, self.config.mixing, generator(Purpose.MIXING, self.seed, number))
            heard = torch.from_numpy(mixed).to(self.device)
        targets = self.targets(clean)
        draws = [generator(Purpose.MASK, self.seed, number, place) for place in range(len(waveforms))]
        mask = self._mask(targets.shape[1], draws)

        def guess() -> Prediction:
            torch.manual_seed(torch_seed(Purpose.DROPOUT, self.seed, number))
            return masked_prediction(self.predictor(heard, mask), targets, mask, self.config.unmasked_weight)

        return guess, heard

    def _mask(self, num_frames: int, draws: Sequence[np.random.Generator]) -> Tensor:
        """(clips, frames)."""
        rows = [draw_mask(num_frames, self.config.mask, random) for random in draws]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def score_held_out(self, crops: Crops) -> HeldOutPass:
        """Guess hidden frames of clips that are never trained on; which frames are hidden never changes."""
        self.predictor.eval()
        with torch.no_grad(), fast_products(self.device):
            return self._score(crops)

    def _score(self, crops: Crops) -> HeldOutPass:
        loss, correct, hidden, wanted = 0.0, 0.0, 0, []
        for start in range(0, len(crops.files), self.config.batch_size):
            waveforms = torch.from_numpy(crops.waveforms[start : start + self.config.batch_size]).to(self.device)
            targets = self.targets(waveforms)
            places = range(start, start + len(waveforms))
            draws = [generator(Purpose.HELD_OUT_MASK, self.seed, place) for place in places]
            mask = self._mask(targets.shape[1], draws)
            logits = self.predictor(waveforms, mask)[mask]
            wanted.append(targets[mask])
            hidden += len(logits)
            loss += cross_entropy(logits, wanted[-1], reduction="sum").item()
            correct += (logits.argmax(-1) == wanted[-1]).sum().item()
        return HeldOutPass(loss / hidden, correct / hidden, majority_share(torch.cat(wanted)))
