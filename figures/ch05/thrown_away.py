"""What RTRL carries of one layer, whole, and what two cheaper rules keep of it."""

import matplotlib.pyplot as plt
import numpy as np

from figures.ch05.methods import GAMMA, batch, build
from figures.one_neuron import causal
from stllr_ref import OSTL


def carried(rule, recurrent=0.0, n=5, T=20):
    """Return what a layer of n neurons under a rule carries after T steps of one sample, name -> array."""
    net = build(np.random.default_rng(1), rule, n, 1, recurrent=recurrent)
    for x_t in batch(np.random.default_rng(0), T, 1, n)[0]:
        net.step(x_t)
    return net.layers[0].state()


def ch05_thrown_away(rng):
    """Draw du_k/dw_ij of one layer, whole, and what two cheaper rules keep of it; nothing is random."""
    full = {kind: carried(lambda: OSTL(recurrent=True), size)["eps W"][0] for kind, size in (("recurrent", 3.0), ("feed-forward", 0.0))}
    own, trace = carried(OSTL)["eps W"][0], carried(lambda: causal(GAMMA))[f"trace W {GAMMA}"]
    largest = max(np.abs(values).max() for values in (*full.values(), trace))
    n = len(own)
    figure = plt.figure(figsize=(6.4, 4.9))
    grid = figure.add_gridspec(3, n)

    def panel(place, values, title, **labels):
        ax = figure.add_subplot(place)
        image = ax.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
        ax.set_title(title, fontsize=8)
        ax.set(xticks=[], yticks=[], **labels)
        ax.spines[:].set_visible(True)
        return image

    for row, (kind, eps) in enumerate(full.items()):
        for k in range(n):
            panel(grid[row, k], eps[k], f"potential {k}", ylabel="" if k else f"{kind}\nneuron i", xlabel="" if row == 0 else "input j")
    last = [
        (own, f"own rows: OSTL without H,\n{own.size} numbers"),
        (np.tile(trace, (n, 1)), "reset left out:\nrows are equal"),
        (trace, f"one row: S-TLLR,\n{trace.size} numbers"),
    ]
    for column, (values, title) in zip((0, 2, 4), last):
        image = panel(grid[2, column], values, title, xlabel="input j", ylabel="feed-forward,\nkept; neuron i" if column == 0 else "")
    figure.colorbar(image, ax=figure.axes, shrink=0.5, label="du_k / dw_ij")
    return figure
