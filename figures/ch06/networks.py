"""Whole networks, in which conditions of exactness are left one by one: S-TLLR against BPTT, entry by entry."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.one_neuron import causal
from stllr_ref import LIF, Bias, Dense, Layer, Leaky, Network, bptt, cosine, cross_entropy, gradcheck, network, triangle, window

T, B, N, H, O = 20, 4, 8, 10, 3
GAMMA, THETA, LAST = 0.8, 0.6, 5
NETWORKS, SHOWN = 20, 5  # medians are those of all, each with weights and input of its own; a panel shows the first few


def build(rng, depth=1, rule=None, kappa=0.0, reset="soft"):
    """Return `depth` spiking layers of one rule under a readout of leak kappa."""
    rule = rule or causal(GAMMA)
    row, n_in = [], N
    for _ in range(depth):
        W = rng.normal(0, 2 / np.sqrt(n_in), (H, n_in))
        row.append(Layer(Dense(W), LIF(GAMMA, THETA, triangle, reset), rule, bias=Bias(np.zeros(H))))
        n_in = H
    W = rng.normal(0, 1 / np.sqrt(H), (O, H))
    return Network([*row, Layer(Dense(W), Leaky(kappa), causal(kappa), bias=Bias(np.zeros(O)))])


def batch(rng):
    """Return random spikes and labels, the loss and the window: the last LAST of T steps."""
    x = (rng.random((T, B, N)) < 0.3).astype(float)
    return x, rng.integers(0, O, B), cross_entropy, window(T, [T] * B, last=LAST)


def both(net, data, **options):
    """Return the gradients of S-TLLR and of BPTT (which takes the options), name -> array, after a look at the firing rates."""
    gradcheck.liveness(net, data[0])
    return network.run(net, *data)[1], bptt.run(net, *data, **options)[1]


def many(seeds, **options):
    """Return the gradients of the lowest W by S-TLLR and by BPTT of one network a seed, a pair of arrays each."""
    pairs = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        data = batch(rng)
        local, exact = both(build(rng, **options), data)
        pairs.append((local["0.W"], exact["0.W"]))
    return pairs


def closeness(pairs):
    """Return the cosine and the ratio of lengths |S-TLLR| / |BPTT| of each pair, shapes [len(pairs)]."""
    return np.array([(cosine(a, b), np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs]).T


def ch06_cloud(rng):
    """Draw S-TLLR against BPTT entry by entry, while each of three conditions is left."""
    seeds = rng.integers(2**32, size=NETWORKS)
    rows = {
        "trace": [(f"lam_pre = {lam:g}" + " = gamma" * (lam == GAMMA), dict(rule=causal(lam))) for lam in (GAMMA, 0.5, 0)],
        "depth": [(f"{depth} hidden layer{'s' * (depth > 1)}", dict(depth=depth)) for depth in (1, 2, 3)],
        "readout": [(f"readout's leak {kappa:g}", dict(kappa=kappa)) for kappa in (0, 0.5, 0.9)],
    }
    figure, axes = plt.subplots(3, 3, figsize=(6.4, 6.4), sharex=True, sharey=True)
    for line, panels in zip(axes, rows.values()):
        for ax, (label, options) in zip(line, panels):
            pairs = many(seeds, **options)
            ax.axline((0, 0), slope=1, color=COLOURS["bptt"], linewidth=0.8)
            for local, exact in pairs[:SHOWN]:
                across, up = (grad.ravel() / np.sqrt(np.mean(grad**2)) for grad in (exact, local))
                ax.plot(across, up, ".", color=COLOURS["stllr"], markersize=3, alpha=0.5, rasterized=True)
            angle, length = np.median(closeness(pairs), 1)
            ax.set_title(label, fontsize=9)
            text = ax.text(0.04, 0.97, f"cosine {angle:.2f}\nlength {length:.2f}", transform=ax.transAxes, va="top", fontsize=8)
            text.set_bbox(dict(facecolor="white", edgecolor="none", alpha=0.8, pad=1))
    axes[0, 0].set(xlim=(-6, 6), ylim=(-6, 6), xticks=[-6, 0, 6], yticks=[-6, 0, 6])
    for ax in axes.flat:
        ax.set_aspect("equal")
    figure.supxlabel("BPTT's gradient of one weight of the lowest layer (in its own rms)", fontsize=9)
    figure.supylabel("S-TLLR's (in its own rms)", fontsize=9)
    return figure


def ch06_lam_pre(rng):
    """Draw cosine and length against lam_pre for one, two and three hidden layers: thin lines networks, thick the median."""
    seeds, lams = rng.integers(2**32, size=NETWORKS), np.array([0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1])
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
    for depth, style, shade in zip((1, 2, 3), ("-", "--", ":"), (1, 0.75, 0.5)):
        values = np.array([closeness(many(seeds, depth=depth, rule=causal(lam))) for lam in lams])
        for ax, each in zip(axes, values.transpose(1, 0, 2)):
            ax.plot(lams, each, color=COLOURS["stllr"], linewidth=0.3, alpha=0.4 * shade)
            label = f"{depth} hidden layer{'s' * (depth > 1)}"
            ax.plot(lams, np.median(each, 1), color=COLOURS["stllr"], linestyle=style, linewidth=2, label=label)
    for ax in axes:
        ax.axvline(GAMMA, color=COLOURS["control"], linewidth=0.8)
        ax.axhline(1, color=COLOURS["bptt"], linewidth=0.8)
        ax.set(xlabel="lam_pre (per step)")
    axes[0].annotate("gamma", (GAMMA, 0.02), xycoords=("data", "axes fraction"), ha="right", color=COLOURS["control"], rotation=90)
    axes[0].set(ylabel="cosine with BPTT", ylim=(-0.4, 1.05))
    axes[1].set(ylabel="length, as a part of BPTT's", yscale="log", yticks=[0.01, 0.1, 1], yticklabels=["0.01", "0.1", "1"])
    axes[0].legend(loc="lower left", fontsize=8)
    return figure
