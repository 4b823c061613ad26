r"""Traces and spike-timing-dependent plasticity (STDP): equations (3) to (6), memory of one number a neuron.

A trace is a leaky counter of spikes.  The pair-based STDP rule needs two a synapse's ends: the causal term
multiplies a spike of the post-synaptic neuron by the trace of the pre-synaptic one (pre came first), the
non-causal term the other way round.  A coincidence (same step) counts as causal.
"""

import numpy as np

from stllr_ref import checks


def decay(tau_ms, dt_ms):
    """Return the decay per step exp(-dt/tau) of a process with time constant tau_ms sampled every dt_ms.

    >>> round(decay(20, 1), 9)
    0.951229425
    """
    return float(np.exp(-checks.number("dt_ms", dt_ms, 0) / checks.number("tau_ms", tau_ms, checks.ABOVE_0)))


def trace_step(trace, x, lam):
    r"""Advance an exponential trace by one step, counting the present spike.

    Parameters
    ----------
    trace : ndarray, shape [B, N], or None
        Trace at the previous step (dimensionless); None before the first step.
    x : ndarray, shape [B, N]
        Spikes, or event counts, at this step.
    lam : float
        Decay per step, 0 <= lam <= 1.  `decay` gets it from times in ms.

    Returns
    -------
    ndarray, shape [B, N]
        ``lam * trace + x``, a new array.

    Notes
    -----
    tr(x)[t] = lam tr(x)[t-1] + x[t], the forward form under S-TLLR eq. (6); steps 4 and 5 of the step order.

    Examples
    --------
    >>> trace_step(np.array([[1.0]]), np.array([[1.0]]), 0.5)
    array([[1.5]])
    """
    return 1.0 * x if trace is None else lam * trace + x


def trace(x, lam):
    r"""Return the trace of a whole sequence x [T, ...], one step after another, shape [T, ...].

    >>> trace(np.array([1.0, 0.0, 1.0, 1.0]), 0.75)
    array([1.      , 0.75    , 1.5625  , 2.171875])
    """
    steps, now = [], None
    for x_t in x:
        now = trace_step(now, x_t, lam)
        steps.append(now)
    return np.array(steps)


def stdp_window(lag, lam_pre, lam_post, alpha_pre, alpha_post):
    r"""Return the change that one pair of spikes makes to its synapse.

    Parameters
    ----------
    lag : ndarray of int, any shape
        t_post - t_pre in steps; 0 is a coincidence and counts as causal.
    lam_pre, lam_post : float
        Decay per step of the causal (lag >= 0) and the non-causal (lag < 0) side.
    alpha_pre, alpha_post : float
        Amplitude of the two sides.

    Returns
    -------
    ndarray, shape of lag
        alpha_pre lam_pre^lag where lag >= 0, alpha_post lam_post^(-lag) where lag < 0.

    Notes
    -----
    S-TLLR eq. (3).

    Examples
    --------
    >>> stdp_window(np.array([-2, -1, 0, 1]), lam_pre=0.5, lam_post=0.25, alpha_pre=1, alpha_post=-1)
    array([-0.0625, -0.25  ,  1.    ,  0.5   ])
    """
    lag = np.asarray(lag)
    causal = alpha_pre * float(lam_pre) ** np.maximum(lag, 0)
    noncausal = alpha_post * float(lam_post) ** np.maximum(-lag, 0)
    return np.where(lag >= 0, causal, noncausal)


def stdp_sums(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    r"""Return the STDP update of one synapse at every step, by sums over all earlier spikes.

    Parameters
    ----------
    x, y : ndarray, shape [T] or [T, ...]
        Pre- and post-synaptic spikes, a synapse an entry.
    lam_pre, lam_post, alpha_pre, alpha_post : float
        As in `stdp_window`.

    Returns
    -------
    ndarray, shape of x
        dw[t] = alpha_pre y[t] sum_{k<=t} lam_pre^(t-k) x[k] + alpha_post x[t] sum_{k<=t-1} lam_post^(t-k) y[k].

    Notes
    -----
    S-TLLR eq. (4), as printed: the whole past is read again at every step, O(T) memory.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    checks.same("y", y.shape, x.shape)
    dw = np.zeros_like(x)
    for t in range(len(x)):
        causal = sum(lam_pre ** (t - k) * x[k] for k in range(t + 1))
        noncausal = sum(lam_post ** (t - k) * y[k] for k in range(t))
        dw[t] = alpha_pre * y[t] * causal + alpha_post * x[t] * noncausal
    return dw


def stdp_traces(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    r"""Return the STDP update of one synapse at every step, by two traces.

    Parameters and returned array as `stdp_sums`, whose numbers it gives from two numbers of memory.

    Notes
    -----
    S-TLLR eqs. (5) and (6): dw[t] = alpha_pre y[t] tr(x)[t] + alpha_post x[t] (tr(y)[t] - y[t]).  Taking y[t] out of its
    own trace leaves lam_post tr(y)[t-1]: the present spike never counts as the past.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    checks.same("y", y.shape, x.shape)
    return alpha_pre * y * trace(x, lam_pre) + alpha_post * x * (trace(y, lam_post) - y)
