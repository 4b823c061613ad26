"""Checkpoints: training goes on bit for bit from any moment, and what is not whole, or another's, is refused in one line."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stllr_ref import bptt, checkpoints, training
from stllr_ref.checkpoints import Checkpoint
from stllr_ref.experiments import classify, flow
from stllr_ref.experiments.tasks import TASKS
from stllr_ref.gradcheck import liveness
from stllr_ref.layer import Layer
from stllr_ref.maps import Dropout
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import SLTT, STLLR
from stllr_ref.synapses import Bias, Dense
from stllr_ref.weights import Standardised, kaiming

T, S, N, H, O = 7, 20, 6, 8, 3
EPOCHS = 6


def build(seed=0, dtype=np.float32, hidden=H):
    """Return a recurrent network with dropout, so that training draws from its generator within an epoch as well."""
    rng = np.random.default_rng(seed)
    rule = STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)
    low = Layer(Dense(Standardised(kaiming(rng, hidden, N), np.full(hidden, 1.5))), LIF(0.7, 0.6, "triangle"), rule, V=Dense(kaiming(rng, hidden, hidden)), bias=Bias(np.zeros(hidden)))
    return Network([low, Dropout(0.3), Layer(Dense(kaiming(rng, O, hidden)), Leaky(0.5), SLTT(), bias=Bias(np.zeros(O)))], dtype)


def data(seed=1, samples=S):
    rng = np.random.default_rng(seed)
    return (rng.random((T, samples, N)) < 0.5).astype(float), rng.integers(0, O, samples)


def fit(path, net=None, settings=None, **options):
    """Train with a checkpoint at a path; return history, network and generator."""
    net, rng = net or build(), options.pop("rng", np.random.default_rng(7))
    options = {**dict(last=3, epochs=EPOCHS, batch=6, lr=3e-3, validation=data(2)), **options}
    history = training.fit(net, options.pop("train", data()), options.pop("validation"), rng=rng, checkpoint=Checkpoint(path, settings), **options)
    return history, net, rng


def stops_after(epoch):
    return lambda seen: seen.epoch == epoch


def same(a, b):
    return set(a) == set(b) and all(np.array_equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)


def as_text(history):
    return [repr(epoch) for epoch in history]  # NaN equals itself here


# ------------------------------------------------------------------------------------------------------------- going on


def test_the_network_of_these_tests_fires():
    liveness(build(), data()[0])


@pytest.mark.parametrize("epoch", range(1, EPOCHS))
@pytest.mark.parametrize("options", [{}, dict(dtype=np.float64), dict(run=bptt.run), dict(validation=None), dict(train=(*data(), 3 + np.arange(S) % 5)), dict(online=True)], ids=["float32", "float64", "bptt", "no validation", "lengths", "online"])
def test_training_goes_on_bit_for_bit_after_any_epoch(epoch, options, tmp_path):
    options = dict(options)
    dtype = options.pop("dtype", np.float32)
    whole, net, rng = fit(tmp_path / "whole.npz", build(dtype=dtype), **options)
    assert len(fit(tmp_path / "part.npz", build(dtype=dtype), callback=stops_after(epoch), **options)[0]) == epoch
    history, again, later = fit(tmp_path / "part.npz", build(seed=5, dtype=dtype), rng=np.random.default_rng(99), **options)
    assert as_text(history) == as_text(whole) and all(isinstance(epoch, training.Epoch) for epoch in history)
    assert same(again.get(), net.get()) and not same(again.get(), build(dtype=dtype).get())
    assert later.bit_generator.state == rng.bit_generator.state
    assert (tmp_path / "part.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()  # moments, too


def test_with_a_checkpoint_training_is_what_it_is_without(tmp_path):
    history, net, _ = fit(tmp_path / "a.npz")
    plain = build()
    alone = training.fit(plain, data(), data(2), last=3, epochs=EPOCHS, batch=6, lr=3e-3, rng=np.random.default_rng(7))
    assert as_text(history) == as_text(alone) and same(net.get(), plain.get())
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_what_is_finished_is_returned_without_a_step_more(tmp_path):
    history, net, _ = fit(tmp_path / "a.npz")

    def never(*args, **options):
        raise AssertionError

    again, other, _ = fit(tmp_path / "a.npz", build(seed=3), run=never)
    assert as_text(again) == as_text(history) and same(other.get(), net.get())


def test_a_callback_sees_the_earlier_epochs_first_and_may_stop_at_one(tmp_path):
    fit(tmp_path / "a.npz", callback=stops_after(3))
    seen = []
    fit(tmp_path / "a.npz", callback=lambda epoch: seen.append(epoch.epoch))
    assert seen == list(range(1, EPOCHS + 1))
    assert len(fit(tmp_path / "a.npz", callback=stops_after(2))[0]) == 2


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_any_generator_of_numpy_goes_on_where_it_was(kind, tmp_path):
    _, net, rng = fit(tmp_path / "whole.npz", rng=np.random.Generator(kind(1)))
    fit(tmp_path / "part.npz", callback=stops_after(2), rng=np.random.Generator(kind(1)))
    _, again, later = fit(tmp_path / "part.npz", rng=np.random.Generator(kind(2)))
    assert same(net.get(), again.get()) and rng.random() == later.random()


def little(task):
    """Return (settings, sets, trial) of a task, small."""
    if task == "flow":
        rng = np.random.default_rng(0)
        sets = tuple(((rng.random((T, n, 2, 8, 8)) < 0.3).astype(np.float32), rng.normal(size=(n, 2, 8, 8)).astype(np.float32)) for n in (8, 4, 6))
        return replace(flow.SETTINGS, channels=(4, 3), last=3, epochs=4, batch=3), sets, flow.trial
    rng = np.random.default_rng(0)
    sets = tuple(((rng.random((T, n, N)) < 0.4).astype(np.float32), np.arange(n) % O) for n in (20, 9, 9))
    return replace(TASKS[task].settings, hidden=(12, 10), last=4, epochs=4, batch=6), sets, classify.run


@pytest.mark.parametrize("task, change", [
    *(("digits", dict(rule=rule)) for rule in classify.RULES), *(("flow", dict(rule=rule)) for rule in flow.RULES),
    *(("digits", dict(signal=signal)) for signal in classify.SIGNALS if signal != "bp"), ("speech", {}),
], ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else value)  # fmt: skip
def test_a_trial_of_any_rule_and_signal_goes_on_bit_for_bit(task, change, tmp_path):
    settings, sets, trial = little(task)
    settings = replace(settings, **change)
    whole = trial(settings, 3, sets)

    class Killed(Exception):
        pass

    def kill(epoch):
        if epoch.epoch == 2 and settings.rule != "zero":
            raise Killed

    try:
        trial(settings, 3, sets, kill, tmp_path / "a.npz")
    except Killed:
        assert (tmp_path / "a.npz").exists()
    again = trial(settings, 3, sets, None, tmp_path / "a.npz")
    assert as_text(again.history) == as_text(whole.history) and len(whole.history) == 4
    assert same(again.params, whole.params)
    assert repr((again.test, again.validation, again.macs, again.cost[:3])) == repr((whole.test, whole.validation, whole.macs, whole.cost[:3]))


def test_a_trial_of_another_seed_or_setting_is_refused(tmp_path):
    for task in ("digits", "flow"):
        settings, sets, trial = little(task)
        path = tmp_path / f"{task}.npz"
        trial(settings, 3, sets, None, path)
        for seed, other, message in ((4, settings, "seed: got 3 in the file, expected 4"), (3, replace(settings, lam_post=0.5), "lam_post: got 0.2 in the file, expected 0.5")):
            with pytest.raises(ValueError, match=f"^{path}: {message}$"):
                trial(other, seed, sets, None, path)


# ------------------------------------------------------------------------------------------------------- what is refused


@pytest.fixture
def there(tmp_path):
    """Return the path of a checkpoint after two epochs."""
    fit(tmp_path / "a.npz", settings={"rule": "stllr", "hidden": [8, 8]}, callback=stops_after(2))
    return tmp_path / "a.npz"


def refused(path, message, net=None, settings=None, **options):
    """Check that a file is refused in one line that names it, and that nothing is set."""
    net, rng = net or build(), options.pop("rng", np.random.default_rng(7))
    before, state, bytes_before = net.get(), rng.bit_generator.state, path.read_bytes()
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {message}$"):
        fit(path, net, {"rule": "stllr", "hidden": [8, 8]} if settings is None else settings, rng=rng, **options)
    assert same(net.get(), before) and repr(rng.bit_generator.state) == repr(state) and path.read_bytes() == bytes_before


def test_the_checkpoint_of_these_tests_is_taken_as_it_is(there):
    assert len(fit(there, settings={"rule": "stllr", "hidden": (8, 8)})[0]) == EPOCHS


@pytest.mark.parametrize("content", [b"", b"weights\n" * 99, b"\x93NUMPY"], ids=["empty", "text", "npy"])
def test_something_else_is_refused(content, there):
    there.write_bytes(content)
    refused(there, "got something else than an npz, expected a checkpoint")


FOUND = "got an npz that is cut short, damaged, or without a checksum"
NOT_WHOLE = re.escape(f"{FOUND}, expected a whole checkpoint (delete it, and its trial starts again)")


def test_an_npz_of_parameters_is_no_checkpoint(there):
    training.save(there, build())
    refused(there, NOT_WHOLE)


def test_a_file_cut_short_anywhere_is_refused(there):
    data = there.read_bytes()
    for size in [*range(4, len(data), 97), len(data) - 2, len(data) - 1]:
        there.write_bytes(data[:size])
        with pytest.raises(ValueError, match=NOT_WHOLE):
            fit(there)


def test_a_file_with_a_byte_more_is_refused(there):
    there.write_bytes(there.read_bytes() + b"\0")
    refused(there, NOT_WHOLE)


def test_any_damaged_byte_is_found(there):
    data, rng = there.read_bytes(), np.random.default_rng(0)
    for at in [*range(4, 60), *rng.integers(4, len(data), 300), *range(len(data) - 90, len(data))]:
        there.write_bytes(data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :])
        with pytest.raises(ValueError, match=NOT_WHOLE):
            fit(there)


def test_a_damaged_file_that_still_opens_is_not_taken(there):
    """A weight that differs, sealed by the zip file's own checksum: np.load sees nothing wrong."""
    with np.load(there) as file:
        arrays = dict(file)
    arrays["net/0.W"][0, 0] += 1
    np.savez(there, **arrays)
    refused(there, NOT_WHOLE)


def test_nothing_in_the_file_needs_pickle(there):
    with np.load(there, allow_pickle=False) as file:
        assert {"about", "net/0.W", "adam/t", "adam/m.0.W", "adam/v.1.b"} <= set(file.files)
        assert all(file[name].dtype.kind in "fiU" for name in file.files)


@pytest.mark.parametrize("options, message", [
    (dict(lr=1e-3), "lr: got 0.003 in the file, expected 0.001"), (dict(epochs=7), "epochs: got 6 in the file, expected 7"),
    (dict(batch=5), "batch: got 6 in the file, expected 5"), (dict(last=4), "last: got 3 in the file, expected 4"),
    (dict(train=data(samples=S + 1)), "x: got 20 in the file, expected 21"),
    (dict(settings={"rule": "ottt", "hidden": [8, 8]}), "rule: got 'stllr' in the file, expected 'ottt'"),
    (dict(settings={"rule": "stllr", "hidden": [8, 9]}), "hidden: got 8 in the file, expected 9"),
    (dict(settings={"rule": "stllr", "hidden": [8]}), r"hidden: got \[8, 8\] in the file, expected \[8\]"),
    (dict(settings={"rule": "stllr"}), r"hidden: got \[8, 8\] in the file, expected None"),
    (dict(settings={"rule": "stllr", "hidden": [8, 8], "seed": 1}), "seed: got None in the file, expected 1"),
    (dict(rng=np.random.Generator(np.random.MT19937(0))), "rng: got 'PCG64' in the file, expected 'MT19937'"),
], ids=lambda value: value.split(":")[0] if isinstance(value, str) else "")  # fmt: skip
def test_other_settings_are_refused_with_the_first_that_differs(options, message, there):
    refused(there, message, **options)


def test_another_network_is_refused(there):
    refused(there, r"0.W: got shape \(8, 6\), expected \(9, 6\)", build(hidden=9))
    refused(there, "0.W: got dtype float32, expected float64", build(dtype=np.float64))
    shallow = Network([Layer(Dense(np.ones((O, N))), Leaky(0.5), SLTT())], np.float32)
    refused(there, "got parameters 0.V, 0.W, 0.W.gain, 0.b, 1.W, 1.b, expected 0.W", shallow)


def test_another_version_is_refused(there, monkeypatch):
    monkeypatch.setattr(checkpoints, "VERSION", 2)
    refused(there, "version: got 1 in the file, expected 2")


def test_a_path_is_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="^checkpoint: got str, expected a Checkpoint$"):
        training.fit(build(), data(), last=3, epochs=1, batch=4, lr=0.1, rng=np.random.default_rng(0), checkpoint=str(tmp_path / "a.npz"))


# --------------------------------------------------------------------------------------------- killed, and nothing lost


def test_a_stale_temporary_file_is_never_taken(there):
    """What a run that was killed while writing leaves: half of the next file beside the last whole one."""
    part = there.with_name("part-a.npz")
    part.write_bytes(there.read_bytes()[:-100])
    history, net, _ = fit(there, settings={"rule": "stllr", "hidden": [8, 8]})
    whole = fit(there.with_name("whole.npz"), settings={"rule": "stllr", "hidden": [8, 8]})
    assert as_text(history) == as_text(whole[0]) and same(net.get(), whole[1].get()) and not part.exists()
    shutil.copy(there, part)
    there.unlink()
    seen = []
    fit(there, callback=lambda epoch: seen.append((epoch.epoch, there.exists())) or True)
    assert seen == [(1, True)]  # from the beginning


def test_a_file_is_flushed_to_disk_before_it_takes_its_place(there, monkeypatch):
    order, fsync, move = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append(os.readlink(f"/proc/self/fd/{number}")), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append((str(a), str(b))), move(a, b)))
    checkpoints.replace_file(there, lambda part: part.write_bytes(b"new"))
    part = str(there.with_name("part-a.npz"))
    assert order == [part, (part, str(there))] and there.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fills_while_a_checkpoint_is_written_leaves_the_one_before(step, there, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    settings = {"rule": "stllr", "hidden": [8, 8]}
    before = there.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError) as caught:
            fit(there, settings=settings)
    assert (caught.value.filename, caught.value.strerror) == (str(there), "No space left on device")
    assert there.read_bytes() == before and [path.name for path in there.parent.iterdir()] == ["a.npz"]
    assert same(fit(there, settings=settings)[1].get(), fit(there.with_name("b.npz"))[1].get())


@pytest.fixture
def mounted(tmp_path):
    """Return a function that mounts a small tmpfs, or with "ro" one that takes nothing; skipped where one may not mount."""
    places = []

    def mount(options):
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True).returncode:
            pytest.skip("may not mount a tmpfs here (needs root)")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(not shutil.which("mount"), reason="needs mount")
def test_a_small_disk_that_is_full_loses_nothing(mounted, tmp_path):
    fit(tmp_path / "whole.npz", build(hidden=40))
    size = (tmp_path / "whole.npz").stat().st_size
    place = mounted(f"size={4096 * (size // 4096 + 3)}")  # room for one, not for two
    with pytest.raises(OSError) as caught:
        fit(place / "a.npz", build(hidden=40))
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(place / "a.npz")
    assert [path.name for path in place.iterdir()] == ["a.npz"]
    shutil.copy(place / "a.npz", tmp_path / "a.npz")
    seen = []
    fit(tmp_path / "a.npz", build(hidden=40), callback=lambda epoch: seen.append(epoch.epoch))
    assert seen[0] == 1 and (tmp_path / "a.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.skipif(not shutil.which("mount"), reason="needs mount")
def test_a_folder_that_takes_nothing_is_named(mounted):
    place = mounted("ro")
    with pytest.raises(OSError) as caught:
        fit(place / "a.npz")
    assert caught.value.errno == errno.EROFS and caught.value.filename == str(place / "a.npz")


LONG = 60  # epochs of the child, some ms each
CHILD = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_checkpoints as t
print("ready", flush=True)
t.fit(sys.argv[1], epochs={LONG}, callback=lambda epoch: print(epoch.epoch, flush=True))
"""


def child(path):
    """Start a child that trains with a checkpoint; return it once it begins."""
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_killed_at_twenty_random_moments_training_goes_on_to_the_same_bits(tmp_path):
    with child(tmp_path / "whole.npz") as process:
        begin = time.perf_counter()
        assert process.stdout.read().split() == [str(n) for n in range(1, LONG + 1)] and process.wait() == 0
        seconds = time.perf_counter() - begin
    whole, rng, reached, torn = (tmp_path / "whole.npz").read_bytes(), np.random.default_rng(20), [], 0
    for number, share in enumerate(rng.random(20)):
        path = tmp_path / str(number) / "a.npz"
        path.parent.mkdir()
        with child(path) as process:
            time.sleep(share * seconds)
            process.send_signal(signal.SIGKILL)
            process.stdout.read()
        torn += (path.parent / "part-a.npz").exists()
        done = []
        fit(path, epochs=LONG, callback=lambda epoch: done.append(path.stat().st_mtime_ns))
        reached.append(sum(moment == done[0] for moment in done))  # epochs that were in the file
        assert path.read_bytes() == whole
    print(f"killed after {sorted(reached)} of {LONG} epochs, {torn} times while writing")
    assert len(set(reached)) > 5 and max(reached) > LONG / 2
