r"""The contract between the oracle and an implementation from outside: what a case and an answer are, in words and as a check.

The words (`META`) travel in every case file; `checked` refuses a case that is not whole or does not fit together.
"""

from collections.abc import Mapping

import numpy as np

from stllr_ref import checks
from stllr_ref.neurons import RESETS
from stllr_ref.surrogates import PRIMITIVE

LAYERS = ("dense", "recurrent", "conv")
PSIS = tuple(psi.__name__ for psi in PRIMITIVE)
POST_TRACES = ("code", "paper")
TOLERANCE = {"float64": 1e-9, "float32": 5e-4}
TEXTS = {"layer": LAYERS, "reset": RESETS, "psi": PSIS, "post_trace": POST_TRACES}
ANY = (-np.inf, np.inf)
NUMBERS = {"gamma": (0, 1), "theta": (checks.ABOVE_0, np.inf), "lam_pre": (0, 1), "lam_post": (0, 1), "alpha_pre": ANY, "alpha_post": ANY}
ARRAYS = ("x", "W", "V", "b", "delta")
KEYS = ("layer", "x", "W", "V", "b", "gamma", "theta", "reset", "psi", *list(NUMBERS)[2:], "post_trace", "last", "delta")
# The quantities of an answer in causal order: what is wrong in one may spoil those to its right.
SEQUENCES, GRADIENTS = ("u", "y", "psi", "tr_x", "tr_psi"), ("dW", "dV", "db")
QUANTITIES = SEQUENCES + GRADIENTS

META = {
    "what": "One layer of S-TLLR (Apolinario and Roy, TMLR 2025): a case, and the right answers as expected_*.",
    "step": [
        "u[t] = gamma*(u[t-1] - theta*y[t-1]) + W x[t] (+ V y[t-1]) (+ b)   reset soft",
        "       gamma*u[t-1]*(1 - y[t-1]) for its first term                reset hard; gamma*u[t-1] for none",
        "y[t] = 1 where u[t] > theta, strictly, else 0",
        "psi[t] = Psi(u[t] - theta), u before the reset",
        "tr_x[t] = lam_pre*tr_x[t-1] + x[t]",
        "tr_psi[t] = lam_post*tr_psi[t-1] + psi[t]",
        "e[t] = alpha_pre*psi[t]*tr_x[t] + alpha_post*past[t]*x[t]   dW += delta[t]*e[t], descended",
        "post_trace code: past[t] = tr_psi[t-1]; paper: past[t] = lam_post*tr_psi[t-1]",
        "dV: the same with y[t-1] for x[t]; db += delta[t]*psi[t] (as published: no alpha, no trace)",
        "everything is 0 before step 0",
    ],
    "psi": {
        "fast_sigmoid": "1/(100*abs(v) + 1)**2",
        "triangle": "0.3*max(1 - abs(v), 0)",
        "sigmoid": "4*s*(1 - s), s = 1/(1 + exp(-4*v))",
        "arctan": "1/(1 + (10*v)**2)",
    },
    "sums": "dW, dV, db sum over the last `last` of the T steps and over the batch: no mean; traces run from step 0.",
    "shapes": {
        "dense, recurrent": "x [T, B, N_in], W [N_out, N_in], V [N_out, N_out] (post, pre), b and db [N_out], delta [T, B, N_out]",
        "conv": "x [T, B, C_in, H, W], W [C_out, C_in, k, k] (correlation, stride 1, zero padding k//2), b and db [C_out], "
        "delta [T, B, C_out, H, W]",
        "answers": "u, y, psi, tr_psi as delta, tr_x as x, over all T steps; dW, dV, db as W, V, b",
    },
    "delta": "dL/dy at each step, given from outside; nothing flows from one step to another.",
    "absent": "V where the layer is not recurrent, b where there is none (db is asked for all the same).",
    "answer": "Save any of u, y, psi, tr_x, tr_psi, dW, dV, db as RESULT.npz (no pickle), then: "
    "python -m stllr_ref check --case THIS_FILE --result RESULT.npz. "
    "A function may return None for what it does not compute, but not for dW or dV: there None means that no gradient was made.",
    "tolerance": TOLERANCE,
}


def checked(case):
    """Return the case with arrays of one dtype and plain numbers; refused (ValueError) unless it is whole and fits together."""
    if not isinstance(case, Mapping):
        raise ValueError(f"case: got {type(case).__name__}, expected a dict as oracle.case makes it")
    lacking = [name for name in KEYS if name not in case and name not in ("V", "b")]
    if lacking:
        raise ValueError(f"{lacking[0]}: got none, expected a case with {', '.join(KEYS)}")
    out = {name: checks.choice(name, case[name], allowed) for name, allowed in TEXTS.items()}
    out |= {name: checks.number(name, case[name], *bounds) for name, bounds in NUMBERS.items()}
    given = {name: np.asarray(case[name]) for name in ARRAYS if case.get(name) is not None}
    single = all(value.dtype == np.float32 for value in given.values())
    for name in ARRAYS:
        out[name] = checks.array(name, given[name], "float32" if single else "float64") if name in given else None
        if name in given and out[name].dtype.kind == "c":
            raise ValueError(f"{name}: got complex numbers, expected real ones")
    conv, W, x = out["layer"] == "conv", out["W"], checks.sequence(out["x"], None, 3 if out["layer"] == "conv" else 1)
    if W.ndim != x.ndim - 1 or 0 in W.shape or W.shape[1] != x.shape[2] or (conv and (W.shape[2] != W.shape[3] or W.shape[2] % 2 == 0)):
        shape = f"[C_out, {x.shape[2]}, k, k] with odd k" if conv else f"[N_out, {x.shape[2]}]"
        raise ValueError(f"W: got shape {W.shape}, expected {shape}, as x has shape {x.shape}")
    if (out["V"] is None) == (out["layer"] == "recurrent"):
        raise ValueError(
            f"V: got {'none' if out['V'] is None else 'one'} with a {out['layer']} layer, expected it with a recurrent one alone"
        )
    checks.same("delta", out["delta"].shape, (*x.shape[:2], len(W), *x.shape[3:]))
    if out["V"] is not None:
        checks.same("V", out["V"].shape, (len(W), len(W)))
    if out["b"] is not None:
        checks.same("b", out["b"].shape, (len(W), 1, 1) if conv and out["b"].ndim == 3 else (len(W),))
    if checks.whole("last", case["last"], 1) > len(x):
        raise ValueError(f"last: got {case['last']}, expected at most the {len(x)} steps of x")
    return {name: int(case["last"]) if name == "last" else out[name] for name in KEYS}
