"""What several exercises are made of: random spikes, a sequence one step late, products of post and pre and their sum."""

import numpy as np


def random_spikes(rng, *shape, rate=0.5):
    """Return spikes of a shape, 1 in a part `rate` of all places."""
    return (rng.random(shape) < rate).astype(float)


def late(a):
    """Return a sequence [T, ...] one step later, zeros first."""
    return np.concatenate([np.zeros_like(a[:1]), a[:-1]])


def outer(post, pre):
    """Return post [T, B, N_out] times pre [T, B, N_in], [T, B, N_out, N_in]."""
    return post[:, :, :, None] * pre[:, :, None, :]


def summed(delta, e):
    """Return the sum over steps and samples of delta_i e_ij, [N_out, N_in]; delta [T, B, N_out], e [T, B, N_out, N_in]."""
    return np.einsum("tbi,tbij->ij", delta, e)
