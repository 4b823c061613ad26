"""Print a checksum of everything that is drawn or trained here, name -> sha256 (JSON): the numbers of one process, to hold against another's.

    python tests/fingerprints.py [--backwards]
"""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np

from stllr_ref import oracle
from stllr_ref.data import digits, gestures, motion, speech, timing
from stllr_ref.experiments import classify, flow
from stllr_ref.experiments.family import FAMILY, SIGNALS
from stllr_ref.experiments.tasks import TASKS

T, N, O = 6, 5, 3
SIZES = (11, 11, 11)
SETS = {
    "digits": lambda: digits.load(0, SIZES),
    "gestures": lambda: gestures.load(0, SIZES),
    "motion": lambda: motion.load(0, (2, 1, 1)),
    "speech": lambda: speech.load(0, (1, 1, 1)),
    "randman": lambda: timing.randman(0, (10, 10, 10)),
    "delay": lambda: timing.delay(0, sizes=(10, 10, 10)),
    "recall": lambda: timing.recall(0, sizes=(10, 10, 10)),
}


def trained(**change):
    """Train a small network for two epochs; return its parameters and what the epochs showed."""
    rng = np.random.default_rng(0)
    sets = tuple(((rng.random((T, n, N)) < 0.4).astype(np.float32), np.arange(n) % O) for n in (12, 6, 6))
    settings = replace(TASKS["speech"].settings, hidden=(7, 6), last=4, epochs=2, batch=5, lr=0.01, **change)
    result = classify.run(settings, 3, sets)
    return [*result.params.items(), repr(result.history), result.test]


def flowing():
    """Train a small network for optical flow for two epochs; return its parameters and what the epochs showed."""
    rng = np.random.default_rng(0)
    sets = tuple(((rng.random((T, n, 2, 8, 8)) < 0.3).astype(np.float32), rng.normal(size=(n, 2, 8, 8)).astype(np.float32)) for n in (6, 3, 3))
    result = flow.trial(replace(flow.SETTINGS, channels=(4, 3), last=3, epochs=2, batch=3), 3, sets)
    return [*result.params.items(), repr(result.history), result.test]


THINGS = {
    **{f"set {name}": load for name, load in SETS.items()},
    **{f"rule {name}": lambda name=name: trained(rule=name) for name in FAMILY},
    **{f"signal {name}": lambda name=name: trained(signal=name) for name in SIGNALS if name != "bp"},
    "flow": flowing,
    "case": lambda: list(oracle.case("recurrent", steps=5, batch=2).items()),
}


def told(value, sha):
    """Put a value into a checksum: arrays by their bytes, what holds them entry by entry."""
    if isinstance(value, (tuple, list)):
        sha.update(f"{len(value)} entries".encode())
        for part in value:
            told(part, sha)
    elif isinstance(value, np.ndarray):
        sha.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
    else:
        sha.update(repr(value).encode())


def fingerprints(backwards=False):
    """Return name -> checksum of every thing, made in this order or in the other."""
    out = {}
    for name in sorted(THINGS, reverse=backwards):
        sha = hashlib.sha256()
        told(THINGS[name](), sha)
        out[name] = sha.hexdigest()
    return out


if __name__ == "__main__":
    print(json.dumps(fingerprints("--backwards" in sys.argv)))
