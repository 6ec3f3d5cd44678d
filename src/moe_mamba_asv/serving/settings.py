"""What a service is told: models and limits, from a file, the environment and the command line."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.shipped import SHIPPED

#: Bytes in what the settings call a MB, and a kB.
MB, KB = 1_000_000, 1_000
_PREFIX = "MMA_SERVE_"


class Settings(BaseModel):
    """Of one service."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    models: dict[str, str] = Field(
        default={SHIPPED: SHIPPED}, min_length=1, description="file, run folder or hf://owner/name, by name; NAME=FILE"
    )
    model_folders: tuple[Path, ...] = Field(
        default=(), description="model files must lie in one of these, links followed; none allows any place"
    )
    device: str = Field(default="cpu", description="of PyTorch")
    prior: float = Field(default=0.5, gt=0, lt=1, description="share of bona fide audio where a request states none")
    batch_size: int = Field(default=4, ge=1, description="clips in a forward pass, of several requests together")
    batches_at_once: int = Field(default=2, ge=1, description="forward passes at once, which share the cores")
    batch_wait_ms: float = Field(default=10, ge=0, description="a clip waits so long for others to join it")

    host: str = Field(default="127.0.0.1", description="address to listen at; 0.0.0.0 for all")
    port: int = Field(default=8000, ge=0, le=65535, description="0 takes a free one")
    api_keys: tuple[SecretStr, ...] = Field(default=(), description="one of them must be sent; none lets anyone in")
    requests_per_minute: int = Field(default=600, ge=1, description="of one key, or of one address where keys are off")
    cors_origins: tuple[str, ...] = Field(default=(), description="web pages that may ask from a browser")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses whose X-Forwarded-For tells the client's; none believes nobody"
    )

    max_upload_mb: float = Field(default=50, gt=0, description="of one request, all files together")
    max_files: int = Field(default=32, ge=1, description="in one request")
    max_held_mb: float = Field(default=1024, gt=0, description="of all requests that are being read or answered")
    max_duration_s: float = Field(default=600, gt=0, description="of one recording")
    header_timeout_s: float = Field(default=10, gt=0, description="until a request's headers are there")
    body_timeout_s: float = Field(default=60, gt=0, description="until a request's body is there")

    max_long_upload_mb: float = Field(default=300, gt=0, description="of a long recording's request")
    max_long_held_mb: float = Field(default=1024, gt=0, description="of all long recordings that are not done")
    long_body_timeout_s: float = Field(default=600, gt=0, description="until its body is there")
    max_long_duration_s: float = Field(default=14_400, gt=0, description="of a long recording")
    long_decode_timeout_s: float = Field(default=300, gt=0, description="of waiting for its decoder, in one reading")
    jobs_at_once: int = Field(default=1, ge=1, description="long recordings that are scored at the same time")
    max_jobs: int = Field(default=32, ge=1, description="long recordings that wait, are scored or are kept as results")
    job_keep_s: float = Field(default=900, gt=0, description="a result, or why there is none, is kept so long")

    max_streams: int = Field(default=64, ge=1, description="open at once")
    max_stream_s: float = Field(default=3_600, gt=0, description="of one stream, by the clock and of its sound")
    stream_idle_s: float = Field(default=30, gt=0, description="a stream may be silent, or not read, so long")
    stream_message_kb: int = Field(default=500, ge=1, description="of one message; kB = 1,000 bytes")

    decoders: int = Field(default=2, ge=1, description="processes that decode, each one file at a time")
    decode_timeout_s: float = Field(default=20, gt=0, description="for one file")
    decode_memory_mb: int = Field(default=1024, ge=64, description="for one file, beyond what an idle decoder has")


def load_settings(file: Path | None = None, environment: Mapping[str, str] | None = None, **options: Any) -> Settings:
    """Settings from a YAML file, over it ``MMA_SERVE_*`` of the environment, over both the options.

    In the environment several values are separated by commas: ``MMA_SERVE_MODELS=lcnn=a.safetensors,aasist=b.pth``.

    Args:
        file: a mapping of the fields of `Settings`.
        environment: e.g. ``os.environ``.
        options: fields; one that is None, or has no entries, is not set.

    Raises:
        ConfigError: an unknown key, with the nearest that there is; a value that makes no sense.
    """
    given = _from_file(file) if file is not None else {}
    given |= _from_environment(environment or {})
    given |= {name: value for name, value in options.items() if value not in (None, {}, ())}
    for name in given:
        _require_known(name)
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        # The first fault's place and kind, without the value: it might be a key.
        first = error.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        remedy = "--model NAME=FILE" if first["loc"] == ("models",) else f"{_PREFIX}{place.split('.')[0].upper()}"
        raise ConfigError(f"the setting {place}: {first['msg']}", remedy=remedy) from None


def named_models(words: list[str] | tuple[str, ...]) -> dict[str, str]:
    """``NAME=FILE`` words as a mapping.

    Raises:
        ConfigError: a word without a name or file, or a name twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, _, place = word.partition("=")
        if not name or not place or name in found:
            raise ConfigError(f"the model {word!r}", wanted="NAME=FILE, each name once", remedy="aasist=runs/aasist")
        found[name] = place
    return found


def _from_file(file: Path) -> dict[str, Any]:
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}", wanted="a YAML file of settings") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{file} holds no settings", wanted="key: value lines", remedy="see docs/serving.md")
    return {str(name): value for name, value in given.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX):
            continue
        name = variable.removeprefix(_PREFIX).lower()
        _require_known(name)
        words = tuple(word.strip() for word in text.split(",") if word.strip())
        if name == "models":
            given[name] = named_models(words)
        else:
            given[name] = words if isinstance(Settings.model_fields[name].get_default(), tuple) else text
    return given


def _require_known(name: str) -> None:
    if name not in Settings.model_fields:
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        raise ConfigError(f"no setting {name!r}", wanted=near[0] if near else "a setting of docs/serving.md")
