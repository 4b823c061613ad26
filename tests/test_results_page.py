"""The page of the studies: every number in it is that of its CSV, and every study has its table and its figure."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from stllr_ref.experiments.studies import STUDIES

RESULTS = Path(__file__).parents[1] / "results"
PAGE = (RESULTS / "README.md").read_text(encoding="utf-8")


def scores(study, **where):
    """Return the scores, in % or px a step, a seed each, of the rows of a CSV that have the values of where, as far as it has such columns."""
    score, factor = STUDIES[study].score, 1 if study == "motion" else 100
    with open(RESULTS / f"{study}.csv", newline="", encoding="utf-8") as file:
        return [factor * float(row[score]) for row in csv.DictReader(file) if all(row.get(k) in (v, None) for k, v in where.items())]


def digits(rule="stllr", **where):
    return dict(task="digits", rule=rule, **where)


def speech(rule="stllr", **where):
    return dict(task="speech", rule=rule, **where)


def motion(rule="stllr", lr="0.012", alpha_post="-0.2", network="flat", loss="mse"):
    return dict(rule=rule, lr=lr, alpha_post=alpha_post, network=network, loss=loss, epochs="20")


QUOTED = [  # study, row, as quoted
    ("motion", motion(), "0.450 ± 0.006"),
    ("motion", motion("bptt"), "0.522 ± 0.017"),
    ("motion", motion(lr="0.006"), "0.458 ± 0.007"),
    ("motion", motion(lr="0.006", alpha_post="0.0"), "0.466 ± 0.012"),
    ("motion", motion(alpha_post="0.0"), "0.442 ± 0.004"),
    ("motion", motion(alpha_post="0.2"), "0.490 ± 0.017"),
    ("motion", motion(loss="photometric"), "0.452 ± 0.007"),
    ("motion", motion(network="unet"), "0.474 ± 0.024"),
    *(
        ("rate", dict(task=task, rule=rule, lr=lr), said)
        for task, rule, lr, said in (
            ("digits", "stllr", "0.004", "89.9 ± 1.4"),
            ("digits", "stllr", "0.008", "90.4 ± 1.3"),
            ("digits", "stllr", "0.016", "90.7 ± 1.1"),
            ("digits", "stllr", "0.032", "30.8 ± 22.9"),
            ("digits", "bptt", "0.032", "77.7 ± 8.1"),
            ("speech", "stllr", "0.004", "95.1 ± 0.6"),
            ("speech", "stllr", "0.008", "96.6 ± 1.0"),
            ("speech", "stllr", "0.016", "96.7 ± 1.2"),
            ("speech", "bptt", "0.008", "97.2 ± 0.4"),
            ("speech", "bptt", "0.016", "97.5 ± 0.8"),
            ("randman", "stllr", "0.032", "68.7 ± 13.9"),
            ("randman", "bptt", "0.032", "99.2 ± 1.0"),
            ("gestures_single", "stllr", "0.004", "91.3 ± 3.2"),
            ("gestures_single", "bptt", "0.004", "92.0 ± 3.6"),
            ("gestures_single", "stllr", "0.016", "82.7 ± 0.4"),
            ("gestures_single", "bptt", "0.016", "76.0 ± 0.7"),
        )
    ),
    ("window", digits("bptt", last="1"), "91.2 ± 0.6"),
    *(("window", digits(last="1", alpha_post=a), said) for a, said in (("-1.0", "77.9 ± 3.2"), ("0.0", "70.8 ± 3.1"), ("1.0", "60.7 ± 4.5"))),
    *(("window", digits(last="15", alpha_post=a), said) for a, said in (("-1.0", "91.8 ± 0.8"), ("0.0", "91.0 ± 0.4"), ("1.0", "90.3 ± 0.8"))),
    ("window", speech(last="5", alpha_post="-1.0"), "89.1 ± 1.3"),
    ("window", speech("bptt", last="5"), "93.8 ± 1.0"),
    ("window", digits("tbptt", last="5"), "7.3 ± 1.3"),
    *(
        ("shape", digits(psi=psi, lam_pre=lam, alpha_post=a), said)
        for psi, lam, three in (
            ("triangle", "0.5", ("86.1 ± 0.9", "43.6 ± 7.1", "44.7 ± 6.8")),
            ("triangle", "0.88", ("86.7 ± 0.5", "84.5 ± 1.1", "81.4 ± 1.4")),
            ("fast_sigmoid", "0.88", ("76.1 ± 2.7", "76.7 ± 0.5", "77.5 ± 1.3")),
        )
        for a, said in zip(("-1.0", "0.0", "1.0"), three)
    ),
    ("shape", speech(psi="arctan", lam_pre="0.5", alpha_post="-1.0"), "67.8 ± 5.2"),
    ("shape", speech(psi="triangle", lam_pre="0.5", alpha_post="-1.0"), "72.6 ± 4.3"),
    ("shape", speech(psi="arctan", lam_pre="0.5", alpha_post="0.0"), "92.5 ± 2.0"),
    ("shape", speech(psi="triangle", lam_pre="0.5", alpha_post="0.0"), "93.1 ± 0.3"),
    ("terms", digits("sltt"), "86.5 ± 1.7"),
    ("terms", digits("ottt"), "91.5 ± 0.7"),
    ("terms", speech("sltt"), "91.1 ± 0.8"),
    ("terms", speech("ottt"), "93.4 ± 0.9"),
    ("terms", digits(alpha_post="-1.0"), "91.7 ± 0.8"),
    ("terms", digits(alpha_post="1.0"), "91.0 ± 0.6"),
    ("signals", digits(signal="bp"), "91.7 ± 0.8"),
    ("signals", digits(signal="local"), "88.0 ± 1.0"),
    ("signals", digits(signal="dfa"), "84.0 ± 0.9"),
    ("signals", digits(signal="fa"), "83.3 ± 1.8"),
    ("signals", digits(signal="drtp"), "78.0 ± 1.1"),
    ("signals", digits(signal="sdfa"), "34.5 ± 13.0"),
    ("depth", digits(hidden="128", alpha_post="-1.0", signal="bp"), "91.3 ± 0.5"),
    ("depth", digits(hidden="128-128-128-128", alpha_post="-1.0", signal="bp"), "92.0 ± 0.6"),
    ("depth", digits("bptt", hidden="128-128-128-128"), "91.7 ± 1.2"),
    ("depth", digits("sltt", hidden="128"), "87.7 ± 1.2"),
    ("depth", digits("sltt", hidden="128-128-128-128"), "79.1 ± 2.5"),
    ("depth", digits("frozen", hidden="128"), "75.0 ± 0.6"),
    ("depth", digits("frozen", hidden="128-128-128-128"), "35.6 ± 3.8"),
    ("depth", digits(hidden="128", signal="dfa"), "87.1 ± 0.4"),
    ("depth", digits(hidden="128-128-128-128", signal="dfa"), "82.5 ± 1.8"),
    ("online", digits(update="online", lr="0.001"), "92.8 ± 1.0"),
    ("online", speech(update="online", lr="0.001"), "96.0 ± 1.3"),
    ("online", digits(update="accumulated", lr="0.008"), "91.7 ± 0.5"),
    ("online", speech(update="accumulated", lr="0.008"), "94.0 ± 1.2"),
    ("online", digits(update="online", lr="0.004"), "42.0 ± 32.1"),
    ("trace", digits(lam_post="0.2", alpha_post="-1.0"), "91.8 ± 0.8"),
    ("trace", digits(lam_post="0.2", alpha_post="-0.2"), "91.5 ± 0.9"),
    ("trace", digits(lam_post="0.8", alpha_post="-1.0"), "71.5 ± 4.1"),
    ("trace", digits(lam_post="0.8", alpha_post="-0.8"), "90.8 ± 0.8"),
    ("trace", speech(lam_post="0.8", alpha_post="-1.0"), "90.3 ± 1.6"),
    ("trace", speech(lam_post="0.8", alpha_post="-0.8"), "92.7 ± 0.9"),
    ("delay", {"task": "delay 4", "rule": "stllr", "last": "2", "alpha_post": "0.0"}, "100.0 ± 0.0"),
    ("delay", {"task": "delay 8", "rule": "stllr", "last": "2", "alpha_post": "0.0"}, "53.5 ± 9.0"),
    ("delay", {"task": "delay 8", "rule": "frozen", "last": "2"}, "60.0 ± 3.2"),
    ("delay", {"task": "delay 16", "rule": "stllr", "last": "20", "alpha_post": "0.0"}, "100.0 ± 0.0"),
]


@pytest.mark.parametrize("study, where, said", QUOTED, ids=[f"{study} {said}" for study, _, said in QUOTED])
def test_a_quoted_number_is_that_of_its_csv(study, where, said):
    found = scores(study, **where)
    assert len(found) in (3, 5)
    places = 3 if study == "motion" else 1
    assert f"{np.mean(found):.{places}f} ± {np.std(found, ddof=1):.{places}f}" == said
    section = next(part for part in PAGE.split("\n## ") if f"{study}.csv" in part.split("\n")[0])
    assert said in section.replace("\n", " ")


def test_on_speech_the_sign_does_what_the_page_says_in_words():
    psis, short = ("triangle", "fast_sigmoid", "sigmoid", "arctan"), {}
    for psi in psis:
        for lam in ("0.5", "0.8", "0.95"):
            low, none, high = (np.mean(scores("shape", **speech(psi=psi, lam_pre=lam, alpha_post=a))) for a in ("-1.0", "0.0", "1.0"))
            assert low < min(none, high) and abs(none - high) < 2
            short[psi, lam] = max(none, high) - low
    assert all((18 < gap < 26) if lam == "0.5" else gap < 5 for (_, lam), gap in short.items())
    lowest = {psi: np.mean(scores("shape", **speech(psi=psi, lam_pre="0.5", alpha_post="-1.0"))) for psi in psis}
    assert min(lowest, key=lowest.get) == "arctan" and max(lowest, key=lowest.get) == "triangle"


def test_online_updates_are_level_with_bptt_at_its_best_rate():
    for task in ("digits", "speech"):
        rates = {lr: scores("rate", task=task, rule="bptt", lr=lr) for lr in ("0.008", "0.016")}  # validation, seeds 0 to 2
        with open(RESULTS / "online.csv", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if (row["task"], row["update"], row["lr"]) == (task, "online", "0.001") and row["seed"] in "012"]
        online = [100 * float(row["validation"]) for row in rows]
        best = max(rates.values(), key=np.mean)
        assert len(online) == len(best) == 3 and abs(np.mean(online) - np.mean(best)) < max(np.std(online, ddof=1), np.std(best, ddof=1))


def test_every_mean_and_deviation_of_the_page_is_one_of_those():
    assert set(re.findall(r"\d+\.\d+ ± \d+\.\d+", PAGE)) == {said for *_, said in QUOTED}


def test_every_study_has_its_table_its_figure_and_its_place_on_the_page():
    for name in STUDIES:
        for kind in ("csv", "svg"):
            assert (RESULTS / f"{name}.{kind}").exists() and f"({name}.{kind})" in PAGE, name
