"""Extras: what brings which package, and what is no missing extra."""

import importlib
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from moe_mamba_asv.cli import doctor, extras

#: Where it is not called as its module.
DISTRIBUTION = {"PIL": "pillow", "huggingface_hub": "huggingface-hub", "pyworld": "pyworld-prebuilt"}


def test_a_package_that_is_there_and_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", load)
    row = doctor._look_for_extra("torch", "torch", "torch", "models")
    assert row["broken"]
    assert "libcudart" in row["remedy"]


def test_a_part_that_an_installed_package_lacks_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError) as lacking:
        importlib.import_module("torch.no_such_part")
    assert extras.not_installed(lacking.value, "score") is None
    assert extras.not_installed(ModuleNotFoundError("x", name="no_such_package"), "score") is None


def test_extras_bring_what_the_errors_say_they_bring() -> None:
    """Read from pyproject.toml, as an installation in development may be of an earlier one."""
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]

    def brought(extra: str) -> set[str]:
        names: set[str] = set()
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            inner = requirement.extras if requirement.name == "moe-mamba-asv" else ()
            names |= {requirement.name} if not inner else set().union(*map(brought, inner))
        return names

    for module, extra in (*extras.EXTRA_OF.items(), *extras._IN_CORPUS.items()):
        assert DISTRIBUTION.get(module, module) in brought(extra), (module, extra)
    base = {Requirement(line).name for line in project["dependencies"]}
    assert not base & {DISTRIBUTION.get(module, module) for module in extras.EXTRA_OF}
    assert brought("onnx") == {"onnxruntime"}
    # Whoever builds a corpus or trains on one also reads it, and reports.
    assert brought("evaluate") < brought("minispoof") < brought("torch")
