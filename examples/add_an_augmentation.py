"""Write an augmentation of your own, a mains hum, and hear what it does to a detector beside those that are there.

A transform is a frozen configuration and the thing at once; everything random comes from the generator it is given.
To train with a transform that is there, name it: `mma train ... --augment codec`, or the `augment` key of a recipe. To
train with this one, put it into a file of its own in audio/augment/ and into the union `Augmentation` beside it.

Run, after `make demo`:  python examples/add_an_augmentation.py demo/run
"""

import sys
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moe_mamba_asv.audio.augment.augmentation import augment
from moe_mamba_asv.audio.augment.presets import preset
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.scoring.predictor import Predictor


class Hum(Transform):
    """A tone of the mains and its overtones."""

    kind: Literal["hum"] = "hum"
    mains_hz: float = Field(default=50.0, gt=0, description="50 in Europe and China, 60 in America")
    level_db: tuple[float, float] = Field(default=(-40.0, -20.0), description="range of its level, of full scale")

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Add the hum at a drawn level and phase."""
        phase = 2 * np.pi * (self.mains_hz * np.arange(len(waveform)) / 16_000 + rng.random())
        tones = sum(np.sin(overtone * phase) / overtone for overtone in (1, 2, 3))
        return waveform + np.float32(10 ** (rng.uniform(*self.level_db) / 20)) * np.asarray(tones, np.float32)


predictor = Predictor(find_model(sys.argv[1] if len(sys.argv) > 1 else "demo/run"))
clips = [load_16k(clip.path) for clip in embedded_speech().clips[:4]]
chains = {
    "as it is": (),
    "hum": (Hum(),),
    "hum, half of the clips": (Hum(p=0.5),),
    "rawboost-la": preset("rawboost-la"),
    "hum through a codec": (Hum(), *preset("codec")),
}
for name, transforms in chains.items():
    rng = np.random.default_rng(0)  # the same draws for each chain
    changed = [augment(clip, transforms, rng) for clip in clips]
    scores = predictor.score([predictor.crop(clip) for clip in changed])
    print(f"{name:24}", " ".join(f"{score:+8.3f}" for score in scores))
