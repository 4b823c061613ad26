r"""Two slow twins of `network.run`: the same numbers, in the form in which the equations are printed.

- `loops`: every index (sample b, step t, unit i, input j) is a Python loop and every trace is its sum over the past,
  as in eq. (10).  Nothing to vectorise, nothing to get wrong in it.
- `outer`: the eligibility e[b, i, j] of eq. (11) stands there as an array, one outer product a sample.  This is the only
  place of the library that holds B x N_out x N_in numbers; the matrix products of `network.run` never form them.

Both take stacks of Dense layers (recurrent or not, with bias) under STLLR rules and the spatial error (BP); rng is
there for the signature alone, since nothing in such a stack draws at random.
"""

import numpy as np

from stllr_ref.layer import pull
from stllr_ref.network import check_run, output_error
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import STLLR
from stllr_ref.synapses import Dense


def _check(net, x, target, inside):
    """Return x and inside, refused unless the network is a plain stack that the twins can walk."""
    for i, layer in enumerate(net.layers):
        known = type(layer.neuron) in (LIF, Leaky) and all(isinstance(s, Dense) for s in layer.synapses.values())
        plain = known and not layer.skips and layer.feedback is None
        if not plain or type(layer.rule) is not STLLR or layer.rule.psi is not None:
            raise ValueError(f"layer {i}: got convolutions, skips, feedback or another rule, expected Dense layers under STLLR")
    if len(net.row) > len(net.layers):
        raise ValueError("row: got maps or signals, expected layers alone")
    return check_run(net, x, target, inside)


class _LoopLayer:
    """One layer for one sample: lists of numbers, and the whole past kept for the sums."""

    def __init__(self, layer):
        self.neuron, self.rule = layer.neuron, layer.rule
        self.weight = {name: weight.value.tolist() for name, weight in layer.weights().items()}
        self.units = range(len(self.weight["W"]))
        self.xs, self.us, self.ys, self.psis = [], [], [], []

    def step(self, x):
        """Advance by one step: x, a list of N_in numbers, to the output y, a list of N_out; eqs. (1), (2), (14)."""
        W, V, b = (self.weight.get(name) for name in ("W", "V", "b"))
        u, y, psi = [], [], []
        for i in self.units:
            total = self._kept(i) + (b[i] if b else 0.0)
            for j in range(len(x)):
                total += W[i][j] * x[j]
            if V and self.ys:
                for k in self.units:
                    total += V[i][k] * self.ys[-1][k]
            fired, slope = self.neuron.fire(np.array(total))
            u.append(total), y.append(float(fired)), psi.append(float(slope))
        for past, now in ((self.xs, x), (self.us, u), (self.ys, y), (self.psis, psi)):
            past.append(now)
        return y

    def _kept(self, i):
        """Return what unit i keeps of its last potential."""
        if not self.us:
            return 0.0
        u, y, neuron = self.us[-1][i], self.ys[-1][i], self.neuron
        if not isinstance(neuron, LIF) or neuron.reset == "none":
            return neuron.gamma * u
        return neuron.gamma * (u - neuron.theta * y) if neuron.reset == "soft" else neuron.gamma * u * (1 - y)

    def eligibility(self, i, j, inputs):
        """Return e_ij at the present step, eq. (10); inputs[k][j] is what entered the synapse at step k."""
        rule, t = self.rule, len(inputs) - 1
        causal = sum(rule.lam_pre ** (t - k) * inputs[k][j] for k in range(t + 1))
        lag = 1 if rule.post_trace == "code" else 0  # the code weighs the previous step by 1, the print by lam_post
        noncausal = sum(rule.lam_post ** (t - k - lag) * self.psis[k][i] for k in range(t))
        return rule.alpha_pre * self.psis[t][i] * causal + rule.alpha_post * inputs[t][j] * noncausal

    def learn(self, delta, sums):
        """Add delta_i e_ij of every synapse to sums (name -> array); return the error of the inputs; eqs. (9), (12), (15)."""
        silence = [0.0 for _ in self.units]
        entering = {"W": self.xs, "V": [silence, *self.ys[:-1]]}
        t, rule = len(self.xs) - 1, self.rule
        for i in self.units:
            for name in entering.keys() & self.weight.keys():
                for j in range(len(entering[name][t])):
                    sums[name][i, j] += delta[i] * self.eligibility(i, j, entering[name])
            if "b" in self.weight:
                ones = sum(rule.bias_decay ** (t - k) for k in range(t + 1))
                sums["b"][i] += delta[i] * rule.bias_post(self.psis[t][i], self.psis[t][i]) * ones
        W, psi = self.weight["W"], self.psis[t]
        return [sum(delta[i] * psi[i] * W[i][j] for i in self.units) for j in range(len(self.xs[t]))]


def loops(net, x, target, loss, inside, *, rng=None):
    """Return logits [T, B, O] and grads as `network.run`, by loops over samples, steps, units and inputs; eqs. (1)-(2), (9)-(16)."""
    x, inside = _check(net, x, target, inside)
    T, B = inside.shape
    sums = [{name: np.zeros_like(w.value) for name, w in layer.weights().items()} for layer in net.layers]
    logits = np.empty((T, B, len(net.layers[-1].synapses["W"].weight.value)), net.dtype)
    for b in range(B):
        layers = [_LoopLayer(layer) for layer in net.layers]
        for t in range(T):
            out = x[t, b].tolist()
            for layer in layers:
                out = layer.step(out)
            logits[t, b] = out
            if inside[t, b]:
                delta = (output_error(loss, logits[t, b : b + 1], target[b : b + 1])[0] / B).tolist()
                for layer, added in zip(reversed(layers), reversed(sums)):
                    delta = layer.learn(delta, added)
    return logits, _grads(net, sums)


def outer(net, x, target, loss, inside, *, rng=None):
    """Return logits [T, B, O] and grads as `network.run`, with every eligibility e [B, N_out, N_in] as an array; eqs. (8), (11)."""
    x, inside = _check(net, x, target, inside)
    sums = [{name: np.zeros_like(w.value) for name, w in layer.weights().items()} for layer in net.layers]
    logits = []
    net.reset()
    for x_t, on in zip(x, inside):
        logits.append(net.step(x_t))
        delta = output_error(loss, logits[-1], target) * on[:, None] / len(on)
        for layer, added in zip(reversed(net.layers), reversed(sums)):
            now, rule = layer.now, layer.rule
            for name in layer.synapses:
                terms = zip(rule.posts(now.eligible, now.past), now.pre[name])
                e = sum(post[:, :, None] * pre[:, None, :] for post, pre in terms)
                added[name] += (delta[:, :, None] * e).sum(0)
            if layer.bias is not None:
                added["b"] += (delta * rule.bias_post(now.psi, now.eligible) * layer.ones).sum(0)
            delta = (delta * now.psi) @ layer.synapses["W"].weight.value
    return np.array(logits), _grads(net, sums)


def _grads(net, sums):
    """Return the gradient of each parameter from those of the weights' values (one dict a layer)."""
    return pull(net.weights(), {f"{i}.{name}": value for i, added in enumerate(sums) for name, value in added.items()})
