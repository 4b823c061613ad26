"""Figures of chapter 8: the error's ways down, and how near to the exact gradient each brings a layer."""

from functools import lru_cache
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from stllr_ref import (
    DFA,
    DRTP,
    LIF,
    SLTT,
    STLLR,
    Adam,
    Bias,
    Dense,
    Frozen,
    Layer,
    Leaky,
    Local,
    Network,
    Standardised,
    bptt,
    cosine,
    cross_entropy,
    gradcheck,
    kaiming,
    network,
    sDFA,
    training,
    triangle,
    window,
)

T, B, N, H, O = 10, 24, 30, 20, 6
GAMMA, THETA, LAST = 0.5, 0.6, 4
STEPS, LR, PROBES = 100, 0.01, (0, 25, 50, 75, 100)  # training steps (batches), and those at which gradients are compared
NETWORKS, TRAINED, TEST = 20, 5, 400
LEAKS, FEW = (0, 0.25, 0.5, 0.75, 0.9), (0, 0.5, 0.9)  # of the upper hidden layer: before and after training


def frozen(weights):
    """Return the signal that is none; weights are not used."""
    return Frozen()


# Way down -> what `build` or `train` needs for it; its colour, line and marker.
WAYS = {
    "BP": {},
    "FA": dict(feedback=True),
    "DFA": dict(signal=DFA),
    "sDFA": dict(signal=sDFA),
    "DRTP": dict(signal=DRTP),
    "local": dict(signal=Local),
}
CONTROLS = {"BPTT": dict(exact=True), "frozen": dict(signal=frozen)}
LOOKS = {
    "BP": (COLOURS["stllr"], "-", "o"),
    "FA": (COLOURS["stllr"], "--", "s"),
    "DFA": (COLOURS["dfa"], "-", "^"),
    "sDFA": (COLOURS["dfa"], "--", "v"),
    "DRTP": (COLOURS["dfa"], ":", "D"),
    "local": (COLOURS["control"], "-.", "X"),
    "BPTT": (COLOURS["bptt"], "-", "o"),
    "frozen": (COLOURS["control"], ":", "o"),
}


def seeds(rng, number=NETWORKS):
    """Return the seeds of `number` networks, the first ones the same whatever the number."""
    return rng.integers(2**32, size=number).tolist()


def draw(patterns, rng, size=B):
    """Return spikes [T, size, N] and labels: of its pattern a sample keeps 60 % of the spikes, 10 % of the rest is noise."""
    target = rng.integers(0, O, size)
    shape = (size, T, N)
    x = (patterns[target] & (rng.random(shape) < 0.6)) | (rng.random(shape) < 0.1)
    return x.swapaxes(0, 1).astype(float), target


def task(rng):
    """Return one random spike pattern a class, [O, T, N]."""
    return rng.random((O, T, N)) < 0.25


def build(rng, signal=None, feedback=False, leak=GAMMA, gamma=GAMMA, standardised=True, alpha_post=0):
    """Return two spiking layers and a readout without memory; one state of rng gives the same weights for every way down.

    signal makes a signal of weights [O, H] and stands above each hidden layer; feedback: errors go down through random
    weights. gamma is the leak of the lower hidden layer, leak that of the upper.
    """
    row, n_in = [], N
    for number, own in enumerate((gamma, leak)):
        W, back, down = kaiming(rng, H, n_in), kaiming(rng, H, n_in), rng.normal(0, 1 / np.sqrt(H), (O, H))
        rule = STLLR(lam_pre=own, lam_post=0.2, alpha_pre=1, alpha_post=alpha_post, bias_decay=own)
        synapse = Dense(Standardised(W, np.full(H, 1.5)) if standardised else W)
        through = Dense(back) if feedback and number else None
        row.append(Layer(synapse, LIF(own, THETA, triangle), rule, bias=Bias(np.zeros(H)), feedback=through))
        if signal:
            row.append(signal(down))
        n_in = H
    W, back = kaiming(rng, O, H), kaiming(rng, O, H)
    return Network([*row, Layer(Dense(W), Leaky(0), SLTT(), bias=Bias(np.zeros(O)), feedback=Dense(back) if feedback else None)])


def case(x, target):
    """Return what a run is given besides the network: errors in the last LAST steps."""
    return x, target, cross_entropy, window(T, [T] * len(target), last=LAST)


def cosines(net, data):
    """Return the cosine with BPTT of the gradient of W of the two hidden layers, lower first."""
    local, exact = network.run(net, *data)[1], bptt.run(net, *data)[1]
    return [cosine(local[name], exact[name]) for name in ("0.W", "1.W")]


def untrained(seed, **how):
    """Return `cosines` of a network as drawn, after a look at its firing rates."""
    rng = np.random.default_rng(seed)
    patterns, data = task(rng), np.random.default_rng([seed, 1])
    net, data = build(rng, **how), case(*draw(patterns, data, 4 * B))
    gradcheck.liveness(net, data[0])
    return cosines(net, data)


def stuck(net, x):
    """Return for each hidden layer the share of neurons that fire in less than 2 % or more than 98 % of all steps."""
    net.reset(traces=False)
    spikes = []
    for x_t in x:
        net.step(x_t)
        spikes.append([layer.now.y for layer in net.layers[:-1]])
    rates = np.mean(spikes, axis=(0, 2))  # [layer, neuron]
    return np.mean((rates < 0.02) | (rates > 0.98), axis=1)


class Trained(NamedTuple):
    """What training left."""

    cosines: np.ndarray  # with BPTT, [probe, layer]
    accuracy: float  # of TEST fresh samples, 0 to 1
    stuck: np.ndarray  # share of the neurons of each hidden layer that fire almost never or almost always
    net: Network


@lru_cache(maxsize=None)
def train(seed, probes=PROBES, exact=False, optimiser=Adam, lr=LR, **how):
    """Train a network for STEPS batches by its way down (or exact: by BPTT); done once for each set of arguments."""
    rng = np.random.default_rng(seed)
    patterns = task(rng)
    net, run = build(rng, **how), (bptt if exact else network).run
    probe, test = (draw(patterns, np.random.default_rng([seed, i]), size) for i, size in ((1, 4 * B), (2, TEST)))
    step, seen = optimiser(net, lr).step, []
    for number in range(STEPS + 1):
        if number in probes:
            seen.append(cosines(net, case(*probe)))
        if number < STEPS:
            step(run(net, *case(*draw(patterns, rng)))[1])
    x, target, _, inside = case(*test)
    accuracy = training.accuracy(network.forward(net, x), target, inside)
    return Trained(np.array(seen), accuracy, stuck(net, x), net)


def trained(each, leak=GAMMA, **how):
    """Return the cosines of trained networks, [networks, probe, layer]; at another leak than GAMMA only the last probe."""
    other = {} if leak == GAMMA else dict(leak=leak, probes=(STEPS,))
    return np.array([train(seed, **other, **how).cosines for seed in each])


def accuracies(each, **how):
    """Return the accuracy in % of a trained network a seed, as an array."""
    return np.array([100 * train(seed, **how).accuracy for seed in each])


def arrival(net, which):
    """Return the cosine between the readout's weights and those that its error goes down through in their place."""
    used = net.layers[-1].feedback.weight.value if which == "FA" else net.row[-2].B
    return cosine(net.layers[-1].synapses["W"].weight.value, used)


def gap(each, leak, gamma=GAMMA, **how):
    """Return the cosine of both layers under BP with leak (upper) and gamma (lower), [networks, layer]."""
    return np.array([untrained(seed, leak=leak, gamma=gamma, **how) for seed in each])


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


def _spread(ax, across, values, way):
    """Draw the mean of values [networks, points] as a line; as thin bars the middle half of many networks, the range of few."""
    colour, line, marker = LOOKS[way]
    low, high = np.quantile(values, (0, 1) if len(values) <= TRAINED else (0.25, 0.75), axis=0)
    ax.vlines(across, low, high, color=colour, linewidth=0.9, alpha=0.7)
    ax.plot(across, values.mean(0), linestyle=line, marker=marker, color=colour, markersize=3.5, label=way)


def ch08_signals(rng):
    """Draw the cosine with BPTT by layer against the upper layer's leak, before and after training: means, and bars for the spread."""
    each = seeds(rng)
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 5.4), sharex=True, sharey=True)
    for number, (way, how) in enumerate(WAYS.items()):
        before = np.array([[untrained(seed, leak=leak, **how) for leak in LEAKS] for seed in each])
        after = np.stack([trained(each[:TRAINED], leak, **how)[:, -1] for leak in FEW], 1)
        for axis, leaks, values in zip(axes, (LEAKS, FEW), (before, after)):
            for layer in (0, 1):
                _spread(axis[layer], np.array(leaks) + 0.018 * (number - 2.5), values[:, :, layer], way)
    for ax, title in zip(axes[0], ("lower hidden layer", "upper hidden layer")):
        ax.set_title(title, fontsize=9)
    for ax, state in zip(axes[:, 0], (f"untrained, {NETWORKS} networks", f"after {STEPS} batches, {TRAINED} networks")):
        ax.set_ylabel(f"cosine with BPTT\n{state}")
    for ax in axes.flat:
        ax.axhline(0, color=COLOURS["control"], linewidth=0.5)
        ax.set(ylim=(-0.7, 1.08), xticks=LEAKS, yticks=(-0.5, 0, 0.5, 1))
        ax.tick_params(axis="x", labelsize=8)
    for ax in axes[1]:
        ax.set_xlabel("leak of the upper hidden layer\n(share of the potential kept per step)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=8)
    return figure


def _label(ax, x, ends, gap=0.075):
    """Write each (y, way) beside the end of its line, at x, pushed apart downwards where lines end together."""
    place = np.inf
    for y, way in sorted(ends, reverse=True):
        place = min(y, place - gap)
        ax.annotate(way, (x, place), color=LOOKS[way][0], fontsize=7.5, va="center")


def ch08_training(rng):
    """Draw cosines over training (means; bars: all networks at the end), and the accuracy that each way down ends with."""
    each = seeds(rng)[:TRAINED]
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 3.6), width_ratios=[1.1, 1.1, 1.1])
    ends = [], []
    for number, (way, how) in enumerate(WAYS.items()):
        values, (colour, line, marker) = trained(each, **how), LOOKS[way]
        for layer, ax in enumerate(axes[:2]):
            across, last = np.array(PROBES) + 1.6 * (number - 2.5), values[:, -1, layer]
            ax.vlines(across[-1], last.min(), last.max(), color=colour, linewidth=0.9, alpha=0.7)
            ax.plot(across, values[:, :, layer].mean(0), linestyle=line, marker=marker, color=colour, markersize=3.5)
            ends[layer].append((last.mean(), way))
    for ax, means in zip(axes, ends):
        _label(ax, 112, means)
    for ax, title in zip(axes, ("lower hidden layer", "upper hidden layer")):
        ax.axhline(0, color=COLOURS["control"], linewidth=0.5)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="batches seen", xlim=(-8, 154), ylim=(-0.4, 1.08), xticks=(0, 50, 100))
    axes[1].set_yticklabels([])
    axes[0].set_ylabel("cosine with BPTT")
    names = ["BPTT", *WAYS, "frozen"]
    for place, way in enumerate(names):
        colour, _, marker = LOOKS[way]
        for shift, face, change in ((-0.15, colour, {}), (0.15, "none", dict(standardised=False, probes=()))):
            values = accuracies(each, **change, **(WAYS | CONTROLS)[way])
            axes[2].plot(values, np.full(len(values), place + shift), marker, color=colour, markerfacecolor=face, markersize=4)
    axes[2].axvline(100 / O, color=COLOURS["control"], linewidth=0.5)
    axes[2].annotate("chance", (100 / O + 1, -0.35), fontsize=7, color=COLOURS["control"])
    axes[2].set(yticks=range(len(names)), yticklabels=names, xlim=(0, 100), xlabel="test accuracy (%)")
    axes[2].invert_yaxis()
    axes[2].set_title("filled: standardised, open: plain W", fontsize=8)
    return figure
