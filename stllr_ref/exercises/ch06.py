"""Exercises of chapter 6: the rule in six lines, what depth loses, the filter that a remembering readout asks for."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.exercises.parts import late, outer, random_spikes, summed
from stllr_ref.rules import STLLR
from stllr_ref.synapses import Dense
from stllr_ref.traces import trace

RNG = np.random.default_rng(6)


def _products(post, pre):
    """Return the sum over steps and samples of post (x) pre, [H, N], by the library's synapse."""
    return Dense(np.zeros((post.shape[-1], pre.shape[-1]))).outer(post, pre)


def _causal(x, psi, delta, inside, lam_pre):
    """Return S-TLLR's causal half of one layer."""
    rule = STLLR(lam_pre=lam_pre, lam_post=0, alpha_pre=1, alpha_post=0)
    return _products(delta * inside[..., None] * rule.posts(psi)[0], trace(x, lam_pre))


def _masked(x, psi, delta, inside, lam_pre):
    """Return the causal half with a trace that starts in the window."""
    return _causal(x * inside[..., None], psi, delta, inside, lam_pre)


def _traced(make):
    """Return the causal half with make(x, lam_pre) for its trace."""
    return lambda x, psi, delta, inside, lam_pre: _products(delta * inside[..., None] * psi, make(x, lam_pre))


CAUSAL = {
    "you read the trace of the step before: first count the present input, then multiply": _traced(lambda x, lam: late(trace(x, lam))),
    "you left the present input out of the trace: it counts at once": _traced(lambda x, lam: trace(x, lam) - x),
    "you let the new input decay at once: it counts with 1": _traced(lambda x, lam: lam * trace(x, lam)),
    "you multiplied by the input itself: no trace": _traced(lambda x, lam: x),
    "you learned outside the window": lambda x, psi, delta, inside, lam: _causal(x, psi, delta, np.ones_like(inside), lam),
    "you masked the input of the trace too: it runs from step 0": _masked,
    "you averaged over the samples: the batch is summed": lambda *a: _causal(*a) / a[0].shape[1],
    "you left Psi out": lambda x, psi, delta, inside, lam: _causal(x, np.ones_like(psi), delta, inside, lam),
    "you returned the step downhill: the gradient has no minus sign": lambda *a: -_causal(*a),
    "you opened the window for all samples at once: each sample has its own": lambda x, psi, delta, inside, lam: _causal(
        x, psi, delta, inside.any(1, keepdims=True), lam
    ),
    "you put Psi into the trace: only the input is traced": lambda x, psi, delta, inside, lam: summed(
        delta * inside[..., None], trace(outer(psi, x), lam)
    ),
}


def _split(psi_low, trace_low, psi_top, delta, w, gamma):
    """Return the kept and the lost part of the lower weight's gradient: with the error of the step, and with all later ones."""
    arriving = w * delta * psi_top
    exact = trace(arriving[::-1], gamma)[::-1]  # BPTT's error, walking back
    eligibility = psi_low * trace_low
    return arriving @ eligibility, (exact - arriving) @ eligibility


def _credit(weigh):
    """Return (kept, lost) with weigh(t, s, gamma) for what the upper potential of step t keeps of a hidden spike of step s."""

    def wrong(psi_low, trace_low, psi_top, delta, w, gamma):
        """Return the diagonal of the weighed terms, and the rest."""
        t, s = np.indices((len(delta), len(delta)))
        terms = w * np.outer(delta * psi_top, psi_low * trace_low) * weigh(t, s, gamma)
        return np.trace(terms), terms.sum() - np.trace(terms)

    return wrong


SPLITS = {
    "you forgot the leak: the upper potential keeps only a part of an old spike": _credit(lambda t, s, gamma: 1.0 * (t >= s)),
    "you let errors reach later spikes: a spike helps its own step and those after it": _credit(
        lambda t, s, gamma: np.where(s >= t, gamma ** np.abs(t - s), 0)
    ),
    "you counted one leak too many: from step s to step t there are t - s of them": lambda *a: (_split(*a)[0], a[5] * _split(*a)[1]),
    "you gave the whole gradient for the lost part: take away what is kept": lambda *a: (_split(*a)[0], sum(_split(*a))),
    "you left out the weight between the two neurons": lambda *a: _split(*a[:4], 1.0, a[5]),
    "you multiplied by the lower Psi alone: the trace of its input is missing": lambda psi_low, trace_low, *a: _split(
        psi_low, np.ones_like(trace_low), *a
    ),
}


def _filtered(x, psi, err, W_out, gamma, kappa):
    """Return the exact gradient below a readout of leak kappa, by errors that walk back through the readout."""
    q = trace(err[::-1], kappa)[::-1]
    return _products(q @ W_out * psi, trace(x, gamma))


def _eligible(x, psi, err, W_out, gamma, kappa, e):
    """Return the sum over steps and samples of the error sent down times e [T, B, H, N]."""
    return summed(err @ W_out, e)


FILTERED = {
    "you used no filter: that is S-TLLR, which the readout's memory makes inexact": lambda *a: _eligible(
        *a, outer(a[1], trace(a[0], a[4]))
    ),
    "you filtered the input's trace: the product with Psi has to be filtered": lambda *a: _eligible(
        *a, outer(a[1], trace(trace(a[0], a[4]), a[5]))
    ),
    "you filtered Psi: the product with the trace has to be filtered": lambda *a: _eligible(
        *a, outer(trace(a[1], a[5]), trace(a[0], a[4]))
    ),
    "you multiplied by Psi twice: the filtered product has it already": lambda x, psi, err, W_out, gamma, kappa: summed(
        err @ W_out * psi, trace(outer(psi, trace(x, gamma)), kappa)
    ),
    "you read the filter of the step before: first add the present product, then multiply": lambda *a: _eligible(
        *a, late(trace(outer(a[1], trace(a[0], a[4])), a[5]))
    ),
    "you filtered the errors forward: an error would meet spikes that come after it": lambda *a: _eligible(
        a[0], a[1], trace(a[2], a[5]), *a[3:], outer(a[1], trace(a[0], a[4]))
    ),
    "you swapped the two decays: the trace has the neuron's leak, the filter the readout's": lambda *a: _filtered(*a[:4], a[5], a[4]),
    "you weighed the new product by 1 - kappa: it counts with 1": lambda *a: (1 - a[5]) * _filtered(*a),
}


def _layer(T, B, N, H, start):
    """Return x [T, B, N], psi and delta [T, B, H], and a window inside [T, B] that ends earlier for the last sample."""
    inside = np.zeros((T, B), bool)
    inside[start:] = True
    inside[-1, -1] = False
    return random_spikes(RNG, T, B, N, rate=0.4), RNG.uniform(0, 0.3, (T, B, H)), RNG.normal(0, 1, (T, B, H)), inside


def _readout(T, B, N, H, O, start):
    """Return x [T, B, N], psi [T, B, H], err [T, B, O], 0 before start, and the readout's weights [O, H]."""
    err = RNG.normal(0, 1, (T, B, O)) * (np.arange(T) >= start)[:, None, None]
    return random_spikes(RNG, T, B, N, rate=0.4), RNG.uniform(0, 0.3, (T, B, H)), err, RNG.normal(0, 1, (O, H))


def _series(T, start):
    """Return Psi and trace of the lower neuron, Psi of the upper one and delta, [T] each."""
    psi_low, trace_low = RNG.uniform(0, 0.3, T), trace(random_spikes(RNG, T, rate=0.4), 0.6)
    return psi_low, trace_low, RNG.uniform(0, 0.3, T), RNG.normal(0, 1, T) * (np.arange(T) >= start)


EXERCISES = {
    "6.1": Exercise("causal_gradient", _causal, ((*_layer(9, 3, 4, 2, 5), 0.75), (*_layer(6, 2, 5, 3, 2), 0.4)), CAUSAL, "[H, N]"),
    "6.2": Exercise("split", _split, ((*_series(7, 3), 0.7, 0.5), (*_series(5, 1), -1.3, 0.8)), SPLITS, "a number"),
    "6.3": Exercise(
        "below_a_leaky_readout",
        _filtered,
        ((*_readout(9, 3, 4, 2, 5, 6), 0.6, 0.85), (*_readout(7, 2, 3, 5, 4, 3), 0.8, 0.5)),
        FILTERED,
        "[H, N]",
    ),
}
