"""What several commands ask for: counts, lists of numbers, folders, and the help that explains them; a refusal is one line."""

import argparse
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

from stllr_ref.experiments import sweep

TRIALS = "trials.jsonl"  # the file of a run's finished trials
PROBE = 1 << 16  # bytes


class Help(argparse.HelpFormatter):
    """Help that breaks no line inside an option or a name, and leaves an indented line, an example, as it is."""

    def _split_lines(self, text, width):
        """Return the lines of what is said of one option."""
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)

    def _fill_text(self, text, width, indent):
        """Return the text above or below the options."""
        return "\n".join(line if line.startswith(" ") else "\n".join(self._split_lines(line, width)) for line in text.splitlines())


def add_command(commands, name, short, about, example):
    """Return the parser of a new command: its line in the list of commands, what it does, and one use of it."""
    epilog = f"example:\n  python -m stllr_ref {example}"
    return commands.add_parser(name, help=short, description=about, epilog=epilog, formatter_class=Help, allow_abbrev=False)


def add_json(parser):
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of the text; all else goes to standard error")


def say(text):
    """Tell people, on standard error."""
    print(text, file=sys.stderr)


def numbers(text):
    """Return the numbers of a list such as "-1,0,1"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected numbers such as -1,0,1") from None


def number(text):
    """Return a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number") from None


def count(text):
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of at least 1")
    return int(text)


def folder(text):
    """Return the path of a folder, which has a name."""
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected a folder")
    return Path(text)


def add_grid(parser, name, only=""):
    """Add the options of a command that runs a grid of trials; only says for what, where not for all that the command does."""
    parser.add_argument("--out", type=folder, metavar="DIR", help=f"folder of the results (default: runs/{name}-TIME)")
    parser.add_argument("--resume", action="store_true", help=f"go on with the run that --out holds, given the same options{only}")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=count, default=1, metavar="N", help=f"trials at once, each in its own process{only} (default: 1)")
    where.add_argument("--scheduler", metavar="ADDRESS", help=f"run the trials on a Dask cluster that sees the same folders{only}")
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="BLAS threads of each process (default: 1)")


def pool(args):
    """Return the `sweep.Pool` that the options of `add_grid` ask for, refused if --resume has no --out to go on with."""
    if args.resume and args.out is None:
        raise ValueError("--resume: got it without --out, expected both")
    return sweep.cluster(args.scheduler) if args.scheduler else sweep.processes(args.jobs) if args.jobs > 1 else sweep.HERE


@contextmanager
def results_folder(out, name, resume=False, again=None):
    """Make the folder for results, out or runs/<name>-<time>; yield it, and take it away again if nothing was written.

    Refused where it cannot be written or holds anything already, which results might replace; with resume, where it holds no run
    to go on with.  An interrupt says what it leaves behind, and again(folder), the command that goes on from there.
    """
    place = out or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    made = [path for path in (place, *place.parents) if not path.exists()]
    if not made and not place.is_dir():
        raise ValueError(f"--out: got {place}, a file, expected a folder")
    if resume and not (place / TRIALS).exists():
        raise ValueError(f"--resume: got {place}, which holds no run, expected the folder of one")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as probe:  # a folder that is there may still refuse files, or be full
            probe.write(bytes(PROBE))
    except OSError as bad:
        raise ValueError(f"--out: got {place} ({bad.strerror}), expected a folder that can be written") from None
    if not resume and (place / "result.json").exists():
        raise ValueError(f"--out: got {place}, which holds results, expected a new folder or an empty one")
    if not resume and (place / TRIALS).exists():
        raise ValueError(f"--out: got {place}, which holds an unfinished run, expected --resume, a new folder or an empty one")
    if not resume and any(place.iterdir()):
        raise ValueError(f"--out: got {place}, which holds files, expected a new folder or an empty one")
    try:
        yield place
    except KeyboardInterrupt:
        left = f"what was finished is in {place}" + (f"; to go on: {again(place)}" if again else "")
        raise KeyboardInterrupt(left if any(place.iterdir()) else "nothing was finished") from None
    finally:
        for path in made:
            if not any(path.iterdir()):
                path.rmdir()
