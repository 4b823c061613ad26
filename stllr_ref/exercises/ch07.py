"""Exercises of chapter 7: the whole eligibility, the settings behind a measured window, the recurrent eligibility."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import late, outer, random_spikes
from stllr_ref.rules import STLLR
from stllr_ref.traces import stdp_window, trace

RNG = np.random.default_rng(7)
_DECAYS = dict(lam_pre=0.7, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.6)


def _eligibility(x, psi, lam_pre, lam_post, alpha_pre, alpha_post, post_trace="paper"):
    """Return e of eq. (10) at each step, [T, B, N_out, N_in], by the library's rule."""
    rule = STLLR(lam_pre=lam_pre, lam_post=lam_post, alpha_pre=alpha_pre, alpha_post=alpha_post, post_trace=post_trace)
    causal, noncausal = rule.posts(psi, late(trace(psi, lam_post)))
    return outer(causal, trace(x, lam_pre)) + outer(noncausal, x)


def _as_stdp_of_x(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    return outer(alpha_pre * psi, trace(x, lam_pre)) + outer(alpha_post * psi, lam_post * late(trace(x, lam_post)))


def _printed_11(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    past = alpha_post * psi * (trace(psi, lam_post) - psi)
    return outer(alpha_pre * psi, trace(x, lam_pre)) + outer(past, np.ones_like(x))


def _gated(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    return outer(alpha_pre * psi, trace(x, lam_pre)) + outer(alpha_post * psi * (trace(psi, lam_post) - psi), x)


def _counts_now(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    return outer(alpha_pre * psi, trace(x, lam_pre)) + outer(alpha_post * trace(psi, lam_post), x)


def _past_meets_the_trace(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    return outer(alpha_pre * psi + alpha_post * (trace(psi, lam_post) - psi), trace(x, lam_pre))


def _early(x, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    return outer(alpha_pre * psi, late(trace(x, lam_pre))) + outer(alpha_post * (trace(psi, lam_post) - psi), x)


def _psi(shape):
    """Return what a triangle might give: numbers from 0 to 0.3, one in three of them 0."""
    return 0.3 * RNG.random(shape) * (RNG.random(shape) < 0.67)


def _measured(lam_pre, lam_post, alpha_pre, alpha_post, post_trace):
    """Return lags from -4 to 5 and the change that one pair of each makes."""
    lags = np.arange(-4, 6)
    return lags, stdp_window(lags, lam_pre, lam_post, alpha_pre, alpha_post / (lam_post if post_trace == "code" else 1)), post_trace


_SETTINGS = ((0.8, 0.6, 0.27, -0.189), (0.5, 0.25, 1.0, 0.5))  # lam_pre, lam_post, alpha_pre, alpha_post
_WINDOWS = tuple(_measured(*settings, way) for settings, way in zip((*_SETTINGS, _SETTINGS[0]), ("paper", "code", "code")))


def _settings(lags, change, post_trace):
    """Return the settings behind one of the windows, looked up."""
    return next(s for s in _SETTINGS if np.allclose(change, _measured(*s, post_trace)[1]))


def _read(lags, change, post_trace, first=lambda lam, change: change / lam, code=lambda lam, change: change, step=1):
    """Return the settings read off a window, with a way to alpha_post for each trace."""
    at = dict(zip(lags.tolist(), change))
    lam_pre, lam_post = (at[1] / at[0]) ** step, (at[-2] / at[-1]) ** step
    return lam_pre, lam_post, at[0], (code if post_trace == "code" else first)(lam_post, at[-1])


def _recurrent(y, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return e of a recurrent synapse, eqs. (15), (16): the input is y of the step before."""
    return _eligibility(late(y), psi, lam_pre, lam_post, alpha_pre, alpha_post)


def _half_delayed(y, psi, lam_pre, lam_post, alpha_pre, alpha_post):
    return outer(alpha_pre * psi, trace(late(y), lam_pre)) + outer(alpha_post * (trace(psi, lam_post) - psi), y)


EXERCISES = {
    "7.1": Exercise(
        "eligibility",
        _eligibility,
        (
            (random_spikes(RNG, 9, 2, 4), _psi((9, 2, 3)), *_DECAYS.values()),
            (random_spikes(RNG, 6, 3, 2), _psi((6, 3, 5)), 0.9, 0.2, 1.0, 0.5),
        ),
        {
            "you counted the present Psi as past: the inner sum of the second term ends at t-1": _counts_now,
            "you weighed the step before by 1, as the authors' code does; equation (10) asks for lam_post there": lambda *a: _eligibility(
                *a, post_trace="code"
            ),
            "you took the trace of x in the non-causal term: it is the neuron's past that meets the present input": _as_stdp_of_x,
            "you multiplied the neuron's past by its present and left the input out: the misprint of equation (11)": _printed_11,
            "you multiplied the neuron's past by the trace of the input: it meets the present x[t]": _past_meets_the_trace,
            "you gated the non-causal term by the present Psi: only x[t] opens it": _gated,
            "you read the trace of x before the present input is in": _early,
            "you swapped lam_pre and lam_post": lambda x, psi, lam_pre, lam_post, *a: _eligibility(x, psi, lam_post, lam_pre, *a),
            "you swapped alpha_pre and alpha_post": lambda *a: _eligibility(*a[:4], a[5], a[4]),
        },
        "[T, B, N_out, N_in]",
    ),
    "7.2": Exercise(
        "settings",
        _settings,
        _WINDOWS,
        {
            "you read alpha_post off lag -1 whatever the trace: in equation (10) one decay stands between the two": lambda *a: _read(
                *a, first=lambda lam, change: change
            ),
            "you divided by lam_post whatever the trace: the code's trace weighs the step before by 1": lambda *a: _read(
                *a, code=lambda lam, change: change / lam
            ),
            "you mixed up the two traces: it is the paper's that decays once more": lambda *a: _read(
                *a, first=lambda lam, change: change, code=lambda lam, change: change / lam
            ),
            "you multiplied by lam_post where its decay has to be undone": lambda *a: _read(*a, first=lambda lam, change: change * lam),
            "you divided the nearer by the farther lag: decays are below 1": lambda *a: _read(*a, step=-1),
            "you returned lam_post before lam_pre: the larger lags are the causal side": lambda *a: tuple(
                np.array(_read(*a))[[1, 0, 2, 3]]
            ),
        },
        "lam_pre, lam_post, alpha_pre, alpha_post",
    ),
    "7.3": Exercise(
        "recurrent_eligibility",
        _recurrent,
        (
            (random_spikes(RNG, 8, 2, 3), _psi((8, 2, 3)), *_DECAYS.values()),
            (random_spikes(RNG, 5, 3, 4), _psi((5, 3, 4)), 0.9, 0.2, 1.0, 0.5),
        ),
        {
            "you took y[t], which no neuron of the layer has seen yet: a recurrent input is one step old": _eligibility,
            "you delayed y in the causal term alone: the input of both terms is y[t-1]": _half_delayed,
            "you delayed Psi as well: what the neuron does now is Psi[t]": lambda y, psi, *a: _eligibility(late(y), late(psi), *a),
            "you delayed y twice": lambda y, *a: _eligibility(late(late(y)), *a),
            "you exchanged the two ends: rows are the neurons that receive": lambda *a: np.swapaxes(_recurrent(*a), 2, 3),
            "you counted the present Psi as past": lambda y, *a: _counts_now(late(y), *a),
            "you weighed the step before by 1, as the authors' code does; here the trace is the paper's": lambda y, *a: _eligibility(
                late(y), *a, post_trace="code"
            ),
        },
        "[T, B, N, N]",
    ),
}
