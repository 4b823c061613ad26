r"""What the classification experiments share: settings, networks for every rule, one trial, its result.

A network is a stack of standardised dense LIF layers (the last may be recurrent) and a leaky readout.  BPTT trains on
the same loss, window, leak and Psi as the local rules, from the same initial weights and the same order of samples.
"""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import ClassVar, NamedTuple, Optional

import numpy as np

from stllr_ref import checks, costs, engine, network, training
from stllr_ref.checkpoints import Checkpoint
from stllr_ref.experiments.family import FAMILY, SHAPED, SHARE, SIGNALS, member
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT
from stllr_ref.signals import Frozen
from stllr_ref.surrogates import PSI, spike
from stllr_ref.synapses import Bias, Dense
from stllr_ref.weights import Standardised, kaiming

RULES = (*FAMILY, "frozen", "counts")
PSIS = tuple(name for name, psi in PSI.items() if psi is not spike)  # names that settings.psi may have
UPDATES = ("accumulated", "online")  # weights change after a batch, or after each step of the window within it


@dataclass(frozen=True)
class Settings:
    """Everything that defines one row of a table, seed apart."""

    metric: ClassVar[str] = "accuracy"
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
    update: str = "accumulated"  # one of UPDATES

    def __post_init__(self):
        checks.choice("rules", self.rule, RULES)
        checks.choice("psi", self.psi, PSIS)
        checks.choice("signal", self.signal, tuple(SIGNALS))
        checks.whole("last", self.last, 1)
        checks.whole("epochs", self.epochs, 1)
        checks.number("alpha_post", self.alpha_post)
        checks.choice("update", self.update, UPDATES)
        if self.update == "online" and algorithm(self) is not network.run:
            raise ValueError(f"update: got online with the rule {self.rule}, expected accumulated, or a rule such as stllr or frozen")


class Result(NamedTuple):
    """One trial: a setting and a seed."""

    settings: Settings
    seed: int
    test: float  # accuracy, 0 to 1 (flow: average endpoint error, px a step)
    validation: float
    seconds: float  # of training
    cost: costs.Cost  # of one gradient, at the training batch size
    macs: Optional[int]  # the same by the rule's formula; None for the controls
    history: list  # of training.Epoch
    params: dict  # name -> array, after training
    more: dict = {}  # name -> another score on test data (flow: `flow.Scores` but its aee)


def layers(settings, n_in, n_out, rng, feedback_rng):
    """Return the layers of a network, bottom to top; weights from one Generator, those of FA from another, so that rules share weights."""
    s, row, sizes = settings, [], (n_in, *settings.hidden)
    rules = member(s.rule)
    for i, (below, here) in enumerate(zip(sizes, s.hidden)):
        recurrent = s.recurrent and i == len(s.hidden) - 1
        V = Dense(Standardised(kaiming(rng, here, here))) if recurrent else None
        W = Dense(Standardised(kaiming(rng, here, below)))
        feedback = Dense(kaiming(feedback_rng, here, below)) if s.signal == "fa" and i else None
        rule = rules.rule(s, i == 0, recurrent)
        row.append(Layer(W, LIF(s.gamma, s.theta, s.psi), rule, V=V, bias=Bias(np.zeros(here)), feedback=feedback))
    feedback = Dense(kaiming(feedback_rng, n_out, sizes[-1])) if s.signal == "fa" else None
    W = Dense(kaiming(rng, n_out, sizes[-1]))
    row.append(Layer(W, Leaky(s.readout), rules.readout(s), bias=Bias(np.zeros(n_out)), feedback=feedback))
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
    row, make = [], None if settings.rule == "frozen" else SIGNALS[signal_of(settings)]
    for layer, n in zip(hidden, settings.hidden):
        row += [layer] if make is None else [layer, make(feedback, n_out, n, settings)]
    if settings.rule == "frozen":
        row.append(Frozen())
    return Network([*row, readout], dtype=np.float32)


def signal_of(settings):
    """Return the name of the signal of the hidden layers: the rule's own, or where that is "bp" the settings'."""
    own = member(settings.rule).signal
    return settings.signal if own == "bp" else own


def algorithm(settings, run=network.run):
    """Return the function that gives the gradients of the settings' rule, with the signature of `run`, which local rules go by."""
    return member(settings.rule).algorithm(settings, run)


def reads_signal(rule):
    """Return whether a rule lets its signal be exchanged: not the exact ones, the controls, or those with one of their own."""
    return rule in FAMILY and FAMILY[rule].signal == "bp" and rule not in ("bptt", "tbptt", "rtrl")


def check_last(settings, T):
    """Refuse a window longer than the T steps of the task."""
    if settings.last > T:
        raise ValueError(f"last: got {settings.last}, expected at most T = {T}")


def checkpoint_of(path, settings, seed):
    """Return the `Checkpoint` of a trial, None without a path."""
    return path and Checkpoint(path, {**vars(settings), "seed": seed})


def run(settings, seed, sets, callback=None, checkpoint=None):
    """Train and test one network on sets = (train, validation, test), each (x [T, B, N], y [B]); return its `Result`.

    `callback` gets each `training.Epoch`; `checkpoint` is the path of a file to go on from, written after each.  Nothing
    but settings and seed decides the numbers (on one machine).
    """
    train, validation, test = sets
    x, y = train[:2]
    check_last(settings, len(x))
    if settings.rule == "counts":
        settings = replace(settings, last=1)
    classes = 1 + max(int(part[1].max()) for part in sets if part is not None)  # some recordings of a set may lack a class
    net = build(settings, x.shape[2], classes, seed)
    order = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    online, start = settings.update == "online", perf_counter()
    history = training.fit(
        net, train, validation, last=settings.last, epochs=settings.epochs, batch=settings.batch, lr=settings.lr,
        rng=order, run=algorithm(settings, network.run if online else engine.fastest(net)), callback=callback, online=online,
        checkpoint=checkpoint_of(checkpoint, settings, seed),
    )  # fmt: skip
    seconds = perf_counter() - start
    score = training.evaluate(net, test, last=settings.last)
    spent, formula = cost(net, settings, x[:, : settings.batch], y[: settings.batch])
    return Result(settings, seed, score, history[-1].validation, seconds, spent, formula, history, net.get())


def cost(net, settings, x, y, loss=cross_entropy):
    """Return (`costs.Cost`, MACs by the formula or None) of one gradient of the settings' rule on a batch x [T, B, N], y [B]."""
    inside = window(len(x), [len(x)] * len(y), last=settings.last)
    state, rng = costs.STATE.get(settings.rule, costs.state_bytes), np.random.default_rng(0)
    counted = costs.measure(algorithm(settings), net, x, y, loss, inside, state, rng)
    formula = costs.formulas(costs.sizes(net, x), len(x), settings.last, SHARE).get(_formula(settings))
    return counted, None if formula is None else formula.macs * len(y)


def _formula(settings):
    """Return the name of the formula of `costs.formulas` for the settings, or None where none is theirs."""
    s = settings
    if s.rule in SHAPED and s.alpha_post == 0:
        return "stllr0" if s.rule == "stllr" and s.signal in ("bp", "fa") else None
    return None if reads_signal(s.rule) and s.signal not in ("bp", "fa") else s.rule


def mean_std(values):
    """Return mean and standard deviation (ddof 1; None for one value) as Python floats."""
    values = [float(v) for v in values]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def paired(a: list, b: list) -> tuple[float, Optional[float]]:
    """Return the mean of a - b, trial by trial, and its standard error (None for one trial)."""
    mean, std = mean_std(np.subtract(a, b))
    return mean, None if std is None else std / len(a) ** 0.5
