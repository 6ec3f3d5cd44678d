"""The audit of packages: what is known fails, what is ignored says why, and who cannot ask says so."""

import json
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

MODULE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "deploy" / "audit.py"))
audit = MODULE["audit"]


def _printed(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def _package(name: str, ids: Sequence[str] = ()) -> dict[str, Any]:
    vulns = [{"id": one, "aliases": [f"CVE-{one}"], "fix_versions": ["2.1"]} for one in ids]
    return {"name": name, "version": "2.0", "vulns": vulns}


UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (1.0)"}


def test_nothing_known_is_well() -> None:
    lines, code = audit(lambda service: _printed(_package("a"), UNKNOWN))
    assert (lines, code) == (["1 packages audited by pypi, 1 unknown to it"], 0)


def test_what_is_known_fails_and_is_named() -> None:
    lines, code = audit(lambda service: _printed(_package("a", ["X-1"]), _package("c")))
    assert code == 1
    assert lines[1:] == ["a 2.0: CVE-X-1, X-1, fixed in 2.1"]


@pytest.mark.parametrize("name", ["X-1", "CVE-X-1"])
def test_what_is_ignored_says_why_and_only_that(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(MODULE["IGNORED"], name, "not in what we call")
    lines, code = audit(lambda service: _printed(_package("a", ["X-1"])))
    assert code == 0
    assert lines[1].endswith("(ignored: not in what we call)")
    assert audit(lambda service: _printed(_package("a", ["X-1", "X-2"])))[1] == 1


@pytest.mark.parametrize("printed", ["", "Traceback", _printed(UNKNOWN), _printed()])
def test_where_no_service_tells_anything_that_is_said(printed: str) -> None:
    lines, code = audit(lambda service: printed)
    assert code == 0
    assert "nothing was audited" in lines[0]


def test_the_second_service_is_asked_where_the_first_tells_nothing() -> None:
    lines, code = audit(lambda service: "" if service == "pypi" else _printed(_package("a", ["X-1"])))
    assert (lines[0], code) == ("1 packages audited by osv, 0 unknown to it", 1)


def test_every_ignored_advisory_has_a_reason() -> None:
    assert all(MODULE["IGNORED"].values())
