"""The command `results`: the claims, measured with five seeds, as RESULTS.md."""

from pathlib import Path

from stllr_ref.commands.arguments import TRIALS, add_command, add_grid, count, pool, results_folder, say
from stllr_ref.experiments import claims, report, studies, sweep


def add(commands):
    """Add `results` to the commands of the parser."""
    about = "Run the trials of every claim (half an hour), write RESULTS.md and print its verdicts."
    short, example = "measure every claim, write RESULTS.md (half an hour)", "results --seeds 2 --file RESULTS-2.md --jobs 2"
    parser = add_command(commands, "results", short, about, example)
    seeds = f"trials of each setting, with seeds 0 to N-1, at least 2 (default: {claims.SEEDS})"
    parser.add_argument("--seeds", type=count, default=claims.SEEDS, metavar="N", help=seeds)
    parser.add_argument("--file", type=Path, default=Path("RESULTS.md"), metavar="FILE", help="the page to write (default: RESULTS.md)")
    add_grid(parser, "results")
    parser.set_defaults(main=results)


def results(args):
    """Run the trials of every claim that DIR does not have yet, write RESULTS.md and print its verdicts; return the exit code."""
    if args.seeds < 2:
        raise ValueError(f"--seeds: got {args.seeds}, expected at least 2: a difference needs its error")
    if not args.file.absolute().parent.is_dir():  # half an hour before it is written
        raise ValueError(f"--file: got {args.file}, expected a file in a folder that is there")
    where, cells = pool(args), claims.cells(args.seeds)
    about = {"results": [vars(settings) for settings, seed in cells if seed == 0], "seeds": args.seeds, "versions": report.versions()}
    with results_folder(args.out, "results", args.resume, lambda place: f"the same with --out={place} --resume") as place:
        file = sweep.Finished(place / TRIALS, about, say)
        found = sweep.run(studies.trial, cells, file, where, threads=args.threads, say=say)
        text = claims.render(found)
        report.replace_file(args.file, lambda part: part.write_text(text, encoding="utf-8"))
    print("\n".join(line for line in text.splitlines() if line.startswith(("## ", "- "))))
    print(f"{args.file}; trials: {place}")
    return 0
