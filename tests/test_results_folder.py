"""The folder of results: new or empty, of one run alone, taken away where nothing came of it, and never at the cost of what it held."""

import shutil

import pytest

from stllr_ref import __main__ as cli
from stllr_ref.commands import arguments, results
from stllr_ref.commands.arguments import TRIALS, results_folder

HEADER, TRIAL = "{}\n", '{"cell": 1}\n'


def again(place):
    return f"again {place}"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_two_runs_of_one_second_have_a_folder_each(monkeypatch, here):
    monkeypatch.setattr(arguments.time, "strftime", lambda form: "now")
    with results_folder(None, "digits") as first, results_folder(None, "digits") as second, results_folder(None, "digits") as third:
        for place in (first, second):
            (place / "result.json").write_text("kept")
    assert [place.name for place in (first, second, third)] == ["digits-now", "digits-now-2", "digits-now-3"]
    assert names(here) == ["runs", "runs/digits-now", "runs/digits-now-2", "runs/digits-now-2/result.json", "runs/digits-now/result.json"]


@pytest.mark.parametrize("out", [None, "new", "there"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError("why")], ids=["interrupt", "refusal"])
def test_a_run_without_a_finished_trial_leaves_nothing(out, stop, here):
    if out == "there":
        (here / out).mkdir()
    with pytest.raises(type(stop) if isinstance(stop, ValueError) else stop, match="why" if isinstance(stop, ValueError) else "^nothing was finished$"):
        with results_folder(out and here / out, "digits", again=again) as place:
            (place / TRIALS).write_text(HEADER)
            raise stop
    assert names(here) == (["there"] if out == "there" else [])


@pytest.mark.parametrize("beside", [{TRIALS: HEADER + TRIAL}, {TRIALS: HEADER, "checkpoint-0-0.npz": "half"}], ids=["trial", "checkpoint"])
def test_what_was_finished_stays_and_the_way_on_is_told(beside, here):
    with pytest.raises(KeyboardInterrupt, match=f"^what was finished is in {here}/new; to go on: again {here}/new$"):
        with results_folder(here / "new", "digits", again=again) as place:
            for name, text in beside.items():
                (place / name).write_text(text)
            raise KeyboardInterrupt
    assert {path.name: path.read_text() for path in (here / "new").iterdir()} == beside


@pytest.mark.parametrize("name, words", [(TRIALS, "an unfinished run, expected --resume, a new"), ("result.json", "results, expected a new"), ("a.csv", "files, expected a new")])
def test_a_folder_that_is_refused_stays_as_it_was(name, words, here):
    (here / "mine").mkdir()
    (here / "mine" / name).write_text(HEADER)
    with pytest.raises(ValueError, match=f"^--out: got {here}/mine, which holds {words} folder or an empty one$"):
        with results_folder(here / "mine", "digits"):
            pass
    assert (here / "mine" / name).read_text() == HEADER


def test_a_run_that_is_resumed_and_stopped_at_once_can_be_resumed_again(here):
    (here / "mine").mkdir()
    (here / "mine" / TRIALS).write_text(HEADER)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            with results_folder(here / "mine", "digits", resume=True, again=again):
                raise KeyboardInterrupt
    assert (here / "mine" / TRIALS).read_text() == HEADER


class Full:
    """A temporary file on a full disk."""

    def __init__(self, dir):
        assert dir.is_dir()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def write(self, data):
        assert len(data) >= 4096
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_noticed_before_anything_runs_and_leaves_no_folder(monkeypatch, here):
    monkeypatch.setattr(arguments.tempfile, "TemporaryFile", Full)
    with pytest.raises(ValueError, match=r"^--out: got .*new/deep \(No space left on device\), expected a folder that can be written$"):
        with results_folder(here / "new" / "deep", "digits"):
            pytest.fail("it ran")
    assert names(here) == []


def test_a_folder_that_somebody_takes_away_does_not_hide_the_reason(here):
    with pytest.raises(ValueError, match="^the real reason$"):
        with results_folder(here / "new", "digits") as place:
            shutil.rmtree(place)
            raise ValueError("the real reason")


def test_a_page_of_results_that_has_no_folder_is_refused_before_anything_runs(here, capsys, monkeypatch):
    monkeypatch.setattr(results.sweep, "run", None)
    assert cli.main(["results", "--file", str(here / "nowhere" / "R.md")]) == 2
    assert capsys.readouterr().err == f"stllr_ref: --file: got {here}/nowhere/R.md, expected a file in a folder that is there\n"
    assert names(here) == []
