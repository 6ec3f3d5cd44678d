"""The check of a written report: claims in tables, in Markdown, tabs and HTML."""

from claims import only, operands

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
