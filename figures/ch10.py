"""Figures of chapter 10: what a moving camera makes of digits, and a cochlea of one word; accuracy against memory; signs."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from sklearn.datasets import load_digits

from figures import COLOURS, LINES
from stllr_ref import training
from stllr_ref.data import digits, recorded, speech
from stllr_ref.data.catalogue import SETS
from stllr_ref.data.events import bin_by_width
from stllr_ref.data.phonemes import WORDS
from stllr_ref.experiments import classify, recordings, stored, studies

WORD = "seven"
SPEAKERS = {4: "training", 6: "training", 31: "test"}
TICKS = [125, 250, 500, 1000, 2000, 4000, 8000]  # Hz
EPOCHS = 5  # of the light trainings; RESULTS.md has 15
BIN_US = 16_000  # a step of `digits`: 336 ms, as long as a recording of N-MNIST, in 21
ON, OFF = "#B2182B", "#2166AC"
LOOKS = {  # name in RESULTS.md -> colour, marker, label, where the label stands (points)
    "stllr -1": (COLOURS["stllr"], "o", "stllr -1", (7, 2)),
    "stllr  0": (COLOURS["causal"], "s", "", (0, 0)),  # in one place with ottt
    "stllr +1": (COLOURS["positive"], "^", "stllr +1", (-10, -23)),
    "bptt": (COLOURS["bptt"], "D", "bptt", (-30, 4)),
    "tbptt": (COLOURS["bptt"], "v", "tbptt", (-34, -9)),
    "ottt": (COLOURS["ottt"], "P", "stllr 0, ottt", (-40, 12)),
    "sltt": ("#8A7F00", "X", "sltt", (7, -3)),
}


def recording(number=3):
    """Return t (us), x, y, p of the events [n] of one image, looked at by the moving camera every 1 ms; nothing is random."""
    image = load_digits().images[number : number + 1] / 16
    seen = digits.saccades(image, np.random.default_rng(0), noise=digits.NOISE / 16, steps=336)
    t, _, p, y, x = np.nonzero(seen)
    return 1000 * t, x, y, p


@lru_cache(maxsize=None)
def state_kb(task, name, steps=1):
    """Return the kB that a rule keeps of a batch of 50, as counted: name as in RESULTS.md; steps: so many times those of the task."""
    rule, alpha = (*name.split(), "0")[:2]
    settings = replace(studies.STUDIED[task].settings, rule=rule, alpha_post=float(alpha))
    x, y = studies.sets(task)[0]
    net = classify.build(settings, x.shape[2], 1 + int(y.max()), 0)
    return classify.cost(net, settings, np.concatenate([x[:, :50]] * steps), y[:50])[0].state / 1000


def percent(results):
    """Return the accuracy on test data of trials, one a seed, in %."""
    return np.array([100 * result.test for result in results])


def changed(results, x):
    """Return the accuracy in % of trained networks, one a seed, on the test samples of their task as x [T, B, N] shows them."""
    y, out = studies.sets(results[0].settings.task)[2][1], []
    for result in results:
        settings = result.settings
        net = classify.build(settings, x.shape[2], 1 + int(y.max()), result.seed)
        net.put(result.params)
        out.append(100 * training.evaluate(net, (x, y), last=settings.last))
    return np.array(out)


def shuffled(x, rng):
    """Return x [T, B, N] with the steps of each sample in a random order of its own."""
    order = np.stack([rng.permutation(len(x)) for _ in range(x.shape[1])], 1)
    return np.take_along_axis(x, order[..., None], 0)


def transposed(sets):
    """Return (train, validation, test) of digits with rows and columns exchanged."""
    return tuple((x.reshape(*x.shape[:2], 2, 16, 16).swapaxes(3, 4).reshape(x.shape), y) for x, y in sets)


def on_recordings(folder, rules=("stllr", "bptt", "frozen", "counts")):
    """Train on the recorded sets of a folder that stand for digits and speech; print accuracies of seed 0, draw a test recording."""
    for task in ("digits", "speech"):
        try:
            sets = recordings.sets(task, folder, say=print)
        except ValueError as none:
            print(f"{task}: {str(none).removeprefix('--data: ')}")
            continue
        for rule in rules:
            settings = replace(studies.STUDIED[task].settings, rule=rule, epochs=EPOCHS)
            print(f"{task} {rule:6} {100 * classify.run(settings, 0, sets).test:.1f} % of {len(sets[2][1])} test recordings")
    if (Path(folder) / "NMNIST").is_dir():
        ch10_recording(None, recorded.load(folder, "NMNIST").test.events(0), SETS["NMNIST"].sensor)


def ch10_digits(rng):
    """Draw three training digits: the image, and what the moving camera saw of it in each of three saccades; nothing is random."""
    part, images = digits.load(seed=0).train, load_digits().images
    figure, axes = plt.subplots(3, 4, figsize=(6.4, 4.9))
    for row, digit in zip(axes, (0, 3, 7)):
        i = int(np.flatnonzero(part.y == digit)[0])
        row[0].imshow(images[part.source[i]], cmap="gray")
        row[0].set_ylabel(f"digit {digit}")
        events = part.x[:, i].reshape(3, 7, 2, digits.SENSOR, digits.SENSOR).sum(1)
        for ax, (off, on) in zip(row[1:], events):
            picture = ax.imshow(on - off, cmap="RdBu_r", vmin=-4, vmax=4)
    for ax, title in zip(axes[0], ("image, 8 x 8", "steps 0 to 6: down, right", "7 to 13: up, right", "14 to 20: left")):
        ax.set_title(title, fontsize=8)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    figure.colorbar(picture, ax=axes, shrink=0.6, label="ON less OFF events of a pixel")
    return figure


def ch10_speech(rng):
    """Draw one word by three speakers, as the synthesiser is told to say it and as spikes; of seed 0 of the set, nothing is random."""
    figure, axes = plt.subplots(3, 2, figsize=(6.4, 6.2), sharex=True, sharey=True)
    word, now = list(WORDS).index(WORD), speech.STEP_MS * (np.arange(speech.STEPS) + 0.5)
    for (left, right), (number, part) in zip(axes, SPEAKERS.items()):
        tracks, x = speech.utterance(word, number)
        _formants(left, now, tracks)
        step, channel = np.nonzero(x)
        right.plot(now[step], speech.CHANNELS[channel], "|", color=COLOURS["pre"], markersize=3, markeredgewidth=1)
        who = speech.speaker(number)
        left.set_title(f"speaker {number} ({part}): tract {who.tract:.2f}, {who.pitch:.0f} Hz", fontsize=9, loc="left")
        right.set_title(f"{int(x.sum())} spikes of {x.shape[1]} channels", fontsize=9, loc="left")
        left.set_ylabel("frequency (Hz)")
    axes[0, 0].set(yscale="log", yticks=TICKS, yticklabels=TICKS, ylim=(80, 9500), xlim=(0, speech.STEPS * speech.STEP_MS))
    axes[0, 0].minorticks_off()
    for name, hz in zip(["F1", "F2", "F3"], speech.utterance(word, next(iter(SPEAKERS)))[0].formants[-1]):
        axes[0, 0].text(505, hz, name, va="center")
    axes[0, 0].text(510, 560, "dots: voice\ngrey: noise", va="center")
    for ax in axes[-1]:
        ax.set_xlabel("time (ms)")
    return figure


def _formants(ax, now, tracks):
    """Draw formants, larger dots where the voice is stronger, the band of noise behind them, and the symbol of each sound."""
    for noisy in np.split(np.arange(len(now)), np.flatnonzero(np.diff(tracks.noise > 0.02)) + 1):
        if tracks.noise[noisy[0]] > 0.02:
            band = 2 ** np.outer((-1, 1), tracks.width[noisy])
            ax.fill_between(now[noisy], *(tracks.centre[noisy] * band), color=COLOURS["control"], alpha=0.35, linewidth=0)
    for low, size in ((0.02, 1.5), (0.3, 3), (0.7, 5)):
        ax.plot(now, np.where(tracks.voice[:, None] > low, tracks.formants, np.nan), ".", color=COLOURS["post"], markersize=size)
    for symbol, low, high in zip(WORDS[WORD].split(), tracks.edges, tracks.edges[1:]):
        ax.axvline(low, color=COLOURS["control"], linewidth=0.5)
        ax.text((low + high) / 2, 87, symbol, ha="center", fontsize=8)
    ax.axvline(tracks.edges[-1], color=COLOURS["control"], linewidth=0.5)


def ch10_recording(rng, events=None, sensor=(digits.SENSOR,) * 2):
    """Draw one recording three ways: events in space and time, raster of all inputs, frames; of an image unless events are given."""
    t, x, y, p = recording() if events is None else events
    frames, _ = bin_by_width(t, x, y, p, sensor=sensor, width_us=BIN_US, n_bins=digits.STEPS)
    (height, width), t = sensor, t / 1000
    figure = plt.figure(figsize=(6.4, 6.2), layout="none")
    cloud = figure.add_axes((0.0, 0.43, 0.50, 0.50), projection="3d")
    raster = figure.add_axes((0.62, 0.49, 0.31, 0.44))
    for sign, colour, marker in ((1, ON, "o"), (0, OFF, "x")):
        of = p == sign
        cloud.scatter(t[of], x[of], y[of], s=5, marker=marker, color=colour, linewidths=0.6, depthshade=False)
        raster.plot(t[of], (p * height * width + y * width + x)[of], "|", color=colour, markersize=3, markeredgewidth=0.8)
        raster.text(342, (sign + 0.5) * height * width, "ON" if sign else "OFF", color=colour, va="center")
    ends = dict(xlim=(0, 336), ylim=(0, width - 1), zlim=(height - 1, 0))
    cloud.set(**ends, xticks=[0, 112, 224, 336], yticks=[0, width - 1], zticks=[0, height - 1])
    cloud.set(xlabel="time (ms)", ylabel="column x")
    cloud.set_zlabel("row y", labelpad=-10)
    cloud.view_init(elev=18, azim=-62)
    cloud.set_box_aspect((1.6, 1, 1), zoom=0.85)
    raster.set(xlabel="time (ms)", ylabel="input (polarity, row, column)", xlim=(0, 336), ylim=(0, 2 * height * width))
    figure.text(0.03, 0.96, "a cloud in space and time: ON dots, OFF crosses")
    figure.text(0.62, 0.96, "a raster: a line for each input")
    figure.text(0.03, 0.345, "frames: events counted in bins of 16 ms, every third of 21 (black: two or more)")
    for place, k in enumerate(range(0, digits.STEPS, 3)):
        for sign, low in ((1, 0.17), (0, 0.02)):
            ax = figure.add_axes((0.055 + 0.135 * place, low, 0.125, 0.13), xticks=[], yticks=[])
            ax.imshow(frames[k, sign], cmap="Greys", vmin=0, vmax=2)
            ax.spines[:].set_visible(True)
            if sign:
                ax.set_title(f"step {k}", fontsize=8, pad=3)
            if not place:
                ax.set_ylabel("ON" if sign else "OFF", color=ON if sign else OFF)
    return figure


def ch10_memory(rng, live=()):
    """Draw accuracy against memory: RESULTS.md, five seeds, and `live`, results of (task, rule) trained here; nothing is random."""
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.9), sharey=True)
    for ax, task in zip(axes, ("digits", "speech")):
        for row in stored.table(f"Near BPTT: {task}"):
            name, (mean, std) = row["rule"], stored.mean_std(row["test %"])
            rule = name.split()[0]
            if rule in ("frozen", "counts"):
                ax.axhline(mean, color="#666666", linestyle=LINES[rule], linewidth=1)
                ax.axhspan(mean - std, mean + std, color=COLOURS["control"], alpha=0.2, linewidth=0)
                ax.text(2600, mean + 0.4, rule, color="#666666", fontsize=8, ha="right")
                continue
            kb, (colour, marker, label, place) = state_kb(task, name), LOOKS.get(name, ("#666666", ".", name, (6, 6)))
            ax.errorbar(kb, mean, std, fmt=marker, color=colour, markersize=5, capsize=2)
            ax.annotate(label, (kb, mean), place, textcoords="offset points", color=colour, fontsize=8)
        for (of, rule), results in dict(live).items():
            if of == task and rule not in ("frozen", "counts"):
                kb = results[0].cost.state / 1000
                ax.plot([kb] * len(results), percent(results), "_", color=COLOURS[rule], markersize=9)
        ax.set(xscale="log", xlim=(35, 2800), ylim=(60, 98), title=task, xlabel="kept of a batch of 50 (kB)")
        ax.set_xticks([50, 100, 200, 500, 1000, 2000], [50, 100, 200, 500, 1000, 2000])
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("accuracy on test data (%)")
    return figure


def ch10_signs(rng):
    """Draw accuracy against alpha_post in long and short windows of digits, with a long and a short trace in speech, of RESULTS.md."""
    signs = (-1, 0, 1)
    lines = {
        "digits": {
            "window of 15 steps": stored.table("Near BPTT: digits")[:3],
            "window of 5 steps": stored.table("The sign of alpha_post: short windows"),
        },
        "speech": {
            f"lam_pre {lam}": [row for row in stored.table("The sign of alpha_post: speech") if row["lam_pre"] == lam]
            for lam in ("0.95", "0.5")
        },
    }
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharey=True)
    for ax, (task, by) in zip(axes, lines.items()):
        for (name, rows), line, marker in zip(by.items(), ("-", "--"), "os"):
            means, stds = np.array([stored.mean_std(row["test %"]) for row in rows]).T
            ax.errorbar(signs, means, stds, color=COLOURS["stllr"], linestyle=line, marker=marker, markersize=4, capsize=3)
            ax.annotate(name, (signs[-1], means[-1]), (-6, 7 if line == "-" else -16), textcoords="offset points", ha="right", fontsize=8)
        ax.set(title=task, xlabel="alpha_post", xticks=signs)
    axes[0].set_ylabel("accuracy on test data (%)")
    return figure
