"""BPTT of the speech network by snnTorch's neurons."""

import torch
import torch.nn.functional as F

from benchmarks.peers.autograd import spike_function
from benchmarks.peers.shared import PSI, checked, standardise, tensors


def snntorch_bptt(net, x, target, inside):
    """BPTT with snnTorch's RLeaky, Leaky and reset, for one hidden recurrent layer and a leaky readout.

    snnTorch takes theta away after the leak, S-TLLR before it (the reset leaks too): the difference, (1 - gamma) theta y,
    is handed back with the input, detached as snnTorch's reset is.  Its other conventions are the same: strict
    threshold, a reset that comes one step after its spike.
    """
    import snntorch as snn

    params, x, target, on = tensors(checked(net), x, target, inside)
    params = {name: torch.nn.Parameter(value) for name, value in params.items()}
    if len(net.row) != 2 or "V" not in net.row[0].synapses:
        raise ValueError(f"net: got a row of {len(net.row)}, expected one recurrent layer and a readout")
    hidden, readout = net.layers
    learning = on.any(1).tolist()

    def number(value):
        """Return a number in the dtype of the network."""
        return torch.tensor(value, dtype=x.dtype)

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
