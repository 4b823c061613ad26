r"""Three embedded sets of pure timing: `randman`, `delay` and `recall`.

`randman` (random manifolds): one spike on every channel, its time a smooth random function of where on the closed curve of
its class a sample lies; counts tell nothing, times everything.  `delay`: a cue of three bits, then silence; asked is the
parity of the bits.  `recall`: the pattern of one of eight classes, silence, then a signal to name the class.  Made in
memory in less than a second from a seed; a sample is its own source, and belongs to the same split whatever the seed.
"""

import numpy as np

from stllr_ref.data.parts import check_seed, check_sizes, check_whole, divide, report

MOST = 2000  # samples of a set
SIZES = (1200, 200, 400)  # samples for training, validation, test
RATE = 0.5  # probability that a channel that shows a cue fires at a step of it
CUE = 4  # steps of a cue
LONGEST = 500  # steps of silence, at most

CLASSES, CHANNELS, STEPS = 10, 30, 50  # of randman
WAVES, SMOOTH = 10, 1  # sine waves in the curve of a channel, the k-th weighed by U(0, 1) / k**SMOOTH

BITS, HALF = 3, 8  # of delay: bits, channels that show a bit's 0, and as many its 1

PATTERNS, GROUP = 8, 6  # of recall: classes, channels that show each; as many more give the signal to recall


def randman(seed=0, sizes=SIZES):
    """Make random manifolds: a sample lies on one of ten curves through spike times, and the answer is which.

    Parameters
    ----------
    seed : int
        Of curves and places on them, which depend on it and on nothing else.
    sizes : tuple of three int
        Samples for training, validation and test, together at most 2,000.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 30] float32, T = 50, one spike on every channel; y [B] (0 to 9) and
        source [B] (number of the sample).

    Notes
    -----
    Sample i is of class i % 10.  On every channel of every class the times reach from the first step to the last.
    """
    check_seed(seed)
    sizes, y = check_sizes(sizes, MOST), np.arange(MOST) % CLASSES
    times = spike_times(y, np.random.default_rng(seed))
    return _cut((times == np.arange(STEPS)[:, None, None]).astype(np.float32), y, sizes)


def spike_times(y, rng):
    """Return the step of each channel's spike, int [B, 30], of samples of the classes y [B], at places on their curves drawn from rng."""
    weight, phase = rng.random((2, CLASSES, CHANNELS, WAVES))
    k, place = np.arange(1, WAVES + 1), rng.random(len(y))
    value = (weight[y] / k**SMOOTH * np.sin(2 * np.pi * (k * place[:, None, None] + phase[y]))).sum(2)
    for c in np.unique(y):
        low, high = value[y == c].min(0), value[y == c].max(0)
        value[y == c] = (value[y == c] - low) / (high - low)
    return np.minimum(value * STEPS, STEPS - 1).astype(int)


def delay(seed=0, silence=8, sizes=SIZES):
    """Make cues of three bits with silence after them; the answer is whether the number of ones is odd.

    Parameters
    ----------
    seed : int
        Of the cues, which depend on it and on nothing else.
    silence : int
        Steps without a spike after the cue; a loss in the last two of them asks for the answer at the end.
    sizes : tuple of three int
        Samples for training, validation and test, together at most 2,000.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 48] float32 (0 or 1; channel bit * 16 + value * 8 + which of eight),
        T = 4 + silence; y [B] (1: odd) and source [B] (number of the sample).

    Notes
    -----
    Sample i shows the bits of i % 8, the lowest first.
    """
    check_seed(seed)
    _check_silence(silence)
    sizes = check_sizes(sizes, MOST)
    bits = np.arange(MOST)[:, None] >> np.arange(BITS) & 1
    shown = np.repeat(bits[:, :, None] == np.arange(2), HALF, axis=2).reshape(MOST, -1)
    x = np.concatenate([_cue(shown, np.random.default_rng(seed)), np.zeros((silence, *shown.shape), np.float32)])
    return _cut(x, bits.sum(1) % 2, sizes)


def recall(seed=0, silence=8, sizes=SIZES):
    """Make patterns of eight classes, silence, and a signal to recall; the answer is the class.

    Parameters
    ----------
    seed : int
        Of the cues, which depend on it and on nothing else.
    silence : int
        Steps without a spike between the pattern and the signal; the answer is asked for in the last four steps.
    sizes : tuple of three int
        Samples for training, validation and test, together at most 2,000.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 54] float32 (0 or 1; channel class * 6 + which of six, the last six
        the signal, the same for all classes), T = 4 + silence + 4; y [B] (0 to 7) and source [B] (number of the sample).

    Notes
    -----
    Sample i is of class i % 8.
    """
    check_seed(seed)
    _check_silence(silence)
    sizes, y = check_sizes(sizes, MOST), np.arange(MOST) % PATTERNS
    rng = np.random.default_rng(seed)
    groups = np.arange(PATTERNS + 1).repeat(GROUP)
    pattern = _cue(groups == y[:, None], rng)
    signal = _cue(np.broadcast_to(groups == PATTERNS, pattern.shape[1:]), rng)
    return _cut(np.concatenate([pattern, np.zeros((silence, *pattern.shape[1:]), np.float32), signal]), y, sizes)


LOADERS = {"randman": randman, "delay": delay, "recall": recall}
# name -> classes, what it stands for, what it does not
_SAID = {
    "randman": (
        CLASSES,
        "spike times that carry everything: one spike on each channel of every sample, so that counts are at chance",
        "noise, spikes that are missing or too many, anything recorded",
    ),
    "delay": (
        2,
        "an answer wanted after a silence: what learned earlier must have been kept by the neurons, or by the rule",
        "a cue that is hard to see; and no linear readout of the counts can tell a parity",
    ),
    "recall": (
        PATTERNS,
        "working memory: a class kept through a silence and named at a signal that is the same for all",
        "a task that needs a hidden layer: a readout that never leaks keeps the class by itself, and counts tell it",
    ),
}


def describe(name="randman", splits=None):
    """Return what a set is, as a dict of numbers computed from the splits (default those of its loader) and two sentences."""
    if name not in LOADERS:
        raise ValueError(f"name: got {name!r}, expected one of {', '.join(LOADERS)}")
    classes, does, does_not = _SAID[name]
    splits = LOADERS[name]() if splits is None else splits
    spikes = {part: s.x.sum((0, 2)) for part, s in splits._asdict().items()}
    return {
        **report(splits, classes=classes),
        "spikes of a sample, fewest and most": {part: (int(n.min()), int(n.max())) for part, n in spikes.items()},
        "stands for": does,
        "does not stand for": does_not,
    }


def _check_silence(silence):
    """Refuse a silence that is no whole number of steps from 0 to LONGEST."""
    check_whole("silence", silence, 0, LONGEST, f"a whole number of steps from 0 to {LONGEST}")


def _cue(shown, rng):
    """Return spikes [CUE, B, N] float32 that come with probability RATE on the channels shown [B, N], and nowhere else."""
    return (rng.random((CUE, *shown.shape), np.float32) < RATE * shown).astype(np.float32)


def _cut(x, y, sizes):
    """Return the `Splits` of samples x [T, B, N], y [B]: the first ones for training, then validation, then test."""
    source = np.arange(len(y))
    return divide(x, y, source, np.split(source[: sum(sizes)], np.cumsum(sizes)[:-1]))
