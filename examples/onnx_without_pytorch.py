"""Score with ONNX Runtime: neither PyTorch nor Lightning nor transformers nor polars is imported.

The file is written once, where PyTorch is, and only if its scores are those of PyTorch to 0.0001. Writing needs
the extra `export`, scoring `onnx`.

Run, after `make demo`:  mma export --model demo/run --format onnx --out detector.onnx
                         python examples/onnx_without_pytorch.py detector.onnx FILE_OR_FOLDER ...
"""

import sys
from pathlib import Path

from moe_mamba_asv.scores import write_scores
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor

model, *places = sys.argv[1:] or ["detector.onnx", "demo/corpus/minispoof_eval"]
predictor = OnnxPredictor(Path(model), threads=1)
table = score_files(inputs_from_paths(places), predictor, batch_size=8)

rows = list(table.rows("utterance", "score"))  # table.frame has the same for polars, where that is installed
scored = [(utterance, score) for utterance, score in rows if score is not None]
for utterance, score in scored[:5]:
    print(f"{utterance}  {score:+.3f}")
write_scores(Path("onnx.tsv"), table)
print(f"{len(scored)} scored, {len(rows) - len(scored)} not, in onnx.tsv; higher = bona fide")
print(f"exported from the model file with sha256 {predictor.onnx_header.source_sha256[:12]}…")
print("PyTorch imported:", "torch" in sys.modules)
