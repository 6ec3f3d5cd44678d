"""Names with braces, as WebDataset and shells expand them."""

from itertools import islice

import pytest

from moe_mamba_asv.scoring.braces import expand_braces


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("s/0.tar", ["s/0.tar"]),
        ("s/{0000..0003}.tar", ["s/0000.tar", "s/0001.tar", "s/0002.tar", "s/0003.tar"]),
        ("{8..11}", ["8", "9", "10", "11"]),
        ("{08..11}", ["08", "09", "10", "11"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{0..10..5}", ["0", "5", "10"]),
        ("{10..0..5}", ["10", "5", "0"]),
        ("{-1..1}", ["-1", "0", "1"]),
        ("{a..c}", ["a", "b", "c"]),
        ("{train,dev}-{0..1}.tar", ["train-0.tar", "train-1.tar", "dev-0.tar", "dev-1.tar"]),
        ("{a,b{1..2}}x", ["ax", "b1x", "b2x"]),
        ("{a,}b", ["ab", "b"]),
        ("{id}/{a}.tar", ["{id}/{a}.tar"]),
        ("{{1..2}}", ["{1}", "{2}"]),
        ("{a{1..2}", ["{a1", "{a2"]),
        ("1..2}", ["1..2}"]),
        ("{}", ["{}"]),
        ("{1..b}", ["{1..b}"]),
    ],
)
def test_braces_stand_for_names(text: str, names: list[str]) -> None:
    assert list(expand_braces(text)) == names


def test_a_range_of_a_typing_error_is_not_laid_out_at_once() -> None:
    assert list(islice(expand_braces("{0..999999999999}.tar"), 2)) == ["0.tar", "1.tar"]
