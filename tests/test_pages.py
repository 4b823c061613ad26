"""Whatever a page shows is executed: every fenced block is in the register of `pages.py`, every command is one that its program takes."""

import argparse
import functools
import importlib
import re
import shlex
import subprocess
from collections import Counter

import numpy as np
import pages
import pytest
from mutants import cases

from stllr_ref import __main__ as cli
from stllr_ref.commands import run
from stllr_ref.commands.study import STUDIES
from stllr_ref.experiments import alignment
from stllr_ref.experiments.tasks import TASKS

ROOT = pages.ROOT
CI, MAKE = ((ROOT / name).read_text(encoding="utf-8") for name in (".ci/run", "Makefile"))
PAGES = pages.pages()

# ------------------------------------------------------------------------------------------------------------- blocks


def shown(page):
    """Return the blocks of a page as the register has them: their language, their first words."""
    return [(language, " ".join(code.split())) for language, code in pages.blocks(pages.read(page))]


def test_pages_are_found_wherever_they_stand():
    assert {"README.md", "RESULTS.md", "benchmarks/README.md", "chapters/family.md", "chapters/solutions/README.md", "results/README.md"} < set(PAGES)
    assert sum(page.endswith(".ipynb") for page in PAGES) == 12 and set(pages.EXECUTED) <= set(PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in pages.WRITTEN])
def test_every_block_of_a_page_is_one_that_the_register_says_who_executes(page):
    found, known = shown(page), pages.EXECUTED.get(page, [])
    assert len(found) == len(known), f"{page} has {len(found)} blocks, pages.EXECUTED {len(known)}: who executes the new one?"
    for (language, code), block in zip(found, known):
        assert language == block.language and code.startswith(" ".join(block.begins.split())), (page, block)


@pytest.mark.parametrize("page", PAGES)
def test_no_code_hides_in_another_kind_of_block(page):
    text = pages.read(page)
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(pages.blocks(text))
    assert not re.search(r"^ *~~~|<pre|<code", text, re.MULTILINE)
    paragraphs = re.split(r"\n\s*\n", pages.FENCE.sub("", text))
    assert not [p for p in paragraphs if all(line.startswith("    ") for line in p.splitlines()) and p.strip()]


@pytest.mark.parametrize("by", sorted({block.by for known in pages.EXECUTED.values() for block in known} - {pages.CI}))
def test_whoever_executes_a_block_is_a_test_that_runs(by, request):
    found = cases(by, request.session)
    assert found and not any(case.get_closest_marker(name) for case in found for name in ("skip", "xfail", "chapters"))
    if any(case.get_closest_marker("skipif") for case in found):  # where it is skipped, the job with PyTorch runs it
        assert all(case.get_closest_marker("torch") for case in found)
        assert "\nmake extras\n" in CI and "-m pytest -m torch" in MAKE
    assert "\nmake test\n" in CI and '-m pytest -m "not chapters"' in MAKE


def test_ci_runs_the_shell_blocks_of_the_readme_whole():
    """What .ci/run cuts out of the README is every shell block of it."""
    (cut,) = re.findall(r"^commands=\$\((.+)\)$", CI, re.MULTILINE)
    assert 'bash -euo pipefail -c "$commands"' in CI
    got = subprocess.run(["bash", "-c", cut], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert got and got == "".join(code for language, code in pages.blocks(pages.read("README.md")) if language == "sh")
    assert [page for page, known in pages.EXECUTED.items() if any(block.by == pages.CI for block in known)] == ["README.md"]


def test_ci_executes_every_chapter():
    assert "\nmake chapters\n" in CI and "chapters/build.py --check" in MAKE


# ----------------------------------------------------------------------------------------------------------- commands

FOLDERS = ("stllr_ref", "figures", "benchmarks", "chapters", "tests")
VERBS = "run study results cost check vectors data figures chapters".split()
THEIRS = {"--lr", "--delay-ls"}  # options of the published code, in the glossary
OTHERS = ("python3 -m venv .venv", "py -m venv .venv", "pip install -r requirements.txt")  # not ours; .ci/run has the first and the last
STANDS_FOR = {"NAME,...": ["stllr,bptt"], "DIR": ["dir"], "FOLDER": ["folder"], "SEED": ["0"], "COMMAND": ["data"]}


class Parsed(Exception):
    """Raised in place of what a program would do with its arguments."""


def source(page):
    """Return what a page, or the doc strings and comments of a source file, has to say."""
    return pages.read(page) if page.endswith((".md", ".ipynb")) else (ROOT / page).read_text(encoding="utf-8")


def commands(page):
    """Return every command of a page, in a block of shell or of no language, or between backticks; its variables filled in."""
    text = source(page)
    lines = [line for language, code in pages.blocks(text) if language in ("", "sh") for line in code.splitlines()]
    found = []
    for line in [*lines, *pages.inline(text)]:
        line = re.sub(r"\s+#.*", "", line).removeprefix(".venv/bin/").strip().rstrip(";")
        first, *rest = line.split() or [""]
        if first in ("python", "python3", "py", "make", "pip") and rest or first in VERBS and rest and re.match(r"[a-z-]", rest[0]):
            found += filled(line)
    return found


def filled(line):
    """Return a command for each thing that a variable in it may stand for; what is optional, once with and once without."""
    if match := re.search(r" \[(.+)\]$", line):
        return [line[: match.start()], *filled(f"{line[: match.start()]} {match[1].replace('...', '').strip()}")]
    names = {**STANDS_FOR, "NAME": STUDIES if "study" in line else ["NMNIST"]}
    for variable, values in names.items():
        if re.search(rf"(?<=[ =]){re.escape(variable)}(?=$| )", line):
            return [part for value in values for part in filled(re.sub(rf"(?<=[ =]){re.escape(variable)}(?=$| )", value, line))]
    return [line]


def parse(main, words, monkeypatch):
    """Return what a program's own parser makes of words; the program goes no further."""
    real = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        raise Parsed(real(parser, args, namespace))

    with monkeypatch.context() as patch, pytest.raises(Parsed) as parsed:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        main(words)
    return parsed.value.args[0]


@functools.cache
def program(name):
    """Return the function that takes the words of a script such as benchmarks/report.py, or of a module."""
    return importlib.import_module(name.removesuffix(".py").replace("/", ".").removeprefix("tests.")).main


def take(line, monkeypatch):
    """Refuse a command that its program would not take."""
    words = shlex.split(line)
    if words[0] == "run" and words[1].startswith("-"):  # without its task no whole command, but options that it should have
        assert {word for word in words if word.startswith("-")} <= commands_of(cli._parser())
        return
    if words[0] in VERBS:
        words = ["python", "-m", "stllr_ref", *words]
    if line in OTHERS:
        return
    if words[0] == "make":
        target, *variables = words[1:]
        assert re.search(rf"^\.PHONY:.* {target}( |$)", MAKE, re.MULTILINE) and re.search(rf"^{target}:", MAKE, re.MULTILINE)
        assert all(f"$({name.split('=')[0]})" in MAKE for name in variables)
    elif words[0] == "pip":
        packages = [word for word in words[1:] if word != "install"]
        assert words[1] == "install" and all(f'"{package}"' in (ROOT / "pyproject.toml").read_text() for package in packages)
    elif words[:3] == ["python", "-m", "stllr_ref"]:
        args = parse(cli.main, words[3:], monkeypatch)
        if words[3:4] == ["run"] and args.model == "ours":
            assert run._rows(args, TASKS[args.task])
    else:
        words = words[2:] if words[1] == "-m" else words[1:]
        file = words[0] if words[0].endswith(".py") else f"{words[0].replace('.', '/')}.py"
        assert (ROOT / file).is_file() and 'if __name__ == "__main__":' in source(file)
        if words[1:]:
            parse(program(file), words[1:], monkeypatch)


SOURCES = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
COMMANDS = [(page, command) for page in [*PAGES, *SOURCES] if "/test_" not in page for command in commands(page)]


def test_the_commands_that_are_known_to_be_there_are_found():
    counts = Counter(page for page, _ in COMMANDS)
    assert counts["README.md"] >= 14 and counts["chapters/your_own.md"] >= 3 and counts["benchmarks/README.md"] >= 4
    assert counts["chapters/lecturers.md"] == 4 and counts["chapters/09_meet_the_family.ipynb"] >= 2
    assert counts["results/README.md"] >= len(STUDIES) + 1 and sum(counts.values()) > 60


@pytest.mark.parametrize("page, command", COMMANDS, ids=[f"{page}: {command}" for page, command in COMMANDS])
def test_a_command_of_a_page_is_one_that_its_program_takes(page, command, monkeypatch, capsys):
    take(command, monkeypatch)


@pytest.mark.parametrize("line", ["run digits --rules stlr", "run digit", "python benchmarks/report.py --raze x", "make tests", "study widow", "pip install torch==1.0"])
def test_a_command_that_no_program_takes_is_noticed(line, monkeypatch, capsys):
    with pytest.raises((AssertionError, ValueError, SystemExit, pytest.fail.Exception)):
        take(line, monkeypatch)


def test_an_option_that_a_page_names_exists():
    known = {option for words in map(commands_of, [cli._parser()]) for option in words}
    for page in PAGES:
        for code in pages.inline(pages.read(page)):
            if code.startswith("--"):
                assert {word for word in code.split() if word.startswith("-")} <= known | THEIRS, (page, code)
    assert {"--rules", "--resume", "--seed"} <= known


def commands_of(parser):
    """Return every option of a parser and of its commands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for child in action.choices.values() for option in commands_of(child)}
    return found


# ------------------------------------------------------------------------------------- what takes too long to run here


def test_the_cosines_of_the_family_stand_as_the_study_prints_them():
    """The numbers of the page, handed to the study's own table, give the page: rules, order, columns and what stands below."""
    ((_, block),) = pages.blocks(pages.read("chapters/family.md"))
    columns = [(task, param, stage) for task, params in alignment.PARAMS.items() for param in params for stage in alignment.STAGES]
    results = {task: ([], {}) for task in alignment.PARAMS}
    for line in block.splitlines()[2 : 2 + len(alignment.NAMES)]:
        name, *cells = line.split()
        assert len(cells) == len(columns)
        for task in results:
            for stage in alignment.STAGES:
                here = {param: cell for (t, param, s), cell in zip(columns, cells) if (t, s) == (task, stage)}
                layers = {param: {"cosine": np.nan if cell == "-" else float(cell)} for param, cell in here.items()}
                results[task][0].append(alignment.Aligned(task, stage, name, 0, layers))
    refused = re.findall(r"^(\w+) on (\w+): (.+)$", block, re.MULTILINE)
    for name, task, why in refused:
        results[task][1][name] = why
    assert [name for name, *_ in refused] == ["rtrl"]
    assert alignment.table(results, alignment.NAMES) + "\n" == block
