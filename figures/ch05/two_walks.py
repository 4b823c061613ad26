"""One exact gradient by two walks through one neuron: back in time by BPTT, forward by RTRL."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, LINES
from figures.ch05.methods import COLOUR
from figures.one_neuron import by_hand, neuron

ONE = [neuron(0.8)], (1, 1, 0, 1), 2  # the one neuron, its input, the first step of the loss
DELTA = np.array([0, 0, 1, 1])  # dL/dy of the one neuron


def walks():
    """Return g[t] = dL/du[t] that BPTT brings down, du[t]/dw that RTRL brings up, and psi[t] of the one neuron, [4] each; detached."""
    net, x, *_ = by_hand(*ONE)
    nows = []
    for x_t in x:
        net.step(x_t)
        nows.append(net.layers[0].now)
    slope = net.layers[0].neuron.slope(None, None, None)
    psi, g, du = np.array([now.psi[0, 0] for now in nows]), np.zeros(5), np.zeros(5)
    for t in range(4):
        du[t] = slope * du[t - 1] + x[t, 0, 0]
        g[3 - t] = psi[3 - t] * DELTA[3 - t] + slope * g[4 - t]
    return g[:4], du[:4], psi


def ch05_two_walks(rng):
    """Draw the one neuron unrolled in time, walked back by BPTT and forward by RTRL; nothing is random."""
    (g, du, psi), x = walks(), ONE[1]
    back, up = [f"{a:.6g} × {b}" for a, b in zip(g, x)], [f"{d} × {p:.3g} × {a:.6g}" for d, p, a in zip(DELTA, psi, du)]
    figure, axes = plt.subplots(2, 1, figsize=(6.4, 4.2))
    _walk(axes[0], "BPTT", "forward first, keeping every step (grey), then back", g, back, ("error g", "g x"), "× γ, + Ψ δ", (g * x).sum())
    _walk(
        axes[1],
        "RTRL",
        "forward only; nothing but the present step is kept",
        du,
        up,
        ("du/dw", "δ Ψ du/dw"),
        "× γ, + x",
        (DELTA * psi * du).sum(),
    )
    return figure


def _walk(ax, name, title, carried, products, labels, move, total):
    """Draw four steps, what a walk carries between them, what it adds to the gradient at each, and the sum."""
    back, colour, centred = name == "BPTT", COLOUR[name], dict(ha="center", va="center")
    for t in range(4):
        face = "#DDDDDD" if back or t == 3 else "white"
        ax.add_patch(plt.Rectangle((t - 0.3, 0.76), 0.6, 0.4, facecolor=face, edgecolor="black", linewidth=0.8))
        ax.annotate(f"step {t}", (t, 0.96), fontsize=8, **centred)
        ax.annotate(f"{carried[t]:.6g}", (t, 0.36), color=colour, **centred)
        ax.annotate(products[t], (t, -0.04), fontsize=8, **centred)
    for t in range(3):
        ax.annotate("", (t + 0.7, 0.96), (t + 0.3, 0.96), arrowprops=dict(arrowstyle="->", color=COLOURS["control"]))
        ends = ((t + 0.3, 0.36), (t + 0.7, 0.36))
        ax.annotate(
            "", *(ends if back else ends[::-1]), arrowprops=dict(arrowstyle="->", color=colour, linestyle=LINES["bptt"] if back else "-")
        )
        ax.annotate(move, (t + 0.5, 0.43), ha="center", va="bottom", fontsize=7, color=colour)
    for height, label in zip((0.36, -0.04), labels):
        ax.annotate(label, (-0.78, height), fontsize=8, **centred)
    ax.annotate(f"sum {total:.6f}", (4.02, -0.04), weight="bold", **centred)
    ax.set_title(f"{name}: {title}", fontsize=9, loc="left", color=colour)
    ax.set(xlim=(-1.1, 4.5), ylim=(-0.2, 1.2))
    ax.set_axis_off()
