"""Solutions of chapter 10."""

import numpy as np


def frames(t, x, y, p, width, T, sensor):
    """Return counts of events [T, 2, H, W]; events t, x, y, p [n], bins of width, sensor (H, W)."""
    out, k = np.zeros((T, 2, *sensor)), t // width
    inside = (k >= 0) & (k < T)
    np.add.at(out, (k[inside], p[inside], y[inside], x[inside]), 1)
    return out


def scores(logits, lengths, last):
    """Return the softmax summed over the last steps of each sample, [B, O]; logits [T, B, O], lengths [B]."""
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    softmax, t = exp / exp.sum(-1, keepdims=True), np.arange(len(logits))[:, None]
    inside = (lengths - last <= t) & (t < lengths)
    return (softmax * inside[..., None]).sum(0)


def difference(a, b):
    """Return the mean of a - b and its standard error; a and b hold a number for each seed."""
    each = np.subtract(a, b)
    return each.mean(), each.std(ddof=1) / len(each) ** 0.5
