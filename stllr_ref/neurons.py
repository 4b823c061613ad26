r"""Neurons: what a potential emits, what it keeps, and how what it keeps depends on it.

Equations (1) and (2) split in three functions, shared by every algorithm:

- `fire(u) -> y, psi`: the output and its (surrogate) derivative by u, with u *before* the reset;
- `rest(u, y)`: what the next step keeps, so that u[t] = rest(u[t-1], y[t-1]) + input;
- `slope(u, y, psi, attached)`: d rest / d u, the only place that knows the derivative of a reset.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from stllr_ref import checks
from stllr_ref.surrogates import psi_of, spike

RESETS = ("soft", "hard", "none")


@dataclass(frozen=True)
class LIF:
    r"""Leaky integrate-and-fire neuron: a leak, a threshold, a reset that is subtracted first and leaks with the rest.

    Parameters
    ----------
    gamma : float
        Part of the potential kept per step, 0 <= gamma <= 1; exp(-dt/tau) of a membrane time constant.
    theta : float
        Threshold, > 0 (dimensionless, as the potential).
    psi : callable or str
        Psi(u - theta), the derivative that stands for that of the spike: one of `stllr_ref.surrogates`, or yours.
    reset : {"soft", "hard", "none"}
        After a spike theta is taken away (soft), the potential is put to 0 (hard), or nothing happens (none).

    Notes
    -----
    u[t] = gamma (u[t-1] - theta y[t-1]) + W x[t], y[t] = 1 where u[t] > theta, strictly.  S-TLLR eqs. (1), (2); the
    reset is delayed by one step and multiplied by the leak.

    Examples
    --------
    >>> from stllr_ref import triangle
    >>> neuron = LIF(gamma=0.5, theta=1, psi=triangle)
    >>> u = np.array([0.9, 1.35])
    >>> y, psi = neuron.fire(u)
    >>> y, psi.round(3), neuron.rest(u, y)
    (array([0., 1.]), array([0.27 , 0.195]), array([0.45 , 0.175]))
    """

    gamma: float
    theta: float
    psi: Callable
    reset: str = "soft"

    def __post_init__(self):
        psi = psi_of(self.psi)
        if psi is spike:
            raise ValueError("psi: got spike, expected a Psi that errors can pass; spike is for the rule alone")
        object.__setattr__(self, "psi", psi)
        object.__setattr__(self, "gamma", checks.number("gamma", self.gamma, 0, 1))
        object.__setattr__(self, "theta", checks.number("theta", self.theta, checks.ABOVE_0))
        checks.choice("reset", self.reset, RESETS)

    def fire(self, u):
        """Return the spikes y (0 or 1) and psi = Psi(u - theta), shapes and dtype of u [B, ...]; eq. (2)."""
        v = u - self.theta
        return (v > 0).astype(u.dtype), self.psi(v)

    def rest(self, u, y):
        """Return the potential that the next step keeps, shape of u: the decayed, reset part of eq. (1)."""
        if self.reset == "soft":
            return self.gamma * (u - self.theta * y)
        if self.reset == "hard":
            return self.gamma * u * (1 - y)
        return self.gamma * u

    def slope(self, u, y, psi, attached=False):
        """Return d rest / d u, shape of u or a float; attached lets the y of the reset depend on u, by psi."""
        if self.reset == "soft":
            return self.gamma * (1 - self.theta * psi) if attached else self.gamma
        if self.reset == "hard":
            return self.gamma * (1 - y - u * psi) if attached else self.gamma * (1 - y)
        return self.gamma


@dataclass(frozen=True)
class Leaky:
    """Leaky integrator that never fires, the readout: y = u, psi = 1; gamma 0 is a plain linear readout.

    Parameters
    ----------
    gamma : float
        Part of the potential kept per step, 0 <= gamma <= 1 (kappa in e-prop's papers).

    Examples
    --------
    >>> drive(Leaky(gamma=0.5), np.array([1.0, 0.0, 1.0]))[1]
    array([1.  , 0.5 , 1.25])
    """

    gamma: float

    def __post_init__(self):
        object.__setattr__(self, "gamma", checks.number("gamma", self.gamma, 0, 1))

    def fire(self, u):
        """Return u itself as the output, and its derivative 1, shapes of u [B, ...]."""
        return u, np.ones_like(u)

    def rest(self, u, y):
        """Return gamma u, what the next step keeps, shape of u [B, ...]."""
        return self.gamma * u

    def slope(self, u, y, psi, attached=False):
        """Return d rest / d u = gamma, a float for u of any shape."""
        return self.gamma


def drive(neuron, current):
    """Run a neuron on an input current [T, ...], from potential 0.

    Return potential u and output y at every step, both [T, ...]; eqs. (1), (2).

    >>> u, y = drive(LIF(gamma=0.5, theta=1, psi="triangle"), np.full(4, 0.75))
    >>> u
    array([0.75   , 1.125  , 0.8125 , 1.15625])
    >>> y
    array([0., 1., 0., 1.])
    """
    kept, us, ys = np.zeros_like(current[0]), [], []
    for now in current:
        u = kept + now  # 1. add the input
        y, _ = neuron.fire(u)  # 2. decide on a spike
        kept = neuron.rest(u, y)  # 3. reset, then leak
        us.append(u)
        ys.append(y)
    return np.array(us), np.array(ys)
