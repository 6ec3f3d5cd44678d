"""A long recording with a spoofed stretch in it: windows over all of it, and a timeline as a picture.

`mma score FILE` hears the first seconds; this hears everything, in memory that does not grow with the length.

Run, after `make demo`:  python examples/long_recording.py demo/run demo/corpus
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import soundfile

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.reports.canvas import for_file
from moe_mamba_asv.reports.drawings.timeline import timeline_figure
from moe_mamba_asv.scoring.long_audio import LongOptions, score_long
from moe_mamba_asv.scoring.predictor import Predictor

model, root = sys.argv[1:] or ["demo/run", "demo/corpus"]
table = read_corpus("minispoof", root=Path(root), partition="eval").table.sort("utterance")


def clips_of(label: str) -> list[np.ndarray]:
    """The first six clips of one class."""
    return [load_16k(Path(path)) for path in table.filter(pl.col("label") == label)["path"].head(6)]


real, spoofed = clips_of("bonafide"), clips_of("spoof")
parts = [*real[:3], *spoofed, *real[3:]]
start_s = sum(len(part) for part in real[:3]) / 16_000
end_s = start_s + sum(len(part) for part in spoofed) / 16_000
soundfile.write("long.flac", np.concatenate(parts), 16_000)
print(f"long.flac: spoofed from {start_s:.1f} to {end_s:.1f} s")

found = score_long(Predictor(find_model(model)), Path("long.flac"), LongOptions(hop_s=1.0, lowest_count=3))
for window in found.windows:
    told = window.no_vote if window.score is None else f"{window.score:+.3f}"
    print(f"{window.start_s:6.1f} to {window.end_s:5.1f} s  speech {window.speech_share:4.0%}  {told}")
if found.pooled is not None:
    print(f"mean {found.pooled.mean:+.3f}: the recording as a whole; higher = bona fide")
    print(f"lowest {found.pooled.lowest_count} windows {found.pooled.lowest_mean:+.3f}: is a stretch of it spoofed?")

Path("long.svg").write_text(for_file(timeline_figure(found)))
print("long.svg: the timeline")
