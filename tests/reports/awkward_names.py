"""Names that a page must carry as they are, and the facts of a made report."""

from moe_mamba_asv.reports.judging import Making

#: Markup, a pipe, mathtext and characters that figure fonts lack.
AWKWARD_ATTACK = "合成|<b>$x$"
AWKWARD_MODEL = "<script>alert(1)</script> | *model*"
MAKING = Making(command="mma report `x` <y>", created="2026-01-02", version="1.2.3")
