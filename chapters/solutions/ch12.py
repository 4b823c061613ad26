"""Solutions of chapter 12."""

import numpy as np


def ratios(T, last, alpha_post):
    """Return (S_mem, S_mac): how many times more BPTT keeps and multiplies than S-TLLR."""
    return T / 2, 2 * T / ((3 if alpha_post else 2) * last)


def traces_kept(sizes, recurrent):
    """Return how many numbers the traces of a stack hold for one sample."""
    return sum(below + n + n * loops for below, n, loops in zip(sizes, sizes[1:], recurrent))


def stllr(x, W, delta, last):
    """Return dW [H, N], the sum over window and samples of delta times eligibility."""
    kept, tr_x, past, dW = 0, 0, 0, 0
    for t in range(len(x)):
        u = kept + x[t] @ W.T
        psi = 0.3 * np.maximum(1 - np.abs(u - 0.6), 0)
        tr_x = 0.75 * tr_x + x[t]
        if t >= len(x) - last:
            dW = dW + (delta[t] * psi).T @ tr_x - (delta[t] * past).T @ x[t]
        kept, past = 0.8 * (u - 0.6 * (u > 0.6)), 0.5 * past + psi
    return dW
