"""Clusters are found and frames fall to the nearest; the loss counts hidden frames, and others by their weight."""

import math

import numpy as np
import pytest
import torch

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.pretrain.objective import majority_share, masked_prediction
from moe_mamba_asv.training.pretrain.targets import MelFeatures, fit_centres, nearest_centre


def test_clusters_that_lie_apart_are_found() -> None:
    random = torch.Generator().manual_seed(0)
    middles = 1000 + 20 * torch.randn(8, 5, generator=random)  # far from zero, and near to each other for that
    frames = middles.repeat(50, 1) + 0.1 * torch.randn(400, 5, generator=random)
    for seed in range(5):
        centres = fit_centres(frames, 8, np.random.default_rng(seed))
        distances = torch.cdist(centres.double(), middles.double())
        assert sorted(distances.argmin(1).tolist()) == list(range(8))
        assert distances.min(1).values.max() < 0.1


def test_a_frame_falls_to_the_nearest_centre() -> None:
    random = torch.Generator().manual_seed(1)
    frames, centres = torch.randn(3, 40, 6, generator=random), torch.randn(9, 6, generator=random)
    wanted = torch.cdist(frames, centres.expand(3, -1, -1)).argmin(-1)
    assert torch.equal(nearest_centre(frames, centres), wanted)


def test_more_clusters_than_distinct_frames_are_refused() -> None:
    with pytest.raises(TrainingError, match="of which 2 are distinct"):
        fit_centres(torch.tensor([[1.0], [2.0]]).repeat(10, 1), 3, np.random.default_rng(0))


def test_mel_features_are_taken_in_the_middle_of_a_frame_whatever_the_level() -> None:
    click = 0.001 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    click[0, 8_000] = 1.0
    features = MelFeatures(lambda num_samples: 200 + 320.0 * torch.arange((num_samples - 400) // 320 + 1))
    found = features(click)
    assert found.shape == (1, 49, 40)
    # Frame 24 sees the samples 7,680 to 8,079, and frame 25 those from 8,000 on: only there is a click to be seen.
    assert set(found[0].mean(1).topk(2).indices.tolist()) <= {24, 25}
    torch.testing.assert_close(features(0.5 * click), found)


def test_hidden_frames_count_once_and_others_by_their_weight() -> None:
    random = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 6, 5, generator=random, requires_grad=True)
    targets = torch.randint(5, (2, 6), generator=random)
    mask = torch.tensor([[True, True, False, False, False, True], [False, False, True, False, False, False]])
    losses = -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    for weight in (0.0, 0.3):
        found = masked_prediction(logits, targets, mask, weight)
        torch.testing.assert_close(found.loss, losses[mask].mean() + weight * losses[~mask].mean())
        torch.testing.assert_close(found.masked_loss, losses[mask].mean())
        (gradient,) = torch.autograd.grad(found.loss, logits, retain_graph=True)
        assert bool(gradient[~mask].any()) == bool(weight)
        assert gradient[mask].any(1).all()
    right = (logits.argmax(-1) == targets)[mask]
    assert masked_prediction(logits, targets, mask, 0).accuracy == right.float().mean()


def test_a_clip_that_is_hidden_as_a_whole_has_a_loss() -> None:
    logits, targets = torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.long)
    loss = masked_prediction(logits, targets, torch.ones(1, 3, dtype=torch.bool), 1.0).loss
    assert loss.item() == pytest.approx(math.log(4))


def test_the_majority_is_the_share_of_the_most_frequent() -> None:
    assert majority_share(torch.tensor([3, 1, 3, 0, 3])) == pytest.approx(0.6)
