"""Recorded sets, read from small files in each set's real format: every event arrives, or is reported, or is refused in one line.

The files are written by tests/make_recordings.py, which imports nothing of stllr_ref.  No test may open a socket.
"""

import importlib.util
import re
import socket
import sys
import tracemalloc
import warnings
from pathlib import Path

import h5py
import make_recordings as make
import numpy as np
import pytest

from stllr_ref import LIF, STLLR, Bias, Dense, Layer, Leaky, Network, cross_entropy, network, triangle, window
from stllr_ref.data import catalogue, prepare, recorded
from stllr_ref.data.catalogue import Bins
from stllr_ref.gradcheck import activity

REAL = Path(__file__).parents[2] / "shared" / "recorded"
LACKS = "CIFAR10-DVS needs the package aedat: pip install aedat"
needs_aedat = pytest.mark.skipif(importlib.util.find_spec("aedat") is None, reason=LACKS)
SETS = ["NMNIST", "SHD", "DVSGesture", pytest.param("CIFAR10DVS", marks=needs_aedat), "NCALTECH101"]
each = pytest.mark.parametrize("name", SETS)
SENSOR = {"NMNIST": (34, 34), "SHD": (700,), "DVSGesture": (128, 128), "CIFAR10DVS": (128, 128), "NCALTECH101": (180, 240)}
FILE = {  # of one recording of label 2, for training
    "NMNIST": "NMNIST/Train/2/00007.bin", "SHD": "SHD/shd_train.h5", "DVSGesture": "DVSGesture/ibmGestureTrain/user03_led/2.npy",
    "CIFAR10DVS": "CIFAR10DVS/bird/cifar10_bird_7.aedat4", "NCALTECH101": "NCALTECH101/Caltech101/c/image_0007.bin",
}  # fmt: skip
TICK = {"NMNIST": 1, "SHD": 15_625, "DVSGesture": 1000, "CIFAR10DVS": 1, "NCALTECH101": 1}  # us between times that the format holds exactly (SHD: 1/64 s)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*args, **options):
        raise AssertionError("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def write(folder, name, *recordings):
    """Write recordings (t in us, x, y, p) of label 2 for training, the first under FILE; N-Caltech101 gets classes a to c. Return the paths."""
    first = Path(folder) / FILE[name]
    if name == "SHD":
        make.write_shd(first, [(np.asarray(t) / 1e6, x) for t, x, _, _ in recordings], [2] * len(recordings))
        return [first]
    if name == "NCALTECH101":
        for c in "abc":
            (first.parents[1] / c).mkdir(parents=True, exist_ok=True)
    paths = []
    for k, (t, x, y, p) in enumerate(recordings):
        if name == "DVSGesture":
            path = first.parents[1] / f"user{3 + k:02d}_led" / "2.npy"
            make.write_npy(path, np.asarray(t) / 1000, x, y, p)
        elif name == "CIFAR10DVS":
            path = first.with_name(f"cifar10_bird_{7 + k}.aedat4")
            make.write_aedat4(path, [(t, x, y, p)] if len(t) else [])
        else:
            path = first.with_name(f"{first.stem[:-3]}{7 + 10 * k:03d}.bin")  # of N-Caltech101 no number for testing
            make.write_bin(path, t, x, y, p)
        paths.append(path)
    return paths


def read(folder, name, bins=None, published="paper"):
    """Return the training part of a set, its bins replaced where given."""
    part = recorded.load(folder, name, published).train
    part.bins = bins or part.bins
    return part


def some(name, rng, n=300, steps=60):
    """Return n events of a set's sensor, at times that its format holds exactly, the first at row and column 0."""
    t = np.sort(rng.integers(0, steps, n)) * (TICK[name] if TICK[name] > 1 else 5000)
    x, p = rng.integers(0, SENSOR[name][-1], n), rng.integers(0, 2, n)
    y = rng.integers(0, SENSOR[name][0], n) if name != "SHD" else None
    x[0] = 0
    if y is not None:
        y[0] = 0  # N-Caltech101 is shifted to the corner
    return t, x, y, p


def frame_of(name, size, bins=1):
    """Return the shape of frames."""
    return (bins, *size) if name == "SHD" else (bins, 2, *size)


def slow(t, x, y, p, bin_of, shape, sensor):
    """Count events in frames of `shape`, one after another; bin_of(t) is None outside."""
    frames = np.zeros(shape, np.int64)
    for i, (t_, x_) in enumerate(zip(map(int, t), map(int, x))):
        k = bin_of(t_)
        if k is not None:
            at = (x_ * shape[-1] // sensor[-1],) if y is None else (int(p[i]), int(y[i]) * shape[-2] // sensor[0], x_ * shape[-1] // sensor[1])
            frames[(k, *at)] += 1
    return frames


# ------------------------------------------------------------------------------------------------ events


@each
def test_every_event_arrives_as_it_was_written(name, tmp_path, rng):
    wanted = [some(name, rng), some(name, rng, 40)]
    write(tmp_path, name, *wanted)
    part = read(tmp_path, name, bins=Bins(SENSOR[name], 10))
    assert len(part) == 2 and part.labels.tolist() == [2, 2] and part.labels.dtype == np.int64
    for i, (t, x, y, p) in enumerate(wanted):
        got = part.events(i)
        np.testing.assert_array_equal(got[0], t)
        np.testing.assert_array_equal(got[1], x)
        if name == "SHD":
            assert got[2] is got[3] is None
        else:
            np.testing.assert_array_equal(got[2], y)
            np.testing.assert_array_equal(got[3], p)
            assert {0, 1} == set(got[3].tolist())
        assert all(a is None or a.dtype == np.int64 for a in got)


def relaxed(name, folder, train=True):
    """Return tonic's own set on a folder, its check of completeness alone overridden (it keeps its name, which is that of the folder)."""
    import tonic.datasets as sets

    kind = type(name, (getattr(sets, name),), {"_check_exists": lambda self: True})
    return kind(str(folder)) if name in ("CIFAR10DVS", "NCALTECH101") else kind(str(folder), train=train)


MAKERS = {"NMNIST": make.nmnist_set, "SHD": make.shd_set, "DVSGesture": make.gesture_set, "CIFAR10DVS": make.cifar10_set, "NCALTECH101": make.ncaltech101_set}


@each
def test_events_and_labels_are_those_of_tonic_s_own_class(name, tmp_path, rng):
    MAKERS[name](tmp_path, rng)
    ours = recorded.load(tmp_path, name, "code" if name == "DVSGesture" else "paper")
    for part in ours if name in ("NMNIST", "SHD", "DVSGesture") else [ours.train]:
        theirs = relaxed(name, tmp_path, part.part == "train")
        data = dict(zip(theirs.data, range(len(theirs.data)))) if theirs.data else None
        assert len(part)
        for i, item in enumerate(part.samples):
            if item.clip:
                continue
            events, label = theirs[item.row if data is None else data[str(item.path)]]
            t, x, y, p = part.events(i)
            n = len(t)  # a clip begins with the first event and the files are sorted
            np.testing.assert_array_equal(t, events["t"][:n])
            np.testing.assert_array_equal(x, events["x"][:n])
            assert n == len(events) or (name == "DVSGesture" and item.clips > 1)
            if name != "SHD":
                np.testing.assert_array_equal(y, events["y"][:n])
                np.testing.assert_array_equal(p, events["p"][:n])
            assert label == (item.path.parent.name if name == "NCALTECH101" else item.label)


def test_the_plain_class_of_tonic_takes_the_files_of_shd_and_gesture(tmp_path, rng):
    """The writers write the real formats: tonic's classes, nothing overridden, find and read what they wrote."""
    from tonic.datasets import SHD, DVSGesture

    make.shd_set(tmp_path, rng)
    make.gesture_set(tmp_path, rng, train=[(f"user{k:02d}_led", *range(11)) for k in range(10)], test=(), n=20)
    (tmp_path / "SHD" / "shd_train.h5.zip").touch()
    (tmp_path / "DVSGesture" / "ibmGestureTrain.tar.gz").touch()
    assert len(SHD(str(tmp_path))) == 6 and len(DVSGesture(str(tmp_path))) == 110


def test_times_of_shd_are_cast_before_they_are_multiplied(tmp_path):
    make.write_shd(tmp_path / "SHD/shd_train.h5", [([0, 0.0014, 0.29, 1.37], [0, 1, 2, 699])], [19])
    t, x, _, _ = read(tmp_path, "SHD").events(0)
    assert t.tolist() == [0, 1399, 290039, 1370117] and x.tolist() == [0, 1, 2, 699]


def test_n_caltech101_is_shifted_to_the_corner(tmp_path, rng):
    written = make.ncaltech101_set(tmp_path, rng)
    part = read(tmp_path, "NCALTECH101")
    for i, item in enumerate(part.samples):
        t, x, y, p = written[item.path]
        got = part.events(i)
        np.testing.assert_array_equal(got[1], x - x.min())
        np.testing.assert_array_equal(got[2], y - y.min())
        assert x.min() >= 3 and y.min() >= 5


def test_records_in_row_240_are_no_events_but_overflows(tmp_path):
    make.write_bin(tmp_path / "NMNIST/Train/1/1.bin", [5, 0, 7], [1, 0, 2], [3, 240, 4], [1, 0, 0])
    part = read(tmp_path, "NMNIST")
    assert [a.tolist() for a in part.events(0)] == [[5, 7 + 8192], [1, 2], [3, 4], [1, 0]]
    assert part.frames(0)[1] == (2, 2, 0)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int16, np.int32, np.int64, np.uint16, ">f8"])
def test_gesture_files_may_be_of_any_type_that_holds_their_times(kind, tmp_path):
    make.write_npy(tmp_path / FILE["DVSGesture"], [0, 3, 30], [0, 5, 127], [127, 1, 2], [0, 1, 1], dtype=kind)
    t, x, y, p = read(tmp_path, "DVSGesture").events(0)
    assert t.tolist() == [0, 3000, 30000]
    assert x.tolist() == [0, 5, 127] and y.tolist() == [127, 1, 2] and p.tolist() == [0, 1, 1]


def test_a_gesture_file_in_column_order_reads_the_same(tmp_path):
    rows = np.array([[0, 127, 0, 0], [5, 1, 1, 3]], float)
    path = make._place(tmp_path / FILE["DVSGesture"])
    np.save(path, np.asfortranarray(rows))
    assert [a.tolist() for a in read(tmp_path, "DVSGesture").events(0)] == [[0, 3000], [0, 5], [127, 1], [0, 1]]


# ------------------------------------------------------------------------------------------------ order, labels, parts


@each
def test_recordings_come_in_the_order_of_their_paths(name, tmp_path, rng):
    MAKERS[name](tmp_path, rng)
    for part in recorded.load(tmp_path, name):
        at = [(item.path.relative_to(tmp_path).as_posix(), item.row, item.clip) for item in part.samples]
        assert at == sorted(at) and len(set(at)) == len(at) > 1


def test_the_order_does_not_hang_on_that_of_the_file_system(tmp_path, rng, monkeypatch):
    make.cifar10_set(tmp_path, rng)
    before = [item.path for item in recorded.load(tmp_path).train.samples]
    real = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: reversed(list(real(self, pattern))))
    assert [item.path for item in recorded.load(tmp_path).train.samples] == before


def test_parts_hang_on_the_path_alone(tmp_path, rng):
    """A file stays in its part, whatever else is there."""
    for name, maker in (("CIFAR10DVS", make.cifar10_set), ("NCALTECH101", make.ncaltech101_set)):
        maker(tmp_path, rng)
        whole = recorded.load(tmp_path, name)
        assert len(whole.train) and len(whole.test)
        for item in whole.train.samples[1:] + whole.test.samples[1:]:
            item.path.unlink()
        rest = recorded.load(tmp_path, name)
        for before, after in zip(whole, rest):
            assert [item.path for item in after.samples] == [before.samples[0].path]


def test_the_last_hundred_names_of_a_class_of_cifar10_dvs_are_for_testing(tmp_path):
    root = tmp_path / "CIFAR10DVS" / "frog"
    root.mkdir(parents=True)
    for number in range(1000):
        (root / f"cifar10_frog_{number}.aedat4").touch()
    parts = recorded.load(tmp_path)
    assert len(parts.train) == 900 and len(parts.test) == 100
    names = sorted(path.name for path in root.iterdir())
    assert [item.path.name for item in parts.test.samples] == names[900:]


def test_every_tenth_number_of_n_caltech101_is_for_testing(tmp_path, rng):
    make.ncaltech101_set(tmp_path, rng, numbers=range(1, 41), n=1)
    parts = recorded.load(tmp_path)
    assert {item.path.stem for item in parts.test.samples} == {f"image_{k:04d}" for k in (10, 20, 30, 40)} and len(parts.train) == 36 * 3


def test_labels_are_digits_words_gestures_and_classes(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, train=20, test=3)
    make.shd_set(tmp_path, rng)
    make.gesture_set(tmp_path, rng)
    make.cifar10_set(tmp_path, rng)
    make.ncaltech101_set(tmp_path, rng)
    labels = {name: [part.labels.tolist() for part in recorded.load(tmp_path, name, "code")] for name in MAKERS}
    assert labels["NMNIST"] == [sorted(2 * list(range(10))), [0, 1, 2]]
    assert labels["SHD"] == [[0, 3, 6, 9, 12, 15], [0, 3, 6, 9]]
    assert labels["DVSGesture"] == [[0, 10, 3], [10, 2]]
    assert labels["CIFAR10DVS"] == [[0, 0, 5, 5, 9, 9]] * 2
    assert labels["NCALTECH101"] == [[0, 0, 1, 1, 2, 2], [0, 1, 2]]  # BACKGROUND_Google, Faces_easy, anchor
    assert [recorded.load(tmp_path, name).train.classes for name in MAKERS] == [10, 20, 11, 10, 3]


def test_hidden_files_are_none_of_the_set_s(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 3, 2)
    (tmp_path / "NMNIST/Train/0/._00000.bin").write_bytes(b"resource fork")
    (tmp_path / "NMNIST/Train/notes.txt").write_text("mine")
    assert [len(part) for part in recorded.load(tmp_path)] == [3, 2]


@pytest.mark.parametrize("text", ["NMNIST", "n-mnist", "N-MNIST", "nmnist"])
def test_a_set_is_named_by_folder_or_title_in_any_case(text, tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 2, 2)
    make.shd_set(tmp_path, rng)
    assert recorded.load(tmp_path, text).train.name == "NMNIST"


def test_a_folder_with_one_set_needs_no_name(tmp_path, rng):
    make.shd_set(tmp_path, rng)
    assert recorded.load(tmp_path).test.name == "SHD"
    assert recorded.load(str(tmp_path)).test.samples == recorded.load(tmp_path, "shd").test.samples


# ------------------------------------------------------------------------------------------------ frames as published

# set, published -> size, (t, first, last) -> bin or None; the rows are those of the paper's table, written out again here.
SHAPES = {"NMNIST": (17, 17), "SHD": (700,), "DVSGesture": (32, 32), "CIFAR10DVS": (48, 48), "NCALTECH101": (45, 60)}


def in_bins(low, width, steps):
    return lambda t: (t - low) // width if low <= t < low + width * steps else None


def published_bins(name, published, t):
    """Return (steps, bin of a time) of a recording shorter than two clips, by the table of the paper and of its code."""
    first, last = int(min(t)), int(max(t))
    if name == "NMNIST":
        return 21, in_bins(0, 16_000, 21)
    if (name, published) == ("SHD", "paper"):
        return 100, in_bins(0, 10_000, 100)
    if name == "SHD":  # the slice [first, first + 1 s), then whole windows of 10 ms from its first event to its last
        steps = (max(v for v in t if v < first + 1_000_000) - first) // 10_000
        return steps, in_bins(first, 10_000, steps)
    if (name, published) == ("DVSGesture", "paper"):
        return 20, in_bins(first, 75_000, 20)
    if name == "DVSGesture":
        steps = (max(v for v in t if v < first + 1_575_000) - first) // 75_000
        return steps, in_bins(first, 75_000, steps)
    if (name, published) == ("NCALTECH101", "paper"):
        return 10, in_bins(0, 30_000, 10)
    if name == "NCALTECH101":
        steps = (last - first) // 30_000
        return steps, in_bins(first, 30_000, steps)
    return 10, lambda t: min((t - first) * 10 // (last - first), 9)


SPANS = {"NMNIST": 350_000, "SHD": 1_400_000, "DVSGesture": 2_500_000, "CIFAR10DVS": 1_300_000, "NCALTECH101": 320_000}


@pytest.mark.parametrize(
    "name, published",
    [pytest.param(name, way, marks=needs_aedat if name == "CIFAR10DVS" else ()) for name in SENSOR for way in ("paper", "code")][:-3]
    + [("NCALTECH101", "paper"), ("NCALTECH101", "code")],  # the code shares out CIFAR10-DVS by number: the next test
)
def test_frames_are_those_of_a_plain_loop(name, published, tmp_path, rng):
    n, start = 800, 1_600_000_000_000_000 if name == "CIFAR10DVS" else 2 * TICK[name]
    t = start + np.sort(rng.integers(0, SPANS[name] // TICK[name], n)) * TICK[name]
    x, p = rng.integers(0, SENSOR[name][-1], n), rng.integers(0, 2, n)
    y = None if name == "SHD" else rng.integers(0, SENSOR[name][0], n)
    x[0], y = 0, None if y is None else np.concatenate([[0], y[1:]])
    write(tmp_path, name, (t, x, y, p))
    part = read(tmp_path, name, published=published)
    steps, bin_of = published_bins(name, published, t)
    expected = slow(t, x, y, p, bin_of, frame_of(name, SHAPES[name], steps), SENSOR[name])
    frames, report = part.frames(0)
    np.testing.assert_array_equal(frames, expected)
    assert frames.dtype == np.float32 and expected.sum() > 400
    assert report == (n, expected.sum(), n - expected.sum()) == part.report
    assert (report.dropped > 0) == (name != "CIFAR10DVS")


@needs_aedat
def test_the_code_shares_out_the_events_of_cifar10_dvs_by_number(tmp_path, rng):
    """Frames of 57 events in the order of time, the last one of 57 + 4; unsorted events give the same."""
    n = 574
    t, x, y, p = rng.permutation(5 * np.arange(n)), rng.integers(0, 128, n), rng.integers(0, 128, n), rng.integers(0, 2, n)
    write(tmp_path, "CIFAR10DVS", (t, x, y, p))
    frames, report = read(tmp_path, "CIFAR10DVS", published="code").frames(0)
    assert frames.sum((1, 2, 3)).tolist() == [57] * 9 + [61] and report == (n, n, 0)
    np.testing.assert_array_equal(frames, slow(t, x, y, p, lambda v: min(v // 5 // 57, 9), (10, 2, 48, 48), (128, 128)))


@pytest.mark.parametrize("published, clips, steps", [("paper", 3, 20), ("code", 3, 20)])
def test_gestures_are_cut_into_clips_that_share_no_event_and_lose_none(published, clips, steps, tmp_path, rng):
    t = np.sort(rng.integers(700, 700 + 5400, 3000))
    t[0], t[-1] = 700, 6099
    x, y, p = rng.integers(0, 128, 3000), rng.integers(0, 128, 3000), rng.integers(0, 2, 3000)
    make.write_npy(tmp_path / FILE["DVSGesture"], t, x, y, p)
    part = read(tmp_path, "DVSGesture", published=published)
    length = {"paper": 1500, "code": 1575}[published]
    assert len(part) == clips and [(item.clip, item.clips) for item in part.samples] == [(k, clips) for k in range(clips)]
    got = [part.events(k) for k in range(clips)]
    np.testing.assert_array_equal(np.concatenate([events[0] for events in got]), 1000 * t)
    np.testing.assert_array_equal(np.concatenate([events[1] for events in got]), x)
    for k in range(clips):
        frames, report = part.frames(k)
        low = 700 + k * length if published == "paper" else int(got[k][0].min()) // 1000
        inside = (t >= low) & (t < low + 1500)
        assert len(frames) == steps and frames.sum() == report.kept == inside.sum() > 500
        np.testing.assert_array_equal(frames.sum((1, 2, 3)), np.bincount((t[inside] - low) // 75, minlength=20))
    assert part.report.read == 3000 and part.report.dropped > 0 and part.report.kept + part.report.dropped == 3000


def test_a_gesture_whose_clips_cannot_be_told_is_refused(tmp_path):
    """Its first and last event in the file tell the clips; here they are not the earliest and the latest."""
    t = np.r_[2000:4000, 0:2000]
    make.write_npy(tmp_path / FILE["DVSGesture"], t, t % 128, t % 128, t % 2)
    part = read(tmp_path, "DVSGesture")
    with pytest.raises(ValueError, match=r"bytes\): got events that are not in the order of time, expected the first and the last to tell its 1 clips$"):
        part.frames(0)
    make.write_npy(tmp_path / FILE["DVSGesture"], np.sort(t), t % 128, t % 128, t % 2)
    assert len(read(tmp_path, "DVSGesture")) == 2


def test_the_code_tests_on_whole_recordings_of_gestures(tmp_path):
    t = np.arange(10, 6010)
    make.write_npy(tmp_path / "DVSGesture/ibmGestureTest/user24_led/5.npy", t, t % 128, t % 128, t % 2)
    code, paper = (recorded.load(tmp_path, published=way).test for way in ("code", "paper"))
    assert len(code) == 1 and len(code.frames(0)[0]) == 5999 // 75 and len(paper) == 3


@pytest.mark.parametrize("last, steps", [(1_574_999, 20), (1_575_000, 21)])
def test_tc19_the_number_of_whole_windows_hangs_on_one_microsecond(last, steps):
    bins, t = Bins((1, 1), 0, 75_000, "event"), np.array([0, last])
    assert prepare.frames(bins, (1, 1), t, 0 * t, 0 * t, 0 * t)[0].shape == (steps, 2, 1, 1)


# ------------------------------------------------------------------------------------------------ cases 15, 19, 20, 21


@each
@pytest.mark.parametrize("n_bins, counts", [(2, [2, 3]), (4, [1, 1, 1, 2]), (5, [1, 1, 1, 1, 1])])
def test_tc19_binning_conserves_events(name, n_bins, counts, tmp_path):
    write(tmp_path, name, (TICK[name] * np.arange(5), [0] * 5, [0] * 5, [1] * 5))
    frames, report = read(tmp_path, name, Bins(SENSOR[name], n_bins)).frames(0)
    assert frames.reshape(n_bins, -1).sum(1).tolist() == counts and report == (5, 5, 0)


@each
def test_tc19_a_hundred_and_one_events_in_seven_bins(name, tmp_path):
    write(tmp_path, name, (TICK[name] * np.arange(101), [0] * 101, [0] * 101, [1] * 101))
    assert read(tmp_path, name, Bins(SENSOR[name], 7)).frames(0)[0].sum() == 101


@each
def test_tc19_one_event_is_kept(name, tmp_path):
    for bins, steps in ((None, None), (Bins(SENSOR[name], 1), 1), (Bins(SENSOR[name], 0, 10_000, "event"), 1)):
        write(tmp_path, name, ([TICK[name]], [0], [0], [1]))
        frames, report = read(tmp_path, name, bins).frames(0)
        assert frames.sum() == 1 and report == (1, 1, 0) and steps in (None, len(frames))


@each
def test_tc20_no_events_are_zero_frames_and_a_warning_that_names_the_file(name, tmp_path):
    (path,) = write(tmp_path, name, ([], [], [], []))
    for published in ("paper", "code"):
        part = read(tmp_path, name, published=published)
        with pytest.warns(UserWarning, match=rf"^{re.escape(str(path))}: got no events, expected at least one; all \d+ frames are zero$"):
            x, y, lengths = part.arrays(flat=False)
        assert x.shape == (part.bins.steps or 1, 1, *frame_of(name, SHAPES[name])[1:]) and not x.any()
        assert part.report == (0, 0, 0) and lengths.tolist() == [1] and y.tolist() == [2]


@each
def test_tc20_forty_thousand_events_in_a_bin_stay_so_many(name, tmp_path):
    n = 40_000
    write(tmp_path, name, (np.zeros(n, int), np.zeros(n, int), np.zeros(n, int), np.ones(n, int)))
    frames, report = read(tmp_path, name).frames(0)
    assert frames.max() == frames.sum() == n and report.kept == n


@each
def test_tc20_bins_are_edges_in_whole_microseconds(name, tmp_path):
    width = 10_000 if TICK[name] < 10_000 else 4 * TICK[name]
    t = np.array([0, width - TICK[name], width, 100 * width - TICK[name]])
    write(tmp_path, name, (t, [0] * 4, [0] * 4, [1] * 4))
    frames, _ = read(tmp_path, name, Bins(SENSOR[name], 100, width)).frames(0)
    assert np.repeat(np.arange(100), frames.reshape(100, -1).sum(1).astype(int)).tolist() == [0, 0, 1, 99]


@each
def test_tc21_unsorted_events_give_the_same_frames(name, tmp_path, rng):
    t, x, y, p = some(name, rng)
    order = rng.permutation(len(t))
    for published in ("paper", "code"):
        write(tmp_path, name, (t, x, y, p))
        sorted_, report = read(tmp_path, name, published=published).frames(0)
        write(tmp_path, name, tuple(a if a is None else a[order] for a in (t, x, y, p)))
        part = read(tmp_path, name, published=published)
        frames, same = part.frames(0)
        if (name, published) != ("CIFAR10DVS", "code"):  # equal times: which of them is the 57th hangs on the order
            np.testing.assert_array_equal(frames, sorted_)
        assert same == report and same.kept > 200
        np.testing.assert_array_equal(part.events(0)[0], t[order])


@each
def test_tc21_duplicates_are_counted(name, tmp_path):
    write(tmp_path, name, ([TICK[name]] * 5, [0] * 5, [0] * 5, [1] * 5))
    assert read(tmp_path, name).frames(0)[0].max() == 5


@each
def test_tc21_files_are_not_written_to(name, tmp_path, rng):
    (path,) = write(tmp_path, name, some(name, rng))
    before, there = path.read_bytes(), sorted(tmp_path.rglob("*"))
    path.chmod(0o444)
    part = read(tmp_path, name)
    first = part.frames(0)[0]
    np.testing.assert_array_equal(part.frames(0)[0], first)
    assert path.read_bytes() == before and sorted(tmp_path.rglob("*")) == there


def test_tc21_polarities_of_gestures_map_the_same_however_written(tmp_path, rng):
    t, x, y, p = some("DVSGesture", rng)
    make.write_npy(tmp_path / FILE["DVSGesture"], t / 1000, x, y, p)
    expected = read(tmp_path, "DVSGesture").frames(0)[0]
    assert (expected.sum((0, 2, 3)) > 100).all()
    for kind in (np.float32, np.int64):
        make.write_npy(tmp_path / FILE["DVSGesture"], t / 1000, x, y, 2 * p - 1, dtype=kind)
        np.testing.assert_array_equal(read(tmp_path, "DVSGesture").frames(0)[0], expected)


@each
def test_tc21_bins_start_at_the_given_time(name, tmp_path):
    write(tmp_path, name, (np.array([8, 32, 56]) * 15_625 // TICK[name] * TICK[name], [0] * 3, [0] * 3, [1] * 3))
    frames, _ = read(tmp_path, name, Bins(SENSOR[name], 5, 200_000)).frames(0)
    assert frames.reshape(5, -1).sum(1).tolist() == [1, 0, 1, 0, 1]


def grads(x, y, lengths, last=5):
    """Return the gradients of a small network on x [T, B, N], float64."""
    rng = np.random.default_rng(3)
    n = x.shape[2]
    net = Network([
        Layer(Dense(rng.normal(0, 1.0, (8, n))), LIF(0.8, 0.6, triangle), STLLR(lam_pre=0.7, lam_post=0.3, alpha_pre=1, alpha_post=-1), bias=Bias(np.zeros(8))),
        Layer(Dense(rng.normal(0, 1, (3, 8))), Leaky(0.9), STLLR(lam_pre=0.9, lam_post=0, alpha_pre=1, alpha_post=0), bias=Bias(np.zeros(3))),
    ])  # fmt: skip
    rates = activity(net, x.astype(float), lengths)[0]
    assert 0.02 < rates[0] < 0.98
    return network.run(net, x.astype(float), y, cross_entropy, window(len(x), lengths, last=last))[1]


@each
def test_tc15_a_short_recording_learns_in_its_own_last_steps(name, tmp_path, rng):
    """12 real steps beside 20 in a batch: the gradient of the first is that of the recording alone, unpadded."""
    width, size = 64 * TICK[name] if TICK[name] > 1 else 5000, (4,) if name == "SHD" else (2, 2)
    width = 4 * TICK[name] if name == "SHD" else width
    recordings = []
    for steps in (12, 20):
        n = 3 * steps
        t = np.sort(np.concatenate([np.arange(steps) * width, rng.integers(0, (steps - 1) * width // TICK[name], n - steps) * TICK[name]]))
        y = None if name == "SHD" else np.concatenate([[0], rng.integers(0, SENSOR[name][0], n - 1)])
        recordings.append((t, np.concatenate([[0], rng.integers(0, SENSOR[name][-1], n - 1)]), y, rng.integers(0, 2, n)))
    write(tmp_path, name, *recordings)
    for bins in (Bins(size, 20, width), Bins(size, 25, width), Bins(size, 0, width, "event")):
        part = read(tmp_path, name, bins)
        ((x, y, lengths),) = part.batches()
        floor = bins.steps == 0  # whole windows alone: the last event, on an edge, is in none
        assert lengths.tolist() == ([11, 19] if floor else [12, 20]) and len(x) == (bins.steps or 19)
        x = x.reshape(*x.shape[:2], -1)
        T = int(lengths[0])
        assert x[:T, 0].any(1).all() and not x[T:, 0].any() and x[T:, 1].any()
        alone = grads(x[:T, :1], y[:1], [T])
        padded = grads(x[:, :1], y[:1], lengths[:1])
        other = grads(x[:, :1], y[:1], [len(x)])
        for key, value in alone.items():
            assert np.abs(value).max() > 0
            np.testing.assert_allclose(padded[key], value, rtol=0, atol=1e-12 * np.abs(value).max())
        assert np.abs(other["0.W"] - alone["0.W"]).max() > 1e-3 * np.abs(alone["0.W"]).max()


@each
def test_a_recording_longer_than_its_bins_has_their_length(name, tmp_path, rng):
    write(tmp_path, name, some(name, rng))
    ((x, _, lengths),) = read(tmp_path, name, Bins(SENSOR[name], 3, 10 * TICK[name])).batches()
    assert len(x) == 3 and lengths.tolist() == [3]


# ------------------------------------------------------------------------------------------------ parts, batches, memory


@each
def test_arrays_are_what_training_takes(name, tmp_path, rng):
    MAKERS[name](tmp_path, rng)
    for part in recorded.load(tmp_path, name):
        x, y, lengths = part.arrays()
        flat = int(np.prod(part.frames(0)[0].shape[1:]))
        assert x.shape == (part.bins.steps, len(part), flat) and x.dtype == np.float32 and y.dtype == np.int64
        assert lengths.shape == y.shape == (len(part),) and lengths.min() >= 1 and lengths.max() <= len(x)
        for b in (0, len(part) - 1):
            np.testing.assert_array_equal(x[:, b], part.frames(b)[0].reshape(len(x), -1))
        assert x.sum(dtype=float) == part.report.kept


def test_batches_take_samples_in_the_order_asked_for(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 9, 1)
    part = recorded.load(tmp_path).train
    whole, y, lengths = part.arrays(flat=False)
    order = [8, 1, 3, 0, 8]
    got = list(part.batches(order, batch=2))
    assert [len(y) for _, y, _ in got] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([x for x, _, _ in got], 1), whole[:, order])
    np.testing.assert_array_equal(np.concatenate([y for _, y, _ in got]), y[order])
    np.testing.assert_array_equal(np.concatenate([n for _, _, n in got]), lengths[order])
    with pytest.raises(ValueError, match="^batch: got 0, expected at least 1$"):
        next(part.batches(batch=0))


def test_binary_frames_say_whether_there_was_an_event(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 2, 1, n=3000)
    counts, binary = recorded.load(tmp_path).train, recorded.load(tmp_path, binary=True).train
    assert counts.frames(0)[0].max() > 1
    np.testing.assert_array_equal(binary.frames(0)[0], counts.frames(0)[0] > 0)
    assert binary.report == counts.report and binary.report.kept == 3000


def test_the_report_counts_each_sample_once(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 3, 1, n=100)
    part = recorded.load(tmp_path).train
    assert part.report == (0, 0, 0)
    part.frames(1)
    part.frames(1)
    assert part.report.read == 100
    part.arrays()
    part.arrays()
    assert part.report.read == 300 == part.report.kept + part.report.dropped


def peak(work):
    """Return the most bytes that were in use while work() ran."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@each
def test_a_set_streams_in_the_memory_of_a_batch(name, tmp_path, rng):
    """Four times the recordings, and the peak is that of the quarter; all frames at once would be far more."""
    recordings = [some(name, rng) for _ in range(80)]
    write(tmp_path, name, *recordings)
    part = read(tmp_path, name)
    next(part.batches(batch=1))  # imports and caches
    once = np.prod(part.frames(0)[0].shape) * 4

    def stream(count):
        return lambda: [None for _ in part.batches(range(count), batch=4)]

    few, all_ = peak(stream(20)), peak(stream(80))
    assert few > 4 * once  # a batch was made
    assert all_ < 1.5 * few < 80 * once


def test_a_whole_part_is_in_memory_once(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 100, 1)
    part = recorded.load(tmp_path).train
    part.frames(0)
    size = part.arrays()[0].nbytes
    assert size < peak(part.arrays) < 1.1 * size


def test_a_longer_recording_may_come_later(tmp_path, rng):
    """By the code's way a part has as many steps as its longest sample, wherever that stands."""
    for user, ms in ((1, 400), (2, 1200), (3, 700)):
        t = np.arange(0, ms + 1, 5)
        make.write_npy(tmp_path / f"DVSGesture/ibmGestureTest/user{user:02d}_led/5.npy", t, t % 128, t % 128, t % 2)
    part = recorded.load(tmp_path, published="code").test
    x, _, lengths = part.arrays(flat=False)
    assert lengths.tolist() == [5, 16, 9] and len(x) == 16
    for b in range(3):
        frames = part.frames(b)[0]
        np.testing.assert_array_equal(x[: len(frames), b], frames)
        assert not x[len(frames) :, b].any()


def test_finding_a_set_opens_no_recording(tmp_path, rng):
    for maker, name in ((make.nmnist_set, "NMNIST"), (make.cifar10_set, "CIFAR10DVS"), (make.ncaltech101_set, "NCALTECH101")):
        for path in maker(tmp_path, rng):
            path.write_bytes(b"not yet")
        parts = recorded.load(tmp_path, name)
        with pytest.raises(ValueError, match="got "):
            parts.train.frames(0)


def test_a_part_that_does_not_fit_is_refused_before_it_is_read(tmp_path, rng, monkeypatch):
    make.nmnist_set(tmp_path, rng, 20, 1)
    part = recorded.load(tmp_path).train
    monkeypatch.setattr(recorded, "LARGEST", 20 * 21 * 578 - 1)
    monkeypatch.setattr(part, "_sample", lambda i, real=part._sample: real(i) if i == 0 else pytest.fail("read on"))
    with pytest.raises(ValueError, match=r"^NMNIST: got 20 samples such as \(21, 2, 17, 17\), expected at most 4 GiB \(smaller batches\?\)$"):
        part.arrays()


def test_no_constructor_of_tonic_runs(tmp_path, rng, monkeypatch):
    import tonic.dataset
    import tonic.datasets

    def download(*args, **options):
        raise AssertionError("a constructor of tonic was called")

    monkeypatch.setattr(tonic.dataset.Dataset, "__init__", download)
    monkeypatch.setattr(tonic.dataset.Dataset, "download", download)
    for name, maker in MAKERS.items():
        if name != "CIFAR10DVS" or importlib.util.find_spec("aedat"):
            maker(tmp_path, rng)
            assert recorded.load(tmp_path, name).train.frames(0)[1].kept > 0


# ------------------------------------------------------------------------------------------------ bad input


def refusal(folder, name=None, published="paper"):
    """Read every sample of a set; return the message of the refusal, which is one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((ValueError, ImportError)) as caught:
            for part in recorded.load(folder, name, published):
                for i in range(len(part)):
                    part.frames(i)
    text = str(caught.value)
    assert text.isprintable() and len(text.replace(str(folder), "")) < 700  # one line, and no code that a terminal obeys
    return text


def test_a_missing_folder_is_named(tmp_path):
    assert refusal(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: got no such folder, expected a folder of recorded sets"
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file") == f"{tmp_path / 'file'}: got a file, expected a folder of recorded sets"


def test_a_folder_without_sets_is_told_which_there_are(tmp_path):
    text = refusal(tmp_path)
    assert text.startswith(f"{tmp_path}: got none of the sets, expected one of NMNIST, SHD, DVSGesture, CIFAR10DVS, NCALTECH101, MVSEC")


def test_a_folder_with_two_sets_wants_a_name(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 1, 1)
    make.shd_set(tmp_path, rng)
    assert "got NMNIST, SHD, expected one of" in refusal(tmp_path)
    assert refusal(tmp_path, "mnist") == "set: got 'mnist', expected one of NMNIST, SHD, DVSGesture, CIFAR10DVS, NCALTECH101, MVSEC"
    assert refusal(tmp_path, "shd", "text") == "published: got 'text', expected paper or code"


def test_mvsec_is_told_to_go_elsewhere(tmp_path):
    (tmp_path / "MVSEC").mkdir()
    assert "optical flow" in refusal(tmp_path) and "optical flow" in refusal(tmp_path, "mvsec")


@each
def test_a_set_that_is_not_there_names_place_publisher_and_that_nothing_is_downloaded(name, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    text = refusal(tmp_path, name)
    info = catalogue.SETS[name]
    assert text.startswith(f"{tmp_path / name}: got no recordings of {info.title}, expected {tmp_path / name}/")
    assert info.publisher in text and "nothing is downloaded" in text and "unpacked" not in text
    assert all(str(tmp_path / name / place) in text for place in info.files)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "elsewhere"]


@each
def test_an_archive_that_was_never_unpacked_is_named_with_its_size(name, tmp_path):
    archive = catalogue.SETS[name].archives[0]
    (tmp_path / name).mkdir()
    (tmp_path / name / archive).write_bytes(b"")
    assert refusal(tmp_path).endswith(f"; {tmp_path / name / archive} (0 bytes) is not unpacked")


def test_a_part_without_recordings_is_refused_where_it_is_asked_for(tmp_path, rng):
    make.nmnist_set(tmp_path, rng, 3, 0)
    parts = recorded.load(tmp_path)
    assert len(parts.test) == 0 and parts.train.arrays()[0].shape[1] == 3
    with pytest.raises(ValueError, match=r"^NMNIST: got no test recordings, expected Test/<digit>/\*.bin$"):
        parts.test.arrays()
    assert list(parts.test.batches()) == [] and parts.test.report == (0, 0, 0)


def test_without_tonic_one_line_says_how_to_get_it(tmp_path, rng, monkeypatch):
    make.nmnist_set(tmp_path, rng, 1, 1)
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    assert refusal(tmp_path).endswith("pip install tonic")


def test_without_aedat_one_line_says_how_to_get_it(tmp_path, rng, monkeypatch):
    (path, *_) = sorted(make.cifar10_set(tmp_path, rng))
    monkeypatch.setitem(sys.modules, "aedat", None)
    text = refusal(tmp_path)
    assert text.startswith(f"{path}: ") and text.endswith("expected the package that reads it: pip install aedat")


def test_without_h5py_one_line_says_how_to_get_it(tmp_path, rng, monkeypatch):
    make.shd_set(tmp_path, rng)
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert refusal(tmp_path).endswith("expected the package that reads it: pip install h5py")


def events_bytes(*rows):
    """Return the bytes of a .bin of rows (x, y, p, t)."""
    return b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for x, y, p, t in rows)


def npy(rows, dtype=float):
    """Return the bytes of an .npy of rows."""
    import io

    out = io.BytesIO()
    np.save(out, np.array(rows, dtype), allow_pickle=True)
    return out.getvalue()


GOOD_ROWS = [[0, 127, 0, 1], [5, 4, 1, 2], [7, 7, 1, 9]]
GOOD_NPY = npy(GOOD_ROWS)


def gesture(event, column, value):
    """Return the bytes of a gesture with one entry changed."""
    rows = np.array(GOOD_ROWS, float)
    rows[event, column] = value
    return npy(rows)


BIN_WHOLE = "expected five bytes an event (a file cut short?)"
NPY_FOUR = "[n, 4]"
X, Y = "x {} in event {}, expected a whole number from 0 to 127", "y {} in event {}, expected a whole number from 0 to 127"
BAD_FILES = {  # name -> set, bytes of a recording, what the line must say
    "bin, 1 byte": ("NMNIST", b"\1", f"got 1 bytes of event 0, {BIN_WHOLE}"),
    "bin, 4 bytes": ("NMNIST", b"\1\2\3\4", f"got 4 bytes of event 0, {BIN_WHOLE}"),
    "bin, cut in event 2": ("NMNIST", events_bytes((1, 2, 0, 3), (4, 5, 1, 9), (6, 6, 0, 10))[:-2], f"got 3 bytes of event 2, {BIN_WHOLE}"),
    "bin, x = 34": ("NMNIST", events_bytes((1, 2, 0, 3), (34, 5, 1, 9)), "got x 34 in event 1, expected 0 to 33"),
    "bin, x = 255": ("NMNIST", events_bytes((255, 2, 0, 3)), "got x 255 in event 0, expected 0 to 33"),
    "bin, y = 34": ("NMNIST", events_bytes((1, 34, 0, 3), (4, 5, 1, 9)), "got y 34 in event 0, expected 0 to 33"),
    "bin, text": ("NMNIST", b"these are no events at all", "got 1 bytes of event 5"),
    "bin, garbage": ("NMNIST", np.random.default_rng(0).bytes(500), "in event"),
    "bin, a flood of overflows": ("NMNIST", bytes([0, 240, 0, 0, 0]) * 1001, "got 1001 records in row 240, which are no events, expected at most 1000"),
    "bin, another sensor": ("NMNIST", events_bytes((1, 2, 0, 3), (33, 33, 1, 9), (100, 100, 1, 9)), "got x 100 in event 2"),
    "caltech, cut": ("NCALTECH101", events_bytes((1, 2, 0, 3), (4, 5, 1, 9))[:-1], f"got 4 bytes of event 1, {BIN_WHOLE}"),
    "caltech, x = 240": ("NCALTECH101", events_bytes((1, 2, 0, 3), (240, 5, 1, 9)), "got x 240 in event 1, expected 0 to 239"),
    "caltech, y = 180": ("NCALTECH101", events_bytes((1, 180, 0, 3)), "got y 180 in event 0, expected 0 to 179"),
    "caltech, x that a shift would hide": ("NCALTECH101", events_bytes((30, 2, 0, 3), (250, 5, 1, 9)), "got x 250 in event 1, expected 0 to 239"),
    "npy, empty": ("DVSGesture", b"", NPY_FOUR),
    "npy, no magic": ("DVSGesture", b"PK\3\4" + GOOD_NPY[4:], NPY_FOUR),
    "npy, cut in the magic": ("DVSGesture", GOOD_NPY[:5], NPY_FOUR),
    "npy, cut in the header": ("DVSGesture", GOOD_NPY[:50], NPY_FOUR),
    "npy, no events but a header": ("DVSGesture", GOOD_NPY[:128], "got 128 bytes, expected 224, as its header says (a file cut short?)"),
    "npy, cut in an event": ("DVSGesture", GOOD_NPY[:-9], "got 215 bytes, expected 224, as its header says"),
    "npy, longer": ("DVSGesture", GOOD_NPY + b"\0", "got 225 bytes, expected 224, as its header says"),
    "npy, pickle": ("DVSGesture", npy([[{}, None, 1, 2]], object), "got an array of object, expected numbers"),
    "npy, bare pickle": ("DVSGesture", __import__("pickle").dumps([1, 2, 3]), NPY_FOUR),
    "npy, text": ("DVSGesture", npy([["1", "2", "0", "4"]], "U4"), "got an array of <U4, expected numbers"),
    "npy, complex": ("DVSGesture", npy([[1, 2, 0, 3]], complex), "got an array of complex128, expected numbers"),
    "npy, bool": ("DVSGesture", npy([[1, 1, 0, 1]], bool), "got an array of bool, expected numbers"),
    "npy, a type of two lines and a code for terminals": ("DVSGesture", make.npz_member((1, 4), "<f8\n\x1b[2J", bytes(32)), "something unreadable"),
    "npy, fields": ("DVSGesture", npy([(1, 2, 0, 3)], "i4,i4,i4,i4"), "expected numbers"),
    "npy, 3 columns": ("DVSGesture", npy([[1, 2, 3]]), "got an array (1, 3), expected [n, 4]: x, y, p, t in ms"),
    "npy, 5 columns": ("DVSGesture", npy([[1, 2, 3, 4, 5]]), "got an array (1, 5), expected [n, 4]"),
    "npy, 1 axis": ("DVSGesture", npy([1, 2, 1, 4]), "got an array (4,), expected [n, 4]"),
    "npy, 3 axes": ("DVSGesture", npy([[[1, 2, 1, 4]]]), "got an array (1, 1, 4), expected [n, 4]"),
    "npy, says 2**60 events": ("DVSGesture", make.npz_member((2**60, 4)), "expected 36893488147419103360, as its header says"),
    "npy, says 10**30 events": ("DVSGesture", make.npz_member((10**30, 4)), "as its header says"),
    "npy, a negative shape": ("DVSGesture", make.npz_member((-3, 4)), "got 128 bytes, expected 32"),
    "npy, version 2": ("DVSGesture", make.npz_member((3, 4), version=(2, 0)), "version 2.0 of the .npy format, expected version 1.0"),
    "npy, x = 128": ("DVSGesture", gesture(1, 0, 128), X.format("128.0", 1)),
    "npy, x = -1": ("DVSGesture", gesture(0, 0, -1), X.format("-1.0", 0)),
    "npy, x = 1.5": ("DVSGesture", gesture(2, 0, 1.5), X.format("1.5", 2)),
    "npy, x NaN": ("DVSGesture", gesture(2, 0, np.nan), X.format("nan", 2)),
    "npy, x inf": ("DVSGesture", gesture(2, 0, np.inf), X.format("inf", 2)),
    "npy, y = 128": ("DVSGesture", gesture(1, 1, 128), Y.format("128.0", 1)),
    "npy, y = -5": ("DVSGesture", gesture(1, 1, -5), Y.format("-5.0", 1)),
    "npy, p = 2": ("DVSGesture", gesture(1, 2, 2), "p 2.0 in event 1, expected a polarity, 0 (or -1 throughout) or 1"),
    "npy, p NaN": ("DVSGesture", gesture(0, 2, np.nan), "p nan in event 0"),
    "npy, p half": ("DVSGesture", gesture(0, 2, 0.5), "p 0.5 in event 0"),
    "npy, p both 0 and -1": ("DVSGesture", gesture(2, 2, -1), "p 0.0 in event 0, expected -1 or 1, as elsewhere in the file"),
    "npy, t = -1": ("DVSGesture", gesture(1, 3, -1), "t -1.0 in event 1"),
    "npy, t NaN": ("DVSGesture", gesture(1, 3, np.nan), "t nan in event 1"),
    "npy, t inf at the end": ("DVSGesture", gesture(2, 3, np.inf), "t inf in event"),
    "npy, t = 1e300": ("DVSGesture", gesture(1, 3, 1e300), "t 1e+300 in event 1"),
    "npy, t that would wrap in 16 bits": ("DVSGesture", npy([[1, 2, 0, 5], [1, 2, 0, 33]], np.int16), "t 33 in event 1, expected 0 to 32 ms in an array of int16"),
    "npy, t that would wrap in 8 bits": ("DVSGesture", npy([[1, 2, 0, 1]], np.uint8), "t 1 in event 0, expected 0 to 0 ms in an array of uint8"),
    "npy, t that overflows in float16": ("DVSGesture", npy([[1, 2, 0, 5], [1, 2, 0, 66]], np.float16), "t 66.0 in event 1, expected 0 to 65.4386 ms in an array of float16"),
    "npy, t a year away": ("DVSGesture", gesture(2, 3, 3e10), "clips between the first event and the last, expected at most 10000"),
    "aedat4, empty": ("CIFAR10DVS", b"", "got the version b'', expected b'#!AER-DAT4.0\\r\\n'"),
    "aedat4, another version": ("CIFAR10DVS", b"#!AER-DAT3.1\r\n" + bytes(50), "got the version b'#!AER-DAT3.1\\r\\n', expected"),
    "aedat4, the version alone": ("CIFAR10DVS", b"#!AER-DAT4.0\r\n", "got the version"),
    "aedat4, a header of 4 GiB": ("CIFAR10DVS", b"#!AER-DAT4.0\r\n\xff\xff\xff\xff" + bytes(50), "got a header that ends at byte 4294967313, expected an end within the file"),
    "aedat4, a header of zeros": ("CIFAR10DVS", b"#!AER-DAT4.0\r\n\x32\0\0\0" + bytes(50), "got a header of 50 bytes that is none, expected one that names the streams"),
    "aedat4, text": ("CIFAR10DVS", b"no events here, but text, and enough of it to fill a header", "got the version b'no events here'"),
}  # fmt: skip


@pytest.mark.parametrize("name, data, words", BAD_FILES.values(), ids=BAD_FILES)
def test_a_broken_file_is_refused_in_one_line_with_its_size_and_first_bad_record(name, data, words, tmp_path):
    if name == "CIFAR10DVS" and importlib.util.find_spec("aedat") is None:
        pytest.skip(LACKS)
    path = make._place(tmp_path / FILE[name])
    path.write_bytes(data)
    there = sorted(tmp_path.rglob("*"))
    for published in ("paper", "code"):
        text = refusal(tmp_path, published=published)
        assert text.startswith(f"{path} ({len(data)} bytes): got ") and words in text, text
        assert "Error" not in text and "Traceback" not in text
    assert sorted(tmp_path.rglob("*")) == there and path.read_bytes() == data


PACKET = make.event_packet([5, 6, 9], [1, 2, 3], [4, 5, 6], [0, 1, 1])


def aedat4(packets, cut=0, **options):
    """Return a function that writes an AEDAT4 file, its last bytes cut off."""

    def write_file(path):
        make.write_aedat4(path, packets, **options)
        path.write_bytes(path.read_bytes()[: -cut or None])

    return write_file


def lies(packet, at, value):
    """Return a packet with a number of 32 bits changed."""
    return packet[:at] + int(value).to_bytes(4, "little") + packet[at + 4 :]


def two_streams(path):
    """Write an AEDAT4 file with events of two streams, of which tonic would take one."""
    make.write_aedat4(path, [PACKET, PACKET], streams=[("0", "EVTS"), ("1", "EVTS")])
    data = bytearray(path.read_bytes())
    data[-len(PACKET) - 8] = 1  # the number of the second packet's stream
    path.write_bytes(data)


def mistold(path):
    """Write an AEDAT4 file whose streams are told in bytes that are no text."""
    make.write_aedat4(path, [PACKET])
    path.write_bytes(path.read_bytes().replace(b"version", b"versi\xff\xfe"))


BAD_AEDAT4 = {
    "cut at the last byte": (aedat4([PACKET], 1), "got packets that end at byte"),
    "cut by half a packet": (aedat4([PACKET], 40), "got packets that end at byte"),
    "cut, and no end stated": (aedat4([PACKET, PACKET], 9, end=False), "got packet 1 from byte"),
    "cut in the length of a packet": (aedat4([PACKET, PACKET], len(PACKET) + 3, end=False), "got packet 1 from byte 387 to 395, expected an end at 392 or before"),
    "more behind the packets, and no end stated": (aedat4([PACKET], end=False, tail=b"abc"), "packet 1"),
    "streams told in no text": (mistold, "that is none, expected one that names the streams"),
    "events of two streams": (lambda path: two_streams(path), "got events in 2 streams, expected one stream of events"),
    "an unknown stream": (aedat4([PACKET], streams=[("3", "EVTS")]), "unknown stream id"),
    "no stream of events": (aedat4([PACKET], streams=[("0", "FRME")]), "something unreadable"),
    "no stream at all": (aedat4([PACKET], streams=[]), "no stream found"),
    "a packet that is none": (aedat4([b"garbage garbage garbage garbage"]), "got packet 0 of 31 bytes that is none"),
    "an empty packet": (aedat4([b""]), "got packet 0 of 0 bytes that is none"),
    "a packet whose size lies": (aedat4([lies(PACKET, 0, 17)]), "got packet 0 of 84 bytes that is none"),
    "more events than bytes": (aedat4([lies(PACKET, 32, 4)]), "got 4 events in packet 0 of 84 bytes, expected 16 bytes an event"),
    "2**31 events": (aedat4([lies(PACKET, 32, 2**31)]), "got 2147483648 events in packet 0"),
    "an offset out of the packet": (aedat4([lies(PACKET, 24, 2**31)]), "got packet 0 of 84 bytes that is none"),
    "a table whose entries stand before the packet": (aedat4([lies(PACKET, 20, 60)]), "got packet 0 of 84 bytes that is none"),
    "x = 128": (aedat4([([5, 6], [1, 128], [2, 3], [0, 1])]), "got x 128 in event 1, expected 0 to 127"),
    "x = -1": (aedat4([([5, 6], [-1, 1], [2, 3], [0, 1])]), "got x 65535 in event 0, expected 0 to 127"),
    "y = 128": (aedat4([([5, 6], [1, 1], [2, 128], [0, 1])]), "got y 128 in event 1, expected 0 to 127"),
    "t = -1": (aedat4([([5], [1], [2], [0]), ([-1], [1], [2], [0])]), "got t 18446744073709551615 in event 1, expected 0 to 4611686018427387904 us"),
}  # fmt: skip


@needs_aedat
@pytest.mark.parametrize("write_file, words", BAD_AEDAT4.values(), ids=BAD_AEDAT4)
def test_a_broken_aedat4_file_is_refused_in_one_line(write_file, words, tmp_path, capfd):
    path = make._place(tmp_path / FILE["CIFAR10DVS"])
    write_file(path)
    text = refusal(tmp_path)
    assert text.startswith(f"{path} ({path.stat().st_size} bytes): got ") and words in text, text
    assert capfd.readouterr() == ("", "")  # the decoder does not panic


@needs_aedat
def test_every_truncation_of_an_aedat4_file_is_noticed(tmp_path):
    path = tmp_path / FILE["CIFAR10DVS"]
    for end in (True, False):
        make.write_aedat4(path, [PACKET, PACKET], end=end)
        whole = path.read_bytes()
        between = len(whole) - len(PACKET) - 8  # without a stated end, a file cut between two packets is whole
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            if end or size not in (between, between - len(PACKET) - 8):
                assert refusal(tmp_path).startswith(f"{path} ({size} bytes): got ")


@pytest.mark.parametrize("name", ["NMNIST", "NCALTECH101", "DVSGesture"])
def test_every_truncation_of_a_file_that_states_its_length_is_noticed(name, tmp_path, rng):
    (path,) = write(tmp_path, name, some(name, rng, 20))
    whole = path.read_bytes()
    for size in range(len(whole)):
        if name == "DVSGesture" or size % 5:  # a .bin states no length: only half an event shows
            path.write_bytes(whole[:size])
            assert refusal(tmp_path).startswith(f"{path} ({size} bytes): got ")


def shd(change):
    """Return a function that writes a good SHD file of two recordings and then changes it."""

    def write_file(path):
        make.write_shd(path, [([0.1, 0.2], [1, 2]), ([0.3, 0.4], [3, 4])], [5, 6])
        with h5py.File(path, "r+") as file:
            change(file)

    return write_file


def put(name, value, dtype=None):
    """Return a change that replaces a dataset."""

    def change(file):
        del file[name]
        file.create_dataset(name, data=np.asarray(value, dtype))

    return change


def ragged(name, kind, rows):
    """Return a change that replaces a ragged dataset."""

    def change(file):
        del file[name]
        out = file.create_dataset(name, (len(rows),), h5py.vlen_dtype(kind))
        for i, values in enumerate(rows):
            out[i] = np.asarray(values, kind)

    return change


def drop(name):
    def change(file):
        del file[name]

    return change


def vast(file):
    for name, kind in (("spikes/times", h5py.vlen_dtype(np.float16)), ("spikes/units", h5py.vlen_dtype(np.uint16)), ("labels", np.uint16)):
        del file[name]
        file.create_dataset(name, (2**40,), kind, chunks=(1024,))


def group(file):
    del file["labels"]
    file.create_group("labels")


def boasting(name, **layout):
    """Return a function that writes an SHD file in which a row of a ragged list says that it has 2**32 - 1 numbers."""

    def write_file(path):
        shd(restored(name, **layout))(path)
        with h5py.File(path) as file:
            data = file[name].id
            at = data.get_chunk_info_by_coord((1,)).byte_offset if layout else data.get_offset() + 16
        content = bytearray(path.read_bytes())
        content[at : at + 4] = b"\xff" * 4
        path.write_bytes(content)

    return write_file


def restored(name, **layout):
    """Return a change that stores a ragged list in another layout."""

    def change(file):
        rows, kind = [values for values in file[name]], file[name].dtype
        del file[name]
        out = file.create_dataset(name, (len(rows),), kind, **layout)
        for i, values in enumerate(rows):
            out[i] = values

    return change


@pytest.mark.parametrize("layout", [{}, {"chunks": (1,)}, {"chunks": (2,)}, {"chunks": (2,), "compression": "gzip"}], ids=str)
def test_lists_of_shd_may_be_stored_in_any_layout(layout, tmp_path):
    shd(lambda file: [restored(name, **layout)(file) for name in ("spikes/times", "spikes/units")])(tmp_path / FILE["SHD"])
    part = read(tmp_path, "SHD")
    assert [part.events(i)[1].tolist() for i in range(2)] == [[1, 2], [3, 4]]
    assert part.events(1)[0].tolist() == [int(float(np.float16(t)) * 1e6) for t in (0.3, 0.4)]


NEEDED = "expected spikes/times, spikes/units and labels"
BAD_SHD = {
    "no times": (shd(drop("spikes/times")), f"got no list spikes/times, {NEEDED}"),
    "no units": (shd(drop("spikes/units")), f"got no list spikes/units, {NEEDED}"),
    "no labels": (shd(drop("labels")), f"got no list labels, {NEEDED}"),
    "labels are a group": (shd(group), f"got no list labels, {NEEDED}"),
    "labels of two axes": (shd(put("labels", [[1], [2]])), f"got no list labels, {NEEDED}"),
    "labels of floats": (shd(put("labels", [1.0, 2.0])), "got labels of float64, expected times of floats, units and labels of whole numbers"),
    "labels of text": (shd(put("labels", [b"a", b"b"])), "got labels of |S1"),
    "a label of 20": (shd(put("labels", [3, 20])), "got label 20 in row 1, expected 0 to 19"),
    "a label of -1": (shd(put("labels", [-1, 2])), "got label -1 in row 0, expected 0 to 19"),
    "three labels": (shd(put("labels", [1, 2, 3])), "got 2 times, 2 units, 3 labels, expected as many of each"),
    "one recording less of units": (shd(ragged("spikes/units", np.uint16, [[1, 2]])), "got 2 times, 1 units, 2 labels"),
    "times not ragged": (shd(put("spikes/times", [0.1, 0.2])), "got spikes/times of float64"),
    "times of whole numbers": (shd(ragged("spikes/times", np.int64, [[1, 2], [3, 4]])), "got spikes/times of int64"),
    "units of floats": (shd(ragged("spikes/units", np.float32, [[1, 2], [3, 4]])), "got spikes/units of float32"),
    "unequal lengths": (shd(ragged("spikes/units", np.uint16, [[1, 2], [3]])), "got 2 times and 1 units in row 1, expected as many of both"),
    "a unit of 700": (shd(ragged("spikes/units", np.uint16, [[1, 2], [3, 700]])), "got unit of row 1 700 in event 1, expected a whole number from 0 to 699"),
    "a unit of -1": (shd(ragged("spikes/units", np.int16, [[-1, 2], [3, 7]])), "got unit of row 0 -1 in event 0"),
    "a negative time": (shd(ragged("spikes/times", np.float16, [[0.1, -0.2], [3, 4]])), "in event 1, expected a time in seconds of at least 0"),
    "a time NaN": (shd(ragged("spikes/times", np.float16, [[0.1, np.nan], [3, 4]])), "got t of row 0 nan in event 1"),
    "a time inf": (shd(ragged("spikes/times", np.float16, [[0.1, 1], [np.inf, 4]])), "got t of row 1 inf in event 0"),
    "a time of 1e30 s": (shd(ragged("spikes/times", np.float64, [[0.1, 1], [1e30, 4]])), "got t of row 1 1e+30 in event 0"),
    "a row of 2**32 times": (boasting("spikes/times"), "got 4294967295 numbers in row 1 of /spikes/times, expected fewer than the file has bytes"),
    "a row of 2**32 units": (boasting("spikes/units"), "got 4294967295 numbers in row 1 of /spikes/units, expected fewer than the file has bytes"),
    "a row of 2**32 times in a piece": (boasting("spikes/times", chunks=(1,)), "got 4294967295 numbers in row 1 of /spikes/times"),
    "2**40 recordings": (shd(vast), "got 1099511627776 times, 1099511627776 units, 1099511627776 labels, expected as many of each, at most 1048576"),
    "empty": (lambda path: make._place(path).write_bytes(b""), "something unreadable"),
    "text": (lambda path: make._place(path).write_bytes(b"spikes, many of them"), "something unreadable"),
    "a folder": (lambda path: path.mkdir(parents=True), "something unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("write_file, words", BAD_SHD.values(), ids=BAD_SHD)
def test_a_broken_shd_file_is_refused_in_one_line(write_file, words, tmp_path):
    path = tmp_path / FILE["SHD"]
    write_file(path)
    used = {}

    def read_it():
        used["text"] = refusal(tmp_path)

    assert peak(read_it) < 30e6
    assert used["text"].startswith(f"{path} (") and words in used["text"], used["text"]


def test_every_cut_of_an_shd_file_is_noticed(tmp_path, rng):
    path = next(iter(make.shd_set(tmp_path, rng, 2, 0)))
    whole = path.read_bytes()
    for size in [0, 1, 8, 100, len(whole) // 2, len(whole) - 1, *rng.integers(0, len(whole), 30)]:
        path.write_bytes(whole[:size])
        assert refusal(tmp_path).startswith(f"{path} ({size} bytes): got something unreadable (")


@pytest.mark.parametrize(
    "path, words",
    [
        ("NMNIST/Train/10/1.bin", "got the label '10', expected 0 to 9"),
        ("NMNIST/Train/x/1.bin", "got the label 'x', expected 0 to 9"),
        ("NMNIST/Train/05/1.bin", "got the label '05', expected 0 to 9"),
        ("NMNIST/Test/1.bin", "got the label 'Test', expected 0 to 9"),
        ("DVSGesture/ibmGestureTest/user01_led/11.npy", "got the label '11', expected 0 to 10"),
        ("DVSGesture/ibmGestureTest/user01_led/wave.npy", "got the label 'wave', expected 0 to 10"),
        ("CIFAR10DVS/whale/cifar10_whale_1.aedat4", "got the class 'whale', expected one of airplane, automobile"),
        ("NCALTECH101/Caltech101/image_0001.bin", "got no folder of a class around it"),
    ],
)
def test_a_file_whose_label_is_none_of_the_set_s_is_named(path, words, tmp_path):
    make._place(tmp_path / path).touch()
    assert refusal(tmp_path).startswith(f"{tmp_path / path} (0 bytes): got ") and words in refusal(tmp_path)


def test_a_file_that_went_away_or_may_not_be_read_is_named(tmp_path, rng, monkeypatch):
    first, *_ = sorted(make.nmnist_set(tmp_path, rng, 1, 1))
    part = recorded.load(tmp_path).test
    part.samples[0].path.unlink()
    with pytest.raises(ValueError, match=rf"^{re.escape(str(first))} \(No such file or directory\): got something unreadable \(No such file"):
        part.frames(0)


@pytest.mark.parametrize("name", ["NMNIST", "NCALTECH101", "DVSGesture", "CIFAR10DVS"])
def test_a_recording_of_absurd_size_is_refused_before_it_is_read(name, tmp_path):
    path = make._place(tmp_path / FILE[name])
    header = make.npz_member((2**36, 4)) if name == "DVSGesture" else b""
    size = len(header) + 5 * 2**36 if name != "DVSGesture" else len(header) + 2**41
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(size)  # a hole: no bytes on disk
    text = {}
    assert peak(lambda: text.update(got=refusal(tmp_path))) < 10e6
    assert text["got"] == f"{path} ({size} bytes): got {size} bytes, expected at most 1073741824 of one recording"


def test_steps_that_a_far_time_would_make_are_refused(tmp_path):
    make.write_npy(tmp_path / "DVSGesture/ibmGestureTest/user24_led/5.npy", [0, 4e9], [1, 2], [1, 2], [0, 1])
    with pytest.raises(ValueError, match=r"bytes\): t: got 4000000000000 us from first event to last, 53333333 steps, expected at most 10000$"):
        recorded.load(tmp_path, published="code").test.frames(0)


# ------------------------------------------------------------------------------------------------ the real recordings


@pytest.fixture(scope="module")
def real():
    if not REAL.is_dir():
        pytest.skip(f"no folder {REAL}: a small piece of the real N-MNIST, for trying")
    parts = recorded.load(REAL)
    return parts, [part.arrays() for part in parts]


def test_all_300_real_recordings_are_read_and_their_events_add_up(real):
    parts, arrays = real
    assert [len(part) for part in parts] == [200, 100]
    assert parts.train.report == (813393, 813393, 0) and parts.test.report == (385596, 385595, 1)  # one lies past 336 ms
    for part, (x, y, lengths) in zip(parts, arrays):
        size = sum(item.path.stat().st_size for item in part.samples)
        assert part.report.read == size // 5 and x.sum(dtype=float) == part.report.kept
        assert x.shape == (21, len(part), 2 * 17 * 17) and x.dtype == np.float32 and set(y) == set(range(10))
        assert lengths.min() >= 19 and lengths.max() <= 21


def test_real_events_are_those_of_tonic_and_of_a_plain_loop(real):
    from tonic.datasets import NMNIST
    from tonic.io import read_mnist_file

    part = real[0].test
    for i in range(0, 100, 9):
        t, x, y, p = part.events(i)
        events = read_mnist_file(part.samples[i].path, NMNIST.dtype)
        for got, field in zip((t, x, y, p), "txyp"):
            np.testing.assert_array_equal(got, events[field])
        expected = slow(t, x, y, p, in_bins(0, 16_000, 21), (21, 2, 17, 17), (34, 34))
        np.testing.assert_array_equal(part.frames(i)[0], expected)
    assert (x.min(), y.min()) >= (0, 0) and x.max() <= 33 and (np.diff(t) >= 0).all()
