"""Figures of the chapters: in chNN one function chNN_name(rng) -> Figure for each; make_all.py draws them all.

Where a chapter has more than one idea, chNN is a folder with a module for each; a notebook finds all it calls in chNN itself.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from stllr_ref import plots

COLOURS = plots.COLOURS | {
    "causal": plots.COLOURS["ottt"],
    "positive": plots.COLOURS["negative"],
    "pre": plots.COLOURS["stdp"],
    "post": plots.COLOURS["bptt"],
}
# Grey print tells lines apart by their dashes; the two signs of alpha_post share a hue.
LINES = plots.LINES | {"negative": "-", "positive": "--"}


def use_style():
    """Set the style of every figure, whatever matplotlibrc the reader has."""
    plt.style.use(["default", Path(__file__).with_name("stllr.mplstyle")])
