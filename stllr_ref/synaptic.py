r"""Rules whose eligibility keeps a trace of its own for every synapse: e-prop and OSTL.

S-TLLR's eligibility is a product of per-neuron traces, so a layer of n neurons stores O(n).  Filter that product, or
let it follow the neuron's own state, and every synapse needs a number of its own, [B, N_out, N_in]: O(n^2), more exact.

Such a rule has state, so every layer needs an object of its own.  A layer calls `reset()`, `step(now, inputs, layer)`
at every step and `grads(delta)` inside the window; dense layers only.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.traces import trace_step

LARGEST = 200_000_000  # bytes of state; beyond it a rule of this kind is the wrong tool


def _room(name, shape, dtype):
    """Return zeros [B, ...] for a trace, refused if they would pass LARGEST."""
    size = int(np.prod(shape, dtype=float)) * np.dtype(dtype).itemsize
    if size > LARGEST:
        found = f"{size / 1e6:.0f} MB {tuple(shape)}"
        raise ValueError(f"{name}: got a trace of {found}, expected at most {LARGEST / 1e6:.0f} MB (a smaller batch or layer)")
    return np.zeros(shape, dtype)


class EProp:
    r"""E-prop for LIF neurons (Bellec et al. 2020): the product psi tr(x), filtered as the readout filters it.

    Parameters
    ----------
    gamma : float
        Leak of the layer's neurons: decay of the pre trace, 0 to 1.
    kappa : float
        Leak of the readout: decay of the filter.  0 leaves no filter, and e-prop is then OTTT with an exact bias.

    Notes
    -----
    xb[t] = gamma xb[t-1] + x[t],  ebar[t] = kappa ebar[t-1] + psi_i[t] xb_j[t] from step 0 on whatever the window,
    dW_ij = sum delta_i[t] ebar_ij[t].  The filter is not normalised (the TensorFlow code multiplies by 1 - kappa).
    Equal to BPTT with one spiking layer, soft or no reset, detached, no error through V, a readout of leak kappa.
    """

    psi = None

    def __init__(self, gamma, kappa=0.0):
        self.gamma, self.kappa = checks.number("gamma", gamma, 0, 1), checks.number("kappa", kappa, 0, 1)
        self.reset()

    def reset(self):
        """Forget every trace."""
        self.pre, self.e = {}, {}

    def step(self, now, inputs, layer):
        """Advance the traces by one step; inputs [B, N_in] of each synapse, the bias' being 1."""
        for name, x in inputs.items():
            self.pre[name] = trace_step(self.pre.get(name), x, self.gamma)
            if name not in self.e:
                self.e[name] = _room(name, (*now.psi.shape, x.shape[-1]), now.psi.dtype)
            self.e[name] = trace_step(self.e[name], now.psi[:, :, None] * self.pre[name][:, None, :], self.kappa)

    def grads(self, delta):
        """Return name -> sum over the batch of delta_i ebar_ij, [N_out, N_in], for delta [B, N_out]."""
        return {name: np.einsum("bi,bij->ij", delta, e) for name, e in self.e.items()}

    def state(self):
        """Return the arrays that the next step will read."""
        return {f"{kind} {name}": a for kind, d in (("pre", self.pre), ("e", self.e)) for name, a in d.items()}


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

    psi = None

    def __init__(self, recurrent=False):
        self.recurrent = recurrent
        self.reset()

    def reset(self):
        """Forget every trace."""
        self.eps, self.before = {}, None

    def step(self, now, inputs, layer):
        """Advance the traces by one step; inputs [B, N_in] of each synapse, the bias' being 1."""
        for name, x in inputs.items():
            B, n = now.psi.shape
            if name not in self.eps:
                self.eps[name] = _room(name, (B, n, *([n] if self.recurrent else []), x.shape[-1]), now.psi.dtype)
            eps = self._carry(self.eps[name], layer)
            if self.recurrent:
                own = np.arange(n)
                eps[:, own, own] += x[:, None, :]
            else:
                eps += x[:, None, :]
            self.eps[name] = eps
        self.before = now

    def _carry(self, eps, layer):
        """Return J eps, what the state of the step before hands on; eps has the neuron of the potential on axis 1."""
        if self.before is None:
            return eps
        now = self.before
        slope = layer.neuron.slope(now.u, now.y, now.psi, attached=True) * np.ones_like(now.psi)
        axes = (...,) + (None,) * (eps.ndim - 2)
        carried = slope[axes] * eps
        if self.recurrent and "V" in layer.synapses:
            V = layer.synapses["V"].weight.value
            carried = carried + np.moveaxis(np.tensordot(V, now.psi[axes] * eps, ((1,), (1,))), 0, 1)
        return carried

    def grads(self, delta):
        """Return name -> sum over the batch of delta psi eps, [N_out, N_in], for delta [B, N_out]."""
        g = delta * self.before.psi
        form = "bk,bkij->ij" if self.recurrent else "bi,bij->ij"
        return {name: np.einsum(form, g, eps) for name, eps in self.eps.items()}

    def state(self):
        """Return the arrays that the next step will read."""
        return {f"eps {name}": a for name, a in self.eps.items()}
