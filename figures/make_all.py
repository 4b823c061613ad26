"""Draw every figure of figures/chNN.py into figures/<function>.svg: `python -m figures.make_all`."""

import importlib
from pathlib import Path

import matplotlib
import numpy as np
from threadpoolctl import threadpool_limits

from figures import use_style
from stllr_ref import plots

HERE = Path(__file__).parent


def functions():
    """Return name -> function of every figure, in the order of the chapters."""
    modules = [(path.stem, importlib.import_module(f"figures.{path.stem}")) for path in sorted(HERE.glob("ch[0-9][0-9].py"))]
    return {name: value for stem, module in modules for name, value in vars(module).items() if name.startswith(f"{stem}_")}


def build(folder=HERE):
    """Draw every figure into a folder; return the paths written."""
    matplotlib.use("agg")
    use_style()
    paths = []
    with threadpool_limits(1):
        for name, function in functions().items():
            paths.append(Path(folder) / f"{name}.svg")
            plots.save(function(np.random.default_rng(0)), paths[-1])
    return paths


if __name__ == "__main__":
    for path in build():
        print(path)
