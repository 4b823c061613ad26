"""Studies: each is a grid whose settings differ where it asks, its table and figure hold every trial, and it can go on."""

import csv
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import __main__, costs
from stllr_ref.data import timing
from stllr_ref.experiments import drawings, studies, sweep
from stllr_ref.experiments.classify import Result
from stllr_ref.experiments.studies import STUDIES, Study
from stllr_ref.surrogates import PSI
from stllr_ref.training import Epoch

each = pytest.mark.parametrize("name", STUDIES)

CHOOSE = ("choose", "motion", "rate")  # studies on validation data


def small():
    """Return two rules and two windows on a short delay, an epoch each."""
    return [replace(s, epochs=1) for s in studies.grid("delay 2", ("stllr", "bptt"), last=(1, 2))]


TINY = Study("is it small?", small, ("last",), ("rule",), ("task",), 2)


@pytest.fixture(scope="module")
def results():
    """Return real trials, each with an epoch before its last that nothing must show."""
    trials = {cell: studies.trial(*cell) for cell in studies.cells(TINY)}
    return {cell: r._replace(seconds=12.3, history=[r.history[-1]._replace(rates=[0.99], grad_norms={"9.W": 9.0}), *r.history]) for cell, r in trials.items()}


def made_up(study):
    """Return results of a study whose scores are random numbers."""
    rng = np.random.default_rng(0)

    def result(s, seed):
        """Return one result."""
        test, validation = rng.random(2)
        return Result(s, seed, test, validation, 1.0, costs.Cost(Counter(), 1, 1, 1), 1, [Epoch(1, 1.0, test, validation, [0.1], {"0.W": 1.0})], {})

    return {cell: result(*cell) for cell in studies.cells(study)}


@each
def test_a_study_asks_each_question_once_and_its_figure_tells_all_settings_apart(name):
    study = STUDIES[name]
    settings = study.cells()
    assert len(set(settings)) == len(settings) > 5 and study.seeds >= 3
    fields = {*study.x, *study.lines, *study.panels, "task", "hidden"}
    base = {s.task: vars(studies.STUDIED[s.task].settings) for s in settings}
    told = {field for s in settings for field, value in vars(s).items() if value != base[s.task][field]}
    size = {"channels", "gains"} if "network" in fields else set()  # that the network has
    assert told - {"epochs"} <= fields | {"last"} | size and set(study.x) <= set(studies.columns(study))


@each
def test_a_point_of_a_figure_is_the_seeds_of_one_setting_and_no_trial_is_left_out(name):
    study = STUDIES[name]
    found = made_up(study)
    panels = studies.lines(study, found)
    score = "validation" if name in CHOOSE else "test"  # what is chosen is chosen on validation data
    drawn = [row for by in panels.values() for _, scores in by.values() for row in scores.tolist()]
    wanted = [[getattr(r, score) for r in of] for of in studies.by_settings(found).values()]
    assert sorted(drawn) == sorted(wanted) and all(len(row) == study.seeds for row in drawn)
    assert all(len(set(at)) == len(at) == len(scores) for by in panels.values() for at, scores in by.values())


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


def asked(name, *fields, **where):
    """Return the values of fields that a study's settings have, of those settings that have the values of where."""
    settings = [s for s in STUDIES[name].cells() if all(getattr(s, field) == value for field, value in where.items())]
    return {tuple(getattr(s, field) for field in fields) if len(fields) > 1 else getattr(s, fields[0]) for s in settings}


@pytest.mark.parametrize("task", ["digits", "speech"])
def test_the_grids_on_digits_and_speech_cross_what_they_say(task):
    base, signs = studies.STUDIED[task].settings, {-1.0, 0.0, 1.0}
    psis = asked("shape", "psi", task=task)
    assert psis == {"triangle", "fast_sigmoid", "sigmoid", "arctan"} <= set(PSI)
    lams = asked("shape", "lam_pre", task=task)
    assert len(lams) == 3 and base.lam_pre in lams and len(asked("shape", "alpha_post", "psi", "lam_pre", task=task)) == 5 * 4 * 3
    steps = len(studies.sets(task)[0][0])
    for rule in ("stllr", "bptt", "tbptt"):
        windows = asked("window", "last", task=task, rule=rule)
        assert len(windows) == 6 and max(windows) == steps  # up to all steps
    assert asked("window", "alpha_post", task=task, rule="stllr") == signs
    assert asked("signals", "rule", "signal", task=task) == {(rule, name) for rule in ("stllr", "sltt") for name in ("bp", "fa", "dfa", "sdfa", "drtp", "local")}
    terms = {("sltt", None, None), ("ottt", None, None), *(("stllr", base.lam_pre, a) for a in signs), ("stllr", base.gamma, 0.0)}
    found = asked("terms", "rule", "lam_pre", "alpha_post", task=task)
    assert {(rule, *((lam, a) if rule == "stllr" else (None, None))) for rule, lam, a in found} == terms
    online = asked("online", "update", "lr", task=task)
    assert online == {(update, lr) for update in ("accumulated", "online") for lr in (2.5e-4, 1e-3, 4e-3, 8e-3)} and base.lr in {lr for _, lr in online}
    for lam in (0.2, 0.5, 0.8):
        assert asked("trace", "alpha_post", task=task, lam_post=lam) == {-1.0, -lam, 0.0, lam, 1.0}


def test_depth_and_delay_have_every_rule_that_they_compare():
    assert asked("depth", "rule") == {"stllr", "bptt", "tbptt", "ottt", "sltt", "frozen"} and asked("depth", "signal") == {"bp", "dfa"}
    assert all(len(asked("depth", "hidden", rule=rule)) == 4 for rule in asked("depth", "rule"))
    for D in studies.DELAYS:
        assert asked("delay", "rule", "last", task=f"delay {D}") == {(rule, last) for rule in ("stllr", "bptt", "frozen") for last in (2, timing.CUE + D)}


def test_settings_are_chosen_among_the_same_ones_for_s_tllr_and_bptt():
    for name, task, fields in [("motion", "flow", ("lr", "epochs"))] + [("choose", task, ("lr", "readout")) for task in asked("choose", "task")]:
        exact = asked(name, *fields, task=task, rule="bptt")
        assert len(exact) >= 6 and asked(name, *fields, task=task, rule="stllr") == exact
    assert all(STUDIES[name].score == ("validation" if name in CHOOSE else "test") for name in STUDIES)


def test_the_learning_rate_is_asked_beyond_the_edge_of_the_grid_it_was_chosen_from():
    for task in asked("choose", "task"):
        rates = asked("rate", "lr", task=task, rule="stllr")
        assert rates == asked("rate", "lr", task=task, rule="bptt") and len(rates & asked("choose", "lr", task=task)) == 2
        assert max(rates) >= 4 * max(asked("choose", "lr", task=task))
        assert asked("rate", "alpha_post", "readout", task=task) == {(studies.STUDIED[task].settings.alpha_post, studies.STUDIED[task].settings.readout)}


def test_optical_flow_is_chosen_beyond_its_best_rate_for_three_signs_and_has_its_other_loss_and_network_beside_it():
    usual = dict(loss="mse", network="flat")
    best = studies.STUDIED["flow"].settings
    assert max(asked("motion", "lr", **usual)) > best.lr > min(asked("motion", "lr", **usual))
    assert asked("motion", "alpha_post", rule="stllr", lr=best.lr, epochs=best.epochs, **usual) == {-0.2, 0.0, 0.2}
    others = {("photometric", "flat"), ("mse", "unet")}
    assert asked("motion", "loss", "network", lr=best.lr, epochs=20, rule="stllr", alpha_post=-0.2) == {("mse", "flat"), *others}
    assert asked("motion", "loss", "network", rule="bptt") == {("mse", "flat")} and len(STUDIES["motion"].cells()) == 22
    panels = studies.lines(STUDIES["motion"], made_up(STUDIES["motion"]))
    assert {"stllr, alpha_post -0.2", "stllr, alpha_post -0.2, photometric", "stllr, alpha_post -0.2, unet", "bptt"} < set(panels["epochs 20"])


def test_each_loss_of_optical_flow_is_given_its_own_data(monkeypatch):
    told = []
    task = studies.STUDIED["flow"]._replace(sets=lambda loss: loss, trial=lambda settings, seed, sets, tick: told.append(sets))
    monkeypatch.setitem(studies.STUDIED, "flow", task)
    studies.sets.cache_clear()
    for loss in ("photometric", "mse", "photometric"):
        studies.trial(replace(task.settings, loss=loss), 0)
    studies.sets.cache_clear()
    assert told == ["photometric", "mse", "photometric"]


def test_train_validation_and_test_of_a_delay_are_in_their_order():
    ours, plain = studies.STUDIED["delay 8"].sets(), studies.STUDIED["delay"].sets()  # eight steps are the task's own
    assert len({len(y) for _, y in plain}) == 3
    assert all(np.array_equal(a, b) for part, other in zip(ours, plain) for a, b in zip(part, other))


def test_cells_are_a_seed_of_all_settings_after_another():
    assert studies.cells(TINY) == [(s, 0) for s in small()] + [(s, 1) for s in small()]


def test_a_label_says_what_tells_a_line_apart_and_no_alpha_post_of_a_rule_without_one():
    window = studies.lines(STUDIES["window"], made_up(STUDIES["window"]))
    assert list(window) == ["digits", "speech"]
    assert set(window["digits"]) == {"stllr, alpha_post -1", "stllr, alpha_post 0", "stllr, alpha_post 1", "bptt", "tbptt"}
    depth = studies.lines(STUDIES["depth"], made_up(STUDIES["depth"]))["digits"]
    assert depth["frozen, bp"][0] == ["128", "128-128", "128-128-128", "128-128-128-128"]
    assert "stllr, lam_pre 0.88" in {line.replace("alpha_post -1, ", "") for line in studies.lines(STUDIES["choose"], made_up(STUDIES["choose"]))["digits, readout 0.97"]}


def test_the_table_of_optical_flow_is_in_pixels():
    study = STUDIES["motion"]
    found = made_up(study)
    first = [found[study.cells()[0], seed] for seed in range(study.seeds)]
    head, row = studies.table(study, found).splitlines()[:2]
    assert "test px" in head and f"{np.mean([r.test for r in first]):.3f} ± {np.std([r.test for r in first], ddof=1):.3f}" in row


def test_the_silence_of_a_delay_is_the_one_asked_for():
    lengths = {D: len(studies.STUDIED[f"delay {D}"].sets()[0][0]) for D in studies.DELAYS}
    assert [lengths[D] - D for D in studies.DELAYS] == [lengths[2] - 2] * len(studies.DELAYS)


def test_a_row_of_the_csv_is_a_trial(results, tmp_path):
    studies.write_csv(TINY, results, tmp_path / "tiny.csv")
    with open(tmp_path / "tiny.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert studies.columns(TINY) == ["task", "rule", "last"] and len(rows) == len(results) == 8
    for row, ((settings, seed), result) in zip(rows, results.items()):
        assert (row["rule"], int(row["last"]), int(row["seed"])) == (settings.rule, settings.last, seed)
        assert float(row["test"]) == pytest.approx(result.test, abs=1e-4) and float(row["validation"]) == pytest.approx(result.validation, abs=1e-4)
        norms = {name: float(norm) for name, norm in (part.split("=") for part in row["grad_norms"].split())}
        assert norms == pytest.approx(result.history[-1].grad_norms, rel=0.01) and row["seconds"] == "12.3"
        assert [float(rate) for rate in row["rates"].split()] == pytest.approx(result.history[-1].rates, abs=1e-3)


def test_the_figure_has_every_seed_of_every_setting(results):
    panels = studies.lines(TINY, results)
    assert list(panels) == ["delay 2"] and list(panels["delay 2"]) == ["stllr", "bptt"]
    at, scores = panels["delay 2"]["bptt"]
    assert at == [1, 2]
    np.testing.assert_array_equal(scores, [[results[s, seed].test for seed in (0, 1)] for s in small() if s.rule == "bptt"])


def test_the_table_shows_mean_and_spread(results):
    lines = studies.table(TINY, results).splitlines()
    first = [100 * results[small()[0], seed].test for seed in (0, 1)]
    assert lines[0].split() == ["task", "rule", "last", "test", "%", "validation", "%"] and len(lines) == 5
    assert lines[1].split()[2:7] == ["stllr", "1", f"{np.mean(first):.1f}", "±", f"{np.std(first, ddof=1):.1f}"]


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


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Return a function that runs `study delay` on made-up trials, and what sweep.run and drawings.lines were given."""
    told, drawn = [], []

    def run(work, cells, file, pool, **options):
        """Return made-up results, kept in the file as real ones are."""
        told.append((pool, options["threads"]))
        made = made_up(STUDIES["delay"])
        for cell in cells:
            if file.get(cell) is None:
                file.add(cell, made[cell])
        return {cell: made[cell] for cell in cells}

    def lines(panels, x, y, factor):
        """Keep what is drawn."""
        drawn.append((panels, x, y, factor))
        return draw(panels, x, y, factor)

    draw = drawings.lines
    monkeypatch.setitem(STUDIES, "delay", TINY)
    monkeypatch.setattr(sweep, "run", run)
    monkeypatch.setattr(drawings, "lines", lines)
    return lambda *options: (__main__.main(["study", "delay", "--out", str(tmp_path / "out"), *options]), told, drawn)


def test_a_study_hands_its_processes_threads_and_score_on(command, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "delay", TINY._replace(score="validation"))
    code, told, drawn = command("--jobs", "2", "--threads", "4", "--json")
    assert code == 0 and [(pool.at_once, threads) for pool, threads in told] == [(2, 4)]
    panels, x, y, factor = drawn[0]
    assert (x, y, factor) == ("last", "validation accuracy (%)", 100) and list(panels) == ["delay 2"]
    made = made_up(TINY)
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["test"] for row in rows] == [[made[s, seed].test for seed in range(2)] for s in small()]  # a row a setting


def test_without_jobs_a_study_runs_here(command):
    assert command()[1] == [(sweep.HERE, 1)]


def test_a_study_goes_on_only_with_the_settings_it_began_with(command, monkeypatch, capsys):
    assert command()[0] == 0 and command("--resume")[0] == 0
    monkeypatch.setitem(STUDIES, "delay", TINY._replace(cells=lambda: [replace(s, lr=9e-3) for s in small()]))
    assert command("--resume")[0] == 2 and "lr: got 0.002 in the file, expected 0.009" in capsys.readouterr().err


def test_a_study_goes_on_only_with_the_seeds_it_began_with(command, capsys):
    assert command("--seeds", "1")[0] == 0 and command("--seeds", "2", "--resume")[0] == 2
    assert "seeds" in capsys.readouterr().err


def test_an_interrupted_study_says_how_to_go_on(command, monkeypatch, tmp_path, capsys):
    def interrupted(work, cells, file, pool, **options):
        """Stop after the first trial."""
        file.add(cells[0], made_up(TINY)[cells[0]])
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "run", interrupted)
    assert command()[0] == 130
    assert f"the same with --out={tmp_path / 'out'} --resume" in capsys.readouterr().err


def test_a_scheduler_is_where_the_trials_go_and_excludes_jobs(command, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "cluster", lambda address: ("cluster at", address))
    assert command("--scheduler", "tcp://here:1")[1] == [(("cluster at", "tcp://here:1"), 1)]
    assert command("--scheduler", "tcp://here:1", "--jobs", "2")[0] == 2
    assert "not allowed with" in capsys.readouterr().err


def test_the_list_has_every_study_and_its_question(capsys):
    assert __main__.main(["study", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["alignment", *STUDIES]
    assert all(line.endswith(study.question) for line, study in zip(lines[1:], STUDIES.values()))


@pytest.mark.parametrize(
    "options, words",
    [
        (["alignment", "--scheduler", "tcp://here:1"], "--scheduler: got it with alignment"),
        (["alignment", "--jobs", "2"], "--jobs: got it with alignment"),
        (["alignment", "--resume", "--out", "x"], "--resume: got it with alignment"),
        (["delay", "--resume"], "--resume: got it without --out"),
        (["delay", "--resume", "--out", "nowhere"], "--resume: got nowhere, which holds no run"),
    ],
)
def test_bad_options_of_a_study_are_one_line(options, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stllr_ref.commands.study._alignment", lambda *arguments: pytest.fail("it was run"))
    assert __main__.main(["study", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"stllr_ref: {words}") and said.count("\n") == 1 and not list(tmp_path.iterdir())
