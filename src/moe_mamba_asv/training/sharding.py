"""Training cut up among devices (FSDP): each holds a part of the weights, of their gradients and of Adam's moments.

For models whose full fine-tuning asks for more memory than one device has. An encoder layer is put together where it is
needed and taken apart behind it; what is left of the model is one more such unit. Files are written as if nothing were
cut up, so that a run may go on with another number of devices, or without.

Source: Zhao et al., "PyTorch FSDP: experiences on scaling fully sharded data parallel", VLDB 2023; PyTorch's
``fully_shard``.
"""

import warnings

import torch
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.frontends.wavlm_attention import WavlmAttention
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.averaging import EmaAveraging, NoAveraging
from moe_mamba_asv.training.finetune.parts import ssl_streams
from moe_mamba_asv.training.learner import Learner
from moe_mamba_asv.training.run import Run


def sharding_strategy(run: Run) -> ModelParallelStrategy:
    """What Lightning does for ``--strategy fsdp``; its own strategy of that name works on GPUs alone.

    Raises:
        ConfigError: the run asks for what cannot be cut up; the message names the keys.
    """
    _require_shardable(run)
    return ModelParallelStrategy(_shard, data_parallel_size=run.devices * run.nodes, tensor_parallel_size=1)


def is_sharded(model: nn.Module) -> bool:
    """Whether a model is cut up among devices."""
    return isinstance(model, FSDPModule)


def forget_pass(model: nn.Module) -> None:
    """Take a model apart again after a forward pass that no backward pass follows, or that broke off."""
    if isinstance(model, FSDPModule):
        model.reset_iter_state()


def _shard(learner: Learner, mesh: DeviceMesh) -> Learner:
    """Cut up the model of a learner, in place."""
    # WavLM's layers hand on the bias of distances, a view; nothing writes into it.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    for unit in [*_units(learner.model), learner.model]:
        # Taken apart behind each pass, the rest of the model too: weights may be put in before the next.
        parted = fully_shard(unit, mesh=mesh["data_parallel"], reshard_after_forward=True)
        # A sum that is divided afterwards: PyTorch has means of gradients on GPUs alone.
        parted.set_force_sum_reduction_for_comms(True)
    return learner


def _units(model: Detector) -> list[nn.Module]:
    """Modules that are put together and taken apart each for itself, inner ones first."""
    units: list[nn.Module] = []
    for stream in ssl_streams(model).values():
        attention = getattr(stream.layers[0], "attention", None)
        if isinstance(attention, WavlmAttention):
            units.append(attention.rel_attn_embed)  # called from outside its layer
        units += [*stream.layers, stream.input, stream.norm]
    return [unit for unit in units if next(unit.parameters(), None) is not None]


def _require_shardable(run: Run) -> None:
    """Refuse what would need the whole weights on a device, or was never tried."""
    training = run.recipe.training
    faults = {
        f"PyTorch {torch.__version__}": not hasattr(FSDPModule, "reset_iter_state"),
        "--devices 1": run.devices * run.nodes < 2,
        "--compile": run.compiled,
        f"training.averaging.kind={training.averaging.kind}": not isinstance(
            training.averaging, NoAveraging | EmaAveraging
        ),
        "training.fgm": training.fgm is not None,
        "training.objective.l2_sp": training.objective.l2_sp > 0,
        "training.frozen_features": training.frozen_features,
    }
    asked = [name for name, is_asked in faults.items() if is_asked]
    if asked:
        raise ConfigError(
            f"--strategy fsdp with {', '.join(asked)}",
            wanted="PyTorch 2.13, two devices or more, averaging none or ema, and none of the others",
            remedy="change these, or --strategy ddp",
        )
