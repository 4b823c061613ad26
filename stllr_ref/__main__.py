"""The command line of the reference: `python -m stllr_ref` is the main job, `python -m stllr_ref COMMAND` anything else."""

import argparse
import contextlib
import os
import sys

# Before NumPy is imported: small matrix products are slower on two BLAS threads than on one.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from stllr_ref.chunks import keep_freed_memory
from stllr_ref.commands import check, cost, course, data, results, run, study
from stllr_ref.commands.arguments import Help
from stllr_ref.training import Diverged

COMMANDS = (run, data, study, results, cost, check, course)
ABOUT = """\
S-TLLR, a local learning rule for spiking neural networks, in plain NumPy: a reference to read, to teach from, and to check other \
programs against. Without a command it does the main job, `run digits`: handwritten digits seen by an event camera, learned by S-TLLR, \
by exact BPTT, and with frozen hidden layers."""
MORE = """\
examples:
  python -m stllr_ref                     the main job
  python -m stllr_ref run digits --seeds 3
  python -m stllr_ref run --help          what a command does, and its options

exit codes: 0 done; 1 it ran and failed; 2 bad input; 130 interrupted"""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message):
        """Raise, for main to print, what argparse would print below its usage."""
        hint = "; write --alpha-post=-1,0 with =, as the first value may begin with a minus" if "--alpha-post: expected" in message else ""
        raise ValueError(message + hint)


def _parser():
    """Return the parser of every command."""
    parser = _Parser(prog="python -m stllr_ref", description=ABOUT, epilog=MORE, formatter_class=Help, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", parser_class=_Parser, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return parser


def _mute():
    """Send what is left of standard output nowhere: Python would try, and complain, once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv=None):
    """Run a command; return its exit code: 0, 1 (ran and failed), 2 (bad input)."""
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()
    try:
        try:
            args = _parser().parse_args(argv or ["run", "digits"])
            if args.command is None:
                raise ValueError("got no command, expected one (see --help)")
            return args.main(args)
        finally:
            if sys.stdout is not None:  # closed by whoever started us
                sys.stdout.flush()  # here, where it can be said that it failed
    except (ValueError, ImportError) as bad:
        print(f"stllr_ref: {bad}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has gone
        _mute()
        return 1
    except OSError as bad:
        print(f"stllr_ref: {bad.filename or 'output'}: {bad.strerror}", file=sys.stderr)
        _mute()
        return 1
    except Diverged as bad:
        print(f"stllr_ref: {bad}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"stllr_ref: interrupted{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
