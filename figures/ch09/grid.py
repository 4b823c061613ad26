"""Each rule at what it remembers and what it is told."""

from dataclasses import replace

import matplotlib.pyplot as plt

from figures.ch09.measured import SETTINGS
from figures.ch09.members import COLOUR, GREY
from stllr_ref import OSTL, bptt, network, rtrl
from stllr_ref.experiments import classify
from stllr_ref.experiments.family import FAMILY
from stllr_ref.synaptic import Filtered

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
