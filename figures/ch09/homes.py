"""Where a rule's gradient is the exact one, its home, and one thing more that leads out of it."""

import numpy as np

from figures import ch05
from figures.one_neuron import causal
from stllr_ref import OSTL, SLTT, EProp, bptt, gradcheck, network, rtrl

# Rule -> where what it gives up is not there, and the same with one thing more: the options of `pair`.
HOME = {
    "RTRL": (dict(recurrent=1.0), dict(recurrent=1.0, depth=2), "a second layer"),
    "OSTL": (dict(recurrent=1.0, kappa=0.0), dict(recurrent=1.0), "a readout that remembers"),
    "e-prop": (dict(recurrent=1.0, through_V=False), dict(recurrent=1.0), "errors through V"),
    "OTTT": (dict(kappa=0.0), {}, "a readout that remembers"),
    "SLTT": (dict(kappa=0.0, steps=1), dict(kappa=0.0), "more steps than one"),
}
MAKE = {
    "RTRL": lambda: causal(ch05.GAMMA),
    "OSTL": lambda: OSTL(recurrent=True),
    "e-prop": lambda: EProp(ch05.GAMMA, ch05.KAPPA),
    "OTTT": lambda: causal(ch05.GAMMA),
    "SLTT": SLTT,
}


def pair(make, run=network.run, attached=False, through_V=True, steps=20, seeds=(1, 0), **case):
    """Return the gradients by a rule, make(), and by BPTT, name -> array, of twelve neurons a layer; seeds are of weights and input."""
    case = {"depth": 1, "kappa": ch05.KAPPA, **case}
    net, (x, target, loss, inside) = (
        ch05.build(np.random.default_rng(seeds[0]), make, n=12, **case),
        ch05.batch(np.random.default_rng(seeds[1]), n=12),
    )
    data = x[-steps:], target, loss, inside[-steps:]
    gradcheck.liveness(net, data[0])
    return run(net, *data)[1], bptt.run(net, *data, attached=attached, through_V=through_V)[1]


def home(name, more=False):
    """Return the gradients by one of HOME and by BPTT, which treats the reset as the rule does, at home or with one thing more."""
    run = rtrl.run if name == "RTRL" else network.run
    return pair(MAKE[name], run, attached=name == "OSTL", **HOME[name][more])
