"""Command line: `python -m stllr_ref` is the main job, `python -m stllr_ref run TASK` one experiment."""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

# Before NumPy is imported: small matrix products are slower on two BLAS threads than on one.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from stllr_ref.experiments import classify, digits, report
from stllr_ref.training import Diverged

TASKS = {"digits": digits}
MAIN = ("stllr", "bptt", "frozen")


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message):
        """Raise, for main to print, what argparse would print below its usage."""
        hint = "; write --alpha-post=-1,0 with =, as the first value may begin with a minus" if "--alpha-post: expected" in message else ""
        raise ValueError(message + hint)


def _numbers(text):
    """Return the numbers of a list such as "-1,0,1"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected numbers such as -1,0,1") from None


def _count(text):
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of at least 1")
    return int(text)


def _folder(text):
    """Return the path of a folder, which has a name."""
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected a folder")
    return Path(text)


def _parser():
    """Return the parser of every command."""
    parser = _Parser(prog="python -m stllr_ref", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", parser_class=_Parser, metavar="COMMAND")
    run = commands.add_parser("run", help="train one task with one or more rules", allow_abbrev=False)
    run.add_argument("task", choices=TASKS)
    run.add_argument("--rules", default=",".join(MAIN), help=f"comma-separated, of {', '.join(classify.RULES)}")
    run.add_argument("--alpha-post", type=_numbers, metavar="A,...", help="a row of S-TLLR for each value (write --alpha-post=-1,0)")
    run.add_argument("--psi", help="fast_sigmoid, triangle, sigmoid or arctan")
    run.add_argument("--signal", help=", ".join(classify.SIGNALS))
    run.add_argument("--last", type=_count, metavar="N", help="learn in the last N steps")
    run.add_argument("--seeds", type=_count, default=1, metavar="N", help="trials, seeds 0 to N-1")
    run.add_argument("--epochs", type=_count, metavar="N")
    run.add_argument("--out", type=_folder, metavar="DIR", help="where the results go (default runs/<task>-<time>)")
    run.add_argument("--threads", type=_count, default=1, metavar="N", help="BLAS threads")
    run.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return parser


def _rows(args, base):
    """Return the settings of each row of the table, refused where a name or number is none."""
    changes = {name: getattr(args, name) for name in ("psi", "signal", "last", "epochs") if getattr(args, name) is not None}
    rows, rules = [], args.rules.split(",")
    if args.alpha_post and "stllr" not in rules:
        raise ValueError(f"--alpha-post: got it with the rules {args.rules}, expected stllr among them")
    for rule in rules:
        settings = replace(base, rule=rule, **changes)
        rows += [replace(settings, alpha_post=a) for a in args.alpha_post] if args.alpha_post and rule == "stllr" else [settings]
    return rows


def _train(args, say):
    """Run every trial of a `run` command, showing progress by say(text); return the rows of results and their folder."""
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    task = TASKS[args.task]
    rows = _rows(args, task.SETTINGS)
    folder = args.out or Path("runs") / f"{args.task}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: got {folder}, a file, expected a folder")
    twice = [s.rule for i, s in enumerate(rows) if s in rows[:i]]
    if twice:
        raise ValueError(f"--rules, --alpha-post: got the row {twice[0]} twice, expected each once")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # a folder that is there may still refuse files
    except OSError as bad:
        raise ValueError(f"--out: got {folder} ({bad.strerror}), expected a folder that can be written") from None
    done = [[] for _ in rows]
    epochs = sum(settings.epochs for settings in rows) * args.seeds
    with threadpool_limits(args.threads), tqdm(total=epochs, unit="epoch", disable=not sys.stderr.isatty(), leave=False) as bar:
        sets = task.sets()
        for settings, results in zip(rows, done):
            for seed in range(args.seeds):
                bar.set_description(f"{settings.rule} seed {seed}")
                results.append(classify.run(settings, seed, sets, lambda epoch: bar.update() and None))
                report.write(folder, [r for r in done if r], "embedded", args.threads)
            if not bar.disable or not args.json:
                say(f"{report.label(results[0])}: done")
    return done, folder


def main(argv=None):
    """Run a command; return its exit code: 0, 1 (ran and failed), 2 (bad input)."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parser().parse_args(argv or ["run", "digits"])
        if args.command is None:
            raise ValueError("got no command, expected run (see --help)")
        done, folder = _train(args, lambda text: print(text, file=sys.stderr))
    except (ValueError, ImportError) as bad:
        print(f"stllr_ref: {bad}", file=sys.stderr)
        return 2
    except Diverged as bad:
        print(f"stllr_ref: {bad}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stllr_ref: interrupted; the trials that were finished are in the output folder", file=sys.stderr)
        return 130
    if args.json:
        print(json.dumps(report.summary(done, "embedded", args.threads)))
    else:
        print(report.table(done))
        print(f"results and learning curves: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
