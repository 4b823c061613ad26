"""Figures of chapter 7: the window of STDP, redrawn by S-TLLR pair by pair, and what its non-causal half does to a gradient."""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, LINES, ch03, ch06, results
from figures.one_neuron import causal
from stllr_ref import LIF, STLLR, Dense, Layer, bptt, cosine, cross_entropy, engine, gradcheck, network, training, triangle, window
from stllr_ref.experiments import classify, digits
from stllr_ref.traces import stdp_window

BUMP = 0.27  # Psi of the neuron of `change` at the step of the pair, whether it comes to 0.9 (no spike) or to 1.1 (a spike)
ALPHAS = np.array([-2, -1.5, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.5, 2])

# The main job in small: its network with 48 for 128 neurons a layer, 500 digits, four epochs.
SETTINGS = replace(digits.SETTINGS, hidden=(48, 48), epochs=4, batch=25)
SAMPLES, TRAINED, PROBE = 500, 5, 50  # digits to train on, networks, digits whose gradients are compared
CASES = {
    "last 5 of 21 steps": dict(last=5),
    "last 15": {},
    "last 5, longer trace": dict(last=5, lam_pre=0.88),
    "last 15, short trace": dict(lam_pre=0.3, lam_post=0.5),
}


def change(rule, lag, delta, top=0.9):
    """Return the change of one weight by one pair and a constant delta; lag = step at which the neuron nears threshold - step of x.

    The input under study has weight 0; another brings the potential to `top`, for one step since the leak is 0.
    """
    layer = Layer(Dense([[0.0, top]]), LIF(gamma=0, theta=1, psi=triangle), rule)
    for x, near in zip(*ch03.pair(lag)):
        layer.step(np.array([[x, near]]))
        layer.learn(np.array([[delta]]))
    return -layer.grads()["W"][0, 0]  # downhill, learning rate 1


def trail(rule, lag, top=0.9, T=12):
    """Return x, u, psi, past and e of the pair of `change` over time, [5, T]."""
    layer, rows = Layer(Dense([[0.0, top]]), LIF(gamma=0, theta=1, psi=triangle), rule), []
    for x, near in zip(*ch03.pair(lag, T)):
        layer.step(np.array([[x, near]]))
        now, before = layer.now, layer.grads()["W"][0, 0]
        layer.learn(np.array([[1.0]]))
        rows.append([x, now.u[0, 0], now.psi[0, 0], now.past[0, 0], layer.grads()["W"][0, 0] - before])
    return np.array(rows).T


def stllr(alpha_post, **options):
    """Return S-TLLR with the decays of chapter 3's window, its post trace as printed unless the options say otherwise."""
    return STLLR(**{**ch03.STDP, "alpha_post": alpha_post, "post_trace": "paper", **options})


def measured(rule, delta):
    """Return `change` at each of chapter 3's lags, [17]."""
    return np.array([change(rule, lag, delta) for lag in ch03.LAGS])


def slopes(seeds, alpha_post, lam_pre=ch06.GAMMA, depth=1):
    """Return the cosine with BPTT of the lowest W of chapter 6's networks, [seeds], with a non-causal half of decay 0.2."""
    rule = replace(causal(lam_pre), lam_post=0.2, alpha_post=alpha_post)
    return ch06.closeness(ch06.many(seeds, depth=depth, rule=rule))[0]


@lru_cache(maxsize=None)
def sets():
    """Return the digits to train on and to look at afterwards, each (x [T, B, 512], y [B]): training and validation data."""
    return digits.sets()[:2]


def build(settings, seed):
    """Return the network of one seed, the same weights whatever the rule."""
    return classify.build(settings, sets()[0][0].shape[2], 10, seed)


def batch(settings):
    """Return what a run is given besides the network: the first PROBE digits."""
    x, y = sets()[0]
    return x[:, :PROBE], y[:PROBE], cross_entropy, window(len(x), [len(x)] * PROBE, last=settings.last)


@lru_cache(maxsize=None)
def exact(seed, last):
    """Return BPTT's gradients of an untrained network, after a look at its firing rates."""
    settings = replace(SETTINGS, last=last)
    net = build(settings, seed)
    gradcheck.liveness(net, batch(settings)[0])
    return bptt.run(net, *batch(settings))[1]


@lru_cache(maxsize=None)
def parts(seed, **change):
    """Return the causal and the non-causal part (alpha_post 1) of the gradient of an untrained lowest W; change is of SETTINGS."""
    whole, causal = (
        network.run(build(s, seed), *batch(s))[1]["0.W"] for s in (replace(SETTINGS, alpha_post=a, **change) for a in (1.0, 0.0))
    )
    return causal, whole - causal


def untrained(seed, alpha_post, **change):
    """Return the cosine with BPTT of an untrained network's lowest W.

    The error that comes down does not depend on alpha_post, so the gradient is the causal part plus alpha_post times the other.
    """
    causal, other = parts(seed, **change)
    return cosine(causal + alpha_post * other, exact(seed, change.get("last", SETTINGS.last))["0.W"])


class Trained(NamedTuple):
    """What training left."""

    accuracy: float  # of the validation digits, in %
    rate: float  # how often a hidden neuron fires at a step, in %


@lru_cache(maxsize=None)
def train(seed, **change):
    """Return one network `Trained` on SAMPLES digits; done once for each set of changes of SETTINGS."""
    s = replace(SETTINGS, **change)
    (x, y), unseen = sets()
    net, at = build(s, seed), np.random.default_rng(seed).permutation(len(y))[:SAMPLES]
    rng, run = np.random.default_rng([seed, 1]), classify.algorithm(s, engine.run)
    training.fit(net, (x[:, at], y[at]), last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr, rng=rng, run=run)
    rates = gradcheck.activity(net, unseen[0])[0]
    return Trained(100 * training.evaluate(net, unseen, last=s.last), 100 * np.mean(rates))


def trained(**change):
    """Return accuracy and rate of the trained networks, [2, TRAINED]."""
    return np.array([train(seed, **change) for seed in range(TRAINED)]).T


def published(table, task):
    """Return (lam_pre, alpha_post) -> test accuracies of S-TLLR in %, a list with one a seed, of a task in results/<table>.csv."""
    found = {}
    for row in results.rows(table):
        if row["task"] == task and row["rule"] == "stllr":
            found.setdefault((float(row["lam_pre"]), float(row["alpha_post"])), []).append(100 * float(row["test"]))
    return found


def _dots(ax, side, values, marker="o", **look):
    """Draw what was measured on one side of a window."""
    look = dict(linestyle="", color=COLOURS["stllr"], markerfacecolor="white", markersize=3.5) | look
    ax.plot(ch03.LAGS[side], values[side], marker=marker, **look)


def ch07_window(rng):
    """Draw the change that one pair makes, against its lag: both signs of delta and of alpha_post, both traces; nothing is random."""
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 3.5), sharey=True)
    causal, noncausal = ch03.LAGS >= 0, ch03.LAGS < 0
    halves = [(0.7, noncausal, "positive", "s", None), (-0.7, noncausal, "negative", "o", "////"), (-0.7, causal, "negative", "o", None)]
    for ax, delta in zip(axes, (-1, 1)):
        for alpha, side, look, marker, hatch in halves:
            form = -delta * BUMP * stdp_window(ch03.LAGS, **{**ch03.STDP, "alpha_post": alpha})
            if alpha < 0:
                ax.fill_between(ch03.LAGS[side], form[side], color=COLOURS[look], alpha=0.25, hatch=hatch, linewidth=0)
            ax.plot(ch03.LAGS[side], form[side], color=COLOURS[look], linestyle=LINES[look])
            _dots(ax, side, measured(stllr(alpha), delta), marker)
        for alpha, place in ((0.7, -0.12), (-0.7, 0.13)):
            ax.annotate(f"alpha_post\n{alpha:+}", (-8, delta * place), color=COLOURS["stllr"], fontsize=8, va="center")
        ax.annotate("causal", (4, -delta * 0.17), color=COLOURS["stllr"], fontsize=8, va="center")
    paper, code = (measured(stllr(-0.7, post_trace=trace), -1) for trace in ("paper", "code"))
    _dots(axes[2], noncausal, code, "^", linestyle=":", color="#555555", markerfacecolor="#555555")
    for side in (noncausal, causal):
        _dots(axes[2], side, paper)
    axes[2].annotate("○ paper", (-8, 0.13), color=COLOURS["stllr"], fontsize=8, va="center")
    axes[2].annotate("▲ code", (-8, 0.09), color="#555555", fontsize=8, va="center")
    for ax, title in zip(axes, ("delta -1: fire more", "delta +1: fire less", "alpha_post -0.7, two traces")):
        ax.set_title(title, fontsize=9)
        ax.axhline(0, color=COLOURS["control"], linewidth=0.6)
        ax.axvline(0, color=COLOURS["control"], linewidth=0.6, linestyle=":")
        ax.set(ylim=(-0.31, 0.31), xticks=(-8, -4, 0, 4, 8))
    axes[0].set_ylabel("change of the weight (learning rate 1)")
    axes[1].set_xlabel("lag = t_post - t_pre (steps); post: the neuron nears its threshold")
    return figure


def ch07_near_miss(rng):
    """Draw one pair of either order over time: input, potential, Psi, past, eligibility; nothing is random."""
    figure, axes = plt.subplots(5, 2, figsize=(6.4, 5.2), sharex=True, sharey="row", height_ratios=[0.5, 1, 1, 1, 1])
    for column, lag in zip(axes.T, (2, -2)):
        x, u, psi, past, e = trail(stllr(-0.7), lag)
        times = np.arange(len(x))
        column[0].eventplot(times[x > 0], linelengths=0.7, linewidths=3, colors=COLOURS["pre"], lineoffsets=0)
        column[0].set(ylim=(-0.6, 0.6), yticks=[])
        column[0].set_title(f"lag {lag:+}: " + ("the input came first" if lag > 0 else "the input came late"), fontsize=9)
        column[1].plot(times, u, "o-", color=COLOURS["post"], markersize=3)
        column[1].axhline(1, color=COLOURS["control"], linestyle=":")
        column[1].set(ylim=(-0.1, 1.3))
        column[2].bar(times, psi, color=COLOURS["post"])
        column[3].plot(times, past, "o-", color=COLOURS["post"], markersize=3)
        column[4].bar(times, e, color=COLOURS["stllr"], hatch=None if lag > 0 else "////", edgecolor="white")
        column[4].axhline(0, color=COLOURS["control"], linewidth=0.6)
        column[4].set(xlabel="time (steps)", xticks=range(0, 12, 2))
        for ax in column:
            ax.axvline(4, color=COLOURS["control"], linestyle=":", linewidth=0.8, zorder=0)
    axes[1, 0].annotate("threshold", (11.4, 1.03), ha="right", va="bottom", fontsize=8, color="#666666")
    for ax, name in zip(axes[:, 0], ("input x", "potential u", "Ψ", "past", "eligibility")):
        ax.set_ylabel(name)
    figure.align_ylabels()
    return figure


def ch07_cosine(rng):
    """Draw the cosine with BPTT against alpha_post: where the causal half is exact, and where it is not."""
    seeds = rng.integers(2**32, size=ch06.NETWORKS)
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
    lines = np.array([slopes(seeds, alpha) for alpha in ALPHAS])
    axes[0].plot(ALPHAS, lines, color=COLOURS["stllr"], linewidth=0.4, alpha=0.5)
    axes[0].plot(ALPHAS, np.median(lines, 1), color=COLOURS["stllr"], linewidth=2)
    axes[0].set_title(f"causal half exact (chapter 6),\n{len(seeds)} networks and their median", fontsize=9)
    notes = {"last 15": ("-", "last 15"), "last 5, longer trace": (":", "last 5,\nlam_pre 0.88"), "last 5 of 21 steps": ("--", "last 5")}
    for case, (line, note) in notes.items():
        values = np.array([[untrained(seed, alpha, **CASES[case]) for seed in range(TRAINED)] for alpha in ALPHAS])
        axes[1].plot(ALPHAS, values, color=COLOURS["stllr"], linewidth=0.4, alpha=0.5)
        axes[1].plot(ALPHAS, np.median(values, 1), color=COLOURS["stllr"], linestyle=line, linewidth=2)
        axes[1].annotate(note, (2.1, np.median(values[-1])), va="center", fontsize=8, annotation_clip=False)
    axes[1].set_title(f"digits, lower of two layers,\n{TRAINED} networks and their median", fontsize=9)
    for ax in axes:
        ax.axvline(0, color=COLOURS["control"], linewidth=0.6)
        ax.axhline(1, color=COLOURS["bptt"], linewidth=0.6)
        ax.set(xlabel="alpha_post (post trace of the code)", ylim=(0, 1.05), xticks=(-2, -1, 0, 1, 2))
    axes[0].set_ylabel("cosine with BPTT")
    return figure


def ch07_training(rng):
    """Draw accuracy and firing rate of trained networks against alpha_post, a panel a case; nothing is random."""
    figure, axes = plt.subplots(2, 4, figsize=(6.4, 4.2), sharex=True, sharey="row", height_ratios=[1.6, 1])
    signs, dashed = (-1.0, 0.0, 1.0), dict(color=COLOURS["bptt"], linestyle=LINES["bptt"], linewidth=1)
    for column, change in zip(axes.T, CASES.values()):
        values = np.array([trained(alpha_post=sign, **change) for sign in signs])  # [sign, what, network]
        for ax, each in zip(column, values.transpose(1, 0, 2)):
            ax.plot(signs, each, color=COLOURS["stllr"], linewidth=0.4, alpha=0.6)
            ax.plot(signs, each.mean(1), "o-", color=COLOURS["stllr"], markersize=4)
        s = replace(SETTINGS, **change)
        column[0].set_title(f"last {s.last} steps\nlam_pre {s.lam_pre:g}\nlam_post {s.lam_post:g}", fontsize=8)
        for ax, value in zip(column, trained(rule="bptt", last=s.last).mean(1)):
            ax.axhline(value, **dashed)
        column[0].axhline(10, color=COLOURS["control"], linestyle=":", linewidth=0.8)
    axes[0, 0].annotate("BPTT", (1, 81), ha="right", va="bottom", fontsize=8)
    axes[0, 0].annotate("chance", (1, 9), ha="right", va="top", fontsize=8, color="#666666")
    axes[0, 0].set(ylabel="accuracy on fresh digits (%)", ylim=(0, 100), xticks=signs)
    axes[1, 0].set(ylabel="firing rate (%)", ylim=(0, None))
    figure.supxlabel("alpha_post (post trace of the code)", fontsize=9)
    return figure
