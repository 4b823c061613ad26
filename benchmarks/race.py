r"""The race: one batch by the NumPy engine and by PyTorch, in one process, in turn, medians.

    make bench [JSON=FILE] [PYTHON=...]

Gradients are compared before anything is timed.  A peer that is not installed is named on standard error and left out.
`ratio` = our seconds / theirs; of `products`, what the rest costs beside the matrix products that a batch cannot do without.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")  # as many as are ever asked for; read when NumPy starts

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from threadpoolctl import threadpool_info, threadpool_limits  # noqa: E402

from benchmarks import networks  # noqa: E402
from stllr_ref import bptt, cross_entropy, engine, network  # noqa: E402
from stllr_ref.chunks import CHUNK, keep_freed_memory, parts  # noqa: E402
from stllr_ref.gradcheck import largest_error  # noqa: E402

SAME, SAME_SINGLE = 1e-10, 5e-4  # by `largest_error`, in float64 and in float32
INSTALL = 'pip install -e ".[bench]"'


def ours(run, net, x, target, inside):
    """Return a function that gives the gradients of one batch by one of our algorithms, from the parameters, as the peers do."""

    def step():
        for weight in net.weights().values():
            weight.refresh()  # standardise: in training an optimiser's step does
        return run(net, x, target, cross_entropy, inside)[1]

    return step


def products(net, x, target, inside):
    """Return a function that does nothing but the matrix products of `engine.run` on a dense network: same shapes, same counts."""
    B, rng, pairs, plan = x.shape[1], np.random.default_rng(0), {}, []

    def product(m, k, n, by_column=False, times=1):
        """Plan [m, k] times [k, n], stored as the engine's are; products of one shape share arrays, memory for all would not fit."""
        key = m, k, n, by_column
        if key not in pairs:
            shapes = ((k, m), (k, n)) if by_column else ((m, k), (n, k))
            a, b = (rng.random(shape, np.float32) for shape in shapes)
            pairs[key] = (a.T, b) if by_column else (a, b.T)
        plan.extend([pairs[key]] * times)

    for part in parts(net, len(x), None, inside):
        steps = part.stop - part.start
        for number, layer in enumerate(net.layers):
            for name, synapse in layer.synapses.items():
                n, n_in = synapse.weight.value.shape
                product(*((B, n_in, n) if name == "V" else (B * steps, n_in, n)), times=steps if name == "V" else 1)
                if inside[part].any():
                    product(n, B * steps, n_in, by_column=True)
                    product(n, B, n_in, by_column=True, times=sum(lam > 0 for lam in layer.rule.decays) * (part.start > 0))
                    product(B * steps, n, n_in, times=int(name == "W" and number > 0))

    def multiply():
        """Do them all; results are thrown away."""
        for a, b in plan:
            a @ b

    return multiply


def peers():
    """Return the module of PyTorch forms, or None and a line on standard error where PyTorch is not installed."""
    try:
        from benchmarks import peers as module
    except ImportError as missing:
        print(f"left out: all that needs {missing.name} ({INSTALL})", file=sys.stderr)
        return None
    return module


def binned():
    """Return the rows of `binning`, or none and a line on standard error where tonic is not installed."""
    try:
        from benchmarks import binning
    except ImportError as missing:
        print(f"left out: binning, which needs {missing.name} (pip install -r requirements.txt)", file=sys.stderr)
        return []
    return list(binning.ratio().values())


def contest(batch, module):
    """Return (ours, theirs), each name -> function, of the recurrent network at one batch size."""
    case = networks.recurrent(batch)
    run = {"stllr": ours(engine.run, *case), "bptt": ours(bptt.run, *case), "step by step": ours(network.run, *case)}
    other = {"products": products(*case)}
    if module:
        other |= {name: make(*case) for name, make in local(module).items()}
        other |= {"published-bptt": module.published_bptt(*case), "torch-bptt": module.published_bptt(*case, once=True)}
        other |= optional("snntorch-bptt", "snntorch", lambda: module.snntorch_bptt(*case))
    return run, other


def local(module):
    """Return name -> peer of the S-TLLR forms: PyTorch's documented products, its private ones (oneDNN), and sums over events."""
    return {
        "torch-chunked": partial(module.torch_chunked, onednn=False),
        "torch-onednn": partial(module.torch_chunked, onednn=True),
        "torch-events": partial(module.torch_chunked, onednn=False, sparse=True),
    }


def images(module):
    """Return (ours, theirs) of the convolutional network."""
    case = networks.conv()
    return {"conv": ours(engine.run, *case)}, {"torch-conv": module.torch_conv(*case)} if module else {}


def optional(name, package, make):
    """Return {name: make()}, or {} and a line on standard error where the package is not installed."""
    try:
        return {name: make()}
    except ImportError:
        print(f"left out: {name}, which needs {package} ({INSTALL})", file=sys.stderr)
        return {}


def compare(module):
    """Refuse to time what computes something else: every peer on the whole networks, a small batch of them.

    In float64, because in float32 single spikes near their threshold part two ways of summing, and that shows in every
    gradient; oneDNN knows float32 alone and is compared on the first steps, before that can happen.
    """
    case = networks.recurrent(4, dtype=np.float64)
    stllr, exact = ours(engine.run, *case)(), ours(bptt.run, *case)()
    agree("step by step", ours(network.run, *case)(), stllr, SAME)
    if not module:
        return
    for name, make in local(module).items():
        if name == "torch-onednn":
            short = networks.recurrent(4, T=12)
            agree(name, make(*short)(), ours(engine.run, *short)(), SAME_SINGLE)
        else:
            agree(name, make(*case)(), stllr, SAME)
    once = partial(module.published_bptt, once=True)
    for name, peer in {"published-bptt": module.published_bptt, "torch-bptt": once, "snntorch-bptt": module.snntorch_bptt}.items():
        for step in optional(name, "snntorch", partial(peer, *case)).values():
            agree(name, step(), exact, SAME)
    case = networks.conv(4, dtype=np.float64)
    agree("torch-conv", module.torch_conv(*case)(), ours(engine.run, *case)(), SAME)


def agree(name, got, reference, most):
    """Refuse gradients (name -> array) further apart than `most`."""
    found = largest_error(got, reference)
    if not found < most:
        raise ValueError(f"{name}: got gradients {found:.1e} apart, expected less than {most:.0e} before anything is timed")


def interleaved(functions, repeats, clock=time.perf_counter):
    """Return name -> median seconds of functions (name -> function), each called once to warm up and then in turn."""
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


PAIRS = [
    ("stllr", "torch-chunked"), ("stllr", "torch-onednn"), ("stllr", "torch-events"),
    ("stllr", "published-bptt"), ("stllr", "snntorch-bptt"), ("stllr", "products"),
    ("bptt", "published-bptt"), ("bptt", "torch-bptt"), ("bptt", "snntorch-bptt"), ("conv", "torch-conv"), ("step by step", "stllr"),
]  # fmt: skip


def race(contests, threads, repeats):
    """Return the rows of contests, a list of (batch, T, ours, theirs), on that many threads."""
    rows = []
    for batch, T, run, other in contests:
        seconds = interleaved(run | other, repeats)
        for mine, theirs in PAIRS:
            if mine in run and theirs in seconds:
                found = {"ratio": seconds[mine] / seconds[theirs], "ours_s": seconds[mine], "theirs_s": seconds[theirs]}
                rows.append({"name": f"{mine}/{theirs}", "B": batch, "T": T, "threads": threads, **found, "repeats": repeats})
    return rows


def machine(module):
    """Return what the numbers hang on: processor, kernel of the BLAS, versions."""
    info = Path("/proc/cpuinfo")  # of Linux alone
    text = info.read_text() if info.exists() else ""
    model = [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")]
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "processor": model[0] if model else platform.processor(),
        "cores": os.cpu_count(),
        "blas": [f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}" for pool in blas],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": module.torch.__version__ if module else None,
        "chunk": CHUNK,
    }


def own_kernel(parser):
    """Refuse to start where the environment chooses another kernel of the BLAS than the machine's own."""
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        if name in os.environ:
            parser.error(f"{name}: got {os.environ[name]!r}, expected it unset: it chooses another kernel than the machine's own")


def main(argv=None):
    """Run the race and print its table; with --json, the rows and the machine as one file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="also write the rows here")
    parser.add_argument("--repeats", type=int, default=7, help="calls of each, at least 5 (default 7)")
    args = parser.parse_args(argv)
    own_kernel(parser)
    keep_freed_memory()
    module, rows = peers(), []
    compare(module)
    contests = [(B, 100, *contest(B, module)) for B in (128, 32)] + [(16, 20, *images(module))]
    for threads in (1, 2):
        if module:
            module.torch.set_num_threads(threads)
        with threadpool_limits(threads, "blas"):
            rows += race(contests, threads, max(args.repeats, 5))
    rows += binned()
    print(table(rows))
    if args.json:
        Path(args.json).write_text(json.dumps({"ratios": rows, "machine": machine(module)}, indent=1) + "\n")


def table(rows):
    """Return the rows as people read them."""
    lines = [f"{'ours / theirs':<24}{'B':>5}{'T':>6}{'threads':>9}{'ours, s':>10}{'theirs, s':>11}{'ratio':>8}"]
    for row in rows:
        batch = "" if row["B"] is None else row["B"]
        lines.append(
            f"{row['name']:<24}{batch:>5}{row['T']:>6}{row['threads']:>9}{row['ours_s']:>10.4f}{row['theirs_s']:>11.4f}{row['ratio']:>8.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
