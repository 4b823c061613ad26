"""Doc strings: every public name has one, its sections name what the signature has, arrays have shapes, and what `Raises` says is raised."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from mutants import cases

import stllr_ref
from stllr_ref import bptt, costs, engine, losses, network, rtrl, training
from stllr_ref.data import camera, folders, motion, mvsec, recorded
from stllr_ref.experiments import flow, photometric, recordings
from stllr_ref.maps import MaxPool
from stllr_ref.oracle import case, verdict

ROOT = Path(__file__).parents[1]
FOLDERS = ("stllr_ref", "figures", "benchmarks", "chapters")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if "solutions" not in path.parts]
SECTIONS = ("Parameters", "Returns", "Yields", "Raises", "Attributes", "Notes", "Examples")


def public(tree, path):
    """Return (qualified name, node) of every public class, function and method of a source file."""
    found = []
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            found.append((f"{path.stem}.{node.name}", node))
            if isinstance(node, ast.ClassDef):
                methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")]
                found += [(f"{path.stem}.{node.name}.{item.name}", item) for item in methods]
    return found


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
NAMED = [(name, node) for path, tree in TREES.items() for name, node in public(tree, path)]


def test_every_module_and_every_public_name_has_a_doc_string():
    assert len(NAMED) > 700
    assert [path for path, tree in TREES.items() if not ast.get_docstring(tree) and path.stem != "__init__"] == []
    assert [name for name, node in NAMED if not ast.get_docstring(node)] == []


# ----------------------------------------------------------------------------------------------------------- sections


def sections(doc):
    """Return title -> lines of each section of a doc string, in order; what stands before the first is ""."""
    found, title, lines = {"": []}, "", doc.splitlines()
    for line, below in zip(lines, [*lines[1:], ""]):
        if below and set(below) == {"-"} and len(below) == len(line):
            assert line not in found, line
            title = line
            found[title] = []
        elif not (line and set(line) == {"-"}):
            found[title].append(line)
    return found


def entries(lines):
    """Return the names that the entries of a section begin with: "x, y : ndarray" has two, "grads : dict" one."""
    heads = [line.partition(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return [name.strip(" *") for head in heads for name in head.split(",")]


def arguments(node):
    """Return the names of the arguments of a function or of what makes an object of a class: __init__, or annotated fields."""
    if isinstance(node, ast.ClassDef):
        init = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        if not init:
            return [item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation)]
        node = init[0]
    a = node.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args, *([a.vararg] if a.vararg else []), *a.kwonlyargs, *([a.kwarg] if a.kwarg else []))]
    return [name for name in names if name not in ("self", "cls")]


WITH = [(name, node, sections(ast.get_docstring(node))) for name, node in NAMED if "\n---" in (ast.get_docstring(node) or "")]
each = pytest.mark.parametrize("name, node, parts", WITH, ids=[name for name, *_ in WITH])


def test_doc_strings_with_sections_are_found():
    assert len(WITH) > 60 and any(name == "layer.Layer" for name, *_ in WITH) and any(name == "bptt.run" for name, *_ in WITH)


@each
def test_sections_are_those_of_numpydoc_in_its_order(name, node, parts):
    titles = [title for title in parts if title]
    assert titles == [title for title in SECTIONS if title in titles]
    assert all(any(line.strip() for line in lines) for lines in parts.values())


@each
def test_parameters_are_those_of_the_signature(name, node, parts):
    """All of them, each once; in another order where several are explained together."""
    if "Parameters" in parts:
        assert sorted(entries(parts["Parameters"])) == sorted(arguments(node))


@each
def test_what_is_returned_is_said_and_nothing_else(name, node, parts):
    if isinstance(node, ast.FunctionDef):
        own = [item for item in ast.walk(node) if isinstance(item, ast.Return) and item.value is not None]
        gives = bool(own) or any(isinstance(item, (ast.Yield, ast.YieldFrom)) for item in ast.walk(node))
        said = "Returns" in parts or "Yields" in parts or re.search(r"\b(Return|Yield|[Rr]eturn|[Yy]ield)", parts[""][0]) is not None
        assert gives == said


@each
def test_a_parameter_says_what_it_is_unless_it_says_as_what(name, node, parts):
    """After its name stands a type; or below it "As `other`"."""
    lines = parts.get("Parameters", [])
    for line, below in zip(lines, [*lines[1:], ""]):
        if line and not line.startswith(" "):
            assert re.search(r" : \S", line) or re.match(r" +As (of |in )?`", below), line


@each
def test_an_array_has_a_shape(name, node, parts):
    """Wherever a section says ndarray, it says of which shape."""
    for line in [*parts.get("Parameters", []), *parts.get("Returns", [])]:
        if re.match(r"\S.*\b(ndarray|array_like)\b", line):
            assert re.search(r"shape|\[\w", line), line


# ------------------------------------------------------------------------------------------------------ what is raised


def net(*row):
    """Return a network of two inputs and two outputs, and of what else its row should have."""
    layers = [stllr_ref.Layer(stllr_ref.Dense(np.eye(2)), stllr_ref.Leaky(0.5), stllr_ref.SLTT()) for _ in range(2)]
    return stllr_ref.Network([layers[0], *row, layers[1]] if row else layers)


def learn(run, network=None, target=(0, 1), **options):
    """Run an algorithm on a sequence of three steps and two samples."""
    return run(network or net(), np.ones((3, 2, 2)), np.array(target), losses.cross_entropy, np.ones((3, 2), bool), **options)


def twice(network):
    """Count a network that is being counted."""
    with costs.counted(network), costs.counted(network):
        pass


NOWHERE = "/nowhere/at/all"
RAISED = {  # name -> ways to make it raise ValueError, as its section says
    "network.Network": [lambda: stllr_ref.Network([]), lambda: stllr_ref.Network([1])],
    "network.run": [lambda: learn(network.run, target=(0, 2)), lambda: learn(network.run, target=(0, 1, 1))],
    "engine.run": [lambda: learn(engine.run, target=(0, 2)), lambda: learn(engine.run, online=print)],
    "bptt.run": [lambda: learn(bptt.run, target=(0, 2))],
    "rtrl.run": [lambda: learn(rtrl.run, target=(0, 2)), lambda: learn(rtrl.run, net(MaxPool(2)))],
    "losses.cross_entropy": [lambda: losses.cross_entropy(np.zeros((2, 3)), np.array([0, 3])), lambda: losses.cross_entropy(np.zeros((2, 3)), np.zeros((2, 1), int))],
    "losses.mse": [lambda: losses.mse(np.zeros((2, 3)), np.zeros((2, 2)))],
    "losses.window": [lambda: losses.window(4, [4]), lambda: losses.window(4, [4], last=1, start=1), lambda: losses.window(4, [5], last=1)],
    "costs.counted": [lambda: twice(net())],
    "costs.measure": [lambda: costs.measure(network.run, net(), np.ones((3, 2, 2)), np.array([0, 2]), losses.cross_entropy, np.ones((3, 2), bool))],
    "camera.watch": [lambda: camera.watch(np.ones((3, 1, 1, 1)).__getitem__, 2, np.random.default_rng(0), threshold=threshold, noise=noise) for threshold, noise in ((0, 0), (1, 2))],
    "folders.find": [lambda: folders.find(NOWHERE, "SHD")],
    "recorded.load": [lambda: recorded.load(NOWHERE)],
    "mvsec.load": [lambda: mvsec.load(NOWHERE)],
    "recordings.sets": [lambda: recordings.sets("speech", NOWHERE)],
    "motion.film": [lambda: motion.film(motion.textures([0, 1]), np.ones(3), np.ones(2))],
    "motion.flip": [lambda: motion.flip(np.ones(shape), np.ones((2, columns), bool), vector) for shape, columns, vector in (((2, 1, 3, 4), 3, False), ((2, 1, 3, 3), 3, True), ((2, 1, 3, 3), 2, False))],
    "flow.masked_mse": [lambda: flow.masked_mse(np.ones((1, 2, 3, 3)), np.ones((1, 2, 3, 4)))],
    "photometric.loss": [lambda: photometric.loss(np.ones((1, 2, 4, 4)), np.ones((1, 2, side, side)), scales=scales) for side, scales in ((5, 1), (4, 9))],
    "cases.case": [lambda: case(steps=1), lambda: case(steps=3, batch=3)],
    "judgement.verdict": [lambda: verdict({**case(), "gamma": 2.0}, {}), lambda: verdict({"x": 1}, {})],
    "training.fit": [lambda: training.fit(net(), (np.ones((3, 2, 2)), np.array([0, 2])), last=1, epochs=1, batch=1, lr=0.1, rng=np.random.default_rng(0))],
}
ELSEWHERE = {  # name -> tests that make it raise
    "aedat4.packets": ["test_recorded.py::test_every_truncation_of_an_aedat4_file_is_noticed"],
    "checkpoints.Checkpoint.read": ["test_checkpoints.py::test_other_settings_are_refused_with_the_first_that_differs", "test_checkpoints.py::test_another_network_is_refused"],
    "sweep.Finished": ["test_sweep.py::test_the_file_of_another_grid_or_version_is_refused", "test_sweep.py::test_a_damaged_line_is_refused_with_its_number"],
    "sweep.run": ["test_sweep.py::test_a_cell_whose_worker_dies_twice_is_an_error_and_the_others_that_were_finished_stay"],
}
RAISING = [name for name, _, parts in WITH if "Raises" in parts]


def test_whatever_says_that_it_raises_is_made_to():
    assert set(RAISING) == set(RAISED) | set(ELSEWHERE)


@pytest.mark.parametrize("name, way", [pytest.param(name, way, id=f"{name} {i}") for name, ways in RAISED.items() for i, way in enumerate(ways)])
def test_what_a_section_says_is_raised(name, way):
    parts = next(parts for known, _, parts in WITH if known == name)
    assert "ValueError" in entries(parts["Raises"])
    with pytest.raises(ValueError, match=r"(got|expected)"):
        way()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_raised_elsewhere_has_its_test(name, request):
    assert all(cases(test, request.session) for test in ELSEWHERE[name])


# ---------------------------------------------------------------------------------------------------------- the library

EXPORTS = {name: thing for name, thing in vars(stllr_ref).items() if not name.startswith("_") and not inspect.ismodule(thing)}
NO_ARRAY = {"decay", "OTTT", "SLTT", "Frozen", "SGD", "Adam"}  # numbers, rules, a network and what it hands out by name


def test_the_first_help_that_a_reader_gets_names_whatever_there_is():
    assert {name for name in EXPORTS if f"`{name}`" not in stllr_ref.__doc__} == set()
    (modules,) = re.findall(r"^from stllr_ref import (.+)$", inspect.getsource(stllr_ref), re.MULTILINE)
    assert [name for name in modules.split(", ") if f"`{name}." not in stllr_ref.__doc__] == []


def test_whatever_the_library_exports_says_the_shapes_of_its_arrays():
    """A function in its own doc string; an object in that of its class or of its methods."""
    assert len(EXPORTS) > 30
    for name, thing in EXPORTS.items():
        texts = [thing.__doc__, *(method.__doc__ or "" for key, method in vars(thing).items() if callable(method))] if inspect.isclass(thing) else [thing.__doc__]
        assert name in NO_ARRAY or any(re.search(r"\[[\w*][\w*, .]*\]|shape", text) for text in texts), name


ARRAYS = set("x y u v delta g post pre psi past logits target inside out err current lag image images frames flow seen".split())
SHAPE = re.compile(r"\[[\w*.][^\]]*\]|\bshapes?\b|\b[Aa]s (of |in )?`|\bfloats?\b|\bfunction of\b")
ROOMS = ("exercises", "experiments", "commands")  # their functions say it where it is not plain


def core():
    """Return (name, node) of every public function and method of the library, its rooms for chapters and experiments left out."""
    files = [path for path in TREES if path.parts[-2] not in ROOMS and "stllr_ref" in path.parts]
    return [(name, node) for path in files for name, node in public(TREES[path], path) if isinstance(node, ast.FunctionDef)]


def test_a_function_of_arrays_says_their_shapes():
    taking = [(name, node) for name, node in core() if set(arguments(node)) & ARRAYS]
    assert len(taking) > 100
    assert [name for name, node in taking if not SHAPE.search(ast.get_docstring(node))] == []
