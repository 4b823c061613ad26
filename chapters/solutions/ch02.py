"""Solutions of chapter 2."""

import numpy as np


def spike_trace(x, lam):
    """Return the trace of every neuron at every step, [T, N]; x is [T, N]."""
    now, steps = np.zeros(x.shape[1]), []
    for x_t in x:
        now = lam * now + x_t
        steps.append(now)
    return np.array(steps)


def trace_at_spikes(times, lam):
    """Return the trace right after each spike, [S]; times [S] are the steps of the spikes, in order."""
    now, last, values = 0.0, 0, []
    for time in times:
        now = lam ** (time - last) * now + 1
        last = time
        values.append(now)
    return np.array(values)


def potential(x, y, w, gamma, theta):
    """Return the potential of a soft-reset neuron at every step, [T]; x [T, N] came in, y [T] is what it fired."""
    fired = spike_trace(y[:, None], gamma)[:, 0]
    return spike_trace(x, gamma) @ w - theta * (fired - y)
