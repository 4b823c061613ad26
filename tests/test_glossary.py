"""Every name that the glossary gives for this library exists in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "chapters" / "glossary.md").read_text(encoding="utf-8")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "stllr_ref").glob("*.py"))
NAMES = [name for row in re.findall(r"^\| [^|]+\| ([^|]+) \|", PAGE, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


def test_the_glossary_has_the_names_of_the_design():
    assert {"x", "u", "y", "psi", "tr_x", "past", "delta", "gamma", "theta", "lam_pre", "lam_post", "alpha_pre", "alpha_post", "W", "V", "b"} <= set(NAMES)
    assert len(NAMES) > 30


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_glossary_is_one_of_the_library(name):
    for part in re.findall(r'\w+|"\w+"', name):
        assert re.search(rf"(?<!\w){re.escape(part)}(?!\w)", SOURCE), part
