"""The commands `chapters` and `figures`: execute the notebooks, draw the pictures; both live beside the library, not in it."""

import subprocess
import sys
from pathlib import Path

from stllr_ref.commands.arguments import add_command, folder

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("svg", "pdf", "png")


def add(commands):
    """Add `chapters` and `figures` to the commands of the parser."""
    about = "Execute the notebooks of the course, each from a fresh kernel, and store their outputs in chapters/."
    parser = add_command(commands, "chapters", "execute the chapters and store their outputs", about, "chapters 01 03")
    parser.add_argument("number", nargs="*", metavar="NUMBER", help="chapters, such as 01 03 (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; test that what is stored is what comes out")
    parser.set_defaults(main=chapters)
    about = "Draw the figures of the chapters anew."
    parser = add_command(commands, "figures", "draw the figures of the chapters", about, "figures ch06 --format pdf --out slides")
    which = "chapters, or figures by the names of the files figures/*.svg, such as ch06 or ch06_cloud (default: all)"
    parser.add_argument("name", nargs="*", metavar="NAME", help=which)
    parser.add_argument("--format", choices=KINDS, default="svg", help="kind of file; pdf and png are for slides (default: svg)")
    kept = "where the committed ones are, of pdf and png runs/figures"
    parser.add_argument("--out", type=folder, metavar="DIR", help=f"folder that they go to (default: {kept})")
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
