"""Mixup: clips and labels are mixed by the same shares, which the generator alone decides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from made_batch import made_batch
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.mixup import MixupConfig, mixup

EVEN = MixupConfig(alpha=1)


def told_apart(size: int) -> Batch:
    """Each clip is a 1 at a place of its own, so that a mixture tells its parts."""
    labels = [number % 2 for number in range(size)]
    attacks = [0 if label else 1 + number // 2 % 2 for number, label in enumerate(labels)]
    return made_batch(labels, attacks=attacks, domains=list(range(size)), waveforms=torch.eye(size))


@settings(deadline=None)  # the first call loads parts of PyTorch
@given(size=st.integers(1, 9), seed=st.integers(0, 999), alpha=st.floats(0.01, 10))
def test_labels_are_mixed_as_the_waveforms_are(size: int, seed: int, alpha: float) -> None:
    batch = told_apart(size)
    mixed = mixup(batch, MixupConfig(alpha=alpha), np.random.default_rng(seed))
    parts = mixed.waveforms
    assert (parts >= 0).all()
    torch.testing.assert_close(parts.sum(dim=1), torch.ones(size))
    torch.testing.assert_close(mixed.labels, parts @ batch.labels.float())
    assert ((parts > 0).sum(dim=1) <= 2).all()
    partners = parts.clone().fill_diagonal_(0)
    assert ((partners > 0).sum(dim=0) <= 1).all()  # nobody is a partner twice


def test_every_clip_has_a_share_of_its_own() -> None:
    shares = mixup(told_apart(64), EVEN, np.random.default_rng(0)).waveforms.diagonal()
    assert len(shares[shares < 1].unique()) == (shares < 1).sum() > 50


@pytest.mark.parametrize(("alpha", "wanted"), [(1.0, 1 / 12), (0.2, 1 / 5.6), (8.0, 1 / 68)])
def test_shares_have_the_variance_of_their_distribution(alpha: float, wanted: float) -> None:
    """Of Beta(a, a) it is 1 / (8 a + 4); of 4,000 draws it is off by less than 5 % in nearly all seeds."""
    partners = np.random.default_rng(1)
    pairs = made_batch([1, 0] * 4000, waveforms=torch.zeros(8000, 1))
    mixed = mixup(pairs, MixupConfig(alpha=alpha), partners).labels
    shares = mixed[(mixed > 0) & (mixed < 1)]
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(wanted, rel=0.05)


def test_rows_and_domains_stay_and_an_attack_that_both_have() -> None:
    batch = told_apart(8)
    mixed = mixup(batch, EVEN, np.random.default_rng(3))
    assert torch.equal(mixed.rows, batch.rows)
    assert torch.equal(mixed.domains, batch.domains)
    kept = set()
    for clip, parts in enumerate(mixed.waveforms):
        attacks = {int(batch.attacks[part]) for part in parts.nonzero().flatten()}
        wanted = attacks.pop() if len(attacks) == 1 else -1
        assert mixed.attacks[clip] == wanted
        kept.add(wanted)
    assert kept >= {-1, 0}


def test_soft_labels_can_be_mixed_again() -> None:
    batch, generator = told_apart(6), np.random.default_rng(0)
    again = mixup(mixup(batch, EVEN, generator), EVEN, generator)
    torch.testing.assert_close(again.labels, again.waveforms @ batch.labels.float())


def test_the_generator_alone_decides() -> None:
    def mixed(seed: int, elsewhere: int) -> torch.Tensor:
        torch.manual_seed(elsewhere)
        return mixup(told_apart(8), EVEN, np.random.default_rng(seed)).waveforms

    assert torch.equal(mixed(1, 0), mixed(1, 5))
    assert not torch.equal(mixed(1, 0), mixed(2, 0))


def test_the_batch_itself_is_left_alone() -> None:
    batch = told_apart(8)
    mixup(batch, EVEN, np.random.default_rng(0))
    assert torch.equal(batch.waveforms, torch.eye(8))
    assert not batch.labels.is_floating_point()


def test_a_share_needs_a_distribution() -> None:
    with pytest.raises(ValidationError, match="alpha"):
        MixupConfig(alpha=0)
