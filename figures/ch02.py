"""Figures of chapter 2: the trace of a spike train, what it needs, what it sees and what it forgets."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, ch01
from figures.drawing import beside, ticks
from stllr_ref.neurons import drive
from stllr_ref.traces import trace

TRAIN, LAM = np.array([1.0, 0, 0, 1, 1, 0, 0, 1]), 0.8  # the train and the decay of most of the chapter
GOLDEN = (np.sqrt(5) - 1) / 2  # the decay at which a spike now weighs as much as the last two steps: lam + lam^2 = 1
TWO = np.array([[0.0, 0, 1], [1, 1, 0]])  # two trains [2, 3] that have one trace where lam is GOLDEN
KEPT = 21  # steps after which the weight of a spike is below 1 %, for LAM


def slip_late(x, lam):
    """Return the trace in which a spike counts from the next step on."""
    return np.append(0, trace(x, lam)[:-1])


def slip_decayed(x, lam):
    """Return the trace that counts the present spike first and decays it with the rest."""
    return lam * trace(x, lam)


def slip_scaled(x, lam):
    """Return the running average: a spike counts 1 - lam."""
    return (1 - lam) * trace(x, lam)


SLIPS = {"counts a step late": slip_late, "decays at once": slip_decayed, "counts 1 - lam": slip_scaled}


def jump(rng, n):
    """Return spikes [300, n] of neurons that fire in every tenth step at first, and in every second from step 150 on."""
    rate = np.where(np.arange(300) < 150, 0.1, 0.5)
    return (rng.random((300, n)) < rate[:, None]).astype(float)


def ch02_remember(rng):
    """Draw a raster, its traces below, and how many numbers three ways to remember have to keep."""
    x = (rng.random((60, 6)) < 0.12).astype(float)
    traces, rows = trace(x, LAM), range(x.shape[1])
    figure, (raster, below, storage) = plt.subplots(3, figsize=(6.4, 6.4), height_ratios=[1, 1.4, 1.5])
    for row in rows:
        ticks(raster, x[:, row], row)
        below.plot(row - 0.35 * traces[:, row], color=COLOURS["pre"], linewidth=1)
        below.fill_between(range(len(x)), row, row - 0.35 * traces[:, row], color=COLOURS["pre"], alpha=0.25, linewidth=0)
    for axes, title in [(raster, "spikes: a row a neuron"), (below, r"their traces, $\lambda$ = 0.8: a spike adds 1, then it fades")]:
        axes.set(ylim=(5.6, -1), xlim=(-1, 60), yticks=rows, title=title)
        axes.set_ylabel("neuron")
    raster.tick_params(labelbottom=False)
    below.set_xlabel("time (steps)")
    steps = np.arange(1, 101)
    ways = [
        ("all spikes: T", steps, "--", COLOURS["control"]),
        (f"the last {KEPT} steps", np.minimum(steps, KEPT), ":", COLOURS["control"]),
        ("a trace: 1", np.ones(len(steps)), "-", COLOURS["pre"]),
    ]
    for name, numbers, style, colour in ways:
        storage.plot(steps, numbers, style, color=colour, linewidth=2)
        beside(storage, numbers[-1], name)
    storage.set(xlabel="T, time that has passed (steps)", ylabel="numbers kept for a neuron", title="what has to be kept", xlim=(0, 100))
    return figure


def ch02_slips(rng):
    """Draw the trace of TRAIN and three slips on it; nothing is random."""
    figure, panels = plt.subplots(1, 3, figsize=(6.4, 2.5), sharey=True)
    for axes, (name, slip) in zip(panels, SLIPS.items()):
        ticks(axes, TRAIN, 2.75)
        axes.plot(trace(TRAIN, LAM), "o-", color=COLOURS["pre"], markersize=4, linewidth=1)
        axes.plot(slip(TRAIN, LAM), "x", color=COLOURS["wrong"], markersize=5)
        axes.set_title(name, color=COLOURS["wrong"], fontsize=9)
        axes.set(xlabel="time (steps)", ylim=(-0.15, 3), xticks=range(0, 8, 2))
    panels[0].set_ylabel("circles: trace; crosses: slip")
    return figure


def ch02_rates(rng):
    """Draw what traces of three decays, scaled by 1 - lam, say about a neuron whose rate jumps."""
    x = jump(rng, 1)[:, 0]
    figure, (raster, *panels) = plt.subplots(4, figsize=(6.4, 5), sharex=True, height_ratios=[0.35, 1, 1, 1])
    ticks(raster, x, 0)
    raster.set(yticks=[], title="spikes of one neuron: 0.1 a step, then 0.5")
    for axes, lam in zip(panels, (0.5, 0.9, 0.98)):
        axes.plot([0, 150, 150, 300], [0.1, 0.1, 0.5, 0.5], "--", color=COLOURS["control"], linewidth=1)
        axes.plot((1 - lam) * trace(x, lam), color=COLOURS["pre"], linewidth=1.2)
        axes.set(ylim=(0, 1), yticks=[0, 0.5, 1], ylabel="spikes per step")
        axes.text(2, 0.8, rf"(1 - $\lambda$) tr(x), $\lambda$ = {lam}", color=COLOURS["pre"])
    panels[1].text(152, 0.8, "dashed: the rate", color=COLOURS["control"])
    panels[-1].set_xlabel("time (steps)")
    return figure


def ch02_potential(rng):
    """Draw the potential of chapter 1's neuron and the weighted sum of its inputs' traces."""
    x = ch01.inputs(rng)
    u, y = drive(ch01.neuron("soft", LAM), x @ ch01.WEIGHTS)
    traces = trace(x, LAM) @ ch01.WEIGHTS
    figure, axes = plt.subplots(figsize=(6.4, 3))
    ticks(axes, y, 4.6, COLOURS["post"])
    axes.plot(traces, "s--", color=COLOURS["pre"], markersize=4, linewidth=1)
    axes.plot(u, ".-", color=COLOURS["post"], markersize=5, linewidth=1)
    axes.axhline(1, color=COLOURS["control"], linestyle=":", linewidth=1)
    for height, text, colour in [(4.6, "its spikes", "post"), (2.4, "weighted traces\nof its inputs", "pre"), (0.6, "potential u", "post")]:
        beside(axes, height, text, COLOURS[colour])
    beside(axes, 1.15, "threshold", COLOURS["control"])
    axes.set(xlabel="time (steps)", ylabel="units of the threshold", xlim=(-1, 40))
    return figure


def ch02_two_trains(rng):
    """Draw two trains and their traces, which meet for one decay and not for another; nothing is random."""
    x = np.hstack([TWO, np.zeros((2, 6))])
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
    for axes, lam, name in zip(panels, (GOLDEN, LAM), ("0.618", "0.8")):
        for train, style, height, size, label in [(x[0], "o-", 2.05, 7, "A"), (x[1], "x--", 2.4, 6, "B")]:
            ticks(axes, train, height)
            axes.text(-0.7, height, label, va="center")
            axes.plot(trace(train, lam), style, color=COLOURS["pre"], markersize=size, linewidth=1, markerfacecolor="white")
        axes.set(xlabel="time (steps)", xlim=(-1, 8.4), ylim=(-0.1, 2.6), title=rf"$\lambda$ = {name}")
    panels[0].set_ylabel("trace: A circles, B crosses")
    return figure
