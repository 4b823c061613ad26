"""Figures of chapter 10: what a moving camera makes of digits, and a cochlea of one word."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from figures import COLOURS
from stllr_ref.data import digits, speech
from stllr_ref.data.phonemes import WORDS

WORD = "seven"
SPEAKERS = {4: "training", 6: "training", 31: "test"}
TICKS = [125, 250, 500, 1000, 2000, 4000, 8000]  # Hz


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
