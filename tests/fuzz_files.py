"""Properties of damaged files: random bytes, or random edits of a good file, are read whole or refused in one line that names the file."""

import copy
import functools
import json
from collections import Counter

import draws
import make_recordings as make
import numpy as np
from fuzz_arguments import ROWS, VALUES

from stllr_ref import costs, oracle, training
from stllr_ref.checkpoints import Checkpoint
from stllr_ref.experiments import classify, digits, report, sweep
from stllr_ref.optim import Adam
from stllr_ref.training import Epoch


def entries(path):
    """Return the arrays of an npz file, name -> array."""
    with np.load(path) as file:
        return dict(file)


def spoil(rng, path):
    """Write random bytes over a file, or make one to three random edits in it; return what may be read from an npz: what it held."""
    data = path.read_bytes()
    held = entries(path) if path.suffix == ".npz" else {}
    if rng.random() < 0.15:
        data = bytes(rng.choice([0, 2, 4])) + (b"PK\3\4" if rng.random() < 0.5 else b"") + rng.bytes(int(rng.integers(200)))
    for _ in range(rng.integers(1, 4)):
        data = make.edit(data, rng) if data else data
    path.write_bytes(data)
    return held


def change(rng, path):
    """Leave out, rename or replace an entry of an npz file, or spoil the file; return what may be read from it."""
    if rng.random() < 0.6:
        return spoil(rng, path)
    held = entries(path)
    name = list(held)[rng.integers(len(held))]
    how, value = rng.integers(3), held.pop(name)
    if how == 1:
        kinds = [value.astype(complex), value.astype(int), value.astype(str), value * np.nan] if value.dtype.kind == "f" else []
        others = [*PLAIN, *kinds, *kinds, *kinds]
        held[name] = np.asarray(others[rng.integers(len(others))])
    elif how == 2:
        held[f"{name}x"] = value
    np.savez(path, **held)
    return held


PLAIN = [value for value in VALUES if value is not ROWS and np.asarray(value).dtype.kind != "O"]  # what needs no pickle


def refused(path, call, *args):
    """Return (what a call returned, None), or (None, the one line that it refused the file in)."""
    try:
        return call(*args), None
    except ValueError as bad:
        text = str(bad)
        assert text.isprintable() and text.startswith(f"{path}: ") and "got " in text and "expected " in text and len(text.replace(str(path), "")) < 700, text
        return None, text


def equal(a, b):
    """Return whether two dicts of arrays hold the same bytes."""
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes() for name in a)


def damaged_parameters_are_refused(rng, folder):
    """`training.load`: nothing is set where a file is refused, and what is set is what the file holds."""
    net, path = draws.network(rng)[0], folder / "params.npz"
    saved = net.get()
    training.save(path, net)
    held = change(rng, path)
    other = copy.deepcopy(net)
    other.put({name: value + 1 for name, value in saved.items()})
    before = other.get()
    _, why = refused(path, training.load, path, other)
    assert equal(other.get(), before if why else {name: held[name].astype(net.dtype) for name in saved})
    return True


def damaged_checkpoints_are_refused(rng, folder):
    """`Checkpoint.read`: any edit is found; network, moments and generator stay as they were."""
    net, path = draws.network(rng)[0], folder / "run.npz"
    adam, order = Adam(net, 0.1), np.random.default_rng(1)
    adam.step({name: np.ones_like(value) for name, value in net.get().items()})
    Checkpoint(path).write(net, adam, order, [(1, 0.5, 0.5, 0.5, [], {})], {})
    whole = path.read_bytes()
    spoil(rng, path)
    before, moments = net.get(), adam.get()
    epochs, why = refused(path, Checkpoint(path).read, net, adam, order, {})
    assert (why is None) == (path.read_bytes() == whole) and equal(net.get(), before) and equal(adam.get(), moments)
    return True


@functools.cache
def vectors(layer):
    """Return a case of the oracle and its right answers."""
    made = oracle.case(layer, steps=5, batch=2)
    return made, oracle.expected(made)


def damaged_vectors_are_refused(rng, folder):
    """`oracle.load`: a case is what the file holds, or it is refused."""
    (made, _), path = vectors(str(rng.choice(["dense", "recurrent"]))), folder / "case.npz"
    oracle.save(path, made)
    held = change(rng, path)
    case, why = refused(path, oracle.load, path)
    if why is None:
        for name in made:
            assert np.array_equal(held[name].astype(np.asarray(case[name]).dtype), case[name]) if name in held else case[name] is None, name
    return True


def damaged_answers_get_a_verdict(rng, folder):
    """`oracle.read` and `verdict`: what is read is what the file held, and right where it is whole; entries may be lost, and are told missing."""
    (made, right), path = vectors(str(rng.choice(["dense", "recurrent"]))), folder / "answers.npz"
    np.savez(path, **{name: value for name, value in right.items() if rng.random() < 0.7 or name == "dW"})
    held = change(rng, path)
    found, why = refused(path, oracle.read, path)
    if why is None:
        verdict = oracle.verdict(made, found)
        same = [found[name].dtype.kind in "biuf" and np.array_equal(found[name], right[name]) for name in found if name in right]
        assert equal(found, {name: held[name] for name in found}) and str(verdict) and verdict.accepted == (all(same) and bool(same))
        assert not verdict.accepted or set(verdict.missing) == set(right) - set(found)
    return True


def damaged_results_are_refused_or_run_again(rng, folder):
    """The finished trials of a sweep and the parameters beside them: a trial is there as a result, or is run again, or the file is refused."""
    cells, about, path = [(digits.SETTINGS, seed) for seed in range(2)], {"grid": "small"}, folder / "finished.jsonl"
    epoch = Epoch(1, 0.5, 0.5, float("nan"), [0.1], {"0.W": 1.0})
    params = {"0.W": rng.normal(size=(3, 2))}
    results = [classify.Result(*cell, 0.9, float("nan"), 1.0, costs.Cost(Counter(forward=3), 1, 1, 1), None, [epoch], params) for cell in cells]
    file = sweep.Finished(path, about)
    for cell, result in zip(cells, results):
        file.add(cell, result)
    spoil(rng, path)
    again, why = refused(path, sweep.Finished, path, about)
    if why is None:
        for cell in cells:
            result, _ = refused(path, again.get, cell)
            assert result is None or isinstance(result, classify.Result)
    stored = {f"{report._place(results[0])}{name}": value for name, value in params.items()}
    np.savez(folder / "last.npz", **stored)
    spoil(rng, folder / "last.npz")
    found = report.read_params(folder)
    assert json.dumps(sorted(found)) and (not found or equal(found, stored))
    return True


FILES = [
    damaged_parameters_are_refused,
    damaged_checkpoints_are_refused,
    damaged_vectors_are_refused,
    damaged_answers_get_a_verdict,
    damaged_results_are_refused_or_run_again,
]
