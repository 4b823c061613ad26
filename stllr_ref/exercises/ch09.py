"""Exercises of chapter 9: e-prop's filtered eligibility, OSTL's trace, and which relative a setting of S-TLLR is."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import late, outer, random_spikes, summed
from stllr_ref.neurons import LIF
from stllr_ref.rules import OTTT, SLTT, STDP, STLLR
from stllr_ref.surrogates import spike, triangle
from stllr_ref.traces import trace

RNG = np.random.default_rng(9)


def _sequence(T, B, n_in, n_out):
    """Return spikes [T, B, N_in], psi and delta [T, B, N_out]; delta is 0 before the last steps."""
    x, psi = random_spikes(RNG, T, B, n_in), 0.3 * RNG.random((T, B, n_out))
    delta = RNG.normal(0, 1, (T, B, n_out))
    delta[: T // 2] = 0
    return x, psi, delta


def _eprop(x, psi, delta, gamma, kappa):
    """Return e-prop's gradient [N_out, N_in]."""
    return summed(delta, trace(outer(psi, trace(x, gamma)), kappa))


def _from_the_window(x, psi, delta, gamma, kappa):
    inside = np.abs(delta).sum((1, 2)).astype(bool)[:, None, None, None]
    return summed(delta, trace(outer(psi, trace(x, gamma)) * inside, kappa))


def _after_delta(x, psi, delta, gamma, kappa):
    return trace(outer(delta * psi, trace(x, gamma)), kappa).sum((0, 1))


def _apart(x, psi, delta, gamma, kappa):
    return summed(delta, outer(trace(psi, kappa), trace(trace(x, gamma), kappa)))


def _slope(psi, gamma, theta):
    """Return d rest / d u with a soft reset that depends on u, shape of psi."""
    return LIF(gamma, theta, triangle).slope(None, None, psi, attached=True)


def _ostl(x, psi, delta, gamma, theta, slope=_slope, late=late):
    """Return OSTL's gradient [N_out, N_in] of feed-forward neurons with a soft reset."""
    eps, found = 0.0, 0.0
    for x_t, psi_t, carry, delta_t in zip(x, psi, late(slope(psi, gamma, theta)), delta):
        eps = carry[:, :, None] * eps + x_t[:, None, :]
        found = found + np.einsum("bi,bij->ij", delta_t * psi_t, eps)
    return found


def _sloped(slope):
    """Return `_ostl` with another slope(psi, gamma, theta)."""
    return lambda *a: _ostl(*a, slope=slope)


_X, _PSI, _ = _sequence(9, 2, 3, 2)
_Y = random_spikes(RNG, *_PSI.shape, rate=0.4)


def _eligibility(rule):
    """Return the eligibility of a rule on one fixed sequence, [T, B, N_out, N_in]."""
    post = _Y if rule.psi is spike else _PSI
    past = late(trace(post, rule.past_decay or 0.0))
    return sum(outer(factor, trace(_X, lam)) for factor, lam in zip(rule.posts(post, past), rule.decays))


def _relatives(lam_pre, lam_post, alpha_pre, alpha_post, post_trace, spikes, gamma):
    """Return whether S-TLLR with these settings is OTTT, SLTT, STDP of the same four numbers: by what it does."""
    own = STLLR(
        lam_pre=lam_pre, lam_post=lam_post, alpha_pre=alpha_pre, alpha_post=alpha_post,
        post_trace=post_trace, psi=spike if spikes else None,
    )  # fmt: skip
    others = OTTT(gamma), SLTT(), STDP(lam_pre, lam_post, alpha_pre, alpha_post)
    return tuple(bool(np.allclose(_eligibility(own), _eligibility(other), rtol=0, atol=1e-12)) for other in others)


def _read(lam_pre, lam_post, alpha_pre, alpha_post, post_trace, spikes, gamma, causal=None, alpha=None, stdp=None):
    """Return the relatives as read off the settings; causal, alpha, stdp: what else decides in place of what is right."""
    nothing = alpha_post == 0 or (post_trace == "paper" and lam_post == 0) if causal is None else causal(alpha_post, lam_post)
    one = (alpha_pre == 1 if alpha is None else alpha) and not spikes and nothing
    own = spikes and (nothing or post_trace == "paper") if stdp is None else stdp(spikes, post_trace, alpha_post)
    return one and lam_pre == gamma, one and lam_pre == 0, bool(own)


_RULES = (  # lam_pre, lam_post, alpha_pre, alpha_post, post_trace, spikes, gamma
    (0.8, 0.2, 1, 0, "code", False, 0.8),
    (0.75, 0.2, 1, 0, "code", False, 0.8),
    (0.8, 0.0, 1, -1, "paper", False, 0.8),
    (0.8, 0.0, 1, -1, "code", False, 0.8),
    (0.0, 0.5, 1, 0, "paper", False, 0.8),
    (0.0, 0.5, 1, 0, "code", False, 0.0),
    (0.6, 0.3, 0.5, -0.4, "paper", True, 0.8),
    (0.6, 0.3, 0.5, -0.4, "code", True, 0.8),
    (0.6, 0.3, 0.5, 0, "code", True, 0.8),
    (0.8, 0.2, 0.5, 0, "code", False, 0.8),
    (0.6, 0.3, 0.5, -0.4, "paper", False, 0.8),
)


EXERCISES = {
    "9.1": Exercise(
        "eprop",
        _eprop,
        ((*_sequence(8, 2, 4, 3), 0.8, 0.6), (*_sequence(7, 3, 2, 5), 0.5, 0.9)),
        {
            "you filtered after multiplying by delta: then old errors are carried on, and old products are not": _after_delta,
            "you filtered the two factors apart and multiplied then: their product has pairs that never met": _apart,
            "you did not filter the product: that is OTTT": lambda *a: _eprop(*a[:4], 0.0),
            "you swapped gamma and kappa: the input decays as the neuron leaks, the product as the readout does": lambda *a: _eprop(
                *a[:3], a[4], a[3]
            ),
            "you started the filter when the first error came: it runs from step 0": _from_the_window,
            "you multiplied by 1 - kappa: the readout here does not average": lambda *a: _eprop(*a) * (1 - a[-1]),
            "you divided by the number of samples": lambda x, *a: _eprop(x, *a) / x.shape[1],
            "you forgot the trace of the input": lambda *a: _eprop(*a[:3], 0.0, a[4]),
        },
        "[N_out, N_in]",
    ),
    "9.2": Exercise(
        "ostl",
        _ostl,
        ((*_sequence(8, 2, 4, 3), 0.8, 0.6), (*_sequence(7, 3, 2, 5), 0.9, 1.4)),
        {
            "you took the Psi of this step in the slope: what is carried was reset by the spike of the step before": lambda *a: _ostl(
                *a, late=lambda slope: slope
            ),
            "you left the reset out: that is the trace of OTTT": _sloped(lambda psi, gamma, theta: gamma + 0 * psi),
            "you let the reset not leak: what is left after it leaks as a whole": _sloped(lambda psi, gamma, theta: gamma - theta * psi),
            "you left out the threshold: it is what a spike takes away": _sloped(lambda psi, gamma, theta: gamma * (1 - psi)),
            "you added what the reset takes away": _sloped(lambda psi, gamma, theta: gamma * (1 + theta * psi)),
            "you forgot the Psi of this step: the trace is du/dw, and delta stands at the spike": lambda x, psi, delta, *a: _ostl(
                x, psi, delta / psi, *a
            ),
        },
        "[N_out, N_in]",
    ),
    "9.3": Exercise(
        "relatives",
        _relatives,
        _RULES,
        {
            "you overlooked that lam_post 0 ends the paper's non-causal term: its step before counts lam_post": lambda *s: _read(
                *s, causal=lambda alpha_post, lam_post: alpha_post == 0
            ),
            "you took lam_post 0 for the end of every non-causal term: the code's still reads the step before": lambda *s: _read(
                *s, causal=lambda alpha_post, lam_post: alpha_post == 0 or lam_post == 0
            ),
            "you forgot alpha_pre: OTTT and SLTT have 1": lambda *s: _read(*s, alpha=True),
            "you took every rule of spikes for STDP: the trace of the code is no eq. (6) of the same numbers": lambda *s: _read(
                *s, stdp=lambda spikes, post_trace, alpha_post: spikes
            ),
            "you refused STDP without a non-causal term the code's trace, which nobody reads there": lambda *s: _read(
                *s, stdp=lambda spikes, post_trace, alpha_post: spikes and post_trace == "paper"
            ),
            "you took STDP for a matter of the trace: it is a rule of spikes": lambda *s: _read(
                *s, stdp=lambda spikes, post_trace, alpha_post: post_trace == "paper" or (spikes and alpha_post == 0)
            ),
        },
        "OTTT, SLTT, STDP",
    ),
}
