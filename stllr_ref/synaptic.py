r"""Rules whose eligibility keeps a trace of its own for every synapse: filtered products (e-prop, reward-modulated STDP), OSTL.

S-TLLR's eligibility is a product of per-neuron traces, so a layer of n neurons stores O(n).  Filter that product, or
let it follow the neuron's own state, and every synapse needs a number of its own, [B, N_out, N_in]: O(n^2).

Such a rule has state, so every layer needs an object of its own.  Beside what any rule has, a layer calls `reset()`,
`step(now, layer)` at every step and `grads(delta)` inside the window; dense layers only.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.rules import OTTT
from stllr_ref.traces import trace_step


def _check_room(shape, inputs, dtype):
    """Refuse a layer whose traces [*shape, N_in] of all its inputs, name -> [B, N_in], would together be too large."""
    checks.room("rule", (*shape, sum(x.shape[-1] for x in inputs.values())), dtype)


class Filtered:
    r"""The general three-factor eligibility, eq. (8): the products of a per-neuron rule, themselves filtered.

    Parameters
    ----------
    rule : STLLR or alike
        Its products f(y) g(x) are what is filtered.
    beta : float
        Decay of the filter, 0 to 1; at 0 (S-TLLR's choice) the traces a synapse buy nothing.

    Notes
    -----
    e_ij[t] = beta e_ij[t-1] + f(y_i[t]) g(x_j[t]) from step 0 on, whatever the window;  dW_ij = sum delta_i[t] e_ij[t].
    """

    def __init__(self, rule, beta):
        if not hasattr(rule, "posts"):
            raise ValueError(f"rule: got {type(rule).__name__}, expected one with a trace a neuron, such as OTTT(gamma)")
        self.rule, self.beta = rule, checks.number("beta", beta, 0, 1)
        self.decays, self.past_decay, self.psi, self.bias_decay = rule.decays, rule.past_decay, rule.psi, rule.bias_decay
        self.reset()

    def reset(self):
        """Forget every trace."""
        self.e = {}

    def step(self, now, layer):
        """Advance the trace of every synapse, [B, N_out, N_in]; of the bias, [B, N, 1]."""
        posts = self.rule.posts(now.eligible, now.past)
        _check_room(now.u.shape, now.inputs, now.u.dtype)
        for name, pres in now.pre.items():
            self._add(name, sum(post[:, :, None] * pre[:, None, :] for post, pre in zip(posts, pres)))
        if layer.bias is not None:
            self._add("b", self.rule.bias_post(now.psi, now.eligible)[:, :, None] * layer.ones)

    def _add(self, name, product):
        """Filter one step's product [B, N_out, N_in] into the trace."""
        self.e[name] = trace_step(self.e.get(name), product, self.beta)

    def grads(self, delta):
        """Return name -> sum over the batch of delta_i e_ij, [N_out, N_in], for delta [B, N_out]."""
        return {name: np.einsum("bi,bij->ij", delta, e) for name, e in self.e.items()}

    def state(self):
        """Return the arrays that the next step will read."""
        return {f"e {name}": e for name, e in self.e.items()}


def EProp(gamma, kappa=0.0):
    r"""Return e-prop's rule for LIF neurons of leak gamma below a readout of leak kappa (Bellec et al. 2020).

    ebar_ij[t] = kappa ebar_ij[t-1] + psi_i[t] tr(x_j; gamma)[t].  At kappa 0 it is OTTT with an exact bias.  The filter
    is not normalised (the authors' TensorFlow code multiplies by 1 - kappa).  Equal to BPTT with one spiking layer, soft or
    no reset, detached, no error through V.

    >>> rule = EProp(gamma=0.9, kappa=0.8)
    >>> rule.decays, rule.beta
    ((0.9,), 0.8)
    """
    gamma, kappa = checks.number("gamma", gamma, 0, 1), checks.number("kappa", kappa, 0, 1)
    return Filtered(OTTT(gamma, bias_decay=gamma), kappa)


class OSTL:
    r"""OSTL (Bohnstingl et al. 2022): the trace follows the neuron's own Jacobian, its reset included.

    Parameters
    ----------
    recurrent : bool
        Keep the full Jacobian of a recurrent layer, [B, N, N_out, N_in] numbers: one layer's RTRL.  If not ("without
        H"), only the neuron's own: [B, N_out, N_in].

    Notes
    -----
    eps[t] = J[t-1] eps[t-1] + x_j[t],  e = psi_i eps,  J = d rest / d u with the reset attached (plus V diag(psi)).
    Equal to BPTT with the reset attached, one spiking layer, a readout without memory; feed-forward, or recurrent=True.
    """

    decays, past_decay, psi, bias_decay = (), None, None, 0.0  # no trace a neuron

    def __init__(self, recurrent=False):
        if not isinstance(recurrent, (bool, np.bool_)):
            raise ValueError(f"recurrent: got {recurrent!r}, expected True or False")
        self.recurrent = recurrent
        self.reset()

    def reset(self):
        """Forget every trace."""
        self.eps, self.slope, self.dy = {}, None, None

    def step(self, now, layer):
        """Advance the trace of every synapse by one step."""
        B, n = now.u.shape
        ones = {} if layer.bias is None else {"b": np.ones((B, 1), now.u.dtype)}
        _check_room((B, n, *([n] if self.recurrent else [])), now.inputs, now.u.dtype)
        for name, x in {**now.inputs, **ones}.items():
            if name not in self.eps:
                self.eps[name] = np.zeros((B, n, *([n] if self.recurrent else []), x.shape[-1]), now.u.dtype)
            eps = self._carry(self.eps[name], layer)
            if self.recurrent:
                own = np.arange(n)
                eps[:, own, own] += x[:, None, :]
            else:
                eps += x[:, None, :]
            self.eps[name] = eps
        self.slope, self.dy = layer.neuron.slope(now.u, now.y, now.psi, attached=True) * np.ones_like(now.psi), now.psi

    def _carry(self, eps, layer):
        """Return J eps, what the state of the step before hands on; eps has the neuron of the potential on axis 1."""
        if self.slope is None:
            return eps
        axes = (...,) + (None,) * (eps.ndim - 2)
        carried = self.slope[axes] * eps
        if self.recurrent and "V" in layer.synapses:
            V = layer.synapses["V"].weight.value
            carried = carried + np.moveaxis(np.tensordot(V, self.dy[axes] * eps, ((1,), (1,))), 0, 1)
        return carried

    def grads(self, delta):
        """Return name -> sum over the batch of delta psi eps, [N_out, N_in], for delta [B, N_out]."""
        form = "bk,bkij->ij" if self.recurrent else "bi,bij->ij"
        return {name: np.einsum(form, delta * self.dy, eps) for name, eps in self.eps.items()}

    def state(self):
        """Return the arrays that the next step will read."""
        handed = {"slope": self.slope, "dy": self.dy if self.recurrent else None}
        return {f"eps {name}": a for name, a in self.eps.items()} | {name: a for name, a in handed.items() if a is not None}
