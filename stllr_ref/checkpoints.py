r"""Files of a network: its parameters alone, and checkpoints, from which training goes on as if it had never stopped.

A checkpoint holds all that decides what comes next: parameters, moments of Adam, the state of the generator that draws order
and masks, the epochs so far; and the settings, so that it is never taken for that of another run.  It ends in a checksum of
everything before, which is looked at first: a file is whole, or it is refused.
"""

import contextlib
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from stllr_ref import checks

VERSION = 1
CHECKSUM = 64  # bytes, as text


def replace_file(path, write):
    """Let write(part) make a file beside path, flush it to disk and move it there: a killed run leaves the earlier file whole."""
    path = Path(path)
    part = path.with_name(f"part-{path.name}")
    try:
        write(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as bad:
        raise OSError(bad.errno, bad.strerror or str(bad), str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)  # there only if something failed: a full disk gets its room back


def plain(value):
    """Return value as JSON gives it back, floats bit for bit: tuples as lists, NumPy's numbers and arrays as Python's."""
    return json.loads(json.dumps(value, default=lambda array: array.tolist()))


def difference(found, expected, name="settings"):
    """Return in words the first entry in which two JSON values differ, None where there is none.

    >>> difference({"lr": 0.1, "hidden": [8, 8]}, {"lr": 0.1, "hidden": [8, 9]})
    'hidden: got 8 in the file, expected 9'
    """
    if isinstance(found, dict) and isinstance(expected, dict):
        pairs = [(key, found.get(key), expected.get(key)) for key in {**expected, **found}]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = [(name, *pair) for pair in zip(found, expected)]
    else:
        return None if found == expected else f"{name}: got {found!r} in the file, expected {expected!r}"
    return next(filter(None, (difference(a, b, key) for key, a, b in pairs)), None)


class Checkpoint:
    """A file that `training.fit` writes after each epoch and, where it is there already, goes on from, bit for bit.

    Parameters
    ----------
    path : path
    settings : dict, optional
        Whatever else decides the numbers, as JSON takes it: a file that was made with others is refused.
    """

    def __init__(self, path, settings=None):
        self.path, self.settings = Path(path), settings or {}

    def write(self, net, optimiser, rng, history, settings):
        """Write parameters, moments, the state of rng and the epochs so far, with more settings than the checkpoint's own."""
        about = {"version": VERSION, "settings": {**self.settings, **settings}, "rng": rng.bit_generator.state, "history": history}
        params = {f"net/{name}": value for name, value in net.get().items()}
        moments = {f"adam/{name}": value for name, value in optimiser.get().items()}
        data = _sealed({"about": np.array(json.dumps(plain(about))), **params, **moments})
        replace_file(self.path, lambda part: part.write_bytes(data))

    def read(self, net, optimiser, rng, settings):
        """Set network, optimiser and rng as the file has them and return its epochs, tuples in a list; without a file, do nothing.

        Raises
        ------
        ValueError
            If the file is not whole, or is that of another version, generator, network or setting; nothing is set then.
        """
        if not self.path.exists():
            return []
        arrays = _opened(self.path)
        about = json.loads(str(arrays["about"]))
        found = {"version": about["version"], "settings": about["settings"], "rng": about["rng"]["bit_generator"]}
        expected = {"version": VERSION, "settings": {**self.settings, **settings}, "rng": rng.bit_generator.state["bit_generator"]}
        if other := difference(found, plain(expected)):
            raise ValueError(f"{self.path}: {other}")
        params, moments = ({n.removeprefix(kind): a for n, a in arrays.items() if n.startswith(kind)} for kind in ("net/", "adam/"))
        for name, known in _fitting(self.path, params, net).items():
            if params[name].dtype != known.dtype:
                raise ValueError(f"{self.path}: {name}: got dtype {params[name].dtype}, expected {known.dtype}")
        net.put(params)
        optimiser.put(moments)
        rng.bit_generator.state = about["rng"]
        return [tuple(epoch) for epoch in about["history"]]


def _sealed(arrays):
    """Return an npz of arrays as bytes; the comment that a zip file may end with is the checksum of all before it."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    with zipfile.ZipFile(file, "a") as opened:
        opened.comment = bytes(CHECKSUM)
    data = file.getvalue()[:-CHECKSUM]
    return data + hashlib.sha256(data).hexdigest().encode()


def _opened(path):
    """Return the arrays of a file that `_sealed` made, refused unless every byte is as it was."""
    data = path.read_bytes()
    if data[:4] != b"PK\3\4":
        raise ValueError(f"{path}: got something else than an npz, expected a checkpoint")
    if hashlib.sha256(data[:-CHECKSUM]).hexdigest().encode() != data[-CHECKSUM:]:
        found = "an npz that is cut short, damaged, or without a checksum"
        raise ValueError(f"{path}: got {found}, expected a whole checkpoint (delete it, and its trial starts again)")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return dict(file)


def _fitting(path, params, net):
    """Return the parameters that a network has now, refused unless params have the same names and shapes."""
    known = net.get()
    if set(params) != set(known):
        raise ValueError(f"{path}: got parameters {', '.join(sorted(params))}, expected {', '.join(sorted(known))}")
    for name, value in params.items():
        checks.same(f"{path}: {name}", value.shape, known[name].shape)
    return known


def save(path, net):
    """Write the parameters of a network to a file, whose name must end in .npz; settings, state and traces are no part of it."""
    if not str(path).endswith(".npz"):  # a script of the user's, say, must not be replaced
        raise ValueError(f"{path}: got a name that does not end in .npz, expected one that does")
    file = io.BytesIO()
    np.savez(file, **net.get())
    try:
        replace_file(path, lambda part: part.write_bytes(file.getvalue()))
    except OSError as bad:
        raise ValueError(f"{path}: got {bad.strerror}, expected a place to write to") from None


def load(path, net):
    """Set the parameters of a network from a file that `save` wrote; refused, and nothing set, unless every name and shape fits."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            params = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise ValueError(f"{path}: got no file, expected one that save wrote") from None
    except Exception:  # in a damaged file zipfile, zlib, tokenize and NumPy find something to raise each
        raise ValueError(f"{path}: got something else than an npz of parameters, expected a file that save wrote") from None
    _fitting(path, params, net)
    for name, value in params.items():
        if value.dtype.kind != "f":
            raise ValueError(f"{path}: {name}: got dtype {value.dtype}, expected floats")
        checks.array(f"{path}: {name}", value, net.dtype)
    net.put(params)
