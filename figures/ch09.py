"""Figures of chapter 9: the family of rules, by what each remembers and is told, by what it gives up, costs and learns."""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, ch05
from figures.ch06 import causal
from stllr_ref import OSTL, SLTT, EProp, bptt, cosine, costs, cross_entropy, gradcheck, network, rtrl, training, window
from stllr_ref.experiments import alignment, classify
from stllr_ref.experiments.family import FAMILY, SHARE
from stllr_ref.synaptic import Filtered

# The recurrent toy of the library's alignment study with a layer more, other leaks and noisier input.
SETTINGS = replace(alignment.TOY, hidden=(32, 24), gamma=0.6, readout=0.7, epochs=6, lr=1e-2)
T, N, O = 20, 30, 3
NETWORKS, TRAINED, SAMPLES = 10, 5, 200  # networks whose gradients are compared, of these trained; samples for training and for the test
UNTRAINED = ("rtrl", "ostl", "osttp")  # together they would take longer than all others
COLOUR = {"bptt": COLOURS["bptt"], "tbptt": COLOURS["bptt"], "rtrl": COLOURS["bptt"], "stllr": COLOURS["stllr"]}
COLOUR |= dict.fromkeys(("eprop", "ottt", "ottt_published"), COLOURS["eprop"])
COLOUR |= dict.fromkeys(("osttp", "eprop_random", "eprop_adaptive", "etlp"), COLOURS["dfa"])
COLOUR |= dict.fromkeys(("stdp", "rstdp"), COLOURS["stdp"])
GREY = "#666666"

# Rule -> (parent, what it gives up of it, or adds to it), parents first: the order of the rows of the tree.
TREE = {
    "bptt": (None, "exact: the future is known"),
    "tbptt": ("bptt", "errors before the window"),
    "rtrl": ("bptt", "the future (no loss)"),
    "ostl": ("rtrl", "memory of the layers above"),
    "osttp": ("ostl", "path from above, and error"),
    "eprop": ("rtrl", "other neurons' memory, reset"),
    "eprop_random": ("eprop", "path from above"),
    "eprop_adaptive": ("eprop_random", "fixed B: it learns"),
    "ottt": ("eprop", "filter for the readout"),
    "etlp": ("ottt", "path, error, 4 steps of 5"),
    "decolle": ("ottt", "layers above: own loss"),
    "ottt_published": ("ottt", "trace of the lowest layer"),
    "stllr": ("ottt", "leak as decay; adds non-causal"),
    "tess": ("stllr", "layers above: own loss"),
    "stdp": ("stllr", "teacher; spike for $\\Psi$"),
    "rstdp": ("stdp", "adds reward, slow filter"),
    "sltt": ("ottt", "all memory"),
    "sltt_k": ("sltt", "4 steps of 5"),
    "lls": ("sltt", "layers above: own loss"),
}

# What a layer remembers, of other layers and steps less and less; what it is told, less and less.
TIME = {
    "all": "every step",
    "window": "every step of\nthe window",
    "full": "derivatives of\nall potentials",
    "layer": "derivatives of\nthe layer's own",
    "synapse": "a filter for\neach synapse",
    "two": "two traces\n(non-causal too)",
    "one": "trace of\nthe input",
    "none": "nothing",
}
SPACE = {
    "error": "error, through\nall layers",
    "jump": "error, in\none jump",
    "label": "label, in\none jump",
    "local": "its own small\nclassifier",
    "reward": "one reward\nfor all",
    "nobody": "nothing",
}
_SIGNAL = {"bp": "error", "dfa": "jump", "adaptive": "jump", "drtp": "label", "hit": "reward", "one": "nobody"}


def place(name):
    """Return the keys in TIME and in SPACE of a rule of the family, read off its algorithm, its rule for the upper layer and its signal."""
    space = _SIGNAL.get(classify.signal_of(replace(SETTINGS, rule=name)), "local")
    run, rule = FAMILY[name].algorithm(SETTINGS, network.run), FAMILY[name].rule(SETTINGS, False, True)
    if run is bptt.run or run is rtrl.run:
        return "all" if run is bptt.run else "full", space
    if getattr(run, "func", None) is bptt.run:
        return "window", space
    if isinstance(rule, (OSTL, Filtered)):
        return "layer" if isinstance(rule, OSTL) else "synapse", space
    return "two" if len(rule.decays) == 2 else "one" if rule.decays[0] else "none", space


def ch09_grid(rng):
    """Draw each rule at what it remembers and what it is told; nothing is random."""
    figure, ax = plt.subplots(figsize=(7.2, 4.6))
    cells = {}
    for name in FAMILY:
        cells.setdefault(place(name), []).append(name)
    rows, columns = list(TIME), list(SPACE)
    for (time, space), names in cells.items():
        at = columns.index(space), rows.index(time)
        ax.add_patch(plt.Rectangle((at[0] - 0.48, at[1] - 0.45), 0.96, 0.9, facecolor="#F2F2F2", edgecolor="none"))
        for number, name in enumerate(names):
            height = at[1] + 0.3 * (number - (len(names) - 1) / 2)
            ax.annotate(name, (at[0], height), ha="center", va="center", fontsize=7, color=COLOUR.get(name, GREY), weight="bold")
    ax.set(xlim=(-0.5, 5.5), ylim=(7.5, -0.5), xticks=range(6), yticks=range(8))
    ax.set_xticklabels(SPACE.values(), fontsize=7.5)
    ax.set_yticklabels(TIME.values(), fontsize=7.5)
    ax.xaxis.set(ticks_position="top", label_position="top")
    ax.set_xlabel("space: what a layer is told (less to the right)", labelpad=8)
    ax.set_ylabel("time: what is remembered (not: how many numbers)")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return figure


# Rule -> where what it gives up is not there, and the same with one thing more: the options of `error`.
HOME = {
    "RTRL": (dict(recurrent=1.0), dict(recurrent=1.0, depth=2), "a second layer"),
    "OSTL": (dict(recurrent=1.0, kappa=0.0), dict(recurrent=1.0), "a readout that remembers"),
    "e-prop": (dict(recurrent=1.0, through_V=False), dict(recurrent=1.0), "errors through V"),
    "OTTT": (dict(kappa=0.0), {}, "a readout that remembers"),
    "SLTT": (dict(kappa=0.0, steps=1), dict(kappa=0.0), "more steps than one"),
}
MAKE = {
    "RTRL": lambda: causal(ch05.GAMMA),
    "OSTL": lambda: OSTL(recurrent=True),
    "e-prop": lambda: EProp(ch05.GAMMA, ch05.KAPPA),
    "OTTT": lambda: causal(ch05.GAMMA),
    "SLTT": SLTT,
}


def pair(make, run=network.run, attached=False, through_V=True, steps=20, seeds=(1, 0), **case):
    """Return the gradients by a rule, make(), and by BPTT, name -> array, of twelve neurons a layer; seeds are of weights and input."""
    case = {"depth": 1, "kappa": ch05.KAPPA, **case}
    net, (x, target, loss, inside) = (
        ch05.build(np.random.default_rng(seeds[0]), make, n=12, **case),
        ch05.batch(np.random.default_rng(seeds[1]), n=12),
    )
    data = x[-steps:], target, loss, inside[-steps:]
    gradcheck.liveness(net, data[0])
    return run(net, *data)[1], bptt.run(net, *data, attached=attached, through_V=through_V)[1]


def home(name, more=False):
    """Return the gradients by one of HOME and by BPTT, which treats the reset as the rule does, at home or with one thing more."""
    run = rtrl.run if name == "RTRL" else network.run
    return pair(MAKE[name], run, attached=name == "OSTL", **HOME[name][more])


def patterns(seed, samples):
    """Return x [T, samples, N], y [samples]: of its class's pattern a sample keeps half the spikes, a tenth of the rest is noise."""
    rng = np.random.default_rng(seed)
    spikes, y, shape = rng.random((O, T, N)) < 0.25, rng.integers(0, O, samples), (samples, T, N)
    x = (spikes[y] & (rng.random(shape) < 0.5)) | (rng.random(shape) < 0.1)
    return x.swapaxes(0, 1).astype(np.float32), y


def batch(seed, last=SETTINGS.last):
    """Return x, labels, loss and window of a network's first samples."""
    x, y = patterns(seed, 2 * SAMPLES)
    x, y = x[:, : SETTINGS.batch], y[: SETTINGS.batch]
    return x, y, cross_entropy, window(T, [T] * len(y), last=last)


def build(settings, seed):
    """Return the network of one seed; rules share their initial weights."""
    return classify.build(settings, N, O, seed)


def compare(settings, seed, net, attached=False):
    """Return the cosine with BPTT, its resets detached or attached, of the gradient of W of both hidden layers, lower first."""
    data = batch(seed, settings.last)
    local = classify.algorithm(settings)(net, *data, rng=np.random.default_rng([seed, 3]))[1]
    exact = bptt.run(net, *data, attached=attached)[1]
    return [cosine(local[name], exact[name]) for name in ("0.W", "1.W")]


@lru_cache(maxsize=None)
def untrained(settings, seed, attached=False):
    """Return `compare` at the initial weights, after a look at the firing rates."""
    net = build(settings, seed)
    gradcheck.liveness(net, batch(seed)[0])
    return compare(settings, seed, net, attached)


def before(rule, attached=False, **change):
    """Return the cosines of a rule at the initial weights, [NETWORKS, 2]: lower, upper hidden layer; change is of SETTINGS."""
    return np.array([untrained(replace(SETTINGS, rule=rule, **change), seed, attached) for seed in range(NETWORKS)])


class Price(NamedTuple):
    """What one gradient of one sample costs."""

    numbers: float  # kept from step to step; BPTT: of all steps
    macs: float  # of learning: counted in the synapses, and by the formula for traces and signals


@lru_cache(maxsize=None)
def price(rule):
    """Return the `Price` of a rule, measured on a batch and divided by its samples."""
    settings, data = replace(SETTINGS, rule=rule), batch(0)
    net, B = build(settings, 0), len(data[1])
    state = costs.STATE.get(rule, costs.state_bytes)
    cost = costs.measure(classify.algorithm(settings), net, *data, state, np.random.default_rng(0))
    other = costs.formulas(costs.sizes(net, data[0]), T, SETTINGS.last, SHARE)[rule].other
    return Price(cost.state / net.dtype.itemsize / B, cost.learning / B + other)


class Trained(NamedTuple):
    """What training left."""

    accuracy: float  # of SAMPLES fresh samples, in %
    cosines: list  # of both hidden layers with BPTT, now; None for the control


@lru_cache(maxsize=None)
def train(rule, seed, **change):
    """Return one network `Trained` by a rule of the family or by the control "frozen"; done once for each; change is of SETTINGS."""
    s = replace(SETTINGS, rule=rule, **change)
    (x, y), net = patterns(seed, 2 * SAMPLES), build(s, seed)
    rng, run = np.random.default_rng([seed, 1]), classify.algorithm(s)
    training.fit(net, (x[:, :SAMPLES], y[:SAMPLES]), last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr, rng=rng, run=run)
    accuracy = 100 * training.evaluate(net, (x[:, SAMPLES:], y[SAMPLES:]), last=s.last)
    return Trained(accuracy, None if rule == "frozen" else compare(s, seed, net))


def accuracies(rule, **change):
    """Return the accuracy in % of each trained network, [TRAINED]."""
    return np.array([train(rule, seed, **change).accuracy for seed in range(TRAINED)])


def after(rule):
    """Return the cosines of each network after its own training, [TRAINED, 2]."""
    return np.array([train(rule, seed).cosines for seed in range(TRAINED)])


def _depth(name):
    """Return how many ancestors a rule has in the tree."""
    parent = TREE[name][0]
    return 0 if parent is None else 1 + _depth(parent)


def ch09_tree(rng):
    """Draw the family as a tree, what each edge gives up, and beside each rule its cosines, its memory and its MACs; nothing is random."""
    figure, axes = plt.subplots(1, 4, figsize=(7.2, 6.6), width_ratios=[3.3, 1.5, 1.1, 1.1], sharey=True)
    tree, names = axes[0], list(TREE)
    for y, name in enumerate(names):
        parent, lost = TREE[name]
        x, colour = 0.35 * _depth(name), COLOUR.get(name, GREY)
        if parent:
            left = x - 0.27
            tree.plot([left, left, x - 0.05], [names.index(parent) + 0.47, y, y], color="#AAAAAA", linewidth=0.8)
        tree.annotate(name, (x, y - 0.04), va="bottom", fontsize=8, color=colour, weight="bold")
        tree.annotate(lost if parent is None or lost.startswith("adds") else f"− {lost}", (x, y), va="top", fontsize=7, color="#444444")
    tree.set(xlim=(-0.05, 3.6), ylim=(len(names) - 0.4, -0.9))
    tree.set_title("a line down: what is given up", fontsize=8, loc="left")
    prices = [price(name) for name in names]
    for y, name in enumerate(names):
        colour = COLOUR.get(name, GREY)
        for shift, values, marker, face in zip((-0.16, 0.16), before(name).T, "os", (colour, "white")):
            axes[1].plot([values.min(), values.max()], [y + shift] * 2, color=colour, linewidth=0.8)
            axes[1].plot(values.mean(), y + shift, marker, color=colour, markerfacecolor=face, markersize=3.8)
        for ax, value, limit in zip(axes[2:], prices[y], (20_000, 60_000)):
            ax.plot(value, y, "D", color=colour, markersize=3.8)
            right = value > limit
            text = f"{value:,.0f}" if value < 10_000 else f"{value / 1e6:.1f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"
            ax.annotate(
                text,
                (value, y),
                (-5 if right else 5, 0),
                textcoords="offset points",
                ha="right" if right else "left",
                va="center",
                fontsize=7,
            )
    axes[1].axvline(0, color=COLOURS["control"], linewidth=0.6)
    axes[1].set(xlim=(-0.8, 1.08), xticks=(-0.5, 0, 0.5, 1), xlabel="cosine with BPTT")
    axes[1].set_title("● lower layer  □ upper", fontsize=8)
    for ax, title in zip(axes[2:], ("numbers kept", "MACs")):
        ax.set(xscale="log", xlabel="for one sample")
        ax.set_title(title, fontsize=8)
        ax.minorticks_off()
    axes[2].set(xlim=(30, 400_000))
    axes[3].set(xlim=(1_000, 100_000_000))
    for ax in axes:
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        for y in range(1, len(names), 2):
            ax.axhspan(y - 0.5, y + 0.5, color="#F4F4F4", zorder=0)
    tree.spines[:].set_visible(False)
    tree.set_xticks([])
    return figure


MARK = dict(zip(TREE, "so^vD<>Xop*PsD^v<>d"))


def _apart(places, gap):
    """Return places moved up as little as keeps their order and a distance of gap."""
    order, moved, last = np.argsort(places, kind="stable"), np.array(places, float), -np.inf
    for i in order:
        moved[i] = last = max(moved[i], last + gap)
    return moved


def _names(ax, points):
    """Write the names of points, (x, y, highest y, name): the most accurate along the top, the others in a column."""
    high, low = ([point for point in points if (point[1] > 85) == above] for above in (True, False))
    line = dict(arrowstyle="-", linewidth=0.4, shrinkA=0, shrinkB=1)
    tops = _apart([x for x, *_ in high], 0.085)
    for at, (x, _, top, name) in zip(tops - max(0, tops.max() - 1.03), high):
        colour = COLOUR.get(name, GREY)
        ax.annotate(
            name, (x, top), (at, 103), ha="center", va="bottom", rotation=90, fontsize=7, color=colour, arrowprops=line | dict(color=colour)
        )
    low.sort(key=lambda point: -point[1])
    for at, (x, y, _, name) in zip(-_apart([max(-y, -78) for _, y, *_ in low], 4.5), low):
        colour, left = COLOUR.get(name, GREY), x < -0.06  # left of all others: no line needed
        place, side = ((x - 0.04, y), "right") if left else ((0.5, at), "left")
        ax.annotate(name, (x, y), place, ha=side, va="center", fontsize=7, color=colour, arrowprops=line | dict(color=colour))


def ch09_learns(rng):
    """Draw the accuracy after training against the lower layer's cosine before and after; nothing is random."""
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 4.8), sharey=True)
    frozen = accuracies("frozen")
    for ax, cosines, when in zip(axes, (before, after), ("before training", "after its own training")):
        ax.axhspan(frozen.min(), frozen.max(), color="#EEEEEE", zorder=0)
        ax.axhline(frozen.mean(), color=COLOURS["control"], linestyle=":")
        ax.plot([0, 0], [0, 100], color=COLOURS["control"], linewidth=0.6)
        points = []
        for name in (name for name in TREE if name not in UNTRAINED):
            middle, values, colour = np.nanmean(cosines(name)[:, 0]), accuracies(name), COLOUR.get(name, GREY)
            ax.plot([middle] * 2, [values.min(), values.max()], color=colour, linewidth=0.7, alpha=0.7)
            ax.plot(middle, values.mean(), MARK[name], color=colour, markersize=5)
            points.append((middle, values.mean(), values.max(), name))
        _names(ax, points)
        ax.set(xlim=(-0.32, 1.08), ylim=(15, 130), yticks=range(20, 101, 20), xlabel=f"cosine with BPTT, lower layer,\n{when}")
    axes[0].annotate("frozen", (1.03, frozen.mean() + 1), ha="right", va="bottom", color=GREY, fontsize=8)
    axes[0].set_ylabel("accuracy on fresh samples (%)")
    return figure
