"""Solutions of chapter 10."""

import numpy as np


def frames(t, x, y, p, width, T, sensor):
    out, k = np.zeros((T, 2, *sensor)), t // width
    inside = (k >= 0) & (k < T)
    np.add.at(out, (k[inside], p[inside], y[inside], x[inside]), 1)
    return out


def scores(logits, lengths, last):
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    softmax, t = exp / exp.sum(-1, keepdims=True), np.arange(len(logits))[:, None]
    inside = (lengths - last <= t) & (t < lengths)
    return (softmax * inside[..., None]).sum(0)


def difference(a, b):
    each = np.subtract(a, b)
    return each.mean(), each.std(ddof=1) / len(each) ** 0.5
