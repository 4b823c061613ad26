r"""What the words of the set `speech` are made of: a table of sounds, and the digits in English and German spelt with them.

Vowels are rounded after the averages of men in Peterson and Barney (1952), with values in between for sounds that these
lack (the German ones, and the parts of diphthongs); formants of consonants and bands of noise are round numbers of the
order that textbooks of acoustic phonetics give.  Symbols are SAMPA's; `_` is the closure of a stop after another sound,
and a diphthong is two sounds.
"""

from typing import NamedTuple


class Phoneme(NamedTuple):
    """One sound as a formant synthesiser makes it."""

    formants: tuple  # Hz, the first three resonances of a man's vocal tract
    voice: float  # power of what the vocal folds make, 0 to 1
    noise: float  # power of what turbulence makes, 0 to 1
    centre: float  # Hz, of the noise
    width: float  # octaves, standard deviation of the noise
    ms: float  # duration


def _voiced(f1, f2, f3, voice, ms):
    """Return a sound without noise, whose band then does not matter."""
    return Phoneme((f1, f2, f3), voice, 0.0, 2000, 0.3, ms)


PHONEMES = {
    "i": _voiced(270, 2290, 3010, 1.0, 130),  # three, sieben
    "I": _voiced(390, 1990, 2550, 1.0, 90),  # six
    "e": _voiced(450, 2080, 2600, 1.0, 110),  # eight
    "E": _voiced(530, 1840, 2480, 1.0, 110),  # seven, sechs
    "a": _voiced(730, 1200, 2450, 1.0, 110),  # nine, acht
    "V": _voiced(640, 1190, 2390, 1.0, 120),  # one
    "O": _voiced(570, 840, 2410, 1.0, 130),  # four, neun
    "o": _voiced(480, 900, 2350, 1.0, 100),  # zero
    "U": _voiced(440, 1020, 2240, 1.0, 90),  # null
    "u": _voiced(300, 870, 2240, 1.0, 150),  # two
    "Y": _voiced(390, 1500, 2150, 1.0, 100),  # fünf, neun
    "@": _voiced(500, 1450, 2450, 1.0, 60),  # seven, sieben
    "6": _voiced(600, 1300, 2450, 1.0, 80),  # vier
    "w": _voiced(300, 700, 2200, 0.6, 60),
    "r": _voiced(350, 1150, 1600, 0.6, 60),  # English
    "R": Phoneme((480, 1200, 2300), 0.5, 0.15, 1500, 0.3, 60),  # German
    "l": _voiced(340, 1500, 2600, 0.6, 90),
    "n": _voiced(270, 1600, 2600, 0.5, 90),
    "v": Phoneme((250, 1100, 2200), 0.4, 0.15, 4500, 0.6, 70),
    "z": Phoneme((250, 1500, 2550), 0.3, 0.5, 6000, 0.25, 80),
    "f": Phoneme((300, 1100, 2200), 0.0, 0.3, 4500, 0.6, 90),
    "T": Phoneme((300, 1400, 2500), 0.0, 0.25, 5500, 0.5, 90),  # three
    "s": Phoneme((300, 1500, 2550), 0.0, 0.9, 6000, 0.25, 110),
    "x": Phoneme((500, 1300, 2400), 0.0, 0.6, 1500, 0.3, 90),  # acht
    "b": Phoneme((250, 900, 2200), 0.3, 0.1, 1000, 0.4, 50),
    "d": Phoneme((250, 1700, 2600), 0.3, 0.2, 3500, 0.4, 45),
    "t": Phoneme((300, 1700, 2600), 0.0, 0.8, 4000, 0.35, 40),
    "k": Phoneme((300, 1900, 2400), 0.0, 0.7, 1900, 0.25, 40),
    "_": _voiced(300, 1500, 2500, 0.0, 45),
}

# In the order of the classes: 0 to 9 English, 10 to 19 German, as in SHD.
WORDS = {
    "zero": "z I r o U",
    "one": "w V n",
    "two": "t u",
    "three": "T r i",
    "four": "f O r",
    "five": "f a I v",
    "six": "s I _ k s",
    "seven": "s E v @ n",
    "eight": "e I _ t",
    "nine": "n a I n",
    "null": "n U l",
    "eins": "a I n s",
    "zwei": "t s v a I",
    "drei": "d R a I",
    "vier": "f i 6",
    "fünf": "f Y n f",
    "sechs": "z E _ k s",
    "sieben": "z i b @ n",
    "acht": "a x _ t",
    "neun": "n O Y n",
}
