"""The methods of chapter 5: their networks and data, and how far one is from BPTT."""

import numpy as np

from figures import COLOURS, LINES
from figures.one_neuron import causal
from stllr_ref import LIF, OSTL, STLLR, Dense, EProp, Layer, Leaky, Network, bptt, cross_entropy, gradcheck, network, rtrl, triangle, window

N, O, GAMMA, THETA, KAPPA = 32, 4, 0.8, 0.6, 0.8  # neurons a layer, outputs, leak, threshold, leak of the readout where it has one
COLOUR = {"BPTT": COLOURS["bptt"], "RTRL": "#882255", "e-prop": COLOURS["eprop"], "S-TLLR": COLOURS["stllr"]}
LINE = {"BPTT": LINES["bptt"], "RTRL": "-.", "e-prop": LINES["ottt"], "S-TLLR": LINES["stllr"]}
MARK = {"BPTT": "s", "RTRL": "^", "e-prop": "D", "S-TLLR": "o"}


def stllr():
    """Return S-TLLR's rule with both its halves, as published for gestures."""
    return STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)


LOCAL = {"e-prop": lambda: EProp(GAMMA, KAPPA), "S-TLLR": stllr}  # what has its own traces, against what BPTT and RTRL keep


def build(rng, rule=lambda: causal(GAMMA), n=N, depth=2, kappa=KAPPA, recurrent=0.0):
    """Return `depth` spiking layers of n neurons over n inputs, each with rule() for a rule, and a readout of leak kappa; no biases.

    recurrent is the size of recurrent weights; 0 makes none.
    """
    row = []
    for _ in range(depth):
        W, V = Dense(rng.normal(0, 2 / np.sqrt(n), (n, n))), Dense(rng.normal(0, 1 / np.sqrt(n), (n, n)) * recurrent)
        row.append(Layer(W, LIF(GAMMA, THETA, triangle), rule(), V=V if recurrent else None))
    return Network([*row, Layer(Dense(rng.normal(0, 1 / np.sqrt(n), (O, n))), Leaky(kappa), causal(kappa))])


def batch(rng, T=20, B=4, n=N):
    """Return random spikes, labels, the loss and the window: the last five steps."""
    x = (rng.random((T, B, n)) < 0.3).astype(float)
    return x, rng.integers(0, O, B), cross_entropy, window(T, [T] * B, last=5)


def disagree(name, case):
    """Return the largest error of the lowest W by a rule against BPTT, which treats the reset as the rule does."""
    case = {"n": 12, "depth": 1, "kappa": 0.0, **case}
    make, attached = {
        "RTRL": (lambda: causal(GAMMA), True),
        "OSTL": (lambda: OSTL(recurrent=True), True),
        "OSTL without H": (OSTL, True),
        "e-prop": (lambda: EProp(GAMMA, case["kappa"]), False),
        "S-TLLR": (lambda: causal(GAMMA), False),
    }[name]
    net, data = build(np.random.default_rng(1), make, **case), batch(np.random.default_rng(0), n=case["n"])
    gradcheck.liveness(net, data[0])
    grads = rtrl.run(net, *data, attached=True)[1] if name == "RTRL" else network.run(net, *data)[1]
    return gradcheck.error(grads["0.W"], bptt.run(net, *data, attached=attached)[1]["0.W"])
