r"""How time and memory grow with the steps T, the batch and the width of the hidden layer: S-TLLR and exact BPTT.

    python benchmarks/scaling.py [--csv FILE] [--figure FILE]        (make scaling writes both beside this file)

The network is the published one for speech (`networks.recurrent`: 700 inputs, 450 recurrent neurons, 20 outputs, learning in
all but the first 10 steps) in float32; of T, batch and width one is varied and the others stay at BASE.  Seconds are
processor time on one thread, medians, the sizes in turn.  Bytes are the largest number held at once, in a run of its own,
beyond input and weights; the logits, which are returned for every step, are taken off.
"""

import argparse
import csv
import os
import sys
import time
import tracemalloc
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy starts

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from benchmarks import networks, race  # noqa: E402
from stllr_ref import bptt, cross_entropy, engine  # noqa: E402
from stllr_ref.chunks import keep_freed_memory  # noqa: E402

BASE = {"batch": 32, "T": 100, "hidden": 450}  # at 1600 steps x takes 4 * 1600 * 32 * 700 bytes, 143 MB
SIZES = {
    "T": (25, 50, 100, 200, 400, 800, 1600),
    "batch": (8, 16, 32, 64, 128, 256),
    "hidden": (64, 128, 256, 512, 1024, 2048),
}
WHAT = {"T": "steps T", "batch": "batch B", "hidden": "neurons n"}
SYMBOL = {"T": "T", "batch": "B", "hidden": "n"}
ALGORITHMS = {"S-TLLR": engine.run, "BPTT": bptt.run}
MB = 1e6


def measure(sizes=SIZES, repeats=5, **base):
    """Return the rows of every kind of size: kind, size, algorithm, seconds, peak_bytes; base changes `networks.recurrent`."""
    rows = []
    for kind, values in sizes.items():
        calls = {}
        for size in values:
            case = networks.recurrent(**{**BASE, **base, kind: size})
            calls |= {(size, name): _call(run, case) for name, run in ALGORITHMS.items()}
        seconds = race.interleaved(calls, repeats, time.process_time)
        for (size, name), call in calls.items():
            found = {"seconds": float(f"{seconds[size, name]:.4g}"), "peak_bytes": peak(call)}
            rows.append({"kind": kind, "size": size, "algorithm": name, **found})
    return rows


def _call(run, case):
    """Return a function that runs one batch and returns its logits [T, B, O]; the network keeps nothing of it."""

    def call():
        net, x, target, inside = case
        logits, _ = run(net, x, target, cross_entropy, inside)
        net.reset()
        return logits

    return call


def peak(call):
    """Return the most bytes that a call held beyond what was there before it, without the logits that it returns."""
    call()  # so that what Python keeps for good is there
    tracemalloc.start()  # counts from 0
    logits = call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most - logits.nbytes


def exponent(sizes, values):
    """Return p of values ~ size ** p: the least-squares slope of the logarithms over the upper half of the sizes.

    Below it what does not depend on the size weighs too much; where it still does there, the slope is the lower for it.

    >>> round(exponent([1, 10, 100, 1000], [9, 3, 30, 300]), 6)
    1.0
    """
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0])


def a_step(rows, algorithm):
    """Return (shorter T, longer T, bytes that each step between them adds to the peak)."""
    sizes, peaks = curve(rows, "T", algorithm, "peak_bytes")
    return sizes[-2], sizes[-1], (peaks[-1] - peaks[-2]) / (sizes[-1] - sizes[-2])


def curve(rows, kind, algorithm, what):
    """Return (sizes, values of `what`) of one algorithm, in the order of the rows."""
    seen = [row for row in rows if (row["kind"], row["algorithm"]) == (kind, algorithm)]
    return [row["size"] for row in seen], [row[what] for row in seen]


def kinds(rows):
    """Return the kinds of size in the rows, each once."""
    return list(dict.fromkeys(row["kind"] for row in rows))


def table(rows):
    """Return the rows as people read them, the exponents below each kind."""
    heads = [f"{name}, {unit}" for unit in ("s", "MB") for name in ALGORITHMS]
    lines = [" " * 16 + "".join(f"{head:>12}" for head in heads)]
    for kind in kinds(rows):
        curves = [curve(rows, kind, name, what) for what in ("seconds", "peak_bytes") for name in ALGORITHMS]
        for i, size in enumerate(curves[0][0]):
            cells = [f"{values[i]:12.4f}" for _, values in curves[:2]] + [f"{values[i] / MB:12.2f}" for _, values in curves[2:]]
            lines.append(f"{WHAT[kind]:<10}{size:>6}" + "".join(cells))
        lines.append(f"{f'{SYMBOL[kind]} to the power':<16}" + "".join(f"{exponent(*pair):12.2f}" for pair in curves))
    for name in ALGORITHMS if "T" in kinds(rows) else ():
        lines.append("{}: from {} steps to {}, {:.0f} bytes more for each".format(name, *a_step(rows, name)))
    return "\n".join(lines)


def write(rows, path):
    """Write the rows as a CSV file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path):
    """Return the rows of a CSV file that `write` wrote."""
    kind = {"size": int, "seconds": float, "peak_bytes": int}
    with open(path, newline="", encoding="utf-8") as file:
        return [{name: kind.get(name, str)(value) for name, value in row.items()} for row in csv.DictReader(file)]


def draw(rows):
    """Return the figure: time above, memory below, a column a kind of size, the exponent at each line's end."""
    import matplotlib.pyplot as plt

    from figures import COLOURS, LINES

    styles = {"S-TLLR": ("stllr", "o"), "BPTT": ("bptt", "s")}
    columns = kinds(rows)
    figure, axes = plt.subplots(2, len(columns), figsize=(6.4, 4.4), sharex="col", sharey="row", squeeze=False)
    for row, (what, unit, scale) in zip(axes, (("seconds", "seconds", 1), ("peak_bytes", "MB", MB))):
        row[0].set_ylabel(unit)
        for ax, kind in zip(row, columns):
            ends = []
            for name, (style, mark) in styles.items():
                sizes, values = curve(rows, kind, name, what)
                ax.plot(
                    sizes, np.divide(values, scale), color=COLOURS[style], linestyle=LINES[style], marker=mark, markersize=4, label=name
                )
                ends.append((values[-1] / scale, f"${SYMBOL[kind]}^{{{exponent(sizes, values):.2f}}}$", COLOURS[style]))
            for (height, text, colour), shift in zip(sorted(ends), (-6, 6)):  # apart, should the lines end in one place
                place = dict(textcoords="offset points", va="center", annotation_clip=False)
                ax.annotate(text, (sizes[-1], height), (5, shift), color=colour, **place)
            ax.set(xscale="log", yscale="log", xticks=sizes[::2], xticklabels=sizes[::2])
            ax.set_xlim(sizes[0] / 1.3, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.35)
            ax.tick_params("x", which="minor", bottom=False)
    for ax, kind in zip(axes[1], columns):
        ax.set_xlabel(WHAT[kind])
    axes[0, 0].legend(loc="upper left")
    return figure


def main(argv=None):
    """Measure, print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--csv", metavar="FILE", help="also write the rows here")
    parser.add_argument("--figure", metavar="FILE", help="also draw them here, as SVG")
    parser.add_argument("--repeats", type=int, default=5, help="calls of each, at least 3 (default 5)")
    args = parser.parse_args(argv)
    race.own_kernel(parser)
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        rows = measure(repeats=max(args.repeats, 3))
    print(table(rows))
    if args.csv:
        write(rows, args.csv)
    if args.figure:
        picture(rows, args.figure)


def picture(rows, path):
    """Draw the figure into a file, as those of the chapters are."""
    import matplotlib

    from figures import use_style
    from stllr_ref import plots

    matplotlib.use("agg")
    use_style()
    plots.save(draw(rows), path)


if __name__ == "__main__":
    main()
