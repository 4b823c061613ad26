"""The figures of the studies: scores against a setting as lines, cosines with the exact gradient as dots; needs matplotlib."""

import matplotlib.pyplot as plt

from stllr_ref.plots import COLOURS


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
        ax.set_ylabel(y.replace(" (", "\n("))  # a panel is low
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels())}
    beside = int(width / (0.6 + 0.065 * max(map(len, labels))))  # samples of the legend that go into a row: inches, about
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(len(handles), beside), frameon=False, fontsize=8)
    return figure


def dots(panels, stages, seeds):
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
