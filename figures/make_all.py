"""Draw the figures of the chapters into figures/<function>.svg: `python -m figures.make_all [ch06 ...]`, for slides with --format."""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from threadpoolctl import threadpool_limits

from figures import use_style
from stllr_ref import plots

HERE = Path(__file__).parent
SLIDES = HERE.parent / "runs" / "figures"  # not beside the committed ones
UNDATED = {"svg": {}, "pdf": {"CreationDate": None}, "png": {}}  # format -> metadata, for the same bytes every time; SVG by plots.save
MOVING = {"ch11_flow": ("ch11", "animate_ch11_flow", 0), "online_step": ("online", "animate_online", 1)}  # GIF -> module, function, seed


def functions():
    """Return name -> function of every figure, in the order of the chapters."""
    chapters = [name for _, name, _ in pkgutil.iter_modules([str(HERE)]) if name.startswith("ch")]
    modules = {chapter: vars(importlib.import_module(f"figures.{chapter}")) for chapter in chapters}
    return {name: value for chapter, names in modules.items() for name, value in names.items() if name.startswith(f"{chapter}_")}


def chosen(words):
    """Return name -> function of the figures whose names begin with one of the words; all without any; refused if a word fits none."""
    every = functions()
    for word in words:
        if not any(name.startswith(word) for name in (*every, *MOVING)):
            raise ValueError(f"got {word!r}, expected a chapter such as ch06 or one of {', '.join(dict.fromkeys((*every, *MOVING)))}")
    return {name: draw for name, draw in every.items() if not words or name.startswith(tuple(words))}


def build(folder=HERE, words=(), kind="svg"):
    """Draw figures into a folder, as svg, pdf or png, with svg the animations too; yield the path of each when it is written."""
    matplotlib.use("agg")
    use_style()
    with threadpool_limits(1):
        for name, draw in chosen(words).items():
            path, figure = Path(folder) / f"{name}.{kind}", draw(np.random.default_rng(0))
            if kind == "svg":
                plots.save(figure, path)
            else:
                figure.savefig(path, metadata=UNDATED[kind], dpi=200)
                plt.close(figure)
            yield path
        for name, (module, function, seed) in MOVING.items():
            if kind == "svg" and (not words or name.startswith(tuple(words))):
                path = Path(folder) / f"{name}.gif"
                getattr(importlib.import_module(f"figures.{module}"), function)(np.random.default_rng(seed), path)
                yield path


def main(argv=None):
    """Draw what the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(prog="figures", description="Draw the figures of the chapters; with --format for slides.")
    parser.add_argument("name", nargs="*", help="chapters or figures, such as ch06 or ch06_cloud (default: all)")
    parser.add_argument("--format", choices=UNDATED, default="svg")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: where the committed ones are; of pdf and png runs/figures")
    args = parser.parse_args(argv)
    out = args.out or (HERE if args.format == "svg" else SLIDES)
    try:
        if not chosen(args.name) and args.format != "svg":
            raise ValueError(f"--format: got {args.format} for {' '.join(args.name)}, expected svg: what moves is a GIF")
        out.mkdir(parents=True, exist_ok=True)
        for path in build(out, args.name, args.format):
            print(path)
    except OSError as bad:
        print(f"figures: --out: got {out} ({bad.strerror}), expected a folder that can be written", file=sys.stderr)
        return 2
    except ValueError as bad:
        print(f"figures: {bad}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
