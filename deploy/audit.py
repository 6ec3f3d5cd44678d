"""Known vulnerabilities of the packages that constraints.txt names: `python deploy/audit.py`, with pip-audit installed.

The exit code is 1 where one is known and not among `IGNORED`. A machine that reaches no advisory service has audited
nothing: that is said, and is no failure.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Advisories that do not concern this package, by id, and why.
IGNORED: dict[str, str] = {}
CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
#: Services that pip-audit asks, the next where one tells nothing.
SERVICES = ("pypi", "osv")

Run = Callable[[str], str]


def ask(service: str) -> str:
    """What pip-audit prints; empty where it could not ask."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--requirement", str(CONSTRAINTS)]
    # The constraints are the whole list: nothing is to be resolved or installed.
    command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def audit(run: Run = ask) -> tuple[list[str], int]:
    """Lines to print, and the exit code.

    Args:
        run: from the name of a service to what pip-audit prints of it as JSON.
    """
    for service in SERVICES:
        packages = _packages(run(service))
        audited = [one for one in packages if "vulns" in one]
        if audited:
            return _judged(audited, len(packages) - len(audited), service)
    return ["no advisory service can be reached from here: nothing was audited"], 0


def _packages(printed: str) -> list[dict[str, Any]]:
    try:
        return json.loads(printed)["dependencies"]
    except ValueError:
        return []


def _judged(audited: list[dict[str, Any]], unknown: int, service: str) -> tuple[list[str], int]:
    lines, failed = [f"{len(audited)} packages audited by {service}, {unknown} unknown to it"], 0
    for package in audited:
        for advisory in package["vulns"]:
            ids = {advisory["id"], *advisory.get("aliases", ())}
            reason = next((IGNORED[one] for one in sorted(ids) if one in IGNORED), None)
            fixed = ", ".join(advisory["fix_versions"]) or "none"
            where = f"{package['name']} {package['version']}: {', '.join(sorted(ids))}, fixed in {fixed}"
            lines.append(where if reason is None else f"{where} (ignored: {reason})")
            failed |= reason is None
    return lines, int(failed)


def main() -> None:
    """Ask and tell."""
    if importlib.util.find_spec("pip_audit") is None:
        sys.exit("pip-audit is not installed: pip install pip-audit")
    lines, code = audit()
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
