"""Every task of `run` is there under its name: its data fit its network, its table, its JSON object and its files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import costs
from stllr_ref.commands import run
from stllr_ref.experiments import classify, flow, report
from stllr_ref.experiments.tasks import TASKS
from stllr_ref.training import Epoch

INPUTS = {"digits": 512, "speech": 70, "gestures": 512, "gestures_single": 256, "randman": 30, "delay": 48, "flow": 2}


@pytest.fixture(params=TASKS)
def small(request, monkeypatch):
    """Cut a task down to a second: 20 training samples, one epoch."""
    task = TASKS[request.param]

    def sets():
        rng = np.random.default_rng(0)
        return tuple((x[:, at], y[at]) for x, y in task.sets() for at in [rng.permutation(len(y))[:20]])

    settings = replace(task.settings, epochs=1, batch=10)
    monkeypatch.setitem(run.TASKS, request.param, task._replace(settings=settings, sets=sets))
    return request.param


def test_a_task_trains_and_its_table_and_json_agree(small, tmp_path, capsys):
    assert cli.main(["run", small, "--out", str(tmp_path)]) == 0
    table = capsys.readouterr().out.splitlines()
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved["task"] == small and [row["rule"] for row in saved["rows"]] == ["stllr", "bptt", *TASKS[small].controls]
    unit, factor, digits = report.UNITS[saved["rows"][0]["metric"]]
    assert f"test {unit}" in table[0]
    (line,) = [line for line in table if line.startswith("bptt ")]
    assert line.split()[1] == f"{factor * saved['rows'][1]['test'][0]:.{digits}f}"
    assert saved["rows"][0]["rates"] and saved["rows"][0]["state_bytes"] > 0
    assert {p.name for p in tmp_path.iterdir()} == {"result.json", "log.csv", "last.npz", "curves.svg", "trials.jsonl"}


@pytest.mark.parametrize("name", TASKS)
def test_the_data_of_a_task_have_its_inputs_and_three_parts_of_one_length(name):
    sets = TASKS[name].sets()
    assert [x.shape[2] for x, _ in sets] == [INPUTS[name]] * 3 and len({len(x) for x, _ in sets}) == 1
    assert TASKS[name].settings.task == name and TASKS[name].settings.last <= len(sets[0][0])


def test_a_rule_that_a_task_does_not_have_is_refused_in_one_line_before_its_data_are_made(capsys, monkeypatch):
    monkeypatch.setitem(run.TASKS, "flow", TASKS["flow"]._replace(sets=None))
    assert cli.main(["run", "flow", "--rules", "stllr,eprop"]) == 2
    err = capsys.readouterr().err
    assert "--rules: got 'eprop', expected" in err and "zero" in err and err.count("\n") == 1


def flow_result(rule="stllr", test=0.7, seed=0, rates=(0.2, 0.3)):
    settings = replace(flow.SETTINGS, rule=rule)
    return classify.Result(settings, seed, test, test, 1.0, costs.Cost({}, 1, 1, 1), 1, [Epoch(1, 1.0, test, test, list(rates), {})], {})


def test_an_endpoint_error_is_printed_in_pixels_and_its_difference_to_bptt_too():
    rows = [[flow_result(test=0.7), flow_result(test=0.8, seed=1)], [flow_result("bptt", 0.9), flow_result("bptt", 0.9, 1)]]
    head, line, _ = report.table(rows).splitlines()
    assert "test px" in head and "%" not in head.replace("firing rates %", "")
    assert line.split()[1:10] == ["-0.2", "0.750", "±", "0.071", "0.750", "-0.150", "(se", "0.050)", "1.0"]


def test_an_endpoint_error_without_a_valid_pixel_is_null_and_said():
    rows = [[flow_result(test=float("nan"))]]
    assert report.row(rows[0])["test"] == [None] and report.row(rows[0])["mean"] is None
    assert "no valid pixel" in report.table(rows) and "nan" not in report.table(rows)


@pytest.mark.parametrize("rates, said", [((0.2, 0.005), True), ((0.999, 0.2), True), ((0.2, 0.3), False)])
def test_a_nearly_silent_or_saturated_layer_is_said_below_its_row(rates, said):
    assert ("nearly silent" in report.table([[flow_result(rates=rates)]])) == said
