"""RESULTS.md read back: what the chapters show beside their own light runs, and what the suite compares with."""

import re
from pathlib import Path

FILE = Path(__file__).parents[2] / "RESULTS.md"


def claims(path=FILE):
    """Return claim title -> lines below its heading."""
    parts = re.split(r"^## \d+\. ", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {lines[0]: lines[1:] for lines in map(str.splitlines, parts)}


def verdicts(title, path=FILE):
    """Return the verdicts of a claim, a sentence each: "Holds: ..." or "Does not hold: ..."."""
    return [line.removeprefix("- ") for line in claims(path)[title] if line.startswith("- ")]


def table(title, path=FILE):
    """Return the rows of a claim's own table, each a dict column -> text; none where it has none."""
    lines = claims(path)[title]
    start = next((i for i, line in enumerate(lines) if line.startswith("| rule")), len(lines))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start : (lines + [""]).index("", start)]]
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def mean_std(text):
    """Return mean and standard deviation of a cell such as "91.7 ± 0.8".

    >>> mean_std("91.7 ± 0.8")
    (91.7, 0.8)
    """
    mean, _, std = text.partition(" ± ")
    return float(mean), float(std)
