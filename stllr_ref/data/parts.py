"""What every set is made of: three parts that share no source item, and the checks of seeds and sizes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Split:
    """One part of a set."""

    x: np.ndarray  # [T, B, ...] float32: events
    y: np.ndarray  # [B] int64 labels, or what else is to be told of a sample, [B, ...]
    source: np.ndarray  # [B] int64: the image, speaker, recording ... that a sample was made from


class Splits(NamedTuple):
    """The three parts; no source item has samples in two of them."""

    train: Split
    validation: Split
    test: Split


def divide(x, y, source, parts):
    """Return the `Splits` of samples x [T, B, ...], y [B, ...], source [B], given the indices of each part."""
    return Splits(*(Split(x[:, part], y[part], source[part]) for part in parts))


def report(splits, classes=None):
    """Return what `describe` says of any set: shapes, rates, sources in two splits; with classes, how many samples each has."""
    parts, sources = splits._asdict(), [np.unique(s.source) for s in splits]
    out = {
        "shape [T, B, ...]": {name: s.x.shape for name, s in parts.items()},
        "inputs that fire at a step (%)": {name: round(100 * float((s.x != 0).mean()), 2) for name, s in parts.items()},
        "sources in two splits": sum(map(len, sources)) - len(np.unique(np.concatenate(sources))),
    }
    if classes is not None:
        out["samples of each class"] = {name: np.bincount(s.y, minlength=classes).tolist() for name, s in parts.items()}
    return out


def check_seed(seed):
    """Refuse a seed that is no whole number of at least 0."""
    check_whole("seed", seed, 0, np.inf, "a whole number of at least 0")


def check_whole(name, value, low, high, expected=None):
    """Refuse what is no whole number from low to high; expected says so in other words, where given."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise ValueError(f"{name}: got {value!r}, expected {expected or f'a whole number from {low} to {high}'}")


def check_sizes(sizes, most):
    """Return sizes as three ints, refused unless each is at least 1 and together they need at most `most` items."""
    try:
        train, validation, test = (int(n) for n in sizes)
        fits = (train, validation, test) == tuple(sizes) and min(train, validation, test) >= 1
    except (TypeError, ValueError):
        fits = False
    if not fits or train + validation + test > most:
        raise ValueError(f"sizes: got {sizes!r}, expected three whole numbers of at least 1, together at most {most}")
    return train, validation, test
