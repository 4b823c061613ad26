"""The command `results`: the claims, measured with five seeds, as RESULTS.md."""

import sys
from pathlib import Path

from stllr_ref.commands.arguments import TRIALS, count, folder, results_folder
from stllr_ref.experiments import claims, report, studies, sweep


def add(commands):
    """Add `results` to the commands of the parser."""
    parser = commands.add_parser("results", help="measure every claim, write RESULTS.md (half an hour)", allow_abbrev=False)
    parser.add_argument("--seeds", type=count, default=claims.SEEDS, metavar="N", help=f"seeds 0 to N-1 (default {claims.SEEDS})")
    parser.add_argument("--file", type=Path, default=Path("RESULTS.md"), metavar="FILE", help="what is written (default RESULTS.md)")
    parser.add_argument("--out", type=folder, metavar="DIR", help="where finished trials are kept (default runs/results-<time>)")
    parser.add_argument("--resume", action="store_true", help="go on with the trials of DIR")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=count, default=1, metavar="N", help="trials at once, each in a process of its own")
    where.add_argument("--scheduler", metavar="ADDRESS", help="spread the trials over a Dask cluster")
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="BLAS threads")
    parser.set_defaults(main=results)


def results(args):
    """Run the trials of every claim that DIR does not have yet, write RESULTS.md and print its verdicts; return the exit code."""
    if args.seeds < 2:
        raise ValueError(f"--seeds: got {args.seeds}, expected at least 2: a difference needs its error")
    if args.resume and args.out is None:
        raise ValueError("--resume: got it without --out, expected both")
    cells = claims.cells(args.seeds)
    about = {"results": [vars(settings) for settings, seed in cells if seed == 0], "seeds": args.seeds, "versions": report.versions()}
    pool = sweep.cluster(args.scheduler) if args.scheduler else sweep.processes(args.jobs) if args.jobs > 1 else sweep.HERE
    with results_folder(args.out, "results", args.resume, lambda place: f"the same with --out={place} --resume") as place:
        file = sweep.Finished(place / TRIALS, about, lambda text: print(text, file=sys.stderr))
        found = sweep.run(studies.trial, cells, file, pool, threads=args.threads, say=lambda text: print(text, file=sys.stderr))
        text = claims.render(found)
        report.replace_file(args.file, lambda part: part.write_text(text, encoding="utf-8"))
    print("\n".join(line for line in text.splitlines() if line.startswith(("## ", "- "))))
    print(f"{args.file}; trials: {place}")
    return 0
