"""RESULTS.md read back: what the chapters show beside their own light runs, and what the suite compares with."""

from pathlib import Path

FILE = Path(__file__).parents[2] / "RESULTS.md"


def tables(path=FILE):
    """Return claim title -> rows of its first table, each a dict column -> text."""
    out, title = {}, None
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            title, head = line.split(". ", 1)[1], None
        elif line.startswith("| ") and title and not line.startswith("| ---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if head is None:
                head = cells
                out.setdefault(title, [])
            elif head[0] == "rule":
                out[title].append(dict(zip(head, cells)))
        elif not line:
            head = None
    return {title: rows for title, rows in out.items() if rows}


def mean_std(text):
    """Return mean and standard deviation of a cell such as "91.7 ± 0.8".

    >>> mean_std("91.7 ± 0.8")
    (91.7, 0.8)
    """
    mean, _, std = text.partition(" ± ")
    return float(mean), float(std)
