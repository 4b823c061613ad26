"""The alignment study asks every rule of the family about the same networks, and its table, figure and JSON say the same."""

import json
from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import bptt, checks, plots, training
from stllr_ref.commands import study
from stllr_ref.experiments import alignment, classify
from stllr_ref.experiments.family import FAMILY
from stllr_ref.losses import cross_entropy, window

SMALL = replace(alignment.TOY, hidden=(14,), epochs=2)


@pytest.fixture(scope="module")
def measured():
    return alignment.measure(SMALL, alignment.patterns(0, samples=60), 0, alignment.NAMES)


def of(rows, stage, rule):
    (row,) = [row for row in rows if (row.stage, row.rule) == (stage, rule)]
    return {param: values["cosine"] for param, values in row.layers.items()}


def test_every_rule_is_measured_at_every_stage_and_none_is_refused(measured):
    rows, refused = measured
    assert refused == {} and {(row.stage, row.rule) for row in rows} == {(s, n) for s in alignment.STAGES for n in FAMILY}


@pytest.mark.parametrize("rule", ["bptt", "rtrl"])
@pytest.mark.parametrize("stage", alignment.STAGES)
def test_exact_rules_have_cosine_1(measured, stage, rule):
    values = of(measured[0], stage, rule)
    assert set(values) == {"0.W", "0.W.gain", "0.V", "0.V.gain", "0.b", "1.W", "1.b"}
    assert np.abs(np.array(list(values.values())) - 1).max() < 1e-5  # float32


def test_local_rules_lie_below_1_and_the_readout_of_s_tllr_does_not(measured):
    values = of(measured[0], "initial", "stllr")
    assert 0.1 < values["0.W"] < 0.99 and 0.1 < values["0.V"] < 0.99 and values["1.W"] == pytest.approx(1, abs=1e-5)


def test_at_the_first_two_stages_all_rules_stand_on_the_same_weights():
    data = alignment.patterns(0, samples=60)
    task = alignment._Task(SMALL, data, 0)
    trained = task.train(task.build("bptt"), "bptt")
    for name in FAMILY:
        for weights in (None, trained):
            net, expected = task.build(name, weights), (weights or task.build("bptt")).get()
            assert all((net.get()[p] == value).all() for p, value in expected.items())
    assert (trained.get()["0.W"] != task.build("bptt").get()["0.W"]).any()


def test_the_cosine_is_that_of_two_calls_by_hand(measured):
    x, y = alignment.patterns(0, samples=60)
    at = np.random.default_rng([0, 2]).permutation(60)[:20]
    batch = x[:, at], y[at], cross_entropy, window(20, [20] * 20, last=5)
    settings = replace(SMALL, rule="sltt")
    net = classify.build(settings, 30, 3, 0)
    local, exact = classify.algorithm(settings)(net, *batch)[1]["0.W"].ravel(), bptt.run(net, *batch)[1]["0.W"].ravel()
    by_hand = local @ exact / np.sqrt((local @ local) * (exact @ exact))
    assert of(measured[0], "initial", "sltt")["0.W"] == pytest.approx(by_hand, abs=1e-5) and 0.05 < by_hand < 0.95


def trained_by_hand(rule, seed, data, last):
    """Return the network of a rule after its own training, its order of samples and its window said again here."""
    settings = replace(SMALL, rule=rule)
    net = classify.build(settings, 30, 3, seed)
    rng = np.random.default_rng([seed, 1])
    training.fit(net, data, last=last, epochs=2, batch=20, lr=4e-3, rng=rng, run=classify.algorithm(settings))
    return net


def cosine_by_hand(params, seed, data, at):
    """Return the cosine of SLTT's gradient of the lowest W with BPTT's, at some parameters on the samples `at`."""
    settings = replace(SMALL, rule="sltt")
    net = classify.build(settings, 30, 3, seed)
    net.put(params)
    batch = data[0][:, at], data[1][at], cross_entropy, window(20, [20] * len(at), last=5)
    local, exact = (run(net, *batch)[1]["0.W"].ravel().astype(float) for run in (classify.algorithm(settings), bptt.run))
    return local @ exact / np.sqrt((local @ local) * (exact @ exact))


def test_every_stage_has_its_own_weights_window_and_batch():
    """At seed 1, SLTT's cosine by hand; it differs at other stages, after training on all steps, and on the batch of seed 0."""
    seed, data = 1, alignment.patterns(1, samples=60)
    rows, _ = alignment.measure(SMALL, data, seed, ["sltt"])
    at, other = (np.random.default_rng([s, 2]).permutation(60)[:20] for s in (seed, 0))
    nets = {"initial": classify.build(SMALL, 30, 3, seed), "exact": trained_by_hand("bptt", seed, data, 5), "own": trained_by_hand("sltt", seed, data, 5)}
    values = {stage: cosine_by_hand(net.get(), seed, data, at) for stage, net in nets.items()}
    assert {stage: of(rows, stage, "sltt")["0.W"] for stage in nets} == pytest.approx(values, abs=1e-5)
    wrong = [cosine_by_hand(trained_by_hand("bptt", seed, data, 20).get(), seed, data, at), cosine_by_hand(nets["exact"].get(), seed, data, other)]
    assert min(abs(values["exact"] - value) for value in (values["initial"], values["own"], *wrong)) > 1e-4
    assert all(0.05 < value < 0.95 for value in values.values())


def test_rules_that_are_one_where_a_feedback_has_not_learned_yet_part_after_their_own_training(measured):
    fixed, adaptive = (np.array([of(measured[0], stage, rule)["0.W"] for stage in alignment.STAGES]) for rule in ("eprop_random", "eprop_adaptive"))
    assert (fixed[:2] == adaptive[:2]).all() and abs(fixed[2] - adaptive[2]) > 1e-3


def test_a_rule_that_remembers_too_much_is_a_dash_and_a_line_with_its_size(monkeypatch):
    monkeypatch.setattr(checks, "LARGEST", 1_000_000)
    rows, refused = alignment.measure(SMALL, alignment.patterns(0, samples=60), 0, ["sltt", "rtrl"])
    assert set(refused) == {"rtrl"} and refused["rtrl"].startswith("rtrl: got a trace of ")
    monkeypatch.setattr(alignment, "PARAMS", {"patterns": ("0.W",)})
    lines = alignment.table({"patterns": (rows, refused)}, ["sltt", "rtrl"]).splitlines()
    assert [line.split()[1:] for line in lines if line.startswith("rtrl ")][0] == ["-"] * 3
    assert lines[-1] == f"rtrl on patterns: {refused['rtrl']}"


def test_silent_networks_give_null_in_json_and_a_dash_in_the_table():
    values = {key: np.nan for key in ("cosine", "norm_ratio", "sign_agreement")}
    rows = [alignment.Aligned("patterns", stage, "stdp", 0, {"0.W": values}) for stage in alignment.STAGES]
    answer = alignment.summary({"patterns": (rows, {})}, ["stdp"], [0])
    assert answer["tasks"]["patterns"]["stdp"]["own"]["0.W"]["cosine"] == [None]
    assert len(alignment.cosines(rows, "own", "stdp", "0.W")) == 0


@pytest.fixture
def quick(monkeypatch):
    """Make the study take a second: the toy alone, two rules."""
    monkeypatch.setattr(alignment, "tasks", lambda seed: {"patterns": (SMALL, alignment.patterns(seed, samples=60))})
    monkeypatch.setattr(alignment, "PARAMS", {"patterns": ("0.W", "0.V")})
    monkeypatch.setattr(alignment, "NAMES", ("bptt", "sltt"))


def test_one_command_gives_a_table_a_figure_and_a_json_that_agree(quick, tmp_path, capsys):
    assert cli.main(["study", "alignment", "--seeds", "2", "--out", str(tmp_path)]) == 0
    table = capsys.readouterr().out.splitlines()
    saved = json.loads((tmp_path / "result.json").read_text())
    seeds = saved["tasks"]["patterns"]["sltt"]["initial"]["0.V"]["cosine"]
    assert saved["seeds"] == [0, 1] and len(seeds) == 2 and seeds[0] != seeds[1]
    (line,) = [line.split() for line in table if line.startswith("sltt")]
    assert line[4] == f"{np.mean(seeds):.3f}"
    assert (tmp_path / "alignment.svg").read_text().startswith("<?xml")
    assert str(tmp_path) in table[-1]


def test_json_is_one_object_on_standard_output(quick, tmp_path, capsys):
    assert cli.main(["study", "alignment", "--seeds", "1", "--json", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "result.json").read_text())


def test_a_study_that_is_interrupted_leaves_the_seeds_that_were_finished(quick, tmp_path, monkeypatch):
    real = alignment.measure

    def interrupted(settings, data, seed, *rest):
        if seed == 1:
            raise KeyboardInterrupt
        return real(settings, data, seed, *rest)

    monkeypatch.setattr(alignment, "measure", interrupted)
    assert cli.main(["study", "alignment", "--seeds", "3", "--out", str(tmp_path)]) == 130
    assert json.loads((tmp_path / "result.json").read_text())["seeds"] == [0]


def test_a_rule_that_one_seed_refused_stays_refused(quick, tmp_path, monkeypatch, capsys):
    real, why = alignment.measure, "sltt: got a trace of 201 MB"

    def refusing(settings, data, seed, *rest):
        rows, refused = real(settings, data, seed, *rest)
        return (rows, refused) if seed else ([row for row in rows if row.rule != "sltt"], {"sltt": why})

    monkeypatch.setattr(alignment, "measure", refusing)
    assert cli.main(["study", "alignment", "--seeds", "2", "--out", str(tmp_path)]) == 0
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved["seeds"] == [0, 1] and saved["refused"] == {"patterns": {"sltt": why}} and set(saved["tasks"]["patterns"]) == {"bptt"}
    assert f"sltt on patterns: {why}" in capsys.readouterr().out.splitlines()


def test_a_study_whose_figure_cannot_be_written_keeps_the_figure_of_the_seed_before(quick, tmp_path, monkeypatch, capsys):
    real, figures = plots.save, []

    def full(figure, path):
        if figures:
            path.write_text("<?xml hal")
            raise OSError(28, "No space left on device")
        real(figure, path)
        figures.append(path.read_text())

    monkeypatch.setattr(plots, "save", full)
    assert cli.main(["study", "alignment", "--seeds", "2", "--out", str(tmp_path)]) == 1
    assert (tmp_path / "alignment.svg").read_text() == figures[0]
    assert capsys.readouterr().err.splitlines()[-1] == f"stllr_ref: {tmp_path / 'alignment.svg'}: No space left on device"


def test_the_studies_are_listed(capsys):
    assert cli.main(["study", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(study.STUDIES)


@pytest.mark.parametrize("arguments, words", [([], "--list"), (["colours"], "alignment"), (["alignment", "--seeds", "0"], "--seeds")])
def test_bad_input_is_one_line(arguments, words, capsys):
    assert cli.main(["study", *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1
