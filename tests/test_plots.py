"""The figure of a study: every panel, mean and deviation of its seeds, each label once, and no two lines that look alike."""

import re
from collections import Counter
from itertools import combinations

import matplotlib
import numpy as np
import pytest

from stllr_ref import costs, plots
from stllr_ref.experiments import drawings, studies
from stllr_ref.experiments.classify import Result

matplotlib.use("agg")
RULES = ("stllr", "bptt", "tbptt", "ottt", "sltt", "frozen")


def scores(seed=0, points=3, seeds=4):
    """Return scores [points, seeds]."""
    return np.random.default_rng(seed).random((points, seeds))


@pytest.fixture(autouse=True)
def closed():
    """Close what a test drew."""
    yield
    matplotlib.pyplot.close("all")


def look(bars):
    """Return what tells a drawn line apart: colour, marker, dashes."""
    line = bars.lines[0]
    return line.get_color(), line.get_marker(), line.get_linestyle()


def drawn(figure):
    """Return the label and the look of every line of a figure."""
    return {bars.get_label(): look(bars) for ax in figure.axes for bars in ax.containers}


def alike(figure):
    """Return the pairs of labels of a figure whose lines look alike to an eye that sees no colour."""
    return [(a, b) for (a, x), (b, y) in combinations(drawn(figure).items(), 2) if x[1:] == y[1:]]


def legend(figure):
    """Return label -> look of its sample in the legend of a figure."""
    (box,) = figure.legends
    parts = [part for part in box.findobj(matplotlib.lines.Line2D) if part.get_marker() != "_"]  # caps of the bars apart
    samples = [(line.get_color(), marker.get_marker(), line.get_linestyle()) for line, marker in zip(parts[::2], parts[1::2])]
    return dict(zip([text.get_text() for text in box.get_texts()], samples, strict=True))


def study_figure(name):
    """Return the figure of a study whose scores are all alike, and what it shows."""
    study = studies.STUDIES[name]._replace(seeds=1)
    cost = costs.Cost(Counter(), 1, 1, 1)
    panels = studies.lines(study, {(s, seed): Result(s, seed, 0.5, 0.5, 1.0, cost, 1, [], {}) for s, seed in studies.cells(study)})
    return drawings.lines(panels, ", ".join(study.x), "y"), panels


def test_a_point_is_the_mean_over_the_seeds_and_a_bar_the_standard_deviation_on_each_side():
    values = scores()
    ax = drawings.lines({"panel": {"stllr": ([0.1, 0.2, 0.4], values)}}, "lr", "test accuracy (%)").axes[0]
    line, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(line.get_xydata(), np.transpose([[0.1, 0.2, 0.4], 100 * values.mean(1)]))
    spread = 100 * np.std(values, axis=1, ddof=1)
    ends = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, np.transpose([100 * values.mean(1) - spread, 100 * values.mean(1) + spread]))


def test_the_factor_is_that_of_points_and_bars_and_one_seed_has_no_bar():
    panels = {"panel": {"stllr": ([1, 2], scores(points=2)), "bptt": ([1, 2], scores(points=2, seeds=1))}}
    ax = drawings.lines(panels, "lr", "px", factor=1).axes[0]
    values = panels["panel"]["stllr"][1]
    heights = [np.ptp(segment[:, 1]) for segment in ax.containers[0][2][0].get_segments()]
    np.testing.assert_allclose(heights, 2 * np.std(values, axis=1, ddof=1))
    np.testing.assert_allclose(ax.containers[1][0].get_ydata(), panels["panel"]["bptt"][1][:, 0])
    assert all(np.ptp(segment[:, 1]) == 0 for segment in ax.containers[1][2][0].get_segments())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_every_panel_is_drawn_and_named_and_empty_places_are_blank(count):
    panels = {f"panel {i}": {"stllr": ([1, 2, 3], scores(i))} for i in range(count)}
    figure = drawings.lines(panels, "window", "accuracy")
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in shown] == list(panels) and all(ax.get_xlabel() == "window" for ax in shown)
    assert {ax.get_ylabel() for ax in figure.axes if ax.get_subplotspec().is_first_col()} == {"accuracy"}
    for i, ax in enumerate(shown):
        np.testing.assert_allclose(ax.containers[0][0].get_ydata(), 100 * scores(i).mean(1))
    assert len({ax.get_ylim() for ax in shown}) == 1  # panels are compared with each other


def test_a_legend_has_every_label_of_every_panel_once_with_the_look_of_its_lines():
    panels = {
        "one": {"stllr": ([1, 2, 3], scores()), "bptt": ([1, 2, 3], scores(1))},
        "two": {"bptt": ([1, 2, 3], scores(2)), "frozen": ([1, 2, 3], scores(3))},
    }
    figure = drawings.lines(panels, "x", "y")
    looks = {(bars.get_label(), look(bars)) for ax in figure.axes for bars in ax.containers}
    assert legend(figure) == dict(looks) and len(looks) == 3  # "bptt" looks the same in both panels
    assert sorted(legend(figure)) == ["bptt", "frozen", "stllr"] and len(figure.legends[0].get_texts()) == 3


def test_words_on_the_horizontal_axis_are_in_their_order_and_at_their_points():
    at = ["sdfa", "bp", "local"]
    ax = drawings.lines({"panel": {"stllr": (at, scores()), "sltt": (at, scores(1))}}, "signal", "y").axes[0]
    places = {tick.get_text(): place for tick, place in zip(ax.get_xticklabels(), ax.get_xticks())}
    assert list(places) == at and sorted(places.values()) == list(places.values())
    for bars in ax.containers:
        assert bars[0].get_xdata().tolist() == [places[name] for name in at]


def test_a_line_without_some_of_the_words_has_its_points_at_its_own():
    panels = {"panel": {"stllr": (["bp", "fa", "dfa"], scores()), "sltt": (["dfa", "bp"], scores(1, points=2)), "ottt": (["local"], scores(2, points=1))}}
    ax = drawings.lines(panels, "signal", "y").axes[0]
    names = [tick.get_text() for tick in ax.get_xticklabels()]
    assert [[names[int(place)] for place in bars[0].get_xdata()] for bars in ax.containers] == [at for at, _ in panels["panel"].values()]


@pytest.mark.parametrize("name", studies.STUDIES)
def test_words_on_the_horizontal_axis_do_not_run_into_each_other(name):
    figure, _ = study_figure(name)
    figure.canvas.draw()
    for ax in figure.axes:
        words = [text for text in ax.get_xticklabels() if text.get_text()]
        boxes = [text.get_window_extent() for text in words]
        assert all(text.get_rotation() >= 30 for text in words) or all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("name", studies.STUDIES)
def test_the_legend_of_a_study_lies_within_its_figure(name):
    figure, _ = study_figure(name)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and all(ax.get_window_extent().height > 90 for ax in figure.axes if ax.axison)


def test_numbers_on_the_horizontal_axis_keep_their_distances():
    ax = drawings.lines({"panel": {"stllr": ([1, 2, 21], scores())}}, "last", "y").axes[0]
    assert ax.containers[0][0].get_xdata().tolist() == [1, 2, 21]


def test_eight_settings_of_one_rule_differ_in_colour():
    labels = [f"stllr, lam_pre {i}" for i in range(8)]
    figure = drawings.lines({"panel": {label: ([1, 2], scores(points=2)) for label in labels}}, "x", "y")
    assert len({colour for colour, *_ in drawn(figure).values()}) == 8


@pytest.mark.parametrize("rules", [("stllr",), RULES], ids=["s-tllr", "all rules"])
@pytest.mark.parametrize("order", [1, -1, 5, 7, 11, 13])
def test_no_two_of_32_lines_look_alike(rules, order):
    labels = [f"{rule}, alpha_post {i}" for i in range(-(-32 // len(rules))) for rule in rules][:32]
    labels = [labels[i * order % 32] for i in range(32)] if order > 0 else labels[::-1]
    figure = drawings.lines({"panel": {label: ([1, 2], scores(points=2)) for label in labels}}, "x", "y")
    assert len(set(labels)) == len(drawn(figure)) == 32 and not alike(figure)


@pytest.mark.parametrize("name", studies.STUDIES)
def test_no_two_lines_of_a_study_look_alike_and_bptt_is_black(name):
    figure, panels = study_figure(name)
    assert len(drawn(figure)) == len({line for by in panels.values() for line in by}) and not alike(figure)
    assert all(colour == plots.COLOURS["bptt"] for label, (colour, *_) in drawn(figure).items() if label.split(",")[0] == "bptt")
    assert set(legend(figure)) == {line for by in panels.values() for line in by if line}


@pytest.fixture
def plain():
    """Draw as Matplotlib does by itself, whatever style another test has left."""
    with matplotlib.rc_context({"figure.constrained_layout.use": False}):
        yield


@pytest.mark.usefixtures("plain")
def test_the_last_bit_of_a_layout_does_not_show_in_the_bytes(tmp_path):
    """Matplotlib names a clip path by a hash of its numbers; the layout solver's last bit changes from draw to draw."""
    saved, raw = [], []
    for number, left in enumerate((0.1, 0.1 + 1e-16)):
        figure = plots.plt.figure(figsize=(2, 2))
        figure.add_axes([left, 0.1, 0.8, 0.8]).plot([0, 1])
        figure.savefig(tmp_path / f"raw-{number}.svg", metadata={"Date": None})
        plots.save(figure, tmp_path / f"{number}.svg")
        raw.append((tmp_path / f"raw-{number}.svg").read_bytes())
        saved.append((tmp_path / f"{number}.svg").read_bytes())
    assert raw[0] != raw[1] and saved[0] == saved[1] and b"clip-path" in saved[0]


@pytest.mark.usefixtures("plain")
def test_each_panel_keeps_a_clip_path_of_its_own(tmp_path):
    figure, axes = plots.plt.subplots(1, 2)
    for ax in axes:
        ax.plot([0, 1])
    plots.save(figure, tmp_path / "two.svg")
    text = (tmp_path / "two.svg").read_text()
    made, used = re.findall(r'<clipPath id="(\w+)"', text), re.findall(r"url\(#(\w+)\)", text)
    assert sorted(made) == ["clip0", "clip1"] and set(used) == set(made)
