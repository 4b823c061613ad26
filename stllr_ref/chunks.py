r"""Several steps at a time: the way up a network, K steps of one layer after K steps of the layer below.

What is linear can wait until K steps are together: their inputs go through a synapse in one matrix product.  Only a
recurrent synapse has to go step by step, and what a step does to a neuron stays as it is.  A chunk is [K, B, ...]; the state
of a layer, before and after, is that of single steps.

Maps, rules, neurons and signals of one's own are asked step by step: only what stands in this library is known to take
several steps at once.
"""

from typing import NamedTuple

import numpy as np

from stllr_ref import checks
from stllr_ref.layer import Layer, Now
from stllr_ref.maps import AvgPool, Dropout, Flatten, GlobalAvg, MaxPool, Upsample
from stllr_ref.synapses import Conv2d, Dense

CHUNK = 10  # steps: fewer are slower, more are hardly faster and need more memory
IMAGES = 2  # steps of a network with convolutions, whose columns fill the cache
AT_ONCE = (MaxPool, AvgPool, GlobalAvg, Flatten, Upsample)  # maps that take any leading axes


def keep_freed_memory():
    """Let the allocator of Linux (glibc) keep the large blocks that arrays free for the arrays to come: for a process of ours.

    By default it hands them back to the system, and fresh pages cost more than what is computed in them.  Freeing one block of
    32 MB, which nobody has touched and so was never there, raises that limit for good; elsewhere nothing happens.
    """
    np.empty(2**25 - 2**13, np.uint8)


def parts(net, T, chunk=None, inside=None):
    """Yield slices of at most `chunk` steps that cover T, one beginning where the window inside [T, B] does, if given.

    None takes CHUNK steps, or IMAGES where there are convolutions.
    """
    convolved = any(layer.synapses["W"].axes > 1 for layer in net.layers)
    chunk = (IMAGES if convolved else CHUNK) if chunk is None else checks.whole("chunk", chunk, 1)
    first = 0 if inside is None else int(inside.any(1).argmax())  # before it there is nothing to multiply
    for low, high in ((0, first), (first, T)):
        for start in range(low, high, chunk):
            yield slice(start, min(start + chunk, high))


def up(net, x, advance):
    """Take x [K, B, ...] up the row; return the output [K, B, ...] and the trail: of each item, what the way down needs.

    advance(layer, number, inputs) -> Now says what layer `number` does with what enters W and its skips (name -> [K, B, ...]).
    """
    x, ys, trail = x.astype(net.dtype, copy=False), [], []
    for item in net.row:
        if isinstance(item, Layer):
            inputs = {"W": x, **{name: ys[source] for name, source in item.skips.items()}}
            now = advance(item, len(ys), inputs)
            x = now.y
            ys.append(x)
            trail.append(now)
        elif hasattr(item, "delta"):
            trail.append(x)
        else:
            x, memo = _mapped(item, x)
            trail.append(memo)
    return x, trail


class Each(NamedTuple):
    """What a map remembers of each step."""

    memos: list


def _mapped(item, x):
    """Return what a map makes of K steps x [K, B, ...], and what its way back needs."""
    if type(item) in AT_ONCE:
        return item.forward(x)
    if type(item) is Dropout:  # one mask for all steps, of the shape of one
        memo = item.forward(x[0])[1]
        return x if memo is None else x * memo, memo
    outs, memos = zip(*map(item.forward, x))
    return np.array(outs), Each(list(memos))


def back(item, g, memo):
    """Return g [K, B, ...] sent back through a map."""
    if isinstance(memo, Each):
        return np.array([item.backward(g_k, memo_k) for g_k, memo_k in zip(g, memo.memos)])
    return item.backward(g, memo)


class Ascent:
    """The way up of one run: the arrays in which each layer keeps a chunk, which the next chunk uses again."""

    def __init__(self):
        self.arrays = {}

    def array(self, layer, name, like, steps):
        """Return an array of steps [steps, B, ...] for that use, like [K, B, ...]; it still holds what was in it."""
        key = id(layer), name
        if key not in self.arrays or len(self.arrays[key]) < steps:
            self.arrays[key] = np.empty((steps, *like.shape[1:]), like.dtype)
        return self.arrays[key][:steps]

    def columns(self, layer, name):
        """Return the columns of what entered a convolution in this chunk, as the last argument of its verbs; () of a dense synapse."""
        columns = self.arrays.get((id(layer), f"columns of {name}"))
        return () if columns is None else (columns,)

    def advance(self, layer, number, inputs):
        """Advance a layer by K steps, each as `Layer.step`; its traces are those *before* the chunk in what it returns, `layer.now`."""
        u = self._current(layer, inputs)
        y, psi = self.array(layer, "y", u, len(u) + 1), self.array(layer, "psi", u, len(u))
        y[0] = 0 if layer.y is None else layer.y
        V, kept = layer.synapses.get("V"), layer.kept
        for k, u_k in enumerate(u):
            if V:
                added = V.forward(y[k])
                checks.same("output of V", added.shape, u_k.shape)
                u_k += added
            if kept is not None:
                u_k += kept
            y[k + 1], psi[k] = layer.fire(u_k)
            kept = layer.neuron.rest(u_k, y[k + 1])
        if V:
            inputs["V"] = y[:-1]
        layer.kept, layer.y = kept, y[-1].copy()
        layer.now = self._remember(layer, inputs, u, y[1:], psi)
        return layer.now

    def _current(self, layer, inputs):
        """Return what all synapses but V bring to the neurons in K steps, [K, B, ...], a fresh array."""
        current = None
        for name, value in inputs.items():
            synapse = layer.synapses[name]
            if type(synapse) is Conv2d:  # made once for two verbs: `outer` meets the same input
                self.arrays[id(layer), f"columns of {name}"] = synapse.columns(value)
            added = synapse.forward(value, *self.columns(layer, name))
            if current is None:
                current = added if type(synapse) in (Dense, Conv2d) else added.copy()  # it will be added to
            else:
                checks.same(f"output of {name}", added.shape, current.shape)
                current += added
        if layer.bias is not None:
            current += layer.bias.forward()
        return current

    def _remember(self, layer, inputs, u, y, psi):
        """Advance the traces by K steps, as `Layer._remember`; pre has those before, and of the bias the count of every step."""
        if not layer.tracing:
            return Now(inputs, {}, u, y, psi, None, None)
        rule, K = layer.rule, len(u)
        eligible = psi
        if rule.psi is not None:
            eligible = self.array(layer, "eligible", u, K)
            for k, u_k in enumerate(u):
                eligible[k] = rule.psi(u_k - layer.neuron.theta)
        pre = {name: [layer.traces.get((name, lam)) for lam in rule.decays] for name in inputs}
        for name, value in inputs.items():
            for lam in set(rule.decays) - {0.0}:
                weights = np.array([float(lam) ** (K - 1 - k) for k in range(K)], u.dtype)
                late = (weights @ value.reshape(K, -1)).reshape(value.shape[1:])
                before = layer.traces.get((name, lam))
                layer.traces[name, lam] = late if before is None else late + float(lam) ** K * before
        pre["b"] = []
        for _ in range(K):
            layer.ones = float(rule.bias_decay) * layer.ones + 1.0
            pre["b"].append(layer.ones)
        return Now(inputs, pre, None, y, psi, eligible, self._past(layer, eligible))  # u has done its work: its memory is free

    def _past(self, layer, eligible):
        """Return past [K, B, ...] and leave that of the next step in the layer; None where the rule reads none."""
        K, decay = len(eligible), layer.rule.past_decay
        if decay is None:
            return None
        past = self.array(layer, "past", eligible, K + 1)
        past[0] = 0 if layer.past is None else layer.past
        for k in range(K):
            np.multiply(past[k], float(decay), out=past[k + 1])
            past[k + 1] += eligible[k]
        layer.past = past[-1].copy()
        return past[:-1]
