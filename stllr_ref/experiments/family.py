r"""The family of rules: each a rule for the traces of a layer, a learning signal, and an algorithm that puts them to work.

In one notation: psi, tr(x; lam) the trace of the input, past that of earlier psi, delta the signal at the spikes, err =
softmax - onehot at the output, gamma and kappa the leaks of the layer and of the readout.  Members read their numbers
from a `classify.Settings`.  Where a source has another neuron or another loss than ours, its idea is put on our LIF
neuron and our cross-entropy, and `differs` says so.
"""

from functools import partial
from typing import Callable, NamedTuple

import numpy as np

from stllr_ref import bptt, network, rtrl
from stllr_ref.rules import OTTT, SLTT, STDP, STLLR
from stllr_ref.signals import DFA, DRTP, Adaptive, Local, Reward, hit, sDFA, waves
from stllr_ref.synaptic import OSTL, EProp, Filtered
from stllr_ref.weights import kaiming

SHARE = 0.2  # of the window's steps in which SLTT-K and ETLP learn (the authors of SLTT-K take 4 of 20, and 2 of 10)
SLOW = 0.9  # decay per step of the trace a synapse of reward-modulated STDP


class Member(NamedTuple):
    """One rule of the family."""

    source: str
    update: str  # dW of a hidden layer at one step of the window, a descent direction
    rule: Callable  # (settings, first: is it the lowest layer, recurrent: has it V) -> a new rule for a hidden layer
    signal: str = "bp"  # of a hidden layer, one of SIGNALS; "bp" may be exchanged by the user
    readout: Callable = lambda s: OTTT(s.readout, bias_decay=s.readout)  # the rule of the readout: exact, by default
    algorithm: Callable = lambda s, run: run  # (settings, `network.run` or its fast twin) -> function of the same signature
    differs: str = ""  # from its source


# name -> (rng, classes, units, settings) -> signal; None: the spatial gradient, through W's transpose or (fa) another's
SIGNALS = {
    "bp": None,
    "dfa": lambda rng, O, n, s: DFA(kaiming(rng, O, n)),
    "sdfa": lambda rng, O, n, s: sDFA(kaiming(rng, O, n)),
    "drtp": lambda rng, O, n, s: DRTP(kaiming(rng, O, n)),
    "fa": None,
    "local": lambda rng, O, n, s: Local(kaiming(rng, O, n)),
    "fixed": lambda rng, O, n, s: Local(kaiming(rng, O, n), learned=False),
    "adaptive": lambda rng, O, n, s: Adaptive(kaiming(rng, O, n), s.readout),
    "square": lambda rng, O, n, s: Local(waves(O, n, square=True), learned=False),
    "sine": lambda rng, O, n, s: Local(waves(O, n, square=False), learned=False, unit=True),
    "one": lambda rng, O, n, s: Reward(1.0),
    "hit": lambda rng, O, n, s: Reward(hit),
}


def _stllr(s, first, recurrent):
    """Return S-TLLR's rule; also what layers carry whose rule is never asked."""
    return STLLR(lam_pre=s.lam_pre, lam_post=s.lam_post, alpha_pre=s.alpha_pre, alpha_post=s.alpha_post)


def _traced(s, first, recurrent):
    """Return the product psi tr(x; gamma), for the bias too."""
    return OTTT(s.gamma, bias_decay=s.gamma)


def _eprop(s, first, recurrent):
    """Return e-prop's rule, filtered as the readout filters."""
    return EProp(s.gamma, s.readout)


def _ostl(s, first, recurrent):
    """Return OSTL's rule, with the full Jacobian where the layer is recurrent."""
    return OSTL(recurrent)


def _sltt(s, first=False, recurrent=False):
    """Return SLTT's rule, for the readout too."""
    return SLTT()


def _stdp(s, first=False, recurrent=False):
    """Return pair-based STDP with S-TLLR's numbers."""
    return STDP(s.lam_pre, s.lam_post, s.alpha_pre, s.alpha_post)


def some_steps(net, x, target, loss, inside, *, rng, share, run=network.run):
    """Run as `run`, learning only in a share of the window's steps, rounded, drawn from rng for the whole batch: SLTT-K."""
    x, inside = network.check_run(net, x, target, inside)
    steps = np.flatnonzero(inside.any(1))
    chosen = _generator(rng).permutation(steps)[: max(1, round(share * len(steps)))]
    keep = np.isin(np.arange(len(inside)), chosen)
    return run(net, x, target, loss, inside & keep[:, None], rng=rng)


def teaching_events(net, x, target, loss, inside, *, rng, share, run=network.run):
    """Run as `run`, learning only at teaching events, drawn from rng for each step and sample with probability `share`: ETLP."""
    x, inside = network.check_run(net, x, target, inside)
    return run(net, x, target, loss, inside & (_generator(rng).random(inside.shape) < share), rng=rng)


def _generator(rng):
    """Return rng, refused if it is none: what is drawn here must be drawn again the same."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng: got {type(rng).__name__}, expected a numpy.random.Generator (the steps are drawn)")
    return rng


FAMILY = {
    "bptt": Member(
        "Werbos 1990", "g x, g[t] = psi delta + slope g[t+1], from the last step to the first", _stllr, algorithm=lambda s, run: bptt.run,
    ),
    "tbptt": Member(
        "Williams and Peng 1990", "as BPTT, g cut at the window's first step", _stllr,
        algorithm=lambda s, run: partial(bptt.run, truncated=True),
    ),
    "rtrl": Member(
        "Williams and Zipser 1989", "delta psi du/dW, du/dW carried forward through every layer", _stllr, algorithm=lambda s, run: rtrl.run,
    ),
    "ostl": Member(
        "Bohnstingl et al. 2022", "delta psi eps, eps = J eps + x, J the layer's own Jacobian",
        _ostl, differs="soft reset in J (theirs is hard)",
    ),
    "osttp": Member(
        "Ortner et al. 2023", "as OSTL, delta = onehot B", _ostl, "drtp",
        differs="soft reset in J (theirs is hard)",
    ),
    "eprop": Member(
        "Bellec et al. 2020", "delta ebar, ebar = kappa ebar + psi tr(x; gamma)", _eprop,
        differs="symmetric feedback, layer by layer (theirs: one recurrent layer, no self connections); no firing-rate term",
    ),
    "eprop_random": Member(
        "Bellec et al. 2020", "as e-prop, delta = err B", _eprop, "dfa",
    ),
    "eprop_adaptive": Member(
        "Bellec et al. 2020", "as e-prop, delta = err B, dB = err tr(y; kappa)", _eprop, "adaptive",
        differs="no weight decay",
    ),
    "ottt": Member(
        "Xiao et al. 2022", "delta psi tr(x; gamma)", lambda s, first, recurrent: OTTT(s.gamma),
        differs="exact readout (`ottt_published` has theirs)",
    ),
    "ottt_published": Member(
        "Xiao et al. 2022, authors' code", "as OTTT, but the lowest layer x for tr(x), the readout tr(y; gamma)",
        lambda s, first, recurrent: SLTT() if first else OTTT(s.gamma), readout=lambda s: OTTT(s.gamma),
    ),
    "stllr": Member(
        "Apolinario and Roy 2025", "delta (alpha_pre psi tr(x; lam_pre) + alpha_post past x)", _stllr,
    ),
    "tess": Member(
        "Apolinario et al. 2025", "as S-TLLR, delta = B^T (softmax(B y) - onehot), B a sign of sines", _stllr, "square",
        differs="dense, no pooling below B; the authors' released commands (2025) never reach the local loss: they train S-TLLR by 'bp'",
    ),
    "etlp": Member(
        "Quintana et al. 2024", "delta psi tr(x; gamma), delta = onehot B, at random events", _traced,
        "drtp", algorithm=lambda s, run: partial(teaching_events, share=SHARE, run=run),
        differs="LIF neurons alone; B has the other sign, which a symmetric draw does not tell",
    ),
    "decolle": Member(
        "Kaiser et al. 2020", "delta psi tr(x; gamma), delta = B^T (softmax(B y) - onehot), B fixed",
        _traced, "fixed",
        differs="one trace for two, undelayed, no refractory trace; classifier on spikes, not on a smooth u; cross-entropy, not smooth L1",
    ),
    "sltt": Member(
        "Meng et al. 2023", "delta psi x", _sltt, readout=_sltt,
    ),
    "sltt_k": Member(
        "Meng et al. 2023", "as SLTT, in K steps drawn at random", _sltt, readout=_sltt,
        algorithm=lambda s, run: partial(some_steps, share=SHARE, run=run),
    ),
    "lls": Member(
        "Apolinario et al. 2024", "delta psi x, delta = d/dy CE(B y/|y|), B sines", _sltt, "sine",
        differs="each step of a spiking layer (theirs does not spike); exact readout",
    ),
    "stdp": Member(
        "Song et al. 2000", "-(alpha_pre y tr(x; lam_pre) + alpha_post lam_post tr(y; lam_post)[t-1] x)", _stdp, "one",
        differs="a bias moves by psi, as S-TLLR's does",
    ),
    "rstdp": Member(
        "Izhikevich 2007", "-r c, c = beta c + STDP's change, r = 1 for a right answer, -1 for a wrong one",
        lambda s, first, recurrent: Filtered(_stdp(s), SLOW), "hit",
        differs="a reward at each step, of the readout's present answer; a bias moves by psi, filtered likewise",
    ),
}  # fmt: skip
SHAPED = ("stllr", "tess", "stdp", "rstdp")  # rules that read alpha_post


def member(rule):
    """Return the `Member` of a rule; of a control, whose layers carry a rule that is never asked, that of S-TLLR."""
    return FAMILY.get(rule, FAMILY["stllr"])
