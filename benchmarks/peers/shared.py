"""What the peers share: Psi, weights that are standardised, tensors of a network, maps, and what is refused."""

import numpy as np
import torch
import torch.nn.functional as F

from stllr_ref import Layer
from stllr_ref.maps import AvgPool, Flatten, GlobalAvg, MaxPool


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


def checked(net):
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


def mapped(item, h):
    """Return what a map makes of h [B, C, H, W]."""
    if isinstance(item, GlobalAvg):
        return h.mean((-2, -1))
    if isinstance(item, Flatten):
        return h.flatten(-3)
    return {AvgPool: F.avg_pool2d, MaxPool: F.max_pool2d}[type(item)](h, item.k)
