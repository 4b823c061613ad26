r"""Losses and the learning window: what the output should be, and at which steps it counts.

A loss is a function (output, target) -> (loss [B], err [B, ...]) with err = d loss / d output of each sample,
**undivided**: the network divides by B once for the spatial signal, and never for DFA (as published).
Both pass complex numbers through for the complex step.
"""

import numpy as np

from stllr_ref import checks


def cross_entropy(logits, target):
    r"""Return the cross-entropy of softmax(logits) with the true class, and its derivative.

    Parameters
    ----------
    logits : ndarray, shape [B, O]
        Output of the readout at one step (dimensionless).
    target : ndarray of int, shape [B]
        Class of each sample, 0 to O-1.

    Returns
    -------
    loss : ndarray, shape [B]
        -log softmax(logits)[target], in nats.
    err : ndarray, shape [B, O]
        softmax(logits) - onehot(target): d loss / d logits of each sample, not divided by B.

    Raises
    ------
    ValueError
        If a label is not a whole number from 0 to O-1, or target is not of shape [B].

    Examples
    --------
    >>> loss, err = cross_entropy(np.array([[2.0, 0.0]]), np.array([0]))
    >>> loss.round(6), err.round(6)
    (array([0.126928]), array([[-0.119203,  0.119203]]))
    """
    if np.ndim(logits) != 2:
        raise ValueError(f"logits: got shape {np.shape(logits)}, expected [B, O]")
    target = checks.labels(target, len(logits), logits.shape[1])
    rows = np.arange(len(target))
    shifted = logits - logits.real.max(1, keepdims=True)  # a real constant: the shift must not move the imaginary part
    exp = np.exp(shifted)
    total = exp.sum(1, keepdims=True)
    err = exp / total
    err[rows, target] -= 1
    return np.log(total[:, 0]) - shifted[rows, target], err


def mse(output, target):
    r"""Return the mean squared error of each sample, and its derivative.

    Parameters
    ----------
    output, target : ndarray, shape [B, ...]
        Same shape: any number of outputs a sample.

    Returns
    -------
    loss : ndarray, shape [B]
        Mean over a sample's outputs of (output - target)^2.
    err : ndarray, shape [B, ...]
        2 (output - target) / number of outputs, not divided by B.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> mse(np.array([[1.0, 3.0]]), np.array([[0.0, 1.0]]))
    (array([2.5]), array([[1., 2.]]))
    """
    output, target = np.asarray(output), np.asarray(target)
    checks.same("target", target.shape, output.shape)
    diff = output - target.astype(output.real.dtype, copy=False)
    per_sample = diff.reshape(len(diff), -1)
    return (per_sample * per_sample).mean(1), 2 * diff / per_sample.shape[1]


BY_SAMPLE = (cross_entropy, mse)  # losses that look at each sample by itself


def window(T, lengths, *, last=None, start=None):
    r"""Return at which steps each sample learns.

    Parameters
    ----------
    T : int
        Steps of the batch, padding included.
    lengths : sequence of int, shape [B]
        Real steps of each sample, 1 to T.
    last : int, optional
        Learn in the last `last` *real* steps of each sample; more than a sample has means all of them.
    start : int, optional
        Learn from this step (0 is the first) to the sample's end.  Give either last or start.

    Returns
    -------
    ndarray of bool, shape [T, B]
        True where a sample learns.

    Raises
    ------
    ValueError
        If not exactly one of last and start is given, or a length is not from 1 to T.

    Notes
    -----
    S-TLLR eq. (12), "t >= T_l".  The paper uses T_l for the first step and, in its appendix, for the number of steps:
    two names here.  Everything outside is multiplied by 0, so padding is exact.

    Examples
    --------
    >>> window(4, [4, 3], last=2).astype(int)
    array([[0, 0],
           [0, 1],
           [1, 1],
           [1, 0]])
    """
    checks.whole("T", T, 1)
    lengths = checks.rectangular("lengths", lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not lengths.size:
        raise ValueError(f"lengths: got {lengths.dtype} of shape {lengths.shape}, expected whole numbers, one a sample")
    if lengths.min() < 1 or lengths.max() > T:
        raise ValueError(f"lengths: got {lengths.min()} to {lengths.max()}, expected 1 to T = {T}")
    lengths = lengths.astype(np.int64)  # unsigned lengths minus last would wrap
    if (last is None) == (start is None):
        raise ValueError(f"window: got last = {last} and start = {start}, expected exactly one of the two")
    first = lengths - checks.whole("last", last, 0) if start is None else checks.whole("start", start, 0)
    t = np.arange(T)[:, None]
    return (first <= t) & (t < lengths)


def softmax(logits):
    """Return the softmax over the last axis, shape of logits; shifted by the largest, so that nothing overflows.

    >>> softmax(np.array([[0.0, np.log(3)], [1e6, 0.0]])).round(6)
    array([[0.25, 0.75],
           [1.  , 0.  ]])
    """
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    return exp / exp.sum(-1, keepdims=True)
