r"""Optical flow: two spiking convolutions, a readout that predicts the flow, a loss on the pixels that count.

The network halves the image (stride 2), sees it twice and enlarges its answer again; the prediction is the readout's
potential averaged over the window.  The true flow is a target [B, 2, H, W], px a step, NaN where it is unknown or may
not count: such pixels have no part in loss, error and metric.  The metric is the average endpoint error (AEE), lower is
better; the control is a flow of zero everywhere.
"""

from collections import Counter
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np

from stllr_ref import checks, costs, engine, network, training
from stllr_ref.data import motion
from stllr_ref.experiments import classify
from stllr_ref.experiments.classify import Result
from stllr_ref.experiments.family import FAMILY
from stllr_ref.layer import Layer
from stllr_ref.losses import mse, window
from stllr_ref.maps import Upsample
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.signals import Frozen
from stllr_ref.surrogates import PSI, spike
from stllr_ref.synapses import Bias, Conv2d
from stllr_ref.weights import Standardised, kaiming

RULES = ("stllr", "bptt", "tbptt", "ottt", "sltt", "frozen", "zero")  # rules with a trace a synapse refuse convolutions


@dataclass(frozen=True)
class Settings:
    """Everything that defines one row of a table, seed apart; names as in `classify.Settings`."""

    metric: ClassVar[str] = "aee"
    task: str
    rule: str  # one of RULES
    channels: tuple  # of the two hidden layers
    gains: tuple  # of their standardised weights, fixed
    gamma: float  # leak of the hidden layers, per step
    theta: float  # threshold
    readout: float  # leak of the readout, per step
    lam_pre: float
    lam_post: float
    alpha_pre: float
    alpha_post: float
    psi: str  # name of Psi, of the eligibility and of the error sent down
    signal: str  # "bp": the error goes down by the transposed convolutions
    flips: bool  # show each training sample flipped and transposed at random
    last: int  # steps of the window
    epochs: int
    batch: int
    lr: float  # Adam, cosine schedule

    def __post_init__(self):
        checks.choice("rules", self.rule, RULES)
        checks.choice("psi", self.psi, tuple(name for name, psi in PSI.items() if psi is not spike))
        checks.choice("signal", self.signal, ("bp",))
        checks.whole("last", self.last, 1)
        checks.whole("epochs", self.epochs, 1)
        checks.number("alpha_post", self.alpha_post)


SETTINGS = Settings(
    task="flow", rule="stllr", channels=(24, 32), gains=(2.0, 2.5), gamma=0.7, theta=0.6, readout=0.7,
    lam_pre=0.7, lam_post=0.2, alpha_pre=1.0, alpha_post=-0.2, psi="triangle", signal="bp", flips=True,
    last=4, epochs=8, batch=10, lr=3e-3,
)  # fmt: skip


def sets():
    """Return train, validation and test, each (x [T, B, 2, 16, 16], target [B, 2, 16, 16]); the same in every trial."""
    return tuple((part.x, only(part.y, motion.mask(part.x))) for part in motion.load(seed=0))


def only(flow, mask):
    """Return flow [B, 2, H, W] as a target: NaN where mask [B, H, W] is False."""
    return np.where(mask[:, None], flow, flow.dtype.type(np.nan))


def valid(target):
    """Return which pixels of a target [B, 2, H, W] count, bool [B, H, W]: those with two finite components."""
    return np.isfinite(target).all(axis=1)


def masked_mse(output, target):
    r"""Return the mean squared error of each sample over the pixels that count, and its derivative.

    Parameters
    ----------
    output : ndarray, shape [B, 2, H, W]
        Predicted flow at one step (px a step).
    target : ndarray, shape [B, 2, H, W]
        True flow, NaN where it does not count.

    Returns
    -------
    loss : ndarray, shape [B]
        `losses.mse` over the components of the pixels that count; 0 for a sample without any.
    err : ndarray, shape [B, 2, H, W]
        d loss / d output, 0 where nothing counts; not divided by B.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> loss, err = masked_mse(np.ones((1, 2, 1, 2)), np.array([[[[3, np.nan]], [[1, np.nan]]]]))
    >>> loss, err.ravel()
    (array([2.]), array([-2.,  0.,  0.,  0.]))
    """
    target = np.asarray(target)
    checks.same("target", target.shape, output.shape)
    on = valid(target)[:, None]
    loss, err = mse(output * on, np.where(on, target, 0))
    share = on.mean((1, 2, 3), dtype=output.real.dtype)
    scale = np.divide(1, share, out=np.zeros_like(share), where=share > 0)
    return loss * scale, err * scale[:, None, None, None]


def errors(flow, target):
    """Return the endpoint error, px a step, of each pixel that counts: the length of flow - target, both [B, 2, H, W], as one row."""
    right, down = np.moveaxis(flow - target, 1, 0)
    return np.hypot(right, down)[valid(target)]


def mean(found):
    """Return the mean of endpoint errors [n] as a float: the AEE; NaN where no pixel counts, as no error is no perfect answer."""
    return float(np.mean(found, dtype=float)) if len(found) else float("nan")


def words(aee):
    """Return an AEE as people read it.

    >>> words(0.6914), words(float("nan"))
    ('0.691', 'no valid pixel')
    """
    return "no valid pixel" if np.isnan(aee) else f"{aee:.3f}"


def predicted(logits, inside):
    """Return the flow [B, 2, H, W] that logits [T, B, 2, H, W] say: their mean over the window inside [T, B]."""
    on = inside[..., None, None, None].astype(logits.dtype)
    return (logits * on).sum(0) / on.sum(0)


def aee(logits, target, inside):
    """Return the AEE of logits [T, B, 2, H, W], as a metric of `training.fit`; all pixels of the batch that count weigh the same."""
    return mean(errors(predicted(logits, inside), target))


def evaluate(net, data, *, last, batch=50):
    """Return the AEE over all pixels of data = (x, target) that count: not the mean of those of batches, which need not have as many."""
    (x, target), found = data, []
    for at in training.batches(len(target), batch):
        inside = window(len(x), [len(x)] * len(at), last=last)
        found.append(errors(predicted(engine.forward(net, np.take(x, at, 1)), inside), target[at]))
    return mean(np.concatenate(found))


def build(settings, n_in, seed):
    """Return the float32 network of a trial for images of n_in channels; rules that share a seed share their initial weights."""
    s, rng = settings, np.random.default_rng(np.random.SeedSequence([seed, 0]))
    member = FAMILY.get(s.rule, FAMILY["stllr"])  # of the control: no rule is ever asked
    (first, second), row = s.channels, []
    for fan, stride, gain in (((first, n_in, 5, 5), 2, s.gains[0]), ((second, first, 3, 3), 1, s.gains[1])):
        W = Standardised(kaiming(rng, *fan), np.full(fan[0], gain))
        row.append(Layer(Conv2d(W, stride), LIF(s.gamma, s.theta, s.psi), member.rule(s, not row, False)))
    if s.rule == "frozen":
        row.append(Frozen())
    W = Conv2d(kaiming(rng, 2, second, 3, 3))
    row.append(Layer(W, Leaky(s.readout), member.readout(s), bias=Bias(np.zeros((2, 1, 1)))))
    return Network([*row, Upsample(2)], dtype=np.float32)


def in_training(settings, run=network.run):
    """Return the same for training: on flipped samples, and without gradients of the gains, which the optimiser then leaves alone."""
    run = classify.algorithm(settings, run)

    def flipped(net, x, target, loss, inside, *, rng):
        """Run on flipped samples; the output is flipped back, so that it fits the target again."""
        how = motion.draw_flips(rng, x.shape[1]) if settings.flips else np.zeros((x.shape[1], 3), bool)
        logits, grads = run(net, motion.flip(x, how), motion.flip(target, how, vector=True), loss, inside, rng=rng)
        grads = {name: grad for name, grad in grads.items() if not name.endswith(".gain")}
        return motion.flip(logits, motion.undo(how), vector=True), grads

    return flipped


def run(settings, seed, callback=None):
    """Return the `classify.Result` of one trial on the embedded set; test and validation are AEE, px a step."""
    return trial(settings, seed, sets(), callback)


def trial(settings, seed, parts, callback=None):
    """Train and test one network on parts = (train, validation, test), each (x [T, B, C, H, W], target [B, 2, H, W]).

    Return its `classify.Result`; `callback` gets each `training.Epoch`.  H and W are even.  A part without a pixel that
    counts has the AEE NaN.  Nothing but settings and seed decides the numbers (on one machine).
    """
    s, (train, validation, test) = settings, parts
    x, target = train
    if s.last > len(x):
        raise ValueError(f"last: got {s.last}, expected at most T = {len(x)}")
    if s.rule == "zero":
        return _zero(s, seed, parts, callback)
    net = build(s, x.shape[2], seed)
    order = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    start = perf_counter()
    history = training.fit(
        net, train, validation, last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr,
        rng=order, loss=masked_mse, run=in_training(s, engine.fastest(net)), metric=aee, callback=callback,
    )  # fmt: skip
    seconds = perf_counter() - start
    scores = [mean(()) if part is None else evaluate(net, part, last=s.last) for part in (test, validation)]
    return Result(s, seed, *scores, seconds, *classify.cost(net, s, x[:, : s.batch], target[: s.batch], masked_mse), history, net.get())


def _zero(settings, seed, parts, callback):
    """Return the `classify.Result` of the control that says zero everywhere: nothing is learned, every epoch is the same."""
    train, validation, test = (mean(errors(np.zeros_like(part[1]), part[1])) if part else mean(()) for part in parts)
    target = parts[0][1]
    loss = settings.last * float(masked_mse(np.zeros_like(target), target)[0].mean())
    history = [training.Epoch(n, loss, train, validation, [], {}) for n in range(1, settings.epochs + 1)]
    for epoch in history if callback else ():
        callback(epoch)
    return Result(settings, seed, test, validation, 0.0, costs.Cost(Counter(), 0, 0, 0), None, history, {})
