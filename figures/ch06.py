"""Figures of chapter 6: the exact gradient as a product of three factors, and where the local rule leaves it."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, LINES
from stllr_ref import LIF, Bias, Dense, Layer, Leaky, Network, STLLR, bptt, cosine, cross_entropy, gradcheck, network, triangle, window

T, B, N, H, O = 20, 4, 8, 10, 3
GAMMA, THETA = 0.8, 0.6
NETWORKS = 5  # a panel shows the weights of that many networks, each with its own input


def causal(lam_pre):
    """Return S-TLLR's causal half with the exact bias: a trace of decay lam_pre, nothing from the past of Psi."""
    return STLLR(lam_pre=lam_pre, lam_post=0, alpha_pre=1, alpha_post=0, bias_decay=lam_pre)


def build(rng, depth=1, lam_pre=GAMMA, kappa=0.0):
    """Return `depth` spiking layers under a readout of leak kappa, all taught by S-TLLR's causal half."""
    row, n_in = [], N
    for _ in range(depth):
        W = rng.normal(0.1, 1.2 / np.sqrt(n_in), (H, n_in))
        row.append(Layer(Dense(W), LIF(GAMMA, THETA, triangle), causal(lam_pre), bias=Bias(np.zeros(H))))
        n_in = H
    W = rng.normal(0, 1 / np.sqrt(n_in), (O, n_in))
    return Network([*row, Layer(Dense(W), Leaky(kappa), causal(kappa), bias=Bias(np.zeros(O)))])


def both(net, rng, **options):
    """Return the gradients of S-TLLR and of BPTT (which takes the options), name -> array, on random input and labels."""
    x, target = (rng.random((T, B, N)) < 0.4).astype(float), rng.integers(0, O, B)
    gradcheck.liveness(net, x)
    args = net, x, target, cross_entropy, window(T, [T] * B, last=T)
    return network.run(*args)[1], bptt.run(*args, **options)[1]
