r"""Networks: a flat row of layers, maps (pooling and the like) and learning signals, and the loop over time.

`step(x)` goes up the row, `learn(...)` sends the error down it, `run` does both for a batch of sequences.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.layer import Layer, param_name, pull
from stllr_ref.losses import BY_SAMPLE


class Network:
    r"""A row of layers, maps and signals, bottom to top.

    An item is known by what it has.  A signal has `delta`; one with parameters also `learned`, one that remembers earlier
    steps also `watch`.  A map has `backward`; one that draws at random also `mask`.

    Parameters
    ----------
    row : list
        Layers; maps with `forward` and `backward` (`stllr_ref.maps`); signals with `delta` (`stllr_ref.signals`), which
        replace the error for the layer below them.  The last layer is the readout.
    dtype : dtype, optional
        float32 or float64, for every parameter and so for all that is computed; by default the parameters' own.

    Raises
    ------
    ValueError
        If the row is no network, or its parameters differ in dtype and none is given.

    Notes
    -----
    Parameters are named by the *layer's* number, maps and signals not counted, so that networks that differ in their
    signals share names: "0.W", "0.W.gain", "0.V", "0.b", "0.B" (of a learned local signal above layer 0).

    Examples
    --------
    >>> from stllr_ref import LIF, OTTT, SLTT, Bias, Dense, Leaky, cross_entropy
    >>> low = Layer(Dense(np.ones((3, 2))), LIF(gamma=0.5, theta=1, psi="triangle"), OTTT(0.5), bias=Bias(np.zeros(3)))
    >>> net = Network([low, Layer(Dense(np.eye(2, 3)), Leaky(0), SLTT())])
    >>> {name: value.shape for name, value in net.get().items()}
    {'0.W': (3, 2), '0.b': (3,), '1.W': (2, 3)}

    One step up, and the error of its output down:

    >>> target = np.array([1])
    >>> logits = net.step(np.array([[1.0, 1.0]]))
    >>> net.learn(cross_entropy(logits, target)[1], target, np.array([True]))
    >>> net.grads()["1.W"]
    array([[ 0.5,  0.5,  0.5],
           [-0.5, -0.5, -0.5]])
    """

    def __init__(self, row, dtype=None):
        if not isinstance(row, (list, tuple)):
            raise ValueError(f"row: got {type(row).__name__}, expected a list of layers, maps and signals")
        self.row = list(row)
        self.layers = [item for item in self.row if isinstance(item, Layer)]
        self._check()
        kinds = {value.dtype for value in self.get().values()}
        if dtype is None and len(kinds) > 1:
            raise ValueError(f"row: got parameters of {' and '.join(sorted(map(str, kinds)))}, expected one dtype (or dtype=...)")
        self.dtype = np.dtype(dtype or kinds.pop())
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: got {self.dtype}, expected float32 or float64")
        self.put(self.get())
        for feedback in (layer.feedback for layer in self.layers if layer.feedback):
            feedback.weight.params = {name: value.astype(self.dtype) for name, value in feedback.weight.params.items()}
            feedback.weight.refresh()
        self.reset()

    def _check(self):
        """Refuse a row that is no network."""
        for item in self.row:
            if not (isinstance(item, Layer) or hasattr(item, "delta") or hasattr(item, "backward")):
                raise ValueError(f"row: got {type(item).__name__}, expected a Layer, a map or a signal")
        learned = [number for number, _ in self._local()]
        if -1 in learned or len(set(learned)) < len(learned):
            raise ValueError("row: got a learned signal below the first layer, or two above one layer, expected one above a layer")
        if not self.layers or hasattr(self.row[-1], "delta") or len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError("row: got no layer, one layer twice, or a signal at the end; expected layers, each once, and no signal last")
        stateful = [id(layer.rule) for layer in self.layers if layer.synaptic]
        if len(set(stateful)) < len(stateful):
            raise ValueError("row: got one rule with traces of its own in two layers, expected an object for each")
        for number, layer in enumerate(self.layers):
            for name, source in layer.skips.items():
                if not 0 <= source < number:
                    raise ValueError(f"skips: got {name!r} from layer {source} to layer {number}, expected an earlier layer")

    def weights(self):
        """Return name -> weight of everything that learns."""
        out = {f"{i}.{name}": weight for i, layer in enumerate(self.layers) for name, weight in layer.weights().items()}
        for i, signal in self._local():
            out[f"{i}.B"] = signal.weight
        return out

    def _local(self):
        """Return (number of the layer below, signal) of each signal that learns."""
        seen, out = -1, []
        for item in self.row:
            seen += isinstance(item, Layer)
            if getattr(item, "learned", False):
                out.append((seen, item))
        return out

    def get(self):
        """Return a copy of every parameter, name -> array."""
        return {param_name(n, p): value.copy() for n, weight in self.weights().items() for p, value in weight.params.items()}

    def put(self, params):
        """Set parameters, name -> array: the only door through which they change; refused unless name and shape fit."""
        known = {param_name(n, p): (weight, p) for n, weight in self.weights().items() for p in weight.params}
        fit = {}
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"params: got {name!r}, expected names among {', '.join(known)}")
            fit[name] = checks.array(name, value, self.dtype)
            checks.same(name, fit[name].shape, known[name][0].params[known[name][1]].shape)
        for name, value in fit.items():  # only now, so that a refusal changes nothing
            weight, param = known[name]
            weight.params[param] = value.copy()
            weight.refresh()

    def reset(self, rng=None, traces=True):
        """Start a new sequence: no state, no gradients; rng draws dropout masks; without traces nothing can be learned."""
        for layer in self.layers:
            layer.reset(traces)
        for item in self.row:
            if hasattr(item, "mask"):
                item.reset(rng)
            elif hasattr(item, "watch"):
                item.reset()
        self.clear()
        self.trail = []

    def clear(self):
        """Forget the gradients gathered so far, keep the state: between two online updates."""
        for item in (*self.layers, *(signal for _, signal in self._local())):
            item.clear()

    def step(self, x):
        """Advance by one step, x [B, ...] to the output of the last layer; what the way down needs is kept in `trail`."""
        x = checks.array("x", x, self.dtype)  # a NaN would make no spike, and be lost
        self.trail, ys = [], []
        for item in self.row:
            if isinstance(item, Layer):
                x = item.step(x, {name: ys[source] for name, source in item.skips.items()})
                ys.append(x)
                self.trail.append(item.now)
            elif hasattr(item, "delta"):
                if hasattr(item, "watch"):
                    item.watch(x)
                self.trail.append(x)
            else:
                x, memo = item.forward(x)
                self.trail.append(memo)
        self.out = x
        return x

    def learn(self, err, target, inside):
        """Send the output error err [B, ...] down the row and let every layer learn from it, S-TLLR eq. (12).

        err is that of each sample (undivided); target [B, ...] is what signals may look at; inside [B] says which
        samples are in their learning window.
        """
        if not self.trail:
            raise ValueError("learn: got no step since the last reset, expected step(x) first")
        on = np.asarray(inside).astype(self.dtype)
        err = np.asarray(err).astype(self.dtype, copy=False)  # a loss of one's own may compute in another dtype
        checks.same("err", err.shape, self.out.shape)
        checks.same("inside", on.shape, err.shape[:1])
        mask = on.reshape(-1, *[1] * (err.ndim - 1))
        self.descend(
            err * mask / self.dtype.type(len(err)),
            self.trail,
            lambda layer, now, delta: layer.learn(delta),
            lambda signal, out: self.signal_delta(signal, err, target, out, on),
        )

    def descend(self, delta, trail, teach, replace, back=lambda item, delta, memo: item.backward(delta, memo)):
        """Send the output's delta [..., B, ...] down the row, past what the way up left in trail.

        teach(layer, now, delta) lets a layer learn; replace(signal, out) is what a signal puts in the error's place;
        back(item, delta, memo) sends it through a map.
        """
        number, skipped, replaced = len(self.layers), {}, False
        for item, kept in zip(reversed(self.row), reversed(trail)):
            if isinstance(item, Layer):
                number -= 1
                if number in skipped and not replaced:
                    delta = skipped[number] if delta is None else delta + skipped[number]
                if delta is not None:
                    teach(item, kept, delta)
                    delta = self._send(item, kept, delta, number, skipped)
                replaced = False
            elif hasattr(item, "delta"):
                delta, replaced = replace(item, kept), True
            elif delta is not None:
                delta = back(item, delta, kept)

    def _send(self, layer, now, delta, number, skipped):
        """Return what a layer sends down, or None where nobody below would read it; what its skips send is added to skipped."""
        below = self._reads_error(number)
        if not (below or layer.skips):
            return None
        g = delta * now.psi
        for name, source in layer.skips.items():
            sent = layer.synapses[name].backward(g, now.inputs[name].shape)
            skipped[source] = sent if source not in skipped else skipped[source] + sent
        return layer.send(g) if below else None

    def _reads_error(self, number):
        """Return whether the layer below layer `number` takes its error from above, not from a signal."""
        if number == 0:
            return False
        low, high = (self.row.index(self.layers[i]) for i in (number - 1, number))
        return not any(hasattr(item, "delta") for item in self.row[low:high])

    def signal_delta(self, signal, err, target, out, on):
        """Return the signal for what it sees, out [B, ...], masked by the window on [B]; a learned one learns too."""
        delta = signal.delta(err, target, out)
        if getattr(signal, "learned", False):
            signal.learn(err, target, out, on)
        if delta is None:
            return None
        return (delta * on.reshape(-1, *[1] * (delta.ndim - 1))).astype(self.dtype, copy=False)

    def grads(self):
        """Return the gradient of each parameter gathered since the last reset or clear, names as `get`."""
        out = {f"{i}.{name}": grad for i, layer in enumerate(self.layers) for name, grad in layer.grads().items()}
        for i, signal in self._local():
            out |= pull({f"{i}.B": signal.weight}, {} if signal.dB is None else {f"{i}.B": signal.dB})
        return out


def as_input(net, x):
    """Return x [T, B, ...] in the network's dtype, refused where the first layer could not read it."""
    first = net.row[0]
    dtype = None if getattr(x, "dtype", np.dtype(object)).kind in "biu" else net.dtype  # whole numbers are converted step by step
    return checks.sequence(x, dtype, first.synapses["W"].axes if isinstance(first, Layer) else None)


def check_run(net, x, target, inside):
    """Return x [T, B, ...] in the network's dtype and inside [T, B], refused unless they and target [B, ...] fit together."""
    x, inside = as_input(net, x), checks.rectangular("inside", inside)
    if inside.dtype != bool:
        raise ValueError(f"inside: got dtype {inside.dtype}, expected bool (see window)")
    if inside.shape != x.shape[:2]:
        raise ValueError(f"inside: got shape {inside.shape}, expected {x.shape[:2]}, steps and samples of x: time is axis 0")
    samples = checks.rectangular("target", target).shape[:1]
    if samples != x.shape[1:2]:
        raise ValueError(f"target: got {samples[0] if samples else 'no'} samples, expected {x.shape[1]}, as x {x.shape}: time is axis 0")
    return x, inside


def output_error(loss, out, target):
    """Return d loss / d out [B, ...] in the dtype of out, refused unless of its shape: a loss of one's own may do otherwise."""
    err = np.asarray(loss(out, target)[1]).astype(out.dtype, copy=False)
    checks.same("err", err.shape, out.shape)
    return err


def output_errors(loss, out, target, on):
    """Return d loss / d out of K steps, out [K, B, ...], 0 at steps in which no sample is in its window, on [K, B]."""
    err, steps = np.zeros_like(out), np.flatnonzero(on.any(1))
    if loss in BY_SAMPLE and len(steps) > 1 and np.shape(target)[1:] in ((), out.shape[2:]):
        rows = out[steps].reshape(-1, *out.shape[2:])  # samples do not see each other: those of several steps may go at once
        err[steps] = output_error(loss, rows, np.concatenate([target] * len(steps))).reshape(len(steps), *out.shape[1:])
    else:
        for k in steps:
            err[k] = output_error(loss, out[k].copy(), target)  # a loss of one's own may keep what it saw
    return err


def run(net, x, target, loss, inside, *, rng=None, online=None):
    r"""Run a batch of sequences and gather the gradient step by step: S-TLLR as it is meant, O(n) memory.

    Parameters
    ----------
    net : Network
        Is reset first; its rules decide what is gathered.
    x : ndarray, shape [T, B, N] or [T, B, C, H, W]
        Input spikes or event counts.
    target : ndarray, shape [B, ...]
        Labels, or whatever the loss compares with.
    loss : callable
        (output, target) -> (loss [B], err [B, ...]), `cross_entropy` or alike; applied at each step of the window.
    inside : ndarray of bool, shape [T, B]
        The learning window (`window`).
    rng : numpy.random.Generator, optional
        Draws dropout masks; None switches dropout off.
    online : callable, optional
        Called with the gradients of each step in the window, to change weights at once ("stllr_online" of the
        authors' code); by default gradients accumulate and weights stay.

    Returns
    -------
    logits : ndarray, shape [T, B, ...]
        Output at every step.
    grads : dict
        Name -> gradient of the loss summed over the window, averaged over the batch (below a signal: summed).  In
        online mode it is that of the last step alone.

    Raises
    ------
    ValueError
        If shapes, dtypes, labels or numbers do not fit: one line with what was got and what was expected.

    Notes
    -----
    S-TLLR eqs. (9), (12), (13), Algorithm 1.

    Examples
    --------
    >>> from stllr_ref import LIF, OTTT, SLTT, Dense, Leaky, cross_entropy, window
    >>> low = Layer(Dense(np.ones((3, 2))), LIF(gamma=0.5, theta=1, psi="triangle"), OTTT(0.5))
    >>> net = Network([low, Layer(Dense(np.eye(2, 3)), Leaky(0), SLTT())])
    >>> x, target = np.ones((4, 5, 2)), np.array([0, 1, 1, 0, 1])
    >>> logits, grads = run(net, x, target, cross_entropy, window(4, [4] * 5, last=2))
    >>> logits.shape, grads["0.W"].shape
    ((4, 5, 2), (3, 2))
    """
    x, inside = check_run(net, x, target, inside)
    net.reset(rng)
    logits = None
    for t, on in enumerate(inside):
        out = net.step(x[t])
        logits = np.empty((len(x), *out.shape), out.dtype) if logits is None else logits
        logits[t] = out
        if not on.any():
            continue
        if online:
            net.clear()
        net.learn(output_error(loss, out, target), target, on)
        if online:
            online(net.grads())
    return logits, net.grads()


def forward(net, x, *, rng=None):
    """Run a batch of sequences x [T, B, ...] without learning; return the output of every step, [T, B, ...]."""
    x = as_input(net, x)
    net.reset(rng, traces=False)
    out = np.array([net.step(x_t) for x_t in x])
    net.reset()
    return out
