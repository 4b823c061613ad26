r"""One recording from disk, read by tonic's own code, after a look at whether it can be what it should be.

tonic takes a file as it comes: half a record at the end is forgotten, a time that overflows wraps, one that is not
finite becomes some number.  So lengths and values are checked first, and what does not fit is refused in one line:
file, size, first record.  The constructors of tonic's sets are never called: where files are missing they download.
"""

import importlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stllr_ref.data import aedat4

LARGEST = 2**30  # bytes of one recording
MOST = 2**20  # recordings in one SHD file
_FAR_US = 2**62  # as in `events`


class BadFile(ValueError):
    """A file that is missing, cut short, or holds something else than it should; the message names it and its size.

    It may quote the file: a line break in there, or a code that a terminal obeys, is shown as it would be typed.
    """

    def __init__(self, text):
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def refuse(path, found, expected):
    """Raise, naming a file, its size, what was found in it and what was expected."""
    raise BadFile(f"{called(path)}: got {found}, expected {expected}")


def called(path):
    """Return how a message names a file: path and size."""
    try:
        return f"{path} ({Path(path).stat().st_size} bytes)"
    except OSError as bad:
        return f"{path} ({bad.strerror})"


@contextmanager
def reading(path, what):
    """Say in one line whatever a parser makes of a file that is no `what`."""
    try:
        yield
    except (BadFile, ImportError):
        raise
    except BaseException as bad:
        # A panic of the AEDAT4 decoder is no Exception; what else is none (Ctrl-C) is not about the file.
        if not isinstance(bad, Exception) and type(bad).__name__ != "PanicException":
            raise
        text = " ".join((getattr(bad, "strerror", None) or str(bad) or type(bad).__name__).split())[:120]
        refuse(path, f"something unreadable ({text})", what)


def check(path, name, values, good, expected, entry="event", first=0):
    """Refuse a file at the first entry (numbered from `first`) for which good [n] is not true, showing its values [n]."""
    if not good.all():
        i = int(np.argmin(good))
        refuse(path, f"{name} {values[i]} in {entry} {first + i}", expected)


def read_bin(path, sensor, *, to_corner=False):
    """Read a recording of N-MNIST or N-Caltech101: five bytes an event.

    Parameters
    ----------
    path : path
        The file.
    sensor : tuple of int
        (height, width) that no event may leave.
    to_corner : bool
        Shift the events so that the least row and column are 0, as tonic does with N-Caltech101.

    Returns
    -------
    t, x, y, p : ndarray of int64, shape [n]
        Times in us, columns, rows, polarities (0 OFF, 1 ON), in the order of the file.
    """
    tonic = _tonic(path)
    with reading(path, "events of five bytes"):
        size = _size(path)
        if size % 5:
            refuse(path, f"{size % 5} bytes of event {size // 5}", "five bytes an event (a file cut short?)")
        _few_overflows(path)
        events = tonic.io.read_mnist_file(path, dtype=tonic.datasets.NMNIST.dtype)
    t, x, y, p = _columns(path, events, sensor)
    return (t, x - x.min(), y - y.min(), p) if to_corner and len(t) else (t, x, y, p)


def read_npy(path, sensor):
    """Read a recording of DVS Gesture, an array [n, 4] of x, y, p, t in ms; returns as `read_bin`."""
    tonic, raw = _tonic(path), _npy(path)
    x, y, p, t = np.asarray(raw).T
    check(path, "x", x, (x >= 0) & (x < sensor[1]) & (x == np.floor(x)), f"a whole number from 0 to {sensor[1] - 1}")
    check(path, "y", y, (y >= 0) & (y < sensor[0]) & (y == np.floor(y)), f"a whole number from 0 to {sensor[0] - 1}")
    check(path, "p", p, (p == 0) | (p == 1) | (p == -1), "a polarity, 0 (or -1 throughout) or 1")
    check(path, "p", p, ~((p == 0) & (p == -1).any()), "-1 or 1, as elsewhere in the file")
    # tonic multiplies times by 1000 in the type of the file.
    most = np.iinfo(raw.dtype).max // 1000 if raw.dtype.kind in "iu" else float(np.finfo(raw.dtype).max) / 1001
    most = min(most, _FAR_US // 1000)
    check(path, "t", t, (t >= 0) & (t <= most), f"0 to {most:.6g} ms in an array of {raw.dtype}")
    with reading(path, "events of DVS Gesture"):
        (events, _) = _unbuilt(tonic.datasets.DVSGesture, data=[path], targets=[0])[0]
    events["p"] = p == 1  # tonic takes -1 for ON
    return _columns(path, events, sensor)


def span_npy(path):
    """Return the time in us from the first event of a recording of DVS Gesture in the file to the last, reading only these two."""
    raw = _npy(path)
    if not len(raw):
        return 0
    ends = np.asarray(raw[[0, -1], 3], float)
    check(path, "t", ends, (ends >= 0) & (ends < _FAR_US // 1000), "a time in ms (of the first event in the file, 0, or the last, 1)")
    return int(ends[1] * 1000) - int(ends[0] * 1000)


def read_aedat4(path, sensor):
    """Read a recording of CIFAR10-DVS, an AEDAT4 file; returns as `read_bin`, times as the camera's clock had them."""
    tonic = _tonic(path)
    with reading(path, "an AEDAT4 file"):
        with open(path, "rb") as file:
            try:
                count = aedat4.packets(file, _size(path))
            except aedat4.Astray as bad:
                refuse(path, *bad.args)
        need(path, "aedat")
        events = tonic.io.read_aedat4(str(path)) if count else np.zeros(0, tonic.datasets.CIFAR10DVS.dtype)
        events.dtype.names = ("t", "x", "y", "p")  # as tonic's class calls them
    return _columns(path, events, sensor)


def read_shd(path, row, sensor):
    """Read the recording in a row of an SHD file; returns t in us, x the channel, None, None: a cochlea has no rows and no polarity."""
    tonic = _tonic(path)
    with _shd(path) as (times, units, _), reading(path, f"a recording in row {row}"):
        for data in (times, units):
            count = _numbers_in(path, data, row)
            if count > Path(path).stat().st_size:  # HDF5 would make room for them all before it looks for the first
                refuse(path, f"{count} numbers in row {row} of {data.name}", "fewer than the file has bytes")
        t, x = np.asarray(times[row], float), np.asarray(units[row])
        where = f"t of row {row}", f"unit of row {row}"
        if t.shape != x.shape:
            refuse(path, f"{len(t)} times and {len(x)} units in row {row}", "as many of both")
        check(path, where[0], t, (t >= 0) & (t < _FAR_US // 10**6), "a time in seconds of at least 0")
        check(path, where[1], x, (x >= 0) & (x < sensor[0]), f"a whole number from 0 to {sensor[0] - 1}")
    with reading(path, f"a recording in row {row}"):
        (events, _) = _unbuilt(tonic.datasets.SHD, location_on_system=str(Path(path).parent), data_filename=Path(path).name)[row]
    return events["t"].astype(np.int64), events["x"].astype(np.int64), None, None


def labels_shd(path, classes):
    """Return the labels of the recordings of an SHD file, int64 [n]."""
    with _shd(path) as (_, _, labels), reading(path, "labels"):
        labels = labels[:]
    good = (labels >= 0) & (labels < classes)
    if not good.all():
        row = int(np.argmin(good))
        refuse(path, f"label {labels[row]} in row {row}", f"0 to {classes - 1}")
    return labels.astype(np.int64)


@contextmanager
def _shd(path):
    """Open an SHD file; give its times, units and labels, refused unless they are rows of numbers, as many of each."""
    h5py = need(path, "h5py")
    with reading(path, "an HDF5 file of SHD"):
        file = h5py.File(path, "r")
    with file:
        with reading(path, "an HDF5 file of SHD"):
            found = [file.get(name) for name in ("spikes/times", "spikes/units", "labels")]
            for name, data, kinds in zip(("spikes/times", "spikes/units", "labels"), found, ("f", "iu", "iu")):
                if not isinstance(data, h5py.Dataset) or data.ndim != 1:
                    refuse(path, f"no list {name}", "spikes/times, spikes/units and labels")
                kind = data.dtype if name == "labels" else h5py.check_vlen_dtype(data.dtype)
                if kind is None or kind.kind not in kinds:
                    refuse(path, f"{name} of {kind or data.dtype}", "times of floats, units and labels of whole numbers")
            rows = [data.shape[0] for data in found]
            if len(set(rows)) > 1 or rows[0] > MOST:
                refuse(path, "{} times, {} units, {} labels".format(*rows), f"as many of each, at most {MOST}")
        yield found


def _numbers_in(path, data, row):
    """Return how many numbers a row of a ragged list says that it has, in the first four of its 16 bytes; 0 where they are compressed."""
    if data.chunks is None:
        at = data.id.get_offset()
    else:
        packed = data.id.get_create_plist().get_nfilters()
        at = None if packed else data.id.get_chunk_info_by_coord((row - row % data.chunks[0],)).byte_offset
        row %= data.chunks[0]
    if at is None:
        return 0
    with open(path, "rb") as file:
        file.seek(at + 16 * row)
        return int.from_bytes(file.read(4), "little")


def npy_header(path, file, name):
    """Return (shape, Fortran order, dtype, bytes in all) that the .npy says it has; the file is left where the numbers begin."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):  # a later one may say that its header is gigabytes long
        refuse(path, f"{name} in version {version[0]}.{version[1]} of the .npy format", "version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in "iuf":
        refuse(path, f"{name} of {dtype}", "numbers")
    return shape, fortran, dtype, file.tell() + dtype.itemsize * int(np.prod([float(n) for n in shape]))


def _npy(path):
    """Return the array of an .npy file, mapped and not read, refused unless it is [n, 4] of numbers and fills the file."""
    with reading(path, "an .npy array [n, 4] of numbers: x, y, p, t in ms"):
        size = _size(path)
        with open(path, "rb") as file:
            shape, _, _, says = npy_header(path, file, "an array")
        if len(shape) != 2 or shape[1] != 4:
            refuse(path, f"an array {shape}", "[n, 4]: x, y, p, t in ms")
        if size != says:
            refuse(path, f"{size} bytes", f"{says}, as its header says (a file cut short?)")
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _size(path):
    """Return the bytes of a recording, refused where they are too many."""
    size = Path(path).stat().st_size
    if size > LARGEST:
        refuse(path, f"{size} bytes", f"at most {LARGEST} of one recording")
    return size


def _few_overflows(path):
    """Refuse a file with more than a thousand records in row 240: no events, each says that times have overflowed once more.

    tonic goes through the rest of the file for each of them.
    """
    count = int((np.fromfile(path, np.uint8)[1::5] == 240).sum())
    if count > 1000:
        refuse(path, f"{count} records in row 240, which are no events", "at most 1000")


def _columns(path, events, sensor):
    """Return t, x, y, p as int64 [n] of what tonic read, refused where an event is out of the sensor or of time."""
    t, x, y, p = (np.asarray(events[name]) for name in "txyp")
    check(path, "t", t, (t >= 0) & (t < _FAR_US), f"0 to {_FAR_US} us")
    check(path, "x", x, (x >= 0) & (x < sensor[1]), f"0 to {sensor[1] - 1}")
    check(path, "y", y, (y >= 0) & (y < sensor[0]), f"0 to {sensor[0] - 1}")
    return tuple(a.astype(np.int64) for a in (t, x, y, p))


def _unbuilt(kind, **fields):
    """Return one of tonic's sets whose constructor, which would look for the whole set and download it, has not run."""
    out = kind.__new__(kind)
    vars(out).update(transform=None, target_transform=None, transforms=None, **fields)
    return out


def _tonic(path):
    """Return the package tonic."""
    return need(path, "tonic", "tonic.datasets", "tonic.io")


def need(path, *modules):
    """Return the first of the modules, all imported; one line says what to install where one is missing."""
    try:
        return [importlib.import_module(name) for name in modules][0]
    except ImportError as missing:
        raise ImportError(f"{path}: {missing}, expected the package that reads it: pip install {modules[0]}") from None
