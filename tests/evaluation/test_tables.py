"""Tables written out: every number in its unit, every name harmless."""

import csv
import io
import json
import re

import pytest
from test_breakdown import ROWS, make_asv, make_trials

from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.tables.breakdown import breakdown
from moe_mamba_asv.evaluation.tables.forms import to_csv, to_json, to_latex, to_markdown

HOSTILE = r"a|b & c_%$#{}~^\x <i>[*`"


def of_attacks(n_bootstrap=0):
    return breakdown(make_trials(), ["attack"], asv=make_asv("A07", "A16"), n_bootstrap=n_bootstrap)


def hostile(name=HOSTILE):
    rows = [(attack, name if codec == "clean" else codec, score) for attack, codec, score in ROWS]
    return breakdown(make_trials(rows), ["codec"], n_bootstrap=0)


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_one_line_a_cell_in_fractions():
    rows = read_csv(to_csv(breakdown(make_trials(), ["attack", "codec"], n_bootstrap=20)))
    assert len(rows) == 3 * 5
    by_levels = {(row["attack"], row["codec"]): row for row in rows}
    pooled = by_levels["A07", "pooled"]
    assert (pooled["eer"], pooled["n_bonafide"], pooled["n_spoof"], pooled["split"]) == ("0.200000", "5", "5", "eval")
    assert float(pooled["eer_low"]) <= 0.2 <= float(pooled["eer_high"])
    empty = by_levels["A07", "opus"]
    assert (empty["eer"], empty["eer_low"], empty["reason"]) == ("", "", "no bona fide trials")


def test_csv_tells_the_forms_of_the_tdcf_apart():
    row = read_csv(to_csv(of_attacks()))[0]
    assert (row["min_tdcf_2019"], row["min_tdcf_2019_low"]) == ("0.600000", "")
    # (C0 + .15) / (C0 + C2) with C0 = .0475 and C2 = .25.
    assert row["min_tdcf_2021"] == f"{0.1975 / 0.2975:.6f}"


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a", "\t=1", " =1", "\n=1"])
def test_csv_names_are_no_formulas(name):
    found = {row["codec"] for row in read_csv(to_csv(hostile(name)))}
    assert len(found) == 5
    assert not any(re.match(r"\s*[=+@-]", level) for level in found)


def test_csv_keeps_commas_quotes_and_a_lone_dash():
    assert 'a, "b"' in {row["codec"] for row in read_csv(to_csv(hostile('a, "b"')))}
    assert "-" in {row["codec"] for row in read_csv(to_csv(hostile("-")))}


def test_json_is_the_whole_result():
    table = of_attacks(n_bootstrap=5)
    assert type(table).model_validate(json.loads(to_json(table))) == table


def test_markdown_of_one_axis():
    lines = to_markdown(of_attacks()).splitlines()
    assert lines[2] == (
        "| attack | bona fide trials | spoofed trials | EER (%), eval | min t-DCF (legacy form of 2019), eval "
        "| min t-DCF (revised form of 2021), eval |"
    )
    assert lines[4] == "| A07 | 5 | 5 | 20.00 | 0.6000 | 0.6639 |"
    assert lines[6].startswith("| pooled | 5 | 7 | 17.14 |")
    assert any(line.startswith("- t-DCF with the ASV scores asv.txt") for line in lines)


def test_markdown_of_a_cross_has_counts_and_reasons():
    table = breakdown(make_trials(), ["attack", "codec"], asv=make_asv("A07", "A16"), n_bootstrap=0)
    lines = to_markdown(table).splitlines()
    assert lines[2].startswith(
        "| attack (bona fide + spoofed trials), EER (%) by codec, eval | alaw (1 + 0) | clean (2 + 4) | gsm (2 + 2) "
        "| opus (0 + 1) | pooled (5 + 7) | min t-DCF (legacy form of 2019), pooled, eval |"
    )
    assert lines[4] == "| A07 (5 + 5) | – (1 + 0) | 50.00 | 0.00 | – (0 + 1) | 20.00 | 0.6000 | 0.6639 |"
    assert "- No figures for want of trials (no bona fide trials): A07 x opus, pooled x opus" in lines


def test_intervals_stand_in_brackets():
    table = of_attacks(n_bootstrap=20)
    low, high = (f"{100 * end:.2f}" for end in table.cell("A07").figures["eer"].ci or ())
    assert f"20.00 \\[{low}, {high}\\]" in to_markdown(table)
    assert f"20.00 {{[}}{low}, {high}]" in to_latex(table)
    assert r"95\% intervals of 20 bootstrap replicates" in to_latex(table)


def test_latex_is_a_booktabs_table():
    lines = to_latex(of_attacks()).splitlines()
    assert lines[:2] == [r"\begin{table}", r"\centering"]
    assert r"\begin{tabular}{lrrrrr}" in lines
    rules = [lines.index(rf"\{rule}rule") for rule in ("top", "mid", "bottom")]
    assert rules == sorted(rules)
    assert r"A07 & 5 & 5 & 20.00 & 0.6000 & 0.6639 \\" in lines
    assert "EER (\\%), eval" in lines[lines.index(r"\toprule") + 1]


def test_latex_escapes_every_special_character():
    row = next(line for line in to_latex(hostile()).splitlines() if line.startswith("a\\textbar"))
    assert row == (
        r"a\textbar{}b \& c\_\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}x "
        r"\textless{}i\textgreater{}{[}{*}` & 2 & 4 & 25.00 \\"
    )


def test_names_cannot_end_a_line_or_a_comment():
    for write in (to_latex, to_markdown):
        safe = write(hostile("a\nb\r\u2028c\x00"))
        assert len(safe.splitlines()) == len(write(hostile("a")).splitlines())
        assert "a b c" in safe


def test_markdown_escapes_every_special_character():
    row = next(line for line in to_markdown(hostile()).splitlines() if line.startswith(r"| a\|b"))
    assert row == r"| a\|b &amp; c\_%\$\#{}\~^\\x &lt;i&gt;\[\*\` | 2 | 4 | 25.00 |"


def test_evaluation_is_a_table_by_attack_with_known_and_unknown_below():
    result = evaluate(make_trials(), asv=make_asv("A07", "A16"), n_bootstrap=0, system="our_model")
    rows = read_csv(to_csv(result))
    assert [row["attack"] for row in rows] == ["A07", "A16", "known attacks", "unknown attacks", "pooled"]
    assert [row["n_spoof"] for row in rows] == ["5", "2", "2", "5", "7"]
    assert (rows[0]["eer"], rows[0]["system"], rows[0]["min_tdcf_2019"]) == ("0.200000", "our_model", "")
    assert float(rows[-1]["min_tdcf_2019"]) == pytest.approx(result.min_tdcf_2019, abs=1e-6)
    assert r"\caption{our\_model: made, eval}" in to_latex(result)
    assert json.loads(to_json(result)) == result.to_json()


def test_warnings_are_under_the_table():
    reversed_rows = [(attack, codec, -score) for attack, codec, score in ROWS]
    table = breakdown(make_trials(reversed_rows), ["attack"], n_bootstrap=0)
    assert "- Warning: EER above 50 % for A07" in to_markdown(table)
    assert r"\par\footnotesize Warning: EER above 50 \% for A07" in to_latex(table)
