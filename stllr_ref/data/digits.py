r"""The embedded set `digits`: real handwritten digits seen by an event camera that moves (stands for N-MNIST).

The 1,797 digits of 8 x 8 pixels that arrive with scikit-learn are drawn at 12 pixels on a sensor of 16 x 16 and moved
along a triangle of three saccades.  A pixel of the sensor fires when the logarithm of its light has moved by a
threshold since its last event: ON where it got brighter, OFF where it got darker.  Made in memory in a second from a
seed; an image belongs to one split only, and to the same one whatever the seed.
"""

import numpy as np

from stllr_ref.data.camera import watch
from stllr_ref.data.parts import check_seed, check_sizes, check_whole, divide, report

STEPS = 21  # T, three saccades of 7 steps
SENSOR = 16  # height and width of the sensor, px
DRAWN = 12  # height and width of a digit on it, px
CORNERS = ((0, 0), (3**0.5, 1), (0, 2))  # (down, right), px, of a triangle of sides 2: down, up and back again
OFFSET = 1  # a digit stands up to this far from the centre, px, uniform
JITTER = 0.24  # standard deviation of each corner, px, normal
DARK = 0.1  # added to the light, 0 to 1, before the logarithm
THRESHOLD = 0.35  # change of log light that makes an event
NOISE = 0.002  # probability that an input fires at a step by itself
SIZES = (1100, 247, 450)  # images for training, validation, test
_SHUFFLE = 1797  # seed of the split, on purpose no argument


def load(seed=0, sizes=SIZES):
    """Make the set.

    Parameters
    ----------
    seed : int
        Of the events: offsets, jitter and noise.  The events of an image depend on it and on nothing else.
    sizes : tuple of three int
        Images for training, validation and test, together at most 1,797.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 512] float32 (0 or 1: events; input polarity * 256 + row * 16 + column,
        polarity 0 OFF and 1 ON), y [B] (0 to 9: the digit) and source [B] (which image of load_digits()).

    Notes
    -----
    Which image goes where is a fixed shuffle that no seed changes: trials with different seeds share their test
    images, and a setting chosen on validation has not met the test images under any seed.
    """
    check_seed(seed)
    images, labels = _images()
    sizes = check_sizes(sizes, len(images))
    x = saccades(images, np.random.default_rng(seed)).reshape(STEPS, len(images), -1)
    order = np.random.default_rng(_SHUFFLE).permutation(len(images))
    return divide(x, labels, np.arange(len(images)), np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1]))


def saccades(images, rng, *, threshold=THRESHOLD, noise=NOISE, steps=STEPS):
    """Turn images into events by moving them over the sensor.

    Parameters
    ----------
    images : ndarray, shape [B, h, w]
        Light, 0 to 1.
    rng : numpy.random.Generator
        Source of offsets, jitter and noise.
    threshold : float
        Change of log light since a pixel's last event that makes the next.
    noise : float
        Probability that an input fires at a step by itself.
    steps : int
        T: into how many steps the same way is cut; a pixel fires at most once a step.

    Returns
    -------
    ndarray of float32, shape [T, B, 2, 16, 16]
        1 where a pixel fired, else 0; OFF then ON, as in `events.bin_by_width`.

    Notes
    -----
    The pixel is that of `camera.watch`; the position before the first step sets its reference.
    """
    images = np.asarray(images, float)
    if images.ndim != 3 or not ((images >= 0) & (images <= 1)).all():
        raise ValueError(f"images: got shape {images.shape}, expected [B, h, w] with light from 0 to 1")
    check_whole("steps", steps, 1, np.inf, "a whole number of at least 1")
    where = _path(len(images), rng, steps)
    return watch(lambda t: _log_light(images, where[t]), steps, rng, threshold=threshold, noise=noise)


def describe(splits=None):
    """Return what the set is, as a dict of numbers computed from the splits (default `load()`) and two sentences."""
    splits = load() if splits is None else splits
    rates = {name: s.x.reshape(STEPS, len(s.y), 2, -1).mean((0, 1, 3), dtype=float) for name, s in splits._asdict().items()}
    return {
        **report(splits, classes=10),
        "input": "polarity * 256 + row * 16 + column; polarity 0 OFF, 1 ON",
        "events a step, OFF (%)": {name: round(100 * float(r[0]), 2) for name, r in rates.items()},
        "events a step, ON (%)": {name: round(100 * float(r[1]), 2) for name, r in rates.items()},
        "stands for": "N-MNIST, CIFAR10-DVS, N-Caltech101: real images made into events by small saccades",
        "does not stand for": "a scene that moves, or a task of pure timing: counts alone classify most samples, and "
        "the same writers appear in every split",
    }


def _images():
    """Return the images of load_digits(), [1797, 8, 8] from 0 to 1, and their labels [1797] int64."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as missing:
        raise ImportError(f"digits: {missing}, expected scikit-learn, which arrives with tonic: pip install tonic") from None
    bunch = load_digits()
    return bunch.images / 16, bunch.target.astype(np.int64)


def _path(B, rng, steps=STEPS):
    """Return where the first row and column of each digit stand before the first step and after each, [steps + 1, B, 2] px."""
    corners = np.array(CORNERS) - np.mean(CORNERS, 0)
    corners = corners[:, None] + rng.normal(0, JITTER, (3, B, 2))
    stops = np.concatenate([corners, corners[:1]])
    offset = (SENSOR - DRAWN) / 2 + rng.uniform(-OFFSET, OFFSET, (B, 2))
    now = np.arange(steps + 1) * 3 / steps
    saccade = np.minimum(now.astype(int), 2)
    part = (now - saccade)[:, None, None]
    return (1 - part) * stops[saccade] + part * stops[saccade + 1] + offset


def _log_light(images, where):
    """Return log(light + DARK) of the sensor, [B, 16, 16], for images [B, h, w] that start at where [B, 2] px.

    Bilinear, and a translation is separable: a matrix for the rows, one for the columns.  Outside a digit it is dark.
    """
    rows, columns = (_interpolation(n, where[:, axis]) for axis, n in enumerate(images.shape[1:]))
    return np.log(rows @ images @ columns.swapaxes(1, 2) + DARK)


def _interpolation(n, start):
    """Return the weight of each of n image pixels, DRAWN / n wide, in each sensor pixel, [B, 16, n]."""
    position = (np.arange(SENSOR) - start[:, None] + 0.5) * n / DRAWN - 0.5  # of centres, as images are resized
    return np.maximum(0, 1 - np.abs(position[:, :, None] - np.arange(n)))
