"""The sets in which nothing but the timing tells the classes apart."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from stllr_ref.data import timing


def ch11_timing(rng):
    """Draw a sample of two classes of randman, one of delay and one of recall; the steps of the loss are shaded."""
    seed = int(rng.integers(2**32))
    panels = {  # title -> set, sample, steps of the loss
        "randman, class 0": ("randman", 0, 10),
        "randman, class 1": ("randman", 1, 10),
        "delay, bits 1 0 1: even, class 0": ("delay", 5, 2),
        "recall, class 3": ("recall", 3, 4),
    }
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.8))
    for ax, (title, (name, sample, last)) in zip(axes.flat, panels.items()):
        x = timing.LOADERS[name](seed, sizes=(10, 1, 1)).train.x[:, sample]
        ax.plot(*np.nonzero(x), "|", color=COLOURS["pre"], markersize=4)
        ax.axvspan(len(x) - last - 0.5, len(x) - 0.5, color=COLOURS["control"], alpha=0.25, linewidth=0)
        ax.set_xticks(range(0, len(x), 10 if len(x) > 20 else 2))
        ax.set(xlabel="time (steps)", ylabel="channel", xlim=(-0.5, len(x) - 0.5), ylim=(x.shape[1] - 0.5, -0.5))
        ax.set_title(title, fontsize=9)
    return figure
