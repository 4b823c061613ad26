r"""PyTorch forms of the networks of `networks.py`: the competitors of the speed race, written from the equations.

| function       | rule   | how                                                                                       |
| -------------- | ------ | ----------------------------------------------------------------------------------------- |
| published_bptt | BPTT   | autograd over all steps; weights standardised at every call, as in the authors' code      |
| snntorch_bptt  | BPTT   | the same network of snnTorch's neurons                                                    |
| torch_chunked  | S-TLLR | no autograd: k steps at a time, in place, oneDNN's products or those that skip zeros       |
| torch_conv     | S-TLLR | the same code on convolutions; with chunk=1 step by step                                  |

Each is `peer(net, x, target, inside) -> step`: it reads a `stllr_ref` network (soft resets; layers and maps in a row) and
converts the data; `step()` runs one batch and returns name -> gradient, a NumPy array, with the names of `Network.get`.
The loss is the cross-entropy at each step of the window.
"""

import numpy as np
import torch
import torch.nn.functional as F

from stllr_ref import Layer
from stllr_ref.maps import AvgPool, Flatten, GlobalAvg, MaxPool

# ---------------------------------------------------------------------------------------- what all of them share


def _fast_sigmoid(v, out):
    """Write 1 / (100 |v| + 1)^2 into out, shape of v."""
    return torch.abs(v, out=out).mul_(100).add_(1).pow_(-2)


def _triangle(v, out):
    """Write 0.3 max(1 - |v|, 0) into out, shape of v."""
    return torch.abs(v, out=out).mul_(-0.3).add_(0.3).clamp_(min=0)


PSI = {"fast_sigmoid": _fast_sigmoid, "triangle": _triangle}  # Psi(v, out), v = u - theta


def standardise(W, gain):
    """Return gain c / s and (c, s): rows of mean 0 and about unit norm; W [N_out, ...], gain [N_out]."""
    n = W[0].numel()
    c = W.flatten(1) - W.flatten(1).mean(1, keepdim=True)
    s = torch.sqrt(n / (n - 1) * (c * c).sum(1, keepdim=True) + 1e-4)
    return (gain[:, None] * c / s).view_as(W), (c, s)


def pull(dvalue, gain, c, s):
    """Return the gradients of W and gain, given that of the standardised weight: autograd's, by hand."""
    n, shape, dvalue = c.shape[1], dvalue.shape, dvalue.reshape(c.shape)
    G = gain[:, None] * dvalue
    dW = (G - G.mean(1, keepdim=True)) / s - n / (n - 1) * c * (G * c).sum(1, keepdim=True) / s**3
    return dW.view(shape), (dvalue * c / s).sum(1)


def tensors(net, x, target, inside):
    """Return the parameters by name, x, target and the window [T, B] as tensors in the network's dtype."""
    params = {name: torch.tensor(value) for name, value in net.get().items()}
    x = torch.tensor(np.asarray(x, net.dtype))
    return params, x, torch.tensor(target), torch.tensor(inside).to(x.dtype)


def _checked(net):
    """Return net, refused if it has what is not written here."""
    for number, layer in enumerate(net.layers):
        neuron, last = layer.neuron, number == len(net.layers) - 1
        if layer.skips or layer.feedback or last == hasattr(neuron, "theta"):
            raise ValueError(
                f"net: got skips, feedback or {type(neuron).__name__} in layer {number}, expected spiking layers and a Leaky one last"
            )
        if not last and (neuron.reset != "soft" or neuron.psi.__name__ not in PSI):
            raise ValueError(f"net: got reset {neuron.reset} and Psi {neuron.psi.__name__}, expected soft and one of {', '.join(PSI)}")
    for item in net.row:
        if not isinstance(item, (Layer, AvgPool, MaxPool, GlobalAvg, Flatten)):
            raise ValueError(f"net: got {type(item).__name__} in the row, expected layers, pools and Flatten")
    return net


# -------------------------------------------------------------------------------------------------- BPTT, by autograd


def spike_function(psi):
    """Return the autograd function v -> spike whose derivative is Psi."""

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.save_for_backward(v)
            return (v > 0).to(v.dtype)

        @staticmethod
        def backward(ctx, grad):
            (v,) = ctx.saved_tensors
            return grad * psi(v, torch.empty_like(v))

    return Spike.apply


def _map(item, h):
    """Return what a map makes of h [B, C, H, W], for autograd."""
    if isinstance(item, GlobalAvg):
        return h.mean((-2, -1))
    if isinstance(item, Flatten):
        return h.flatten(-3)
    return {AvgPool: F.avg_pool2d, MaxPool: F.max_pool2d}[type(item)](h, item.k)


def published_bptt(net, x, target, inside, once=False):
    """BPTT as published: autograd, a soft reset that is detached, weights standardised at every call of every layer.

    once: standardise them once a batch, which gives the same gradient: what one would write today.
    """
    params, x, target, on = tensors(_checked(net), x, target, inside)
    learning = on.any(1).tolist()
    spike = {id(layer): spike_function(PSI[layer.neuron.psi.__name__]) for layer in net.layers if hasattr(layer.neuron, "theta")}
    for param in params.values():
        param.requires_grad_()

    values = {}

    def value(name):
        """Return a weight from its parameters, for autograd."""
        W, gain = params[name], params.get(f"{name}.gain")
        return W if gain is None else standardise(W, gain)[0]

    def current(number, name, synapse, h, b=None):
        """Return what a synapse (and the bias) adds to the potential: its weight standardised here and now, or once before."""
        W = values[f"{number}.{name}"] if once else value(f"{number}.{name}")
        if synapse.axes == 1:
            return F.linear(h, W, b)
        return F.conv2d(h, W, None if b is None else b.flatten(), synapse.stride, synapse.padding)

    def advance(number, layer, h, state):
        """Return the output and the state (u, y) of a layer at this step."""
        neuron = layer.neuron
        u = current(number, "W", layer.synapses["W"], h, params.get(f"{number}.b"))
        if state is not None:
            if "V" in layer.synapses:
                u = u + current(number, "V", layer.synapses["V"], state[1])
            reset = neuron.theta * state[1].detach() if id(layer) in spike else 0
            u = u + neuron.gamma * (state[0] - reset)
        y = spike[id(layer)](u - neuron.theta) if id(layer) in spike else u
        return u, y

    def step():
        states, loss = [None] * len(net.layers), 0
        for param in params.values():
            param.grad = None
        if once:
            values.update({f"{n}.{name}": value(f"{n}.{name}") for n, layer in enumerate(net.layers) for name in layer.synapses})
        for h, now, learns in zip(x, on, learning):
            number = 0
            for item in net.row:
                if isinstance(item, Layer):
                    states[number] = advance(number, item, h, states[number])
                    h, number = states[number][1], number + 1
                else:
                    h = _map(item, h)
            if learns:
                loss = loss + (F.cross_entropy(h, target, reduction="none") * now).mean()
        loss.backward()
        return {name: param.grad.numpy() for name, param in params.items()}

    return step


def snntorch_bptt(net, x, target, inside):
    """BPTT with snnTorch's RLeaky, Leaky and reset, for one hidden recurrent layer and a leaky readout.

    snnTorch takes theta away after the leak, S-TLLR before it (the reset leaks too): the difference, (1 - gamma) theta y,
    is handed back with the input, detached as snnTorch's reset is.  Its other conventions are the same: strict
    threshold, a reset that comes one step after its spike.
    """
    import snntorch as snn

    params, x, target, on = tensors(_checked(net), x, target, inside)
    params = {name: torch.nn.Parameter(value) for name, value in params.items()}
    if len(net.row) != 2 or "V" not in net.row[0].synapses:
        raise ValueError(f"net: got a row of {len(net.row)}, expected one recurrent layer and a readout")
    hidden, readout = net.layers
    learning = on.any(1).tolist()
    number = lambda value: torch.tensor(value, dtype=x.dtype)  # noqa: E731

    class Linear(torch.nn.Module):
        """A linear layer whose weight is standardised once a batch, by `refresh`."""

        def __init__(self, name, bias=None):
            super().__init__()
            self.W, self.gain, self.b = params[name], params.get(f"{name}.gain"), params.get(bias)

        def refresh(self):
            self.value = self.W if self.gain is None else standardise(self.W, self.gain)[0]

        def forward(self, h):
            return F.linear(h, self.value, self.b)

    gamma, theta = hidden.neuron.gamma, hidden.neuron.theta
    spike = spike_function(PSI[hidden.neuron.psi.__name__])
    fc1, recurrent, fc2 = Linear("0.W", "0.b"), Linear("0.V"), Linear("1.W", "1.b")
    lif1 = snn.RLeaky(number(gamma), linear_features=len(params["0.V"]), threshold=number(theta), spike_grad=spike)
    lif1.recurrent = recurrent
    lif2 = snn.Leaky(number(readout.neuron.gamma), reset_mechanism="none")

    def step():
        for param in params.values():
            param.grad = None
        for linear in (fc1, recurrent, fc2):
            linear.refresh()
        spk1 = mem1 = torch.zeros(x.shape[1], len(params["0.V"]), dtype=x.dtype)
        mem2 = torch.zeros(x.shape[1], len(params["1.W"]), dtype=x.dtype)
        loss = 0
        for x_t, now, learns in zip(x, on, learning):
            spk1, mem1 = lif1(fc1(x_t) + (1 - gamma) * theta * spk1.detach(), spk1, mem1)
            _, mem2 = lif2(fc2(spk1), mem2)
            if learns:
                loss = loss + (F.cross_entropy(mem2, target, reduction="none") * now).mean()
        loss.backward()
        return {name: param.grad.numpy() for name, param in params.items()}

    return step


# --------------------------------------------------------------------------------------------- S-TLLR, without autograd
#
# A chunk of k steps at once.  With f = alpha_pre delta psi and h = alpha_post delta past, the causal term filters the
# post factor backwards in place of the input forwards, so that one product with the raw input serves both terms:
#
#     E[s] = f[s] + lam_pre E[s+1]                    E = 0 after the chunk
#     dW  += sum over s of (E[s] + h[s]) (x) x[s]  +  lam_pre E[first] (x) (trace of x before the chunk)
#
# Potentials are kept as v = u - theta, so v[t] = gamma v[t-1] + W x + V y[t-1] + b - (1 - gamma) theta - gamma theta y[t-1].


class _Dense:
    """The products of a dense synapse; sequences are [k, B, N].

    On processors where MKL, PyTorch's own choice, has no fast path (AMD), oneDNN's product is about twice as fast: it is
    reached through the operators that torch.compile uses.  oneDNN knows float32 only.
    """

    def __init__(self, onednn):
        self.onednn = onednn

    def product(self, a, W, b=None):
        """Return a W^T + b, [M, K] and [N, K] to [M, N]."""
        return torch.ops.mkldnn._linear_pointwise(a, W, b, "none", [], "") if self.onednn else F.linear(a, W, b)

    def packed(self, W, rows):
        """Return W in the order in which many products with `rows` rows read it."""
        return torch.ops.mkldnn._reorder_linear_weight(W, rows) if self.onednn else W

    def forward(self, x, W, b):
        return self.product(x.flatten(0, 1), W, b).unflatten(0, x.shape[:2])

    def down(self, g, W, x):
        return self.product(g.flatten(0, 1), W.t()).unflatten(0, g.shape[:2])

    def add_step(self, total, y, W):
        """Add the product of one step, y [B, N] and a packed W, to total."""
        total.add_(self.product(y, W)) if self.onednn else total.addmm_(y, W.t())

    def turned(self, post):
        """Return post [..., N] as rows and, for oneDNN, which would else do it for each product, as contiguous columns."""
        rows = post.flatten(0, -2)
        return rows, rows.t().contiguous() if self.onednn else rows.t()

    def add_outer(self, total, post, pre):
        """Add the sum over the leading axes of post (x) pre to total, the gradient of a weight; post comes from `turned`."""
        pre, columns = pre.flatten(0, -2), post[1]
        total.add_(self.product(columns, pre.t())) if self.onednn else total.addmm_(columns, pre)


class Spikes:
    """An input x [k, B, N] beside its list of events, for products that skip the zeros: rows are x, columns its transpose."""

    def __init__(self, x):
        self.x, self.shape = x, x.shape
        self.rows, self.columns = (_events(flat) for flat in (x.flatten(0, 1), x.flatten(0, 1).t()))

    def __len__(self):
        return len(self.x)

    def unbind(self):
        """Return the steps, [B, N] each, as a tensor does."""
        return self.x.unbind()


def _events(flat, spikes=False):
    """Return (column, offset of each row's first, value) of what is not 0 in a matrix; of spikes no value, it is 1."""
    row, column = flat.nonzero().unbind(1)
    count = (flat.sum(1) if spikes else (flat != 0).sum(1)).long()
    return column, count.cumsum(0) - count, None if spikes else flat[row, column]


def _gather(events, table):
    """Return the matrix of these events times a dense one: for each row the sum of the rows of `table` that it names."""
    index, offsets, values = events
    return F.embedding_bag(index, table, offsets, mode="sum", per_sample_weights=values)


class _Sparse(_Dense):
    """A dense synapse that skips the zeros of what enters it: Spikes, or in a recurrent one the spikes of each step."""

    def packed(self, W, rows):
        return W.t().contiguous()

    def add_step(self, total, y, W):
        total.add_(_gather(_events(y, spikes=True), W))

    def forward(self, x, W, b):
        return _gather(x.rows, W.t().contiguous()).add_(b).unflatten(0, x.shape[:2])

    def add_outer(self, total, post, pre):
        if isinstance(pre, Spikes):
            total.add_(_gather(pre.columns, post[0]).t())
        else:
            super().add_outer(total, post, pre)


class _Conv:
    """The products of a convolution, k steps side by side in the batch axis; sequences are [k, B, C, H, W]."""

    def __init__(self, synapse):
        self.stride, self.padding = [synapse.stride] * 2, [synapse.padding] * 2

    def forward(self, x, W, b):
        return F.conv2d(x.flatten(0, 1), W, b, self.stride, self.padding).unflatten(0, x.shape[:2])

    def _transpose(self, g, x, W, wanted):
        """Return the gradients of (x, W, b) that are wanted."""
        return torch.ops.aten.convolution_backward(g, x, W, None, self.stride, self.padding, [1, 1], False, [0, 0], 1, wanted)

    def down(self, g, W, x):
        return self._transpose(g.flatten(0, 1), x.flatten(0, 1), W, [True, False, False])[0].unflatten(0, g.shape[:2])

    def turned(self, post):
        return post

    def add_outer(self, total, post, pre):
        total.add_(self._transpose(post.flatten(0, -4), pre.flatten(0, -4), total, [False, True, False])[1])


class _Map:
    """A pool or a flattening between layers, without autograd; sequences are [k, B, C, H, W]."""

    def __init__(self, item):
        self.item = item

    def forward(self, h):
        self.shape, self.flat = h.shape, h.flatten(0, 1)
        if isinstance(self.item, MaxPool):
            out, self.winner = F.max_pool2d(self.flat, self.item.k, return_indices=True)
        else:
            out = _map(self.item, self.flat)
        return out.unflatten(0, h.shape[:2])

    def learn(self, d, start):
        """Return the error d sent back to the input."""
        if isinstance(self.item, GlobalAvg):
            return (d / self.shape[-2:].numel())[..., None, None].expand(self.shape)
        if isinstance(self.item, Flatten):
            return d.reshape(self.shape)
        d, k = d.flatten(0, 1), [self.item.k] * 2
        if isinstance(self.item, MaxPool):
            d = torch.ops.aten.max_pool2d_with_indices_backward(d, self.flat, k, k, [0, 0], [1, 1], False, self.winner)
        else:
            d = torch.ops.aten.avg_pool2d_backward(d, self.flat, k, k, [0, 0], False, True, None)
        return d.unflatten(0, self.shape[:2])


class _Learner:
    """One layer that learns by S-TLLR in chunks: its state between chunks, its buffers inside one."""

    def __init__(self, layer, number, params, steps, onednn, sparse):
        self.neuron, self.rule, self.number, self.params = layer.neuron, layer.rule, number, params
        self.spiking = hasattr(layer.neuron, "theta")
        self.synapses = {name: _Conv(s) if s.axes == 3 else _Dense(onednn) for name, s in layer.synapses.items()}
        for name in self.synapses if sparse else ():
            if name == "V" or number == 0:
                self.synapses[name] = _Sparse(onednn)
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
            self.value[name] = _layout(value)
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
            self.y, self.psi, self.past, self.post, self.g = (_like(v, chunk + 1) for _ in range(5))
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


def _layout(a):
    """Return images [n, C, H, W] with their channels last in memory, as oneDNN reads them fastest; anything else as it is."""
    return a.contiguous(memory_format=torch.channels_last) if a.ndim == 4 else a


def _like(v, steps):
    """Return zeros of `steps` steps in the layout of v [k, B, ...]."""
    return _layout(v.new_zeros(steps * v.shape[1], *v.shape[2:])).unflatten(0, (steps, v.shape[1]))


def torch_chunked(net, x, target, inside, chunk=18, onednn=None, sparse=False):
    """S-TLLR in chunks of `chunk` steps.

    onednn=None takes oneDNN's product where it exists, for float32; sparse lets the products with x, whose list of
    events is made beforehand, and that with V skip the zeros: it pays at the low rates of these networks.
    """
    params, x, target, on = tensors(_checked(net), x, target, inside)
    (T, B), learning = on.shape, on.any(1).tolist()
    x = _layout(x.flatten(0, 1)).unflatten(0, (T, B))
    onednn = x.dtype == torch.float32 and torch.backends.mkldnn.is_available() if onednn is None else onednn
    numbers = iter(range(len(net.layers)))
    row = [_Learner(item, next(numbers), params, T, onednn, sparse) if isinstance(item, Layer) else _Map(item) for item in net.row]
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
