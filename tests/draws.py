"""Random networks with inputs, windows and parameters, extremes among them: what the properties of `fuzz_networks.py` are tried on."""

import numpy as np

from stllr_ref import (
    DFA,
    DRTP,
    LIF,
    OSTL,
    OTTT,
    SLTT,
    STLLR,
    Bias,
    Conv2d,
    Dense,
    EProp,
    Frozen,
    Layer,
    Leaky,
    Local,
    Network,
    Standardised,
    cross_entropy,
    kaiming,
    sDFA,
    spike,
    window,
)  # fmt: skip
from stllr_ref.maps import AvgPool, Dropout, Flatten, GlobalAvg, MaxPool, Upsample
from stllr_ref.rules import STDP
from stllr_ref.signals import Adaptive, Reward, hit
from stllr_ref.surrogates import PRIMITIVE
from stllr_ref.synaptic import Filtered

O = 3  # classes
EDGES = (0.0, 5e-324, 1e-300, 1e-20, float(np.nextafter(1, 0)), 1.0)  # of what lies from 0 to 1
INPUTS = (bool, np.uint8, np.int64, np.float16, np.float32, np.float64)


def share(rng):
    """Return a number from 0 to 1, at times an end of that range or next to one."""
    return float(rng.choice(EDGES) if rng.random() < 0.4 else rng.random())


def factor(rng):
    """Return a weight of a term of a rule: about 1, at times 0, tiny or large, of either sign."""
    size = rng.choice([0, 1e-300, 1e-8, 1e8]) if rng.random() < 0.3 else rng.uniform(0.2, 2)
    return float(rng.choice([-1, 1]) * size)


def traced(rng, psi=True):
    """Return a random rule with a trace a neuron; psi: it may have a Psi of its own."""
    shaped = STLLR(
        lam_pre=share(rng), lam_post=share(rng), alpha_pre=factor(rng), alpha_post=factor(rng), bias_decay=share(rng),
        post_trace=str(rng.choice(["code", "paper"])), psi=(None, spike, "arctan")[rng.integers(3)] if psi else None,
    )  # fmt: skip
    kinds = [shaped, shaped, OTTT(share(rng), bias_decay=share(rng)), SLTT()]
    return ([*kinds, STDP(share(rng), share(rng), factor(rng), factor(rng))] if psi else kinds)[rng.integers(4 + psi)]


def rule(rng, synaptic):
    """Return a random rule for a spiking layer; synaptic: it may keep a trace of every synapse."""
    if not synaptic or rng.random() < 0.5:
        return traced(rng)
    return (Filtered(traced(rng), share(rng)), EProp(share(rng), share(rng)), OSTL(bool(rng.integers(2))))[rng.integers(3)]


def neuron(rng):
    """Return a random spiking neuron."""
    psi = list(PRIMITIVE)[rng.integers(len(PRIMITIVE))]
    return LIF(share(rng), float(rng.uniform(0.2, 0.9)), psi, reset=("soft", "hard", "none")[rng.integers(3)])


def weight(rng, *shape):
    """Return random weights, plain or standardised."""
    W = kaiming(rng, *shape)
    return Standardised(W, rng.uniform(0.5, 2, shape[0])) if rng.random() < 0.4 and np.prod(shape[1:]) > 1 else W


def signal(rng, shape):
    """Return a random signal for units of a shape."""
    B = kaiming(rng, O, *shape)
    made = [DFA(B), sDFA(B), DRTP(B), Local(B), Local(B, learned=False, unit=True), Frozen(), Reward(hit), Reward(0.5), Adaptive(B, share(rng))]
    return made[rng.integers(len(made))]


def readout(rng, n):
    """Return a random readout of n inputs."""
    bias = Bias(rng.normal(0, 0.1, O)) if rng.random() < 0.8 else None
    return Layer(Dense(weight(rng, O, n)), Leaky(share(rng)), traced(rng, psi=False), bias=bias)


def dense(rng, signals, synaptic):
    """Return (row, shape of one input) of one to three dense layers and a readout."""
    sizes, row = rng.integers(1, 7, rng.integers(1, 4)).tolist(), []
    n_in = int(rng.integers(1, 7))
    for number, (below, n) in enumerate(zip([n_in, *sizes], sizes)):
        row.append(Layer(
            Dense(weight(rng, n, below)), neuron(rng), rule(rng, synaptic),
            V=Dense(weight(rng, n, n)) if rng.random() < 0.4 else None,
            bias=Bias(rng.normal(0.2, 0.2, n)) if rng.random() < 0.6 else None,
            # a skip past a signal would add what is averaged over the batch to what is summed
            skips={"S": (Dense(kaiming(rng, n, sizes[0])), 0)} if number > 1 and not signals and rng.random() < 0.5 else None,
            feedback=Dense(kaiming(rng, n, below)) if signals and rng.random() < 0.3 else None,
        ))  # fmt: skip
        row += [Dropout(share(rng))] * (rng.random() < 0.2) + ([signal(rng, (n,))] if signals and rng.random() < 0.4 else [])
    return [*row, readout(rng, sizes[-1])], (n_in,)


def images(rng, signals, pools=(MaxPool, AvgPool)):
    """Return (row, shape of one input) of two convolutions with maps between them and a readout."""
    c, k = int(rng.integers(1, 4)), int(rng.choice([1, 2, 3]))
    first = Layer(Conv2d(weight(rng, c, 2, k, k)), neuron(rng), traced(rng), bias=Bias(rng.normal(0.2, 0.2, (c, 1, 1))))
    side = 5 + 2 * (k // 2) - k  # of the image above a filter that has k // 2 zeros on each side, and of which the pool makes half
    second = Layer(
        Conv2d(weight(rng, 2, c, 2, 2), stride=int(rng.integers(1, 3)), padding=1), neuron(rng), traced(rng),
        bias=Bias(rng.normal(0, 0.2, (2, 1, 1))) if rng.random() < 0.5 else None,
    )  # fmt: skip
    half, pool = (side + 1) // 2, pools[rng.integers(len(pools))](2)
    above = signal(rng, (c, half, half))
    out = (half + 2 - 2) // second.synapses["W"].stride + 1
    end, n = [([Flatten()], 2 * out**2), ([GlobalAvg()], 2), ([Upsample(2), GlobalAvg()], 2)][rng.integers(3)]
    row = [first, pool, *([above] if signals and rng.random() < 0.5 else []), second, *end]
    return [*row, readout(rng, n)], (2, 5, 5)


def network(rng, signals=True, synaptic=False, linear=False, dtype=None):
    """Return (a random network, shape of one input); without signals and synaptic it is what exact gradients know; linear: without MaxPool."""
    if rng.random() < 0.3:
        row, shape = images(rng, signals, (AvgPool,) if linear else (MaxPool, AvgPool))
    else:
        row, shape = dense(rng, signals, synaptic)
    return Network(row, dtype=dtype), shape


def inputs(rng, shape, steps=9, batch=5):
    """Return (x [T, B, *shape], target [B], inside [T, B]): spikes or counts of any dtype, at times none, or one everywhere."""
    T, B = (int(rng.choice([1, rng.integers(1, most + 1)])) if rng.random() < 0.3 else int(rng.integers(1, most + 1)) for most in (steps, batch))
    rate, dtype = float(rng.choice([0, 0.4, 0.4, 0.4, 1])), INPUTS[rng.integers(len(INPUTS))]
    lengths = rng.integers(1, T + 1, B)
    x = (rng.random((T, B, *shape)) < rate) * rng.choice([1, 1, 2], (T, B, *shape))
    x = x * (np.arange(T)[:, None] < lengths).reshape(T, B, *[1] * len(shape))
    span = {"last": int(rng.integers(0, T + 2))} if rng.random() < 0.5 else {"start": int(rng.integers(0, T))}
    return x.astype(dtype), rng.integers(0, O, B), window(T, lengths, **span)


def case(rng, **options):
    """Return (network, x, target, loss, inside), arguments of `network.run`."""
    net, shape = network(rng, **options)
    x, target, inside = inputs(rng, shape)
    return net, x, target, cross_entropy, inside
