"""Random edits of every recorded format, the short version of `make fuzz`; and that fuzz.py itself notices what it should."""

import importlib.util
import os
import time
import warnings

import fuzz
import numpy as np
import pytest
from test_recorded import needs_aedat, no_network  # noqa: F401


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_aedat if name == "CIFAR10DVS" else ()) for name in fuzz.WRITE])
def test_random_edits_are_read_with_all_events_or_refused_in_one_line(name, tmp_path):
    seeds = range(150)
    found = list((fuzz.apart if name in fuzz.C_LIBRARIES else fuzz.edited)(name, tmp_path, seeds))
    assert [seed for seed, _, _ in found] == list(seeds)
    assert [row for row in found if row[1] not in ("read", "refused")] == []
    assert all(5 < sum(how == kind for _, how, _ in found) for kind in ("read", "refused"))


def report(kept=1, seen=1):
    yield np.full(3, seen / 3), (2, kept, 1)


def astray(name, folder, seed):
    """Read a set, as fuzz.read would, but go wrong in another way for each seed; seeds of at least 20 are all right."""
    (path,) = folder.rglob("*.bin")
    if seed == 1:
        raise ValueError(f"{path}: got one line\nand another, expected one")
    if seed == 2:
        raise ValueError("got something, expected the name of the file")
    if seed == 3:
        raise KeyError(f"{path}: got something, expected ValueError")
    if seed == 4:
        raise type("PanicException", (BaseException,), {})(f"{path}: got a panic")
    if seed == 5:
        warnings.warn("overflow encountered", RuntimeWarning)
    if seed == 6:
        yield from report(kept=2, seen=2)
    if seed == 7:
        yield from report(seen=2)
    if seed == 8:
        os.write(2, b"a stack of the C library")
    if seed == 9:
        os._exit(1)
    if seed == 10:
        os.abort()
    if seed == 11:
        time.sleep(100)
    if seed == 20:
        raise ValueError(f"{path}: got something, expected something else")
    if seed == 21:
        warnings.warn(f"{path}: got no events, expected at least one")
    yield from report()


WRONG = {
    1: "one line\\nand another",
    2: "the name of the file",
    3: "KeyError",
    4: "PanicException",
    5: "overflow encountered",
    6: "2 events read, 2 kept, 1 dropped",
    7: "2.0 in frames",
}


def test_whatever_is_neither_read_nor_refused_in_one_line_is_a_failure(tmp_path):
    found = {seed: (how, why) for seed, how, why in fuzz.edited("NMNIST", tmp_path, [*WRONG, 20, 21, 22], astray)}
    for seed, words in WRONG.items():
        assert found[seed][0] == "failed" and words in found[seed][1], seed
    assert [found[seed][0] for seed in (20, 21, 22)] == ["refused", "read", "read"]


def test_a_child_that_dies_or_hangs_is_listed_with_its_seed_and_another_goes_on(tmp_path):
    found = list(fuzz.apart("NMNIST", tmp_path, [22, 8, 23, 9, 24, 10, 25, 11, 20], astray, limit_s=1))
    assert [(seed, how) for seed, how, _ in found] == [
        (22, "read"), (8, "failed"), (23, "read"), (9, "failed"), (24, "read"), (10, "aborted"), (25, "read"), (11, "aborted"), (20, "refused"),
    ]  # fmt: skip
    why = {seed: why for seed, _, why in found}
    assert "a stack of the C library" in why[8] and "ended with 1" in why[9] and "ended with -6" in why[10] and why[11] == "longer than 1 s"


def test_an_edit_hangs_on_its_format_and_its_seed_alone(tmp_path):
    def seen(name, folder, seed):
        (path,) = folder.rglob("*.bin")
        contents.append(path.read_bytes())
        yield from report()

    contents = []
    list(fuzz.edited("NMNIST", tmp_path / "a", range(10), seen))
    list(fuzz.edited("NMNIST", tmp_path / "b", [7], seen))
    assert contents[7] == contents[10] and len(set(contents)) == 10


@pytest.fixture
def outcomes(monkeypatch):
    """Let every edit be read, but seed 103 of a format end as said; return format -> outcome."""
    said = {}
    monkeypatch.setattr(
        fuzz, "apart", lambda name, folder, seeds: ((s, said.get(name, "read") if s == 103 else "read", "why") for s in seeds)
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    return said


def test_the_edits_are_shared_out_and_the_table_adds_up(outcomes, capsys):
    assert fuzz.main(["--edits", "73", "--seed", "100"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["format", "edits", "read", "refused", "aborted", "failed"] and len(rows) == 9
    assert [int(row[-5]) for row in rows[1:]] == [10, 10, 10, 10, 11, 11, 11, 73] and rows[-1] == ["all", "73", "73", "0", "0", "0"]


@pytest.mark.parametrize(
    "name, how, code, listed", [("SHD", "failed", 1, "failed"), ("SHD", "aborted", 0, "aborted"), ("NMNIST", "aborted", 1, "failed")]
)
def test_a_failure_is_exit_1_and_names_format_and_seed_but_an_abort_of_a_c_library_is_none(name, how, code, listed, outcomes, capsys):
    outcomes[name] = how
    assert fuzz.main(["--edits", "70", "--seed", "100"]) == code
    out, err = capsys.readouterr()
    assert out.splitlines()[9:] == [f"{listed}: --format '{name}' --edits 1 --seed 103: why"] and err == ""
    assert fuzz.main(["--format", name, "--edits", "1", "--seed", "103"]) == code
    assert f"{listed}: --format '{name}' --edits 1 --seed 103: why" in capsys.readouterr().out


def test_without_aedat_its_format_is_left_out_in_one_line_and_the_others_take_its_share(outcomes, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert fuzz.main(["--edits", "60"]) == 0
    out, err = capsys.readouterr()
    assert err == "CIFAR10-DVS is left out, it needs the package aedat: pip install aedat\n"
    assert "CIFAR10DVS" not in out and out.splitlines()[-1].split()[:2] == ["all", "60"]
