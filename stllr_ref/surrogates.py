r"""Psi, the secondary activation: how strongly a spike depends on its potential.

The derivative of a step function is 0 almost everywhere, so learning puts a smooth bump Psi in its place.
Psi takes v = u - theta, not divided by theta, with u *before* the reset.  Each Psi stands beside its primitive
Phi (Phi' = Psi, Phi(-inf) = 0): a network that emits Phi in place of spikes is the smooth twin on which
gradients can be checked (`stllr_ref.gradcheck`).

| name         | Psi(v)                               | integral | used by the paper for |
| ------------ | ------------------------------------ | -------- | --------------------- |
| fast_sigmoid | 1 / (100 abs(v) + 1)^2               | 1/50     | SHD                   |
| triangle     | 0.3 max(1 - abs(v), 0)               | 3/10     | DVS Gesture           |
| sigmoid      | 4 s (1 - s), s = logistic(4 v)       | 1        | DVS CIFAR10           |
| arctan       | 1 / (1 + (10 v)^2)                   | pi/10    | MVSEC                 |
| spike        | 1 where v > 0                        | none     | STDP; eligibility only |
"""

import numpy as np

from stllr_ref import checks


def fast_sigmoid(v):
    """Return 1 / (100 abs(v) + 1)^2, shape of v; v = u - theta (dimensionless).

    S-TLLR appendix, Psi of SHD.

    >>> fast_sigmoid(np.array([-0.25, 0.0]))
    array([0.00147929, 1.        ])
    """
    return 1 / (100 * np.abs(v) + 1) ** 2


def triangle(v):
    """Return 0.3 max(1 - abs(v), 0), shape of v; v = u - theta (dimensionless).

    S-TLLR appendix, Psi of DVS Gesture.

    >>> triangle(np.array([-1.0, -0.25, 0.0]))
    array([0.   , 0.225, 0.3  ])
    """
    return 0.3 * np.maximum(1 - np.abs(v), 0)


def sigmoid(v):
    """Return 4 s (1 - s) with s = logistic(4 v), shape of v; v = u - theta (dimensionless).

    S-TLLR appendix, Psi of DVS CIFAR10, with the slope 4 inside that the code has and the print lacks.

    >>> sigmoid(np.array([-1.0, 0.0]))
    array([0.07065082, 1.        ])
    """
    e = np.exp(-4 * np.abs(v))  # Psi is even: the branch that cannot overflow serves both signs
    return 4 * e / (1 + e) ** 2


def arctan(v):
    """Return 1 / (1 + (10 v)^2), shape of v; v = u - theta (dimensionless).

    S-TLLR appendix, Psi of MVSEC.

    >>> arctan(np.array([-0.25, 0.0]))
    array([0.13793103, 1.        ])
    """
    return 1 / (1 + (10 * v) ** 2)


def spike(v):
    """Return 1 where v > 0 and 0 elsewhere, shape and dtype of v: the spike itself as Psi.

    For the eligibility only (pure STDP): it is no derivative, so it has no primitive and no error passes it.

    >>> spike(np.array([-0.5, 0.0, 0.5]))
    array([0., 0., 1.])
    """
    return (v > 0).astype(v.dtype)


# The primitives meet complex numbers in the complex step, so every condition looks at the real part alone, and
# every branch is handed an argument that is safe for it: np.where computes both sides.


def _mirror(v):
    """Return (s, v s) with s = -1 where Re v < 0 and 1 elsewhere: v folded onto the half-line Re >= 0."""
    s = np.where(v.real < 0, -1.0, 1.0).astype(v.real.dtype)
    return s, v * s


def fast_sigmoid_primitive(v):
    """Return the integral of `fast_sigmoid` from -inf to v, shape of v, real or complex; range (0, 0.02)."""
    s, a = _mirror(v)
    tail = 0.01 / (1 + 100 * a)
    return np.where(s < 0, tail, 0.02 - tail)


def triangle_primitive(v):
    """Return the integral of `triangle` from -inf to v, shape of v, real or complex; range [0, 0.3]."""
    s, a = _mirror(v)
    rest = np.where(a.real < 1, 1 - a, 0)  # beyond the foot of the triangle nothing is left to integrate
    tail = 0.15 * rest * rest
    return np.where(s < 0, tail, 0.3 - tail)


def sigmoid_primitive(v):
    """Return the integral of `sigmoid` from -inf to v, shape of v, real or complex; range (0, 1)."""
    s, a = _mirror(v)
    e = np.exp(-4 * a)
    tail = e / (1 + e)
    return np.where(s < 0, tail, 1 / (1 + e))


def arctan_primitive(v):
    """Return the integral of `arctan` from -inf to v, shape of v, real or complex; range (0, pi/10)."""
    return np.arctan(10 * v) / 10 + np.pi / 20


PSI = {f.__name__: f for f in (fast_sigmoid, triangle, sigmoid, arctan, spike)}
PRIMITIVE = {
    fast_sigmoid: fast_sigmoid_primitive,
    triangle: triangle_primitive,
    sigmoid: sigmoid_primitive,
    arctan: arctan_primitive,
}


def psi_of(psi):
    """Return the function of a name in PSI, or psi itself if it is a function of v; refused otherwise.

    >>> psi_of("triangle") is triangle
    True
    """
    if callable(psi):
        return psi
    return PSI[checks.choice("psi", psi, tuple(PSI))]
