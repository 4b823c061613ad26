r"""One layer of a network that learns while it runs: memory for the present step and the traces, nothing else.

In the order of the README's box: `step(x)` computes potentials, spikes, Psi and traces (lines 1 to 5); `learn(delta)`
adds delta times eligibility to the gradients (lines 6 and 7); `grads()` reads what was gathered.
"""

from typing import NamedTuple, Optional

import numpy as np

from stllr_ref import checks
from stllr_ref.traces import trace_step


class Now(NamedTuple):
    """What a layer knows at the present step; potentials and spikes [B, ...] as the neuron, inputs as the synapse."""

    inputs: dict  # synapse name -> what enters it: x, or y[t-1] for V
    pre: dict  # synapse name -> pre factor of each term of the rule (traces of the input, or the input)
    u: np.ndarray  # before the reset
    y: np.ndarray
    psi: np.ndarray  # the neuron's own: what an error is multiplied by on its way down
    eligible: Optional[np.ndarray]  # Psi of the rule's eligibility
    past: Optional[np.ndarray]  # decayed sum of earlier Psi, never this step's


class Layer:
    r"""Neurons with the synapses that drive them and the rule that teaches those synapses.

    Parameters
    ----------
    W : Dense or Conv2d
        The synapse from the layer below.
    neuron : LIF, Leaky or alike
        Neuron model.
    rule : STLLR or alike
        Learning rule, the same for all synapses of the layer.
    V : Dense or Conv2d, optional
        Recurrent synapse: reads y[t-1].
    bias : Bias, optional
        Its array is [N] after Dense, [C, 1, 1] after Conv2d.
    skips : dict, optional
        name -> (synapse, number of an earlier layer that it reads).
    feedback : Dense or Conv2d, optional
        Feedback alignment: the error goes down through its transpose instead of W's.

    Notes
    -----
    State is None before the first step, so a layer needs no shapes: batch size and dtype may change at a reset.

    Examples
    --------
    Two inputs, one neuron, a batch of one; the second spike of the first input finds its trace at 1.5.

    >>> from stllr_ref import LIF, STLLR, Dense
    >>> rule = STLLR(lam_pre=0.5, lam_post=0.2, alpha_pre=1, alpha_post=0)
    >>> layer = Layer(Dense(np.array([[0.8, 0.3]])), LIF(gamma=0.5, theta=1, psi="triangle"), rule)
    >>> layer.step(np.array([[1.0, 0.0]])), layer.step(np.array([[1.0, 1.0]]))
    (array([[0.]]), array([[1.]]))
    >>> layer.now.pre["W"], layer.now.psi
    ([array([[1.5, 1. ]])], array([[0.15]]))
    >>> layer.learn(np.array([[2.0]]))
    >>> layer.grads()
    {'W': array([[0.45, 0.3 ]])}
    """

    def __init__(self, W, neuron, rule, *, V=None, bias=None, skips=None, feedback=None):
        self.neuron, self.rule, self.feedback = neuron, rule, feedback
        self.skips = {name: source for name, (_, source) in (skips or {}).items()}
        self.synapses = {"W": W, **({} if V is None else {"V": V}), **{name: synapse for name, (synapse, _) in (skips or {}).items()}}
        self.bias = bias
        self.synaptic = hasattr(rule, "grads")  # keeps a trace for each synapse and makes the gradient of it
        self._check()
        self.reset()

    def _check(self):
        """Refuse names and shapes that do not fit together."""
        W, taken = self.synapses["W"], [name for name in self.skips if name in ("W", "V", "b", "B") or "." in name]
        others = {name: s for name, s in (("bias", self.bias), ("feedback", self.feedback)) if s is not None}
        for name, synapse in {**self.synapses, **others}.items():
            if not hasattr(synapse, "outer"):
                raise ValueError(f"{name}: got {type(synapse).__name__}, expected a synapse such as Dense(W) or Bias(b)")
        for name, synapse in self.synapses.items():
            if not hasattr(synapse, "axes"):
                raise ValueError(f"{name}: got {type(synapse).__name__}, expected Dense or Conv2d")
            if (synapse.axes, len(synapse.weight.value)) != (W.axes, len(W.weight.value)):
                raise ValueError(f"{name}: got {len(synapse.weight.value)} rows or another kind, expected {len(W.weight.value)}, as W")
        self._check_rule()
        if self.synaptic and W.axes != 1:
            raise ValueError(f"rule: got {type(self.rule).__name__} on a convolution, expected a dense layer")
        if getattr(self.rule, "psi", None) is not None and not hasattr(self.neuron, "theta"):
            raise ValueError("rule: got a Psi of its own with a neuron without threshold, expected psi=None")
        if taken:
            raise ValueError(f"skips: got the name {taken[0]!r}, expected one other than W, V, b, B and without a dot")
        if self.bias is not None:
            expected = (len(W.weight.value), *[1] * (W.axes - 1))
            checks.same("bias", self.bias.weight.value.shape, expected)
        if self.feedback is not None:
            checks.same("feedback", self.feedback.weight.value.shape, W.weight.value.shape)
            got, expected = ([getattr(s, name, None) for name in ("stride", "padding")] for s in (self.feedback, W))
            if got != expected:
                raise ValueError(f"feedback: got stride and padding {got}, expected {expected}, as W")

    def _check_rule(self):
        """Refuse what is no rule: names that a layer asks for, decays from 0 to 1."""
        rule, kind = self.rule, type(self.rule).__name__
        if isinstance(rule, type):
            raise ValueError(f"rule: got the class {rule.__name__}, expected an object of it")
        wanted = ["decays", "past_decay", "psi", "bias_decay", *(("reset", "step", "state") if self.synaptic else ("posts",))]
        wanted += ["bias_post"] if self.bias is not None and not self.synaptic else []
        lacking = [name for name in wanted if not hasattr(rule, name)]
        if lacking:
            raise ValueError(f"rule: got {kind} without {lacking[0]}, expected {', '.join(wanted)}")
        if not isinstance(rule.decays, (tuple, list)) or not (rule.decays or self.synaptic):
            raise ValueError(f"rule: got decays {rule.decays!r} of {kind}, expected a tuple, a decay a term")
        for decay in (*rule.decays, rule.bias_decay, *(() if rule.past_decay is None else (rule.past_decay,))):
            checks.number(f"decay of {kind}", decay, 0, 1)

    def weights(self):
        """Return synapse name -> its weight, the bias as "b"."""
        biased = {} if self.bias is None else {"b": self.bias}
        return {name: synapse.weight for name, synapse in {**self.synapses, **biased}.items()}

    def reset(self, traces=True):
        """Forget everything about the last sequence; without traces the layer runs but cannot learn."""
        self.kept = self.y = self.past = self.now = None
        self.traces, self.ones, self.tracing = {}, 0.0, traces
        if self.synaptic:
            self.rule.reset()
        self.clear()

    def clear(self):
        """Forget the gradients gathered so far."""
        self.sums = {}

    def state(self):
        """Return the arrays that the next step will read, name -> [B, ...]: the whole memory of the layer."""
        arrays = {"kept": self.kept, "past": self.past, "y": self.y if "V" in self.synapses else None}
        traces = {f"trace {name} {lam}": value for (name, lam), value in self.traces.items()}
        own = self.rule.state() if self.synaptic else {}
        return {name: value for name, value in {**arrays, **traces, **own}.items() if value is not None}

    def step(self, x, skipped=None):
        """Advance by one step: x [B, ...] and the skips' inputs (name -> array) to the output y [B, ...]; eqs. (1), (2), (14)."""
        inputs = {"W": x}
        current = self.synapses["W"].forward(x)
        if self.kept is not None and self.kept.shape != current.shape:
            raise ValueError(f"x: got a step for neurons {current.shape}, expected {self.kept.shape} (reset between sequences)")
        for name, value in (skipped or {}).items():
            inputs[name] = value
            current = self._plus(name, current, self.synapses[name].forward(value))
        if "V" in self.synapses:
            inputs["V"] = np.zeros_like(current) if self.y is None else self.y
            current = self._plus("V", current, self.synapses["V"].forward(inputs["V"]))
        if self.bias is not None:
            current = current + self.bias.forward()
        u = current if self.kept is None else self.kept + current
        y, psi = self.fire(u)
        self.kept, self.y = self.neuron.rest(u, y), y
        self.now = self._remember(inputs, u, y, psi)
        return y

    def fire(self, u):
        """Return y and psi of u [..., B, ...] in its dtype, which a Psi of one's own may lift, refused unless of its shape."""
        y, psi = (np.asarray(out).astype(u.dtype, copy=False) for out in self.neuron.fire(u))
        checks.same("Psi", psi.shape, u.shape)
        return y, psi

    def _plus(self, name, current, added):
        """Return current + added, refused unless both are of one shape: nothing may broadcast."""
        checks.same(f"output of {name}", added.shape, current.shape)
        return current + added

    def _remember(self, inputs, u, y, psi):
        """Advance the traces, eqs. (11), (16), and return the present step; past is read before it takes this step's psi in."""
        if not self.tracing:
            return Now(inputs, {}, u, y, psi, None, None)
        rule, pre, past = self.rule, {}, None
        eligible = psi if rule.psi is None else rule.psi(u - self.neuron.theta).astype(u.dtype, copy=False)
        for name, value in inputs.items():
            for lam in set(rule.decays) - {0.0}:
                self.traces[name, lam] = trace_step(self.traces.get((name, lam)), value, float(lam))
            pre[name] = [self.traces[name, lam] if lam else value for lam in rule.decays]
        self.ones = float(rule.bias_decay) * self.ones + 1.0
        if rule.past_decay is not None:
            past = np.zeros_like(eligible) if self.past is None else self.past
            self.past = trace_step(past, eligible, float(rule.past_decay))
        now = Now(inputs, pre, u, y, psi, eligible, past)
        if self.synaptic:
            rule.step(now, self)
        return now

    def learn(self, delta):
        """Add delta times eligibility to the gradients, summed over the batch; delta [B, ...] = dL/dy; eq. (9)."""
        if self.now is None or not self.tracing:
            raise ValueError("learn: got no step with traces since the last reset, expected step(x) first")
        now, rule = self.now, self.rule
        checks.same("delta", np.shape(delta), now.psi.shape)
        delta = np.asarray(delta).astype(now.u.dtype, copy=False)
        if self.synaptic:
            for name, dvalue in rule.grads(delta).items():
                self.add(name, dvalue.reshape(self.weights()[name].value.shape))
            return
        # `outer` sums over the leading axes: stacked there, all terms of the rule are one matrix product
        posts = np.stack([delta * post for post in self.posts(now.eligible, now.past)]).astype(now.u.dtype, copy=False)
        for name, synapse in self.synapses.items():
            self.add(name, synapse.outer(posts, np.stack(now.pre[name])))
        if self.bias is not None:
            post = delta * rule.bias_post(now.psi, now.eligible)
            self.add("b", self.bias.outer(post.astype(now.u.dtype, copy=False), self.ones))

    def posts(self, eligible, past):
        """Return the post factor of each term of the rule, refused unless as many as decays and of the shape of eligible [B, ...]."""
        posts = self.rule.posts(eligible, past)
        if len(posts) != len(self.rule.decays):
            raise ValueError(f"rule: got {len(posts)} posts for {len(self.rule.decays)} decays, expected one a term")
        for post in posts:
            checks.same("post factor of the rule", np.shape(post), eligible.shape)
        return posts

    def add(self, name, dvalue):
        """Add dvalue, a fresh array, to the gradient of a synapse's value."""
        gather(self.sums, name, dvalue)

    def send(self, g):
        """Return the error g [B, ...] at the potentials carried down to the input of W."""
        shape = self.now.inputs["W"].shape if self.now else None
        return (self.feedback or self.synapses["W"]).backward(g, shape)

    def grads(self):
        """Return the gradient of each parameter gathered since the last reset or clear, zeros where nothing was."""
        return pull(self.weights(), self.sums)


def gather(sums, name, dvalue):
    """Add dvalue, a fresh array, to sums[name]; the first one is taken as it is."""
    if name in sums:
        sums[name] += dvalue
    else:
        sums[name] = dvalue


def pull(weights, sums):
    """Return name -> gradient of each parameter of weights (name -> weight), given those of their values (a missing one is 0)."""
    out = {}
    for name, weight in weights.items():
        dvalue = sums.get(name)
        for param, grad in weight.pull(np.zeros_like(weight.value) if dvalue is None else dvalue).items():
            out[param_name(name, param)] = grad
    return out


def param_name(weight, param):
    """Return the name of a weight's parameter: "0.W" for the array of a plain weight, "0.W.gain" for others."""
    return f"{weight}.{param}" if param else weight
