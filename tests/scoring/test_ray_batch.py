"""Scoring on a cluster of two nodes on this machine: one of them dies, the driver is stopped, files are bad."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_shards import sound, write_shard

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import Input, inputs_from_paths
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.scoring.ray_batch import Cluster, _place, _said, score_on_ray
from moe_mamba_asv.scoring.shards import Member
from stand_in import clip

ray = pytest.importorskip("ray", reason="pip install 'moe-mamba-asv[ray]'")

pytestmark = [
    pytest.mark.timeout(240),
    # Ray's own: sockets that it leaves to the collector, and what it says of its future defaults.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FILES = 48


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    predictor_of(detector(config()), path)
    return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Input]:
    """Sounds, three of which cannot be scored."""
    folder = tmp_path_factory.mktemp("sounds")
    found = []
    for number in range(FILES):
        path = folder / f"{number:03}.flac"
        soundfile.write(path, clip(np.random.default_rng(number), spoof=False, duration_s=0.6), 16_000)
        found.append(Input(path.stem, path))
    (folder / "005.flac").write_bytes(b"no sound at all")
    soundfile.write(folder / "017.flac", np.zeros(8_000), 16_000)
    (folder / "040.flac").unlink()
    return found


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 * 2**20})
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def test_a_node_dies_and_every_input_has_its_row(
    model: Path, inputs: list[Input], cluster: Any, tmp_path: Path
) -> None:
    second = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    killed: list[int] = []

    def on_progress(done: int) -> None:
        if done >= 8 and not killed:
            killed.append(done)
            cluster.remove_node(second, allow_graceful=False)

    where = Cluster(address=cluster.address, actors=2)
    table = score_on_ray(inputs, model, where, batch_size=4, journal=tmp_path / "j", on_progress=on_progress)
    assert killed
    wanted = score_files(inputs, Predictor(model), batch_size=4)
    assert table.frame["utterance"].to_list() == [item.utterance for item in inputs]
    assert table.failed["utterance"].to_list() == ["005", "017", "040"]
    assert table.failed["error"].to_list() == wanted.failed["error"].to_list()
    np.testing.assert_allclose(table.scored["score"], wanted.scored["score"], atol=1e-5)


def test_a_stopped_driver_goes_on_from_its_journal(
    model: Path, inputs: list[Input], cluster: Any, tmp_path: Path
) -> None:
    where, journal = Cluster(address=cluster.address), tmp_path / "scores.partial"

    def stop(done: int) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_on_ray(inputs, model, where, batch_size=4, journal=journal, on_progress=stop)
    seen: list[int] = []
    table = score_on_ray(inputs, model, where, batch_size=4, journal=journal, on_progress=seen.append)
    assert seen[0] == 12
    wanted = score_files(inputs, Predictor(model), batch_size=4)
    np.testing.assert_allclose(table.scored["score"], wanted.scored["score"], atol=1e-5)
    # The local engine goes on from the same journal.
    assert score_files(inputs, Predictor(model), batch_size=4, journal=journal).frame.equals(table.frame)


@pytest.mark.parametrize(
    "place",
    [
        Path("/data/a b.flac"),
        "s3://bucket/a.flac",
        Member(Path("/data/0.tar"), "deep/\udcff 名.flac", 512, 99),
        Member("s3://bucket/0.tar", "", 0, 0, "no tar"),
    ],
)
def test_a_place_reaches_an_actor_as_it_is(place: Any) -> None:
    assert _place(_said(place)) == place


def test_members_of_shards_have_their_rows(model: Path, cluster: Any, tmp_path: Path) -> None:
    """Two shards whose batches do not end with a shard; a bad member, and a shard that is cut off."""
    members = [(f"deep/{number}.flac", sound(number)) for number in range(5)]
    write_shard(tmp_path / "0.tar", [*members[:3], ("bad.flac", b"no sound"), ("0.json", b"{}")])
    cut = write_shard(tmp_path / "1.tar", members[3:])
    cut.write_bytes(cut.read_bytes()[:-15_000])
    inputs = inputs_from_paths([f"{tmp_path}/{{0..1}}.tar"])
    wanted = score_files(inputs, Predictor(model), batch_size=3)
    where, journal = Cluster(address=cluster.address), tmp_path / "j"
    table = score_on_ray(inputs, model, where, batch_size=3, journal=journal)
    assert table.frame["utterance"].to_list() == [item.utterance for item in inputs]
    assert table.failed.equals(wanted.failed)
    assert table.failed["utterance"].to_list() == ["0.tar/bad", "1.tar/deep/4", "1.tar"]
    np.testing.assert_allclose(table.scored["score"], wanted.scored["score"], atol=1e-5)
    assert len(table.scored) == 4
    assert score_files(inputs, Predictor(model), batch_size=3, journal=journal).frame.equals(table.frame)
