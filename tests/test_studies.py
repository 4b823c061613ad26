"""Studies: each is a grid whose settings differ where it asks, its table and figure hold every trial, and it can go on."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import __main__
from stllr_ref.experiments import studies
from stllr_ref.experiments.studies import STUDIES, Study

each = pytest.mark.parametrize("name", STUDIES)


def small():
    """Return two rules and two windows on a short delay, an epoch each."""
    return [replace(s, epochs=1) for s in studies.grid("delay 2", ("stllr", "bptt"), last=(1, 2))]


TINY = Study("is it small?", small, "last", ("rule",), ("task",), 2)


@pytest.fixture(scope="module")
def results():
    return {cell: studies.trial(*cell) for cell in studies.cells(TINY)}


@each
def test_a_study_asks_each_question_once_and_its_figure_tells_all_settings_apart(name):
    study = STUDIES[name]
    settings = study.cells()
    assert len(set(settings)) == len(settings) > 5 and study.seeds >= 3
    fields = {study.x, *study.lines, *study.panels, "task", "hidden"}
    base = {s.task: vars(studies.STUDIED[s.task].settings) for s in settings}
    told = {field for s in settings for field, value in vars(s).items() if value != base[s.task][field]}
    assert told - {"epochs"} <= fields | {"last"} and study.x in studies.columns(study)


@each
def test_every_setting_of_a_study_is_one_that_its_task_takes(name):
    for s in STUDIES[name].cells():
        assert s.rule in studies.STUDIED[s.task].rules


def test_studies_ask_what_they_should():
    shape = STUDIES["shape"].cells()
    assert {(s.task, s.psi, s.alpha_post) for s in shape} >= {("digits", "arctan", -1.0), ("speech", "sigmoid", 1.0)}
    assert {len(s.hidden) for s in STUDIES["depth"].cells()} == {1, 2, 3, 4}
    assert {s.task for s in STUDIES["delay"].cells()} == {f"delay {D}" for D in studies.DELAYS}
    code, paper = ({s.alpha_post for s in STUDIES["trace"].cells() if s.lam_post == lam} for lam in (0.2, 0.5))
    assert {-1.0, -0.2} <= code and {-1.0, -0.5} <= paper  # what the paper prints at -1 is -lam_post of the code


def test_the_silence_of_a_delay_is_the_one_asked_for():
    lengths = {D: len(studies.STUDIED[f"delay {D}"].sets()[0][0]) for D in studies.DELAYS}
    assert [lengths[D] - D for D in studies.DELAYS] == [lengths[2] - 2] * len(studies.DELAYS)


def test_a_row_of_the_csv_is_a_trial(results, tmp_path):
    studies.write_csv(TINY, results, tmp_path / "tiny.csv")
    with open(tmp_path / "tiny.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert studies.columns(TINY) == ["rule", "last"] and len(rows) == len(results) == 8
    for row, ((settings, seed), result) in zip(rows, results.items()):
        assert (row["rule"], int(row["last"]), int(row["seed"])) == (settings.rule, settings.last, seed)
        assert float(row["test"]) == pytest.approx(result.test, abs=1e-4) and float(row["validation"]) == pytest.approx(result.validation, abs=1e-4)
        assert len(row["rates"].split()) == 1 and row["grad_norms"].count("=") == len(result.history[-1].grad_norms)


def test_the_figure_has_every_seed_of_every_setting(results):
    panels = studies.lines(TINY, results)
    assert list(panels) == ["delay 2"] and list(panels["delay 2"]) == ["stllr", "bptt"]
    at, scores = panels["delay 2"]["bptt"]
    assert at == [1, 2]
    np.testing.assert_array_equal(scores, [[results[s, seed].test for seed in (0, 1)] for s in small() if s.rule == "bptt"])


def test_the_table_shows_mean_and_spread(results):
    lines = studies.table(TINY, results).splitlines()
    first = [100 * results[small()[0], seed].test for seed in (0, 1)]
    assert lines[0].split() == ["rule", "last", "test", "%", "validation", "%"] and len(lines) == 5
    assert lines[1].split()[:5] == ["stllr", "1", f"{np.mean(first):.1f}", "±", f"{np.std(first, ddof=1):.1f}"]


def test_the_command_writes_table_figure_and_csv_and_goes_on_without_running_a_trial_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "delay", TINY)
    out = tmp_path / "out"
    assert __main__.main(["study", "delay", "--seeds", "1", "--out", str(out)]) == 0
    table = capsys.readouterr().out
    assert {"delay.csv", "delay.svg", "result.json", "trials.jsonl"} == {path.name for path in out.iterdir()}
    before = {name: (out / name).read_bytes() for name in ("delay.csv", "delay.svg")}
    monkeypatch.setattr(studies, "trial", lambda *cell: pytest.fail("a finished trial was run again"))
    assert __main__.main(["study", "delay", "--seeds", "1", "--out", str(out), "--resume", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["rows"]) == 4 and answer["study"] == "delay" and "stllr" in table
    assert before == {name: (out / name).read_bytes() for name in before}


@pytest.mark.parametrize(
    "options, words",
    [
        (["alignment", "--jobs", "2"], "--jobs: got it with alignment"),
        (["alignment", "--resume", "--out", "x"], "--resume: got it with alignment"),
        (["delay", "--resume"], "--resume: got it without --out"),
        (["delay", "--resume", "--out", "nowhere"], "--resume: got nowhere, which holds no run"),
    ],
)
def test_bad_options_of_a_study_are_one_line(options, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert __main__.main(["study", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"stllr_ref: {words}") and said.count("\n") == 1 and not list(tmp_path.iterdir())
