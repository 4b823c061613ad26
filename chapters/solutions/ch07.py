"""Solutions of chapter 7."""

import numpy as np

from stllr_ref.traces import trace


def eligibility(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return e of equation (10) at each step, [T, B, N_out, N_in]."""
    tr_x, past, e = np.zeros(x.shape[1:]), np.zeros(psi.shape[1:]), []
    for x_t, psi_t in zip(x, psi):
        tr_x = lam_pre * tr_x + x_t
        causal = alpha_pre * psi_t[:, :, None] * tr_x[:, None, :]
        noncausal = alpha_post * (lam_post * past)[:, :, None] * x_t[:, None, :]
        past = lam_post * past + psi_t  # for the next step
        e.append(causal + noncausal)
    return np.array(e)


def settings(lags, change, post_trace):
    """Return lam_pre, lam_post, alpha_pre and alpha_post behind a measured window."""
    at = dict(zip(lags.tolist(), change))
    lam_pre, lam_post = at[1] / at[0], at[-2] / at[-1]
    return lam_pre, lam_post, at[0], at[-1] / lam_post if post_trace == "paper" else at[-1]


def recurrent_eligibility(y, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return e of the synapses from each neuron of a layer to each, [T, B, N, N]."""
    before = np.concatenate([np.zeros((1, *y.shape[1:])), y[:-1]])  # y[t-1]
    causal = alpha_pre * psi[..., None] * trace(before, lam_pre)[:, :, None]
    return causal + alpha_post * (trace(psi, lam_post) - psi)[..., None] * before[:, :, None]
