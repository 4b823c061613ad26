"""The commands `vectors` and `check`: files and functions, good and bad; one line and exit 2 for bad input, a verdict and exit 1 for a wrong answer."""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import plain_stllr
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import oracle
from stllr_ref.commands import check
from stllr_ref.oracle import verdict
from stllr_ref.oracle.contract import META

TESTS = Path(__file__).parent
QUICK = ["--layer", "dense", "--psi", "triangle", "--steps", "6", "--batch", "2"]
MINE = f"import sys\nsys.path.insert(0, {str(TESTS)!r})\nimport plain_stllr\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty folder, and forget its modules afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)) or name == "lab":
            del sys.modules[name]


def run(capsys, *arguments):
    """Run a command; return its exit code and what it printed on standard output and standard error."""
    code = cli.main([str(argument) for argument in arguments])
    return (code, *capsys.readouterr())


# --------------------------------------------------------------------------------------------------------- vectors


def test_vectors_writes_the_case_that_its_options_name(capsys):
    options = dict(layer="recurrent", reset="hard", psi="arctan", post_trace="paper", last=3, dtype="float32", steps=9, batch=4, seed=2)
    code, out, err = run(capsys, "vectors", "case.npz", *(part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)))
    assert (code, err) == (0, "")
    assert all(words in out for words in ("case.npz: recurrent, hard, arctan, paper, float32", "x [9 4 7]", "V [5 5]", "last 3", "expected_dV", "check --case case.npz"))
    assert len(out.splitlines()) == 6
    made, again = oracle.case(**options), oracle.load("case.npz")
    assert all(np.array_equal(made[name], again[name]) for name in made)


def test_vectors_needs_nothing_but_a_name(capsys, here):
    assert run(capsys, "vectors", "case.npz")[0] == 0
    assert [path.name for path in here.iterdir()] == ["case.npz"]
    assert np.array_equal(oracle.load("case.npz")["x"], oracle.case()["x"])


def test_vectors_writes_over_an_earlier_case(capsys):
    run(capsys, "vectors", "case.npz", "--layer", "conv")
    code, _, err = run(capsys, "vectors", "case.npz", "--seed", "3")
    assert (code, err) == (0, "") and np.array_equal(oracle.load("case.npz")["x"], oracle.case(seed=3)["x"])


@pytest.mark.parametrize("name, write, words", [
    ("mine.py", lambda path: path.write_text("def answer(case): ..."), "mine.py: got a name that does not end in .npz, expected one that does"),
    ("mine.npz", lambda path: path.write_text("def answer(case): ..."), "mine.npz: got a file that vectors did not write, expected a new name"),
    ("mine.npz", lambda path: path.write_bytes(b""), "mine.npz: got a file that vectors did not write"),
    ("mine.npz", lambda path: np.savez(path, dW=np.ones(3)), "mine.npz: got a file that vectors did not write"),
    ("mine.npz", lambda path: np.savez(path, **{name: value for name, value in oracle.case().items() if value is not None}), "mine.npz: got a file that vectors did not write"),
], ids=["python", "text", "empty", "result", "own case"])  # fmt: skip
def test_vectors_destroys_no_file_that_it_did_not_write(name, write, words, capsys, here):
    write(here / name)
    before = (here / name).read_bytes()
    code, out, err = run(capsys, "vectors", name)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1 and words in err
    assert (here / name).read_bytes() == before and [path.name for path in here.iterdir()] == [name]


def test_vectors_does_not_write_over_a_folder_or_a_dangling_link(capsys, here):
    (here / "folder.npz").mkdir()
    (here / "link.npz").symlink_to(here / "nowhere")
    for name in ("folder.npz", "link.npz"):
        code, _, err = run(capsys, "vectors", name)
        assert code == 2 and len(err.splitlines()) == 1 and name in err
    assert (here / "link.npz").is_symlink() and (here / "folder.npz").is_dir()


def test_another_language_reads_the_file_without_pickle_and_with_its_conventions(capsys):
    run(capsys, "vectors", "case.npz", "--layer", "conv")
    with np.load("case.npz", allow_pickle=False) as file:
        kinds = {name: file[name].dtype.kind for name in file.files}
        assert json.loads(str(file["meta"])) == META
    assert set(kinds.values()) == {"f", "i", "U"}


@pytest.mark.parametrize("arguments, words", [
    ([], ["FILE.npz"]),
    (["case.npz", "--layer", "lstm"], ["--layer", "lstm", "dense"]),
    (["case.npz", "--psi", "spike"], ["--psi", "spike", "triangle"]),
    (["case.npz", "--dtype", "float16"], ["--dtype", "float16"]),
    (["case.npz", "--steps", "1"], ["steps: got 1", "expected at least 2"]),
    (["case.npz", "--steps", "3"], ["steps, batch: got 3 for both"]),
    (["case.npz", "--steps", "many"], ["--steps", "many"]),
    (["case.npz", "--last", "13"], ["last: got 13", "12 steps"]),
    (["case.npz", "--seed=-1"], ["seed: got -1"]),
    (["case.npz", "--seed", "x"], ["--seed", "x"]),
    (["case.npz", "--step", "5"], ["--step"]),
    (["no/such/case.npz"], ["no/such/case.npz", "No such file", "expected a file that can be written"]),
    (["."], ["got a name that does not end in .npz"]),
    ([""], ["got a name that does not end in .npz"]),
    (["case"], ["case: got a name that does not end in .npz"]),
])  # fmt: skip
def test_vectors_refuses_bad_input_in_one_line(arguments, words, capsys, here):
    code, out, err = run(capsys, "vectors", *arguments)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1 and err.startswith("stllr_ref: ")
    assert all(word in err for word in words), err
    assert list(here.iterdir()) == []


# --------------------------------------------------------------------------------------------------- check, files


def answered(slip=None, layer="dense", **changes):
    """Write case.npz and result.npz, answered by plain loops."""
    case = oracle.case(layer)
    oracle.save("case.npz", case)
    np.savez("result.npz", **{**plain_stllr.answer(case, slip=slip), **changes})
    return case


FILES = ["--case", "case.npz", "--result", "result.npz"]


def test_a_right_file_is_accepted(capsys):
    answered(layer="recurrent")
    code, out, err = run(capsys, "check", *FILES)
    assert (code, err) == (0, "") and out.startswith("accepted: u, y, psi, tr_x, tr_psi, dW, dV, db (largest error ")


def test_a_wrong_file_is_rejected_by_the_verdict_in_full(capsys):
    case = answered("undecayed reset")
    code, out, err = run(capsys, "check", *FILES)
    assert (code, err) == (1, "")
    assert out == f"{verdict(case, plain_stllr.answer(case, slip='undecayed reset'))}\n" and "cause: undecayed reset" in out


def test_a_partial_file_is_judged_by_what_it_holds(capsys):
    case = answered()
    np.savez("result.npz", dW=oracle.expected(case)["dW"])
    code, out, _ = run(capsys, "check", *FILES)
    assert code == 0 and out.startswith("accepted: dW (") and "not returned, so not checked: u, y, psi, tr_x, tr_psi, db" in out


@pytest.mark.parametrize("changes, words", [(dict(u=np.zeros((3, 12, 5))), "time comes first"), (dict(u=np.full((12, 3, 5), np.nan)), "NaN or infinity"), (dict(u=np.array("high")), "u: got text")])
def test_a_bad_result_is_rejected_by_a_verdict(changes, words, capsys):
    answered(**changes)
    code, out, err = run(capsys, "check", *FILES)
    assert (code, err) == (1, "") and words in out


def test_an_empty_result_is_a_failure(capsys):
    answered()
    np.savez("result.npz")
    code, out, _ = run(capsys, "check", *FILES)
    assert code == 1 and out.startswith("rejected: the answer holds nothing, expected any of u, y")


def test_a_result_saved_without_a_name_is_told_how_to_name_it(capsys):
    case = answered()
    np.savez("result.npz", oracle.expected(case)["dW"])
    code, out, _ = run(capsys, "check", *FILES)
    assert code == 1 and out.startswith("rejected: the answer holds arr_0 alone, ") and "write savez(FILE, dW=...)" in out


def test_the_case_file_itself_is_no_answer(capsys):
    answered()
    code, out, _ = run(capsys, "check", "--case", "case.npz", "--result", "case.npz")
    assert code == 1 and "expected any of u, y" in out


@pytest.mark.parametrize("break_it, words", [
    (lambda: os.remove("case.npz"), ["case.npz: got no file"]),
    (lambda: os.remove("result.npz"), ["result.npz: got no file"]),
    (lambda: Path("result.npz").write_text("1,2,3"), ["result.npz: got something else than an npz file"]),
    (lambda: Path("case.npz").write_bytes(b""), ["case.npz: got something else than an npz file"]),
    (lambda: np.savez("result.npz", u=np.array([object()])), ["result.npz: u: got Python objects"]),
    (lambda: np.savez("case.npz", x=np.zeros((2, 3, 4))), ["case.npz: layer: got none"]),
    (lambda: os.replace("case.npz", "result.npz"), ["case.npz: got no file"]),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_bad_input(break_it, words, capsys):
    answered()
    break_it()
    code, out, err = run(capsys, "check", *FILES)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1 and all(word in err for word in words), err


# ------------------------------------------------------------------------------------------------ check, functions


def test_a_right_function_is_accepted_on_every_case(capsys):
    Path("mine.py").write_text(MINE + "from plain_stllr import answer\n")
    code, out, err = run(capsys, "check", "mine:answer", "--steps", "5", "--batch", "2")
    assert (code, err) == (0, "")
    assert out == "layer       accepted\ndense       24 of 24\nrecurrent   24 of 24\nconv        24 of 24\nall accepted: every quantity that was returned is right in every case\n"


def test_a_wrong_function_is_told_by_layer_with_the_first_verdict_and_the_causes_of_the_others(capsys):
    Path("mine.py").write_text(MINE + "def answer(case):\n    print('noise')\n    return plain_stllr.answer(case, slip='hard reset')\n")
    code, out, err = run(capsys, "check", "mine.py:answer", *QUICK)
    assert code == 1 and set(err.splitlines()) == {"noise"} and "noise" not in out
    assert "dense       2 of 6\n" in out
    options = "--layer dense --reset soft --psi triangle --post-trace code --steps 6 --batch 2"
    assert f"the first that fails: {options}\nrejected: u at step " in out and "  cause: hard reset\n" in out
    assert f"  to see this case: python -m stllr_ref vectors case.npz {options}\n" in out
    assert out.endswith("the others that fail:\n  3 x hard reset\n")


def test_the_command_that_is_shown_writes_the_case_that_failed(capsys):
    Path("mine.py").write_text("def answer(case):\n    return {'u': case['x'][..., :5] * 0 + case['gamma']}\n")
    _, out, _ = run(capsys, "check", "mine:answer", "--layer", "recurrent", "--seed", "7", "--last", "2", "--dtype", "float32")
    command = next(line for line in out.splitlines() if "to see this case" in line).split("stllr_ref ")[1].split()
    assert run(capsys, *command)[0] == 0
    first = oracle.case("recurrent", "soft", "fast_sigmoid", "code", seed=7, last=2, dtype="float32")
    again = oracle.load("case.npz")
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert f"found {np.float32(first['gamma']):.6g}" in out


def test_the_table_says_where_the_tolerance_was_the_loose_one(capsys):
    Path("mine.py").write_text(MINE + "from plain_stllr import answer\nimport numpy\ndef mixed(case):\n    return {**answer(case), 'u': answer(case)['u'].astype(numpy.float32)}\n")
    assert "tolerance" not in run(capsys, "check", "mine:answer", *QUICK)[1]
    assert run(capsys, "check", "mine:answer", "--dtype", "float32", *QUICK)[1].endswith("\ntolerance 5e-4: single precision\n")
    assert run(capsys, "check", "mine:mixed", *QUICK)[1].endswith("\ntolerance 1e-9, of u 5e-4: single precision\n")


@pytest.mark.parametrize("options, counts", [
    (["--layer", "conv", "--psi", "arctan"], "conv        6 of 6"),
    (["--layer", "dense", "--reset", "none", "--post-trace", "paper"], "dense       4 of 4"),
    (["--layer", "recurrent", "--reset", "hard", "--psi", "sigmoid", "--post-trace", "code"], "recurrent   1 of 1"),
])  # fmt: skip
def test_options_restrict_the_cases(options, counts, capsys):
    Path("mine.py").write_text(MINE + "from plain_stllr import answer\n")
    code, out, _ = run(capsys, "check", "mine:answer", "--steps", "4", "--batch", "2", *options)
    assert code == 0 and out.splitlines()[1] == counts and len(out.splitlines()) == 3


def test_what_was_never_returned_is_said(capsys):
    Path("mine.py").write_text(MINE + "def answer(case):\n    return {'dW': plain_stllr.answer(case)['dW']}\n")
    code, out, _ = run(capsys, "check", "mine:answer", *QUICK)
    assert code == 0 and out.endswith("never or not always returned, so not checked there: u, y, psi, tr_x, tr_psi, db\n")


@pytest.mark.parametrize("body, words", [
    ("return None", "the answer is nothing (None)"),
    ("return {}", "the answer holds nothing"),
    ("return {'dw': 1}", "did you mean dW?"),
    ("return case['x'] @ case['W']", "the function raised ValueError: matmul"),
    ("raise SystemExit(3)", "the function raised SystemExit: 3 (at mine.py:2: raise SystemExit(3))"),
    ("return {'u': case['x'].swapaxes(0, 1)[..., :5]}", "time comes first"),
])  # fmt: skip
def test_a_function_that_fails_gets_a_verdict_and_no_stack_trace(body, words, capsys):
    Path("mine.py").write_text(f"def answer(case):\n    {body}\n")
    code, out, err = run(capsys, "check", "mine:answer", *QUICK)
    assert (code, err) == (1, "") and words in out and "Traceback" not in out and "dense       0 of 6" in out


def test_a_module_in_a_package_and_a_file_elsewhere_with_a_neighbour_are_found(capsys):
    Path("lab").mkdir()
    Path("lab/rule.py").write_text(MINE + "from plain_stllr import answer\n")
    Path("lab/neighbour.py").write_text("from plain_stllr import answer as right\n")
    Path("lab/random.py").write_text(MINE + "from neighbour import right\n")  # called as a module that is in use
    assert run(capsys, "check", "lab.rule:answer", *QUICK)[0] == 0
    importlib.import_module("random")
    assert run(capsys, "check", "lab/random.py:right", *QUICK)[0] == 0
    assert hasattr(sys.modules["random"], "shuffle")


def test_where_few_cases_are_accepted_they_are_named(capsys):
    Path("mine.py").write_text(MINE + "def answer(case):\n    return plain_stllr.answer({**case, 'reset': 'soft', 'psi': 'triangle', 'post_trace': 'code'})\n")
    code, out, _ = run(capsys, "check", "mine:answer", "--layer", "dense", "--steps", "6", "--batch", "2")
    named = "  accepted: --layer dense --reset soft --psi triangle --post-trace code --steps 6 --batch 2"
    assert code == 1 and [line for line in out.splitlines() if line.startswith("  accepted: ")] == [named]
    _, out, _ = run(capsys, "check", "mine:answer", "--layer", "dense", "--steps", "6", "--batch", "2", "--reset", "hard")
    assert "  accepted: " not in out


def test_an_interrupt_names_the_case_that_the_function_was_working_on(capsys):
    Path("mine.py").write_text(MINE + "def answer(case):\n    if case['reset'] == 'hard': raise KeyboardInterrupt\n    return plain_stllr.answer(case)\n")
    code, _, err = run(capsys, "check", "mine:answer", "--layer", "dense", "--psi", "triangle", "--post-trace", "code")
    said = "the function was working on --layer dense --reset hard --psi triangle --post-trace code"
    assert (code, err) == (130, f"stllr_ref: interrupted; {said}\n")


@pytest.mark.parametrize("text, arguments, words", [
    (None, [], ["got nothing to judge, expected MODULE:FUNCTION, or --case FILE.npz with --result RESULT.npz"]),
    (None, ["--case", "case.npz"], ["got nothing to judge"]),
    (None, ["mine"], ["got mine, expected MODULE:FUNCTION"]),
    (None, ["mine:"], ["got mine:, expected MODULE:FUNCTION"]),
    (None, [":answer"], ["got :answer, expected MODULE:FUNCTION"]),
    (None, ["nowhere:answer"], ["nowhere: got no module of that name, expected one in "]),
    (None, ["no.where:answer"], ["no.where: got no module of that name"]),
    ("", ["./mine:boom"], ["./mine: got a path, expected a dotted module, or a file that ends in .py"]),
    (None, ["nowhere.py:answer"], ["nowhere.py: got no file, expected a Python file"]),
    ("", ["mine:answer"], ["mine: got no answer in it, expected a function of that name"]),
    ("def answers(case):\n    return {}\n", ["mine:answer"], ["did you mean answers?"]),
    ("answer = 3\n", ["mine:answer"], ["mine: got answer of type int, expected a function"]),
    ("import not_installed\n", ["mine:answer"], ["mine: importing it raised ModuleNotFoundError: No module named 'not_installed' (at mine.py:1: import not_installed); no not_installed in the Python that runs this: ", sys.executable]),
    ("import not_installed\n", ["mine.py:answer"], ["importing it raised ModuleNotFoundError: No module named 'not_installed' (at mine.py:1"]),
    ("\n\nanswer = 1 / 0\n", ["mine:answer"], ["importing it raised ZeroDivisionError", "(at mine.py:3: answer = 1 / 0)"]),
    ("def answer(case:\n", ["mine:answer"], ["importing it raised SyntaxError", "(at mine.py:1)"]),
    ("raise SystemExit\n", ["mine.py:answer"], ["importing it raised SystemExit (at mine.py:1: raise SystemExit)"]),
    ("def answer(case):\n    return {}\n", ["mine:answer", "--case", "case.npz"], ["got MODULE:FUNCTION and a file, expected one or the other"]),
    (None, ["--case", "case.npz", "--result", "result.npz", "--layer", "conv"], ["--layer: got it with --case"]),
    ("def answer(case):\n    return {}\n", ["mine:answer", "--steps", "1"], ["steps: got 1"]),
    ("def answer(case):\n    return {}\n", ["mine:answer", "--reset", "zero"], ["--reset", "zero"]),
])  # fmt: skip
def test_check_refuses_bad_input_in_one_line(text, arguments, words, capsys):
    if text is not None:
        Path("mine.py").write_text(text)
    code, out, err = run(capsys, "check", *arguments)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1 and err.startswith("stllr_ref: "), err
    assert all(word in err for word in words), err


def test_json_is_one_object_with_a_row_a_case(capsys):
    Path("mine.py").write_text(MINE + "def answer(case):\n    print('noise')\n    return plain_stllr.answer(case, slip='batch mean')\n")
    code, out, _ = run(capsys, "check", "mine:answer", "--json", *QUICK, "--reset", "hard")
    told = json.loads(out)
    assert code == 1 and (told["accepted"], told["cases"], len(told["rows"])) == (0, 2, 2)
    row = told["rows"][0]
    assert (row["layer"], row["reset"], row["post_trace"], row["steps"]) == ("dense", "hard", "code", 6)
    assert (row["accepted"], row["quantity"], row["cause"], row["slips"], row["step"]) == (False, "dW", "batch mean", ["batch mean"], None)


def test_json_of_a_file_holds_null_for_nan(capsys):
    answered(u=np.full((12, 3, 5), np.nan))
    code, out, _ = run(capsys, "check", *FILES, "--json")
    assert code == 1 and "NaN" not in out.replace("NaN or infinity", "")
    assert json.loads(out)["rows"][0]["found"] is None and json.loads(out)["rows"][0]["file"] == "case.npz"


def test_a_bar_is_drawn_on_a_terminal_alone(capsys, monkeypatch):
    Path("mine.py").write_text(MINE + "from plain_stllr import answer\n")
    assert run(capsys, "check", "mine:answer", *QUICK)[2] == ""
    monkeypatch.setattr(check.sys.stderr, "isatty", lambda: True)
    code, _, err = run(capsys, "check", "mine:answer", *QUICK)
    assert code == 0 and "case" in err
