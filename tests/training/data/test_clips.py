"""What is heard at a position: the same crop from a file or a store, on any number of workers, in any batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from made_corpus import write_folder_corpus
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.data.batches import Plan, Position, SamplingConfig, StepBatches
from moe_mamba_asv.training.data.cache import open_store
from moe_mamba_asv.training.data.clips import Clips, collate
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.types import Partition


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    root = write_folder_corpus(tmp_path_factory.mktemp("corpus"))
    train, dev = (read_corpus("folder", root=root, partition=part) for part in (Partition.TRAIN, Partition.DEV))
    return Mixture([train, dev])


def same(one: Batch, other: Batch) -> bool:
    return all(map(torch.equal, one.tensors(), other.tensors()))


def test_crops_move_with_the_step_in_training_and_stand_still_on_dev(mixture: Mixture) -> None:
    moving, still = Clips(mixture, 4000, seed=0), Clips(mixture, 4000, seed=None)
    assert not moving[0, 0].waveform.equal(moving[1, 0].waveform)
    assert moving[1, 0].waveform.equal(moving[1, 0].waveform)
    assert still[0, 0].waveform.equal(still[1, 0].waveform)
    path = mixture.table["path"][0]
    np.testing.assert_array_equal(still[0, 0].waveform.numpy(), load_16k(Path(path))[:4000])


def test_a_crop_starts_where_it_always_did(mixture: Mixture) -> None:
    whole = load_16k(Path(mixture.table["path"][3]))
    start = np.random.default_rng([5, 7, 3]).integers(len(whole) - 4000 + 1)
    np.testing.assert_array_equal(
        Clips(mixture, 4000, seed=5)[7, 3].waveform.numpy(), whole[start : start + 4000], strict=True
    )


def test_a_crop_may_start_at_either_end(mixture: Mixture) -> None:
    whole = load_16k(Path(mixture.table["path"][0]))
    clips = Clips(mixture, len(whole) - 1, seed=0)
    assert {clips[step, 0].waveform[0].item() for step in range(20)} == {whole[0], whole[1]}


def test_a_step_may_want_a_shorter_crop_but_no_longer_one(mixture: Mixture) -> None:
    clips = Clips(mixture, 4000, seed=0)
    assert len(clips[Position(0, 0, 3000)].waveform) == 3000
    assert len(clips[Position(0, 0, 9000)].waveform) == 4000
    short = Clips(mixture, 64_600, seed=0)[Position(0, 0, 16_000)].waveform
    assert short[:6400].equal(short[9600:])  # 9,600 samples, repeated


def test_a_batch_knows_what_its_clips_are(mixture: Mixture) -> None:
    clips = Clips(mixture, 100, seed=0)
    table = mixture.table.with_row_index("row")
    rows = [table.filter(label=label, domain=domain)["row"][0] for domain in (0, 1) for label in ("bonafide", "spoof")]
    batch = collate([clips[0, row] for row in rows])
    assert mixture.attack_names == ("folder#2/buzz", "folder/buzz")
    assert batch.waveforms.shape == (4, 100)
    assert batch.labels.tolist() == [1, 0, 1, 0]
    assert batch.rows.tolist() == rows
    assert batch.attacks.tolist() == [0, 2, 0, 1]
    assert batch.domains.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("num_samples", [4000, 9600, 16_000])
def test_the_workers_and_the_store_change_nothing(mixture: Mixture, tmp_path: Path, num_samples: int) -> None:
    store = open_store(mixture.table, tmp_path)
    config = SamplingConfig(balance="class", bucket_by_duration=True)
    plan = Plan(mixture.with_durations(store.duration_s), config, batch_size=8, crops_per_clip=1, seed=1)

    def batches(workers: int, kept: bool) -> list[Batch]:
        clips = Clips(mixture, num_samples, seed=1, store=store if kept else None)
        steps = StepBatches(plan, 3, 6, accumulate=2)
        return list(DataLoader(clips, batch_sampler=steps, num_workers=workers, collate_fn=collate))

    plain = batches(0, kept=False)
    assert len(plain) == 6
    for workers, kept in [(2, False), (0, True), (2, True)]:
        assert all(map(same, plain, batches(workers, kept)))


def test_a_store_of_other_clips_is_refused(mixture: Mixture, tmp_path: Path) -> None:
    store = open_store(mixture.table.reverse(), tmp_path)
    with pytest.raises(TrainingError, match="of other files"):
        Clips(mixture, 100, seed=0, store=store)
