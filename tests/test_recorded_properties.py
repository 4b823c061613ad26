"""Recorded sets, any events: what is kept and dropped is what was read, in any order, as a plain loop counts, and adds up.

The machine chooses the set, the events and the bins; the file between is in the set's real format.
"""

import importlib.util
import shutil

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="needs the package hypothesis: pip install hypothesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from test_recorded import SENSOR, TICK, frame_of, in_bins, no_network, read, slow, write  # noqa: E402, F401

from stllr_ref.data.catalogue import Bins  # noqa: E402


@st.composite
def cases(draw):
    """A set's name, up to 30 events of its format, a seed for their order, and bins."""
    name = draw(st.sampled_from([name for name in SENSOR if name != "CIFAR10DVS" or importlib.util.find_spec("aedat")]))
    sensor, n = SENSOR[name], draw(st.integers(1, 30))
    whole = lambda most: st.lists(st.integers(0, most), min_size=n, max_size=n)  # noqa: E731
    t = np.array(draw(whole(63))) * TICK[name] * (1 if name == "SHD" else 37)
    x, y, p = (np.array(draw(whole(most))) for most in (sensor[-1] - 1, sensor[0] - 1, 1))
    width = draw(st.integers(1, 40)) * TICK[name]
    size = tuple(draw(st.integers(1, n)) for n in sensor)
    bins = draw(st.sampled_from([Bins(size, 7), Bins(size, 4, share="number"), Bins(size, 6, width), Bins(size, 0, width, "event")]))
    return name, (t, x, None if name == "SHD" else y, p), draw(st.integers(0, 999)), bins


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(cases())
def test_property_kept_and_dropped_are_what_was_read_in_any_order_and_equal_a_loop(tmp_path, case):
    name, (t, x, y, p), seed, bins = case
    shutil.rmtree(tmp_path / name, ignore_errors=True)
    order = np.random.default_rng(seed).permutation(len(t))
    write(tmp_path, name, (t, x, y, p), tuple(a if a is None else a[order] for a in (t, x, y, p)))
    part = read(tmp_path, name, bins)
    frames, report = part.frames(0)
    assert report.kept + report.dropped == report.read == len(t) and frames.sum() == report.kept
    shuffled, same = part.frames(1)
    assert same == report
    if bins.share == "time":
        np.testing.assert_array_equal(shuffled, frames)
    if name == "NCALTECH101":
        x, y = x - x.min(), y - y.min()
    first, last = int(t.min()), int(t.max())
    if bins.width_us:
        low = first if bins.start == "event" else 0
        steps = bins.steps or max(1, (last - first) // bins.width_us)
        bin_of = in_bins(low, bins.width_us, steps)
    elif bins.share == "time":
        steps, bin_of = bins.steps, lambda v: min((v - first) * bins.steps // max(last - first, 1), bins.steps - 1)
    else:
        assert report.kept == len(t) and sorted(frames.reshape(4, -1).sum(1))[0] >= len(t) // 4 - (len(t) < 4)
        return
    np.testing.assert_array_equal(frames, slow(t, x, y, p, bin_of, frame_of(name, bins.size, steps), SENSOR[name]))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(cases())
def test_property_frames_of_two_recordings_add_up_to_those_of_both(tmp_path, case):
    name, events, seed, bins = case
    bins = Bins(bins.size, 6, max(bins.width_us, TICK[name]))
    shutil.rmtree(tmp_path / name, ignore_errors=True)
    corner = tuple(None if a is None else np.concatenate([[0], a]) for a in events)
    cut = seed % len(corner[0]) + 1
    # Each part of N-Caltech101 has an event in the corner, so that all three are shifted by nothing.
    second = tuple(None if a is None else np.concatenate([[0], a[cut:]]) for a in corner)
    write(tmp_path, name, corner, tuple(None if a is None else a[:cut] for a in corner), second)
    part = read(tmp_path, name, bins)
    whole, one, two = (part.frames(i)[0] for i in range(3))
    extra = np.zeros_like(whole)
    extra[(0,) * whole.ndim] = 1
    np.testing.assert_array_equal(one + two, whole + extra)
