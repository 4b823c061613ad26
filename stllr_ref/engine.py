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
from stllr_ref.chunks import Ascent, back, parts, up
from stllr_ref.layer import Layer
from stllr_ref.network import as_input, check_run, output_errors
from stllr_ref.rules import STLLR


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
    S-TLLR eqs. (9), (12), (13), Algorithm 1.  A potential within rounding of its threshold may fire in the one and not in the
    other.
    """
    if online:
        raise ValueError("online: got a function, expected None: weights stand still in a chunk (network.run takes it)")
    if why := _refused(net):
        raise ValueError(f"{why} (network.run takes it)")
    x, inside = check_run(net, x, target, inside)
    net.reset(rng)
    logits = _walk(
        net, x, parts(net, len(x), chunk, inside),
        lambda ascent, trail, out, part: _down(net, ascent, trail, out, target, loss, inside[part]),
    )  # fmt: skip
    return logits, net.grads()


def _refused(net):
    """Return what in a network cannot go several steps at a time, or None."""
    for number, layer in enumerate(net.layers):
        if layer.synaptic:
            return f"rule: got {type(layer.rule).__name__} in layer {number}, expected one with a trace a neuron"
        if type(layer).step is not Layer.step or type(layer).learn is not Layer.learn:
            return f"row: got {type(layer).__name__} with steps of its own, expected a Layer"
    return None


def fastest(net):
    """Return `run`, or `network.run` for a network that `run` refuses."""
    return network.run if _refused(net) else run


def forward(net, x, *, rng=None, chunk=None):
    """Run a batch of sequences x [T, B, ...] without learning, as `network.forward`; return the output of every step, [T, B, ...]."""
    x = as_input(net, x)
    net.reset(rng, traces=False)
    logits = _walk(net, x, parts(net, len(x), chunk))
    net.reset()
    return logits


def _walk(net, x, steps, learn=None):
    """Take a network through x [T, B, ...], some steps (slices) at a time, and learn(ascent, trail, out, part) after each.

    Return the output of every step [T, B, ...].
    """
    logits, ascent = None, Ascent()
    for part in steps:
        out, trail = up(net, x[part], ascent.advance)
        logits = np.empty((len(x), *out.shape[1:]), out.dtype) if logits is None else logits
        logits[part] = out
        if learn:
            learn(ascent, trail, out, part)
    for layer in net.layers:
        layer.now = None  # it held a chunk: nothing that a single step could learn from
    return logits


def _down(net, ascent, trail, out, target, loss, on):
    """Send the error of K steps down the row; out [K, B, ...] is the output, on [K, B] the learning window."""
    if not on.any():
        for item, seen in zip(net.row, trail):
            if hasattr(item, "watch"):
                for now in seen:
                    item.watch(now.copy())
        return
    err = output_errors(loss, out, target, on)
    mask = on.reshape(*on.shape, *[1] * (out.ndim - 2)).astype(out.dtype)
    net.descend(
        err * mask / net.dtype.type(on.shape[1]),
        trail,
        lambda layer, now, delta: _learn(ascent, layer, now, delta),
        lambda signal, seen: _signalled(net, signal, err, target, seen, on),
        back,
    )


def _signalled(net, signal, err, target, seen, on):
    """Return what a signal makes of K steps, seen [K, B, ...], one after another: some remember, and keep what they saw."""
    deltas, given = np.zeros_like(seen), False
    for k, now in enumerate(seen.copy()):
        if hasattr(signal, "watch"):
            signal.watch(now)
        delta = net.signal_delta(signal, err[k], target, now, on[k].astype(net.dtype)) if on[k].any() else None
        if delta is not None:
            checks.same("delta", delta.shape, now.shape)
            deltas[k], given = delta, True
    return deltas if given else None


def _learn(ascent, layer, now, delta):
    """Add the products of K steps to a layer's gradients, delta [K, B, ...] = dL/dy."""
    checks.same("delta", delta.shape, now.psi.shape)
    delta = delta.astype(now.psi.dtype, copy=False)  # a map of one's own may lift float32
    posts, bias_post = _posts(layer, now)
    rows, first = _filtered(layer.rule.decays, posts, delta, ascent.array(layer, "rows", delta, len(delta)))
    for name, synapse in layer.synapses.items():
        layer.add(name, synapse.outer(rows, now.inputs[name], *ascent.columns(layer, name)))
        for lam, E, before in zip(layer.rule.decays, first, now.pre[name]):
            if before is not None:
                layer.add(name, synapse.outer(float(lam) * E, before))
    if layer.bias is not None:
        post = np.multiply(delta, bias_post, out=rows)
        post *= np.array(now.pre["b"], post.dtype).reshape(-1, *[1] * (post.ndim - 1))
        layer.add("b", layer.bias.outer(post))


def _posts(layer, now):
    """Return the post factor of each term in K steps, [K, B, ...], and that of the bias; a rule of one's own is asked step by step."""
    if type(layer.rule) is STLLR:
        return layer.posts(now.eligible, now.past), layer.rule.bias_post(now.psi, now.eligible)
    pasts = [None] * len(now.psi) if now.past is None else now.past
    posts = zip(*(layer.posts(eligible, past) for eligible, past in zip(now.eligible, pasts)))
    biased = map(layer.rule.bias_post, now.psi, now.eligible) if layer.bias is not None else ()
    return [np.array(post) for post in posts], np.array([np.broadcast_to(post, now.psi.shape[1:]) for post in biased])


def _filtered(decays, posts, delta, rows):
    """Return sum over terms of E, in rows [K, B, ...], and E of each term at the first step: eq. (11) times delta, filtered backwards."""
    first = []
    for i, (lam, post) in enumerate(zip(decays, posts)):
        term = np.multiply(delta, post, out=None if i else rows)
        if lam:
            for k in reversed(range(len(term) - 1)):
                term[k] += float(lam) * term[k + 1]
        first.append(term[0].copy())  # of rows, before the next term is added
        if i:
            rows += term
    return rows, first
