"""The memory claim, measured: S-TLLR keeps two traces a neuron whatever the number of steps, BPTT keeps every step."""

import tracemalloc

import numpy as np
import pytest
from test_exactness import exact_rule

from stllr_ref import bptt, network, twins
from stllr_ref.gradcheck import liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.maps import GlobalAvg, MaxPool
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import SLTT, STLLR
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.weights import Standardised, kaiming

B, N, H, O = 6, 120, 110, 2
RULE = STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)
NEURON = LIF(0.7, 0.6, "triangle")


def recurrent(n_in=N, n=H):
    rng = np.random.default_rng(0)
    low = Layer(Dense(Standardised(kaiming(rng, n, n_in), np.full(n, 2.0))), NEURON, RULE, V=Dense(rng.normal(0, 0.05, (n, n))), bias=Bias(np.zeros(n)))
    return Network([low, Layer(Dense(kaiming(rng, O, n)), Leaky(0.5), SLTT(), bias=Bias(np.zeros(O)))])


def convolutional(c_in=12, c=16):
    rng = np.random.default_rng(0)
    conv = Layer(Conv2d(Standardised(kaiming(rng, c, c_in, 3, 3), np.full(c, 2.0))), NEURON, RULE, bias=Bias(np.zeros((c, 1, 1))))
    return Network([conv, MaxPool(2), GlobalAvg(), Layer(Dense(kaiming(rng, O, c)), Leaky(0), SLTT())])


NETS = {"recurrent": (recurrent, (N,)), "conv": (convolutional, (12, 6, 5))}
each_net = pytest.mark.parametrize("kind", NETS)


def batch(T, shape, samples=B):
    """Return x, target and window; x is allocated before anything is measured."""
    x = (np.random.default_rng(1).random((T, samples, *shape)) < 0.3).astype(float)
    return x, np.arange(samples) % O, window(T, [T] * samples, last=min(5, T))


def peak(algorithm, net, x, target, inside):
    """Return the largest number of bytes that one training step held beyond what was there before."""
    liveness(net, x)
    algorithm(net, x, target, cross_entropy, inside)  # so that what Python keeps for good is there
    net.reset()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = algorithm(net, x, target, cross_entropy, inside)
    most = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert np.isfinite(kept[0]).all() and all(grad.any() for grad in kept[1].values())
    return most


@each_net
def test_memory_of_s_tllr_does_not_grow_with_the_number_of_steps(kind):
    make, shape = NETS[kind]
    short, long = (peak(network.run, make(), *batch(T, shape)) for T in (21, 84))
    assert long < 1.05 * short


def test_all_that_grows_in_s_tllr_is_the_logits_that_are_returned():
    short, long = (peak(network.run, recurrent(), *batch(T, (N,))) for T in (21, 84))
    logits = 2 * B * O * 8 + 200  # bytes a step: in the list and in the array, and what an array costs beside its numbers
    assert long - short < 63 * logits


@each_net
def test_memory_of_bptt_grows_with_every_step(kind):
    make, shape = NETS[kind]
    at = {T: peak(bptt.run, make(), *batch(T, shape)) for T in (80, 160, 320)}
    assert (at[320] - at[160]) / (at[160] - at[80]) == pytest.approx(2, rel=0.05)
    assert at[320] > 2.5 * peak(network.run, make(), *batch(320, shape))


@each_net
def test_state_is_the_same_arrays_after_any_number_of_steps(kind):
    make, shape = NETS[kind]

    def state(T):
        net = make()
        network.run(net, batch(T, shape)[0], np.arange(B) % O, cross_entropy, np.ones((T, B), bool))
        return [{name: (array.shape, array.dtype) for name, array in layer.state().items()} for layer in net.layers]

    assert state(1) == state(21) == state(84)


def test_state_is_a_number_a_neuron_for_potential_and_each_trace():
    net = recurrent()
    network.run(net, *batch(9, (N,))[:2], cross_entropy, np.ones((9, B), bool))
    numbers = [sum(array.size for array in layer.state().values()) / B for layer in net.layers]
    assert numbers == [(H + H) + (N + H) + H, O]  # u and y for V, traces of x and of y, past; the readout's potential


def test_state_without_the_non_causal_half_is_one_trace_less():
    net, plain = recurrent(), recurrent()
    plain.layers[0].rule = exact_rule()
    counts = []
    for each in (net, plain):
        network.run(each, *batch(9, (N,))[:2], cross_entropy, np.ones((9, B), bool))
        counts.append(sum(array.size for array in each.layers[0].state().values()) / B)
    assert counts[0] - counts[1] == H


@pytest.mark.parametrize("algorithm", [network.run, bptt.run], ids=["local", "bptt"])
def test_no_number_a_synapse_and_sample_is_ever_kept(algorithm):
    samples, n_in, n = 50, 300, 200
    assert peak(algorithm, recurrent(n_in, n), *batch(3, (n_in,), samples)) < samples * n_in * n * 8 / 3


@pytest.mark.parametrize("algorithm", [network.run, bptt.run], ids=["local", "bptt"])
def test_no_number_a_filter_entry_and_sample_is_ever_kept(algorithm):
    samples, c_in, c = 40, 32, 48
    assert peak(algorithm, convolutional(c_in, c), *batch(2, (c_in, 2, 2), samples)) < samples * c * c_in * 9 * 8 / 2


def test_the_outer_twin_keeps_a_number_a_synapse_and_sample():
    """So the instrument sees such an array where there is one."""
    samples, n_in, n = 50, 120, 110
    assert peak(twins.outer, recurrent(n_in, n), *batch(2, (n_in,), samples)) > samples * n_in * n * 8
