"""Where windows lie, and that cutting them from a stream is slicing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_mamba_asv.audio.windows import Window, cut_windows, lay_windows
from moe_mamba_asv.errors import AudioError, ConfigError


@pytest.mark.parametrize(
    ("total", "wanted"),
    [
        (1, [(0, 1)]),
        (9, [(0, 9)]),
        (10, [(0, 10)]),
        (11, [(0, 10), (1, 11)]),
        (14, [(0, 10), (4, 14)]),
        (15, [(0, 10), (4, 14), (5, 15)]),
        (18, [(0, 10), (4, 14), (8, 18)]),
    ],
)
def test_worked_by_hand(total: int, wanted: list[tuple[int, int]]) -> None:
    assert [(one.start, one.end) for one in lay_windows(total, window_samples=10, hop_samples=4)] == wanted


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int]:
    window = draw(st.integers(1, 300))
    return draw(st.integers(1, 3_000)), window, draw(st.integers(1, window))


@given(layouts())
def test_every_sample_is_covered_and_no_window_is_more_than_a_hop_away(layout: tuple[int, int, int]) -> None:
    total, length, hop = layout
    windows = lay_windows(total, length, hop)
    covered = np.zeros(total, bool)
    for one in windows:
        covered[one.start : one.end] = True
        assert one.end - one.start == min(length, total)
    assert covered.all()
    assert windows[0].start == 0
    assert windows[-1].end == total
    steps = np.diff([one.start for one in windows])
    assert (steps[:-1] == hop).all()
    assert ((steps > 0) & (steps <= hop)).all()


@given(st.integers(0, 16_000 * 3_600 * 24))
def test_seconds_turn_back_into_the_sample(sample: int) -> None:
    window = Window(sample, sample + 64_600)
    assert round(window.start_s * 16_000) == sample
    assert round(window.end_s * 16_000) == sample + 64_600


@settings(deadline=None)
@given(layouts(), st.lists(st.integers(0, 400), min_size=1), st.integers(1, 4))
def test_cutting_from_blocks_is_slicing(layout: tuple[int, int, int], sizes: list[int], every: int) -> None:
    total, length, hop = layout
    samples = np.arange(total, dtype=np.float32)
    ends = [*np.minimum(np.cumsum(sizes), total), total]
    blocks = np.split(samples, ends)
    windows = lay_windows(total, length, hop)[::every]  # some have no vote and are not cut
    cut = list(cut_windows(blocks, windows))
    assert [window for window, _ in cut] == windows
    for window, found in cut:
        np.testing.assert_array_equal(found, samples[window.start : window.end])


def test_windows_that_are_cut_do_not_share_memory() -> None:
    (_, first), (_, second) = cut_windows([np.zeros(15, np.float32)], [Window(0, 10), Window(5, 15)])
    first[:] = 1
    assert not second.any()


def test_a_recording_that_became_shorter_is_named() -> None:
    with pytest.raises(AudioError, match="ends after 12 samples"):
        list(cut_windows([np.zeros(12, np.float32)], [Window(0, 10), Window(5, 15)]))


@pytest.mark.parametrize("hop", [0, -1, 11])
def test_a_hop_that_leaves_something_out_is_refused(hop: int) -> None:
    with pytest.raises(ConfigError, match="hop"):
        lay_windows(100, 10, hop)


def test_nothing_has_no_windows() -> None:
    with pytest.raises(AudioError, match="empty"):
        lay_windows(0, 10, 5)
