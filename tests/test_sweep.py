"""Grids of trials: the same numbers wherever they are run, nothing finished is lost or run again, and `run --resume`."""

import contextlib
import json
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import make_recordings as make
import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref.checkpoints import Checkpoint
from stllr_ref.checks import TooLarge
from stllr_ref.commands import run as command
from stllr_ref.experiments import classify, flow, sweep
from stllr_ref.experiments.tasks import TASKS
from stllr_ref.training import Diverged

T, N, O = 8, 10, 3
SETTINGS = replace(TASKS["digits"].settings, hidden=(12, 10), last=4, epochs=3, batch=6)


def sets():
    rng = np.random.default_rng(0)
    return tuple(((rng.random((T, n, N)) < 0.4).astype(np.float32), np.arange(n) % O) for n in (20, 9, 9))


def work(settings, seed, tick=None):
    return classify.run(settings, seed, sets(), tick)


CELLS = [(replace(SETTINGS, rule=rule), seed) for rule in ("stllr", "bptt") for seed in range(2)]


def dies(flag, times, settings, seed):
    """Kill this process in the cell (bptt, 0), the first `times` times, once every cell of before is on its way."""
    if (settings.rule, seed) == ("bptt", 0) and len(list(flag.iterdir())) < times:
        (flag / str(time.monotonic_ns())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(settings, seed)


def breaks(error, settings, seed, tick=None):
    """Raise an error in the cell (bptt, 0)."""
    if (settings.rule, seed) == ("bptt", 0):
        raise error
    return work(settings, seed)


def text(result):
    """Return all that a result says but its seconds and its peak of memory, parameters bit for bit."""
    params = {name: (value.dtype.str, value.tobytes()) for name, value in result.params.items()}
    return repr(result._replace(seconds=0, cost=result.cost._replace(peak=0), params=params))


@pytest.fixture(scope="module")
def serial():
    return {cell: text(work(*cell)) for cell in CELLS}


def same(results, serial):
    return list(results) == list(serial) and all(text(results[cell]) == serial[cell] for cell in serial)


@pytest.fixture
def left():
    """Return a function that tells which processes a test has left: in another order of tests a cluster may be there already."""
    before = set(multiprocessing.active_children())
    return lambda: set(multiprocessing.active_children()) - before


def file(tmp_path, about=None, **options):
    return sweep.Finished(tmp_path / "trials.jsonl", about or {"task": "digits"}, **options)


# ------------------------------------------------------------------------------------------------- wherever cells are run


def test_the_trials_of_these_tests_are_alive_and_differ(serial):
    results = [work(*cell) for cell in CELLS]
    assert all(0.02 < rate < 0.98 for result in results for rate in result.history[-1].rates)
    assert len(set(serial.values())) == len(CELLS)


def test_two_processes_give_the_numbers_of_one(serial):
    assert same(sweep.run(work, CELLS, pool=sweep.processes(2)), serial)


def test_this_process_gives_the_same(serial):
    assert same(sweep.run(work, CELLS, pool=sweep.HERE), serial)


def test_any_executor_will_do(serial):
    assert same(sweep.run(work, CELLS, pool=sweep.Pool(partial(ThreadPoolExecutor, 3))), serial)


def test_processes_are_the_default(monkeypatch, serial):
    monkeypatch.setattr(sweep, "processes", lambda: sweep.Pool(partial(ThreadPoolExecutor, 1), 1))
    assert same(sweep.run(work, CELLS), serial)


def test_results_are_in_the_order_of_the_cells_and_done_hears_of_each():
    heard = []
    results = sweep.run(work, CELLS[::-1], pool=sweep.HERE, done=lambda cell, result: heard.append((cell, text(result))))
    assert list(results) == CELLS[::-1] and heard == [(cell, text(result)) for cell, result in results.items()]


def test_a_cell_is_alone_in_its_process_so_that_its_memory_can_be_measured():
    inside, most = [], []

    def counted(settings, seed):
        inside.append(seed)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()

    sweep.run(counted, CELLS, pool=sweep.Pool(partial(ThreadPoolExecutor, 4)))
    assert most == [1] * 4


def blas_threads(settings, seed, tick=None):
    from threadpoolctl import threadpool_info

    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_has_the_blas_threads_that_were_asked_for(threads):
    for pool in (sweep.HERE, sweep.processes(1)):
        assert sweep.run(blas_threads, CELLS[:1], pool=pool, threads=threads) == {CELLS[0]: {threads}}


@pytest.mark.parametrize("pool", [sweep.HERE, sweep.processes(2)], ids=["here", "processes"])
def test_a_rule_that_remembers_too_much_is_an_answer_that_no_file_keeps(pool, tmp_path):
    kept = file(tmp_path)
    results = sweep.run(partial(breaks, TooLarge("rtrl: got much")), CELLS, kept, pool)
    assert [str(result) for result in results.values() if isinstance(result, TooLarge)] == ["rtrl: got much"]
    assert [kept.get(cell) is None for cell in CELLS] == [False, False, True, False]


# -------------------------------------------------------------------------------------------------------------- deaths


def test_a_cell_whose_worker_died_is_run_again_and_reported(tmp_path, serial):
    (tmp_path / "flag").mkdir()
    said = []
    results = sweep.run(partial(dies, tmp_path / "flag", 1), CELLS, pool=sweep.processes(2), say=said.append)
    assert same(results, serial)
    assert "bptt seed 0: a worker died while it ran; it is tried once more, alone" in said and len(said) <= 2  # and its neighbour


def test_a_cell_whose_worker_dies_twice_is_an_error_and_the_others_that_were_finished_stay(tmp_path, serial):
    (tmp_path / "flag").mkdir()
    kept = file(tmp_path)
    with pytest.raises(ChildProcessError) as caught:
        sweep.run(partial(dies, tmp_path / "flag", 9), CELLS, kept, sweep.processes(1))
    assert (caught.value.filename, caught.value.strerror) == ("bptt seed 0", "its worker died twice")
    assert len(list((tmp_path / "flag").iterdir())) == 2
    assert [file(tmp_path).get(cell) is not None for cell in CELLS] == [True, True, False, False]
    assert same(sweep.run(work, CELLS[2:], file(tmp_path), sweep.HERE), {cell: serial[cell] for cell in CELLS[2:]})


def test_what_a_cell_raises_stops_the_others_and_keeps_what_was_finished(tmp_path, left):
    for number, pool in enumerate((sweep.HERE, sweep.processes(1))):
        place = tmp_path / str(number)
        place.mkdir()
        with pytest.raises(Diverged, match="^epoch 1, layer 0$"):
            sweep.run(partial(breaks, Diverged("epoch 1, layer 0")), CELLS, file(place), pool)
        assert [file(place).get(cell) is not None for cell in CELLS] == [True, True, False, False]
    assert not left()


class AtOnce(Executor):
    """Have all futures done when they are asked for, the way processes may."""

    def submit(self, work, *cell):
        future = Future()
        try:
            future.set_result(work(*cell))
        except Exception as bad:
            future.set_exception(bad)
        return future


@pytest.mark.parametrize("error", [Diverged("epoch 1"), BrokenExecutor()], ids=["raised", "died"])
def test_a_result_beside_a_failure_is_kept(error, tmp_path):
    kept, ran = file(tmp_path), []
    fails = partial(breaks, error)
    with pytest.raises((Diverged, ChildProcessError)):
        sweep.run(lambda *cell: ran.append(cell) or fails(*cell), CELLS, kept, sweep.Pool(AtOnce))
    assert [kept.get(cell) is not None for cell in CELLS] == [True, True, False, True]
    assert len(ran) == (4 if isinstance(error, Diverged) else 5)  # the dead one twice


@pytest.mark.parametrize("pool", [sweep.HERE, sweep.processes(2)], ids=["here", "processes"])
def test_an_interrupt_keeps_what_was_finished_and_leaves_no_process(pool, tmp_path, serial, left):
    def interrupt(cell, result):
        if len(kept.lines) == 2:
            raise KeyboardInterrupt

    kept = file(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(work, CELLS, kept, pool, interrupt)
    assert not left()
    ran, again = [], file(tmp_path)
    assert len(again.lines) == 2
    results = sweep.run(work, CELLS, again, sweep.HERE, lambda cell, result: ran.append(cell))
    assert len(ran) == 2 and list(results) == CELLS
    assert all(text(results[cell]) == serial[cell] for cell in ran)


def slowly(place, settings, seed):
    """Return from the first cell once the second has begun, and from that some seconds later."""
    if (settings, seed) == CELLS[0]:
        while not (place / "begun").exists():
            time.sleep(0.01)
    else:
        (place / "begun").touch()
        time.sleep(3)
        (place / "ended").touch()


def test_an_interrupt_does_not_wait_for_cells_that_still_run(tmp_path, left):
    def interrupt(cell, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.run(partial(slowly, tmp_path), CELLS[:2], pool=sweep.processes(2), done=interrupt)
    assert (tmp_path / "begun").exists() and not (tmp_path / "ended").exists() and not left()


def stays(place, settings, seed):
    (place / str(os.getpid())).touch()
    time.sleep(60)


def gone(pid):
    """Return whether a process ends within some seconds."""
    for _ in range(200):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_a_worker_ends_with_the_process_that_started_it(tmp_path):
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_sweep as t
if __name__ == "__main__":
    t.sweep.run(t.partial(t.stays, t.Path(sys.argv[1])), t.CELLS[:1], pool=t.sweep.processes(1))
"""
    program = tmp_path / "program.py"
    program.write_text(code)
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen([sys.executable, str(program), str(tmp_path / "pids")], stderr=subprocess.DEVNULL)
    while not (pids := list((tmp_path / "pids").iterdir())):
        assert parent.poll() is None
        time.sleep(0.05)
    worker = int(pids[0].name)
    os.kill(worker, signal.SIGINT)  # as a terminal sends it: left to the parent
    time.sleep(0.2)
    assert Path(f"/proc/{worker}").exists()
    parent.kill()
    parent.wait()
    assert gone(worker)


# -------------------------------------------------------------------------------------------- the file of finished cells


def test_a_result_comes_back_from_the_file_bit_for_bit_but_for_its_parameters(tmp_path):
    kept = file(tmp_path)
    cells = [*CELLS, (replace(SETTINGS, rule="counts"), 0)]  # whose result has other settings than its cell
    results = sweep.run(work, cells, kept, sweep.HERE)
    none = (sets()[0], None, sets()[2])
    results[SETTINGS, 9] = classify.run(SETTINGS, 9, none)  # validation NaN
    kept.add((SETTINGS, 9), results[SETTINGS, 9])
    assert np.isnan(results[SETTINGS, 9].validation)
    again = file(tmp_path)
    for cell, result in results.items():
        assert repr(again.get(cell)) == repr(result._replace(params={}))
        assert again.get(cell).settings == result.settings and hash(again.get(cell).settings) == hash(result.settings)


def test_a_result_of_flow_comes_back_too(tmp_path):
    rng = np.random.default_rng(0)
    parts = tuple(((rng.random((T, n, 2, 8, 8)) < 0.3).astype(np.float32), rng.normal(size=(n, 2, 8, 8)).astype(np.float32)) for n in (8, 4, 6))
    kept = file(tmp_path)
    for rule in ("stllr", "zero"):
        settings = replace(flow.SETTINGS, rule=rule, channels=(4, 3), last=3, epochs=2, batch=3)
        result = flow.trial(settings, 0, parts)
        kept.add((settings, 0), result)
        assert repr(file(tmp_path).get((settings, 0))) == repr(result._replace(params={}))


def test_each_line_is_one_json_object_without_nan(tmp_path):
    kept = file(tmp_path)
    kept.add(CELLS[0], classify.run(*CELLS[0], (sets()[0], None, sets()[2])))
    head, line = (tmp_path / "trials.jsonl").read_text().splitlines()
    refuse = partial(json.loads, parse_constant=lambda name: pytest.fail(name))
    assert refuse(head) == {"version": 1, "task": "digits"} and refuse(line)["result"]["validation"] is None


def test_what_is_finished_is_not_run_again(tmp_path, serial):
    sweep.run(work, CELLS[:3], file(tmp_path), sweep.HERE)
    ran = []
    results = sweep.run(lambda *cell: ran.append(cell[:2]) or work(*cell), CELLS, file(tmp_path), sweep.HERE)
    assert ran == CELLS[3:] and list(results) == CELLS
    assert [results[cell].test for cell in CELLS] == [work(*cell).test for cell in CELLS]


def test_a_cell_is_on_disk_when_it_is_added(tmp_path, monkeypatch):
    flushed, fsync = [], os.fsync
    kept, result = file(tmp_path), work(*CELLS[0])
    monkeypatch.setattr(os, "fsync", lambda number: (flushed.append((tmp_path / "trials.jsonl").read_bytes()), fsync(number)))
    kept.add(CELLS[0], result)
    assert flushed == [(tmp_path / "trials.jsonl").read_bytes()] and flushed[0].count(b"\n") == 2


@pytest.mark.parametrize("left", [1, 100, -1], ids=["a byte", "100 bytes", "all but the end of the line"])
def test_a_half_written_last_line_is_dropped_with_a_note_and_its_cell_run_again(left, tmp_path):
    sweep.run(work, CELLS[:2], file(tmp_path), sweep.HERE)
    path = tmp_path / "trials.jsonl"
    data = path.read_bytes()
    *_, last = data.splitlines(keepends=True)
    path.write_bytes(data[: -len(last)] + last[:left])
    said, ran = [], []
    kept = file(tmp_path, say=said.append)
    assert said == [f"{path}: its last line was half written and is dropped; that trial is run again"]
    sweep.run(work, CELLS[:2], kept, sweep.HERE, lambda cell, result: ran.append(cell))
    assert ran == CELLS[1:2]
    before, after = (b"".join(re.sub(rb'"(seconds|peak)": [^,}]*', b"", line) for line in text.splitlines(True)) for text in (data, path.read_bytes()))
    assert before == after


@pytest.mark.parametrize("number, line", [(2, b"{}"), (2, b"[1]"), (2, b"\0\0\0"), (3, b'{"cell": 1'), (1, b"no JSON"), (2, b"")])
def test_a_damaged_line_is_refused_with_its_number(number, line, tmp_path):
    sweep.run(work, CELLS[:2], file(tmp_path), sweep.HERE)
    path = tmp_path / "trials.jsonl"
    lines = path.read_bytes().splitlines()
    lines[number - 1] = line
    damaged = b"\n".join(lines) + b"\n"
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=f"^{path}: got a damaged line {number}, expected a JSON object for each finished trial$"):
        file(tmp_path)
    assert path.read_bytes() == damaged


def test_the_file_of_another_grid_or_version_is_refused(tmp_path, monkeypatch):
    file(tmp_path)
    with pytest.raises(ValueError, match=f"^{tmp_path}/trials.jsonl: task: got 'digits' in the file, expected 'speech'$"):
        file(tmp_path, {"task": "speech"})
    monkeypatch.setattr(sweep, "VERSION", 2)
    with pytest.raises(ValueError, match=f"^{tmp_path}/trials.jsonl: version: got 1 in the file, expected 2$"):
        file(tmp_path)


# ---------------------------------------------------------------------------------------------------------------- Dask


@pytest.fixture(scope="module")
def scheduler():
    """Return the address of a cluster of two worker processes."""
    distributed = pytest.importorskip("distributed", reason='needs Dask: pip install "dask[distributed]"')
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # the workers import this module
    try:
        with distributed.LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None) as cluster:
            yield cluster.scheduler_address
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def pid(place, settings, seed):
    time.sleep(0.3)
    return os.getpid()


def test_dask_gives_the_numbers_of_one_process(scheduler, serial, tmp_path):
    kept = file(tmp_path)
    assert same(sweep.run(work, CELLS, kept, sweep.cluster(scheduler)), serial)
    assert len(kept.lines) == len(CELLS) == len(file(tmp_path).lines)


def test_dask_uses_both_workers_and_runs_equal_cells_afresh(scheduler):
    pids = sweep.run(partial(pid, 0), CELLS, pool=sweep.cluster(scheduler))
    assert len({*pids.values()}) == 2 and os.getpid() not in pids.values()


def test_dask_has_the_blas_threads_that_were_asked_for(scheduler):
    assert sweep.run(blas_threads, CELLS[:1], pool=sweep.cluster(scheduler), threads=2) == {CELLS[0]: {2}}


def test_a_dask_worker_that_dies_loses_nothing(scheduler, serial, tmp_path):
    (tmp_path / "flag").mkdir()
    assert same(sweep.run(partial(dies, tmp_path / "flag", 1), CELLS, pool=sweep.cluster(scheduler)), serial)
    assert len(list((tmp_path / "flag").iterdir())) == 1


def test_what_a_cell_raises_on_dask_is_raised_here(scheduler, tmp_path):
    with pytest.raises(Diverged, match="^epoch 1, layer 0$"):
        sweep.run(partial(breaks, Diverged("epoch 1, layer 0")), CELLS, file(tmp_path), sweep.cluster(scheduler))


def test_without_dask_one_line_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.main(["run", "digits", "--scheduler", "tcp://127.0.0.1:1", "--out", str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and err.startswith("stllr_ref: --scheduler: ") and 'pip install "dask[distributed]"' in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["nonsense://here", "tcp://127.0.0.1:1"])
def test_a_scheduler_that_is_not_there_is_one_line_and_leaves_nothing(address, monkeypatch, capsys, tmp_path, little):
    pytest.importorskip("distributed", reason='needs Dask: pip install "dask[distributed]"')
    monkeypatch.setattr(sweep, "PATIENCE", 0.5)
    assert cli.main(["run", "digits", "--scheduler", address, "--out", str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and err.startswith(f"stllr_ref: --scheduler: got {address} (") and err.endswith("expected the address of a scheduler\n")
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------------------------- run --resume


@pytest.fixture
def little(monkeypatch):
    """Make digits a task of milliseconds."""
    monkeypatch.setitem(command.TASKS, "digits", TASKS["digits"]._replace(settings=SETTINGS, sets=sets))
    return monkeypatch


RUN = ["run", "digits", "--rules", "stllr,counts", "--alpha-post=-1,0.3", "--seeds", "2"]


def without_seconds(value):
    if isinstance(value, dict):
        return {name: without_seconds(v) for name, v in value.items() if name not in ("seconds", "peak_bytes")}
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


def contents(place):
    """Return the files of a finished run, as far as they may not differ."""
    assert sorted(path.name for path in place.iterdir()) == ["curves.svg", "last.npz", "log.csv", "result.json", "trials.jsonl"]
    return without_seconds(json.loads((place / "result.json").read_text())), *((place / name).read_bytes() for name in ("curves.svg", "last.npz", "log.csv"))


UNINTERRUPTED = []


@pytest.fixture
def whole(little, tmp_path_factory):
    """Return the contents of an uninterrupted run of RUN, which is run once."""
    if not UNINTERRUPTED:
        place = tmp_path_factory.mktemp("whole")
        assert cli.main([*RUN, "--out", str(place)]) == 0
        UNINTERRUPTED.append(contents(place))
    return UNINTERRUPTED[0]


def interrupted_after(monkeypatch, writes, error=KeyboardInterrupt):
    """Let a checkpoint be the last thing that happens."""
    real, count = Checkpoint.write, []

    def write(self, *args):
        real(self, *args)
        count.append(self)
        if len(count) == writes:
            raise error

    monkeypatch.setattr(Checkpoint, "write", write)


@pytest.mark.parametrize("writes", [1, 3, 4, 11, 18])
def test_an_interrupted_run_goes_on_to_the_same_files(writes, whole, little, tmp_path, capsys):
    place = tmp_path / "with space"
    with little.context() as patch:
        interrupted_after(patch, writes)
        assert cli.main([*RUN, "--out", str(place)]) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"stllr_ref: interrupted; what was finished is in {place}; to go on: ")
    finished = (writes - 1) // 3
    assert len((place / "trials.jsonl").read_text().splitlines()) == 1 + finished
    assert [path.name for path in place.glob("checkpoint*")] == [f"checkpoint-{finished // 2}-{finished % 2}.npz"]
    python, minus_m, name, *words = shlex.split(said.split("to go on: ")[1])
    assert (python, minus_m, name) == (sys.executable, "-m", "stllr_ref")
    assert cli.main(words) == 0
    assert contents(place) == whole


def test_a_finished_run_may_be_resumed_and_trains_nothing(little, tmp_path, capsys):
    assert cli.main([*RUN, "--out", str(tmp_path)]) == 0
    before, (out, _) = {path.name: path.read_bytes() for path in tmp_path.iterdir()}, capsys.readouterr()
    little.setitem(command.TASKS, "digits", command.TASKS["digits"]._replace(trial=None))
    (tmp_path / "curves.svg").unlink()  # killed before it was written
    assert cli.main([*RUN, "--out", str(tmp_path), "--resume"]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before and capsys.readouterr().out == out


def test_trials_whose_parameters_are_lost_are_run_again_with_a_note(little, tmp_path, capsys):
    assert cli.main([*RUN, "--out", str(tmp_path)]) == 0
    before = contents(tmp_path)
    (tmp_path / "last.npz").write_bytes((tmp_path / "last.npz").read_bytes()[:-99])
    capsys.readouterr()
    assert cli.main([*RUN, "--out", str(tmp_path), "--resume"]) == 0
    assert capsys.readouterr().err.count("its parameters are not in last.npz; it is run again") == 6
    assert contents(tmp_path) == before


@pytest.mark.parametrize("change, message", [
    (["--epochs", "4"], "epochs: got 3 in the file, expected 4"), (["--seeds", "3"], "seeds: got 2 in the file, expected 3"),
    (["--rules", "stllr,frozen"], "rules: got 'counts' in the file, expected 'frozen'"),
    (["--rules", "stllr"], "rules: got ['stllr', 'stllr', 'counts'] in the file, expected ['stllr', 'stllr']"),
    (["--alpha-post=-1,0.4"], "alpha_post: got 0.3 in the file, expected 0.4"), (["--threads", "2"], "threads: got 1 in the file, expected 2"),
    (["--psi", "arctan"], "psi: got 'triangle' in the file, expected 'arctan'"), (["--last", "3"], "last: got 4 in the file, expected 3"),
    (["--signal", "dfa"], "signal: got 'bp' in the file, expected 'dfa'"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")  # fmt: skip
def test_to_resume_with_other_settings_is_refused_and_leaves_the_folder_as_it_is(change, message, little, tmp_path, capsys):
    with little.context() as patch:
        interrupted_after(patch, 4)
        assert cli.main([*RUN, "--out", str(tmp_path)]) == 130
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert cli.main([*RUN, *change, "--out", str(tmp_path), "--resume"]) == 2
    assert capsys.readouterr().err == f"stllr_ref: {tmp_path}/trials.jsonl: {message}\n"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_to_resume_under_another_numpy_is_refused(little, tmp_path, capsys):
    assert cli.main([*RUN, "--out", str(tmp_path)]) == 0
    little.setattr(np, "__version__", "1.0")
    assert cli.main([*RUN, "--out", str(tmp_path), "--resume"]) == 2
    assert capsys.readouterr().err.endswith("in the file, expected '1.0'\n")


def test_a_damaged_checkpoint_is_refused_and_stays(little, tmp_path, capsys):
    with little.context() as patch:
        interrupted_after(patch, 4)
        assert cli.main([*RUN, "--out", str(tmp_path)]) == 130
    path = tmp_path / "checkpoint-0-1.npz"
    path.write_bytes(path.read_bytes()[:-200])
    capsys.readouterr()
    assert cli.main([*RUN, "--out", str(tmp_path), "--resume"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and err.startswith(f"stllr_ref: {path}: got an npz that is cut short") and path.exists()


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_a_run_cannot_be_resumed(made, little, tmp_path, capsys):
    place = tmp_path if made else tmp_path / "new"
    assert cli.main([*RUN, "--out", str(place), "--resume"]) == 2
    assert capsys.readouterr().err == f"stllr_ref: --resume: got {place}, which holds no run, expected the folder of one\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, message", [
    (["--resume"], "--resume: got it without --out, expected both"),
    (["--jobs", "2", "--scheduler", "tcp://here:1"], "argument --scheduler: not allowed with argument --jobs"),
    (["--jobs", "0"], "argument --jobs: got '0', expected a whole number of at least 1"),
], ids=" ".join)  # fmt: skip
def test_what_does_not_go_together_is_refused(arguments, message, capsys, little):
    assert cli.main([*RUN, *arguments]) == 2
    assert capsys.readouterr().err == f"stllr_ref: {message}\n"


def test_an_unfinished_run_is_not_overwritten(little, tmp_path, capsys):
    with little.context() as patch:
        interrupted_after(patch, 1)
        assert cli.main([*RUN, "--out", str(tmp_path)]) == 130
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["checkpoint-0-0.npz", "trials.jsonl"]
    capsys.readouterr()
    assert cli.main([*RUN, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"stllr_ref: --out: got {tmp_path}, which holds an unfinished run, expected --resume, a new folder or an empty one\n"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_flow_goes_on_too(monkeypatch, tmp_path, capsys):
    rng = np.random.default_rng(0)
    parts = tuple(((rng.random((T, n, 2, 8, 8)) < 0.3).astype(np.float32), rng.normal(size=(n, 2, 8, 8)).astype(np.float32)) for n in (8, 4, 6))
    settings = replace(flow.SETTINGS, channels=(4, 3), last=3, epochs=2, batch=3)
    monkeypatch.setitem(command.TASKS, "flow", TASKS["flow"]._replace(settings=settings, sets=lambda: parts))
    arguments = ["run", "flow", "--rules", "zero,stllr,bptt", "--out"]
    assert cli.main([*arguments, str(tmp_path / "whole")]) == 0
    for writes in (1, 3):
        with monkeypatch.context() as patch:
            interrupted_after(patch, writes)
            assert cli.main([*arguments, str(tmp_path / str(writes))]) == 130
        assert cli.main([*arguments, str(tmp_path / str(writes)), "--resume"]) == 0
        assert contents(tmp_path / str(writes)) == contents(tmp_path / "whole")
    assert "run again" not in capsys.readouterr().err  # zero has no parameters to lose


def test_recordings_go_on_too_here_and_in_processes(tmp_path, monkeypatch):
    make.shd_set(tmp_path, np.random.default_rng(0))
    arguments = ["run", "speech", "--rules", "stllr,counts", "--epochs", "2", "--data", str(tmp_path), "--out"]
    assert cli.main([*arguments, str(tmp_path / "whole")]) == 0
    for writes, jobs in ((1, "1"), (3, "2")):
        with monkeypatch.context() as patch:
            interrupted_after(patch, writes)
            assert cli.main([*arguments, str(tmp_path / jobs)]) == 130
        assert cli.main([*arguments, str(tmp_path / jobs), "--resume", "--jobs", jobs]) == 0
        assert contents(tmp_path / jobs) == contents(tmp_path / "whole")
    assert cli.main([*arguments[:-3], "--out", str(tmp_path / "whole"), "--resume"]) == 2  # the embedded set is another


# ---------------------------------------------------------------------------------------------------- disks and folders


@pytest.fixture
def mounted(tmp_path):
    """Return a function that mounts a small tmpfs; skipped where one may not mount."""
    places = []

    def mount(options):
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        if not shutil.which("mount") or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True).returncode:
            pytest.skip("may not mount a tmpfs here (needs root)")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("options, why", [("ro", "Read-only file system"), ("size=16k", "No space left on device")])
def test_a_folder_that_takes_nothing_is_refused_before_anything_trains(options, why, mounted, little, capsys):
    place = mounted(options)
    little.setitem(command.TASKS, "digits", command.TASKS["digits"]._replace(trial=None))
    assert cli.main([*RUN, "--out", str(place)]) == 2
    assert capsys.readouterr().err == f"stllr_ref: --out: got {place} ({why}), expected a folder that can be written\n"


@pytest.mark.parametrize("room", [1, 4, 8, 12, 18])
def test_a_disk_that_fills_while_a_run_goes_on_is_one_line_and_loses_nothing(room, mounted, whole, little, tmp_path, capsys):
    place = mounted("size=256k")
    (place / "filler").write_bytes(bytes(4096 * 40))
    real = command.sweep.run

    def fill(*args):
        """Fill the disk up to some pages, once the run has begun."""
        (place / "filler").write_bytes(bytes(4096 * (64 - room - 2)))
        return real(*args)

    little.setattr(command.sweep, "run", fill)
    capsys.readouterr()
    code = cli.main([*RUN, "--out", str(place / "run"), "--json"])
    out, err = capsys.readouterr()
    assert (code, out) == (1, "") and re.fullmatch(f"stllr_ref: {place}/run/.*: No space left on device\n", err), err
    assert not list((place / "run").glob("part-*"))
    (place / "filler").unlink()
    little.setattr(command.sweep, "run", real)
    if begun := (place / "run").exists():  # or there was no room for a line
        shutil.copytree(place / "run", tmp_path / "run")
    assert cli.main([*RUN, "--out", str(tmp_path / "run"), *["--resume"] * begun]) == 0
    assert contents(tmp_path / "run") == whole


# ------------------------------------------------------------------------------------------------ killed, with processes

REAL = [sys.executable, "-m", "stllr_ref", "run", "digits", "--rules", "frozen,counts", "--epochs", "3", "--seeds", "2"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "whole"
    subprocess.run([*REAL, "--out", str(place)], check=True, capture_output=True)
    return contents(place)


@pytest.mark.slow
def test_two_jobs_write_the_files_of_one(uninterrupted, tmp_path):
    subprocess.run([*REAL, "--jobs", "2", "--out", str(tmp_path)], check=True, capture_output=True)
    assert contents(tmp_path) == uninterrupted


def reached(place):
    """Return what tells apart how far a run has come: its checkpoints and its finished trials."""
    with contextlib.suppress(FileNotFoundError):
        finished = (place / "trials.jsonl").read_bytes().splitlines()[1:]
        return finished, sorted((path.name, path.stat().st_mtime_ns) for path in place.glob("checkpoint*"))
    return [], []


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_again_and_again_ends_in_the_same_files(kind, jobs, uninterrupted, tmp_path):
    place, rng, stopped = tmp_path / "run", np.random.default_rng(int(jobs)), 0
    for _ in range(21):  # on a slow machine each start gets one epoch further; the last may end
        before = reached(place)
        resume = ["--resume"] * (place / "trials.jsonl").exists()
        process = subprocess.Popen([*REAL, "--jobs", jobs, "--out", str(place), *resume], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        while process.poll() is None and reached(place) == before:
            time.sleep(0.01)
        time.sleep(0.5 * rng.random())
        if process.poll() is None and stopped < 20:
            stopped += 1
            os.killpg(process.pid, kind) if kind == signal.SIGINT else process.kill()
        err = process.communicate()[1]
        if process.returncode == 0:
            break
        assert "Traceback" not in err, err
        if process.returncode != -kind:  # Python itself ends like that after our last line
            assert (process.returncode, err.splitlines()[-1][:22]) == (130, "stllr_ref: interrupted"), err
    assert stopped and process.returncode == 0  # how often hangs on how fast the machine is at the moment
    assert contents(place) == uninterrupted


@pytest.mark.slow
def test_a_dask_cluster_writes_the_files_of_one_process(uninterrupted, scheduler, tmp_path):
    subprocess.run([*REAL, "--scheduler", scheduler, "--out", str(tmp_path)], check=True, capture_output=True)
    assert contents(tmp_path) == uninterrupted

