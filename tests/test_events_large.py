"""Binning of many events: in pieces, in narrow types, counted densely or sorted, and in little memory; the benchmark compares the same counts."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from test_events import SENSOR, slow

from stllr_ref.data import events
from stllr_ref.data.events import bin_by_count, bin_by_width

N = 3 * events._PIECE + 5


@pytest.fixture(scope="module")
def recording():
    """Return t, x, y, p of N events within 1 ms, in no order, in the narrow types of a file."""
    rng = np.random.default_rng(3)
    columns = [rng.integers(0, n, N) for n in (1000, SENSOR[1], SENSOR[0], 2)]
    return tuple(a.astype(kind) for a, kind in zip(columns, (np.uint32, np.uint8, np.int8, bool)))


def peak(work):
    """Return the most memory in bytes that work() takes on top of what is there, and what it returns."""
    tracemalloc.start()
    try:
        out = work()
        return tracemalloc.get_traced_memory()[1], out
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [SENSOR, (3, 4)], ids=str)
def test_events_in_several_pieces_some_outside_equal_a_plain_loop(recording, size):
    t, x, y, p = recording
    by_width, report = bin_by_width(t, x, y, p, sensor=SENSOR, width_us=90, start_us=100, n_bins=8, size=size)
    expected = slow(t, x, y, p.astype(int), lambda t: (t - 100) // 90 if 100 <= t < 820 else None, (8, 2, *size), SENSOR)
    np.testing.assert_array_equal(by_width, expected)
    assert report == (N, expected.sum(), N - expected.sum()) and N // 2 < report.kept < N
    by_count, report = bin_by_count(t, x, y, p, sensor=SENSOR, n_bins=6, start_us=100, stop_us=850, size=size)
    expected = slow(t, x, y, p.astype(int), lambda t: min((t - 100) * 6 // 750, 5) if 100 <= t <= 850 else None, (6, 2, *size), SENSOR)
    np.testing.assert_array_equal(by_count, expected)
    assert report == (N, expected.sum(), N - expected.sum()) and N // 2 < report.kept < N


def test_the_first_frames_are_the_same_among_fewer_cells_than_events_and_among_more(recording):
    bins = partial(bin_by_width, *(a[:5000] for a in recording), sensor=SENSOR, width_us=100)
    few, many = bins(n_bins=10)[0], bins(n_bins=100)[0]
    assert few.size < 5000 < many.size and few.sum() == 5000
    np.testing.assert_array_equal(many[:10], few)
    assert not many[10:].any()


@pytest.mark.parametrize("n_bins", [1, 1000])
def test_a_count_that_does_not_fit_is_refused_among_fewer_cells_than_events_and_among_more(n_bins):
    bins = partial(bin_by_width, sensor=(4,), width_us=10, n_bins=n_bins, dtype=np.uint8)
    assert bins([0] * 255, [2] * 255)[0][0, 2] == 255
    with pytest.raises(ValueError, match=r"^dtype: got uint8, expected one that holds 256, the count at \(0, 2\)$"):
        bins([0] * 256, [2] * 256)


def test_an_event_far_outside_is_dropped_although_its_bin_wraps_into_the_frames():
    far = 2**61
    assert np.array([far]) * 8 == 0
    frames, report = bin_by_count([0, far, -far, 80], [0] * 4, sensor=(1,), n_bins=8, start_us=0, stop_us=80)
    assert frames.ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 1] and report == (4, 2, 2)


@pytest.mark.parametrize("name, column, bad", [("x", 1, 100), ("y", 2, 100), ("y", 2, -1)])
def test_one_bad_pixel_among_many_events_is_named(recording, name, column, bad):
    columns = [a.copy() for a in recording]
    columns[column][N - 3] = bad
    with pytest.raises(ValueError, match=rf"^{name}\[{N - 3}\]: got {bad}, expected a whole number from 0 to {SENSOR[2 - column] - 1}$"):
        bin_by_count(*columns, sensor=SENSOR, n_bins=3)


def test_polarities_of_two_kinds_far_apart_are_refused(recording):
    p = np.ones(N, np.int8)
    p[5], p[-1] = 0, -1
    with pytest.raises(ValueError, match=r"^p\[5\]: got 0, expected -1 or 1, as elsewhere in p$"):
        bin_by_count(*recording[:3], p, sensor=SENSOR, n_bins=3)


def test_columns_that_need_no_other_type_are_unchanged():
    columns = np.arange(4), np.array([0.0, 6, 3, 2]), np.array([0.0, 4, 2, 1]), np.array([-1.0, 1, 1, -1])
    copies = [a.copy() for a in columns]
    bin_by_width(*columns, sensor=SENSOR, width_us=2, start_us=1, size=(3, 2))
    for a, copy in zip(columns, copies):
        np.testing.assert_array_equal(a, copy)


def test_many_events_take_ten_bytes_each_on_top_of_the_frames(recording):
    """8 for the place in the frames, 1 for the polarity; wide copies of four columns would be 32."""
    t, x, y, p = (np.tile(a, 10) for a in recording)
    most, (frames, report) = peak(lambda: bin_by_count(t, x, y, p, sensor=SENSOR, n_bins=8))
    assert report.kept == 10 * N and frames.nbytes < N
    assert most < 10 * t.size + 50 * events._PIECE


def test_few_events_take_no_memory_for_the_empty_cells():
    most, (frames, _) = peak(lambda: bin_by_width(np.arange(9, 10_000, 10), np.arange(1000), sensor=(1000,), width_us=1, n_bins=10_000, dtype=np.uint8))
    assert frames.sum() == 1000 and frames[-1, -1] == 1
    assert most < 1.1 * frames.nbytes


@pytest.fixture
def binning():
    pytest.importorskip("tonic", reason="needs the package tonic: pip install tonic")
    from benchmarks import binning

    return binning


def test_the_benchmark_compares_equal_counts_and_returns_rows(binning):
    rows = binning.ratio(events=20_000, repeats=2)
    assert list(rows) == [row["name"] for row in rows.values()] == ["binning/tonic-width", "binning/tonic-count"]
    for row in rows.values():
        assert list(row) == ["name", "B", "T", "threads", "ratio", "ours_s", "theirs_s", "repeats"]
        assert (row["B"], row["T"], row["threads"], row["repeats"]) == (None, 21, 1, 2)
        assert row["ratio"] == row["ours_s"] / row["theirs_s"] > 0


@pytest.mark.parametrize("name", ["tonic-width", "tonic-count"])
def test_the_benchmark_refuses_to_time_other_counts(binning, monkeypatch, name):
    ours, theirs = binning.PAIRS[name]

    def one_off(sample):
        frames, report = ours(sample)
        frames[3, 1, 5, 7] += 1
        return frames, report

    monkeypatch.setitem(binning.PAIRS, name, (one_off, theirs))
    with pytest.raises(AssertionError, match="Mismatched elements: 1 "):
        binning.ratio(events=20_000, repeats=1)
