r"""Binning of event recordings into frames, in integer microseconds: no event is lost unseen.

A recording is four arrays with one entry an event: time t, column x, row y, polarity p.  Bins are either of a given
width (`bin_by_width`, slices tile) or of a given number (`bin_by_count`, the last edge is closed).  Both return the
frames and a `Report` in which kept + dropped = read.  A bin depends on the times alone, never on the order of the
events; floating-point times are refused, because 0.3 / 0.1 is 2 bins in floating point.
"""

import warnings
from typing import NamedTuple

import numpy as np

_FAR_US = 2**62  # 146,000 years: differences of two such times still fit in 64 bits
_MOST_CELLS = 2**30  # 4 GiB of float32
_PIECE = 2**15  # events at a time: what is worked out on the way stays in the processor's cache


class Report(NamedTuple):
    """What became of the events of one recording; kept + dropped = read."""

    read: int
    kept: int
    dropped: int  # outside the bins in time


def seconds_to_us(t):
    """Return times in seconds as whole microseconds, truncated towards zero.

    Parameters
    ----------
    t : array_like of float or int, any shape
        Times in seconds.  float16 and float32 are widened first: 0.29 * 1e6 has no float16.

    Returns
    -------
    ndarray of int64, shape of t
        Times in microseconds.

    Notes
    -----
    Truncated, as tonic does: a float64 time that lies a rounding error below a whole microsecond loses it.  The grid
    of the file stays: float16 seconds are 244 us apart from 0.25 s on, 977 us from 1 s on.

    Examples
    --------
    >>> seconds_to_us(np.array([0, 0.0014, 0.29], np.float16))
    array([     0,   1399, 290039])
    """
    a = _array("t", t, "iuf", "seconds")
    limit = _FAR_US // 10**6
    _refuse("t", a, ~((a > -limit) & (a < limit)), f"seconds between -{limit} and {limit}")
    return (a * 1e6).astype(np.int64) if a.dtype.kind == "f" else a.astype(np.int64) * 10**6


def bin_by_width(
    t, x, y=None, p=None, *, sensor, width_us, start_us=0, n_bins=None, size=None, merge=False, binary=False, dtype=np.float32
):
    """Count events in bins of equal width: bin k is [start + k width, start + (k+1) width).

    Parameters
    ----------
    t : array_like of int, shape [n]
        Times in microseconds, in any order.
    x : array_like, shape [n]
        Columns, or the channels of a 1-D sensor (a cochlea), whole numbers from 0.
    y : array_like, shape [n], optional
        Rows, whole numbers from 0; None for a 1-D sensor.
    p : array_like, shape [n], optional
        Polarities: ON is 1 or True; OFF is 0, False or -1, the same throughout.  None if there are none.
    sensor : tuple of int
        (height, width), or (channels,): rows first, the order of the frames, not tonic's (width, height).
    width_us : int
        Width of a bin in microseconds.
    start_us : int
        Start of the first bin in microseconds; the same start aligns several recordings.
    n_bins : int, optional
        Number of bins T; None takes as many as hold every event from start_us on, at least one.
    size : tuple of int, optional
        Down-sampled (height, width) or (channels,): pixel x of `old` goes to floor(x * new / old).
    merge : bool
        Put both polarities into one channel.
    binary : bool
        Say 1 where there is any event, in place of the count.
    dtype : NumPy type
        Of the frames; refused if a count does not fit.

    Returns
    -------
    frames : ndarray, shape [T, P, H, W]; of a 1-D sensor [T, 2, N], or [T, N] if P is 1
        P is 2, OFF then ON, or 1 if merged or without p.
    report : Report
        Events read, kept, and dropped because they lie outside the bins.

    Notes
    -----
    Half-open bins tile: the frames of two adjacent stretches, one after another, are those of the whole.  A stretch
    of exactly m widths needs m + 1 bins if an event lies on its end; ``n_bins=span // width_us`` keeps whole windows.

    Examples
    --------
    >>> frames, report = bin_by_width([0, 9999, 10000, 25000], [0, 1, 1, 2], sensor=(3,), width_us=10_000, n_bins=2)
    >>> frames
    array([[1., 1., 0.],
           [0., 1., 0.]], dtype=float32)
    >>> report
    Report(read=4, kept=3, dropped=1)
    """
    width_us = _whole("width_us", width_us, 1)
    start_us = _whole("start_us", start_us, -_FAR_US + 1)
    n_bins = n_bins if n_bins is None else _whole("n_bins", n_bins, 1)
    t, axes, shape = _events(t, x, y, p, sensor, size, merge)
    if n_bins is None:
        n_bins = max(int(t.max()) - start_us, 0) // width_us + 1 if t.size else 1
    last = min(start_us + n_bins * width_us, _FAR_US) - 1
    return _frames(t, start_us, last, lambda since: since // width_us, axes, (n_bins, *shape), binary, dtype)


def bin_by_count(
    t, x, y=None, p=None, *, sensor, n_bins, start_us=None, stop_us=None, size=None, merge=False, binary=False, dtype=np.float32
):
    """Count events in n_bins equal bins from start to stop, the last edge closed.

    Parameters
    ----------
    t, x, y, p, sensor, size, merge, binary, dtype
        As in `bin_by_width`.
    n_bins : int
        Number of bins T.
    start_us, stop_us : int, optional
        First and last time in microseconds, both inside; by default the first and the last event.

    Returns
    -------
    frames, report
        As of `bin_by_width`; without start_us and stop_us nothing is dropped.

    Notes
    -----
    bin = min((t - start) n_bins // (stop - start), n_bins - 1), in whole numbers; where stop = start it is bin 0.

    Examples
    --------
    >>> bin_by_count([0, 1, 2, 3, 4], [0, 0, 0, 0, 0], sensor=(1,), n_bins=4)[0].ravel()
    array([1., 1., 1., 2.], dtype=float32)
    """
    n_bins = _whole("n_bins", n_bins, 1)
    t, axes, shape = _events(t, x, y, p, sensor, size, merge)
    start, stop = _ends(t, start_us, stop_us)
    span = stop - start
    if span * n_bins >= 2**63:
        raise ValueError(f"n_bins: got {n_bins} over {span} us, expected a product below 2**63")

    def bin_of(since):
        """Return the bin of an event that many us after start."""
        return np.minimum(since * n_bins // max(span, 1), n_bins - 1)

    return _frames(t, start, stop, bin_of, axes, (n_bins, *shape), binary, dtype)


def _ends(t, start_us, stop_us):
    """Return the first and the last time of the bins in us; one that is not given is that of the events.

    A recording that ends before a given start, or begins after a given stop, has nothing inside: stop < start.
    """
    first, last = (int(t.min()), int(t.max())) if t.size else (0, 0)
    start = first if start_us is None else _whole("start_us", start_us, -_FAR_US + 1)
    stop = last if stop_us is None else _whole("stop_us", stop_us, -_FAR_US + 1)
    if stop < start and start_us is not None and stop_us is not None:
        raise ValueError(f"stop_us: got {stop}, expected at least start_us, {start}")
    return start, stop


def _events(t, x, y, p, sensor, size, merge):
    """Return t [n], the axes ((p,) y, x) as (coordinates [n], old size, new size), and the shape ((P,) H, W)."""
    sensor = _sensor("sensor", sensor)
    size = sensor if size is None else _sensor("size", size, sensor)
    t = _column("t", t, None, "iu", -_FAR_US + 1, _FAR_US, "whole microseconds of an integer type (see seconds_to_us)")
    if (y is None) != (len(sensor) == 1):
        raise ValueError(f"y: got {'None' if y is None else 'rows'} with sensor {sensor}, expected rows with (height, width) alone")
    names = (("x", x),) if y is None else (("y", y), ("x", x))
    axes = []
    for (name, values), old, new in zip(names, sensor, size):
        axes.append((_column(name, values, len(t), "iuf", 0, old, f"a whole number from 0 to {old - 1}"), old, new))
    polarity = None if p is None else _polarity(p, len(t))
    if polarity is not None and not merge:
        return t, [(polarity, 2, 2), *axes], (2, *size)
    return t, axes, (size if y is None else (1, *size))


def _frames(t, first, last, bin_of, axes, shape, binary, dtype):
    """Return (frames of `shape`, Report): events from first to last, both inside, counted in bin_of(t - first) at their pixels."""
    cells = int(np.prod([float(n) for n in shape]))
    if cells > _MOST_CELLS:
        raise ValueError(f"n_bins: got frames of shape {shape}, {cells} cells, expected at most {_MOST_CELLS} (is start_us right?)")
    if not t.size:
        warnings.warn(f"t: got no events, expected at least one; all {shape[0]} frames are zero", stacklevel=3)
    cell = _cells(t, first, last, bin_of, axes)
    # Counted in 64 bits and then fitted: adding up in the dtype itself would wrap (int16) or stall (float16) unseen.
    if cells > cell.size:  # sorting takes memory for the events alone, not for the cells that stay empty
        where, counts = np.unique(cell, return_counts=True)
    else:
        counts = np.bincount(cell)
        where = np.flatnonzero(counts)
        counts = counts[where]
    if binary:
        counts = np.ones_like(counts)
    dtype, most = _holds(dtype)
    if (counts > most).any():
        i = int(np.argmax(counts > most))
        at = tuple(int(k) for k in np.unravel_index(where[i], shape))
        raise ValueError(f"dtype: got {dtype}, expected one that holds {counts[i]}, the count at {at}")
    frames = np.zeros(shape, dtype)
    frames.reshape(-1)[where] = counts
    return frames, Report(t.size, cell.size, t.size - cell.size)


def _cells(t, first, last, bin_of, axes):
    """Return the flat index [kept] into the frames of each event from first to last, in 64 bits whatever the types of the columns."""
    out, kept = np.empty(t.size, np.int64), 0
    for i in range(0, t.size, _PIECE):
        piece = slice(i, i + _PIECE)
        since = t[piece].astype(np.int64) - first
        inside = (since >= 0) & (since <= last - first)
        cell = bin_of(since)  # of an event outside: anything, it may even wrap
        for column, old, new in axes:
            at = column[piece].astype(np.int64)
            cell *= new
            cell += at if new == old else at * new // old
        if not inside.all():
            cell = cell[inside]
        out[kept : kept + cell.size] = cell
        kept += cell.size
    return out[:kept]


def _holds(dtype):
    """Return dtype as a NumPy one and the largest count up to which it holds every whole number."""
    try:
        out = np.dtype(dtype)
    except TypeError:
        out = None
    if out is None or out.kind not in "biuf":
        raise ValueError(f"dtype: got {_short(dtype)}, expected a type of real numbers")
    if out.kind == "b":
        return out, 1
    return out, int(np.iinfo(out).max) if out.kind in "iu" else 2 ** (np.finfo(out).nmant + 1)


def _whole(name, value, low):
    """Return value as an int, refused unless it is a whole number from low to below 2**62."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or not low <= value < _FAR_US:
        raise ValueError(f"{name}: got {_short(value)}, expected a whole number from {low} to below 2**62")
    return int(value)


def _sensor(name, value, largest=None):
    """Return a size, (height, width) or (channels,), as a tuple of ints, at most `largest` where given."""
    wanted = "(height, width) or (channels,)" if largest is None else f"{len(largest)} whole numbers, at most {largest}"
    try:
        out = tuple(_whole(name, n, 1) for n in value)
    except (TypeError, ValueError):
        out = ()
    lengths = (1, 2) if largest is None else (len(largest),)
    most = largest or 2 * (2**31 - 1,)  # a coordinate times a size stays below 2**62
    if len(out) not in lengths or any(n > m for n, m in zip(out, most)):
        raise ValueError(f"{name}: got {_short(value)}, expected {wanted}")
    return out


def _array(name, values, kinds, expected):
    """Return values as an array of the given kinds of dtype, floats as float64, an empty one as int64."""
    try:
        a = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: got rows of unequal length, expected {expected}") from None
    if a.size == 0:
        return np.zeros(a.shape, np.int64)
    if a.dtype.kind not in kinds:
        i = _odd(a)
        raise ValueError(f"{name}[{i}]: got {_short(a.item(i))} in an array of {a.dtype}, expected {expected}")
    return a.astype(np.float64, copy=False) if a.dtype.kind == "f" else a


def _odd(a):
    """Return the index of the first entry that gives the dtype of a away (NaN, inf, None, text), else 0."""
    if a.dtype.kind == "f":
        return int(np.argmin(np.isfinite(a)))
    if a.dtype.kind == "O":
        return int(np.argmin([isinstance(v, (int, np.integer)) for v in a.flat]))
    return 0


def _refuse(name, a, bad, expected):
    """Raise, naming the first entry of a where bad is true."""
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name}[{i}]: got {a.flat[i]}, expected {expected}")


def _column(name, values, length, kinds, low, high, expected):
    """Return values as an array [n] of their own type, refused unless each is a whole number with low <= value < high."""
    a = _array(name, values, kinds, expected)
    if a.ndim != 1:
        raise ValueError(f"{name}: got shape {a.shape}, expected [n], one entry an event")
    if length is not None and len(a) != length:
        raise ValueError(f"{name}: got {len(a)} entries, expected {length}, as many as t")
    # Of whole numbers the extremes say whether to look closer: no array of 10 million comparisons for good events.
    if a.dtype.kind == "f" or (a.size and not (low <= a.min().item() and a.max().item() < high)):
        # Said positively, so that NaN, of which no comparison is true, is refused too.
        _refuse(name, a, ~((a >= low) & (a < high) & (a == np.floor(a))), expected)
    return a


def _polarity(p, length):
    """Return polarities as False (OFF) and True (ON), shape [n]."""
    p = _column("p", p, length, "biuf", -1, 2, "a polarity, -1, 0 or 1")
    if p.min(initial=0) == -1:
        _refuse("p", p, p == 0, "-1 or 1, as elsewhere in p")
    return p == 1


def _short(value):
    """Return value as at most 60 characters on one line."""
    return " ".join(repr(value).split())[:60]
