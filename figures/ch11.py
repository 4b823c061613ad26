"""Figures of chapter 11: gestures and what order tells, the sets of pure timing, motion as events, the flow that a network says."""

from dataclasses import replace
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.colors import hsv_to_rgb

from figures import COLOURS
from stllr_ref import bptt, cosine, engine, training
from stllr_ref.data import folders, gestures, motion, timing
from stllr_ref.experiments import classify, flow, recordings
from stllr_ref.experiments import gestures as recognition
from stllr_ref.losses import window

SAMPLE = 370  # of the test part: one that turns much
SIGNED = dict(cmap="RdBu_r", vmin=-1.3, vmax=1.3)  # ON red, OFF blue
UNSIGNED = dict(cmap="Greys", vmin=0, vmax=1.3)
SHOWN = ("right wave", "right clockwise", "drums", "guitar")  # gestures in space and time
FRAMES = slice(3, 17)  # steps of a circle that are drawn one by one

SEEDS = 3  # networks of each kind
# Fewer epochs than in the experiments where that does no harm, all else as there.
LIGHT = {"gestures": replace(recognition.SETTINGS, epochs=6), "gestures_single": recognition.SINGLE}
FLOW = replace(flow.SETTINGS, epochs=8)
INPUTS = {"gestures": "ON and OFF apart", "gestures_single": "ON and OFF merged"}
TURNED = {"clockwise": "counter-clockwise", "counter-clockwise": "clockwise", "forwards": "backwards", "backwards": "forwards"}
PARTNER = np.array([list(gestures.CLASSES).index(" ".join(TURNED.get(word, word) for word in name.split())) for name in gestures.CLASSES])
ROUND = PARTNER != np.arange(len(PARTNER))  # circles and rolls: backwards in time each is another class
ORDERS = {"in order": ("stllr", "o"), "shuffled": ("control", "s"), "backwards": ("wrong", "v")}  # colour, marker

SCENES = {"texture": COLOURS["stllr"], "two gratings": COLOURS["stdp"], "one grating": COLOURS["wrong"]}
SHIFT = 0.6 + 0.6j  # of the scenes that are drawn, px a step: right and down
STRIPES = 0.12, 8.0  # amplitude of a grating in log light, and its wavelength, px
TRUE, SAID = "#E69F00", COLOURS["bptt"]  # arrows: what moves, what a network says


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


@lru_cache(maxsize=None)
def flow_sets():
    """Return `flow.sets()`, made once."""
    return flow.sets()


@lru_cache(maxsize=None)
def flow_trial(seed, alpha_post=FLOW.alpha_post):
    """Return the `classify.Result` of S-TLLR on optical flow in the light setting."""
    return flow.trial(replace(FLOW, alpha_post=alpha_post), seed, flow_sets())


def rebuilt(result):
    """Return the network of a trial on optical flow as it was in the end."""
    net = flow.build(result.settings, 2, result.seed)
    net.put(result.params)
    return net


def cosines(result, alpha_post, samples=50):
    """Return the cosine with BPTT's gradient of both hidden layers of a trial's network, under the rule with another alpha_post."""
    net = rebuilt(result._replace(settings=replace(result.settings, alpha_post=alpha_post)))
    x, target = flow_sets()[1]
    data = np.ascontiguousarray(x[:, :samples]), target[:samples], flow.masked_mse, window(len(x), [len(x)] * samples, last=FLOW.last)
    local, exact = engine.run(net, *data)[1], bptt.run(net, *data)[1]
    return [cosine(local[name], exact[name]) for name in ("0.W", "1.W")]


def says(net, x):
    """Return the flow [B, 2, H, W] that a network says of events x [T, B, 2, H, W]."""
    return flow.predicted(engine.forward(net, x), window(len(x), [len(x)] * x.shape[1], last=FLOW.last))


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


def stripes(angle, phase, crossed):
    """Return gratings across which angle [B] points, as a texture of `motion.film`; crossed: a second one at a right angle."""
    height, length = STRIPES
    k = 2 * np.pi / length * np.exp(1j * np.asarray(angle))
    waves, phase = np.stack([k, 1j * k], 1), np.exp(1j * np.asarray(phase))  # phase [B, 2]
    return (waves, height * phase) if crossed else (waves[:, :1], height * phase[:, :1])


def scenes():
    """Return name -> events [T, 1, 2, 16, 16] of three scenes that all move by SHIFT."""
    looks = (
        motion.textures(np.array([2 * motion.MOST + 3])),
        stripes([0.0], [[3.0, 0.0]], crossed=True),
        stripes([0.0], [[3.0, 0.0]], crossed=False),
    )
    return {name: motion.film(look, np.ones(1), np.array([SHIFT])) for name, look in zip(SCENES, looks)}


def probes(crossed, rng, number=200):
    """Return events [T, B, 2, 16, 16] of gratings that move anyhow; which way is across the stripes, and the shift, complex [B]."""
    angle, phase = 2 * np.pi * rng.random(number), 2 * np.pi * rng.random((number, 2))
    shift = motion.SPEED * np.sqrt(rng.random(number)) * np.exp(2j * np.pi * rng.random(number))
    return motion.film(stripes(angle, phase, crossed), np.ones(number), shift), np.exp(1j * angle), shift


def sides(net, crossed, rng):
    """Return true and said flow of `probes`, each split in across and along the stripes, [2, 2, n]: means over the pixels that count."""
    x, across, shift = probes(crossed, rng)
    said, seen = says(net, x), motion.mask(x)
    live = seen.any((1, 2))
    mean = (said * seen[:, None]).sum((2, 3))[live] / seen.sum((1, 2))[live, None]
    turned = np.stack([shift[live], mean[:, 0] + 1j * mean[:, 1]]) * across[live].conj()
    return np.stack([turned.real, turned.imag], 1)


def slopes(net, crossed, rng):
    """Return how much of the true flow across and along the stripes a network says: slopes of lines through 0."""
    true, said = sides(net, crossed, rng)
    return (true * said).sum(1) / (true * true).sum(1)


def ch11_aperture(rng):
    """Draw said against true flow across the stripes and along them, for one grating and for two that cross."""
    net = rebuilt(flow_trial(0))
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.3), sharey=True)
    for name, crossed, marker in (("two gratings", True, "."), ("one grating", False, "x")):
        for ax, true, said, way in zip(axes, *sides(net, crossed, rng), ("across the stripes", "along the stripes")):
            ax.plot(true, said, marker, color=SCENES[name], markersize=4, label=name)
            ax.set_title(way, fontsize=9)
    for ax in axes:
        ax.axline((0, 0), slope=1, color=TRUE, linewidth=1)
        ax.set(xlabel="true flow (px a step)", xlim=(-1.25, 1.25), ylim=(-1.8, 1.8))
    axes[0].annotate("truth", (1.22, 1.3), ha="right", color=TRUE, fontsize=8)
    axes[0].set_ylabel("said (px a step)")
    axes[1].legend(loc="upper left", fontsize=8, handletextpad=0.1)
    return figure


def _arrows(ax, at, vectors, colour):
    """Draw arrows of flow [2, n] at the pixels at = (rows, columns), 2 px long for 1 px a step."""
    return ax.quiver(at[1], at[0], *vectors, color=colour, angles="xy", scale_units="xy", scale=0.5, width=0.013)


def _sparse(seen):
    """Return rows and columns of a third of the pixels seen [H, W], for arrows that do not hide each other."""
    return np.nonzero(seen & (np.indices(seen.shape).sum(0) % 3 == 0))


def ch11_flow(rng):
    """Draw what a trained network says of three scenes that move alike, as arrows on the events and as colours; nothing is random."""
    net, true = rebuilt(flow_trial(0)), np.array([SHIFT.real, SHIFT.imag])
    figure, axes = plt.subplots(2, 4, figsize=(6.4, 3.8))
    (words, wheel), rows = axes[:, 3], zip(SCENES, "ovs", (0.5, 0.36, 0.22))
    _wheel(wheel)
    for (above, below), (name, x), (_, marker, height) in zip(axes[:, :3].T, scenes().items(), rows):
        said, seen = says(net, x)[0], motion.mask(x)[0]
        off, on = x[-motion.LAST :, 0].max(0)
        above.imshow(on - off, **SIGNED, alpha=0.5)
        at = _sparse(seen)
        _arrows(above, at, np.outer(true, np.ones(len(at[0]))), TRUE)
        _arrows(above, at, said[:, at[0], at[1]], SAID)
        _frame(above, name)
        below.imshow(np.where(seen[..., None], hues(said), 0.75))
        _frame(below, f"AEE {np.hypot(*(said - true[:, None, None]))[seen].mean():.2f} px a step")
        wheel.plot(*said[:, seen].mean(1), marker, color="white", markeredgecolor="black", markersize=5)
        words.plot(0.08, height, marker, color="white", markeredgecolor="black", markersize=5)
        words.annotate(f"mean, {name}", (0.18, height), va="center", fontsize=8)
    wheel.plot(*true, "*", color="white", markeredgecolor="black", markersize=9)
    words.plot(0.08, 0.64, "*", color="white", markeredgecolor="black", markersize=9)
    words.annotate("truth, all three", (0.18, 0.64), va="center", fontsize=8)
    for height, colour, text in ((0.92, TRUE, "true flow"), (0.78, SAID, "what the network says")):
        words.annotate("", (0.15, height), (-0.02, height), arrowprops=dict(arrowstyle="-|>", color=colour))
        words.annotate(text, (0.18, height), va="center", fontsize=8)
    words.set(xlim=(0, 1), ylim=(0, 1))
    words.set_axis_off()
    return figure


def animate_ch11_flow(rng, path):
    """Write a GIF of the three scenes of `ch11_flow` step by step: events, true arrows, and those that the network says by then."""
    net, figure = rebuilt(flow_trial(0)), plt.figure(figsize=(6.4, 2.5), dpi=100, layout="none")
    axes = figure.subplots(1, len(SCENES), gridspec_kw=dict(left=0.02, right=0.98, top=0.86, bottom=0.03, wspace=0.06))
    films = [(name, x, engine.forward(net, x)[:, 0]) for name, x in scenes().items()]

    def draw(t):
        """Draw step t anew."""
        for ax, (name, x, said) in zip(axes, films):
            ax.clear()
            ax.imshow(x[t, 0, 1] - x[t, 0, 0], **SIGNED, alpha=0.5)
            at = _sparse(x[max(t - motion.LAST + 1, 0) : t + 1, 0].any((0, 1)))
            _arrows(ax, at, np.outer([SHIFT.real, SHIFT.imag], np.ones(len(at[0]))), TRUE)
            _arrows(ax, at, said[t][:, at[0], at[1]], SAID)
            ax.set(xlim=(-0.5, motion.SENSOR - 0.5), ylim=(motion.SENSOR - 0.5, -0.5))
            _frame(ax, f"{name}, step {t}")

    steps = [*range(motion.STEPS), *[motion.STEPS - 1] * 3]  # the last one stays for a while
    FuncAnimation(figure, draw, steps, init_func=lambda: None).save(path, writer=PillowWriter(fps=2))
    plt.close(figure)


def recorded(folder):
    """Return a line for each recorded set of gestures or flow in a folder, after training (gestures) or testing (flow) on it."""
    there, lines = folders.present(folder), []
    if "DVSGesture" in there:
        train, _, (x, y, lengths) = recordings.sets("gestures", folder, "DVSGesture")
        s = LIGHT["gestures"]
        result = classify.run(s, 0, (train, None, (x, y, lengths)))
        net = classify.build(s, x.shape[2], len(result.params[f"{len(s.hidden)}.b"]), 0)
        net.put(result.params)
        mixed = training.evaluate(net, (gestures.shuffle_frames(x, np.random.default_rng(0)), y, lengths), last=s.last)
        lines.append(f"DVSGesture: test {100 * result.test:.1f} % in order, {100 * mixed:.1f} % shuffled, {len(y)} recordings")
    if "MVSEC" in there:
        _, _, (x, target) = recordings.sets("flow", folder, "MVSEC")
        said = np.concatenate([says(rebuilt(flow_trial(0)), x[:, i : i + 8]) for i in range(0, len(target), 8)])
        zero, ours = (flow.mean(flow.errors(len(x) * guess, target)) for guess in (0 * said, said))
        lines.append(f"MVSEC: AEE {zero:.2f} px by zero flow, {ours:.2f} by the network of this chapter as it is, {len(target)} pairs")
    return lines or [f"{folder}: neither DVSGesture nor MVSEC"]
