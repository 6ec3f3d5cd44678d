"""What is told of a long recording: timeline, pooled answers, JSON, a drawing."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from made_recording import RATE_HZ, Stand, second, write_recording
from moe_mamba_asv.cli.score_long import clock, score_long_recordings
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.reports.canvas import for_page
from moe_mamba_asv.reports.drawings.timeline import timeline_figure
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.long_audio import LongOptions, score_long


def tell(folder: Path, predictor: Stand, **more) -> bool:
    rest = {"header": {"model": "stand", "crop": "first"}, "out": None, "drawing": None, "as_json": False, **more}
    return score_long_recordings(inputs_from_paths([folder]), predictor, LongOptions(), **rest)


def test_the_command_writes_a_timeline_and_lists_what_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    write_recording(folder / "call.wav", 20, spoofed=range(10, 16), silent=range(4, 10))
    (folder / "text.wav").write_text("not a sound " * 50)
    assert not tell(folder, Stand(), out=tmp_path / "timeline.tsv")
    seen = capsys.readouterr()
    assert "call: 0:20.00, 7 of 9 windows vote" in seen.out
    assert "at 0:12.00" in seen.out
    assert "not scored: text" in seen.err
    comments, rows = [], []
    for line in (tmp_path / "timeline.tsv").read_text().splitlines():
        (comments if line.startswith("#") else rows).append(line)
    assert comments == ["# mma-timeline 1", "# model: stand"]
    header, *rows = [line.split("\t") for line in rows]
    assert header == ["utterance", "start_s", "end_s", "speech_share", "score", "no_vote"]
    assert [float(fields[1]) for fields in rows] == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert [fields[5] for fields in rows] == ["", "", "too little speech", "too little speech", "", "", "", "", ""]
    assert float(rows[5][4]) < -0.9


def test_the_command_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recording(tmp_path / "call.wav", 20)
    assert tell(tmp_path, Stand(), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["header"] == {"model": "stand"}
    assert len(found["recordings"]["call"]["windows"]) == 9
    assert found["failed"] == {}


def test_without_a_file_the_timeline_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recording(tmp_path / "call.wav", 20, silent=range(8, 20))
    assert tell(tmp_path, Stand())
    printed = capsys.readouterr().out
    assert "0:02.00 – 0:06.00  speech 100%" in printed
    assert "0:16.00 – 0:20.00  speech   0%  no vote: too little speech" in printed


def test_a_drawing_shows_scores_and_stretches_without_a_vote(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "call.wav", 400, spoofed=range(20, 30), silent=range(100, 160))
    drawn = ElementTree.fromstring(timeline_figure(score_long(Stand(), path)))
    words = [element.text for element in drawn.iter() if element.tag.endswith("}text")]
    for word in ("no vote", "mean", "mean of lowest 5", "minimum", "time (min)", "score"):
        assert words.count(word) == 1, word


def test_the_command_draws_one_recording(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    write_recording(tmp_path / "calls/one.wav", 5)
    assert tell(tmp_path / "calls", Stand(), drawing=tmp_path / "timeline.svg")
    assert ElementTree.parse(tmp_path / "timeline.svg").getroot().tag.endswith("svg")
    write_recording(tmp_path / "calls/two.wav", 5)
    with pytest.raises(ConfigError, match="one recording"):
        tell(tmp_path / "calls", Stand(), drawing=tmp_path / "two.svg")


@pytest.mark.parametrize("silent", [range(0), range(10)])
def test_awkward_recordings_are_drawn(tmp_path: Path, silent: range) -> None:
    samples = np.zeros(10 * RATE_HZ) if silent else second(0, spoof=False)
    soundfile.write(tmp_path / "a.flac", samples, RATE_HZ)
    drawn = for_page(timeline_figure(score_long(Stand(), tmp_path / "a.flac")), "timeline")
    assert "nan" not in drawn


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0, "0:00.00"), (59.996, "1:00.00"), (2.01875, "0:02.02"), (3_599.999, "1:00:00.00"), (3_723.5, "1:02:03.50")],
)
def test_a_clock_carries(seconds: float, wanted: str) -> None:
    assert clock(seconds) == wanted
