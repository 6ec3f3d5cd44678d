"""How much faster is our self-supervised stream than the whole model as transformers runs it?

A model of the size of WavLM-Large with random weights, its first 12 of 24 layers in use, against all 24 in
transformers' own forward (float32). Each round runs every variant once, so that their ratios hold on a machine that
others use too; the error is that of the worst of the 13 hidden states, relative (L2).
Run: `python benchmarks/ssl_stream.py [kept]`, `kept` for an allocator that keeps freed blocks, as `mma score` has it;
the model takes 1.3 GB in the folder for temporary files, written once.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel, Wav2Vec2FeatureExtractor, WavLMConfig
from transformers.utils import logging

from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.scoring.allocator import keep_freed_blocks

FOLDER = Path(tempfile.gettempdir()) / "moe-mamba-asv-wavlm-large-random"
NUM_LAYERS = 12
NUM_SAMPLES = 64_600
BATCHES = (1, 4)
ROUNDS = 9


def write_model() -> None:
    """WavLM-Large in all but its weights, which are drawn at random."""
    torch.manual_seed(0)
    config = WavLMConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_bias=False,
    )
    AutoModel.from_config(config).save_pretrained(FOLDER)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(FOLDER)


def in_turn_ms(variants: list[Callable[[], object]]) -> list[float]:
    """Median time of each of several functions, run in turn."""
    times: list[list[float]] = [[] for _ in variants]
    for _ in range(ROUNDS + 1):
        for run, taken in zip(variants, times, strict=True):
            started = time.perf_counter()
            run()
            taken.append(1000 * (time.perf_counter() - started))
    return [statistics.median(taken[1:]) for taken in times]


def worst_error(states: list[Tensor], wanted: list[Tensor]) -> float:
    """Largest relative L2 distance."""
    return max(((state - exact).norm() / exact.norm()).item() for state, exact in zip(states, wanted, strict=True))


def main() -> None:
    """Print a row for each batch size and variant."""
    logging.set_verbosity_error()
    kept = "kept" in sys.argv[1:] and keep_freed_blocks()
    if not (FOLDER / "preprocessor_config.json").exists():
        write_model()
    published = AutoModel.from_pretrained(FOLDER).eval()
    streams = {
        precision: SslFrontend(
            SslConfig(source=str(FOLDER), layers="weighted", num_layers=NUM_LAYERS, precision=precision)
        ).eval()
        for precision in ("float32", "bfloat16")
    }
    able = torch.cpu.get_capabilities()
    has_bfloat16 = any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    print(f"{torch.get_num_threads()} threads; bfloat16 instructions: {has_bfloat16}; freed blocks kept: {kept}")
    print("batch | variant | ms | of transformers' | worst error")
    for batch in BATCHES:
        clips = torch.randn(batch, NUM_SAMPLES, generator=torch.Generator().manual_seed(batch))
        # Of unit variance as it stands, so that transformers' forward is the same with and without its preprocessor.
        clips = (clips - clips.mean(1, keepdim=True)) / clips.std(1, correction=0, keepdim=True)
        with torch.inference_mode():
            whole, *ours = in_turn_ms(
                [lambda x=clips: published(x), *(lambda x=clips, run=stream: run(x) for stream in streams.values())]
            )
            exact = published(clips, output_hidden_states=True).hidden_states[: NUM_LAYERS + 1]
            print(f"{batch} | transformers, 24 layers, float32 | {whole:.0f} | 1 |")
            for (precision, stream), taken in zip(streams.items(), ours, strict=True):
                error = worst_error(stream.hidden_states(clips), exact)
                name = f"ours, {NUM_LAYERS} layers, {precision}"
                print(f"{batch} | {name} | {taken:.0f} | {taken / whole:.3f} | {error:.1e}")


if __name__ == "__main__":
    main()
