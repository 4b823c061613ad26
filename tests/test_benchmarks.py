"""The benchmarks measure what they say: exponents, peaks, turns, equal gradients first, tables between their markers."""

import argparse
import functools
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import networks, race, report, scaling
from stllr_ref import cross_entropy, engine, synapses

ROOT = Path(__file__).parents[1]
SMALL = dict(inputs=40, hidden=30, outputs=3, rate=0.2)
TINY = dict(SMALL, batch=4, T=24)
SIZES = {"T": (40, 80, 160), "batch": (2, 4), "hidden": (20, 40)}  # 40 steps: two full chunks of the window at least


@pytest.fixture(scope="module")
def rows():
    return scaling.measure(SIZES, 3, **TINY)


def made(power):
    """Return rows of three kinds of size in which all grows with one power."""
    return [
        dict(kind=kind, size=size, algorithm=name, seconds=0.01 * i * size**power, peak_bytes=int(1e5 * i * size**power))
        for kind in scaling.SIZES for size in (10, 20, 40, 80) for i, name in enumerate(scaling.ALGORITHMS, 1)
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ scaling


@pytest.mark.parametrize("power", [0, 0.5, 1, 2.3])
@pytest.mark.parametrize("n", [3, 5, 6])
def test_the_exponent_of_a_power_law_is_that_power(power, n):
    sizes = [3 * 2**i for i in range(n)]
    assert scaling.exponent(sizes, [7e-4 * size**power for size in sizes]) == pytest.approx(power, abs=1e-9)


def test_the_exponent_is_that_of_the_upper_half_of_the_sizes():
    sizes = [1, 2, 4, 8, 16, 32]
    assert scaling.exponent(sizes, [50, 50, 50, 64, 256, 1024]) == pytest.approx(2)


def test_every_size_and_algorithm_has_a_row_of_positive_numbers(rows):
    assert [(row["kind"], row["size"], row["algorithm"]) for row in rows] == [
        (kind, size, name) for kind, sizes in SIZES.items() for size in sizes for name in ("S-TLLR", "BPTT")
    ]
    assert all(0 < row[what] < np.inf for row in rows for what in ("seconds", "peak_bytes"))


def test_the_peak_of_s_tllr_does_not_grow_with_the_steps_and_that_of_bptt_does(rows):
    _, local = scaling.curve(rows, "T", "S-TLLR", "peak_bytes")
    _, exact = scaling.curve(rows, "T", "BPTT", "peak_bytes")
    assert max(local) < 1.02 * min(local)
    potentials = 4 * (SMALL["hidden"] + SMALL["outputs"]) * TINY["batch"]  # bytes a step, float32
    assert (exact[2] - exact[1]) / 80 > potentials and exact[2] > 1.5 * exact[0]
    assert scaling.a_step(rows, "BPTT") == (80, 160, (exact[2] - exact[1]) / 80)


def test_a_peak_is_what_a_call_holds_at_once_without_what_it_returns():
    before = np.ones(300_000, np.uint8)

    def call():
        logits = np.ones(500_000, np.uint8)
        for _ in range(3):
            np.ones(200_000, np.uint8)
        return logits * before[0]

    assert scaling.peak(call) == pytest.approx(500_000, rel=0.02)  # logits twice, once of them returned


def test_what_a_first_call_leaves_for_good_is_not_in_the_peak():
    kept = []

    def call():
        if not kept:
            kept.append(np.ones(100_000))
        return np.ones(10)

    assert 0 <= scaling.peak(call) < 2000


def test_both_algorithms_get_the_same_batch_and_are_timed_by_the_processor_s_clock(monkeypatch):
    seen = []

    def interleaved(calls, repeats, clock):
        seen.append((list(calls), repeats, clock))
        return dict.fromkeys(calls, 0.25)

    monkeypatch.setattr(race, "interleaved", interleaved)
    found = scaling.measure({"batch": (2, 3)}, 3, **TINY)
    assert seen == [([(2, "S-TLLR"), (2, "BPTT"), (3, "S-TLLR"), (3, "BPTT")], 3, scaling.time.process_time)]
    assert {row["seconds"] for row in found} == {0.25}


def test_rows_come_back_from_their_file(rows, tmp_path):
    scaling.write(rows, tmp_path / "scaling.csv")
    assert (tmp_path / "scaling.csv").read_text().splitlines()[0] == "kind,size,algorithm,seconds,peak_bytes"
    assert scaling.read(tmp_path / "scaling.csv") == rows


def test_the_table_has_a_line_a_size_and_an_exponent_a_kind():
    lines = scaling.table(made(1.5)).splitlines()
    assert len(lines) == 1 + 3 * (4 + 1) + 2
    assert lines[1].split() == ["steps", "T", "10", "0.3162", "0.6325", "3.16", "6.32"]
    assert [line.split()[-4:] for line in lines if "power" in line] == [["1.50"] * 4] * 3
    assert lines[-1] == "BPTT: from 40 steps to 80, 2312798 bytes more for each"


def test_the_figure_writes_the_exponent_at_the_end_of_each_line_and_comes_out_the_same_twice(tmp_path):
    import matplotlib

    from stllr_ref import plots

    matplotlib.use("agg")
    figure = scaling.draw(made(1.25))
    ends = [(text.get_text(), text.xy[0]) for ax in figure.axes for text in ax.texts]
    assert ends == [(f"${symbol}^{{1.25}}$", 80) for symbol in "TTBBnn"] * 2
    for ax in figure.axes:
        assert len({line.get_marker() for line in ax.lines}) == len({line.get_linestyle() for line in ax.lines}) == 2  # readable in grey
    plots.save(figure, tmp_path / "a.svg")
    plots.save(scaling.draw(made(1.25)), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


# --------------------------------------------------------------------------------------------------------- race


def test_functions_are_called_in_turn_after_one_call_each_and_medians_are_taken():
    called, ticks = [], itertools.chain.from_iterable((10 * i, 10 * i + took) for i, took in enumerate([5, 1, 3, 2, 9, 8]))
    functions = {name: functools.partial(called.append, name) for name in "ab"}
    assert race.interleaved(functions, 3, lambda: next(ticks)) == {"a": 5, "b": 2}
    assert "".join(called) == "ab" + "ababab"


def test_differing_gradients_are_refused():
    reference = {"0.W": np.array([1.0, -2.0])}
    race.agree("peer", {"0.W": np.array([1.0, -2.0 + 1e-7])}, reference, 1e-6)
    with pytest.raises(ValueError, match="peer: got gradients 5.0e-06 apart, expected less than 1e-06"):
        race.agree("peer", {"0.W": np.array([1.0, -2.0 + 1e-5])}, reference, 1e-6)
    with pytest.raises(ValueError, match="names"):
        race.agree("peer", {}, reference, 1e-6)


def test_the_race_refuses_our_own_algorithm_if_it_differs(monkeypatch):
    small(monkeypatch)
    race.compare(None)
    monkeypatch.setattr(race.network, "run", lambda *args: (0, {name: 1.01 * grad for name, grad in engine.run(*args)[1].items()}))
    with pytest.raises(ValueError, match="step by step"):
        race.compare(None)


def small(monkeypatch):
    """Let the race take small networks."""
    recurrent, conv = networks.recurrent, networks.conv
    monkeypatch.setattr(networks, "recurrent", lambda batch, T=14, dtype=np.float32: recurrent(batch, T, dtype=dtype, **SMALL))
    monkeypatch.setattr(networks, "conv", lambda batch=2, dtype=np.float32: conv(batch, 12, channels=(2, 3, 4, 5), size=8, dtype=dtype))


def without(monkeypatch, package, module):
    """Let `import package` fail, and our module that needs it be loaded afresh."""
    import benchmarks

    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"benchmarks.{module}", raising=False)
    monkeypatch.delattr(benchmarks, module, raising=False)


def test_a_missing_torch_is_named_on_standard_error_and_left_out(monkeypatch, capsys):
    small(monkeypatch)
    without(monkeypatch, "torch", "peers")
    module = race.peers()
    out, err = capsys.readouterr()
    assert module is None and out == "" and "left out: all that needs torch" in err
    race.compare(module)
    run, other = race.contest(4, module)
    assert set(run) == {"stllr", "bptt", "step by step"} and set(other) == {"products"}
    assert race.images(module)[1] == {}
    names = [row["name"] for row in race.race([(4, 14, run, other)], 1, 1)]
    assert names == ["stllr/products", "step by step/stllr"]
    assert race.machine(module)["torch"] is None


def test_a_missing_tonic_is_named_on_standard_error_and_left_out(monkeypatch, capsys):
    without(monkeypatch, "tonic", "binning")
    without(monkeypatch, "tonic.transforms", "binning")
    assert race.binned() == []
    out, err = capsys.readouterr()
    assert out == "" and "left out: binning, which needs tonic" in err


@pytest.mark.torch
def test_a_missing_snntorch_is_named_on_standard_error_and_left_out(monkeypatch, capsys):
    pytest.importorskip("torch", reason='needs PyTorch: pip install -e ".[bench]"')
    small(monkeypatch)
    monkeypatch.setitem(sys.modules, "snntorch", None)
    module = race.peers()
    race.compare(module)
    other = race.contest(4, module)[1]
    assert "published-bptt" in other and "snntorch-bptt" not in other
    assert "left out: snntorch-bptt, which needs snntorch" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.parametrize("name", ["torch_chunked", "published_bptt", "torch_conv"])
def test_a_peer_that_differs_is_refused_before_anything_is_timed(monkeypatch, name):
    pytest.importorskip("torch", reason='needs PyTorch: pip install -e ".[bench]"')
    small(monkeypatch)
    module = race.peers()
    peer = getattr(module, name)

    def wrong(*args, **kwargs):
        step = peer(*args, **kwargs)
        return lambda: {name: grad * (1 + 1e-6) for name, grad in step().items()}

    monkeypatch.setattr(module, name, wrong)
    with pytest.raises(ValueError, match=f"{name.replace('_', '-')}: got gradients 1.0e-06 apart"):
        race.compare(module)


@pytest.mark.parametrize("variable", ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"])
@pytest.mark.parametrize("script", [race, scaling])
def test_another_kernel_than_the_machine_s_own_is_refused(script, variable, monkeypatch, capsys):
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.delenv(name, raising=False)
    race.own_kernel(argparse.ArgumentParser())
    monkeypatch.setenv(variable, "Other")
    monkeypatch.setattr(race, "peers", lambda: pytest.fail("it started"))
    monkeypatch.setattr(scaling, "measure", lambda **_: pytest.fail("it started"))
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    assert stopped.value.code == 2 and f"{variable}: got 'Other', expected it unset" in capsys.readouterr().err


@pytest.mark.parametrize("first", [0, 10])
def test_the_products_are_those_of_the_engine(first, monkeypatch):
    """Of one run of the engine, every product [m, k] times [k, n] of a synapse; in `products` every one that is planned."""
    case = networks.recurrent(3, 37, **SMALL)
    case[3][:] = np.arange(37)[:, None] >= first
    done, forward, backward, outer = [], synapses.Dense.forward, synapses.Dense.backward, synapses.Dense.outer

    def size(a):
        return a.size // a.shape[-1]

    monkeypatch.setattr(synapses.Dense, "forward", lambda s, x: [done.append((size(x), x.shape[-1], len(s.weight.value))), forward(s, x)][1])
    monkeypatch.setattr(synapses.Dense, "backward", lambda s, g, shape=None: [done.append((size(g), *s.weight.value.shape)), backward(s, g, shape)][1])
    monkeypatch.setattr(synapses.Dense, "outer", lambda s, a, b: [done.append((a.shape[-1], size(a), b.shape[-1])), outer(s, a, b)][1])
    engine.run(*case[:3], cross_entropy, case[3])
    multiply = race.products(*case)
    (plan,) = [cell.cell_contents for cell in multiply.__closure__]
    assert len(plan) > 50
    assert sorted((len(a), *b.shape) for a, b in plan) == sorted(done)
    assert all(a.dtype == b.dtype == np.float32 for a, b in plan)


# ------------------------------------------------------------------------------------------------- report, make

MEASURED = {
    "ratios": [
        dict(name="stllr/products", B=128, T=100, threads=1, ratio=1.5, ours_s=0.3, theirs_s=0.2, repeats=7),
        dict(name="stllr/products", B=128, T=100, threads=2, ratio=2.0, ours_s=0.2, theirs_s=0.1, repeats=7),
        dict(name="binning/tonic-width", B=None, T=21, threads=1, ratio=0.25, ours_s=0.5, theirs_s=2.0, repeats=5),
    ],
    "machine": dict(processor="a processor", cores=2, blas=["openblas 0.3 Zen"], python="3.12", numpy="2.4", torch=None, chunk=8),
}


def split(page):
    """Return the lines outside the markers, and what stands between each pair."""
    outside, inside, name = [], {}, None
    for line in page.splitlines():
        if line in ("<!-- /race -->", "<!-- /scaling -->"):
            name = None
        (outside if name is None else inside[name]).append(line)
        if line in ("<!-- race -->", "<!-- scaling -->"):
            name = line.split()[1]
            inside[name] = []
    return outside, {name: "\n".join(lines).strip() for name, lines in inside.items()}


def test_the_report_rewrites_what_is_between_the_markers_and_nothing_else(tmp_path):
    page = tmp_path / "README.md"
    before = (ROOT / "benchmarks" / "README.md").read_text()
    page.write_text(before)
    (tmp_path / "race.json").write_text(json.dumps(MEASURED))
    scaling.write(made(1), tmp_path / "scaling.csv")
    report.main(["--race", str(tmp_path / "race.json"), "--readme", str(page)])
    first = split(page.read_text())
    assert first[0] == split(before)[0] and first[1]["scaling"] == split(before)[1]["scaling"]
    assert "| stllr/products | 128 | 100 | 0.3000 | 0.2000 | 1.50 | 0.2000 | 0.1000 | 2.00 |" in first[1]["race"]
    assert "| binning/tonic-width |  | 21 | 0.5000 | 2.0000 | 0.25 |  |  |  |" in first[1]["race"]
    assert first[1]["race"].startswith("a processor, 2 cores; Python 3.12, NumPy 2.4; BLAS: openblas 0.3 Zen. Medians of 5 or 7.")
    for _ in range(2):  # a second time changes nothing
        report.main(["--scaling", str(tmp_path / "scaling.csv"), "--readme", str(page)])
        second = split(page.read_text())
        assert second[0] == first[0] and second[1]["race"] == first[1]["race"]
        assert second[1]["scaling"].splitlines()[2] == "| steps T = 10 | 0.1000 | 0.2000 | 1.00 | 2.00 |"
        assert second[1]["scaling"].count("| 1.00 | 1.00 | 1.00 | 1.00 |") == 3
        assert "each step adds to the peak: 100000 bytes to that of S-TLLR and 200000 bytes to that of BPTT." in second[1]["scaling"]


@pytest.mark.parametrize("page", ["", "<!-- race -->\n", "<!-- race -->\n<!-- /race -->\n<!-- race -->\n<!-- /race -->\n"])
def test_a_page_without_its_one_pair_of_markers_is_refused(page):
    with pytest.raises(ValueError, match="page: got [02] places between <!-- race -->"):
        report.between(page, "race", "table")


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_bench_installs_nothing_when_an_interpreter_is_given(tmp_path):
    def planned(*words):
        command = ["make", "-n", "-C", str(ROOT), "bench", f"VENV={tmp_path}/venv", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    given = planned("PYTHON=some-python", "JSON=out.json")
    assert "env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_NUM_THREADS=2" in given
    assert 'some-python benchmarks/race.py --json "out.json"' in given and "install" not in given
    own = planned()
    assert '-e ".[bench]"' in own and f"{tmp_path}/venv/bin/python benchmarks/race.py" in own and "--json" not in own
