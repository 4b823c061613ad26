r"""Recorded sets as a network takes them: frames of one recording at a time, batches with true lengths, whole parts.

A part of a set is a list of paths; nothing of a recording is kept once its frames are made, so that a set larger than
memory streams in the memory of a batch.  What became of the events of each sample is written down and summed.
"""

import warnings
from functools import cached_property
from typing import NamedTuple

import numpy as np

from stllr_ref.data import catalogue, files, folders, prepare
from stllr_ref.data.catalogue import PARTS, SETS
from stllr_ref.data.events import Report

LARGEST = 2**30  # cells of float32 that are put into memory at once: 4 GiB


class Parts(NamedTuple):
    """The two parts of a set as published; one without files is empty."""

    train: "Recorded"
    test: "Recorded"


def load(folder, set_name=None, published="paper", *, binary=False):
    """Find a recorded set; its recordings are read when they are asked for.

    Parameters
    ----------
    folder : path
        Holds the folder of the set ("NMNIST", "SHD", ...) as tonic lays it out; a subset of the files will do.
    set_name : str, optional
        Which set; not needed where the folder holds one alone.
    published : str
        "paper": events are binned as the text of the paper says; "code": as the authors' program does.
    binary : bool
        Say 1 where there is any event, in place of the count, as the embedded sets do.

    Returns
    -------
    Parts
        train and test, each a `Recorded`.

    Raises
    ------
    ValueError
        If the set is not there, or a file cannot be one of its recordings: one line that names it.
    """
    there = folders.present(folder)
    if set_name is None and len(there) != 1:
        raise ValueError(f"{folder}: got {', '.join(there) or 'none of the sets'}, expected one of {', '.join(SETS)} (or its name said)")
    name = there[0] if set_name is None else catalogue.named(set_name)
    if name == "MVSEC":
        raise ValueError(f"{folder}: got MVSEC, whose labels are optical flow, expected another set (data.mvsec reads this one)")
    ways = {part: catalogue.bins(name, published, part) for part in PARTS}
    found = folders.find(folder, name)
    classes = SETS[name].classes or 1 + max(item.label for items in found.values() for item in items)
    return Parts(*(Recorded(name, part, ways[part], found[part], classes, binary) for part in PARTS))


class Recorded:
    """One part of a recorded set.

    Attributes
    ----------
    samples : list of folders.Item
        Path and label of each, in the order of paths; row and clip where a file holds several.
    labels : ndarray of int64, shape [n]
    classes : int
    bins : catalogue.Bins
    binary : bool
    """

    def __init__(self, name, part, bins, recordings, classes, binary=False):
        self.name, self.part, self.bins, self.classes, self.binary = name, part, bins, classes, binary
        self.samples = [clip for item in recordings for clip in _clips(name, bins, item)]
        self.labels = np.array([item.label for item in self.samples], np.int64)
        self._reports = np.zeros((len(self.samples), 3), np.int64)

    def __len__(self):
        return len(self.samples)

    def events(self, i):
        """Return t (us), x, y, p of the events of sample i, each int64 [n] in the order of the file; of SHD y and p are None."""
        return self._read(i)[:4]

    def frames(self, i):
        """Return the frames of sample i, [T, 2, H, W] (OFF, ON) or [T, N] of SHD, float32, and their `events.Report`."""
        return self._sample(i)[:2]

    @property
    def report(self):
        """What became of the events of all samples whose frames were made so far, each counted once."""
        return Report(*self._reports.sum(0).tolist())

    def batches(self, indices=None, batch=50):
        """Yield samples, at most `batch` at once.

        Parameters
        ----------
        indices : sequence of int, optional
            Which samples, in which order; None: all of them as they are.
        batch : int

        Yields
        ------
        x : ndarray of float32, shape [T, B, ...]
            Frames; a shorter sample is 0 from its length on.
        y : ndarray of int64, shape [B]
        lengths : ndarray of int64, shape [B]
            True steps of each sample, 1 to T.
        """
        if batch < 1:
            raise ValueError(f"batch: got {batch}, expected at least 1")
        indices = np.arange(len(self)) if indices is None else np.asarray(indices)
        for low in range(0, len(indices), batch):
            yield self._stack(indices[low : low + batch])

    @cached_property
    def shape(self):
        """Shape [T, B, ...] of the whole part; where bins leave T open, all recordings are read once, to find the longest."""
        self._check_some()
        steps = self.bins.steps or max(len(self.frames(i)[0]) for i in range(len(self)))
        return steps, len(self), *(() if len(self.bins.size) == 1 else (2,)), *self.bins.size

    @property
    def recordings(self):
        """How many recordings the samples are of."""
        return len({(item.path, item.row) for item in self.samples})

    def pick(self, at):
        """Return x [T, b, ...] and lengths [b] of the samples of numbers at [b], read now: what `training.fit` asks for a batch."""
        x, _, lengths = self._stack(at, self.shape[0])
        return x, lengths

    def _check_some(self):
        """Refuse a part without recordings."""
        if not len(self):
            info = SETS[self.name]
            raise ValueError(f"{self.name}: got no {self.part} recordings, expected {info.files[PARTS.index(self.part)]}")

    def arrays(self, flat=True):
        """Return the whole part, x [T, B, N], y [B] and lengths [B], for training; with flat=False x is [T, B, ...].

        Refused where it would need more than 4 GiB: then train on `batches`.
        """
        self._check_some()
        x, y, lengths = self._stack(range(len(self)))
        return x.reshape(*x.shape[:2], -1) if flat else x, y, lengths

    def _stack(self, at, steps=0):
        """Return x [T, B, ...], y [B], lengths [B] of the samples of numbers at [B]; T is `steps`, and grows where a longer one comes."""
        lengths = np.zeros(len(at), np.int64)
        for b, i in enumerate(at):
            frames, _, lengths[b] = self._sample(i)
            if max(steps, len(frames)) * frames[0].size * len(at) > LARGEST:
                raise ValueError(f"{self.name}: got {len(at)} samples such as {frames.shape}, expected at most 4 GiB (smaller batches?)")
            if b == 0:
                x = np.zeros((max(steps, len(frames)), len(at), *frames.shape[1:]), np.float32)
            if len(frames) > len(x):
                x = np.pad(x, [(0, len(frames) - len(x))] + [(0, 0)] * (x.ndim - 1))
            x[: len(frames), b] = frames
        return x, self.labels[np.asarray(at)], lengths

    def _read(self, i):
        """Return t, x, y, p of sample i and when its clip begins, in us."""
        item = self.samples[i]
        columns = _READ[self.name](item, SETS[self.name].sensor)
        if self.name == "DVSGesture" and prepare.clips(self.bins, int(np.ptp(columns[0])) if len(columns[0]) else 0) != item.clips:
            files.refuse(item.path, "events that are not in the order of time", f"the first and the last to tell its {item.clips} clips")
        inside, low = prepare.cut(self.bins, columns[0], item.clip, item.clips)
        return *(a if a is None else a[inside] for a in columns), low

    def _sample(self, i):
        """Return (frames, report, length) of sample i."""
        path, (t, x, y, p, low) = self.samples[i].path, self._read(i)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said below with the name of the file
            try:
                frames, report, length = prepare.frames(self.bins, SETS[self.name].sensor, t, x, y, p, low, self.binary)
            except ValueError as bad:
                raise files.BadFile(f"{files.called(path)}: {bad}") from None
        if not report.read:
            warnings.warn(f"{path}: got no events, expected at least one; all {len(frames)} frames are zero", stacklevel=3)
        self._reports[i] = report
        return frames, report, length


def _clips(name, bins, item):
    """Return the clips of a recording, each an `Item`: of DVS Gesture several, told by its first and its last event."""
    if name != "DVSGesture" or not bins.clip_us:
        return [item]
    of = prepare.clips(bins, files.span_npy(item.path))
    if of > prepare.MOST:
        files.refuse(item.path, f"{of} clips between the first event and the last", f"at most {prepare.MOST}")
    return [item._replace(clip=k, clips=of) for k in range(of)]


_READ = {
    "NMNIST": lambda item, sensor: files.read_bin(item.path, sensor),
    "SHD": lambda item, sensor: files.read_shd(item.path, item.row, sensor),
    "DVSGesture": lambda item, sensor: files.read_npy(item.path, sensor),
    "CIFAR10DVS": lambda item, sensor: files.read_aedat4(item.path, sensor),
    "NCALTECH101": lambda item, sensor: files.read_bin(item.path, sensor, to_corner=True),
}
