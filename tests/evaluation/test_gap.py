"""Gaps between made sets that differ in one thing, which must be found to be that thing."""

import json

import numpy as np
import polars as pl
import pytest

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.gap.gap import generalisation_gap
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.types import Attack


def make_trials(groups, *, partition, corpus="made", seed=0, system="", catalogue=(), **columns):
    """Trials of groups (attack or None, codec or None, mean score, number) with normal scores of deviation 1."""
    rng = np.random.default_rng([seed, partition == "eval"])
    score = np.concatenate([mean + rng.normal(size=number) for *_, mean, number in groups])
    attack = [attack for attack, _, _, number in groups for _ in range(number)]
    codec = [codec for _, codec, _, number in groups for _ in range(number)]
    names = tuple(sorted({name for name in attack if name}))
    frame = pl.DataFrame({"utterance": [f"{partition}{row}" for row in range(score.size)], "codec": codec, **columns})
    return Trials(
        score=score,
        is_bonafide=np.array([name is None for name in attack]),
        attack=np.array([names.index(name) if name else -1 for name in attack], dtype=np.int32),
        attack_names=names,
        frame=frame if any(codec) else frame.drop("codec"),
        failed=pl.DataFrame(),
        corpus=corpus,
        catalogue={name: Attack(name, "TTS", "", "", known) for name, known in catalogue},
        partition=partition,
        system=system,
    )


N = 3000
DEV = [(None, None, 3.0, N), ("a", None, 0.0, N), ("b", None, -1.0, N)]


def dev_trials(groups=DEV, **other):
    return make_trials(groups, partition="dev", **other)


def eval_trials(groups, **other):
    return make_trials(groups, partition="eval", **other)


def there(value):
    assert value is not None
    return value


def width(ends):
    low, high = there(ends)
    return high - low


def shifts(gap):
    return {shift.name: shift.value for shift in gap.chain}


def assert_adds_up(gap):
    assert gap.chain[0].before.eer == gap.whole.before.eer
    assert gap.chain[-1].after.eer == gap.whole.after.eer
    for earlier, later in zip(gap.chain, gap.chain[1:], strict=False):
        assert earlier.after == later.before
    assert sum(shift.value for shift in gap.chain) == pytest.approx(gap.whole.value, abs=1e-15)


def test_other_attacks_alone_are_found_to_be_that():
    evaluation = eval_trials([*DEV, ("c", None, 2.0, N), ("d", None, 2.5, N)])
    gap = generalisation_gap(dev_trials(), evaluation, n_bootstrap=200)
    assert gap.whole.value > 0.08
    assert set(shifts(gap)) == {"speakers", "attacks added"}
    assert abs(shifts(gap)["speakers"]) < 0.01
    assert shifts(gap)["attacks added"] == pytest.approx(gap.whole.value, abs=0.01)
    assert {shift.name: there(shift.p) < 0.05 for shift in gap.chain} == {"speakers": False, "attacks added": True}
    assert_adds_up(gap)


def test_other_speakers_alone_are_found_to_be_that():
    evaluation = eval_trials([(None, None, 1.5, N), *DEV[1:]])
    gap = generalisation_gap(dev_trials(), evaluation, n_bootstrap=200)
    assert shifts(gap) == {"speakers": gap.whole.value}
    low, high = there(gap.chain[0].ci)
    assert 0.05 < low < gap.whole.value < high
    assert gap.chain[0].p == pytest.approx(2 / 201)
    assert_adds_up(gap)


def test_another_channel_alone_is_found_to_be_that():
    clean = [(attack, "none", mean, number) for attack, _, mean, number in DEV]
    coded = [(attack, "gsm", mean * 0.3, number) for attack, _, mean, number in DEV]
    gap = generalisation_gap(dev_trials(), eval_trials([*clean, *coded]), n_bootstrap=200)
    assert gap.channel == "codec"
    assert set(shifts(gap)) == {"speakers", "channel"}
    assert abs(shifts(gap)["speakers"]) < 0.01
    assert shifts(gap)["channel"] == pytest.approx(gap.whole.value, abs=0.01)
    assert gap.whole.value > 0.05
    assert there(gap.chain[1].p) < 0.05 < there(gap.chain[0].p)
    assert_adds_up(gap)


def test_attacks_that_eval_lacks_are_a_shift_of_their_own():
    gap = generalisation_gap(dev_trials(), eval_trials([DEV[0], DEV[2]]), n_bootstrap=0)
    assert set(shifts(gap)) == {"attacks left out", "speakers"}
    assert shifts(gap)["attacks left out"] == pytest.approx(gap.whole.value, abs=0.01)
    assert gap.whole.value < -0.02
    assert_adds_up(gap)


def test_all_steps_together_add_up_and_are_the_eers_that_they_say():
    dev = dev_trials([(None, "none", 2.0, 50), ("a", "none", 0.0, 40), ("b", "none", 0.5, 40)])
    evaluation = eval_trials(
        [
            *[(None, "none", 1.5, 60), ("a", "none", 0.0, 30), ("c", "none", 1.0, 30)],
            *[(None, "opus", 1.0, 60), ("a", "opus", 0.5, 30), ("c", "opus", 1.0, 30)],
        ]
    )
    gap = generalisation_gap(dev, evaluation, n_bootstrap=50)
    assert [shift.name for shift in gap.chain] == ["attacks left out", "speakers", "channel", "attacks added"]
    clean = (evaluation.frame["codec"] == "none").to_numpy()
    is_a = evaluation.attack == 0
    wanted = [
        equal_error_rate(dev.bonafide_scores, dev.spoof_scores),
        equal_error_rate(dev.bonafide_scores, dev.attack_scores("a")),
        equal_error_rate(evaluation.score[clean & evaluation.is_bonafide], evaluation.score[clean & is_a]),
        equal_error_rate(evaluation.bonafide_scores, evaluation.attack_scores("a")),
        equal_error_rate(evaluation.bonafide_scores, evaluation.spoof_scores),
    ]
    assert [gap.chain[0].before.eer, *(shift.after.eer for shift in gap.chain)] == [eer.value for eer in wanted]
    assert_adds_up(gap)
    assert (gap.chain[1].after.n_bonafide, gap.chain[1].after.n_spoof) == (60, 30)


def test_a_channel_column_of_dev_says_which_channels_are_its_own():
    dev = dev_trials([(attack, "gsm", mean, number) for attack, _, mean, number in DEV])
    rows = [(attack, codec, mean, n) for codec, n in (("gsm", 400), ("none", 500)) for attack, _, mean, _ in DEV]
    gap = generalisation_gap(dev, eval_trials(rows), n_bootstrap=0)
    assert gap.channel == "codec"
    assert gap.chain[0].after.n_bonafide == 400


def test_a_channel_that_dev_does_not_have_is_not_separated():
    coded = [(attack, "gsm", mean, number) for attack, _, mean, number in DEV]
    gap = generalisation_gap(dev_trials(), eval_trials(coded), n_bootstrap=0)
    assert gap.channel is None
    assert any("the channel counts as speakers" in text for text in gap.not_separated)


def test_where_eval_has_only_the_channels_of_dev_there_is_no_channel_shift():
    clean = [(attack, "none", mean, number) for attack, _, mean, number in DEV]
    gap = generalisation_gap(dev_trials(), eval_trials(clean), n_bootstrap=0)
    assert gap.channel == "codec"
    assert not any("channel counts" in text for text in gap.not_separated)
    assert set(shifts(gap)) == {"speakers"}


def test_without_a_common_attack_the_whole_is_one_step_that_says_so():
    gap = generalisation_gap(dev_trials(), eval_trials([DEV[0], ("z", "gsm", 1.0, N)]), n_bootstrap=0)
    assert shifts(gap) == {"all at once": gap.whole.value}
    assert gap.not_separated == (
        "no attack is known to be on dev and on eval: speakers, channel and attacks change at once",
    )
    assert_adds_up(gap)


def test_equal_ids_of_strange_corpora_are_not_taken_for_one_attack_unless_stated():
    evaluation = eval_trials(DEV, corpus="elsewhere")
    assert generalisation_gap(dev_trials(), evaluation, n_bootstrap=0).same_attacks == {}
    stated = generalisation_gap(dev_trials(), evaluation, n_bootstrap=0, same_attacks={"a": "b"})
    assert stated.same_attacks == {"a": "b"}
    assert [shift.name for shift in stated.chain] == ["attacks left out", "speakers", "attacks added"]
    with pytest.raises(ConfigError, match="no attack q"):
        generalisation_gap(dev_trials(), evaluation, n_bootstrap=0, same_attacks={"a": "q"})


def test_2019_attacks_that_return_under_another_id_are_known():
    dev = dev_trials(
        [(None, None, 3.0, 100), *((f"A0{k}", None, 0.0, 50) for k in range(1, 7))], corpus="asvspoof2019-la"
    )
    groups = [(None, None, 3.0, 100), ("A07", None, 0.0, 50), ("A16", None, 0.0, 50), ("A19", None, 0.0, 50)]
    for corpus in ("asvspoof2019-la", "asvspoof2021-df"):
        gap = generalisation_gap(dev, eval_trials(groups, corpus=corpus), n_bootstrap=0)
        assert gap.same_attacks == {"A16": "A04", "A19": "A06"}
        assert gap.chain[1].after.n_spoof == 100
    alone = generalisation_gap(dev, eval_trials(groups[:3], corpus="asvspoof2019-la"), n_bootstrap=0)
    assert alone.same_attacks == {"A16": "A04"}


def test_known_and_unknown_attacks_of_eval_are_compared():
    catalogue = [("a", True), ("b", True), ("c", False)]
    evaluation = eval_trials([*DEV, ("c", None, 2.0, N), ("x", None, 3.0, N)], catalogue=catalogue)
    step = there(generalisation_gap(dev_trials(), evaluation, n_bootstrap=200).known_to_unknown)
    assert (step.before.n_spoof, step.after.n_spoof) == (2 * N, N)
    assert step.after.eer == equal_error_rate(evaluation.bonafide_scores, evaluation.attack_scores("c")).value
    assert step.value == step.after.eer - step.before.eer
    low, high = there(step.ci)
    assert low < step.value < high
    assert there(step.p) < 0.05
    assert generalisation_gap(dev_trials(), eval_trials(DEV), n_bootstrap=0).known_to_unknown is None


def test_the_interval_of_the_whole_has_the_width_of_both_sides_together():
    few = [(attack, None, mean, 200) for attack, _, mean, _ in DEV]
    gap = generalisation_gap(dev_trials(few), eval_trials(few), n_bootstrap=2000)
    both = np.hypot(width(gap.whole.before.eer_ci), width(gap.whole.after.eer_ci))
    assert width(gap.whole.ci) == pytest.approx(both, rel=0.15)


def test_chance_finds_a_gap_no_more_often_than_it_says():
    few = [(None, None, 1.5, 100), ("a", None, 0.0, 100)]
    found = [
        generalisation_gap(dev_trials(few, seed=seed), eval_trials(few, seed=seed), n_bootstrap=200).whole.p
        for seed in range(200)
    ]
    assert 1 <= sum(there(p) < 0.05 for p in found) <= 22


def test_no_bootstrap_no_intervals_and_the_seed_is_all_there_is_to_chance():
    evaluation = eval_trials([*DEV, ("c", None, 2.0, N)])
    bare = generalisation_gap(dev_trials(), evaluation, n_bootstrap=0)
    assert {shift.ci for shift in bare.chain} == {shift.p for shift in bare.chain} == {None}
    first, again, other = (
        generalisation_gap(dev_trials(), evaluation, n_bootstrap=50, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.whole.ci != other.whole.ci
    assert json.loads(json.dumps(first.to_json(), allow_nan=False))["whole"]["value"] == first.whole.value


def test_speakers_that_return_and_another_mix_of_attacks_are_said():
    dev = dev_trials(speaker=pl.Series(["anna", "ben", "carl"] * N))
    evaluation = eval_trials([*DEV[:2], ("b", None, -1.0, N // 10)], speaker=pl.Series(["anna"] * (2 * N + N // 10)))
    said = " ".join(generalisation_gap(dev, evaluation, n_bootstrap=0).not_separated)
    assert "on dev and on eval: 1;" in said
    assert "other shares on eval" in said
    plain = " ".join(generalisation_gap(dev_trials(), eval_trials(DEV), n_bootstrap=0).not_separated)
    assert "speakers are not told" in plain
    assert "other shares" not in plain


def test_two_systems_and_trials_on_both_sides_are_refused():
    with pytest.raises(ScoreError, match="one system"):
        generalisation_gap(dev_trials(system="aasist"), eval_trials(DEV, system="rawnet"), n_bootstrap=0)
    with pytest.raises(ScoreError, match="on dev and on eval"):
        generalisation_gap(dev_trials(), dev_trials(), n_bootstrap=0)
