r"""Learning signals: what replaces the error that would come from above.

A signal stands in the row of a network, above the layer that it teaches (after its pooling, if any).  On the way down
it throws away what arrives from above and puts in its place `delta(err, target, out)`, one number for each unit that
it sees: err [B, O] is the error at the network's output (softmax - onehot for the cross-entropy), target the labels
[B], out [B, ...] what the layer below sends up.  Without a signal a layer gets the true spatial gradient (BP).

Signals are per sample, not divided by the batch size (as published; BP is).  Exact gradients (BPTT) ignore them.

Feedback alignment (FA) is none of these: it replaces the transpose, not the signal.  Give the layer above a second
synapse of the same shape to send its error down through: `Layer(Dense(W), ..., feedback=Dense(B))`.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.losses import cross_entropy
from stllr_ref.weights import as_weight


def _feedback(B):
    """Return the fixed feedback weights B [O, ...] as floats, refused without a class axis and a unit axis."""
    B = checks.array("B", B, np.float32 if getattr(B, "dtype", None) == np.float32 else float)
    if B.ndim < 2:
        raise ValueError(f"B: got shape {B.shape}, expected [classes, units ...]")
    return B


def _project(vector, B, out):
    """Return vector [B, O] times B [O, ...] in the shape and dtype of out [B, ...]."""
    if vector.shape[1:] != B.shape[:1] or out.shape[1:] != B.shape[1:]:
        raise ValueError(f"B: got shape {B.shape}, expected {(*vector.shape[1:], *out.shape[1:])} (classes, units)")
    return np.tensordot(vector.astype(out.dtype, copy=False), B.astype(out.dtype, copy=False), 1)


class DFA:
    """Direct feedback alignment: the output error through fixed random weights B [O, ...]; S-TLLR section on DFA."""

    def __init__(self, B):
        self.B = _feedback(B)

    def delta(self, err, target, out):
        """Return err B, shape of out [B, ...]."""
        return _project(err, self.B, out)


class sDFA:
    """Sign-concordant DFA: only the sign of the output error goes through B [O, ...]."""

    def __init__(self, B):
        self.B = _feedback(B)

    def delta(self, err, target, out):
        """Return sign(err) B, shape of out [B, ...]."""
        return _project(np.sign(err), self.B, out)


class DRTP:
    """Direct random target projection: the one-hot target through B [O, ...], no error at all (Frenkel et al. 2021)."""

    def __init__(self, B):
        self.B = _feedback(B)

    def delta(self, err, target, out):
        """Return onehot(target) B, shape of out [B, ...]."""
        target = checks.labels(target, len(out), len(self.B))
        return _project(np.eye(len(self.B), dtype=out.dtype)[target], self.B, out)


class Local:
    """Local loss: the cross-entropy of a linear classifier of its own that looks at this layer alone.

    Parameters
    ----------
    B : ndarray, shape [O, ...]
        Weights of the classifier, one row a class, shaped as the layer's output; no bias.
    learned : bool
        Train B by its own error (a parameter of the network, named "<layer>.B"), or keep it fixed.
    """

    def __init__(self, B, learned=True):
        self.weight, self.learned = as_weight(_feedback(B)), learned
        self.clear()

    def clear(self):
        """Forget the gradient of B gathered so far."""
        self.dB = None

    def _error(self, target, out):
        """Return softmax(B out) - onehot [B, O] of the layer's own classifier."""
        B = self.weight.value
        checks.same("B", B.shape[1:], out.shape[1:])
        logits = out.reshape(len(out), -1) @ B.reshape(len(B), -1).astype(out.dtype, copy=False).T
        return cross_entropy(logits, target)[1]

    def delta(self, err, target, out):
        """Return the derivative of the layer's own loss by its output, shape of out [B, ...]."""
        return _project(self._error(target, out), self.weight.value, out)

    def learn(self, target, out, inside):
        """Add the gradient of B [O, ...], summed over the samples that are inside [B] their window."""
        dB = np.tensordot(self._error(target, out) * inside[:, None], out, ((0,), (0,)))
        self.dB = dB if self.dB is None else self.dB + dB


class Frozen:
    """No signal: what is below never changes; the control that shows what the layers above can do alone."""

    def delta(self, err, target, out):
        """Return None: nothing arrives."""
        return None
