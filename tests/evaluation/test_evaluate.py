"""The whole evaluation: figures by hand, warnings, JSON, and the published figures."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from test_join import ROWS, SCORES, corpus, scores, without

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.asv import find_asv_scores, read_asv_scores
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.evaluation.result import Counts
from moe_mamba_asv.scores import read_scores
from moe_mamba_asv.types import Attack, Corpus

ASV_LINES = (
    "bonafide target 3\nbonafide target 2\nbonafide nontarget 0\nbonafide nontarget 1\nA07 spoof 4\nA16 spoof 0.5\n"
)


def asv(tmp_path, content=ASV_LINES):
    file = tmp_path / "asv.txt"
    file.write_text(content)
    return read_asv_scores(file)


def random_trials(separation, seed=0, trials=400):
    rng = np.random.default_rng(seed)
    labels = ["bonafide" if index % 2 else "spoof" for index in range(trials)]
    rows = [(f"U{i}", None, label, None if i % 2 else "A07", "S", "eval") for i, label in enumerate(labels)]
    values = rng.normal(size=trials) + separation * (np.arange(trials) % 2)
    return join(scores({f"U{index}": float(value) for index, value in enumerate(values)}), corpus(rows))


def test_figures_by_hand(tmp_path):
    # Ordered: U4 -2 (A07), U2 ... with U0 pulled down to 0: U4 s, U1 s, U0 b, U2 s, U3 b.
    trials = join(scores(SCORES | {"U0": 0.0}), corpus())
    result = evaluate(trials, asv=asv(tmp_path), n_bootstrap=50, system="ours")
    # Steps (p_miss, p_fa): ... (0, 1/3) (1/2, 1/3) (1/2, 0): 1/6 apart is the least, at the threshold 0.
    assert (result.eer, result.threshold) == (pytest.approx((1 / 2 + 1 / 3) / 2), 0.0)
    assert (result.counts.bonafide, result.counts.spoof, result.failed) == (2, 3, 0)
    # A07 is U4 and U2: (0, 1/2) (1/2, 1/2) meet at one half. A16 is U1: apart.
    assert (result.attacks["A07"].n, result.attacks["A07"].eer, result.attacks["A07"].known) == (2, 0.5, False)
    assert (result.attacks["A16"].n, result.attacks["A16"].eer, result.attacks["A16"].known) == (1, 0.0, True)
    assert result.known is not None
    assert (result.known.n, result.known.eer) == (1, 0.0)
    assert result.unknown is not None
    assert (result.unknown.n, result.unknown.eer) == (2, 0.5)
    assert result.system == "ours"
    assert result.auc == pytest.approx(5 / 6)  # U0 is above two of three, U3 above all
    assert 0 < result.eer_of_hull <= result.eer
    assert 0 < result.min_dcf <= 1
    assert 0 < result.min_cllr < 1
    # This ASV system: threshold 1, one of two impostors on it, no target missed, one of two spoofs rejected.
    assert result.asv is not None
    assert (result.asv.threshold, result.asv.p_fa, result.asv.p_miss, result.asv.p_miss_spoof) == (1.0, 0.5, 0.0, 0.5)
    # C0 = .0095 * 10 / 2 = .0475, C1 = .9405 - .0475 = .893, C2 = .25; the best step is (0, 1/3).
    assert result.min_tdcf_2019 == pytest.approx(1 / 3)
    assert result.min_tdcf_2021 == pytest.approx((0.0475 + 0.25 / 3) / (0.0475 + 0.25))


def test_json_has_the_agreed_keys_and_no_nan(tmp_path):
    result = evaluate(join(scores(), corpus()), asv=asv(tmp_path), n_bootstrap=20)
    value = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert {"counts", "eer", "threshold", "min_tdcf_2019", "min_tdcf_2021", "attacks", "known", "unknown"} <= set(value)
    assert value["counts"] == {"bonafide": 2, "spoof": 3}
    assert {"n", "eer", "known"} <= set(value["attacks"]["A07"])
    assert isinstance(value["known"]["eer"], float)
    assert isinstance(value["unknown"]["eer"], float)
    assert len(value["eer_ci"]) == 2
    assert (value["confidence"], value["n_bootstrap"], value["partition"]) == (0.95, 20, "eval")


def test_what_was_not_asked_for_is_null():
    rows = [(name, None, label, None, None, None) for name, _, label, *_ in ROWS]
    value = evaluate(join(scores(), corpus(rows)), n_bootstrap=0).to_json()
    for key in ("eer_ci", "min_tdcf_2019", "min_tdcf_2021", "asv", "known", "unknown", "partition"):
        assert value[key] is None
    assert value["attacks"] == {}


def test_results_are_frozen_and_strict():
    counts = Counts(bonafide=1, spoof=2)
    with pytest.raises(ValidationError):
        counts.bonafide = 3  # pyright: ignore[reportAttributeAccessIssue]
    result = evaluate(join(scores(), corpus()), n_bootstrap=0)
    with pytest.raises(ValidationError):
        type(result).model_validate(result.to_json() | {"eer": float("nan")})


def test_seed_decides_the_intervals_and_nothing_else():
    trials = random_trials(1.0)
    first, again, other = (evaluate(trials, n_bootstrap=200, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.eer_ci != other.eer_ci
    assert first.eer == other.eer
    assert first.eer_ci is not None
    assert first.eer_ci[0] < first.eer < first.eer_ci[1]


def test_reversed_scores_are_said_and_not_flipped():
    result = evaluate(random_trials(-3.0), n_bootstrap=100)
    assert result.eer > 0.9
    assert any("above 50 %" in warning and "reversed" in warning for warning in result.warnings)


@pytest.mark.parametrize(("separation", "n_bootstrap"), [(0.0, 100), (0.1, 0)])
def test_scores_of_chance_are_said(separation, n_bootstrap):
    result = evaluate(random_trials(separation), n_bootstrap=n_bootstrap)
    assert any("near 50 %" in warning for warning in result.warnings)


def test_good_scores_have_no_warning():
    assert evaluate(random_trials(3.0), n_bootstrap=100).warnings == ()


def test_attack_that_passes_for_bona_fide_is_said():
    result = evaluate(join(scores(SCORES | {"U1": 9.0, "U2": -3.0}), corpus()), n_bootstrap=0)
    assert any("EER above 50 % for A16" in warning for warning in result.warnings)


def test_failed_files_are_in_the_result():
    result = evaluate(join(scores(without("U4"), {"U4": "silent"}), corpus()), n_bootstrap=0)
    assert (result.failed, result.counts.spoof) == (1, 2)
    assert any("U4" in warning for warning in result.warnings)


def test_no_errors_at_all_has_an_honest_note():
    result = evaluate(join(scores(SCORES | {"U2": -3.0}), corpus()), n_bootstrap=10)
    assert result.eer == 0
    assert any("no errors at all" in note for note in result.notes)


def test_asv_scores_of_another_partition_are_said(tmp_path):
    dev = asv(tmp_path, ASV_LINES.replace("A07", "A01").replace("A16", "A02"))
    result = evaluate(join(scores(), corpus()), asv=dev, n_bootstrap=0)
    assert any("another partition" in warning and "A07, A16" in warning for warning in result.warnings)
    assert any("2 spoofed ASV trials for 3" in note for note in result.notes)


def test_attack_outside_the_catalogue_is_neither_known_nor_unknown():
    whole = corpus()
    only_a16 = Corpus(whole.kind, whole.table, {"A16": Attack("A16", "TTS", "", "", known=True)})
    result = evaluate(join(scores(), only_a16), n_bootstrap=0)
    assert result.attacks["A07"].known is None
    assert result.unknown is None
    assert any("neither known nor unknown" in note and "A07" in note for note in result.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("bonafide target 1\nbonafide target\n", "line 2"),
        ("bonafide target 1\nbonafide impostor 1\n", "line 2: ASV trial 'impostor'"),
        ("bonafide target nan\n", "line 1"),
        ("bonafide target x\n", "line 1: score 'x'"),
        ("bonafide target 1\nA01 spoof 2\n", "no nontarget trials"),
    ],
)
def test_bad_asv_scores_are_named(tmp_path, content, message):
    with pytest.raises(ScoreError, match=message):
        asv(tmp_path, content)


@pytest.mark.parametrize("inside", ["", "LA"])
def test_asv_scores_are_found_in_the_tree(tmp_path, inside):
    folder = tmp_path / inside / "ASVspoof2019_LA_asv_scores"
    folder.mkdir(parents=True)
    (folder / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt").write_text(ASV_LINES)
    assert find_asv_scores(tmp_path, "asvspoof2019-la", "eval") == folder / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt"
    assert find_asv_scores(tmp_path, "asvspoof2019-la", "train") is None
    assert find_asv_scores(tmp_path, "in-the-wild", "eval") is None


@pytest.fixture(scope="session")
def corpus_2019_eval(shared: Path) -> Corpus:
    protocol = pl.read_csv(
        shared / "asvspoof2019/protocols/ASVspoof2019.LA.cm.eval.trl.txt",
        has_header=False,
        separator=" ",
        new_columns=["speaker", "utterance", "-", "attack", "label"],
    )
    table = protocol.select(
        "utterance",
        path=pl.lit(None, pl.String),
        label="label",
        attack=pl.when(pl.col("attack") != "-").then("attack"),
        speaker="speaker",
        partition=pl.lit("eval"),
    )
    names = [f"A{number:02d}" for number in range(7, 20)]
    return Corpus("asvspoof2019-la", table, {n: Attack(n, "", "", "", known=n in ("A16", "A19")) for n in names})


@pytest.mark.shared
@pytest.mark.parametrize(
    ("fusion", "eer_percent", "min_tdcf", "attacks_percent"),
    [
        ("mul", "1.0601", "0.03354", {"A17": "1.75", "A18": "3.09", "A19": "0.71"}),
        ("add", "1.159", "0.03737", {"A18": "3.21"}),
        ("cat", "1.235", "0.03881", {"A18": "3.87"}),
    ],
)
def test_published_figures_to_the_last_digit(shared, corpus_2019_eval, fusion, eer_percent, min_tdcf, attacks_percent):
    asv_file = shared / "asvspoof2019/asv_scores/ASVspoof2019.LA.asv.eval.gi.trl.scores.txt"
    trials = join(read_scores(shared / f"scores/RawGAT_ST_{fusion}.eval.txt"), corpus_2019_eval)
    result = evaluate(trials, asv=read_asv_scores(asv_file), n_bootstrap=100)
    assert f"{100 * result.eer:.{len(eer_percent) - 2}f}" == eer_percent
    assert f"{result.min_tdcf_2019:.5f}" == min_tdcf
    for attack, percent in attacks_percent.items():
        assert f"{100 * result.attacks[attack].eer:.2f}" == percent
    assert (result.counts.bonafide, result.counts.spoof) == (7355, 63882)
    assert {attack.n for attack in result.attacks.values()} == {4914}
    assert result.known is not None
    assert result.unknown is not None
    assert (result.known.n, result.unknown.n) == (2 * 4914, 11 * 4914)
    assert result.warnings == ()


@pytest.mark.shared
def test_published_asv_operating_point(shared):
    folder = shared / "asvspoof2019/asv_scores"
    scores = read_asv_scores(folder / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt")
    assert (scores.target.size, scores.nontarget.size, scores.spoof.size) == (5370, 33327, 63882)
    point = scores.operating_point
    assert f"{point.threshold:.5f}" == "-5.68005"
    assert f"{100 * point.eer:.4f}" == "2.4578"
    assert f"{point.p_fa:.9f}" == "0.024604675"
    assert f"{point.p_miss:.9f}" == "0.024581006"
    assert f"{point.p_miss_spoof:.9f}" == "0.239347547"


@pytest.mark.shared
def test_published_dev_asv_scores_on_eval_are_said(shared, corpus_2019_eval):
    dev = read_asv_scores(shared / "asvspoof2019/asv_scores/ASVspoof2019.LA.asv.dev.gi.trl.scores.txt")
    trials = join(read_scores(shared / "scores/RawGAT_ST_mul.eval.txt"), corpus_2019_eval)
    assert any("another partition" in warning for warning in evaluate(trials, asv=dev, n_bootstrap=0).warnings)
