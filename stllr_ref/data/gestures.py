r"""The embedded set `gestures`: moving hands seen by an event camera that stands still (stands for DVS Gesture).

A hand is a spot of light that goes to and fro or round in circles on a sensor of 16 x 16; the pixel is that of
`camera.watch`.  Eleven classes, in CLASSES.  Made in memory in a second from a seed; a recording belongs to one split
only, and to the same one whatever the seed.

With both polarities this is no temporal task: the leading edge of a hand is ON and its trailing edge OFF, so that one
frame gives the direction away.  With the polarities merged it is one: the frames of a circle drawn clockwise are those
of a circle drawn counter-clockwise, in another order.
"""

import numpy as np

from stllr_ref.data.camera import watch
from stllr_ref.data.parts import check_seed, check_sizes, divide, report

STEPS = 20  # T
SENSOR = 16  # height and width of the sensor, px
EACH = 120  # recordings of a class
RADIUS = (1.0, 1.5)  # standard deviation of a hand's light, px, uniform
AMPLITUDE = (1.8, 2.8)  # of a movement, to each side, px, uniform
PERIOD = (7, 12)  # of a movement, steps, uniform
CENTRE = 0.8  # standard deviation of where a hand moves about, px, normal, drawn for each hand of a recording
BODY = 0.1  # standard deviation of where the whole body stands at a step, px, normal
DARK = 0.1  # added to the light, 0 to 1, before the logarithm
THRESHOLD = 0.25  # change of log light that makes an event
NOISE = 0.005  # probability that an input fires at a step by itself
SIZES = (770, 154, 396)  # recordings for training, validation, test: 70, 14 and 36 of a class
POLARITIES = ("on_off", "single")

# Where a hand moves about, (row, column), px: the camera sees a person's right hand on the left.
RIGHT, LEFT = (7.5, 4.5), (7.5, 10.5)
# How it moves, in amplitudes: (down, right) at phase 0 and a quarter of a period later; half a period later it is opposite.
SIDEWAYS = ((0, 1), (0, 0))
UPRIGHT = ((1, 0), (0, 0))
CLOCKWISE = ((-1, 0), (0, 1))
COUNTER = ((-1, 0), (0, -1))
OPPOSITE, HALF = -1, 0.5
# name -> the hands that move: (where, how, times)
CLASSES = {
    "clap": ((RIGHT, SIDEWAYS, 1), (LEFT, SIDEWAYS, OPPOSITE)),
    "right wave": ((RIGHT, SIDEWAYS, 1),),
    "left wave": ((LEFT, SIDEWAYS, 1),),
    "right clockwise": ((RIGHT, CLOCKWISE, 1),),
    "right counter-clockwise": ((RIGHT, COUNTER, 1),),
    "left clockwise": ((LEFT, CLOCKWISE, 1),),
    "left counter-clockwise": ((LEFT, COUNTER, 1),),
    "roll forwards": ((RIGHT, CLOCKWISE, 1), (LEFT, CLOCKWISE, OPPOSITE)),
    "roll backwards": ((RIGHT, COUNTER, 1), (LEFT, COUNTER, OPPOSITE)),
    "drums": ((RIGHT, UPRIGHT, 1), (LEFT, UPRIGHT, OPPOSITE)),
    "guitar": ((RIGHT, UPRIGHT, 1), (LEFT, SIDEWAYS, HALF)),
}


def load(seed=0, sizes=SIZES, polarity="on_off"):
    """Make the set.

    Parameters
    ----------
    seed : int
        Of movements, jitter and noise.  The events of a recording depend on it and on nothing else.
    sizes : tuple of three int
        Recordings for training, validation and test, together at most 1,320.
    polarity : {"on_off", "single"}
        Both polarities as inputs of their own, or merged: 1 where a pixel fired, ON or OFF.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 512] float32 (0 or 1: events; input polarity * 256 + row * 16 + column,
        polarity 0 OFF and 1 ON; merged [T, B, 256], row * 16 + column), y [B] (0 to 10: the place in CLASSES) and source
        [B] (number of the recording).

    Notes
    -----
    Recording i is of class i % 11; the first go to training, the next to validation, whatever the seed.
    """
    check_seed(seed)
    if polarity not in POLARITIES:
        raise ValueError(f"polarity: got {polarity!r}, expected one of {', '.join(POLARITIES)}")
    recordings = np.arange(EACH * len(CLASSES))
    sizes = check_sizes(sizes, len(recordings))
    x = film(recordings % len(CLASSES), np.random.default_rng(seed))
    x = (x.max(2) if polarity == "single" else x).reshape(STEPS, len(recordings), -1)
    return divide(x, recordings % len(CLASSES), recordings, np.split(recordings[: sum(sizes)], np.cumsum(sizes)[:-1]))


def film(classes, rng, *, threshold=THRESHOLD, noise=NOISE):
    """Return the events of one recording of each of classes [B], float32 [T, B, 2, 16, 16]; rng draws all that is random."""
    where, radius = _hands(np.asarray(classes), rng)
    return watch(lambda t: _log_light(where[t], radius), STEPS, rng, threshold=threshold, noise=noise)


def shuffle_frames(x, rng):
    """Return x [T, B, ...] with the frames of each sample in an order of its own, drawn from rng: what is left is no movement."""
    order = rng.permuted(np.broadcast_to(np.arange(len(x))[:, None], x.shape[:2]), axis=0)
    return np.take_along_axis(x, order.reshape(*order.shape, *[1] * (x.ndim - 2)), axis=0)


def describe(splits=None):
    """Return what the set is, as a dict of numbers computed from the splits (default `load()`) and two sentences."""
    splits = load() if splits is None else splits
    return {
        **report(splits, classes=len(CLASSES)),
        "classes": list(CLASSES),
        "stands for": "DVS Gesture: people's hands before an event camera",
        "does not stand for": "clutter, other people's ways of moving, an eleventh class of random gestures; and with both "
        "polarities no temporal task, a frame gives the direction of a movement away",
    }


def _hands(classes, rng):
    """Return where both hands are before the first step and after each, [T+1, B, 2, 2] px (NaN: no second hand), and their radius [B]."""
    B = len(classes)
    radius, amplitude, period = (rng.uniform(*span, B) for span in (RADIUS, AMPLITUDE, PERIOD))
    phase = 2 * np.pi * (rng.random(B) + np.arange(STEPS + 1)[:, None] / period)
    centre, body = rng.normal(0, CENTRE, (B, 2, 2)), rng.normal(0, BODY, (STEPS + 1, B, 1, 2))
    where = np.full((STEPS + 1, B, 2, 2), np.nan)
    for number, hands in enumerate(CLASSES.values()):
        of = classes == number
        for i, (place, how, times) in enumerate(hands):
            wave = np.stack([np.cos(phase[:, of]), np.sin(phase[:, of])], axis=2) @ np.array(how)
            where[:, of, i] = place + times * amplitude[of, None] * wave
    return where + centre + body, radius


def _log_light(where, radius):
    """Return log(light + DARK) of the sensor, [B, 16, 16], for hands at where [B, 2, 2] px; of two hands the nearer one shows."""
    away = (np.arange(SENSOR) - where[..., None]) / radius[:, None, None, None]  # [B, hand, axis, pixel]
    rows, columns = np.exp(-(away**2) / 2).swapaxes(0, 2)  # [hand, B, pixel] each
    return np.log(np.fmax(*(rows[:, :, :, None] * columns[:, :, None, :])) + DARK)
