"""Every figure of the chapters can be drawn, is committed, and comes out the same twice."""

import matplotlib
import numpy as np
import pytest

from figures import make_all
from stllr_ref import plots

FIGURES = make_all.functions()


@pytest.fixture(autouse=True)
def off_screen():
    matplotlib.use("agg")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_committed_and_its_drawing_depends_on_the_generator_alone(name, tmp_path):
    assert (make_all.HERE / f"{name}.svg").exists()
    copies = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for copy in copies:
        plots.save(FIGURES[name](np.random.default_rng(0)), copy)
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_the_command_draws_an_svg_at_the_resolution_of_the_figure(tmp_path):
    """At another one, images in it and the layout around them are others than those that are committed."""
    assert make_all.main(["ch05_thrown_away", "--out", str(tmp_path)]) == 0
    plots.save(FIGURES["ch05_thrown_away"](np.random.default_rng(0)), tmp_path / "saved.svg")
    drawn = (tmp_path / "ch05_thrown_away.svg").read_bytes()
    assert b"<image" in drawn and drawn == (tmp_path / "saved.svg").read_bytes()


def test_no_picture_is_committed_whose_function_is_gone():
    assert {path.stem for path in make_all.HERE.glob("*.svg")} == set(FIGURES)


def test_learning_curves_draw_a_line_a_seed_and_a_median_and_keep_labels_apart():
    figure = plots.learning_curves({("s-tllr", "stllr"): [[0.1, 0.9], [0.2, 0.9]], ("bptt", "bptt"): [[0.3, 0.9]]}, "title")
    axes = figure.axes[0]
    assert len(axes.lines) == 3 + 1
    np.testing.assert_allclose(axes.lines[2].get_ydata(), [15, 90])
    places = [text.xy[1] for text in axes.texts]
    assert abs(places[0] - places[1]) > 1
    assert [text.get_text() for text in axes.texts] == ["bptt", "s-tllr"]


@pytest.mark.parametrize("kind", ["pdf", "png"])
def test_figures_for_slides_are_the_same_bytes_twice_and_only_those_asked_for(kind, tmp_path, capsys):
    for folder in ("a", "b"):
        assert make_all.main(["ch01", "ch03_one_pair", "--format", kind, "--out", str(tmp_path / folder)]) == 0
    names = [name for name in FIGURES if name.startswith("ch01_")] + ["ch03_one_pair"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(f"{name}.{kind}" for name in names)
    assert all((tmp_path / "a" / f"{name}.{kind}").read_bytes() == (tmp_path / "b" / f"{name}.{kind}").read_bytes() for name in names)
    assert capsys.readouterr().out.count(f".{kind}\n") == 2 * len(names)


def test_every_animation_is_committed_and_drawn_with_the_figures(tmp_path):
    assert {path.stem for path in make_all.HERE.glob("*.gif")} == set(make_all.MOVING)
    assert [path.name for path in make_all.build(tmp_path, ["online_step"])] == ["online_step.gif"]
    assert (tmp_path / "online_step.gif").stat().st_size > 10_000
    assert list(make_all.build(tmp_path, ["online_step"], "png")) == []


def test_a_figure_that_is_not_there_and_a_folder_that_is_a_file_are_refused_in_one_line(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    for words, said in (
        (["ch99", "--out", str(tmp_path / "new")], "figures: got 'ch99', expected"),
        (["ch01", "--out", str(file)], "--out: got "),
    ):
        assert make_all.main(words) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_an_animation_alone_is_refused_for_slides_and_nothing_is_made(tmp_path, capsys):
    assert make_all.main(["online_step", "--format", "png", "--out", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == "figures: --format: got png for online_step, expected svg: what moves is a GIF\n"
    assert not (tmp_path / "new").exists()
