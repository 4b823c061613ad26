"""The paper's own networks: their layers against its table, their settings typed a second time, training on recordings that stream."""

import json
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import make_recordings as make
import numpy as np
import pytest
from test_recordings import mvsec_set, needs_aedat

from stllr_ref import __main__ as cli
from stllr_ref import costs, engine, network, training
from stllr_ref.data import catalogue, recorded
from stllr_ref.experiments import networks, published, recordings
from stllr_ref.experiments.networks import SETTINGS
from stllr_ref.gradcheck import largest_error, liveness
from stllr_ref.losses import cross_entropy, window
from stllr_ref.maps import AvgPool, Dropout, GlobalAvg, MaxPool
from stllr_ref.network import Network
from stllr_ref.optim import cosine_schedule

ONE_SIXTEENTH = (4, 8, 16, 16, 32, 32, 32, 32)
ROOT = Path(__file__).parents[1]
VGG = {"DVSGesture": (32, 32, 11), "CIFAR10DVS": (48, 48, 10), "NCALTECH101": (45, 60, 101)}


def narrow(name, **changes):
    return replace(networks.task(name, 1 / 16).settings, **changes)


# -------------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("name", VGG)
def test_vgg_9_has_the_layers_of_the_papers_table(name):
    height, width, classes = VGG[name]
    net = networks.build(SETTINGS[name], (1, 1, 2, height, width), classes, seed=0)
    found, expected = costs.sizes(net, np.zeros((1, 1, 2, height, width))), published.vgg9(height, width, classes)
    assert [s._replace(name="") for s in found] == [s._replace(name="") for s in expected]
    assert sum(s.weights for s in found[:-1]) == pytest.approx(9.22e6, rel=1e-4)


def test_the_network_of_shd_has_526970_parameters_and_the_layers_of_the_papers_table():
    net = networks.build(SETTINGS["SHD"], (1, 1, 700), 20, seed=0)
    found = costs.sizes(net, np.zeros((1, 1, 700)))
    assert [s._replace(name="") for s in found] == [s._replace(name="") for s in published.shd()]
    assert sum(value.size for name, value in net.get().items() if not name.endswith(".gain")) == 526_970


@pytest.mark.parametrize("name, pool, dropped", [("DVSGesture", MaxPool, 0), ("CIFAR10DVS", AvgPool, 8), ("NCALTECH101", AvgPool, 8)])
def test_the_row_pools_after_two_four_and_six_convolutions_and_drops_after_each_before_the_pool(name, pool, dropped):
    row = networks.vgg9(narrow(name), (1, 1, 2, 16, 16), 3, np.random.default_rng(0))
    assert [type(item) for item in row].count(Dropout) == dropped
    kinds = [type(item) for item in row if type(item) is not Dropout]
    assert [i for i, kind in enumerate(kinds) if kind is pool] == [2, 5, 8] and kinds.index(GlobalAvg) == 11 == len(kinds) - 2
    if dropped:
        assert all(type(row[i - 1]) is Dropout for i, item in enumerate(row) if type(item) in (pool, GlobalAvg))


def test_width_scales_channels_and_neurons_and_never_below_one():
    assert narrow("DVSGesture").hidden == ONE_SIXTEENTH
    assert networks.task("DVSGesture", 2).settings.hidden[:2] == (128, 256)
    assert networks.task("NCALTECH101", 2**-10).settings.hidden == (1,) * 8
    assert networks.task("SHD", 0.1).settings.hidden == (45,) and networks.task("MVSEC", 0.5).settings.channels == (12, 16)


def test_weights_begin_as_published():
    """Normal by fan-out under the filters, uniform under V: standardised or not, their size says what a step of lr does."""
    params = networks.build(SETTINGS["DVSGesture"], (1, 1, 2, 8, 8), 11, seed=3).get()
    for i, c in enumerate(networks.CHANNELS):
        assert params[f"{i}.W"].std() == pytest.approx(np.sqrt(2 / (9 * c)), rel=0.1)
    V = networks.build(SETTINGS["SHD"], (1, 1, 700), 20, seed=3).get()["0.V"]
    assert 0.99 < np.abs(V).max() * np.sqrt(450) <= 1 and V.std() == pytest.approx(1 / np.sqrt(3 * 450), rel=0.01)


def test_readouts_learn_as_published():
    vgg = networks.build(narrow("DVSGesture"), (1, 1, 2, 8, 8), 11, seed=0).layers[-1]
    shd = networks.build(narrow("SHD"), (1, 1, 700), 20, seed=0).layers[-1]
    assert vgg.neuron.gamma == 0 and vgg.rule.decays == (0.0,) and vgg.rule.bias_decay == 0
    assert shd.neuron.gamma == pytest.approx(0.9933, abs=1e-4) and shd.rule.decays == (0.99,) and shd.rule.bias_decay == 0


@pytest.mark.parametrize("name", ["DVSGesture", "SHD"])
def test_rules_that_share_a_seed_share_their_weights_and_seeds_differ(name):
    shape = (1, 1, 2, 8, 8) if name in VGG else (1, 1, 700)
    first, same, other = (
        networks.build(narrow(name, rule=rule), shape, 5, seed).get() for rule, seed in (("stllr", 1), ("bptt", 1), ("stllr", 2))
    )
    assert all(np.array_equal(first[n], same[n]) for n in first) and not np.array_equal(first["0.W"], other["0.W"])


TYPED = """
DVSGesture  vgg9       gamma .5     theta .6 lam_pre .75 lam_post .2 alpha_post -1  psi triangle     last 5  epochs 300 batch 16  lr .001
CIFAR10DVS  vgg9       gamma .5     theta .6 lam_pre .5  lam_post .2 alpha_post -1  psi sigmoid      last 5  epochs 300 batch 48  lr .001
NCALTECH101 vgg9       gamma .5     theta .6 lam_pre .5  lam_post .2 alpha_post -1  psi sigmoid      last 5  epochs 30  batch 16  lr .001
SHD         recurrent  gamma .9933  theta .6 lam_pre 1   lam_post .5 alpha_post 1   psi fast_sigmoid last 90 epochs 200 batch 128 lr .0002
MVSEC       flat       gamma .88    theta .6 lam_pre .8  lam_post .5 alpha_post -.2 psi arctan       last 1  epochs 100 batch 8   lr .0002
"""


def test_settings_are_the_published_ones_typed_a_second_time():
    lines = [line.split() for line in TYPED.strip().splitlines()]
    assert [name for name, *_ in lines] == list(SETTINGS)
    for name, kind, *rest in lines:
        s = vars(SETTINGS[name])
        assert (
            s["network"] == kind
            and s["alpha_pre"] == 1
            and s["rule"] == "stllr"
            and s["task"] == next(t for t, names in recordings.SETS.items() if name in names)
        )
        for key, text in zip(rest[::2], rest[1::2]):
            assert s[key] == (text if key == "psi" else pytest.approx(float(text), rel=1e-4)), (name, key)


@pytest.mark.parametrize("name, value, expected", [
    ("network", "vgg11", "one of vgg9, recurrent"), ("pool", "max", "one of largest, mean"), ("schedule", "step", "one of cosine, constant"),
    ("dropout", "half", "a number"), ("dropout", 1.5, "a number from 0 to 1"), ("dropout", -0.1, "a number from 0 to 1"), ("dropout", np.nan, "a number from 0 to 1"),
], ids=lambda value: str(value))  # fmt: skip
def test_settings_that_are_none_are_refused_in_one_line(name, value, expected):
    with pytest.raises(ValueError, match=f"^{name}: got {value!r}, expected {expected}$"):
        narrow("CIFAR10DVS", **{name: value})


def test_training_parts_of_the_whole_sets_are_counted():
    assert {name: info.train for name, info in catalogue.SETS.items()} == {
        "NMNIST": 60_000, "SHD": 8_156, "DVSGesture": 1_077, "CIFAR10DVS": 9_000, "NCALTECH101": 7_838, "MVSEC": 1,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ gradient


@pytest.mark.parametrize("name", VGG)
def test_the_gradient_of_a_small_vgg_9_in_chunks_is_that_of_single_steps(name):
    T, B, rng = 7, 3, np.random.default_rng(1)
    net = Network(networks.vgg9(narrow(name), (T, B, 2, 16, 16), 5, rng), dtype=np.float64)
    net.put({f"{i}.W.gain": np.full(c, 4.0) for i, c in enumerate(ONE_SIXTEENTH)})  # so small and untrained, it would be silent
    x, y, inside = rng.poisson(1.0, (T, B, 2, 16, 16)).astype(float), np.array([0, 3, 4]), window(T, [T, T, 5], last=3)
    liveness(net, x)
    (steps, one), (chunks, other) = (
        run(net, x, y, cross_entropy, inside, rng=np.random.default_rng(2)) for run in (network.run, engine.run)
    )
    np.testing.assert_allclose(chunks, steps, rtol=1e-12, atol=1e-12)
    assert largest_error(other, one) < 1e-12


# ----------------------------------------------------------------------------------------------------------- streaming


def gestures(folder, n=60_000):
    make.gesture_set(folder, np.random.default_rng(0), n=n)


def shd(folder, train=6, test=4, n=2000):
    make.shd_set(folder, np.random.default_rng(0), train, test, n)


def uneven(folder, name):
    """Write recordings of 0.5 to 0.9 s (SHD), or of 1.2 to 1.6 s (DVS Gesture)."""
    rng = np.random.default_rng(0)
    for part, place in (("train", "ibmGestureTrain"), ("test", "ibmGestureTest")):
        made = [make.events(rng, 2000, (700,), 500_000 + 80_000 * k) for k in range(6)]
        make.write_shd(folder / f"SHD/shd_{part}.h5", [(t / 1e6, x) for t, x, *_ in made], range(6))
        for k in range(5 if name == "DVSGesture" else 0):
            make.write_npy(folder / f"DVSGesture/{place}/user01_led/{k}.npy", *make.events(rng, 60_000, (128, 128), 1200 + 100 * k))


def fitted(settings, data, shape, classes):
    """Return history and parameters of two epochs in batches of two."""
    net = networks.build(settings, shape, classes, 0)
    history = training.fit(net, data, last=4, epochs=2, batch=2, lr=1e-3, rng=np.random.default_rng(3))
    return [repr(epoch) for epoch in history], net


@pytest.mark.parametrize("way", ["paper", "code"])
@pytest.mark.parametrize("name", ["SHD", "DVSGesture"])
def test_what_streams_trains_bit_for_bit_as_what_is_in_memory(name, way, tmp_path):
    uneven(tmp_path, name)
    train, test = recorded.load(tmp_path, name, way)
    x, y, lengths = train.arrays(flat=False)
    assert train.shape == x.shape and len(set(lengths)) > 1 and x.max() > 1
    (history, net), (expected, other) = (fitted(narrow(name), data, x.shape, 20) for data in ((train, train.labels), (x, y, lengths)))
    assert history == expected and all(np.array_equal(value, other.get()[param]) for param, value in net.get().items())
    rows, real = test.arrays(flat=False)[::2]
    assert np.array_equal(training.predict(net, test, last=4, batch=2), training.predict(net, rows, lengths=real, last=4, batch=2))
    held = [training.evaluate(net, data, last=4) for data in ((test, test.labels), (rows, test.labels, real))]
    assert held[0] == held[1]


def test_twice_the_recordings_need_the_same_memory(tmp_path):
    peaks = []
    for count in (8, 8, 16):  # the first warms up: what reads SHD is imported
        shd(tmp_path / f"{count}", count, count)
        train, _, test = recordings.streams("speech", tmp_path / f"{count}")
        net = networks.build(replace(SETTINGS["SHD"], hidden=(20,)), train[0].shape, 20, 0)
        tracemalloc.start()
        training.fit(net, train, last=90, epochs=1, batch=4, lr=1e-3, rng=np.random.default_rng(0))
        training.evaluate(net, test, last=90, batch=4)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 4 * 100 * 700 * 4 < peaks[1] < 16 * 100 * 700 * 4 and peaks[2] < 1.02 * peaks[1]


def test_a_batch_is_refused_by_the_size_that_its_padding_gives_it(tmp_path, monkeypatch):
    uneven(tmp_path, "DVSGesture")
    test = recorded.load(tmp_path, "DVSGesture", "code").test
    shortest = min(range(len(test)), key=lambda i: len(test.frames(i)[0]))
    assert len(test.frames(shortest)[0]) < test.shape[0]
    monkeypatch.setattr(recorded, "LARGEST", test.shape[0] * 2 * 32 * 32 - 1)
    with pytest.raises(ValueError, match="^DVSGesture: got 1 samples such as .* expected at most 4 GiB"):
        test.pick([shortest])


def test_arrays_are_asked_for_where_streams_cannot_do(tmp_path):
    shd(tmp_path)
    train, _ = recorded.load(tmp_path, "SHD")
    with pytest.raises(ValueError, match="^data: got x that is read batch by batch .Recorded., expected an array$"):
        training.holdout((train, train.labels), 0.5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="^x: got dtype object, expected numbers$"):
        training.evaluate(networks.build(narrow("SHD"), train.shape, 20, 0), (train, train.labels, [100] * 6), last=4)


def test_the_schedule_of_shd_is_constant_and_the_others_fall():
    assert {name: getattr(s, "schedule", "cosine") for name, s in SETTINGS.items() if name != "MVSEC"} == dict.fromkeys(VGG, "cosine") | {
        "SHD": "constant"
    }
    rates = {name: [factor(epoch, 200) for epoch in (0, 100, 199)] for name, factor in networks.SCHEDULES.items()}
    assert rates["constant"] == [1, 1, 1] and rates["cosine"] == [cosine_schedule(epoch, 200) for epoch in (0, 100, 199)]


def test_the_schedule_of_a_fit_is_a_factor_of_lr():
    net, x = networks.build(narrow("SHD"), (5, 2, 700), 3, 0), np.random.default_rng(0).random((5, 2, 700)) < 0.5
    before, moved = net.get(), []
    for schedule in (lambda epoch, epochs: 0.0, lambda epoch, epochs: float(epoch == 1 and epochs == 2)):
        training.fit(net, (x, np.array([0, 2])), last=5, epochs=2, batch=2, lr=1e-3, rng=np.random.default_rng(0), schedule=schedule)
        moved.append(float(np.abs(net.get()["1.b"] - before["1.b"]).max()))
    assert moved[0] == 0 < moved[1] < 2e-3


def test_a_trial_takes_the_schedule_and_the_score_of_its_settings(tmp_path, monkeypatch):
    seen, real = {}, training.fit
    monkeypatch.setattr(training, "fit", lambda *given, **named: seen.update(named) or real(*given, **named))
    shd(tmp_path)
    networks.trial(narrow("SHD", epochs=1), 0, recordings.streams("speech", tmp_path))
    assert seen["schedule"](7, 9) == 1 and seen["lr"] == 2e-4 and seen["metric"].keywords["score"] is training.sum_logits


# ---------------------------------------------------------------------------------------------------------- the command


def run(*arguments):
    return cli.main(["run", *map(str, arguments)])


def refuse_arrays(monkeypatch):
    def refused(*given, **named):
        raise AssertionError("a part was loaded whole")

    monkeypatch.setattr(recorded.Recorded, "arrays", refused)


def test_the_network_of_shd_trains_at_full_size_from_files_and_says_how_long_the_whole_set_takes(tmp_path, monkeypatch, capsys):
    refuse_arrays(monkeypatch)
    shd(tmp_path, 24, 8, 3000)
    assert run("speech", "--data", tmp_path, "--model", "published", "--rules", "stllr", "--epochs", 1, "--out", tmp_path / "out") == 0
    err = capsys.readouterr().err
    assert re.search(
        r"^stllr: an epoch of all 8,156 training recordings of SHD would take about \d+ (seconds|minutes|hours) here \(measured on 24\)$",
        err,
        re.M,
    )
    assert "SHD, train: 24 samples, 72,000 events read, 72,000 kept, 0 dropped\n" in err
    answer = json.loads((tmp_path / "out/result.json").read_text())
    (row,) = answer["rows"]
    assert answer["settings"]["hidden"] == [450] and answer["settings"]["batch"] == 128 and row["last"] == 90
    assert 0.001 < row["rates"][0] < 0.98 and all(row["grad_norms"]) and 0 <= row["test"][0] <= 1
    params = np.load(tmp_path / "out/last.npz")
    assert sum(params[name].size for name in params if not name.endswith(".gain")) == 526_970


def test_vgg_9_trains_from_files_by_every_rule_that_takes_convolutions(tmp_path, monkeypatch, capsys):
    refuse_arrays(monkeypatch)
    gestures(tmp_path)
    given = "--data", tmp_path, "--model", "published", "--width", 1 / 16, "--epochs", 1, "--alpha-post=-1,0", "--out", tmp_path / "out"
    assert run("gestures", *given, "--rules", ",".join(networks.CONVOLVED)) == 0
    rows = json.loads((tmp_path / "out/result.json").read_text())["rows"]
    assert [row["rule"] for row in rows] == ["stllr", *networks.CONVOLVED] and all(row["rates"][0] > 0.02 for row in rows)
    assert [len(row["grad_norms"]) for row in rows] == [9] * 7 and rows[0]["grad_norms"] != rows[1]["grad_norms"]
    assert capsys.readouterr().err.count("training recordings of DVSGesture would take about") == 7


@pytest.mark.parametrize("name", [pytest.param("CIFAR10DVS", marks=needs_aedat), "NCALTECH101"])
def test_sets_of_one_task_have_settings_by_their_names(name, tmp_path):
    make.ncaltech101_set(tmp_path, np.random.default_rng(0))
    if name == "CIFAR10DVS":
        make.cifar10_set(tmp_path, np.random.default_rng(0))
    given = "--data", tmp_path, "--set", name, "--model", "published", "--width", 1 / 16, "--epochs", 1, "--rules", "stllr"
    assert run("digits", *given, "--out", tmp_path / "out") == 0
    settings = json.loads((tmp_path / "out/result.json").read_text())["settings"]
    assert settings["dataset"] == name and settings["batch"] == SETTINGS[name].batch and settings["hidden"] == list(ONE_SIXTEENTH)


@pytest.mark.parametrize("task, name, write, counts", [
    ("speech", "SHD", make.shd_set, True), ("gestures", "DVSGesture", make.gesture_set, True), ("digits", "NCALTECH101", make.ncaltech101_set, True),
    pytest.param("digits", "CIFAR10DVS", make.cifar10_set, False, marks=needs_aedat),
])  # fmt: skip
def test_inputs_are_counts_but_for_cifar10dvs(task, name, write, counts, tmp_path):
    write(tmp_path, np.random.default_rng(0), n=20_000)
    for part in recordings.streams(task, tmp_path, name)[::2]:
        values = np.unique(part[0].pick([0, 1])[0])
        assert values[1] == 1 and (values[-1] > 1) == counts


def test_mvsec_trains_our_flow_network_with_published_numbers(tmp_path):
    mvsec_set(tmp_path, np.random.default_rng(0))
    given = "--data", tmp_path, "--model", "published", "--width", 0.25, "--epochs", 1, "--rules", "stllr,zero", "--out", tmp_path / "out"
    assert run("flow", *given) == 0
    answer = json.loads((tmp_path / "out/result.json").read_text())
    assert answer["settings"]["channels"] == [6, 8] and answer["settings"]["gamma"] == 0.88 and answer["rows"][0]["test"][0] > 0


def test_options_override_what_is_published(tmp_path):
    shd(tmp_path)
    given = (
        "--data",
        tmp_path,
        "--model",
        "published",
        "--width",
        0.02,
        "--rules",
        "ottt,stllr",
        "--alpha-post=-0.5",
        "--psi",
        "triangle",
        "--last",
        7,
    )
    assert run("speech", *given, "--epochs", 1, "--seeds", 2, "--signal", "dfa", "--out", tmp_path / "out") == 0
    first, second = json.loads((tmp_path / "out/result.json").read_text())["rows"]
    assert (second["alpha_post"], second["psi"], second["last"], second["signal"]) == (-0.5, "triangle", 7, "dfa") and len(
        first["test"]
    ) == 2


@pytest.mark.parametrize("task, write", [("speech", shd), ("gestures", gestures)])
def test_the_command_that_the_page_shows_runs(task, write, tmp_path):
    (command,) = re.findall(rf"^python -m stllr_ref (run {task} --data DIR .*?) +#", (ROOT / "chapters/your_own.md").read_text(), re.M)
    write(tmp_path)
    more = "--rules", "stllr", "--epochs", "1", "--out", str(tmp_path / "out")
    assert cli.main([*(str(tmp_path) if word == "DIR" else word for word in command.split()), *more]) == 0


class Stop(Exception):
    pass


def test_a_stopped_trial_goes_on_to_the_same_bits(tmp_path):
    gestures(tmp_path)
    parts, settings = recordings.streams("gestures", tmp_path), narrow("DVSGesture", epochs=3, batch=2)
    whole = networks.trial(settings, 0, parts)

    def stop(epoch):
        if epoch.epoch == 2:
            raise Stop

    said, path = [], tmp_path / "checkpoint.npz"
    with pytest.raises(Stop):
        networks.trial(settings, 0, parts, stop, path, said.append)
    again = networks.trial(settings, 0, parts, None, path, said.append)
    assert [repr(epoch) for epoch in again.history] == [repr(epoch) for epoch in whole.history] and again.test == whole.test
    assert all(np.array_equal(value, again.params[name]) for name, value in whole.params.items())
    assert [line.split(":")[0] for line in said] == ["stllr"] * 2  # a pace for each run, of the epochs that it trained itself


def test_events_that_were_never_read_are_not_accounted_for(tmp_path):
    shd(tmp_path)
    for names in (["SHD, train", "SHD, test"], ["SHD, test"]):  # the second finds every epoch in its checkpoint
        said = []
        networks.trial(narrow("SHD", epochs=1), 0, recordings.streams("speech", tmp_path), None, tmp_path / "c.npz", said.append)
        assert [line.split(":")[0] for line in said if "events read" in line] == names


def test_an_interrupted_run_says_the_command_to_go_on_with_model_and_width(tmp_path, monkeypatch, capsys):
    real = networks.trial

    def interrupted(settings, seed, *rest):
        if seed:
            raise KeyboardInterrupt
        return real(settings, seed, *rest)

    monkeypatch.setattr(networks, "trial", interrupted)
    shd(tmp_path)
    given = (
        "--data",
        tmp_path,
        "--model",
        "published",
        "--width",
        0.05,
        "--epochs",
        1,
        "--rules",
        "stllr",
        "--seeds",
        2,
        "--out",
        tmp_path / "out",
    )
    assert run("speech", *given) == 130
    assert f"--data={tmp_path} --model=published --width=0.05 --out=" in capsys.readouterr().err
    monkeypatch.undo()
    assert run("speech", *given, "--resume") == 0


def test_the_pace_is_that_of_the_samples_trained_and_is_said_once(tmp_path, monkeypatch):
    now = iter([100.0, 103.0, 106.0])
    monkeypatch.setattr(networks, "perf_counter", lambda: next(now))
    shd(tmp_path, 10)
    part = recorded.load(tmp_path, "SHD").train
    pace = networks.Pace(lambda *given, **how: (given, how))
    assert pace.line("stllr", part) is None  # nothing trained yet: epochs of a checkpoint come first
    for size in (6, 4):
        assert pace(1, 2, np.zeros(size), 4, 5, rng=6) == ((1, 2, pytest.approx(np.zeros(size)), 4, 5), {"rng": 6})
    assert (
        pace.line("stllr", part)
        == f"stllr: an epoch of all 8,156 training recordings of SHD would take about {6 / 10 * 8156 / 60:.0f} minutes here (measured on 10)"
    )
    assert pace.line("stllr", part) is None


def test_a_whole_set_needs_no_guess(tmp_path, monkeypatch):
    shd(tmp_path)
    monkeypatch.setitem(catalogue.SETS, "SHD", catalogue.SETS["SHD"]._replace(train=6))
    said = []
    networks.trial(narrow("SHD", epochs=1), 0, recordings.streams("speech", tmp_path), say=said.append)
    assert len(said) == 2 and not any("would take" in line for line in said)


def test_clips_of_one_recording_count_as_one(tmp_path, monkeypatch):
    now = iter([0.0, 12.0])
    monkeypatch.setattr(networks, "perf_counter", lambda: next(now))
    make.gesture_set(tmp_path, np.random.default_rng(0), until_ms=3100)
    part = recorded.load(tmp_path).train
    assert (len(part), part.recordings) == (6, 3)
    pace = networks.Pace(lambda *given: None)
    pace(None, None, np.zeros(4), None, None)
    assert f"take about {12 / 4 * 6 / 3 * 1077 / 60:.0f} minutes here (measured on 3)" in pace.line("stllr", part)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("speech --model published", "--model: got published without --data, expected both"),
        ("speech --data {} --width 0.5", "--width: got it without --model published, expected both"),
        ("speech --width 0.5", "--width: got it without --model published"),
        ("speech --data {} --model published --width 0", "--width: got 0.0, expected a number from 0.0009765625 to 16"),
        ("speech --data {} --model published --width wide", "--width: got 'wide', expected a number"),
        ("speech --data {} --model published --width nan", "--width: got nan, expected a number"),
        ("speech --data {} --model published --rules counts", "--rules: got 'counts', expected one of"),
        ("speech --data {} --model theirs", "--model: invalid choice: 'theirs'"),
        (
            "gestures --data {} --model published --rules eprop",
            "--rules: got 'eprop', expected one of stllr, bptt, tbptt, ottt, sltt, frozen",
        ),
        ("gestures --data {} --model published --signal dfa", "signal: got 'dfa', expected one of bp"),
        ("gestures --data {} --model published --last 21", "last: got 21, expected at most T = 20"),
        (
            "digits --data {} --model published",
            "--model: got published with NMNIST, expected a set with published settings: DVSGesture, CIFAR10DVS",
        ),
        ("flow --data {} --model published", "--data: got no set of this task in"),
        ("flow --data {} --model published --network unet", "--network: got it with --model published"),
        ("delay --data {} --model published", "--data: got it with delay"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments, words, tmp_path, capsys):
    shd(tmp_path)
    gestures(tmp_path, 400)
    make.nmnist_set(tmp_path, np.random.default_rng(0), 1, 1)
    assert run(*arguments.format(tmp_path).split()) == 2
    notes = ("read when their turn comes", "no recordings of the classes")
    err = [line for line in capsys.readouterr().err.splitlines() if not any(note in line for note in notes)]
    assert words in err[0] and len(err) == 1


def test_a_set_without_test_recordings_is_refused_before_it_trains(tmp_path, capsys):
    shd(tmp_path, test=0)
    assert run("speech", "--data", tmp_path, "--model", "published") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "stllr_ref: SHD: got no test recordings, expected shd_test.h5"
