"""Figures of chapter 12: what the rule costs, by formula, in print and as counted; and the silence that it cannot bridge."""

from dataclasses import replace
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, LINES, results
from stllr_ref import (
    LIF,
    OTTT,
    STLLR,
    Dense,
    Layer,
    Leaky,
    Network,
    Standardised,
    bptt,
    costs,
    cross_entropy,
    engine,
    gradcheck,
    kaiming,
    network,
    window,
)
from stllr_ref.experiments import classify, published, studies

SIZES = (64, 64, 64, 10)  # of the network on which costs are counted: inputs, two hidden layers, classes
DELAYS = studies.DELAYS  # silent steps
BASE = replace(studies.STUDIED["delay 8"].settings, alpha_post=0.0)
SEEDS = 3  # of what is trained live
MOVED = {  # what is changed in the settings of the study
    "leak: gamma 0.88": {"gamma": 0.88},
    "learning rate x 4": {"lr": 4 * BASE.lr},
}


def build(alpha_post=-1.0, sizes=SIZES):
    """Return a dense network with S-TLLR in its hidden layers, no biases."""
    rng, rule = np.random.default_rng(1), STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=alpha_post)
    row = [Layer(Dense(Standardised(kaiming(rng, n, below))), LIF(0.7, 0.6, "triangle"), rule) for below, n in zip(sizes, sizes[1:-1])]
    return Network([*row, Layer(Dense(kaiming(rng, sizes[-1], sizes[-2])), Leaky(0.9), OTTT(0.9))])


def batch(T, last, B=1, sizes=SIZES):
    """Return random spikes x [T, B, N], labels [B], the loss and the window."""
    rng = np.random.default_rng(0)
    x = (rng.random((T, B, sizes[0])) < 0.3).astype(float)
    return x, rng.integers(0, sizes[-1], B), cross_entropy, window(T, [T] * B, last=last)


@lru_cache
def counted(T, last, alpha_post):
    """Return how many times more BPTT keeps, and how many times more MACs it does, than S-TLLR on our network: counted."""
    net, data = build(alpha_post), batch(T, last)
    gradcheck.liveness(net, data[0])
    online = costs.measure(network.run, net, *data)
    exact = costs.measure(bptt.run, net, *data, state=costs.stored_bytes)
    return exact.state / online.state, exact.learning / online.learning


def ch12_ratios(rng):
    """Draw the ratios BPTT / S-TLLR of the published table beside the formulas, and as counted on our network; nothing is random."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 4.2), sharey=True)
    rows = published.rows()
    for ax, what, title in zip(axes, ("memory MB", "MACs x1e9"), ("numbers kept", "MACs for learning")):
        for y, r in enumerate(row for row in rows if row.what == what):
            ours = counted(r.T, r.last, r.alpha_post)[what != "memory MB"]
            ax.plot([r.ratio_formula, r.ratio], [y, y], color=COLOURS["control"], linewidth=0.8)
            ax.plot(r.ratio_formula, y, "D", color="black", markerfacecolor="white", markersize=7)
            style = {"marker": "o", "color": COLOURS["stllr"]} if r.follows else {"marker": "X", "color": COLOURS["wrong"], "markersize": 7}
            ax.plot(r.ratio, y, linestyle="none", zorder=3, **({"markersize": 4} | style))
            ax.plot(ours, y, "|", color="black", markersize=9, markeredgewidth=1.6)
        ax.axvline(1, color=COLOURS["control"], linewidth=0.8, linestyle=":")
        ax.set(xscale="log", xlabel=f"BPTT / S-TLLR: {title}")
        ax.minorticks_off()
    ticks = (1, 2, 5, 10, 20, 50), (0.5, 0.7, 1, 1.5, 2, 3)
    for ax, at in zip(axes, ticks):
        ax.set_xticks(at, at)
    names = [f"{r.dataset}, {r.network}\nT {r.T}, last {r.last}" + ", α_post 0" * (r.alpha_post == 0) for r in rows[::2]]
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].set(ylim=(len(names) - 0.5, -0.7), xlim=(0.8, 70))
    axes[1].annotate("← S-TLLR does more", (1, -0.45), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=7.5)
    shown = "open diamond: formula    disc: printed, follows    cross: printed, does not follow    bar: counted on our small network"
    figure.suptitle(shown, fontsize=8)
    return figure


def stored():
    """Return (rule, silent steps, "end" or "every step") -> test accuracy of five seeds in per cent, from results/delay.csv."""
    out = {}
    for row in results.rows("delay"):
        if row["rule"] != "stllr" or float(row["alpha_post"]) == 0:
            where = "end" if row["last"] == str(BASE.last) else "every step"
            out.setdefault((row["rule"], int(row["task"].split()[1]), where), []).append(100 * float(row["test"]))
    return {key: np.array(values) for key, values in out.items()}


def ch12_limit(rng):
    """Draw accuracy against the silence, from the stored study of five seeds; nothing is random."""
    figure, ax = plt.subplots(figsize=(6.4, 3.6))
    found = stored()
    shown = [
        ("bptt", "end", COLOURS["bptt"], LINES["bptt"], "s", -0.09, "BPTT, loss at the end"),
        ("stllr", "every step", COLOURS["stllr"], "-.", "^", 0.0, "S-TLLR, loss at every step"),
        ("stllr", "end", COLOURS["stllr"], LINES["stllr"], "o", 0.0, "S-TLLR, loss at the end"),
        ("frozen", "end", COLOURS["control"], LINES["frozen"], "D", 0.09, "frozen hidden layer"),
    ]
    for rule, where, colour, line, mark, shift, label in shown:
        values = np.array([found[rule, D, where] for D in DELAYS])
        places = np.log2(DELAYS) + shift
        ax.plot(np.repeat(places, values.shape[1]), values.ravel(), linestyle="none", marker=mark, color=colour, markersize=3, alpha=0.45)
        ax.plot(places, values.mean(1), color=colour, linestyle=line, marker=mark, markersize=6, markerfacecolor="white", label=label)
    ax.axhline(50, color=COLOURS["control"], linewidth=0.6)
    ax.annotate("chance", (np.log2(DELAYS[0]), 50), (0, 3), textcoords="offset points", fontsize=8, ha="center")
    ax.set(xlabel="silence between cue and answer (steps)", ylabel="test accuracy (%)", ylim=(42, 104))
    ax.set_xticks(np.log2(DELAYS), DELAYS)
    ax.legend(loc="center left", bbox_to_anchor=(0.02, 0.62), fontsize=8)
    ax.set_title("large: mean of five seeds; small: each seed", fontsize=9)
    return figure


@lru_cache
def sets(D):
    """Return train, validation and test of the delay task with D silent steps."""
    return studies.STUDIED[f"delay {D}"].sets()


def settings(D, **change):
    """Return the study's settings for D silent steps, changed."""
    return replace(BASE, task=f"delay {D}", **change)


def gradients(D, seed, blind=False, **change):
    """Return net, S-TLLR's gradient and Psi [T, B, N] of the hidden layer, untrained, on 200 training samples.

    blind replaces Psi of the eligibility by its mean over the samples: no neuron knows any more which sample it sees.
    """
    (x, y), s = sets(D)[0], settings(D, **change)
    x, y = x[:, :200], y[:200]
    net, inside, psi = classify.build(s, x.shape[2], 2, seed), window(len(x), [len(x)] * 200, last=s.last), []
    low = net.layers[0]
    net.reset()
    for t, x_t in enumerate(x):
        out = net.step(x_t)
        psi.append(low.now.psi)
        if blind:
            low.now = low.now._replace(eligible=np.broadcast_to(psi[-1].mean(0), psi[-1].shape))
        if inside[t].any():
            net.learn(cross_entropy(out, y)[1], y, inside[t])
    return net, net.grads(), np.array(psi)


@lru_cache
def near_bptt(D, seed, rule="stllr", **change):
    """Return cosine with BPTT's gradient of the hidden W, and length as a part of BPTT's; untrained, on 200 training samples."""
    (x, y), s = sets(D)[0], settings(D, rule=rule, **change)
    net = classify.build(s, x.shape[2], 2, seed)
    args = net, x[:, :200], y[:200], cross_entropy, window(len(x), [len(x)] * 200, last=s.last)
    local, exact = (run(*args)[1]["0.W"] for run in (engine.fastest(net), bptt.run))
    return gradcheck.cosine(local, exact), np.linalg.norm(local) / np.linalg.norm(exact)


@lru_cache
def share(D, seed, **change):
    """Return which part of the gradient of the hidden W is gone when Psi is the same for all samples, 0 to about 1."""
    seeing, blinded = (gradients(D, seed, blind, **change)[1]["0.W"] for blind in (False, True))
    return np.linalg.norm(seeing - blinded) / np.linalg.norm(seeing)


@lru_cache
def trained(s, seed):
    """Return test accuracy in per cent of one trial of the settings s."""
    return 100 * classify.run(s, seed, sets(int(s.task.split()[1]))).test


def trials(D, **change):
    """Return the test accuracy of each seed in per cent, trained with the study's settings, changed."""
    return np.array([trained(settings(D, **change), seed) for seed in range(SEEDS)])


def spread(D, gamma):
    """Return how much Psi differs between samples at each step [T]: its standard deviation by its mean, averaged over neurons."""
    psi = gradients(D, 0, gamma=gamma)[2]
    return (psi.std(1) / np.maximum(psi.mean(1), 1e-9)).mean(1)


def ch12_forgets(rng):
    """Draw how a silence makes Psi the same for all samples, and what that takes from the gradient; nothing is random."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    colour, styles = COLOURS["stllr"], {0.7: ("o", "-"), 0.88: ("s", "--")}
    for gamma, (mark, line) in styles.items():
        values = spread(8, gamma)
        left.plot(values, color=colour, marker=mark, linestyle=line, markersize=4)
        left.annotate(f"leak {gamma}", (8, values[8]), (2, 6), textcoords="offset points", color=colour)
        for lam in (0.7, 1.0):
            shares = [np.mean([share(D, seed, gamma=gamma, lam_pre=lam) for seed in range(SEEDS)]) for D in DELAYS]
            filled = colour if lam == 0.7 else "white"
            right.plot(
                np.log2(DELAYS),
                shares,
                color=colour,
                marker=mark,
                linestyle=line,
                markerfacecolor=filled,
                markersize=5 if lam == 0.7 else 8,
                zorder=2 - lam,
            )
        right.annotate(f"leak {gamma}", (3, shares[2]), (7, 5), textcoords="offset points", color=colour)
    left.axvspan(-0.4, 3.5, facecolor="#f2f2f2", zorder=0)
    left.axvspan(9.5, 11.4, facecolor="#e3e3e3", zorder=0)
    left.annotate("cue", (1.5, 1.07), ha="center", fontsize=8)
    left.annotate("loss", (10.45, 1.07), ha="center", fontsize=8)
    left.set(xlabel="time (steps)", ylabel="spread of Ψ between samples", ylim=(0, 1.15), xlim=(-0.4, 11.4))
    left.set_title("Ψ of a silent neuron forgets the sample", fontsize=9)
    right.set(xlabel="silence (steps)", ylabel="part of the gradient\nthat is gone when blind", ylim=(0, 0.8))
    right.annotate("small, filled: lam_pre 0.7\nlarge, open: lam_pre 1", (1, 0.03), fontsize=8)
    right.set_xticks(np.log2(DELAYS), DELAYS)
    right.set_title("The gradient needs it to differ", fontsize=9)
    return figure


def ch12_moves(rng):
    """Draw what moves the limit: test accuracy at silences of 8 and 16 steps, trained with seeds 0, 1, ...; nothing else is random."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.7), sharey=True)
    names = ["as in the study", *MOVED, "frozen hidden layer"]
    for ax, D in zip(axes, (8, 16)):
        plain, frozen = (stored()[rule, D, "end"][:SEEDS] for rule in ("stllr", "frozen"))
        found = [plain, *(trials(D, **change) for change in MOVED.values()), frozen]
        for y, (name, values) in enumerate(zip(names, found)):
            colour, mark = (COLOURS["control"], "D") if "frozen" in name else (COLOURS["stllr"], "o")
            ax.plot(values, [y] * len(values), linestyle="none", marker=mark, color=colour, markerfacecolor="white", markersize=5)
            ax.plot([values.mean()] * 2, [y - 0.3, y + 0.3], color=colour)
        ax.axvline(50, color=COLOURS["control"], linewidth=0.6)
        ax.set(xlabel="test accuracy (%)", xlim=(40, 103), ylim=(len(names) - 0.5, -0.5))
        ax.set_title(f"silence of {D} steps, loss at the end", fontsize=9)
    axes[0].set_yticks(range(len(names)), names)
    return figure
