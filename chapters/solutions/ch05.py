"""Solutions of chapter 5."""

import numpy as np


def bptt_layer(W, x, c, neuron, start):
    """Return dL/dW [H, N] by BPTT, the reset attached; W [H, N], x [T, B, N], c [B, H]."""
    kept, steps = 0.0, []
    for x_t in x:
        u = kept + x_t @ W.T
        y, psi = neuron.fire(u)
        kept = neuron.rest(u, y)
        steps.append((psi, neuron.slope(u, y, psi, attached=True)))
    g, dW = np.zeros_like(c), np.zeros_like(W)
    for t in reversed(range(len(x))):
        psi, slope = steps[t]
        g = psi * c * (t >= start) + slope * g
        dW += g.T @ x[t]
    return dW / x.shape[1]


def kept(sizes, T):
    """Return how many numbers each method keeps of one sample of T steps, name -> number."""
    n, weights = sum(sizes[1:]), [a * b for a, b in zip(sizes, sizes[1:])]
    reach = [sum(sizes[i + 1 :]) for i in range(len(weights))]
    return {
        "BPTT": T * n,
        "RTRL": n + sum(w * r for w, r in zip(weights, reach)),
        "S-TLLR": n + sum(sizes[:-1]) + sum(sizes[1:-1]),
    }


def rtrl_layer(W, V, x, c, neuron, start):
    """Return dL/dW [H, N] by RTRL, the reset detached; W [H, N], V [H, H], x [T, N], c [H]."""
    H, N = W.shape
    P, dW, kept, y, psi, slope = np.zeros((H, H, N)), np.zeros((H, N)), 0.0, np.zeros(H), np.zeros(H), np.zeros(H)
    for t in range(len(x)):
        sent = np.einsum("kl,lij->kij", V, psi[:, None, None] * P)
        P = np.reshape(slope, (-1, 1, 1)) * P + sent
        P[np.arange(H), np.arange(H)] += x[t]
        u = kept + W @ x[t] + V @ y
        y, psi = neuron.fire(u)
        kept, slope = neuron.rest(u, y), neuron.slope(u, y, psi)
        if t >= start:
            dW += np.einsum("k,kij->ij", c * psi, P)
    return dW
