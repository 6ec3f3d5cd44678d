"""How far figures could move if other trials, or other speakers, had been drawn."""

from moe_mamba_asv.evaluation.metrics.bootstrap.clustered import Spoken, clustered_bootstrap
from moe_mamba_asv.evaluation.metrics.bootstrap.eer import bootstrap_eers, eer_interval
from moe_mamba_asv.evaluation.metrics.bootstrap.interval import interval
from moe_mamba_asv.evaluation.metrics.bootstrap.replicates import POOLED, Replicates
from moe_mamba_asv.evaluation.metrics.bootstrap.stratified import stratified_bootstrap

__all__ = [
    "POOLED",
    "Replicates",
    "Spoken",
    "bootstrap_eers",
    "clustered_bootstrap",
    "eer_interval",
    "interval",
    "stratified_bootstrap",
]
