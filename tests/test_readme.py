"""README and pages keep their word: every Python block runs, prints what is shown, is as short as promised."""

import contextlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pages
import pytest

from stllr_ref import LIF, STLLR, Bias, Dense, Layer, triangle

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OWN = (ROOT / "chapters" / "your_own.md").read_text(encoding="utf-8")


def blocks(text):
    """Return the Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def execute(text, folder):
    """Run the blocks of a page one after another in a folder; return what each printed, and the names they leave."""
    names, printed, here = {}, [], os.getcwd()
    os.chdir(folder)
    try:
        for block in blocks(text):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, "page", "exec"), names)
            printed.append(out.getvalue())
    finally:
        os.chdir(here)
    return printed, names


@pytest.fixture(scope="module")
def readme(tmp_path_factory):
    return execute(README, tmp_path_factory.mktemp("readme"))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return execute(OWN, tmp_path_factory.mktemp("own"))


def test_the_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_the_example_prints_what_the_readme_shows(readme):
    def steady(text):  # the differences are rounding, so their digits depend on the machine
        return re.sub(r"engine +\S+", "engine", text)

    shown = re.search(r"It prints.*?```\n(.*?)```", README, re.DOTALL).group(1)
    assert steady(readme[0][0]) == steady(shown)


def test_the_example_s_engine_agrees_to_1e_14(readme):
    differences = [float(d) for d in re.findall(r"engine +(\S+)", readme[0][0])]
    assert len(differences) == 5
    assert max(differences) < 1e-14


def test_the_example_is_alive_and_learns(readme):
    printed, names = readme
    assert all(names["in_chunks"][name].any() for name in names["in_chunks"])
    accuracies = [float(a) for a in re.findall(r"^\d+ (\S+)$", printed[0], re.MULTILINE)]
    assert accuracies[0] < 0.7
    assert accuracies[-1] > 0.95


def test_my_arrays_are_learned_saved_loaded_and_predicted_in_12_lines(own):
    assert float(own[0][1]) > 0.95
    code = [line for line in blocks(OWN)[1].splitlines() if line.strip() and "import" not in line]
    assert len(code) <= 12


def test_a_rule_and_a_psi_of_mine_take_15_lines_and_teach_something(own):
    printed, names = own
    code = [line for line in blocks(OWN)[2].splitlines() if line.strip() and "import" not in line]
    assert len(code) <= 15
    assert printed[2] == "(40, 30)\n"
    assert names["grads"]["0.W"].any()


def test_the_step_box_is_the_one_of_the_code():
    """The seven lines of the README, run as they are printed for one neuron with two inputs, are what a layer does."""
    numbers = dict(gamma=0.7, theta=0.5, lam_pre=0.8, lam_post=0.3, alpha_pre=1.5, alpha_post=-0.6)
    W, V, b = np.array([[0.6, -0.2]]), np.array([[-0.25]]), np.array([0.1])
    x, delta, inside = np.array([[1.0, 0], [1, 1], [0, 1], [1, 1], [1, 0]]), np.array([0.3, -1.0, 0.7, 0.4, -0.2]), [False, True, True, True, True]
    (box,) = [code for _, code in pages.blocks(README) if "tr_x[t]" in code]
    box = pages.statements(box)
    assert len(box) == 7
    found = pages.computed(box, inside, x=x, W=W[0], V=V[0, 0], b=b[0], delta=delta, Psi=triangle, **numbers)
    rule = STLLR(**{name: value for name, value in numbers.items() if name[0] in "la"})
    layer = Layer(Dense(W), LIF(numbers["gamma"], numbers["theta"], triangle), rule, V=Dense(V), bias=Bias(b))
    for t, on in enumerate(inside):
        assert layer.step(x[t : t + 1])[0, 0] == found["y"][t]
        assert layer.now.u[0, 0] == pytest.approx(found["u"][t], rel=1e-14)
        if on:
            layer.learn(delta[t : t + 1, None])
    assert 0 < found["y"].sum() < 5
    np.testing.assert_allclose(layer.grads()["W"][0], found["dW"], rtol=1e-12)


def test_the_table_of_equations_is_the_index():
    import equations

    page = (ROOT / "chapters" / "equations.md").read_text(encoding="utf-8")
    assert equations.table() in page
    assert all(f"- ({number}): {equation.note}." in page for number, equation in equations.EQUATIONS.items() if equation.note)


def test_the_page_of_the_family_has_the_table_of_the_library():
    page = (ROOT / "chapters" / "family.md").read_text(encoding="utf-8")
    assert pages.family_table() in page and pages.family_differences() in page
