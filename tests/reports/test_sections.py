"""Sections of trained and diagnosed runs: every number from the JSON, the same in both languages and forms."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
import torch
import typer
from awkward_names import MAKING

from made_detectors import detector, made_sample, predictor_of, two_streams, with_experts
from made_records import write_run
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.diagnostics.diagnose import Subject as Diagnosed
from moe_mamba_asv.diagnostics.diagnose import diagnose
from moe_mamba_asv.diagnostics.results.diagnosis import FILE_NAME, KINDS
from moe_mamba_asv.diagnostics.results.finding import Fault, Unit, by_rule
from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.reports.build import build_report
from moe_mamba_asv.reports.judging import Judging
from moe_mamba_asv.reports.locale import LANGUAGES, load_locale
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.published import PUBLISHED
from moe_mamba_asv.reports.rules import COMMANDS, SUGGESTIONS
from moe_mamba_asv.reports.sections.bottlenecks import all_findings
from moe_mamba_asv.reports.subjects import find_subjects
from moe_mamba_asv.reports.words import MEASURES
from moe_mamba_asv.reports.write import write_report
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Attack, Corpus, Partition

#: Of the planted run: the loss falls while dev rises.
_LOSSES, _EERS = (0.6, 0.4, 0.3, 0.2, 0.1, 0.05), (0.3, 0.1, 0.115, 0.14, 0.16, 0.19)


@pytest.fixture(scope="module")
def corpora() -> dict[str, Corpus]:
    """Dev and eval: bona fide, a known and an unknown attack, 60 trials each."""
    catalogue = {
        "A16": Attack("A16", "TTS", "the algorithm of A04", "waveform concatenation", known=True),
        "A18": Attack("A18", "VC", "i-vector/PLDA", "MFCC vocoder", known=False),
    }
    attacks = [None, "A16", "A18"] * 60
    found = {}
    for part in ("dev", "eval"):
        rows = [
            (f"{part}{index}", None, "spoof" if attack else "bonafide", attack, f"S{index % 7}", part)
            for index, attack in enumerate(attacks)
        ]
        table = pl.DataFrame(rows, schema=dict(UTTERANCE_SCHEMA), orient="row")
        found[part] = Corpus("asvspoof2019-la", table, catalogue)
    return found


def _write_scores(path: Path, corpus: Corpus, seed: int, separations: dict[str | None, float]) -> None:
    rng = np.random.default_rng(seed)
    rows = corpus.table.select("utterance", "attack").iter_rows()
    lines = [f"{name} {rng.normal() - separations[attack]:.6f}" for name, attack in rows]
    path.write_text("\n".join(lines) + "\n")


def _recipe(kind: str) -> dict[str, Any]:
    return {"name": kind, "model": {"kind": kind, "width": 16}, "training": {"learning_rate": 0.001}}


def _diagnose(folder: Path, model: Any, before: Any = None) -> None:
    predictor = predictor_of(model, folder / "best.safetensors")
    earlier = None if before is None else predictor_of(before, folder / "start.safetensors")
    subject = Diagnosed(folder / "best.safetensors", predictor, folder, earlier)
    found = diagnose(subject, made_sample(24), KINDS, command="mma diagnose")
    (folder / FILE_NAME).write_text(found.model_dump_json())


@pytest.fixture(scope="module")
def runs(corpora: dict[str, Corpus], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An earlier run with experts, one of them dead; a later one, over-fitted, with a stream cut and A18 paying."""
    root = tmp_path_factory.mktemp("runs")
    folders = [root / name for name in ("mixture", "two-streams")]
    for folder, seed, a18 in zip(folders, (1, 2), (3.0, 0.6), strict=True):
        folder.mkdir()
        _write_scores(folder / "eval.tsv", corpora["eval"], seed, {None: 0.0, "A16": 3.5, "A18": a18})
        _write_scores(folder / "dev.tsv", corpora["dev"], seed, {None: 0.0, "A16": 3.5, "A18": 3.5})
    experts = detector(with_experts())
    with torch.no_grad():
        experts.backend.blocks[0].mixture.router.bias[1] -= 1e4
    write_run(folders[0], _LOSSES, (0.3, 0.2, 0.12, 0.1, 0.105, 0.095), recipe=_recipe("mixture"))
    _diagnose(folders[0], experts)
    start, cut = detector(two_streams()), detector(two_streams())
    with torch.no_grad():
        cut.projections[1].weight.zero_()
        cut.projections[1].bias.zero_()
    write_run(folders[1], _LOSSES, _EERS, recipe=_recipe("two-streams"))
    _diagnose(folders[1], cut, start)
    return folders


@pytest.fixture(scope="module")
def report(runs: list[Path], corpora: dict[str, Corpus]) -> Report:
    subjects = find_subjects(runs, "eval")
    judging = Judging(num_bootstrap=200)
    return build_report(subjects, corpora["eval"], MAKING, judging, dev=corpora["dev"], baseline="aasist")


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("report")
    write_report(report, written)
    return written


def _numbers_of(value: Any) -> set[float]:
    """All numbers of a JSON document, and the lengths of its lists."""
    if isinstance(value, dict):
        return {number for inner in value.values() for number in _numbers_of(inner)}
    if isinstance(value, list):
        return {float(len(value))} | {number for inner in value for number in _numbers_of(inner)}
    return {float(value)} if isinstance(value, int | float) else set()


def _page(folder: Path, language: str) -> ElementTree.Element:
    return ElementTree.fromstring((folder / f"report.{language}.html").read_text().removeprefix("<!DOCTYPE html>"))


def _data(element: ElementTree.Element) -> list[tuple[str, str]]:
    return [(str(data.get("value")), str(data.text)) for data in element.iter("data")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_of_the_page_is_in_the_json(folder: Path, language: str) -> None:
    known = _numbers_of(json.loads((folder / "report.json").read_text()))
    shown = [float(value) for value, _ in _data(_page(folder, language))]
    assert len(shown) > 300
    # A difference stands as A minus B in the data, and as "after minus before" on the page.
    assert [value for value in shown if value not in known and -value not in known] == []


def test_both_languages_show_the_same_numbers_in_the_same_order(folder: Path) -> None:
    english, chinese = ([value for value, _ in _data(_page(folder, language))] for language in LANGUAGES)
    assert english == chinese


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_shows_what_the_page_shows(folder: Path, language: str) -> None:
    text = (folder / f"report.{language}.md").read_text()
    assert not re.search(r"\{[a-z_]+\}", text)
    ids = ("bottlenecks", "history", "published", "inside", "runs", "steps", "summary")
    page = {section.get("id"): section for section in _page(folder, language).iter("section")}
    place = 0
    for number in (shown for name in ids for _, shown in _data(page[name])):
        place = text.find(number, place)
        assert place >= 0, number


def test_planted_faults_are_named_with_their_place(report: Report) -> None:
    raised = {(system, finding.fault, finding.where) for system, finding in all_findings(report) if finding.raised}
    assert ("mixture", "dead_expert", "block 1, expert 2") in raised
    assert ("two-streams", "silent_stream", "sincnet 2") in raised
    assert ("two-streams", "stream_shift", "sincnet 2") in raised
    assert ("two-streams", "overfitting", "") in raised
    assert ("two-streams", "unseen_attacks", "") in raised
    assert ("two-streams", "dominant_attack", "A18") in raised
    assert ("two-streams", "dev_eval_gap", "") in raised
    assert ("two-streams", "attack_worse", "A18") in raised
    assert not {fault for system, fault, _ in raised if system == "mixture"} & {
        "overfitting",
        "attack_worse",
        "numeric",
    }
    wanted = {key for _, fault, _ in raised for key in SUGGESTIONS[fault]}
    assert {suggestion.key for suggestion in report.suggestions} == wanted


def test_every_raised_fault_stands_on_the_page_with_its_cause_and_test(report: Report, folder: Path) -> None:
    for language in LANGUAGES:
        page = next(one for one in _page(folder, language).iter("section") if one.get("id") == "bottlenecks")
        text, texts = "".join(page.itertext()), load_locale(language)
        for fault in {finding.fault for _, finding in all_findings(report) if finding.raised}:
            for part in ("title", "cause", "test"):
                assert texts.text(f"faults.{fault}.{part}") in text


def test_history_is_the_paired_comparison_turned_to_before_and_after(report: Report) -> None:
    (pair,) = report.history
    assert (pair.a, pair.b) == ("mixture", "two-streams")
    eers = [system.evaluation.attacks["A18"].eer for system in report.systems]
    difference = pair.attacks["A18"].differences["eer"]
    assert (difference.a, difference.b) == pytest.approx(tuple(eers))
    assert difference.verdict == "A better"


def test_published_results_are_marked_and_their_ratio_is_computed(report: Report) -> None:
    assert [row.system for row in report.published if row.is_baseline] == ["AASIST"]
    for row in report.published:
        assert row.status in ("claimed", "recomputed")
        for system in report.systems:
            assert row.times[system.evaluation.system] == system.evaluation.eer / row.eer


def test_a_measured_baseline_stands_second_whatever_its_place(runs: list[Path], corpora: dict[str, Corpus]) -> None:
    subjects = find_subjects([*runs, runs[0] / "eval.tsv"], "eval")
    judging = Judging(num_bootstrap=0)
    found = build_report(subjects, corpora["eval"], MAKING, judging, baseline="mixture")
    assert [(pair.a, pair.b) for pair in found.against_baseline] == [("two-streams", "mixture"), ("eval", "mixture")]
    assert [(pair.a, pair.b) for pair in found.history] == [("two-streams", "eval")]
    assert not any(row.is_baseline for row in found.published)
    with pytest.raises(ConfigError, match="no baseline 'nobody'"):
        build_report(subjects, corpora["eval"], MAKING, judging, baseline="nobody")


def test_runs_that_differ_in_the_seed_alone_are_put_together(
    runs: list[Path], corpora: dict[str, Corpus], tmp_path: Path
) -> None:
    folders = []
    for seed in range(3):
        folders.append(tmp_path / f"seed{seed}")
        shutil.copytree(runs[0], folders[-1])
        record = json.loads((folders[-1] / "run.json").read_text())
        record["asked"]["seed"] = seed
        (folders[-1] / "run.json").write_text(json.dumps(record))
    found = build_report(find_subjects(folders, "eval"), corpora["eval"], MAKING, Judging(num_bootstrap=0))
    assert [len(result.runs) for result in found.seeds] == [3]
    assert found.seeds[0].mean == pytest.approx(0.095)


def test_a_run_without_scores_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"mma score --model .*--partition eval"):
        find_subjects([tmp_path], "eval")
    with pytest.raises(ScoreError, match="no file or folder"):
        find_subjects([tmp_path / "nowhere"], "eval")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_measure_unit_and_step_has_words(language: str) -> None:
    locale = load_locale(language)
    faults: tuple[Fault, ...] = get_args(Fault)
    assert set(faults) == set(SUGGESTIONS)
    assert set(COMMANDS) == {key for keys in SUGGESTIONS.values() for key in keys}
    for fault in faults:
        assert locale.text(f"faults.{fault}.title")
    for measure in MEASURES:
        assert locale.text(f"measures.{measure}")
    for unit in get_args(Unit):
        assert locale.text(f"units.{unit}")
    for key in COMMANDS:
        assert "{command}" in locale.text(f"suggestions.{key}")


@pytest.mark.parametrize("key", [key for key, command in COMMANDS.items() if command.startswith("mma ")])
def test_suggested_commands_exist_with_their_options(key: str) -> None:
    group: Any = typer.main.get_command(app)
    words = shlex.split(COMMANDS[key])[1:]
    while hasattr(group, "commands"):
        group = group.commands[words.pop(0)]
    known = {option for parameter in group.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("key", [key for key, command in COMMANDS.items() if command.startswith("--set")])
def test_suggested_settings_are_settings(key: str) -> None:
    settings = COMMANDS[key].removeprefix("--set ").split(" --set ")
    load_recipe("phase4-small", [setting.replace("…", "1.0e-5") for setting in settings])


def test_published_results_have_a_source_and_no_twin() -> None:
    assert all(row.source and 0 < row.eer < 1 for row in PUBLISHED)
    assert len({(row.key, row.corpus) for row in PUBLISHED}) == len(PUBLISHED)


def test_a_rule_needs_its_limit_passed_and_its_interval_clear_of_no_effect() -> None:
    def raised(value: float, **more: Any) -> bool:
        return by_rule("fragile", "eer_rise", value, limit=0.1, n=10, **more).raised

    assert raised(0.2)
    assert raised(0.2, ci=(0.01, 0.4))
    assert not raised(0.2, ci=(-0.01, 0.4))
    assert not raised(0.1)
    assert not by_rule("dead_expert", "expert_share", 0.1, limit=0.1, beyond="below", n=1).raised
    assert by_rule("dead_expert", "expert_share", 0.05, limit=0.1, beyond="below", n=1).raised
    below = by_rule("silent_stream", "score_change", 0.01, limit=0.1, beyond="below", ci=(-1, 1), no_effect=0.5, n=1)
    assert not below.raised


def test_partitions_other_than_eval_have_no_published_rows(runs: list[Path], corpora: dict[str, Corpus]) -> None:
    subjects = find_subjects(runs, Partition.DEV)
    found = build_report(subjects, corpora["dev"], MAKING, Judging(num_bootstrap=0))
    assert found.published == ()
    assert [system.gap for system in found.systems] == [None, None]
