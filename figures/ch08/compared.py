"""How near each way down comes to the exact gradient, and what its networks learn."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.ch08.networks import FEW, LEAKS, NETWORKS, PROBES, STEPS, TRAINED, O, accuracies, seeds, trained, untrained
from figures.ch08.ways import CONTROLS, LOOKS, WAYS


def _spread(ax, across, values, way):
    """Draw the mean of values [networks, points] as a line; as thin bars the middle half of many networks, the range of few."""
    colour, line, marker = LOOKS[way]
    low, high = np.quantile(values, (0, 1) if len(values) <= TRAINED else (0.25, 0.75), axis=0)
    ax.vlines(across, low, high, color=colour, linewidth=0.9, alpha=0.7)
    ax.plot(across, values.mean(0), linestyle=line, marker=marker, color=colour, markersize=3.5, label=way)


def ch08_signals(rng):
    """Draw the cosine with BPTT by layer against the upper layer's leak, before and after training: means, and bars for the spread."""
    each = seeds(rng)
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 5.4), sharex=True, sharey=True)
    for number, (way, how) in enumerate(WAYS.items()):
        before = np.array([[untrained(seed, leak=leak, **how) for leak in LEAKS] for seed in each])
        after = np.stack([trained(each[:TRAINED], leak, **how)[:, -1] for leak in FEW], 1)
        for axis, leaks, values in zip(axes, (LEAKS, FEW), (before, after)):
            for layer in (0, 1):
                _spread(axis[layer], np.array(leaks) + 0.018 * (number - 2.5), values[:, :, layer], way)
    for ax, title in zip(axes[0], ("lower hidden layer", "upper hidden layer")):
        ax.set_title(title, fontsize=9)
    for ax, state in zip(axes[:, 0], (f"untrained, {NETWORKS} networks", f"after {STEPS} batches, {TRAINED} networks")):
        ax.set_ylabel(f"cosine with BPTT\n{state}")
    for ax in axes.flat:
        ax.axhline(0, color=COLOURS["control"], linewidth=0.5)
        ax.set(ylim=(-0.7, 1.08), xticks=LEAKS, yticks=(-0.5, 0, 0.5, 1))
        ax.tick_params(axis="x", labelsize=8)
    for ax in axes[1]:
        ax.set_xlabel("leak of the upper hidden layer\n(share of the potential kept per step)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=8)
    return figure


def _label(ax, x, ends, gap=0.075):
    """Write each (y, way) beside the end of its line, at x, pushed apart downwards where lines end together."""
    place = np.inf
    for y, way in sorted(ends, reverse=True):
        place = min(y, place - gap)
        ax.annotate(way, (x, place), color=LOOKS[way][0], fontsize=7.5, va="center")


def ch08_training(rng):
    """Draw cosines over training (means; bars: all networks at the end), and the accuracy that each way down ends with."""
    each = seeds(rng)[:TRAINED]
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 3.6), width_ratios=[1.1, 1.1, 1.1])
    ends = [], []
    for number, (way, how) in enumerate(WAYS.items()):
        values, (colour, line, marker) = trained(each, **how), LOOKS[way]
        for layer, ax in enumerate(axes[:2]):
            across, last = np.array(PROBES) + 1.6 * (number - 2.5), values[:, -1, layer]
            ax.vlines(across[-1], last.min(), last.max(), color=colour, linewidth=0.9, alpha=0.7)
            ax.plot(across, values[:, :, layer].mean(0), linestyle=line, marker=marker, color=colour, markersize=3.5)
            ends[layer].append((last.mean(), way))
    for ax, means in zip(axes, ends):
        _label(ax, 112, means)
    for ax, title in zip(axes, ("lower hidden layer", "upper hidden layer")):
        ax.axhline(0, color=COLOURS["control"], linewidth=0.5)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="batches seen", xlim=(-8, 154), ylim=(-0.4, 1.08), xticks=(0, 50, 100))
    axes[1].set_yticklabels([])
    axes[0].set_ylabel("cosine with BPTT")
    names = ["BPTT", *WAYS, "frozen"]
    for place, way in enumerate(names):
        colour, _, marker = LOOKS[way]
        for shift, face, change in ((-0.15, colour, {}), (0.15, "none", dict(standardised=False, probes=()))):
            values = accuracies(each, **change, **(WAYS | CONTROLS)[way])
            axes[2].plot(values, np.full(len(values), place + shift), marker, color=colour, markerfacecolor=face, markersize=4)
    axes[2].axvline(100 / O, color=COLOURS["control"], linewidth=0.5)
    axes[2].annotate("chance", (100 / O + 1, -0.35), fontsize=7, color=COLOURS["control"])
    axes[2].set(yticks=range(len(names)), yticklabels=names, xlim=(0, 100), xlabel="test accuracy (%)")
    axes[2].invert_yaxis()
    axes[2].set_title("filled: standardised, open: plain W", fontsize=8)
    return figure
