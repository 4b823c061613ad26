"""Solutions of chapter 1."""

import numpy as np


def step(kept, current, gamma, theta):
    """Return u, y and what is kept for the next step, each [N]; kept and current are [N]."""
    u = kept + current
    y = (u > theta).astype(float)
    return u, y, gamma * (u - theta * y)


def first_spike(current, gamma, theta):
    """Return the number of the first step that fires under a constant input, np.inf if none does."""
    # Before the first spike u[t] = current (1 - gamma^(t+1)) / (1 - gamma); u[t] > theta is solved for t + 1.
    part = 1 - theta * (1 - gamma) / current
    return np.floor(np.log(part) / np.log(gamma)) if part > 0 else np.inf


def identify(current, u, y):
    """Return (gamma, theta) of a soft-reset neuron from its recording; current, u and y are [T]."""
    # u[t] - current[t] = gamma u[t-1] - (gamma theta) y[t-1]: two unknowns, T - 1 equations.
    left, right = (u - current)[1:], np.array([u, -y]).T[:-1]
    gamma, product = np.linalg.lstsq(right, left, rcond=None)[0]
    return gamma, product / gamma
