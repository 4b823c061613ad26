"""RESULTS.md in small: three of its five seeds, the rows that its verdicts hang on, within the spread that it prints (some minutes)."""

import numpy as np
import pytest

from stllr_ref.experiments import claims, stored, studies
from stllr_ref.experiments.report import UNITS

SEEDS = 3
ROWS = {  # claim -> rules of the rows that are run again; digits have all five seeds in test_main_job
    "Near BPTT: speech": ("stllr", "bptt", "frozen"),
    "Near BPTT: gestures": ("stllr", "bptt", "frozen"),
    "Optical flow": ("stllr", "zero"),
    "The sign of alpha_post: short windows": ("stllr",),
    "The limit": ("stllr", "bptt", "frozen"),
}


def rows():
    """Return (claim's title, place in its table, settings) of every row that is run."""
    for claim in claims.CLAIMS:
        for place, s in enumerate(claim.rows()):
            own = not claim.title.startswith(("Near", "Optical")) or s.rule != "stllr" or s == claims.base(s.task)
            if s.rule in ROWS.get(claim.title, ()) and s.task != "delay 16" and own:
                yield pytest.param(claim.title, place, s, id=f"{s.task} {s.rule} {s.alpha_post:g}")


@pytest.mark.slow
@pytest.mark.parametrize("title, place, settings", list(rows()))
def test_three_seeds_are_within_the_spread_of_the_five_in_results_md(title, place, settings):
    unit, factor, _ = UNITS[settings.metric]
    row = stored.table(title)[place]
    assert row["rule"].split()[0] == settings.rule
    mean, std = stored.mean_std(row[f"test {unit}"])
    found = [factor * studies.trial(settings, seed).test for seed in range(SEEDS)]
    assert np.ptp(found) > 0 or settings.rule in ("zero", "bptt")  # seeds differ, where anything can
    assert abs(np.mean(found) - mean) <= 2 * std + 0.01 * factor, (found, row)


def test_what_is_run_again_are_the_rows_that_verdicts_hang_on():
    ran = [(p.values[0], p.values[2].rule, p.values[2].alpha_post) for p in rows()]
    assert len(ran) == 3 + 3 + 2 + 3 + 3 and {title for title, *_ in ran} == set(ROWS)
    assert {a for title, _, a in ran if title.endswith("short windows")} == {-1.0, 0.0, 1.0}


def test_the_tables_of_results_md_are_read_as_they_are_written(tmp_path):
    page = tmp_path / "R.md"
    page.write_text(
        "# Results\n\n| rule | not a claim |\n| --- | --- |\n| a | b |\n\n## 1. One: two\n\ntext\n\n- Holds: yes.\n\n| rule | test % |\n| --- | --- |\n| stllr  0 | 9.5 ± 0.1 |\n"
        "| bptt | 8.0 ± 0.2 |\n\n| Published | BPTT |\n| --- | --- |\n| SHD | 70 |\n\n## 2. Nothing\n", encoding="utf-8"
    )  # fmt: skip
    assert stored.table("One: two", page) == [{"rule": "stllr  0", "test %": "9.5 ± 0.1"}, {"rule": "bptt", "test %": "8.0 ± 0.2"}]
    assert stored.table("Nothing", page) == [] and stored.verdicts("One: two", page) == ["Holds: yes."] and stored.verdicts("Nothing", page) == []
    assert list(stored.claims()) == [claim.title for claim in claims.CLAIMS]
    assert all(len(stored.table(claim.title)) == len(claim.rows()) and stored.verdicts(claim.title) for claim in claims.CLAIMS)
