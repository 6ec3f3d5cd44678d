"""What lies in deploy/: no engine runs here, but names, values, ports, users and paths can be checked."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from moe_mamba_asv.serving.run import _GRACE_S
from moe_mamba_asv.serving.settings import MB, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PREFIX = "MMA_SERVE_"
USER = 10001
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["mma-serve"]
MANIFESTS = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}
POD = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


def _lines(*, all_settings: bool) -> dict[str, str]:
    """Variables of serve.env; also those that it only shows."""
    shown = "#?" if all_settings else ""
    return dict(re.findall(rf"^{shown}({PREFIX}\w+)=(.*)$", (DEPLOY / "serve.env").read_text(), re.MULTILINE))


def _image_environment() -> dict[str, str]:
    return dict(re.findall(rf"({PREFIX}\w+)=(\S+)", DOCKERFILE))


def _pod_environment() -> dict[str, str]:
    return {one["name"]: one.get("value", "a,b") for one in CONTAINER["env"]}  # keys come from a secret


def _unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", (DEPLOY / "mma-serve.service").read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("file", [file.name for file in sorted(DEPLOY.iterdir()) if file.is_file()])
def test_every_setting_that_is_named_is_one(file: str) -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", (DEPLOY / file).read_text()))
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_example_shows_all_settings_and_what_holds_without_it() -> None:
    shown, active = _lines(all_settings=True), _lines(all_settings=False)
    assert [name.removeprefix(PREFIX).lower() for name in shown] == list(Settings.model_fields)
    assert set(active) == {f"{PREFIX}MODELS"}
    assert load_settings(environment=shown) == load_settings(environment=active)


def test_settings_of_each_way_to_run_it_are_valid() -> None:
    image = _image_environment()
    for told in (image | _lines(all_settings=False) | COMPOSE["environment"], image | _pod_environment()):
        found = load_settings(environment=told)
        assert (found.host, found.port) == ("0.0.0.0", 8000)
        # Whatever a model is called, it is looked for where it is mounted.
        assert all(Path(place).is_relative_to(found.model_folders[0]) for place in found.models.values())
    assert load_settings(environment=_pod_environment()).api_keys


def test_ports_agree() -> None:
    port = int(_image_environment()[f"{PREFIX}PORT"])
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE) == [str(port)]
    [published] = COMPOSE["ports"]
    assert published == f"127.0.0.1:{port}:{port}"
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": port}]
    assert MANIFESTS["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    [rule] = MANIFESTS["NetworkPolicy"]["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port}]


def test_the_container_is_nobody_and_may_write_nothing() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == [f"{USER}:{USER}"]
    assert f"useradd --uid {USER}" in last
    assert "chown" not in last
    assert COMPOSE["user"] == f"{USER}:{USER}"
    assert (COMPOSE["read_only"], COMPOSE["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in COMPOSE["security_opt"]
    assert all(one.endswith(":ro") for one in COMPOSE["volumes"])
    pod, own = POD["securityContext"], CONTAINER["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["seccompProfile"]["type"]) == (True, USER, "RuntimeDefault")
    assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert POD["automountServiceAccountToken"] is False


def test_what_the_image_is_built_from_is_in_the_repository_and_let_in() -> None:
    allowed = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    assert (DEPLOY / COMPOSE["build"]["context"]).resolve() == ROOT
    assert (ROOT / COMPOSE["build"]["dockerfile"]).is_file()
    assert (DEPLOY / COMPOSE["env_file"]).is_file()


def test_the_image_installs_what_the_constraints_name_and_keeps_no_downloads() -> None:
    installs = [line for line in DOCKERFILE.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in line for line in installs)
    assert "/whl/cpu" in installs[0]
    assert "PIP_NO_CACHE_DIR=1" in DOCKERFILE
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


@pytest.fixture
def ready() -> Iterator[tuple[int, list[int]]]:
    """Port of something that answers /readyz with the status that the list holds."""
    status = [200]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, status
        server.shutdown()


def test_the_health_check_tells_ready_from_not(ready: tuple[int, list[int]]) -> None:
    command = json.loads(DOCKERFILE[DOCKERFILE.index("HEALTHCHECK") :].split("CMD ", 1)[1].splitlines()[0])
    assert command[0] == "python"
    port, status = ready

    def is_healthy(where: int) -> bool:
        environment = {**os.environ, f"{PREFIX}PORT": str(where)}
        return subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True).returncode == 0

    assert is_healthy(port)
    status[0] = 503
    assert not is_healthy(port)
    assert not is_healthy(1)


def test_probes_ask_what_the_service_answers() -> None:
    paths = {name: probe["httpGet"]["path"] for name, probe in CONTAINER.items() if name.endswith("Probe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}


def test_labels_lead_from_the_service_and_the_policy_to_the_pod() -> None:
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for chosen in (
        MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["Service"]["spec"]["selector"],
        MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert chosen.items() <= labels.items()
    assert {one["name"] for one in CONTAINER["volumeMounts"]} == {one["name"] for one in POD["volumes"]}


def test_requests_under_way_may_end() -> None:
    assert POD["terminationGracePeriodSeconds"] > _GRACE_S
    assert int(COMPOSE["stop_grace_period"].removesuffix("s")) > _GRACE_S
    assert int(_unit()["TimeoutStopSec"][0]) > _GRACE_S


def test_memory_is_enough_for_all_that_may_be_held_at_once() -> None:
    usual = Settings(models={"a": "a"})
    decoding = (usual.decoders + usual.jobs_at_once) * usual.decode_memory_mb
    limits = {
        "compose": COMPOSE["mem_limit"],
        "systemd": _unit()["MemoryMax"][0],
        "kubernetes": CONTAINER["resources"]["limits"]["memory"].removesuffix("i"),
    }
    for limit in limits.values():
        num_bytes = int(limit[:-1]) * 2**30
        # The rest is for Python, PyTorch, the models and the batches.
        assert num_bytes - MB * (decoding + usual.max_held_mb + usual.max_long_held_mb) > 2 * 2**30


def test_the_unit_is_confined() -> None:
    unit = _unit()
    wanted = {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "CapabilityBoundingSet": ""}
    assert {name: unit[name][0] for name in wanted} == wanted
    assert "User" not in unit
    assert unit["MemorySwapMax"] == ["0"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (apt install systemd)")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    text = (DEPLOY / "mma-serve.service").read_text()
    # The program is not installed there here.
    copy = tmp_path / "mma-serve.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE))
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    ours = [line for line in told.stderr.splitlines() if "mma-serve" in line]
    assert (told.returncode, ours) == (0, [])
    copy.write_text(copy.read_text().replace("MemoryMax=", "MemoryMost="))  # a planted fault is found
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert "MemoryMost" in told.stderr
