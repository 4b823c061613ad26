"""The commands `chapters` and `figures` do what the scripts beside the library do, and refuse where there is nothing to do it to."""

import pytest

from figures import make_all
from stllr_ref import __main__ as cli
from stllr_ref.commands import course


def test_figures_are_drawn_where_they_are_asked_for(tmp_path, capfd):
    assert cli.main(["figures", "ch03_one_pair", "--format", "png", "--out", str(tmp_path / "new")]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ch03_one_pair.png"]
    assert capfd.readouterr().out == f"{tmp_path / 'new' / 'ch03_one_pair.png'}\n"


def test_the_formats_are_those_of_the_script():
    assert set(course.KINDS) == set(make_all.UNDATED)


@pytest.mark.parametrize(
    "words, said", [(["figures", "ch77"], "figures: got 'ch77'"), (["chapters", "77"], "chapters: got 77, expected numbers among 01,")]
)
def test_what_is_not_there_is_said_in_one_line(words, said, capfd):
    assert cli.main(words) == 2
    err = capfd.readouterr().err
    assert err.startswith(said) and err.count("\n") == 1


def test_a_folder_without_a_name_is_refused(capsys):
    assert cli.main(["figures", "ch03_one_pair", "--out", ""]) == 2
    assert capsys.readouterr().err == "stllr_ref: argument --out: got an empty name, expected a folder\n"


def test_a_library_without_its_chapters_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(course, "ROOT", tmp_path)
    for command in ("chapters", "figures"):
        assert cli.main([command]) == 2
        assert (
            capsys.readouterr().err
            == f"stllr_ref: chapters and figures: got a library without them in {tmp_path}, expected a clone of the repository\n"
        )


def test_chapters_hand_numbers_and_check_to_the_script(monkeypatch):
    told = []
    monkeypatch.setattr(course.subprocess, "run", lambda words, cwd: told.append((words[1:], cwd)) or type("Done", (), {"returncode": 3}))
    assert cli.main(["chapters", "01", "03", "--check"]) == 3
    assert told == [(["chapters/build.py", "01", "03", "--check"], course.ROOT)]


@pytest.mark.parametrize("kind, folder", [("svg", make_all.HERE), ("pdf", make_all.SLIDES), ("png", make_all.SLIDES)])
def test_slides_do_not_go_beside_the_committed_figures(kind, folder, monkeypatch):
    asked = []
    monkeypatch.setattr(make_all, "build", lambda *args: asked.append(args) or ())
    assert make_all.main(["ch01", "--format", kind]) == 0
    assert asked == [(folder, ["ch01"], kind)] and (folder == make_all.HERE) == (kind == "svg")
