r"""Optimisers: from gradients to weights.

An optimiser holds a network and changes its parameters by `step(grads)`, grads as `network.run` returns them: a
derivative of a loss, so every optimiser *subtracts* (S-TLLR eq. (13) prints a plus, its code descends).
"""

import numpy as np

from stllr_ref import checks


def cosine_schedule(step, steps):
    """Return the factor of the learning rate at step 0 ... steps: (1 + cos(pi step/steps)) / 2, from 1 down to 0.

    >>> [round(cosine_schedule(k, 4), 3) for k in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return float(1 + np.cos(np.pi * step / steps)) / 2


def _checked(params, grads):
    """Return params (name -> array), refused unless each of grads has a name and the shape of a parameter: nothing may broadcast."""
    for name, grad in grads.items():
        if name not in params:
            raise ValueError(f"grads: got {name!r}, expected names among {', '.join(params)}")
        checks.same(name, np.shape(grad), params[name].shape)
    return params


class SGD:
    """Plain gradient descent: w <- w - lr grad, S-TLLR eq. (13).

    Parameters
    ----------
    net : Network
        Whose parameters it changes.
    lr : float
        Learning rate, >= 0; may be changed between steps.

    Examples
    --------
    >>> from stllr_ref import SLTT, Dense, Layer, Leaky, Network
    >>> net = Network([Layer(Dense(np.ones((2, 3))), Leaky(0), SLTT())])
    >>> SGD(net, lr=0.1).step({"0.W": np.full((2, 3), 5.0)})
    >>> net.get()["0.W"]
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]])
    """

    def __init__(self, net, lr):
        self.net, self.lr = net, checks.number("lr", lr, 0)

    def step(self, grads):
        """Change every parameter named in grads (name -> array)."""
        params = _checked(self.net.get(), grads)
        self.net.put({name: params[name] - self.lr * grad for name, grad in grads.items()})


class Adam:
    r"""Adam (Kingma and Ba 2015), computed as PyTorch does; one step counter, so give every step the same names.

    Parameters
    ----------
    net : Network
        Whose parameters it changes.
    lr : float
        Learning rate, >= 0; may be changed between steps.
    betas : (float, float)
        Decays of the first and of the second moment, 0 to 1, 1 excluded.
    eps : float
        Added to the root of the corrected second moment.

    Notes
    -----
    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
    """

    def __init__(self, net, lr, betas=(0.9, 0.999), eps=1e-8):
        self.net, self.lr = net, checks.number("lr", lr, 0)
        self.b1, self.b2 = (checks.number("betas", b, 0, np.nextafter(1, 0)) for b in betas)
        self.eps, self.t, self.m, self.v = checks.number("eps", eps, 0), 0, {}, {}

    def step(self, grads):
        """Change every parameter named in grads (name -> array)."""
        params, new = _checked(self.net.get(), grads), {}
        for name, g in grads.items():
            checks.array(name, g, None)  # refused before a moment has seen it: NaN would never leave it
        self.t += 1
        for name, g in grads.items():
            self.m[name] = self.b1 * self.m.get(name, 0.0) + (1 - self.b1) * g
            self.v[name] = self.b2 * self.v.get(name, 0.0) + (1 - self.b2) * g * g
            root = np.sqrt(self.v[name]) / float(np.sqrt(1 - self.b2**self.t)) + self.eps
            new[name] = params[name] - self.lr / (1 - self.b1**self.t) * self.m[name] / root
        self.net.put(new)

    def get(self):
        """Return step number and moments, name -> array: what a checkpoint needs beside the parameters."""
        moments = {f"{kind}.{name}": value.copy() for kind, d in (("m", self.m), ("v", self.v)) for name, value in d.items()}
        return {"t": np.array(self.t), **moments}

    def put(self, state):
        """Set step number and moments as `get` gave them."""
        self.t = int(state["t"])
        self.m = {name[2:]: value.copy() for name, value in state.items() if name.startswith("m.")}
        self.v = {name[2:]: value.copy() for name, value in state.items() if name.startswith("v.")}
