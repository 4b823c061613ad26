"""The same seed gives the same bits: twice, in any order, in other processes, whatever the seed of Python's hashes and the global generators."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import fingerprints
import numpy as np
import pytest


def elsewhere(hash_seed, *options):
    """Return the checksums of another process."""
    script = Path(fingerprints.__file__)
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run([sys.executable, script, *options], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here():
    return fingerprints.fingerprints()


def test_everything_is_the_same_a_second_time_in_the_other_order_with_other_global_seeds(here):
    state, known = random.getstate(), np.random.get_state()
    random.seed(9), np.random.seed(9)
    try:
        assert fingerprints.fingerprints(backwards=True) == here
    finally:
        random.setstate(state), np.random.set_state(known)


@pytest.mark.parametrize("hash_seed, options", [("0", []), ("1", ["--backwards"]), ("4294967295", [])])
def test_everything_is_the_same_in_another_process_with_another_seed_of_hashes(hash_seed, options, here):
    assert elsewhere(hash_seed, *options) == here


def test_the_seed_of_hashes_is_that_of_the_other_process():
    code = "print(hash('spike'))"
    found = [subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": s}, capture_output=True, check=True).stdout for s in "011"]
    assert found[0] != found[1] == found[2]


def test_a_checksum_tells_things_apart(here):
    alike = {("rule tess", "signal square")}  # the same by two names
    names = list(here)
    pairs = {(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if here[a] == here[b]}
    assert pairs == alike and len(names) > 35


@pytest.mark.parametrize("change", [lambda a: a + 1e-16, lambda a: a.astype(np.float32), lambda a: a.T, lambda a: [a, a]])
def test_a_checksum_sees_a_bit_a_type_a_shape_and_an_entry(change):
    def checksum(value):
        sha = hashlib.sha256()
        fingerprints.told(value, sha)
        return sha.digest()

    a = np.full((2, 3), 0.25)
    assert checksum((a, 1)) == checksum((a.copy(), 1)) != checksum((change(a), 1))
