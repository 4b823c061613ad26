"""The family as a tree, and beside each member what was measured of it."""

import matplotlib.pyplot as plt

from figures import COLOURS
from figures.ch09.measured import before, price
from figures.ch09.members import COLOUR, GREY, TREE


def _depth(name):
    """Return how many ancestors a rule has in the tree."""
    parent = TREE[name][0]
    return 0 if parent is None else 1 + _depth(parent)


def ch09_tree(rng):
    """Draw the family as a tree, what each edge gives up, and beside each rule its cosines, its memory and its MACs; nothing is random."""
    figure, axes = plt.subplots(1, 4, figsize=(7.2, 6.6), width_ratios=[3.3, 1.5, 1.1, 1.1], sharey=True)
    tree, names = axes[0], list(TREE)
    for y, name in enumerate(names):
        parent, lost = TREE[name]
        x, colour = 0.35 * _depth(name), COLOUR.get(name, GREY)
        if parent:
            left = x - 0.27
            tree.plot([left, left, x - 0.05], [names.index(parent) + 0.47, y, y], color="#AAAAAA", linewidth=0.8)
        tree.annotate(name, (x, y - 0.04), va="bottom", fontsize=8, color=colour, weight="bold")
        tree.annotate(lost if parent is None or lost.startswith("adds") else f"− {lost}", (x, y), va="top", fontsize=7, color="#444444")
    tree.set(xlim=(-0.05, 3.6), ylim=(len(names) - 0.4, -0.9))
    tree.set_title("a line down: what is given up", fontsize=8, loc="left")
    prices = [price(name) for name in names]
    for y, name in enumerate(names):
        colour = COLOUR.get(name, GREY)
        for shift, values, marker, face in zip((-0.16, 0.16), before(name).T, "os", (colour, "white")):
            axes[1].plot([values.min(), values.max()], [y + shift] * 2, color=colour, linewidth=0.8)
            axes[1].plot(values.mean(), y + shift, marker, color=colour, markerfacecolor=face, markersize=3.8)
        for ax, value, limit in zip(axes[2:], prices[y], (20_000, 60_000)):
            ax.plot(value, y, "D", color=colour, markersize=3.8)
            right = value > limit
            text = f"{value:,.0f}" if value < 10_000 else f"{value / 1e6:.1f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"
            ax.annotate(
                text,
                (value, y),
                (-5 if right else 5, 0),
                textcoords="offset points",
                ha="right" if right else "left",
                va="center",
                fontsize=7,
            )
    axes[1].axvline(0, color=COLOURS["control"], linewidth=0.6)
    axes[1].set(xlim=(-0.8, 1.08), xticks=(-0.5, 0, 0.5, 1), xlabel="cosine with BPTT")
    axes[1].set_title("● lower layer  □ upper", fontsize=8)
    for ax, title in zip(axes[2:], ("numbers kept", "MACs")):
        ax.set(xscale="log", xlabel="for one sample")
        ax.set_title(title, fontsize=8)
        ax.minorticks_off()
    axes[2].set(xlim=(30, 400_000))
    axes[3].set(xlim=(1_000, 100_000_000))
    for ax in axes:
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        for y in range(1, len(names), 2):
            ax.axhspan(y - 0.5, y + 0.5, color="#F4F4F4", zorder=0)
    tree.spines[:].set_visible(False)
    tree.set_xticks([])
    return figure
