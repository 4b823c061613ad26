"""Exercises of chapter 2: a trace by a loop, a trace that jumps over silence, and the potential as two traces."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import late, random_spikes
from stllr_ref.neurons import LIF, drive
from stllr_ref.traces import trace


def nearest(x, lam):
    """Return the trace that a spike puts to 1, whatever was there."""
    steps, now = [], np.zeros_like(x[0])
    for x_t in x:
        now = np.where(x_t > 0, 1.0, lam * now)
        steps.append(now)
    return np.array(steps)


def at_spikes(times, lam):
    """Return the trace right after each spike, by a trace of every step."""
    x = np.zeros(times[-1] + 1)
    x[times] = 1
    return trace(x, lam)[times]


def jumping(part):
    """Return the trace after each spike that keeps part(lam, gap, time) of itself on the way to that spike."""

    def slip(times, lam):
        values, now = [], 0.0
        for gap, time in zip(np.diff(times, prepend=0), times):
            now = part(lam, gap, time) * now + 1
            values.append(now)
        return np.array(values)

    return slip


def potential(x, y, w, gamma, theta):
    """Return the potential of the neuron, by running it."""
    return drive(LIF(gamma, theta, "triangle"), x @ w)[0]


def without_resets(x, w, gamma):
    """Return the weighted traces of the input alone."""
    return trace(x, gamma) @ w


def runs():
    """Return (x, y, w, gamma, theta) of two neurons; y is what they fire."""
    rng, found = np.random.default_rng(3), []
    for T, N, gamma, theta in [(14, 5, 0.8, 0.6), (19, 4, 0.65, 1.3)]:
        x, w = random_spikes(rng, T, N, rate=0.4), rng.uniform(0.1, 0.9, N)
        found.append((x, drive(LIF(gamma, theta, "triangle"), x @ w)[1], w, gamma, theta))
    return tuple(found)


EXERCISES = {
    "2.1": Exercise(
        "spike_trace",
        trace,
        tuple((random_spikes(np.random.default_rng(T), T, N, rate=0.4), lam) for T, N, lam in [(9, 4, 0.8), (13, 3, 0.65)]),
        {
            "you read the trace before the present spike was added": lambda x, lam: late(trace(x, lam)),
            "you let the present spike decay in its own step": lambda x, lam: lam * trace(x, lam),
            "you counted a spike as 1 - lam": lambda x, lam: (1 - lam) * trace(x, lam),
            "you set the trace to 1 at a spike, so the spikes before it are lost": nearest,
            "you never let the trace decay": lambda x, lam: x.cumsum(0),
            "you let the trace decay by 1 - lam": lambda x, lam: trace(x, 1 - lam),
            "you added up the spikes of all neurons: each has a trace of its own": lambda x, lam: (
                trace(x.sum(1), lam)[:, None] * np.ones_like(x)
            ),
        },
        "[T, N]",
    ),
    "2.2": Exercise(
        "trace_at_spikes",
        at_spikes,
        ((np.array([2, 3, 7, 8, 15, 19]), 0.8), (np.array([1, 4, 5, 11]), 0.65)),
        {
            "you let the trace decay once a spike, however long the silence before": jumping(lambda lam, gap, time: lam),
            "you let the trace decay for the silent steps alone, one too few": jumping(lambda lam, gap, time: lam ** (gap - 1)),
            "you let the trace decay for the time since step 0, not for the gap": jumping(lambda lam, gap, time: lam**time),
            "you read the trace before the spike of its step was counted": lambda times, lam: at_spikes(times, lam) - 1,
            "you kept the last two spikes alone": lambda times, lam: 1 + np.append(0, lam ** np.diff(times)),
        },
        "[S]",
    ),
    "2.3": Exercise(
        "potential",
        potential,
        runs(),
        {
            "you left out what the neuron's own spikes take away": lambda x, y, w, gamma, theta: without_resets(x, w, gamma),
            "you let a spike lower the potential of its own step": lambda x, y, w, gamma, theta: (
                without_resets(x, w, gamma) - theta * trace(y, gamma)
            ),
            "you took the trace of the step before as it was: what a reset takes away leaks too": lambda x, y, w, gamma, theta: (
                without_resets(x, w, gamma) - theta * late(trace(y, gamma))
            ),
            "you took 1 away for each spike, whatever the threshold": lambda x, y, w, gamma, theta: (
                without_resets(x, w, gamma) - late(gamma * trace(y, gamma))
            ),
            "you added what a reset takes away": lambda x, y, w, gamma, theta: (
                without_resets(x, w, gamma) + theta * late(gamma * trace(y, gamma))
            ),
            "you let a reset act for one step and then forgot it": lambda x, y, w, gamma, theta: (
                without_resets(x, w, gamma) - theta * gamma * late(y)
            ),
        },
        "[T]",
    ),
}
