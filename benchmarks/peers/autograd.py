"""BPTT by PyTorch's autograd: the network as published, step by step, its gradients by a walk back through all of them."""

import torch
import torch.nn.functional as F

from benchmarks.peers.shared import PSI, checked, mapped, standardise, tensors
from stllr_ref import Layer


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


def published_bptt(net, x, target, inside, once=False):
    """BPTT as published: autograd, a soft reset that is detached, weights standardised at every call of every layer.

    once: standardise them once a batch, which gives the same gradient: what one would write today.
    """
    params, x, target, on = tensors(checked(net), x, target, inside)
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
                    h = mapped(item, h)
            if learns:
                loss = loss + (F.cross_entropy(h, target, reduction="none") * now).mean()
        loss.backward()
        return {name: param.grad.numpy() for name, param in params.items()}

    return step
