r"""The two networks of the speed race, with random data: the published speech network and a small convolutional one.

Each function returns (net, x, target, inside), float32 unless asked otherwise, the same for the same seed.  A network in
which nobody fires, or everybody, may be quick for that reason: every layer fires between 2 and 98 % of the time, or
there is a ValueError.
"""

import numpy as np

from stllr_ref import LIF, OTTT, SLTT, STLLR, Dense, Layer, Leaky, Network, Standardised, fast_sigmoid, kaiming, triangle, window
from stllr_ref.gradcheck import liveness
from stllr_ref.maps import AvgPool, GlobalAvg
from stllr_ref.synapses import Bias, Conv2d


def recurrent(batch, T=100, seed=0, *, inputs=700, hidden=450, outputs=20, rate=0.03, dtype=np.float32):
    """Return the published SHD network (S-TLLR, Table 2) on random spikes, learning in all but the first 10 steps.

    x [T, batch, inputs] has spikes with probability `rate`, target [batch] random labels, inside [T, batch].
    """
    rng = np.random.default_rng(seed)
    rule = STLLR(lam_pre=1, lam_post=0.5, alpha_pre=1, alpha_post=1)
    W, V = (Dense(Standardised(kaiming(rng, hidden, n))) for n in (inputs, hidden))
    neurons = LIF(gamma=0.99, theta=0.6, psi=fast_sigmoid)
    readout = Layer(Dense(kaiming(rng, outputs, hidden)), Leaky(0.99), OTTT(0.99, bias_decay=0.99), bias=Bias(np.zeros(outputs)))
    net = Network([Layer(W, neurons, rule, V=V, bias=Bias(rng.normal(0, 0.01, hidden))), readout], dtype)
    x = (rng.random((T, batch, inputs)) < rate).astype(dtype)
    liveness(net, x)
    return net, x, rng.integers(0, outputs, batch), window(T, [T] * batch, last=max(T - 10, 1))


def conv(batch=16, T=20, seed=0, *, channels=(2, 16, 32, 64), size=32, outputs=11, rate=0.1, pool=AvgPool, dtype=np.float32):
    """Return a small VGG-like network with the numbers of DVS Gesture on random events, learning in the last 10 steps.

    A 3 x 3 convolution and a pool by 2 for each step of `channels` (the last pool is global), then a dense readout without
    memory.  The gain of 4 keeps the third layer from falling silent.
    x [T, batch, channels[0], size, size], target [batch], inside [T, batch].
    """
    rng = np.random.default_rng(seed)
    rule = STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)
    row = []
    for below, here in zip(channels, channels[1:]):
        filters = Conv2d(Standardised(kaiming(rng, here, below, 3, 3), np.full(here, 4.0)))
        row += [Layer(filters, LIF(gamma=0.5, theta=0.6, psi=triangle), rule, bias=Bias(np.zeros((here, 1, 1)))), pool(2)]
    row[-1] = GlobalAvg()
    net = Network([*row, Layer(Dense(kaiming(rng, outputs, channels[-1])), Leaky(0), SLTT(), bias=Bias(np.zeros(outputs)))], dtype)
    x = (rng.random((T, batch, channels[0], size, size)) < rate).astype(dtype)
    liveness(net, x)
    return net, x, rng.integers(0, outputs, batch), window(T, [T] * batch, last=min(T, 10))
