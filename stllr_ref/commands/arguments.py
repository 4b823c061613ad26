"""What several commands ask for: counts, lists of numbers, folders, and the help that explains them; a refusal is one line."""

import argparse
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager, suppress
from itertools import count as count_from
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
    wanted = out or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    fresh, made = not (out and out.exists()), [path for path in wanted.parents if not path.exists()]
    if resume and not (wanted / TRIALS).exists():
        raise ValueError(f"--resume: got {wanted}, which holds no run, expected the folder of one")
    place = _made(wanted, own=out is None)
    try:
        _check_room(place)
        if not resume:
            _check_empty(place)
        yield from _watched(place, resume, again)
    finally:
        with suppress(OSError):  # somebody has taken the folder away
            for path in (*[place] * fresh, *made):
                if not any(path.iterdir()):
                    path.rmdir()


def _watched(place, resume, again):
    """Yield a folder; where the work in it ends early, take away a file of trials without a trial, and say what is left of an interrupt."""
    try:
        yield place
    except BaseException as stop:
        empty = not resume and _cleared(place)
        if isinstance(stop, KeyboardInterrupt):
            left = f"what was finished is in {place}" + (f"; to go on: {again(place)}" if again else "")
            raise KeyboardInterrupt("nothing was finished" if empty else left) from None
        raise


def _made(folder, own):
    """Return a folder, made if it is not there; one of our own is new: two runs may begin in the same second."""
    number = count_from(2)
    place = folder
    while True:
        try:
            place.mkdir(parents=True, exist_ok=not own)
            return place
        except FileExistsError:
            if not own:
                raise ValueError(f"--out: got {place}, a file, expected a folder") from None
            place = folder.with_name(f"{folder.name}-{next(number)}")
        except OSError as bad:
            raise ValueError(f"--out: got {place} ({bad.strerror}), expected a folder that can be written") from None


def _check_room(place):
    """Refuse a folder that takes no files, or that is full."""
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(bytes(PROBE))
    except OSError as bad:
        raise ValueError(f"--out: got {place} ({bad.strerror}), expected a folder that can be written") from None


def _check_empty(place):
    """Refuse a folder that holds anything, which results might replace."""
    held = {"result.json": "results, expected", TRIALS: "an unfinished run, expected --resume,"}
    found = [words for name, words in held.items() if (place / name).exists()] or ["files, expected"] * any(place.iterdir())
    if found:
        raise ValueError(f"--out: got {place}, which holds {found[0]} a new folder or an empty one")


def _cleared(place):
    """Take away a file of trials in which there is none; return whether the folder is empty."""
    if not place.is_dir():
        return True
    if [path.name for path in place.iterdir()] == [TRIALS] and (place / TRIALS).read_bytes().count(b"\n") < 2:
        (place / TRIALS).unlink()
    return not any(place.iterdir())
