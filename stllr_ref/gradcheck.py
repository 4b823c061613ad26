r"""Gradient checks: derivatives that need no backward pass, and ways to compare gradients.

A spike has no useful derivative: the loss of a spiking network is flat almost everywhere, so differences of it say 0
and prove nothing.  Two twins of the network can be differentiated:

- the **smooth twin** emits Phi(u - theta) in place of spikes; its gradient is a true one;
- the **tangent twin** fires hard spikes and carries a derivative beside them as an imaginary part,
  y = spike + i Psi Im(u): its derivative *is* the surrogate gradient of the spiking network.

Hand-written BPTT must equal the complex step on both, to rounding.
"""

import copy
from dataclasses import dataclass
from typing import Optional

import numpy as np

from stllr_ref import checks
from stllr_ref.network import as_input, forward
from stllr_ref.neurons import LIF
from stllr_ref.surrogates import PRIMITIVE


@dataclass(frozen=True)
class Twin:
    """A LIF neuron that lets derivatives through, for complex potentials.

    Parameters
    ----------
    neuron : LIF
        The neuron it stands for.
    smooth : bool
        Emit Phi(u - theta) (smooth twin), or spikes with the derivative as imaginary part (tangent twin).
    attached : bool
        Let the reset see the derivative of y, or only its value.
    memory : float, optional
        Factor of the derivative (imaginary part) that a potential hands to the next step, in place of gamma: 0 cuts
        the path through u[t-1], lam_pre gives what deep S-TLLR computes (soft or no reset, detached).
    """

    neuron: LIF
    smooth: bool
    attached: bool
    memory: Optional[float] = None

    @property
    def theta(self):
        """Threshold of the neuron."""
        return self.neuron.theta

    def fire(self, u):
        """Return y and Psi, shapes of u [B, ...]; the step function looks at the real part alone."""
        v = u - self.neuron.theta
        psi = self.neuron.psi(v.real)
        if self.smooth:
            return PRIMITIVE[self.neuron.psi](v), psi
        y = (v.real > 0).astype(v.real.dtype)
        return (y + 1j * psi * u.imag if np.iscomplexobj(u) else y), psi

    def rest(self, u, y):
        """Return what the next step keeps, shape of u, with the derivative that the twin's paths allow."""
        y = y if self.attached else y.real
        if self.memory is None:
            return self.neuron.rest(u, y)
        return self.neuron.rest(u.real, y.real) + 1j * self.memory * u.imag

    def slope(self, u, y, psi, attached=False):
        """Return d rest / d u, shape of u or a float, as the neuron's: BPTT runs on the smooth twin too."""
        return self.neuron.slope(u, y, psi, attached)


class _NoErrorThrough:
    """A synapse that reads the value of its input, not its derivative; its weight stays live."""

    def __init__(self, synapse):
        self.synapse, self.weight = synapse, synapse.weight

    def forward(self, x):
        """Return the synapse's output for the real part of x [..., N_in]."""
        return self.synapse.forward(x.real)


def twin(net, *, smooth, attached=False, through_V=True, memory=None):
    r"""Return a twin of a network on which derivatives can be taken; parameters are copied.

    Parameters
    ----------
    net : Network
    smooth : bool
        Smooth twin (True) or tangent twin (False).
    attached : bool
        Let resets carry derivatives.
    through_V : bool
        Let derivatives pass the recurrent synapse; if not, V itself still has one.
    memory : sequence of float or None, one a layer, optional
        See `Twin.memory`; None keeps the neuron's leak.  A readout's leak is cut or replaced likewise.

    Returns
    -------
    Network
    """
    net = copy.deepcopy(net)
    memory = [None] * len(net.layers) if memory is None else memory
    if len(memory) != len(net.layers):
        raise ValueError(f"memory: got {len(memory)} numbers, expected {len(net.layers)}, one a layer, the readout included")
    for layer, kept in zip(net.layers, memory):
        if isinstance(layer.neuron, LIF):
            if smooth and (psi := layer.neuron.psi) not in PRIMITIVE:
                name = getattr(psi, "__name__", psi)  # a partial has none
                raise ValueError(f"psi: got {name} without a primitive, expected one in PRIMITIVE, or smooth=False")
            layer.neuron = Twin(layer.neuron, smooth, attached, kept)
        elif kept is not None:
            layer.neuron = _LeakyTwin(layer.neuron, kept)
        if "V" in layer.synapses and not through_V:
            layer.synapses["V"] = _NoErrorThrough(layer.synapses["V"])
    return net


def causal_twin(net, number):
    """Return the tangent twin whose derivative by the parameters of layer `number` is the causal term of S-TLLR there.

    At any depth: errors go down within a step alone, so u[t-1] is cut in the layers above; the layer's own u[t-1] hands
    its derivative on by lam_pre in place of gamma; V and the reset pass none.  (alpha_pre 1 and the exact bias.)
    """
    memory = [0.0] * len(net.layers)
    memory[number] = net.layers[number].rule.lam_pre
    return twin(net, smooth=False, through_V=False, memory=memory)


@dataclass(frozen=True)
class _LeakyTwin:
    """A Leaky neuron whose derivative decays by `memory` in place of gamma."""

    neuron: object
    memory: float

    def fire(self, u):
        """Return u and 1, shapes of u [B, ...]."""
        return self.neuron.fire(u)

    def rest(self, u, y):
        """Return gamma Re u + i memory Im u."""
        return self.neuron.gamma * u.real + 1j * self.memory * u.imag


def total_loss(net, x, target, loss, inside, summed=False):
    """Return the loss that a run differentiates: over the window, averaged over the batch; a number, maybe complex.

    Arguments as of `network.run`.
    """
    logits = forward(net, x)
    on = inside.astype(net.dtype)
    if summed:
        mask = on.reshape(*on.shape, *[1] * (logits.ndim - 2))
        return loss((logits * mask).sum(0), target)[0].mean()
    return sum((loss(z, target)[0] * w).mean() for z, w in zip(logits, on))


def complex_step(net, x, target, loss, inside, *, summed=False, names=None, h=1e-20):
    r"""Return the derivative of a twin's loss by every parameter, one complex run an entry.

    Parameters
    ----------
    net : Network
        A `twin`; a network of hard spikes is refused (ValueError), since every derivative would be that of a constant.
    x, target, loss, inside
        As `network.run`; float64.
    summed : bool
        One loss on the summed output, as `bptt.run`.
    names : iterable of str, optional
        Parameters to differentiate by; all by default.
    h : float
        Size of the step; the error is O(h^2), so it may be far below rounding.  (1e-200 would run into denormals.)

    Returns
    -------
    dict
        Name -> Im loss(p + i h) / h of every entry.

    Notes
    -----
    No difference is taken, so nothing cancels: exact to rounding.
    """
    for i, layer in enumerate(net.layers):
        if isinstance(layer.neuron, LIF):
            raise ValueError(f"layer {i}: got spikes, which let no derivative pass, expected a twin of the network")
    params, out = net.get(), {}
    for name in params if names is None else names:
        value = params[checks.choice("names", name, tuple(params))]
        out[name] = np.empty_like(value)
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1j * h
            net.put({name: moved})
            out[name][index] = total_loss(net, x, target, loss, inside, summed).imag / h
        net.put({name: value})
    return out


def central_differences(net, x, target, loss, inside, *, summed=False, h=1e-5):
    """Return the derivative by every parameter, name -> array, by (loss(p + h) - loss(p - h)) / 2h: the weaker check.

    For the smooth twin with every path open: where one is cut (a detached reset, no error through V, another memory) the
    gradient is the derivative of no function, so differences would answer another question; refused (ValueError).  On
    hard spikes the answer is 0: that is why surrogates are needed, and why differences never prove one.  Use float64.
    Arguments as of `complex_step`; each array has the shape of its parameter.
    """
    for i, layer in enumerate(net.layers):
        neuron, cut = layer.neuron, None
        if isinstance(neuron, Twin) and neuron.neuron.reset != "none" and not neuron.attached:
            cut = "a detached reset, expected an attached one or none"
        elif isinstance(layer.synapses.get("V"), _NoErrorThrough) or getattr(neuron, "memory", None) is not None:
            cut = "a path that is cut (through_V, memory), expected every path open"
        if cut:
            raise ValueError(f"layer {i}: got {cut} (use complex_step)")
    out = {}
    for name, value in net.get().items():
        out[name] = np.empty_like(value)
        for index in np.ndindex(value.shape):
            sides = []
            for step in (h, -h):
                moved = value.copy()
                moved[index] += step
                net.put({name: moved})
                sides.append(total_loss(net, x, target, loss, inside, summed))
            out[name][index] = (sides[0] - sides[1]) / (2 * h)
        net.put({name: value})
    return out


def error(got, expected):
    """Return max|got - expected| / max|expected|, refused unless shapes agree, all is finite and expected is not all 0.

    >>> error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    0.5
    """
    got, expected = np.asarray(got), np.asarray(expected)
    checks.same("got", got.shape, expected.shape)
    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        raise ValueError("error: got NaN or inf, expected finite numbers")
    scale = np.abs(expected).max(initial=0)
    if not scale:
        raise ValueError("error: got an expected array of zeros, expected something to compare with")
    return float(np.abs(got - expected).max() / scale)


def largest_error(got, expected):
    """Return the largest `error` over arrays of the same names (two dicts), refused unless there is one at least."""
    if set(got) != set(expected) or not expected:
        raise ValueError(f"got: got names {', '.join(sorted(got))}, expected {', '.join(sorted(expected))}")
    return max(error(got[name], expected[name]) for name in expected)


def activity(net, x, lengths=None):
    """Return the firing rate of each spiking layer on x [T, B, ...] (list, 0 to 1) and the smallest |u - theta| seen.

    lengths [B] are the real steps of each sample, all of them by default; padding does not count.  On a smooth
    twin the rate is how often u lies above theta, where the network itself would fire.
    """
    x = as_input(net, x)
    net.reset(traces=False)
    spiking = [layer for layer in net.layers if hasattr(layer.neuron, "theta")]
    rates, margin = np.zeros(len(spiking)), np.inf
    lengths = np.full(x.shape[1], len(x)) if lengths is None else np.asarray(lengths)
    for t, x_t in enumerate(x):
        net.step(x_t)
        real = t < lengths
        for i, layer in enumerate(spiking):
            v = layer.now.u[real] - layer.neuron.theta
            rates[i] += (v > 0).sum() / (lengths.sum() * v[0].size) if v.size else 0
            margin = min(margin, np.abs(v).min(initial=np.inf))
    net.reset()
    return rates.tolist(), float(margin)


def liveness(net, x, low=0.02, high=0.98):
    """Return `activity` on x [T, B, ...], refused (ValueError) if a layer is nearly silent or saturated.

    A comparison on a dead network passes whatever the code does, so every comparison calls this first.
    """
    rates, margin = activity(net, x)
    for i, rate in enumerate(rates):
        if not low < rate < high:
            raise ValueError(f"spiking layer {i}: got a firing rate of {rate:.3f}, expected {low} to {high}")
    return rates, margin


def cosine(a, b):
    """Return the cosine between two arrays of one shape; NaN if one of them is all 0.

    >>> round(cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])), 4)
    0.7071
    """
    checks.same("b", np.shape(b), np.shape(a))
    return float(_direction(a) @ _direction(b))


def _direction(a):
    """Return the array as a vector of norm 1 in float64, NaN if it is all 0; scaled first, so that squares neither over- nor underflow."""
    a = np.ravel(a).astype(float)
    with np.errstate(invalid="ignore"):
        a = a / np.abs(a).max(initial=0)
        return a / np.linalg.norm(a)


def alignment(grads, exact):
    """Return name -> dict of cosine, norm ratio |grads| / |exact| and share of entries that agree in sign, per array.

    Names of grads that exact lacks are left out.  What cannot be said of an array of zeros is NaN: where exact is all 0,
    everything.
    """
    if set(exact) - set(grads):
        raise ValueError(f"grads: got names {', '.join(sorted(grads))}, expected {', '.join(sorted(exact))} among them")
    out = {}
    for name, b in exact.items():
        a, scale = grads[name], np.linalg.norm(b)
        checks.same(name, a.shape, b.shape)
        ratio = float(np.linalg.norm(a) / scale) if scale else np.nan
        signs = float(np.mean(np.sign(a) == np.sign(b))) if scale else np.nan
        out[name] = {"cosine": cosine(a, b), "norm_ratio": ratio, "sign_agreement": signs}
    return out
