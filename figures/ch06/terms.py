"""The gradient of one neuron and of two in series, factor by factor and term by term."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.one_neuron import neuron, record
from stllr_ref import Network

ONE, TWO = (1, 1, 0, 1), (1, 1, 1, 0, 1, 1)  # input of the one neuron, and of the two in series


def ch06_hand(rng):
    """Draw one neuron over time: what enters, what it does, the three factors and their product; nothing is random."""
    (u, y, psi, trace), *_ = record(Network([neuron(0.8)]), ONE)
    delta, t = np.array([0.0, 0, 1, 1]), np.arange(4)
    figure, axes = plt.subplots(6, 1, figsize=(6.4, 5.6), sharex=True, height_ratios=[0.7, 1.4, 1, 1, 1, 1])
    for height, spikes, colour in ((1, np.array(ONE), COLOURS["pre"]), (0, y, COLOURS["post"])):
        axes[0].eventplot(t[spikes == 1], lineoffsets=height, linelengths=0.7, linewidths=3, colors=colour)
    axes[0].set(yticks=[1, 0], yticklabels=["input x", "output y"], ylim=(-0.5, 1.5))
    axes[1].plot(t, u, "o-", color=COLOURS["post"])
    axes[1].axhline(1, color=COLOURS["control"], linestyle=":")
    axes[1].annotate("threshold", (3.45, 1), ha="right", va="bottom", color=COLOURS["control"])
    axes[1].set(ylabel="potential u", ylim=(0, 1.45))
    product = delta * psi * trace
    rows = [
        ("δ", delta, COLOURS["wrong"], "learning signal: what the output wants"),
        ("Ψ", psi, COLOURS["post"], "post: how close to the threshold"),
        ("trace", trace, COLOURS["pre"], "pre: what came in"),
        ("product", product, COLOURS["stllr"], f"their product, summed: {product.sum():.6f}"),
    ]
    for ax, (name, values, colour, note) in zip(axes[2:], rows):
        bars = ax.bar(t, values, width=0.35, color=colour)
        ax.bar_label(bars, [f"{value:.6g}" for value in values], fontsize=8, padding=1)
        ax.set(ylabel=name, ylim=(0, 2 * max(values)), yticks=[])
        ax.annotate(note, (-0.45, 0.82), xycoords=("data", "axes fraction"), color=colour, fontsize=8)
    axes[-1].set(xlabel="time (steps)", xticks=t, xlim=(-0.5, 3.5))
    figure.align_ylabels()
    return figure


def _triangle(ax, terms, first, kept=False):
    """Draw terms [T, T], rows t from `first` on, columns s; kept outlines the cells with s = t."""
    shown = np.where(np.tri(*terms.shape) > 0, terms, np.nan)[first:]
    ax.imshow(shown, cmap="Greys", vmin=0, vmax=2.5 * np.nanmax(shown), aspect="auto")
    for (row, s), value in np.ndenumerate(shown):
        if not np.isnan(value):
            own = kept and s == row + first
            colour = COLOURS["stllr"] if own else COLOURS["bptt"]
            ax.annotate(f"{value:.5f}" if value else "0", (s, row), ha="center", va="center", fontsize=7, color=colour)
            if own:
                ax.add_patch(plt.Rectangle((s - 0.48, row - 0.46), 0.96, 0.92, fill=False, edgecolor=colour, linewidth=2, clip_on=False))
    ax.set(xticks=range(len(terms)), yticks=range(len(shown)), yticklabels=range(first, len(terms)))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def terms_of_one():
    """Return delta[t] psi[t] gamma^(t-s) x[s] of the one neuron, [t, s]."""
    (_, _, psi, _), *_ = record(Network([neuron(0.8)]), ONE)
    lag = np.subtract.outer(range(4), range(4))
    return np.tril((np.array([0, 0, 1, 1]) * psi)[:, None] * 0.5 ** np.maximum(lag, 0) * ONE)


def ch06_orders(rng):
    """Draw the double sum of one neuron, added up by rows and by columns; nothing is random."""
    terms = terms_of_one()
    figure, ax = plt.subplots(figsize=(6.4, 2.9))
    _triangle(ax, terms, 2)
    centred = dict(ha="center", va="center", annotation_clip=False)
    for row, value in enumerate(terms.sum(1)[2:]):
        ax.annotate(f"{value:.6f}", (4.1, row), color=COLOURS["stllr"], **centred)
    for s, value in enumerate(terms.sum(0)):
        ax.annotate(f"{value:.6f}", (s, 2), color=COLOURS["bptt"], **centred)
    ax.annotate(f"{terms.sum():.6f}", (4.1, 2), weight="bold", **centred)
    ax.annotate("S-TLLR: rows,\nas time passes", (4.1, -0.85), color=COLOURS["stllr"], fontsize=8, **centred)
    ax.xaxis.set(ticks_position="top", label_position="top")
    ax.axhline(1.55, xmax=0.78, color=COLOURS["bptt"], linewidth=0.8)
    ax.axvline(3.6, ymin=0.16, color=COLOURS["stllr"], linewidth=0.8)
    ax.set(ylabel="t, the step\nof the error (steps)", xlim=(-0.5, 4.6), ylim=(2.4, -0.5))
    ax.set(yticks=[0, 1, 2], yticklabels=["2", "3", "BPTT: columns,\nwalking back"])
    ax.yaxis.set_label_coords(-0.08, 0.66)
    ax.set_xlabel("s, the step at which the input came (steps)", x=0.39)
    return figure


def terms_of_two():
    """Return what the hidden spike of step s adds to the gradient through the loss of step t, two neurons in series, [t, s]."""
    low, top = record(Network([neuron(0.9), neuron(0.7)]), TWO)
    lag = np.subtract.outer(range(6), range(6))
    delta = np.array([0, 0, 0, 1, 1, 1])
    return np.tril((delta * top[2])[:, None] * 0.7 * 0.5 ** np.maximum(lag, 0) * (low[2] * low[3]))


def ch06_lost(rng):
    """Draw two neurons unrolled in time with the error's paths, and the terms that each path brings; nothing is random."""
    figure, (graph, ax) = plt.subplots(1, 2, figsize=(6.4, 3.0), width_ratios=[1, 1.35])
    arrow = dict(shrinkA=9, shrinkB=9)
    for s in range(3, 6):
        graph.annotate("", (s, 0), (s, 1), arrowprops=dict(arrowstyle="->", color=COLOURS["stllr"], linewidth=2, **arrow))
    for s in range(5):
        graph.annotate("", (s, 1), (s + 1, 1), arrowprops=dict(arrowstyle="->", color=COLOURS["bptt"], linestyle="--", **arrow))
        graph.annotate("", (s, 0), (s + 1, 0), arrowprops=dict(arrowstyle="->", color=COLOURS["stllr"], **arrow))
    for s in range(3):
        graph.annotate("", (s, 0), (s, 1), arrowprops=dict(arrowstyle="->", color=COLOURS["bptt"], linestyle="--", **arrow))
    graph.plot(np.tile(range(6), 2), np.repeat([0, 1], 6), "o", color="white", markeredgecolor="black", markersize=14)
    graph.annotate("losses", (4, 1.38), ha="center", color=COLOURS["wrong"])
    for s in range(3, 6):
        graph.annotate("", (s, 1.05), (s, 1.36), arrowprops=dict(arrowstyle="->", color=COLOURS["wrong"], shrinkB=6))
    graph.annotate("dashed: what S-TLLR drops", (2.5, -0.42), ha="center", color=COLOURS["bptt"], fontsize=8)
    graph.annotate("solid: what it keeps", (2.5, -0.6), ha="center", color=COLOURS["stllr"], fontsize=8)
    graph.set(xlim=(-0.5, 5.5), ylim=(-0.65, 1.55), yticks=[0, 1], yticklabels=["hidden", "output"], xticks=range(6), xlabel="time (steps)")
    terms = terms_of_two()
    _triangle(ax, terms, 3, kept=True)
    kept = np.trace(terms)
    ax.set_title(f"outlined: {kept:.6f} kept, {terms.sum() - kept:.6f} lost", fontsize=9)
    ax.set(xlabel="s, the step of the hidden spike (steps)", ylabel="t, the step of the error (steps)")
    return figure
