"""Score files with named columns, from the standard input, in folders; and any bytes at all."""

import io
import resource
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores import read as reader
from moe_mamba_asv.scores import read_scores, rows
from moe_mamba_asv.scores.many import read_systems

ROWS = [("U0", 1.5, None), ("U1", -2.25, None)]


def refusal(path):
    with pytest.raises(ScoreError) as caught:
        read_scores(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "utterance,score\nU0,1.5\nU1,-2.25\n",
        "score,model,utt_id\n1.5,a,U0\n\n-2.25,b,U1\n",
        '"filename","cm_score"\r\n"U0.flac","1.5"\r\n"U1.flac"," -2.25"\r\n',
        "\ufeff\nFile;Score;note\nU0.wav;1.5;\nU1.WAV;-2.25;x\n",
        "path\tcm-score\tlabel\n/data/eval/U0.flac\t1.5\tspoof\nC:\\eval\\U1.wav\t-2.25\tbonafide\n",
        "path,utterance,score\n/a/x.wav,U0,1.5\n/a/y.wav,U1,-2.25\n",
        "cm-score  file\n1.5  U0.mp3\n-2.25  U1.ogg\n",
        "U0 1.500000\nU1 -2.250000\n",
    ],
)
def test_columns_are_found_by_name_wherever_they_are(tmp_path, content):
    (tmp_path / "s.csv").write_bytes(content.encode())
    assert read_scores(tmp_path / "s.csv").frame.rows() == ROWS


def test_ids_may_hold_separators_quotes_and_folders(tmp_path):
    (tmp_path / "s.csv").write_text('file,score\n"a, ""b"".wav",1\nx/y.z.wav,2\n')
    assert read_scores(tmp_path / "s.csv").frame["utterance"].to_list() == ['a, "b"', "x/y.z"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("utterance,file,score\nU0,a,1\n", "more than one column.*utterance, file, score.*rename"),
        ("utterance,score,cm-score\nU0,1,2\n", "more than one column.*utterance, score, cm-score"),
        ("utterance,prob\nU0,1\n", "none of scores.*utterance, prob"),
        ("name,score\nU0,1\n", "no column of ids.*name, score"),
        ("utt prob score\nU0 1 2\n", "no column of ids.*utt, prob, score"),
        ("utterance,score\n", "holds no scores"),
        ("utterance,score\nU0,1\nU1\n", "line 3: 'U1'"),
        ("utterance,score\nU0,1,2\n", "line 2"),
        ("utterance,score\n,1\n", "line 2.*an id"),
        ("utterance,score\nU0,\n", "line 2: U0.*either a score"),
        ("utterance,score\n\nU0,1\nU1,x\n", "line 4: score 'x'"),
        ("utterance,score\nU0,1\nU1,nan\n", "NaN scores for U1"),
        ("utterance,score\nU0,1e400\n", "infinite scores for U0"),
        ('utterance,score\nU0,1\n"U1,2\n', "line 3"),
        ("utterance;score\nU0,1\n", "line 2"),
        ("cm-score  file\n1.5\n", "line 2"),
    ],
)
def test_bad_table_is_named_with_its_line_or_columns(tmp_path, content, message):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(ScoreError, match=message) as caught:
        read_scores(tmp_path / "bad.csv")
    assert "bad.csv" in str(caught.value)


def test_parquet_whatever_its_name_and_types(tmp_path):
    scores = pl.Series([1.5, -2.25], dtype=pl.Float32)
    pl.DataFrame({"label": [0, 1], "cm_score": scores, "path": ["a/U0.wav", "U1"]}).write_parquet(tmp_path / "s.txt")
    assert read_scores(tmp_path / "s.txt").frame.rows() == ROWS


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": ["U0"], "score": [1.0]}, "no column of ids.*name, score"),
        ({"file": ["U0"], "utt_id": ["U0"], "score": [1.0]}, "more than one.*file, utt_id, score"),
        ({"file": ["U0"], "score": ["1.0"]}, "score String"),
        ({"file": ["U0", None], "score": [1.0, 2.0]}, "row 2: no id"),
        ({"file": ["U0", "U1"], "score": [1.0, None]}, "line 2: U1.*either a score"),
        ({"file": ["U0"], "score": [float("nan")]}, "NaN scores for U0"),
        ({"file": [], "score": []}, "types|holds no scores"),
    ],
)
def test_bad_parquet_says_why(tmp_path, columns, message):
    pl.DataFrame(columns).write_parquet(tmp_path / "s.parquet")
    with pytest.raises(ScoreError, match=message):
        read_scores(tmp_path / "s.parquet")


def test_damaged_parquet_does_not_end_the_program(tmp_path):
    pl.DataFrame({"file": ["U0", "U1"], "score": [1.5, -2.25]}).write_parquet(tmp_path / "s.parquet")
    whole = (tmp_path / "s.parquet").read_bytes()
    rng = np.random.default_rng(0)
    for cut in (4, 20, len(whole) - 5):
        (tmp_path / "s.parquet").write_bytes(whole[:cut])
        assert "s.parquet" in refusal(tmp_path / "s.parquet")
    for _ in range(5):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        damaged[rng.integers(4, len(whole), 40)] = rng.integers(0, 256, 40)
        (tmp_path / "s.parquet").write_bytes(damaged.tobytes())
        assert "s.parquet" in refusal(tmp_path / "s.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08\x00" + bytes(50), "is compressed.*unpack"),
        (b"PK\x03\x04rest", "is compressed"),
        ("U0 1.5\n".encode("utf-16"), "UTF-16.*UTF-8"),
        (b"RIFF\x00\x00\x00\x00WAVE", "is not text"),
        (b"U0 1.5\nU1 \xff\n", "line 2"),
        (b"utterance,score\nU\xff,1\n", "line 2"),
    ],
)
def test_what_is_not_utf8_text_is_said(tmp_path, content, message):
    (tmp_path / "s.txt").write_bytes(content)
    with pytest.raises(ScoreError, match=message):
        read_scores(tmp_path / "s.txt")


@pytest.mark.parametrize("first", ["", "utterance,score\n"])
def test_an_endless_line_and_endless_lines_are_refused(tmp_path, monkeypatch, first):
    long = "A" * (rows.MAX_LINE_CHARS + 1)
    separator = "," if first else " "
    (tmp_path / "s.txt").write_text(f"{first}U0{separator}1\n{long}{separator}1\n")
    assert "more than 65,536 characters" in refusal(tmp_path / "s.txt")
    monkeypatch.setattr(rows, "MAX_ROWS", 3)
    (tmp_path / "s.txt").write_text(first + f"U{separator}1\n" * 4)
    assert "more than 3 lines" in refusal(tmp_path / "s.txt")


def test_a_gigabyte_is_refused_without_being_read(tmp_path):
    with (tmp_path / "s.txt").open("wb") as file:
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "1,073,741,824 bytes" in refusal(tmp_path / "s.txt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_standard_input_is_read_and_named(monkeypatch):
    def give(content):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    give(b"utt_id,score\nU0,1.5\nU1,-2.25\n")
    assert read_scores("-").frame.rows() == ROWS
    give(b"U0 1.5\nU1\n")
    assert refusal("-").startswith("the standard input line 2: 'U1'")
    give(b"")
    assert refusal("-").startswith("the standard input is empty")
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", 5)
    give(b"U0 1.5\n")
    assert refusal("-").startswith("the standard input has over 5 bytes")


def test_standard_input_of_a_real_pipe():
    code = "from moe_mamba_asv.scores import read_scores; print(read_scores('-').frame.rows())"
    answer = subprocess.run([sys.executable, "-c", code], input=b"U0 1.5\nU1 -2.25\n", capture_output=True, check=True)
    assert answer.stdout.decode().strip() == str(ROWS)


def test_folder_of_systems_lists_the_bad_and_keeps_the_rest(tmp_path):
    (tmp_path / "aasist.eval.txt").write_text("U0 1.5\nU1 -2.25\n")
    (tmp_path / "ssl.csv").write_text("file,score\nU0,1.5\nU1,-2.25\n")
    (tmp_path / "two.txt").write_text("U0 1\n")
    (tmp_path / "two.csv").write_text("utterance,score\nU0,2\n")
    (tmp_path / "readme.md").write_text("Scores of our systems.\n")
    (tmp_path / "empty.txt").touch()
    (tmp_path / ".hidden").write_text("U0 1\n")
    (tmp_path / "inside").mkdir()
    systems = read_systems(tmp_path)
    assert list(systems) == ["aasist.eval", "ssl", "two.csv", "two.txt"]
    assert systems["ssl"].frame.equals(systems["aasist.eval"].frame)
    assert list(systems.refused) == ["empty.txt", "readme.md"]
    assert "is empty" in str(systems.refused["empty.txt"])


def test_folder_without_a_score_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ScoreError, match=r"not one of 0 files.*no files"):
        read_systems(tmp_path)
    (tmp_path / "a.txt").write_text("nothing of the kind\n")
    with pytest.raises(ScoreError, match=r"not one of 1 files.*a\.txt line 1"):
        read_systems(tmp_path)
    with pytest.raises(ScoreError, match="is not a folder"):
        read_systems(tmp_path / "a.txt")
    monkeypatch.setattr("moe_mamba_asv.scores.many.MAX_FOLDER_BYTES", 5)
    with pytest.raises(ScoreError, match=r"1 files of 20 bytes, the largest a\.txt"):
        read_systems(tmp_path)


_BEGINNINGS = st.sampled_from(
    [
        b"",
        b"U0 1.5\n",
        b"U0 - bonafide 1.5\n",
        b"filename\tcm-score\nU0\t1\n",
        b"utterance,score\nU0,1\n",
        b"utt_id;x;score\n",
        b'"file","score"\n"',
        b"score file\n",
        b"# mma-scores 1\nutterance\tscore\terror\nU0\t1\t\n",
        b"# mma-scores 1\n",
        b"x\x9c",
        b"\xef\xbb\xbf",
    ]
)
_PIECES = st.sampled_from([b"U1 2\n", b"\r", b"\r\n", b"\x00", b'"', b"\t", b",", b"nan", b"\n\n", b"\xff", b"1e999 "])
_BYTES = st.one_of(st.binary(max_size=200), st.lists(_PIECES, max_size=20).map(b"".join))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(beginning=_BEGINNINGS, rest=_BYTES)
def test_any_bytes_are_scores_or_a_score_error(tmp_path, beginning, rest):
    (tmp_path / "s.txt").write_bytes(beginning + rest)
    refused, frame = "", None
    try:
        frame = read_scores(tmp_path / "s.txt").frame
    except ScoreError as error:
        refused = str(error)
    if frame is None:
        assert "s.txt" in refused
        assert refused.encode()
    else:
        assert frame.filter(pl.col("error").is_null())["score"].is_finite().all()
        assert (frame["utterance"].str.len_bytes() > 0).all()
