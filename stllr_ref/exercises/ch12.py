"""Exercises of chapter 12: the two ratios of the paper, the traces that are kept, the rule itself."""

import numpy as np

from stllr_ref import costs
from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import random_spikes
from stllr_ref.layer import Layer
from stllr_ref.neurons import LIF
from stllr_ref.rules import STLLR
from stllr_ref.synapses import Dense

GAMMA, THETA, LAM_PRE, LAM_POST = 0.8, 0.6, 0.75, 0.5
_RULE = STLLR(lam_pre=LAM_PRE, lam_post=LAM_POST, alpha_pre=1, alpha_post=-1)
_NEURON = LIF(GAMMA, THETA, "triangle")
_RATIOS = ((20, 5, -1), (100, 90, 1), (12, 7, 0))
_STACKS = (([7, 5, 4], [False, False]), ([6, 5, 3, 2], [False, True, False]), ([3, 8], [True]))


def _ratios(T, last, alpha_post):
    """Return S_mem and S_mac by the library."""
    return costs.memory_ratio(T), costs.mac_ratio(T, last, alpha_post)


def _slip_ratios(memory=lambda T: T / 2, steps=lambda T, last: last, terms=lambda alpha_post: 3 if alpha_post else 2, turn=False):
    """Return a function as `_ratios` with one thing changed."""

    def wrong(T, last, alpha_post):
        out = memory(T), 2 * T / (terms(alpha_post) * steps(T, last))
        return tuple(1 / value for value in out) if turn else out

    return wrong


def _kept(sizes, recurrent):
    """Return how many numbers real layers hold in traces after two steps of one sample."""
    total = 0
    for below, n, loops in zip(sizes, sizes[1:], recurrent):
        layer = Layer(Dense(np.full((n, below), 0.1)), _NEURON, _RULE, V=Dense(np.full((n, n), 0.1)) if loops else None)
        for _ in range(2):
            layer.step(np.ones((1, below)))
        total += sum(array.size for name, array in layer.state().items() if name == "past" or name.startswith("trace"))
    return total


def _slip_kept(entering=lambda below, n: below, own=lambda n: n, loop=lambda n: n):
    """Return a function as `_kept` by a formula with one thing changed."""

    def wrong(sizes, recurrent):
        return sum(entering(below, n) + own(n) + loop(n) * loops for below, n, loops in zip(sizes, sizes[1:], recurrent))

    return wrong


def _stllr(x, W, delta, last):
    """Return the gradient of W by the library."""
    layer = Layer(Dense(W), _NEURON, _RULE)
    for t, x_t in enumerate(x):
        layer.step(x_t)
        if t >= len(x) - last:
            layer.learn(delta[t])
    return layer.grads()["W"]


def _slip_stllr(late=False, now=False, early=False, after=False, gated=False, mean=False, sign=1, decayed=True):
    """Return a function as `_stllr`, by a plain loop with one thing changed."""

    def wrong(x, W, delta, last):
        dW, kept, tr_x, past = np.zeros_like(W), 0.0, np.zeros_like(x[0]), np.zeros_like(delta[0])
        for t, x_t in enumerate(x):
            u = kept + x_t @ W.T
            y = u > THETA
            rest = u - THETA * y
            kept = GAMMA * rest if decayed else GAMMA * u - THETA * y
            psi = 0.3 * np.maximum(1 - np.abs((rest if after else u) - THETA), 0)
            before, tr_x = tr_x, LAM_PRE * tr_x + x_t
            older, past = past, LAM_POST * past + psi
            if t < last if early else t >= len(x) - last:
                noncausal = (past if now else older) * (psi if gated else 1)
                dW += (delta[t] * psi).T @ (before if late else tr_x) - sign * (delta[t] * noncausal).T @ x_t
        return dW / x.shape[1] if mean else dW

    return wrong


def _case(T, B, N, H, last, seed):
    """Return x [T, B, N], W [H, N], delta [T, B, H] and last; neurons fire, in the window and before it."""
    rng = np.random.default_rng(seed)
    return random_spikes(rng, T, B, N, rate=0.4), rng.normal(0.2, 0.4, (H, N)), rng.normal(size=(T, B, H)), last


EXERCISES = {
    "12.1": Exercise(
        "ratios", _ratios, _RATIOS,
        {
            "you took the first step of the window for the number of its steps": _slip_ratios(steps=lambda T, last: T - last),
            "you gave S-TLLR two products at every alpha_post: count causal, non-causal, error": _slip_ratios(terms=lambda alpha_post: 2),
            "you gave S-TLLR three products at every alpha_post: what is left of the rule at 0?": _slip_ratios(terms=lambda alpha_post: 3),
            "you divided S-TLLR by BPTT": _slip_ratios(turn=True),
            "you gave S-TLLR one trace a neuron": _slip_ratios(memory=lambda T: T),
        },
    ),
    "12.2": Exercise(
        "traces_kept", _kept, _STACKS,
        {
            "you gave each neuron of a layer two traces: one of them belongs to what enters": _slip_kept(entering=lambda below, n: n),
            "you left out what a recurrent layer hears from itself": _slip_kept(loop=lambda n: 0),
            "you gave every recurrent weight a number of its own": _slip_kept(loop=lambda n: n * n),
            "you gave every weight a number of its own": _slip_kept(entering=lambda below, n: below * n),
            "you counted the traces of what enters alone": _slip_kept(own=lambda n: 0),
        },
    ),
    "12.3": Exercise(
        "stllr", _stllr, (_case(9, 3, 5, 4, 4, 0), _case(7, 2, 3, 6, 3, 1)),
        {
            "you read the trace of the input before adding the present spike": _slip_stllr(late=True),
            "you let the present Psi into the trace of earlier ones": _slip_stllr(now=True),
            "you put the window at the beginning": _slip_stllr(early=True),
            "you took Psi of the potential after the reset": _slip_stllr(after=True),
            "you multiplied the non-causal term by the present Psi": _slip_stllr(gated=True),
            "you averaged over the samples where a sum was asked for": _slip_stllr(mean=True),
            "you gave the non-causal term the wrong sign: alpha_post is -1": _slip_stllr(sign=-1),
            "you took the threshold away after the leak": _slip_stllr(decayed=False),
        }, "[H, N]",
    ),
}  # fmt: skip
