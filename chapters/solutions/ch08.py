"""Solutions of chapter 8."""

import numpy as np


def softmax(z):
    """Return the softmax of each row."""
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def deltas(err, weights, psis):
    """Return delta of each hidden layer, lowest first."""
    found = [err @ weights[-1]]
    for W, psi in zip(weights[-2::-1], psis[:0:-1]):
        found.insert(0, (found[0] * psi) @ W)
    return found


def signal(way, err, target, B):
    """Return delta [B, N] of a hidden layer, by "DFA", "sDFA" or "DRTP"."""
    if way == "DRTP":
        return B[target]
    return (err if way == "DFA" else np.sign(err)) @ B


def local_delta(y, target, B):
    """Return the derivative of the layer's own cross-entropy by its output, [B, N]."""
    return (softmax(y @ B.T) - np.eye(len(B))[target]) @ B
