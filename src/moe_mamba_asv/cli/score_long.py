"""`mma score --long`: a timeline of each recording, and what it says as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.terminal import console, print_json, progress_bar, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.scoring.inputs import Input
    from moe_mamba_asv.scoring.long_audio import LongOptions, WindowScorer
    from moe_mamba_asv.scoring.long_score import LongScore, PooledScore, WindowScore

_COLUMNS = ("utterance", "start_s", "end_s", "speech_share", "score", "no_vote")
_MAGIC = "# mma-timeline 1"


def score_long_recordings(
    inputs: "Sequence[Input]",
    predictor: "WindowScorer",
    options: "LongOptions",
    *,
    header: Mapping[str, str],
    out: Path | None,
    drawing: Path | None,
    as_json: bool,
) -> bool:
    """Score long recordings and tell what was found.

    The pooled answers go to stdout; so does the timeline, unless it goes to a file. A recording that cannot be read is
    listed on stderr and never in the way of the rest.

    Args:
        inputs: the recordings.
        predictor: the detector.
        options: of windows and pooling.
        header: who answered, e.g. ``predictor.header``.
        out: where the timeline goes as tab-separated values; None prints it.
        drawing: where the timeline goes as SVG; for one recording only.
        as_json: print everything as JSON instead.

    Returns:
        Whether every recording was scored in at least one window.

    Raises:
        ConfigError: a drawing of several recordings, or an impossible hop.
        ModuleNotFoundError: a drawing without matplotlib.
    """
    from moe_mamba_asv.errors import ConfigError

    if drawing is not None and len(inputs) != 1:
        raise ConfigError(f"one drawing of {len(inputs)} recordings", wanted="one recording")
    if drawing is not None:
        require("matplotlib")  # now, and not after an hour of scoring
    who = {key: value for key, value in header.items() if key != "crop"}
    found, failed = _score_all(inputs, predictor, options)
    if out is not None:
        _write_timeline(out, found, who)
    if drawing is not None:
        _draw(drawing, found)
    for name, reason in failed.items():
        stderr.print(f"[bold red]not scored:[/] {escape(f'{name}: {reason}')}", highlight=False, soft_wrap=True)
    if as_json:
        recordings = {name: one.model_dump(mode="json") for name, one in found.items()}
        print_json({"header": who, "out": str(out) if out else None, "recordings": recordings, "failed": failed})
    else:
        for name, one in found.items():
            _print(name, one, with_timeline=out is None)
    return not failed and all(one.pooled is not None for one in found.values())


def _score_all(
    inputs: "Sequence[Input]", predictor: "WindowScorer", options: "LongOptions"
) -> "tuple[dict[str, LongScore], dict[str, str]]":
    """Answers, and reasons why there is none, by name."""
    from moe_mamba_asv.errors import AudioError
    from moe_mamba_asv.scoring.journal import reason_of
    from moe_mamba_asv.scoring.long_audio import score_long

    found: dict[str, LongScore] = {}
    failed: dict[str, str] = {}
    with progress_bar() as progress:
        for item in inputs:
            task = progress.add_task(f"{item.utterance} (s)", total=None)

            def show(done_s: float, total_s: float, task: Any = task) -> None:
                progress.update(task, completed=round(done_s), total=round(total_s))

            try:
                found[item.utterance] = score_long(predictor, item.content(), options, on_progress=show)
            except AudioError as error:
                failed[item.utterance] = reason_of(error)
    return found, failed


def _write_timeline(out: Path, found: "Mapping[str, LongScore]", header: Mapping[str, str]) -> None:
    from moe_mamba_asv.scores.table import write_atomically

    lines = [_MAGIC, *(f"# {key}: {value}" for key, value in header.items()), "\t".join(_COLUMNS)]
    lines += ["\t".join([name, *_fields(window)]) for name, one in found.items() for window in one.windows]
    write_atomically(out, "\n".join(lines) + "\n")


def _fields(window: "WindowScore") -> list[str]:
    """A row of the file, without its name; seconds and scores exactly."""
    from moe_mamba_asv.scores.write import format_score

    score = "" if window.score is None else format_score(window.score)
    return [f"{window.start_s:.10g}", f"{window.end_s:.10g}", f"{window.speech_share:.4f}", score, window.no_vote or ""]


def _draw(path: Path, found: "Mapping[str, LongScore]") -> None:
    """Nothing where the recording could not be read."""
    from moe_mamba_asv.reports.canvas import for_file
    from moe_mamba_asv.reports.drawings.timeline import timeline_figure
    from moe_mamba_asv.scores.table import write_atomically

    for one in found.values():
        write_atomically(path, for_file(timeline_figure(one)))


def _print(name: str, result: "LongScore", *, with_timeline: bool) -> None:
    lines = [f"{name}: {clock(result.duration_s)}, {len(result.voted):,} of {len(result.windows):,} windows vote"]
    if with_timeline:
        lines += [_line(window) for window in result.windows]
    if not result.speech_by_level:
        lines.append("  the level hardly changes: all but silence was taken for speech")
    lines += ["  no window holds enough speech: no answer"] if result.pooled is None else _pooled(result.pooled)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _line(window: "WindowScore") -> str:
    times = f"  {clock(window.start_s)} – {clock(window.end_s)}  speech {window.speech_share:4.0%}  "
    return times + (f"{window.score:.6g}" if window.score is not None else f"no vote: {window.no_vote}")


def _pooled(pooled: "PooledScore") -> list[str]:
    return [
        f"  mean {pooled.mean:.6g}: of all that vote; the recording as a whole",
        f"  lowest {pooled.lowest_count} {pooled.lowest_mean:.6g}: their mean; is a stretch of it spoofed?",
        f"  minimum {pooled.minimum:.6g} at {clock(pooled.minimum_at_s)}: is anything spoofed? It falls with length",
        "  higher = bona fide",
    ]


def clock(seconds: float) -> str:
    """``1:02:03.50``: a time as players show it, to a hundredth of a second, hours only where there are any."""
    hundredths = round(100 * seconds)
    minutes, rest = divmod(hundredths, 6_000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 100:02d}.{rest % 100:02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
