"""The chapters keep their word: each runs from top to bottom in its time, and shows what it says (make chapters)."""

import functools
import re
import runpy
from pathlib import Path

import pytest

from chapters import build

pytestmark = pytest.mark.chapters

# Chapter -> each number that its text quotes: a pattern that finds it in the printed output (^ and $ are those of a line),
# the number as quoted, and how far the printed one may be from it.
QUOTED = {path.stem[2:]: runpy.run_path(path)["QUOTED"] for path in sorted((Path(__file__).parent / "quoted").glob("ch*.py"))}

each_chapter = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in build.chapters()])


def solution(path):
    """Return where the solutions of a chapter's exercises stand."""
    return build.HERE / "solutions" / f"ch{path.name[:2]}.py"


@functools.cache
def executed(path):
    """Return the chapter executed now, and the seconds it took."""
    return build.execute(build.read(path))


@each_chapter
def test_the_stored_chapter_is_sound(path):
    assert build.problems(path) == []


@each_chapter
def test_it_runs_to_the_end_within_three_times_its_budget(path):
    nb, seconds = executed(path)
    assert seconds <= 3 * build.budget(nb)


@each_chapter
def test_it_still_prints_the_words_that_are_stored(path):
    assert build.words(executed(path)[0]) == build.words(build.read(path))


def test_every_chapter_has_its_list_of_quoted_numbers():
    assert sorted(QUOTED) == [path.name[:2] for path in build.chapters()]


@pytest.mark.parametrize(
    "path, pattern, quoted, tolerance",
    [pytest.param(path, *quote, id=f"{path.stem}: {quote[1]}") for path in build.chapters() for quote in QUOTED.get(path.name[:2], [])],
)
def test_a_quoted_number_is_the_one_printed(path, pattern, quoted, tolerance):
    stored = build.read(path)
    assert re.search(rf"(?<![\d.]){re.escape(quoted)}(?!\.?\d)", build.prose(stored)), "not in the text"
    for nb in (stored, executed(path)[0]):
        assert float(re.search(pattern, build.text(nb), re.MULTILINE)[1]) == pytest.approx(float(quoted), rel=0, abs=tolerance)


@each_chapter
def test_the_solutions_pass_the_checks_and_the_stubs_do_not(path):
    if not solution(path).exists():
        assert not any("exercise" in cell.metadata.get("tags", ()) for cell in build.code(build.read(path)))
        return
    solved, _ = build.execute(build.read(path), solution(path).read_text())
    said, unsolved = (re.findall(r"^exercise (\d+\.\d+): (.+)$", build.text(nb), re.MULTILINE) for nb in (solved, executed(path)[0]))
    assert len(said) >= 3 and [words for _, words in said] == ["right"] * len(said)
    assert unsolved == [(number, "not attempted yet") for number, _ in said]
