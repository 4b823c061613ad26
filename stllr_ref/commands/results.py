"""The command `results`: the claims, measured with five seeds, as RESULTS.md."""

import sys
from pathlib import Path

from stllr_ref.commands.arguments import TRIALS, add_grid, count, folder, pool, results_folder
from stllr_ref.experiments import claims, report, studies, sweep


def add(commands):
    """Add `results` to the commands of the parser."""
    parser = commands.add_parser("results", help="measure every claim, write RESULTS.md (half an hour)", allow_abbrev=False)
    parser.add_argument("--seeds", type=count, default=claims.SEEDS, metavar="N", help=f"seeds 0 to N-1 (default {claims.SEEDS})")
    parser.add_argument("--file", type=Path, default=Path("RESULTS.md"), metavar="FILE", help="what is written (default RESULTS.md)")
    parser.add_argument("--out", type=folder, metavar="DIR", help="where finished trials are kept (default runs/results-<time>)")
    add_grid(parser)
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="BLAS threads")
    parser.set_defaults(main=results)


def results(args):
    """Run the trials of every claim that DIR does not have yet, write RESULTS.md and print its verdicts; return the exit code."""
    if args.seeds < 2:
        raise ValueError(f"--seeds: got {args.seeds}, expected at least 2: a difference needs its error")
    where, cells = pool(args), claims.cells(args.seeds)
    about = {"results": [vars(settings) for settings, seed in cells if seed == 0], "seeds": args.seeds, "versions": report.versions()}
    with results_folder(args.out, "results", args.resume, lambda place: f"the same with --out={place} --resume") as place:
        file = sweep.Finished(place / TRIALS, about, lambda text: print(text, file=sys.stderr))
        found = sweep.run(studies.trial, cells, file, where, threads=args.threads, say=lambda text: print(text, file=sys.stderr))
        text = claims.render(found)
        report.replace_file(args.file, lambda part: part.write_text(text, encoding="utf-8"))
    print("\n".join(line for line in text.splitlines() if line.startswith(("## ", "- "))))
    print(f"{args.file}; trials: {place}")
    return 0
