"""The command `study NAME`: one question about the rules, answered by a table, a figure and a JSON object."""

import json
import sys

from stllr_ref.commands.arguments import TRIALS, add_grid, count, folder, pool, results_folder
from stllr_ref.experiments import alignment, report, studies, sweep

STUDIES = {"alignment": "the cosine of every rule's gradient with the exact one, on digits and on a recurrent toy"}
STUDIES |= {name: study.question for name, study in studies.STUDIES.items()}


def add(commands):
    """Add `study` to the commands of the parser."""
    parser = commands.add_parser("study", help="one question about the rules, with its figure", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", choices=STUDIES)
    which.add_argument("--list", action="store_true", help="name the studies")
    parser.add_argument("--seeds", type=count, metavar="N", help="trials, seeds 0 to N-1 (default 5; shape, choose and motion 3)")
    parser.add_argument("--out", type=folder, metavar="DIR", help="where the results go (default runs/<study>-<time>)")
    add_grid(parser, " (not alignment)")
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="BLAS threads")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(main=study)


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
        return *_alignment(args.seeds or 5, place), place


def _grid(args):
    """Run a study that is a grid of trials, those that its folder does not have yet; return (JSON object, table, folder)."""
    study = studies.STUDIES[args.name]
    study = study._replace(seeds=args.seeds or study.seeds)
    cells = studies.cells(study)
    about = {"study": args.name, "seeds": study.seeds, "settings": [vars(s) for s in study.cells()], "versions": report.versions()}
    where, pictures = pool(args), report.pictures()
    with results_folder(args.out, args.name, args.resume, lambda place: f"the same with --out={place} --resume") as place:
        file = sweep.Finished(place / TRIALS, about, lambda text: print(text, file=sys.stderr))
        results = sweep.run(studies.trial, cells, file, where, threads=args.threads, say=lambda text: print(text, file=sys.stderr))
        report.replace_file(place / f"{args.name}.csv", lambda path: studies.write_csv(study, results, path))
        unit, factor, _ = report.UNITS[cells[0][0].metric]
        panels, words = studies.lines(study, results), f"{study.score} {report.NAMES[cells[0][0].metric]} ({unit})"
        report.replace_file(
            place / f"{args.name}.svg", lambda path: pictures.save(pictures.lines(panels, ", ".join(study.x), words, factor), path)
        )
        answer = {**about, "rows": [report.row(found) for found in studies.by_settings(results).values()]}
        report.write_json(place / "result.json", answer)
    return answer, studies.table(study, results), place


def _alignment(seeds, place):
    """Run the alignment study, writing what there is after every seed into a folder; return (JSON object, table)."""
    from tqdm import tqdm

    results, names, plots = {}, alignment.NAMES, report.pictures()
    with tqdm(total=seeds * len(alignment.PARAMS) * len(names), unit="rule", disable=not sys.stderr.isatty(), leave=False) as bar:
        for seed in range(seeds):
            for task, (settings, data) in alignment.tasks(seed).items():
                bar.set_description(f"{task} seed {seed}")
                rows, refused = alignment.measure(settings, data, seed, names, bar.update)
                before = results.get(task, ([], {}))
                results[task] = (before[0] + rows, before[1] | refused)
            answer = alignment.summary(results, names, list(range(seed + 1)))
            report.write_json(place / "result.json", answer)
            figure = plots.alignment(_dots(results), alignment.STAGES, seed + 1)
            report.replace_file(place / "alignment.svg", lambda path: plots.save(figure, path))
            print(f"seed {seed}: done", file=sys.stderr)
    return answer, alignment.table(results, names)


def _dots(results):
    """Return panel -> rule -> stage -> cosine of each seed, as `plots.alignment` draws them."""
    return {
        f"{task}, {param}": {
            name: {stage: alignment.cosines(results[task][0], stage, name, param) for stage in alignment.STAGES} for name in alignment.NAMES
        }
        for task, params in alignment.PARAMS.items()
        for param in params
    }
