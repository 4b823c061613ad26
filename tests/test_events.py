"""Binning of events: every event is in the bin it belongs to, or reported as dropped (TC-19, TC-20, TC-21)."""

import warnings
from functools import partial

import numpy as np
import pytest

from stllr_ref.data.events import Report, bin_by_count, bin_by_width, seconds_to_us

pytestmark = pytest.mark.filterwarnings("error")

SENSOR = (5, 7)  # height, width
BINNINGS = {
    "width": partial(bin_by_width, width_us=90, start_us=100, n_bins=8),
    "width, all": partial(bin_by_width, width_us=90),
    "count": partial(bin_by_count, n_bins=8),
    "count, cut": partial(bin_by_count, n_bins=8, start_us=100, stop_us=850),
}
each = pytest.mark.parametrize("bins", BINNINGS.values(), ids=BINNINGS)


def recording(n=2000, seed=0):
    """Return t, x, y, p of n random events within 1 ms, unsorted, with repeated times and pixels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1000, n), rng.integers(0, SENSOR[1], n), rng.integers(0, SENSOR[0], n), rng.integers(0, 2, n)


def channel(t, bins):
    """Return the counts [T] of events at times t in the only channel of a sensor."""
    frames, report = bins(t, np.zeros(len(t), int), sensor=(1,))
    assert report.kept == frames.sum()
    return frames[:, 0].tolist()


def slow(t, x, y, p, bin_of, shape, old):
    """Return frames [T, P, H, W] by a plain loop; bin_of(t) is a bin or None, P is 1 (merged) or 2."""
    frames = np.zeros(shape)
    for t_i, x_i, y_i, p_i in zip(*(a.tolist() for a in (t, x, y, p))):
        k = bin_of(t_i)
        if k is not None:
            frames[k, p_i if shape[1] == 2 else 0, y_i * shape[2] // old[0], x_i * shape[3] // old[1]] += 1
    return frames


@pytest.mark.parametrize("n_bins, counts", [(2, [2, 3]), (4, [1, 1, 1, 2]), (5, [1, 1, 1, 1, 1])])
def test_tc19_last_edge_is_closed_when_binning_by_count(n_bins, counts):
    assert channel([0, 1, 2, 3, 4], partial(bin_by_count, n_bins=n_bins)) == counts


def test_tc19_a_count_of_bins_that_does_not_divide_the_span_loses_nothing():
    assert sum(channel(range(101), partial(bin_by_count, n_bins=7))) == 101


def test_tc19_one_event_in_one_bin_is_counted():
    assert channel([5], partial(bin_by_count, n_bins=1)) == [1]
    assert channel([5], partial(bin_by_width, width_us=10)) == [1]


def test_tc19_a_span_of_zero_is_bin_0():
    assert channel([7, 7], partial(bin_by_count, n_bins=3)) == [2, 0, 0]
    assert channel([7, 8], partial(bin_by_count, n_bins=3, start_us=7, stop_us=7)) == [1, 0, 0]


@pytest.mark.parametrize("span_us, whole", [(1_575_000, 21), (1_574_999, 20)])
def test_tc19_whole_windows_of_75_ms_in_a_slice_of_1575_ms(span_us, whole):
    t = [0, span_us]
    frames, report = bin_by_width(t, [0, 0], sensor=(1,), width_us=75_000, n_bins=span_us // 75_000)
    assert len(frames) == whole and report == Report(read=2, kept=1, dropped=1)
    frames, report = bin_by_width(t, [0, 0], sensor=(1,), width_us=75_000)
    assert len(frames) == whole + 1 and report == Report(read=2, kept=2, dropped=0)


def test_tc20_float16_seconds_are_widened_before_they_are_scaled():
    np.testing.assert_array_equal(seconds_to_us(np.array([0, 0.0014, 0.29], np.float16)), [0, 1399, 290039])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_seconds_become_int64_microseconds_whatever_the_float(kind):
    t = np.array([0, 0.5, 1.25, 2000], kind)
    out = seconds_to_us(t)
    assert out.dtype == np.int64 and out.tolist() == [0, 500_000, 1_250_000, 2_000_000_000]
    assert t.dtype == kind and t[1] == 0.5


def test_whole_seconds_do_not_pass_through_floats():
    assert seconds_to_us(np.array([4_000_000_000_001], np.int64)).tolist() == [4_000_000_000_001_000_000]
    assert seconds_to_us(np.array([100], np.int8)).tolist() == [100_000_000]


def test_seconds_are_truncated_towards_zero():
    assert seconds_to_us([1.9e-6, -1.9e-6]).tolist() == [1, -1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e18, -1e18])
def test_seconds_that_are_no_time_are_refused(bad):
    with pytest.raises(ValueError, match=r"^t\[2\]: got .*, expected seconds between -4611686018427 and 4611686018427$"):
        seconds_to_us([0.0, 1.0, bad])


def test_tc20_a_second_in_bins_of_10_ms_has_100():
    frames, report = bin_by_width([0, 9999, 10000, 999999], [0] * 4, sensor=(1,), width_us=10_000)
    assert np.repeat(np.arange(100), frames[:, 0].astype(int)).tolist() == [0, 0, 1, 99]
    assert len(frames) == 100 and report.dropped == 0


def test_tc20_one_event_is_one_bin_however_narrow():
    frames, _ = bin_by_width([7], [0], sensor=(1,), width_us=1, start_us=7)
    assert frames.tolist() == [[1]]


def test_tc20_bins_are_exact_where_floating_point_is_not():
    assert int(0.3 / 0.1) == 2 and int(0.7 / 0.1) == 6
    frames, _ = bin_by_width([300_000, 700_000], [0, 0], sensor=(1,), width_us=100_000)
    assert np.flatnonzero(frames).tolist() == [3, 7]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16])
def test_tc20_40000_events_in_one_pixel_stay_40000(dtype):
    frames, report = bin_by_count(np.zeros(40_000, int), np.ones(40_000, int), sensor=(2,), n_bins=1, dtype=dtype)
    assert frames.tolist() == [[0, 40_000]] and frames.dtype == dtype and report.kept == 40_000


@pytest.mark.parametrize("dtype, n, most", [(np.int16, 40_000, 32767), (np.uint8, 256, 255), (np.float16, 2049, 2048), (bool, 2, 1)])
def test_a_count_that_its_type_does_not_hold_is_refused(dtype, n, most):
    bins = partial(bin_by_count, sensor=(4, 6), n_bins=3, dtype=dtype)
    at = [[9] * m + [0] for m in (most, n)], [[5] * m + [0] for m in (most, n)], [[3] * m + [0] for m in (most, n)], [[1] * m + [0] for m in (most, n)]
    assert bins(*(a[0] for a in at))[0][2, 1, 3, 5] == most
    with pytest.raises(ValueError, match=rf"^dtype: got \w+, expected one that holds {n}, the count at \(2, 1, 3, 5\)$"):
        bins(*(a[1] for a in at))


@pytest.mark.parametrize(
    "bins, shape",
    [
        (partial(bin_by_width, sensor=SENSOR, width_us=10, n_bins=6), (6, 1, 5, 7)),
        (partial(bin_by_width, sensor=SENSOR, width_us=10), (1, 1, 5, 7)),
        (partial(bin_by_count, sensor=SENSOR, n_bins=6, p=[], size=(2, 3)), (6, 2, 2, 3)),
    ],
)
def test_tc20_no_events_are_zero_frames_and_a_warning(bins, shape):
    with pytest.warns(UserWarning, match="^t: got no events, expected at least one; all . frames are zero$"):
        frames, report = bins([], [], y=[])
    assert frames.shape == shape and frames.dtype == np.float32 and not frames.any() and report == (0, 0, 0)


def test_the_warning_points_at_the_caller():
    for bins in (partial(bin_by_width, width_us=10), partial(bin_by_count, n_bins=2)):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            bins([], [], sensor=(3,))
        assert seen[0].filename == __file__


def test_tc21_unsorted_times_give_the_frames_of_sorted_ones():
    for bins in (partial(bin_by_count, n_bins=2), partial(bin_by_width, width_us=2)):
        assert channel([4, 0, 2], bins) == channel([0, 2, 4], bins)
    assert channel([4, 0, 2], partial(bin_by_count, n_bins=2)) == [1, 2]


@each
def test_frames_do_not_depend_on_the_order_of_events(bins):
    events = recording()
    order = np.random.default_rng(1).permutation(len(events[0]))
    frames, report = bins(*events, sensor=SENSOR)
    shuffled, same = bins(*(a[order] for a in events), sensor=SENSOR)
    np.testing.assert_array_equal(shuffled, frames)
    assert same == report


@each
def test_kept_and_dropped_make_up_what_was_read(bins):
    frames, report = bins(*recording(), sensor=SENSOR)
    assert report.kept + report.dropped == report.read == 2000
    assert frames.sum() == report.kept > 0
    assert (report.dropped > 0) == ("start_us" in bins.keywords)


@each
def test_events_are_added_up(bins):
    t, x, y, p = recording()
    cut = slice(0, 700), slice(700, None)
    # Both parts hold the first and the last time, on which the edges of bin_by_count rest.
    t[[0, 1, -2, -1]] = [0, 999, 0, 999]
    whole, parts = bins(t, x, y, p, sensor=SENSOR)[0], [bins(t[s], x[s], y[s], p[s], sensor=SENSOR)[0] for s in cut]
    np.testing.assert_array_equal(parts[0] + parts[1], whole)


@pytest.mark.parametrize("size", [SENSOR, (3, 4), (2, 7), (1, 1)], ids=str)
@pytest.mark.parametrize("merge", [False, True])
def test_frames_by_width_equal_a_plain_loop(size, merge):
    events = recording()
    frames, report = bin_by_width(*events, sensor=SENSOR, width_us=90, start_us=100, n_bins=8, size=size, merge=merge)
    expected = slow(*events, lambda t: (t - 100) // 90 if 100 <= t < 820 else None, (8, 1 if merge else 2, *size), SENSOR)
    np.testing.assert_array_equal(frames, expected)
    assert report == (2000, expected.sum(), 2000 - expected.sum()) and frames.dtype == np.float32


@pytest.mark.parametrize("size", [SENSOR, (3, 4)], ids=str)
@pytest.mark.parametrize("start, stop", [(None, None), (100, 850), (None, 850), (100, None), (-50, 1200)])
def test_frames_by_count_equal_a_plain_loop(size, start, stop):
    events = recording()
    frames, report = bin_by_count(*events, sensor=SENSOR, n_bins=6, start_us=start, stop_us=stop, size=size)
    a, b = int(min(events[0])) if start is None else start, int(max(events[0])) if stop is None else stop
    expected = slow(*events, lambda t: min((t - a) * 6 // (b - a), 5) if a <= t <= b else None, (6, 2, *size), SENSOR)
    np.testing.assert_array_equal(frames, expected)
    assert report == (2000, expected.sum(), 2000 - expected.sum())


def test_a_cochlea_gives_one_row_a_step():
    t, x, _, p = recording()
    both, _ = bin_by_width(t, x, sensor=(7,), width_us=90, n_bins=12)
    assert both.shape == (12, 7) and both.sum() == 2000
    kept, _ = bin_by_width(t, x, p=p, sensor=(7,), width_us=90, n_bins=12)
    assert kept.shape == (12, 2, 7)
    np.testing.assert_array_equal(kept.sum(1), both)
    np.testing.assert_array_equal(bin_by_width(t, x, p=p, sensor=(7,), width_us=90, n_bins=12, merge=True)[0], both)


def test_off_comes_before_on():
    frames, _ = bin_by_count([0, 0, 0], [2, 2, 1], [0, 0, 3], [1, 1, 0], sensor=(4, 3), n_bins=1)
    assert frames[0, 1, 0, 2] == 2 and frames[0, 0, 3, 1] == 1 and frames.sum() == 3


@each
def test_tc21_polarities_map_the_same_however_written(bins):
    t, x, y, p = recording()
    expected, _ = bins(t, x, y, p, sensor=SENSOR)
    assert (expected.sum((0, 2, 3)) > 0).all()
    for written in (p.astype(bool), 2 * p - 1, p.astype(np.uint8), (2 * p - 1).astype(np.int8), p.astype(float), 2.0 * p - 1, p.tolist()):
        np.testing.assert_array_equal(bins(t, x, y, written, sensor=SENSOR)[0], expected)


@each
def test_merged_polarities_are_the_sum(bins):
    events = recording()
    merged, _ = bins(*events, sensor=SENSOR, merge=True)
    np.testing.assert_array_equal(merged, bins(*events, sensor=SENSOR)[0].sum(1, keepdims=True))
    np.testing.assert_array_equal(bins(*events[:3], sensor=SENSOR)[0], merged)


@each
def test_binary_frames_say_whether_there_was_an_event(bins):
    counts, _ = bins(*recording(), sensor=SENSOR)
    assert counts.max() > 1 and counts.min() == 0
    frames, report = bins(*recording(), sensor=SENSOR, binary=True, dtype=bool)
    np.testing.assert_array_equal(frames, counts > 0)
    assert frames.dtype == bool and report.kept == counts.sum()


def test_tc21_duplicates_are_counted():
    assert bin_by_width([3] * 5, [1] * 5, [0] * 5, [1] * 5, sensor=(2, 2), width_us=10)[0][0, 1, 0, 1] == 5


@each
@pytest.mark.parametrize("merge", [False, True])
def test_tc21_input_arrays_are_unchanged(bins, merge):
    events = recording()
    events[3][:] = 2 * events[3] - 1
    copies = [a.copy() for a in events]
    for a in events:
        a.flags.writeable = False
    bins(*events, sensor=SENSOR, merge=merge, size=(3, 2))
    for a, copy in zip(events, copies):
        np.testing.assert_array_equal(a, copy)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint64, np.float16, np.float32, np.float64])
def test_coordinates_may_be_of_any_type_of_number(kind):
    """346 columns times a new width does not fit 16 bits; a small type must not overflow on the way."""
    n = 120
    x, y = np.arange(n), np.arange(n)[::-1]
    expected, _ = bin_by_count(np.arange(n), x, y, sensor=(260, 346), n_bins=3, size=(130, 300))
    frames, _ = bin_by_count(np.arange(n), x.astype(kind), y.astype(kind), sensor=(260, 346), n_bins=3, size=(130, 300))
    np.testing.assert_array_equal(frames, expected)
    assert np.argwhere(expected)[-1].tolist() == [2, 0, 38 // 2, 81 * 300 // 346]


def test_tc21_bins_start_at_the_given_time():
    bins = partial(bin_by_width, width_us=200_000, n_bins=5)
    assert channel(seconds_to_us([0.1, 0.5, 0.9]), bins) == [1, 0, 1, 0, 1]
    assert channel([0, 199_999, 200_000], partial(bins, start_us=200_000)) == [1, 0, 0, 0, 0]


def test_slices_tile():
    events = recording()
    whole, _ = bin_by_width(*events, sensor=SENSOR, width_us=50, n_bins=20)
    parts = [bin_by_width(*events, sensor=SENSOR, width_us=50, start_us=250 * k, n_bins=5) for k in range(4)]
    np.testing.assert_array_equal(np.concatenate([frames for frames, _ in parts]), whole)
    assert sum(report.kept for _, report in parts) == 2000


def test_times_before_zero_are_times():
    assert channel([-30, -21, -20, -1], partial(bin_by_width, width_us=10, start_us=-30)) == [2, 1, 1]
    assert channel([-4, -3, -2, -1, 0], partial(bin_by_count, n_bins=2)) == [2, 3]


def test_events_all_before_the_start_are_dropped_into_one_zero_frame():
    frames, report = bin_by_width([1, 2], [0, 0], sensor=(3,), width_us=10, start_us=100)
    assert frames.shape == (1, 3) and not frames.any() and report == (2, 0, 2)
    for ends in ({"start_us": 100}, {"stop_us": 0}):
        frames, report = bin_by_count([1, 2], [0, 0], sensor=(3,), n_bins=2, **ends)
        assert frames.shape == (2, 3) and not frames.any() and report == (2, 0, 2)


@pytest.mark.parametrize("kind", [np.uint32, np.int32, np.uint64, np.int64])
def test_absolute_times_do_not_overflow(kind):
    t = np.array([0, 1, 2, 3, 4]) + (2**31 - 10 if np.dtype(kind).itemsize == 4 else 1_700_000_000_000_000)
    assert channel(t.astype(kind), partial(bin_by_count, n_bins=2)) == [2, 3]
    assert channel(t.astype(kind), partial(bin_by_width, width_us=2, start_us=int(t[0]))) == [2, 2, 1]


def good(**changes):
    """Return arguments of a good call, four events of a sensor 5 rows high and 7 columns wide, with changes."""
    return {"t": [0, 1, 2, 9], "x": [0, 6, 3, 2], "y": [0, 4, 2, 1], "p": [0, 1, 1, 0], "sensor": (5, 7)} | changes


MICROSECONDS = "expected whole microseconds of an integer type (see seconds_to_us)"
BAD = {
    "x=W": ({"x": [0, 6, 7, 9]}, r"x[2]: got 7, expected a whole number from 0 to 6"),
    "y=H": ({"y": [0, 5, 4, 0]}, r"y[1]: got 5, expected a whole number from 0 to 4"),
    "x=-1": ({"x": [-1, 0, 0, 0]}, r"x[0]: got -1, expected a whole number from 0 to 6"),
    "y=-1, int8": ({"y": np.array([0, 0, 0, -1], np.int8)}, r"y[3]: got -1, expected a whole number from 0 to 4"),
    "half a pixel": ({"x": [0, 1.5, 2, 3]}, r"x[1]: got 1.5, expected a whole number from 0 to 6"),
    "x NaN": ({"x": [0, 1, np.nan, 3]}, r"x[2]: got nan, expected a whole number from 0 to 6"),
    "y inf": ({"y": [0, 1, np.inf, 3]}, r"y[2]: got inf, expected a whole number from 0 to 4"),
    "x bool": ({"x": [True] * 4}, r"x[0]: got True in an array of bool, expected a whole number from 0 to 6"),
    "p=2": ({"p": [0, 1, 2, 0]}, r"p[2]: got 2, expected a polarity, -1, 0 or 1"),
    "p=-2": ({"p": [-2, 1, 2, 0]}, r"p[0]: got -2, expected a polarity, -1, 0 or 1"),
    "p=255": ({"p": np.array([1, 255, 1, 1], np.uint8)}, r"p[1]: got 255, expected a polarity, -1, 0 or 1"),
    "p NaN": ({"p": [0, 1, 0, np.nan]}, r"p[3]: got nan, expected a polarity, -1, 0 or 1"),
    "p half": ({"p": [0.5, 1, 0, 1]}, r"p[0]: got 0.5, expected a polarity, -1, 0 or 1"),
    "p mixed": ({"p": [1, -1, 0, 1]}, r"p[2]: got 0, expected -1 or 1, as elsewhere in p"),
    "p text": ({"p": list("abcd")}, r"p[0]: got 'a' in an array of <U1, expected a polarity, -1, 0 or 1"),
    "p unknown but merged": ({"p": [0, 1, 2, 0], "merge": True}, r"p[2]: got 2, expected a polarity, -1, 0 or 1"),
    "x short": ({"x": [0, 1, 2]}, r"x: got 3 entries, expected 4, as many as t"),
    "y long": ({"y": [0] * 5}, r"y: got 5 entries, expected 4, as many as t"),
    "p empty": ({"p": []}, r"p: got 0 entries, expected 4, as many as t"),
    "t short": ({"t": [0, 1, 2]}, r"y: got 4 entries, expected 3, as many as t"),
    "t seconds": ({"t": [0.1, 0.2, 0.3, 0.4]}, rf"t[0]: got 0.1 in an array of float64, {MICROSECONDS}"),
    "t NaN": ({"t": [0, 1, np.nan, 3]}, rf"t[2]: got nan in an array of float64, {MICROSECONDS}"),
    "t inf": ({"t": [0, np.inf, 2, 3]}, rf"t[1]: got inf in an array of float64, {MICROSECONDS}"),
    "t None": ({"t": [0, 1, 2, None]}, rf"t[3]: got None in an array of object, {MICROSECONDS}"),
    "t objects": ({"t": np.array([0, 1, 2, 3], object)}, rf"t[0]: got 0 in an array of object, {MICROSECONDS}"),
    "t date": ({"t": np.zeros(4, "M8[us]")}, rf"t[0]: got datetime.datetime(1970, 1, 1, 0, 0) in an array of datetime64[us], {MICROSECONDS}"),
    "t far": ({"t": np.array([0, 1, 2**63, 3], np.uint64)}, rf"t[2]: got 9223372036854775808, {MICROSECONDS}"),
    "t far past": ({"t": [0, -(2**62), 2, 3]}, rf"t[1]: got -4611686018427387904, {MICROSECONDS}"),
    "t ragged": ({"t": [[0], [1, 2]]}, rf"t: got rows of unequal length, {MICROSECONDS}"),
    "t 2-D": ({"t": np.zeros((2, 2), int)}, r"t: got shape (2, 2), expected [n], one entry an event"),
    "x scalar": ({"x": 0}, r"x: got shape (), expected [n], one entry an event"),
    "no y": ({"y": None}, r"y: got None with sensor (5, 7), expected rows with (height, width) alone"),
    "y of a cochlea": ({"sensor": (7,)}, r"y: got rows with sensor (7,), expected rows with (height, width) alone"),
    "sensor 0": ({"sensor": (5, 0)}, r"sensor: got (5, 0), expected (height, width) or (channels,)"),
    "sensor of 3": ({"sensor": (5, 7, 2)}, r"sensor: got (5, 7, 2), expected (height, width) or (channels,)"),
    "sensor 7": ({"sensor": 7}, r"sensor: got 7, expected (height, width) or (channels,)"),
    "sensor vast": ({"sensor": (5, 2**31)}, r"sensor: got (5, 2147483648), expected (height, width) or (channels,)"),
    "size larger": ({"size": (6, 7)}, r"size: got (6, 7), expected 2 whole numbers, at most (5, 7)"),
    "size wider": ({"size": (5, 8)}, r"size: got (5, 8), expected 2 whole numbers, at most (5, 7)"),
    "size of 1": ({"size": (5,)}, r"size: got (5,), expected 2 whole numbers, at most (5, 7)"),
    "dtype": ({"dtype": complex}, r"dtype: got <class 'complex'>, expected a type of real numbers"),
    "dtype name": ({"dtype": "float31"}, r"dtype: got 'float31', expected a type of real numbers"),
}


@pytest.mark.parametrize("bins", [partial(bin_by_width, width_us=2), partial(bin_by_count, n_bins=3)], ids=["width", "count"])
@pytest.mark.parametrize("changes, message", BAD.values(), ids=BAD)
def test_tc21_bad_events_are_refused_in_one_line(bins, changes, message):
    bins(**good())
    with pytest.raises(ValueError) as refusal:
        bins(**good(**changes))
    assert str(refusal.value) == message


WHOLE = r"expected a whole number from {} to below 2\*\*62$"


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "2", 2**62])
def test_widths_and_counts_of_bins_must_be_whole_numbers(value):
    with pytest.raises(ValueError, match="^width_us: got .*, " + WHOLE.format(1)):
        bin_by_width(**good(), width_us=value)
    with pytest.raises(ValueError, match="^n_bins: got .*, " + WHOLE.format(1)):
        bin_by_width(**good(), width_us=1, n_bins=value)
    with pytest.raises(ValueError, match="^n_bins: got .*, " + WHOLE.format(1)):
        bin_by_count(**good(), n_bins=value)


@pytest.mark.parametrize("value", [0.5, False, "2", 2**62, -(2**62)])
def test_ends_must_be_whole_microseconds(value):
    by_width, by_count = partial(bin_by_width, width_us=1), partial(bin_by_count, n_bins=2)
    for name, bins in (("start_us", by_width), ("start_us", by_count), ("stop_us", by_count)):
        with pytest.raises(ValueError, match=f"^{name}: got .*, " + WHOLE.format(r"-\d+")):
            bins(**good(), **{name: value})


def test_a_stop_before_the_start_is_refused():
    with pytest.raises(ValueError, match="^stop_us: got 3, expected at least start_us, 4$"):
        bin_by_count(**good(), n_bins=2, start_us=4, stop_us=3)


def test_frames_too_large_for_memory_are_refused():
    with pytest.raises(ValueError, match=r"^n_bins: got frames of shape \(1700000000000001, 1\), 1700000000000001 cells, expected at most 1073741824"):
        bin_by_width([1_700_000_000_000_000], [0], sensor=(1,), width_us=1)


def test_a_span_that_overflows_64_bits_is_refused():
    with pytest.raises(ValueError, match=r"^n_bins: got 8 over 2000000000000000000 us, expected a product below 2\*\*63$"):
        bin_by_count([0, 2 * 10**18], [0, 0], sensor=(1,), n_bins=8)
