r"""What a rule costs: numbers kept and multiply-accumulates (MACs), by formula and as counted on a real network.

Formulas need the sizes of the layers, the number of steps T and the steps of the window; all are for one sample, without
the forward pass, weights and optimiser, as in S-TLLR's section on complexity.  With N_l the neurons of layer l and S the
products of all synapses in one step, the paper has

| rule   | numbers kept | MACs                                                    |
| ------ | ------------ | ------------------------------------------------------- |
| BPTT   | T sum N_l    | 2 T S: weight gradient, error sent down                 |
| S-TLLR | 2 sum N_l    | 3 last S: causal and non-causal term, error sent down   |

Both are idealised.  S-TLLR really keeps a trace of what *enters* each synapse and one of each neuron, sum (N_{l-1} + N_l)
(one trace more where a layer is recurrent), beside the potentials that the network has anyway; BPTT keeps
just that, the potential of every step, since spikes and Psi are made from it again.  The lowest layer sends no error down
and a readout has no non-causal term, so fewer MACs are done.
`formulas` has the paper's numbers beside ours; `measure` counts them.
"""

import tracemalloc
from collections import Counter
from contextlib import contextmanager
from typing import NamedTuple

from stllr_ref import bptt, rtrl
from stllr_ref.chunks import parts
from stllr_ref.network import as_input


class Size(NamedTuple):
    """A layer, for one sample and one step; skips count as further inputs of W."""

    name: str
    n_in: int  # numbers that enter it from other layers
    n: int  # neurons
    macs: int  # products of W
    weights: int  # entries of W, V and b
    macs_V: int = 0  # products of the recurrent synapse; 0 without
    fires: bool = True  # False for a readout


def dense(name, n_in, n, *, recurrent=False, bias=True, fires=True):
    """Return the `Size` of n neurons, each joined to all of n_in inputs.

    >>> dense("hidden", 3, 5, recurrent=True)
    Size(name='hidden', n_in=3, n=5, macs=15, weights=45, macs_V=25, fires=True)
    """
    macs_V = n * n if recurrent else 0
    return Size(name, n_in, n, n * n_in, n * n_in + macs_V + n * bias, macs_V, fires)


def conv(name, c_in, c_out, k, height, width, stride=1):
    """Return the `Size` of c_out filters of k x k on c_in images of height x width, padded by k // 2; zeros of the padding count."""
    h, w = ((side + 2 * (k // 2) - k) // stride + 1 for side in (height, width))
    fan_in = c_in * k * k
    return Size(name, c_in * height * width, c_out * h * w, c_out * h * w * fan_in, c_out * fan_in + c_out)


def sizes(net, x):
    """Return the `Size` of each layer of a network, found by one step on the first sample of x [T, B, ...]; leaves the net reset."""
    net.reset()
    net.step(as_input(net, x)[0, :1])
    table = []
    for number, layer in enumerate(net.layers):
        inputs, n = layer.now.inputs, layer.now.u.size
        macs = {name: n * synapse.weight.value[0].size for name, synapse in layer.synapses.items()}
        macs_V = macs.pop("V", 0)
        n_in = sum(value.size for name, value in inputs.items() if name != "V")
        weights = sum(weight.value.size for weight in layer.weights().values())
        table.append(Size(str(number), n_in, n, sum(macs.values()), weights, macs_V, hasattr(layer.neuron, "theta")))
    net.reset()
    return table


def neurons(layers):
    """Return sum N_l."""
    return sum(s.n for s in layers)


def products(layers):
    """Return S, the products of all synapses in one step."""
    return sum(s.macs + s.macs_V for s in layers)


def _entering(layers):
    """Return how many numbers enter synapses in a step: those of the layer below, and the layer's own spikes where it is recurrent."""
    return sum(s.n_in + s.n * (s.macs_V > 0) for s in layers)


def _potentials(layers):
    """Return what any network hands to the next step: a potential a neuron, and its spike where it is recurrent."""
    return sum(s.n * (1 + (s.macs_V > 0)) for s in layers)


def _tangents(layers):
    """Return a number for each weight and each neuron that it reaches, two where the neuron is recurrent."""
    return sum(s.weights * _potentials(layers[i:]) for i, s in enumerate(layers))


def _tangent_macs(layers, T):
    """Return the products that carry each weight's tangents through the synapses above it and, from the second step on, through V."""
    above = ((s, layers[i + 1 :], layers[i:]) for i, s in enumerate(layers))
    return sum(s.weights * (T * sum(a.macs for a in higher) + (T - 1) * sum(a.macs_V for a in here)) for s, higher, here in above)


class Formula(NamedTuple):
    """What one rule costs, for one sample: orders in the n neurons of a layer, and numbers."""

    memory_order: str  # S-TLLR, Table 1, where it has the rule
    time_order: str
    memory: int  # numbers kept, idealised: the paper's formula, or the order with N_l N_{l-1} for n^2
    kept: int  # numbers that this library keeps
    macs: int  # products of synapses for gradients and errors, idealised; what `counted` sees
    other: int  # MACs of everything else: decays of traces, all that is done a synapse, signals


def formulas(layers, T, last, share=1.0):
    r"""Return rule -> `Formula` for a network of layers, T steps and a window of `last` steps.

    Parameters
    ----------
    layers : list of Size
        Bottom to top.  A readout (fires=False) learns by OTTT, under sltt and sltt_k by SLTT.
    T, last : int
        Steps of the sequence and of its learning window, T - T_l in the paper.
    share : float
        Part of the window's steps in which sltt_k and etlp learn.

    Notes
    -----
    `memory` and `macs` of bptt and stllr: S-TLLR's section on complexity.  stllr0 is alpha_post 0: in the paper's Table 3
    it costs as many MACs as BPTT when the window is T.  The others follow from the rules.  eprop0 is e-prop without a
    filter in the readout, which needs no trace a synapse (Table 1 has n^2 for e-prop, and for ETLP, whose adaptive
    neurons need one); ostl keeps the Jacobian of a recurrent layer, ostl_without_h does not.  tbptt here walks, and keeps,
    all steps.  `kept` is exact for stacks without maps, with biases and decays above 0; per-synapse rules: dense stacks.

    Examples
    --------
    >>> table = formulas([dense("", 100, 100, bias=False), dense("", 100, 100, bias=False)], T=20, last=5)
    >>> table["bptt"].memory / table["stllr"].memory, table["bptt"].macs / table["stllr"].macs
    (10.0, 2.6666666666666665)
    """
    w, N, S = last, neurons(layers), products(layers)
    hidden, readouts = ([s for s in layers if s.fires == fires] for fires in (True, False))
    u, tangents = _potentials(layers), _tangents(layers)
    n, x, e = neurons(hidden), _entering(hidden), sum(s.weights for s in hidden)  # numbers of: past, pre traces, traces a synapse
    r, top = _entering(readouts), products(readouts)  # pre traces and products of the readout
    j = sum(s.weights * (s.n if s.macs_V else 1) for s in hidden)  # OSTL's traces
    carry = (T - 1) * sum(s.weights * s.macs_V for s in hidden)  # V times the traces of each weight
    C = w * layers[-1].n * n  # once from the classes to every neuron, in each step of the window
    ostl = ("n^3", "n^4", j) if any(s.macs_V for s in hidden) else ("n^2", "n^2", S)
    table = {
        "stllr": Formula("n", "n^2", 2 * N, u + x + n + r, 3 * w * S, T * (x + n + r)),
        "stllr0": Formula("n", "n^2", N, u + x + r, 2 * w * S, T * (x + r)),
        "bptt": Formula("T n", "T n^2", T * N, T * N, 2 * T * S, 2 * T * N),
        "tbptt": Formula("last n", "last n^2", w * N, T * N, 2 * w * S, 2 * w * N),
        "rtrl": Formula("n^3", "n^4", sum(s.weights * s.n for s in layers), u + tangents, _tangent_macs(layers, T), 2 * T * tangents),
        "sltt": Formula("0", "n^2", 0, u, 2 * w * S, 0),
        "eprop": Formula("n^2", "n^2", S, u + x + e + r, w * (S + top), T * (x + 2 * e + r) + w * e),
        "ostl": Formula(*ostl, u + j + n + sum(s.n for s in hidden if s.macs_V) + r, w * (S + top), T * (2 * j + r) + w * j + carry),
        "ostl_without_h": Formula("n^2", "n^2", S, u + e + n + r, w * (S + top), T * (2 * e + r) + w * e),
        "rstdp": Formula("n^2", "n^2", S, u + x + n + e + r, w * top, T * (x + n + 3 * e + r) + w * e),
    }
    table["ottt"] = table["eprop0"] = ottt = table["stllr0"]
    unread = _entering(layers[:1])  # traces that the lowest layer does without
    # Others' traces with other signals: the error is not sent down; C products bring a signal, 2 C also read the neurons first.
    return table | {
        "ottt_published": ottt._replace(kept=ottt.kept - unread, other=ottt.other - T * unread),
        "sltt_k": table["sltt"]._replace(macs=round(2 * share * w * S)),
        "etlp": ottt._replace(macs=round(share * w * S), other=ottt.other + round(share * C)),
        "decolle": ottt._replace(macs=w * S, other=ottt.other + 2 * C),
        "lls": table["sltt"]._replace(kept=u + r, macs=w * S, other=2 * C + T * r),
        "tess": table["stllr"]._replace(macs=2 * w * S, other=table["stllr"].other + 2 * C),
        "stdp": table["stllr"]._replace(macs=2 * w * S),
        "osttp": table["ostl"]._replace(macs=w * top, other=table["ostl"].other + C),
        "eprop_random": table["eprop"]._replace(macs=w * top, other=table["eprop"].other + C),
        "eprop_adaptive": table["eprop"]._replace(kept=table["eprop"].kept + n, macs=w * top, other=table["eprop"].other + 2 * C + T * n),
    }


def memory_ratio(T):
    """Return how many times more BPTT keeps than S-TLLR, by the paper's formulas: T / 2.

    >>> memory_ratio(100)
    50.0
    """
    return T / 2


def mac_ratio(T, last, alpha_post=-1):
    """Return how many times more MACs BPTT does than S-TLLR, by the paper's formulas: 2 T / (3 last), T / last at alpha_post 0.

    The paper writes T - T_l for `last`, the steps of the window.  Below 1, S-TLLR does more.

    >>> round(mac_ratio(20, last=5), 3), round(mac_ratio(100, last=90), 3)
    (2.667, 0.741)
    """
    return 2 * T / ((3 if alpha_post else 2) * last)


VERBS = ("forward", "backward", "outer")


@contextmanager
def counted(net):
    r"""Count the MACs of every synapse of a network while the block runs; yields a Counter, verb -> MACs.

    A verb of a synapse with f weights a unit does f MACs for each number at its output side: what `forward` returns, or
    the error or post factor handed to `backward` and `outer`; two terms stacked in one `outer` are two products.  Biases,
    signals, maps and element-wise work are not counted.

    Raises
    ------
    ValueError
        If the network is being counted already.

    Notes
    -----
    For the length of the block the verbs of the synapse objects are hidden behind functions that add and call: the
    synapses stay what they are, for whoever asks for their class, weight or stride.
    """
    counts = Counter(dict.fromkeys(VERBS, 0))
    used = [s for layer in net.layers for s in (*layer.synapses.values(), layer.feedback) if s is not None]
    synapses = {id(s): s for s in used}.values()
    if any(verb in vars(s) for s in synapses for verb in VERBS):
        raise ValueError("net: got a network that is being counted already, expected one `counted` at a time")
    for synapse in synapses:
        for verb in VERBS:
            setattr(synapse, verb, _counting(getattr(synapse, verb), verb, synapse.weight.value[0].size, counts))
    try:
        yield counts
    finally:
        for synapse in synapses:
            for verb in VERBS:
                delattr(synapse, verb)


def _counting(call, verb, fan_in, counts):
    """Return a verb that adds its MACs to counts and does what call does."""

    def wrapped(first, *rest, **named):
        """Call and count; first is the array at the input side for `forward`, at the output side for the others."""
        out = call(first, *rest, **named)
        counts[verb] += (out if verb == "forward" else first).size * fan_in
        return out

    return wrapped


def state_bytes(net, x=None):
    """Return the bytes that a network, after a run, would hand to the next step: the sum of its real arrays (x is not looked at)."""
    arrays = [array for layer in net.layers for array in layer.state().values()]
    arrays += [item.trace for item in net.row if getattr(item, "trace", None) is not None]  # of signals
    return sum(array.nbytes for array in arrays)


def tangent_bytes(net, x=None):
    """Return the bytes that RTRL would hand to the next step, after a run: its tangents beside the state of the network."""
    return state_bytes(net) + rtrl.state_numbers(net) * net.dtype.itemsize


def stored_bytes(net, x):
    """Return the bytes that BPTT stores of the steps of x [T, B, ...]: the potentials of all neurons."""
    x = as_input(net, x)
    net.reset(traces=False)
    potentials = bptt.stored(net, x, list(parts(net, len(x))))[1]
    net.reset()
    return sum(u.nbytes for us in potentials for u in us)


STATE = {"bptt": stored_bytes, "tbptt": stored_bytes, "rtrl": tangent_bytes}  # of other rules: state_bytes


class Cost(NamedTuple):
    """What one gradient of a batch really cost."""

    macs: Counter  # verb -> MACs, forward pass included
    learning: int  # MACs of all verbs without those of the forward pass
    state: int  # bytes: what the rule hands from step to step; BPTT: what it stores of all steps
    peak: int  # bytes: the most that was held at once (tracemalloc), input and parameters apart


def measure(run, net, x, target, loss, inside, state=state_bytes, rng=None):
    r"""Compute the gradient of one batch and return what it cost; parameters do not change.

    Parameters
    ----------
    run, net, x, target, loss, inside, rng
        The algorithm (`network.run`, `bptt.run` or alike) and its arguments.
    state : callable
        (net, x) -> bytes, asked after the run; `STATE` has it for the rules that are not local.

    Returns
    -------
    Cost

    Raises
    ------
    ValueError
        What `run` raises: a rule whose state would be too large says so.
    """
    x = as_input(net, x)
    forward = products(sizes(net, x)) * x.shape[0] * x.shape[1]
    with counted(net) as macs:
        tracemalloc.start()
        try:
            run(net, x, target, loss, inside, rng=rng)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return Cost(macs, macs.total() - forward, state(net, x), peak)
