"""Reads the weights that the authors of AASIST published, and renames them to ours."""

from collections.abc import Mapping

from torch import Tensor

from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.aasist.model import AasistConfig

#: The two published sizes, told apart by the width of the encoder.
_PUBLISHED = {
    64: ("aasist", AasistConfig()),
    24: ("aasist-l", AasistConfig(encoder_width=24, keep_spectral=0.4, keep_temporal=0.5, keep_joint=0.7)),
}

#: Prefixes of modules, official to ours.
_MODULES = {
    "pos_S": "spectral_position",
    "master1": "branches.0.master",
    "master2": "branches.1.master",
    "first_bn": "stem_norm",
    "GAT_layer_S": "spectral_attention",
    "GAT_layer_T": "temporal_attention",
    "HtrgGAT_layer_ST11": "branches.0.first",
    "HtrgGAT_layer_ST12": "branches.0.second",
    "HtrgGAT_layer_ST21": "branches.1.first",
    "HtrgGAT_layer_ST22": "branches.1.second",
    "pool_S": "spectral_pool",
    "pool_T": "temporal_pool",
    "pool_hS1": "branches.0.spectral_pool",
    "pool_hT1": "branches.0.temporal_pool",
    "pool_hS2": "branches.1.spectral_pool",
    "pool_hT2": "branches.1.temporal_pool",
    "out_layer": "head",
    **{f"encoder.{i}.0": f"encoder.{i}" for i in range(6)},
}

#: Names inside a module, official to ours; what is not listed keeps its name.
_MEMBERS = {
    "bn": "norm",
    "bn1": "norm1",
    "bn2": "norm2",
    "conv_downsample": "shortcut",
    "att_proj": "pair",
    "att_projM": "pair_master",
    "att_weight": "weight",
    "att_weight11": "weight_temporal",
    "att_weight22": "weight_spectral",
    "att_weight12": "weight_across",
    "att_weightM": "weight_master",
    "proj": "score",
    "proj_type1": "project_temporal",
    "proj_type2": "project_spectral",
    "proj_with_att": "attended",
    "proj_without_att": "direct",
    "proj_with_attM": "attended_master",
    "proj_without_attM": "direct_master",
}


def is_official(state: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a published AASIST."""
    return "pos_S" in state and "HtrgGAT_layer_ST11.att_weight11" in state


def convert_official(state: Mapping[str, Tensor]) -> tuple[str, AasistConfig, dict[str, Tensor]]:
    """Rename an official state dict.

    Returns:
        The recipe's name (``aasist`` or ``aasist-l``), its configuration and our state dict.

    Raises:
        CheckpointError: the width is neither of the two published ones.
    """
    width = state["pos_S"].shape[-1]
    if width not in _PUBLISHED:
        raise CheckpointError(f"AASIST weights {width} wide", wanted="64 (AASIST) or 24 (AASIST-L)")
    name, config = _PUBLISHED[width]
    return name, config, {_rename(key): tensor for key, tensor in state.items()}


def _rename(key: str) -> str:
    for official, ours in _MODULES.items():
        if key == official:
            return ours
        if key.startswith(official + "."):
            first, *rest = key[len(official) + 1 :].split(".")
            return ".".join([ours, _MEMBERS.get(first, first), *rest])
    raise CheckpointError(f"AASIST weights with an unknown entry {key!r}", wanted="the published state dict, unchanged")
