r"""The slips that implementers make, each as the answers that it would give to a case: how a wrong answer gets its cause.

Equations (1), (2), (9), (10), (14) and (15) once more, written so that a slip is a changed argument: `fire` runs the
neurons through time, `learn` computes traces and gradients of all steps at once, and `slipped` is the list of slips.
A case is the dict of `stllr_ref.oracle`.
"""

import itertools

import numpy as np

from stllr_ref.surrogates import psi_of
from stllr_ref.synapses import Conv2d, Dense
from stllr_ref.traces import trace

CAUSES = {
    "late pre trace": "the causal term reads tr_x before the present input is added",
    "post trace including now": "past already holds psi[t] when e[t] is computed: it must hold earlier steps alone",
    "undecayed reset": "theta is taken away after the leak: gamma*u - theta*y for gamma*(u - theta*y)",
    "soft reset": "theta is subtracted after a spike, where the case asks for another reset",
    "hard reset": "the potential is put to 0 after a spike, where the case asks for another reset",
    "no reset": "the potential is never reset, where the case asks for a reset",
    "Psi after the reset": "Psi reads the potential after the reset; it must read u[t] - theta with u before it",
    "Psi of the spike": "Psi is computed from y, not from the potential u[t] - theta",
    "decays swapped": "lam_post decays the trace of the input and lam_pre that of Psi",
    "sign": "gradients have the opposite sign: dW sums +delta*e, the optimiser subtracts it",
    "undelayed recurrence": "dV reads y[t]; the recurrent synapse carries y[t-1]",
    "other post-trace convention": 'post_trace is "paper" where the case says "code", or the reverse: a factor lam_post',
    "window ignored": "gradients sum all steps; they must sum the last ones alone (last)",
    "batch mean": "gradients are divided by the batch size B; they must be sums",
    "non-causal term gated by Psi": "the non-causal term is multiplied by psi[t]; it is alpha_post*past[t]*x[t]",
    "bias with alpha": "db is multiplied by alpha_pre; the published bias is the sum of delta*psi",
    # Beyond the page's list of fourteen, and as easily told.
    "Psi after the leak": "Psi reads gamma*u, what the next step keeps; it must read u[t] - theta with u before the leak",
    "no non-causal term": "alpha_post*past[t]*x[t] is left out, or alpha_post is 0",
    "alphas swapped": "alpha_pre multiplies the non-causal term and alpha_post the causal one",
    "non-causal term with tr_x for x": "the non-causal term multiplies past[t] by tr_x[t]; it is alpha_post*past[t]*x[t]",
    "normalised pre trace": "the causal term reads (1 - lam_pre)*tr_x; tr_x[t] is lam_pre*tr_x[t-1] + x[t], not an average",
    "window off by one": "gradients sum a step more or less than the last ones, or end a step early",
    "bias with alpha and trace": "db is the causal term of an input that is always 1; the published bias is the sum of delta*psi",
    "bias with a trace": "db has the trace of an input that is always 1; the published bias is the sum of delta*psi",
    "u after the reset": "u was recorded after the reset; the answer is the potential before it, which Psi reads",
    "tr_psi without now": "tr_psi[t] was recorded before psi[t] was added; the answer is lam_post*tr_psi[t-1] + psi[t]",
    "dV transposed": "dV is [pre, post]; the answer is [post, pre]",
    "filter flipped": "the filters of dW are turned by 180 degrees: correlate (as deep learning does), do not convolve",
}

RESETS = {
    "soft": lambda u, y, gamma, theta: gamma * (u - theta * y),
    "hard": lambda u, y, gamma, theta: gamma * u * (1 - y),
    "none": lambda u, y, gamma, theta: gamma * u,
    "undecayed": lambda u, y, gamma, theta: gamma * u - theta * y,
}


def shift(a):
    """Return a [T, ...] one step later: zeros first, the last step dropped."""
    return np.concatenate([np.zeros_like(a[:1]), a[:-1]])


def synapses(case):
    """Return the synapse of W, that of V or None, and b shaped to be added to a step (0 where there is none)."""
    conv = case["layer"] == "conv"
    b = 0.0 if case["b"] is None else np.reshape(case["b"], (-1, 1, 1) if conv else -1)
    return (Conv2d if conv else Dense)(case["W"]), None if case["V"] is None else Dense(case["V"]), b


def fire(case, reset):
    """Return potentials and spikes u, y [T, B, ...] under one of RESETS; eqs. (1), (2), (14)."""
    W, V, b = synapses(case)
    current, kept, us, ys = W.forward(case["x"]) + b, 0.0, [], []
    for now in current:
        u = kept + now + (V.forward(ys[-1]) if V and ys else 0.0)
        y = (u > case["theta"]).astype(u.dtype)
        kept = RESETS[reset](u, y, case["gamma"], case["theta"])
        us.append(u)
        ys.append(y)
    return np.array(us), np.array(ys)


def causal_now(tr, entering):
    """Return the pre factor of the causal term: the trace with the present step."""
    return tr


def learn(case, u, y, *, seen=None, pre=causal_now, pre_V=None, second=None, past=None, gated=False, entering=None, bias=None):
    """Return the answer, name -> array, given potentials and spikes [T, B, ...]; eqs. (9), (10), (15).

    A slip replaces psi by `seen`, the causal pre factor by `pre(trace, input)` (of V: `pre_V`), the non-causal one by
    `second(trace, input)`, the decayed sum of earlier psi by `past`, what enters V by `entering` (causal, non-causal), the post
    factor of the bias by `bias`, or gates.
    """
    W, V, _ = synapses(case)
    x, scale = case["x"], case["alpha_post"] * (case["lam_post"] if case["post_trace"] == "paper" else 1.0)
    psi = psi_of(case["psi"])(u - case["theta"]) if seen is None else seen
    tr_x, tr_psi = trace(x, case["lam_pre"]), trace(psi, case["lam_post"])
    past = shift(tr_psi) if past is None else past
    delta = case["delta"] * (np.arange(len(x)) >= len(x) - case["last"]).reshape(-1, *[1] * (u.ndim - 1))
    causal, noncausal = delta * case["alpha_pre"] * psi, delta * scale * past * (psi if gated else 1.0)
    out = {"u": u, "y": y, "psi": psi, "tr_x": tr_x, "tr_psi": tr_psi}
    second = second or (lambda tr, entering: entering)
    out["dW"] = W.outer(causal, pre(tr_x, x)) + W.outer(noncausal, second(tr_x, x))
    if V:
        for_causal, for_second = entering or (shift(y), shift(y))
        out["dV"] = V.outer(causal, (pre_V or pre)(trace(for_causal, case["lam_pre"]), for_causal))
        out["dV"] += V.outer(noncausal, second(trace(for_second, case["lam_pre"]), for_second))
    out["db"] = (delta * (psi if bias is None else bias)).sum((0, 1, *range(3, u.ndim)))
    return out


def windows_beside(T, last):
    """Return the windows of T steps that are one step off: one that ends early, and where there is room a shorter and a longer one.

    One that begins at step 1 cannot be told from all steps by dV: nothing recurrent enters at step 0.
    """
    start = T - last
    short, long = [range(start + 1, T)] * (last > 1), [range(start - 1, T)] * (start > 2)
    return [range(max(start - 1, 0), T - 1), *short, *long]


def slipped(case):
    """Yield (cause, answer) of every slip that has a meaning for the case, some causes in several variants."""
    case = {name: value.astype(float) if isinstance(value, np.ndarray) else value for name, value in case.items()}
    runs = {reset: fire(case, reset) for reset in RESETS}
    gamma, theta, lam_pre, lam_post = (case[name] for name in ("gamma", "theta", "lam_pre", "lam_post"))
    own, V = case["reset"], case["V"] is not None
    u, y = runs[own]
    psi_at, right = psi_of(case["psi"]), learn(case, u, y)
    psi, tr_x, tr_psi, before = right["psi"], right["tr_x"], right["tr_psi"], shift(y)
    grads = [name for name in ("dW", "dV", "db") if name in right]

    # the trace of the step before, and the trace that has decayed but not taken the present input in yet
    for late in (lambda tr, entering: shift(tr), lambda tr, entering: tr - entering):
        for pre, pre_V in ((late, late), (late, causal_now), (causal_now, late)) if V else ((late, late),):
            answer = learn(case, u, y, pre=pre, pre_V=pre_V)
            yield "late pre trace", answer
            yield "late pre trace", {**answer, "tr_x": late(tr_x, case["x"])}
    yield "post trace including now", learn(case, u, y, past=tr_psi)
    if case["post_trace"] == "paper" and lam_post:
        yield "post trace including now", learn(case, u, y, past=tr_psi / lam_post)
    for reset, cause in (("undecayed", "undecayed reset"), ("soft", "soft reset"), ("hard", "hard reset"), ("none", "no reset")):
        if reset != own:
            yield cause, learn(case, *runs[reset])
    for reset in dict.fromkeys((own, "soft")):
        after = RESETS[reset](u, y, 1.0, theta)
        for potential in (gamma * after,) if reset == "none" else (after, gamma * after):
            cause = "Psi after the leak" if reset == "none" else "Psi after the reset"
            yield cause, learn(case, u, y, seen=psi_at(potential - theta))
    for seen in (psi_at(y), psi_at(y - theta), y):
        yield "Psi of the spike", learn(case, u, y, seen=seen)
    swapped = {**case, "lam_pre": lam_post, "lam_post": lam_pre}
    yield "decays swapped", learn(swapped, u, y)
    if case["post_trace"] == "paper" and lam_pre:
        yield "decays swapped", learn(swapped, u, y, past=shift(trace(psi, lam_pre)) * lam_post / lam_pre)
    for names in (part for n in range(len(grads), 0, -1) for part in itertools.combinations(grads, n)):
        yield "sign", {**right, **{name: -right[name] for name in names}}
        yield "batch mean", {**right, **{name: right[name] / u.shape[1] for name in names}}
    for entering in ((y, y), (y, before), (before, y)) if V else ():
        yield "undelayed recurrence", learn(case, u, y, entering=entering)
    yield "other post-trace convention", learn({**case, "post_trace": {"code": "paper", "paper": "code"}[case["post_trace"]]}, u, y)
    yield "window ignored", learn({**case, "last": len(u)}, u, y)
    yield "non-causal term gated by Psi", learn(case, u, y, gated=True)
    yield "no non-causal term", learn({**case, "alpha_post": 0.0}, u, y)
    yield "alphas swapped", learn({**case, "alpha_pre": case["alpha_post"], "alpha_post": case["alpha_pre"]}, u, y)
    yield "non-causal term with tr_x for x", learn(case, u, y, second=lambda tr, entering: tr)
    averaged = learn(case, u, y, pre=lambda tr, entering: (1 - lam_pre) * tr)
    yield "normalised pre trace", averaged
    yield "normalised pre trace", {**averaged, "tr_x": (1 - lam_pre) * tr_x}
    for span in windows_beside(len(u), case["last"]):
        inside = np.isin(np.arange(len(u)), span).reshape(-1, *[1] * (u.ndim - 1))
        yield "window off by one", learn({**case, "delta": case["delta"] * inside, "last": len(u)}, u, y)
    ones = trace(np.ones_like(u), lam_pre)
    yield "bias with alpha", learn(case, u, y, bias=case["alpha_pre"] * psi)
    yield "bias with alpha and trace", learn(case, u, y, bias=case["alpha_pre"] * psi * ones)
    yield "bias with a trace", learn(case, u, y, bias=psi * ones)
    if own != "none":
        yield "u after the reset", {**right, "u": RESETS[own](u, y, 1.0, theta)}
    yield "tr_psi without now", {**right, "tr_psi": shift(tr_psi)}
    yield "tr_psi without now", {**right, "tr_psi": lam_post * shift(tr_psi)}
    if V:
        yield "dV transposed", {**right, "dV": right["dV"].T}
    if case["layer"] == "conv":
        yield "filter flipped", {**right, "dW": right["dW"][..., ::-1, ::-1]}
