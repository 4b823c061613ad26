r"""Exact backpropagation through time, by hand: the gradient that local rules approximate.

The forward pass keeps the potentials of every step; the backward pass walks them from the last to the first, and makes
spikes, Psi and inputs from them again.  For each layer, with d[t] = dL/dy[t] that arrives from above (and, where there is
V, from the layer's own next step) and g[t] = dL/du[t],

    g[t] = psi[t] d[t] + slope[t] g[t+1],      slope = d rest / d u, the neuron's own.

Memory grows with the number of steps: that is the price of exactness, and what S-TLLR avoids.  A few steps at a time go
through each layer (`stllr_ref.chunks`), for speed alone.
"""

import numpy as np

from stllr_ref.chunks import Ascent, back, parts, up
from stllr_ref.layer import Layer, Now, gather, pull
from stllr_ref.network import check_run, output_error, output_errors


def run(net, x, target, loss, inside, *, rng=None, attached=False, summed=False, truncated=False, through_V=True, chunk=None):
    r"""Run a batch of sequences and return the exact surrogate gradient of the loss.

    Parameters
    ----------
    net, x, target, loss, inside, rng
        As `network.run`.  Signals and feedback synapses of the network are ignored: this is the true gradient.
    attached : bool
        Let the reset depend on the spike that causes it, by psi.  The published baseline detaches it (the default).
    summed : bool
        One loss on the output summed over the window (the published baseline), instead of one at each of its steps.
    truncated : bool
        No gradient reaches steps before the window: BPTT with the same horizon as a rule that learns in it.
    through_V : bool
        Let errors flow through the recurrent synapse to the step before; if not, V itself still learns.
    chunk : int, optional
        Steps at a time, as `engine.run`; 1 is the textbook's order.

    Returns
    -------
    logits : ndarray, shape [T, B, ...]
    grads : dict
        Name -> gradient of the loss averaged over the batch, names as `Network.get`.

    Raises
    ------
    ValueError
        As `network.run`.

    Notes
    -----
    S-TLLR eq. (7); the reset's terms are those of the neuron's `slope`.  Works on any network that `network.run`
    takes, if its neurons and maps answer by what they are given alone (they are asked again on the way back), and on its
    smooth twin (`gradcheck`), where the surrogate gradient is a true one.
    """
    x, inside = check_run(net, x, target, inside)
    net.reset(rng, traces=False)
    steps = list(parts(net, len(x), chunk))
    logits, potentials = stored(net, x, steps)
    errs = _errors(logits, target, loss, inside, summed)
    onwards = np.ones_like(inside)
    if truncated:
        onwards[1:] = np.logical_or.accumulate(inside)[:-1]  # False where nothing may reach the step before
    back = _Backward(net, attached, through_V)
    for i, part in reversed([*enumerate(steps)]):
        back.steps(_again(net, x[part], potentials, i), errs[part], onwards[part])
    return logits, back.grads()


def stored(net, x, steps):
    """Run a network that was reset; return the output of every step [T, B, ...] and all that is stored: potentials.

    Of each layer they are a list, an array [K, B, ...] for each of `steps` (slices).
    """
    logits, potentials, ascent = [], [[] for _ in net.layers], Ascent()
    for part in steps:
        out, _ = up(net, x[part], ascent.advance)
        logits.append(out.copy())
        for layer, us in zip(net.layers, potentials):
            us.append(layer.now.u)
            layer.now = None
    return np.concatenate(logits), potentials


def _errors(logits, target, loss, inside, summed):
    """Return dL/dlogits [T, B, ...]: 0 outside the window, divided by the batch size."""
    T, B = inside.shape
    on = inside.reshape(T, B, *[1] * (logits.ndim - 2)).astype(logits.real.dtype)
    if summed:
        return on * output_error(loss, (logits * on).sum(0), target) / B
    return on * output_errors(loss, logits, target, inside) / B


def _again(net, x, potentials, i):
    """Return the trail of chunk i, whose input is x [K, B, ...], made again from the potentials alone."""

    def again(layer, number, inputs):
        """Return what the layer knew at each step, `Now` of [K, B, ...]."""
        u = potentials[number][i]
        y, psi = map(np.array, zip(*map(layer.fire, u)))
        if "V" in layer.synapses:
            before = layer.fire(potentials[number][i - 1][-1])[0] if i else np.zeros_like(y[0])
            inputs["V"] = np.concatenate([before[None], y[:-1]])
        return Now(inputs, {}, u, y, psi, None, None)

    return up(net, x, again)[1]


class _Backward:
    """The walk back, eq. (7): of each layer g[t+1], and the gradients gathered so far."""

    def __init__(self, net, attached, through_V):
        self.net, self.attached, self.through_V = net, attached, through_V
        self.later, self.sums = {}, {}

    def steps(self, trail, d, onwards):
        """Walk K steps down the row from d [K, B, ...] = dL/dy; onwards [K, B] is False where nothing may reach the step before."""
        number, skipped = len(self.net.layers), {}
        for item, kept in zip(reversed(self.net.row), reversed(trail)):
            if isinstance(item, Layer):
                number -= 1
                d = d + skipped.pop(number, 0)
                g = self._potentials(number, item, kept, d, onwards)
                for name, source in item.skips.items():
                    skipped[source] = skipped.get(source, 0) + item.synapses[name].backward(g, kept.inputs[name].shape)
                d = item.synapses["W"].backward(g, kept.inputs["W"].shape) if number else None
            elif not hasattr(item, "delta"):
                d = back(item, d, kept) if d is not None else None

    def _potentials(self, number, layer, now, d, onwards):
        """Return g = dL/du [K, B, ...] of a layer, and add its products to the gradients."""
        g, later = np.empty_like(now.u), self.later.get(number)
        V = layer.synapses.get("V") if self.through_V else None
        for k in reversed(range(len(g))):
            if later is None:
                g[k] = now.psi[k] * d[k]
            else:
                arriving = d[k] if V is None else d[k] + V.backward(later, later.shape)
                g[k] = now.psi[k] * arriving + layer.neuron.slope(now.u[k], now.y[k], now.psi[k], self.attached) * later
            later = g[k] if onwards[k].all() else g[k] * onwards[k].reshape(-1, *[1] * (g.ndim - 2))
        self.later[number] = later
        for name, synapse in layer.synapses.items():
            gather(self.sums, f"{number}.{name}", synapse.outer(g, now.inputs[name]))
        if layer.bias is not None:
            gather(self.sums, f"{number}.b", layer.bias.outer(g))
        return g

    def grads(self):
        """Return the gradient of each parameter."""
        return pull(self.net.weights(), self.sums)
