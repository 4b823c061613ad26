r"""MVSEC: events between two grey frames, and the optical flow of every pixel meanwhile, read piece by piece.

A sequence is two files: HDF5 with the events and the times of the grey frames, npz with the flow at about 20 Hz, too
large to be read at once.  A sample is a pair of grey frames that follow one another.  Its flow is followed through the
flow frames that its interval touches, each with its share; within a single one it is that frame's flow, scaled.
"""

import warnings
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stllr_ref.data import folders
from stllr_ref.data.catalogue import PARTS, SETS
from stllr_ref.data.events import Report, bin_by_count, seconds_to_us
from stllr_ref.data.files import BadFile, check, need, reading, refuse
from stllr_ref.data.members import Frames
from stllr_ref.data.parts import check_whole

SENSOR = SETS["MVSEC"].sensor  # (height, width), px
STEPS = 10  # bins between two grey frames
CROP = 256  # height and width of the centre that is kept, px
BONNET = 190  # from this row of the sensor on, sequences outdoors show the bonnet of the car
MOST_EVENTS, MOST_FRAMES = 2**23, 2**20  # between two grey frames; in a sequence
TRAINED_ON = ("outdoor_day2",)  # the sequences for training; all others are for testing
_EVENTS, _TIMES, _FIRST = (f"davis/left/{name}" for name in ("events", "image_raw_ts", "image_raw_event_inds"))


class Parts(NamedTuple):
    """The two parts as published; one without files is empty."""

    train: "Flow"
    test: "Flow"


class Pair(NamedTuple):
    """Two grey frames that follow one another, and where their events and flow lie."""

    sequence: str
    data: Path
    truth: Path
    events: tuple  # number of the first event, and of the first one after
    ends_us: tuple  # times of the two grey frames
    shares: tuple  # (number of a flow frame, the share of its interval that lies in this one), in the order of time


class Sample(NamedTuple):
    """What a network is given, and what is known of it."""

    frames: np.ndarray  # [10, 2, H, W] float32 counts, OFF then ON
    flow: np.ndarray  # [2, H, W] float32, to the right and down, px over the whole interval; 0 where unknown
    mask: np.ndarray  # [H, W] bool: flow known, no bonnet, at least one event
    report: Report


def load(folder, crop=CROP):
    """Find the sequences of MVSEC.

    Parameters
    ----------
    folder : path
        Holds the folder "MVSEC", with <sequence>_data.hdf5 and <sequence>_gt_flow_dist.npz anywhere below.
    crop : int
        Height and width of the centre that is kept, px.

    Returns
    -------
    Parts
        train (outdoor_day2) and test (all others), each a `Flow`.

    Raises
    ------
    ValueError
        If no sequence has both files, or one of them cannot be what it should: one line that names it.
    """
    check_whole("crop", crop, 1, min(SENSOR))
    out = {part: [] for part in PARTS}
    for name, (data, truth) in sequences(folder).items():
        out["train" if name in TRAINED_ON else "test"] += _pairs(name, data, truth)
    return Parts(*(Flow(out[part], crop) for part in PARTS))


def sequences(folder):
    """Return sequence -> (HDF5, npz) of every one that has both, in the order of names; refused where there is none."""
    folders.present(folder)
    root = Path(folder) / "MVSEC"
    kinds = [{p.name.removesuffix(end): p for p in folders.below(root, end)} for end in ("_data.hdf5", "_gt_flow_dist.npz")]
    both = sorted(kinds[0].keys() & kinds[1].keys())
    if not both:
        alone = sorted(path for kind in kinds for path in kind.values())
        raise BadFile(folders.missing(folder, "MVSEC") + (f"; {alone[0]} is there without the other file" if alone else ""))
    return {name: (kinds[0][name], kinds[1][name]) for name in both}


class Flow:
    """The pairs of grey frames of some sequences; samples are read when they are asked for.

    Attributes
    ----------
    pairs : list of Pair
        Those whose whole interval has known flow, in the order of sequence and time.
    crop : int
    """

    def __init__(self, pairs, crop):
        self.pairs, self.crop = pairs, crop
        self._reports = np.zeros((len(pairs), 3), np.int64)

    def __len__(self):
        return len(self.pairs)

    @property
    def report(self):
        """What became of the events of all samples read so far, each counted once; dropped are those outside the crop too."""
        return Report(*self._reports.sum(0).tolist())

    def sample(self, i):
        """Return the `Sample` of pair i."""
        with closing(self.samples([i])) as one:
            return next(one)

    def samples(self, indices=None):
        """Yield the `Sample` of each pair of indices (None: all).  In the order of time it is fast: an npz unfolds forwards only."""
        sequence = None
        with ExitStack() as files:
            for i in range(len(self)) if indices is None else indices:
                pair = self.pairs[i]
                if pair.sequence != sequence:
                    files.close()
                    left = files.enter_context(_opened(pair.data))
                    truth = [files.enter_context(closing(Frames(pair.truth, name, SENSOR))) for name in ("x_flow_dist", "y_flow_dist")]
                    sequence = pair.sequence
                sample = self._sample(pair, left, truth)
                self._reports[i] = sample.report
                yield sample

    def batches(self, indices=None, batch=8):
        """Yield x [10, B, 2, H, W], flow [B, 2, H, W] and mask [B, H, W], of at most `batch` pairs at once."""
        indices = list(range(len(self)) if indices is None else indices)
        samples = self.samples(indices)
        with closing(samples):
            for low in range(0, len(indices), batch):
                some = [next(samples) for _ in indices[low : low + batch]]
                yield np.stack([s.frames for s in some], 1), np.stack([s.flow for s in some]), np.stack([s.mask for s in some])

    def _sample(self, pair, left, truth):
        """Return the `Sample` of a pair, given its open HDF5 file and the flow frames, across and down."""
        top, side = ((n - self.crop) // 2 for n in SENSOR)
        t, x, y, p = _events(pair, left)
        seen = (y >= top) & (y < top + self.crop) & (x >= side) & (x < side + self.crop)
        start, stop = pair.ends_us
        if not len(t):
            warnings.warn(f"{pair.data}: got no events from {start} to {stop} us, all {STEPS} frames are zero", stacklevel=3)
        columns = t[seen], x[seen] - side, y[seen] - top, p[seen]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a centre without events: the rest of the sensor may have some
            frames, report = bin_by_count(*columns, sensor=(self.crop, self.crop), n_bins=STEPS, start_us=start, stop_us=stop)
        flow, known = follow(pair.shares, *truth)
        if pair.sequence.startswith("outdoor"):
            known[BONNET:] = False
        kept = slice(top, top + self.crop), slice(side, side + self.crop)
        flow = np.where(known, flow, 0).astype(np.float32)[:, kept[0], kept[1]]
        return Sample(frames, flow, known[kept] & frames.any((0, 1)), Report(len(t), report.kept, len(t) - report.kept))


def follow(shares, across, down):
    """Follow every pixel through the flow frames that an interval touches.

    Parameters
    ----------
    shares : sequence of (int, float)
        Flow frame and the share of its interval that counts, in the order of time.
    across, down : sequence of ndarray, shape [H, W]
        Flow to the right and down of each frame, px over the frame's interval.  Where both are 0, or one is not finite or wider
        than the sensor, it is unknown.

    Returns
    -------
    flow : ndarray, shape [2, H, W]
        Where a pixel ends less where it began: columns, rows, px.
    known : ndarray of bool, shape [H, W]
        False where the flow was unknown on the way, or the pixel left the sensor.
    """
    begin = np.stack(np.meshgrid(np.arange(SENSOR[1]), np.arange(SENSOR[0])))  # columns, rows
    moved, known = np.zeros(begin.shape), np.ones(SENSOR, bool)
    for k, share in shares:
        column, row = np.rint(begin + moved).astype(int)
        known &= (row >= 0) & (row < SENSOR[0]) & (column >= 0) & (column < SENSOR[1])
        here = np.where(known, row, 0), np.where(known, column, 0)
        step = np.stack([across[k][here], down[k][here]])
        known &= (np.abs(step) < max(SENSOR)).all(0) & (step != 0).any(0)  # NaN is below nothing
        moved += share * np.where(known, step, 0)
    return moved, known


@contextmanager
def _opened(path):
    """Open the HDF5 file of a sequence; give its group, refused unless events, times and numbers have the right shapes."""
    h5py = need(path, "h5py")
    with reading(path, "an HDF5 file of MVSEC"):
        file = h5py.File(path, "r")
    with file:
        with reading(path, "an HDF5 file of MVSEC"):
            for name, axes in ((_EVENTS, 2), (_TIMES, 1), (_FIRST, 1)):
                data = file.get(name)
                if not isinstance(data, h5py.Dataset) or data.ndim != axes or data.dtype.kind not in "iuf":
                    refuse(path, f"no array of numbers {name}", f"{axes} axes of numbers")
            if file[_EVENTS].shape[1] != 4:
                refuse(path, f"{_EVENTS} {file[_EVENTS].shape}", "[n, 4]: x, y, t in s, p")
            if file[_TIMES].shape != file[_FIRST].shape or file[_TIMES].size > MOST_FRAMES:
                refuse(path, f"{_TIMES} {file[_TIMES].shape} and {_FIRST} {file[_FIRST].shape}", f"as many of both, at most {MOST_FRAMES}")
        yield file


def _pairs(name, data, truth):
    """Return the `Pair` of every two grey frames of a sequence between which the flow is known throughout."""
    with _opened(data) as file, reading(data, "times and numbers of grey frames"):
        times, first, count = file[_TIMES][:], np.asarray(file[_FIRST][:], float), file[_EVENTS].shape[0]
    times = _times(data, _TIMES, times)
    # -1 says that a grey frame was taken before the first event.
    there = (first >= -1) & (first <= count) & (first == np.floor(first))
    check(data, _FIRST, first, there, f"-1 to {count}, the number of events", "frame")
    check(data, _FIRST, first[1:], first[1:] >= first[:-1], "numbers that never fall", "frame", 1)
    first = np.maximum(first, 0).astype(int).tolist()
    flow_times = _flow_times(truth)
    out = []
    for k, ends in enumerate(zip(times[:-1].tolist(), times[1:].tolist())):
        if len(flow_times) and flow_times[0] <= ends[0] and ends[1] <= flow_times[-1]:
            out.append(Pair(name, data, truth, (first[k], first[k + 1]), ends, _shares(flow_times, *ends)))
    return out


def _flow_times(path):
    """Return the times of the flow frames of an npz, us [k], refused unless both directions have as many frames."""
    with ExitStack() as files:
        times, *flow = (
            files.enter_context(closing(Frames(path, name, entry)))
            for name, entry in (("timestamps", ()), ("x_flow_dist", SENSOR), ("y_flow_dist", SENSOR))
        )
        if any(len(frames) != len(times) for frames in flow):
            refuse(path, f"{len(times)} timestamps, {len(flow[0])} and {len(flow[1])} frames of flow", "as many of each")
        return _times(path, "timestamps", times.all())


def _times(path, name, seconds):
    """Return times in s as us [k], refused unless they are finite, not negative, and rise."""
    seconds = np.asarray(seconds, float)
    check(path, name, seconds, (seconds >= 0) & (seconds < 2**42), "seconds of at least 0", "frame")
    us = seconds_to_us(seconds)
    check(path, name, seconds[1:], us[1:] > us[:-1], "a time after that of the frame before", "frame", 1)
    return us


def _shares(times, start, stop):
    """Return ((frame, share of its interval in [start, stop]), ...) of the flow frames at times [k], us."""
    k = int(np.searchsorted(times, start, "right")) - 1
    out = []
    while times[k] < stop:
        low, high = int(times[k]), int(times[k + 1])
        out.append((k, (min(stop, high) - max(start, low)) / (high - low)))
        k += 1
    return tuple(out)


def _events(pair, file):
    """Return t (us), x, y, p (0 OFF, 1 ON) of the events of a pair, int64 [n], refused at the first that cannot be."""
    first, stop = pair.events
    if stop - first > MOST_EVENTS:
        refuse(pair.data, f"{stop - first} events between two grey frames", f"at most {MOST_EVENTS}")
    with reading(pair.data, f"events {first} to {stop}"):
        x, y, t, p = np.asarray(file[_EVENTS][first:stop], float).T
    for name, a, most in (("x", x, SENSOR[1] - 1), ("y", y, SENSOR[0] - 1)):
        check(pair.data, name, a, (a >= 0) & (a <= most) & (a == np.floor(a)), f"a whole number from 0 to {most}", "event", first)
    check(pair.data, "t", t, (t >= 0) & (t < 2**42), "seconds of at least 0", "event", first)
    check(pair.data, "p", p, (p == 1) | (p == -1), "-1 or 1", "event", first)
    return seconds_to_us(t), x.astype(np.int64), y.astype(np.int64), (p == 1).astype(np.int64)
