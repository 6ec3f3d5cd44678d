"""Calibrate: learn from labelled scores of dev what a score means, and turn one score into a probability.

The map is learned on dev, never on eval, and kept beside the model, where `mma score` and `mma serve` find it.

Run, after `make demo`:  python examples/calibrate.py demo/run minispoof demo/corpus
"""

import sys
from pathlib import Path

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.evaluation.calibration.calibration import learn_calibration, write_calibration
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.scores import read_scores

run, kind, root = sys.argv[1:] or ["demo/run", "minispoof", "demo/corpus"]
scores = read_scores(Path(run) / "dev.tsv")  # what `mma score --partition dev` wrote
trials = join(scores, read_corpus(kind, root=Path(root), partition="dev"))
calibration = learn_calibration(trials, model_sha256=scores.header["model_sha256"])

print(f"learned on {calibration.bonafide} bona fide and {calibration.spoof} spoofed trials")
print(f"Cllr {calibration.cllr_before:.3f} bit before, {calibration.cllr_after:.3f} after; 1 is worth nothing")

middle = float(trials.score.mean())
print(f"a score of {middle:.3f} is a log-likelihood ratio of {float(calibration.llr(middle)):+.2f}")
for prior in (0.01, 0.5, 0.99):
    print(f"  P(bona fide) = {float(calibration.probability(middle, prior)):.3f} where {prior:.0%} of all audio is")

out = Path(run) / "best.calibration.json"
write_calibration(calibration, out)
print(f"written to {out}")
