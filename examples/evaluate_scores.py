"""Evaluate a score file: EER with its interval, t-DCF where there are ASV scores, and each attack.

Nothing here imports PyTorch, and any score file of the field is read: ours, those of ASVspoof 2019, 2021 and 5, CSV,
Parquet. Only ASVspoof 2019 LA ships the scores of speaker verification that a t-DCF needs.

Run, after `make demo`:  python examples/evaluate_scores.py demo/run/eval.tsv minispoof demo/corpus
With ASVspoof 2019 LA:   python examples/evaluate_scores.py scores.txt asvspoof2019-la /data/LA
"""

import sys
from pathlib import Path

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.evaluation.asv import find_asv_scores, read_asv_scores
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.scores import read_scores

file, kind, root = sys.argv[1:] or ["demo/run/eval.tsv", "minispoof", "demo/corpus"]
corpus = read_corpus(kind, root=Path(root), partition="eval")
trials = join(read_scores(file), corpus)  # stops where a score or a label is missing
asv = find_asv_scores(Path(root), kind, "eval")
found = evaluate(trials, asv=read_asv_scores(asv) if asv else None, n_bootstrap=1000, seed=0)

low, high = found.eer_ci or (float("nan"), float("nan"))
print(f"{found.counts.bonafide} bona fide and {found.counts.spoof} spoofed trials")
print(f"EER {found.eer:.2%}, {found.confidence:.0%} interval {low:.2%} to {high:.2%}")
if found.min_tdcf_2019 is None:
    print("no t-DCF: this corpus has no scores of a speaker verification")
else:
    print(f"min t-DCF {found.min_tdcf_2019:.4f} in the form of 2019, {found.min_tdcf_2021:.4f} in that of 2021")

print("attack  known  trials     EER")
for name, attack in found.attacks.items():
    known = {True: "yes", False: "no", None: "?"}[attack.known]
    print(f"{name:6}  {known:5}  {attack.n:6}  {attack.eer:6.2%}")
for warning in found.warnings:
    print(f"warning: {warning}")
