"""What each member learns, against how near its gradient was to the exact one."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.ch09.measured import accuracies, after, before
from figures.ch09.members import COLOUR, GREY, TREE

UNTRAINED = ("rtrl", "ostl", "osttp")  # together they would take longer than all others
MARK = dict(zip(TREE, "so^vD<>Xop*PsD^v<>d"))


def _apart(places, gap):
    """Return places moved up as little as keeps their order and a distance of gap."""
    order, moved, last = np.argsort(places, kind="stable"), np.array(places, float), -np.inf
    for i in order:
        moved[i] = last = max(moved[i], last + gap)
    return moved


def _names(ax, points):
    """Write the names of points, (x, y, highest y, name): the most accurate along the top, the others in a column."""
    high, low = ([point for point in points if (point[1] > 85) == above] for above in (True, False))
    line = dict(arrowstyle="-", linewidth=0.4, shrinkA=0, shrinkB=1)
    tops = _apart([x for x, *_ in high], 0.085)
    for at, (x, _, top, name) in zip(tops - max(0, tops.max() - 1.03), high):
        colour = COLOUR.get(name, GREY)
        ax.annotate(
            name, (x, top), (at, 103), ha="center", va="bottom", rotation=90, fontsize=7, color=colour, arrowprops=line | dict(color=colour)
        )
    low.sort(key=lambda point: -point[1])
    for at, (x, y, _, name) in zip(-_apart([max(-y, -78) for _, y, *_ in low], 4.5), low):
        colour, left = COLOUR.get(name, GREY), x < -0.06  # left of all others: no line needed
        place, side = ((x - 0.04, y), "right") if left else ((0.5, at), "left")
        ax.annotate(name, (x, y), place, ha=side, va="center", fontsize=7, color=colour, arrowprops=line | dict(color=colour))


def ch09_learns(rng):
    """Draw the accuracy after training against the lower layer's cosine before and after; nothing is random."""
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 4.8), sharey=True)
    frozen = accuracies("frozen")
    for ax, cosines, when in zip(axes, (before, after), ("before training", "after its own training")):
        ax.axhspan(frozen.min(), frozen.max(), color="#EEEEEE", zorder=0)
        ax.axhline(frozen.mean(), color=COLOURS["control"], linestyle=":")
        ax.plot([0, 0], [0, 100], color=COLOURS["control"], linewidth=0.6)
        points = []
        for name in (name for name in TREE if name not in UNTRAINED):
            middle, values, colour = np.nanmean(cosines(name)[:, 0]), accuracies(name), COLOUR.get(name, GREY)
            ax.plot([middle] * 2, [values.min(), values.max()], color=colour, linewidth=0.7, alpha=0.7)
            ax.plot(middle, values.mean(), MARK[name], color=colour, markersize=5)
            points.append((middle, values.mean(), values.max(), name))
        _names(ax, points)
        ax.set(xlim=(-0.32, 1.08), ylim=(15, 130), yticks=range(20, 101, 20), xlabel=f"cosine with BPTT, lower layer,\n{when}")
    axes[0].annotate("frozen", (1.03, frozen.mean() + 1), ha="right", va="bottom", color=GREY, fontsize=8)
    axes[0].set_ylabel("accuracy on fresh samples (%)")
    return figure
