"""The command line: the table, the files, the JSON, and one line for every mistake."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import costs
from stllr_ref.commands import arguments as command_arguments
from stllr_ref.commands import run
from stllr_ref.experiments import flow, report, sweep
from stllr_ref.training import Epoch

FAST = ["run", "digits", "--epochs", "1"]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Run two epochs of three rules with --json once; return the object, what standard error got, and the folder."""
    folder = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "stllr_ref", "run", "digits", "--rules", "stllr,bptt,counts", "--alpha-post=-1,0",
               "--seeds", "2", "--epochs", "2", "--out", str(folder), "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout), done.stderr, folder


def test_json_is_one_object_alone_on_standard_output_with_a_row_a_setting(outcome):
    result = outcome[0]
    assert [(r["rule"], r["alpha_post"]) for r in result["rows"]] == [("stllr", -1), ("stllr", 0), ("bptt", None), ("counts", None)]
    assert result["task"] == "digits" and result["data"] == "embedded" and result["threads"] == 1


def test_json_rows_hold_one_score_a_seed_their_mean_and_deviation(outcome):
    for row in outcome[0]["rows"]:
        assert len(row["test"]) == len(row["validation"]) == 2
        assert row["mean"] == pytest.approx(np.mean(row["test"]), abs=1e-12)
        assert row["std"] == pytest.approx(np.std(row["test"], ddof=1), abs=1e-12)
        assert all(0 <= score <= 1 for score in row["test"])
        assert row["metric"] == "accuracy" and row["state_bytes"] > 0 and row["peak_bytes"] > row["state_bytes"] / 2


def test_json_never_holds_nan(outcome):
    assert "NaN" not in json.dumps(outcome[0])


def test_training_memory_of_bptt_is_several_times_that_of_s_tllr(outcome):
    rows = {row["rule"]: row for row in outcome[0]["rows"]}
    assert rows["bptt"]["state_bytes"] > 5 * rows["stllr"]["state_bytes"]
    assert rows["bptt"]["peak_bytes"] > 2 * rows["stllr"]["peak_bytes"]


def test_firing_rates_and_gradient_norms_of_every_layer_are_recorded(outcome):
    row = outcome[0]["rows"][0]
    assert len(row["rates"]) == 2 and all(0 < rate < 1 for rate in row["rates"])
    assert len(row["grad_norms"]) == 3 and all(norm > 0 for norm in row["grad_norms"])


def test_the_folder_holds_result_log_parameters_and_figure(outcome):
    result, _, folder = outcome
    assert json.loads((folder / "result.json").read_text()) == result
    assert len((folder / "log.csv").read_text().splitlines()) == 1 + 4 * 2 * 2
    assert (folder / "curves.svg").read_text().startswith("<?xml")
    with np.load(folder / "last.npz") as params:
        assert params["bptt/seed 1/0.W"].shape == (128, 512)
    assert sorted(p.name for p in folder.iterdir()) == ["curves.svg", "last.npz", "log.csv", "result.json", "trials.jsonl"]


def test_no_progress_bar_where_standard_error_is_no_terminal(outcome):
    assert "it/s" not in outcome[1] and "\r" not in outcome[1]


def test_a_trial_alone_is_that_trial_in_a_series(outcome, tmp_path, capsys):
    assert cli.main([*FAST[:2], "--epochs", "2", "--rules", "bptt", "--seeds", "1", "--json", "--out", str(tmp_path)]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["rows"][0]["test"][0] == outcome[0]["rows"][2]["test"][0]


def test_the_table_names_every_row_and_the_folder(tmp_path, capsys):
    assert cli.main([*FAST, "--rules", "bptt,frozen", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "bptt" in out and "frozen" in out and str(tmp_path) in out and "minus bptt" in out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "digitz"], ["digitz", "digits"]),
        (["runn"], ["runn"]),
        ([*FAST, "--rules", "stllr,bppt"], ["rules", "bppt", "bptt"]),
        ([*FAST, "--psi", "triangel"], ["psi", "triangel", "triangle"]),
        ([*FAST, "--psi", "spike"], ["psi", "spike"]),
        ([*FAST, "--signal", "dfaa"], ["signal", "dfaa", "sdfa"]),
        ([*FAST, "--last", "22"], ["last", "22", "21"]),
        ([*FAST, "--last", "0"], ["--last", "0"]),
        ([*FAST, "--seeds", "-1"], ["--seeds", "-1"]),
        ([*FAST, "--epochs", "many"], ["--epochs", "many"]),
        ([*FAST, "--alpha-post", "a"], ["--alpha-post", "a"]),
        ([*FAST, "--alpha-post=nan"], ["alpha_post", "nan"]),
        ([*FAST, "--out", __file__], ["--out", "test_cli.py", "folder"]),
        ([*FAST, "--nonsense"], ["--nonsense"]),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value[0], str) else None,
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments, words, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert all(word in err for word in words), err


@pytest.mark.parametrize("arguments, words", [
    (["--loss", "mae"], ["--loss", "mae", "mse", "photometric"]),
    (["--network", "u-net"], ["--network", "u-net", "flat", "unet"]),
    (["--loss", "photometric", "--data", "anywhere"], ["--loss", "photometric", "--data", "grey frames", "mse"]),
])  # fmt: skip
def test_what_flow_cannot_do_is_refused_before_its_data_are_read(arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(run, "_sets", None)
    assert cli.main(["run", "flow", *arguments]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and all(word in err for word in words), err


@pytest.fixture
def motion(monkeypatch):
    """Make optical flow a task of a second: 20 training samples, an epoch."""
    monkeypatch.setattr(flow.motion, "load", partial(flow.motion.load, sizes=(20, 10, 10)))
    monkeypatch.setitem(run.TASKS, "flow", run.TASKS["flow"]._replace(settings=replace(flow.SETTINGS, epochs=1)))


FLOW = ["run", "flow", "--rules", "zero,stllr", "--json", "--out"]


@pytest.mark.parametrize("options, loss, network", [
    ([], "mse", "flat"), (["--loss", "mse", "--network", "flat"], "mse", "flat"), (["--loss", "photometric"], "photometric", "flat"),
    (["--network", "unet"], "mse", "unet"), (["--network", "unet", "--loss", "photometric"], "photometric", "unet"),
])  # fmt: skip
def test_flow_has_the_loss_and_the_network_that_were_asked_for(options, loss, network, motion, tmp_path, capsys):
    assert cli.main([*FLOW, str(tmp_path), *options]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == json.loads((tmp_path / "result.json").read_text())
    settings = {name: answer["settings"][name] for name in ("loss", "network", "channels", "gains")}
    size = flow.UNET if network == "unet" else flow.SETTINGS
    assert settings == {"loss": loss, "network": network, "channels": list(size.channels), "gains": list(size.gains)}
    with np.load(tmp_path / "last.npz") as params:
        assert ("stllr -0.2/seed 0/2.S" in params) == (network == "unet")  # a skip
    others = [name for name in (network, loss) if name not in ("flat", "mse")]
    assert f"<!-- {', '.join(['flow', *others])}: 1 seed -->" in (tmp_path / "curves.svg").read_text()
    alone = flow.run(replace(size, loss=loss, epochs=1), 0)
    assert answer["rows"][1]["test"] == [alone.test] and answer["rows"][1]["fast"] == [alone.more["fast"]]


def test_a_flow_with_another_loss_and_network_goes_on(motion, tmp_path, monkeypatch, capsys):
    options, task = ["--loss", "photometric", "--network", "unet"], run.TASKS["flow"]
    assert cli.main([*FLOW, str(tmp_path / "whole"), *options]) == 0

    def interrupted(settings, *args):
        if settings.rule == "stllr":
            raise KeyboardInterrupt
        return task.trial(settings, *args)

    monkeypatch.setitem(run.TASKS, "flow", task._replace(trial=interrupted))
    assert cli.main([*FLOW, str(tmp_path / "again"), *options]) == 130
    assert "--loss=photometric --network=unet" in capsys.readouterr().err
    monkeypatch.setitem(run.TASKS, "flow", task)
    for change, message in ((["--network", "unet"], "loss: got 'photometric'"), (["--loss", "photometric"], "network: got 'unet'")):
        assert cli.main([*FLOW, str(tmp_path / "again"), *change, "--resume"]) == 2
        assert message in capsys.readouterr().err
    assert cli.main([*FLOW, str(tmp_path / "again"), *options, "--resume"]) == 0
    whole, again = (json.loads((tmp_path / name / "result.json").read_text())["rows"] for name in ("whole", "again"))
    assert [[row[name] for name in SCORES] for row in again] == [[row[name] for name in SCORES] for row in whole]


def test_a_worker_of_jobs_makes_the_data_of_the_same_loss(motion, tmp_path, monkeypatch, capsys):
    """It is given no data, but where they come from."""
    monkeypatch.setattr(sweep, "processes", lambda jobs: sweep.Pool(partial(ThreadPoolExecutor, 1), 1))
    run._loaded.cache_clear()
    assert cli.main([*FLOW, str(tmp_path), "--loss", "photometric", "--jobs", "2"]) == 0
    assert run._loaded.cache_info().misses == 1
    run._loaded.cache_clear()
    row, alone = json.loads(capsys.readouterr().out)["rows"][1], flow.run(replace(flow.SETTINGS, loss="photometric", epochs=1), 0)
    assert row["test"] == [alone.test] and all(row[name] == [value] for name, value in alone.more.items())


SCORES = ("test", "validation", "slow", "middle", "fast", "outliers")


def test_the_table_and_the_json_object_of_flow_have_its_other_scores_and_those_of_classification_do_not(motion, outcome, tmp_path, capsys):
    assert cli.main([*FLOW[:4], "--seeds", "2", "--out", str(tmp_path)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "result.json").read_text())["rows"]
    assert head.split("minus bptt")[1].split() == "slow px middle px fast px outliers % seconds state kB peak MB firing rates %".split()
    zero, ours = rows
    for row, line in zip(rows, lines):
        assert all(len(row[name]) == 2 for name in SCORES)
        means = [f"{np.mean(row[name]):.3f}" for name in SCORES[2:5]] + [f"{100 * np.mean(row['outliers']):.1f}"]
        assert " ".join(means) in " ".join(line.split())
    assert zero["slow"][0] < zero["middle"][0] < zero["fast"][0] and zero["slow"][0] != ours["slow"][0] != ours["slow"][1]
    assert not set(outcome[0]["rows"][0]) & set(SCORES[2:])


@pytest.mark.parametrize("speed, outliers", [(2.0, 0.0), (4.0, 1.0)])
def test_an_outlier_of_recorded_flow_is_judged_over_the_interval_that_its_flow_is_of(speed, outliers, motion, monkeypatch, tmp_path, capsys):
    x, target = np.zeros((10, 4, 2, 8, 8), np.float32), np.zeros((4, 2, 8, 8), np.float32)
    target[:, 0] = speed  # px between two grey frames; in each of ten steps it would be 20 and 40
    monkeypatch.setattr(run.recordings, "sets", lambda *args: ((x, target), None, (x, target)))
    assert cli.main([*FLOW, str(tmp_path / "out"), "--rules", "zero", "--data", str(tmp_path)]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert [row[name] for name in SCORES] == [[speed], [None], [speed], [speed], [speed], [outliers]]


def test_a_test_part_without_a_valid_pixel_is_said_so_on_the_command_line_and_is_never_0(motion, monkeypatch, tmp_path, capsys):
    x, target = np.ones((10, 4, 2, 8, 8), np.float32), np.ones((4, 2, 8, 8), np.float32)
    monkeypatch.setattr(run.recordings, "sets", lambda *args: ((x, target), None, (x, np.full_like(target, np.nan))))
    assert cli.main([*FLOW[:4], "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()[1:3]
    assert [line.count("no valid pixel") for line in lines] == [1, 1] and not any(" 0.000 " in line or "nan" in line for line in lines)
    rows = json.loads((tmp_path / "out" / "result.json").read_text())["rows"]
    assert [[row[name] for name in SCORES] for row in rows] == [[[None]] * 6] * 2


@pytest.fixture
def untrained(monkeypatch):
    """Let any training fail."""
    monkeypatch.setitem(run.TASKS, "digits", run.TASKS["digits"]._replace(trial=None))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--seed", "2"], ["--seed 2"]),  # no short form of --seeds
        (["--rules", ""], ["--rules: got ''", "expected one of bptt"]),
        (["--rules", "counts,counts"], ["counts", "twice"]),
        (["--rules", "stllr", "--alpha-post=1,1"], ["stllr", "twice"]),
        (["--rules", "counts,stllr", "--alpha-post=1,nan"], ["alpha_post", "nan"]),
        (["--alpha-post", "-1,0"], ["--alpha-post=-1,0", "with ="]),
        (["--rules", "bptt", "--alpha-post=1"], ["--alpha-post", "bptt", "stllr"]),
        (["--last", "22"], ["last", "22", "T = 21"]),
        (["--rules", "counts,stllr", "--last", "22"], ["last", "22", "T = 21"]),
        (["--rules", "bptt", "--signal", "dfa"], ["--signal", "bptt", "stllr"]),
        (["--rules", "rtrl,tbptt,frozen,counts", "--signal", "bp"], ["--signal", "rtrl", "frozen", "stllr"]),
        (["--rules", "tess,stdp,decolle,eprop_random", "--signal", "drtp"], ["--signal", "tess", "stllr"]),
        (["--loss", "mse"], ["--loss", "digits", "flow"]),
        (["--loss", "photometric"], ["--loss", "digits", "flow"]),
        (["--network", "unet"], ["--network", "digits", "flow"]),
        (["--out", ""], ["--out", "empty", "folder"]),
        (["--out", f"{__file__}/folder"], ["--out", "test_cli.py/folder", "written"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else None,
)
def test_what_cannot_run_is_refused_in_one_line_before_anything_trains_and_leaves_no_folder(arguments, words, untrained, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*FAST, *arguments]) == 2
    assert not list(tmp_path.iterdir())
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and all(word in err for word in words), err


def test_a_folder_that_may_not_be_made_is_refused_before_anything_trains(untrained, monkeypatch, tmp_path, capsys):
    def denied(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(command_arguments.Path, "mkdir", denied)
    assert cli.main([*FAST, "--out", str(tmp_path / "new")]) == 2
    assert "Permission denied), expected a folder that can be written" in capsys.readouterr().err


def test_a_folder_that_takes_no_file_is_refused_before_anything_trains(untrained, monkeypatch, tmp_path, capsys):
    def denied(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(command_arguments.tempfile, "TemporaryFile", denied)
    assert cli.main([*FAST, "--out", str(tmp_path)]) == 2
    assert "Permission denied), expected a folder that can be written" in capsys.readouterr().err


def result(**settings):
    """Return the result of a trial that nobody ran."""
    epoch = Epoch(1, 1.0, 0.5, 0.5, [], {})
    return run.classify.Result(replace(run.TASKS["digits"].settings, **settings), 0, 0.5, 0.5, 1.0, costs.Cost({}, 1, 1, 1), 1, [epoch], {})


@pytest.mark.parametrize("rule, signal", [("stllr", "dfa"), ("ottt", "dfa"), ("sltt", "dfa"), ("tess", "square"), ("osttp", "drtp"), *((rule, None) for rule in ("bptt", "tbptt", "rtrl", "frozen", "counts"))])
def test_json_names_the_signal_where_the_rule_looks_at_it(rule, signal):
    assert run.report.row([result(rule=rule, signal="dfa")])["signal"] == signal


@pytest.mark.parametrize("alpha_post, label", [(0.5, "stllr +0.5"), (0, "stllr  0"), (-0.5, "stllr -0.5"), (1, "stllr +1")])
def test_a_row_of_s_tllr_shows_the_sign_of_alpha_post(alpha_post, label):
    assert run.report.label(result(alpha_post=alpha_post)) == label


@pytest.mark.parametrize("settings, label", [
    (dict(rule="stllr", signal="dfa"), "stllr -1 dfa"), (dict(rule="sltt", signal="local"), "sltt local"), (dict(rule="ottt", signal="bp"), "ottt"),
    (dict(rule="bptt", signal="dfa"), "bptt"), (dict(rule="rtrl", signal="dfa"), "rtrl"), (dict(rule="tess", signal="dfa"), "tess -1"),
    (dict(rule="osttp", signal="dfa"), "osttp"), (dict(rule="frozen", signal="dfa"), "frozen"), (dict(rule="counts", signal="dfa"), "counts"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_a_row_shows_a_signal_other_than_bp_where_the_rule_reads_it(settings, label):
    one = result(**settings)
    assert run.report.label(one) == label and run.report.table([[one]]).splitlines()[1].split("  ")[0] == label


def test_a_row_has_the_rates_and_norms_of_the_last_epoch():
    first, last = Epoch(1, 1.0, 0.5, 0.5, [0.1, 0.2], {"0.W": 1.0, "1.W": 2.0}), Epoch(2, 1.0, 0.5, 0.5, [0.3, 0.4], {"0.W": 3.0, "1.W": 5.0})
    row = run.report.row([result()._replace(history=[first, last])])
    assert (row["rates"], row["grad_norms"]) == ([0.3, 0.4], [3.0, 5.0])


def test_a_signal_is_taken_where_one_of_the_rules_reads_it(tmp_path, capsys):
    assert cli.main([*FAST, "--rules", "counts,sltt", "--signal", "dfa", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in out[1:3]] == ["counts", "sltt dfa"]


@pytest.mark.parametrize("rules", ["counts,rtrl", "rtrl,counts"])
def test_a_rule_that_remembers_too_much_is_a_line_beside_the_rows_that_ran(rules, tmp_path, capsys):
    arguments = [*FAST, "--rules", rules, "--seeds", "2", "--out"]
    assert cli.main([*arguments, str(tmp_path / "table")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("counts ") and not any(line.startswith("rtrl ") for line in out[:2])
    assert out[2].startswith("rtrl not run: rtrl: got a trace of ") and str(tmp_path / "table") in out[3]
    assert cli.main([*arguments, str(tmp_path / "json"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["rule"] for row in printed["rows"]] == ["counts"] and len(printed["rows"][0]["test"]) == 2
    assert list(printed["not_run"]) == ["rtrl"] and printed["not_run"]["rtrl"] == out[2].removeprefix("rtrl not run: ")
    assert json.loads((tmp_path / "json" / "result.json").read_text()) == printed


def test_a_rule_that_remembers_too_much_alone_is_one_line_and_leaves_no_folder(tmp_path, capsys):
    assert cli.main([*FAST, "--rules", "rtrl", "--out", str(tmp_path / "new")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and err.startswith("stllr_ref: rtrl: got a rule that remembers too much (rtrl: got a trace of ")
    assert not list(tmp_path.iterdir())


def test_nothing_is_not_run_where_all_rules_ran(outcome):
    assert outcome[0]["not_run"] == {}


def test_a_disk_that_is_full_is_one_line_and_exit_code_1(monkeypatch, tmp_path, capsys):
    def full(*args):
        raise OSError(28, "No space left on device", "log.csv")

    monkeypatch.setattr(run.report, "write", full)
    assert cli.main([*FAST, "--rules", "counts", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "stllr_ref: log.csv: No space left on device\n"


LISTED = {"cost": ["cost", "--paper"], "cost, JSON": ["cost", "--paper", "--json"], "study": ["study", "--list"]}


def into(arguments, out, **environment):
    """Run a command whose standard output is a file or one end of a pipe; return its exit code and standard error."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "stllr_ref", *arguments]
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, env={**clean, **environment})
    return done.returncode, done.stderr


buffering = pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])


@buffering
@pytest.mark.parametrize("name", LISTED)
def test_a_reader_of_the_output_who_has_gone_causes_no_traceback(name, environment):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert into(LISTED[name], writer, **environment) == (1, "")
    finally:
        os.close(writer)


@buffering
def test_the_first_line_of_the_paper_s_table_through_a_pipe_is_all_that_comes(environment):
    reader = [sys.executable, "-c", "import sys; print(sys.stdin.readline(), end='')"]
    with subprocess.Popen(reader, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        code, err = into(LISTED["cost"], head.stdin, **environment)
        head.stdin.close()
        line = head.stdout.read()
    assert code in (0, 1) and err == "" and line.startswith("Table 3 of the S-TLLR paper") and line.count("\n") == 1


@buffering
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("name", LISTED)
def test_an_output_that_takes_nothing_is_one_line(name, environment):
    with open("/dev/full", "w") as full:
        assert into(LISTED[name], full, **environment) == (1, "stllr_ref: output: No space left on device\n")


def test_a_diverged_run_exits_1_with_one_line_that_names_the_epoch(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(run.TASKS, "digits", run.TASKS["digits"]._replace(settings=replace(run.TASKS["digits"].settings, lr=1e38)))
    assert cli.main([*FAST, "--rules", "bptt", "--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "epoch 1" in err


def test_an_interrupt_leaves_the_finished_trials(monkeypatch, tmp_path, capsys):
    real, calls = run.classify.run, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setitem(run.TASKS, "digits", run.TASKS["digits"]._replace(trial=interrupted))
    assert cli.main([*FAST, "--rules", "frozen,counts", "--out", str(tmp_path)]) == 130
    assert [row["rule"] for row in json.loads((tmp_path / "result.json").read_text())["rows"]] == ["frozen"]


def test_one_blas_thread_is_the_default():
    code = "import stllr_ref.__main__, os; print(os.environ['OMP_NUM_THREADS'])"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout == "1\n"


@pytest.mark.parametrize("closed", ["stdout closed", "reader gone"])
def test_help_into_a_closed_output_causes_no_traceback(closed):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = f"{sys.executable} -m stllr_ref run --help" + (" >&-" if closed == "stdout closed" else " | true")
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_a_folder_that_holds_results_is_refused_and_stays_as_it_is(tmp_path, capsys):
    (tmp_path / "result.json").write_text("kept")
    assert cli.main([*FAST, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"stllr_ref: --out: got {tmp_path}, which holds results, expected a new folder or an empty one\n"
    assert [p.read_text() for p in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("name", ["log.csv", "notes.txt"])
def test_a_folder_that_holds_files_of_the_user_is_refused_and_stays_as_it_is(name, untrained, tmp_path, capsys):
    (tmp_path / name).write_text("kept")
    assert cli.main([*FAST, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"stllr_ref: --out: got {tmp_path}, which holds files, expected a new folder or an empty one\n"
    assert [p.read_text() for p in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("made", [True, False], ids=["new folder", "folder of the user"])
def test_an_interrupt_says_what_it_leaves_and_leaves_no_empty_folder_of_ours(before, made, monkeypatch, tmp_path, capsys):
    real, calls, place = run.TASKS["digits"].trial, [], tmp_path / "new" if made else tmp_path

    def interrupted(*args):
        calls.append(args)
        if len(calls) > before:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setitem(run.TASKS, "digits", run.TASKS["digits"]._replace(trial=interrupted))
    assert cli.main([*FAST, "--rules", "counts,frozen", "--out", str(place)]) == 130
    said = f"what was finished is in {place}; to go on: {sys.executable} -m stllr_ref run digits --rules=counts,frozen --epochs=1 --out={place} --resume"
    assert capsys.readouterr().err.splitlines()[-1] == f"stllr_ref: interrupted; {said if before else 'nothing was finished'}"
    assert place.exists() == (not made or before == 1)


def test_an_interrupt_inside_the_import_of_matplotlib_stays_an_interrupt(monkeypatch):
    import builtins

    real = builtins.__import__

    def interrupted(name, scope=None, local=None, wanted=(), level=0):
        if name == "stllr_ref" and "plots" in (wanted or ()):
            raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()
        return real(name, scope, local, wanted, level)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        report.pictures()


def test_online_updates_are_asked_for_by_name_and_refused_where_there_are_none(tmp_path, capsys):
    found = {}
    for update in ("accumulated", "online"):
        words = ["run", "delay", "--epochs", "1", "--update", update, "--json", "--out", str(tmp_path / update)]
        assert cli.main(words) == 0
        found[update] = json.loads(capsys.readouterr().out)
    assert [found[update]["settings"]["update"] for update in found] == ["accumulated", "online"]
    assert [row["rule"] for row in found["online"]["rows"]] == ["stllr", "frozen"] and "bptt" in [row["rule"] for row in found["accumulated"]["rows"]]
    assert found["online"]["rows"][0]["grad_norms"] != found["accumulated"]["rows"][0]["grad_norms"]
    refused = {
        ("run", "flow", "--update", "online"): "--update: got it with flow, expected a task of classification",
        ("run", "delay", "--rules", "stllr,bptt", "--update", "online"): "update: got online with the rule bptt, expected accumulated, or a rule such as stllr or frozen",
    }
    for words, said in refused.items():
        assert cli.main([*words, "--out", str(tmp_path / "no")]) == 2
        assert capsys.readouterr().err == f"stllr_ref: {said}\n"


def parsers():
    """Return command -> its parser, and that of all commands under ""."""
    top = cli._parser()
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return {"": top, **commands.choices}


PARSERS = parsers()


@pytest.mark.parametrize("name", PARSERS)
def test_help_fits_into_80_columns_and_breaks_no_line_inside_an_option(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        cli.main([*name.split(), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert stopped.value.code == 0 and len(lines) > 8
    assert [line for line in lines if len(line) > 80] == []
    for width in range(60, 81):
        monkeypatch.setenv("COLUMNS", str(width))
        assert [line for line in PARSERS[name].format_help().splitlines() if line.endswith("-")] == []


@pytest.mark.parametrize("name", PARSERS)
def test_every_option_is_explained_with_its_default(name):
    actions = PARSERS[name]._actions
    assert [action.dest for action in actions if not action.help and action.dest != "command"] == []
    valued = [action for action in actions if action.default not in (None, False, argparse.SUPPRESS, [])]
    assert [action.dest for action in valued if f"default: {action.default}" not in action.help] == []
    assert len(actions) > 1 and (valued or name not in ("run", "study", "results", "figures"))


@pytest.mark.parametrize("name", PARSERS)
def test_help_ends_with_an_example_that_is_a_command(name):
    examples = [line for line in PARSERS[name].epilog.splitlines() if line.startswith("  python -m stllr_ref ")]
    assert examples
    for line in examples if name else ():
        args = cli._parser().parse_args(shlex.split(line)[3:])
        assert args.command == name and args.main
