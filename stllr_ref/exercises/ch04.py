"""Exercises of chapter 4: a primitive, the complex step, the surrogate gradient of one layer."""

import numpy as np

from stllr_ref import bptt
from stllr_ref.exercises.checking import Exercise
from stllr_ref.layer import Layer
from stllr_ref.losses import mse
from stllr_ref.network import Network
from stllr_ref.neurons import LIF
from stllr_ref.rules import SLTT
from stllr_ref.surrogates import PRIMITIVE, sigmoid, triangle
from stllr_ref.synapses import Dense

RNG = np.random.default_rng(4)


def _parabola(v):
    """Return the two arms of the triangle's primitive, not cut at its feet."""
    s = np.where(v.real < 0, -1.0, 1.0)
    tail = 0.15 * (1 - v * s) ** 2
    return np.where(s < 0, tail, 0.3 - tail)


PRIMITIVES = {
    "you integrated a triangle of height 1: this one has height 0.3": lambda v: PRIMITIVE[triangle](v) / 0.3,
    "you started to integrate at v = 0: a primitive that is 0 far on the left is asked for": lambda v: PRIMITIVE[triangle](v) - 0.15,
    "you let the parabola go on beyond v = -1 and v = 1, where Psi is 0": _parabola,
    "you used the real part in the polynomial too: the imaginary part of v is gone": lambda v: PRIMITIVE[triangle](v.real) + 0 * v,
    "you took abs of a complex number, which mixes its parts: use v or -v, chosen by v.real": lambda v: PRIMITIVE[triangle](
        np.where(v.real < 0, -1, 1) * np.abs(v)
    ),
    "you mirrored the left half: right of the threshold the primitive still rises": lambda v: PRIMITIVE[triangle](
        np.where(v.real < 0, v, -v)
    ),
}

A, SHIFT = RNG.normal(0, 1, (4, 3)), RNG.normal(0, 0.5, 5)


def _bumps(p):
    """Return the sum of four smooth spikes of p [3]."""
    return PRIMITIVE[sigmoid](A @ p).sum()


def _product(p):
    """Return a product of powers and a sine of p [5]."""
    return (p + SHIFT)[1:] @ p[:-1] * np.sin(p[0])


SLOPES = {
    _bumps: lambda p: A.T @ sigmoid(A @ p),
    _product: lambda p: (
        np.append((p + SHIFT)[1:], 0) * np.sin(p[0])
        + np.append(0, p[:-1]) * np.sin(p[0])
        + np.eye(5)[0] * ((p + SHIFT)[1:] @ p[:-1]) * np.cos(p[0])
    ),
}
STEP = 1e-20


def _steps(f, p, part, back=True):
    """Return part(f at p with an imaginary step in entry k) for each k; back takes the step out again."""
    out, moved = np.empty(len(p)), p.astype(complex)
    for k in range(len(p)):
        moved[k] += 1j * STEP
        out[k] = part(f(moved))
        moved[k] = p[k] if back else moved[k]
    return out


COMPLEX_STEPS = {
    "you took the real part: that is the value of f, not its change": lambda f, p: _steps(f, p, lambda z: z.real / STEP),
    "you left h in: the imaginary part is the derivative times the step": lambda f, p: _steps(f, p, lambda z: z.imag),
    "you subtracted f(p): of a step of 1e-20 no difference of real numbers is left": lambda f, p: _steps(f, p, lambda z: 0.0),
    "you took the absolute value of what f returned, which is that of its real part": lambda f, p: _steps(f, p, lambda z: abs(z) / STEP),
    "you did not take the step back: every entry has those before it in it": lambda f, p: _steps(f, p, lambda z: z.imag / STEP, back=False),
}


def _layer_loss(w, x, wanted, theta, psi):
    """Return the surrogate gradient of one neuron of one step, by the library's BPTT."""
    net = Network([Layer(Dense(w[None]), LIF(gamma=0, theta=theta, psi=psi), SLTT())])
    return bptt.run(net, x[None], wanted[:, None], mse, np.ones((1, len(x)), bool))[1]["0.W"][0]


def _wrong(w, x, wanted, theta, psi, *, error=2.0, output=None, argument=None):
    """Return the same by hand, with one thing done otherwise: output(v) and argument(v) take v = u - theta."""
    v = x @ w - theta
    y = (v > 0).astype(float) if output is None else output(v)
    return error * ((y - wanted) * psi(v if argument is None else argument(v))) @ x / len(x)


SURROGATES = {
    "you left out the 2 of the square": lambda *a: _wrong(*a, error=1.0),
    "you summed over the samples: the loss is their mean": lambda *a: _wrong(*a, error=2.0 * len(a[1])),
    "you put u into Psi: it takes the distance to the threshold": lambda *a: _wrong(*a, argument=lambda v: v + a[3]),
    "you put the spike into Psi: it takes the potential": lambda *a: _wrong(*a, argument=lambda v: (v > 0) - a[3]),
    "you gave Psi the potential after the reset": lambda *a: _wrong(*a, argument=lambda v: v - a[3] * (v > 0)),
    "you used the smooth output for the error: that is the gradient of the twin": lambda *a: _wrong(*a, output=PRIMITIVE[a[4]]),
}

V = RNG.uniform(-1.6, 1.6, 9)
X, X2 = RNG.uniform(0, 1, (7, 3)), RNG.uniform(0, 1, (5, 4))
EXERCISES = {
    "4.1": Exercise(
        "triangle_primitive", PRIMITIVE[triangle], ((V,), (V[:6] + 1j * RNG.uniform(-0.3, 0.3, 6),)), PRIMITIVES, "[K], the shape of v"
    ),
    "4.2": Exercise(
        "gradient",
        lambda f, p: SLOPES[f](p),
        ((_bumps, np.array([0.3, -0.4, 0.7])), (_product, np.array([0.9, -0.2, 0.4, 1.3, -0.6]))),
        COMPLEX_STEPS,
        "[N], the shape of p",
    ),
    "4.3": Exercise(
        "surrogate_gradient",
        _layer_loss,
        (
            (np.array([0.9, 0.2, 1.1]), X, np.array([0.0, 1, 0, 1, 1, 0, 1]), 0.8, triangle),
            (np.array([0.7, -0.3, 1.2, 0.5]), X2, np.array([1.0, 0, 0, 1, 0]), 0.6, sigmoid),
        ),
        SURROGATES,
        "[N]",
    ),
}
