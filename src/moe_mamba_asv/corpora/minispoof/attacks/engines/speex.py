"""A18: Speex, a CELP codec, at its lowest bit rates."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import from_narrowband, run_program, to_narrowband

ENGINE = Engine("Speex", "BSD-3-Clause", "apt-get install speex", programs=("speexenc", "speexdec"))

#: 2.15, 3.95 and 5.95 kbit/s.
_QUALITIES = (0, 1, 2)
#: The decoder looks ahead; measured by cross-correlation at 8 kHz.
_DELAY_SAMPLES = 78


def speex(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Narrowband linear prediction, adaptive and fixed codebooks, at 2.15 to 5.95 kbit/s; nothing above 4 kHz.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws the quality, 0 to 2.

    Returns:
        Shape (samples,).

    Raises:
        AudioError: a program failed.

    Source: Valin (2006), Speex: a free codec for free speech; Schroeder & Atal (1985), Code-excited linear prediction.
    """
    quality = rng.choice(_QUALITIES)
    encode = ["speexenc", "--narrowband", "--rate", "8000", "--16bit", "--le", "--quality", str(quality), "-", "-"]
    encoded = run_program(ENGINE, encode, stdin=to_narrowband(waveform).tobytes())
    decoded = run_program(ENGINE, ["speexdec", "-", "-"], stdin=encoded)
    return from_narrowband(np.frombuffer(decoded, "<i2"), _DELAY_SAMPLES, waveform)
