"""A11: Festival, with diphones or a hidden Markov model."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import as_ascii, speak_with_program

_DIPHONE_VOICES = ("kal_diphone", "ked_diphone")
_HMM_VOICE = "cmu_us_slt_arctic_hts"
_STRETCHES = (0.85, 1.2)

ENGINE = Engine(
    "Festival",
    "BSD-like (University of Edinburgh, Carnegie Mellon), voices too",
    "apt-get install festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts",
    programs=("text2wave",),
    data=tuple(f"festival/**/{voice}" for voice in (*_DIPHONE_VOICES, _HMM_VOICE)),
)


def festival(text: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """One of two diphone voices through residual-excited LPC, or an HMM's mel-cepstra through an MLSA filter.

    Args:
        text: what to say, in English.
        rng: draws the voice, and how much durations are stretched.

    Returns:
        Shape (samples,), 16 kHz.

    Raises:
        AudioError: the program failed or said nothing.

    Source: Black, Taylor & Caley (1998), The Festival speech synthesis system; Zen and others (2007), The HMM-based
    speech synthesis system (HTS) version 2.0.
    """
    voice, stretch = str(rng.choice([*_DIPHONE_VOICES, _HMM_VOICE])), rng.uniform(*_STRETCHES)
    if voice == _HMM_VOICE:
        slower = f'(set! hts_engine_params (append hts_engine_params \'(("-r" {1 / stretch:.3f}))))'
    else:
        slower = f"(Parameter.set 'Duration_Stretch {stretch:.3f})"
    command = ["text2wave", "-eval", f"(begin (voice_{voice}) {slower})", "{text}", "-o", "{wave}"]
    return speak_with_program(ENGINE, command, as_ascii(text))
