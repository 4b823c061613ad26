"""The README keeps its word: at most 150 lines, every Python block runs, its output is what it shows, every name exists."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHOWN = re.search(r"It prints.*?```\n(.*?)```", README, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Run the blocks one after another in one namespace and in an empty folder; return what each printed and the names."""
    names, printed = {}, []
    with contextlib.chdir(tmp_path_factory.mktemp("readme")) if hasattr(contextlib, "chdir") else contextlib.nullcontext():
        for block in BLOCKS:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, "README.md", "exec"), names)
            printed.append(out.getvalue())
    return printed, names


def test_the_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_the_example_prints_what_the_readme_shows(executed):
    def steady(text):  # the differences are rounding, so their digits depend on the machine
        return re.sub(r"twin +\S+", "twin", text)

    assert steady(executed[0][0]) == steady(SHOWN)


def test_the_example_s_twin_agrees_to_1e_14(executed):
    differences = [float(d) for d in re.findall(r"twin +(\S+)", executed[0][0])]
    assert len(differences) == 5
    assert max(differences) < 1e-14


def test_the_example_is_alive_and_learns(executed):
    printed, names = executed
    assert all((names["slow"][name] != 0).any() for name in names["slow"])
    accuracies = [float(a) for a in re.findall(r"^\d+ (\S+)$", printed[0], re.MULTILINE)]
    assert accuracies[0] < 0.7
    assert accuracies[-1] > 0.95


def test_my_arrays_are_learned_saved_loaded_and_predicted_in_about_12_lines(executed):
    assert float(executed[0][1].splitlines()[-1]) > 0.95
    code = [line for line in BLOCKS[1].splitlines() if line.strip() and "import" not in line and not line.startswith("x, y =")]
    assert len(code) <= 14


def test_a_rule_and_a_psi_of_mine_take_about_15_lines_and_teach_something(executed):
    code = [line for line in BLOCKS[2].splitlines() if line.strip()]
    assert len(code) <= 15
    assert executed[0][2].strip() == "(40, 30)"
    names = executed[1]
    assert (names["network"].run(names["net"], names["x"], names["y"], names["cross_entropy"], names["inside"])[1]["0.W"] != 0).any()


def test_every_file_that_the_readme_points_to_exists():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
