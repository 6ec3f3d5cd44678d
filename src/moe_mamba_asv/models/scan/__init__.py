"""The selective scan, the heart of Mamba: one function, several implementations, one meaning."""

from moe_mamba_asv.models.scan.choose import available_implementations, explain_automatic
from moe_mamba_asv.models.scan.selective_scan import selective_scan

__all__ = ["available_implementations", "explain_automatic", "selective_scan"]
