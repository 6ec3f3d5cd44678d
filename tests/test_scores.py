"""Score files: every form there and back, and every kind of bad file."""

import numpy as np
import polars as pl
import pytest

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores import DIRECTION, ScoreTable, name_some, read_scores, write_atomically, write_scores
from moe_mamba_asv.scores import read as reader
from moe_mamba_asv.scores.table import SCORE_SCHEMA

OWN = "# mma-scores 1\n# model: aasist\n# direction: higher = bona fide\nutterance\tscore\terror\n"


def table(scores=(1.5, -2.25), errors=None, trials=False, header=None):
    names = [f"U{index}" for index in range(len(scores))]
    frame = pl.DataFrame(
        {"utterance": names, "score": list(scores), "error": errors or [None] * len(scores)}, schema=SCORE_SCHEMA
    )
    labels = [(name, None, "bonafide") if name == "U0" else (name, "A01", "spoof") for name in names]
    own = pl.DataFrame(labels, schema=["utterance", "attack", "label"], orient="row") if trials else None
    return ScoreTable(frame, header or {}, own)


def test_own_form_keeps_header_errors_and_order(tmp_path):
    original = table([1.5, None, -2.25], [None, "cannot decode:\tbad\nheader", None], header={"model": "a: b"})
    write_scores(tmp_path / "scores.tsv", original)
    back = read_scores(tmp_path / "scores.tsv")
    assert back.header == {"direction": DIRECTION, "model": "a: b"}
    assert back.frame["score"].to_list() == [1.5, None, -2.25]
    assert back.frame["error"].to_list() == [None, "cannot decode: bad header", None]
    assert back.failed["utterance"].to_list() == ["U1"]
    assert back.scored["utterance"].to_list() == ["U0", "U2"]
    assert back.trials is None


def test_own_form_to_the_letter(tmp_path):
    write_scores(tmp_path / "s.tsv", table([1 / 3, None], [None, "silent"], header={"model": "aasist"}))
    assert (tmp_path / "s.tsv").read_text() == (
        "# mma-scores 1\n# direction: higher = bona fide\n# model: aasist\n"
        "utterance\tscore\terror\nU0\t0.333333333\t\nU1\t\tsilent\n"
    )


def calibrated(llrs=(0.25, None), probabilities=(0.5625, None)):
    plain = table([1.5, None], [None, "silent"], header={"model": "aasist", "prior": "0.5"})
    return ScoreTable(plain.frame.with_columns(llr=pl.Series(llrs), probability=pl.Series(probabilities)), plain.header)


CALIBRATED = (
    "# mma-scores 1\n# direction: higher = bona fide\n# model: aasist\n# prior: 0.5\n"
    "utterance\tscore\terror\tllr\tprobability\nU0\t1.5\t\t0.25\t0.5625\nU1\t\tsilent\t\t\n"
)


def test_what_a_calibration_added_is_written_and_read(tmp_path):
    write_scores(tmp_path / "s.tsv", calibrated())
    assert (tmp_path / "s.tsv").read_text() == CALIBRATED
    back = read_scores(tmp_path / "s.tsv")
    assert back.is_calibrated
    assert back.frame.equals(calibrated().frame)
    assert not read_scores_of(tmp_path, OWN + "U0\t1.5\t\n").is_calibrated


@pytest.mark.parametrize("original", [table(), table([None], ["silent"]), calibrated()])
def test_lists_and_a_frame_are_one_table(tmp_path, original):
    lists = ScoreTable(original.frame.to_dict(as_series=False), original.header)
    assert lists.frame.equals(original.frame)
    assert lists.frame.schema == original.frame.schema
    assert lists.columns == original.columns
    assert lists.is_calibrated == original.is_calibrated
    for name, one in (("lists", lists), ("frame", original)):
        write_scores(tmp_path / name, one)
    assert (tmp_path / "lists").read_bytes() == (tmp_path / "frame").read_bytes()


def read_scores_of(folder, text):
    (folder / "given.tsv").write_text(text)
    return read_scores(folder / "given.tsv")


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("0.25\t", "\t", "line 6: llr absent of U0"),
        ("0.25\t", "nan\t", "line 6: llr nan of U0"),
        ("0.5625", "likely", "line 6: probability 'likely'"),
        ("silent\t", "silent\t7", "line 7: llr 7 of U1"),
        ("\t0.5625", "", "line 6: probability absent of U0"),
    ],
)
def test_calibrated_rows_that_are_not_whole_are_refused_by_line(tmp_path, good, bad, said):
    with pytest.raises(ScoreError, match=said):
        read_scores_of(tmp_path, CALIBRATED.replace(good, bad, 1))


@pytest.mark.parametrize("llrs", [(None, None), (np.nan, None), (0.25, 1.0)])
def test_a_calibrated_table_needs_a_ratio_for_every_score(tmp_path, llrs):
    with pytest.raises(ScoreError, match="no finite llr for U"):
        write_scores(tmp_path / "s.tsv", calibrated(llrs=llrs))


@pytest.mark.parametrize("form", ["mma", "asvspoof2019", "asvspoof2021", "asvspoof5"])
def test_every_form_keeps_every_float32(tmp_path, form):
    scores = np.random.default_rng(0).normal(0, 1e3, 2000).astype(np.float32)
    original = table(scores.astype(float).tolist(), trials=True)
    write_scores(tmp_path / "s.txt", original, form)
    back = read_scores(tmp_path / "s.txt")
    assert (back.frame["score"].to_numpy().astype(np.float32) == scores).all()
    assert back.frame["utterance"].equals(original.frame["utterance"])
    if form == "asvspoof2019":
        assert back.trials is not None
        assert back.trials.equals(original.trials)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("asvspoof2019", "U0 - bonafide 1.5\nU1 A01 spoof -2.25\n"),
        ("asvspoof2021", "U0 1.5\nU1 -2.25\n"),
        ("asvspoof5", "filename\tcm-score\nU0\t1.5\nU1\t-2.25\n"),
    ],
)
def test_forms_of_the_field_to_the_letter(tmp_path, form, expected):
    write_scores(tmp_path / "s.txt", table(trials=True), form)
    assert (tmp_path / "s.txt").read_text() == expected


@pytest.mark.parametrize(
    "content",
    [
        "U0 1.5\r\nU1 -2.25\r\n",
        "\ufeffU0 1.5\nU1 -2.25",
        "U0   1.5 \n\nU1\t-2.25\n\n",
        "\nU0 1.5\nU1 -2.25\n",
        OWN + "U0\t1.5\nU1\t-2.25\t\n",
        OWN.replace("\n", "\r\n") + "U0\t1.5\t\r\nU1\t-2.25\t\r\n",
        "filename\tcm-score\r\nU0\t1.5\r\nU1\t-2.25\r\n",
    ],
)
def test_harmless_differences_are_borne(tmp_path, content):
    (tmp_path / "s.txt").write_bytes(content.encode())
    frame = read_scores(tmp_path / "s.txt").frame
    assert frame.rows() == [("U0", 1.5, None), ("U1", -2.25, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "only blank lines"),
        ("filename\tcm-score\n", "holds no scores"),
        (OWN, "holds no scores"),
        ("U0,1.5\n", "line 1: 'U0,1.5'"),
        ("U0 A01 1.5\n", "line 1"),
        ("U0 1.5\nU1\nU2 3\n", "line 2: 'U1'"),
        ("U0 1.5\n\nU1 2 3\n", "line 3"),
        ("U0 1.5\nU1 x\n", "line 2: score 'x'"),
        ("U0 1.5\n\nU1  x\n", "line 3: score 'x'"),
        ("U0 - bonafide 1\nU1 A01 fake 2\n", "line 2: key 'fake'"),
        ("U0 1.5\nU1 nan\nU2 NaN\n", "NaN scores for U1, U2"),
        ("U0 1.5\nU1 -inf\n", "infinite scores for U1"),
        ("U0 1e999\n", "infinite scores for U0"),
        ("# mma-scores 2\n", "line 1.*newer version"),
        (OWN.replace("higher = bona fide", "higher = spoof"), "direction 'higher = spoof'"),
        ("# mma-scores 1\n# model aasist\n", "line 2"),
        ("# mma-scores 1\n# model: aasist\n", "line 3: '' in the header"),
        (OWN + "U0\t1.5\t\nU1\t-2.2", "ends in the middle"),
        (OWN + "U0\t1.5\t\nU1\t\t\n", "line 6: U1.*either a score or an error"),
        (OWN + "U0\t1.5\tsilent\n", "line 5: U0.*either a score or an error"),
        (OWN + "U0\t1.5\t\t\n", "line 5"),
        (OWN + "U0\t1.5\t\n\t2\t\n", "line 6"),
        ("filename\tcm-score\nU0 1.5\n", "line 2"),
    ],
)
def test_bad_file_is_named_with_its_line(tmp_path, content, message):
    file = tmp_path / "bad.txt"
    file.write_text(content)
    with pytest.raises(ScoreError, match=message) as caught:
        read_scores(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"U0 1.5\nU\xff1 2\n", b"\x00\x01\x02\xff\xfe", b"fLaC\x00\x00\x00\x22" + bytes(9000)]
)
def test_what_is_not_text_is_refused(tmp_path, content):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(ScoreError, match="line"):
        read_scores(tmp_path / "bad.txt")


def test_absent_file_folder_and_giant_are_refused(tmp_path, monkeypatch):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(ScoreError, match="is not a file"):
            read_scores(path)
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", 5)
    (tmp_path / "s.txt").write_text("U0 1.5\n")
    with pytest.raises(ScoreError, match="7 bytes"):
        read_scores(tmp_path / "s.txt")


def test_whole_2021_df_size(tmp_path):
    trials = 611_829
    scores = np.random.default_rng(0).normal(size=trials)
    lines = [f"DF_E_{index:07d} {score:.6f}" for index, score in enumerate(scores)]
    (tmp_path / "df.txt").write_text("\n".join(lines) + "\n")
    frame = read_scores(tmp_path / "df.txt").frame
    assert len(frame) == trials
    assert frame["utterance"][-1] == "DF_E_0611828"
    assert np.allclose(frame["score"].to_numpy(), scores, atol=5e-7, rtol=0)


@pytest.mark.parametrize(
    ("bad", "form", "message"),
    [
        (table([]), "mma", "without rows"),
        (table([1.0, np.nan]), "mma", "no finite score for U1"),
        (table([1.0, None]), "mma", "no finite score for U1"),
        (table([1.0, None], [None, " "]), "mma", "unclear whether scored: U1"),
        (table([1.0, 2.0], [None, "silent"]), "mma", "unclear whether scored: U1"),
        (table([1.0, None], [None, "silent"]), "asvspoof2021", "1 files without a score: U1"),
        (table(), "asvspoof2019", "without labels"),
        (table(header={"model": "two\nlines"}), "mma", "header 'model'"),
        (table(header={"a:b": "c"}), "mma", "header 'a:b'"),
        (table(header={"direction": "higher = spoof"}), "mma", "direction"),
        (table(), "asvspoof2015", "score form 'asvspoof2015'"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(tmp_path, bad, form, message):
    with pytest.raises(ScoreError, match=message):
        write_scores(tmp_path / "s.txt", bad, form)
    assert list(tmp_path.iterdir()) == []


def test_ids_that_a_form_cannot_hold(tmp_path):
    spaced = ScoreTable(pl.DataFrame({"utterance": ["a b.wav"], "score": [1.0], "error": [None]}, schema=SCORE_SCHEMA))
    with pytest.raises(ScoreError, match=r"'a b\.wav'"):
        write_scores(tmp_path / "s.txt", spaced, "asvspoof2021")
    write_scores(tmp_path / "s.tsv", spaced)
    assert read_scores(tmp_path / "s.tsv").frame["utterance"].to_list() == ["a b.wav"]


def test_2019_form_needs_one_label_for_each(tmp_path):
    original = table(trials=True)
    assert original.trials is not None
    for trials, message in (
        (original.trials.head(1), "no key for U1"),
        (pl.concat([original.trials, original.trials]), "labelled more than once"),
    ):
        with pytest.raises(ScoreError, match=message):
            write_scores(tmp_path / "s.txt", ScoreTable(original.frame, {}, trials), "asvspoof2019")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_scores(tmp_path / "s.tsv", table())
    before = (tmp_path / "s.tsv").read_bytes()
    with pytest.raises(ScoreError):
        write_scores(tmp_path / "s.tsv", table([np.inf]))
    assert (tmp_path / "s.tsv").read_bytes() == before
    write_atomically(tmp_path / "deep" / "er" / "file.txt", "text")
    assert (tmp_path / "deep" / "er" / "file.txt").read_text() == "text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "s.tsv"]


def test_name_some_says_how_many_more():
    assert name_some(["a", "b"]) == "a, b"
    assert name_some([str(number) for number in range(1205)]) == "0, 1, 2, 3, 4 and 1,200 more"
