r"""Optical flow: spiking convolutions, a readout that predicts the flow, a loss on the pixels that count.

The flat network halves the image (stride 2), sees it twice and enlarges its answer again; the other is an encoder-decoder.
The prediction is the readout's potential averaged over the window.  The true flow is a target [B, 2, H, W], px a step, NaN
where it is unknown or may not count: such pixels have no part in loss, error and metric.  A loss that does without the truth
looks at grey frames, two channels more of the target.  The metric is the average endpoint error (AEE), lower is better; the
control is a flow of zero everywhere.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np

from stllr_ref import checks, costs, engine, network, training
from stllr_ref.data import motion
from stllr_ref.experiments import classify, photometric
from stllr_ref.experiments.classify import Result
from stllr_ref.experiments.encoder import encoder_decoder
from stllr_ref.experiments.family import member
from stllr_ref.layer import Layer
from stllr_ref.losses import mse, window
from stllr_ref.maps import Upsample
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.signals import Frozen
from stllr_ref.synapses import Bias, Conv2d
from stllr_ref.weights import Standardised, kaiming

NETWORKS = {"flat": 2, "unet": 3}  # name -> how many gains it has
LOSSES = ("mse", "photometric")  # with the true flow, or with grey frames alone: `masked_mse`, `photometric.loss`
FAR, SHARE = 3, 0.05  # an outlier is wrong by more than 3 px, and more than 5 % of the true flow, between two grey frames
RULES = ("stllr", "bptt", "tbptt", "ottt", "sltt", "frozen", "zero")  # rules with a trace a synapse refuse convolutions


@dataclass(frozen=True)
class Settings:
    """Everything that defines one row of a table, seed apart; names as in `classify.Settings`."""

    metric: ClassVar[str] = "aee"
    task: str
    rule: str  # one of RULES
    network: str  # "flat", or "unet": `encoder.encoder_decoder`
    loss: str  # one of LOSSES
    smooth: float  # weight of the smoothness in the photometric loss
    channels: tuple  # of the two hidden layers, or of the encoders, at least two
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
        checks.choice("network", self.network, tuple(NETWORKS))
        checks.choice("loss", self.loss, LOSSES)
        if len(self.gains) != NETWORKS[self.network]:
            raise ValueError(f"gains: got {len(self.gains)}, expected {NETWORKS[self.network]} of the network {self.network!r}")
        checks.number("smooth", self.smooth, 0)
        checks.choice("psi", self.psi, classify.PSIS)
        checks.choice("signal", self.signal, ("bp",))
        checks.whole("last", self.last, 1)
        checks.whole("epochs", self.epochs, 1)
        checks.number("alpha_post", self.alpha_post)


# Chosen on validation data, three seeds, S-TLLR and BPTT alike (results/motion.csv): lr, epochs, and alpha_post, at lr 6e-3; 0 is level.
SETTINGS = Settings(
    task="flow", rule="stllr", network="flat", loss="mse", smooth=1.0, channels=(24, 32), gains=(2.0, 2.5), gamma=0.7, theta=0.6,
    readout=0.7, lam_pre=0.7, lam_post=0.2, alpha_pre=1.0, alpha_post=-0.2, psi="triangle", signal="bp", flips=True,
    last=4, epochs=20, batch=10, lr=1.2e-2,
)  # fmt: skip
# Of 1.0 and 1.5 for its last gain 1.0 had the lower validation AEE (0.783 and 0.830; one seed, 8 epochs); nothing else was tried.
UNET = replace(SETTINGS, network="unet", gains=(2.0, 2.5, 1.0))


def network_fields(network):
    """Return the fields of `Settings` that make it the network of that name: one of NETWORKS, of the size chosen for it."""
    s = UNET if network == "unet" else SETTINGS
    return {"network": s.network, "channels": s.channels, "gains": s.gains}


def sets(loss="mse"):
    """Return train, validation and test, each (x [T, B, 2, 16, 16], target [B, 2, 16, 16]); the same in every trial.

    For the photometric loss a target has two channels more, the grey frames: [B, 4, 16, 16].
    """
    parts = tuple((part.x, only(part.y, motion.mask(part.x)), part.source) for part in motion.load(seed=0))
    if loss == "mse":
        return tuple((x, target) for x, target, _ in parts)
    return tuple((x, np.concatenate([target, motion.frames(source, seed=0)], axis=1)) for x, target, source in parts)


def only(flow, mask):
    """Return flow [B, 2, H, W] as a target: NaN where mask [B, H, W] is False."""
    return np.where(mask[:, None], flow, flow.dtype.type(np.nan))


def valid(target):
    """Return which pixels of a target [B, 2 or 4, H, W] count, bool [B, H, W]: those with two finite components of the flow."""
    return np.isfinite(target[:, :2]).all(axis=1)


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


def self_supervised(output, target, smooth):
    """Return `photometric.loss` of output [B, 2, H, W] and of the frames in target [B, 4, H, W]: all pixels count, no truth is seen."""
    return photometric.loss(output, np.asarray(target)[:, 2:], smooth=smooth)


def loss_of(settings):
    """Return the loss that the settings name."""
    return masked_mse if settings.loss == "mse" else partial(self_supervised, smooth=settings.smooth)


def errors(flow, target):
    """Return the endpoint error, px a step, of each pixel that counts: the length of flow - target, both [B, 2, H, W], as one row.

    Channels that a target has beside the flow are not looked at.
    """
    right, down = np.moveaxis(flow - target[:, :2], 1, 0)
    return np.hypot(right, down)[valid(target)]


def mean(found):
    """Return the mean of endpoint errors [n] as a float: the AEE; NaN where no pixel counts, as no error is no perfect answer."""
    return float(np.mean(found, dtype=float)) if len(found) else float("nan")


def predicted(logits, inside):
    """Return the flow [B, 2, H, W] that logits [T, B, 2, H, W] say: their mean over the window inside [T, B]."""
    on = inside[..., None, None, None].astype(logits.dtype)
    return (logits * on).sum(0) / on.sum(0)


def aee(logits, target, inside):
    """Return the AEE of logits [T, B, 2, H, W], as a metric of `training.fit`; all pixels of the batch that count weigh the same."""
    return mean(errors(predicted(logits, inside), target))


def evaluate(net, data, *, last, batch=50):
    """Return the AEE over all pixels of data = (x, target) that count: not the mean of those of batches, which need not have as many."""
    return mean(_compared(net, data, last, batch)[0])


def _compared(net, data, last, batch):
    """Return endpoint error and true speed, px a step, of all pixels of data = (x, target) that count: [2, n]."""
    (x, target), found = data, []
    for at in training.batches(len(target), batch):
        inside = window(len(x), [len(x)] * len(at), last=last)
        flow = predicted(engine.forward(net, training.pick(x, at)), inside)
        found.append([errors(flow, target[at]), errors(np.zeros_like(flow), target[at])])
    return np.concatenate(found, axis=1)


class Scores(NamedTuple):
    """How wrong a flow is, in more than one number; NaN where no pixel counts."""

    aee: float  # px a step
    slow: float  # AEE of the third of the pixels that move least in truth
    middle: float
    fast: float  # AEE of the third that moves most
    outliers: float  # share of the pixels, 0 to 1


def judged(error, speed, steps):
    """Return the `Scores` of endpoint errors [n], given the true speeds [n], both px a step, and the steps between grey frames.

    An outlier, as MVSEC and KITTI count them, is wrong by more than 3 px and by more than 5 % of the true flow; both are meant
    between two grey frames, so that an error a step is multiplied by the steps (1 where a flow is that of the whole interval).

    >>> judged(np.array([0.25, 0.5, 0.75]), np.array([2.0, 1.0, 20.0]), steps=8)
    Scores(aee=0.5, slow=0.5, middle=0.25, fast=0.75, outliers=0.3333333333333333)
    """
    thirds = np.array_split(error[np.argsort(speed, kind="stable")], 3)
    return Scores(mean(error), *map(mean, thirds), mean((error * steps > FAR) & (error > SHARE * speed)))


def scores(result, data, steps=None):
    """Return the `Scores` of a trial's network, as it was at the end, on data = (x, target); steps as `judged`, T by default."""
    s, (x, target) = result.settings, data
    if s.rule == "zero":
        speed = errors(np.zeros_like(target[:, :2]), target)
        return judged(speed, speed, len(x) if steps is None else steps)
    net = build(s, x.shape[2], result.seed)
    net.put(result.params)
    return judged(*_compared(net, data, s.last, 50), len(x) if steps is None else steps)


def build(settings, n_in, seed):
    """Return the float32 network of a trial for images of n_in channels; rules that share a seed share their initial weights."""
    s, rng = settings, np.random.default_rng(np.random.SeedSequence([seed, 0]))
    if s.network == "unet":
        return Network(encoder_decoder(s, n_in, rng), dtype=np.float32)
    rules = member(s.rule)
    (first, second), row = s.channels, []
    for fan, stride, gain in (((first, n_in, 5, 5), 2, s.gains[0]), ((second, first, 3, 3), 1, s.gains[1])):
        W = Standardised(kaiming(rng, *fan), np.full(fan[0], gain))
        row.append(Layer(Conv2d(W, stride), LIF(s.gamma, s.theta, s.psi), rules.rule(s, not row, False)))
    if s.rule == "frozen":
        row.append(Frozen())
    W = Conv2d(kaiming(rng, 2, second, 3, 3))
    row.append(Layer(W, Leaky(s.readout), rules.readout(s), bias=Bias(np.zeros((2, 1, 1)))))
    return Network([*row, Upsample(2)], dtype=np.float32)


def in_training(settings, run=network.run):
    """Return the same for training: on flipped samples, and without gradients of the gains, which the optimiser then leaves alone."""
    run = classify.algorithm(settings, run)

    def flipped(net, x, target, loss, inside, *, rng):
        """Run on flipped samples; the output is flipped back, so that it fits the target again."""
        how = motion.draw_flips(rng, x.shape[1]) if settings.flips else np.zeros((x.shape[1], 3), bool)
        flow, frames = motion.flip(target[:, :2], how, vector=True), motion.flip(target[:, 2:], how)
        logits, grads = run(net, motion.flip(x, how), np.concatenate([flow, frames], axis=1), loss, inside, rng=rng)
        grads = {name: grad for name, grad in grads.items() if not name.endswith(".gain")}
        return motion.flip(logits, motion.undo(how), vector=True), grads

    return flipped


def other_scores(scores):
    """Return what `classify.Result` has more than the AEE: the other `Scores` under their names."""
    return {name: value for name, value in scores._asdict().items() if name != "aee"}


def run(settings, seed, callback=None):
    """Return the `classify.Result` of one trial on the embedded set; test and validation are AEE, px a step."""
    return trial(settings, seed, sets(settings.loss), callback)


def trial(settings, seed, parts, callback=None, checkpoint=None, steps=None):
    """Train and test one network on parts = (train, validation, test), each (x, target) as `sets` gives them, of any size.

    Return its `classify.Result`; `callback` and `checkpoint` are those of `classify.run`, `steps` are those of `judged`, T by
    default.  H and W are even, for "unet" multiples of 2^levels.  A part without a pixel that counts has the AEE NaN.
    Nothing but settings and seed decides the numbers (on one machine).
    """
    s, (train, validation, test) = settings, parts
    x, target = train
    if s.last > len(x):
        raise ValueError(f"last: got {s.last}, expected at most T = {len(x)}")
    steps = len(x) if steps is None else steps
    if s.rule == "zero":
        return _zero(s, seed, parts, callback, steps)
    net = build(s, x.shape[2], seed)
    order = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    start = perf_counter()
    history = training.fit(
        net, train, validation, last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr,
        rng=order, loss=loss_of(s), run=in_training(s, engine.fastest(net)), metric=aee, callback=callback,
        checkpoint=classify.checkpoint_of(checkpoint, s, seed),
    )  # fmt: skip
    seconds = perf_counter() - start
    held = mean(()) if validation is None else evaluate(net, validation, last=s.last)
    found = judged(*_compared(net, test, s.last, 50), steps)
    spent = classify.cost(net, s, x[:, : s.batch], target[: s.batch], loss_of(s))
    return Result(s, seed, found.aee, held, seconds, *spent, history, net.get(), other_scores(found))


def _zero(settings, seed, parts, callback, steps):
    """Return the `classify.Result` of the control that says zero everywhere: nothing is learned, every epoch is the same."""
    speeds = [errors(np.zeros_like(part[1][:, :2]), part[1]) if part else np.zeros(0) for part in parts]
    train, validation, test = map(mean, speeds)
    more = other_scores(judged(speeds[2], speeds[2], steps))
    target = parts[0][1]
    loss = settings.last * float(loss_of(settings)(np.zeros_like(target[:, :2]), target)[0].mean())
    history = [training.Epoch(n, loss, train, validation, [], {}) for n in range(1, settings.epochs + 1)]
    for epoch in history if callback else ():
        callback(epoch)
    return Result(settings, seed, test, validation, 0.0, costs.Cost(Counter(), 0, 0, 0), None, history, {}, more)
