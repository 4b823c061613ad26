r"""An encoder-decoder of spiking convolutions: the image is halved level by level, then enlarged again beside what it was.

With n levels the row is n encoders (stride 2; the lowest sees 5 x 5 pixels, all others 3 x 3), then n - 1 decoders, each of
which reads two things: the enlarged spikes of the layer below, and through a skip the spikes of the encoder of its own size.
A readout of two channels that does not spike ends it, at half the image's size, enlarged once more.  Enlarging copies pixels.
"""

import numpy as np

from stllr_ref.experiments.family import member
from stllr_ref.layer import Layer
from stllr_ref.maps import Upsample
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.signals import Frozen
from stllr_ref.synapses import Bias, Conv2d
from stllr_ref.weights import Standardised, kaiming


def encoder_decoder(settings, n_in, rng):
    """Return the row of the network for images of n_in channels, height and width multiples of 2^levels.

    `settings.channels` has the channels of the encoders, at least two; a decoder has as many as the encoder above that of its
    size.  `settings.gains` are three: of the lowest weights, of the other encoders' and the skips', and of those that read what
    was enlarged, best the smallest: that a spike appears four times makes it loud, and it drowns the skip.
    """
    s, (lowest, fine, coarse) = settings, settings.gains
    rules = member(s.rule)

    def synapse(n, below, gain, k=3, stride=1):
        """Return a standardised convolution from `below` to n channels."""
        return Conv2d(Standardised(kaiming(rng, n, below, k, k), np.full(n, gain)), stride)

    def layer(W, skips=None, first=False):
        """Return a layer of spiking neurons."""
        return Layer(W, LIF(s.gamma, s.theta, s.psi), rules.rule(s, first, False), skips=skips)

    row = [layer(synapse(s.channels[0], n_in, lowest, 5, 2), first=True)]
    for below, n in zip(s.channels, s.channels[1:]):
        row.append(layer(synapse(n, below, fine, stride=2)))
    top = s.channels[-1]
    for level in reversed(range(len(s.channels) - 1)):
        n = s.channels[level + 1]
        W = synapse(n, top, coarse)
        row += [Upsample(2), layer(W, {"S": (synapse(n, s.channels[level], fine), level)})]
        top = n
    if s.rule == "frozen":
        row.append(Frozen())
    W = Conv2d(kaiming(rng, 2, top, 3, 3))
    return [*row, Layer(W, Leaky(s.readout), rules.readout(s), bias=Bias(np.zeros((2, 1, 1)))), Upsample(2)]
