"""RESULTS.md: a verdict is what the numbers say, it falls when they do, and every number in a table is that of the trials."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import __main__, bptt, costs, network
from stllr_ref.experiments import claims, classify, studies, sweep
from stllr_ref.experiments.classify import Result
from stllr_ref.losses import cross_entropy
from stllr_ref.training import Epoch

GOOD = {"digits": 0.92, "speech": 0.95, "gestures": 0.98, "flow": 0.5}
RULES = {"bptt": 0.005, "tbptt": -0.01, "ottt": -0.01, "sltt": -0.05, "frozen": -0.25, "counts": -0.1}


def score(settings, seed):
    """Return a test score with which every claim holds, a little different for each seed."""
    s, noise = settings, 0.001 * np.sin(1 + seed + len(settings.rule))
    if s.task == "flow":
        return {"zero": 0.9, "frozen": 0.88, "bptt": 0.7}.get(s.rule, 0.5) + noise
    if s.task.startswith("delay"):
        return 1.0 if s.rule == "bptt" else 0.52 + noise
    if s.rule != "stllr":
        return GOOD[s.task] + RULES[s.rule] + noise
    if s.signal == "dfa":
        return 0.62 + noise
    if s.task == "digits" and s.last == 5:
        return {-1.0: 0.9, 0.0: 0.8, 1.0: 0.7}[s.alpha_post] + noise
    if s.task == "speech" and s.lam_pre == 0.5:
        return {-1.0: 0.41, 0.0: 0.86, 1.0: 0.86}[s.alpha_post] + noise
    return GOOD[s.task] + 0.02 * (s.task == "speech" and s.alpha_post > 0) + noise


def results(change=lambda s, value: value, seeds=3):
    """Return the results of all claims, scores as `score` says, changed by change(settings, value)."""
    out = {}
    for s, seed in claims.cells(seeds):
        value = change(s, score(s, seed))
        rates = [] if s.rule in ("counts", "zero") else [0.1 + 0.1 * (s.alpha_post >= 0), 0.12]
        history = [Epoch(1, 1.0, value, value, [0.9] * len(rates), {}), Epoch(2, 1.0, value, value, rates, {"0.W": 1.0, "1.W": 2.0})]
        out[s, seed] = Result(s, seed, value, value - 0.01, 1.0, costs.Cost(Counter(), 1, 1, 1), 1, history, {})
    return out


def verdicts(found):
    """Return title -> list of whether a sentence holds."""
    parts = re.split(r"^## \d+\. ", claims.render(found), flags=re.MULTILINE)[1:]
    return {part.split("\n")[0]: [line.startswith("- Holds") for line in part.split("\n") if line.startswith("- ")] for part in parts}


@pytest.fixture(scope="module")
def good():
    return verdicts(results())


def test_all_claims_that_scores_decide_hold_where_the_scores_say_so(good):
    assert list(good) == [claim.title for claim in claims.CLAIMS]
    decided = {title: held for title, held in good.items() if title != "The sign of alpha_post: short windows"}  # its cosines are real ones
    assert all(all(held) for held in decided.values()), decided
    assert good["The sign of alpha_post: short windows"][0]


WORSE = {
    "Near BPTT: digits": (lambda s, v: v - 0.03 if s.task == "digits" and s.rule == "stllr" and s.last != 5 and s.signal == "bp" else v, 0),
    "Near BPTT: speech": (lambda s, v: v + 0.25 if s.task == "speech" and s.rule == "frozen" else v, 1),
    "Near BPTT: gestures": (lambda s, v: v + 0.03 if s.task == "gestures" and s.rule == "bptt" else v, 0),
    "Optical flow": (lambda s, v: v + 0.25 if s.task == "flow" and s.rule == "stllr" else v, 0),
    "The sign of alpha_post: short windows": (lambda s, v: 0.8 if s.task == "digits" and s.last == 5 else v, 0),
    "The sign of alpha_post: speech": (lambda s, v: 0.86 if s.task == "speech" and s.lam_pre == 0.5 else v, 1),
    "The limit": (lambda s, v: 0.9 if s.task == "delay 8" and s.rule == "stllr" else v, 0),
    "Direct feedback alignment": (lambda s, v: 0.92 if s.signal == "dfa" else v, 0),
}


@pytest.mark.parametrize("title", WORSE)
def test_a_claim_falls_with_its_numbers(title, good):
    change, which = WORSE[title]
    found = verdicts(results(change))
    assert not found[title][which]
    assert [t for t in found if found[t] != good[t]] == [title]


def when(task, rule="stllr", **fields):
    """Return settings -> whether they are of a task, one of the rules, and have these fields."""
    return lambda s: s.task == task and s.rule in rule.split() and all(getattr(s, name) == value for name, value in fields.items())


EDGES = [  # title, sentence, the settings whose score is changed, a score with which the sentence holds, one with which it falls
    ("Near BPTT: digits", 0, when("digits", last=15, signal="bp"), 0.910, 0.900),
    ("Near BPTT: speech", 0, when("speech", lam_pre=0.95), 0.940, 0.930),
    ("Near BPTT: gestures", 0, when("gestures"), 0.970, 0.960),
    ("Near BPTT: digits", 1, when("digits", "frozen"), 0.765, 0.775),
    ("Near BPTT: speech", 1, when("speech", "frozen"), 0.815, 0.825),
    ("Near BPTT: gestures", 1, when("gestures", "frozen"), 0.825, 0.835),
    ("Optical flow", 0, when("flow", alpha_post=-0.2), 0.714, 0.726),
    ("Optical flow", 1, when("flow", alpha_post=-0.2), 0.625, 0.635),
    ("Optical flow", 2, when("flow", "bptt"), 0.455, 0.445),
    ("The sign of alpha_post: short windows", 0, when("digits", last=5, alpha_post=-1.0), 0.855, 0.845),
    ("The sign of alpha_post: short windows", 0, when("digits", last=5, alpha_post=1.0), 0.745, 0.755),
    ("The sign of alpha_post: speech", 0, when("speech", lam_pre=0.95, alpha_post=-1.0), 0.945, 0.935),
    ("The sign of alpha_post: speech", 0, when("speech", lam_pre=0.95, alpha_post=-1.0), 0.975, 0.985),
    ("The sign of alpha_post: speech", 1, when("speech", lam_pre=0.5, alpha_post=-1.0), 0.655, 0.665),
    ("The sign of alpha_post: speech", 1, when("speech", lam_pre=0.5, alpha_post=0.0), 0.620, 0.150),  # as far below -1 is no support
    ("The sign of alpha_post: speech", 2, when("speech", lam_pre=0.95, alpha_post=1.0), 0.965, 0.955),
    ("The limit", 0, when("delay 8", "stllr frozen"), 0.595, 0.605),
    ("The limit", 0, when("delay 8"), 0.515, 0.545),
    ("The limit", 2, when("delay 16", "stllr frozen"), 0.595, 0.605),
    ("The limit", 2, when("delay 16"), 0.515, 0.545),
    ("The limit", 1, when("delay 8", "bptt"), 0.985, 0.975),
    ("The limit", 3, when("delay 16", "bptt"), 0.985, 0.975),
    ("Direct feedback alignment", 0, when("digits", signal="dfa"), 0.895, 0.905),
]  # fmt: skip


@pytest.mark.parametrize("title, sentence, which, inside, outside", EDGES)
def test_a_verdict_turns_where_it_says(title, sentence, which, inside, outside):
    claim = next(claim for claim in claims.CLAIMS if claim.title == title)
    assert any(which(s) for s in claim.rows())
    found = [claim.verdict(studies.by_settings(results(lambda s, v: value if which(s) else v)))[sentence][0] for value in (inside, outside)]
    assert found == [True, False]


def test_silence_is_a_limit_while_s_tllr_is_within_two_standard_errors_of_frozen_layers():
    held = []
    for shift in (0.0, 0.02):  # three differences with a mean of 0.01 + shift and a standard error of 0.0115
        of = studies.by_settings(results())
        ours, frozen = (claims.base("delay 8", alpha_post=0.0), claims.base("delay 8", rule="frozen"))
        of[ours] = [r._replace(test=0.5 + d + shift) for r, d in zip(of[ours], (0.03, 0.01, -0.01))]
        of[frozen] = [r._replace(test=0.5) for r in of[frozen]]
        held.append(claims._delay(of)[0][0])
    assert held == [True, False]


@pytest.mark.parametrize("rates, holds", [((0.2, 0.21, 0.22), True), ((0.2, 0.19, 0.22), False), ((0.2, 0.21, 0.19), False)])
def test_rates_are_lowest_at_a_negative_sign_or_the_claim_falls(rates, holds):
    of = studies.by_settings(results())
    for alpha_post, rate in zip((-1.0, 0.0, 1.0), rates):
        s = claims.base("digits", last=5, alpha_post=alpha_post)
        of[s] = [r._replace(history=[r.history[-1]._replace(rates=[rate - 0.1, rate + 0.1])]) for r in of[s]]
    ((held, said),) = claims._firing(of)
    assert held == holds and ", ".join(f"{100 * rate:.1f}" for rate in rates) in said


@pytest.mark.parametrize("cosines, holds", [((0.3, 0.2, 0.1), True), ((0.3, 0.1, 0.2), False), ((0.2, 0.3, 0.1), False), ((0.1, 0.2, 0.3), False)])
def test_alignment_is_the_mean_over_the_seeds_and_must_fall_with_the_sign(cosines, holds, monkeypatch):
    tilt = {0: 9.0, 1: -12.0, 2: 3.0}  # of mean 0: no seed alone has the order of the means
    monkeypatch.setattr(claims, "aligned", lambda s, seed: cosines[int(s.alpha_post) + 1] + tilt[seed] * s.alpha_post)
    held, said = claims._sign(studies.by_settings(results()))[1]
    assert held == holds and ", ".join(f"{c:.2f}" for c in cosines) in said


def test_aligned_is_the_cosine_of_the_lowest_layer_in_the_settings_window_on_the_first_samples():
    s, seed = claims.base("digits", last=5), 1
    x, y = (part[..., :50, :] if part.ndim > 1 else part[:50] for part in studies.sets("digits")[0])
    inside = np.arange(21)[:, None] >= np.full((1, 50), 16)
    net = classify.build(s, 512, 10, seed)
    a, b = (run(net, x, y, cross_entropy, inside)[1]["0.W"].ravel() for run in (network.run, bptt.run))
    assert 0.05 < (by_hand := a @ b / np.sqrt((a @ a) * (b @ b))) < 0.95
    assert claims.aligned(s, seed) == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize("ours, exact, holds", [((70, 70), (10, 40), [True, True]), ((70, 71), (10, 40), [False, True]), ((70, 70), (10, 39), [True, False])])
def test_memory_is_what_is_measured_for_t_and_four_t(ours, exact, holds, monkeypatch):
    steps = len(studies.sets("digits")[0][0])

    def cost(net, settings, x, y):
        """Return made-up states for T and 4 T steps."""
        state = {"stllr": ours, "bptt": exact}[settings.rule][{steps: 0, 4 * steps: 1}[len(x)]]
        return costs.Cost(Counter(), 1, state, 1), None

    monkeypatch.setattr(classify, "cost", cost)
    assert [held for held, _ in claims._memory({})] == holds


def test_a_sentence_has_the_differences_and_the_order_of_its_trials():
    rng = np.random.default_rng(0)
    found = {cell: r._replace(test=rng.random()) for cell, r in results().items()}
    of = studies.by_settings(found)

    def scores(task, **change):
        """Return the scores of a setting, a seed each."""
        return np.array([found[claims.base(task, **change), seed].test for seed in range(3)])

    def gap(a, b):
        """Return a paired difference as a sentence has it."""
        return f"{100 * (a - b).mean():+.1f} points (se {100 * np.std(a - b, ddof=1) / 3**0.5:.1f})"

    near = next(claim for claim in claims.CLAIMS if claim.title == "Near BPTT: speech").verdict(of)
    assert gap(scores("speech"), scores("speech", rule="bptt")) in near[0][1] and "alpha_post +1" in near[0][1]
    assert gap(scores("speech"), scores("speech", rule="frozen")) in near[1][1]
    short = [scores("speech", lam_pre=0.5, alpha_post=a) for a in (-1.0, 0.0, 1.0)]
    said = claims._speech_sign(of)[1][1]
    assert "lam_pre 0.5: " + ", ".join(f"{100 * values.mean():.1f}" for values in short) in said and gap(short[0], short[1]) in said
    assert gap(scores("digits", signal="dfa"), scores("digits")) in claims._dfa(of)[0][1]
    ours, frozen = scores("delay 16", alpha_post=0.0), scores("delay 16", rule="frozen")
    assert f"16 steps: S-TLLR {100 * ours.mean():.1f} %, minus frozen {gap(ours, frozen)}" in claims._delay(of)[2][1]
    ours, zero = scores("flow").mean(), scores("flow", rule="zero").mean()
    assert f"{ours / zero:.2f} of zero flow" in claims._flow(of)[0][1] and f"S-TLLR {ours:.3f}, BPTT {scores('flow', rule='bptt').mean():.3f}" in claims._flow(of)[2][1]


def test_a_sentence_says_holds_where_it_holds_and_nowhere_else():
    found = results(lambda s, v: 0.5)
    parts = re.split(r"^## \d+\. ", claims.render(found), flags=re.MULTILINE)[1:]
    for claim, part in zip(claims.CLAIMS, parts):
        rows = [f"- {'Holds' if held else 'Does not hold'}: {said}." for held, said in claim.verdict(studies.by_settings(found))]
        assert [line for line in part.split("\n") if line.startswith("- ")] == rows
    assert "- Holds" in "".join(parts) and "- Does not hold" in "".join(parts)


def test_what_is_compared_stands_in_the_table():
    controls = {"digits": "counts", "speech": "counts", "gestures": "counts", "flow": "zero"}
    for claim, task in zip(claims.CLAIMS, controls):
        rows = claim.rows()
        assert {s.rule for s in rows} == {"stllr", "bptt", "tbptt", "ottt", "sltt", "frozen", controls[task]} and {s.task for s in rows} == {task}
        assert {np.sign(s.alpha_post) for s in rows if s.rule == "stllr"} == {-1, 0, 1}
        assert claims.base(task) in rows
    limit = next(claim for claim in claims.CLAIMS if claim.title == "The limit").rows()
    assert {(s.task, s.rule) for s in limit} == {(f"delay {D}", rule) for D in (8, 16) for rule in ("stllr", "frozen", "bptt")}
    assert {s.last for s in limit} == {2} and {s.alpha_post for s in limit if s.rule == "stllr"} == {0.0}


def test_a_table_has_its_unit_and_the_fields_that_tell_its_rows_apart():
    text = claims.render(results())
    heads = [line for line in text.split("\n") if line.startswith("| rule")]
    assert "seeds 0 to 2," in text and heads[3] == "| rule | test px | validation px | firing rates % |"
    assert [head.split(" | test")[0] for head in heads[5:7]] == ["| rule | lam_pre", "| rule | task"]
    flow = [results()[claims.base("flow"), seed] for seed in range(3)]
    row = next(line for line in text.split("## 4.")[1].split("\n") if line.startswith("| stllr -0.2"))
    values = [r.test for r in flow]
    assert row == f"| stllr -0.2 | {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} | {np.mean(values) - 0.01:.3f} | 10 12 |"


def test_the_table_of_optical_flow_has_its_scores_by_speed_where_all_trials_have_them():
    found = {cell: result._replace(more={"slow": 0.1, "outliers": 0.25 + 0.01 * cell[1]}) if cell[0].task == "flow" else result for cell, result in results().items()}
    part = claims.render(found).split("## 4.")[1].split("## 5.")[0]
    assert "| rule | test px | validation px | firing rates % | slow px | outliers % |" in part
    row = next(line for line in part.split("\n") if line.startswith("| stllr -0.2"))
    assert row.endswith("| 10 12 | 0.100 | 26.0 |") and "slow px" not in claims.render(results())


def test_a_row_of_a_table_is_mean_and_deviation_of_its_trials():
    found = results()
    text = claims.render(found)
    s = claims.base("speech", rule="sltt")
    values = [100 * found[s, seed].test for seed in range(3)]
    row = next(line for line in text.split("## 2.")[1].split("\n") if line.startswith("| sltt"))
    assert f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}" in row and row.endswith("| 20 12 |")
    ours = re.sub(r"^\| Published.*?\n\n", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^\| [a-z]", ours, re.MULTILINE)) == sum(len(claim.rows()) for claim in claims.CLAIMS) + text.count("| rule |")


def test_published_numbers_stand_beside_ours_column_by_column():
    found = results()
    shown = {part.split("\n")[0]: part for part in re.split(r"^## \d+\. ", claims.render(found), flags=re.MULTILINE)[1:]}
    for claim in claims.CLAIMS:
        table = re.search(r"^\| Published.*?\n\n", shown[claim.title] + "\n", re.MULTILINE | re.DOTALL)
        assert (table is None) == (claim.printed is None)
        if table is None:
            continue
        *rows, ours = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].strip().split("\n")]
        assert len({len(row) for row in (*rows, ours)}) == 1
        for column, s, cell in zip(rows[0][1:], claim.beside(), ours[1:], strict=True):
            factor = 1 if s.task == "flow" else 100
            assert float(cell.split(" ±")[0]) == pytest.approx(factor * np.mean([found[s, seed].test for seed in range(3)]), abs=0.051)
            name = {"bptt": "BPTT", "zero": "zero flow"}.get(s.rule, f"S-TLLR {s.alpha_post:+g}".replace("+0", "0") if s.alpha_post in (0, -1, 1) else f"S-TLLR {s.alpha_post:+g}")
            assert column == ({"bp": "true error", "dfa": "DFA"}[s.signal] if claim.title.startswith("Direct") else name)


def test_published_differences_are_those_of_the_paper():
    text = claims.render(results())
    assert "78.24 ± 1.84 | 74.60 ± 0.52" in text and "| MVSEC, sum of four sequences | 3.45 | 3.60 | 3.69 | 3.40 | 6.38 |" in text
    assert text.count("| Published") == 5
    assert "| here, flow, px a step (published: px between two grey frames) | " in text and "| here, digits, % | " in text


def test_every_cell_is_there_once_for_each_seed():
    cells = claims.cells(5)
    assert len(set(cells)) == len(cells) and {seed for _, seed in cells} == set(range(5))
    assert all(claims.base(task) in {s for s, _ in cells} for task in ("digits", "speech", "gestures", "flow"))


def test_the_command_writes_the_page_and_goes_on_without_running_a_trial_twice(tmp_path, monkeypatch, capsys):
    tiny = replace(studies.STUDIED["delay 2"].settings, epochs=1)
    claim = claims.Claim("Tiny", "Is it small?", lambda: [tiny], lambda of: [(len(of[tiny]) == 2, "two seeds")])
    monkeypatch.setattr(claims, "CLAIMS", [claim])
    page, out = tmp_path / "R.md", tmp_path / "out"
    assert __main__.main(["results", "--seeds", "2", "--file", str(page), "--out", str(out)]) == 0
    assert "- Holds: two seeds." in capsys.readouterr().out and "## 1. Tiny" in page.read_text()
    before = page.read_bytes()
    monkeypatch.setattr(studies, "trial", lambda *cell: pytest.fail("a finished trial was run again"))
    assert __main__.main(["results", "--seeds", "2", "--file", str(page), "--out", str(out), "--resume"]) == 0
    assert page.read_bytes() == before


def one_trial(monkeypatch):
    """Make the claims a single one of one trial, which is made up; return what sweep.run is told."""
    s, told = claims.base("digits"), []
    made = {cell: result for cell, result in results().items() if cell[0] == s}
    monkeypatch.setattr(claims, "CLAIMS", [claims.Claim("One", "Is it one?", lambda: [s], lambda of: [(False, f"{len(of[s])} seeds")])])

    def run(work, cells, file, pool, **options):
        """Return made-up results."""
        told.append((pool, options["threads"], [seed for _, seed in cells]))
        return {cell: made[cell] for cell in cells}

    monkeypatch.setattr(sweep, "run", run)
    return told


def test_results_writes_results_md_here_and_hands_processes_threads_and_seeds_on(tmp_path, monkeypatch, capsys):
    told = one_trial(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert __main__.main(["results", "--seeds", "3", "--jobs", "2", "--threads", "4", "--out", "out"]) == 0
    assert [(pool.at_once, threads, seeds) for pool, threads, seeds in told] == [(2, 4, [0, 1, 2])]
    assert "- Does not hold: 3 seeds." in (tmp_path / "RESULTS.md").read_text() and {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "out"}
    assert capsys.readouterr().out == "## 1. One\n- Does not hold: 3 seeds.\nRESULTS.md; trials: out\n"


@pytest.mark.parametrize("options", [["--seeds", "3"], ["--seeds", "2", "--file", "other.md"]])
def test_results_go_on_only_with_the_same_seeds_and_claims(options, tmp_path, monkeypatch, capsys):
    one_trial(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert __main__.main(["results", "--seeds", "2", "--out", "out"]) == 0
    assert __main__.main(["results", *options, "--out", "out", "--resume"]) == (2 if "3" in options else 0)
    assert ("seeds" in capsys.readouterr().err) == ("3" in options)


@pytest.mark.parametrize("options, words", [(["--seeds", "1"], "--seeds: got 1, expected at least 2"), (["--resume"], "--resume: got it without --out")])
def test_bad_options_of_results_are_one_line(options, words, capsys):
    assert __main__.main(["results", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"stllr_ref: {words}") and said.count("\n") == 1
