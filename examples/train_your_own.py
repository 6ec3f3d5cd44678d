"""Train a detector of your own: a configuration written in Python, a run, a model file that stands alone.

Two seconds of sound, SincNet, one block of bidirectional Mamba, attentive pooling. A model of 40 steps is good for
nothing; leave `max_steps` out for a real one. The dev partition chooses the weights, and eval cannot be reached.

Run, after `make demo`:  python examples/train_your_own.py demo/corpus runs/mine
"""

import sys
from pathlib import Path

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.models.backends.bimamba import BiMambaConfig
from moe_mamba_asv.models.countermeasure import CountermeasureConfig
from moe_mamba_asv.models.frontends.sincnet import SincNetConfig
from moe_mamba_asv.models.heads import LinearHeadConfig
from moe_mamba_asv.models.pooling import AttentivePoolingConfig
from moe_mamba_asv.training.config import TrainingConfig
from moe_mamba_asv.training.losses.cross_entropy import CrossEntropyConfig
from moe_mamba_asv.training.losses.objective import ObjectiveConfig
from moe_mamba_asv.training.recipe import Recipe
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.train import train

root, out = sys.argv[1:] or ["demo/corpus", "runs/mine"]
recipe = Recipe(
    name="sinc-bimamba-tiny",
    description="SincNet and one BiMamba block",
    model=CountermeasureConfig(
        frontends=(SincNetConfig(num_filters=24, num_taps=65, channels=(8, 8, 16)),),
        width=32,
        backend=BiMambaConfig(num_blocks=1),
        pooling=AttentivePoolingConfig(hidden=16),
        head=LinearHeadConfig(),
    ),
    training=TrainingConfig(
        batch_size=8,
        epochs=20,
        learning_rate=5e-3,
        min_learning_rate=1e-5,
        weight_decay=1e-4,
        # Of spoof and bona fide: there are more spoofed clips, and a batch should not hear them alone.
        objective=ObjectiveConfig(loss=CrossEntropyConfig(class_weights=(0.25, 0.75))),
        num_samples=16_000,
        crop_samples=16_000,
    ),
)
corpora = [(read_corpus("minispoof", root=Path(root), partition=part),) for part in ("train", "dev")]
run = Run(recipe, *corpora, out=Path(out), seed=0, max_steps=40, loggers=())


def report(step: int, total: int, dev_eer: float) -> None:
    """Tell of every tenth step."""
    if step % 10 == 0:
        print(f"step {step} of {total}, EER on dev {dev_eer:.1%}")


best = train(run, report=report)
print(f"the weights with the lowest EER on dev: {best}")
