"""What is measured of every member on one small task: cosines with BPTT, memory and MACs, accuracy."""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from stllr_ref import bptt, cosine, costs, cross_entropy, gradcheck, training, window
from stllr_ref.experiments import alignment, classify
from stllr_ref.experiments.family import SHARE

# The recurrent toy of the library's alignment study with a layer more, other leaks and noisier input.
SETTINGS = replace(alignment.TOY, hidden=(32, 24), gamma=0.6, readout=0.7, epochs=6, lr=1e-2)
T, N, O = 20, 30, 3
NETWORKS, TRAINED, SAMPLES = 10, 5, 200  # networks whose gradients are compared, of these trained; samples for training and for the test


def patterns(seed, samples):
    """Return x [T, samples, N], y [samples]: of its class's pattern a sample keeps half the spikes, a tenth of the rest is noise."""
    rng = np.random.default_rng(seed)
    spikes, y, shape = rng.random((O, T, N)) < 0.25, rng.integers(0, O, samples), (samples, T, N)
    x = (spikes[y] & (rng.random(shape) < 0.5)) | (rng.random(shape) < 0.1)
    return x.swapaxes(0, 1).astype(np.float32), y


def batch(seed, last=SETTINGS.last):
    """Return x, labels, loss and window of a network's first samples."""
    x, y = patterns(seed, 2 * SAMPLES)
    x, y = x[:, : SETTINGS.batch], y[: SETTINGS.batch]
    return x, y, cross_entropy, window(T, [T] * len(y), last=last)


def build(settings, seed):
    """Return the network of one seed; rules share their initial weights."""
    return classify.build(settings, N, O, seed)


def compare(settings, seed, net, attached=False):
    """Return the cosine with BPTT, its resets detached or attached, of the gradient of W of both hidden layers, lower first."""
    data = batch(seed, settings.last)
    local = classify.algorithm(settings)(net, *data, rng=np.random.default_rng([seed, 3]))[1]
    exact = bptt.run(net, *data, attached=attached)[1]
    return [cosine(local[name], exact[name]) for name in ("0.W", "1.W")]


@lru_cache(maxsize=None)
def untrained(settings, seed, attached=False):
    """Return `compare` at the initial weights, after a look at the firing rates."""
    net = build(settings, seed)
    gradcheck.liveness(net, batch(seed)[0])
    return compare(settings, seed, net, attached)


def before(rule, attached=False, **change):
    """Return the cosines of a rule at the initial weights, [NETWORKS, 2]: lower, upper hidden layer; change is of SETTINGS."""
    return np.array([untrained(replace(SETTINGS, rule=rule, **change), seed, attached) for seed in range(NETWORKS)])


class Price(NamedTuple):
    """What one gradient of one sample costs."""

    numbers: float  # kept from step to step; BPTT: of all steps
    macs: float  # of learning: counted in the synapses, and by the formula for traces and signals


@lru_cache(maxsize=None)
def price(rule):
    """Return the `Price` of a rule, measured on a batch and divided by its samples."""
    settings, data = replace(SETTINGS, rule=rule), batch(0)
    net, B = build(settings, 0), len(data[1])
    state = costs.STATE.get(rule, costs.state_bytes)
    cost = costs.measure(classify.algorithm(settings), net, *data, state, np.random.default_rng(0))
    other = costs.formulas(costs.sizes(net, data[0]), T, SETTINGS.last, SHARE)[rule].other
    return Price(cost.state / net.dtype.itemsize / B, cost.learning / B + other)


class Trained(NamedTuple):
    """What training left."""

    accuracy: float  # of SAMPLES fresh samples, in %
    cosines: list  # of both hidden layers with BPTT, now; None for the control


@lru_cache(maxsize=None)
def train(rule, seed, **change):
    """Return one network `Trained` by a rule of the family or by the control "frozen"; done once for each; change is of SETTINGS."""
    s = replace(SETTINGS, rule=rule, **change)
    (x, y), net = patterns(seed, 2 * SAMPLES), build(s, seed)
    rng, run = np.random.default_rng([seed, 1]), classify.algorithm(s)
    training.fit(net, (x[:, :SAMPLES], y[:SAMPLES]), last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr, rng=rng, run=run)
    accuracy = 100 * training.evaluate(net, (x[:, SAMPLES:], y[SAMPLES:]), last=s.last)
    return Trained(accuracy, None if rule == "frozen" else compare(s, seed, net))


def accuracies(rule, **change):
    """Return the accuracy in % of each trained network, [TRAINED]."""
    return np.array([train(rule, seed, **change).accuracy for seed in range(TRAINED)])


def after(rule):
    """Return the cosines of each network after its own training, [TRAINED, 2]."""
    return np.array([train(rule, seed).cosines for seed in range(TRAINED)])
