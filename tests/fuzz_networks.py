"""Properties of random networks, inputs, events and files: each is tried on many seeds, by `make fuzz` on more.

    python tests/fuzz_networks.py --seeds 5000 --seed 0

A property takes a generator and a folder of its own; it raises if it does not hold, and returns False where what was drawn says
nothing about it (a potential within rounding of its threshold, a gradient of zeros).  A failure names what replays it.
"""

import argparse
import copy
import sys
import tempfile
import warnings
from pathlib import Path

import draws
import numpy as np
from fuzz_arguments import ARGUMENTS
from fuzz_files import FILES

from stllr_ref import bptt, cross_entropy, engine, network, rtrl, training
from stllr_ref.checkpoints import Checkpoint
from stllr_ref.data.events import bin_by_count, bin_by_width
from stllr_ref.experiments import classify, digits
from stllr_ref.experiments.family import FAMILY
from stllr_ref.gradcheck import activity, total_loss, twin
from stllr_ref.maps import Dropout, MaxPool
from stllr_ref.optim import Adam
from stllr_ref.signals import Local, Reward, sDFA


def same(got, expected, eps, floor=0.0):
    """Assert that two dicts of arrays agree to eps of the largest entry of each, or of floor: where terms cancel, few digits are left."""
    assert got.keys() == expected.keys()
    for name, b in expected.items():
        apart, most = np.abs(got[name] - b).max(initial=0), np.abs(b).max(initial=0)
        assert got[name].shape == b.shape and np.isfinite(b).all(), name
        assert apart <= eps * max(most, floor), (name, apart, most)


def largest(arrays):
    """Return the largest absolute value in a dict of arrays."""
    return max(np.abs(a).max(initial=0) for a in arrays.values())


def size(net, grads):
    """Return of what size gradients are that a run has just gathered: at least 1, as errors of a softmax are, or as those of the values."""
    return max([1.0, largest(grads), *(largest(layer.sums) for layer in net.layers if layer.sums)])


def live(net, x, eps):
    """Return whether no potential lies within rounding of its threshold."""
    return activity(net, x)[1] > eps


def refusal(call, *args, **options):
    """Return the one line of the ValueError that a call must raise, or None if it raised nothing."""
    try:
        call(*args, **options)
    except ValueError as bad:
        text = str(bad)
        assert text.isprintable() and ": got " in text and ", expected " in text and len(text) < 400, text
        return text
    return None


def engine_is_the_run_step_by_step(rng, folder):
    """Any rule with a trace a neuron, any signal, dropout, chunk and dtype of network and input."""
    dtype = (np.float64, np.float32)[rng.integers(2)]
    net, x, *rest = draws.case(rng, dtype=dtype)
    eps, seed = 4096 * np.finfo(dtype).eps, int(rng.integers(99))
    if not live(net, x, eps):
        return False
    logits, grads = network.run(net, x, *rest, rng=np.random.default_rng(seed))
    state = {f"{i} {name}": value for i, layer in enumerate(net.layers) for name, value in layer.state().items()}
    chunk = (None, 1, 2, 3, 50)[rng.integers(5)]
    got, others = engine.run(net, x, *rest, rng=np.random.default_rng(seed), chunk=chunk)
    after = {f"{i} {name}": value for i, layer in enumerate(net.layers) for name, value in layer.state().items()}
    assert {a.dtype for a in (logits, got, *grads.values(), *others.values(), *after.values())} == {np.dtype(dtype)}
    same({"logits": got, **after}, {"logits": logits, **state}, eps, 1.0)
    same(others, grads, eps, size(net, grads) * (1 if dtype == np.float32 else 1e-2))
    shown = {"logits": engine.forward(net, x, chunk=chunk)}
    same(shown, {"logits": network.forward(net, x)}, eps, 1.0)
    return bool(largest(grads) > 1e-3)


def a_batch_is_its_samples(rng, folder):
    """Outputs side by side; gradients averaged above every signal, summed below one (and those of a local classifier)."""
    net, x, target, loss, inside = draws.case(rng, synaptic=True)
    if not live(net, x, 1e-9):
        return False
    logits, grads = network.run(net, x, target, loss, inside)
    alone = [network.run(net, x[:, b : b + 1], target[b : b + 1], loss, inside[:, b : b + 1]) for b in range(len(target))]
    same({"logits": np.concatenate([out for out, _ in alone], 1)}, {"logits": logits}, 1e-11, 1.0)
    signals = [i for i, item in enumerate(net.row) if hasattr(item, "delta")]
    summed = {str(n) for n, layer in enumerate(net.layers) if signals and net.row.index(layer) < signals[-1]}
    local = {name for name, w in net.weights().items() if any(isinstance(net.row[i], Local) and net.row[i].weight is w for i in signals)}
    whole = {}
    for name in grads:
        number, kind = name.split(".")[:2]
        total = sum(one[name] for _, one in alone)
        whole[name] = total if name in local or (kind != "B" and number in summed) else total / len(target)
    same(grads, whole, 1e-10, 1e-2 * size(net, grads))
    return len(target) > 1 and bool(largest(grads) > 1e-3)


def exact_gradients_are_the_complex_step(rng, folder):
    """BPTT of the smooth twin and of the spikes themselves, in a random direction; RTRL is BPTT."""
    net, x, target, loss, inside = draws.case(rng, signals=False, linear=bool(rng.integers(2)), dtype=np.float64)
    net.row = [item for item in net.row if not isinstance(item, Dropout)]
    smooth, attached, through = (bool(rng.integers(2)) for _ in range(3))
    taught = twin(net, smooth=smooth, attached=attached, through_V=through)
    exact = twin(net, smooth=True, attached=attached) if smooth else net
    if not live(net, x, 1e-9):
        return False
    logits, grads = bptt.run(exact, x, target, loss, inside, attached=attached, through_V=through)
    params = {name: value + 1e-20j * rng.normal(size=value.shape) for name, value in net.get().items()}
    taught.put(params)
    steps = [(grads[name] * value.imag / 1e-20).sum() for name, value in params.items()]
    slope = total_loss(taught, x, target, loss, inside).imag / 1e-20
    sizes = [np.abs(grads[name] * value.imag / 1e-20).max() for name, value in params.items()]
    assert abs(slope - sum(steps)) <= 1e-9 * max(1e-3, *sizes), (slope, sum(steps))
    if not any(isinstance(item, MaxPool) for item in net.row):
        out, others = rtrl.run(exact, x, target, loss, inside, attached=attached, through_V=through)
        same({"logits": out, **others}, {"logits": logits, **grads}, 1e-9, max(1e-3, largest(grads)))
    return bool(max(sizes) > 1e-3)


def files_give_back_every_bit(rng, folder):
    """Parameters and checkpoints of random networks, numbers of any size among them; the second network learns on to the same bits."""
    dtype, seed = (np.float64, np.float32)[rng.integers(2)], int(rng.integers(2**31))
    net, other = (draws.network(np.random.default_rng(seed), synaptic=True, dtype=dtype)[0] for _ in range(2))
    tiny, top = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    values = {name: np.where(rng.random(v.shape) < 0.5, rng.choice([-0.0, tiny, -tiny, top, 1e-30], v.shape), v) for name, v in net.get().items()}
    drawn = {name: rng.normal(size=v.shape).astype(dtype) for name, v in values.items()}
    with np.errstate(over="ignore", invalid="ignore"):  # rows of the largest numbers have no variance
        net.put(values)
        training.save(folder / "params.npz", net)
        training.load(folder / "params.npz", other)
        same_bits(other.get(), net.get())
        net.put(drawn), other.put({name: 0 * v for name, v in drawn.items()})
    adam, twin_adam, settings = Adam(net, 0.1), Adam(other, 0.1), {"seed": seed, "share": draws.share(rng)}
    adam.step({name: rng.normal(size=v.shape).astype(dtype) for name, v in drawn.items()})
    order, twin_order, history = np.random.default_rng(seed), np.random.default_rng(1), [(1, draws.share(rng), float("nan"), [], {})]
    order.random(int(rng.integers(9)))
    Checkpoint(folder / "run.npz").write(net, adam, order, history, settings)
    assert repr(Checkpoint(folder / "run.npz").read(other, twin_adam, twin_order, settings)) == repr(history)
    grads = {name: rng.normal(size=v.shape).astype(dtype) for name, v in drawn.items()}
    adam.step(grads), twin_adam.step(grads)
    same_bits(other.get(), net.get())
    assert order.random() == twin_order.random()


def same_bits(a, b):
    """Assert that two dicts of arrays hold the same bytes."""
    assert a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() and a[name].dtype == b[name].dtype for name in a)


def every_rule_of_the_family_gives_finite_gradients(rng, folder):
    """With any leaks, decays and factors, at any size, T and B; the same numbers when it runs again."""
    name = list(FAMILY)[rng.integers(len(FAMILY))]
    sizes = tuple(int(n) for n in rng.integers(2, 8, rng.integers(1, 4)))
    s = classify.Settings(**{
        **vars(digits.SETTINGS), "rule": name, "hidden": sizes, "recurrent": bool(rng.integers(2)), "theta": float(rng.uniform(0.1, 1)),
        **{part: draws.share(rng) for part in ("gamma", "readout", "lam_pre", "lam_post")}, "alpha_pre": draws.factor(rng),
        "alpha_post": draws.factor(rng), "psi": str(rng.choice(["triangle", "sigmoid", "arctan", "fast_sigmoid"])),
        "signal": str(rng.choice(["bp", "fa", "dfa", "sdfa", "drtp", "local", "adaptive"])),
    })  # fmt: skip
    n_in = int(rng.integers(2, 7))
    net = classify.build(s, n_in, draws.O, int(rng.integers(99)))
    x, target, inside = draws.inputs(rng, (n_in,))
    runs = [classify.algorithm(s)(net, x, target, cross_entropy, inside, rng=np.random.default_rng(3)) for _ in range(2)]
    (logits, grads), (again, others) = runs
    params = net.get()
    assert logits.shape == (*x.shape[:2], draws.O) and {name: g.shape for name, g in grads.items()} == {name: v.shape for name, v in params.items()}
    assert all(np.isfinite(a).all() and a.dtype == np.float32 for a in (logits, *grads.values()))
    same_bits({"logits": logits, **grads}, {"logits": again, **others})
    return bool(largest(grads) > 1e-3)


def what_is_not_finite_is_refused_or_seen(rng, folder):
    """A NaN or an infinity in an input, a parameter or a gradient: one line, or numbers that are not finite, never finite ones."""
    net, x, target, loss, inside = draws.case(rng)
    bad, params = rng.choice([np.nan, np.inf, -np.inf]), net.get()
    x = x.astype(float)
    x[tuple(rng.integers(n) for n in x.shape)] = bad
    runs = [lambda run=run: run(net, x, target, loss, inside) for run in (network.run, engine.run, bptt.run)]
    runs += [lambda: engine.forward(net, x), lambda: network.forward(net, x), lambda: activity(net, x)]
    runs += [lambda: training.predict(net, x, last=1), lambda: training.evaluate(net, (x, target), last=1)]
    for call in runs:
        assert "x: got " in refusal(call)
    net.reset()
    spoilt = x[[not np.isfinite(x_t).all() for x_t in x]][0]
    assert "x: got " in refusal(net.step, spoilt)
    name = list(params)[rng.integers(len(params))]
    spoilt = {name: params[name].copy()}
    spoilt[name].flat[rng.integers(spoilt[name].size)] = bad
    for call in (net.put, Adam(net, 0.1).step):
        assert f"{name}: got " in refusal(call, spoilt)
    same_bits(net.get(), params)
    return True


def training_stays_finite_or_says_so(rng, folder):
    """With any lr: what is returned, and what the network holds, is finite; or `Diverged` says in one line where it was lost."""
    net, shape = draws.network(rng, synaptic=True, dtype=(np.float64, np.float32)[rng.integers(2)])
    x, target, _ = draws.inputs(rng, shape)
    lr, before = float(rng.choice([0, 1e-3, 1, 1e4, 1e15, 1e38, 1e300])), net.get()
    options = {"last": len(x), "epochs": 2, "batch": int(rng.integers(1, 4)), "lr": lr, "rng": np.random.default_rng(1)}
    try:
        with warnings.catch_warnings():
            # Psi of a potential of 1e18 in float32, which is 0 then, and the norm of a gradient of 1e155, which is infinite
            warnings.filterwarnings("ignore", "overflow encountered in (square|dot)")
            history = training.fit(net, (x, target), **options)
    except training.Diverged as bad:
        assert str(bad).isprintable() and str(bad).startswith("epoch ") and lr >= 1, bad
        history = []
    assert all(np.isfinite(value).all() for value in net.get().values())
    assert all(np.isfinite([epoch.loss, epoch.score, *epoch.rates]).all() for epoch in history)
    assert lr > 1e4 or all(np.isfinite(list(epoch.grad_norms.values())).all() for epoch in history)
    assert len(history) in (0, 2) and (lr > 0 or same_bits(net.get(), before) is None)
    return True


def float32_is_float64_or_says_so(rng, folder):
    """Weights of any size: what float32 cannot hold is not finite or warned of; what it gives silently, float64 gives."""
    net, shape = draws.network(rng, dtype=np.float32)
    if any(isinstance(item, (Reward, sDFA)) for item in net.row):  # a sign tells no tie from a rounding
        return False
    x, target, inside = draws.inputs(rng, shape)
    scale = float(rng.choice([1e-30, 1e-10, 1e5, 1e12, 1e19, 1e30, 1e38]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            net.put({name: value.astype(float) * scale for name, value in net.get().items() if not name.endswith("gain")})
        except ValueError:
            return False
        logits, grads = network.run(net, x, target, cross_entropy, inside)
        wide = draws.Network(copy.deepcopy(net.row), dtype=np.float64)
    assert scale > 1e5 or not said, said[0].message
    if said or not all(np.isfinite(a).all() for a in (logits, *grads.values())):
        return True
    out, exact = network.run(wide, x, target, cross_entropy, inside)
    floor = size(wide, exact)
    if activity(wide, x)[1] < 1e-4 * largest({"logits": out, **wide.get()}):
        return False
    same({"logits": logits, **grads}, {"logits": out, **exact}, 1e-3, floor)
    return True


def events_are_kept_or_counted_as_dropped(rng, folder):
    """Any number of events in any order, any type of time, any bins and size: the frames hold those that are kept, each at its pixel."""
    n, sensor = int(rng.choice([1, rng.integers(1, 400)])), tuple(int(k) for k in rng.integers(1, 9, rng.integers(1, 3)))
    kind = (np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)[rng.integers(6)]
    low = 0 if np.iinfo(kind).min == 0 else int(rng.choice([0, -3000]))
    t = rng.integers(low, int(rng.choice([1, 10, 32_000])), n).astype(kind)
    where = [rng.integers(0, k, n).astype((np.int16, np.uint8, np.float32, np.int64)[rng.integers(4)]) for k in sensor]
    p = None if rng.random() < 0.3 else rng.integers(0, 2, n).astype((bool, np.int8, np.float64)[rng.integers(3)])
    size = tuple(int(rng.integers(1, k + 1)) for k in sensor) if rng.random() < 0.5 else None
    y, x = (where[0], where[1]) if len(sensor) == 2 else (None, where[0])
    shared = {"sensor": sensor, "size": size, "merge": bool(rng.integers(2)), "dtype": (np.float32, np.int64, np.uint16)[rng.integers(3)]}
    ends = sorted(int(k) for k in rng.integers(-4000, 34_000, 2))
    T, width = (int(v) for v in (rng.integers(1, 60), rng.integers(1, 5000)))
    first, last = int(t.min()), int(t.max())
    ways = [
        (bin_by_width, {"width_us": max(width, (last - first) // 500 + 1), "start_us": first}, first, last),
        (bin_by_width, {"width_us": width, "start_us": ends[0], "n_bins": T}, ends[0], ends[0] + T * width - 1),
        (bin_by_count, {"n_bins": T}, first, last),
        (bin_by_count, {"n_bins": T, "start_us": ends[0], "stop_us": ends[1]}, *ends),
    ]
    for bins, options, start, stop in ways:
        frames, report = bins(t, x, y, p, **shared, **options)
        inside = (t.astype(np.int64) >= start) & (t.astype(np.int64) <= stop)
        assert report == (n, inside.sum(), n - inside.sum()) and frames.sum(dtype=float) == report.kept, (bins.__name__, options)
        grid = np.zeros((2, *(size or sensor)))
        at = [a.astype(np.int64)[inside] * new // old for a, old, new in zip(where, sensor, size or sensor)]
        np.add.at(grid, ((np.zeros(n) if p is None else p)[inside].astype(int), *at), 1)
        grid = grid if p is not None and not shared["merge"] else grid.sum(0)
        assert (frames.sum(0, dtype=float).ravel() == grid.ravel()).all(), (bins.__name__, options)
    return True


def arrays_of_any_shape_are_run_or_refused(rng, folder):
    """Inputs, targets and windows of any shape and dtype: all that a run returns fits them, or one line says what does not."""
    net, x, target, loss, inside = draws.case(rng)
    runs = (network.run, engine.run, bptt.run)
    given = {"x": x, "target": target, "inside": inside}
    if rng.random() < 0.2:  # all fit together, but there is no step, no sample or no input
        at = [(slice(0),), (slice(None), slice(0)), (..., slice(0))][rng.integers(3)]
        given = {"x": x[at], "target": target[at[1:2]] if at[0] == slice(None) else target, "inside": inside[at] if at[0] != ... else inside}
    else:
        for name in rng.choice(list(given), rng.integers(1, 3), replace=False):
            given[name] = odd(rng, given[name])
    texts = [refusal(run, net, given["x"], given["target"], loss, given["inside"]) for run in runs]
    assert len({text and text.split(":")[0] for text in texts}) == 1, texts
    if texts[0] is None:
        logits, grads = network.run(net, given["x"], given["target"], loss, given["inside"])
        assert logits.shape[:2] == np.shape(given["x"])[:2] and all(np.isfinite(a).all() for a in (logits, *grads.values()))
    return texts[0] is not None


def odd(rng, a):
    """Return an array of another shape or dtype, or no array."""
    made = [
        a[..., 0], a[:0], a[:, :0] if a.ndim > 1 else a[:0], a[None], a.T, a[:-1], np.concatenate([a, a]), a.astype(complex),
        a.astype(str), a.astype(object), a.tolist(), [a.tolist(), [1]], None, "x", 7, -a.astype(int), a.astype(float) + 0.5, np.zeros(a.shape, "M8[s]"),
        a.astype(np.longdouble), a.astype(np.uint64), np.asfortranarray(a), a[..., ::-1],
    ]  # fmt: skip
    return made[rng.integers(len(made))]


NETWORKS = [
    engine_is_the_run_step_by_step,
    a_batch_is_its_samples,
    exact_gradients_are_the_complex_step,
    files_give_back_every_bit,
    every_rule_of_the_family_gives_finite_gradients,
    what_is_not_finite_is_refused_or_seen,
    training_stays_finite_or_says_so,
    float32_is_float64_or_says_so,
    events_are_kept_or_counted_as_dropped,
    arrays_of_any_shape_are_run_or_refused,
]
PROPERTIES = {check.__name__: check for check in (*NETWORKS, *ARGUMENTS, *FILES)}


def tried(name, seeds):
    """Try a property on seeds; yield (seed, None where it held and said something, False where it said nothing, or the exception)."""
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            try:
                told = PROPERTIES[name](np.random.default_rng(seed), Path(folder))
            except Exception as bad:
                yield seed, bad
            else:
                yield seed, False if told is False else None


def main(argv=None):
    """Try every property, print a line for each and for each failure; return 1 if there was one, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5000, help="of each property")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--property", choices=PROPERTIES, help="this one alone")
    args = parser.parse_args(argv)
    warnings.simplefilter("error")
    failed = 0
    for name in [args.property] if args.property else PROPERTIES:
        found = list(tried(name, range(args.seed, args.seed + args.seeds)))
        bad = [(seed, why) for seed, why in found if isinstance(why, Exception)]
        print(f"{name:60} {len(found)} seeds, {sum(why is None for _, why in found)} held, {len(bad)} failed", flush=True)
        for seed, why in bad:
            print(f"failed: --property {name} --seeds 1 --seed {seed}: {type(why).__name__}: {' '.join(str(why).split())[:300]}")
        failed += len(bad)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
