"""Solutions of chapter 4."""

import numpy as np


def triangle_primitive(v):
    """Return the integral of the triangle from -infinity to v, shape of v; real or complex."""
    left = 0.15 * (1 + v) * (1 + v)
    right = 0.3 - 0.15 * (1 - v) * (1 - v)
    return np.select([v.real < -1, v.real < 0, v.real < 1], [0 * v, left, right], 0.3 + 0 * v)


def gradient(f, p):
    """Return the derivative of f by each entry of p [N], by the complex step."""
    h, out = 1e-20, np.empty(len(p))
    for k in range(len(p)):
        moved = p.astype(complex)
        moved[k] += 1j * h
        out[k] = f(moved).imag / h
    return out


def surrogate_gradient(w, x, wanted, theta, psi):
    """Return dL/dw [N] with psi for the derivative of the step; x [B, N], wanted [B]."""
    v = x @ w - theta
    y = (v > 0).astype(float)
    return (2 * (y - wanted) * psi(v)) @ x / len(x)
