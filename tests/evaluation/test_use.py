"""Scores in use: as probabilities, as decisions, in front of an ASV system; worked by hand."""

import numpy as np
import polars as pl
import pytest

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.calibration.calibration import learn_calibration
from moe_mamba_asv.evaluation.calibration.table import calibrate_table
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.reliability import expected_calibration_error, reliability
from moe_mamba_asv.evaluation.use.asv_trials import pair_scores, read_asv_trials
from moe_mamba_asv.scores import ScoreTable
from moe_mamba_asv.scores.table import SCORE_SCHEMA
from moe_mamba_asv.types import Corpus

# The example of docs/evaluation.md: bona fide 1 1 3 4, spoofed -3 -2 0 2; b and s by number.
SCORES = {"b0": 1.0, "b1": 1.0, "b2": 3.0, "b3": 4.0, "s0": -3.0, "s1": -2.0, "s2": 0.0, "s3": 2.0}
# Its targets (ASV, CM) (2, 1) (5, 4), non-targets (-1, 1) (3, 3), spoofs (-4, -3) (4, -2) (0, 0) (1, 2).
ASV = ["b0\t2\ttarget", "b3\t5\ttarget", "b1\t-1\tnontarget", "b2\t3\tnontarget"]
ASV += ["s0\t-4\tspoof", "s1\t4\tspoof", "s2\t0\tspoof", "s3\t1\tspoof"]
HEADER = "utterance\tasv_score\tkind\n"


def table(scores=SCORES, header=None, **columns):
    frame = pl.DataFrame({"utterance": list(scores), "score": list(scores.values()), "error": None, **columns})
    return ScoreTable(frame.with_columns(pl.col("error").cast(pl.String)), header or {})


def corpus(names=SCORES, partition="eval"):
    rows = [(name, "bonafide" if name[0] == "b" else "spoof", None, partition) for name in names]
    frame = pl.DataFrame(rows, schema=["utterance", "label", "attack", "partition"], orient="row")
    return Corpus(kind="made", table=frame.with_columns(pl.col("attack").cast(pl.String)), attacks={})


def calibrated_trials(header=None):
    """The scores taken for log-likelihood ratios as they are."""
    header = {"calibration": "logistic", "calibrated_on": "made dev", **(header or {})}
    llr = list(SCORES.values())
    return join(table(header=header, llr=llr, probability=[0.5] * 8), corpus())


def test_calibrated_scores_are_judged_as_the_documentation_works_it_out():
    found = evaluate(calibrated_trials(), n_bootstrap=0).calibrated
    assert found is not None
    assert (found.calibration, found.calibrated_on, found.prior) == ("logistic", "made dev", 0.5)
    assert found.act_dcf == 0.5
    assert found.cllr == pytest.approx(0.6652, abs=5e-5)
    assert sum(part.count for part in found.bins) == 8
    # 15 bins leave every distinct probability in one of its own; 1 and 1 share theirs.
    probabilities = 1 / (1 + np.exp(-np.array([-3, -2, 0, 1, 2, 3, 4])))
    gaps = np.abs(probabilities - [0, 0, 0, 1, 0, 1, 1]) * [1, 1, 1, 2, 1, 1, 1]
    assert found.ece == pytest.approx(gaps.sum() / 8)


def test_the_error_at_a_prior_is_that_of_trials_in_that_mix():
    rng = np.random.default_rng(0)
    bonafide, spoof = (1 / (1 + np.exp(-rng.normal(mean, 2, 300))) for mean in (1, -1))
    mixed = np.tile(spoof, 9)  # one bona fide trial in ten
    as_mixed = expected_calibration_error(reliability(det_steps(bonafide, mixed), bins=1))
    weighted = reliability(det_steps(bonafide, spoof), bins=1, prior=0.1)
    assert expected_calibration_error(weighted) == pytest.approx(as_mixed)
    assert weighted.fraction_bonafide[0] == pytest.approx(0.1)
    assert weighted.weight.sum() == pytest.approx(1)
    with pytest.raises(ConfigError, match="prior"):
        reliability(det_steps(bonafide, spoof), prior=1.0)


def test_the_error_at_a_prior_as_the_documentation_works_it_out():
    bonafide, spoof = (
        1 / (1 + np.exp(-(np.array([SCORES[f"{letter}{number}"] for number in range(4)]) - np.log(4))))
        for letter in "bs"
    )
    found = reliability(det_steps(bonafide, spoof), bins=2, prior=0.2)
    np.testing.assert_allclose(found.weight, [0.7, 0.3])
    np.testing.assert_allclose(found.fraction_bonafide, [1 / 7, 1 / 3])
    np.testing.assert_allclose(found.mean_probability, [0.1278, 0.7268], atol=5e-5)
    assert expected_calibration_error(found) == pytest.approx(0.1286, abs=5e-5)


def test_calibrated_scores_at_their_own_prior_are_calibrated_and_at_another_mix_too():
    rng = np.random.default_rng(1)
    names = [f"{letter}{number}" for letter in "bs" for number in range(3000)]
    scores = dict(zip(names, np.concatenate([rng.normal(1, 1, 3000), rng.normal(-1, 1, 3000)]).tolist(), strict=True))
    calibration = learn_calibration(join(table(scores), corpus(names, "dev")))
    few = {name: score for name, score in scores.items() if name[0] == "s" or int(name[1:]) < 300}
    trials = join(calibrate_table(table(few), calibration, prior=0.1), corpus(few))
    evaluation = evaluate(trials, n_bootstrap=0)
    found = evaluation.calibrated
    assert found is not None
    assert found.prior == 0.1
    assert found.ece < 0.02
    assert evaluation.min_cllr <= found.cllr < evaluation.min_cllr + 0.03
    # The mix of these trials is 1 : 10, whatever is stated.
    at_half = evaluate(trials, n_bootstrap=0, prior=0.5)
    assert at_half.calibrated is not None
    assert at_half.calibrated.ece < 0.04


def test_decisions_at_a_threshold_and_where_the_calibration_says():
    plain = join(table(), corpus())
    found = evaluate(plain, n_bootstrap=0, threshold=0.0).decisions
    assert found is not None
    assert (found.scale, found.accuracy, found.balanced_accuracy) == ("score", 7 / 8, 7 / 8)
    assert (found.p_miss, found.p_fa) == (0.0, 0.25)
    assert (found.bonafide.precision, found.bonafide.recall) == (0.8, 1.0)
    assert found.bonafide.f1 == pytest.approx(8 / 9)
    assert found.spoof.f1 == pytest.approx(6 / 7)
    assert evaluate(plain, n_bootstrap=0).decisions is None
    at_fifth = evaluate(calibrated_trials(), n_bootstrap=0, prior=0.2).decisions
    assert at_fifth is not None
    assert (at_fifth.p_miss, at_fifth.p_fa) == (0.5, 0.25)
    # One in 21 is bona fide: the ratio must be over ln 20 = 2.996, which 3 and 4 are.
    implied = evaluate(calibrated_trials(), n_bootstrap=0, prior=1 / 21).decisions
    assert implied is not None
    assert (implied.scale, implied.bonafide_accepted, implied.spoof_accepted) == ("log-likelihood ratio", 2, 0)
    assert implied.threshold == pytest.approx(np.log(20))


def test_a_class_never_decided_for_has_no_precision():
    found = evaluate(join(table(), corpus()), n_bootstrap=0, threshold=9.0)
    assert found.decisions is not None
    assert found.decisions.bonafide.precision is None
    assert found.to_json()["decisions"]["bonafide"]["precision"] is None


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ConfigError, match="threshold"):
        evaluate(join(table(), corpus()), n_bootstrap=0, threshold=threshold)


def test_the_prior_is_asked_for_or_stated_or_one_half_and_makes_sense():
    assert evaluate(calibrated_trials({"prior": "0.2"}), n_bootstrap=0).calibrated.prior == 0.2
    assert evaluate(calibrated_trials({"prior": "0.2"}), n_bootstrap=0, prior=0.3).calibrated.prior == 0.3
    with pytest.raises(ConfigError, match="not calibrated"):
        evaluate(join(table(), corpus()), n_bootstrap=0, prior=0.2)
    for wrong in ("2", "much"):
        with pytest.raises(ConfigError, match="prior"):
            evaluate(calibrated_trials({"prior": wrong}), n_bootstrap=0)


def test_a_calibration_that_saw_the_answers_is_told():
    seen = evaluate(calibrated_trials({"calibrated_on": "made eval"}), n_bootstrap=0)
    assert any("too good" in note for note in seen.notes)
    assert not any("too good" in note for note in evaluate(calibrated_trials(), n_bootstrap=0).notes)


def test_a_calibration_of_other_weights_is_refused_and_failed_rows_stay_empty():
    learned = learn_calibration(join(table(), corpus(partition="dev")), model_sha256="a" * 64)
    with pytest.raises(ScoreError, match="learned on scores of a model"):
        calibrate_table(table(header={"model_sha256": "b" * 64}), learned, prior=0.5)
    rows = pl.DataFrame({"utterance": ["x", "y"], "score": [None, 2.0], "error": ["silent", None]}, schema=SCORE_SCHEMA)
    found = calibrate_table(ScoreTable(rows, {"model_sha256": "a" * 64}), learned, prior=0.25)
    assert found.frame["score"].to_list() == [None, 2.0]
    assert found.frame["llr"].to_list() == [None, pytest.approx(float(learned.llr(2.0)))]
    assert found.frame["probability"].to_list() == [None, pytest.approx(float(learned.probability(2.0, 0.25)))]
    assert found.header["prior"] == "0.25"
    assert found.header["calibrated_on"] == "made dev"


def asv_file(tmp_path, rows=ASV, header=HEADER):
    file = tmp_path / "asv.tsv"
    file.write_text(header + "".join(f"{row}\n" for row in rows))
    return file


def test_the_tandem_of_the_documentation(tmp_path):
    trials = join(table(), corpus())
    found = evaluate(trials, n_bootstrap=0, tandem=pair_scores(read_asv_trials(asv_file(tmp_path)), trials)).tandem
    assert found is not None
    assert (found.source, found.target, found.nontarget, found.spoof) == ("asv.tsv", 2, 2, 4)
    assert found.min_adcf_asv == pytest.approx(0.5)
    # Above a CM score of 0 only the spoof with ASV 1 is left: ASV above 1 accepts one impostor of two, 0.25 / 0.9.
    assert found.cm_threshold == 0.0
    assert found.min_adcf == pytest.approx(0.25 / 0.9)
    assert found.teer.value == pytest.approx(0.4167, abs=5e-5)
    assert (found.teer.cm_threshold, found.teer.spread) == (1.0, 0.25)
    at_one = next(point for point in found.path if point.asv_threshold == 1.0)
    assert (at_one.cm_threshold, at_one.teer) == (0.0, pytest.approx(0.1406, abs=5e-5))


def test_a_countermeasure_that_rejects_everything_leaves_an_adcf_of_one(tmp_path):
    trials = join(table(), corpus())
    pairs = pair_scores(read_asv_trials(asv_file(tmp_path)), trials)
    shut, open_ = (evaluate(trials, n_bootstrap=0, threshold=at, tandem=pairs).tandem for at in (99.0, -99.0))
    assert shut.min_adcf == 1.0
    assert open_.min_adcf == open_.min_adcf_asv


def test_an_utterance_stands_against_every_claim_and_columns_in_any_order(tmp_path):
    rows = ["target,2,b0,x", "nontarget,-1,b0,y", "nontarget,-3,b0,z", "spoof,0,s0,x"]
    asv = read_asv_trials(asv_file(tmp_path, rows, "Kind,asv_score,utterance,claimed\n"))
    few = {name: SCORES[name] for name in ("b0", "s0")}
    pairs = pair_scores(asv, join(table(few), corpus(few)))
    assert pairs.nontarget.asv.tolist() == [-1, -3]
    assert pairs.nontarget.cm.tolist() == [1, 1]
    assert pairs.spoof.cm.tolist() == [-3]


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (ASV, "utterance\tscore\tkind\n", "columns utterance, asv_score, kind"),
        ([*ASV, "b0\tmuch\ttarget"], HEADER, "line 10: asv_score 'much'"),
        ([*ASV, "b0\tnan\ttarget"], HEADER, "line 10: kind 'target' with score 'nan'"),
        ([*ASV, "b0\t\ttarget"], HEADER, "line 10: asv_score ''"),
        ([*ASV, "b0\t1\tfriend"], HEADER, "line 10: kind 'friend'"),
        ([*ASV, "b0\t1"], HEADER, "line 10: .*wanted: 3 fields"),
        ([*ASV, "\t1\ttarget"], HEADER, "line 10"),
        ([*ASV, ASV[0]], HEADER, "the same as another: b0"),
        (ASV[:4], HEADER, "no spoof trials"),
        ([], HEADER, "no target and no nontarget and no spoof trials"),
    ],
)
def test_a_malformed_file_is_refused_by_line(tmp_path, rows, header, said):
    with pytest.raises(ScoreError, match=said):
        read_asv_trials(asv_file(tmp_path, rows, header))


def test_missing_extra_and_mislabelled_trials_are_named(tmp_path):
    trials = join(table(), corpus())
    without, extra = (
        read_asv_trials(asv_file(tmp_path, rows)) for rows in ([*ASV[1:], "b1\t4\ttarget"], [*ASV, "z9\t1\tspoof"])
    )
    with pytest.raises(ScoreError, match=r"1 of 8 judged utterances have no trial in asv\.tsv: b0"):
        pair_scores(without, trials)
    assert any("b0" in warning for warning in pair_scores(without, trials, allow_missing=True).warnings)
    with pytest.raises(ScoreError, match="1 utterances that were not judged: z9"):
        pair_scores(extra, trials)
    allowed = pair_scores(extra, trials, allow_extra=True)
    assert allowed.spoof.asv.size == 4
    assert any("z9" in note for note in allowed.notes)
    swapped = read_asv_trials(asv_file(tmp_path, [*ASV[1:], "b0\t2\tspoof"]))
    with pytest.raises(ScoreError, match="b0 is bona fide there and spoof here"):
        pair_scores(swapped, trials)
    foreign = read_asv_trials(asv_file(tmp_path, [f"z{row}" for row in ASV]))
    with pytest.raises(ScoreError, match="not judged"):
        pair_scores(foreign, trials, allow_extra=True, allow_missing=True)


def test_utterances_that_could_not_be_scored_are_left_out_with_a_warning(tmp_path):
    rows = table().frame.with_columns(
        score=pl.when(pl.col("utterance") != "b1").then("score"),
        error=pl.when(pl.col("utterance") == "b1").then(pl.lit("silent")),
    )
    trials = join(ScoreTable(rows), corpus())
    pairs = pair_scores(read_asv_trials(asv_file(tmp_path)), trials)
    assert pairs.nontarget.asv.tolist() == [3]
    assert any("1 ASV trials" in warning for warning in pairs.warnings)


def test_many_trials_agree_with_a_plain_count(tmp_path):
    rng = np.random.default_rng(2)
    names = [f"{letter}{number}" for letter in "bs" for number in range(400)]
    kinds = ["target"] * 200 + ["nontarget"] * 200 + ["spoof"] * 400
    centres = {"target": (3, 2), "nontarget": (0, 2), "spoof": (2, 0)}
    asv = [round(float(rng.normal(centres[kind][0])), 4) for kind in kinds]
    cm = dict(zip(names, (round(float(rng.normal(centres[kind][1])), 4) for kind in kinds), strict=True))
    file = asv_file(tmp_path, [f"{name}\t{value}\t{kind}" for name, value, kind in zip(names, asv, kinds, strict=True)])
    trials = join(table(cm), corpus(names))
    found = evaluate(trials, n_bootstrap=0, tandem=pair_scores(read_asv_trials(file), trials)).tandem
    passed = np.array(list(cm.values())) > found.cm_threshold
    kind = np.array(kinds)

    def cost(threshold):
        accepted = passed & (np.array(asv) > threshold)
        miss = np.mean(~accepted[kind == "target"])
        return 0.9 * miss + 0.5 * np.mean(accepted[kind == "nontarget"]) + np.mean(accepted[kind == "spoof"])

    assert found.min_adcf == pytest.approx(min(cost(threshold) for threshold in asv) / 0.9)
    assert found.min_adcf < found.min_adcf_asv
    assert len(found.path) <= 101
