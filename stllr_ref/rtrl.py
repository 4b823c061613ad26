r"""Real-time recurrent learning: the exact gradient carried forward, no future needed, at the price of memory.

Where BPTT walks back, RTRL keeps, for every single weight p, the derivative du/dp of every potential, and moves it
along with the network through the same equations:

    du[t] = slope[t-1] du[t-1] + W dx[t] (+ V dy[t-1]) + (what p itself multiplies now),      dy[t] = psi[t] du[t].

A weight's tangents ride on a leading axis, [P, B, ...], through the same verbs as spikes.  With P of n^2 weights and n
potentials that is n^3 numbers a sample: exact, online, and far too much; S-TLLR keeps n of them.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.layer import Layer, pull
from stllr_ref.maps import MaxPool
from stllr_ref.network import check_run, output_error
from stllr_ref.synapses import Conv2d


def run(net, x, target, loss, inside, *, rng=None, attached=False, through_V=True):
    r"""Run a batch of sequences and return the exact surrogate gradient, computed forward in time.

    Parameters
    ----------
    net, x, target, loss, inside, rng
        As `network.run`.  Signals and feedback synapses are ignored.
    attached, through_V : bool
        As `bptt.run`.

    Returns
    -------
    logits : ndarray, shape [T, B, ...]
    grads : dict
        Name -> gradient of the loss averaged over the batch, names as `Network.get`: what `bptt.run` returns.

    Raises
    ------
    ValueError
        As `network.run`; at max pooling; where the tangents (`state_numbers`) would take more than `checks.LARGEST` bytes.

    Notes
    -----
    Row "RTRL" of the paper's Table 1.  A step needs a few times the memory of the tangents that it carries.
    """
    if any(isinstance(item, MaxPool) for item in net.row):
        raise ValueError("row: got MaxPool, expected maps that are linear (AvgPool), which tangents can pass")
    x, inside = check_run(net, x, target, inside)
    net.reset(rng, traces=False)
    tangents = {name: _Tangent(net, name, attached, through_V) for name in _reached(net)}
    logits, sums = [], {}
    for x_t, on in zip(x, inside):
        logits.append(net.step(x_t))
        checks.room("rtrl", (state_numbers(net),), net.dtype)
        moved = {name: tangent.step() for name, tangent in tangents.items()}
        if not on.any():
            continue
        mask = on.reshape(-1, *[1] * (logits[-1].ndim - 1))
        err = output_error(loss, logits[-1], target) * mask / len(on)
        for name, dout in moved.items():
            dvalue = (dout * err).reshape(len(dout), -1).sum(1)
            sums[name] = sums.get(name, 0) + dvalue.reshape(net.weights()[name].value.shape)
    return np.array(logits), pull(net.weights(), sums)


def state_numbers(net):
    """Return how many numbers RTRL carries from step to step, after a first step: P B for every neuron that a weight of P entries reaches.

    A recurrent layer carries them twice, for its potentials and for its spikes.
    """
    if any(layer.now is None for layer in net.layers):
        raise ValueError("net: got no step since the last reset, expected step(x) first")
    carried = [layer.now.u.size * (2 if "V" in layer.synapses else 1) for layer in net.layers]
    return sum(weight.value.size * sum(carried[int(name.split(".")[0]) :]) for name, weight in _reached(net).items())


def _reached(net):
    """Return name -> weight of everything that the error reaches: all but the classifiers of local signals."""
    return {name: weight for name, weight in net.weights().items() if not name.endswith(".B")}


class _Tangent:
    """The derivative of everything by each of the P entries of one weight's value."""

    def __init__(self, net, name, attached, through_V):
        number, self.name = name.split(".")
        self.net, self.number, self.attached, self.through_V = net, int(number), attached, through_V
        self.kept, self.dys = {}, {}  # layer number -> slope du, and dy of a recurrent layer, of the step before, [P, B, ...]

    def step(self):
        """Follow the step that the network has just made; return d output, [P, B, ...]."""
        d, number, dys = None, -1, {}
        for item, trail in zip(self.net.row, self.net.trail):
            if isinstance(item, Layer):
                number += 1
                d = self._layer(number, item, trail, d, dys) if number >= self.number else None
                dys[number] = d
            elif d is not None and not hasattr(item, "delta"):
                d = item.forward(d)[0]
        self.dys = {n: dy for n, dy in dys.items() if "V" in self.net.layers[n].synapses and dy is not None}
        return d

    def _layer(self, number, layer, now, d, below):
        """Return dy [P, B, ...] of a layer at this step: d enters by W, `below` (number -> dy) by its skips."""
        terms = [self.kept.get(number)]
        if number == self.number:
            terms.append(_direct(layer, self.name, now))
        else:
            terms.append(layer.synapses["W"].forward(d))
            terms += [layer.synapses[n].forward(below[s]) for n, s in layer.skips.items() if below.get(s) is not None]
        if "V" in layer.synapses and self.through_V and number in self.dys:
            terms.append(layer.synapses["V"].forward(self.dys[number]))
        du = sum(term for term in terms if term is not None)
        self.kept[number] = layer.neuron.slope(now.u, now.y, now.psi, self.attached) * du
        return now.psi * du


def _direct(layer, name, now):
    """Return the derivative of a layer's input current by each entry of one of its weights, [P, B, ...]: what the entry multiplies."""
    if name == "b":
        b = layer.bias.weight.value
        return np.eye(b.size, dtype=b.dtype).reshape(b.size, 1, *b.shape) * np.ones_like(now.u)
    synapse, x = layer.synapses[name], now.inputs[name]
    features = synapse.columns(x) if isinstance(synapse, Conv2d) else x.T  # [F, B, ...] a row of W multiplies
    rows = np.arange(len(synapse.weight.value))
    out = np.zeros((len(rows), len(features), len(x), len(rows), *features.shape[2:]), x.dtype)
    out[rows, :, :, rows] = features  # row i of W reaches unit i alone
    return out.reshape(-1, *out.shape[2:])
