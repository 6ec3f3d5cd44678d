"""Score a call while it is spoken: sound is pushed in as it comes, scores come out as soon as they are known.

The model must be one that never looks ahead, such as the recipe phase1-stream-small. Without a run of it the weights
here are fresh ones: the scores then mean nothing, but come as they would.

Run:  python examples/live_stream.py
      python examples/live_stream.py runs/phase1-stream-small recording.wav
"""

import sys
from pathlib import Path

import torch

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.hub import from_pretrained
from moe_mamba_asv.scoring.stream import Stream
from moe_mamba_asv.training.recipe import load_recipe

CHUNK = 320  # 20 ms at 16 kHz, as telephony sends it

if len(sys.argv) > 1:
    model, sound = from_pretrained(sys.argv[1]), load_16k(Path(sys.argv[2]))
else:
    torch.manual_seed(0)
    model = build_model(load_recipe("phase1-stream-small").model).eval()
    sound = load_16k(embedded_speech().clips[0].path)

# With a half-life a score is of the last moments; without one, of all sound until then.
stream = Stream(model, half_life_s=10)
print(f"a score every {1000 * stream.hop_samples / 16_000:.1f} ms, 20 ms of sound at a time")
told_s = 0.0
for start in range(0, len(sound), CHUNK):
    for time_s, score in stream.push(sound[start : start + CHUNK]):  # none, one or many
        if time_s >= told_s + 0.5:
            told_s = time_s
            print(f"{time_s:6.2f} s  {score:+.3f}")
print(f"what is kept of the call: {stream.state_bytes():,} bytes, however long it is")
