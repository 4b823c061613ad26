"""Exercises of chapter 1: the step of a neuron, its first spike, and its parameters read from a recording."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.neurons import LIF, drive
from stllr_ref.traces import trace

NEURONS = [LIF(0.7, 1.1, "triangle"), LIF(0.85, 0.6, "triangle")]  # those to be identified


def step(kept, current, gamma, theta):
    """Return u, y and what is kept, by the library's neuron."""
    neuron, u = LIF(gamma, theta, "triangle"), kept + current
    y, _ = neuron.fire(u)
    return u, y, neuron.rest(u, y)


def step_then(rest, fires=np.greater, sees=lambda kept, u: u, finds=lambda kept, gamma: kept):
    """Return a step that finds finds(kept, gamma), compares by `fires`, looks at sees(kept, u) and keeps rest(u, y, gamma, theta)."""

    def slip(kept, current, gamma, theta):
        u = finds(kept, gamma) + current
        y = 1.0 * fires(sees(kept, u), theta)
        return u, y, rest(u, y, gamma, theta)

    return slip


def soft(u, y, gamma, theta):
    """Return what the soft reset keeps."""
    return gamma * (u - theta * y)


def leaked(kept, gamma):
    """Return what is left of what was kept after one leak more."""
    return gamma * kept


def step_reset_at_once(kept, current, gamma, theta):
    """Return the step whose u is the one after the reset."""
    u, y, after = step(kept, current, gamma, theta)
    return u - theta * y, y, after


def first_spike(current, gamma, theta):
    """Return the first step that fires under a constant input, by running the neuron; inf if there is none."""
    _, y = drive(LIF(gamma, theta, "triangle"), np.full(100, current))
    return np.flatnonzero(y)[0] if y.any() else np.inf


def reaching(current, gamma, theta):
    """Return the first step whose potential is the threshold or more; inf if there is none."""
    there = trace(np.full(100, current), gamma) >= theta
    return np.flatnonzero(there)[0] if there.any() else np.inf


def crossing(current, gamma, theta):
    """Return the time at which the potential of a constant input crosses the threshold, no whole number; inf if never."""
    part = 1 - theta * (1 - gamma) / current
    return np.log(part) / np.log(gamma) if part > 0 else np.inf


def identify(current, u, y):
    """Return (gamma, theta) of the neuron whose recording this is: the one that gives it again."""
    return next((neuron.gamma, neuron.theta) for neuron in NEURONS if np.array_equal(drive(neuron, current)[0], u))


def fit(now, before, spikes):
    """Return (gamma, theta) by least squares from now = gamma (before - theta spikes)."""
    gamma, product = np.linalg.lstsq(np.array([before, -spikes]).T, now, rcond=None)[0]
    return gamma, product / gamma


def from_the_first_steps(current, u, y):
    """Return (gamma, theta) with gamma of the first two potentials, whether or not a spike lies between them."""
    gamma, spike = (u[1] - current[1]) / u[0], y.argmax()
    return gamma, u[spike] - (u[spike + 1] - current[spike + 1]) / gamma


def from_steps_0_1_2(current, u, y):
    """Return (gamma, theta) of the first three potentials, as if the spike came at step 1."""
    gamma = (u[1] - current[1]) / u[0]
    return gamma, u[1] - (u[2] - current[2]) / gamma


def recordings():
    """Return (current, u, y), each [T], of each neuron."""
    rng = np.random.default_rng(1)
    currents = [rng.uniform(0, 1, T) for T in (24, 31)]
    currents[1][0] = 0.9  # fires at once, so that its first two potentials have a spike between them
    return tuple((current, *drive(neuron, current)) for neuron, current in zip(NEURONS, currents))


EXERCISES = {
    "1.1": Exercise(
        "step",
        step,
        (
            (np.array([0.25, 0.9, -0.3, 0.5, 0.1, 0.8]), np.array([0.5, -0.4, 0.7, 0.6, -0.5, 0.9]), 0.625, 0.75),
            (np.array([0.2, 0.0, 1.4, 0.7]), np.array([0.9, 1.5, -0.1, 0.1]), 0.9, 1.25),
        ),
        {
            "you let the neuron fire at the threshold itself": step_then(soft, np.greater_equal),
            "you leaked first and took the whole threshold away afterwards": step_then(lambda u, y, gamma, theta: gamma * u - theta * y),
            "you took 1 away at a spike, whatever the threshold": step_then(lambda u, y, gamma, theta: gamma * (u - y)),
            "you put the potential back to 0 at a spike": step_then(lambda u, y, gamma, theta: gamma * u * (1 - y)),
            "you kept the potential as it was: nothing was reset": step_then(lambda u, y, gamma, theta: gamma * u),
            "you forgot the leak": step_then(lambda u, y, gamma, theta: u - theta * y),
            "you decided on the spike before the input was added": step_then(soft, sees=lambda kept, u: kept),
            "you returned the potential after its reset as u": step_reset_at_once,
            "you cut the potential off at 0: inhibition may push it below": step_then(lambda *given: np.maximum(soft(*given), 0)),
            "you leaked once more: what was kept has leaked already": step_then(soft, finds=leaked),
            "you leaked at the start of the step: what was kept has leaked already": step_then(
                lambda u, y, gamma, theta: u - theta * y, finds=leaked
            ),
        },
        "[N]",
    ),
    "1.2": Exercise(
        "first_spike",
        first_spike,
        (
            *((0.21, 0.8, 1.0), (0.25, 0.8, 1.0), (0.6, 0.8, 1.0), (0.15, 0.8, 1.0), (1.3, 0.9, 1.2), (0.17, 0.9, 1.2)),
            (0.5, 0.5, 0.75),  # its potential is the threshold at step 1
        ),
        {
            "you let the neuron fire at the threshold itself": reaching,
            "you are one step late: the first step is step 0": lambda *given: first_spike(*given) + 1,
            "you gave the time of the crossing, which is no whole step": crossing,
            "you forgot the leak": lambda current, gamma, theta: np.floor(theta / current),
            "you scaled the input by 1 - gamma": lambda current, gamma, theta: first_spike((1 - gamma) * current, gamma, theta),
            "you called every input below the threshold too weak": lambda current, gamma, theta: 0 if current > theta else np.inf,
        },
    ),
    "1.3": Exercise(
        "identify",
        identify,
        recordings(),
        {
            "you left theta multiplied by gamma": lambda current, u, y: (identify(current, u, y)[0], np.prod(identify(current, u, y))),
            "you let a spike act in its own step": lambda current, u, y: fit((u - current)[1:], u[:-1], y[1:]),
            "you forgot that part of each potential came in at that very step": lambda current, u, y: fit(u[1:], u[:-1], y[:-1]),
            "you took the lowest potential that fired for the threshold": lambda current, u, y: (
                identify(current, u, y)[0],
                u[y > 0].min(),
            ),
            "you took the highest potential that was silent for the threshold": lambda current, u, y: (
                identify(current, u, y)[0],
                u[y == 0].max(),
            ),
            "you compared two potentials that have a spike between them": from_the_first_steps,
            "you took the steps of the example: look for the steps with and without a spike in this recording": from_steps_0_1_2,
            "you gave theta first": lambda current, u, y: identify(current, u, y)[::-1],
        },
    ),
}
