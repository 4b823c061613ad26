"""The page on reading the published code: all 24 differences, and each line of ours that it quotes is one of ours."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "chapters" / "published_code.md").read_text(encoding="utf-8")
QUOTES = re.findall(r"^- Ours, \[([^\]]+)\]\(\.\./([^)]+)\): `(.+)`$", PAGE, re.MULTILINE)


def test_all_24_differences_are_there_each_with_a_line_of_ours():
    parts = re.split(r"^\*\*(\d+)\. ", PAGE, flags=re.MULTILINE)
    numbers, texts = [int(n) for n in parts[1::2]], parts[2::2]
    assert sorted(numbers) == list(range(1, 25))
    assert all("- Ours, [" in text for text in texts)
    assert PAGE.count("- Ours, ") == len(QUOTES) >= 24


@pytest.mark.parametrize("shown, path, line", QUOTES, ids=[f"{path}: {line[:40]}" for _, path, line in QUOTES])
def test_a_quoted_line_is_one_of_the_file_that_it_names(shown, path, line):
    assert shown == path
    assert line in [own.strip() for own in (ROOT / path).read_text(encoding="utf-8").splitlines()]


def test_the_number_of_golden_files_is_the_one_said():
    assert f"\n{len(list((ROOT / 'tests' / 'golden').glob('*.npz')))} files of numbers" in PAGE
