"""Exercises of chapter 5: the walk back through a layer, what each method keeps, the walk forward with recurrent weights."""

import numpy as np

from stllr_ref import bptt, costs, rtrl
from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import random_spikes
from stllr_ref.layer import Layer
from stllr_ref.losses import window
from stllr_ref.network import Network
from stllr_ref.neurons import LIF
from stllr_ref.rules import SLTT
from stllr_ref.surrogates import sigmoid, triangle
from stllr_ref.synapses import Dense

RNG = np.random.default_rng(5)
OWN = "bi,bj->ij"


def _weighted(output, c):
    """Return the loss "spikes, weighted by c" of each sample, and its derivative c."""
    return (output * c).sum(-1), c


def _back(W, x, c, neuron, start):
    """Return dL/dW of a layer by the library's BPTT with the reset attached."""
    net = Network([Layer(Dense(W), neuron, SLTT())])
    return bptt.run(net, x, c, _weighted, window(len(x), [len(x)] * x.shape[1], start=start), attached=True)[1]["0.W"]


def _forward(W, x, neuron, V=None):
    """Return u, y, psi of every step, [T, B, H] each."""
    kept, y, steps = 0.0, np.zeros((x.shape[1], len(W))), []
    for x_t in x:
        u = kept + x_t @ W.T + (0.0 if V is None else y @ V.T)
        y, psi = neuron.fire(u)
        kept = neuron.rest(u, y)
        steps.append((u, y, psi))
    return [np.array(part) for part in zip(*steps)]


def _wrong_back(W, x, c, neuron, start, *, attached=True, carry=lambda slope, psi: slope, shift=0, first=0, samples=None):
    """Return the walk back with one thing done otherwise."""
    u, y, psi = _forward(W, x, neuron)
    slope = np.broadcast_to(neuron.slope(u, y, psi, attached), u.shape)
    g, dW = 0.0, 0.0
    for t in reversed(range(first, len(x))):
        g = psi[t] * c * (t >= start) + carry(slope[min(t + shift, len(x) - 1)], psi[t]) * g
        dW = dW + np.einsum(OWN, g, x[t])
    return dW / (samples or x.shape[1])


BACK = {
    "you left the reset out of the slope: attached was asked for": lambda *a: _wrong_back(*a, attached=False),
    "you multiplied the carried error by Psi: from potential to potential there is no spike": lambda *a: _wrong_back(
        *a, carry=lambda slope, psi: slope * psi
    ),
    "you carried nothing from the step after: the potential remembers": lambda *a: _wrong_back(*a, carry=lambda slope, psi: 0.0),
    "you took the slope of the step after: it leads from u[t] to u[t+1] and belongs to step t": lambda *a: _wrong_back(*a, shift=1),
    "you stopped where the loss starts: steps before it have an error too": lambda *a: _wrong_back(*a, first=a[4]),
    "you summed over the samples: the loss is their mean": lambda *a: _wrong_back(*a, samples=1),
}


def _kept(sizes, T):
    """Return what BPTT (potentials alone), RTRL and S-TLLR keep, by the library's formulas."""
    layers = [costs.dense(str(i), n_in, n, bias=False, fires=i < len(sizes) - 2) for i, (n_in, n) in enumerate(zip(sizes, sizes[1:]))]
    table = costs.formulas(layers, T, last=T)
    return {name: table[key].kept for name, key in (("BPTT", "bptt"), ("RTRL", "rtrl"), ("S-TLLR", "stllr"))}


def _count(name, count):
    """Return a wrong answer: what is kept, with the count of one method replaced by count(sizes, T)."""
    return lambda sizes, T: _kept(sizes, T) | {name: count(sizes, T)}


def _weights(sizes):
    """Return the number of weights of each layer."""
    return [a * b for a, b in zip(sizes, sizes[1:])]


KEPT = {
    "you kept the potentials of one step for BPTT: it needs all of them": _count("BPTT", lambda n, T: sum(n[1:])),
    "you counted spikes and Psi too: the thrifty BPTT makes them again from the potentials": _count(
        "BPTT", lambda n, T: 3 * T * sum(n[1:])
    ),
    "you counted the input among BPTT's potentials": _count("BPTT", lambda n, T: T * sum(n)),
    "you gave RTRL one number a weight: a weight reaches more than one potential": _count(
        "RTRL", lambda n, T: sum(n[1:]) + sum(_weights(n))
    ),
    "you let RTRL's weights reach potentials of layers below": _count("RTRL", lambda n, T: sum(n[1:]) * (1 + sum(_weights(n)))),
    "you multiplied RTRL by the steps: it keeps no past": _count("RTRL", lambda n, T: T * _kept(n, T)["RTRL"]),
    "you multiplied S-TLLR by the steps: traces are carried, not stored": _count("S-TLLR", lambda n, T: T * _kept(n, T)["S-TLLR"]),
    "you put S-TLLR's input traces where spikes leave a layer: they belong to what enters it": _count(
        "S-TLLR", lambda n, T: 2 * sum(n[1:]) + sum(n[1:-1])
    ),
    "you gave S-TLLR's readout a trace of its own past: it does not fire": _count("S-TLLR", lambda n, T: _kept(n, T)["S-TLLR"] + n[-1]),
}


def _carried(W, V, x, c, neuron, start):
    """Return dL/dW of a recurrent layer by the library's RTRL, for one sample."""
    net = Network([Layer(Dense(W), neuron, SLTT(), V=Dense(V))])
    return rtrl.run(net, x[:, None], c[None], _weighted, window(len(x), [len(x)], start=start))[1]["0.W"]


def _wrong_carried(W, V, x, c, neuron, start, *, through=None, late=0, send=lambda psi: psi, read=lambda psi: psi, own=True):
    """Return the walk forward with one thing done otherwise; through replaces V in the derivative."""
    u, y, psi = (part[:, 0] for part in _forward(W, x[:, None], neuron, V))
    through = V if through is None else through
    P, dW, eye = np.zeros((len(W), *W.shape)), 0.0, np.eye(len(W))
    for t in range(len(x)):
        if t:
            slope = np.broadcast_to(neuron.slope(u[t - 1], y[t - 1], psi[t - 1]), psi[t].shape)
            P = slope[:, None, None] * P + np.einsum("kl,l,lij->kij", through, send(psi[t - 1 + late]), P)
        P = P + (eye[:, :, None] if own else np.ones_like(P)) * x[t]
        dW = dW + (t >= start) * np.einsum("k,k,kij->ij", c, read(psi[t]), P)
    return dW


CARRIED = {
    "you left out what the neurons send each other": lambda *a: _wrong_carried(*a, through=0 * a[1]),
    "you used V the other way round: V[k, l] leads from l to k": lambda *a: _wrong_carried(*a, through=a[1].T),
    "you sent the derivative of the potential through V: spikes go there, so Psi is missing": lambda *a: _wrong_carried(
        *a, send=np.ones_like
    ),
    "you took the Psi of this step for V: the spikes that arrive are those of the step before": lambda *a: _wrong_carried(*a, late=1),
    "you left Psi out of the last product: the loss counts spikes, not potentials": lambda *a: _wrong_carried(*a, read=np.ones_like),
    "you let the input into every potential's derivative: it enters the weight's own neuron alone": lambda *a: _wrong_carried(
        *a, own=False
    ),
}

SOFT, HARD = LIF(gamma=0.8, theta=0.9, psi=triangle), LIF(gamma=0.7, theta=0.8, psi=sigmoid, reset="hard")


EXERCISES = {
    "5.1": Exercise(
        "bptt_layer",
        _back,
        (
            (RNG.normal(0.4, 0.5, (2, 4)), random_spikes(RNG, 9, 3, 4), RNG.normal(0, 1, (3, 2)), SOFT, 5),
            (RNG.normal(0.3, 0.5, (4, 5)), random_spikes(RNG, 7, 2, 5), RNG.normal(0, 1, (2, 4)), HARD, 3),
        ),
        BACK,
        "[H, N]",
    ),
    "5.2": Exercise("kept", _kept, (((32, 32, 32, 4), 100), ((7, 5, 3), 11)), KEPT, "a dict of three whole numbers"),
    "5.3": Exercise(
        "rtrl_layer",
        _carried,
        (
            (RNG.normal(0.4, 0.5, (3, 4)), RNG.normal(0, 0.6, (3, 3)), random_spikes(RNG, 8, 4), RNG.normal(0, 1, 3), SOFT, 4),
            (RNG.normal(0.3, 0.5, (2, 5)), RNG.normal(0, 0.6, (2, 2)), random_spikes(RNG, 6, 5), RNG.normal(0, 1, 2), HARD, 2),
        ),
        CARRIED,
        "[H, N]",
    ),
}
