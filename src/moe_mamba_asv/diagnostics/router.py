"""Which experts serve which attacks, and which serve nobody."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from moe_mamba_asv.diagnostics.results.finding import Finding, by_rule
from moe_mamba_asv.diagnostics.results.router import RouterBlock, RouterResult
from moe_mamba_asv.diagnostics.sample import Sample
from moe_mamba_asv.diagnostics.streams import BONAFIDE
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.scoring.predictor import Predictor

#: An expert with less than this part of an even share is dead, as in the records of training.
DEAD_SHARE = 0.1
#: A router whose choices are less even than this has collapsed: two of four experts, evenly, are 0.5.
COLLAPSED_EVENNESS = 0.45
_BATCH = 8


def diagnose_router(
    predictor: Predictor, sample: Sample, on_clips: Callable[[int], None] = lambda clips: None
) -> RouterResult:
    """Measure where frames are sent, by attack.

    Args:
        predictor: of a model with a mixture of experts.
        sample: clips of both classes.
        on_clips: told of every batch's size.

    Raises:
        ConfigError: the model has no router.
    """
    groups = {BONAFIDE: sample.rows_of(""), **{attack: sample.rows_of(attack) for attack in sample.attack_names}}
    unnamed = [row for row, attack in enumerate(sample.attacks) if not attack and not sample.is_bonafide[row]]
    if unnamed:
        groups["spoof"] = np.array(unnamed)
    shares, entropies, counts = {}, [], []
    for name, rows in groups.items():
        shares[name], entropy = _of_group(predictor, sample, rows, on_clips)
        entropies.append(entropy)
        counts.append(len(rows))
    every = np.average(list(shares.values()), axis=0, weights=counts)
    entropy = np.average(entropies, axis=0, weights=counts) / np.log(every.shape[1])
    blocks = [
        RouterBlock(
            shares=tuple(every[block].tolist()),
            entropy=float(entropy[block]),
            evenness=_evenness(every[block]),
            groups={name: tuple(of[block].tolist()) for name, of in shares.items()},
        )
        for block in range(len(every))
    ]
    return RouterResult(n=sum(counts), blocks=tuple(blocks), findings=tuple(_findings(blocks, sum(counts))))


@torch.inference_mode()
def _of_group(
    predictor: Predictor, sample: Sample, rows: NDArray[np.intp], on_clips: Callable[[int], None]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares (blocks, experts) and entropies (blocks,) in nats, of clips that are heard together."""
    shares, entropies, counts = [], [], []
    for start in range(0, len(rows), _BATCH):
        crops = [predictor.crop(sample.waveforms[row]) for row in rows[start : start + _BATCH]]
        found = predictor.model(torch.from_numpy(np.stack(crops)).to(predictor.device)).auxiliaries
        if "expert_share" not in found:
            raise ConfigError("a model without a router", wanted="a mixture of experts, as phase 3 has it")
        shares.append(found["expert_share"].double().cpu().numpy())
        entropies.append(found["router_entropy"].double().cpu().numpy())
        counts.append(len(crops))
        on_clips(len(crops))
    return np.average(shares, axis=0, weights=counts), np.average(entropies, axis=0, weights=counts)


def _evenness(shares: NDArray[np.float64]) -> float:
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum() / np.log(len(shares)))


def _findings(blocks: list[RouterBlock], clips: int) -> list[Finding]:
    findings = []
    for number, block in enumerate(blocks, start=1):
        limit = DEAD_SHARE / len(block.shares)
        findings += [
            by_rule(
                "dead_expert",
                "expert_share",
                share,
                limit=limit,
                beyond="below",
                n=clips,
                where=f"block {number}, expert {expert}",
            )
            for expert, share in enumerate(block.shares, start=1)
        ]
        where = f"block {number}"
        findings.append(
            by_rule(
                "router_collapse",
                "evenness",
                block.evenness,
                limit=COLLAPSED_EVENNESS,
                beyond="below",
                n=clips,
                where=where,
            )
        )
    return findings
