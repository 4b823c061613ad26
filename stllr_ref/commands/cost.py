"""The command `cost`: memory and MACs of every rule, formula beside count, on a task; or the paper's own table, checked."""

import json
from dataclasses import replace

import numpy as np

from stllr_ref import costs
from stllr_ref.checks import TooLarge
from stllr_ref.commands.arguments import add_command, add_json, count
from stllr_ref.experiments import classify, digits, family, published
from stllr_ref.losses import cross_entropy, window

TASKS = {"digits": digits}
NOTES = """\
numbers kept: the paper's formula, or the order, one sample.  state: handed from step to step (bptt: stored of all steps), potentials
included; exact from the sizes, counted as the sum of real arrays.  peak: the most held at once (tracemalloc), gradients and temporaries
included, input and parameters apart.  MACs: products of synapses for gradients and errors; fewer are counted than the formula has, as
the lowest layer sends no error down and the readout has one term (tbptt: walks all steps; rtrl: the formula is exact; sltt_k: the steps
are drawn; etlp: its formula has the samples with an event, ours computes the whole batch where one has).  other MACs: decays, work done
a synapse, signals.  -: not run.  stllr0: alpha_post 0; eprop0: no filter."""


def add(commands):
    """Add `cost` to the commands of the parser."""
    about = (
        "Print what every rule keeps in memory and how many multiply-accumulates (MACs) it does for one gradient: by formula, and as "
        "counted on a real network. With --paper, hold the paper's own table against its formulas."
    )
    short, example = "memory and MACs of every rule, formula beside count", "cost digits --last 5 --batch 10"
    parser = add_command(commands, "cost", short, about, example)
    parser.add_argument("task", nargs="?", choices=TASKS, metavar="TASK", help=f"count on one batch of this task: {', '.join(TASKS)}")
    parser.add_argument("--paper", action="store_true", help="in place of a task: the paper's networks, and which numbers follow")
    last = f"learn in the last N time steps (default: {digits.SETTINGS.last} for digits)"
    parser.add_argument("--last", type=count, metavar="N", help=last)
    parser.add_argument("--batch", type=count, metavar="B", help="samples of the batch (default: 1)")
    add_json(parser)
    parser.set_defaults(main=cost)


def cost(args):
    """Print the table or the JSON object that the arguments ask for; return the exit code."""
    if bool(args.task) == args.paper:
        found = "both a task and --paper" if args.paper else "neither a task nor --paper"
        raise ValueError(f"cost: got {found}, expected one of {', '.join(TASKS)}, or --paper")
    if args.paper and (args.last or args.batch):
        raise ValueError("--paper: got --last or --batch, expected neither: the window and the batch are the paper's")
    if args.paper:
        rows, claims = ([entry._asdict() for entry in entries] for entries in (published.rows(), published.claims()))
        result = {"tolerance": published.TOLERANCE, "rows": rows, "claims": claims}
    else:
        result = _task(args.task, args.last, args.batch or 1)
    print(json.dumps(result) if args.json else _paper_table() if args.paper else _table(result))
    return 0


def _task(name, last, batch):
    """Return the costs of every rule on the first `batch` training samples of a task, as one JSON object."""
    settings, (train, _, _) = TASKS[name].SETTINGS, TASKS[name].sets()
    x, y = train[0][:, :batch], train[1][:batch]
    T, last = len(x), last or settings.last
    if last > T:
        raise ValueError(f"--last: got {last}, expected at most T = {T}")
    if batch > len(train[1]):
        raise ValueError(f"--batch: got {batch}, expected at most {len(train[1])} samples")
    layers = costs.sizes(classify.build(settings, x.shape[2], int(train[1].max()) + 1, seed=0), x)
    rows = []
    for rule, formula in costs.formulas(layers, T, last, family.SHARE).items():
        changes = {"rule": "stllr", "alpha_post": 0.0} if rule == "stllr0" else {"rule": rule}
        runs = changes["rule"] in family.FAMILY
        counted, why = _count(replace(settings, last=last, **changes), x, y, layers[-1].n) if runs else (None, None)
        rows.append(_row(rule, formula, batch, counted, why))
    result = {"task": name, "T": T, "last": last, "batch": batch, "macs_forward": batch * T * costs.products(layers)}
    return {**result, "layers": [s._asdict() for s in layers], "rows": rows}


def _count(settings, x, y, n_out):
    """Return (cost of one gradient of x [T, B, N], y [B]; None), or (None, why) where the rule refuses: its state would be too large."""
    net, run = classify.build(settings, x.shape[2], n_out, seed=0), classify.algorithm(settings)
    inside = window(len(x), [len(x)] * len(y), last=settings.last)
    state = costs.STATE.get(settings.rule, costs.state_bytes)
    try:
        return costs.measure(run, net, x, y, cross_entropy, inside, state, np.random.default_rng(0)), None
    except TooLarge as bad:
        return None, str(bad)


def _row(rule, formula, batch, counted, why):
    """Return one row of the JSON object; formulas are times the batch, what was not counted is None."""
    item = np.dtype(np.float32).itemsize
    return {
        "rule": rule,
        "memory_order": formula.memory_order,
        "time_order": formula.time_order,
        "memory": formula.memory,
        "state_bytes": formula.kept * item * batch,
        "state_bytes_counted": counted and counted.state,
        "peak_bytes": counted and counted.peak,
        "macs": formula.macs * batch,
        "macs_counted": counted and counted.learning,
        "macs_by_verb": counted and dict(counted.macs),
        "macs_other": formula.other * batch,
        "not_run": why,
    }


def _table(result):
    """Return the table for people of the costs on a task."""
    task, T, last, batch = (result[name] for name in ("task", "T", "last", "batch"))
    kb = ("-", lambda v: f"{v / 1e3:,.1f}")
    million = ("-", lambda v: f"{v / 1e6:,.3f}")
    plain = ("", str)
    columns = (  # two lines of heading, width, entry of the row, how it is shown
        ("memory", "order", 9, "memory_order", plain),
        ("numbers", "kept", 12, "memory", ("", lambda v: f"{v:,}")),
        ("state kB", "exact", 13, "state_bytes", kb),
        ("state kB", "counted", 11, "state_bytes_counted", kb),
        ("peak", "kB", 11, "peak_bytes", kb),
        ("time", "order", 10, "time_order", plain),
        ("M MACs", "formula", 15, "macs", million),
        ("M MACs", "counted", 13, "macs_counted", million),
        ("other M MACs", "formula", 14, "macs_other", million),
    )
    lines = [
        f"{task}: T = {T}, window = last {last}, batch = {batch}, float32; forward pass: {result['macs_forward'] / 1e6:.3f} M MACs for all",
        " " * 15 + "".join(f"{head:>{width}}" for head, _, width, _, _ in columns),
        f"{'rule':<15}" + "".join(f"{head:>{width}}" for _, head, width, _, _ in columns),
    ]
    for row in result["rows"]:
        cells = [(width, none if row[key] is None else show(row[key])) for _, _, width, key, (none, show) in columns]
        lines.append(f"{row['rule']:<15}" + "".join(f"{cell:>{width}}" for width, cell in cells))
    lines += [f"{row['rule']} not run: {row['not_run']}" for row in result["rows"] if row["not_run"]]
    return "\n".join([*lines, NOTES])


def _paper_table():
    """Return the table for people of the paper's cells beside the formulas, and of the text's ratios."""
    heads = ("bptt", "formula", "s-tllr", "formula", "ratio", "formula")
    lines = [
        "Table 3 of the S-TLLR paper (one sample) beside its formulas: MACs 2 T S, 3 last S (alpha_post 0: 2 last S), numbers T N, 2 N",
        f"{'dataset':<14}{'network':<11}{'T':>4}{'last':>5}{'alpha':>6}  {'what':<10}" + "".join(f"{head:>9}" for head in heads),
    ]
    for r in published.rows():
        numbers = (r.bptt, r.bptt_formula, r.stllr, r.stllr_formula, r.ratio, r.ratio_formula)
        mark = "" if r.follows else "   does not follow"
        label = f"{r.dataset:<14}{r.network:<11}{r.T:>4}{r.last:>5}{r.alpha_post:>6}  {r.what:<10}"
        lines.append(label + "".join(f"{number:>9.3f}" for number in numbers) + mark)
    lines += [
        f"A ratio follows if within {100 * published.TOLERANCE:.0f} % of T / 2 (memory), 2 T / (3 last) (MACs; T / last at alpha_post 0).",
        "The cells do not come out of the published sizes: VGG-9's MACs are 1/4 of the formula on Gesture and CIFAR10, ResNet-18's S-TLLR",
        "MACs there repeat VGG-9's, SHD fits T and 2 last times 535,500 MACs instead of 2 T and 3 last times S = 526,500.",
        "",
        "The text's 5 to 50 times less memory and 1.3 to 6.6 times fewer MACs are these formulas, not measurements:",
        f"{'dataset':<28}{'T':>4}{'last':>6}{'memory':>9}{'MACs':>7}",
    ]
    for c in published.claims():
        more = "   S-TLLR does more" if c.mac_ratio < 1 else ""
        lines.append(f"{c.dataset:<28}{c.T:>4}{c.last:>6}{c.memory_ratio:>9.1f}{c.mac_ratio:>7.2f}{more}")
    return "\n".join(lines)
