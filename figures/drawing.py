"""What figures of several chapters draw alike: the spikes of a neuron as ticks, a label beside a panel."""

import numpy as np

from figures import COLOURS


def ticks(axes, spikes, height, colour=COLOURS["pre"]):
    """Draw the spikes [T] of one neuron as ticks at a height."""
    axes.plot(np.flatnonzero(spikes), np.full(int(spikes.sum()), height), "|", color=colour, markersize=9, markeredgewidth=1.8)


def beside(axes, height, text, colour=COLOURS["post"]):
    """Write a label at the right edge of a panel, at a height of its data."""
    axes.text(1.01, height, text, transform=axes.get_yaxis_transform(), va="center", color=colour)
