"""Figures of robustness and shortcuts: every number is there, and can be read."""

from xml.etree import ElementTree

import numpy as np
import pytest

from moe_mamba_asv.diagnostics.results.drift import EerShift
from moe_mamba_asv.diagnostics.results.finding import by_rule
from moe_mamba_asv.diagnostics.results.robustness import ConditionResult, Rescored, RobustnessResult
from moe_mamba_asv.diagnostics.results.shortcuts import FeatureReliance, ShortcutResult
from moe_mamba_asv.reports.canvas import for_file, for_page
from moe_mamba_asv.reports.drawings import robustness
from moe_mamba_asv.reports.drawings.robustness import robustness_figure
from moe_mamba_asv.reports.drawings.shortcuts import shortcut_figure


def shift(before, after):
    change = after - before
    return EerShift(n=50, before=before, after=after, change=change, ci=(change - 0.04, change + 0.04))


def rescored(before, after):
    return {
        "n": 100,
        "failed": {},
        "eer": shift(before, after),
        "attacks": {},
        "shift_bonafide": 0.0,
        "shift_spoof": 0.0,
    }


def result(eer, after, not_measured=()):
    conditions = [ConditionResult(name=name, group="codec", **rescored(eer, to)) for name, to in after.items()]
    findings = [
        by_rule("fragile", "eer_rise", one.eer.change, limit=0.1, n=100, ci=one.eer.ci, where=one.name)
        for one in conditions
    ]
    return RobustnessResult(
        n_bonafide=50,
        n_spoof=50,
        eer=eer,
        conditions=tuple(conditions),
        not_measured=dict.fromkeys(not_measured, "no encoder"),
        findings=tuple(findings),
    )


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]


def test_a_heat_map_prints_every_eer_and_marks_the_fragile():
    first = result(0.02, {"GSM": 0.053, "room": 0.371})
    second = result(0.1, {"GSM": 0.123}, not_measured=["room"])
    words = texts(robustness_figure([("one", first), ("zwei ü", second)]))
    for word in ("unchanged", "GSM", "room", "one", "#2", "2.0", "10.0", "5.3", "37.1 *", "12.3", "-"):
        assert words.count(word) == 1, word


def test_one_system_marks_the_fragile_in_words():
    words = texts(robustness_figure([("one", result(0.02, {"GSM": 0.053, "8 kHz": 0.371}))]))
    assert "GSM" in words
    assert "8 kHz *" in words


@pytest.mark.parametrize("systems", [1, 9])
def test_awkward_numbers_are_drawn(systems):
    several = [(f"a${number}$", result(0.0, {"GSM": 0.0, "a$x$": 1.0})) for number in range(systems)]
    svg = robustness_figure(several)
    for drawn in (for_file(svg), for_page(svg, "robustness")):
        assert "nan" not in drawn
        assert "a$x$" in drawn


def test_a_result_without_conditions_is_drawn():
    nothing = result(0.1, {}, not_measured=["GSM"])
    robustness_figure([("one", nothing)])
    assert "GSM" in texts(robustness_figure([("one", nothing), ("two", nothing)]))


def test_text_on_every_cell_has_contrast():
    for share in np.linspace(0, 1, 101):
        light = robustness._luminance(share)
        text = 1.0 if light < robustness._WHITE_TEXT_BELOW else 0.0
        ratio = (max(light, text) + 0.05) / (min(light, text) + 0.05)
        assert ratio >= 4.5, share


def test_colours_run_from_light_to_dark():
    assert np.all(np.diff([robustness._luminance(share) for share in np.linspace(0, 1, 101)]) <= 0)


def reliance(feature, correlation, within_spoof):
    return FeatureReliance(
        feature=feature,
        correlation=correlation,
        ci=None if correlation is None else (correlation - 0.1, correlation + 0.1),
        within_bonafide=correlation,
        within_spoof=within_spoof,
        auc=0.87,
        median_bonafide=0.1,
        median_spoof=0.2,
    )


def shortcuts(*features):
    found = [
        by_rule("shortcut", "within_class_correlation", abs(one.correlation), limit=0.5, n=100, where=one.feature)
        for one in features
        if one.correlation is not None
    ]
    return ShortcutResult(
        n_bonafide=50,
        n_spoof=50,
        features=features,
        trimmed=Rescored(**rescored(0.1, 0.2)),
        findings=tuple(found),
    )


def test_shortcuts_are_marked_and_what_has_no_coefficient_is_not_drawn():
    words = texts(
        shortcut_figure(
            shortcuts(reliance("level", -0.7, None), reliance("peak", 0.2, 0.2), reliance("bandwidth", None, None))
        )
    )
    assert "level *" in words
    assert "peak" in words
    assert words.count("AUC 0.87") == 2
    assert not any(word.startswith("bandwidth") for word in words)


def test_no_feature_at_all_is_drawn():
    shortcut_figure(shortcuts(reliance("level", None, None)))
