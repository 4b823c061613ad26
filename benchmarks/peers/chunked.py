r"""S-TLLR in PyTorch without autograd.

A chunk of k steps at once.  With f = alpha_pre delta psi and h = alpha_post delta past, the causal term filters the
post factor backwards in place of the input forwards, so that one product with the raw input serves both terms:

    E[s] = f[s] + lam_pre E[s+1]                    E = 0 after the chunk
    dW  += sum over s of (E[s] + h[s]) (x) x[s]  +  lam_pre E[first] (x) (trace of x before the chunk)

Potentials are kept as v = u - theta, so v[t] = gamma v[t-1] + W x + V y[t-1] + b - (1 - gamma) theta - gamma theta y[t-1].
"""

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.peers.products import Conv, Dense, Map, Sparse, Spikes, layout, like
from benchmarks.peers.shared import PSI, checked, pull, standardise, tensors
from stllr_ref import Layer


class _Learner:
    """One layer that learns by S-TLLR in chunks: its state between chunks, its buffers inside one."""

    def __init__(self, layer, number, params, steps, onednn, sparse):
        self.neuron, self.rule, self.number, self.params = layer.neuron, layer.rule, number, params
        self.spiking = hasattr(layer.neuron, "theta")
        self.synapses = {name: Conv(s) if s.axes == 3 else Dense(onednn) for name, s in layer.synapses.items()}
        for name in self.synapses if sparse else ():
            if name == "V" or number == 0:
                self.synapses[name] = Sparse(onednn)
        self.biased = layer.bias is not None
        lam = layer.rule.bias_decay  # the causal trace of an input that is always 1, or the published bias: no trace, no alpha
        ones = np.cumsum(lam ** np.arange(steps)) * layer.rule.alpha_pre if lam else np.ones(steps)
        self.ones = torch.tensor(ones, dtype=params[f"{number}.W"].dtype)
        self.y = None

    def begin(self, batch):
        """Start a batch: weights standardised once, gradients and state at rest."""
        self.value, self.kept, self.sums = {}, {}, {}
        for name in self.synapses:
            W, gain = self.params[f"{self.number}.{name}"], self.params.get(f"{self.number}.{name}.gain")
            value, self.kept[name] = (W, None) if gain is None else standardise(W, gain)
            self.value[name] = layout(value)
            self.sums[name] = torch.zeros_like(self.value[name])
        W, theta, gamma = self.value["W"], getattr(self.neuron, "theta", 0.0), self.neuron.gamma
        b = self.params[f"{self.number}.b"].flatten() if self.biased else W.new_zeros(len(W))
        self.b = b - (1 - gamma) * theta
        if "V" in self.synapses:  # the soft reset is a connection of each neuron to itself
            V = self.value["V"] - gamma * theta * torch.eye(len(W), dtype=W.dtype)
            self.V = self.synapses["V"].packed(V, batch)
        self.db = torch.zeros_like(b)
        self.v, self.traces = None, {}
        if self.y is not None:
            for buffer in (self.y, self.psi, self.past):
                buffer[0].zero_()

    def forward(self, x, chunk):
        """Return the output of k steps, x [k, B, ...]: potentials and spikes step by step, all else at once."""
        v = self.synapses["W"].forward(x, self.value["W"], self.b)
        if self.y is None:
            self.y, self.psi, self.past, self.post, self.g = (like(v, chunk + 1) for _ in range(5))
        gamma, theta = self.neuron.gamma, getattr(self.neuron, "theta", 0.0)
        last = torch.full_like(v[0], -theta) if self.v is None else self.v[-1]
        y = self.y.unbind()
        for s, v_s in enumerate(v.unbind()):
            v_s.add_(last, alpha=gamma)
            if "V" in self.synapses:
                self.synapses["V"].add_step(v_s, y[s], self.V)
            elif self.spiking:
                v_s.add_(y[s], alpha=-gamma * theta)
            if self.spiking:
                torch.gt(v_s, 0, out=y[s + 1])
            last = v_s
        self.x, self.v = x, v
        if not self.spiking:
            return v
        k = len(v)
        PSI[self.neuron.psi.__name__](v, self.psi[1 : k + 1])
        if self.rule.alpha_post:
            past, psi = self.past.unbind(), self.psi.unbind()
            for s in range(k):
                torch.add(psi[s], past[s], alpha=self.rule.lam_post, out=past[s + 1])
        return self.y[1 : k + 1]

    def pres(self):
        """Return what entered each synapse in this chunk, [k, B, ...]; a recurrent one sees the step before."""
        return {"W": self.x, **({"V": self.y[: len(self.x)]} if "V" in self.synapses else {})}

    def learn(self, delta, start):
        """Add a chunk that begins at step `start` to the gradients, delta [k, B, ...]; return the error for the layer below."""
        rule, k = self.rule, len(delta)
        g = torch.mul(delta, self.psi[1 : k + 1], out=self.g[:k]) if self.spiking else delta
        below = self.synapses["W"].down(g, self.value["W"], self.x) if self.number else None
        if self.biased:
            self.db.addmv_(g.sum([1, *range(3, g.ndim)]).t(), self.ones[start : start + k])
        if rule.alpha_pre != 1:
            g.mul_(rule.alpha_pre)
        steps = g.unbind()
        for s in reversed(range(k - 1 if rule.lam_pre else 0)):
            steps[s].add_(steps[s + 1], alpha=rule.lam_pre)
        post = g
        if rule.alpha_post:
            scale = rule.alpha_post * (rule.lam_post if rule.post_trace == "paper" else 1)
            post = torch.addcmul(g, delta, self.past[1 : k + 1], value=scale, out=self.post[:k])
        first, post = (self.synapses["W"].turned(a) for a in (rule.lam_pre * g[0], post))
        for name, pre in self.pres().items():
            self.synapses[name].add_outer(self.sums[name], post, pre)
            if name in self.traces:
                self.synapses[name].add_outer(self.sums[name], first, self.traces[name])
        return below

    def advance(self):
        """Carry traces and state over the end of the chunk."""
        for name, pre in self.pres().items() if self.rule.lam_pre else ():
            steps = pre.unbind()
            trace = self.traces.setdefault(name, torch.zeros_like(steps[0]))
            for step in steps:
                torch.add(step, trace, alpha=self.rule.lam_pre, out=trace)
        for buffer in (self.y, self.psi, self.past) if self.spiking else ():
            buffer[0].copy_(buffer[len(self.x)])

    def grads(self):
        """Return name -> gradient of each parameter of the layer."""
        out = {}
        for name, dvalue in self.sums.items():
            gain = self.params.get(f"{self.number}.{name}.gain")
            if gain is None:
                out[name] = dvalue
            else:
                out[name], out[f"{name}.gain"] = pull(dvalue, gain, *self.kept[name])
        if self.biased:
            out["b"] = self.db.view_as(self.params[f"{self.number}.b"])
        return {f"{self.number}.{name}": grad.numpy() for name, grad in out.items()}


def torch_chunked(net, x, target, inside, chunk=18, onednn=None, sparse=False):
    """S-TLLR in chunks of `chunk` steps.

    onednn=None takes oneDNN's product where it exists, for float32; sparse lets the products with x, whose list of
    events is made beforehand, and that with V skip the zeros: it pays at the low rates of these networks.
    """
    params, x, target, on = tensors(checked(net), x, target, inside)
    (T, B), learning = on.shape, on.any(1).tolist()
    x = layout(x.flatten(0, 1)).unflatten(0, (T, B))
    onednn = x.dtype == torch.float32 and torch.backends.mkldnn.is_available() if onednn is None else onednn
    numbers = iter(range(len(net.layers)))
    row = [_Learner(item, next(numbers), params, T, onednn, sparse) if isinstance(item, Layer) else Map(item) for item in net.row]
    layers = [item for item in row if isinstance(item, _Learner)]
    if any(layer.rule.psi for layer in net.layers) or net.layers[-1].rule.alpha_post:
        raise ValueError("net: got a rule with a Psi of its own, or alpha_post in the readout, expected neither")
    onehot, share = F.one_hot(target, len(params[f"{len(layers) - 1}.W"])).to(x.dtype), (on / B)[..., None]
    first, end = learning.index(True), T - learning[::-1].index(True)  # nothing is learned before, nothing needed after
    starts = [*range(0, first, chunk), *range(first, end, chunk)]
    chunks = [(a, Spikes(x[a:z]) if sparse else x[a:z]) for a, z in zip(starts, [*starts[1:], end])]

    @torch.inference_mode()
    def step():
        for layer in layers:
            layer.begin(B)
        for a, h in chunks:
            for item in row:
                h = item.forward(h, chunk) if isinstance(item, _Learner) else item.forward(h)
            if a >= first:
                d = torch.softmax(h, -1).sub_(onehot).mul_(share[a : a + len(h)])
                for item in reversed(row):
                    d = item.learn(d, a)
            for layer in layers:
                layer.advance()
        return {name: grad for layer in layers for name, grad in layer.grads().items()}

    return step


def torch_conv(net, x, target, inside, chunk=5):
    """S-TLLR of a convolutional network: F.conv2d, and its own transposes, over `chunk` steps at a time (1: step by step)."""
    return torch_chunked(net, x, target, inside, chunk)
