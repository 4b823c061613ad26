"""What a verdict says in words: one line of anything, names that nobody asked for, the likely slip, numbers that were rounded."""

import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref import oracle
from stllr_ref.oracle import judgement, verdict
from stllr_ref.oracle.answers import one_line


@pytest.mark.parametrize("length, shown", [(199, 199), (200, 200), (201, 203), (5000, 203)])
def test_a_text_is_shown_up_to_200_characters(length, shown):
    line = one_line("a" * length)
    assert len(line) == shown and line.endswith("...") == (length > 200)


def test_lines_and_blanks_become_one_line():
    assert one_line("a\n  b\tc\n") == "a b c"


def test_what_cannot_be_printed_is_said_to_be_so():
    class Silent:
        def __str__(self):
            raise RuntimeError

    assert one_line(Silent()) == "(a Silent that cannot be printed)"


@pytest.mark.parametrize("extra, told", [(4, 4), (5, 5), (6, 5)])
def test_of_many_names_that_nobody_asked_for_five_are_told(extra, told):
    case = oracle.case()
    answer = {"dW": oracle.expected(case)["dW"], **{f"mine_{i}": 0 for i in range(extra)}}
    assert [note.split()[0] for note in verdict(case, answer).notes] == [f"mine_{i}" for i in range(told)]


def test_the_slips_that_leave_least_unexplained_are_the_likely_ones(monkeypatch):
    case = oracle.case("recurrent")
    right = oracle.expected(case)
    found = {name: 2 * right[name] for name in ("dW", "dV", "db")}
    slips = [("sign", {**right, "dW": found["dW"]}), ("batch mean", {**right, "dW": found["dW"], "dV": found["dV"]})]
    monkeypatch.setattr(judgement, "slipped", lambda case: slips)
    outcome = verdict(case, found)
    assert outcome.slips == ("batch mean",)
    assert outcome.cause == "likely batch mean, and something else besides (it does not explain db)"


@pytest.mark.parametrize("call, trace", [(1, "code"), (2, "paper"), (3, "code")])
def test_an_interrupt_names_the_case_that_the_function_was_asked(call, trace, monkeypatch, tmp_path, capsys):
    """The third time it is asked the first case again."""
    monkeypatch.chdir(tmp_path)
    stop = f"def answer(case, calls=[]):\n    calls.append(case)\n    if len(calls) == {call}: raise KeyboardInterrupt\n"
    (tmp_path / "mine.py").write_text("from stllr_ref import oracle\n" + stop + "    return {'u': oracle.expected(case)['u']}\n")
    assert cli.main(["check", "mine.py:answer", "--layer", "dense", "--reset", "soft", "--psi", "triangle"]) == 130
    said = f"the function was working on --layer dense --reset soft --psi triangle --post-trace {trace}"
    assert capsys.readouterr().err == f"stllr_ref: interrupted; {said}\n"


def test_of_accepted_arrays_the_one_nearest_to_its_tolerance_is_told():
    case = oracle.case()
    right = oracle.expected(case)
    outcome = verdict(case, {"u": right["u"], "dW": (right["dW"] * (1 + 4e-4)).astype(np.float32)})
    assert outcome.accepted and outcome.single == ("dW",) and outcome.tolerance == 5e-4 and 3e-4 < outcome.error < 5e-4


@pytest.mark.parametrize("kind, single", [(np.int32, ()), (np.uint8, ()), (bool, ()), (np.float32, ("y",)), (np.float64, ())])
def test_whole_numbers_of_few_bytes_are_not_single_precision(kind, single):
    case = oracle.case()
    outcome = verdict(case, {"y": oracle.expected(case)["y"].astype(kind)})
    assert outcome.accepted and outcome.single == single


@pytest.mark.parametrize("right, rounded", [(1.2336, True), (1.2344, True), (1.2354, False), (1.2332, False)])
def test_a_number_is_rounded_where_it_is_within_half_a_unit_of_its_last_digit(right, rounded):
    assert judgement._rounded(np.array([1.234, 2.0]), np.array([right, 2.0])) == rounded
