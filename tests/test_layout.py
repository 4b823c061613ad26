"""The house keeps its shape: floors import downwards only, modules stay small, importing the library loads NumPy alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stllr_ref"
FLOORS = [
    ["checks"],
    ["surrogates", "traces", "weights", "maps", "losses"],
    ["neurons", "synapses", "signals"],
    ["rules"],
    ["synaptic"],
    ["layer"],
    ["network"],
    ["chunks"],
    ["engine", "bptt", "rtrl", "twins"],
    ["gradcheck", "optim", "training", "checkpoints", "plots", "costs", "oracle"],
    ["experiments", "data"],
    ["commands", "exercises"],
    ["__main__"],
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
SIBLINGS_ALLOWED = {*FLOORS[-4], *FLOORS[-3]}
# Rooms that may load more than NumPy and the standard library, and what.
MORE = {
    "plots": {"matplotlib"},
    "data": {"sklearn", "tonic", "h5py"},
    "commands": {"tqdm", "threadpoolctl"},
    "experiments": {"tqdm", "threadpoolctl", "matplotlib", "distributed"},
}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


def room(path):
    """Return the name of the room that a file stands in: its module, or its folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Return (our rooms, outside packages) that a file imports, wherever in the file."""
    ours, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            (ours if top == "stllr_ref" else outside).add(rest[0] if top == "stllr_ref" else top)
    return ours, outside


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_floors(path):
    name = room(path)
    for other in imports(path)[0] - {name}:
        assert FLOOR[other] < FLOOR[name] or (FLOOR[other] == FLOOR[name] and name in SIBLINGS_ALLOWED), other


def test_data_imports_nothing_of_ours():
    for path in MODULES:
        if room(path) == "data":
            assert imports(path)[0] <= {"data"}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_loads_numpy_alone_but_for_the_named_rooms(path):
    allowed = {"numpy"} | set(sys.stdlib_module_names) | MORE.get(room(path), set())
    assert imports(path)[1] <= allowed


def lines_of_code(path):
    """Return how many lines are neither blank, comment nor docstring."""
    text, prose = path.read_text(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            prose |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(1 for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.strip().startswith("#") and i not in prose)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_is_one_idea_of_at_most_about_200_lines(path):
    assert lines_of_code(path) <= 210


def test_floors_0_to_5_are_2850_lines_at_most():
    assert sum(lines_of_code(p) for p in MODULES if FLOOR[room(p)] <= FLOOR["training"]) <= 2850


def test_every_function_has_a_docstring_but_wrong_answers_to_exercises_whose_message_it_is():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        for node in tree.body if room(path) == "exercises" else ast.walk(tree):
            if room(path) == "exercises" and getattr(node, "name", "_").startswith("_"):
                continue
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and (not node.name.startswith("__")):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_importing_the_library_loads_numpy_alone():
    code = "import sys; before = set(sys.modules); import numpy; import stllr_ref; print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert "numpy" in loaded
    third_party = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party <= {"numpy", "stllr_ref", "cython_runtime"}  # the last comes with NumPy 1.26


def test_a_folder_named_like_the_package_does_not_hide_it(tmp_path):
    """Such as the clone itself, seen from the folder above it."""
    (tmp_path / "stllr_ref").mkdir()
    found = subprocess.run([sys.executable, "-c", "from stllr_ref import LIF"], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
