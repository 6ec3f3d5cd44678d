"""The check of a written report: which attacks it calls known, against the catalogue."""

import pytest
from claims import only

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
