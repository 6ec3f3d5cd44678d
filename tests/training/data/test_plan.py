"""Which rows a step hears: whole epochs, exact shares, any step at once, the same on any number of devices."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_tables import corpus
from pydantic import ValidationError

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.data.batches import (
    POOL_STEPS,
    SHORTEST_CROP_SAMPLES,
    Plan,
    Position,
    SamplingConfig,
    StepBatches,
)
from moe_mamba_asv.training.data.decks import Balance, shares
from moe_mamba_asv.training.data.mixture import Mixture

SEEDS = st.integers(0, 2**32 - 1)
BALANCES = st.sampled_from(["none", "class", "attack"])
CONFIGS = st.builds(SamplingConfig, balance=BALANCES, bucket_by_duration=st.booleans())
ATTACKS = st.dictionaries(st.sampled_from(["A01", "A02", "A03", None]), st.integers(1, 9), min_size=1)


def timed(mixture: Mixture, seed: int = 0) -> Mixture:
    return mixture.with_durations(np.random.default_rng(seed).uniform(0.5, 8.0, len(mixture)))


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    corpora = [corpus(draw(st.integers(1, 12)), draw(ATTACKS)) for _ in range(draw(st.integers(1, 3)))]
    weight = st.lists(st.floats(0.05, 20), min_size=len(corpora), max_size=len(corpora))
    return timed(Mixture(corpora, draw(st.none() | weight)))


@st.composite
def plans(draw: st.DrawFn, multiple_of: int = 1) -> Plan:
    batch_size = multiple_of * draw(st.integers(1, 4))
    mixture, config = draw(mixtures()), draw(CONFIGS)
    return Plan(mixture, config, batch_size=batch_size, crops_per_clip=draw(st.integers(1, 3)), seed=draw(SEEDS))


def heard(plan: Plan, steps: range) -> list[int]:
    return [row for step in steps for row in plan.rows(step)]


def former_order(num_clips: int, crops_per_clip: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """As every run before there were plans."""
    num_crops = num_clips * crops_per_clip
    order = np.random.default_rng([seed, epoch]).permutation(num_crops) % num_clips
    batches = max(1, num_crops // batch_size)
    return [order[n * batch_size : (n + 1) * batch_size].tolist() for n in range(batches)]


@given(st.integers(2, 40), st.integers(1, 3), st.integers(1, 50), SEEDS, st.integers(0, 5))
def test_by_default_the_order_is_the_former_one(clips: int, crops: int, batch_size: int, seed: int, epoch: int) -> None:
    mixture = Mixture([corpus(1, {"A01": clips - 1})])
    plan = Plan(mixture, SamplingConfig(), batch_size=batch_size, crops_per_clip=crops, seed=seed)
    steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
    assert [plan.rows(step) for step in steps] == former_order(clips, crops, batch_size, seed, epoch)


def test_the_former_order_to_the_number() -> None:
    plan = Plan(Mixture([corpus(2, {"A01": 3})]), SamplingConfig(), batch_size=3, crops_per_clip=2, seed=7)
    assert [plan.rows(step) for step in (6, 7, 8)] == [[1, 0, 3], [4, 1, 4], [0, 3, 2]]


@given(mixtures(), st.integers(1, 3), st.integers(1, 9), st.booleans(), SEEDS, st.integers(0, 3))
def test_a_plain_epoch_hears_every_row_as_often_as_stated(
    mixture: Mixture, crops: int, batch_size: int, bucket: bool, seed: int, epoch: int
) -> None:
    mixture.weights = None
    config = SamplingConfig(bucket_by_duration=bucket)
    plan = Plan(mixture, config, batch_size=batch_size, crops_per_clip=crops, seed=seed)
    times = Counter(heard(plan, range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)))
    left_out = len(mixture) * crops % plan.batch_size
    assert times.total() == len(mixture) * crops - left_out
    assert max(times.values()) <= crops
    if not left_out:
        assert times == dict.fromkeys(range(len(mixture)), crops)


@given(plans(), st.integers(0, 10**6))
def test_any_step_is_known_without_those_before_it(plan: Plan, step: int) -> None:
    alone = plan.rows(step)
    assert len(alone) == plan.batch_size
    heard(plan, range(max(0, step - 70), step))
    assert plan.rows(step) == alone


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000), st.data())
def test_devices_and_micro_batches_share_out_the_rows_of_a_step(
    world: int, accumulate: int, step: int, data: st.DataObject
) -> None:
    plan = data.draw(plans(multiple_of=world * accumulate).filter(lambda p: p.batch_size % (world * accumulate) == 0))
    ranks = [list(StepBatches(plan, step, step + 2, rank, world, accumulate)) for rank in range(world)]
    assert {len(batches) for batches in ranks} == {2 * accumulate}
    assert {len(batch) for batches in ranks for batch in batches} == {plan.batch_size // (world * accumulate)}
    for number in range(2):
        own = slice(number * accumulate, (number + 1) * accumulate)
        shared_out = [position for batches in ranks for batch in batches[own] for position in batch]
        assert sorted(position.row for position in shared_out) == sorted(plan.rows(step + number))
        assert {(p.step, p.longest_crop) for p in shared_out} == {(step + number, plan.longest_crop(step + number))}


def test_a_device_begins_anywhere() -> None:
    plan = Plan(
        Mixture([corpus(9, {"A01": 30})]), SamplingConfig(balance="class"), batch_size=8, crops_per_clip=1, seed=0
    )
    whole = list(StepBatches(plan, 0, 20, rank=1, world=2, accumulate=2))
    later = StepBatches(plan, 13, 20, rank=1, world=2, accumulate=2)
    assert len(later) == 14
    assert list(later) == whole[26:]


@given(mixtures(), st.integers(1, 12), st.booleans(), SEEDS, st.integers(0, 200))
def test_classes_are_even_in_every_batch(mixture: Mixture, batch_size: int, bucket: bool, seed: int, step: int) -> None:
    config = SamplingConfig(balance="class", bucket_by_duration=bucket)
    plan = Plan(mixture, config, batch_size=batch_size, crops_per_clip=1, seed=seed)
    bonafide = (mixture.table["label"] == "bonafide").to_list()
    assert sum(bonafide[row] for row in plan.rows(step)) in {batch_size // 2, (batch_size + 1) // 2}


@given(ATTACKS, st.integers(1, 30), st.booleans(), SEEDS, st.integers(0, 200))
def test_attacks_are_even_in_every_batch(
    attacks: dict[str | None, int], half_batch: int, bucket: bool, seed: int, step: int
) -> None:
    mixture = timed(Mixture([corpus(5, attacks)]))
    config = SamplingConfig(balance="attack", bucket_by_duration=bucket)
    plan = Plan(mixture, config, batch_size=2 * half_batch, crops_per_clip=1, seed=seed)
    of_row = mixture.table["attack_index"].to_list()
    times = Counter(of_row[row] for row in plan.rows(step))
    assert times.pop(0) == half_batch
    fewest = half_batch // len(attacks)
    assert all(times[attack] in {fewest, fewest + 1} for attack in set(of_row) - {0})


@given(mixtures(), BALANCES, st.integers(1, 9), SEEDS)
def test_a_deck_is_dealt_out_before_it_is_shuffled_anew(
    mixture: Mixture, balance: Balance, batch_size: int, seed: int
) -> None:
    plan = Plan(mixture, SamplingConfig(balance=balance), batch_size=batch_size, crops_per_clip=1, seed=seed)
    by = [name for name, told in (("label", balance != "none"), ("domain", mixture.weights)) if told]
    by += ["attack_index"] if balance == "attack" else []
    assume(by)  # without, epochs are whole, and leave out what fills no batch
    deck_of = mixture.table.select(by).rows()
    sizes, dealt = Counter(deck_of), {}
    for row in heard(plan, range(30)):
        dealt.setdefault(deck_of[row], []).append(row)
    for deck, rows in dealt.items():
        rounds = [rows[n : n + sizes[deck]] for n in range(0, len(rows), sizes[deck])]
        assert all(len(set(one)) == len(one) for one in rounds)


def test_rounds_and_seeds_differ() -> None:
    mixture = Mixture([corpus(20, {"A01": 20})])
    plan, other = (
        Plan(mixture, SamplingConfig(balance="class"), batch_size=40, crops_per_clip=1, seed=seed) for seed in (0, 1)
    )
    assert plan.rows(0) != plan.rows(1)
    assert plan.rows(0) != other.rows(0)
    one_class, other_class = plan.rows(0)[:20], plan.rows(0)[20:]
    assert [row % 20 for row in one_class] != [row % 20 for row in other_class]


@given(st.lists(st.floats(0.05, 20), min_size=2, max_size=4), st.integers(1, 8), SEEDS)
def test_corpora_are_heard_by_weight(weights: list[float], batch_size: int, seed: int) -> None:
    mixture = Mixture([corpus(3, {"A01": 4}) for _ in weights], weights)
    plan = Plan(mixture, SamplingConfig(), batch_size=batch_size, crops_per_clip=1, seed=seed)
    domains = np.bincount(mixture.table["domain"].to_numpy()[heard(plan, range(100))], minlength=len(weights))
    wanted = np.array(weights) / sum(weights) * 100 * batch_size
    # Each corpus takes its share of what those before it have left, so their roundings add up.
    assert np.abs(domains - wanted).max() < len(weights)


def test_a_corpus_without_a_class_leaves_it_to_the_others() -> None:
    mixture = Mixture([corpus(3, {"A01": 4}), corpus(5, {}, "folder")], [1, 3])
    plan = Plan(mixture, SamplingConfig(balance="class"), batch_size=16, crops_per_clip=1, seed=0)
    table = mixture.table[plan.rows(5)]
    assert table.group_by("label", "domain").len().sort("label", "domain").rows() == [
        ("bonafide", 0, 2),
        ("bonafide", 1, 6),
        ("spoof", 0, 8),
    ]


@given(st.integers(0, 10**7), st.lists(st.fractions(Fraction(1, 100), 10), min_size=1, max_size=6))
def test_shares_add_up_and_never_fall(count: int, weights: list[Fraction]) -> None:
    before, after = shares(count, weights), shares(count + 1, weights)
    assert sum(before) == count
    assert sorted(b - a for a, b in zip(before, after, strict=True)) == [0] * (len(weights) - 1) + [1]


def test_buckets_hold_clips_of_similar_duration_in_no_order_of_it() -> None:
    mixture = timed(Mixture([corpus(200, {"A01": 1000})]))
    duration_s = mixture.table["duration_s"].to_numpy()
    for balance in ("none", "class"):
        plain, bucketed = (
            Plan(mixture, SamplingConfig(balance=balance, bucket_by_duration=b), batch_size=8, crops_per_clip=1, seed=0)
            for b in (False, True)
        )
        spread = [np.mean([np.ptp(duration_s[p.rows(step)]) for step in range(150)]) for p in (plain, bucketed)]
        assert spread[1] < 0.2 * spread[0]
        longest = [duration_s[bucketed.rows(step)].max() for step in range(POOL_STEPS)]
        assert abs(np.corrcoef(longest, range(POOL_STEPS))[0, 1]) < 0.5
        # One epoch hears what it hears without buckets.
        assert sorted(heard(bucketed, range(150, 300))) == sorted(heard(plain, range(150, 300)))


def test_crops_are_no_longer_than_the_longest_clip_of_their_step() -> None:
    seconds = [0.1] * 4 + [2.0, 2.5, 2.2, 2.1] + [9.0] * 4
    mixture = Mixture([corpus(6, {"A01": 6}, durations_s=seconds)])
    config = SamplingConfig(bucket_by_duration=True)
    plan = Plan(mixture, config, batch_size=4, crops_per_clip=1, seed=0)
    longest = sorted(plan.longest_crop(step) or 0 for step in range(3))
    assert longest == [SHORTEST_CROP_SAMPLES, 40_000, 144_000]
    plain = Plan(mixture, SamplingConfig(), batch_size=4, crops_per_clip=1, seed=0)
    assert plain.longest_crop(0) is None
    assert next(iter(StepBatches(plain, 0, 1)))[0] == Position(0, plain.rows(0)[0], None)


@pytest.mark.parametrize("unusable", [None, "", "nan", "inf", "0", "-1"])
def test_buckets_need_every_duration(unusable: str | None) -> None:
    seconds = corpus(1, {"A01": 1}, durations_s=[1.0, 1.0])
    table = seconds.table.with_columns(duration_s=np.array(["1.0", unusable], object))
    mixture = Mixture([type(seconds)("manifest", table)])
    with pytest.raises(TrainingError, match="1 of 2 clips without one"):
        Plan(mixture, SamplingConfig(bucket_by_duration=True), batch_size=2, crops_per_clip=1, seed=0)


@pytest.mark.parametrize(("batch_size", "world", "accumulate"), [(4, 2, 4), (6, 4, 1), (6, 1, 4)])
def test_a_batch_that_cannot_be_shared_out_is_refused(batch_size: int, world: int, accumulate: int) -> None:
    plan = Plan(Mixture([corpus(9, {"A01": 9})]), SamplingConfig(), batch_size=batch_size, crops_per_clip=1, seed=0)
    with pytest.raises(TrainingError, match=f"multiple of {world * accumulate}"):
        StepBatches(plan, 0, 1, 0, world, accumulate)


def test_a_corpus_of_less_than_a_batch_is_one_short_batch_for_one_device() -> None:
    plan = Plan(Mixture([corpus(2, {"A01": 3})]), SamplingConfig(), batch_size=8, crops_per_clip=1, seed=0)
    assert (plan.steps_per_epoch, sorted(plan.rows(4))) == (1, [0, 1, 2, 3, 4])
    assert len(next(iter(StepBatches(plan, 4, 5)))) == 5
    with pytest.raises(TrainingError, match="5 clips a step for 2 devices"):
        StepBatches(plan, 0, 1, world=2)


@pytest.mark.parametrize("balance", ["class", "attack"])
def test_a_balance_of_one_class_is_refused(balance: Balance) -> None:
    with pytest.raises(TrainingError, match="of spoof clips alone"):
        Plan(Mixture([corpus(0, {"A01": 3})]), SamplingConfig(balance=balance), batch_size=2, crops_per_clip=1, seed=0)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        SamplingConfig.model_validate({"balance": "speaker"})
