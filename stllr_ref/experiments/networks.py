r"""The paper's own networks at any width, with the settings under which its numbers came about, for recorded sets that stream.

| set                                 | network                                                                     |
| ----------------------------------- | --------------------------------------------------------------------------- |
| DVSGesture, CIFAR10DVS, NCALTECH101 | VGG-9: 64C3-128C3-P2-256C3-256C3-P2-512C3-512C3-P2-512C3-512C3-GAP-FC       |
| SHD                                 | 700 inputs, 450 recurrent neurons, 20 leaky integrators                     |
| MVSEC                               | our own `flow` network: the layer list of the paper's FSFN is not published |

Width w multiplies the channels of every convolution, or the hidden neurons: round(w c), at least 1.

Where the text of the paper and the authors' program differ, the program is followed, since the numbers come from it:

| what                   | text                 | program, and here                                                        |
| ---------------------- | -------------------- | ------------------------------------------------------------------------ |
| threshold              | 0.8 (MVSEC 0.6)      | 0.6                                                                      |
| leak of SHD            | 0.99                 | 1/(1 + exp(-5)) = 0.9933; the readout's trace 0.99, its bias without one |
| Psi of CIFAR10DVS      | integral 4           | integral 1: `sigmoid`                                                    |
| pooling                | average              | largest in DVSGesture, average elsewhere                                 |
| last pool of VGG-9     | AP2                  | the mean of the image                                                    |
| dropout                | none                 | 0.1 of the units of VGG-9, but for DVSGesture                            |
| inputs                 | counts               | counts; of CIFAR10DVS nearly 0 or 1 (a scale wraps around), here 0 or 1  |
| epochs of DVSGesture   | 30, for the ablation | 300                                                                      |

No source says Psi, lr and schedule of NCALTECH101 (its table repeats the row of `sigmoid`; lr and schedule are those of
DVSGesture), the schedule of MVSEC, or the leak of its readout.  Not as published: bins are those of `--published`; frames are
neither cropped at random nor scaled; windows end with a recording, not with its padding; padding is that of the whole part, not of a
batch, which scores over all steps notice; other rules than S-TLLR have a readout of their own on SHD, and BPTT has S-TLLR's loss,
window, leak, pooling and dropout; MVSEC has the loss of the true flow, not of grey frames, and a crop of 64 pixels, and is read
whole, since its flow can only be unpacked in the order of time.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from weakref import WeakSet

import numpy as np

from stllr_ref import checks, engine, network, training
from stllr_ref.data import catalogue
from stllr_ref.experiments import classify, flow
from stllr_ref.experiments.classify import Result
from stllr_ref.experiments.family import FAMILY, member
from stllr_ref.experiments.tasks import Task
from stllr_ref.layer import Layer
from stllr_ref.maps import AvgPool, Dropout, GlobalAvg, MaxPool
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.optim import cosine_schedule
from stllr_ref.rules import OTTT, SLTT
from stllr_ref.signals import Frozen
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.weights import Standardised, kaiming, uniform

CHANNELS = (64, 128, 256, 256, 512, 512, 512, 512)  # of VGG-9
POOLED = (2, 4, 6)  # a pool halves the image above so many convolutions
POOLS = {"largest": MaxPool, "mean": AvgPool}
SCHEDULES = {"cosine": cosine_schedule, "constant": lambda epoch, epochs: 1.0}
CONVOLVED = ("stllr", "bptt", "tbptt", "ottt", "sltt", "frozen")  # rules with a trace a synapse refuse convolutions
TOLD = WeakSet()  # parts whose events have been accounted for in this process
SHD_LEAK, SHD_TRACE = 1 / (1 + np.exp(-5.0)), 0.99  # the readout's trace is not its leak, as published


@dataclass(frozen=True, kw_only=True)
class Settings(classify.Settings):
    """Everything that defines one row of a table, seed apart: `hidden` are the channels of VGG-9, or neurons."""

    dataset: str  # name of the recorded set
    network: str  # "vgg9" or "recurrent"
    pool: str  # one of POOLS
    dropout: float  # share of the units that are dropped after each convolution, 0 to 1
    schedule: str  # of lr, one of SCHEDULES
    binary: bool  # inputs are 0 or 1, not counts

    def __post_init__(self):
        super().__post_init__()
        checks.choice("network", self.network, ("vgg9", "recurrent"))
        checks.choice("pool", self.pool, tuple(POOLS))
        checks.number("dropout", self.dropout, 0, 1)
        checks.choice("schedule", self.schedule, tuple(SCHEDULES))
        if self.network == "vgg9":
            checks.choice("rules", self.rule, CONVOLVED)
            checks.choice("signal", self.signal, ("bp",))


_VGG = Settings(
    task="gestures", dataset="DVSGesture", network="vgg9", rule="stllr", hidden=CHANNELS, recurrent=False, gamma=0.5, theta=0.6,
    readout=0.0, lam_pre=0.75, lam_post=0.2, alpha_pre=1.0, alpha_post=-1.0, psi="triangle", signal="bp", pool="largest", dropout=0.0,
    last=5, epochs=300, batch=16, lr=1e-3, schedule="cosine", binary=False,
)  # fmt: skip
SETTINGS = {
    "DVSGesture": _VGG,
    "CIFAR10DVS": replace(
        _VGG, task="digits", dataset="CIFAR10DVS", lam_pre=0.5, psi="sigmoid", pool="mean", dropout=0.1, batch=48, binary=True,
    ),
    "NCALTECH101": replace(_VGG, task="digits", dataset="NCALTECH101", lam_pre=0.5, psi="sigmoid", pool="mean", dropout=0.1, epochs=30),
    "SHD": replace(
        _VGG, task="speech", dataset="SHD", network="recurrent", hidden=(450,), recurrent=True, gamma=float(SHD_LEAK),
        readout=float(SHD_LEAK), lam_pre=1.0, lam_post=0.5, alpha_post=1.0, psi="fast_sigmoid", pool="mean",
        last=90, epochs=200, batch=128, lr=2e-4, schedule="constant",
    ),
    "MVSEC": replace(
        flow.SETTINGS, gamma=0.88, theta=0.6, readout=0.88, lam_pre=0.8, lam_post=0.5, alpha_pre=1.0, alpha_post=-0.2, psi="arctan",
        flips=False, last=1, epochs=100, batch=8, lr=2e-4,
    ),
}  # fmt: skip


def published_settings(name):
    """Return the published settings of a recorded set, refused where there are none."""
    if name not in SETTINGS:
        raise ValueError(f"--model: got published with {name}, expected a set with published settings: {', '.join(SETTINGS)}")
    return SETTINGS[name]


def task(name, width=1.0):
    """Return the `tasks.Task` of a recorded set with its published settings at a width; its data come from `recordings`."""
    settings, width = published_settings(name), checks.number("--width", width, 2**-10, 2**4)
    if name == "MVSEC":
        settings = replace(settings, channels=scaled(settings.channels, width))
        return Task(settings, None, flow.trial, flow.RULES, ("frozen", "zero"))
    rules = CONVOLVED if settings.network == "vgg9" else (*FAMILY, "frozen")
    return Task(replace(settings, hidden=scaled(settings.hidden, width)), None, trial, rules, ("frozen",))


def scaled(sizes, width):
    """Return sizes times width, rounded, each at least 1.

    >>> scaled((64, 128), 1 / 16), scaled((64, 128), 1 / 200)
    ((4, 8), (1, 1))
    """
    return tuple(max(1, round(width * n)) for n in sizes)


def vgg9(settings, shape, classes, rng):
    """Return the row of VGG-9 for inputs of a shape [T, B, C, H, W], H and W at least 8, of the channels that the settings have."""
    s, row, below = settings, [], shape[2]
    rules = member(s.rule)
    for i, c in enumerate(s.hidden):
        if i in POOLED:
            row.append(POOLS[s.pool](2))
        raw = kaiming(rng, c, below, 3, 3) * (below / c) ** 0.5  # normal by fan-out: what lr means hangs on the size of the raw weight
        neuron, rule, bias = LIF(s.gamma, s.theta, s.psi), rules.rule(s, i == 0, False), Bias(np.zeros((c, 1, 1)))
        row.append(Layer(Conv2d(Standardised(raw)), neuron, rule, bias=bias))
        if s.dropout:
            row.append(Dropout(s.dropout))
        below = c
    row += [GlobalAvg(), *([Frozen()] if s.rule == "frozen" else [])]
    return [*row, Layer(Dense(kaiming(rng, classes, below)), Leaky(s.readout), SLTT(), bias=Bias(np.zeros(classes)))]


def build(settings, shape, classes, seed):
    """Return the float32 network of a trial for inputs of a shape [T, B, ...]; rules that share a seed share their initial weights."""
    s, rng = settings, np.random.default_rng(np.random.SeedSequence([seed, 0]))
    if s.network == "vgg9":
        return Network(vgg9(s, shape, classes, rng), dtype=np.float32)
    net = classify.build(s, shape[2], classes, seed)
    net.put({"0.V": uniform(rng, *s.hidden, *s.hidden)})
    if s.rule == "stllr":
        net.layers[-1].rule = OTTT(SHD_TRACE)
    return net


def trial(settings, seed, parts, callback=None, checkpoint=None, say=lambda text: print(text, file=sys.stderr)):
    """Train and test one network on parts = (train, None, test), each (`data.recorded.Recorded`, labels), read batch by batch.

    Return its `classify.Result`; `callback` and `checkpoint` are those of `classify.run`.  After the first epoch of seed 0, say is
    told how long one of the whole set would take, where this is a piece of it, and at the end, once, what became of the events.
    """
    s, (train, _, test) = settings, parts
    (x, y), metric = train, partial(training.accuracy, score=training.sum_logits)
    classify.check_last(s, x.shape[0])
    net, online = build(s, x.shape, x.classes, seed), s.update == "online"
    x.frames(0)  # what reads it is imported now, not by the clock
    pace = Pace(classify.algorithm(s, network.run if online else engine.fastest(net)))

    def seen(epoch):
        """Tell the pace of the first epoch, and hand on."""
        line = pace.line(s.rule, x)
        if line and not seed:
            say(line)
        return callback(epoch) if callback else None

    history = training.fit(
        net, train, last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr, rng=np.random.default_rng(np.random.SeedSequence([seed, 1])),
        run=pace, metric=metric, online=online, schedule=SCHEDULES[s.schedule], callback=seen,
        checkpoint=classify.checkpoint_of(checkpoint, s, seed),
    )  # fmt: skip
    seconds = perf_counter() - pace.began
    score = training.evaluate(net, test, last=s.last, metric=metric, batch=s.batch)
    first = np.arange(min(s.batch, len(y)))
    spent, formula = classify.cost(net, s, x.pick(first)[0], y[first])
    for part in (*[x] * bool(pace.samples), test[0]):  # where a checkpoint had every epoch, the training part was not read
        if part not in TOLD:
            say(told(part))
    return Result(s, seed, score, history[-1].validation, seconds, spent, formula, history, net.get())


def told(part):
    """Return a line that says what became of the events of a part, all samples of which were read."""
    TOLD.add(part)
    read, kept, dropped = part.report
    return f"{part.name}, {part.part}: {len(part)} samples, {read:,} events read, {kept:,} kept, {dropped:,} dropped"


class Pace:
    """An algorithm with a clock, which runs from here to the end of the batch that was trained last."""

    def __init__(self, run):
        self.run, self.samples, self.said, self.began, self.ended = run, 0, False, perf_counter(), None

    def __call__(self, net, x, target, loss, inside, **how):
        """Run, as the algorithm does."""
        out = self.run(net, x, target, loss, inside, **how)
        self.samples, self.ended = self.samples + len(target), perf_counter()
        return out

    def line(self, rule, part):
        """Return how long an epoch of the whole set would take, once, if batches were trained and `part` is a piece of it; else None."""
        whole, there = catalogue.SETS[part.name].train, part.recordings
        if self.said or not self.samples or there >= whole:
            return None
        self.said = True
        seconds = (self.ended - self.began) / self.samples * len(part) / there * whole
        about = f"an epoch of all {whole:,} training recordings of {part.name} would take about {words(seconds)} here"
        return f"{rule}: {about} (measured on {there})"


def words(seconds):
    """Return a time as people say it.

    >>> words(51), words(742), words(100_000)
    ('51 seconds', '12 minutes', '28 hours')
    """
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
