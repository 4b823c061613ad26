r"""Cases with right answers: what an S-TLLR written elsewhere (PyTorch, JAX, C, a chip simulator) is checked against.

`case` draws one layer with its input and learning signal, `expected` gives u, y, psi, traces and gradients at every step,
`save` and `load` carry both in a file.  `judgement` judges an answer; the page chapters/is_my_implementation_right.md
tells the contract.
"""

import json
import os

import numpy as np

from stllr_ref import checks
from stllr_ref.layer import Layer
from stllr_ref.neurons import LIF
from stllr_ref.oracle.contract import ARRAYS, GRADIENTS, KEYS, META, TEXTS, TOLERANCE, checked
from stllr_ref.oracle.slips import RESETS, fire, slipped
from stllr_ref.rules import STLLR
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.traces import trace

DRAWS = 60
SHOWS = 5e-3  # a slip moves something by this part of its largest entry at least: ten times what float32 may be off
# Where Psi is tiny (fast_sigmoid), what it gates is as good as gone: told apart in double precision, both named in single.
NEAR, TWINS = 1e-6, {"non-causal term gated by Psi", "no non-causal term"}


def case(layer="dense", reset="soft", psi="triangle", post_trace="code", last=None, dtype="float64", steps=12, batch=3, seed=0):
    """Draw a case: one layer, its input, its parameters and its learning signal.

    Parameters
    ----------
    layer : {"dense", "recurrent", "conv"}
        Kind of layer; conv has stride 1 and zero padding that keeps the image size.
    reset, psi, post_trace : str
        As in `LIF` and `STLLR`; psi is one of fast_sigmoid, triangle, sigmoid, arctan.
    last : int, optional
        Length of the learning window in steps; a little under half of them by default.
    dtype : {"float64", "float32"}
        Of all arrays.
    steps, batch : int
        T and B.
    seed : int
        The same seed gives the same case.

    Returns
    -------
    dict
        layer, x [T, B, N_in] or [T, B, C_in, H, W], W, V and b (None where there is none), gamma, theta, reset, psi,
        lam_pre, lam_post, alpha_pre, alpha_post, post_trace, last, delta [T, B, ...] = dL/dy.

    Raises
    ------
    ValueError
        If no draw is alive, has potentials in every regime of Psi and none at the threshold, and shows every slip.

    Examples
    --------
    >>> made = case("recurrent", steps=10)
    >>> made["x"].shape, made["W"].shape, made["V"].shape, made["last"]
    ((10, 3, 7), (5, 7), (5, 5), 4)
    """
    for name, value in (("layer", layer), ("reset", reset), ("psi", psi), ("post_trace", post_trace)):
        checks.choice(name, value, TEXTS[name])
    checks.choice("dtype", dtype, tuple(TOLERANCE))
    T, B, seed = checks.whole("steps", steps, 1), checks.whole("batch", batch, 1), checks.whole("seed", seed, 0)
    if T == 1:
        raise ValueError("steps: got 1, expected at least 2: resets, traces and recurrence do not show in a single step")
    if T == B:
        raise ValueError(f"steps, batch: got {T} for both, expected two numbers, or swapped axes would not show")
    most = 1000 if layer == "conv" else 20_000
    if T * B > most:
        raise ValueError(f"steps, batch: got {T} x {B}, expected at most {most}: of more potentials one lies at the threshold by chance")
    last = max(1, (T - 1) // 2) if last is None else checks.whole("last", last, 1)
    texts = {"layer": layer, "reset": reset, "psi": psi, "post_trace": post_trace, "last": last}
    for attempt in range(DRAWS):
        made = _draw(np.random.default_rng([seed, attempt]), T, B, dtype, texts)
        fault = _fault(made)
        if fault is None:
            return made
    raise ValueError(f"steps, batch, last: got {T}, {B}, {last}, expected numbers with which a case can be drawn ({DRAWS} tries: {fault})")


def _draw(rng, T, B, dtype, texts):
    """Return a random case, good or not; sizes differ from each other and from T and B, so that no swapped axes fit."""
    if texts["layer"] == "conv":
        n_in, n_out, *image = [n for n in (2, 4, 5, 6, 3, 7) if n not in (T, B)][:4]
    else:
        n_in, n_out, *image = [n for n in (7, 5, 4, 6) if n not in (T, B)][:2]
    filters = [3] * len(image)
    gain = 1.2 / np.sqrt(n_in * (4 if image else 1))
    x = (rng.random((T, B, n_in, *image)) < 0.45) * rng.choice([1, 1, 1, 2, 3], (T, B, n_in, *image))  # spikes, and some counts
    arrays = {
        "x": x,
        "W": rng.normal(0.3 * gain, gain, (n_out, n_in, *filters)),
        "V": rng.normal(0, 0.8 / np.sqrt(n_out), (n_out, n_out)) if texts["layer"] == "recurrent" else None,
        "b": None,
        "delta": rng.normal(0, 1, (T, B, n_out, *image)),
    }
    numbers = {
        "gamma": rng.uniform(0.6, 0.8),
        "theta": rng.uniform(0.5, 0.9),
        "lam_pre": rng.uniform(0.82, 0.95),
        "lam_post": rng.uniform(0.3, 0.55),
        "alpha_pre": rng.uniform(0.6, 0.9),
        "alpha_post": rng.choice([-1, 1]) * rng.uniform(0.5, 0.9),
    }
    made = {name: None if value is None else value.astype(dtype) for name, value in arrays.items()}
    made |= {name: round(float(value), 2) for name, value in numbers.items()} | texts
    return {name: made[name] for name in KEYS}


def _fault(made):
    """Return what keeps a drawn case from showing every slip, or None; cheap conditions first."""
    made = {name: value.astype(float) if isinstance(value, np.ndarray) else value for name, value in made.items()}
    right = expected(made)
    v, y = right["u"] - made["theta"], right["y"]
    if not 0.02 < y.mean() < 0.98 or not y[:-1].any():
        return "a silent or saturated layer"
    if not all(((v > low) & (v < high)).any() for low, high in ((-np.inf, -1), (-1, 0), (0, 1), (1, np.inf))):
        return "potentials not in every regime of Psi"
    margin = np.clip(0.05 / v.size, 1e-5, 1e-4)  # float32 is off by some 1e-6; of many potentials, one comes nearer than of few
    if any(np.abs(fire(made, reset)[0] - made["theta"]).min() < margin for reset in RESETS):
        return "a potential at the threshold, where rounding decides on spikes"
    slips = list(slipped(made))
    for cause, answer in slips:
        no_slip = (cause == "batch mean" and y.shape[1] == 1) or (cause == "window ignored" and made["last"] == len(y))
        moved = {name: _apart(answer[name], right[name]) for name in right}
        hidden = moved["psi"] > 1e-9 and min(moved[name] for name in GRADIENTS if name in moved) < SHOWS
        if hidden or (not no_slip and max(moved.values()) < SHOWS):
            return f"the slip {cause!r} does not show{' in every gradient' * bool(hidden)}"
    return next((f"{a or 'the right answer'!r} and {b!r} look alike" for a, b in _alike([(None, right), *slips])), None)


def _apart(a, b):
    """Return max|a - b| over the larger of the two maxima, shapes equal; 0 for two arrays of zeros."""
    return np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max(), np.finfo(float).tiny)


def _alike(answers):
    """Yield pairs of causes that dW, dV or db alone would not tell apart; answers that leave it right are one, not two."""
    right = answers[0][1]
    for name in GRADIENTS:
        wrong = [(cause, answer[name]) for cause, answer in answers if name in right and _apart(answer[name], right[name]) > 1e-9]
        for i, (a, first) in enumerate(wrong):
            for b, second in [(None, right[name]), *wrong[:i]]:
                if a != b and _apart(first, second) < (NEAR if {a, b} == TWINS else SHOWS):
                    yield b, a


def expected(case):
    """Return the right answers, name -> array: u, y, psi, tr_x, tr_psi over all steps, dW, dV (recurrent) and db.

    Computed by `Layer`, in the dtype of the case.  u is before the reset; tr_psi counts the present step; gradients are
    sums over the window and the batch; db [N_out] or [C_out] is the published bias's, asked for also where b is None.
    Raises ValueError where the case does not fit together, or its numbers pass what its dtype can hold.
    """
    case = checked(case)
    W, V, T = case["W"], case["V"], len(case["x"])
    conv = case["layer"] == "conv"
    b = np.zeros(len(W), W.dtype) if case["b"] is None else case["b"]
    rule = STLLR(**{name: case[name] for name in ("lam_pre", "lam_post", "alpha_pre", "alpha_post", "post_trace")})
    neuron = LIF(case["gamma"], case["theta"], case["psi"], case["reset"])
    bias = Bias(b.reshape(-1, 1, 1) if conv else b)
    layer = Layer((Conv2d if conv else Dense)(W), neuron, rule, V=None if V is None else Dense(V), bias=bias)
    nows = []
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        for t in range(T):
            layer.step(case["x"][t])
            if t >= T - case["last"]:
                layer.learn(case["delta"][t])
            nows.append(layer.now)
        out = {name: np.array([getattr(now, name) for now in nows]) for name in ("u", "y", "psi")}
        out["tr_x"], out["tr_psi"] = np.array([now.pre["W"][0] for now in nows]), trace(out["psi"], case["lam_post"])
    grads = layer.grads()
    out |= {f"d{name}": grads[name] for name in ("W", "V") if name in grads}
    out["db"] = grads["b"].reshape(-1)
    for name, value in out.items():
        if not np.isfinite(value).all():
            raise ValueError(f"case: got numbers whose right {name} overflows, expected a case with finite answers in {value.dtype}")
    return out


def save(path, case):
    """Write a case, its right answers (expected_*) and the conventions in words (meta, JSON) to an npz file at path.

    Returns the answers.  Raises ValueError where the file cannot be written; an earlier file stays whole until then.
    """
    right = expected(case)
    arrays = {name: value for name, value in checked(case).items() if value is not None}
    arrays |= {f"expected_{name}": value for name, value in right.items()}
    part = f"{os.fspath(path)}.part"
    try:
        with open(part, "wb") as file:
            np.savez(file, meta=json.dumps(META), **arrays)
        os.replace(part, path)
    except OSError as bad:
        if os.path.isfile(part):
            os.remove(part)
        raise ValueError(f"{path}: got {bad.strerror or bad}, expected a file that can be written") from None
    return right


def load(path):
    """Return the case of a file that `save` wrote; ValueError says in one line what else the file is."""
    arrays = read(path)
    case = {name: arrays[name] for name in KEYS if name in arrays}
    for name, value in case.items():
        if name not in ARRAYS:
            if value.ndim:
                raise ValueError(f"{path}: {name}: got shape {value.shape}, expected one value")
            case[name] = value.item()
    try:
        return checked(case)
    except ValueError as bad:
        raise ValueError(f"{path}: {bad}") from None


def read(path):
    """Return the arrays of an npz file, name -> array; ValueError says in one line why there are none to read."""
    arrays, name = {}, None
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            for name in file.files:
                arrays[name] = file[name]
    except FileNotFoundError:
        raise ValueError(f"{path}: got no file, expected an npz file") from None
    except OSError as bad:
        raise ValueError(f"{path}: got {bad.strerror or bad}, expected an npz file that can be read") from None
    except Exception:  # in a damaged file zipfile, zlib, tokenize and NumPy find something to raise each
        if name is None:
            raise ValueError(f"{path}: got something else than an npz file, expected what numpy.savez writes") from None
        name = name if name.isprintable() else ascii(name)
        raise ValueError(f"{path}: {name}: got Python objects or a damaged array, expected plain numbers or text (no pickle)") from None
    return arrays
