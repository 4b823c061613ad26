"""The command `data`: of every recorded set what is there, what is missing, who publishes it, where the files go."""

import importlib.util
import json

from stllr_ref.commands.arguments import add_command, add_json, folder
from stllr_ref.data import catalogue, folders, mvsec


def add(commands):
    """Add `data` to the commands of the parser."""
    about = (
        "Say of every recorded set that `run --data` can read how many recordings are there, how many are missing, who publishes them "
        "and where the files go. Nothing is downloaded."
    )
    parser = add_command(commands, "data", "which recorded sets are there, and where files go", about, "data --data recordings")
    parser.add_argument("--data", type=folder, metavar="DIR", help="folder that holds the folders of the sets (default: none is looked at)")
    add_json(parser)
    parser.set_defaults(main=data)


def data(args):
    """Print what a folder holds of every recorded set, or without a folder what would go where; return the exit code."""
    there = [] if args.data is None else folders.present(args.data)
    sets = [status(args.data, name, name in there) for name in catalogue.SETS]
    if args.json:
        print(json.dumps({"data": None if args.data is None else str(args.data), "sets": sets}))
    else:
        print(f"in {args.data}:" if args.data else "no folder given (--data DIR): where the files of every set go")
        print("\n".join(line for s in sets for line in _lines(s)))
        print("Nothing is downloaded; a subset of the files will do.")
    return 0


def status(place, name, there):
    """Return what is known of a set, as a dict: `found` counts recordings (None: no folder), `problem` says what is wrong with them."""
    info = catalogue.SETS[name]
    found, problem = None, None
    if there:
        try:
            found = _count(place, name)
        except (ValueError, ImportError) as bad:  # one broken set must not hide the others
            problem = str(bad)
    return {
        "name": name,
        "title": info.title,
        "publisher": info.publisher,
        "files": dict(zip(catalogue.PARTS, info.files)),
        "archives": list(info.archives),
        "whole": info.whole,
        "found": found,
        "missing": info.whole - sum(found.values()) if found else info.whole,
        "needs": {package: importlib.util.find_spec(package) is not None for package in info.needs.split(" and ")},
        "problem": problem,
    }


def _count(place, name):
    """Return how many recordings of each part a folder holds; of MVSEC how many sequences."""
    if name == "MVSEC":
        names = mvsec.sequences(place)
        return {"train": sum(n in mvsec.TRAINED_ON for n in names), "test": sum(n not in mvsec.TRAINED_ON for n in names)}
    return {part: len(items) for part, items in folders.find(place, name).items()}


def _lines(s):
    """Return the lines of a set for people."""
    kind = "sequences" if s["name"] == "MVSEC" else "recordings"
    here = f"{s['found']['train']} {kind} for training, {s['found']['test']} for testing" if s["found"] else "none"
    lines = [
        f"{s['name']:<12}{s['title']}: {here}; {max(s['missing'], 0):,} of {s['whole']:,} missing",
        f"{'':<12}published by {s['publisher']}",
        f"{'':<12}train: {s['name']}/{s['files']['train']}",
        f"{'':<12}test:  {s['name']}/{s['files']['test']}",
    ]
    if s["archives"]:
        lines.append(f"{'':<12}to be unpacked there: {', '.join(s['archives'])}")
    lacks = [package for package, installed in s["needs"].items() if not installed]
    if lacks:
        lines.append(f"{'':<12}to read it: pip install {' '.join(lacks)}")
    if s["problem"]:
        lines.append(f"{'':<12}problem: {s['problem']}")
    return lines
