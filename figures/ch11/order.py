"""Gestures, and what a network learns of the order of their frames."""

from dataclasses import replace
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from figures.ch11.events import SIGNED
from stllr_ref import training
from stllr_ref.data import gestures
from stllr_ref.experiments import classify
from stllr_ref.experiments import gestures as recognition

UNSIGNED = dict(cmap="Greys", vmin=0, vmax=1.3)
SHOWN = ("right wave", "right clockwise", "drums", "guitar")  # gestures in space and time
FRAMES = slice(3, 17)  # steps of a circle that are drawn one by one
SEEDS = 3  # networks of each kind
# Fewer epochs than in the experiments where that does no harm, all else as there.
LIGHT = {"gestures": replace(recognition.SETTINGS, epochs=6), "gestures_single": recognition.SINGLE}
INPUTS = {"gestures": "ON and OFF apart", "gestures_single": "ON and OFF merged"}
TURNED = {"clockwise": "counter-clockwise", "counter-clockwise": "clockwise", "forwards": "backwards", "backwards": "forwards"}
PARTNER = np.array([list(gestures.CLASSES).index(" ".join(TURNED.get(word, word) for word in name.split())) for name in gestures.CLASSES])
ROUND = PARTNER != np.arange(len(PARTNER))  # circles and rolls: backwards in time each is another class
ORDERS = {"in order": ("stllr", "o"), "shuffled": ("control", "s"), "backwards": ("wrong", "v")}  # colour, marker


def recording(name, seed):
    """Return the events [T, 2, 16, 16] of one gesture; names with one seed share all that is drawn, noise too."""
    return gestures.film([list(gestures.CLASSES).index(name)], np.random.default_rng(seed))[:, 0]


def _strip(ax, frames, steps, label, colours):
    """Draw frames [n, 16, 16], -1 to 1, side by side, each named by its step."""
    apart = np.pad(frames, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)
    ax.imshow(apart.swapaxes(0, 1).reshape(len(frames[0]), -1)[:, :-1], **colours, interpolation="nearest")
    ax.set_facecolor("#cccccc")
    ax.set_xticks(17 * np.arange(len(steps)) + 7.5, steps)
    ax.tick_params(length=0, labelsize=7, pad=1)
    ax.set(yticks=[])
    ax.set_ylabel(label, rotation=0, ha="right", va="center")
    ax.spines[:].set_visible(False)


def ch11_gestures(rng):
    """Draw four gestures in space and time, then circles frame by frame: both polarities, merged, merged and shuffled."""
    seed = int(rng.integers(2**32))
    figure = plt.figure(figsize=(6.4, 5.6))
    above, below = figure.subfigures(2, 1, height_ratios=(1.35, 1))
    axes = above.subplots(2, len(SHOWN), sharex=True, sharey=True)
    for column, name in zip(axes.T, SHOWN):
        off, on = recording(name, seed).swapaxes(0, 1)
        for ax, along in zip(column, (2, 1)):
            ax.imshow((on - off).sum(along).T, cmap="RdBu_r", vmin=-4, vmax=4, aspect="auto", interpolation="nearest")
        column[0].set_title(name, fontsize=9)
        column[1].set_xlabel("time (steps)")
    axes[0, 0].set_ylabel("row (px)")
    axes[1, 0].set_ylabel("column (px)")
    above.suptitle("events: ON red, OFF blue; summed along the other axis of the sensor", fontsize=9)
    circle, back = (recording(name, seed) for name in ("right clockwise", "right counter-clockwise"))
    steps, order = np.arange(len(circle)), rng.permutation(len(circle))
    rows = {
        "clockwise": (circle[:, 1] - circle[:, 0], steps, SIGNED),
        "counter-\nclockwise": (back[:, 1] - back[:, 0], steps, SIGNED),
        "clockwise,\nmerged": (circle.max(1), steps, UNSIGNED),
        "merged,\nshuffled": (circle.max(1), order, UNSIGNED),
    }
    for ax, (label, (frames, chosen, colours)) in zip(below.subplots(len(rows), 1), rows.items()):
        _strip(ax, frames[chosen[FRAMES]], chosen[FRAMES], label, colours)
    ax.set_xlabel("step of each frame")
    return figure


@lru_cache(maxsize=None)
def recogniser(task, seed):
    """Return the network of S-TLLR on gestures in the light setting of "gestures" or "gestures_single"."""
    settings, sets = LIGHT[task], recognition.sets(task)
    net = classify.build(settings, sets[0][0].shape[2], len(PARTNER), seed)
    net.put(classify.run(settings, seed, sets).params)
    return net


@lru_cache(maxsize=None)
def answers(task, seed):
    """Return what a recogniser takes the test gestures for, order of the frames -> classes [B], and their true classes [B]."""
    x, y = recognition.sets(task)[2]
    shown = {"in order": x, "shuffled": gestures.shuffle_frames(x, np.random.default_rng(seed)), "backwards": x[::-1]}
    net = recogniser(task, seed)
    return {order: training.predict(net, frames, last=LIGHT[task].last) for order, frames in shown.items()}, y


def hits(task, order, which=slice(None)):
    """Return the accuracy (%) of each of SEEDS recognisers, over the classes `which` (bool [11])."""
    found = [(said[order] == y)[np.isin(y, np.arange(len(PARTNER))[which])] for said, y in (answers(task, seed) for seed in range(SEEDS))]
    return 100 * np.mean(found, axis=1)


def ch11_shuffled(rng):
    """Draw the accuracy on test frames in order, shuffled and backwards, of circles and rolls and of the rest; seeds are fixed."""
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.9), sharey=True)
    groups = {"circles, rolls": ROUND, "the other five": ~ROUND}
    for ax, (task, words) in zip(axes, INPUTS.items()):
        for place, which in enumerate(groups.values()):
            for shift, (order, (colour, marker)) in zip((-0.25, 0, 0.25), ORDERS.items()):
                found = hits(task, order, which)
                ax.bar(place + shift, np.median(found), width=0.22, color=COLOURS[colour], alpha=0.35)
                ax.plot(np.full(SEEDS, place + shift), found, marker, color=COLOURS[colour], markersize=4)
                if place == 0 and ax is axes[0]:
                    ax.annotate(order, (shift, 4), rotation=90, ha="center", va="bottom", fontsize=8)
        ax.axhline(50, color=COLOURS["control"], linestyle=":", linewidth=1)
        ax.set(xticks=range(len(groups)), xticklabels=groups, ylim=(0, 103))
        ax.set_title(words, fontsize=9)
    axes[1].annotate("a guess between two", (1.36, 51), ha="right", va="bottom", fontsize=7)
    axes[0].set_ylabel("test accuracy (%)")
    return figure
