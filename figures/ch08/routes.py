"""The ways down as a picture: from where to where each leads, and through which weights."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.ch08.ways import LOOKS


def _arrow(ax, start, end, colour, line="-", width=1.8):
    """Draw an arrow from start to end."""
    style = dict(arrowstyle="->", color=colour, linestyle=line, linewidth=width, shrinkA=0, shrinkB=1)
    ax.annotate("", end, start, arrowprops=style)


def ch08_routes(rng):
    """Draw the six ways down from the output error to two hidden layers; nothing is random."""
    figure, axes = plt.subplots(2, 3, figsize=(6.4, 4.8))
    notes = {
        "BP": "true weights, backwards",
        "FA": "random weights, layer by layer",
        "DFA": "random weights, one jump",
        "sDFA": "the same, sign of the error",
        "DRTP": "the label, no error",
        "local": "a small classifier each",
    }
    small = dict(ha="center", va="center", fontsize=8)
    for ax, (way, note) in zip(axes.flat, notes.items()):
        colour, line, _ = LOOKS[way]
        for height, name in enumerate(("input", "hidden 1", "hidden 2", "readout")):
            box = dict(boxstyle="round,pad=0.35", facecolor="white", edgecolor=COLOURS["bptt"], linewidth=0.8)
            ax.annotate(name, (0, height), **small, bbox=box)
            if height:
                _arrow(ax, (-0.2, height - 0.73), (-0.2, height - 0.25), COLOURS["bptt"], width=0.8)
        ax.annotate("error", (1, 3), **small, color=COLOURS["wrong"])
        _arrow(ax, (0.75, 3), (0.46, 3), COLOURS["wrong"], width=1)
        start = (1, 2.8)
        if way in ("BP", "FA"):
            for height in (3, 2):
                _arrow(ax, (0.2, height - 0.25), (0.2, height - 0.75), colour, line, 2)
                ax.annotate("$W^T$" if way == "BP" else "$F^T$", (0.42, height - 0.5), **small, color=colour)
        elif way == "local":
            for height in (2, 1):
                ax.annotate("classifier\nand label", (1.05, height), **small, color="#555555")
                _arrow(ax, (0.48, height + 0.1), (0.7, height + 0.1), COLOURS["bptt"], width=0.8)
                _arrow(ax, (0.7, height - 0.1), (0.48, height - 0.1), "#555555", "-", 2)
        else:
            if way == "DRTP":
                start = (1.2, 2.35)
                ax.annotate("label", (1.2, 2.5), **small, color=COLOURS["wrong"])
            for height, name in ((2, "$B_2$"), (1, "$B_1$")):
                end = (0.5, height)
                _arrow(ax, start, end, colour, line)
                middle = np.add(start, end) / 2 + ((-0.12, 0.16) if height == 2 else (0.16, -0.1))
                ax.annotate(name, middle, **small, color=colour)
        ax.set_title(f"{way}: {note}", fontsize=8)
        ax.set(xlim=(-0.6, 1.5), ylim=(-0.3, 3.3))
        ax.axis("off")
    return figure
