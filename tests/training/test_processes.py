"""Two processes of a run leave their group together; where one fails, neither hangs and none is aborted."""

import signal
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from two_processes import train_by_two

from made_corpus import write_folder_corpus
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.processes import parting
from tiny_ssl import save_tiny


@pytest.fixture
def group(tmp_path: Path) -> None:
    """A group of this process alone."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)


@pytest.mark.usefixtures("group")
def test_all_wait_for_each_other_before_they_leave() -> None:
    fabric = Mock()
    fabric.barrier.side_effect = lambda: waited.append(torch.distributed.is_initialized())
    waited: list[bool] = []
    with parting(fabric):
        assert not waited
    assert waited == [True]
    assert not torch.distributed.is_initialized()


@pytest.mark.usefixtures("group")
def test_one_that_failed_leaves_and_waits_for_nobody() -> None:
    fabric = Mock()
    with pytest.raises(TrainingError, match="planted"), parting(fabric):
        raise TrainingError("planted")
    fabric.barrier.assert_not_called()
    assert not torch.distributed.is_initialized()


def test_without_a_group_there_is_nothing_to_leave() -> None:
    with parting(Mock()):
        pass
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("seed", "is_failing"), [(0, False), (15, True), (16, True)], ids=["none fails", "the second", "the first"]
)
def test_two_processes_end_whatever_happens(tmp_path: Path, seed: int, is_failing: bool) -> None:
    root = write_folder_corpus(tmp_path / "corpus", clips=2)
    source = save_tiny(tmp_path / "wavlm", "wavlm-stable")
    job = {"name": "run", "overrides": [], "seed": seed}
    done = train_by_two("ddp", root, source, tmp_path, [job])
    assert (done.returncode != 0) == is_failing, done.stderr
    assert ("planted" in done.stderr) == is_failing
    assert done.returncode != -signal.SIGABRT
    # The other of two may be ended by Lightning, which watches them, before it can say anything.
    assert done.stdout.count("left the group") in ({1, 2} if is_failing else {2})
