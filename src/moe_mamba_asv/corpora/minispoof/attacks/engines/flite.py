"""A03: Flite, pieces of a recorded voice."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import as_ascii, speak_with_program

ENGINE = Engine("Flite", "BSD-like (Carnegie Mellon)", "apt-get install flite", programs=("flite",))

#: Diphones (kal16), and statistical voices whose frames are clustered (awb, rms, slt).
_VOICES = ("kal16", "awb", "rms", "slt")
_STRETCHES = (0.85, 1.2)


def flite(text: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Diphones through LPC, or mel-cepstra of CLUSTERGEN through an MLSA filter.

    Args:
        text: what to say, in English.
        rng: draws one of four voices and how much durations are stretched.

    Returns:
        Shape (samples,), 16 kHz.

    Raises:
        AudioError: the program failed or said nothing.

    Source: Black & Lenzo (2001), Flite: a small fast run-time synthesis engine; Black (2006), CLUSTERGEN.
    """
    voice, stretch = str(rng.choice(_VOICES)), rng.uniform(*_STRETCHES)
    setting = f"duration_stretch={stretch:.3f}"
    command = ["flite", "-voice", voice, "--setf", setting, "-f", "{text}", "-o", "{wave}"]
    return speak_with_program(ENGINE, command, as_ascii(text))
