"""From results to what people read and programs parse: a table, one JSON object, a log, a figure."""

import csv
import json
import platform
from collections import Counter
from pathlib import Path

import numpy as np

from stllr_ref.checkpoints import plain, replace_file
from stllr_ref.costs import Cost
from stllr_ref.experiments.classify import Result, mean_std, paired, reads_signal, signal_of
from stllr_ref.experiments.family import SHAPED
from stllr_ref.training import Epoch

UNITS = {"accuracy": ("%", 100, 1), "aee": ("px", 1, 3)}  # metric -> unit of the table, factor, digits
NAMES = {"accuracy": "accuracy", "aee": "endpoint error (lower is better)"}
MORE = {"slow": ("slow px", 1, 3), "middle": ("middle px", 1, 3), "fast": ("fast px", 1, 3), "outliers": ("outliers %", 100, 1)}  # as UNITS
CHANGING = ("rule", "alpha_post", "psi", "signal", "last")  # settings that tell rows apart


def row(results):
    """Return one row of `summary` from the trials of one setting; what was not measured is None, never NaN."""
    first, s = results[0], results[0].settings
    tests = [r.test for r in results]
    mean, std = mean_std(tests)
    rates = np.mean([r.history[-1].rates for r in results], axis=0) if first.history[-1].rates else []
    norms = {name: mean_std([r.history[-1].grad_norms[name] for r in results])[0] for name in first.history[-1].grad_norms}
    layers = sorted({name.split(".")[0] for name in norms}, key=int)
    return {
        **{name: getattr(s, name) for name in CHANGING},
        "alpha_post": s.alpha_post if s.rule in SHAPED else None,
        "signal": None if s.rule in ("bptt", "tbptt", "rtrl", "frozen", "counts", "zero") else signal_of(s),  # what these never look at
        "metric": s.metric,
        "test": [_known(v) for v in tests],
        "validation": [_known(r.validation) for r in results],
        **{name: [_known(r.more[name]) for r in results] for name in scores_beside([results])},
        "mean": _known(mean),
        "std": _known(std),
        "seconds": float(np.mean([r.seconds for r in results])),
        "state_bytes": first.cost.state,
        "peak_bytes": first.cost.peak,
        "macs": first.macs,
        "macs_counted": first.cost.learning,
        "rates": [float(v) for v in rates],
        "grad_norms": [float(np.hypot.reduce([v for name, v in norms.items() if name.split(".")[0] == i])) for i in layers],
    }


def scores_beside(rows):
    """Return the names, of MORE, of the scores that all trials of some rows (a list of results each) have beside test and validation."""
    return [name for name in rows[0][0].more if all(name in r.more for results in rows for r in results)]


def _known(value):
    """Return a number, or None for NaN: nothing that could be measured."""
    return None if value is None or np.isnan(value) else value


def to_plain(result):
    """Return a result as JSON takes it: null for NaN, no parameters."""
    values = {**result._asdict(), "settings": vars(result.settings), "cost": result.cost._asdict(), "params": {}}
    values["history"] = [[_known(v) if isinstance(v, float) else v for v in epoch] for epoch in result.history]
    values["more"] = {name: _known(value) for name, value in result.more.items()}
    return plain({**values, **{name: _known(values[name]) for name in ("test", "validation")}})


def from_plain(values, Settings):
    """Return the result that `to_plain` made values from, without parameters; Settings is the class of its settings."""
    settings = Settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in values["settings"].items()})
    cost = Cost(**{**values["cost"], "macs": Counter(values["cost"]["macs"])})
    history = [Epoch(*(np.nan if v is None else v for v in epoch)) for epoch in values["history"]]
    scores = {name: np.nan if values[name] is None else values[name] for name in ("test", "validation")}
    more = {name: np.nan if v is None else v for name, v in values.get("more", {}).items()}
    return Result(**{**values, **scores, "settings": settings, "cost": cost, "history": history, "more": more})


def summary(rows, data, threads, refused=None):
    """Return the JSON object of a whole run: rows: a list of results for each setting; refused: rule -> why."""
    settings = {k: v for k, v in vars(rows[0][0].settings).items() if k not in ("rule", "alpha_post", "task")}
    task = rows[0][0].settings.task
    out = {"task": task, "data": data, "settings": settings, "versions": versions(), "threads": threads}
    return {**out, "rows": [row(r) for r in rows], "not_run": refused or {}}


def versions():
    """Return the versions that numbers depend on."""
    return {"python": platform.python_version(), "numpy": np.__version__}


def label(result):
    """Return the name of a row: the rule, alpha_post where it is read, a signal other than bp."""
    s = result.settings
    shape = f" {s.alpha_post:{'+' if s.alpha_post else ' '}g}" if s.rule in SHAPED else ""
    return s.rule + shape + (f" {s.signal}" if reads_signal(s.rule) and s.signal != "bp" else "")


def table(rows):
    """Return the table for people: a line a setting, the paired difference to BPTT where both have the same seeds."""
    exact = next((r for r in rows if r[0].settings.rule == "bptt"), None)
    unit, factor, digits = UNITS[rows[0][0].settings.metric]
    more = scores_beside(rows)
    head = [(f"test {unit}", 16), (f"validation {unit}", 20), ("minus bptt", 18), *((MORE[name][0], 11) for name in more)]
    head += ("seconds", 9), ("state kB", 10), ("peak MB", 9)
    lines = [f"{'rule':<15}" + "".join(f"{name:>{width}}" for name, width in head) + "   firing rates %"]
    for results in rows:
        gap = ""
        if exact and results is not exact:
            gap = _spread(paired(*([factor * r.test for r in each] for each in (results, exact))), digits, "+", " (se {})")
        r = row(results)
        test = _spread(mean_std([factor * r.test for r in results]), digits, "", " ± {}")
        validation = "-" if np.isnan(results[0].validation) else _spread(mean_std([factor * r.validation for r in results]), digits, "", "")
        rates = " ".join(f"{100 * v:.0f}" for v in r["rates"])
        others = "".join(f"{mean_of(name, results):>11}" for name in more)
        lines.append(
            f"{label(results[0]):<15}{test:>16}{validation:>20}{gap:>18}{others}{r['seconds']:>9.1f}"
            f"{r['state_bytes'] / 1e3:>10.0f}{r['peak_bytes'] / 1e6:>9.1f}   {rates}"
        )
        if any(not 0.01 < v < 0.99 for v in r["rates"]):
            lines.append(f"{'':<15}a hidden layer of {label(results[0])} is nearly silent or fires nearly always")
    return "\n".join(lines)


def mean_of(name, results):
    """Return the mean over trials of one of the scores that MORE names, in its unit, as text."""
    _, factor, digits = MORE[name]
    mean = mean_std([factor * r.more[name] for r in results])[0]
    return "no pixel" if np.isnan(mean) else f"{mean:.{digits}f}"


def _spread(values, digits, sign, form):
    """Return (mean, spread or None) as text, the spread in a form such as " ± {}"."""
    mean, spread = values
    if np.isnan(mean):
        return "no valid pixel"
    return f"{mean:{sign}.{digits}f}" + (form.format(f"{spread:.{digits}f}") if spread is not None else "")


def pictures():
    """Return `plots`, and with it matplotlib, which other commands do without; Ctrl-C while it loads stays Ctrl-C."""
    try:
        from stllr_ref import plots
    except RuntimeError as bad:  # what Python 3.10 and 3.11 make of an interrupt inside a class
        if isinstance(bad.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return plots


def write(folder, rows, data, threads, refused=None):
    """Write result.json, log.csv, last.npz (parameters) and curves.svg of the trials so far into a folder."""
    plots, folder = pictures(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    flat = [result for results in rows for result in results]
    write_json(folder / "result.json", summary(rows, data, threads, refused))
    replace_file(folder / "log.csv", lambda p: _log(p, flat))
    params = {_place(r) + name: value for r in flat for name, value in r.params.items()}
    replace_file(folder / "last.npz", lambda p: np.savez(p, **params))
    shown = "training" if all(np.isnan(r.validation) for r in flat) else "validation"
    curves = {
        (label(results[0]), _style(results[0].settings, rows)): [[_shown(e, shown) for e in r.history] for r in results] for results in rows
    }
    metric, (unit, factor, _) = flat[0].settings.metric, UNITS[flat[0].settings.metric]
    title = f"{_titled(flat[0].settings)}: {len(rows[0])} seed{'s' if len(rows[0]) > 1 else ''}"
    figure = plots.learning_curves(curves, title, f"{shown} {NAMES[metric]} ({unit})", factor)
    replace_file(folder / "curves.svg", lambda p: plots.save(figure, p))


def _titled(settings):
    """Return the name of the task, for optical flow with a network and a loss other than the usual ones."""
    others = [v for v in (settings.network, settings.loss) if v not in ("flat", "mse")] if settings.metric == "aee" else []
    return ", ".join([settings.task, *others])


def _place(result):
    """Return what the names of a trial's parameters begin with in last.npz."""
    return f"{label(result)}/seed {result.seed}/"


def read_params(folder):
    """Return what last.npz of a folder holds, nothing where there is no such file or it is damaged."""
    try:
        with open(Path(folder) / "last.npz", "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except Exception:  # in a damaged file zipfile, zlib, tokenize and NumPy find something to raise each
        return {}


def with_params(result, found):
    """Return a result with its parameters out of those that `read_params` found; None where they are not among them."""
    params = {name.removeprefix(_place(result)): value for name, value in found.items() if name.startswith(_place(result))}
    return result._replace(params=params) if params or not result.history[-1].grad_norms else None  # what learns nothing has none


def _shown(epoch, part):
    """Return the score of an epoch on the training or on the validation part."""
    return epoch.score if part == "training" else epoch.validation


def _style(settings, rows):
    """Return the name of the line of a row: S-TLLR's own, or the sign of alpha_post where several are compared."""
    if settings.rule != "stllr" or sum(results[0].settings.rule == "stllr" for results in rows) == 1:
        return settings.rule
    return "negative" if settings.alpha_post < 0 else "positive" if settings.alpha_post > 0 else "stllr"


def write_json(path, value):
    """Write one JSON object."""
    replace_file(path, lambda p: p.write_text(json.dumps(value, indent=1) + "\n"))


def _log(path, results):
    """Write one line an epoch of every trial."""
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        metric = results[0].settings.metric
        out.writerow(["rule", "seed", "epoch", "loss", f"training {metric}", f"validation {metric}", "rates", "gradient norms"])
        for r in results:
            for e in r.history:
                norms = " ".join(f"{name}={value:.3g}" for name, value in e.grad_norms.items())
                out.writerow([label(r), r.seed, e.epoch, e.loss, e.score, e.validation, " ".join(f"{v:.3f}" for v in e.rates), norms])
