"""From the names of augmentations to the keys of a recipe that they stand for."""

import json
from collections.abc import Sequence

from moe_mamba_asv.audio.augment.presets import preset

#: The one augmentation that makes spoofed clips of bona fide ones.
VOCODED = "vocoded"


def settings_of(names: Sequence[str]) -> list[str]:
    """Overrides of a recipe, for `load_recipe`.

    Args:
        names: of presets of transforms, done in turn, and ``vocoded``.

    Raises:
        ConfigError: there is no such preset.
    """
    transforms = [transform for name in names if name != VOCODED for transform in preset(name)]
    settings = []
    if transforms:
        settings.append(f"training.augment={json.dumps([one.model_dump(mode='json') for one in transforms])}")
    if VOCODED in names:
        settings.append("training.vocoded={}")
    return settings
