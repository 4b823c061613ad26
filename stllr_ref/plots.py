"""Plots shared by the command line and the chapters; needs matplotlib, which the rest of the library does not load."""

import matplotlib

matplotlib.rcParams["svg.hashsalt"] = "stllr_ref"  # with no date in the metadata, the same data give the same bytes

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np

# One meaning, one colour, everywhere (Okabe and Ito's palette, safe for colour-blind readers).
COLOURS = {
    "stllr": "#0072B2",
    "bptt": "#000000",
    "ottt": "#E69F00",
    "eprop": "#E69F00",
    "sltt": "#F0E442",
    "negative": "#56B4E9",
    "positive": "#56B4E9",
    "dfa": "#CC79A7",
    "stdp": "#009E73",
    "wrong": "#D55E00",
    "tbptt": "#666666",
    "control": "#999999",
    "frozen": "#999999",
}
LINES = {
    "stllr": "-",
    "positive": "--",
    "bptt": "--",
    "tbptt": "-.",
    "ottt": (0, (1, 1)),
    "sltt": (0, (3, 1, 1, 1)),
    "frozen": ":",
    "counts": (0, (5, 5)),
}


def learning_curves(curves, title="", axis="validation accuracy (%)", factor=100):
    """Draw what was measured on validation data against the epoch.

    Parameters
    ----------
    curves : dict
        (label, style) -> list of sequences, one a seed: the accuracy (or what else) after each epoch; style is a name in
        COLOURS or LINES (a control if in neither).
    title, axis : str
        Title; name and unit of the vertical axis.
    factor : float
        From the numbers to that unit.

    Returns
    -------
    matplotlib.figure.Figure
        A thin line a seed, a thick median; labelled at the line's end.
    """
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    ends = []
    for (label, style), seeds in curves.items():
        colour = COLOURS.get(style, COLOURS["control"])
        epochs, middle = np.arange(1, len(seeds[0]) + 1), factor * np.median(seeds, axis=0)
        for seed in seeds if len(seeds) > 1 else ():
            axes.plot(epochs, factor * np.asarray(seed), color=colour, linewidth=0.5)
        axes.plot(epochs, middle, color=colour, linestyle=LINES.get(style, "-"), linewidth=1.8)
        ends.append((middle[-1], label, colour))
    _label_ends(axes, epochs[-1], ends)
    axes.set(xlabel="epoch", ylabel=axis, title=title)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    axes.margins(x=0.02)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def alignment(panels, stages, seeds):
    """Draw cosines with the exact gradient as dots.

    Parameters
    ----------
    panels : dict
        Title -> rule -> stage -> cosine of each seed [seeds]; empty where there is none.
    stages : dict
        Stage -> what it is, in words; at most three.
    seeds : int
        How many were run.

    Returns
    -------
    matplotlib.figure.Figure
        A panel each, a line a rule, a marker a stage: the mean, and a bar from the lowest to the highest seed.
    """
    rules, marks = list(next(iter(panels.values()))), (("o", False), ("o", True), ("^", True))
    size = 2.3 * len(panels), 0.26 * len(rules) + 1.0
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, layout="constrained", squeeze=False)
    for ax, (title, values) in zip(axes[0], panels.items()):
        for y, rule in enumerate(rules):
            colour = COLOURS.get(rule, "#444444")
            for shift, stage, (marker, filled) in zip((-0.24, 0, 0.24), stages, marks):
                seen = values[rule][stage]
                if len(seen):
                    ax.plot([seen.min(), seen.max()], [y + shift] * 2, color=colour, linewidth=1)
                    ax.plot(seen.mean(), y + shift, marker, color=colour, markerfacecolor=colour if filled else "white", markersize=3.5)
            if y % 2:
                ax.axhspan(y - 0.5, y + 0.5, color="#f2f2f2", zorder=0)
        ax.axvline(0, color="#999999", linewidth=0.6)
        ax.set(xlim=(-0.65, 1.05), title=title, xlabel="cosine with BPTT", ylim=(len(rules) - 0.5, -0.5))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_yticks(range(len(rules)), rules)
    shapes = zip(("open circle", "filled circle", "triangle"), stages.values())
    legend = ", ".join(f"{shape}: {stage}" for shape, stage in shapes)
    figure.suptitle(f"{legend}; mean and range of {seeds} seed{'s' if seeds > 1 else ''}", fontsize=9)
    return figure


def lines(panels, x, y, factor=100):
    """Draw scores against a setting.

    Parameters
    ----------
    panels : dict
        Title -> line label -> (values of the setting, scores [values, seeds]).
    x, y : str
        What the axes show.
    factor : float
        From the scores to the unit of y.

    Returns
    -------
    matplotlib.figure.Figure
        A panel each, mean and standard deviation; marker and dashes tell up to 32 lines apart without colour.
    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    labels = list(dict.fromkeys(label for by in panels.values() for label in by))
    width = 3.4 * max(columns, 2)
    figure, axes = plt.subplots(rows, columns, figsize=(width, 2.7 * rows + 0.5), sharey=True, layout="constrained", squeeze=False)
    palette = [COLOURS[name] for name in ("stllr", "negative", "ottt", "wrong", "stdp", "dfa", "control", "sltt")]
    dashes, marks = ("-", "--", "-.", ":"), "os^Dv<>P"
    for ax, (title, by) in zip(axes.flat, panels.items()):
        ticks = list(dict.fromkeys(value for at, _ in by.values() for value in at))
        words = any(isinstance(value, str) for value in ticks)
        for label, (at, scores) in by.items():
            n, rule, places = labels.index(label), label.split(",")[0], [ticks.index(value) for value in at] if words else at
            spread = scores.std(1, ddof=1) if scores.shape[1] > 1 else 0 * scores[:, 0]
            colour = COLOURS[rule] if rule in COLOURS and rule != "stllr" else palette[n % 8]
            style = dict(color=colour, linestyle=dashes[(n + n // 8) % 4], marker=marks[n % 8], markersize=3.5, linewidth=1.2, capsize=2)
            ax.errorbar(places, factor * scores.mean(1), factor * spread, label=label, **style)
        if words:
            slant = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len("".join(ticks)) > 30 else {}
            ax.set_xticks(range(len(ticks)), ticks, **slant)
        ax.set(title=title, xlabel=x)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in list(axes.flat)[len(panels) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(y)
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels())}
    beside = int(width / (0.6 + 0.065 * max(map(len, labels))))  # samples of the legend that go into a row: inches, about
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(len(handles), beside), frameon=False, fontsize=8)
    return figure


def _label_ends(axes, x, ends):
    """Write each (y, label, colour) at the right end of its line, pushed apart where lines end together."""
    low, high = axes.get_ylim()
    gap, ends = (high - low) / 18, sorted(ends)
    places = [y for y, _, _ in ends]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    places[-1] = min(places[-1], high)
    for i in reversed(range(len(places) - 1)):
        places[i] = min(places[i], places[i + 1] - gap)
    for place, (_, label, colour) in zip(places, ends):
        axes.annotate(label, (x, place), xytext=(6, 0), textcoords="offset points", color=colour, va="center", annotation_clip=False)


def save(figure, path):
    """Write a figure as SVG, byte for byte the same for the same data, and close it."""
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
