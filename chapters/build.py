"""Execute the chapters: `python chapters/build.py [01 ...]` writes their outputs, with --check it only tests what is stored.

A chapter runs in a fresh kernel of the interpreter that runs this file, in chapters/ (where Jupyter starts it too), on one
BLAS thread. Its notebook metadata hold its time budget: {"stllr_ref": {"budget_s": 30}}.
"""

import argparse
import copy
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # jupyter_core warns on import where this is not set

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
LARGEST = 600_000  # bytes; GitHub stops showing larger notebooks well
FIXED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
LOCAL = re.compile(rf"0x[0-9a-f]{{6,}}|{re.escape(str(HERE.parent))}|/(?:home|root|tmp|Users)/|\b[A-Z]:\\")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def chapters():
    """Return the path of every chapter, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.ipynb"))


def read(path):
    """Return the notebook stored at path."""
    return nbformat.read(path, as_version=4)


def budget(nb):
    """Return the chapter's time budget in seconds."""
    try:
        return nb.metadata["stllr_ref"]["budget_s"]
    except KeyError:
        raise ValueError('the notebook metadata need {"stllr_ref": {"budget_s": SECONDS}}') from None


def code(nb):
    """Return the code cells."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def prose(nb):
    """Return the text of all text cells."""
    return "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


def text(nb):
    """Return what all cells print or show as text."""
    outputs = [output for cell in code(nb) for output in cell.outputs]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def words(nb):
    """Return the printed text with every number as # and no space: the same on every machine."""
    return re.sub(r"\s", "", NUMBER.sub("#", text(nb)))


def fingerprint(nb):
    """Return a hash of the code, which tells whether it is still the code that was executed."""
    return hashlib.sha256("\0".join(cell.source for cell in code(nb)).encode()).hexdigest()


def execute(nb, solution=None):
    """Execute a copy of a chapter in a fresh kernel.

    Parameters
    ----------
    nb : NotebookNode
    solution : str, optional
        The text of solutions/chNN.py, to stand in every cell tagged `exercise`.

    Returns
    -------
    (NotebookNode, float)
        The executed copy and the seconds it took.
    """
    nb = copy.deepcopy(nb)
    for cell in code(nb):
        if solution is not None and "exercise" in cell.metadata.get("tags", ()):
            cell.source = solution
    # Without directories to search, "python3" is this interpreter and not a kernel that another environment registered.
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(
        nb,
        km=kernel,
        timeout=3 * budget(nb),
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(HERE)}},
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as profile:  # the reader's own IPython start-up files stay out
        client.execute(env={**os.environ, **FIXED, "IPYTHONDIR": profile}, cleanup_kc=True)
    return nb, time.perf_counter() - start


def normalise(nb):
    """Leave in an executed chapter only what is the same after every execution."""
    for number, cell in enumerate(nb.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "stllr_ref": {"budget_s": budget(nb), "executed": fingerprint(nb)},
    }


def problems(path):
    """Return what is wrong with a stored chapter, a sentence each."""
    nb = read(path)
    outputs = [output for cell in code(nb) for output in cell.outputs]
    found = []
    if path.stat().st_size >= LARGEST:
        found.append(f"{path.stat().st_size} bytes, expected less than {LARGEST}")
    if [cell.execution_count for cell in code(nb)] != list(range(1, len(code(nb)) + 1)):
        found.append("the cells were not executed in order, each once")
    if nb.metadata.get("stllr_ref", {}).get("executed") != fingerprint(nb):
        found.append("stale: the code is not the code that was executed; run chapters/build.py")
    if any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs):
        found.append("an error, a warning or other text on standard error")
    found += [f"{match[0]!r} in an output is not the same on every machine" for match in LOCAL.finditer(text(nb))]
    found += [f"$$ not alone on its line: {line}" for line in prose(nb).splitlines() if "$$" in line and line.strip() != "$$"]
    found += [f"no file {link}" for link in LINK.findall(prose(nb)) if not (HERE / link).exists()]
    return found


def main(argv=None):
    """Write or check chapters; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", nargs="*", help="chapters, such as 01 03 (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing, run tests/test_chapters.py")
    args = parser.parse_args(argv)
    there = [path.name[:2] for path in chapters()]
    if unknown := [number for number in args.number if number not in there]:
        print(f"chapters: got {unknown[0]}, expected numbers among {', '.join(there)}", file=sys.stderr)
        return 2
    if args.check:
        import pytest

        wanted = ["-k", " or ".join(f"{number}_" for number in args.number)] if args.number else []
        return pytest.main(["-m", "chapters", str(HERE.parent / "tests" / "test_chapters.py"), *wanted])
    wrong = 0
    for path in chapters():
        if args.number and path.name[:2] not in args.number:
            continue
        print(f"{path.name}: ", end="", flush=True)
        nb, seconds = execute(read(path))
        normalise(nb)
        nbformat.write(nb, path)
        found = problems(path)
        wrong += len(found)
        print(f"{seconds:.0f} s of {budget(nb)}, {path.stat().st_size // 1000} kB", *found, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
