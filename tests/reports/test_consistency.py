"""The check of a written report: what holds, what does not, and what must not be judged."""

import hashlib

import pytest

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.reports.consistency.check import MAX_BYTES, check_report
from moe_mamba_asv.reports.consistency.numbers import find_numbers, leading_number


@pytest.fixture
def check(tmp_path):
    """Check a text as a file of a given name."""

    def of(text, name="report.md"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return check_report(file)

    return of


def only(result):
    """The one claim of a text."""
    assert len(result.claims) == 1, result.claims
    return result.claims[0]


def operands(claim):
    return tuple(operand.text for operand in claim.operands)


@pytest.mark.parametrize(
    ("text", "kind", "used"),
    [
        # 4.435 / 0.835 = 5.311 … 4.445 / 0.825 = 5.388
        ("EER 4.44% 远高于 AASIST 的 0.83%, 差距 5.35倍。", "ratio", ("4.44%", "0.83%")),
        ("4.44% vs 0.83% (5.3x)", "ratio", ("4.44%", "0.83%")),
        ("Our 4.44 % is 5.35 times AASIST's 0.83 %.", "ratio", ("4.44 %", "0.83 %")),
        ("4.44%是0.83%的5.35倍。", "ratio", ("4.44%", "0.83%")),
        ("It took 143 against 246 ms (1.72 times as fast).", "ratio", ("143", "246 ms")),
        ("A18从4.70%退化到19.13%,**退化4.07倍**", "ratio", ("4.70%", "19.13%")),
        # (9.57 - 9.17) / 9.57 = 4.18 %
        ("- Eval EER: 9.57% → 9.17% (改善4.2%)", "relative_change", ("9.57%", "9.17%")),
        ("The EER went from 9.57 % to 9.17 % (-4.2 %).", "relative_change", ("9.57 %", "9.17 %")),
        ("Fine-tuning reduced the EER by 51.6%, from 9.17% to 4.44%.", "relative_change", ("9.17%", "4.44%")),
        ("A 51.6% relative reduction (9.17% → 4.44%).", "relative_change", ("9.17%", "4.44%")),
        ("从Phase 3的9.17%降至Phase 5的4.44%,**提升了51.6%**", "relative_change", ("9.17%", "4.44%")),
        ("9.57% → 9.17% → 4.44% (改善53.6%)", "relative_change", ("9.57%", "4.44%")),
        ("4.44% vs 9.17% (51.6% lower)", "relative_change", ("4.44%", "9.17%")),
        ("4.44% vs 9.17%, 相差 4.73 个百分点", "difference", ("4.44%", "9.17%")),
        ("Accuracy rose from 91.2 to 93.4 (2.2 points).", "difference", ("91.2", "93.4")),
        ("The runs gave 1.0 %, 2.0 % and 4.5 % (mean 2.5 %).", "mean", ("1.0 %", "2.0 %", "4.5 %")),
        ("三次为1.0%、2.0%和4.5%,平均为2.5%。", "mean", ("1.0%", "2.0%", "4.5%")),
    ],
)
def test_a_claim_that_holds_is_judged_by_its_operands(check, text, kind, used):
    claim = only(check(text))
    assert (claim.kind, operands(claim), claim.holds) == (kind, used, True)


@pytest.mark.parametrize(
    ("text", "kind", "used", "remark"),
    [
        ("EER (4.44%) 仍远高于AASIST (0.83%),差距 **4.35倍**", "ratio", ("4.44%", "0.83%"), "off_by_one"),
        ("Our 4.44 % is 4.35 times AASIST's 0.83 %.", "ratio", ("4.44 %", "0.83 %"), "off_by_one"),
        ("4.44% vs 0.83% (6.1x)", "ratio", ("4.44%", "0.83%"), ""),
        # 19.13 / 4.70 = 4.070, at most 19.135 / 4.695 = 4.0756: 4.08 can be a rounding of it, 4.09 cannot
        ("A18从4.70%退化到19.13%,退化4.09倍", "ratio", ("4.70%", "19.13%"), ""),
        # 2.71 / 0.62 is at least 2.705 / 0.625 = 4.328: no rounding to 4.2, no cut either
        ("2.71% vs 0.62% (4.2倍)", "ratio", ("2.71%", "0.62%"), ""),
        # 8.975 / 3.005 = 2.987 … 8.985 / 2.995 = 3.0: cut to 2.9
        ("8.98% vs 3.00% (2.9倍)", "ratio", ("8.98%", "3.00%"), "truncated"),
        ("9.57% → 9.17% (改善4.9%)", "relative_change", ("9.57%", "9.17%"), ""),
        # 0.40 / 9.17 = 4.36 %, of the later value
        ("9.57% → 9.17% (改善4.37%)", "relative_change", ("9.57%", "9.17%"), "other_base"),
        ("The EER fell by 48.4%, from 9.17% to 4.44%.", "relative_change", ("9.17%", "4.44%"), "remaining"),
        ("The EER rose by 407%, from 4.70% to 19.13%.", "relative_change", ("4.70%", "19.13%"), "off_by_one"),
        ("4.44% vs 9.17%, 51.6 percentage points lower", "difference", ("4.44%", "9.17%"), ""),
        (
            "From 9.17% to 4.44%, an improvement of 51.6 percentage points.",
            "difference",
            ("9.17%", "4.44%"),
            "relative",
        ),
        ("The runs gave 1.0 %, 2.0 % and 4.5 % (mean 2.3 %).", "mean", ("1.0 %", "2.0 %", "4.5 %"), ""),
    ],
)
def test_a_claim_that_does_not_hold_is_listed_with_its_operands(check, text, kind, used, remark):
    result = check(text)
    claim = only(result)
    assert (claim.kind, operands(claim), claim.holds, claim.remark) == (kind, used, False, remark)
    assert result.wrong == (claim,)
    assert result.judged == {kind: 1}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        # 1.05 / 0.95 = 1.105 at most, 0.95 / 1.05 = 0.905 at least: a claim of 1.1 or 1.05, not of 1.2
        ("1.0 vs 1.0 (1.1x)", True),
        ("1.0 vs 1.0 (1.2x)", False),
        # Digits that are printed narrow it.
        ("1.00 vs 1.00 (1.1x)", False),
        # "about" allows one unit of the last digit: 0.83 / 0.16 = 5.19
        ("0.83% vs 0.16% (about 5.1x)", True),
        ("0.83% vs 0.16% (6.0x)", False),
        # A bound: more than five times is right of 5.35, more than six is not.
        ("4.44%高于0.83%,超过5倍", True),
        ("4.44%高于0.83%,超过6倍", False),
        ("4.44%高于0.83%,差距5倍多", True),
        # An operand that is a bound leaves the ratio open above.
        ("A18: 19.13% vs <1% (差距19.1倍)", True),
        ("A18: 19.13% vs <1% (差距25倍)", True),
        ("A18: 19.13% vs <1% (差距18.1倍)", False),
    ],
)
def test_rounding_and_hedges_decide(check, text, holds):
    assert only(check(text)).holds is holds


def test_both_readings_of_times_higher_are_let_stand(check):
    ratio, excess = only(check("4.44% vs 0.83%, 5.35 times higher")), only(check("4.44% vs 0.83%, 4.35 times higher"))
    assert (ratio.holds, ratio.remark) == (True, "")
    assert (excess.holds, excess.remark) == (True, "off_by_one")


def test_a_change_that_holds_as_points_or_against_its_word_says_so(check):
    points = only(check("from 9.57% to 9.17%, reduced by 0.4%"))
    turned = only(check("from 9.17% to 4.44%, increased by 51.6%"))
    assert (points.holds, points.remark) == (True, "points")
    assert (turned.holds, turned.remark) == (True, "direction")


def test_numbers_of_a_claim_are_fractions_and_intervals(check):
    claim = only(check("9.57% → 9.17% (改善4.2%)"))
    assert claim.value == pytest.approx(0.042)
    # 1 - 9.175 / 9.565 and 1 - 9.165 / 9.575
    assert (claim.low, claim.high) == pytest.approx((0.040774, 0.042820), abs=1e-6)
    assert (claim.operands[0].low, claim.operands[0].high) == pytest.approx((0.09565, 0.09575))
    bound = only(check("5.31% vs <1% (5.3倍)"))
    assert (bound.remark, bound.high) == ("bound", None)
    assert bound.low == pytest.approx(5.305)


@pytest.mark.parametrize(
    "text",
    [
        "与SOTA差距5.35倍",  # no operands
        "EER为4.44%,与SOTA差距4.35倍",  # one operand
        "与SOTA差距巨大(5-19倍): 4.44% vs 0.83%",  # a range
        "We ran 0.83 % and 4.44 % systems 3 times.",  # a count of runs
        "4.44% vs 0.83%. It is 3 times as fast.",  # another sentence
        "from 9.17% to 4.44%, while training became 3 times as fast",  # another subject
        "训练集从9.17%降至4.44%,训练速度提升了3倍",
        "4.44% vs 0.83% and 2.10% vs 0.50%, 3.0 times",  # two pairs
        "Phase 3 → Phase 4 (改善22.5%)",  # names, not quantities
        "Batches of 8 × 4 s went from 3 to 4 GB.",  # a product
        "9.17% → 4.44% (+0.3% on dev)",  # a number of its own
        "0.83% vs 4.44%, 3 times fewer parameters",
        "0.83% vs 4.44%, 3 times higher than on dev",
        "From 20 dB to 10 dB, EER rose by 30%.",
        "EER 1.06 % [0.93, 1.25] vs 2.5",  # an interval, and no claim
        "`4.44% vs 0.83%` (3.1x)",  # code
        "from 10 ms to 5 MiB (3x)",  # two units
        "from 0.0% to 4.4%, 9 times",  # a base that may be zero
        "The first holds −3, −2, 0, 1, 1 (mean 0.4257).",  # of something else
        "The runs gave 1.0 % and 2.0 % (mean 7.0 %).",
        "The score went from −3.0 to 6.0 (5 times).",
        "```\n4.44% vs 0.83% (3.1x)\n```",
    ],
)
def test_what_cannot_be_told_is_not_judged(check, text):
    assert not check(text).wrong


def test_a_claim_between_two_pairs_is_not_called_wrong(check):
    text = "Reduced by 10%, from 10.0% to 9.0%, reduced by 50%, from 8.0% to 4.0%, reduced by 33%, from 9.0% to 3.0%."
    assert [claim.stated for claim in check(text).claims] == ["10%", "50%"]


def test_lines_wrapped_by_an_editor_are_one_sentence_with_their_own_lines(check):
    text = "intro\n\nThe equal error rate of the whole system went down in this run from 9.17 %\n"
    text += "to 4.44 %, reduced by 48 %.\n"
    claim = only(check(text))
    assert (claim.line, [operand.line for operand in claim.operands]) == (4, [3, 4])
    assert (claim.text, claim.remark) == ("to 4.44 %, reduced by 48 %.", "remaining")


@pytest.mark.parametrize("end", ["", ".", "  "])
def test_lines_that_their_writer_ended_are_apart(check, end):
    subject = "The equal error rate of the whole system on the evaluation set" if end == "  " else "It"
    assert not check(f"{subject} went from 9.17 %{end}\nto 4.44 %, reduced by 48 %.\n").claims


def test_a_line_of_data_is_left_out(check):
    assert not check("4.44% vs 0.83% (3.0x). " * 1000).claims
    assert len(check("4.44% vs 0.83% (3.0x). " * 3).wrong) == 3


RATIOS = """
| attack | Phase 4 | Phase 5 | AASIST | 差距倍数 |
|---|---|---|---|---|
| A17 | **4.84%** | 5.31% | **<1%** | **5.3倍** |
| A18 | 4.70% | 19.13% | 1.50% | {} |
| A19 | 0.92% | 2.71% | 0.62% | 4.4倍 |
"""


def test_a_ratio_column_is_judged_by_the_columns_that_most_rows_fit(check):
    right, wrong = check(RATIOS.format("12.8倍")), check(RATIOS.format("**11.8倍**"))
    assert [(claim.kind, claim.holds) for claim in right.claims] == [("ratio", True)] * 3
    (claim,) = wrong.wrong
    assert (claim.line, claim.stated, claim.remark) == (5, "11.8倍", "off_by_one")
    assert [(operand.text, operand.where) for operand in claim.operands] == [
        ("19.13%", "A18 / Phase 5"),
        ("1.50%", "A18 / AASIST"),
    ]


def test_columns_of_differences_and_changes(check):
    text = """
| metric | before | after | gap | improvement |
|---|---|---|---|---|
| EER | 9.17% | 4.44% | 4.73% | 51.6% |
| dev EER | 1.731% | 0.949% | 0.682% | 45.2% |
| A18 | 19.13% | 4.70% | 14.43% | 57.4% |
"""
    result = check(text)
    assert result.judged == {"difference": 3, "relative_change": 3}
    assert [(claim.line, claim.kind, claim.stated) for claim in result.wrong] == [
        (5, "difference", "0.682%"),
        (6, "relative_change", "57.4%"),
    ]


def test_a_column_against_the_first_row(check):
    text = """
| program | ms | speed-up |
|---|---|---|
| reference | 120.0 | 1.0x |
| ours | 10.0 | 12.0x |
| theirs | 40.0 | 3.0x |
| other | 60.0 | 3.0x |
"""
    (claim,) = check(text).wrong
    assert (claim.line, operands(claim)) == (7, ("120.0", "60.0"))


def test_a_column_whose_operands_no_two_rows_agree_on_is_not_judged(check):
    text = "| a | dev | eval | improvement |\n|---|---|---|---|\n| x | 4.0% | 8.0% | 11% |\n| y | 3.0% | 7.0% | 23% |\n"
    assert not check(text).claims


def test_a_column_that_fits_by_chance_in_few_rows_is_not_judged(check):
    rows = [("1.0%", "2.0%", "2.0x"), ("3.0%", "9.0%", "3.0x"), *[("2.0%", "5.0%", f"{n}.2x") for n in (7, 8, 9)]]
    text = "| a | dev | eval | ratio |\n|---|---|---|---|\n" + "".join(f"| x | {' | '.join(row)} |\n" for row in rows)
    assert not check(text).wrong


def test_a_row_that_fits_two_other_columns_is_not_called_wrong(check):
    text = "| a | one | two | base | ratio |\n|---|---|---|---|---|\n| x | 30.0 | 20.0 | 10.0 | 2.0x |\n"
    text += "| y | 71.0 | 33.0 | 11.0 | 3.0x |\n| z | 90.0 | 20.0 | 10.0 | {} |\n"
    assert not check(text.format("4.5x")).wrong  # 90 / 20
    assert operands(check(text.format("3.3x")).wrong[0]) == ("20.0", "10.0")


def test_rows_and_columns_of_means(check):
    text = """
| system | A | B | average |
|---|---|---|---|
| x | 1.0% | 2.0% | 1.5% |
| y | 3.0% | 7.0% | 4.0% |
| mean | 2.0% | 5.5% | |
"""
    wrong = {(claim.line, claim.stated): operands(claim) for claim in check(text).wrong}
    assert wrong == {(5, "4.0%"): ("3.0%", "7.0%"), (6, "5.5%"): ("2.0%", "7.0%")}


def test_summaries_are_no_operands_of_a_mean(check):
    text = "| run | EER |\n|---|---|\n| 1 | 1.0% |\n| 2 | 2.0% |\n| max | 2.0% |\n| mean | {} |\n"
    assert not check(text.format("1.5%")).wrong
    assert operands(only(check(text.format("1.7%")))) == ("1.0%", "2.0%")
    assert not check("| x | min | max | mean |\n|---|---|---|---|\n| level | 1.0 | 9.0 | 4.0 |\n").claims


def test_tables_of_tabs_and_of_html_are_read_as_rows(check):
    rows = [
        ["metric", "ours", "theirs", "ratio"],
        ["EER", "4.44%", "0.83%", "4.35x"],
        ["dev", "0.949%", "0.50%", "1.9x"],
    ]
    tabs = "\n".join("\t".join(row) for row in rows)
    page = (
        "<!DOCTYPE html><html><head><title>4.44% vs 0.83% (3x)</title><style>p{}</style></head><body><p>x</p>\n<table>"
    )
    page += "".join("\n<tr>" + "".join(f"<td><b>{cell}</b>" for cell in row) for row in rows) + "</table></body></html>"
    for name, text, line in (("t.txt", tabs, 2), ("t.html", page, 4)):
        result = check(text, name)
        assert [(claim.stated, operands(claim), claim.line) for claim in result.wrong] == [
            ("4.35x", ("4.44%", "0.83%"), line)
        ]
        assert result.judged == {"ratio": 2}


def test_prose_in_html_is_read_through_its_tags(check):
    page = "<h1>Report</h1>\n<p>EER <data value='0.0444'>4.44&nbsp;%</data> vs <em>0.83 %</em>\n(4.35&times;)</p>"
    page += "<script>4 vs 2 (9x)</script>"
    claim = only(check(page, "r.htm"))
    assert (operands(claim), claim.line, claim.remark) == (("4.44 %", "0.83 %"), 2, "off_by_one")


ABOUT = "ASVspoof 2019 LA. "


@pytest.mark.parametrize(
    ("text", "against"),
    [
        ("Known Attacks (A07-A16)", tuple(f"A{number:02}" for number in range(7, 16))),
        ("Unknown attacks (A17-A19)", ("A19",)),
        ("A17-A19是评估集独有的未知攻击类型", ("A19",)),
        ("训练集只包含A07-A08", ("A07", "A08")),
        ("已知攻击: A16 和 A19", ()),
        ("A17 and A18 are unknown.", ()),
        ("A01–A06, A16 (known)", ()),
        ("| attack | class |\n|---|---|\n| A19 filtering | unknown |", ("A19",)),
        ("| attack | EER |\n|---|---|\n| A16 (Unknown TTS) | 1 % |", ("A16",)),
    ],
)
def test_labels_are_held_against_the_catalogue(check, text, against):
    claim = only(check(ABOUT + "\n\n" + text))
    assert (claim.kind, claim.against, claim.holds) == ("label", against, not against)
    assert claim.remark == ("catalogue" if against else "")


@pytest.mark.parametrize(
    "text",
    [
        "known and unknown attacks (A07-A19)",
        "unknown attacks (A07–A19 except A16 and A19)",
        "The report calls them “Known Attacks (A07-A16)”.",
        "A07 is known to be easy.",
        "A17-A19不是已知攻击",
        "It is not known (A07).",
        "缺少A17-A19的样本",
        "unknown attacks (A71)",
    ],
)
def test_labels_that_are_not_the_writers_are_not_judged(check, text):
    assert not check(ABOUT + text).claims


def test_labels_of_another_corpus_are_not_judged(check):
    assert not check("Known attacks (A07)").claims
    assert not check("ASVspoof 2019 and ASVspoof 5. Known attacks (A09)").claims


def test_file_and_digest_are_told_and_json_says_all(check, tmp_path):
    result = check("4.44% vs 0.83% (4.35倍)", "报告.txt")
    assert result.file == "报告.txt"
    assert result.sha256 == hashlib.sha256((tmp_path / "报告.txt").read_bytes()).hexdigest()
    assert type(result).model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_encodings_of_chinese_text(tmp_path, encoding):
    file = tmp_path / "report.txt"
    file.write_text("评估EER(4.44%)高于基线(0.83%),差距4.35倍\n", encoding=encoding)
    assert [claim.stated for claim in check_report(file).wrong] == ["4.35倍"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b" \n", "empty"),
        (b"%PDF-1.7\n\x00\x01\xff\xfe", "not text"),
        (b"a" * (MAX_BYTES + 1), "5,000,001 bytes"),
        (None, "no such file"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path, content, words):
    file = tmp_path / "report.md"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        check_report(file)


def test_numbers_as_printed():
    number = find_numbers("about 1,042.50 ms")[0]
    assert (number.value, number.unit, number.hedge) == (1042.5, "ms", "about")
    assert number.step == pytest.approx(0.01)
    assert find_numbers("约50%")[0].interval() == pytest.approx((0.4, 0.6))
    assert [number.free for number in find_numbers("Phase 3, 12-17, 2026-11-25, 4 × 4, [1, 2], 7")] == [False] * 10 + [
        True
    ]
    assert leading_number("~0.5% (SOTA)").text == "~0.5%"
    assert leading_number("0.04-1.24%") is None
    assert leading_number("A17") is None


@pytest.mark.shared
def test_the_seed_report(shared):
    files = sorted((shared.parent / "seed").glob("*.txt"))
    if not files:
        pytest.skip("no seed report beside the reference data")
    result = check_report(files[0])
    found = {
        (claim.line, claim.stated, operands(claim), claim.remark) for claim in result.wrong if claim.kind != "label"
    }
    assert found == {
        (31, "4.35倍", ("4.44%", "0.83%"), "off_by_one"),
        (124, "3.67倍", ("0.949%", "4.44%"), "off_by_one"),
    }
    labels = {claim.line: claim.against for claim in result.wrong if claim.kind == "label"}
    assert {attack for line in (38, 103, 112, 241, 297, 374) for attack in labels.pop(line)} == {
        f"A{number:02}" for number in range(7, 16)
    }
    assert set(labels.values()) == {("A19",)}
    assert set(labels) == {59, 65, 102, 246, 298, 377}
    assert result.judged == {"relative_change": 6, "ratio": 12, "difference": 3, "label": 18}
