r"""The check of an exercise: it runs the learner's function, compares, and names the slip; of what is right it prints one number at most.

A chapter's exercises stand in the module of its number, `EXERCISES = {"2.1": Exercise(...), ...}`.
"""

import copy
from importlib import import_module
from typing import Callable, NamedTuple

import numpy as np

CLOSE, SINGLE = 1e-9, 1e-5  # of the largest expected number; where the answer is in single precision


class Exercise(NamedTuple):
    """One exercise."""

    name: str  # of the function that the learner writes
    right: Callable  # a function that is right, out of the library
    inputs: tuple  # the argument tuples on which it is tried; none of them degenerate
    slips: dict  # what went wrong, said to the learner -> the function that goes wrong in this way
    shape: str = ""  # of what is returned, in letters such as [T, B, N]


def check(number, answer):
    """Print what there is to say of an answer to an exercise: right, not attempted yet, or what is wrong.

    Parameters
    ----------
    number : str
        Chapter and exercise, such as "2.1".
    answer : callable
        The learner's function.
    """
    print(f"exercise {number}: {verdict(number, answer)}")


def exercises(chapter):
    """Return number -> Exercise of a chapter (a whole number)."""
    return import_module(f"stllr_ref.exercises.ch{chapter:02}").EXERCISES


def verdict(number, answer):
    """Return what `check` prints of an answer, after the number of the exercise."""
    exercise, found = exercises(int(number.split(".")[0]))[number], []
    if not callable(answer):
        return f"got {type(answer).__name__}, expected your function {exercise.name}"
    for arguments in exercise.inputs:
        given = copy.deepcopy(arguments)
        try:
            found.append(answer(*given))
        except NotImplementedError:
            return "not attempted yet"
        except Exception as bad:
            return f"{exercise.name} raised {type(bad).__name__}: {bad}"
        if found[-1] is None:
            return "got None: is there a return?"
        if not all(map(_same, given, arguments)):
            return "right or not, an argument was changed in place: work on a copy"
    expected = _all(exercise, exercise.right)
    found = list(map(_tuple, found, expected))
    if all(map(_same, found, expected)):
        return "right"
    for words, wrong in exercise.slips.items():
        if all(map(_same, found, _all(exercise, wrong))):
            return words
    return next(filter(None, (_difference(a, b, exercise.shape) for a, b in zip(found, expected))))


def _all(exercise, function):
    """Return what a function gives for all inputs of an exercise, one after another."""
    return [function(*copy.deepcopy(arguments)) for arguments in exercise.inputs]


def _tuple(found, expected):
    """Return an answer as a tuple where a tuple as long is expected and it is a list or an array: these are unpacked alike."""
    row = isinstance(found, list) or (isinstance(found, np.ndarray) and found.ndim)
    return tuple(found) if row and isinstance(expected, tuple) and len(found) == len(expected) else found


def _parts(value):
    """Return a value as (name, array) pairs: of each member of a tuple, list or dict, or the value alone under the name ""."""
    if isinstance(value, dict):
        return [(f"[{key!r}]", _array(value[key])) for key in sorted(value, key=repr)]
    if isinstance(value, tuple) or (isinstance(value, list) and len({_array(part).shape for part in value}) > 1):
        return [(f"[{i}]", _array(part)) for i, part in enumerate(value)]
    return [("", _array(value))]


def _array(value):
    """Return a value as an array; what has rows of different lengths as one object."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.array(None, object)


def _same(a, b):
    """Return whether two values agree: structure, shapes, numbers within CLOSE."""
    a, b = _parts(a), _parts(b)
    return [name for name, _ in a] == [name for name, _ in b] and all(_close(x, y) for (_, x), (_, y) in zip(a, b))


def _close(a, b):
    """Return whether two arrays agree."""
    if a.shape != b.shape or not (_numeric(a) and _numeric(b)):
        return a.shape == b.shape and a.dtype.kind == b.dtype.kind and bool((a == b).all())
    return not _off(a, b).any()


def _off(a, b):
    """Return where two arrays of numbers differ, of their shape; NaN is NaN, inf is inf."""
    near = SINGLE if a.dtype in (np.float32, np.complex64) else CLOSE
    return ~np.isclose(a, b, rtol=0, atol=near * np.abs(b).max(initial=0, where=np.isfinite(b)), equal_nan=True)


def _numeric(a):
    """Return whether an array holds numbers or truth values."""
    return a.dtype.kind in "biufc"


def _difference(found, expected, letters):
    """Return the first difference between two values in words, "" where there is none."""
    found, expected = _parts(found), _parts(expected)
    if [name for name, _ in found] != [name for name, _ in expected]:
        return f"got {_structure(found)}, expected {_structure(expected)}"
    for (name, a), (_, b) in zip(found, expected):
        if a.shape != b.shape:
            return f"got shape {a.shape}{name and ' in ' + name}, expected {b.shape}{letters and ', ' + letters}"
        if _numeric(a) != _numeric(b):
            return f"got {a.dtype}{name and ' in ' + name}, expected {b.dtype}"
        if not _close(a, b):
            if not _numeric(a):
                return f"got {a}{name and ' in ' + name}, which is not it"
            if np.isnan(a).any() and not np.isnan(b).any():
                return f"got NaN{name and ' in ' + name}, expected a number"
            at = tuple(int(i) for i in np.argwhere(_off(a, b))[0])
            place = f" at {list(at)}" if at else ""
            digits = 6 if f"{a[at]:.6g}" != f"{b[at]:.6g}" else 17
            return f"{name and name + ' '}differs first{place}: got {a[at]:.{digits}g}, expected {b[at]:.{digits}g}"
    return ""


def _structure(parts):
    """Return the structure of a value in words."""
    return "one array or number" if parts[0][0] == "" else f"{len(parts)} parts {', '.join(name for name, _ in parts)}"
