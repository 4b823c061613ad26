r"""Weights and the ways to parametrise them: plain, or standardised with a learned gain.

A weight is what a synapse multiplies by: `.value`, shape [N_out, N_in] or [C_out, C_in, k, k].  What is learned are
its `.params`; `.refresh()` computes the value from them, `.pull(dvalue)` carries a gradient of the value back to
them by the chain rule, once a sequence.
"""

import numpy as np

from stllr_ref import checks


class Plain:
    """A weight that is its own parameter: value [N_out, N_in] or [C_out, C_in, k, k]."""

    def __init__(self, W):
        self.params = {"": _floating(W)}
        self.refresh()

    def refresh(self):
        """Compute the value from the parameters (here they are the same array)."""
        self.value = self.params[""]

    def pull(self, dvalue):
        """Return the gradient of each parameter, given that of the value (same shape)."""
        return {"": dvalue.copy()}


class Standardised:
    r"""A weight whose rows have mean 0 and about unit norm, times a learned gain a row.

    Parameters
    ----------
    W : ndarray, shape [N_out, N_in] or [C_out, C_in, k, k]
        Raw weight.  A row is all that feeds one output unit, n = fan-in >= 2 numbers.
    gain : ndarray, shape [N_out] (or anything of that size), optional
        Factor of each row; ones by default.

    Notes
    -----
    value = gain c / sqrt(s2), c = W - mean(W), s2 = n sum(c c)/(n - 1) + 1e-4, as in the authors' code: the variance
    is unbiased.  The paper does not mention it; without it the initial scale of W matters, with it only its direction.

    Examples
    --------
    >>> Standardised(np.array([[1.0, 2.0, 3.0], [20.0, 40.0, 60.0]]), gain=[1, 2]).value.round(4) + 0.0
    array([[-0.5773,  0.    ,  0.5773],
           [-1.1547,  0.    ,  1.1547]])
    """

    EPS = 1e-4

    def __init__(self, W, gain=None):
        W = _floating(W)
        if W.ndim < 2 or not len(W):
            raise ValueError(f"W: got shape {W.shape}, expected [N_out, N_in] or [C_out, C_in, k, k]")
        self.fan_in = W[0].size
        if self.fan_in < 2:
            raise ValueError(f"W: got fan-in {self.fan_in} under standardisation, expected at least 2 (the variance of one number is 0/0)")
        gain = np.ones(len(W), W.dtype) if gain is None else checks.array("gain", gain, W.dtype).reshape(-1).copy()
        checks.same("gain", gain.shape, (len(W),))
        self.params = {"": W, "gain": gain}
        self.refresh()

    def _rows(self, a):
        """Return a as a matrix with one row an output unit, [N_out, fan-in]."""
        return a.reshape(len(a), -1)

    def _centred(self):
        """Return c [N_out, fan-in] and s [N_out, 1] of the raw weight; plain squares: np.var drops imaginary parts."""
        W, n = self._rows(self.params[""]), self.fan_in
        c = W - W.mean(1, keepdims=True)
        return c, np.sqrt(n / (n - 1) * (c * c).sum(1, keepdims=True) + self.EPS)

    def refresh(self):
        """Compute the value from the parameters."""
        self.c, self.s = c, s = self._centred()
        self.value = (self.params["gain"][:, None] * c / s).reshape(self.params[""].shape)

    def pull(self, dvalue):
        """Return the gradients of W and gain, given that of the value (shape of W); mean and variance depend on W too."""
        c, s, n = self.c, self.s, self.fan_in
        dvalue = self._rows(dvalue)
        G = self.params["gain"][:, None] * dvalue
        dW = (G - G.mean(1, keepdims=True)) / s - n / (n - 1) * c * (G * c).sum(1, keepdims=True) / s**3
        return {"": dW.reshape(self.params[""].shape), "gain": (dvalue * c / s).sum(1)}


def as_weight(W):
    """Return W itself if it is a weight, else a Plain weight around the array W."""
    return W if hasattr(W, "pull") else Plain(W)


def kaiming(rng, n_out, *fan_in):
    """Return normal random weights [n_out, *fan_in] with variance 2 / fan-in (float64), from the Generator rng.

    He et al. 2015, "fan_in" form: a matrix for `Dense`, a bank of filters for `Conv2d`.

    >>> rng = np.random.default_rng(0)
    >>> kaiming(rng, 3, 5).shape, kaiming(rng, 8, 2, 3, 3).shape
    ((3, 5), (8, 2, 3, 3))
    """
    return rng.normal(0, np.sqrt(2 / np.prod(fan_in)), (n_out, *fan_in))


def uniform(rng, n_out, *fan_in):
    """Return uniform random weights [n_out, *fan_in] within +-1/sqrt(fan-in) (float64): the authors' start of V."""
    bound = 1 / np.sqrt(np.prod(fan_in))
    return rng.uniform(-bound, bound, (n_out, *fan_in))


def _floating(W):
    """Return a copy of W as float32, float64 or complex128 (anything else becomes float64)."""
    dtype = getattr(W, "dtype", None)
    return checks.array("W", W, dtype if dtype in (np.float32, np.float64) else np.float64).copy()
