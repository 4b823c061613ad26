"""Figures of chapter 11: gestures, the sets of pure timing, motion as events and the flow that they tell of."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import hsv_to_rgb

from figures import COLOURS
from stllr_ref.data import gestures, motion, timing

SAMPLE = 370  # of the test part: one that turns much
SIGNED = dict(cmap="RdBu_r", vmin=-1.3, vmax=1.3)  # ON red, OFF blue
UNSIGNED = dict(cmap="Greys", vmin=0, vmax=1.3)
SHOWN = ("right wave", "right clockwise", "drums", "guitar")  # gestures in space and time
FRAMES = slice(3, 17)  # steps of a circle that are drawn one by one


def hues(flow):
    """Return the colours [H, W, 3] of a flow [2, H, W]: the hue says where to, the strength of the colour how fast, white is 0."""
    right, down = flow
    hue = np.arctan2(down, right) / (2 * np.pi) % 1
    strength = np.clip(np.hypot(right, down) / motion.SPEED, 0, 1)
    return hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], -1))


def ch11_motion(rng):
    """Draw the events of one sample step by step, its flow as arrows, and as colours where pixels count; nothing is random."""
    source = np.array([2 * motion.MOST + SAMPLE])
    texture, (twist, shift) = motion.textures(source), motion.motions(0, source)
    x, flow = motion.film(texture, twist, shift)[:, 0], motion.flow(twist, shift)[0]
    figure = plt.figure(figsize=(6.4, 3.9))
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2.2))
    for t, (ax, (off, on)) in enumerate(zip(above.subplots(1, motion.STEPS), x)):
        ax.imshow(on - off, cmap="RdBu_r", vmin=-1.3, vmax=1.3)
        _frame(ax, f"step {t}")
    above.suptitle("events of one sample: ON red, OFF blue", fontsize=9)
    arrows, colours, wheel = below.subplots(1, 3)
    arrows.imshow(motion.log_light(texture, twist, shift, 0)[0], cmap="gray")
    at = np.arange(1, motion.SENSOR, 2)
    right, down = flow[:, at[:, None], at]
    arrows.quiver(at, at, right, down, color="#E69F00", angles="xy", scale_units="xy", scale=1 / 1.5, width=0.012)
    _frame(arrows, "true flow (x 1.5) on the light")
    seen = motion.mask(x[:, None])[0]
    colours.imshow(np.where(seen[..., None], hues(flow), 0.75))
    _frame(colours, f"where pixels count: {seen.sum()} of {seen.size}")
    _wheel(wheel)
    return figure


def _wheel(ax):
    """Draw the colour of every flow up to the fastest shift."""
    span = np.linspace(-motion.SPEED, motion.SPEED, 121)
    flow = np.stack(np.meshgrid(span, span))
    inside = np.hypot(*flow) <= motion.SPEED
    ax.imshow(np.where(inside[..., None], hues(flow), 1), extent=(-motion.SPEED, motion.SPEED, motion.SPEED, -motion.SPEED))
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="right (px a step)", ylabel="down (px a step)")
    ax.set_title("colour of a flow", fontsize=9)


def _frame(ax, title):
    """Leave the ticks out and show where the sensor ends."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
    ax.spines[:].set_visible(True)


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
