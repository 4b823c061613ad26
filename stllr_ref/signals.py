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
from stllr_ref.traces import trace_step
from stllr_ref.weights import as_weight


def _feedback(B):
    """Return the fixed feedback weights B [O, ...] as floats, refused without a class axis and a unit axis."""
    B = checks.array("B", B, np.float32 if getattr(B, "dtype", None) == np.float32 else float)
    if np.iscomplexobj(B):
        raise ValueError(f"B: got {B.dtype}, expected real numbers")
    if B.ndim < 2:
        raise ValueError(f"B: got shape {B.shape}, expected [classes, units ...]")
    return B


def _project(vector, B, out):
    """Return vector [B, O] times B [O, ...] in the shape and dtype of out [B, ...]."""
    if vector.shape[1:] != B.shape[:1] or out.shape[1:] != B.shape[1:]:
        raise ValueError(f"B: got shape {B.shape}, expected {(*vector.shape[1:], *out.shape[1:])} (classes, units)")
    return np.tensordot(vector.astype(out.dtype, copy=False), B.astype(out.dtype, copy=False), 1)


class DFA:
    """Direct feedback alignment: the output error through fixed random weights; S-TLLR section on DFA.

    Parameters
    ----------
    B : ndarray, shape [O, ...]
        A row for each of the O outputs of the network, shaped as the output of the layer that is taught.

    Examples
    --------
    >>> signal = DFA(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -2.0]]))
    >>> signal.delta(err=np.array([[-0.5, 0.5]]), target=None, out=np.zeros((1, 3)))
    array([[-0.5,  0.5, -2. ]])
    """

    def __init__(self, B):
        self.B = _feedback(B)

    def delta(self, err, target, out):
        """Return err B, shape of out [B, ...]."""
        return _project(err, self.B, out)


class sDFA:
    """Sign-concordant DFA: only the sign of the output error goes through B [O, ...], as in `DFA`.

    >>> signal = sDFA(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -2.0]]))
    >>> signal.delta(err=np.array([[-0.5, 0.25]]), target=None, out=np.zeros((1, 3)))
    array([[-1.,  1., -4.]])
    """

    def __init__(self, B):
        self.B = _feedback(B)

    def delta(self, err, target, out):
        """Return sign(err) B, shape of out [B, ...]."""
        return _project(np.sign(err), self.B, out)


class Adaptive:
    """DFA whose B [O, ...] learns: e-prop's adaptive feedback (Bellec et al. 2020), after Kolen and Pollack (1994).

    B, a parameter of the network ("<layer>.B"), gets the gradient that a readout of leak kappa has for its own weights:
    err times the trace of what the layer sends up, averaged over the batch.  Where both also decay alike (the authors'
    optimiser takes 1e-2 of each), what they began with fades, and B becomes the readout's weights.
    """

    learned = True

    def __init__(self, B, kappa):
        self.weight, self.kappa = as_weight(_feedback(B)), checks.number("kappa", kappa, 0, 1)
        self.reset()

    def reset(self):
        """Forget the trace and the gradient."""
        self.trace = None
        self.clear()

    def clear(self):
        """Forget the gradient of B gathered so far."""
        self.dB = None

    def watch(self, out):
        """Count one step's output of the layer below, [B, ...], into the trace."""
        self.trace = trace_step(self.trace, out, self.kappa)

    def delta(self, err, target, out):
        """Return err B, shape of out [B, ...]."""
        return _project(err, self.weight.value, out)

    def learn(self, err, target, out, inside):
        """Add the gradient of B [O, ...], averaged over the batch, for the samples that are inside [B] their window."""
        dB = np.tensordot(err * inside[:, None] / err.dtype.type(len(err)), self.trace, ((0,), (0,)))
        self.dB = dB if self.dB is None else self.dB + dB


class DRTP:
    """Direct random target projection: the one-hot target through B [O, ...], no error at all (Frenkel et al. 2021).

    >>> signal = DRTP(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -2.0]]))
    >>> signal.delta(err=None, target=np.array([1]), out=np.zeros((1, 3)))
    array([[ 0.,  1., -2.]])
    """

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
    unit : bool
        Divide the layer's output by its Euclidean norm before it is classified, as LLS does.

    Notes
    -----
    With a fixed random B: DECOLLE's signal (Kaiser et al. 2020; there on a smooth function of u, smooth L1 loss); with
    `waves`: TESS's and LLS's.
    """

    def __init__(self, B, learned=True, unit=False):
        self.weight, self.learned, self.unit = as_weight(_feedback(B)), learned, unit
        self.clear()

    def clear(self):
        """Forget the gradient of B gathered so far."""
        self.dB = None

    def _norm(self, out):
        """Return by what out [B, ...] is divided, [B, 1 ...]: its norm, or 1 (as for a silent layer)."""
        norm = np.sqrt((out * out).sum(tuple(range(1, out.ndim)), keepdims=True))
        return np.where(self.unit & (norm > 0), norm, out.dtype.type(1))

    def _error(self, target, seen):
        """Return softmax(B seen) - onehot [B, O] of the layer's own classifier."""
        B = self.weight.value
        checks.same("B", B.shape[1:], seen.shape[1:])
        logits = seen.reshape(len(seen), -1) @ B.reshape(len(B), -1).astype(seen.dtype, copy=False).T
        return cross_entropy(logits, target)[1]

    def delta(self, err, target, out):
        """Return the derivative of the layer's own loss by its output, shape of out [B, ...]."""
        norm = self._norm(out)
        seen = out / norm
        d = _project(self._error(target, seen), self.weight.value, out)
        if self.unit:
            d = (d - seen * (d * seen).sum(tuple(range(1, out.ndim)), keepdims=True)) / norm
        return d

    def learn(self, err, target, out, inside):
        """Add the gradient of B [O, ...], summed over the samples that are inside [B] their window."""
        seen = out / self._norm(out)
        dB = np.tensordot(self._error(target, seen) * inside[:, None], seen, ((0,), (0,)))
        self.dB = dB if self.dB is None else self.dB + dB


class Frozen:
    """No signal: what is below never changes; the control that shows what the layers above can do alone."""

    def delta(self, err, target, out):
        """Return None, whatever the shape of out: nothing arrives."""
        return None


class Reward:
    r"""One number for every neuron alike: a reward r [B] in place of an error; delta = -r, as STDP's change is added.

    Parameters
    ----------
    reward : callable or float
        (err [B, O], target [B]) -> r [B], such as `hit`; or one number: 1 is plain STDP, which no teacher guides.
    """

    def __init__(self, reward):
        self.reward = reward if callable(reward) else checks.number("reward", reward)

    def delta(self, err, target, out):
        """Return -r for every unit, shape of out [B, ...]."""
        r = checks.array("reward", self.reward(err, target) if callable(self.reward) else np.full(len(out), self.reward), out.dtype)
        checks.same("reward", r.shape, (len(out),))
        return -r.reshape(-1, *[1] * (out.ndim - 1)).astype(out.dtype) * np.ones_like(out)


def hit(err, target):
    """Return 1 for samples whose target is the most likely class now, -1 for others, [B]; err [B, O] = softmax - onehot.

    >>> hit(np.array([[-0.4, 0.4], [0.3, -0.3], [0.6, -0.6]]), np.array([0, 1, 1]))
    array([ 1.,  1., -1.])
    """
    onehot = np.eye(err.shape[1])[checks.labels(target, len(err), err.shape[1])]
    return np.where((err + onehot).argmax(1) == target, 1.0, -1.0)


def waves(classes, units, square):
    r"""Return the fixed basis of TESS (square) and of LLS (not square) for a local classifier, [classes, units].

    A sine of frequency f_c over the index k of a unit, f_c evenly spaced from 50 to 512 radians; square: its sign, divided
    by the number of units.  Frequencies alias (2 pi), and unit 0 gets no signal: so it is in the authors' code, whose float32
    arguments give other signs here and there.

    >>> (3 * waves(2, 3, square=True)).round().astype(int).tolist()
    [[0, -1, -1], [0, 1, -1]]
    """
    classes, units = checks.whole("classes", classes, 1), checks.whole("units", units, 1)
    basis = np.sin(np.linspace(50, 512, classes)[:, None] * np.arange(units))
    return np.sign(basis) / units if square else basis
