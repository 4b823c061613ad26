"""Random edits of recordings in every recorded format: each is read with kept + dropped = read, or refused in one line.

    python tests/fuzz.py --edits 20000 --seed 0

The seeds are shared out over the formats; an edit hangs on its format and its seed alone, so that a failure is replayed by
`python tests/fuzz.py --format NAME --edits 1 --seed SEED`.  Reading goes on in a child process.  Where the C libraries of HDF5
and AEDAT4 take it along, or hang, that is listed and no failure of ours; a new child goes on with the next seed.
"""

import argparse
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import make_recordings as make
import numpy as np

from stllr_ref.data import mvsec, recorded

LIMIT_S = 60  # for one edit, and for the child to start
OUTCOMES = ("read", "refused", "aborted", "failed")


def _mvsec(folder, rng, which):
    """Write a small sequence of MVSEC, five grey frames and four of flow; return the path of its HDF5 file (0) or of its npz (1)."""
    t, x, y, p = make.events(rng, 300, (260, 346), 125_000)
    paths = Path(folder) / "MVSEC" / "outdoor_day1_data.hdf5", Path(folder) / "MVSEC" / "outdoor_day1_gt_flow_dist.npz"
    flow = np.ones((4, 2, 260, 346)) * np.array([1.5, -2, 0.5, 1])[:, None, None, None]
    make.write_mvsec(*paths, 9 + t / 1e6, x, y, 2 * p - 1, 9 + np.arange(5) / 32, 9 + np.arange(-1, 7, 2) / 64, flow, compressed=True)
    return paths[which]


WRITE = {  # format -> (folder, rng) -> path of the one recording to edit
    "NMNIST": lambda folder, rng: next(iter(make.nmnist_set(folder, rng, 1, 0, n=60))),
    "NCALTECH101": lambda folder, rng: next(iter(make.ncaltech101_set(folder, rng, (1,), ("anchor",), n=60))),
    "SHD": lambda folder, rng: next(iter(make.shd_set(folder, rng, 2, 0, n=60))),
    "DVSGesture": lambda folder, rng: next(iter(make.gesture_set(folder, rng, (("user02_led", 0),), (), n=60))),
    "CIFAR10DVS": lambda folder, rng: next(iter(make.cifar10_set(folder, rng, (3,), ("dog",), n=130))),
    "MVSEC HDF5": lambda folder, rng: _mvsec(folder, rng, 0),
    "MVSEC npz": lambda folder, rng: _mvsec(folder, rng, 1),
}
C_LIBRARIES = ("SHD", "CIFAR10DVS", "MVSEC HDF5")


def read(name, folder, seed):
    """Read every sample of a folder, by the paper's bins or, where the seed is odd, by its code's; yield frames and report."""
    if name.startswith("MVSEC"):
        yield from ((sample.frames, sample.report) for part in mvsec.load(folder, 64) for sample in part.samples())
    else:
        for part in recorded.load(folder, name, ("paper", "code")[seed % 2]):
            yield from map(part.frames, range(len(part)))


def edited(name, folder, seeds, read=read):
    """Read a recording whose bytes were edited, once a seed; yield (seed, one of OUTCOMES, what there is to say of it)."""
    path = WRITE[name](folder, np.random.default_rng(0))
    whole = path.read_bytes()
    for seed in seeds:
        path.write_bytes(make.edit(whole, np.random.default_rng(seed)))
        yield seed, *_outcome(lambda: read(name, folder, seed), path)


def _outcome(samples, path):
    """Return "read" or "refused" if samples() ends as it should with a file; else "failed", and why."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for frames, (read_, kept, dropped) in samples():
                if kept + dropped != read_ or frames.sum(dtype=float) != kept:
                    return "failed", f"{read_} events read, {kept} kept, {dropped} dropped, {frames.sum(dtype=float)} in frames"
    except KeyboardInterrupt:
        raise
    except BaseException as bad:  # a panic of the AEDAT4 decoder is no Exception
        text = str(bad)
        if not isinstance(bad, ValueError) or not text.isprintable() or str(path) not in text or len(text.replace(str(path), "")) > 700:
            return "failed", f"{type(bad).__name__}: {text!r}"
        return "refused", text
    astray = [str(w.message) for w in said if not str(w.message).startswith(f"{path}: got no events")]
    return ("failed", f"a warning: {astray[0]!r}") if astray else ("read", "")


def apart(name, folder, seeds, read=read, limit_s=LIMIT_S):
    """Yield what `edited` does, read in a child process: where that dies or hangs, the seed was "aborted", and another goes on."""
    seeds, spawn = list(seeds), multiprocessing.get_context("spawn")
    while seeds:
        here, there = spawn.Pipe(duplex=False)
        child = spawn.Process(target=_child, args=(there, name, folder, seeds, read), daemon=True)
        child.start()
        there.close()
        try:
            if not here.poll(LIMIT_S) or here.recv() != "begun":
                raise RuntimeError(f"{name}: the child process did not begin")
            while seeds:
                if not here.poll(limit_s):
                    yield seeds.pop(0), "aborted", f"longer than {limit_s} s"
                    break
                yield here.recv()
                del seeds[0]
        except EOFError:
            child.join()
            yield seeds.pop(0), "aborted" if child.exitcode < 0 else "failed", f"the child process ended with {child.exitcode}"
        finally:
            child.kill()
            child.join()
            here.close()


def _child(pipe, name, folder, seeds, read):
    """Send what `edited` yields; what is written past Python to standard error is a failure too."""
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        pipe.send("begun")
        for seed, how, why in edited(name, folder, seeds, read):
            if noise.seek(0, os.SEEK_END):
                noise.seek(0)
                how, why = "failed", f"on standard error: {noise.read().decode(errors='replace')!r}"
                noise.seek(0)
                noise.truncate()
            pipe.send((seed, how, why))


def main(argv=None):
    """Edit, read, print the table; return 1 if there was a failure, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first edit of every format")
    parser.add_argument("--format", choices=WRITE, help="this one alone")
    args = parser.parse_args(argv)
    from tqdm import tqdm

    names = [args.format] if args.format else list(WRITE)
    if "CIFAR10DVS" in names and importlib.util.find_spec("aedat") is None:
        print("CIFAR10-DVS is left out, it needs the package aedat: pip install aedat", file=sys.stderr)
        names.remove("CIFAR10DVS")
    rows, told = {}, []
    with tqdm(total=args.edits, unit="edit", disable=not sys.stderr.isatty(), leave=False) as bar:
        for k, name in enumerate(names):
            count = (args.edits + k) // len(names)  # adds up to all edits
            rows[name] = Counter()
            bar.set_description(name)
            with tempfile.TemporaryDirectory() as folder:
                for seed, how, why in apart(name, folder, range(args.seed, args.seed + count)):
                    if how == "aborted" and name not in C_LIBRARIES:
                        how = "failed"
                    rows[name][how] += 1
                    told += [f"{how}: --format '{name}' --edits 1 --seed {seed}: {why}"] * (how in ("aborted", "failed"))
                    bar.update()
    print("".join(f"{head:>11}" for head in ("format", "edits", *OUTCOMES)))
    for name, row in [*rows.items(), ("all", sum(rows.values(), Counter()))]:
        print("".join(f"{cell:>11}" for cell in (name, row.total(), *(row[how] for how in OUTCOMES))))
    print("".join(f"{line}\n" for line in told), end="")
    return int(any(row["failed"] for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
