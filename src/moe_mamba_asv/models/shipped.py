"""The detector that comes with the package, for whoever has none: `shipped/README.md` says what it is and is not."""

from importlib.resources import as_file, files
from pathlib import Path

#: What stands for it wherever a model is named.
SHIPPED = "shipped"
_FOLDER = "moe_mamba_asv.models"


def shipped_model() -> Path:
    """Its file; calibration and profile lie beside it."""
    with as_file(files(_FOLDER) / "shipped") as folder:
        return folder / "detector.safetensors"
