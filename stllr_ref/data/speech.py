r"""The embedded set `speech`: spoken digits, English and German, heard by an artificial cochlea (stands for SHD).

A formant synthesiser says each word: every sound of `phonemes.WORDS` holds its formants, voice and noise for the middle
half of its duration and glides to the next.  A speaker has a vocal tract, a pitch and a tempo of his or her own, and no
two utterances are alike.  The cochlea has 70 channels, which fire where there is energy, most where it sets in.  Made in
memory in seconds from a seed; a speaker belongs to one split only, and to the same one whatever the seed.
"""

from typing import NamedTuple

import numpy as np

from stllr_ref.data.parts import Split, Splits, check_seed, check_sizes, check_whole, report
from stllr_ref.data.phonemes import PHONEMES, WORDS

STEPS = 60  # T
STEP_MS = 12.5
CHANNELS = np.geomspace(120, 8000, 70)  # Hz, best frequency of each
SIZES = (60, 20, 20)  # utterances of each word for training, validation, test
MOST = 1000  # of all three together; their x are then 340 MB
LARGEST = 2**31  # number of a speaker or of a take
SPEAKERS = (range(10), range(10, 20), range(30, 40))  # of training, validation, test; 20 to 29 were heard while the set was made
# A speaker is drawn once: uniform between the two numbers, or normal with the standard deviation.
TRACT = (0.85, 1.2)  # length of the vocal tract, in those of the table
PITCH = (90, 240)  # Hz
TEMPO = (0.85, 1.15)  # factor of durations
TILT = (-1, 1)  # dB an octave
ACCENT = 0.02  # of the logarithm of each formant
# An utterance is drawn anew, likewise.
LENGTH = (0.8, 1.2)  # factor of the duration of each sound
SLIP = 0.02  # of the logarithm of each formant of each sound
TONE = (0.9, 1.1)  # factor of the pitch
LOUDNESS = (-2, 2)  # dB
ONSET = 7  # steps of silence before the word, at most
# What the cochlea hears: powers at the peak, widths as standard deviations in octaves.
FORMANTS = (1.0, 0.7, 0.4)
FORMANT_WIDTH = 0.1
HARMONICS = 0.07  # each of the first three
HARMONIC_WIDTH = 0.08
GAIN = 2.0
COMPRESSION = 0.6  # exponent
ADAPTATION = 0.6  # part of the slow average that is taken away
SLOW_MS = 150  # time constant of the average
RATE = 0.6  # spikes a step at an activity of 1
NOISE = 0.004  # spikes a step in silence
_BORN = 70  # seed of the speakers, on purpose no argument


class Speaker(NamedTuple):
    """What stays the same whenever a speaker says something."""

    tract: float  # length of the vocal tract, in those of the table: formants are divided by it
    pitch: float  # Hz
    tempo: float  # factor of durations
    tilt: float  # dB an octave
    accent: np.ndarray  # [3] factor of each formant


class Tracks(NamedTuple):
    """What a synthesiser is told, at each step."""

    formants: np.ndarray  # [T, 3] Hz
    voice: np.ndarray  # [T] power
    noise: np.ndarray  # [T] power
    centre: np.ndarray  # [T] Hz, of the noise
    width: np.ndarray  # [T] octaves, standard deviation of the noise
    pitch: float  # Hz
    tilt: float  # dB an octave
    edges: np.ndarray  # [sounds + 1] ms, where sounds begin and the last one ends


def load(seed=0, sizes=SIZES):
    """Make the set.

    Parameters
    ----------
    seed : int
        Of the utterances and their spikes.  The k-th utterance of a word by a speaker depends on it and on nothing else.
    sizes : tuple of three int
        Utterances of each word for training, validation and test, together at most 1,000.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 70] float32 (0 or 1: spikes; channels from low to high), y [B] (0 to
        9: the digit in English, 10 to 19: in German) and source [B] (number of the speaker).

    Notes
    -----
    Ten speakers each, who take turns.  No seed changes who they are: trials with different seeds share their test
    speakers, and a setting chosen on validation has not met them under any seed.
    """
    check_seed(seed)
    return Splits(*(_part(seed, n, speakers) for n, speakers in zip(check_sizes(sizes, MOST), SPEAKERS)))


def _part(seed, n, speakers):
    """Return the `Split` of n utterances of each word by the speakers in turn."""
    y, turn = np.divmod(np.arange(n * len(WORDS)), n)
    take, who = np.divmod(turn, len(speakers))
    source = np.array(speakers)[who]
    x = np.empty((STEPS, len(y), len(CHANNELS)), np.float32)
    for i, key in enumerate(zip(y, source, take)):
        x[:, i] = utterance(*key, seed)[1]
    return Split(x, y, source)


def utterance(word, number, take=0, seed=0):
    """Return the `Tracks` and the spikes x [T, 70] of the take-th utterance of a word (0 to 19) by a speaker; `load` has the same."""
    check_seed(seed)
    check_whole("word", word, 0, len(WORDS) - 1)
    check_whole("take", take, 0, LARGEST)
    who = speaker(number)
    # Counted from 1: NumPy takes [70, 3] and [70, 3, 0, 0] for the same seed, and the first makes a speaker.
    rng = np.random.default_rng([seed, number, word, take + 1])
    tracks = say(word, who, rng)
    return tracks, fire(hear(tracks), rng)


def speaker(number):
    """Return the `Speaker` of a number from 0, the same at every call."""
    check_whole("number", number, 0, LARGEST)
    rng = np.random.default_rng([_BORN, number])
    return Speaker(*(rng.uniform(*ends) for ends in (TRACT, PITCH, TEMPO, TILT)), np.exp(rng.normal(0, ACCENT, 3)))


def say(word, who, rng):
    """Let a speaker say a word.

    Parameters
    ----------
    word : int
        Class, 0 to 19: place in `phonemes.WORDS`.
    who : Speaker
    rng : numpy.random.Generator
        Source of what makes utterances differ.

    Returns
    -------
    Tracks
        Of T = 60 steps of 12.5 ms, taken at the middle of each.  Voice and noise are 0 before and after the word.
    """
    check_whole("word", word, 0, len(WORDS) - 1)
    sounds = [PHONEMES[symbol] for symbol in list(WORDS.values())[word].split()]
    formants, voice, noise, centre, width, ms = (np.array(values) for values in zip(*sounds))
    formants = formants * who.accent / who.tract * np.exp(rng.normal(0, SLIP, formants.shape))
    ms = ms * who.tempo * rng.uniform(*LENGTH, len(ms))
    edges = STEP_MS * rng.integers(0, ONSET + 1) + np.append(0, np.cumsum(ms))
    knots = (edges[:-1, None] + ms[:, None] * (0.25, 0.75)).ravel()
    loudness, now = 10 ** (rng.uniform(*LOUDNESS) / 10), STEP_MS * (np.arange(STEPS) + 0.5)

    def glide(values):
        """Return values of sounds [n] at each step [T]."""
        return np.interp(now, knots, np.repeat(values, 2))

    def power(values):
        """Return powers of sounds [n] at each step [T], silent outside the word."""
        return loudness * np.interp(now, [edges[0], *knots, edges[-1]], [0, *np.repeat(values, 2), 0])

    return Tracks(
        np.stack([glide(f) for f in formants.T], 1), power(voice), power(noise), glide(centre / who.tract), glide(width),
        who.pitch * rng.uniform(*TONE), who.tilt, edges,
    )  # fmt: skip


def hear(tracks):
    """Return the activity of the cochlea's channels, [T, 70] from 0: compressed power, less a part of its own slow average."""
    formants = _peaks(tracks.formants, FORMANT_WIDTH, FORMANTS)
    harmonics = _peaks(tracks.pitch * np.arange(1, 4), HARMONIC_WIDTH, (HARMONICS,) * 3)
    band = _peaks(tracks.centre[:, None], tracks.width[:, None, None], (1,))
    power = tracks.voice[:, None] * (formants + harmonics) + tracks.noise[:, None] * band
    tilt = 10 ** (tracks.tilt * np.log2(CHANNELS / 1000) / 10)
    return adapt((GAIN * tilt * power) ** COMPRESSION)


def _peaks(hz, width, powers):
    """Return the power in each channel, [..., 70], of Gaussian peaks on a scale of octaves at hz [..., peaks] with powers [peaks]."""
    octaves = np.log2(CHANNELS / hz[..., None])
    return np.einsum("...pc,p->...c", np.exp(-0.5 * (octaves / width) ** 2), powers)


def adapt(a):
    """Return a [T, N] less 0.6 times the slow average of the steps before, at least 0: an onset stands out.

    Examples
    --------
    >>> adapt(np.ones((100, 1)))[[0, 1, 12, 99], 0].round(2)
    array([1.  , 0.95, 0.62, 0.4 ])
    """
    keep, slow = np.exp(-STEP_MS / SLOW_MS), np.zeros_like(a)
    for t in range(1, len(a)):
        slow[t] = keep * slow[t - 1] + (1 - keep) * a[t - 1]
    return np.maximum(a - ADAPTATION * slow, 0)


def fire(a, rng):
    """Return spikes, 0 or 1, of channels with activity a (any shape, from 0): p = 1 - exp(-(0.6 a + 0.004)) each, by a Generator."""
    a = np.asarray(a, float)
    if not (a >= 0).all():
        raise ValueError(f"a: got {a[~(a >= 0)][0]}, expected numbers of at least 0")
    return (rng.random(a.shape) < -np.expm1(-(RATE * a + NOISE))).astype(np.float32)


def describe(splits=None):
    """Return what the set is, as a dict of numbers computed from the splits (default `load()`) and sentences."""
    splits = load() if splits is None else splits
    return {
        **report(splits, classes=len(WORDS)),
        "classes": list(WORDS),
        "speakers": {name: np.unique(s.source).tolist() for name, s in splits._asdict().items()},
        "input": "70 channels from 120 to 8000 Hz, low to high; steps of 12.5 ms",
        "stands for": "SHD: spoken digits, English and German, by speakers of whom some are never heard in training",
        "does not stand for": "real voices: sounds come from a table, a speaker is seven numbers, and there is "
        "no background but a little noise",
    }
