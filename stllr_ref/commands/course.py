"""The commands `chapters` and `figures`: execute the notebooks, draw the pictures; both live beside the library, not in it."""

import subprocess
import sys
from pathlib import Path

from stllr_ref.commands.arguments import folder

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("svg", "pdf", "png")


def add(commands):
    """Add `chapters` and `figures` to the commands of the parser."""
    parser = commands.add_parser("chapters", help="execute the chapters and store their outputs", allow_abbrev=False)
    parser.add_argument("number", nargs="*", help="chapters, such as 01 03 (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; test that what is stored is what comes out")
    parser.set_defaults(main=chapters)
    parser = commands.add_parser("figures", help="draw the figures of the chapters", allow_abbrev=False)
    parser.add_argument("name", nargs="*", help="chapters or figures, such as ch06 or ch06_cloud (default: all)")
    parser.add_argument("--format", choices=KINDS, default="svg", help="for slides: pdf or png")
    parser.add_argument("--out", type=folder, metavar="DIR", help="where they go (default: where the committed ones are)")
    parser.set_defaults(main=figures)


def chapters(args):
    """Execute or check the chapters; return the exit code."""
    return _run(["chapters/build.py", *args.number, *["--check"] * args.check])


def figures(args):
    """Draw the figures; return the exit code."""
    out = [] if args.out is None else ["--out", str(args.out.resolve())]
    return _run(["-m", "figures.make_all", *args.name, "--format", args.format, *out])


def _run(words):
    """Run Python in the repository, in a process of its own; return its exit code; refused where the library stands alone."""
    if not (ROOT / "chapters" / "build.py").exists():
        raise ValueError(f"chapters and figures: got a library without them in {ROOT}, expected a clone of the repository")
    return subprocess.run([sys.executable, *words], cwd=ROOT).returncode
