"""`run TASK --data DIR` trains on recordings of every set that the task stands for, with the settings of the embedded one."""

import importlib.util
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import make_recordings as make
import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import plots
from stllr_ref.commands import run
from stllr_ref.experiments import classify, digits, recordings
from stllr_ref.experiments.tasks import TASKS

REAL = Path(__file__).parents[2] / "shared" / "recorded"
needs_recordings = pytest.mark.skipif(not REAL.is_dir(), reason="needs the 300 recordings of ../shared/recorded")
needs_aedat = pytest.mark.skipif(importlib.util.find_spec("aedat") is None, reason="CIFAR10-DVS needs the package aedat: pip install aedat")


def mvsec_set(folder, rng):
    """Write two sequences of MVSEC, three grey frames each, flow of 20 and -10 px between them."""
    t = np.sort(rng.uniform(1.0, 1.1, 40_000))
    x, y, p = rng.integers(0, 346, 40_000), rng.integers(0, 260, 40_000), rng.choice([-1, 1], 40_000)
    flow = np.broadcast_to(np.array([20.0, -10.0])[:, None, None], (3, 2, 260, 346))
    for name in ("outdoor_day2", "indoor_flying1"):
        files = folder / f"MVSEC/{name}_data.hdf5", folder / f"MVSEC/{name}_gt_flow_dist.npz"
        make.write_mvsec(*files, t, x, y, p, [1.0, 1.05, 1.1], [1.0, 1.05, 1.1], flow)


WRITE = {
    ("digits", "NMNIST"): make.nmnist_set,
    ("digits", "CIFAR10DVS"): make.cifar10_set,
    ("digits", "NCALTECH101"): make.ncaltech101_set,
    ("speech", "SHD"): make.shd_set,
    ("gestures", "DVSGesture"): make.gesture_set,
    ("flow", "MVSEC"): mvsec_set,
}
SHAPES = {
    "NMNIST": (21, 578), "CIFAR10DVS": (10, 2 * 48 * 48), "NCALTECH101": (10, 2 * 45 * 60), "SHD": (100, 700), "DVSGesture": (20, 2 * 32 * 32),
    "MVSEC": (10, 2, 64, 64),
}  # fmt: skip
each_set = pytest.mark.parametrize("task, name", [pytest.param(*key, marks=needs_aedat if "CIFAR10DVS" in key else ()) for key in WRITE])


@pytest.fixture
def short(monkeypatch):
    """Cut training down to one epoch with a window of two steps, which every set is long enough for."""
    for name in recordings.SETS:
        task = TASKS[name]
        monkeypatch.setitem(run.TASKS, name, task._replace(settings=replace(task.settings, epochs=1, last=2, batch=8), sets=None))


@each_set
def test_every_set_trains_its_task(task, name, tmp_path, short, capsys):
    WRITE[task, name](tmp_path, np.random.default_rng(0))
    assert cli.main(["run", task, "--rules", "stllr,bptt", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    answer = json.loads((tmp_path / "out" / "result.json").read_text())
    assert answer["data"] == str(tmp_path) and [row["validation"] for row in answer["rows"]] == [[None], [None]]
    assert all(row["test"][0] is not None for row in answer["rows"])


@each_set
def test_what_was_read_is_kept_or_dropped_and_said_for_each_part(task, name, tmp_path):
    WRITE[task, name](tmp_path, np.random.default_rng(0))
    said = []
    (train, _, test) = recordings.sets(task, tmp_path, say=said.append)
    for line, part, (_, y, *_) in zip(said, ("train", "test"), (train, test)):
        words = line.replace(",", "").split()
        assert words[:2] == [name, f"{part}:"] and int(words[2]) == len(y)
        read, kept, dropped = (int(words[k]) for k in (4, 7, 9))
        assert read == kept + dropped > 0 and kept > 0


@each_set
def test_parts_have_the_shapes_of_the_papers_text_inputs_of_0_and_1_and_no_validation(task, name, tmp_path):
    WRITE[task, name](tmp_path, np.random.default_rng(0))
    train, validation, test = recordings.sets(task, tmp_path)
    assert validation is None
    for x, y, *_ in (train, test):
        assert (len(x), *x.shape[2:]) == SHAPES[name] and x.shape[1] == len(y) and x.any()
        assert name == "MVSEC" or set(np.unique(x)) == {0.0, 1.0}


def test_flow_is_in_px_between_two_grey_frames_and_nan_where_no_event_is(tmp_path):
    mvsec_set(tmp_path, np.random.default_rng(0))
    (x, target), _, _ = recordings.sets("flow", tmp_path)
    seen = x.any((0, 2))
    assert 0.02 < seen.mean() < 0.98
    np.testing.assert_array_equal(np.isfinite(target).all(1), seen)
    np.testing.assert_allclose(target.swapaxes(0, 1)[:, seen], np.array([[20.0], [-10.0]]) * np.ones(seen.sum()), rtol=1e-6)


def test_the_codes_bins_are_another_reading_of_the_same_recordings(tmp_path):
    make.ncaltech101_set(tmp_path, np.random.default_rng(0))
    paper, code = (recordings.sets("digits", tmp_path, published=way)[0][0] for way in ("paper", "code"))
    assert paper.shape != code.shape or (paper != code).any()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["digits", "--set", "NMNIST"], "--set: got it without --data"),
        (["digits", "--published", "code"], "--published: got it without --data"),
        (["digits", "--data", "nowhere"], "nowhere: got no such folder"),
        (["digits", "--data", "{}", "--set", "SHD"], "--set: got 'SHD', expected one of NMNIST"),
        (["digits", "--data", "{}", "--set", "MNIST"], "set: got 'MNIST', expected one of"),
        (["speech", "--data", "{}"], "--data: got no set of this task in"),
        (["delay", "--data", "{}"], "--data: got it with delay"),
        (["digits", "--data", "{}"], "--data: got NMNIST and NCALTECH101 in"),
        (["flow", "--data", "{}", "--published", "code"], "--data: got no set of this task"),
    ],
)
def test_what_cannot_be_read_is_one_line(arguments, words, tmp_path, short, capsys):
    make.nmnist_set(tmp_path, np.random.default_rng(0))
    make.ncaltech101_set(tmp_path, np.random.default_rng(0))
    assert cli.main(["run", *(a.format(tmp_path) for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_the_folder_of_a_set_in_place_of_the_one_above_it_is_told(tmp_path, capsys):
    make.nmnist_set(tmp_path, np.random.default_rng(0))
    assert cli.main(["run", "digits", "--data", str(tmp_path / "NMNIST")]) == 2
    said = f"--data: got no set of this task in {tmp_path}/NMNIST (did you mean the folder above it, {tmp_path}?), expected one of NMNIST,"
    assert said in capsys.readouterr().err


def test_classes_without_a_training_recording_are_told(tmp_path):
    make.nmnist_set(tmp_path, np.random.default_rng(0))
    said = []
    recordings.sets("digits", tmp_path, say=said.append)
    assert len(said) == 2 and not any("no recordings" in line for line in said)
    for label in (5, 9):
        shutil.rmtree(tmp_path / "NMNIST" / "Train" / str(label))
    recordings.sets("digits", tmp_path, say=said.append)
    assert said[-1] == "NMNIST, train: no recordings of the classes 5, 9"


def test_a_run_does_not_go_on_with_other_recordings_but_with_another_spelling_of_their_folder(tmp_path, short, capsys, monkeypatch):
    make.nmnist_set(tmp_path / "data", np.random.default_rng(0))
    given = ["run", "digits", "--rules", "counts", "--out", str(tmp_path / "out")]
    assert cli.main([*given, "--data", str(tmp_path / "data")]) == 0
    monkeypatch.chdir(tmp_path)
    assert cli.main([*given, "--data", "data", "--resume"]) == 0
    capsys.readouterr()
    first = next((tmp_path / "data" / "NMNIST" / "Train").glob("*/*.bin"))
    shutil.copy(first, first.with_name("another.bin"))
    assert cli.main([*given, "--data", "data", "--resume"]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"trials\.jsonl: samples: got (\d+) in the file, expected (\d+)$", err), err


@pytest.mark.parametrize("way, steps", [("paper", 20), ("code", 27)])
def test_streams_leave_recordings_in_their_files_until_a_batch_is_picked(way, steps, tmp_path):
    make.gesture_set(tmp_path, np.random.default_rng(0), until_ms=2050)
    said = []
    (train, y), validation, (test, _) = recordings.streams("gestures", tmp_path, published=way, say=said.append)
    assert said == [f"DVSGesture, {p}: {n} samples of {n} recordings, read when their turn comes" for p, n in (("train", 3), ("test", 2))] + [
        "DVSGesture, train: no recordings of the classes 1, 2, 4, 5, 6, 7, 8, 9"
    ]
    assert validation is None and y.tolist() == [0, 10, 3] and train.shape[1:] == (3, 2, 32, 32) and test.shape[0] == steps
    assert test.report.read == (0 if way == "paper" else 800)  # only where nobody says how many steps a recording has, it is looked up
    x, lengths = test.pick([1])
    assert x.shape == (steps, 1, 2, 32, 32) and x.any() and lengths[0] <= steps and test.report.read == (400 if way == "paper" else 800)


def test_a_set_without_training_recordings_says_so(tmp_path, short, capsys):
    make.nmnist_set(tmp_path, np.random.default_rng(0), train=0)
    assert cli.main(["run", "digits", "--data", str(tmp_path)]) == 2
    assert "NMNIST: got no train recordings, expected Train/<digit>/*.bin" in capsys.readouterr().err


def test_a_class_that_only_the_test_recordings_have_has_an_output_too(tmp_path):
    make.shd_set(tmp_path, np.random.default_rng(0))
    train, _, test = recordings.sets("speech", tmp_path)
    test[1][0] = 19
    assert train[1].max() < 19
    result = classify.run(replace(TASKS["speech"].settings, epochs=1, hidden=(5,)), 0, (train, None, test))
    assert len(result.params["1.b"]) == 20


@needs_recordings
def test_real_recordings_are_learned_almost_as_well_as_by_bptt_seed_by_seed():
    sets = recordings.sets("digits", REAL)
    assert [len(part[1]) for part in (sets[0], sets[2])] == [200, 100]
    scores = {rule: [classify.run(replace(digits.SETTINGS, rule=rule), seed, sets).test for seed in range(5)] for rule in ("stllr", "bptt")}
    mean, error = classify.paired(scores["stllr"], scores["bptt"])
    assert np.mean(scores["stllr"]) >= 0.74 and mean >= -0.06, (np.mean(scores["stllr"]), mean, error)


def test_without_a_validation_part_the_curves_are_those_of_training_and_say_so(tmp_path, short, monkeypatch):
    seen = []
    real = plots.learning_curves
    monkeypatch.setattr(plots, "learning_curves", lambda *given: seen.append(given) or real(*given))
    make.shd_set(tmp_path, np.random.default_rng(0))
    assert cli.main(["run", "speech", "--rules", "stllr", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    curves, _, axis, factor = seen[-1]
    ((line,),) = curves.values()
    assert axis == "training accuracy (%)" and factor == 100 and len(line) == 1 and 0 <= line[0] <= 1
