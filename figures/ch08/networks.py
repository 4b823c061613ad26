"""The networks and patterns on which the ways down are compared, before and after training."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from stllr_ref import (
    LIF,
    SLTT,
    STLLR,
    Adam,
    Bias,
    Dense,
    Layer,
    Leaky,
    Network,
    Standardised,
    bptt,
    cosine,
    cross_entropy,
    gradcheck,
    kaiming,
    network,
    training,
    triangle,
    window,
)

T, B, N, H, O = 10, 24, 30, 20, 6
GAMMA, THETA, LAST = 0.5, 0.6, 4
STEPS, LR, PROBES = 100, 0.01, (0, 25, 50, 75, 100)  # training steps (batches), and those at which gradients are compared
NETWORKS, TRAINED, TEST = 20, 5, 400
LEAKS, FEW = (0, 0.25, 0.5, 0.75, 0.9), (0, 0.5, 0.9)  # of the upper hidden layer: before and after training


def seeds(rng, number=NETWORKS):
    """Return the seeds of `number` networks, the first ones the same whatever the number."""
    return rng.integers(2**32, size=number).tolist()


def draw(patterns, rng, size=B):
    """Return spikes [T, size, N] and labels: of its pattern a sample keeps 60 % of the spikes, 10 % of the rest is noise."""
    target = rng.integers(0, O, size)
    shape = (size, T, N)
    x = (patterns[target] & (rng.random(shape) < 0.6)) | (rng.random(shape) < 0.1)
    return x.swapaxes(0, 1).astype(float), target


def task(rng):
    """Return one random spike pattern a class, [O, T, N]."""
    return rng.random((O, T, N)) < 0.25


def build(rng, signal=None, feedback=False, leak=GAMMA, gamma=GAMMA, standardised=True, alpha_post=0):
    """Return two spiking layers and a readout without memory; one state of rng gives the same weights for every way down.

    signal makes a signal of weights [O, H] and stands above each hidden layer; feedback: errors go down through random
    weights. gamma is the leak of the lower hidden layer, leak that of the upper.
    """
    row, n_in = [], N
    for number, own in enumerate((gamma, leak)):
        W, back, down = kaiming(rng, H, n_in), kaiming(rng, H, n_in), rng.normal(0, 1 / np.sqrt(H), (O, H))
        rule = STLLR(lam_pre=own, lam_post=0.2, alpha_pre=1, alpha_post=alpha_post, bias_decay=own)
        synapse = Dense(Standardised(W, np.full(H, 1.5)) if standardised else W)
        through = Dense(back) if feedback and number else None
        row.append(Layer(synapse, LIF(own, THETA, triangle), rule, bias=Bias(np.zeros(H)), feedback=through))
        if signal:
            row.append(signal(down))
        n_in = H
    W, back = kaiming(rng, O, H), kaiming(rng, O, H)
    return Network([*row, Layer(Dense(W), Leaky(0), SLTT(), bias=Bias(np.zeros(O)), feedback=Dense(back) if feedback else None)])


def case(x, target):
    """Return what a run is given besides the network: errors in the last LAST steps."""
    return x, target, cross_entropy, window(T, [T] * len(target), last=LAST)


def cosines(net, data):
    """Return the cosine with BPTT of the gradient of W of the two hidden layers, lower first."""
    local, exact = network.run(net, *data)[1], bptt.run(net, *data)[1]
    return [cosine(local[name], exact[name]) for name in ("0.W", "1.W")]


def untrained(seed, **how):
    """Return `cosines` of a network as drawn, after a look at its firing rates."""
    rng = np.random.default_rng(seed)
    patterns, data = task(rng), np.random.default_rng([seed, 1])
    net, data = build(rng, **how), case(*draw(patterns, data, 4 * B))
    gradcheck.liveness(net, data[0])
    return cosines(net, data)


def stuck(net, x):
    """Return for each hidden layer the share of neurons that fire in less than 2 % or more than 98 % of all steps."""
    net.reset(traces=False)
    spikes = []
    for x_t in x:
        net.step(x_t)
        spikes.append([layer.now.y for layer in net.layers[:-1]])
    rates = np.mean(spikes, axis=(0, 2))  # [layer, neuron]
    return np.mean((rates < 0.02) | (rates > 0.98), axis=1)


class Trained(NamedTuple):
    """What training left."""

    cosines: np.ndarray  # with BPTT, [probe, layer]
    accuracy: float  # of TEST fresh samples, 0 to 1
    stuck: np.ndarray  # share of the neurons of each hidden layer that fire almost never or almost always
    net: Network


@lru_cache(maxsize=None)
def train(seed, probes=PROBES, exact=False, optimiser=Adam, lr=LR, **how):
    """Train a network for STEPS batches by its way down (or exact: by BPTT); done once for each set of arguments."""
    rng = np.random.default_rng(seed)
    patterns = task(rng)
    net, run = build(rng, **how), (bptt if exact else network).run
    probe, test = (draw(patterns, np.random.default_rng([seed, i]), size) for i, size in ((1, 4 * B), (2, TEST)))
    step, seen = optimiser(net, lr).step, []
    for number in range(STEPS + 1):
        if number in probes:
            seen.append(cosines(net, case(*probe)))
        if number < STEPS:
            step(run(net, *case(*draw(patterns, rng)))[1])
    x, target, _, inside = case(*test)
    accuracy = training.accuracy(network.forward(net, x), target, inside)
    return Trained(np.array(seen), accuracy, stuck(net, x), net)


def trained(each, leak=GAMMA, **how):
    """Return the cosines of trained networks, [networks, probe, layer]; at another leak than GAMMA only the last probe."""
    other = {} if leak == GAMMA else dict(leak=leak, probes=(STEPS,))
    return np.array([train(seed, **other, **how).cosines for seed in each])


def accuracies(each, **how):
    """Return the accuracy in % of a trained network a seed, as an array."""
    return np.array([100 * train(seed, **how).accuracy for seed in each])


def arrival(net, which):
    """Return the cosine between the readout's weights and those that its error goes down through in their place."""
    used = net.layers[-1].feedback.weight.value if which == "FA" else net.row[-2].B
    return cosine(net.layers[-1].synapses["W"].weight.value, used)


def gap(each, leak, gamma=GAMMA, **how):
    """Return the cosine of both layers under BP with leak (upper) and gamma (lower), [networks, layer]."""
    return np.array([untrained(seed, leak=leak, gamma=gamma, **how) for seed in each])
