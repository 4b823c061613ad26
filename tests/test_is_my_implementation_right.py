"""The page "Is my implementation right?" keeps its word: its blocks run, print what is shown, and its tables are those of the code."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pages
import plain_stllr
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import oracle
from stllr_ref.oracle import Verdict, contract, verdict
from stllr_ref.oracle.slips import CAUSES
from stllr_ref.surrogates import PSI

PATH = Path(__file__).parents[1] / "chapters" / "is_my_implementation_right.md"
PAGE = PATH.read_text(encoding="utf-8")
PAIR = re.compile(r"```(python|sh)\n(.*?)```(?:\n\n```\n(.*?)```)?", re.DOTALL)
BLOCKS = [(kind, code, shown) for kind, code, shown in PAIR.findall(PAGE)]
TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason='PyTorch is not installed: pip install "torch==2.13.0"')


def run(kind, code, names):
    """Run a block of Python, or the commands of a block of shell in this process; return what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if kind == "python":
            exec(compile(code, "page", "exec"), names)
        else:
            for line in code.splitlines():
                words = shlex.split(line)
                assert words[:3] == ["python", "-m", "stllr_ref"], line
                assert cli.main(words[3:]) in (0, 1)
    return out.getvalue()


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Run every block but PyTorch's in an empty folder; return what each printed, None for PyTorch's."""
    names, outputs, here, path = {"__name__": "page"}, [], os.getcwd(), list(sys.path)
    os.chdir(tmp_path_factory.mktemp("page"))
    Path("mine.py").write_text(BLOCKS[0][1])  # as the page asks the reader to
    try:
        for kind, code, _ in BLOCKS:
            outputs.append(None if "import torch" in code else run(kind, code, names))
    finally:
        os.chdir(here)
        sys.path[:] = path
    return outputs


def steady(text):
    """Return text without the size of rounding errors, which hang on the machine."""
    return re.sub(r"largest error \d\S*e-1\d", "largest error", text)


def test_every_block_prints_what_the_page_shows(printed):
    shown = [(code, block, out) for (_, code, block), out in zip(BLOCKS, printed) if out is not None]
    assert len(shown) == len(BLOCKS) - 1 == 7 and sum(bool(block) for _, block, _ in shown) == 6
    for code, block, out in shown:
        assert steady(out) == steady(block), code


@pytest.mark.torch
@TORCH
def test_the_pytorch_layer_is_accepted_and_prints_what_the_page_shows():
    names = {}
    run("python", BLOCKS[0][1], names)
    code, shown = next((code, shown) for _, code, shown in BLOCKS if "import torch" in code)
    assert run("python", code, names) == shown
    outcome = verdict(names["made"], {**names["layer"](names["made"]), "dW": 2 * names["layer"](names["made"])["dW"]})
    assert not outcome.accepted and outcome.checked == ("u", "dW", "dV")


def test_the_numpy_example_takes_about_ten_lines_and_the_pytorch_one_about_thirty():
    def lines(code, start):
        return [line for line in code[code.index(start):].splitlines() if line.strip() and not line.startswith("print")]

    assert len(lines(BLOCKS[0][1], "def mine")) <= 11
    assert len(lines(next(code for _, code, _ in BLOCKS if "import torch" in code), "class")) <= 36


def rows(heading):
    """Return the rows of the table that follows a heading, as lists of cells."""
    table = re.search(rf"\| {heading} \|.*?\n\| ---.*?\n(.*?)\n\n", PAGE, re.DOTALL).group(1)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def names_in(table):
    return [name for row in table for name in re.findall(r"`(\w+)`", row[0])]


def test_the_contract_s_tables_name_every_entry_of_a_case_and_of_an_answer():
    assert sorted(names_in(rows("in the case"))) == sorted(contract.KEYS)
    assert names_in(rows("in the answer")) == list(contract.QUANTITIES)


def test_the_table_of_slips_names_the_fourteen_and_the_first_wrong_array_of_each():
    table = rows("cause")
    assert len(table) == 14 and all(row[0] in CAUSES for row in table)
    case = oracle.case("recurrent")
    for cause, _, first in table:
        outcome = verdict(case, plain_stllr.answer(case, slip=cause))
        assert (outcome.cause, outcome.quantity) == (cause, first)


def test_the_table_of_further_causes_and_the_words_around_it_name_every_other_cause():
    further = rows("further cause")
    table = [row[0] for row in further]
    assert all(name in CAUSES for name in table) and not set(table) & {row[0] for row in rows("cause")}
    elsewhere = {"soft reset", "no reset", "bias with alpha and trace", "u after the reset", "tr_psi without now", "dV transposed", "filter flipped"}
    assert {row[0] for row in rows("cause")} | set(table) | elsewhere == set(CAUSES)
    assert all(words in PAGE for words in ("soft reset, no reset", "bias with alpha and trace", "u after the reset", "tr_psi without the present step", "filters turned"))


def test_the_words_that_the_page_quotes_are_those_of_a_verdict():
    case = oracle.case()
    flat = " ".join(PAGE.split())
    assert f'"{verdict(case, {"dW": None}).cause}"' in flat
    short = oracle.case(dtype="float32")
    assert "tolerance 5e-4: single precision" in flat and "tolerance 5e-4: single precision" in str(verdict(short, plain_stllr.answer(short)))
    slipped = {name: value.astype(float) for name, value in plain_stllr.answer(case, slip="undecayed reset", dtype=np.float32).items()}
    assert f'"{verdict(case, slipped).cause}"' in flat
    assert f'"{verdict(case, {"dW": np.round(oracle.expected(case)["dW"], 4)}).cause}"' in flat


@pytest.mark.parametrize("post_trace", ["code", "paper"])
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_the_step_of_the_page_is_that_of_the_right_answers(reset, post_trace):
    """Its lines, run as they are printed for one neuron of a case, give the answers that a verdict expects."""
    whole = oracle.case("recurrent", reset=reset, post_trace=post_trace)
    fires = oracle.expected(whole)["y"][:, 0].mean(0)
    i = slice(*(np.flatnonzero((fires > 0.1) & (fires < 0.9))[0] + [0, 1]))
    case = {**whole, "x": whole["x"][:, :1], "W": whole["W"][i], "V": whole["V"][i, i], "delta": whole["delta"][:, :1, i], "b": np.array([0.05])}
    right = {name: value[:, 0] if value.ndim == 3 else value for name, value in oracle.expected(case).items()}
    (box,) = [code for _, code in pages.blocks(PAGE) if "tr_x[t]" in code]
    lines = pages.statements(box, reset, post_trace)
    assert len(lines) == 7
    row = next(row for row in rows("in the answer") if row[0] == "`tr_psi`")[2]
    lines.insert(3, "tr_psi[t] = " + row.partition(":")[0].replace("lam_post tr", "lam_post*tr"))
    numbers = {name: case[name] for name in ("gamma", "theta", "lam_pre", "lam_post", "alpha_pre", "alpha_post")}
    arrays = dict(x=case["x"][:, 0], W=case["W"][0], V=case["V"][0, 0], b=case["b"][0], delta=case["delta"][:, 0, 0])
    inside = np.arange(len(case["x"])) >= len(case["x"]) - case["last"]
    found = pages.computed(lines, inside, Psi=PSI[case["psi"]], **numbers, **arrays)
    assert 0 < right["y"].sum() < len(right["y"]) and right["dW"].all()
    for name in ("u", "y", "psi", "tr_psi"):
        np.testing.assert_allclose(found[name][:-1], right[name][:, 0], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found["tr_x"][:-1], right["tr_x"], rtol=1e-12)
    np.testing.assert_allclose(found["dW"], right["dW"][0], rtol=1e-11)


def test_two_slips_at_once_get_likely_or_no_name():
    case = oracle.case()
    answer = plain_stllr.answer(case, slip="hard reset")
    both = {**answer, "db": answer["db"] * case["alpha_pre"]}
    assert verdict(case, both).cause.startswith("likely hard reset, and something else besides")
    assert verdict(case, {"dW": -plain_stllr.answer(case, slip="hard reset")["dW"]}).slips == ()


def test_the_fields_that_the_page_names_are_those_of_a_verdict():
    named = re.findall(r"`(\w+)`", re.search(r"The verdict has the same as fields: (.*?)\n\n", PAGE, re.DOTALL).group(1))
    assert set(named) == set(Verdict._fields)


def test_the_psi_and_tolerances_of_the_page_are_those_of_the_code():
    assert all(f"`{name}`" in PAGE for name in contract.PSIS)
    assert "1e-9 of max|expected|" in PAGE and "5e-4 where" in PAGE and contract.TOLERANCE == {"float64": 1e-9, "float32": 5e-4}


def test_the_promise_about_cases_holds():
    for seed in range(3):
        case = oracle.case("recurrent", seed=seed)
        assert len({*case["x"].shape, len(case["W"])}) == 4 and case["last"] < len(case["x"])
        assert not any(np.isclose(abs(case[name]), 1) for name in ("gamma", "theta", "lam_pre", "lam_post", "alpha_pre", "alpha_post"))
