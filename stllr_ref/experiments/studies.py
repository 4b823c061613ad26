r"""Studies: grids of trials that each answer one question, with one table (CSV) and one figure.

A study is data: the settings of its grid and which of their fields are the horizontal axis, the lines and the panels of
its figure.  Its trials go through `sweep`, so that a study may be stopped, spread over processes, and gone on with.
"""

import csv
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import Callable, NamedTuple

import numpy as np

from stllr_ref.data import timing
from stllr_ref.experiments import classify, flow
from stllr_ref.experiments.classify import mean_std
from stllr_ref.experiments.report import UNITS
from stllr_ref.experiments.tasks import TASKS

SEEDS = 5
CHOICE = 3  # seeds with which settings are chosen, on validation data


class Study(NamedTuple):
    """One question."""

    question: str
    cells: Callable  # () -> list of settings
    x: tuple  # fields of the settings on the horizontal axis
    lines: tuple  # fields that tell the lines of a panel apart
    panels: tuple  # fields that tell panels apart
    seeds: int = SEEDS
    score: str = "test"  # what the figure shows; what is chosen is chosen on validation data


def grid(task, rules=("stllr",), **fields):
    """Return the settings of a task for every rule and every combination of fields (name -> values)."""
    base = STUDIED[task].settings
    changes = [dict(zip(fields, values)) for values in product(*fields.values())]
    return [replace(base, rule=rule, **change) for rule in rules for change in changes]


def beside(task, rules, signs=(-1.0, 0.0, 1.0), **fields):
    """Return the grid of S-TLLR for the signs of alpha_post, and of other rules beside it."""
    return grid(task, alpha_post=signs, **fields) + grid(task, rules, **fields)


def _shape():
    """Return the crossing that the paper's reviewers asked for: alpha_post, Psi, lam_pre."""
    signs, psis = (-1.0, -0.5, 0.0, 0.5, 1.0), ("triangle", "fast_sigmoid", "sigmoid", "arctan")
    digits = grid("digits", alpha_post=signs, psi=psis, lam_pre=(0.5, 0.75, 0.88), last=(5,))
    return digits + grid("speech", alpha_post=signs, psi=psis, lam_pre=(0.5, 0.8, 0.95))


def _window():
    """Return windows from the last step alone to all steps."""
    rules = ("bptt", "tbptt")
    return beside("digits", rules, last=(1, 2, 5, 10, 15, 21)) + beside("speech", rules, last=(5, 10, 20, 35, 50, 60))


def _signals():
    """Return the learning signals under S-TLLR, and under the rule without memory."""
    names = ("bp", "fa", "dfa", "sdfa", "drtp", "local")
    return [s for task in ("digits", "speech") for s in grid(task, ("stllr", "sltt"), signal=names)]


def _terms():
    """Return the way from no memory at all to S-TLLR, a term at a time."""
    out = []
    for task in ("digits", "speech"):
        s = STUDIED[task].settings
        out += (
            grid(task, ("sltt", "ottt")) + grid(task, alpha_post=(0.0,), lam_pre=(s.gamma, s.lam_pre)) + grid(task, alpha_post=(-1.0, 1.0))
        )
    return list(dict.fromkeys(out))


def _online():
    """Return weights that change after a batch, or after each step of the window within it: many more steps of the optimiser."""
    rates = (2.5e-4, 1e-3, 4e-3, 8e-3)
    return [s for task in ("digits", "speech") for s in grid(task, update=classify.UPDATES, lr=rates)]


def _trace():
    """Return the post trace of the authors' code and that of the paper: alpha_post of the code is alpha_post / lam_post of the paper."""
    return [
        s
        for task in ("digits", "speech")
        for lam in (0.2, 0.5, 0.8)
        for s in grid(task, lam_post=(lam,), alpha_post=(-1.0, -lam, 0.0, lam, 1.0))
    ]


def _depth():
    """Return networks of one to four hidden layers."""
    sizes = tuple((128,) * n for n in (1, 2, 3, 4))
    return beside("digits", ("bptt", "tbptt", "ottt", "sltt", "frozen"), hidden=sizes) + grid("digits", signal=("dfa",), hidden=sizes)


def _delay():
    """Return silent delays, with the loss in the last two steps and at every step."""
    return [s for D in DELAYS for s in beside(f"delay {D}", ("bptt", "frozen"), last=(2, EVERY[f"delay {D}"]), signs=(-1.0, 0.0))]


def _choose():
    """Return the settings among which each task's were chosen, for S-TLLR and for BPTT alike."""
    rates, cells = (1e-3, 2e-3, 4e-3, 8e-3), []
    for task, lam in (("digits", 0.75), ("speech", 0.95), ("gestures", 0.75), ("gestures_single", 0.75), ("randman", 0.95)):
        cells += grid(task, ("stllr", "bptt"), lr=rates, readout=(0.9, 0.97), lam_pre=(lam,))
        cells += grid(task, lr=rates[1:3], lam_pre=(0.5, 0.75, 0.88, 0.95), alpha_post=(-1.0, 0.0, 1.0))
    return list(dict.fromkeys(cells))


def _rate():
    """Return learning rates up to where training breaks, beyond those of `_choose`, at the settings chosen there."""
    tasks = ("digits", "speech", "gestures", "gestures_single", "randman")
    return [s for task in tasks for s in grid(task, ("stllr", "bptt"), lr=(4e-3, 8e-3, 1.6e-2, 3.2e-2))]


def _motion():
    """Return the settings among which those of optical flow were chosen, for S-TLLR and for BPTT alike, and its other loss and network."""
    rates, best = (3e-3, 6e-3, 1.2e-2, 2.4e-2), {"alpha_post": -0.2, "lr": 1.2e-2, "epochs": 20}
    cells = grid("flow", ("stllr", "bptt"), alpha_post=(-0.2,), lr=rates, epochs=(8, 20))
    cells += grid("flow", alpha_post=(0.0, 0.2), lr=rates[1:3], epochs=(20,))
    return cells + [replace(flow.SETTINGS, loss="photometric", **best), replace(flow.UNET, **best)]


DELAYS = (2, 4, 8, 16)
EVERY = {f"delay {D}": timing.CUE + D for D in DELAYS}  # task -> all its steps: a cue, then silence


def _delayed(silence):
    """Return train, validation and test of the delay task with that many silent steps."""
    return tuple((part.x, part.y) for part in timing.delay(seed=0, silence=silence))


_DELAY = TASKS["delay"]
STUDIED = TASKS | {
    f"delay {D}": _DELAY._replace(settings=replace(_DELAY.settings, task=f"delay {D}"), sets=partial(_delayed, D)) for D in DELAYS
}
CHOOSING = {"seeds": CHOICE, "score": "validation"}
STUDIES = {
    "shape": Study(
        "does the sign of alpha_post matter, for which Psi, lam_pre?", _shape, ("alpha_post",), ("psi",), ("task", "lam_pre"), 3
    ),
    "window": Study("how short may the learning window be?", _window, ("last",), ("rule", "alpha_post"), ("task",)),
    "signals": Study("what does each learning signal cost?", _signals, ("signal",), ("rule",), ("task",)),
    "terms": Study("what does each term between SLTT and S-TLLR bring?", _terms, ("rule", "lam_pre", "alpha_post"), (), ("task",)),
    "online": Study("weights that change within a sequence, or after it?", _online, ("lr",), ("update",), ("task",)),
    "trace": Study("the post trace of the code, or that of the paper?", _trace, ("alpha_post",), ("lam_post",), ("task",)),
    "depth": Study("how deep may a network be?", _depth, ("hidden",), ("rule", "alpha_post", "signal"), ("task",)),
    "delay": Study("how long a silence can each rule bridge?", _delay, ("task",), ("rule", "alpha_post"), ("last",)),
    "choose": Study("which settings?", _choose, ("lr",), ("rule", "alpha_post", "lam_pre"), ("task", "readout"), **CHOOSING),
    "rate": Study("how large may the learning rate be?", _rate, ("lr",), ("rule",), ("task",), **CHOOSING),
    "motion": Study(
        "which settings of optical flow?", _motion, ("lr",), ("rule", "alpha_post", "loss", "network"), ("epochs",), **CHOOSING
    ),
}


@lru_cache(2)
def sets(task, *loss):
    """Return train, validation and test of a task, of optical flow for its loss: made once a process."""
    return STUDIED[task].sets(*loss)


def trial(settings, seed, tick=None):
    """Return the `classify.Result` of one cell of a study."""
    loss = [settings.loss] if settings.task == "flow" else []
    return STUDIED[settings.task].trial(settings, seed, sets(settings.task, *loss), tick)


def cells(study):
    """Return the (settings, seed) of a study, one seed of all settings after another."""
    return [(settings, seed) for seed in range(study.seeds) for settings in study.cells()]


def columns(study):
    """Return the fields of settings that differ within a task of a study, after the task, in the order of the settings."""
    settings = study.cells()
    first = {s.task: s for s in reversed(settings)}
    return [name for name in vars(settings[0]) if name == "task" or any(getattr(s, name) != getattr(first[s.task], name) for s in settings)]


def write_csv(study, results, path):
    """Write a row a trial: what differs between them, seed, scores, seconds, rates and gradient norms of the last epoch."""
    names = columns(study)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*names, "seed", "validation", "test", "seconds", "rates", "grad_norms"])
        for (settings, seed), result in results.items():
            last = result.history[-1]
            norms = " ".join(f"{name}={norm:.3g}" for name, norm in last.grad_norms.items())
            scores = [f"{value:.4f}" for value in (result.validation, result.test)] + [f"{result.seconds:.1f}"]
            out.writerow([*(_text(getattr(settings, n)) for n in names), seed, *scores, " ".join(f"{r:.3f}" for r in last.rates), norms])


def _text(value):
    """Return a value of a setting as one word: sizes of layers as 128-128."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def by_settings(results):
    """Return settings -> list of results, a seed each, from (settings, seed) -> result."""
    out = {}
    for (settings, _), result in results.items():
        out.setdefault(settings, []).append(result)
    return out


def table(study, results):
    """Return the table for people: what differs, and mean and standard deviation of the scores on test and validation data."""
    names, rows = columns(study), by_settings(results)
    unit, factor, digits = UNITS[next(iter(rows)).metric]
    head, body = [*names, f"test {unit}", f"validation {unit}"], []
    for settings, found in rows.items():
        scores = ([r.test for r in found], [r.validation for r in found])
        body.append([*(str(_text(getattr(settings, n))) for n in names), *(_spread(values, factor, digits) for values in scores)])
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *body))


def _spread(values, factor, digits):
    """Return mean and standard deviation as people read them."""
    mean, std = mean_std(values)
    return f"{factor * mean:.{digits}f}" + ("" if std is None else f" ± {factor * std:.{digits}f}")


def lines(study, results):
    """Return panel title -> line label -> (values of x, scores [len(x), seeds]): what the figure draws."""
    out = {}
    for (settings, _), result in results.items():
        panel, line = (_words(settings, names) for names in (study.panels, study.lines))
        at = _text(getattr(settings, study.x[0])) if len(study.x) == 1 else _words(settings, study.x)
        out.setdefault(panel, {}).setdefault(line, {}).setdefault(at, []).append(getattr(result, study.score))
    return {panel: {line: (list(at), np.array(list(at.values()))) for line, at in by.items()} for panel, by in out.items()}


def _words(settings, names):
    """Return the named settings as a label says them."""
    return ", ".join(said for name in names if (said := _said(settings, name)))


def _said(settings, name):
    """Return a setting as a label says it; nothing for an alpha_post that a rule never reads, or the usual loss and network of flow."""
    value = getattr(settings, name)
    if name == "last" and value == EVERY.get(settings.task):
        return "every step"
    if name in ("alpha_post", "lam_pre") and settings.rule != "stllr" or (name, value) in (("loss", "mse"), ("network", "flat")):
        return ""
    return str(value) if name in ("task", "rule", "psi", "signal", "update", "loss", "network") else f"{name} {value:g}"
