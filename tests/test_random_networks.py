"""Random networks, inputs, arguments, events and files, the short version of `make fuzz`; and that its properties can fail."""

import json
import warnings

import fuzz_networks as fuzz
import numpy as np
import pytest

from stllr_ref import checks

SEEDS = 240  # of each property


@pytest.mark.parametrize("name", fuzz.PROPERTIES)
def test_the_property_holds_and_most_of_what_is_drawn_says_something(name):
    found = list(fuzz.tried(name, range(SEEDS)))
    assert [(seed, why) for seed, why in found if isinstance(why, Exception)] == []
    assert [seed for seed, _ in found] == list(range(SEEDS)) and sum(why is None for _, why in found) > 0.5 * SEEDS


def silent(rng, folder):
    return False


def wrong(rng, folder):
    assert rng.random() < 0.9


def warned(rng, folder):
    warnings.warn("overflow encountered", RuntimeWarning)


def test_a_failure_is_exit_1_and_names_property_and_seed(monkeypatch, capsys):
    bad = [seed for seed in range(40) if np.random.default_rng(seed).random() >= 0.9]
    monkeypatch.setattr(fuzz, "PROPERTIES", {"silent": silent, "wrong": wrong, "warned": warned})
    assert bad and fuzz.main(["--seeds", "40"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:] for line in lines[:2]] == [["40", "seeds,", "0", "held,", "0", "failed"], ["40", "seeds,", str(40 - len(bad)), "held,", str(len(bad)), "failed"]]
    assert [line.split()[6][:-1] for line in lines if "property wrong" in line] == [str(seed) for seed in bad]
    assert sum("RuntimeWarning: overflow" in line for line in lines) == 40
    assert fuzz.main(["--property", "wrong", "--seeds", "1", "--seed", str(bad[0])]) == 1
    assert fuzz.main(["--property", "silent", "--seeds", "3"]) == 0


def test_a_draw_hangs_on_its_seed_alone():
    def drawn(seed):
        net, x, target, _, inside = fuzz.draws.case(np.random.default_rng(seed), synaptic=True)
        return json.dumps([x.tolist(), target.tolist(), inside.tolist(), {name: value.tolist() for name, value in net.get().items()}])

    assert drawn(3) == drawn(3) != drawn(4)


@pytest.mark.parametrize("call, line", [
    (lambda: checks.number("a", 10**400), "a: got 1" + "0" * 99 + ", expected a number"),
    (lambda: checks.number("a", [[1], [1, 2]]), "a: got list of shape unequal rows, expected a number"),
    (lambda: checks.choice("a", "x\ny", ("b", "c")), r"a: got 'x\ny', expected one of b, c"),
    (lambda: checks.whole("a", np.eye(2), 1), "a: got ndarray of shape (2, 2), expected a whole number of at least 1"),
    (lambda: checks.labels([[1], [1, 2]], 2, 3), "target: got rows of unequal length, expected one rectangular array"),
    (lambda: checks.array("a", np.ma.array([1.0, 2.0], mask=[0, 1]), float), "a: got masked entries, expected an array without a mask"),
])  # fmt: skip
def test_what_the_fuzzing_found_is_refused_in_one_line(call, line):
    with pytest.raises(ValueError) as refused:
        call()
    assert str(refused.value) == line


def test_a_mask_that_hides_nothing_is_taken():
    np.testing.assert_array_equal(checks.array("a", np.ma.array([1.0, 2.0]), float), [1, 2])
