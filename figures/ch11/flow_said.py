"""The flow that a trained network says: of gratings that hide a part of their motion, and of scenes."""

from dataclasses import replace
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from figures import COLOURS
from figures.ch11.events import SIGNED, TRUE, frame, hues, wheel
from stllr_ref import bptt, cosine, engine
from stllr_ref.data import motion
from stllr_ref.experiments import flow
from stllr_ref.losses import window

FLOW = replace(flow.SETTINGS, epochs=8)  # fewer than in the experiment, all else as there
SCENES = {"texture": COLOURS["stllr"], "two gratings": COLOURS["stdp"], "one grating": COLOURS["wrong"]}
SHIFT = 0.6 + 0.6j  # of the scenes that are drawn, px a step: right and down
STRIPES = 0.12, 8.0  # amplitude of a grating in log light, and its wavelength, px
SAID = COLOURS["bptt"]  # arrows of what a network says


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
    (words, circle), rows = axes[:, 3], zip(SCENES, "ovs", (0.5, 0.36, 0.22))
    wheel(circle)
    for (above, below), (name, x), (_, marker, height) in zip(axes[:, :3].T, scenes().items(), rows):
        said, seen = says(net, x)[0], motion.mask(x)[0]
        off, on = x[-motion.LAST :, 0].max(0)
        above.imshow(on - off, **SIGNED, alpha=0.5)
        at = _sparse(seen)
        _arrows(above, at, np.outer(true, np.ones(len(at[0]))), TRUE)
        _arrows(above, at, said[:, at[0], at[1]], SAID)
        frame(above, name)
        below.imshow(np.where(seen[..., None], hues(said), 0.75))
        frame(below, f"AEE {np.hypot(*(said - true[:, None, None]))[seen].mean():.2f} px a step")
        circle.plot(*said[:, seen].mean(1), marker, color="white", markeredgecolor="black", markersize=5)
        words.plot(0.08, height, marker, color="white", markeredgecolor="black", markersize=5)
        words.annotate(f"mean, {name}", (0.18, height), va="center", fontsize=8)
    circle.plot(*true, "*", color="white", markeredgecolor="black", markersize=9)
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
            frame(ax, f"{name}, step {t}")

    steps = [*range(motion.STEPS), *[motion.STEPS - 1] * 3]  # the last one stays for a while
    FuncAnimation(figure, draw, steps, init_func=lambda: None).save(path, writer=PillowWriter(fps=2))
    plt.close(figure)
