r"""What the classification experiments share: settings, networks for every rule, one trial, its result.

A network is a stack of standardised dense LIF layers (the last may be recurrent) and a leaky readout.  BPTT trains on
the same loss, window, leak and Psi as the local rules, from the same initial weights and the same order of samples.
"""

import tracemalloc
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import NamedTuple, Optional

import numpy as np

from stllr_ref import bptt, checks, network, training
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT, SLTT, STLLR
from stllr_ref.signals import DFA, DRTP, Frozen, Local, sDFA
from stllr_ref.surrogates import PSI, spike
from stllr_ref.synapses import Bias, Dense
from stllr_ref.synaptic import OSTL, EProp
from stllr_ref.weights import Standardised, kaiming

RULES = ("stllr", "bptt", "tbptt", "ottt", "sltt", "eprop", "ostl", "frozen", "counts")
SIGNALS = {"bp": None, "dfa": DFA, "sdfa": sDFA, "drtp": DRTP, "fa": None, "local": Local}


@dataclass(frozen=True)
class Settings:
    """Everything that defines one row of a table, seed apart."""

    task: str
    rule: str  # one of RULES
    hidden: tuple  # neurons of each hidden layer
    recurrent: bool  # the last hidden layer has V
    gamma: float  # leak of the hidden layers, per step
    theta: float  # threshold
    readout: float  # leak of the readout, per step
    lam_pre: float
    lam_post: float
    alpha_pre: float
    alpha_post: float
    psi: str  # name of Psi, of the eligibility and of the error sent down
    signal: str  # one of SIGNALS
    last: int  # steps of the window
    epochs: int
    batch: int
    lr: float  # Adam, cosine schedule

    def __post_init__(self):
        checks.choice("rules", self.rule, RULES)
        checks.choice("psi", self.psi, tuple(name for name, psi in PSI.items() if psi is not spike))
        checks.choice("signal", self.signal, tuple(SIGNALS))
        checks.whole("last", self.last, 1)
        checks.whole("epochs", self.epochs, 1)
        checks.number("alpha_post", self.alpha_post)


class Result(NamedTuple):
    """One trial: a setting and a seed."""

    settings: Settings
    seed: int
    test: float  # accuracy, 0 to 1
    validation: float
    seconds: float  # of training
    state_bytes: int  # see `memory`, at the training batch size
    peak_bytes: int
    history: list  # of training.Epoch
    params: dict  # name -> array, after training


def hidden_rule(settings):
    """Return a new rule for a hidden layer; BPTT and the controls carry S-TLLR's and never ask it."""
    s = settings
    if s.rule == "eprop":
        return EProp(s.gamma, s.readout)
    if s.rule == "ostl":
        return OSTL(s.recurrent)
    if s.rule in ("ottt", "sltt"):
        return OTTT(s.gamma) if s.rule == "ottt" else SLTT()
    return STLLR(lam_pre=s.lam_pre, lam_post=s.lam_post, alpha_pre=s.alpha_pre, alpha_post=s.alpha_post)


def layers(settings, n_in, n_out, rng, feedback_rng):
    """Return the layers of a network, bottom to top; weights from one Generator, those of FA from another, so that rules share weights."""
    s, row, sizes = settings, [], (n_in, *settings.hidden)
    for i, (below, here) in enumerate(zip(sizes, s.hidden)):
        V = Dense(Standardised(kaiming(rng, here, here))) if s.recurrent and i == len(s.hidden) - 1 else None
        W = Dense(Standardised(kaiming(rng, here, below)))
        feedback = Dense(kaiming(feedback_rng, here, below)) if s.signal == "fa" and i else None
        row.append(Layer(W, LIF(s.gamma, s.theta, s.psi), hidden_rule(s), V=V, bias=Bias(np.zeros(here)), feedback=feedback))
    feedback = Dense(kaiming(feedback_rng, n_out, sizes[-1])) if s.signal == "fa" else None
    readout_rule = SLTT() if s.rule == "sltt" else OTTT(s.readout, bias_decay=s.readout)
    W = Dense(kaiming(rng, n_out, sizes[-1]))
    row.append(Layer(W, Leaky(s.readout), readout_rule, bias=Bias(np.zeros(n_out)), feedback=feedback))
    return row


def counter(n_in, n_out):
    """Return the layers of the control without a network: a readout that never leaks, so that it reads the summed input."""
    return [Layer(Dense(np.zeros((n_out, n_in))), Leaky(1), OTTT(1, bias_decay=1), bias=Bias(np.zeros(n_out)))]


def build(settings, n_in, n_out, seed):
    """Return the float32 network of a trial; rules that share a seed share their initial weights."""
    weights, feedback = (np.random.default_rng(s) for s in np.random.SeedSequence([seed, 0]).spawn(2))
    if settings.rule == "counts":
        return Network(counter(n_in, n_out), dtype=np.float32)
    *hidden, readout = layers(settings, n_in, n_out, weights, feedback)
    row = []
    for layer, n in zip(hidden, settings.hidden):
        signal = None if settings.rule == "frozen" else SIGNALS[settings.signal]
        row += [layer] if signal is None else [layer, signal(kaiming(feedback, n_out, n))]
    if settings.rule == "frozen":
        row.append(Frozen())
    return Network([*row, readout], dtype=np.float32)


def algorithm(rule):
    """Return the function that gives a rule's gradients, with the signature of `network.run`."""
    return {"bptt": bptt.run, "tbptt": partial(bptt.run, truncated=True)}.get(rule, network.run)


def run(settings, seed, sets, callback=None):
    """Train and test one network on sets = (train, validation, test), each (x [T, B, N], y [B]); return its `Result`.

    `callback` gets each `training.Epoch`.  Nothing but settings and seed decides the numbers (on one machine).
    """
    train, validation, test = sets
    x, y = train[:2]
    if settings.last > len(x):
        raise ValueError(f"last: got {settings.last}, expected at most T = {len(x)}")
    if settings.rule == "counts":
        settings = replace(settings, last=1)
    net = build(settings, x.shape[2], int(y.max()) + 1, seed)
    order = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    start = perf_counter()
    history = training.fit(
        net, train, validation, last=settings.last, epochs=settings.epochs, batch=settings.batch, lr=settings.lr,
        rng=order, run=algorithm(settings.rule), callback=callback,
    )  # fmt: skip
    seconds = perf_counter() - start
    score = training.evaluate(net, test, last=settings.last)
    state, peak = memory(net, settings.rule, x[:, : settings.batch], y[: settings.batch], settings.last)
    return Result(settings, seed, score, history[-1].validation, seconds, state, peak, history, net.get())


def memory(net, rule, x, y, last):
    """Return (state, peak) in bytes for one batch x [T, B, N], y [B] under a rule.

    state: what one step leaves for others to read: traces and potentials of the present for local rules, potentials,
    spikes and Psi of all T steps for BPTT.  peak: the most that a gradient computation held at once (tracemalloc), input
    and parameters apart.
    """
    inside = window(len(x), [len(x)] * len(y), last=last)
    tracemalloc.start()
    algorithm(rule)(net, x, y, cross_entropy, inside)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if "bptt" in rule:
        nows = [layer.now for layer in net.layers]
        return len(x) * sum(now.u.nbytes + now.y.nbytes + now.psi.nbytes for now in nows), peak
    return sum(array.nbytes for layer in net.layers for array in layer.state().values()), peak


def mean_std(values):
    """Return mean and standard deviation (ddof 1; None for one value) as Python floats."""
    values = [float(v) for v in values]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def paired(a: list, b: list) -> tuple[float, Optional[float]]:
    """Return the mean of a - b, trial by trial, and its standard error (None for one trial)."""
    mean, std = mean_std(np.subtract(a, b))
    return mean, None if std is None else std / len(a) ** 0.5
