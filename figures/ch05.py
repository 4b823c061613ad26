"""Figures of chapter 5: one exact gradient by two walks, what each has to keep, and what cheaper rules leave out."""

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, LINES
from figures.ch06 import by_hand, causal, neuron
from stllr_ref import LIF, OSTL, STLLR, Dense, EProp, Layer, Leaky, Network, bptt, cross_entropy, gradcheck, network, rtrl, triangle, window

N, O, GAMMA, THETA, KAPPA = 32, 4, 0.8, 0.6, 0.8  # neurons a layer, outputs, leak, threshold, leak of the readout where it has one
STEPS = (1, 3, 10, 30, 100, 300, 1000)
WIDTHS = (8, 16, 32, 64, 128)
ONE = [neuron(0.8)], (1, 1, 0, 1), 2  # the one neuron, its input, the first step of the loss
DELTA = np.array([0, 0, 1, 1])  # dL/dy of the one neuron
COLOUR = {"BPTT": COLOURS["bptt"], "RTRL": "#882255", "e-prop": COLOURS["eprop"], "S-TLLR": COLOURS["stllr"]}
LINE = {"BPTT": LINES["bptt"], "RTRL": "-.", "e-prop": LINES["ottt"], "S-TLLR": LINES["stllr"]}
MARK = {"BPTT": "s", "RTRL": "^", "e-prop": "D", "S-TLLR": "o"}


def stllr():
    """Return S-TLLR's rule with both its halves, as published for gestures."""
    return STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)


LOCAL = {"e-prop": lambda: EProp(GAMMA, KAPPA), "S-TLLR": stllr}  # what has its own traces, against what BPTT and RTRL keep


def build(rng, rule=lambda: causal(GAMMA), n=N, depth=2, kappa=KAPPA, recurrent=0.0):
    """Return `depth` spiking layers of n neurons over n inputs, each with rule() for a rule, and a readout of leak kappa; no biases.

    recurrent is the size of recurrent weights; 0 makes none.
    """
    row = []
    for _ in range(depth):
        W, V = Dense(rng.normal(0, 2 / np.sqrt(n), (n, n))), Dense(rng.normal(0, 1 / np.sqrt(n), (n, n)) * recurrent)
        row.append(Layer(W, LIF(GAMMA, THETA, triangle), rule(), V=V if recurrent else None))
    return Network([*row, Layer(Dense(rng.normal(0, 1 / np.sqrt(n), (O, n))), Leaky(kappa), causal(kappa))])


def batch(rng, T=20, B=4, n=N):
    """Return random spikes, labels, the loss and the window: the last five steps."""
    x = (rng.random((T, B, n)) < 0.3).astype(float)
    return x, rng.integers(0, O, B), cross_entropy, window(T, [T] * B, last=5)


def numbers(arrays):
    """Return how many numbers there are in some arrays, each array counted once."""
    return sum(array.size for array in {id(array): array for array in arrays}.values())


def bptt_numbers(net, x):
    """Return how many numbers BPTT keeps of x [T, B, N] beside x: u, y and psi of every neuron, step and sample."""
    net.reset(traces=False)
    trails = []
    for x_t in x:
        net.step(x_t)
        trails.append(net.trail)
    return numbers(array for trail in trails for now in trail for array in (now.u, now.y, now.psi))


def rtrl_numbers(net, B=1):
    """Return how many numbers RTRL carries: for every weight, the derivative of each potential that it reaches."""
    potentials = [len(layer.synapses["W"].weight.value) for layer in net.layers]
    return B * sum(layer.synapses["W"].weight.value.size * sum(potentials[i:]) for i, layer in enumerate(net.layers))


def local_numbers(net, x):
    """Return how many numbers the layers of a network carry from step to step: potentials and the traces of their rules."""
    net.reset()
    for x_t in x:
        net.step(x_t)
    return numbers(array for layer in net.layers for array in layer.state().values())


def held(algorithm, net, x, target, loss, inside):
    """Return the bytes that a run holds, beyond what was there before, when it computes the loss of the last step."""
    seen = []

    def watched(output, target):
        seen.append(tracemalloc.get_traced_memory()[0])
        return loss(output, target)

    algorithm(net, x, target, loss, inside)  # so that what Python keeps for good is there
    net.reset()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    algorithm(net, x, target, watched, inside)
    tracemalloc.stop()
    return seen[-1] - before


def disagree(name, case):
    """Return the largest error of the lowest W by a rule against BPTT, which treats the reset as the rule does."""
    case = {"n": 12, "depth": 1, "kappa": 0.0, **case}
    make, attached = {
        "RTRL": (lambda: causal(GAMMA), True),
        "OSTL": (lambda: OSTL(recurrent=True), True),
        "OSTL without H": (OSTL, True),
        "e-prop": (lambda: EProp(GAMMA, case["kappa"]), False),
        "S-TLLR": (lambda: causal(GAMMA), False),
    }[name]
    net, data = build(np.random.default_rng(1), make, **case), batch(np.random.default_rng(0), n=case["n"])
    gradcheck.liveness(net, data[0])
    grads = rtrl.run(net, *data, attached=True)[1] if name == "RTRL" else network.run(net, *data)[1]
    return gradcheck.error(grads["0.W"], bptt.run(net, *data, attached=attached)[1]["0.W"])


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


def memory(steps=STEPS):
    """Return how many numbers each method keeps of one sample of so many steps, name -> list: two spiking layers and a readout."""
    rng = np.random.default_rng
    x, net = batch(rng(0), T=max(steps), B=1)[0], build(rng(1))
    potentials = 2 * N + O  # every method has the present ones
    kept = {"BPTT": [bptt_numbers(net, x[:T]) + potentials for T in steps], "RTRL": [rtrl_numbers(net) + potentials] * len(steps)}
    return kept | {name: [local_numbers(build(rng(1), rule), x[:T]) for T in steps] for name, rule in LOCAL.items()}


def ch05_memory(rng):
    """Draw how many numbers each method keeps against the number of steps; nothing is random."""
    figure, ax = plt.subplots(figsize=(6.4, 3.8))
    notes = {
        "RTRL": (1, "left", "RTRL: a number for every weight and every potential above it"),
        "BPTT": (100, "left", "   BPTT: every step"),
        "e-prop": (1000, "right", "e-prop, OSTL without H: a number for every weight"),
        "S-TLLR": (1000, "right", "S-TLLR: a potential and two traces for every neuron"),
    }
    for name, values in memory().items():
        ax.plot(STEPS, values, color=COLOUR[name], linestyle=LINE[name], marker=MARK[name], markersize=4)
        at, side, note = notes[name]
        place = (at, values[STEPS.index(at)])
        ax.annotate(
            note,
            place,
            (0, -2 if name == "BPTT" else -6 if name == "e-prop" else 5),
            textcoords="offset points",
            ha=side,
            va="top" if name in ("BPTT", "e-prop") else "bottom",
            color=COLOUR[name],
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="T, the length of the sequence (steps)",
        ylabel="numbers kept for one sample",
        ylim=(100, 500_000),
    )
    ax.set_title(f"{N} inputs, two feed-forward layers of {N} spiking neurons, {O} readout units", fontsize=9)
    ax.set(xticks=STEPS, xticklabels=STEPS)
    ax.minorticks_off()
    return figure


def widths():
    """Return how many numbers each online method carries for one sample, name -> list: a layer of n neurons over n inputs, a readout."""
    rng = np.random.default_rng
    kept = {"RTRL": [rtrl_numbers(build(rng(1), n=n, depth=1)) + n + O for n in WIDTHS]}
    for name, rule in LOCAL.items():
        kept[name] = [local_numbers(build(rng(1), rule, n, 1), batch(rng(0), T=6, B=1, n=n)[0]) for n in WIDTHS]
    return kept


def exponent(values):
    """Return p of values ~ n ** p between the two largest of WIDTHS, one twice the other."""
    return np.log2(values[-1] / values[-2])


def ch05_width(rng):
    """Draw how many numbers each online method carries against the number of neurons; nothing is random."""
    figure, ax = plt.subplots(figsize=(6.4, 3.4))
    for name, values in widths().items():
        ax.plot(WIDTHS, values, color=COLOUR[name], linestyle=LINE[name], marker=MARK[name], markersize=4)
        note = f"{name},\nOSTL without H" if name == "e-prop" else name
        ax.annotate(
            f"{note}\n$n^{{{exponent(values):.2f}}}$",
            (WIDTHS[-1], values[-1]),
            (9, 0),
            textcoords="offset points",
            va="center",
            color=COLOUR[name],
        )
    ax.set(xscale="log", yscale="log", xlabel="n, inputs and neurons of the layer", ylabel="numbers carried for one sample", xlim=(7, 260))
    ax.set(xticks=WIDTHS, xticklabels=WIDTHS)
    ax.set_title(f"n inputs, one feed-forward layer of n spiking neurons, {O} readout units", fontsize=9)
    ax.minorticks_off()
    return figure


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
