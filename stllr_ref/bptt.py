r"""Exact backpropagation through time, by hand: the gradient that local rules approximate.

The forward pass keeps every step; the backward pass walks them from the last to the first.  For each layer, with
d[t] = dL/dy[t] that arrives from above (and, where there is V, from the layer's own next step) and g[t] = dL/du[t],

    g[t] = psi[t] d[t] + slope[t] g[t+1],      slope = d rest / d u, the neuron's own.

Memory grows with the number of steps: that is the price of exactness, and what S-TLLR avoids.
"""

import numpy as np

from stllr_ref.layer import Layer, pull
from stllr_ref.network import check_run, output_error


def run(net, x, target, loss, inside, *, rng=None, attached=False, summed=False, truncated=False, through_V=True):
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
    takes, and on its smooth twin (`gradcheck`), where the surrogate gradient is a true one.
    """
    x, inside = check_run(net, x, target, inside)
    net.reset(rng, traces=False)
    logits, trails = [], []
    for x_t in x:
        logits.append(net.step(x_t))
        trails.append(net.trail)
    logits = np.array(logits)
    errs = _errors(logits, target, loss, inside, summed)
    begun = np.logical_or.accumulate(inside) if truncated else np.ones_like(inside)
    back = _Backward(net, attached, through_V)
    for t in reversed(range(len(x))):
        back.step(trails[t], errs[t], begun[max(t - 1, 0)].astype(net.dtype))
    return logits, back.grads()


def _errors(logits, target, loss, inside, summed):
    """Return dL/dlogits [T, B, ...]: 0 outside the window, divided by the batch size."""
    T, B = inside.shape
    on = inside.reshape(T, B, *[1] * (logits.ndim - 2)).astype(logits.real.dtype)
    if summed:
        return on * output_error(loss, (logits * on).sum(0), target) / B
    zero = np.zeros_like(logits[0])
    return np.array([on[t] * output_error(loss, logits[t], target) / B if inside[t].any() else zero for t in range(T)])


class _Backward:
    """The walk back: of each layer g[t+1], and the gradients gathered so far."""

    def __init__(self, net, attached, through_V):
        self.net, self.attached, self.through_V = net, attached, through_V
        self.later, self.sums = {}, {}

    def step(self, trail, d, onwards):
        """Walk step t down the row: d [B, ...] = dL/dy of the output; onwards [B] is 0 where nothing may reach t - 1."""
        number, skipped = len(self.net.layers), {}
        for item, kept in zip(reversed(self.net.row), reversed(trail)):
            if isinstance(item, Layer):
                number -= 1
                d = d + skipped.pop(number, 0)
                g = self._potential(number, item, kept, d, onwards)
                for name, source in item.skips.items():
                    skipped[source] = skipped.get(source, 0) + item.synapses[name].backward(g, kept.inputs[name].shape)
                d = item.synapses["W"].backward(g, kept.inputs["W"].shape) if number else None
            elif not hasattr(item, "delta"):
                d = item.backward(d, kept) if d is not None else None

    def _potential(self, number, layer, now, d, onwards):
        """Return g = dL/du [B, ...] of a layer at this step, and add its products to the gradients."""
        later = self.later.get(number)
        if later is not None and "V" in layer.synapses and self.through_V:
            d = d + layer.synapses["V"].backward(later, now.y.shape)
        g = now.psi * d
        if later is not None:
            g = g + layer.neuron.slope(now.u, now.y, now.psi, self.attached) * later
        for name, synapse in layer.synapses.items():
            self._add(f"{number}.{name}", synapse.outer(g, now.inputs[name]))
        if layer.bias is not None:
            self._add(f"{number}.b", layer.bias.outer(g))
        self.later[number] = g * onwards.reshape(-1, *[1] * (g.ndim - 1))
        return g

    def _add(self, name, dvalue):
        """Add dvalue, a fresh array, to the gradient of a weight's value."""
        if name in self.sums:
            self.sums[name] += dvalue
        else:
            self.sums[name] = dvalue

    def grads(self):
        """Return the gradient of each parameter."""
        return pull(self.net.weights(), self.sums)
