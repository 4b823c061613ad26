r"""Training: an epoch loop around any algorithm, and predictions.

The algorithm is an argument: `engine.run` (S-TLLR and its kin), `bptt.run`, or a function of the same signature.
"""

import inspect
from functools import partial
from typing import Callable, NamedTuple

import numpy as np

from stllr_ref import checks, engine, network
from stllr_ref.checkpoints import Checkpoint, load, save  # noqa: F401  (files are part of training, to who uses it)
from stllr_ref.gradcheck import activity
from stllr_ref.losses import cross_entropy, softmax, window
from stllr_ref.network import Network
from stllr_ref.optim import Adam, cosine_schedule


class Diverged(ArithmeticError):
    """A number stopped being finite during training; the message names epoch and layer."""


class Epoch(NamedTuple):
    """What one epoch of training showed."""

    epoch: int  # from 1
    loss: float  # mean over the training samples, summed over the window
    score: float  # of the training samples, while weights still changed
    validation: float  # score of the validation samples after the epoch, NaN without them
    rates: list  # firing rate of each spiking layer, 0 to 1
    grad_norms: dict  # parameter -> Euclidean norm, mean over the batches


def window_softmax(logits, inside):
    """Return the score of each class [B, O]: softmax of logits [T, B, O], summed over the window inside [T, B]."""
    return (softmax(logits) * inside[..., None]).sum(0)


def sum_logits(logits, inside):
    """Return the published score of each class [B, O]: logits [T, B, O] summed over all steps, window or not."""
    return logits.sum(0)


def accuracy(logits, target, inside, score=window_softmax):
    """Return the share of samples whose best score is the target's [B], from 0 to 1; logits [T, B, O], inside [T, B].

    >>> logits = np.array([[[0.0, 9.0]], [[1.0, 0.0]]])
    >>> accuracy(logits, np.array([0]), np.array([[False], [True]])), accuracy(logits, np.array([0]), np.array([[True], [True]]))
    (1.0, 0.0)
    """
    best = score(logits, inside).argmax(1)
    checks.same("target", np.shape(target), best.shape)
    return float((best == target).mean())


def _inputs(x, lengths, dtype):
    """Return x [T, B, ...] as dtype and lengths [B] (all T if None), refused unless they fit together and none is empty.

    x that is read batch by batch stays as it is; its lengths are None, as it says them itself.
    """
    if hasattr(x, "pick") and lengths is None:
        return x, None
    x = checks.array("x", x, dtype)
    if x.ndim < 3 or not x.size:
        raise ValueError(f"x: got shape {x.shape}, expected [T, B, N] or [T, B, C, H, W], none of them 0")
    lengths = np.full(x.shape[1], len(x)) if lengths is None else np.asarray(lengths)
    checks.same("lengths", lengths.shape, (x.shape[1],))
    return x, lengths


def _split(data, dtype):
    """Return x, y, lengths of data = (x, y) or (x, y, lengths)."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3) or not np.ndim(data[1]):
        raise ValueError(f"data: got {type(data).__name__}, expected (x, y) or (x, y, lengths), y one a sample")
    x, lengths = _inputs(data[0], data[2] if len(data) > 2 else None, dtype)
    y = np.asarray(data[1])
    if len(y) != x.shape[1]:
        raise ValueError(f"y: got {len(y)} samples, expected {x.shape[1]}, as x {x.shape}: time is axis 0")
    return x, y, lengths


def holdout(data, share, rng):
    """Return (train, validation) of data = (x, y) or (x, y, lengths), each as data: rng draws which share (0 to 1) is held out."""
    x, y, lengths = _split(data, None)
    if lengths is None:
        raise ValueError(f"data: got x that is read batch by batch ({type(x).__name__}), expected an array")
    held = round(checks.number("share", share, 0, 1) * len(y))
    if not 0 < held < len(y):
        raise ValueError(f"share: got {share} of {len(y)} samples, expected at least one on each side")
    order = rng.permutation(len(y))
    return tuple((x[:, part], y[part], lengths[part])[: len(data)] for part in (np.sort(order[held:]), np.sort(order[:held])))


def batches(samples, batch, rng=None):
    """Yield index arrays of at most `batch` of the samples, in an order drawn from rng (as they are if None).

    >>> [at.tolist() for at in batches(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    checks.whole("batch", batch, 1)
    order = np.arange(samples) if rng is None else rng.permutation(samples)
    for low in range(0, samples, batch):
        yield order[low : low + batch]


def pick(x, at):
    """Return the samples `at` of x [T, B, ...] as one block of memory, whatever the layout of x: batches are read step by step."""
    return np.stack([x_t[at] for x_t in x])


def _batch(x, lengths, at):
    """Return the samples `at` of x as one block [T, b, ...] and their lengths [b]; what is read batch by batch is read now."""
    return x.pick(at) if lengths is None else (pick(x, at), lengths[at])


def predict(net, x, *, last, lengths=None, score=window_softmax, batch=200):
    """Return the class of each sample of x [T, B, ...], int [B]; `last` steps of each sample count."""
    x, lengths = _inputs(x, lengths, net.dtype)
    checks.whole("last", last, 1)
    parts = []
    for at in batches(x.shape[1], batch):
        x_b, real = _batch(x, lengths, at)
        logits = engine.forward(net, x_b)
        parts.append(score(logits, window(len(x_b), real, last=last)).argmax(1))
    return np.concatenate(parts)


def evaluate(net, data, *, last, metric=accuracy, batch=200):
    """Return the metric of data = (x, y[, lengths]), averaged over its samples in batches, without learning."""
    x, y, lengths = _split(data, net.dtype)
    checks.whole("last", last, 1)
    total = 0.0
    for at in batches(len(y), batch):
        x_b, real = _batch(x, lengths, at)
        logits = engine.forward(net, x_b)
        total += len(at) * metric(logits, y[at], window(len(x_b), real, last=last))
    return total / len(y)


def fit(
    net, train, validation=None, *, last, epochs, batch, lr, rng,
    loss=cross_entropy, run=None, metric=accuracy, callback=None, checkpoint=None, online=False, schedule=cosine_schedule,
):  # fmt: skip
    r"""Train a network and return what each epoch showed.

    Parameters
    ----------
    net : Network
        Changed in place.
    train, validation : tuple
        (x [T, B, ...], y [B, ...]) or (x, y, lengths [B]); validation may be None.  An x with a `shape` and a
        `pick(at)`, which returns x [T, b, ...] and lengths [b] of the samples `at` [b], is read batch by batch.
    last : int
        Learn, and score, in the last `last` real steps of each sample.
    epochs, batch : int
        Passes over the training samples; samples a step of the optimiser (Adam).
    lr : float
        Learning rate of the first epoch.
    rng : numpy.random.Generator
        Draws the order of the samples and dropout masks.
    loss, run : callable
        Loss, and algorithm with the signature of `network.run`; None is the fastest that takes the network's rules.
    metric : callable
        (logits, target, inside) -> number, recorded as score.
    callback : callable, optional
        Called with each `Epoch`; if it returns True, training stops there.
    checkpoint : Checkpoint, optional
        Written after each epoch.  Where its file is there already, training goes on from it: what follows, and what is
        returned, are bit for bit what they would have been without a break; the callback gets the earlier epochs first.
    online : bool
        Take a step of the optimiser after each step of the window, within the sequence, not one after the batch; for `network.run`
        alone.  The norms recorded are then those of the last step.
    schedule : callable
        (epoch from 0, epochs) -> factor of lr; by default a cosine that leads it towards 0.

    Returns
    -------
    list of Epoch

    Raises
    ------
    ValueError
        If shapes, dtypes or numbers do not fit, online is asked of another algorithm than `network.run`, or the checkpoint's file is
        damaged or that of something else.
    OSError
        If the checkpoint cannot be written; the earlier one is still there.
    Diverged
        If logits, gradients or parameters stop being finite: names epoch and layer.
    """
    data = x, y, lengths = _split(train, net.dtype)
    if validation is not None:
        _split(validation, net.dtype)
    run = run or (network.run if online else engine.fastest(net))
    _check_fit(run, rng, last, epochs, batch, checkpoint, online)
    optimiser, history = Adam(net, lr), []
    loop = _Loop(net, run, optimiser, loss, metric, rng, last, batch, online)
    settings = {"last": last, "epochs": epochs, "batch": batch, "lr": lr, "x": x.shape, "online": online}
    for epoch in checkpoint.read(net, optimiser, rng, settings) if checkpoint else ():
        history.append(Epoch(*epoch))
        if callback and callback(history[-1]):
            return history
    for epoch in range(len(history) + 1, epochs + 1):
        optimiser.lr = lr * schedule(epoch - 1, epochs)
        shown, score, norms = loop.epoch(data, epoch)
        held = float("nan") if validation is None else evaluate(net, validation, last=last, metric=metric)
        rates = activity(net, *_batch(x, lengths, np.arange(min(batch, len(y)))))[0]
        history.append(Epoch(epoch, shown, score, held, rates, norms))
        if checkpoint:
            checkpoint.write(net, optimiser, rng, history, settings)
        if callback and callback(history[-1]):
            break
    return history


def _check_fit(run, rng, last, epochs, batch, checkpoint, online):
    """Refuse arguments of `fit` that are not what they should be."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng: got {type(rng).__name__}, expected a numpy.random.Generator")
    for name, value in (("last", last), ("epochs", epochs), ("batch", batch)):
        checks.whole(name, value, 1)
    if not isinstance(checkpoint, (Checkpoint, type(None))):
        raise ValueError(f"checkpoint: got {type(checkpoint).__name__}, expected a Checkpoint")
    if not callable(run):
        raise ValueError(f"run: got {type(run).__name__}, expected a function such as network.run")
    if online and not any(p.name == "online" or p.kind is p.VAR_KEYWORD for p in inspect.signature(run).parameters.values()):
        name = f"{run.__module__}.{run.__qualname__}" if hasattr(run, "__qualname__") else repr(run)
        raise ValueError(f"online: got True with {name}, which takes no step within a sequence, expected it with stllr_ref.network.run")


class _Loop(NamedTuple):
    """What the epochs of one training have in common."""

    net: Network
    run: Callable
    optimiser: Adam
    loss: Callable
    metric: Callable
    rng: np.random.Generator
    last: int
    batch: int
    online: bool

    def epoch(self, data, number):
        """Train on every sample of data = (x, y, lengths) once; return mean loss and score, and the mean norm of each gradient."""
        (x, y, lengths), total, score, norms = data, 0.0, 0.0, {}
        for at in batches(len(y), self.batch, self.rng):
            x_b, real = _batch(x, lengths, at)
            inside = window(len(x_b), real, last=self.last)
            logits, grads = self.update(x_b, y[at], inside, number)
            for name, grad in grads.items():
                norms.setdefault(name, []).append(np.linalg.norm(grad))
            total += sum(float((self.loss(z, y[at])[0] * on).sum()) for z, on in zip(logits, inside) if on.any())
            score += len(at) * self.metric(logits, y[at], inside)
        return total / len(y), score / len(y), {name: float(np.mean(values)) for name, values in norms.items()}

    def update(self, x, y, inside, number):
        """Take one step of the optimiser on a batch, or online one a step of the window; return logits and gradients."""
        step = partial(self.step, number)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below, with epoch and layer
            logits, grads = self.run(self.net, x, y, self.loss, inside, rng=self.rng, **({"online": step} if self.online else {}))
            for name, grad in {**grads, "output": logits}.items():
                if not np.isfinite(grad).all():
                    place = f"{len(self.net.layers) - 1}, output" if name == "output" else f"{name.split('.')[0]}, gradient of {name}"
                    raise Diverged(f"epoch {number}, layer {place}: got NaN or inf, expected finite numbers (a smaller lr may help)")
            if not self.online:
                step(grads)
        return logits, grads

    def step(self, number, grads):
        """Take one step of the optimiser; what is not finite ends the training."""
        try:
            self.optimiser.step(grads)
        except checks.NotFinite as bad:
            raise Diverged(f"epoch {number}, layer {bad} (a smaller lr may help)") from None
