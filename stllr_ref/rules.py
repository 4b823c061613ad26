r"""The three-factor rule, equations (8) to (11): decays of the traces, and post factors that multiply them.

The update of a synapse is dW += sum over terms of outer(delta post, pre): delta is the learning signal at the spikes,
pre an exponential trace of what enters the synapse, post a function of what the neuron knows now.  So a rule with
per-neuron traces *is* a list of decays (one a term, of the pre factor) and of post factors:

| rule   | pre factors           | post factors                             |
| ------ | --------------------- | ---------------------------------------- |
| S-TLLR | tr(x; lam_pre), x     | alpha_pre psi, alpha_post past           |
| OTTT   | tr(x; gamma)          | psi                                      |
| SLTT   | x                     | psi                                      |
| STDP   | as S-TLLR             | as S-TLLR with psi = the spike, delta = 1 |

`past` is lam_post past[t-1] + psi[t-1]: everything that the neuron did before this step, never this step.

A rule of your own needs the six names that a layer asks for: `decays` and `posts(psi, past)`; `past_decay` (None where no
past is read); `psi` (None: the neuron's own); `bias_decay` and `bias_post(psi, eligible)`.
"""

from dataclasses import dataclass
from typing import Callable, Optional

from stllr_ref import checks
from stllr_ref.surrogates import psi_of, spike


@dataclass(frozen=True, kw_only=True)
class STLLR:
    r"""S-TLLR: an instantaneous, STDP-shaped eligibility with a causal and a non-causal term.

    Parameters
    ----------
    lam_pre, lam_post : float
        Decays per step of the pre- and of the post-synaptic trace, 0 to 1.
    alpha_pre, alpha_post : float
        Weights of the causal (post now, pre before) and of the non-causal term (pre now, post before).
    post_trace : {"code", "paper"}
        past weighs the previous step by 1 (the authors' code: the published numbers) or by lam_post (eq. (10) as
        printed): "code" at alpha_post is "paper" at alpha_post / lam_post.
    psi : callable, str or None
        Psi of the eligibility; None is the neuron's own.  `spike` makes it STDP.
    bias_decay : float
        0: the published bias, delta psi, with neither alpha nor trace.  lam_pre: the causal term, alpha_pre included, of a
        synapse whose input is always 1.  (Where lam_pre itself is 0, the published one is meant.)

    Notes
    -----
    e[t] = alpha_pre psi[t] tr_x[t] + alpha_post past[t] x[t], S-TLLR eqs. (10), (11) (whose print has y for x in the
    second term); recurrent synapses read y[t-1] for x, eqs. (15), (16).

    Examples
    --------
    >>> rule = STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)
    >>> rule.decays
    (0.75, 0.0)
    >>> rule.posts(psi=0.05, past=0.22)
    (0.05, -0.22)
    """

    lam_pre: float
    lam_post: float
    alpha_pre: float
    alpha_post: float
    post_trace: str = "code"
    psi: Optional[Callable] = None
    bias_decay: float = 0.0

    def __post_init__(self):
        for name in ("lam_pre", "lam_post", "bias_decay"):
            object.__setattr__(self, name, checks.number(name, getattr(self, name), 0, 1))
        for name in ("alpha_pre", "alpha_post"):
            object.__setattr__(self, name, checks.number(name, getattr(self, name)))
        checks.choice("post_trace", self.post_trace, ("code", "paper"))
        object.__setattr__(self, "psi", self.psi if self.psi is None else psi_of(self.psi))

    @property
    def decays(self):
        """Decay of the pre trace of each term; 0 is the input itself and keeps no trace."""
        return (self.lam_pre, 0.0) if self.alpha_post else (self.lam_pre,)

    @property
    def past_decay(self):
        """Decay of the post trace, or None where the rule never reads it."""
        return self.lam_post if self.alpha_post else None

    def posts(self, psi, past=None):
        """Return the post factor of each term of eq. (11), shape of psi and past [B, ...]; past may be None where it is not read."""
        if not self.alpha_post:
            return (self.alpha_pre * psi,)
        scale = self.alpha_post * (self.lam_post if self.post_trace == "paper" else 1.0)
        return self.alpha_pre * psi, scale * past

    def bias_post(self, psi, eligible):
        """Return the post factor of the bias, [B, ...]: the neuron's psi (published), or the causal one of the eligibility's Psi."""
        return self.alpha_pre * eligible if self.bias_decay else psi


def OTTT(gamma, bias_decay=0.0):
    """Return OTTT's rule for a layer of leak gamma (Xiao et al. 2022): S-TLLR without its non-causal half.

    >>> OTTT(0.5) == STLLR(lam_pre=0.5, lam_post=0, alpha_pre=1, alpha_post=0)
    True
    """
    return STLLR(lam_pre=gamma, lam_post=0, alpha_pre=1, alpha_post=0, bias_decay=bias_decay)


def SLTT():
    """Return SLTT's rule (Meng et al. 2023), nothing from the past: S-TLLR with no traces; also a plain delta rule."""
    return STLLR(lam_pre=0, lam_post=0, alpha_pre=1, alpha_post=0)


def STDP(lam_pre, lam_post, alpha_pre, alpha_post):
    """Return pair-based STDP, eq. (6), as a rule: Psi is the spike.  Teach it by the signal `Reward(1)`."""
    return STLLR(lam_pre=lam_pre, lam_post=lam_post, alpha_pre=alpha_pre, alpha_post=alpha_post, post_trace="paper", psi=spike)
