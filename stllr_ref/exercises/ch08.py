"""Exercises of chapter 8: the error sent down through any number of layers, three signals, the signal of a classifier of one's own."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import random_spikes
from stllr_ref.losses import cross_entropy
from stllr_ref.signals import DFA, DRTP, Local, sDFA
from stllr_ref.synapses import Dense

RNG = np.random.default_rng(8)


def _row(samples, sizes):
    """Return an output error, the weights above each hidden layer and the Psi of each, lowest first; sizes: hidden layers, outputs."""
    weights = [RNG.normal(0, 1, (above, below)) for below, above in zip(sizes, sizes[1:])]
    psis = [0.3 * RNG.random((samples, n)) * (RNG.random((samples, n)) < 0.8) for n in sizes[:-1]]
    return _error(samples, sizes[-1])[0], weights, psis


def _error(samples, classes):
    """Return softmax - onehot of random logits, and the labels."""
    target = RNG.integers(0, classes, samples)
    return cross_entropy(RNG.normal(0, 1, (samples, classes)), target)[1], target


def _deltas(err, weights, psis, gate=lambda delta, psi: delta * psi):
    """Return delta of each hidden layer, lowest first; gate: what is sent down of a layer's delta."""
    delta, found = err, []
    for number, W in reversed(list(enumerate(weights))):
        sent = delta if number == len(weights) - 1 else gate(delta, psis[number + 1])
        delta = Dense(W).backward(sent)
        found.insert(0, delta)
    return tuple(found)


def _potential(err, weights, psis):
    """Return dL/du of each hidden layer in place of dL/dy."""
    return tuple(delta * psi for delta, psi in zip(_deltas(err, weights, psis), psis))


WAYS = {"DFA": DFA, "sDFA": sDFA, "DRTP": DRTP}


def _signal(way, err, target, B):
    """Return delta [samples, units] of one of three signals."""
    return WAYS[way](B).delta(err, target, np.zeros((len(err), B.shape[1])))


def _onehot(target, B):
    """Return the labels as rows of 0 and 1, one column a class."""
    return np.eye(len(B))[target]


def _instead(way, wrong):
    """Return `_signal`, of which one way is answered by wrong(err, target, B)."""
    return lambda asked, err, target, B: wrong(err, target, B) if asked == way else _signal(asked, err, target, B)


def _three(samples, classes, units):
    """Return the arguments of `signal`, one tuple a way, on the same error."""
    err, target = _error(samples, classes)
    B = RNG.normal(0, 1, (classes, units))
    return [(way, err, target, B) for way in WAYS]


def _local(y, target, B):
    """Return delta [samples, units] of the layer's own classifier."""
    return Local(B).delta(None, target, y)


def _classified(samples, classes, units):
    """Return spikes of a layer, labels and the weights of a classifier of them."""
    return random_spikes(RNG, samples, units), RNG.integers(0, classes, samples), RNG.normal(0, 1, (classes, units))


def _own(y, target, B):
    """Return the error of the classifier and its logits, [samples, classes]."""
    return cross_entropy(y @ B.T, target)[1], y @ B.T


EXERCISES = {
    "8.1": Exercise(
        "deltas",
        _deltas,
        (_row(4, (5, 3, 2)), _row(2, (6, 5, 4, 3))),
        {
            "you left Psi out: what goes down is multiplied by how near the layer that sends it was to firing": lambda *a: _deltas(
                *a, gate=lambda delta, psi: delta
            ),
            "you also took the Psi of the layer that receives: that gives the derivative by its potential, not by its output": _potential,
            "you returned the upper layers first": lambda *a: _deltas(*a)[::-1],
            "you divided by the number of samples: asked for is the delta of each sample's own loss": lambda err, *a: _deltas(
                err / len(err), *a
            ),
            "you turned the sign: err is softmax minus one-hot already": lambda err, *a: _deltas(-err, *a),
        },
        "[B, N] of each hidden layer, lowest first",
    ),
    "8.2": Exercise(
        "signal",
        _signal,
        (*_three(4, 3, 5), *_three(6, 2, 3)),
        {
            "you took the sign after the projection in sDFA: each class's error is reduced to its sign before it meets B": _instead(
                "sDFA", lambda err, target, B: np.sign(err @ B)
            ),
            "you used the error of the true class in DRTP: it takes the label itself, whatever the output says": _instead(
                "DRTP", lambda err, target, B: (err * _onehot(target, B)) @ B
            ),
            "you turned the sign of the label in DRTP": _instead("DRTP", lambda err, target, B: -_onehot(target, B) @ B),
            "you divided by the number of samples: signals are per sample, as published": lambda way, err, target, B: (
                _signal(way, err, target, B) / len(err)
            ),
            "you divided DFA's error by the number of samples: signals are per sample, as published": _instead(
                "DFA", lambda err, target, B: err @ B / len(err)
            ),
            "you sent one number for all samples: each has an error of its own": lambda way, err, target, B: (
                np.ones((len(err), 1)) * _signal(way, err, target, B).mean(0)
            ),
            "you went uphill: err is softmax minus one-hot already": lambda way, err, target, B: -_signal(way, err, target, B),
        },
        "[B, N]",
    ),
    "8.3": Exercise(
        "local_delta",
        _local,
        (_classified(4, 3, 5), _classified(7, 2, 3)),
        {
            "you left out the softmax: logits are no probabilities": lambda y, target, B: (y @ B.T - _onehot(target, B)) @ B,
            "you sent the label alone: what the classifier has right already needs no push": lambda y, target, B: -_onehot(target, B) @ B,
            "you took the winner for the softmax: a classifier that is half sure is half wrong": lambda y, target, B: (
                (_onehot(_own(y, target, B)[1].argmax(1), B) - _onehot(target, B)) @ B
            ),
            "you turned the sign: delta is the derivative of the loss, and weights go downhill": lambda *a: -_local(*a),
            "you divided by the number of samples: asked for is the delta of each sample's own loss": lambda y, *a: _local(y, *a) / len(y),
            "you multiplied by the layer's own spikes: delta asks what a spike more would do": lambda y, *a: _local(y, *a) * y,
        },
        "[B, N]",
    ),
}
