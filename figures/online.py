"""The online step in motion, figures/online_step.gif (`python -m figures.make_all online_step`): a small network that learns as it runs.

Everything drawn is read from the network as it runs: `record` keeps it, `draw` shows one step of it.
"""

from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter

from figures import COLOURS
from stllr_ref import LIF, OTTT, STLLR, Dense, Layer, Leaky, Network, cross_entropy, window

T, LAST, N, H, O = 18, 6, 3, 4, 2  # steps, those of the window, inputs, hidden neurons, outputs
PATH = Path(__file__).with_name("online_step.gif")
FPS = 1.6
PLACES = [[(0.0, y) for y in (2.3, 1.3, 0.3)], [(2.0, y) for y in (2.6, 1.8, 1.0, 0.2)], [(4.0, y) for y in (2.0, 0.8)]]
SHADE = "#dddddd"  # the window
SIGNAL = COLOURS["dfa"]
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9}  # behind numbers
SIZE = 0.15  # radius of a neuron


class Frame(NamedTuple):
    """What the network holds at one step, of its one sample; delta is None outside the window."""

    x: np.ndarray  # [N] spikes of the input
    tr_x: np.ndarray  # [N] their trace
    u: np.ndarray  # [H] potentials, before the reset
    y: np.ndarray  # [H] spikes
    psi: np.ndarray  # [H]
    past: np.ndarray  # [H] trace of earlier Psi
    out: np.ndarray  # [O] potentials of the readout
    deltas: list  # of the hidden layer [H], of the readout [O]
    sums: list  # gathered so far: sum of delta e of the hidden layer [H, N], of the readout [O, H]


def build(rng):
    """Return the network: three inputs, four spiking neurons under S-TLLR, two leaky outputs."""
    rule = STLLR(lam_pre=0.75, lam_post=0.5, alpha_pre=1, alpha_post=-1)
    hidden = Layer(Dense(rng.uniform(-0.2, 0.8, (H, N))), LIF(gamma=0.8, theta=0.6, psi="triangle"), rule)
    return Network([hidden, Layer(Dense(rng.normal(0, 0.7, (O, H))), Leaky(gamma=0.8), OTTT(0.8))])


def batch(rng):
    """Return input spikes x [T, 1, N], the label [1] and the window [T, 1]."""
    return (rng.random((T, 1, N)) < 0.35).astype(float), np.array([1]), window(T, [T], last=LAST)


def record(net, x, target, inside):
    """Run one sequence as `network.run` does and return a `Frame` a step."""
    net.reset()
    hidden, frames = net.layers[0], []
    for t, x_t in enumerate(x):
        out, deltas = net.step(x_t), [None, None]

        def teach(layer, now, delta, deltas=deltas):
            deltas[net.layers.index(layer)] = delta[0].copy()
            layer.learn(delta)

        if inside[t].any():
            net.descend(cross_entropy(out, target)[1], net.trail, teach, None)
        sums = [layer.grads()["W"] for layer in net.layers]
        now, tr_x = hidden.now, hidden.traces["W", hidden.rule.lam_pre][0]
        frames.append(Frame(x_t[0], tr_x, now.u[0], now.y[0], now.psi[0], now.past[0], out[0], deltas, sums))
    return frames


def draw(figure, frames, t):
    """Draw step t of the frames into a figure; each artist that stands for a number has its name as gid."""
    figure.clear()
    last, inside = t == len(frames), t >= T - LAST
    frame = frames[min(t, len(frames) - 1)]
    ax = figure.add_axes((0.02, 0.33, 0.96, 0.58))
    if last:
        said = "After the last step: w moves by −ρ Σ δ e, and all state is forgotten."
    elif inside:
        said = f"Step {t}, in the window: δ comes down, every weight gathers δ · e."
    else:
        said = f"Step {t}, before the window: traces run, nothing is learned."
    figure.text(0.02, 0.95, said, fontsize=11, weight="bold")
    _weights(ax, frames, frame.sums)
    for j, place in enumerate(PLACES[0]):
        _neuron(ax, place, not last and frame.x[j], f"x {j}")
        _bar(ax, (place[0] - 0.32, place[1]), 0 if last else frame.tr_x[j], 0.22, COLOURS["stllr"], f"tr_x {j}")
    for i, place in enumerate(PLACES[1]):
        _neuron(ax, place, not last and frame.y[i], f"y {i}")
        _bar(ax, (place[0] + 0.24, place[1]), 0 if last else frame.u[i], 0.35, "white", f"u {i}", mark=0.6)
        _bar(ax, (place[0] + 0.42, place[1]), 0 if last else frame.past[i], 0.9, COLOURS["ottt"], f"past {i}")
        if inside and not last:
            _signal(ax, (place[0] + 0.60, place[1]), frame.deltas[0][i], f"delta {i}", 1.2)
    for k, place in enumerate(PLACES[2]):
        _neuron(ax, place, False, f"out {k}")
        _bar(ax, (place[0] + 0.24, place[1]), 0 if last else frame.out[k], 0.2, "white", f"out u {k}")
        if inside and not last:
            _signal(ax, (place[0] + 0.45, place[1]), frame.deltas[1][k], f"delta out {k}", 0.5)
    middle = (2.15, "spiking neurons", "potential u, trace of earlier Ψ")
    heads = ((-0.05, "inputs x", "trace of x"), middle, (4.0, "readout", "its potential"))
    for x, head, below in heads:
        ax.annotate(head, (x, 3.1), ha="center", fontsize=10)
        ax.annotate(below, (x, -0.28), ha="center", fontsize=9, color="#444444")
    ax.set(xlim=(-0.7, 5.0), ylim=(-0.4, 3.3))
    ax.set_axis_off()
    _raster(figure.add_axes((0.14, 0.1, 0.84, 0.2)), frames, t)


def _neuron(ax, place, fires, gid):
    """Draw a neuron, filled where it fires."""
    colour = "black" if fires else "white"
    ax.add_patch(matplotlib.patches.Ellipse(place, 1.5 * SIZE, 2 * SIZE, facecolor=colour, edgecolor="black", zorder=3, gid=gid))


def _bar(ax, place, value, scale, colour, gid, mark=None):
    """Draw a number as a bar from the middle of a neuron up or down, `mark` as a tick at its height."""
    ax.add_patch(
        matplotlib.patches.Rectangle(place, 0.12, scale * value, facecolor=colour, edgecolor="black", linewidth=0.6, zorder=3, gid=gid)
    )
    ax.plot([place[0] - 0.03, place[0] + 0.15], [place[1]] * 2, color="black", linewidth=0.6, zorder=4)
    if mark is not None:
        ax.plot([place[0] - 0.03, place[0] + 0.15], [place[1] + scale * mark] * 2, color=COLOURS["wrong"], linewidth=1.4, zorder=4)


def _signal(ax, place, value, gid, scale):
    """Draw a learning signal as an arrow, up where the neuron should fire less."""
    tip = (place[0], place[1] + scale * value)
    style = {"arrowstyle": "-|>,head_width=0.25,head_length=0.4", "color": SIGNAL, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    arrow = ax.annotate("", tip, place, arrowprops=style, zorder=4)
    arrow.set_gid(gid)
    ax.annotate(f"δ {value:+.2f}", (place[0] + 0.1, place[1]), fontsize=8, va="center", zorder=4, bbox=WHITE)


def _weights(ax, frames, sums):
    """Draw each weight as a line, thicker the more it has gathered, dashed where the sum is negative; thin and grey where it is 0."""
    for layer, gathered in enumerate(sums):
        largest = np.abs(frames[-1].sums[layer]).max()
        for i, j in np.ndindex(gathered.shape):
            (a, b), value = (PLACES[layer][j], PLACES[layer + 1][i]), gathered[i, j] / largest
            style = {"color": "black" if value else "#bbbbbb", "linestyle": (0, (4, 2)) if value < 0 else "-"}
            ax.plot(*zip(a, b), linewidth=0.5 + 3.5 * abs(value), zorder=1, alpha=0.75, gid=f"W {layer} {i} {j}", **style)


def _raster(ax, frames, t):
    """Draw the spikes up to step t, inputs above hidden neurons, and the window."""
    ax.axvspan(T - LAST - 0.5, T - 0.5, facecolor=SHADE, zorder=0)
    rows = [*(("x", j) for j in range(N)), *(("y", i) for i in range(H))]
    for row, (name, number) in enumerate(rows):
        at = [s for s in range(min(t + 1, T)) if getattr(frames[s], name)[number]]
        ax.plot(at, [-row] * len(at), "|", color=COLOURS["pre"] if name == "x" else "black", markersize=6, markeredgewidth=2)
    if t < T:
        ax.axvline(t, color=COLOURS["wrong"], linewidth=1, zorder=0.5)
    ax.set(xlim=(-0.6, T - 0.4), ylim=(-6.7, 0.7), xlabel="time (steps); shaded: the learning window", xticks=range(0, T, 2))
    ax.set_yticks([-1, -4.5], ["inputs", "neurons"])
    ax.tick_params(left=False)


def animate_online(rng, path=PATH):
    """Write the animation of one sequence into a GIF; network and input are drawn from rng, bytes depend on it alone."""
    frames, figure = record(build(rng), *batch(rng)), plt.figure(figsize=(6.4, 4.2))
    figure.set_layout_engine("none")  # places are set by hand
    writer = PillowWriter(fps=FPS)
    with writer.saving(figure, path, dpi=100):
        for t in (*range(T + 1), T):
            draw(figure, frames, t)
            writer.grab_frame()
    plt.close(figure)
