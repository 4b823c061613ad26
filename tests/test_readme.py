"""README and pages keep their word: every Python block runs, prints what is shown, is as short as promised; links lead somewhere."""

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("page", ["README.md", *(f"chapters/{p.name}" for p in sorted((ROOT / "chapters").glob("*.md")))])
def test_every_file_that_a_page_points_to_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_step_box_is_the_one_of_the_code():
    """The seven lines of the README, computed as printed for one neuron with two inputs, are what a layer does."""
    import numpy as np

    from stllr_ref import LIF, STLLR, Dense, Layer, triangle

    gamma, theta, lam_pre, lam_post, alpha_pre, alpha_post = 0.7, 0.5, 0.8, 0.3, 1.5, -0.6
    W, x, delta = np.array([[0.6, -0.2]]), np.array([[1.0, 0], [1, 1], [0, 1], [1, 1]]), [0.3, -1.0, 0.7, 0.4]
    rule = STLLR(lam_pre=lam_pre, lam_post=lam_post, alpha_pre=alpha_pre, alpha_post=alpha_post)
    layer = Layer(Dense(W), LIF(gamma, theta, triangle), rule)
    u, y, psi, tr_x, past, dW, fired = 0.0, 0.0, 0.0, np.zeros(2), 0.0, np.zeros(2), 0
    for t in range(4):
        u = gamma * (u - theta * y) + W[0] @ x[t]
        y = float(u > theta)
        past = lam_post * past + psi
        psi = 0.3 * max(1 - abs(u - theta), 0)
        tr_x = lam_pre * tr_x + x[t]
        dW += delta[t] * (alpha_pre * psi * tr_x + alpha_post * past * x[t])
        assert layer.step(x[t : t + 1])[0, 0] == y
        layer.learn(np.array([[delta[t]]]))
        fired += y
    assert 0 < fired < 4
    np.testing.assert_allclose(layer.grads()["W"][0], dW, rtol=1e-12)


def test_the_table_of_equations_is_the_index():
    import equations

    page = (ROOT / "chapters" / "equations.md").read_text(encoding="utf-8")
    assert equations.table() in page
    assert all(f"- ({number}): {equation.note}." in page for number, equation in equations.EQUATIONS.items() if equation.note)


def test_the_page_of_the_family_has_the_table_of_the_library():
    import pages

    page = (ROOT / "chapters" / "family.md").read_text(encoding="utf-8")
    assert pages.family_table() in page and pages.family_differences() in page
