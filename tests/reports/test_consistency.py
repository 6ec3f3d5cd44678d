"""The check of a written report: what holds, what does not, and what must not be judged."""

import hashlib

import pytest
from claims import only, operands

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.reports.consistency.check import MAX_BYTES, check_report
from moe_mamba_asv.reports.consistency.numbers import find_numbers, leading_number


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
