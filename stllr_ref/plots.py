"""Plots shared by the command line and the chapters; needs matplotlib, which the rest of the library does not load."""

import io
import re
from pathlib import Path

import matplotlib

matplotlib.rcParams["svg.hashsalt"] = "stllr_ref"  # with no date in the metadata, the same data give the same bytes

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np

# One meaning, one colour, everywhere (Okabe and Ito's palette, safe for colour-blind readers).
COLOURS = {
    "stllr": "#0072B2",
    "bptt": "#000000",
    "ottt": "#E69F00",
    "eprop": "#E69F00",
    "sltt": "#F0E442",
    "negative": "#56B4E9",
    "positive": "#56B4E9",
    "dfa": "#CC79A7",
    "stdp": "#009E73",
    "wrong": "#D55E00",
    "tbptt": "#666666",
    "control": "#999999",
    "frozen": "#999999",
}
LINES = {
    "stllr": "-",
    "positive": "--",
    "bptt": "--",
    "tbptt": "-.",
    "ottt": (0, (1, 1)),
    "sltt": (0, (3, 1, 1, 1)),
    "frozen": ":",
    "counts": (0, (5, 5)),
}
CLIP = re.compile(r"(?<=url\(#)p[0-9a-f]{10}(?=\))|(?<=<clipPath id=\")p[0-9a-f]{10}")  # as Matplotlib names a clip path


def learning_curves(curves, title="", axis="validation accuracy (%)", factor=100):
    """Draw what was measured on validation data against the epoch.

    Parameters
    ----------
    curves : dict
        (label, style) -> list of sequences, one a seed: the accuracy (or what else) after each epoch; style is a name in
        COLOURS or LINES (a control if in neither).
    title, axis : str
        Title; name and unit of the vertical axis.
    factor : float
        From the numbers to that unit.

    Returns
    -------
    matplotlib.figure.Figure
        A thin line a seed, a thick median; labelled at the line's end.
    """
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    ends = []
    for (label, style), seeds in curves.items():
        colour = COLOURS.get(style, COLOURS["control"])
        epochs, middle = np.arange(1, len(seeds[0]) + 1), factor * np.median(seeds, axis=0)
        for seed in seeds if len(seeds) > 1 else ():
            axes.plot(epochs, factor * np.asarray(seed), color=colour, linewidth=0.5)
        axes.plot(epochs, middle, color=colour, linestyle=LINES.get(style, "-"), linewidth=1.8)
        ends.append((middle[-1], label, colour))
    _label_ends(axes, epochs[-1], ends)
    axes.set(xlabel="epoch", ylabel=axis, title=title)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    axes.margins(x=0.02)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label_ends(axes, x, ends):
    """Write each (y, label, colour) at the right end of its line, pushed apart where lines end together."""
    low, high = axes.get_ylim()
    gap, ends = (high - low) / 18, sorted(ends)
    places = [y for y, _, _ in ends]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    places[-1] = min(places[-1], high)
    for i in reversed(range(len(places) - 1)):
        places[i] = min(places[i], places[i + 1] - gap)
    for place, (_, label, colour) in zip(places, ends):
        axes.annotate(label, (x, place), xytext=(6, 0), textcoords="offset points", color=colour, va="center", annotation_clip=False)


def save(figure, path):
    """Write a figure as SVG, byte for byte the same for the same data, and close it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    Path(path).write_text(_numbered(text.getvalue()), encoding="utf-8")


def _numbered(svg):
    """Return an SVG with its clip paths numbered: their names are hashes of a layout whose last bits depend on what was drawn before."""
    names = {name: f"clip{number}" for number, name in enumerate(dict.fromkeys(CLIP.findall(svg)))}
    return CLIP.sub(lambda match: names[match[0]], svg)
