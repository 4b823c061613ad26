"""The command `study NAME`: one question about the rules, answered by a table, a figure and a JSON object."""

import json
import sys

from stllr_ref.commands.arguments import TRIALS, add_command, add_grid, add_json, count, pool, results_folder, say
from stllr_ref.experiments import alignment, report, studies, sweep

STUDIES = {"alignment": "the cosine of every rule's gradient with the exact one, on digits and on a recurrent toy"}
STUDIES |= {name: study.question for name, study in studies.STUDIES.items()}


def add(commands):
    """Add `study` to the commands of the parser."""
    about = "Answer one question about the rules by a grid of trials; print a table, and write it (CSV, JSON) and its figure to a folder."
    parser = add_command(commands, "study", "one question about the rules, with its figure", about, "study window --seeds 3 --jobs 2")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", choices=STUDIES, metavar="NAME", help=f"one of {', '.join(STUDIES)}")
    which.add_argument("--list", action="store_true", help="say what each study asks, and run none")
    parser.add_argument("--seeds", type=count, metavar="N", help=f"trials of each setting, with seeds 0 to N-1 (default: {_usual_seeds()})")
    add_grid(parser, "NAME", " (not alignment)")
    add_json(parser)
    parser.set_defaults(main=study)


def _usual_seeds():
    """Return how many seeds the studies have by themselves, as --help says it."""
    fewer = [name for name, study in studies.STUDIES.items() if study.seeds == studies.CHOICE]
    return f"{studies.SEEDS}; {studies.CHOICE} for {', '.join(fewer)}"


def study(args):
    """Run a study, or list them; return the exit code."""
    if args.list:
        print("\n".join(f"{name:<12}{what}" for name, what in STUDIES.items()))
        return 0
    if args.name == "alignment":
        answer, text, place = _aligned(args)
    else:
        answer, text, place = _grid(args)
    if args.json:
        print(json.dumps(answer))
    else:
        print(f"{text}\nresults and figure: {place}")
    return 0


def _aligned(args):
    """Run the alignment study; return (JSON object, table, folder of the results)."""
    from threadpoolctl import threadpool_limits

    for option, given in (("--resume", args.resume), ("--jobs", args.jobs > 1), ("--scheduler", args.scheduler)):
        if given:
            raise ValueError(f"{option}: got it with alignment, expected a study that is a grid of trials")
    with results_folder(args.out, args.name) as place, threadpool_limits(args.threads):
        return *_alignment(args.seeds or studies.SEEDS, place), place


def _grid(args):
    """Run a study that is a grid of trials, those that its folder does not have yet; return (JSON object, table, folder)."""
    study = studies.STUDIES[args.name]
    study = study._replace(seeds=args.seeds or study.seeds)
    cells = studies.cells(study)
    about = {"study": args.name, "seeds": study.seeds, "settings": [vars(s) for s in study.cells()], "versions": report.versions()}
    where, drawings = pool(args), _drawings()
    with results_folder(args.out, args.name, args.resume, lambda place: f"the same with --out={place} --resume") as place:
        file = sweep.Finished(place / TRIALS, about, say)
        results = sweep.run(studies.trial, cells, file, where, threads=args.threads, say=say)
        report.replace_file(place / f"{args.name}.csv", lambda path: studies.write_csv(study, results, path))
        unit, factor, _ = report.UNITS[cells[0][0].metric]
        panels, words = studies.lines(study, results), f"{study.score} {report.NAMES[cells[0][0].metric]} ({unit})"
        figure = drawings.lines(panels, ", ".join(study.x), words, factor)
        report.replace_file(place / f"{args.name}.svg", lambda path: report.pictures().save(figure, path))
        answer = {**about, "rows": [report.row(found) for found in studies.by_settings(results).values()]}
        report.write_json(place / "result.json", answer)
    return answer, studies.table(study, results), place


def _alignment(seeds, place):
    """Run the alignment study, writing what there is after every seed into a folder; return (JSON object, table)."""
    from tqdm import tqdm

    results, names, drawings = {}, alignment.NAMES, _drawings()
    with tqdm(total=seeds * len(alignment.PARAMS) * len(names), unit="rule", disable=not sys.stderr.isatty(), leave=False) as bar:
        for seed in range(seeds):
            for task, (settings, data) in alignment.tasks(seed).items():
                bar.set_description(f"{task} seed {seed}")
                rows, refused = alignment.measure(settings, data, seed, names, bar.update)
                before = results.get(task, ([], {}))
                results[task] = (before[0] + rows, before[1] | refused)
            answer = alignment.summary(results, names, list(range(seed + 1)))
            report.write_json(place / "result.json", answer)
            figure = drawings.dots(_dots(results), alignment.STAGES, seed + 1)
            report.replace_file(place / "alignment.svg", lambda path: report.pictures().save(figure, path))
            say(f"seed {seed}: done")
    return answer, alignment.table(results, names)


def _drawings():
    """Return `drawings`, and with it matplotlib, before any trial: where it is not there, no trial is lost."""
    report.pictures()
    from stllr_ref.experiments import drawings

    return drawings


def _dots(results):
    """Return panel -> rule -> stage -> cosine of each seed, as `drawings.dots` takes them."""
    return {
        f"{task}, {param}": {
            name: {stage: alignment.cosines(results[task][0], stage, name, param) for stage in alignment.STAGES} for name in alignment.NAMES
        }
        for task, params in alignment.PARAMS.items()
        for param in params
    }
