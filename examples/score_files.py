"""Score files with a model, and read what the answer says and what it rests on.

A score alone has no unit. With a calibration beside the model (`mma calibrate`, or calibrate.py here) it becomes a
probability and a verdict; with a profile (`mma profile`) the answer says how a recording is unlike what it knows.

Run, after `make demo`:  python examples/score_files.py demo/run FILE_OR_FOLDER ...
"""

import sys
from pathlib import Path

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.scoring.answer import answer
from moe_mamba_asv.scoring.domain import embed, profile_beside
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.predictor import Predictor

#: Share of bona fide speech among all that you hear. Nothing in a recording tells it: state your own.
PRIOR = 0.5

model, *places = sys.argv[1:] or ["demo/run", "demo/corpus/minispoof_eval"]
path = find_model(model)  # a file, a run folder, or hf://owner/name
predictor = Predictor(path)
calibration = calibration_beside(path)
profile = profile_beside(path, predictor.header["model_sha256"])

inputs = inputs_from_paths(places)[:8]
table = score_files(inputs, predictor, batch_size=8)
for utterance, reason in table.failed.select("utterance", "error").iter_rows():
    print(f"{utterance}: not scored, {reason}")

files = {item.utterance: Path(item.path) for item in inputs}
for utterance, score in table.scored.select("utterance", "score").iter_rows():
    unlike = None
    if profile is not None:
        waveform = load_16k(files[utterance])
        unlike = profile.unlike(waveform, embed(predictor, [waveform])[0])
    found = answer(utterance, score, calibration=calibration, prior=PRIOR, unlike=unlike)
    if found.probability is None:
        print(f"{utterance}: score {found.score:+.3f}, higher = bona fide; no calibration, so no probability")
    else:
        print(f"{utterance}: {found.verdict}, P(bona fide) = {found.probability:.3f} if {PRIOR:.0%} of all audio is")
    for difference in found.unlike or ():
        print(f"    unlike what the model knows: {difference}")

chosen = predictor.checkpoint.selection
print(f"model {predictor.header['model']}, chosen on {chosen['partition']} of {chosen['corpus']}", end="")
print(f" at an EER of {chosen['value']:.1%}; {predictor.header['crop']}")
