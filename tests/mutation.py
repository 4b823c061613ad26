"""Mutation testing with cosmic-ray: `make mutants` changes the library in small ways, and the tests must notice (90 minutes, 2 cores).

For each module a seeded sample of mutants is drawn among all that cosmic-ray makes of it; each is run against that module's
tests, up to the first failure.  The work is done on copies of the repository in .mutants/, so that the tree is never touched;
what is finished stands in a data base there, and is not run again while the module and its tests are the same.  `report` writes
tests/mutation.md; each survivor needs its reason in tests/survivors.json, and each reason there its survivor.
"""

import argparse
import ast
import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".mutants"
SEED, SHARE = 0, 26  # mutants of a module: SHARE, or all of them where it has fewer
PATIENCE = 30, 5  # a mutant that takes longer than so many seconds, and so many times the tests without one, never ends
MODULES = {  # module -> its tests
    "surrogates": "test_surrogates test_twins",
    "traces": "test_traces",
    "weights": "test_weights",
    "maps": "test_maps",
    "losses": "test_losses",
    "neurons": "test_neurons",
    "synapses": "test_synapses",
    "signals": "test_signals",
    "rules": "test_rules test_reductions",
    "synaptic": "test_synaptic",
    "layer": "test_layer",
    "network": "test_network",
    "chunks": "test_chunks test_engine",
    "engine": "test_engine",
    "bptt": "test_bptt test_chunks",
    "rtrl": "test_rtrl",
    "optim": "test_optim",
    "data/events": "test_events test_events_large",
    "oracle/contract": "test_check test_oracle",
    "oracle/cases": "test_oracle",
    "oracle/slips": "test_verdict",
    "oracle/answers": "test_judged test_verdict test_check",
    "oracle/judgement": "test_judged test_verdict",
}


def tests_of(module):
    """Return the test files of a module, from the root."""
    return [f"tests/{name}.py" for name in MODULES[module].split()]


def code(name):
    """Return the code of a file from the root without its docstrings and comments, which no test of a module can notice."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body[0].value.value = ""
    return ast.unparse(tree)


@cache
def session(module):
    """Return the path of a module's data base: another one when the code of the module or of one of its tests is no longer the same."""
    sources = [code(name) for name in (f"stllr_ref/{module}.py", "tests/oracles.py", *tests_of(module))]
    return PLACE / f"{module.replace('/', '-')}-{hashlib.sha256(f'{SEED} {SHARE} {sources}'.encode()).hexdigest()[:12]}.sqlite"


def command(module):
    """Return the words that run the tests of a module, up to the first failure."""
    return [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not torch", *tests_of(module)]


def config(module):
    """Return the path of a module's configuration, beside its data base."""
    return session(module).with_suffix(".toml")


def configure(module, folder):
    """Run the tests of a module without a mutant in a copy, and write its configuration: tests that fail would notice every mutant."""
    started = perf_counter()
    run = subprocess.run(command(module), cwd=folder, env=_own(folder), capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{module}: its tests fail without a mutant\n{run.stdout[-2000:]}")
    limit = PATIENCE[0] + PATIENCE[1] * (perf_counter() - started)
    config(module).write_text(
        f'[cosmic-ray]\nmodule-path = "stllr_ref/{module}.py"\ntimeout = {limit:.0f}\nexcluded-modules = []\n'
        f"test-command = {json.dumps(shlex.join(command(module)))}\n[cosmic-ray.distributor]\nname = \"local\"\n"
    )


def copies(jobs):
    """Return that many fresh copies of the repository, without what git ignores."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    made = []
    for job in range(jobs):
        made.append(PLACE / f"copy-{job}")
        shutil.rmtree(made[-1], ignore_errors=True)
        for name in names:
            (made[-1] / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, made[-1] / name)
    return made


def _own(folder):
    """Return an environment in which the library of a copy comes before any that is installed."""
    return {**os.environ, "PYTHONPATH": str(folder)}


def _run(words, folder):
    """Run cosmic-ray in a copy."""
    subprocess.run([sys.executable, "-m", "cosmic_ray.cli", *map(str, words)], cwd=folder, check=True, env=_own(folder))


def draw(module):
    """Draw the sample of a module: everything else in its data base is marked as skipped."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    with use_db(session(module), WorkDB.Mode.open) as db:
        items = sorted(db.work_items, key=lambda item: str([(m.operator_name, m.operator_args, m.occurrence) for m in item.mutations]))
        chosen = random.Random(f"{SEED} {module}").sample(items, min(SHARE, len(items)))
        left = {item.job_id for item in items} - {item.job_id for item in chosen}
        db.set_multiple_results(sorted(left), WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def measure(module, free):
    """Run what is not run yet of a module's sample, in one of the free copies."""
    folder = free.get()
    try:
        if not session(module).exists():
            fresh = session(module).with_suffix(".new")
            fresh.unlink(missing_ok=True)
            configure(module, folder)
            _run(["init", config(module), fresh], folder)
            fresh.rename(session(module))
            draw(module)
        _run(["exec", config(module), session(module)], folder)
    finally:
        free.put(folder)
    print(f"{module}: done", flush=True)


def found(module):
    """Return (mutants in all, results of the sample: list of (what was changed, outcome, diff)); KILLED, SURVIVED or INCOMPETENT."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome

    out = []
    with use_db(session(module), WorkDB.Mode.open) as db:
        for item, result in db.completed_work_items:
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            (mutation,) = item.mutations
            where = f"{module}:{mutation.start_pos[0]} {mutation.operator_name.split('/')[-1]} {mutation.occurrence}"
            out.append((where, TestOutcome(result.test_outcome).name, result.diff or ""))
        return db.num_work_items, sorted(out)


def changed(diff):
    """Return the lines that a diff takes away and puts in, without their indentation."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    return [line[:1] + " " + line[1:].strip() for line in lines]


def report():
    """Return (page, complaints): a row a module, then every survivor with its reason; what lacks a reason, what has one too many."""
    reasons = json.loads((ROOT / "tests" / "survivors.json").read_text(encoding="utf-8"))
    rows, survivors, counts = [], [], Counter()
    measured = [module for module in MODULES if session(module).exists()]
    for module in measured:
        total, results = found(module)
        here = Counter(outcome for _, outcome, _ in results)
        counts += here
        rows.append(f"| {module} | {total} | {len(results)} | {here['KILLED']} | {here['INCOMPETENT']} | {here['SURVIVED']} |")
        survivors += [(module, where, changed(diff)) for where, outcome, diff in results if outcome == "SURVIVED"]
    ran = counts["KILLED"] + counts["SURVIVED"]
    lines = [
        "# Mutants", "",
        "Written by `make mutants` (tests/mutation.py, cosmic-ray): small changes of the library, drawn at random, each run against the tests of",
        f"its module. Of {ran} mutants that could run, {counts['KILLED']} were noticed (a test failed or never ended), {100 * counts['KILLED'] / max(1, ran):.1f} %;",
        f"{counts['INCOMPETENT']} more could not be run to an end and count for nothing.", "",
        "| module | mutants in all | drawn | noticed | could not run | survived |", "| --- | --- | --- | --- | --- | --- |", *rows, "", "## Survivors", "",
    ]  # fmt: skip
    keys = {f"{module}: {' '.join(lines_changed)}" for module, _, lines_changed in survivors}
    for module, where, lines_changed in survivors:
        reason = reasons.get(f"{module}: {' '.join(lines_changed)}", "NO REASON YET")
        lines += [f"- `{where}`: {reason}", "", "  ```diff", *(f"  {line}" for line in lines_changed), "  ```", ""]
    stale = [key for key in reasons if key.split(":")[0] in measured and key not in keys]
    complaints = [f"no reason yet: {key}" for key in sorted(keys - set(reasons))] + [f"a reason without its survivor: {key}" for key in stale]
    return "\n".join(lines).rstrip() + "\n", complaints


def main(argv=None):
    """Run and report; return 1 while a survivor has no reason, or a reason no survivor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="*", help="such as neurons or data/events (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="modules at a time")
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    args = parser.parse_args(argv)
    unknown = [module for module in args.module if module not in MODULES]
    if unknown:
        parser.error(f"got {unknown[0]}, expected one of {', '.join(MODULES)}")
    if args.fresh:
        shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(exist_ok=True)
    free = SimpleQueue()
    for folder in copies(args.jobs):
        free.put(folder)
    for module in MODULES:
        session(module)  # of the sources as they are now, in the copies: somebody may go on writing
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda module: measure(module, free), args.module or MODULES))
    text, complaints = report()
    if all(session(module).exists() for module in MODULES):  # of some modules there is no page, or it would say too little
        (ROOT / "tests" / "mutation.md").write_text(text, encoding="utf-8")
    print(text.split("## Survivors")[0])
    print(*complaints, sep="\n")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
