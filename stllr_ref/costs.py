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


def _hidden(layers):
    """Return the layers that fire."""
    return [s for s in layers if s.fires]


def _readouts(layers):
    """Return the layers that do not."""
    return [s for s in layers if not s.fires]


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
    N, S, potentials = neurons(layers), products(layers), _potentials(layers)
    pre, past = _entering(layers), neurons(_hidden(layers))  # traces: of each number that enters a synapse, of each psi
    table = {
        "stllr": Formula("n", "n^2", 2 * N, kept=potentials + pre + past, macs=3 * last * S, other=T * (pre + past)),
        "stllr0": Formula("n", "n^2", N, kept=potentials + pre, macs=2 * last * S, other=T * pre),
        **_exact(layers, T, last),
        "sltt": Formula("0", "n^2", 0, kept=potentials, macs=2 * last * S, other=0),
        **_by_synapse(layers, T, last),
    }
    table["ottt"] = table["eprop0"] = table["stllr0"]
    return table | _with_other_signals(table, layers, T, last, share)


def _exact(layers, T, last):
    """Return name -> `Formula` of the exact rules, that of the window alone among them."""
    N, S, tangents = neurons(layers), products(layers), _tangents(layers)
    all_pairs = sum(s.weights * s.n for s in layers)  # of a weight and a neuron of its layer
    return {
        "bptt": Formula("T n", "T n^2", T * N, kept=T * N, macs=2 * T * S, other=2 * T * N),
        "tbptt": Formula("last n", "last n^2", last * N, kept=T * N, macs=2 * last * S, other=2 * last * N),
        "rtrl": Formula(
            "n^3", "n^4", all_pairs, kept=_potentials(layers) + tangents, macs=_tangent_macs(layers, T), other=2 * T * tangents
        ),
    }


def _by_synapse(layers, T, last):
    """Return name -> `Formula` of the rules that keep numbers for each synapse of the hidden layers."""
    hidden, readouts = _hidden(layers), _readouts(layers)
    recurrent = [s for s in hidden if s.macs_V]
    S, top, potentials = products(layers), products(readouts), _potentials(layers)
    pre, pre_readout, past = _entering(layers), _entering(readouts), neurons(hidden)  # traces a neuron, as in `formulas`
    traces = sum(s.weights for s in hidden)  # one a weight
    jacobian = sum(s.weights * (s.n if s.macs_V else 1) for s in hidden)  # one a weight and neuron of its layer, where that is recurrent
    through_V = (T - 1) * sum(s.weights * s.macs_V for s in recurrent)  # V times the traces of each weight
    ostl = ("n^3", "n^4", jacobian) if recurrent else ("n^2", "n^2", S)
    macs = last * (S + top)  # the error sent down, and the gradient of the readout
    return {
        "eprop": Formula("n^2", "n^2", S, kept=potentials + pre + traces, macs=macs, other=T * (pre + 2 * traces) + last * traces),
        "ostl": Formula(
            *ostl, kept=potentials + jacobian + past + neurons(recurrent) + pre_readout, macs=macs,
            other=T * (2 * jacobian + pre_readout) + last * jacobian + through_V,
        ),
        "ostl_without_h": Formula(
            "n^2", "n^2", S, kept=potentials + traces + past + pre_readout, macs=macs,
            other=T * (2 * traces + pre_readout) + last * traces,
        ),
        "rstdp": Formula(
            "n^2", "n^2", S, kept=potentials + pre + past + traces, macs=last * top, other=T * (pre + past + 3 * traces) + last * traces,
        ),
    }  # fmt: skip


def _with_other_signals(table, layers, T, last, share):
    """Return name -> `Formula` of the rules that have traces of the table, and no error sent down, or learn in fewer steps."""
    S, top, pre_readout = products(layers), products(_readouts(layers)), _entering(_readouts(layers))
    unread = _entering(layers[:1])  # traces that the lowest layer does without
    hidden = neurons(_hidden(layers))
    C = last * layers[-1].n * hidden  # brings a signal from the classes to every neuron; as many to read them first
    ottt, sltt, stllr, eprop, ostl = (table[name] for name in ("ottt", "sltt", "stllr", "eprop", "ostl"))
    return {
        "ottt_published": ottt._replace(kept=ottt.kept - unread, other=ottt.other - T * unread),
        "sltt_k": sltt._replace(macs=round(2 * share * last * S)),
        "etlp": ottt._replace(macs=round(share * last * S), other=ottt.other + round(share * C)),
        "decolle": ottt._replace(macs=last * S, other=ottt.other + 2 * C),
        "lls": sltt._replace(kept=sltt.kept + pre_readout, macs=last * S, other=2 * C + T * pre_readout),
        "tess": stllr._replace(macs=2 * last * S, other=stllr.other + 2 * C),
        "stdp": stllr._replace(macs=2 * last * S),
        "osttp": ostl._replace(macs=last * top, other=ostl.other + C),
        "eprop_random": eprop._replace(macs=last * top, other=eprop.other + C),
        "eprop_adaptive": eprop._replace(kept=eprop.kept + hidden, macs=last * top, other=eprop.other + 2 * C + T * hidden),
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
    """Return the bytes that a network, after a run, would hand to the next step: its real arrays (x [T, B, ...] is not read)."""
    arrays = [array for layer in net.layers for array in layer.state().values()]
    arrays += [item.trace for item in net.row if getattr(item, "trace", None) is not None]  # of signals
    return sum(array.nbytes for array in arrays)


def tangent_bytes(net, x=None):
    """Return the bytes that RTRL, after a run, would hand on: tangents beside the network's state (x [T, B, ...] is not read)."""
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
    run : callable
        The algorithm: `network.run`, `bptt.run` or alike.
    net, x, target, loss, inside, rng
        As of `network.run`.
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
