"""Linear maps of self-supervised encoders on a CPU: bias and GELU in the same pass as the product."""

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.gelu import is_gelu
from moe_mamba_asv.models.native.serving import may_stand_in

#: A layer's first linear map of the two with an activation between them, and that activation, by transformers' names.
_BEFORE_ACTIVATION = {"intermediate_dense": "intermediate_act_fn", "fc1": "activation_fn"}
#: oneDNN's product by its name in PyTorch; None where PyTorch was built without.
_product = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


class FusedLinear(nn.Linear):
    """x Wᵀ + b, or GELU of it.

    PyTorch itself first writes the bias over the whole answer, adds the product to it, and reads it again for the
    activation. Where no gradient is wanted, oneDNN does it all in one pass, to rounding the same.

    Args:
        original: its parameters are taken over.
        gelu: whether the exact GELU follows.
    """

    def __init__(self, original: nn.Linear, *, gelu: bool = False) -> None:
        super().__init__(original.in_features, original.out_features, original.bias is not None, device="meta")
        self.weight, self.bias = original.weight, original.bias
        self.gelu = gelu

    def forward(self, input: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        if _product is not None and may_stand_in(input, self):
            name, algorithm = ("gelu", "none") if self.gelu else ("none", "")
            return _product(input, self.weight, self.bias, name, [], algorithm)
        out = super().forward(input)
        return nn.functional.gelu(out) if self.gelu else out


def fuse_linear(part: nn.Module) -> None:
    """Put `FusedLinear` in the place of linear maps, in place, and into those before a GELU also that.

    A map that something else was put around, such as an adapter, keeps its activation apart.
    """
    for inner in list(part.modules()):
        for name, child in list(inner.named_children()):
            if type(child) is not nn.Linear:
                continue
            behind = _BEFORE_ACTIVATION.get(name, "")
            gelu = isinstance(activation := getattr(inner, behind, None), nn.Module) and is_gelu(activation)
            setattr(inner, name, FusedLinear(child, gelu=gelu))
            if gelu:
                setattr(inner, behind, nn.Identity())
