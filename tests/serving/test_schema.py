"""The API against its own description: whatever Schemathesis sends, no fault of the service and no answer beside it."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from made_jobs import recording
from made_uploads import sound
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection
from starlette.testclient import TestClient

from moe_mamba_asv.serving.access import OPEN_PATHS
from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.settings import Settings

#: Sound that is none is refused as what it is, though a description cannot tell it from any other bytes; and too many
#: files are too large, where Schemathesis would have them malformed.
_CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "422"]},
    "negative_data_rejection": {"expected-statuses": ["400", "404", "413", "415", "422"]},
}
_OPERATIONS = (
    ("/v1/score", "POST"),
    ("/v1/models", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/v1/score/long", "POST"),
    ("/v1/jobs/{job_id}", "GET"),
    ("/v1/jobs/{job_id}", "DELETE"),
    ("/v1/jobs/{job_id}/events", "GET"),
    ("/metrics", "GET"),
)
_KEYED = [one for one in _OPERATIONS if one[0] not in OPEN_PATHS]


class Described:
    """A service in this process, and what its description says of it."""

    def __init__(self, client: TestClient, **headers: str) -> None:
        self._client = client
        told = client.get("/openapi.json", headers=headers).json()
        config = SchemathesisConfig.from_dict({"checks": _CHECKS})
        self.api = schemathesis.openapi.from_dict(told, config=config)

    def ask(self, case: Any, *unchecked: Any) -> Any:
        """Send it; the answer, if it is as described but for what is not checked."""
        sent = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
        answer = self._client.request(sent.method or "", sent.url or "", content=sent.body, headers=dict(sent.headers))
        case.validate_response(answer, excluded_checks=list(unchecked))
        return answer

    def make(self, path: str, method: str, **parts: Any) -> Any:
        """Ask with these parts and nothing drawn."""
        kind = {"media_type": "multipart/form-data"} if "body" in parts else {}
        return self.ask(self.api[path][method].Case(**parts, **kind))


@pytest.fixture(scope="module")
def described(models: Path) -> Iterator[Described]:
    """A service that has room for whatever is sent."""
    named = {name: str(models / f"{name}.safetensors") for name in ("known", "bare")}
    room: dict[str, Any] = {"max_jobs": 10_000, "requests_per_minute": 1_000_000, "max_files": 4}
    with TestClient(create_app(Settings(models=named, decoders=1, **room))) as client:
        yield Described(client)


def _bounded(examples: int) -> effort:
    # The same examples each time: a change of this code, and not luck, makes it fail.
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return effort(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=checks)


def _statuses(
    described: Described, operation: tuple[str, str], mode: Any, *unchecked: Any, **fixed: Any
) -> Counter[int]:
    """Of answers to what is drawn, each of them as described."""
    found: Counter[int] = Counter()

    @given(case=described.api[operation[0]][operation[1]].as_strategy(generation_mode=mode, **fixed))
    @_bounded(40)
    def ask(case: Any) -> None:
        found[described.ask(case, *unchecked).status_code] += 1

    ask()
    return found


def test_all_operations_are_asked(described: Described) -> None:
    operations = [found.ok() for found in described.api.get_all_operations()]
    assert {(one.path, one.method.upper()) for one in operations} == set(_OPERATIONS)


@pytest.mark.parametrize("operation", _OPERATIONS)
def test_what_is_described_is_answered_as_described(described: Described, operation: tuple[str, str]) -> None:
    found = _statuses(described, operation, schemathesis.GenerationMode.POSITIVE)
    assert found
    assert max(found) < 500


@pytest.mark.parametrize("operation", [one for one in _OPERATIONS if one[1] == "POST" or "{" in one[0]])
def test_what_is_not_described_is_refused_as_described(described: Described, operation: tuple[str, str]) -> None:
    body = {"body": {"file": [b"sound"] if operation[0] == "/v1/score" else b"sound"}} if operation[1] == "POST" else {}
    found = _statuses(described, operation, schemathesis.GenerationMode.NEGATIVE, **body)
    # A query that is none of ours may be let in: what counts is that nothing breaks, and that the rest is refused.
    assert max(found) < 500
    assert sum(count for status, count in found.items() if status >= 400) > sum(found.values()) / 2


@pytest.mark.parametrize("operation", [one for one in _OPERATIONS if one[1] == "POST"])
def test_whatever_body_comes_is_answered_as_described(described: Described, operation: tuple[str, str]) -> None:
    """It may be let in: what Schemathesis takes for a number is bytes of a file on its way."""
    found = _statuses(described, operation, schemathesis.GenerationMode.NEGATIVE, negative_data_rejection)
    assert max(found) < 500


@pytest.mark.parametrize("model", ["known", "bare"])
def test_answers_to_sound_are_as_described(described: Described, model: str) -> None:
    """With a calibration and a profile, and without either; one of three files is none."""
    body = {"file": [sound(1), b"this is no sound", sound(2, "FLAC")]}

    @given(prior=st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True))
    @_bounded(15)
    def ask(prior: float | None) -> None:
        query: dict[str, Any] = {"model": model} | ({} if prior is None else {"prior": prior})
        answer = described.make("/v1/score", "POST", query=query, body=body)
        assert answer.status_code == 200
        assert [file["result"] is None for file in answer.json()["files"]] == [False, True, False]

    ask()


@pytest.mark.parametrize(("content", "state"), [(recording(), "done"), (b"this is no sound", "failed")])
def test_a_job_is_told_as_described_from_its_start_to_its_end(described: Described, content: bytes, state: str) -> None:
    started = described.make("/v1/score/long", "POST", body={"file": content})
    assert started.status_code == 202
    place = {"path_parameters": {"job_id": started.json()["id"]}}
    for _ in range(600):
        found = described.make("/v1/jobs/{job_id}", "GET", **place).json()["state"]
        if found in ("done", "failed"):
            break
        time.sleep(0.05)
    assert found == state
    told = described.make("/v1/jobs/{job_id}/events", "GET", **place)
    assert (told.status_code, f"event: {state}" in told.text) == (200, True)
    assert [described.make("/v1/jobs/{job_id}", "DELETE", **place).status_code for _ in range(2)] == [204, 404]


def test_who_may_not_ask_is_told_as_described(models: Path) -> None:
    """Each operation once without a key; then again, when all requests of the minute are used up."""
    strict = Settings(
        models={"bare": str(models / "bare.safetensors")},
        decoders=1,
        api_keys=(SecretStr("a-key"),),
        requests_per_minute=len(_KEYED),
    )
    place = {"path_parameters": {"job_id": "x"}}
    with TestClient(create_app(strict)) as client:
        described = Described(client, **{"X-API-Key": "a-key"})
        statuses = [
            [described.make(path, method, **(place if "{" in path else {})).status_code for path, method in _KEYED]
            for _ in range(2)
        ]
    assert statuses == [[401] * len(_KEYED), [429] * len(_KEYED)]
