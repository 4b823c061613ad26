"""The stored trials of the studies, which figures show beside what they compute themselves."""

import csv
from pathlib import Path


def rows(table):
    """Return the rows of results/<table>.csv, a trial each: column -> text."""
    path = Path(__file__).parents[1] / "results" / f"{table}.csv"
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
