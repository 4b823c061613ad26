"""Solutions of chapter 3."""

import numpy as np


def all_pairs(t_pre, t_post, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return the total change of one synapse over all pairs of spikes; t_pre [P] and t_post [Q] are their steps."""
    lag = t_post[:, None] - t_pre
    causal = alpha_pre * lam_pre ** lag[lag >= 0]
    noncausal = alpha_post * lam_post ** -lag[lag < 0]
    return causal.sum() + noncausal.sum()


def stdp_layer(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return the total change of the weights, [M, N] = [post, pre]; x [T, N] are the spikes of pre, y [T, M] those of post."""
    pre, post = np.zeros(x.shape[1]), np.zeros(y.shape[1])
    dW = np.zeros((y.shape[1], x.shape[1]))
    for x_t, y_t in zip(x, y):
        pre = lam_pre * pre + x_t  # counts now
        past = lam_post * post  # does not
        dW += alpha_pre * np.outer(y_t, pre) + alpha_post * np.outer(past, x_t)
        post = past + y_t
    return dW


def balance(lam_pre, lam_post, alpha_pre):
    """Return the alpha_post that makes the area of the STDP window 0."""
    # Two geometric sums: 1 + lam + ... = 1/(1 - lam) from lag 0 on, lam + lam^2 + ... = lam/(1 - lam) below it.
    return -alpha_pre / (1 - lam_pre) * (1 - lam_post) / lam_post
