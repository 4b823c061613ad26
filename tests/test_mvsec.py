"""MVSEC: events between two grey frames, their true flow, masks; read piece by piece from HDF5 and npz in their real layout."""

import re
import socket
import tracemalloc
import warnings
from pathlib import Path

import h5py
import make_recordings as make
import numpy as np
import pytest

from stllr_ref.data import members, mvsec

H, W = 260, 346
T0 = 1_506_117_900  # s, as the clocks of the set stand
FRAMES = T0 + np.array([0.0, 0.03125, 0.0625, 0.09375, 0.125])  # grey frames, exact in binary
FLOW = T0 + np.array([-0.015625, 0.046875, 0.109375, 0.171875])  # one flow frame to the next: 1/16 s


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*args, **options):
        raise AssertionError("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def recording(rng, n=2000):
    """Return t (s), x, y, p of n events from the first grey frame to the last."""
    t = T0 + np.sort(rng.integers(0, 125_000, n)) / 1e6
    return t, rng.integers(0, W, n), rng.integers(0, H, n), 2 * rng.integers(0, 2, n) - 1


def constant(*vectors):
    """Return flow frames [k, 2, 260, 346], each the same everywhere."""
    return np.ones((1, 1, H, W)) * np.array(vectors, float)[:, :, None, None]


STILL = constant((1.5, -2), (0.5, 1), (-1, 3), (9, 9))


def write(folder, events, name="outdoor_day1", flow=STILL, frames=FRAMES, flow_s=FLOW, **options):
    """Write a sequence, its two files in different folders; return their paths."""
    paths = Path(folder) / "MVSEC" / "hdf5" / f"{name}_data.hdf5", Path(folder) / "MVSEC" / "flow" / f"{name}_gt_flow_dist.npz"
    make.write_mvsec(*paths, *events, frames, flow_s, flow, **options)
    return paths


def us(seconds):
    return [int(float(s) * 1e6) for s in seconds]


# ------------------------------------------------------------------------------------------------ events


def test_frames_are_those_of_a_plain_loop(tmp_path, rng):
    """Ten equal shares of each interval between two grey frames, the last edge closed; OFF before ON; the centre alone."""
    t, x, y, p = recording(rng)
    write(tmp_path, (t, x, y, p))
    part = mvsec.load(tmp_path).test
    ends, first = us(FRAMES), np.searchsorted(t, FRAMES)
    assert len(part) == 4
    for k, pair in enumerate(part.pairs):
        assert pair.ends_us == (ends[k], ends[k + 1]) and pair.events == (first[k], first[k + 1])
        expected = np.zeros((10, 2, 256, 256))
        for i in range(first[k], first[k + 1]):
            row, column = y[i] - 2, x[i] - 45
            if 0 <= row < 256 and 0 <= column < 256:
                expected[min((us([t[i]])[0] - ends[k]) * 10 // (ends[k + 1] - ends[k]), 9), int(p[i] == 1), row, column] += 1
        sample = part.sample(k)
        np.testing.assert_array_equal(sample.frames, expected)
        read = first[k + 1] - first[k]
        assert sample.report == (read, expected.sum(), read - expected.sum()) and 200 < sample.report.kept < read
        assert sample.frames.dtype == np.float32 and (expected.sum((0, 2, 3)) > 80).all()
    assert part.report.read == len(t) == part.report.kept + part.report.dropped


@pytest.mark.parametrize("crop", [1, 17, 256, 260])
def test_the_centre_is_kept(crop, tmp_path, rng):
    t, x, y, p = recording(rng)
    write(tmp_path, (t, x, y, p))
    samples = list(mvsec.load(tmp_path, crop).test.samples())
    top, side = (H - crop) // 2, (W - crop) // 2
    inside = (x >= side) & (x < side + crop) & (y >= top) & (y < top + crop)
    assert samples[0].frames.shape == (10, 2, crop, crop) and samples[0].flow.shape == (2, crop, crop) and samples[0].mask.shape == (crop, crop)
    seen = sum(sample.frames.sum((0, 1)) for sample in samples)
    expected = np.zeros((crop, crop))
    np.add.at(expected, (y[inside] - top, x[inside] - side), 1)
    np.testing.assert_array_equal(seen, expected)


def test_events_that_the_file_counts_to_the_wrong_interval_are_dropped_and_reported(tmp_path, rng):
    """The file says to which event a grey frame is nearest: one or two lie on the other side of it."""
    events = recording(rng)
    first = np.searchsorted(events[0], FRAMES)
    write(tmp_path, events, inds=first + [0, 2, -3, 0, 0])
    part = mvsec.load(tmp_path, H).test
    assert [sample.report for sample in part.samples()] != []
    middle = (W - H) // 2
    wide = (events[1] >= middle) & (events[1] < middle + H)
    astray = np.r_[first[1] : first[1] + 2, first[2] - 3 : first[2]]
    assert part.report == (2000, wide.sum() - wide[astray].sum(), 2000 - wide.sum() + wide[astray].sum())


def test_grey_frames_before_the_first_event_have_none_and_a_warning(tmp_path, rng):
    t, x, y, p = recording(rng)
    late = t > FRAMES[1]
    path, _ = write(tmp_path, (t[late], x[late], y[late], p[late]), inds=[-1, 0, *np.searchsorted(t[late], FRAMES[2:])])
    part = mvsec.load(tmp_path).test
    with pytest.warns(UserWarning, match=rf"^{re.escape(str(path))}: got no events from {us(FRAMES)[0]} to {us(FRAMES)[1]} us, all 10 frames are zero$"):
        sample = part.sample(0)
    assert not sample.frames.any() and not sample.mask.any() and sample.report == (0, 0, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert part.sample(1).report.read > 300


def test_unsorted_and_repeated_events_are_counted(tmp_path, rng):
    t, x, y, p = recording(rng)
    write(tmp_path / "a", (t, x, y, p))
    order = np.concatenate([rng.permutation(np.flatnonzero((t >= a) & (t < b))) for a, b in zip(FRAMES, FRAMES[1:])])
    first = np.searchsorted(t, FRAMES)
    write(tmp_path / "b", (t[order], x[order], y[order], p[order]), inds=first)
    for one, other in zip(*(mvsec.load(tmp_path / name).test.samples() for name in "ab")):
        np.testing.assert_array_equal(one.frames, other.frames)
    same = np.full(500, T0 + 0.01)
    write(tmp_path / "c", (same, np.full(500, 170), np.full(500, 130), np.ones(500)))
    assert mvsec.load(tmp_path / "c").test.sample(0).frames[3, 1, 128, 125] == 500


def test_polarities_are_minus_one_and_one(tmp_path, rng):
    t, x, y, _ = recording(rng)
    for p, channel in ((-1, 0), (1, 1)):
        write(tmp_path, (t, x, y, np.full(len(t), p)))
        assert mvsec.load(tmp_path).test.sample(0).frames.sum((0, 2, 3))[1 - channel] == 0


# ------------------------------------------------------------------------------------------------ flow


def test_within_one_flow_frame_the_flow_is_scaled_to_the_interval(tmp_path, rng):
    """Grey frames 0 to 1 lie in flow frame 0: half its interval, half its flow; 2 to 3 in flow frame 1."""
    write(tmp_path, recording(rng))
    part = mvsec.load(tmp_path).test
    for k, vector in ((0, (0.75, -1)), (2, (0.25, 0.5))):
        sample = part.sample(k)
        assert sample.mask.sum() > 200
        np.testing.assert_allclose(sample.flow[:, sample.mask], np.array(vector)[:, None] * np.ones(sample.mask.sum()), rtol=1e-6)
        assert sample.flow.dtype == np.float32


def test_an_interval_across_flow_frames_takes_a_share_of_each(tmp_path, rng):
    write(tmp_path, recording(rng))
    sample = mvsec.load(tmp_path).test.sample(1)  # a quarter of flow frame 0 and a quarter of flow frame 1
    inner = sample.flow[:, 20:180, 20:230]
    np.testing.assert_allclose(inner, np.array([0.25 * 1.5 + 0.25 * 0.5, 0.25 * -2 + 0.25 * 1])[:, None, None] + 0 * inner, rtol=1e-6)


def test_grey_frames_further_apart_than_flow_frames_follow_the_pixel(rng):
    """By a loop: a pixel reads each flow frame where it has got to, rounded; it is lost outside or where flow is unknown."""
    across, down = rng.normal(0, 6, (3, H, W)), rng.normal(0, 6, (3, H, W))
    across[1, 100:140], down[1, 100:140] = 0, 0
    across[2, :, 50:60] = np.nan
    shares = [(0, 0.5), (1, 1.0), (2, 0.25)]
    flow, known = mvsec.follow(shares, across, down)
    for row in range(0, H, 7):
        for column in range(0, W, 5):
            dx, dy, good = 0.0, 0.0, True
            for k, share in shares:
                j, i = round(column + dx), round(row + dy)
                good = good and 0 <= i < H and 0 <= j < W and np.isfinite(across[k, i, j]) and (across[k, i, j], down[k, i, j]) != (0, 0)
                if good:
                    dx, dy = dx + share * across[k, i, j], dy + share * down[k, i, j]
            assert known[row, column] == good
            if good:
                np.testing.assert_allclose(flow[:, row, column], (dx, dy), rtol=1e-12)
    assert 0.5 < known.mean() < 0.95


def test_intervals_without_flow_throughout_are_no_samples(tmp_path, rng):
    write(tmp_path, recording(rng), flow_s=FLOW + 0.046875)  # begins with grey frame 1
    assert [pair.ends_us[0] for pair in mvsec.load(tmp_path).test.pairs] == us(FRAMES)[1:4]
    write(tmp_path, recording(rng), flow_s=FLOW - 0.0625)  # ends 109 ms after grey frame 0
    assert [pair.ends_us[0] for pair in mvsec.load(tmp_path).test.pairs] == us(FRAMES)[:3]
    write(tmp_path, recording(rng), flow_s=FLOW + 60)
    assert len(mvsec.load(tmp_path).test) == 0


def test_unknown_flow_event_free_pixels_and_the_bonnet_are_masked(tmp_path, rng):
    flow = STILL.copy()
    flow[:, :, :50] = 0  # unknown
    flow[0, 0, 50:80] = np.nan
    flow[0, 1, 80:90] = np.inf
    flow[0, 0, 90:95, :] = 0  # no flow across, some down: known
    events = recording(rng, 60_000)
    write(tmp_path, events, "outdoor_day1", flow)
    write(tmp_path, events, "indoor_flying1", flow)
    parts = mvsec.load(tmp_path, H).test
    assert [parts.pairs[k].sequence for k in (0, 4)] == ["indoor_flying1", "outdoor_day1"]
    for k, last in ((0, H), (4, 190)):
        sample = parts.sample(k)
        t, x, y, _ = events
        seen, middle = np.zeros((H, W), bool), (W - H) // 2
        inside = (t >= FRAMES[0]) & (t < FRAMES[1])
        seen[y[inside], x[inside]] = True
        rows = np.arange(H)[:, None]
        expected = seen[:, middle : middle + H] & (rows >= 90) & (rows < last)
        np.testing.assert_array_equal(sample.mask, expected)
        assert 0.03 < expected.mean() < 0.3 and np.isfinite(sample.flow).all()
        assert not sample.flow[:, :90].any() and (sample.flow[:, 90:last] != 0).any(0).all()


def test_flow_wider_than_the_sensor_is_unknown():
    across = np.zeros((1, H, W))
    across[0, 5, 5] = 1e300
    across[0, 6, 6] = 345
    known = mvsec.follow([(0, 0.1)], across, across * 0)[1]
    assert np.argwhere(known).tolist() == [[6, 6]]


def test_batches_stack_samples(tmp_path, rng):
    write(tmp_path, recording(rng))
    part = mvsec.load(tmp_path, 64).test
    order = [2, 0, 3]
    got = list(part.batches(order, batch=2))
    assert [x.shape for x, _, _ in got] == [(10, 2, 2, 64, 64), (10, 1, 2, 64, 64)]
    for b, i in enumerate(order):
        x, flow, mask = (a[:, b % 2] if k == 0 else a[b % 2] for k, a in enumerate(got[b // 2]))
        sample = part.sample(i)
        np.testing.assert_array_equal(x, sample.frames)
        np.testing.assert_array_equal(flow, sample.flow)
        np.testing.assert_array_equal(mask, sample.mask)


def test_outdoor_day2_is_for_training_and_all_else_for_testing(tmp_path, rng):
    for name in ("outdoor_day2", "outdoor_day1", "indoor_flying3", "indoor_flying1"):
        write(tmp_path, recording(rng, 50), name)
    (tmp_path / "MVSEC" / "flow" / "indoor_flying9_gt_flow_dist.npz").touch()  # without events
    parts = mvsec.load(tmp_path)
    assert {pair.sequence for pair in parts.train.pairs} == {"outdoor_day2"}
    assert [pair.sequence for pair in parts.test.pairs][::4] == ["indoor_flying1", "indoor_flying3", "outdoor_day1"]


# ------------------------------------------------------------------------------------------------ memory


def peak(work):
    """Return the most bytes that were in use while work() ran."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_flow_is_read_frame_by_frame(tmp_path, rng):
    """A hundred flow frames unfold to 144 MB; loading and streaming take what a few of them do, at any length."""
    used = {}
    for count in (25, 100):
        flow = np.broadcast_to(STILL[:1], (count, 2, H, W))
        times, frames = T0 + np.arange(count) / 16, T0 + np.arange(count - 1) / 16 + 0.01
        n = 20 * count
        events = T0 + np.sort(rng.uniform(0, count / 16, n)), rng.integers(0, W, n), rng.integers(0, H, n), np.ones(n)
        write(tmp_path / str(count), events, flow=flow, flow_s=times, frames=frames, compressed=True)

        def stream():
            part = mvsec.load(tmp_path / str(count), 64).test  # noqa: B023
            assert len([sample.report for sample in part.samples()]) == count - 2  # noqa: B023

        used[count] = peak(stream)
    assert used[100] < 1.5 * used[25] < 30e6


def test_a_flow_frame_is_read_once_where_neighbours_share_it(tmp_path, rng, monkeypatch):
    write(tmp_path, recording(rng), compressed=True)
    reads, real = [], members.Frames._read
    monkeypatch.setattr(members.Frames, "_read", lambda self, size, what: reads.append((self.name, what)) or real(self, size, what))
    list(mvsec.load(tmp_path).test.samples())
    flow = [read for read in reads if read[0] == "x_flow_dist"]
    assert flow == [("x_flow_dist", "entry 0"), ("x_flow_dist", "entry 1"), ("x_flow_dist", "entry 2")]


def test_the_files_of_one_sequence_are_open_at_a_time_and_none_in_the_end(tmp_path, rng, monkeypatch):
    for name in ("indoor_flying1", "indoor_flying2", "outdoor_day1"):
        write(tmp_path, recording(rng), name)
    part, made, real = mvsec.load(tmp_path).test, [], members.Frames.__init__
    monkeypatch.setattr(members.Frames, "__init__", lambda self, *args: made.append(self) or real(self, *args))
    for _ in part.samples():
        assert sum(not frames._file.closed for frames in made) == 2
    assert len(made) == 6 and all(frames._file.closed for frames in made)


def test_entries_of_an_npz_may_be_read_in_any_order(tmp_path, rng):
    whole = rng.normal(size=(9, 4, 3))
    for compressed in (False, True):
        (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", a=whole, b=np.arange(3))
        frames = members.Frames(tmp_path / "a.npz", "a")
        for i in (5, 0, 0, 8, 7, 3):
            np.testing.assert_array_equal(frames[i], whole[i])
        np.testing.assert_array_equal(frames.all(), whole)
        assert len(frames) == 9
        frames.close()


# ------------------------------------------------------------------------------------------------ bad input


def refusal(folder):
    """Read every sample; return the message of the refusal, which is one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError) as caught:
            for part in mvsec.load(folder):
                list(part.samples())
    text = str(caught.value)
    assert text.isprintable() and len(text.replace(str(folder), "")) < 700 and "Error" not in text  # one line, and no code that a terminal obeys
    return text


def test_a_missing_set_is_named_with_its_place_and_publisher(tmp_path):
    text = refusal(tmp_path)
    assert text.startswith(f"{tmp_path / 'MVSEC'}: got no recordings of MVSEC, expected {tmp_path / 'MVSEC'}/<any>/<sequence>_data.hdf5")
    assert "University of Pennsylvania" in text and "nothing is downloaded" in text and list(tmp_path.iterdir()) == []
    assert refusal(tmp_path / "x").endswith("x: got no such folder, expected a folder of recorded sets")


@pytest.mark.parametrize("kept", [0, 1])
def test_a_sequence_of_which_one_file_is_missing_is_named(kept, tmp_path, rng):
    paths = write(tmp_path, recording(rng, 50))
    paths[1 - kept].unlink()
    assert refusal(tmp_path).endswith(f"; {paths[kept]} is there without the other file")


@pytest.mark.parametrize("crop", [0, 261, 12.0, "64", True, None])
def test_a_crop_larger_than_the_sensor_is_refused(crop, tmp_path):
    with pytest.raises(ValueError, match=rf"^crop: got {crop!r}, expected a whole number from 1 to 260$"):
        mvsec.load(tmp_path, crop)


def change(name, value):
    """Return a change of an HDF5 file that replaces an array of the left camera."""

    def edit(file):
        del file[f"davis/left/{name}"]
        if value is not None:
            file[f"davis/left/{name}"] = value

    return edit


def entry(event, column, value):
    """Return a change of an HDF5 file in one entry of one event."""

    def edit(file):
        file["davis/left/events"][event, column] = value

    return edit


def vast(name, shape):
    """Return a change of an HDF5 file: an array that says to be vast and holds nothing."""

    def edit(file):
        del file[f"davis/left/{name}"]
        file["davis/left"].create_dataset(name, shape, float, chunks=(1024,) + shape[1:])

    return edit


MARKS = np.array([0, 500, 1000, 1500, 2000])
BAD_HDF5 = {
    "no events": (change("events", None), "got no array of numbers davis/left/events, expected 2 axes of numbers"),
    "no times": (change("image_raw_ts", None), "got no array of numbers davis/left/image_raw_ts, expected 1 axes of numbers"),
    "no numbers of events": (change("image_raw_event_inds", None), "got no array of numbers davis/left/image_raw_event_inds"),
    "events of 3 columns": (change("events", np.ones((2000, 3))), "got davis/left/events (2000, 3), expected [n, 4]: x, y, t in s, p"),
    "events of one axis": (change("events", np.ones(2000)), "got no array of numbers davis/left/events"),
    "events of text": (change("events", np.full((9, 4), b"a")), "got no array of numbers davis/left/events"),
    "one time less": (change("image_raw_ts", FRAMES[:-1]), "got davis/left/image_raw_ts (4,) and davis/left/image_raw_event_inds (5,), expected as many of both"),
    "a time NaN": (change("image_raw_ts", [T0, np.nan, T0 + 2, T0 + 3, T0 + 4]), "got davis/left/image_raw_ts nan in frame 1, expected seconds of at least 0"),
    "a negative time": (change("image_raw_ts", [-1.0, 1, 2, 3, 4]), "got davis/left/image_raw_ts -1.0 in frame 0, expected seconds of at least 0"),
    "a time twice": (change("image_raw_ts", [0, 1, 2, 2, 4.0]), "got davis/left/image_raw_ts 2.0 in frame 3, expected a time after that of the frame before"),
    "times that fall": (change("image_raw_ts", [0, 1, 0.5, 2, 4.0]), "got davis/left/image_raw_ts 0.5 in frame 2, expected a time after"),
    "a number of -2": (change("image_raw_event_inds", MARKS - 2), "got davis/left/image_raw_event_inds -2.0 in frame 0, expected -1 to 2000"),
    "a number past the last event": (change("image_raw_event_inds", MARKS + 1), "got davis/left/image_raw_event_inds 2001.0 in frame 4, expected -1 to 2000"),
    "numbers that fall": (change("image_raw_event_inds", [0, 500, 400, 1500, 2000]), "got davis/left/image_raw_event_inds 400.0 in frame 2, expected numbers that never fall"),
    "half a number": (change("image_raw_event_inds", MARKS + 0.5), "got davis/left/image_raw_event_inds 0.5 in frame 0"),
    "2**40 grey frames": (lambda file: (vast("image_raw_ts", (2**40,))(file), vast("image_raw_event_inds", (2**40,))(file)), "expected as many of both, at most 1048576"),
    "2**40 events in an interval": (lambda file: (vast("events", (2**40, 4))(file), change("image_raw_event_inds", [0, 2**39, 2**39, 2**39, 2**39])(file)), "got 549755813888 events between two grey frames"),
    "x = 346": (entry(700, 0, 346), "got x 346.0 in event 700, expected a whole number from 0 to 345"),
    "x = -1": (entry(3, 0, -1), "got x -1.0 in event 3, expected a whole number from 0 to 345"),
    "x = 1.5": (entry(1999, 0, 1.5), "got x 1.5 in event 1999, expected a whole number from 0 to 345"),
    "x NaN": (entry(700, 0, np.nan), "got x nan in event 700"),
    "y = 260": (entry(700, 1, 260), "got y 260.0 in event 700, expected a whole number from 0 to 259"),
    "t NaN": (entry(700, 2, np.nan), "got t nan in event 700, expected seconds of at least 0"),
    "t = -1": (entry(700, 2, -1), "got t -1.0 in event 700, expected seconds of at least 0"),
    "t inf": (entry(700, 2, np.inf), "got t inf in event 700, expected seconds of at least 0"),
    "p = 0": (entry(700, 3, 0), "got p 0.0 in event 700, expected -1 or 1"),
    "p = 2": (entry(700, 3, 2), "got p 2.0 in event 700, expected -1 or 1"),
    "p NaN": (entry(700, 3, np.nan), "got p nan in event 700, expected -1 or 1"),
}  # fmt: skip


@pytest.mark.parametrize("edit, words", BAD_HDF5.values(), ids=BAD_HDF5)
def test_a_broken_hdf5_file_is_refused_in_one_line(edit, words, tmp_path, rng):
    path, _ = write(tmp_path, recording(rng))
    with h5py.File(path, "r+") as file:
        edit(file)
    text = {}
    assert peak(lambda: text.update(got=refusal(tmp_path))) < 40e6
    assert text["got"].startswith(f"{path} ({path.stat().st_size} bytes): ") and words in text["got"], text


ONE = np.zeros((1, H, W)).tobytes()
TIMES = make.npz_member((1,), data=np.array([1.0]).tobytes())
FLAT = make.npz_member((1, H, W), data=ONE)
BAD_NPZ = {  # members of the npz
    "no timestamps": ({"x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got no timestamps, but x_flow_dist.npy, y_flow_dist.npy, expected timestamps.npy"),
    "no x": ({"timestamps": TIMES, "y_flow_dist": FLAT}, "got no x_flow_dist, but timestamps.npy, y_flow_dist.npy, expected x_flow_dist.npy"),
    "no y": ({"timestamps": TIMES, "x_flow_dist": FLAT}, "got no y_flow_dist"),
    "a name of two lines and a code for terminals": ({"x_flow\n\x1b[2J": FLAT}, r"got no timestamps, but x_flow\n\x1b[2J.npy, expected timestamps.npy"),
    "nothing": ({}, "got no timestamps, but nothing, expected timestamps.npy"),
    "one time more": ({"timestamps": make.npz_member((2,), data=bytes(16)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got 2 timestamps, 1 and 1 frames of flow, expected as many of each"),
    "another sensor": ({"timestamps": TIMES, "x_flow_dist": make.npz_member((1, 480, 640)), "y_flow_dist": FLAT}, "got x_flow_dist (1, 480, 640), expected numbers [k, 260, 346]"),
    "no axis": ({"timestamps": make.npz_member((), data=bytes(8)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got timestamps (), expected numbers [k]"),
    "times of two axes": ({"timestamps": make.npz_member((1, 1), data=bytes(8)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got timestamps (1, 1), expected numbers [k]"),
    "a frame short": ({"timestamps": TIMES, "x_flow_dist": FLAT[:-8], "y_flow_dist": FLAT}, "got 719800 bytes of x_flow_dist, expected 719808, as its header says"),
    "a header alone": ({"timestamps": TIMES, "x_flow_dist": make.npz_member((9, H, W)), "y_flow_dist": FLAT}, "got 128 bytes of x_flow_dist, expected 6477248, as its header says"),
    "text": ({"timestamps": make.npz_member((1,), "<U4", bytes(16)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got timestamps of <U4, expected numbers"),
    "pickle": ({"timestamps": make.npz_member((1,), "|O", bytes(16)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got timestamps of object, expected numbers"),
    "no npy": ({"timestamps": b"garbage", "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got something unreadable"),
    "empty members": ({"timestamps": b"", "x_flow_dist": b"", "y_flow_dist": b""}, "got something unreadable"),
    "version 2": ({"timestamps": make.npz_member((1,), data=bytes(8), version=(2, 0)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got timestamps in version 2.0 of the .npy format, expected version 1.0"),
    "10**12 times": ({"timestamps": make.npz_member((10**12,)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got 128 bytes of timestamps, expected 8000000000128"),
    "a bomb of times": ({"timestamps": make.npz_member((2**22,), data=bytes(2**25)), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got 4194304 timestamps, 1 and 1 frames"),
    "a bomb of frames": ({"timestamps": TIMES, "x_flow_dist": make.npz_member((10**15, H, W)), "y_flow_dist": FLAT}, "got 128 bytes of x_flow_dist"),
    "times that fall": ({"timestamps": make.npz_member((2,), data=np.array([2.0, 1]).tobytes()), "x_flow_dist": make.npz_member((2, H, W), data=2 * ONE), "y_flow_dist": make.npz_member((2, H, W), data=2 * ONE)}, "got timestamps 1.0 in frame 1, expected a time after that of the frame before"),
    "a time NaN": ({"timestamps": make.npz_member((1,), data=np.array([np.nan]).tobytes()), "x_flow_dist": FLAT, "y_flow_dist": FLAT}, "got timestamps nan in frame 0, expected seconds of at least 0"),
}  # fmt: skip


@pytest.mark.parametrize("content, words", BAD_NPZ.values(), ids=BAD_NPZ)
def test_a_broken_npz_is_refused_in_one_line(content, words, tmp_path, rng):
    _, path = write(tmp_path, recording(rng, 50))
    make.write_npz(path, content)
    text = {}
    assert peak(lambda: text.update(got=refusal(tmp_path))) < 10e6
    assert text["got"].startswith(f"{path} ({path.stat().st_size} bytes): ") and words in text["got"], text


def test_times_that_would_unfold_to_gigabytes_are_refused_unread(tmp_path):
    """As many numbers as their header says, but more than are read at once."""
    make.write_npz(tmp_path / "a.npz", {"t": make.npz_member((2**22,), data=bytes(2**25))})
    frames = members.Frames(tmp_path / "a.npz", "t", ())

    def read_it():
        with pytest.raises(ValueError, match=r"got t of \(4194304,\), expected at most 1048576 numbers$"):
            frames.all()

    assert peak(read_it) < 1e6
    frames.close()


def test_flow_whose_bytes_are_damaged_is_refused_when_it_is_read(tmp_path, rng):
    _, path = write(tmp_path, recording(rng), compressed=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 255
    path.write_bytes(data)
    assert refusal(tmp_path).startswith(f"{path} ({len(data)} bytes): got something unreadable (")


@pytest.mark.parametrize("which", [0, 1])
def test_every_cut_of_a_file_is_noticed(which, tmp_path, rng):
    path = write(tmp_path, recording(rng, 50), compressed=True)[which]
    whole = path.read_bytes()
    for size in [0, 1, 8, 100, len(whole) // 2, len(whole) - 1, *rng.integers(0, len(whole), 30)]:
        path.write_bytes(whole[:size])
        assert refusal(tmp_path).startswith(f"{path} ({size} bytes): got something unreadable (")


def test_files_are_not_written_to(tmp_path, rng):
    paths = write(tmp_path, recording(rng))
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.chmod(0o444)
    list(mvsec.load(tmp_path).test.samples())
    assert [path.read_bytes() for path in paths] == before and len([p for p in tmp_path.rglob("*") if p.is_file()]) == 2
