"""S-TLLR in plain loops over samples, steps, neurons and synapses: an implementation from outside, with slips to order.

Imports nothing of stllr_ref and nothing of NumPy's linear algebra: every sum is written out.  A slip is planted at the line
where an implementer would make it, so a verdict that names it does not judge its own simulation.
"""

import math

import numpy as np

# What can be planted, and the cause that a verdict should give ("" : it has no name there).
SLIPS = {
    "late pre trace": "late pre trace",
    "late pre trace, decayed": "late pre trace",
    "late pre trace, tr_x recorded so": "late pre trace",
    "late pre trace of W alone": "late pre trace",
    "late pre trace of V alone": "late pre trace",
    "post trace including now": "post trace including now",
    "undecayed reset": "undecayed reset",
    "soft reset": "soft reset",
    "hard reset": "hard reset",
    "no reset": "no reset",
    "Psi after the reset": "Psi after the reset",
    "Psi of the potential kept": "Psi after the reset",
    "Psi of the spike": "Psi of the spike",
    "Psi of the spike minus theta": "Psi of the spike",
    "spike as Psi": "Psi of the spike",
    "decays swapped": "decays swapped",
    "decays of the traces swapped": "decays swapped",
    "sign": "sign",
    "sign of W and V alone": "sign",
    "sign of dW alone": "sign",
    "undelayed recurrence": "undelayed recurrence",
    "undelayed recurrence in the trace": "undelayed recurrence",
    "other post-trace convention": "other post-trace convention",
    "window ignored": "window ignored",
    "batch mean": "batch mean",
    "batch mean of W and V alone": "batch mean",
    "non-causal term gated by Psi": "non-causal term gated by Psi",
    "bias with alpha": "bias with alpha",
    "bias with alpha and trace": "bias with alpha and trace",
    "bias with a trace": "bias with a trace",
    "u after the reset": "u after the reset",
    "tr_psi without now": "tr_psi without now",
    "dV transposed": "dV transposed",
    "filter flipped": "filter flipped",
    "no non-causal term": "no non-causal term",
    "window a step short": "window off by one",
    "window a step long": "window off by one",
    "window a step early": "window off by one",
    "alphas swapped": "alphas swapped",
    "non-causal term with tr_x for x": "non-causal term with tr_x for x",
    "normalised pre trace": "normalised pre trace",
    "normalised pre trace, tr_x recorded so": "normalised pre trace",
    "Psi doubled": "", "threshold 10 % high": "", "leak of Psi's slope": "", "input counted twice": "", "recurrence dropped": "",
    "alpha_post of the wrong sign": "", "delta a step late": "", "window from the start": "",
}  # fmt: skip


def can_show(slip, case):
    """Return whether a slip makes any difference on a case."""
    layer, reset = case["layer"], case["reset"]
    if slip in ("soft reset", "hard reset", "no reset"):
        return slip != {"soft": "soft reset", "hard": "hard reset", "none": "no reset"}[reset]
    if slip in ("Psi after the reset", "u after the reset"):
        return reset != "none"
    if "recurrence" in slip or "of V alone" in slip or slip == "dV transposed":
        return layer == "recurrent"
    return layer == "conv" if slip == "filter flipped" else True


def cause_of(slip, case):
    """Return the cause that a verdict should give a slip on a case, "" for none."""
    return "Psi after the leak" if slip == "Psi of the potential kept" and case["reset"] == "none" else SLIPS[slip]


def psi_of(name, v):
    """Return Psi(v) of one number."""
    if name == "fast_sigmoid":
        return 1 / (100 * abs(v) + 1) ** 2
    if name == "triangle":
        return 0.3 * max(1 - abs(v), 0)
    if name == "arctan":
        return 1 / (1 + (10 * v) ** 2)
    s = 1 / (1 + math.exp(-4 * v))
    return 4 * s * (1 - s)


def links_of(case):
    """Return neuron -> list of (index into W, input it reads): a convolution is a dense layer that shares weights."""
    W, x = case["W"], case["x"]
    if case["layer"] != "conv":
        return {(i,): [((i, j), (j,)) for j in range(W.shape[1])] for i in range(W.shape[0])}
    links, half = {}, W.shape[2] // 2
    for c in range(W.shape[0]):
        for h in range(x.shape[3]):
            for w in range(x.shape[4]):
                links[c, h, w] = [
                    ((c, d, p, q), (d, h + p - half, w + q - half))
                    for d in range(W.shape[1]) for p in range(W.shape[2]) for q in range(W.shape[3])
                    if 0 <= h + p - half < x.shape[3] and 0 <= w + q - half < x.shape[4]
                ]  # fmt: skip
    return links


def answer(case, dtype=np.float64, reverse=False, slip=None):
    """Return u, y, psi, tr_x, tr_psi, dW, dV (recurrent) and db of a case, computed in dtype.

    reverse adds every sum in the other order; slip is a name of SLIPS.
    """
    number = float if dtype == np.float64 else dtype
    x, W, V, bias, delta = (None if case[name] is None else _entries(case[name], number) for name in ("x", "W", "V", "b", "delta"))
    names = ("gamma", "theta", "lam_pre", "lam_post", "alpha_pre", "alpha_post")
    gamma, theta, lam_pre, lam_post, alpha_pre, alpha_post = (number(case[name]) for name in names)
    T, B = case["x"].shape[:2]
    reset, post_trace, start, zero = case["reset"], case["post_trace"], T - case["last"], number(0)
    if slip in ("soft reset", "hard reset", "no reset"):
        reset = slip.split()[0].replace("no", "none")
    factor = number(1)
    if slip == "alphas swapped":
        alpha_pre, alpha_post = alpha_post, alpha_pre
    elif slip and slip.endswith("swapped"):
        lam_pre, lam_post = lam_post, lam_pre
        if slip == "decays of the traces swapped":
            factor = lam_pre / lam_post
    if slip == "other post-trace convention":
        post_trace = "paper" if post_trace == "code" else "code"
    if slip == "window ignored":
        start = 0
    if slip == "window a step short":
        start = start + 1
    if slip in ("window a step long", "window a step early"):
        start = start - 1
    if slip == "threshold 10 % high":
        theta = theta * number(1.1)
    if slip == "alpha_post of the wrong sign":
        alpha_post = -alpha_post
    links = links_of(case)
    neurons, inputs = list(links), [j for j in np.ndindex(case["x"].shape[2:])]
    if reverse:
        links = {i: row[::-1] for i, row in links.items()}
    out = {name: np.zeros((T, B, *case["delta"].shape[2:]), dtype) for name in ("u", "y", "psi", "tr_psi")}
    out["tr_x"] = np.zeros(case["x"].shape, dtype)
    terms = {"W": {w: [] for w in W}, "V": {} if V is None else {w: [] for w in V}, "b": {c: [] for c in range(len(case["W"]))}}
    for s in range(B):
        kept, before, tr_psi = (dict.fromkeys(neurons, zero) for _ in range(3))
        tr_x, tr_y, ones = dict.fromkeys(inputs, zero), dict.fromkeys(neurons, zero), zero
        for t in range(T):
            u, y, psi, past = {}, {}, {}, dict(tr_psi)
            for i in neurons:
                total = kept[i]
                for w, j in links[i]:
                    total += W[w] * x[(t, s, *j)]
                for k in (neurons[::-1] if reverse else neurons) if V is not None and slip != "recurrence dropped" else ():
                    total += V[i + k] * before[k]
                if bias is not None:
                    total += bias[(i[0], *[0] * (case["b"].ndim - 1))]
                fired = number(1) if total > theta else zero
                after = {"soft": total - theta * fired, "hard": total * (1 - fired), "none": total}[reset]
                kept[i] = gamma * total - theta * fired if slip == "undecayed reset" else gamma * after
                v = total - theta
                if slip == "Psi after the reset":
                    v = after - theta
                if slip == "Psi of the potential kept":
                    v = kept[i] - theta
                if slip == "Psi of the spike":
                    v = fired
                if slip == "Psi of the spike minus theta":
                    v = fired - theta
                if slip == "leak of Psi's slope":
                    v = v / theta
                u[i], y[i], psi[i] = total, fired, number(psi_of(case["psi"], v))
                if slip == "spike as Psi":
                    psi[i] = fired
                if slip == "Psi doubled":
                    psi[i] *= 2
                tr_psi[i] = lam_post * tr_psi[i] + psi[i]
            late, late_y = dict(tr_x), dict(tr_y)
            entering = y if slip == "undelayed recurrence" else before
            for j in inputs:
                tr_x[j] = lam_pre * tr_x[j] + x[(t, s, *j)] * (2 if slip == "input counted twice" else 1)
            for k in neurons:
                tr_y[k] = lam_pre * tr_y[k] + (y if slip == "undelayed recurrence in the trace" else entering)[k]
            ones = lam_pre * ones + 1
            used, used_y = tr_x, tr_y
            if slip and slip.startswith("late pre trace"):
                decay = lam_pre if slip == "late pre trace, decayed" else number(1)
                used = {j: decay * late[j] for j in inputs}
                used_y = tr_y if slip == "late pre trace of W alone" else {k: decay * late_y[k] for k in neurons}
                used = tr_x if slip == "late pre trace of V alone" else used
            if slip and slip.startswith("normalised"):
                used, used_y = ({j: (1 - lam_pre) * trace[j] for j in trace} for trace in (tr_x, tr_y))
            second, second_y = {j: x[(t, s, *j)] for j in inputs}, entering
            if slip == "non-causal term with tr_x for x":
                second, second_y = tr_x, tr_y
            if slip == "post trace including now":
                past = tr_psi
            for i in neurons:
                out["u"][(t, s, *i)] = u[i] if slip != "u after the reset" else kept[i] / gamma
                out["y"][(t, s, *i)], out["psi"][(t, s, *i)] = y[i], psi[i]
                out["tr_psi"][(t, s, *i)] = (past if slip == "tr_psi without now" else tr_psi)[i]
            for j in inputs:
                out["tr_x"][(t, s, *j)] = (used if slip and slip.endswith("tr_x recorded so") else tr_x)[j]
            inside = t < case["last"] if slip == "window from the start" else t >= start
            if slip == "window a step early":
                inside = start <= t < T - 1
            for i in neurons if inside else ():
                d = delta[(max(t - 1, 0) if slip == "delta a step late" else t, s, *i)]
                causal = d * alpha_pre * psi[i]
                noncausal = d * alpha_post * past[i] * (lam_post * factor if post_trace == "paper" else 1)
                if slip == "non-causal term gated by Psi":
                    noncausal = noncausal * psi[i]
                if slip == "no non-causal term":
                    noncausal = zero
                for w, j in links[i]:
                    terms["W"][w].append(causal * used[j] + noncausal * second[j])
                for k in neurons if V is not None else ():
                    terms["V"][i + k].append(causal * used_y[k] + noncausal * second_y[k])
                for_bias = d * psi[i]
                if slip in ("bias with alpha", "bias with alpha and trace"):
                    for_bias = for_bias * alpha_pre
                if slip in ("bias with a trace", "bias with alpha and trace"):
                    for_bias = for_bias * ones
                terms["b"][i[0]].append(for_bias)
            before = y
    for name, entries in terms.items():
        if name != "V" or V is not None:
            grad = np.zeros(len(case["W"]) if name == "b" else case[name].shape, dtype)
            for index, parts in entries.items():
                total = zero
                for part in parts[::-1] if reverse else parts:
                    total += part
                if slip == "sign" or (slip == "sign of W and V alone" and name != "b"):
                    total = -total
                if slip == "batch mean" or (slip == "batch mean of W and V alone" and name != "b"):
                    total = total / B
                grad[index] = total
            out[f"d{name}"] = grad
    if slip == "sign of dW alone":
        out["dW"] = -out["dW"]
    if slip == "dV transposed" and V is not None:
        out["dV"] = out["dV"].T
    if slip == "filter flipped" and case["layer"] == "conv":
        out["dW"] = out["dW"][:, :, ::-1, ::-1]
    return out


def _entries(array, number):
    """Return index -> number of every entry."""
    return {index: number(value) for index, value in np.ndenumerate(array)}
