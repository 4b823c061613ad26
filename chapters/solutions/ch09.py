"""Solutions of chapter 9."""

import numpy as np


def eprop(x, psi, delta, gamma, kappa):
    """Return e-prop's gradient [N_out, N_in], summed over steps and samples."""
    tr, ebar, dW = 0.0, 0.0, 0.0
    for x_t, psi_t, delta_t in zip(x, psi, delta):
        tr = gamma * tr + x_t
        ebar = kappa * ebar + psi_t[:, :, None] * tr[:, None, :]
        dW = dW + np.einsum("bi,bij->ij", delta_t, ebar)
    return dW


def ostl(x, psi, delta, gamma, theta):
    """Return OSTL's gradient [N_out, N_in], summed over steps and samples."""
    eps, before, dW = 0.0, np.zeros_like(psi[0]), 0.0
    for x_t, psi_t, delta_t in zip(x, psi, delta):
        eps = (gamma * (1 - theta * before))[:, :, None] * eps + x_t[:, None, :]
        dW = dW + np.einsum("bi,bij->ij", delta_t * psi_t, eps)
        before = psi_t
    return dW


def relatives(lam_pre, lam_post, alpha_pre, alpha_post, post_trace, spikes, gamma):
    """Return three truth values: is this S-TLLR the rule OTTT, SLTT, STDP of the same numbers?"""
    causal = alpha_post == 0 or (post_trace == "paper" and lam_post == 0)
    plain = causal and alpha_pre == 1 and not spikes
    return plain and lam_pre == gamma, plain and lam_pre == 0, spikes and (causal or post_trace == "paper")
