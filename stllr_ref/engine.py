r"""The fast engine: what `network.run` computes, K steps at a time.

Weights stand still during a sequence, so the products of K steps can be one.  A decaying trace of the input is in the way,
and can be moved to the other side: with the post factors p[s] of a term of decay lam, s = a to a + K - 1, and tr[a-1] the
trace before them,

    sum_s p[s] (x) tr[s]  =  sum_s E[s] (x) x[s]  +  lam E[a] (x) tr[a-1],      E[s] = p[s] + lam E[s+1], 0 after the last.

So the filtered factors of all terms of a rule share one product with the input itself, and the state is that of a chunk of
K steps, whatever the number of steps.
"""

import numpy as np

from stllr_ref import checks, network
from stllr_ref.chunks import Rooms, parts, up
from stllr_ref.network import as_input, check_run, output_errors


def run(net, x, target, loss, inside, *, rng=None, online=None, chunk=None):
    r"""Run a batch of sequences and gather the gradient, as `network.run` does, faster.

    Parameters
    ----------
    net, x, target, loss, inside, rng
        As `network.run`.
    online : None
        Refused: weights that change at every step have no chunks.
    chunk : int, optional
        Steps at a time; by default 10, and 2 where there is a convolution.

    Returns
    -------
    logits : ndarray, shape [T, B, ...]
    grads : dict
        As `network.run`, other rounding apart.

    Raises
    ------
    ValueError
        As `network.run`; for a rule that keeps a trace of every synapse; for an online update.

    Notes
    -----
    S-TLLR eqs. (9), (12), (13), Algorithm 1.  A potential within rounding of its threshold may fire on one side only.
    """
    if online is not None:
        raise ValueError("online: got a function, expected None: weights stand still in a chunk (network.run takes it)")
    for number, layer in enumerate(net.layers):
        if layer.synaptic:
            kind = type(layer.rule).__name__
            raise ValueError(f"rule: got {kind} in layer {number}, expected one with a trace a neuron (network.run takes {kind})")
    x, inside = check_run(net, x, target, inside)
    net.reset(rng)
    logits = _walk(
        net, x, parts(net, len(x), chunk, inside),
        lambda rooms, trail, out, part: _down(net, rooms, trail, out, target, loss, inside[part]),
    )  # fmt: skip
    return logits, net.grads()


def fastest(net):
    """Return `run`, or `network.run` for a network with a rule that `run` refuses."""
    return network.run if any(layer.synaptic for layer in net.layers) else run


def forward(net, x, *, rng=None, chunk=None):
    """Run a batch of sequences x [T, B, ...] without learning, as `network.forward`; return the output of every step, [T, B, ...]."""
    x = as_input(net, x)
    net.reset(rng, traces=False)
    logits = _walk(net, x, parts(net, len(x), chunk))
    net.reset()
    return logits


def _walk(net, x, steps, learn=None):
    """Take a network through x [T, B, ...], some steps (slices) at a time, and learn(rooms, trail, out, part) after each.

    Return the output of every step [T, B, ...].
    """
    logits, rooms = None, Rooms()
    for part in steps:
        out, trail = up(net, x[part], rooms.advance)
        logits = np.empty((len(x), *out.shape[1:]), out.dtype) if logits is None else logits
        logits[part] = out
        if learn:
            learn(rooms, trail, out, part)
    for layer in net.layers:
        layer.now = None  # it held a chunk: nothing that a single step could learn from
    return logits


def _down(net, rooms, trail, out, target, loss, on):
    """Send the error of K steps down the row; out [K, B, ...] is the output, on [K, B] the learning window."""
    if not on.any():
        for item, seen in zip(net.row, trail):
            for now in seen if hasattr(item, "watch") else ():
                item.watch(now)
        return
    err = output_errors(loss, out, target, on)
    mask = on.reshape(*on.shape, *[1] * (out.ndim - 2)).astype(out.dtype)
    net.descend(
        err * mask / net.dtype.type(on.shape[1]),
        trail,
        lambda layer, now, delta: _learn(rooms, layer, now, delta),
        lambda signal, seen: _signalled(net, signal, err, target, seen, on),
    )


def _signalled(net, signal, err, target, seen, on):
    """Return what a signal makes of K steps, seen [K, B, ...], one after another: some remember."""
    deltas = np.zeros_like(seen)
    for k, now in enumerate(seen):
        if hasattr(signal, "watch"):
            signal.watch(now)
        if on[k].any():
            delta = net.signalled(signal, err[k], target, now, on[k].astype(net.dtype))
            if delta is None:
                return None
            checks.same("delta", delta.shape, now.shape)
            deltas[k] = delta
    return deltas


def _learn(rooms, layer, now, delta):
    """Add the products of K steps to a layer's gradients, delta [K, B, ...] = dL/dy."""
    checks.same("delta", delta.shape, now.psi.shape)
    rows, first = _filtered(layer, now, delta, rooms.array(layer, "rows", delta, len(delta)))
    for name, synapse in layer.synapses.items():
        layer.add(name, synapse.outer(rows, now.inputs[name], *rooms.columns(layer, name)))
        for lam, E, before in zip(layer.rule.decays, first, now.pre[name]):
            if before is not None:
                layer.add(name, synapse.outer(float(lam) * E, before))
    if layer.bias is not None:
        post = np.multiply(delta, layer.rule.bias_post(now.psi, now.eligible), out=rows)
        post *= np.array(now.pre["b"], post.dtype).reshape(-1, *[1] * (post.ndim - 1))
        layer.add("b", layer.bias.outer(post))


def _filtered(layer, now, delta, rows):
    """Return sum over terms of E, in rows [K, B, ...], and E of each term at the first step: eq. (11) times delta, filtered backwards."""
    posts, first = layer.posts(now.eligible, now.past), []
    alone = layer.posts(now.eligible[0], None if now.past is None else now.past[0])
    if not all(np.array_equal(post[0], one, equal_nan=True) for post, one in zip(posts, alone)):
        raise ValueError(
            "rule: got posts that differ for several steps at once, expected element by element (network.run takes others)"
        )
    for i, (lam, post) in enumerate(zip(layer.rule.decays, posts)):
        term = np.multiply(delta, post, out=None if i else rows)
        if lam:
            for k in reversed(range(len(term) - 1)):
                term[k] += float(lam) * term[k + 1]
        first.append(term[0].copy())  # of rows, before the next term is added
        if i:
            rows += term
    return rows, first
