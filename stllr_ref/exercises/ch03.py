"""Exercises of chapter 3: STDP over all pairs, STDP of a whole layer by traces, and a window in balance."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import late, random_spikes
from stllr_ref.traces import stdp_traces, stdp_window, trace


def train(times, T):
    """Return the spikes [T] of a list of times."""
    x = np.zeros(T)
    x[times] = 1
    return x


def all_pairs(t_pre, t_post, *window):
    """Return the total change of a synapse, by two traces."""
    T = max(*t_pre, *t_post) + 1
    return stdp_traces(train(t_pre, T), train(t_post, T), *window).sum()


def lags(t_pre, t_post):
    """Return t_post - t_pre of every pair, [post, pre]."""
    return t_post[:, None] - t_pre


def nearest(t_pre, t_post, *window):
    """Return the total change where every spike is paired with the last one of the other end alone."""
    gap = lags(t_pre, t_post)
    causal = [row[row >= 0].min() for row in gap if (row >= 0).any()]
    noncausal = [column[column < 0].max() for column in gap.T if (column < 0).any()]
    return stdp_window(np.array(causal + noncausal), *window).sum()


def over(change):
    """Return the slip that makes `change(lag, window)` of the lags of all pairs."""

    def slip(t_pre, t_post, *window):
        return change(lags(t_pre, t_post), window)

    return slip


def layer(x, y, *window):
    """Return the total change [M, N] of a layer, a synapse at a time."""
    return np.array([[stdp_traces(x[:, j], y[:, i], *window).sum() for j in range(x.shape[1])] for i in range(y.shape[1])])


def by_traces(pre, past):
    """Return the layer's change with other traces: pre(tr, x) is read when post fires, past(tr, y) when pre fires."""

    def slip(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
        causal = y.T @ pre(trace(x, lam_pre), x)
        return alpha_pre * causal + alpha_post * past(trace(y, lam_post), y).T @ x

    return slip


def balance(lam_pre, lam_post, alpha_pre):
    """Return the alpha_post that makes the area of the window 0, by adding up its values."""
    many = np.arange(-400, 401)
    causal = stdp_window(many, lam_pre, lam_post, alpha_pre, 0).sum()
    return -causal / stdp_window(many, lam_pre, lam_post, 0, 1).sum()


WINDOW = (0.8, 0.6, 1.1, -0.7)
OTHER = (0.65, 0.9, 0.8, 0.5)

EXERCISES = {
    "3.1": Exercise(
        "all_pairs",
        all_pairs,
        (
            (np.array([2, 3, 8, 12]), np.array([3, 5, 6, 12, 14]), *WINDOW),
            (np.array([1, 4, 9, 10, 15]), np.array([0, 4, 7]), *OTHER),
        ),
        {
            "you took the lag as t_pre - t_post": over(lambda lag, window: stdp_window(-lag, *window).sum()),
            "you counted coincidences on the non-causal side": over(
                lambda lag, window: stdp_window(lag, *window).sum() + (lag == 0).sum() * (window[3] - window[2])
            ),
            "you left the coincidences out": over(lambda lag, window: stdp_window(lag[lag != 0], *window).sum()),
            "you paired each spike with its nearest neighbour alone": nearest,
            "you averaged over the pairs": over(lambda lag, window: stdp_window(lag, *window).mean()),
            "you let the non-causal side grow with the distance": over(
                lambda lag, window: np.where(lag >= 0, window[2] * window[0] ** (1.0 * lag), window[3] * window[1] ** (1.0 * lag)).sum()
            ),
        },
    ),
    "3.2": Exercise(
        "stdp_layer",
        layer,
        tuple(
            (*(random_spikes(np.random.default_rng(seed), T, n, rate=0.4) for seed, n in ((T, N), (T + 1, M))), *window)
            for T, N, M, window in [(15, 4, 3, WINDOW), (22, 2, 5, OTHER)]
        ),
        {
            "you counted the present spike of post as its own past": by_traces(lambda tr, x: tr, lambda tr, y: tr),
            "you read the trace of pre before its present spike was added": by_traces(lambda tr, x: late(tr), lambda tr, y: tr - y),
            "you read the trace of post one step old, without its decay": by_traces(lambda tr, x: tr, lambda tr, y: late(tr)),
            "you took the sending neuron for the receiving one": lambda x, y, *window: layer(y, x, *window).T,
            "you swapped the two decays": lambda x, y, lam_pre, lam_post, *alphas: layer(x, y, lam_post, lam_pre, *alphas),
            "you returned [pre, post], and weights are [post, pre]": lambda x, y, *window: layer(x, y, *window).T,
        },
        "[M, N]",
    ),
    "3.3": Exercise(
        "balance",
        balance,
        ((0.8, 0.6, 1.0), (0.65, 0.9, 1.3)),
        {
            "you balanced the amplitudes, and the sides fade at different speeds": lambda lam_pre, lam_post, alpha_pre: -alpha_pre,
            "you forgot the sign": lambda *given: -balance(*given),
            "you counted lag 0 on both sides": lambda lam_pre, lam_post, alpha_pre: -alpha_pre * (1 - lam_post) / (1 - lam_pre),
            "you counted lag 0 on neither side": lambda lam_pre, lam_post, alpha_pre: balance(lam_pre, lam_post, lam_pre * alpha_pre),
            "you integrated over time, and time goes in steps": lambda lam_pre, lam_post, alpha_pre: (
                -alpha_pre * np.log(lam_post) / np.log(lam_pre)
            ),
        },
    ),
}
