"""Exercises of chapter 10: events to frames, the score of a class, a paired difference."""

import numpy as np

from stllr_ref.data.events import bin_by_width
from stllr_ref.exercises.checking import Exercise
from stllr_ref.experiments.classify import paired
from stllr_ref.losses import softmax, window
from stllr_ref.training import window_softmax

WIDTH = 10  # us, of the bins of exercise 10.1
SENSOR = (6, 9)  # height, width; events stay below row and column 6, so that swapped axes fit and are named


def _recording(rng, n=60):
    """Return t, x, y, p [n] of an unsorted recording: edges of bins, two events of a pixel in a bin, some events after the last bin."""
    t = rng.integers(0, 70, n)
    t[:12], t[12:16] = WIDTH * rng.integers(1, 5, 12), (33, 34, 33, 36)
    x, y, p = rng.integers(0, 6, n), rng.integers(0, 4, n), rng.integers(0, 2, n)
    x[12:16], y[12:16], p[12:16] = 5, 2, 1
    return t, x, y, p


def _frames(t, x, y, p, width, T, sensor):
    """Return what exercise 10.1 asks for, out of the library."""
    return bin_by_width(t, x, y, p, sensor=sensor, width_us=width, n_bins=T)[0].astype(float)


def _counted(bin_of, once=False):
    """Return a function that puts events into bin_of(t, width, T), all that fall inside; once: a place never counts beyond 1."""

    def function(t, x, y, p, width, T, sensor):
        """Return frames [T, 2, H, W]."""
        out, k = np.zeros((T, 2, *sensor)), bin_of(t, width, T)
        inside = (k >= 0) & (k < T)
        where = k[inside], p[inside], y[inside], x[inside]
        if once:
            out[where] += 1
        else:
            np.add.at(out, where, 1)
        return out

    return function


def _floor(t, width, T):
    """Return the half-open bin of each event."""
    return t // width


def _scores(logits, lengths, last):
    """Return what exercise 10.2 asks for, out of the library."""
    return window_softmax(logits, window(len(logits), lengths, last=last))


def _unpaired(a, b):
    """Return the difference of the means and the standard error of two independent groups."""
    return np.mean(a) - np.mean(b), np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))


def _with_error(error):
    """Return the function that gives the mean difference and error(differences)."""
    return lambda a, b: (np.mean(np.subtract(a, b)), error(np.subtract(a, b)))


RNG = np.random.default_rng(10)
_FIVE = RNG.normal(0.9, 0.02, 5)

EXERCISES = {
    "10.1": Exercise(
        "frames", _frames, tuple((*_recording(RNG), WIDTH, T, SENSOR) for T in (5, 4)),
        {
            "you let a bin hold its upper edge, and not its lower":
                _counted(lambda t, width, T: np.maximum(-(-t // width) - 1, 0)),
            "you rounded: every event of a bin's second half went into the next bin":
                _counted(lambda t, width, T: np.round(t / width).astype(int)),
            "you put what comes after the last bin into it, in place of dropping it":
                _counted(lambda t, width, T: np.minimum(t // width, T - 1)),
            "you took columns for rows: a picture is [row y, column x]":
                lambda t, x, y, p, width, T, sensor: _counted(_floor)(t, y, x, p, width, T, sensor),
            "you exchanged the polarities: OFF (0) is the first picture, ON (1) the second":
                lambda t, x, y, p, width, T, sensor: _counted(_floor)(t, x, y, 1 - p, width, T, sensor),
            "you lost events: out[k, p, y, x] += 1 adds 1 once where a place occurs several times": _counted(_floor, once=True),
            "you merged ON and OFF into one picture":
                lambda t, x, y, p, width, T, sensor: _frames(t, x, y, p, width, T, sensor).sum(1, keepdims=True),
        }, "[T, 2, H, W]",
    ),
    "10.2": Exercise(
        "scores", _scores, tuple((RNG.normal(0, 3, (T, 4, 3)), np.array(lengths), last) for T, lengths, last in (
            (8, [8, 5, 7, 3], 3), (6, [6, 4, 2, 5], 4),
        )),
        {
            "you counted the padding: a sample's last steps are those before its own length, not before T":
                lambda logits, lengths, last: softmax(logits[-last:]).sum(0),
            "you summed the logits of the window: one step with large logits outvotes all others":
                lambda logits, lengths, last: (logits * window(len(logits), lengths, last=last)[..., None]).sum(0),
            "you summed the logits of all steps, as the published code does: no softmax, no window":
                lambda logits, lengths, last: logits.sum(0),
            "you looked at the last real step alone":
                lambda logits, lengths, last: softmax(logits)[np.asarray(lengths) - 1, np.arange(len(lengths))],
            "you took all real steps: the window is the last few of them":
                lambda logits, lengths, last: window_softmax(logits, window(len(logits), lengths, start=0)),
            "you took the softmax over the steps: it goes over the classes, the last axis":
                lambda logits, lengths, last: (softmax(logits.swapaxes(0, 2)).swapaxes(0, 2)
                                               * window(len(logits), lengths, last=last)[..., None]).sum(0),
        }, "[B, O]",
    ),
    "10.3": Exercise(
        "difference", paired,
        ((_FIVE + RNG.normal(0.01, 0.004, 5), _FIVE), (np.array([0.93, 0.91, 0.94, 0.88]), np.array([0.95, 0.9, 0.96, 0.92]))),
        {
            "you gave the standard deviation of the differences; the error of their mean shrinks with the number of seeds":
                _with_error(lambda d: np.std(d, ddof=1)),
            "you divided the squares by n, although the mean was taken from the same differences (look at ddof)":
                _with_error(lambda d: np.std(d) / np.sqrt(len(d))),
            "you divided by n and not by its root": _with_error(lambda d: np.std(d, ddof=1) / len(d)),
            "you compared two groups: the seeds belong together, and what they share drops out of the difference": _unpaired,
            "you took b minus a": lambda a, b: paired(b, a),
        }, "(mean, error)",
    ),
}  # fmt: skip
