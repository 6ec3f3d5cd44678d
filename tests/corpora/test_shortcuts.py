"""Whatever tells the classes without a voice is found, by the feature that measures it and by no other."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from scipy.signal import fftconvolve
from scipy.stats import mannwhitneyu
from typer.testing import CliRunner

from made_corpus import write_folder_corpus
from moe_mamba_asv.audio.decode import decode
from moe_mamba_asv.audio.facts import noise_floor_db
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.check import check_corpus
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.corpora.shortcut_features import FEATURES, codec_traces, shortcut_features
from moe_mamba_asv.corpora.shortcut_scorer import auc, auc_interval, deal_folds, out_of_fold_scores
from moe_mamba_asv.corpora.shortcuts import FEWEST_CLIPS, FeatureAudit, audit_shortcuts, judge_features
from moe_mamba_asv.errors import AudioError, CorpusError
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Corpus
from stand_in import RATE_HZ

run = CliRunner().invoke
Span = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """Spans from which a made clip draws: bursts of noise, with a click that sets the peak in a pause."""

    duration_s: Span = (0.8, 1.0)
    level_db: Span = (-32, -28)
    peak: Span = (0.4, 0.5)
    leading_s: Span = (0.02, 0.06)
    trailing_s: Span = (0.02, 0.06)
    cutoff_hz: Span = (5_000, 5_600)
    floor_db: Span = (-36, -30)
    step: int = 1


CHANGES = {
    "duration": replace(Recipe(), duration_s=(1.0, 1.3)),
    "level": replace(Recipe(), level_db=(-27, -25)),
    "peak": replace(Recipe(), peak=(0.6, 0.7)),
    "leading silence": replace(Recipe(), leading_s=(0.1, 0.14)),
    "trailing silence": replace(Recipe(), trailing_s=(0.1, 0.14)),
    "bandwidth": replace(Recipe(), cutoff_hz=(3_600, 4_200)),
    "noise floor": replace(Recipe(), floor_db=(-26, -20)),
    "codec traces": replace(Recipe(), step=2),
    "nothing": Recipe(),
}


def made(recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """One clip, 16 bits, float64 [samples] at 16 kHz."""
    spans = (recipe.duration_s, recipe.leading_s, recipe.trailing_s)
    total, leading, trailing = (round(rng.uniform(*span) * RATE_HZ) for span in spans)
    body = total - leading - trailing
    period, pause = RATE_HZ // 8, RATE_HZ // 16
    since_pause = (body - 1 - np.arange(body)) % period
    quiet = since_pause >= period - pause
    quiet[:pause] = False
    relative_db = np.where(quiet, rng.uniform(*recipe.floor_db), 0.0)
    gain = np.concatenate([np.full(leading, 1e-4), 10 ** (relative_db / 20), np.full(trailing, 1e-4)])
    noise = rng.standard_normal(total) * gain
    # 10 dB in 250 Hz: a steep edge would be a trace of a codec.
    above_hz = np.maximum(0, np.fft.rfftfreq(total, 1 / RATE_HZ) - rng.uniform(*recipe.cutoff_hz))
    noise = np.fft.irfft(np.fft.rfft(noise) * 10 ** (-0.04 * above_hz / 20), total)
    noise *= 10 ** (rng.uniform(*recipe.level_db) / 20) / np.sqrt(np.mean(noise[leading : leading + body] ** 2))
    middle = leading + np.flatnonzero(quiet)[pause // 2]
    click = rng.uniform(*recipe.peak) * np.exp(-0.5 * ((np.arange(total) - middle) / 2) ** 2)
    return np.rint((noise + click) * 2**15 / recipe.step) * recipe.step / 2**15


def table(rows: list[tuple], features: list[dict[str, tuple[float, ...]]]) -> pl.DataFrame:
    columns = pl.DataFrame({name: [one[name] for one in features] for name in FEATURES})
    return pl.concat([pl.DataFrame(rows, schema=UTTERANCE_SCHEMA, orient="row"), columns], how="horizontal")


@pytest.fixture(scope="module")
def measured() -> pl.DataFrame:
    """Bona fide clips, and as many of each attack, which differs in the feature that it is named after."""
    rng = np.random.default_rng(11)
    rows, features = [], []
    for attack, recipe in [(None, Recipe()), *CHANGES.items()]:
        for number in range(150):
            label = "bonafide" if attack is None else "spoof"
            rows.append((f"{attack}{number}", None, label, attack, f"s{number % 12}", "eval"))
            features.append(shortcut_features(made(recipe, rng)))
    return table(rows, features)


def judged(measured: pl.DataFrame, seed: int = 0) -> dict[str, FeatureAudit]:
    rows, not_judged = judge_features(measured, np.random.default_rng(seed))
    assert not_judged == []
    return {row.feature: row for row in rows}


@pytest.mark.parametrize("attack", CHANGES)
def test_exactly_the_feature_that_differs_is_found(measured: pl.DataFrame, attack: str) -> None:
    rows = judged(measured.filter(pl.col("attack").is_null() | (pl.col("attack") == attack)))
    found = {name for name, row in rows.items() if row.verdict == "shortcut"}
    assert found == {attack} - {"nothing"}
    assert attack == "nothing" or rows[attack].auc > 0.9
    assert {(row.folds_by, row.interval_by) for row in rows.values()} == {("speaker", "speaker")}


def test_the_worst_attack_shows_what_the_others_hide(measured: pl.DataFrame) -> None:
    rows = judged(measured)
    assert {row.verdict for row in rows.values()} == {"none"}
    assert {name: row.worst_attack for name, row in rows.items()} == {name: name for name in FEATURES}
    assert min(row.worst_attack_auc or 0 for row in rows.values()) > 0.9


def test_the_seed_gives_the_same_audit(measured: pl.DataFrame) -> None:
    some = measured.filter(pl.col("attack").is_null() | (pl.col("attack") == "level"))
    assert judged(some, seed=3) == judged(some, seed=3)
    assert judged(some, seed=3) != judged(some, seed=4)


def one_class_speakers(num_speakers: int, *, known: bool) -> pl.DataFrame:
    """Every speaker has a level of its own and is all bona fide or all spoof."""
    rng = np.random.default_rng(2)
    rows: list[tuple] = []
    features: list[dict[str, tuple[float, ...]]] = []
    for speaker, level in enumerate(rng.permutation(num_speakers)):
        label = "bonafide" if speaker % 2 else "spoof"
        for clip in range(12):
            name = f"s{speaker}" if known else None
            rows.append((f"u{speaker}.{clip}", None, label, None, name, "train"))
            features.append({**dict.fromkeys(FEATURES, (0.0,)), "level": (level + 0.01 * rng.standard_normal(),)})
    return table(rows, features)


def test_a_feature_of_the_speaker_tells_nothing_of_the_class() -> None:
    unknown, known = (judged(one_class_speakers(8, known=known))["level"] for known in (False, True))
    assert (unknown.auc > 0.95, unknown.verdict, unknown.folds_by) == (True, "shortcut", "utterance")
    assert (known.auc < 0.6, known.verdict, known.folds_by) == (True, "none", "speaker")
    assert known.interval_by == "utterance"
    assert known.worst_attack is None


def test_two_speakers_of_one_class_each_cannot_be_kept_apart() -> None:
    assert judged(one_class_speakers(2, known=True))["level"].folds_by == "utterance"


def test_chance_in_few_clips_is_uncertain() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{n}", None, "spoof" if n % 2 else "bonafide", None, None, "dev") for n in range(2 * FEWEST_CLIPS)]
    verdicts = set()
    for _ in range(20):
        chance: list[dict[str, tuple[float, ...]]] = [{name: (rng.normal(),) for name in FEATURES} for _ in rows]
        verdicts |= {(row.verdict, row.auc > 0.6, row.low > 0.5) for row in judged(table(rows, chance)).values()}
    assert ("uncertain", True, False) in verdicts
    assert verdicts <= {("uncertain", True, False), ("shortcut", True, True), ("none", False, False)}


def test_a_partition_of_few_clips_is_not_judged() -> None:
    rows = [(f"u{n}", None, "spoof" if n < 9 else "bonafide", None, None, "dev") for n in range(40)]
    answer = judge_features(table(rows, [dict.fromkeys(FEATURES, (0.0,))] * 40), np.random.default_rng(0))
    assert answer == ([], ["dev: 31 bona fide and 9 spoofed clips; wanted: 10 of each"])


def test_a_group_is_in_one_fold_and_the_rare_class_in_all() -> None:
    rng = np.random.default_rng(4)
    groups = [f"g{number}" for number in rng.integers(40, size=600)]
    bonafide = rng.random(600) < 0.1
    folds = deal_folds(bonafide, groups, rng)
    assert len({(group, fold) for group, fold in zip(groups, folds, strict=True)}) == len(set(groups))
    of_bonafide = np.bincount(folds[bonafide], minlength=5) / bonafide.sum()
    of_spoof = np.bincount(folds[~bonafide], minlength=5) / (~bonafide).sum()
    assert 0.1 < min(*of_bonafide, *of_spoof) <= max(*of_bonafide, *of_spoof) < 0.3


def test_the_area_counts_ties_as_one_half() -> None:
    rng = np.random.default_rng(6)
    scores, bonafide = rng.integers(5, size=80).astype(float), rng.random(80) < 0.3
    statistic = mannwhitneyu(scores[bonafide], scores[~bonafide]).statistic
    assert auc(scores, bonafide) == pytest.approx(statistic / (bonafide.sum() * (~bonafide).sum()), abs=1e-12)


def test_an_interval_over_speakers_is_wider_where_their_clips_are_alike() -> None:
    rng = np.random.default_rng(7)
    speakers = np.repeat(np.arange(20), 30)
    scores = rng.normal(size=20)[speakers] + 0.1 * rng.normal(size=600)
    bonafide = speakers % 2 == 0
    widths = []
    for drawn in (speakers, np.arange(600)):
        low, high = auc_interval(scores, bonafide, [str(one) for one in drawn], rng)
        assert low < auc(scores, bonafide) < high
        widths.append(high - low)
    assert widths[0] > 3 * widths[1]


def test_a_class_on_both_sides_of_the_other_is_told() -> None:
    rng = np.random.default_rng(8)
    bonafide = np.arange(400) % 8 == 0
    values = np.where(bonafide, 0.3 * rng.standard_normal(400), rng.choice((-2.0, 2.0), 400))
    folds = np.arange(400) // 80
    assert auc(out_of_fold_scores(values[:, None], bonafide, folds), bonafide) > 0.97


def test_one_value_of_a_whole_class_is_told() -> None:
    rng = np.random.default_rng(12)
    bonafide = np.arange(200) % 2 == 0
    values = np.where(bonafide, 0.25, 0.25 + rng.uniform(0.01, 1, 200))
    assert auc(out_of_fold_scores(values[:, None], bonafide, np.arange(200) // 40), bonafide) == 1


def test_pauses_are_measured_without_the_edges_and_at_any_level() -> None:
    rng = np.random.default_rng(9)
    speech = 0.1 * rng.standard_normal(RATE_HZ) * np.where(np.arange(RATE_HZ) % 4000 < 3000, 1.0, 0.02)
    speech[-2000:] = 0.1 * rng.standard_normal(2000)
    floor = noise_floor_db(speech)
    assert floor == pytest.approx(-33, abs=2)
    assert noise_floor_db(0.05 * speech) == pytest.approx(floor, abs=1e-6)
    padded = np.concatenate([np.zeros(8000), speech, np.zeros(8000)])
    assert noise_floor_db(padded) == pytest.approx(floor, abs=0.01)
    assert noise_floor_db(np.where(np.arange(RATE_HZ) % 4000 < 3000, speech, 0)) == -90
    assert noise_floor_db(np.ones(7)) == 0
    with pytest.raises(AudioError, match="empty"):
        noise_floor_db(np.zeros(0))


def test_codecs_leave_their_traces(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    # Falling like speech, so that a codec finds something to leave out.
    sound = fftconvolve(rng.standard_normal(2 * RATE_HZ), 0.8 ** np.arange(60), "same")
    sound *= 0.05 * np.repeat(rng.uniform(0.2, 2, 20), RATE_HZ // 10)
    for ending, options in (("mp3", {"bitrate_mode": "CONSTANT", "compression_level": 0.95}), ("wav", {})):
        soundfile.write(tmp_path / f"a.{ending}", sound, RATE_HZ, **options)
    soundfile.write(tmp_path / "ulaw.wav", sound, RATE_HZ, subtype="ULAW")
    plain, mp3, ulaw = (codec_traces(decode(tmp_path / name)[0]) for name in ("a.wav", "a.mp3", "ulaw.wav"))
    assert plain == (0.01, 15.0, 0.25)
    assert mp3[0] > 0.03
    assert mp3[1] > 25
    assert ulaw[2] > 2


def test_odd_clips_have_every_feature() -> None:
    for odd in (np.zeros(16), np.ones(1), np.zeros(RATE_HZ)):
        values = [value for vector in shortcut_features(odd).values() for value in vector]
        assert np.isfinite(values).all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder_corpus(tmp_path / "corpus", clips=12, duration_s=0.2)


def test_a_bad_file_is_listed_and_a_missing_one_passed_over(folder: Path) -> None:
    (folder / "dev/spoof/buzz/dev3.flac").write_bytes(b"fLaC and no more")
    corpus = read_corpus("folder", root=folder)
    (folder / "dev/bonafide/dev5.flac").unlink()
    seen: list[tuple[int, int]] = []
    audit = audit_shortcuts(
        corpus, np.random.default_rng(0), on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(number, 71) for number in range(1, 72)]
    (bad,) = audit.undecodable
    assert bad.startswith("dev/spoof/buzz/dev3: ")
    assert {(row.partition, row.bonafide, row.spoof) for row in audit.rows} == {
        ("train", 12, 12),
        ("dev", 11, 11),
        ("eval", 12, 12),
    }
    found = [(one.kind, one.severity) for one in audit.findings()]
    assert set(found) == {("shortcut", "warning"), ("undecodable", "error")}
    assert found.count(("undecodable", "error")) == 1
    assert [one.kind for one in check_corpus(corpus, decode_audio=False)] == ["missing"]


def test_a_corpus_of_bad_files_alone_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF and no more")
    row = ("u", str(tmp_path / "bad.wav"), "spoof", None, None, "eval")
    corpus = Corpus("manifest", pl.DataFrame([row], schema=UTTERANCE_SCHEMA, orient="row"))
    audit = audit_shortcuts(corpus, np.random.default_rng(0))
    assert (audit.rows, len(audit.undecodable)) == ((), 1)


def test_labels_alone_cannot_be_audited() -> None:
    frame = pl.DataFrame([("u", None, "spoof", None, None, "eval")], schema=UTTERANCE_SCHEMA, orient="row")
    with pytest.raises(CorpusError, match="no labelled audio"):
        audit_shortcuts(Corpus("manifest", frame), np.random.default_rng(0))


def test_the_command_warns_and_passes(folder: Path) -> None:
    command = ["corpus", "check", "folder", "--root", str(folder), "--shortcuts"]
    answer = run(app, [*command, "--json"])
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert {finding["kind"] for finding in told["findings"]} == {"shortcut"}
    level = next(row for row in told["shortcuts"]["rows"] if (row["partition"], row["feature"]) == ("eval", "level"))
    assert (level["verdict"], level["worst_attack"], level["folds_by"]) == ("shortcut", "buzz", "utterance")
    assert len(told["shortcuts"]["rows"]) == 3 * len(FEATURES)
    text = run(app, command, env={"COLUMNS": "160"}).stdout
    assert "warning: eval: bona fide and spoof are told apart by level alone, AUC 0." in text
    assert "eval: 12 bona fide, 12 spoof; folds by utterance, interval by utterance" in text


def test_the_command_fails_on_a_file_that_it_cannot_decode(folder: Path) -> None:
    (folder / "eval/bonafide/eval0.flac").write_bytes(b"fLaC and no more")
    answer = run(app, ["corpus", "check", "folder", "--root", str(folder), "--shortcuts"])
    assert answer.exit_code == 1
    assert answer.stdout.count("  eval/bonafide/eval0: ") == 1
