"""Every exercise accepts its solution, rejects its stub, and names the mistakes that people really make."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from stllr_ref import exercises
from stllr_ref.exercises import checking
from stllr_ref.traces import trace

ROOT = Path(__file__).parents[1]
ALL = {
    number: exercise
    for path in sorted((ROOT / "stllr_ref" / "exercises").glob("ch[0-9]*.py"))
    for number, exercise in checking.exercises(int(path.stem[2:])).items()
}
each = pytest.mark.parametrize("number", ALL)


def chapter(number):
    """Return the path of the notebook of an exercise, and its cells."""
    (path,) = (ROOT / "chapters").glob(f"{int(number.split('.')[0]):02}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def solution(number):
    """Return the function of the solutions' file that answers an exercise."""
    return runpy.run_path(ROOT / "chapters" / "solutions" / f"ch{int(number.split('.')[0]):02}.py")[ALL[number].name]


@each
def test_the_solution_is_right(number):
    assert exercises.verdict(number, solution(number)) == "right"


@each
def test_the_stub_is_not_attempted_yet_and_a_missing_return_is_said(number):
    def stub(*arguments):
        raise NotImplementedError

    assert exercises.verdict(number, stub) == "not attempted yet"
    assert exercises.verdict(number, lambda *arguments: None) == "got None: is there a return?"


@each
def test_at_least_three_planted_slips_are_each_named(number):
    slips = ALL[number].slips
    assert len(slips) >= 3
    for words, wrong in slips.items():
        assert exercises.verdict(number, wrong) == words
        assert words.startswith("you ") and "\n" not in words


def lines(text):
    """Return the function that a learner would have written: the last one that a text defines."""
    names = {"np": np, "trace": trace}
    exec(text, names)
    return list(names.values())[-1]


STEP = "def step(kept, current, gamma, theta):\n u = {}\n y = (u > theta) * 1.0\n return u, y, {}"
FIRST = "def first(I, gamma, theta):\n u = t = 0\n while t < 100:\n  u = gamma * u + I\n  if u {} theta: return t\n  t += 1\n return np.inf"
CAUSAL = (
    "def causal(x, psi, delta, inside, lam):\n tr = dW = 0\n for t in range(len(x)):\n  tr = lam * tr + x[t]\n"
    "  dW = dW {} np.einsum('bi,bj->ij', {} * delta[t] * psi[t], tr)\n return dW"
)
BELOW = (
    "def below(x, psi, err, W_out, gamma, kappa):\n tr = e = dW = 0\n for t in range(len(x)):\n  tr = gamma * tr + x[t]\n"
    "  now = kappa * e + psi[t][..., None] * tr[:, None]\n  dW = dW + np.einsum('bi,bij->ij', err[t] @ W_out{}, {} + np.zeros_like(now))\n"
    "  e = now\n return dW"
)
WHOLE = (
    "def eligibility(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):\n past, tr = trace(psi, lam_post) - psi, trace(x, lam_pre)\n"
    " return alpha_pre * psi[..., None] * tr[:, :, None] + alpha_post * past[..., None] * {}[:, :, None]"
)
IDENTIFY = "def identify(I, u, y):\n gamma = (u[1] - I[1]) / u[0]\n return gamma, u[1] - (u[2] - I[2]) / gamma"
TYPED = [
    ("1.1", STEP.format("kept + current", "gamma * (u - theta * y)"), "right"),
    ("1.1", STEP.format("kept + current", "np.maximum(gamma * (u - theta * y), 0)"), "you cut the potential off at 0"),
    ("1.1", STEP.format("gamma * kept + current", "gamma * (u - theta * y)"), "you leaked once more"),
    ("1.1", STEP.format("gamma * kept + current", "u - theta * y"), "you leaked at the start of the step"),
    ("1.2", FIRST.format(">"), "right"),
    ("1.2", FIRST.format(">="), "you let the neuron fire at the threshold itself"),
    ("1.3", IDENTIFY, "you took the steps of the example"),
    ("6.1", CAUSAL.format("+", "inside[t][:, None]"), "right"),
    ("6.1", CAUSAL.format("-", "inside[t][:, None]"), "you returned the step downhill"),
    ("6.1", CAUSAL.format("+", "inside[t].any()"), "you opened the window for all samples at once"),
    ("6.3", BELOW.format("", "now"), "right"),
    ("6.3", BELOW.format(" * psi[t]", "now"), "you multiplied by Psi twice"),
    ("6.3", BELOW.format("", "e"), "you read the filter of the step before"),
    ("7.1", WHOLE.format("x"), "right"),
    ("7.1", WHOLE.format("tr"), "you multiplied the neuron's past by the trace of the input"),
]


@pytest.mark.parametrize("number, text, said", TYPED, ids=[f"{number} {said}" for number, _, said in TYPED])
def test_a_mistake_as_a_learner_types_it_is_named(number, text, said):
    assert exercises.verdict(number, lines(text)).startswith(said)


@each
def test_the_inputs_are_not_degenerate_and_an_unknown_mistake_is_located(number):
    right = ALL[number].right

    def slightly_off(*arguments):
        value = right(*arguments)
        if isinstance(value, dict):
            return {name: np.asarray(part) * 1.001 for name, part in value.items()}
        return tuple(np.asarray(part) * 1.001 for part in value) if isinstance(value, tuple) else np.asarray(value) * 1.001

    assert "got " in exercises.verdict(number, slightly_off)


def changed(function, change):
    """Return a function whose results, or their parts, went through change."""

    def then(*arguments):
        value = function(*arguments)
        if isinstance(value, dict):
            return {name: change(part) for name, part in value.items()}
        return tuple(map(change, value)) if isinstance(value, tuple) else change(value)

    return then


@each
def test_lists_and_single_precision_are_right_too_and_blur_no_slip(number):
    right = ALL[number].right
    assert exercises.verdict(number, changed(right, lambda part: np.asarray(part).tolist())) == "right"

    def single(part):
        return np.asarray(part, np.complex64 if np.iscomplexobj(part) else np.float32)

    assert exercises.verdict(number, changed(right, single)) == "right"
    for words, wrong in ALL[number].slips.items():
        assert exercises.verdict(number, changed(wrong, single)) == words


@each
def test_a_row_of_results_may_be_a_tuple_a_list_or_an_array(number):
    right = ALL[number].right
    values = [right(*arguments) for arguments in checking.copy.deepcopy(ALL[number].inputs)]
    if not isinstance(values[0], tuple):
        return
    assert exercises.verdict(number, lambda *arguments: list(right(*arguments))) == "right"
    if all(len({np.shape(part) for part in value}) == 1 for value in values):
        assert exercises.verdict(number, lambda *arguments: np.array(right(*arguments))) == "right"


@each
def test_the_chapter_has_a_stub_a_check_and_no_solution(number):
    cells = ["".join(cell["source"]) for cell in chapter(number) if cell["cell_type"] == "code"]
    stubs = [source for source in cells if f"def {ALL[number].name}(" in source]
    assert len(stubs) == 1 and "raise NotImplementedError" in stubs[0]
    assert sum(f'check("{number}", {ALL[number].name})' in source for source in cells) == 1


def test_exercises_and_their_cells_are_tagged():
    for number in ALL:
        for cell in chapter(number):
            source = "".join(cell["source"])
            assert ("raise NotImplementedError" in source) == ("exercise" in cell["metadata"].get("tags", ())), source
            if cell["cell_type"] == "code" and "check(" in source and "import" not in source:
                assert "check" in cell["metadata"].get("tags", ()), source


FAKE = checking.Exercise(
    "twice", lambda x: 2 * x, ((np.array([1.0, 2, 3]),), (np.array([4.0]),)),
    {"you added where a product was asked for": lambda x: 2 + x}, "[N]",
)  # fmt: skip


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(checking, "exercises", lambda chapter: {"0.1": FAKE})
    return lambda answer: exercises.verdict("0.1", answer)


def test_a_check_says_what_is_wrong_in_one_line(fake, capsys):
    def in_place(x):
        x *= 2
        return x

    assert fake(lambda x: x + x) == "right"
    assert fake(lambda x: x + 2) == "you added where a product was asked for"
    assert fake(in_place) == "right or not, an argument was changed in place: work on a copy"
    assert fake(lambda x: 2 * x[:1]) == "got shape (1,), expected (3,), [N]"
    assert fake(lambda x: (x, x)) == "got 2 parts [0], [1], expected one array or number"
    assert fake(lambda x: x * np.nan) == "got NaN, expected a number"
    assert fake(lambda x: 2 * x + (x == 2)) == "differs first at [1]: got 5, expected 4"
    assert fake(lambda x: x[7]).startswith("twice raised IndexError: ")
    assert fake(lambda x: np.array(["a"] * len(x))) == "got <U1, expected float64"
    assert fake(3) == "got int, expected your function twice"
    exercises.check("0.1", lambda x: 2.0 * x)
    assert capsys.readouterr().out == "exercise 0.1: right\n"


def test_what_is_right_and_no_finite_number_is_located_too():
    for number, said in (("1.2", "inf"), ("11.2", "nan")):
        answer = changed(ALL[number].right, lambda part: np.nan_to_num(part, nan=7.0, posinf=7.0))
        assert exercises.verdict(number, answer) == f"differs first: got 7, expected {said}"


def test_rows_of_different_lengths_are_said_and_numbers_alike_get_more_digits(fake):
    assert fake(lambda x: [[1, 2], [[3], [4, 5]]]) == "got 2 parts [0], [1], expected one array or number"
    assert fake(lambda x: 2 * x + 4e-8) == "differs first at [0]: got 2.0000000400000002, expected 2"


def test_the_order_of_a_dict_does_not_matter_and_its_keys_do():
    assert checking._same({"a": 1, "b": 2}, {"b": 2, "a": 1}) and not checking._same({"a": 1, "b": 2}, {"a": 2, "b": 1})
    assert not checking._same({"a": 1}, {"b": 1}) and not checking._same({"a": 1}, {"a": 1, "b": 2})


def test_a_tiny_relative_error_is_seen_and_rounding_is_not(fake):
    assert fake(lambda x: 2 * x * (1 + 1e-12)) == "right"
    assert fake(lambda x: 2 * x * (1 + 1e-7)).startswith("differs first at [0]")
