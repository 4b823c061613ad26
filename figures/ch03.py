"""Figures of chapter 3: the STDP window, drawn by two traces that run with time."""

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS
from stllr_ref.traces import stdp_traces, stdp_window, trace

STDP = dict(lam_pre=0.8, lam_post=0.6, alpha_pre=1, alpha_post=-0.7)
BALANCED = dict(lam_pre=0.8, lam_post=0.8, alpha_pre=1, alpha_post=-1.25)  # both sides have the same area
LAGS = np.arange(-8, 9)
LAG = "lag = t_post - t_pre (steps)"


def pair(lag, T=20):
    """Return pre- and post-synaptic spikes x, y [T], one each, the post-synaptic one `lag` steps after the other."""
    x, y = np.zeros((2, T))
    x[max(0, -lag) + 2] = y[max(0, lag) + 2] = 1
    return x, y


def measure(update, **options):
    """Return the total change [len(LAGS)] that an update rule makes to a synapse for one pair of each lag."""
    return np.array([update(*pair(lag), **STDP, **options).sum() for lag in LAGS])


def slip_sides(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return the update with the two trains taken for each other."""
    return stdp_traces(y, x, lam_pre, lam_post, alpha_pre, alpha_post)


def slip_early(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return the update that reads the pre-synaptic trace before the present spike is counted."""
    before = np.append(0, trace(x, lam_pre)[:-1])
    return alpha_pre * y * before + alpha_post * x * (trace(y, lam_post) - y)


def slip_twice(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return the update that leaves the present post-synaptic spike in its own past."""
    return alpha_pre * y * trace(x, lam_pre) + alpha_post * x * trace(y, lam_post)


SLIPS = {
    "trains swapped": slip_sides,
    "trace read too early": slip_early,
    "present spike\ncounted as past": slip_twice,
}


def closed_form(axes, fill=True):
    """Draw equation (3): filled where causal, hatched where not."""
    for side, hatch in [(LAGS[LAGS >= 0], None), (LAGS[LAGS < 0], "////")]:
        values = stdp_window(side, **STDP)
        axes.plot(side, values, color=COLOURS["stdp"], linewidth=1.5 if fill else 1)
        if fill:
            axes.fill_between(side, values, color=COLOURS["stdp"], alpha=0.25, hatch=hatch, linewidth=0)
    axes.axhline(0, color=COLOURS["control"], linewidth=0.6)


def ch03_window(rng):
    """Draw what the traces give for every lag on the closed form, and three slips beside it."""
    figure, axes = plt.subplot_mosaic("aab;aac;aad", figsize=(6.4, 4.6))
    main, *small = (axes[key] for key in "abcd")
    closed_form(main)
    main.plot(LAGS, measure(stdp_traces), "o", color=COLOURS["post"], markerfacecolor="white", markersize=5)
    main.text(3, 0.75, "causal:\npre before post", color=COLOURS["stdp"])
    main.text(-3.5, -0.42, "non-causal:\npost before pre", color=COLOURS["stdp"], ha="right")
    main.set(ylim=(-0.6, 1.1), xlabel=LAG, ylabel="change of the weight", title="line: eq. (3); circles: two traces, run in time")
    for axis, (name, update) in zip(small, SLIPS.items()):
        closed_form(axis, fill=False)
        axis.plot(LAGS, measure(update), "x", color=COLOURS["wrong"], markersize=4)
        axis.set(ylim=(-0.85, 1.15), xlim=main.get_xlim())
        axis.set_title(name, color=COLOURS["wrong"], fontsize=9)
    small[-1].set_xlabel(LAG)
    return figure


def ch03_one_pair(rng):
    """Draw spikes, both traces and the update of one causal and one non-causal pair."""
    figure, axes = plt.subplots(4, 2, figsize=(6.4, 4.8), sharex=True, sharey="row", height_ratios=[0.7, 1, 1, 1])
    for column, (lag, title) in zip(axes.T, [(3, "pre first: lag +3"), (-3, "post first: lag -3")]):
        x, y = pair(lag, 14)
        times = np.arange(len(x))
        for row, (spikes, end) in enumerate([(x, "pre"), (y, "post")]):
            column[0].plot(times[spikes > 0], [row], "|", color=COLOURS[end], markersize=10, markeredgewidth=2)
        for axis, spikes, lam, end in [(column[1], x, STDP["lam_pre"], "pre"), (column[2], y, STDP["lam_post"], "post")]:
            axis.plot(times, trace(spikes, lam), "o-", color=COLOURS[end], markersize=3, linewidth=1)
        for axis in column:
            axis.axvline(2 + abs(lag), color=COLOURS["control"], linestyle=":", linewidth=1, zorder=0)
        dw = stdp_traces(x, y, **STDP)
        column[3].axhline(0, color=COLOURS["control"], linewidth=0.6)
        column[3].bar(times, dw, color=COLOURS["stdp"], hatch=None if lag > 0 else "////", edgecolor="white")
        column[0].set(title=title, ylim=(1.6, -0.6), xticks=range(0, 14, 2))
        column[3].set_xlabel("time (steps)")
    axes[0, 0].set_yticks([0, 1], ["pre", "post"])
    for axis, name in zip(axes[1:, 0], ["tr(x), pre", "tr(y), post", "dw"]):
        axis.set_ylabel(name)
    return figure


def follow(rng, shift, T=300, p=0.1):
    """Return random spikes x, and y that fires `shift` steps after each (None: independent of it), both [T]."""
    x, other = (rng.random((2, T)) < p).astype(float)
    return x, other if shift is None else np.roll(x, shift)


def ch03_who_leads(rng):
    """Draw the weight's total change while y follows x, leads it, or ignores it: ten pairs of trains each."""
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    cases = [(2, "post 2 steps after pre", "-"), (None, "independent", ":"), (-2, "post 2 steps before pre", "--")]
    for shift, label, style in cases:
        sums = np.array([stdp_traces(*follow(rng, shift), **BALANCED).cumsum() for _ in range(10)])
        axes.plot(sums.T, color=COLOURS["stdp"], linewidth=0.4, alpha=0.6)
        axes.plot(np.median(sums, axis=0), style, color=COLOURS["stdp"], linewidth=2)
        axes.annotate(
            label, (sums.shape[1], np.median(sums[:, -1])), xytext=(5, 0), textcoords="offset points", va="center", annotation_clip=False
        )
    axes.axhline(0, color=COLOURS["control"], linewidth=0.6)
    axes.set(xlabel="time (steps)", ylabel="total change of the weight", title="thin: ten draws each, thick: their median")
    return figure
