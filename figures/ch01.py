"""Figures of chapter 1: one neuron, its leak, its threshold and its three resets."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.drawing import beside, ticks
from stllr_ref import LIF
from stllr_ref.neurons import drive

RESETS = {"soft": "soft reset", "hard": "hard reset", "none": "no reset"}
WEIGHTS = np.array([0.9, 0.6, 0.4, -0.5])  # of the four inputs of ch01_three_resets; the last one inhibits


def neuron(reset="soft", gamma=0.5):
    """Return the chapter's neuron: threshold 1; its Psi matters to learning alone (chapter 4)."""
    return LIF(gamma=gamma, theta=1, psi="triangle", reset=reset)


def inputs(rng, T=40):
    """Return the spikes [T, 4] of four input neurons, each of which fires in about a third of the steps."""
    return (rng.random((T, len(WEIGHTS))) < 0.35).astype(float)


def ch01_three_resets(rng):
    """Draw four input spike trains, and what a neuron of each reset makes of them."""
    x = inputs(rng)
    times = np.arange(len(x))
    figure, (top, *below) = plt.subplots(4, figsize=(6.4, 6), sharex=True, height_ratios=[1.1, 1, 1, 1])
    for row, spikes in enumerate(x.T):
        ticks(top, spikes, row)
    top.set_yticks(range(len(WEIGHTS)), [f"w = {w:+.1f}" for w in WEIGHTS])
    top.set(ylim=(len(WEIGHTS) - 0.5, -0.5), title="input spikes, with the weight of each synapse")
    for axes, (reset, name) in zip(below, RESETS.items()):
        u, y = drive(neuron(reset, gamma=0.8), x @ WEIGHTS)
        axes.axhline(1, color=COLOURS["control"], linestyle="--", linewidth=1)
        axes.plot(times, u, color=COLOURS["post"], marker=".", markersize=4, linewidth=1)
        ticks(axes, y, u.max() * 1.18, COLOURS["post"])
        axes.set(ylabel="potential u", title=f"{name}: {int(y.sum())} spikes (ticks)")
    below[-1].set_xlabel("time (steps)")
    beside(below[0], 1, "threshold", COLOURS["control"])
    return figure


def ch01_leak(rng):
    """Draw the potential after one kick, and under constant input, for three leaks; nothing is reset."""
    figure, (kick, constant) = plt.subplots(1, 2, figsize=(6.4, 2.8))
    T = 25
    for gamma, marker in [(0.5, "o"), (0.8, "s"), (0.95, "^")]:
        lif = neuron("none", gamma)
        for axes, current in [(kick, 0.9 * (np.arange(T) == 0)), (constant, np.full(T, 0.9))]:
            u, _ = drive(lif, current)
            axes.plot(u, color=COLOURS["post"], marker=marker, markersize=3, linewidth=0.8)
            axes.annotate(rf"$\gamma$ = {gamma}", (T - 1, u[-1]), xytext=(6, 0), textcoords="offset points", va="center")
    kick.set(title="one input of 0.9 at step 0", xlabel="time (steps)", ylabel="potential u")
    kick.texts[0].set_position((6, -4))
    kick.texts[1].set_position((6, 5))
    constant.set(title="input of 0.9 at every step", xlabel="time (steps)", ylabel="potential u")
    return figure


def ch01_rates(rng):
    """Draw the firing rate against a constant input, for the three resets."""
    currents = np.linspace(0, 1.3, 261)
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    for (reset, name), style, width in zip(RESETS.items(), ["-", "--", ":"], [2, 1.5, 1.5]):
        _, y = drive(neuron(reset), np.tile(currents, (1000, 1)))
        axes.plot(currents, y[200:].mean(0), style, color=COLOURS["post"], linewidth=width, label=name)
    axes.axvline(0.5, color=COLOURS["control"], linewidth=1)
    axes.axvline(1, color=COLOURS["control"], linewidth=1)
    axes.text(0.49, 0.5, "least input\nthat ever fires", ha="right", color=COLOURS["control"])
    axes.text(1.01, 0.5, "one input alone\npasses the threshold", color=COLOURS["control"])
    axes.set(xlabel="input at every step (units of the threshold)", ylabel="firing rate (spikes per step)")
    axes.legend(loc="upper left")
    return figure
