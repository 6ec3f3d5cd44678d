"""Kept features: what a front-end would answer, for these weights and no others, and never half of it."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from made_batch import made_batch
from made_corpus import write_folder_corpus
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import AudioError, ConfigError, TrainingError
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn, SpectralLcnnConfig
from moe_mamba_asv.training.adversarial import FgmConfig, adversarial_terms
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.config import TrainingConfig
from moe_mamba_asv.training.data import feature_build, features
from moe_mamba_asv.training.data.batches import Position
from moe_mamba_asv.training.data.cache import open_store
from moe_mamba_asv.training.data.clips import Clips, collate
from moe_mamba_asv.training.data.features import FixedStore, open_features
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.training.dev import Dev
from moe_mamba_asv.training.learner import Learner
from moe_mamba_asv.training.losses.objective import ObjectiveConfig
from moe_mamba_asv.training.mixup import MixupConfig, mixup
from moe_mamba_asv.types import Partition
from tiny_ssl import save_tiny

NUM_SAMPLES = 4_000
SINC = {"kind": "sincnet", "num_filters": 12, "channels": [4, 4, 4]}
CROSS_ENTROPY = ObjectiveConfig.model_validate({"loss": {"kind": "cross-entropy"}})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"), "wavlm-stable")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"), clips=5)


@pytest.fixture(scope="module")
def mixture(root: Path) -> Mixture:
    """10 clips of 9,600 samples."""
    return Mixture([read_corpus("folder", root=root, partition=Partition.TRAIN)])


@pytest.fixture(autouse=True)
def parts_of_three_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_build, "_PART_CLIPS", 3)


def built(*frontends: dict[str, Any], seed: int = 0) -> Countermeasure:
    parts = {
        "frontends": frontends,
        "width": 8,
        "fusion": {"kind": "gated"} if len(frontends) == 2 else None,
        "backend": {"kind": "bimamba", "num_blocks": 1},
        "pooling": {"kind": "mean"},
        "head": {"kind": "linear"},
    }
    torch.manual_seed(seed)
    return Countermeasure(CountermeasureConfig.model_validate(parts)).eval()


def ssl(source: Path, **options: Any) -> dict[str, Any]:
    return {"kind": "ssl", "source": str(source), "layers": "weighted", **options}


def cascade(source: Path) -> dict[str, Any]:
    return {"kind": "cascade", "width": 6, "ssl": ssl(source, layers=[1, 3], trainable=(2, 2))}


#: The front-ends of a model, and how many tensors are kept of a clip.
MODELS: dict[str, tuple[Callable[[Path], list[dict[str, Any]]], int]] = {
    "frozen": (lambda source: [ssl(source)], 5),
    "top layers trained": (lambda source: [ssl(source, trainable=(2, 3))], 3),
    "all adapted": (lambda source: [ssl(source, lora={"rank": 2})], 1),
    "cascade": (lambda source: [cascade(source)], 2),
    "ssl and sinc": (lambda source: [ssl(source, trainable=(3, 3)), SINC], 4),
    "sinc and ssl": (lambda source: [SINC, ssl(source, layers="last")], 1),
    "two ssl": (lambda source: [ssl(source, num_layers=1), ssl(source, trainable=(1, 3))], 4),
}


def whole_batch(clips: Clips) -> Batch:
    return collate([clips[0, row] for row in range(len(clips))])


def close(one: Tensor, other: Tensor) -> bool:
    """Within 1e-5, as products of matrices round with their sizes."""
    return bool((one - other).norm() <= 1e-5 * other.norm())


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_from_features_what_it_answers_from_waveforms(
    name: str, tiny: Path, mixture: Mixture, tmp_path: Path
) -> None:
    frontends, num_kept = MODELS[name]
    model = built(*frontends(tiny))
    kept = open_features(model, mixture, NUM_SAMPLES, tmp_path, batch_size=2)
    batch = whole_batch(Clips(mixture, NUM_SAMPLES, seed=3, features=kept))
    assert len(batch.fixed) == num_kept
    for one, other in zip(batch.fixed, model.fixed(batch.waveforms), strict=True):
        assert close(one, other)
    assert close(model(*batch.inputs).score, model(batch.waveforms).score)
    assert close(model.frames(batch.waveforms, batch.fixed)[0], model.frames(batch.waveforms)[0])


def test_only_what_hears_the_waveforms_needs_them(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    deaf, dual = built(ssl(tiny, trainable=(3, 3))), built(ssl(tiny), SINC)
    for model, is_heard in ((deaf, False), (dual, True)):
        kept = open_features(model, mixture, NUM_SAMPLES, tmp_path)
        batch = whole_batch(Clips(mixture, NUM_SAMPLES, seed=None, features=kept))
        silent = model(torch.zeros_like(batch.waveforms), batch.fixed).score
        assert torch.equal(silent, model(*batch.inputs).score) != is_heard


@pytest.mark.parametrize("name", MODELS)
def test_gradients_reach_what_is_trained_as_they_do_without(
    name: str, tiny: Path, mixture: Mixture, tmp_path: Path
) -> None:
    model = built(*MODELS[name][0](tiny))
    kept = open_features(model, mixture, NUM_SAMPLES, tmp_path)
    config = TrainingConfig.model_validate(
        {
            **dict.fromkeys(["batch_size", "epochs"], 1),
            **dict.fromkeys(["learning_rate", "min_learning_rate", "weight_decay"], 1e-3),
            "objective": {"loss": {"kind": "cross-entropy"}},
        }
    )
    learner = Learner(model, config).eval()
    gradients: list[dict[str, Tensor]] = []
    for one in (kept, None):
        learner.zero_grad()
        batch = whole_batch(Clips(mixture, NUM_SAMPLES, seed=None, features=one))
        learner(*batch.tensors())["loss"].backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(gradient.isfinite().all() for gradient in gradients[0].values())
    total = [torch.cat([gradient.flatten() for gradient in found.values()]) for found in gradients]
    assert (total[0] - total[1]).norm() <= 1e-4 * total[1].norm()


def test_frozen_layers_are_not_run_again(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    model = built(ssl(tiny, trainable=(3, 3)))
    kept = open_features(model, mixture, NUM_SAMPLES, tmp_path)
    ran: list[int] = []
    for number, layer in enumerate(model.streams()[0].get_submodule("layers").children()):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    batch = whole_batch(Clips(mixture, NUM_SAMPLES, seed=None, features=kept))
    model(*batch.inputs)
    assert ran == [3]
    open_features(model, mixture, NUM_SAMPLES, tmp_path)
    assert ran == [3]


def test_dev_scores_what_it_scores_without(tiny: Path, root: Path, tmp_path: Path) -> None:
    held_out = Mixture([read_corpus("folder", root=root, partition=Partition.DEV)])
    model = built(ssl(tiny), SINC)
    kept = open_features(model, held_out, NUM_SAMPLES, tmp_path)
    fabric = lightning.Fabric(accelerator="cpu", devices=1)
    scores = []
    for one in (kept, None):
        clips = Clips(held_out, NUM_SAMPLES, seed=None, features=one)
        scores.append(torch.from_numpy(Dev(fabric, held_out, clips, batch_size=4, workers=0).score(model).scores))
    assert close(*scores)


def test_fgm_moves_frames_made_of_features(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    model = built(ssl(tiny))
    kept = open_features(model, mixture, NUM_SAMPLES, tmp_path)
    batch = whole_batch(Clips(mixture, NUM_SAMPLES, seed=None, features=kept))
    model.streams()[0].get_submodule("input").register_forward_hook(lambda *_: pytest.fail("the front-end has heard"))
    _, terms = adversarial_terms(model, batch, CROSS_ENTROPY, FgmConfig(epsilon=0.1))
    assert terms["adversarial"] > terms["cross_entropy"]


CHANGES: dict[str, dict[str, Any]] = {
    "which layers are chosen": {"layers": "last"},
    "how many layers there are": {"num_layers": 3},
    "what is trained": {"trainable": (3, 3)},
    "what is adapted": {"lora": {"layers": (3, 3)}},
    "precision": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_front_end_has_its_own_features(change: str, tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    before = open_features(built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path)
    after = open_features(built(ssl(tiny, **CHANGES[change])), mixture, NUM_SAMPLES, tmp_path)
    assert after.folder != before.folder


def test_weights_that_stay_make_the_folder_and_weights_that_move_do_not(
    tiny: Path, mixture: Mixture, tmp_path: Path
) -> None:
    def folder_of(change: Callable[[dict[str, Tensor]], object]) -> Path:
        model = built(ssl(tiny, trainable=(2, 3)), SINC)
        with torch.no_grad():
            change(dict(model.named_parameters()))
        return open_features(model, mixture, NUM_SAMPLES, tmp_path).folder

    stays, moves = "frontends.0.layers.1.layer_norm.weight", "frontends.0.layers.2.layer_norm.weight"
    before = folder_of(lambda weights: None)
    assert folder_of(lambda weights: weights[stays][0].mul_(1.001)) != before
    assert folder_of(lambda weights: weights[moves].requires_grad_(False)) != before
    for name in (moves, "frontends.0.mix.logits", "frontends.1.bank.low_logits", "projections.0.weight"):
        assert folder_of(lambda weights, name=name: weights[name].add_(1)) == before


def test_freezing_all_by_hand_keeps_all(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    model = built(ssl(tiny, trainable=(1, 3)))
    assert len(open_features(model, mixture, NUM_SAMPLES, tmp_path).of(0)) == 2
    model.frontends.requires_grad_(False)
    assert len(open_features(model, mixture, NUM_SAMPLES, tmp_path).of(0)) == 5


def test_other_files_and_other_lengths_have_their_own(tiny: Path, root: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(root, tmp_path / "corpus")
    model = built(ssl(tiny))

    def kept(num_samples: int = NUM_SAMPLES) -> FixedStore:
        train = Mixture([read_corpus("folder", root=copied, partition=Partition.TRAIN)])
        return open_features(model, train, num_samples, tmp_path / "kept")

    first = kept()
    assert kept().folder == first.folder
    assert kept(5_000).folder != first.folder
    wav = next((copied / "train").rglob("*.flac"))
    os.utime(wav, (1, 1))
    assert kept().folder != first.folder


def test_a_short_clip_is_repeated(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    model = built(ssl(tiny))
    kept = open_features(model, mixture, 12_000, tmp_path)
    clip = Clips(mixture, 12_000, seed=1, features=kept)[5, 4]
    assert clip.waveform[9_600:].equal(clip.waveform[:2_400])
    assert close(clip.fixed[-1], model.fixed(clip.waveform[None])[-1][0])


def test_crops_with_features_are_of_the_first_samples_in_training_too(
    tiny: Path, mixture: Mixture, tmp_path: Path
) -> None:
    kept = open_features(built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path)
    still, store = Clips(mixture, NUM_SAMPLES, seed=None), open_store(mixture.table, tmp_path)
    for clips in (Clips(mixture, NUM_SAMPLES, seed=1, store=one, features=kept) for one in (None, store)):
        assert all(clips[step, 2].waveform.equal(still[0, 2].waveform) for step in range(5))
    with pytest.raises(TrainingError, match="bucket_by_duration=false"):
        Clips(mixture, NUM_SAMPLES, seed=1, features=kept)[Position(0, 0, 3_000)]
    assert len(Clips(mixture, NUM_SAMPLES, seed=1, features=kept)[Position(0, 0, 9_000)].waveform) == NUM_SAMPLES
    with pytest.raises(TrainingError, match=r"4000 samples beside crops of 5000"):
        Clips(mixture, 5_000, seed=1, features=kept)


def test_features_of_other_clips_are_refused(tiny: Path, root: Path, mixture: Mixture, tmp_path: Path) -> None:
    other = Mixture([read_corpus("folder", root=root, partition=Partition.DEV)])
    with pytest.raises(TrainingError, match="of other files"):
        open_features(
            built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path, store=open_store(other.table, tmp_path / "other")
        )
    kept = open_features(built(ssl(tiny)), other, NUM_SAMPLES, tmp_path)
    with pytest.raises(TrainingError, match="of other files"):
        Clips(mixture, NUM_SAMPLES, seed=0, features=kept)


def test_features_travel_by_name_and_come_back_from_workers(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    kept = open_features(built(ssl(tiny), SINC), mixture, NUM_SAMPLES, tmp_path)
    assert len(kept) == 10
    packed = pickle.dumps(kept)
    assert len(packed) < 1000
    assert all(map(torch.equal, pickle.loads(packed).of(7), kept.of(7)))
    clips = Clips(mixture, NUM_SAMPLES, seed=0, features=kept)
    sampled = [[Position(0, row) for row in rows] for rows in ((9, 0), (4, 3))]
    for workers in (0, 2):
        batches = list(DataLoader(clips, batch_sampler=sampled, num_workers=workers, collate_fn=collate))
        assert [batch.rows.tolist() for batch in batches] == [[9, 0], [4, 3]]
        for batch in batches:
            for place, row in enumerate(batch.rows.tolist()):
                assert all(map(torch.equal, (tensor[place] for tensor in batch.fixed), kept.of(row)))


def test_a_change_to_what_was_handed_out_changes_no_store(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    kept = open_features(built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path)
    before = kept.of(1)[0].clone()
    kept.of(1)[0].zero_()
    assert kept.of(1)[0].equal(before)


def test_a_batch_is_taken_apart_and_put_together() -> None:
    fixed = (torch.rand(2, 3, 4), torch.rand(2, 5))
    plain = made_batch([0, 1])
    batch = Batch.of(*plain.tensors(), *fixed)
    assert batch.fixed == fixed
    assert len(batch.tensors()) == 7
    assert all(map(torch.equal, Batch.of(*batch.tensors()).tensors(), batch.tensors()))
    assert {tensor.device.type for tensor in batch.to(torch.device("meta")).tensors()} == {"meta"}
    assert Batch.of(*plain.tensors()).inputs == (plain.waveforms,)


def test_mixed_clips_have_no_features() -> None:
    batch = Batch.of(*made_batch([0, 1]).tensors(), torch.rand(2, 3))
    with pytest.raises(TrainingError, match=r"training\.mixup=null"):
        mixup(batch, MixupConfig(), np.random.default_rng(0))


def test_a_model_that_goes_on_from_elsewhere_is_refused(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    kept = open_features(built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path)
    batch = whole_batch(Clips(mixture, NUM_SAMPLES, seed=0, features=kept))
    for model in (built(ssl(tiny, trainable=(3, 3))), built(SINC)):
        with pytest.raises(ConfigError, match="5 kept tensors"):
            model(*batch.inputs)


def test_where_nothing_stays_fixed_there_is_nothing_to_keep(mixture: Mixture, tmp_path: Path) -> None:
    for model in (built(SINC), SpectralLcnn(SpectralLcnnConfig())):
        with pytest.raises(TrainingError, match="without kept features"):
            open_features(model, mixture, NUM_SAMPLES, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_clip_shorter_than_a_frame_is_refused_before_anything_is_built(
    tiny: Path, mixture: Mixture, tmp_path: Path
) -> None:
    store = open_store(mixture.table, tmp_path)
    with pytest.raises(AudioError, match="300 samples"):
        open_features(built(ssl(tiny)), mixture, 300, tmp_path, store=store)
    assert list(tmp_path.iterdir()) == [store.folder]


def test_all_files_that_cannot_be_decoded_are_named(tiny: Path, root: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(root, tmp_path / "corpus")
    train = Mixture([read_corpus("folder", root=copied, partition=Partition.TRAIN)])
    broken = [Path(train.table["path"][row]) for row in (1, 8)]
    for path in broken:
        path.write_bytes(b"not a sound")
    with pytest.raises(TrainingError, match="2 of 10 files") as raised:
        open_features(built(ssl(tiny)), train, NUM_SAMPLES, tmp_path / "kept")
    assert all(str(path) in str(raised.value) for path in broken)
    assert list((tmp_path / "kept").iterdir()) == []


def test_too_little_room_is_said_before_anything_is_written(
    tiny: Path, mixture: Mixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(mixture.table, tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(TrainingError, match="features of 10 clips take"):
        open_features(built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path, store=store)
    assert list(tmp_path.iterdir()) == [store.folder]


@pytest.mark.parametrize("damage", ["cut", "grown", "no part", "no index", "broken index", "another index"])
def test_a_damaged_store_says_what_to_delete(damage: str, tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    model = built(ssl(tiny))
    folder = open_features(model, mixture, NUM_SAMPLES, tmp_path).folder
    part, index = folder / "1.f32", folder / "index.json"
    match damage:
        case "cut":
            os.truncate(part, part.stat().st_size - 4)
        case "grown":
            part.write_bytes(part.read_bytes() + b"more")
        case "no part":
            part.unlink()
        case "no index":
            index.unlink()
        case "broken index":
            index.write_text("{")
        case _:
            index.write_text("{}")
    with pytest.raises(TrainingError, match="delete that folder") as raised:
        open_features(model, mixture, NUM_SAMPLES, tmp_path)
    assert str(folder) in str(raised.value)


class _Stop(BaseException):
    """Not an error of the program: somebody pulled the plug."""


def test_an_interrupted_build_goes_on_where_it_was(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    model, store = built(ssl(tiny)), open_store(mixture.table, tmp_path / "decoded")
    calls: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == 7:
            raise _Stop

    options: dict[str, Any] = {"store": store, "batch_size": 1}
    with pytest.raises(_Stop):
        open_features(model, mixture, NUM_SAMPLES, tmp_path / "kept", **options, on_progress=stop)
    assert calls == [(number, 10) for number in range(1, 8)]
    (left,) = (tmp_path / "kept").iterdir()
    assert left.name.startswith(".building-")
    finished = sorted(path.name for path in left.iterdir())
    done = sum(1 if name == "3.f32" else 3 for name in finished)  # the last part has one clip
    assert 4 <= done < 7  # what was begun is not among it
    resumed: list[int] = []
    kept = open_features(
        model, mixture, NUM_SAMPLES, tmp_path / "kept", **options, on_progress=lambda n, _: resumed.append(n)
    )
    assert resumed == list(range(done + 1, 11))
    assert list((tmp_path / "kept").iterdir()) == [kept.folder]
    whole = open_features(model, mixture, NUM_SAMPLES, tmp_path / "whole", **options)
    assert {path.name: path.read_bytes() for path in kept.folder.iterdir()} == {
        path.name: path.read_bytes() for path in whole.folder.iterdir()
    }


def test_parts_that_another_process_publishes_first_are_taken(tiny: Path, mixture: Mixture, tmp_path: Path) -> None:
    """The other one does all of it while this one computes its second clip; nothing of this one is left."""
    model, store = built(ssl(tiny)), open_store(mixture.table, tmp_path / "decoded")
    calls: list[int] = []

    def overtake(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 2:
            open_features(model, mixture, NUM_SAMPLES, tmp_path / "kept", store=store, batch_size=1)

    kept = open_features(
        model, mixture, NUM_SAMPLES, tmp_path / "kept", store=store, batch_size=1, on_progress=overtake
    )
    assert len(calls) <= 4  # the part of one clip may have come first, then one part to its end
    assert list((tmp_path / "kept").iterdir()) == [kept.folder]
    assert close(kept.of(9)[-1], model.fixed(Clips(mixture, NUM_SAMPLES, seed=None)[0, 9].waveform[None])[-1][0])


def test_what_a_killed_build_left_serves_the_same_and_is_swept_up_by_another(
    tiny: Path, mixture: Mixture, tmp_path: Path
) -> None:
    store = open_store(mixture.table, tmp_path / "decoded")
    calls: list[int] = []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if done == 8:
            raise _Stop

    for _ in range(2):
        with pytest.raises(_Stop):
            open_features(
                built(ssl(tiny)), mixture, NUM_SAMPLES, tmp_path / "kept", store=store, batch_size=1, on_progress=stop
            )
        (left,) = (tmp_path / "kept").iterdir()
        for path in (left, *left.iterdir()):
            os.utime(path, (0, 0))  # the second time it is wanted, however old
    assert calls.count(1) == 1
    other = open_features(built(ssl(tiny, layers="last")), mixture, NUM_SAMPLES, tmp_path / "kept", store=store)
    assert list((tmp_path / "kept").iterdir()) == [other.folder]


BUILD = """
import sys
from pathlib import Path
import test_features
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.training.data import feature_build
from moe_mamba_asv.training.data.cache import open_store
from moe_mamba_asv.training.data.features import open_features
from moe_mamba_asv.training.data.mixture import Mixture
tiny, root, folder = map(Path, sys.argv[1:])
feature_build._PART_CLIPS = 3
mixture = Mixture([read_corpus("folder", root=root, partition="train")])
calls = []
def on_progress(done, total):
    calls.append(done)
    if len(calls) == 2:
        print("begun", flush=True)
        sys.stdin.readline()
store = open_store(mixture.table, folder / "decoded")
model = test_features.built(test_features.ssl(tiny))
kept = open_features(model, mixture, test_features.NUM_SAMPLES, folder / "kept", store=store, batch_size=1,
                     on_progress=on_progress)
print(kept.folder, flush=True)
"""


def start_build(tiny: Path, root: Path, folder: Path) -> subprocess.Popen[str]:
    places = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    program = [sys.executable, "-c", BUILD, str(tiny), str(root), str(folder)]
    return subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": places}
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_processes_share_a_build_and_one_that_is_killed_leaves_nothing_half(
    tiny: Path, root: Path, mixture: Mixture, tmp_path: Path
) -> None:
    model, folder = built(ssl(tiny)), tmp_path / "kept"
    with ExitStack() as stack:
        killed, other = (stack.enter_context(start_build(tiny, root, tmp_path)) for _ in range(2))
        # Both are within their shares before anyone goes on, so that all three do build at the same time.
        assert [first_line(builder) for builder in (killed, other)] == ["begun\n"] * 2
        assert all(path.name.startswith(".building-") for path in folder.iterdir())
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert other.stdin is not None
        other.stdin.write("go on\n")
        other.stdin.flush()
        kept = open_features(
            model, mixture, NUM_SAMPLES, folder, store=open_store(mixture.table, tmp_path / "decoded"), batch_size=1
        )
        answer, _ = other.communicate()
        assert (other.returncode, answer) == (0, f"{kept.folder}\n")
    heard = whole_batch(Clips(mixture, NUM_SAMPLES, seed=None)).waveforms
    for row in range(10):
        for one, whole in zip(kept.of(row), model.fixed(heard[row][None]), strict=True):
            assert close(one, whole[0])
    # The killed one's own folder stays: for all that others know, it is still being written to.
    (left,) = set(folder.iterdir()) - {kept.folder}
    assert left.name.startswith(".building-")
    assert left.name != f".building-{kept.folder.name}"


def test_another_version_of_a_library_computes_anew(
    tiny: Path, mixture: Mixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = built(ssl(tiny))
    before = open_features(model, mixture, NUM_SAMPLES, tmp_path)
    monkeypatch.setattr(features, "version", lambda name: "9.9")
    assert open_features(model, mixture, NUM_SAMPLES, tmp_path).folder != before.folder
