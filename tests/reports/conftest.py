"""Made trials with everything that is awkward to print, and the report of them."""

import hashlib

import numpy as np
import polars as pl
import pytest
from awkward_names import AWKWARD_ATTACK, AWKWARD_MODEL, MAKING

from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.reports.build import build_report
from moe_mamba_asv.reports.consistency.check import check_report
from moe_mamba_asv.reports.judging import Judging
from moe_mamba_asv.reports.subjects import find_subjects
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Attack, Corpus

NUM_PER_ATTACK = 80


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """240 trials: bona fide, a known attack, and one that no catalogue has."""
    protocol = tmp_path_factory.mktemp("corpus") / "protocol.txt"
    protocol.write_text("as good as any\n")
    attacks = [None, "A16", AWKWARD_ATTACK] * NUM_PER_ATTACK
    rows = [
        (f"U{index}", None, "spoof" if attack else "bonafide", attack, "S", "eval")
        for index, attack in enumerate(attacks)
    ]
    catalogue = {"A16": Attack("A16", "TTS", "the algorithm of A04", "waveform concatenation", known=True)}
    table = pl.DataFrame(rows, schema=dict(UTTERANCE_SCHEMA), orient="row")
    return Corpus("asvspoof2019-la", table, catalogue, (protocol,), ("a note of the corpus",))


@pytest.fixture(scope="session")
def score_files(corpus, tmp_path_factory):
    """Two systems: the project's own form with a header and a failure, and the bare form of 2021."""
    folder = tmp_path_factory.mktemp("scores")
    rng = np.random.default_rng(1)
    bonafide = corpus.table["label"] == "bonafide"
    own, bare = (separation * bonafide.to_numpy() + rng.normal(size=len(bonafide)) for separation in (2.5, 1.5))
    header = ["# mma-scores 1", f"# model: {AWKWARD_MODEL}", "# model_sha256: " + "a" * 64, "# crop: first 64,600"]
    lines = [f"{name}\t{value:.6f}\t" for name, value in zip(corpus.table["utterance"], own, strict=True)]
    lines[5] = "U5\t\tcannot be decoded"
    first = folder / "own.tsv"
    first.write_text("\n".join([*header, "# direction: higher = bona fide", "utterance\tscore\terror", *lines]) + "\n")
    second = folder / "bare.txt"
    second.write_text(
        "".join(f"{name} {value:.6f}\n" for name, value in zip(corpus.table["utterance"], bare, strict=True))
    )
    return [first, second]


@pytest.fixture(scope="session")
def asv(tmp_path_factory):
    """ASV scores that make both t-DCF forms computable."""
    rng = np.random.default_rng(2)
    file = tmp_path_factory.mktemp("asv") / "asv.txt"
    file.write_text("stand-in\n")
    return AsvScores(
        target=4 + rng.normal(size=200),
        nontarget=rng.normal(size=200),
        spoof=3 + rng.normal(size=160),
        attack_counts={"A16": 80, AWKWARD_ATTACK: 80},
        source=file,
    )


@pytest.fixture(scope="session")
def single(score_files, corpus, asv):
    """A report of one system, with t-DCF."""
    return build_report(find_subjects(score_files[:1], "eval"), corpus, MAKING, Judging(asv=asv, num_bootstrap=50))


@pytest.fixture(scope="session")
def several(score_files, corpus):
    """A report of three systems, two of them from one file, without t-DCF and without intervals."""
    return build_report(find_subjects([*score_files, score_files[1]], "eval"), corpus, MAKING, Judging(num_bootstrap=0))


@pytest.fixture(scope="session")
def sha256():
    """Digest of a file."""
    return lambda path: hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def check(tmp_path):
    """Check a text as a file of a given name."""

    def of(text, name="report.md"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return check_report(file)

    return of
