"""The catalogue of attacks, and the sums of the official counts."""

from moe_mamba_asv.corpora.catalogue import ATTACKS_2019_LA
from moe_mamba_asv.corpora.kinds import KIND_BY_NAME

TRAINING = {f"A{number:02d}" for number in range(1, 7)}


def test_all_attacks_are_there() -> None:
    assert list(ATTACKS_2019_LA) == [f"A{number:02d}" for number in range(1, 20)]
    assert all(name == attack.id for name, attack in ATTACKS_2019_LA.items())
    assert all(attack.system and attack.waveform for attack in ATTACKS_2019_LA.values())


def test_only_a16_and_a19_of_eval_are_known() -> None:
    assert {name for name, attack in ATTACKS_2019_LA.items() if attack.known} == TRAINING | {"A16", "A19"}


def test_kinds_of_attacks() -> None:
    conversion = {name for name, attack in ATTACKS_2019_LA.items() if attack.kind == "VC"}
    both = {name for name, attack in ATTACKS_2019_LA.items() if attack.kind == "TTS-VC"}
    assert conversion == {"A05", "A06", "A17", "A18", "A19"}
    assert both == {"A13", "A14", "A15"}


def test_known_attacks_share_their_waveform_with_training() -> None:
    assert ATTACKS_2019_LA["A16"].waveform == ATTACKS_2019_LA["A04"].waveform
    assert ATTACKS_2019_LA["A19"].waveform == ATTACKS_2019_LA["A06"].waveform


def test_official_totals() -> None:
    totals = {name: [one.bonafide + one.spoof for one in kind.counts] for name, kind in KIND_BY_NAME.items()}
    assert totals["asvspoof2019-la"] == [25_380, 24_844, 71_237]
    assert totals["asvspoof2021-la"][0] == 148_176
    assert sum(totals["asvspoof2021-la"]) == 181_566
    assert totals["asvspoof2021-df"][0] == 533_928
    assert sum(totals["asvspoof2021-df"]) == 611_829
    assert totals["asvspoof5"] == [182_357, 140_950, 680_774]
    assert totals["in-the-wild"] == [31_779]


def test_attacks_of_2019_add_up() -> None:
    for count in KIND_BY_NAME["asvspoof2019-la"].counts:
        num_attacks = 13 if count.partition == "eval" else 6
        assert count.spoof == num_attacks * (count.per_attack or 0)
