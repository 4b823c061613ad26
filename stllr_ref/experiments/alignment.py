r"""The alignment of the family: the cosine of each rule's gradient with the exact one, at the same weights, on the same batch.

The exact gradient is BPTT's, its resets detached.  It is compared at three stages: at a seed's initial weights; after a
short training by BPTT, the same weights for every rule; and after the same training by the rule itself, which alone can
bend a network towards a feedback that is fixed.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stllr_ref import bptt, engine, training
from stllr_ref.checks import TooLarge
from stllr_ref.experiments import classify, digits
from stllr_ref.experiments.family import FAMILY
from stllr_ref.gradcheck import alignment
from stllr_ref.losses import cross_entropy, window

STAGES = {"initial": "initial weights", "exact": "trained by BPTT", "own": "trained by the rule itself"}
NAMES = tuple(FAMILY)
PARAMS = {"digits": ("0.W", "1.W"), "patterns": ("0.W", "0.V")}  # what the table and the figure show of each task
DIGITS = replace(digits.SETTINGS, epochs=3)
TOY = classify.Settings(
    task="patterns", rule="bptt", hidden=(24,), recurrent=True, gamma=0.8, theta=0.6, readout=0.8,
    lam_pre=0.75, lam_post=0.2, alpha_pre=1.0, alpha_post=-1.0, psi="triangle", signal="bp",
    last=5, epochs=10, batch=20, lr=4e-3,
)  # fmt: skip


class Aligned(NamedTuple):
    """One rule on one task at one stage and seed."""

    task: str
    stage: str  # one of STAGES
    rule: str
    seed: int
    layers: dict  # parameter name -> cosine, norm ratio, sign agreement (`gradcheck.alignment`); NaN where nothing can be said


def patterns(seed, samples=200):
    """Return x [20, samples, 30], y [samples]: three random spike patterns, of which each sample keeps 80 % of the spikes."""
    rng = np.random.default_rng(seed)
    spikes, y = rng.random((3, 20, 30)) < 0.25, rng.integers(0, 3, samples)
    return (spikes[y] & (rng.random((samples, 20, 30)) < 0.8)).swapaxes(0, 1).astype(np.float32), y


def tasks(seed):
    """Return task -> (settings, training data): digits with two hidden layers, and a recurrent toy."""
    return {"digits": (DIGITS, digits.sets()[0]), "patterns": (TOY, patterns(seed))}


def measure(settings, data, seed, names, tick=lambda: None):
    """Return (list of `Aligned`, name -> why it was refused) of the named rules on a task; data = (x [T, B, N], y [B]).

    `tick` is called after each rule.
    """
    exact, out, refused = _Task(settings, data, seed), [], {}
    initial = exact.build("bptt")
    trained = exact.train(exact.build("bptt"), "bptt")
    for name in names:
        try:
            out.append(Aligned(settings.task, "initial", name, seed, exact.compare(exact.build(name, initial), name)))
            out.append(Aligned(settings.task, "exact", name, seed, exact.compare(exact.build(name, trained), name)))
            own = exact.train(exact.build(name), name)
            out.append(Aligned(settings.task, "own", name, seed, exact.compare(own, name)))
        except TooLarge as bad:
            refused[name] = str(bad)
        tick()
    return out, refused


class _Task:
    """A task and a seed: networks, their training, and one batch on which gradients are compared."""

    def __init__(self, settings, data, seed):
        self.settings, self.data, self.seed = settings, data, seed
        x, y = data
        at = np.random.default_rng([seed, 2]).permutation(len(y))[: settings.batch]
        self.batch = x[:, at], y[at], cross_entropy, window(len(x), [len(x)] * len(at), last=settings.last)

    def build(self, rule, weights=None):
        """Return the network of a rule with its initial weights, or with those of another network."""
        x, y = self.data
        net = classify.build(replace(self.settings, rule=rule), x.shape[2], int(y.max()) + 1, self.seed)
        net.put({} if weights is None else weights.get())
        return net

    def train(self, net, rule):
        """Return the network after training by a rule; samples come in the same order for every rule."""
        s, run = self.settings, classify.algorithm(replace(self.settings, rule=rule), engine.fastest(net))
        rng = np.random.default_rng([self.seed, 1])
        training.fit(net, self.data, last=s.last, epochs=s.epochs, batch=s.batch, lr=s.lr, rng=rng, run=run)
        return net

    def compare(self, net, rule):
        """Return parameter -> alignment of a rule's gradient with the exact one on the batch."""
        run, rng = classify.algorithm(replace(self.settings, rule=rule)), np.random.default_rng([self.seed, 3])
        exact = bptt.run(net, *self.batch)[1]
        return alignment(run(net, *self.batch, rng=rng)[1], {name: g for name, g in exact.items() if not name.endswith(".B")})


def cosines(rows, stage, rule, param):
    """Return the cosine of each seed at which one can be said (no layer silent), [seeds]; rows are `Aligned` of one task."""
    values = np.array([row.layers[param]["cosine"] for row in rows if (row.stage, row.rule) == (stage, rule)])
    return values[~np.isnan(values)]


def table(results, names):
    """Return the table for people: a line a rule; results: task -> (rows, refused)."""
    columns = [(task, param, stage) for task, params in PARAMS.items() for param in params for stage in STAGES]
    lines = [
        " " * 16 + "".join(f"{task + ' ' + param:<27}" for task, params in PARAMS.items() for param in params).rstrip(),
        f"{'rule':<16}" + "".join(f"{stage:<9}" for *_, stage in columns).rstrip(),
    ]
    for name in names:
        cells = [_cell(cosines(results[task][0], stage, name, param)) for task, param, stage in columns]
        lines.append(f"{name:<16}" + "".join(f"{cell:<9}" for cell in cells).rstrip())
    lines.append("; ".join(f"{stage}: {what}" for stage, what in STAGES.items()))
    lines.append("mean over the seeds; -: refused, or every seed silent, so that there is no gradient to compare with")
    lines += [f"{name} on {task}: {why}" for task, (_, refused) in results.items() for name, why in refused.items()]
    return "\n".join(lines)


def _cell(values):
    """Return the mean of the cosines, or a dash where there is none."""
    return f"{values.mean():.3f}" if len(values) else "-"


def summary(results, names, seeds):
    """Return one JSON object: task -> rule -> stage -> parameter -> cosine, norm ratio and sign agreement of each seed (None for NaN)."""
    out = {"study": "alignment", "exact": "BPTT, reset detached", "seeds": seeds, "tasks": {}, "refused": {}}
    for task, (rows, refused) in results.items():
        out["refused"][task] = refused
        out["tasks"][task] = {name: {stage: _stage(rows, stage, name) for stage in STAGES} for name in names if name not in refused}
    return out


def _stage(rows, stage, rule):
    """Return parameter -> measure -> a number for each seed."""
    rows = [row for row in rows if (row.stage, row.rule) == (stage, rule)]
    return {
        param: {key: [None if np.isnan(row.layers[param][key]) else row.layers[param][key] for row in rows] for key in measures}
        for param, measures in rows[0].layers.items()
    }
