"""Figures: drawn without a warning from any numbers, and fit for a page."""

from xml.etree import ElementTree

import pytest

from moe_mamba_asv.reports.canvas import INK, figure_label, for_file, for_page
from moe_mamba_asv.reports.figures import attack_labels, draw_figures
from moe_mamba_asv.reports.model import DetPoints
from moe_mamba_asv.reports.plots import AttackBar, attack_figure, det_figure


def test_every_system_has_its_figures(several):
    names = {f"{what}-{number}" for what in ("scores", "attacks", "quantiles") for number in (1, 2, 3)}
    assert draw_figures(several).keys() == names | {"det", "slope"}


def test_labels_that_a_figure_font_lacks_become_numbers(single):
    assert list(attack_labels(single).values()) == ["A16", "#2"]
    assert figure_label("a" * 30, 7) == "#7"


def test_figures_hold_ascii_only(single):
    for svg in draw_figures(single).values():
        words = "".join(ElementTree.fromstring(svg).itertext())
        assert words.replace("\N{MINUS SIGN}", "-").isascii()


def test_a_dollar_in_an_attack_is_a_dollar():
    svg = attack_figure([AttackBar("a$x$", 0.1, (0.05, 0.2), None)], 0.1)
    assert "a$x$" in svg


def test_known_attacks_are_marked_without_colour():
    svg = attack_figure([AttackBar("A16", 0.1, None, True), AttackBar("A17", 0.2, None, False)], 0.1)
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert "A16 *" in words
    assert "A17 *" not in words


@pytest.mark.parametrize("eer", [0.0, 0.5, 1.0])
def test_det_of_perfect_useless_and_reversed_systems(single, eer):
    ends = {
        0.0: ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        0.5: ((1.0, 0.0), (0.0, 1.0)),
        1.0: ((1.0, 1.0, 0.0), (0.0, 1.0, 1.0)),
    }
    p_fa, p_miss = ends[eer]
    system = single.systems[0]
    evaluation = system.evaluation.model_copy(update={"eer": eer})
    made = system.model_copy(update={"det": DetPoints(p_fa=p_fa, p_miss=p_miss), "evaluation": evaluation})
    svg = det_figure([made])
    assert "nan" not in svg
    assert "inf" not in svg


def test_thirteen_systems_are_drawn_in_different_styles_up_to_twelve(single):
    svg = det_figure(single.systems * 13)
    assert "stroke-dasharray" in svg


def test_colours_of_a_page_and_of_a_file(single):
    svg = draw_figures(single)["det"]
    page, file = for_page(svg, "det"), for_file(svg)
    assert INK not in page
    assert "currentColor" in page
    assert "http" not in page
    assert INK not in file
    assert "#ffffff" in file
    ElementTree.fromstring(file)
