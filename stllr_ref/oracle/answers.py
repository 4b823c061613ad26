r"""What an implementation from outside hands back, made into arrays: or one line that says why it cannot be.

Nothing here raises: a function that fails, an answer of the wrong type, a tensor on another device, swapped axes are all
things to be told, and the telling is the work.
"""

import copy
import difflib
import os
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stllr_ref.oracle.contract import QUANTITIES

# Frames below these folders are not the user's own code.
FOREIGN = (
    os.path.join(os.path.dirname(os.path.abspath(__file__)), ""),
    sysconfig.get_paths()["stdlib"],
    "<frozen",
)
NO_GRADIENT = "was backward() run, is the weight a leaf that asks for a gradient?"
UNNAMED = "savez without a name: write savez(FILE, dW=...)"


def call(function, case):
    """Return (answer, None) of a function that is handed a copy of the case, or (None, what it raised and where)."""
    try:
        with np.errstate():  # what the function sets for floating-point errors ends with it
            return function(copy.deepcopy(case)), None
    except KeyboardInterrupt:
        raise
    except BaseException as raised:  # SystemExit, what test frameworks raise, panics of other languages
        return None, f"the function raised {raised_where(raised)}"


def raised_where(raised):
    """Return one line that names an exception, its message and the last line of the user's own code that it came through."""
    message = one_line(raised)
    if isinstance(raised, SyntaxError) and raised.filename:
        return f"{type(raised).__name__}: {one_line(raised.msg)} (at {_near(raised.filename)}:{raised.lineno})"
    frames = [frame for frame in traceback.extract_tb(raised.__traceback__) if not frame.filename.startswith(FOREIGN)]
    own = [frame for frame in frames if not {"site-packages", "dist-packages"} & set(Path(frame.filename).parts)]
    where = f" (at {_near(own[-1].filename)}:{own[-1].lineno}: {one_line(own[-1].line or '')})" if own else ""
    if isinstance(raised, ModuleNotFoundError) and raised.name:
        where += f"; no {raised.name} in the Python that runs this: {sys.executable}"
    return f"{type(raised).__name__}{': ' * bool(message)}{message}{where}"


def one_line(value, most=200):
    """Return the text of a value as one line of at most `most` characters."""
    try:
        text = " ".join(str(value).split())
    except Exception:
        text = f"(a {type(value).__name__} that cannot be printed)"
    return text if len(text) <= most else f"{text[:most]}..."


def _near(path):
    """Return a path relative to the current folder where it lies below it."""
    here = os.path.join(os.getcwd(), "")
    return path[len(here) :] if path.startswith(here) else path


def read(result, case, right):
    """Return (found, faults, notes) of an answer: name -> array of the right shape, name -> what is wrong, remarks.

    A fault under the name "" concerns the answer as a whole.
    """
    if not isinstance(result, Mapping):
        kind = "nothing (None)" if result is None else f"a {type(result).__name__}"
        return {}, {"": f"the answer is {kind}, expected a dict such as {{'u': u, 'dW': dW}}"}, ()
    try:
        given = dict(result)
        lost = [name for name in ("dW", "dV") if name in right and name in given and given[name] is None]
        given = {name: value for name, value in given.items() if value is not None}
        if "psi" in given and one_line(given["psi"]) == case["psi"]:  # the name of the case's Psi, handed back: no answer
            del given["psi"]
    except Exception as bad:
        return {}, {"": f"the answer cannot be read ({type(bad).__name__}: {one_line(bad)}), expected a dict of arrays"}, ()
    found, faults = {}, {name: f"{name}: got None ({NO_GRADIENT})" for name in lost}
    for name in right:
        if name in given:
            value, fault = _array(given[name])
            if fault is None:
                value, fault = _shaped(name, value, case, right[name].shape)
            (found if fault is None else faults)[name] = value if fault is None else f"{name}: {fault}"
    stray = [name for name in given if not (name in right or name in case or one_line(name).startswith(("expected_", "meta")))]
    notes = tuple(_stray(name, right) for name in stray[:5])
    if not found and not faults:
        got = f"{', '.join(one_line(name, 40) for name in list(given)[:8])} alone" if given else "nothing"
        hint = f" ({UNNAMED})" if any(one_line(name).startswith("arr_") for name in given) else ""
        return {}, {"": f"the answer holds {got}, expected any of {', '.join(right)}{hint}"}, notes
    return found, faults, notes


def _stray(name, right):
    """Return a remark on an entry that the case does not ask for."""
    text = one_line(name, 40)
    if text.startswith("arr_"):
        return f"{text} was not judged: {UNNAMED}"
    if text in QUANTITIES:
        return f"{text} was not judged: this case has no V"
    close = difflib.get_close_matches(text.lower(), [q.lower() for q in right], 1, 0.4)
    meant = next((f" (did you mean {q}?)" for q in right if close and q.lower() == close[0]), "")
    return f"{text} was not judged: no quantity of that name{meant}"


def _array(value):
    """Return (value as a real array, None), or (None, what it is instead)."""
    try:
        if hasattr(value, "detach"):  # PyTorch: a tensor may ask for a gradient, or lie on another device
            value = _fetched(value.detach().cpu())
        array = np.asarray(value.filled(np.nan) if isinstance(value, np.ma.MaskedArray) and value.dtype.kind == "f" else value)
    except Exception as bad:
        ragged = "inhomogeneous" in one_line(bad)
        return (
            None,
            "got rows of unequal length" if ragged else f"got something that is no array ({type(bad).__name__}: {one_line(bad, 80)})",
        )
    if array.dtype.kind not in "biuf":
        kind = {"c": "complex numbers", "O": "Python objects", "U": "text", "S": "text"}.get(array.dtype.kind, f"dtype {array.dtype}")
        return None, f"got {kind}, expected real numbers"
    return array, None


def _fetched(tensor):
    """Return a tensor as an array, by way of single precision where NumPy has no such type (bfloat16)."""
    try:
        return tensor.numpy()
    except TypeError:
        return tensor.float().numpy()


def axes(name, case):
    """Return the names of the axes of a quantity, such as ("T", "B", "N_out")."""
    conv = case["layer"] == "conv"
    pre, post, image = ("C_in", "C_out", ("H", "W")) if conv else ("N_in", "N_out", ())
    if name in ("dW", "dV"):
        return (post, "N_out") if name == "dV" else (post, pre, *("k", "k") * conv)
    return (post,) if name == "db" else ("T", "B", pre if name == "tr_x" else post, *image)


def _shaped(name, array, case, shape):
    """Return (array in its shape, None), or (None, how its shape differs and what was probably swapped)."""
    if name == "db" and array.size == shape[0]:  # [C_out, 1, 1] is as good as [C_out]
        return array.reshape(shape), None
    if array.shape == shape:
        return array, None
    names, left, swapped = axes(name, case), list(zip(axes(name, case), shape)), []
    for size in array.shape:
        match = next((axis for axis in left if axis[1] == size), None)
        if match:
            left.remove(match)
            swapped.append(match[0])
    same = not left and array.ndim == len(shape)
    reading = f" = [{', '.join(swapped)}]" if same else ""
    hint = (
        ""
        if not same
        else "; time comes first"
        if {"T", "B"} <= set(names) and swapped.index("B") < swapped.index("T")
        else "; swap the axes"
    )
    if array.ndim == 1 < len(shape) and array.size == np.prod(shape):
        hint = "; reshape it, last axis fastest"
    return None, f"got shape {list(array.shape)}{reading}, expected {list(shape)} = [{', '.join(names)}]{hint}"
