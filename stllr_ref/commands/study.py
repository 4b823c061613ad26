"""The command `study NAME`: one question about the rules, answered by a table, a figure and a JSON object."""

import json
import sys

from stllr_ref.commands.arguments import count, folder, results_folder
from stllr_ref.experiments import alignment, report

STUDIES = {"alignment": "the cosine of every rule's gradient with the exact one, on digits and on a recurrent toy"}


def add(commands):
    """Add `study` to the commands of the parser."""
    parser = commands.add_parser("study", help="one question about the rules, with its figure", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", choices=STUDIES)
    which.add_argument("--list", action="store_true", help="name the studies")
    parser.add_argument("--seeds", type=count, default=5, metavar="N", help="trials, seeds 0 to N-1 (default 5)")
    parser.add_argument("--out", type=folder, metavar="DIR", help="where the results go (default runs/<study>-<time>)")
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="BLAS threads")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(main=study)


def study(args):
    """Run a study, or list them; return the exit code."""
    if args.list:
        print("\n".join(f"{name:<12}{what}" for name, what in STUDIES.items()))
        return 0
    from threadpoolctl import threadpool_limits

    with results_folder(args.out, args.name) as place, threadpool_limits(args.threads):
        answer, text = _alignment(args.seeds, place)
    if args.json:
        print(json.dumps(answer))
    else:
        print(f"{text}\nresults and figure: {place}")
    return 0


def _alignment(seeds, place):
    """Run the alignment study, writing what there is after every seed into a folder; return (JSON object, table)."""
    from tqdm import tqdm

    from stllr_ref import plots

    results, names = {}, alignment.NAMES
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
