"""Which hidden state of Whisper-tiny knows attacks that were left out of training? The choice behind `phase6-small`.

On minispoof's train partition alone: recordings in three parts, and the head in closed form is shown two of them
without one attack (or two), then judged on the third, bona fide speech against what was left out. Eval is not read.
Run: `python benchmarks/left_out.py CORPUS WHISPER_TINY_FOLDER`; ten minutes on one core.
"""

import csv
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.models.discriminant_head import DiscriminantHead, DiscriminantHeadConfig
from moe_mamba_asv.models.frontends.ssl import SslFrontend
from moe_mamba_asv.models.frontends.ssl_config import SslConfig
from moe_mamba_asv.models.pooling import StatisticsPooling
from moe_mamba_asv.types import Partition

NUM_ATTACKS = 6
LEFT_OUT = [(1,), (2,), (3,), (4,), (5,), (6,), (2, 6), (3, 4), (1, 5)]
PARTS = 3
BATCH = 16
CHOICES = {"1": (0,), "2": (1,), "3": (2,), "2 and 3": (1, 2), "1 to 3": (0, 1, 2)}


@torch.inference_mode()
def embeddings(paths: list[str], whisper: str) -> list[Tensor]:
    """Mean and deviation of hidden states 1 to 3 of the first 4.04 s: (clips, 768) each."""
    frontend = SslFrontend(SslConfig(source=whisper, layers=(1, 2, 3))).eval()
    pool, found = StatisticsPooling(frontend.width), []
    for first in range(0, len(paths), BATCH):
        clips = np.stack([fit_length(load_16k(Path(path))) for path in paths[first : first + BATCH]])
        found.append([pool(state) for state in frontend.hidden_states(torch.from_numpy(clips))])
        print(f"\r{first + len(clips)} of {len(paths)}", end="", file=sys.stderr, flush=True)
    return [torch.cat(states) for states in zip(*found, strict=True)]


@torch.inference_mode()
def error(shown: Tensor, attacks: Tensor, part: np.ndarray, left_out: tuple[int, ...], shrinkage: float) -> float:
    """EER of bona fide speech against attacks left out, over recordings left out."""
    absent = torch.isin(attacks, torch.tensor(left_out))
    scores = torch.zeros(len(attacks))
    for number in range(PARTS):
        own = torch.from_numpy(part == number)
        head = DiscriminantHead(shown.shape[1], DiscriminantHeadConfig(num_attacks=NUM_ATTACKS, shrinkage=shrinkage))
        head.observe(shown[~own & ~absent], attacks[~own & ~absent])
        scores[own] = head(shown[own])[0]
    return equal_error_rate(scores[attacks == 0].double().numpy(), scores[absent].double().numpy()).value


def main() -> None:
    """Print a row for each choice of hidden states."""
    root, whisper = sys.argv[1:3]
    table = read_corpus("minispoof", root=Path(root), partition=Partition.TRAIN).table
    names = ["-", *sorted(set(table["attack"].drop_nulls()) - {"-"})]
    attacks = torch.tensor([names.index(name or "-") for name in table["attack"]])
    with (Path(root) / "recordings.csv").open() as file:
        recordings = {row["utterance"]: row["recording"] for row in csv.DictReader(file)}
    part = np.array([zlib.crc32(recordings[name].encode()) % PARTS for name in table["utterance"]])
    states = embeddings(table["path"].to_list(), whisper)
    print("\nhidden states | shrinkage | one attack left out, mean (%) | two, mean (%) | each")
    for name, chosen in CHOICES.items():
        for shrinkage in (0.05, 0.2, 0.5):
            shown = torch.cat([states[index] for index in chosen], dim=1)
            found = [100 * error(shown, attacks, part, left_out, shrinkage) for left_out in LEFT_OUT]
            one, two = np.mean(found[:NUM_ATTACKS]), np.mean(found[NUM_ATTACKS:])
            print(f"{name} | {shrinkage} | {one:.1f} | {two:.1f} | {' '.join(f'{each:.0f}' for each in found)}")


if __name__ == "__main__":
    main()
