"""Solutions of chapter 6."""

import numpy as np


def causal_gradient(x, psi, delta, inside, lam_pre):
    """Return dW [H, N] of one layer; x [T, B, N], psi and delta [T, B, H], inside [T, B]."""
    tr, dW = np.zeros_like(x[0]), 0.0
    for t in range(len(x)):
        tr = lam_pre * tr + x[t]
        dW = dW + (inside[t][:, None] * delta[t] * psi[t]).T @ tr
    return dW


def split(psi_low, trace_low, psi_top, delta, w, gamma):
    """Return the kept and the lost part of dL/dw_1, two numbers; the four arrays are [T]."""
    kept = lost = 0.0
    for t in range(len(delta)):
        for s in range(t + 1):
            term = delta[t] * psi_top[t] * w * gamma ** (t - s) * psi_low[s] * trace_low[s]
            kept, lost = (kept + term, lost) if s == t else (kept, lost + term)
    return kept, lost


def below_a_leaky_readout(x, psi, err, W_out, gamma, kappa):
    """Return dW [H, N] of the hidden layer; x [T, B, N], psi [T, B, H], err [T, B, O], W_out [O, H]."""
    tr, e, dW = 0.0, 0.0, 0.0
    for t in range(len(x)):
        tr = gamma * tr + x[t]
        e = kappa * e + psi[t][:, :, None] * tr[:, None, :]
        dW = dW + np.einsum("bi,bij->ij", err[t] @ W_out, e)
    return dW
