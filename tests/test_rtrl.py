"""RTRL carries the exact gradient forward: it must be BPTT's, on hard spikes, wherever tangents can pass."""

import tracemalloc

import numpy as np
import pytest

from stllr_ref import bptt, checks, rtrl
from stllr_ref.gradcheck import largest_error, liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.maps import AvgPool, Dropout, GlobalAvg, MaxPool, Upsample
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import SLTT
from stllr_ref.signals import DFA, Adaptive
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.weights import Standardised

T, B, N, O = 7, 3, 5, 4
TARGET, INSIDE = np.array([2, 0, 3]), window(T, [T, T - 1, T], last=4)


def weight(rng, *shape, gain=1.6):
    return Standardised(rng.normal(0.3, 1, shape), np.full(shape[0], gain))


def readout(rng, n):
    return Layer(Dense(rng.normal(0, 0.5, (O, n))), Leaky(0.8), SLTT(), bias=Bias(rng.normal(0, 0.1, O)))


def dense(reset="soft", signal=False):
    """Two layers, the lower one recurrent, a skip from it to the readout."""
    rng = np.random.default_rng(1)
    low = Layer(Dense(weight(rng, 6, N)), LIF(0.7, 0.6, "triangle", reset), SLTT(), V=Dense(rng.normal(0, 0.4, (6, 6))), bias=Bias(rng.normal(0, 0.1, 6)))
    high = Layer(Dense(weight(rng, 8, 6)), LIF(0.6, 0.5, "arctan", reset), SLTT(), bias=Bias(rng.normal(0, 0.1, 8)))
    top = Layer(Dense(rng.normal(0, 0.5, (O, 8))), Leaky(0.8), SLTT(), skips={"S": (Dense(rng.normal(0, 0.5, (O, 6))), 0)})
    return Network([low, *([DFA(rng.normal(size=(O, 6)))] if signal else []), high, top])


def convolutional(reset="soft", pool=AvgPool):
    """Two convolutions, the first recurrent, the second with stride 2, pooled and enlarged between."""
    rng = np.random.default_rng(2)
    low = Layer(Conv2d(weight(rng, 3, 2, 3, 3)), LIF(0.7, 0.6, "triangle", reset), SLTT(), V=Conv2d(rng.normal(0, 0.2, (3, 3, 3, 3))), bias=Bias(rng.normal(0, 0.1, (3, 1, 1))))
    high = Layer(Conv2d(weight(rng, 6, 3, 3, 3), stride=2), LIF(0.6, 0.5, "sigmoid", reset), SLTT(), bias=Bias(rng.normal(0, 0.1, (6, 1, 1))))
    return Network([low, pool(2), Upsample(2), high, GlobalAvg(), readout(rng, 6)])


NETS = {"dense": (dense, (N,)), "conv": (convolutional, (2, 5, 4))}


def spikes(shape):
    return (np.random.default_rng(0).random((T, B, *shape)) < 0.4).astype(float)


def assert_equal(net, x, rng=(None, None), **options):
    """Assert that RTRL's logits and gradients are BPTT's, on a network that is alive."""
    assert liveness(net, x)[1] > 1e-9
    logits, grads = rtrl.run(net, x, TARGET, cross_entropy, INSIDE, rng=rng[0], **options)
    expected, exact = bptt.run(net, x, TARGET, cross_entropy, INSIDE, rng=rng[1], **options)
    np.testing.assert_array_equal(logits, expected)
    assert largest_error(grads, exact) < 1e-12
    return exact


@pytest.mark.parametrize("through_V", [True, False])
@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
@pytest.mark.parametrize("kind", NETS)
def test_rtrl_is_bptt_on_hard_spikes(kind, reset, attached, through_V):
    make, shape = NETS[kind]
    assert_equal(make(reset), spikes(shape), attached=attached, through_V=through_V)


@pytest.mark.parametrize("option", [{"attached": True}, {"through_V": False}], ids=str)
@pytest.mark.parametrize("kind", NETS)
def test_the_options_change_the_gradient(kind, option):
    make, shape = NETS[kind]
    plain, other = (assert_equal(make(), spikes(shape), **o) for o in ({}, option))
    assert largest_error(other, plain) > 1e-3


def test_rtrl_is_bptt_with_dropout_drawn_from_the_same_generator():
    net = dense()
    net = Network([net.layers[0], Dropout(0.4), *net.layers[1:]])
    x = spikes((N,))
    dropped = assert_equal(net, x, rng=(np.random.default_rng(5), np.random.default_rng(5)))
    assert largest_error(dropped, assert_equal(net, x)) > 1e-3


def test_rtrl_ignores_signals_as_bptt_does():
    assert_equal(dense(signal=True), spikes((N,)))


def one_neuron():
    """Return the self-recurrent neuron of TC-13 under the loss y[3] + y[4], and what to run it on."""
    net = Network([Layer(Dense([[0.8]]), LIF(0.5, 1, "triangle"), SLTT(), V=Dense([[0.4]]))])
    x = np.array([1.0, 1, 0, 1, 1]).reshape(5, 1, 1)
    return net, x, np.zeros(1), lambda y, target: (y[:, 0], np.ones_like(y)), window(5, [5], start=3)


@pytest.mark.parametrize("attached, dw, dv", [(False, 0.888111944, 0.4720428), (True, 0.761591540253, 0.42389251875)])
def test_tc13_rtrl_of_a_self_recurrent_neuron(attached, dw, dv):
    _, grads = rtrl.run(*one_neuron(), attached=attached)
    assert grads["0.W"][0, 0] == pytest.approx(dw, rel=0, abs=1e-9)
    assert grads["0.V"][0, 0] == pytest.approx(dv, rel=0, abs=1e-9)


def test_max_pooling_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^row: got MaxPool, expected .*AvgPool.*$"):
        rtrl.run(convolutional(pool=MaxPool), spikes((2, 5, 4)), TARGET, cross_entropy, INSIDE)


def test_a_loss_of_another_dtype_leaves_float32_alone_and_one_of_another_shape_is_refused():
    net = Network(dense().row, dtype=np.float32)
    x = spikes((N,))
    _, grads = rtrl.run(net, x, TARGET, lambda z, y: tuple(a.astype(float) for a in cross_entropy(z, y)), INSIDE)
    assert {grad.dtype for grad in grads.values()} == {np.dtype(np.float32)}
    with pytest.raises(ValueError, match=r"^err: got shape \(3,\), expected \(3, 4\)$"):
        rtrl.run(net, x, TARGET, lambda z, y: (cross_entropy(z, y)[0],) * 2, INSIDE)


# ------------------------------------------------------------------------------------------------------ what it costs, and says


def plain(recurrent=False, signal=False, n=6):
    """Return two dense layers and a readout, the second recurrent or not."""
    rng = np.random.default_rng(1)
    V = Dense(rng.normal(0, 0.4, (n, n))) if recurrent else None
    low = Layer(Dense(rng.normal(0.3, 1, (4, N))), LIF(0.7, 0.6, "triangle"), SLTT(), bias=Bias(rng.normal(0, 0.1, 4)))
    high = Layer(Dense(rng.normal(0.3, 1, (n, 4))), LIF(0.6, 0.5, "triangle"), SLTT(), V=V)
    return Network([low, *([Adaptive(rng.normal(size=(O, 4)), 0.8)] if signal else []), high, readout(rng, n)])


COSTED = {
    "feed-forward": (plain, (N,)), "recurrent": (lambda: plain(recurrent=True), (N,)), "lowest recurrent, a skip": (dense, (N,)),
    "convolutional": (convolutional, (2, 5, 4)), "learned signal": (lambda: plain(signal=True), (N,)),
}  # fmt: skip


def numbers_kept(net, x, steps=T):
    """Return how many numbers the tangents really keep after some steps."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        real = rtrl._Tangent
        patch.setattr(rtrl, "_Tangent", lambda *given: made.append(real(*given)) or made[-1])
        rtrl.run(net, x[:steps], TARGET, cross_entropy, INSIDE[:steps])
    return sum(a.size for tangent in made for kept in (tangent.kept, tangent.dys) for a in kept.values())


@pytest.mark.parametrize("kind", COSTED)
def test_state_numbers_are_those_that_the_tangents_keep(kind):
    make, shape = COSTED[kind]
    net, x = make(), spikes(shape)
    assert numbers_kept(net, x) == numbers_kept(net, x, 2) == rtrl.state_numbers(net)


def test_state_numbers_by_hand():
    """Weights of 20 + 4 reach 4 + 6 + 4 neurons, of 24 reach 6 + 4, of 24 + 4 the readout's 4; three samples; V of 36, and 6 twice."""
    for recurrent, expected in [(False, 3 * (24 * 14 + 24 * 10 + 28 * 4)), (True, 3 * (24 * 20 + (24 + 36) * 16 + 28 * 4))]:
        net = plain(recurrent)
        rtrl.run(net, spikes((N,)), TARGET, cross_entropy, INSIDE)
        assert rtrl.state_numbers(net) == expected


def refusal(net, x, largest=checks.LARGEST):
    """Return the line with which RTRL refuses, None if it runs, where rules may keep `largest` bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "LARGEST", largest)
        try:
            rtrl.run(net, x, np.zeros(x.shape[1], int), cross_entropy, np.ones(x.shape[:2], bool))
        except ValueError as refused:
            return str(refused)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("recurrent", [False, True])
def test_rtrl_runs_up_to_the_limit_and_not_beyond(recurrent, dtype):
    net, x = Network(plain(recurrent).row, dtype=dtype), spikes((N,))
    size = numbers_kept(net, x) * np.dtype(dtype).itemsize
    assert refusal(net, x, size) is None
    line = refusal(net, x, size - 1)
    assert line is not None and line.startswith("rtrl: got a trace of ")


def test_rtrl_beyond_200_mb_is_refused_in_one_line_with_its_size_before_any_tangent():
    """200 neurons of 100 inputs, 20 samples: 20000 weights times 20 times 200 neurons and 4 outputs, and the readout's 804."""
    rng, x = np.random.default_rng(0), np.ones((2, 20, 100))
    net = Network([Layer(Dense(rng.normal(0, 1, (200, 100))), LIF(0.7, 0.6, "triangle"), SLTT()), readout(rng, 200)])
    numbers = 20 * (20000 * 204 + 804 * 4)
    tracemalloc.start()
    line = refusal(net, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line == f"rtrl: got a trace of {numbers * 8 / 1e6:.0f} MB ({numbers},), expected at most 200 MB (a smaller batch or layer)"
    assert 600e6 < numbers * 8 and peak < 5e6


def test_state_numbers_before_a_step_are_refused_in_one_line():
    net = plain()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^net: got no step since the last reset, expected step\(x\) first$"):
            rtrl.state_numbers(net)
        net.step(spikes((N,))[0])
        assert rtrl.state_numbers(net) > 0
        net.reset()
