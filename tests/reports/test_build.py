"""The report model: every number from the evaluation, every curve from the trials."""

import numpy as np
import pytest
from awkward_names import AWKWARD_ATTACK, AWKWARD_MODEL, MAKING

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import join
from moe_mamba_asv.evaluation.metrics.det import det_curve
from moe_mamba_asv.reports.build import build_report, det_points, score_histogram
from moe_mamba_asv.reports.judging import Judging
from moe_mamba_asv.scores import read_scores


@pytest.fixture(scope="module")
def trials(score_files, corpus):
    return join(read_scores(score_files[0]), corpus)


def test_the_evaluation_is_what_evaluate_answers(single, trials, asv):
    assert single.systems[0].evaluation == evaluate(trials, asv=asv, n_bootstrap=50, system=AWKWARD_MODEL)


def test_det_points_are_steps_of_the_curve_and_keep_both_ends(trials):
    points = det_points(trials)
    _, p_miss, p_fa = det_curve(trials.bonafide_scores, trials.spoof_scores)
    steps = set(zip(p_fa.tolist(), p_miss.tolist(), strict=True))
    drawn = list(zip(points.p_fa, points.p_miss, strict=True))
    assert set(drawn) <= steps
    assert drawn[0] == (1.0, 0.0)
    assert drawn[-1] == (0.0, 1.0)
    assert len(drawn) > 100


def test_histogram_counts_every_trial(trials):
    histogram = score_histogram(trials)
    assert sum(histogram.bonafide) == trials.bonafide_scores.size
    assert sum(histogram.spoof) == trials.spoof_scores.size
    edges = np.asarray(histogram.edges)
    assert histogram.clipped == ((trials.score < edges[0]) | (trials.score > edges[-1])).sum() > 0


def test_files_are_named_with_their_digest_but_without_their_folder(single, score_files, corpus, asv, sha256):
    system, provenance = single.systems[0], single.provenance
    assert (system.score_file.name, system.score_file.sha256) == ("own.tsv", sha256(score_files[0]))
    assert [(file.name, file.sha256) for file in provenance.protocols] == [("protocol.txt", sha256(corpus.sources[0]))]
    assert provenance.asv_scores is not None
    assert provenance.asv_scores.sha256 == sha256(asv.source)
    assert str(score_files[0].parent) not in single.model_dump_json()


def test_systems_have_different_names(several):
    names = [system.evaluation.system for system in several.systems]
    assert names == [AWKWARD_MODEL, "bare", "bare (bare.txt)"]


def test_attacks_come_with_what_is_published_of_them(single):
    assert [(attack.id, attack.kind, attack.known) for attack in single.attacks] == [
        ("A16", "TTS", True),
        (AWKWARD_ATTACK, "", None),
    ]


def test_no_score_file_is_refused(corpus):
    with pytest.raises(ScoreError, match="no score file"):
        build_report([], corpus, MAKING, Judging())
