"""Rows of single neurons, whose gradient can be computed by hand, and the rule that gives it exactly."""

import numpy as np

from stllr_ref import LIF, STLLR, Dense, Layer, Network, triangle, window


def causal(lam_pre):
    """Return S-TLLR's causal half with the exact bias: one trace of the input, nothing of the neuron's own past."""
    return STLLR(lam_pre=lam_pre, lam_post=0, alpha_pre=1, alpha_post=0, bias_decay=lam_pre)


def neuron(w, lam_pre=0.5):
    """Return a layer of one neuron with one input."""
    return Layer(Dense([[w]]), LIF(gamma=0.5, theta=1, psi=triangle), causal(lam_pre))


def column(x):
    """Return the numbers of x as a sequence of one sample and one input, [T, 1, 1]."""
    return np.array(x, float).reshape(-1, 1, 1)


def total(output, target):
    """Return the loss "sum of the outputs", whose derivative by every output is 1."""
    return output.sum(1), np.ones_like(output)


def by_hand(row, x, start):
    """Return what a row of single neurons is run on: the loss is the number of spikes of the last one from step `start` on."""
    x = column(x)
    return Network(row), x, np.zeros(1, int), total, window(len(x), [len(x)], start=start)


def record(net, x):
    """Return for each layer of single neurons (u, y, psi, trace of its input), each of shape [T]."""
    net.reset()
    steps = []
    for x_t in column(x):
        net.step(x_t)
        steps.append([[value[0, 0] for value in (now.u, now.y, now.psi, now.pre["W"][0])] for now in net.trail])
    return np.array(steps).transpose(1, 2, 0)
