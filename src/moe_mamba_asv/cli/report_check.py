"""`mma report --check`: does a written report agree with its own numbers?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json

if TYPE_CHECKING:
    from moe_mamba_asv.reports.consistency.result import Claim


def check_file(path: Path, as_json: bool) -> None:
    """List what does not hold; exit code 1 if anything does not."""
    from rich.text import Text

    from moe_mamba_asv.reports.consistency.check import check_report

    with expected_errors():
        found = check_report(path)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        for claim in found.wrong:
            console.print(Text(_line(claim)), soft_wrap=True)
        judged = ", ".join(f"{count} {kind}" for kind, count in sorted(found.judged.items())) or "none"
        console.print(Text(f"{len(found.wrong)} of {len(found.claims)} claims do not hold ({judged})"), soft_wrap=True)
    raise typer.Exit(SOME_FAILED if found.wrong else DONE)


def _line(claim: Claim) -> str:
    operands = ", ".join(f"{one.text}{f' ({one.where})' if one.where else ''}" for one in claim.operands)
    told = f"line {claim.line}: {claim.kind} {claim.stated}, from {operands}"
    if claim.low is not None and claim.high is not None:
        told += f": {claim.low:.4g} to {claim.high:.4g}"
    return f"{told} [{claim.remark}]" if claim.remark else told
