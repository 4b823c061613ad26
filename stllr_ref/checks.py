"""Refusals in one line: what was given, what was found, what was expected."""

import numbers

import numpy as np

LARGEST = 200_000_000  # bytes of state of one rule
ABOVE_0 = float(np.finfo(float).tiny)  # the lowest number taken where it must be above 0


class NotFinite(ValueError):
    """A number of an array is NaN or infinite, or would be in the dtype asked for."""


class TooLarge(ValueError):
    """What a rule would have to remember is more than LARGEST."""


def number(name, value, low=-np.inf, high=np.inf):
    """Return value as a Python float, refused unless it is one finite number with low <= value <= high.

    A Python float keeps float32 arrays in float32; a NumPy float64 scalar would lift them (NumPy 2).
    """
    try:
        if np.ndim(value) or np.asarray(value).dtype.kind not in "biufO":  # no text, complex number or time; Fractions are objects
            raise TypeError
        out = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: got {_short(value)}, expected a number") from None
    if not (np.isfinite(out) and low <= out <= high):
        words = {(-np.inf, np.inf): "a finite number", (ABOVE_0, np.inf): "a number above 0"}
        span = words.get((low, high), f"a number from {low} to {high}")
        raise ValueError(f"{name}: got {out}, expected {span}")
    return out


def choice(name, value, allowed):
    """Return value, refused unless it is one of the names in allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: got {_short(value)}, expected one of {', '.join(allowed)}")
    return value


def _short(value):
    """Return one line of at most 100 characters that shows value, an array by its shape."""
    try:
        shape = np.shape(value)
    except ValueError:
        shape = "unequal rows"
    return " ".join(repr(value).split())[:100] if shape == () else f"{type(value).__name__} of shape {shape}"


def array(name, value, dtype, ndim=None):
    """Return value as an array of dtype, refused unless it is numeric, finite and (if given) of ndim axes."""
    out = rectangular(name, value)
    if out.dtype.kind not in "biufc":
        raise ValueError(f"{name}: got dtype {out.dtype}, expected numbers")
    if ndim is not None and out.ndim != ndim:
        raise ValueError(f"{name}: got shape {out.shape}, expected {ndim} axes")
    if out.dtype.kind in "fc" and not _finite(out):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        raise NotFinite(f"{name}: got {out[where]} at {where}, expected finite numbers")
    if out.dtype.kind == "c":
        return out
    with np.errstate(over="ignore"):
        cast = out.astype(out.dtype if dtype is None else dtype, copy=False)
    if cast.dtype.kind == "f" and cast.dtype.itemsize < out.dtype.itemsize and not _finite(cast):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(cast))[0])
        raise NotFinite(f"{name}: got {out[where]} at {where}, expected numbers that {cast.dtype} can hold")
    return cast


def rectangular(name, value):
    """Return value as an array of whatever dtype, refused where its rows are of unequal length, or a mask hides some of it."""
    if isinstance(value, np.ma.MaskedArray) and np.any(value.mask):
        raise ValueError(f"{name}: got masked entries, expected an array without a mask")
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: got rows of unequal length, expected one rectangular array") from None


def _finite(a):
    """Return whether all of a is finite, without a temporary array of its size: sequences are long."""
    parts = (a.real, a.imag) if a.dtype.kind == "c" else (a,)
    with np.errstate(invalid="ignore"):
        return not a.size or all(np.isfinite(part.min()) and np.isfinite(part.max()) for part in parts)


def sequence(x, dtype, axes=None):
    """Return the input sequence x as dtype, refused unless it is [T, B, ...] with `axes` axes a sample (if given) and no empty one."""
    x = array("x", x, dtype, None if axes is None else 2 + axes)
    if x.dtype.kind == "c" or x.ndim < 3:
        raise ValueError(f"x: got {x.dtype} of shape {x.shape}, expected real numbers [T, B, ...]")
    if 0 in x.shape:
        raise ValueError(f"x: got shape {x.shape}, expected at least one step, one sample and one input")
    return x


def same(name, got, expected):
    """Refuse unless the shape got equals the shape expected."""
    if tuple(got) != tuple(expected):
        raise ValueError(f"{name}: got shape {tuple(got)}, expected {tuple(expected)}")


def room(name, shape, dtype):
    """Refuse a trace of that shape and dtype if it would pass LARGEST: its rule is the wrong tool there."""
    size = float(np.prod(shape, dtype=float)) * np.dtype(dtype).itemsize
    if size > LARGEST:
        found, limit = f"{size / 1e6:.0f} MB {tuple(shape)}", f"{LARGEST / 1e6:.0f} MB"
        raise TooLarge(f"{name}: got a trace of {found}, expected at most {limit} (a smaller batch or layer)")


def whole(name, value, low):
    """Return value as an int, refused unless it is a whole number of at least low."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise ValueError(f"{name}: got {_short(value)}, expected a whole number of at least {low}")
    return int(value)


def labels(target, batch, classes):
    """Return target as int [batch], refused unless every label is a whole number from 0 to classes - 1."""
    target = rectangular("target", target)
    if target.dtype.kind not in "iu":
        raise ValueError(f"target: got dtype {target.dtype}, expected whole-number labels")
    same("target", target.shape, (batch,))
    bad = np.flatnonzero((target < 0) | (target >= classes))
    if bad.size:
        raise ValueError(f"target: got label {target[bad[0]]} at {bad[0]}, expected 0 to {classes - 1}")
    return target
