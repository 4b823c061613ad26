"""Learning signals: what replaces the error from above."""

import numpy as np
import pytest

from stllr_ref import network
from stllr_ref.gradcheck import error, liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.maps import AvgPool, GlobalAvg
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.optim import Adam
from stllr_ref.rules import SLTT, STLLR
from stllr_ref.signals import DFA, DRTP, Frozen, Local, sDFA
from stllr_ref.synapses import Conv2d, Dense

T, B, N, H, O = 8, 3, 6, 5, 4
TARGET = np.array([2, 0, 3])
ERR = np.random.default_rng(2).normal(size=(B, O))
RULE = STLLR(lam_pre=0.7, lam_post=0.4, alpha_pre=0.9, alpha_post=-0.6)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def spikes(*shape):
    return (np.random.default_rng(1).random(shape) < 0.5).astype(float)


def neuron():
    return LIF(gamma=0.6, theta=0.5, psi="triangle")


def net(signal=None, hidden=2, readout=0.0):
    """Return dense spiking layers, the signal above each of them (if any), and a linear readout; alive on `x()`."""
    row, n = [], N
    for i in range(hidden):
        row += [Layer(Dense(random(H, n, seed=10 + i)), neuron(), RULE)] + ([signal] if signal else [])
        n = H
    out = Network([*row, Layer(Dense(random(O, n, seed=20)), Leaky(readout), SLTT())])
    liveness(out, x())
    return out


def x():
    return spikes(T, B, N)


def grads(net, inside=window(T, [T] * B, last=5)):
    return network.run(net, x(), TARGET, cross_entropy, inside)[1]


def taught_at_the_last_step(net, sequence=None):
    """Return the gradients of a network that runs through x and then gets the output error ERR."""
    net.reset()
    for x_t in x() if sequence is None else sequence:
        net.step(x_t)
    net.learn(ERR, TARGET, np.ones(B, bool))
    return net.grads()


TC18 = dict(err=np.array([[0.5, -0.5]]), target=np.array([1]), out=np.zeros((1, 3)))
TC18_B = np.array([[1.0, 2, 0], [0, 1, -1]])


@pytest.mark.parametrize("signal, expected", [(DFA, [[0.5, 0.5, 0.5]]), (sDFA, [[1, 1, 1]]), (DRTP, [[0, 1, -1]])])
def test_tc18_signal_has_its_value_by_hand(signal, expected):
    np.testing.assert_array_equal(signal(TC18_B).delta(**TC18), expected)


@pytest.mark.parametrize("shape", [(H,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("signal, vector", [
    (DFA, lambda err: err), (sDFA, np.sign), (DRTP, lambda err: np.eye(O)[TARGET]),
], ids=["DFA", "sDFA", "DRTP"])
def test_signal_is_a_sum_over_classes_for_each_sample(signal, vector, shape):
    B_ = random(O, *shape)
    got = signal(B_).delta(ERR, TARGET, np.zeros((B, *shape)))
    expected = [sum(vector(ERR)[b, k] * B_[k] for k in range(O)) for b in range(B)]
    assert error(got, np.array(expected)) < 1e-14


@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP, Local])
def test_signal_of_a_sample_does_not_depend_on_the_batch(signal):
    out, signal = random(B, H, seed=3), signal(random(O, H))
    alone = [signal.delta(ERR[b : b + 1], TARGET[b : b + 1], out[b : b + 1])[0] for b in range(B)]
    np.testing.assert_allclose(alone, signal.delta(ERR, TARGET, out), rtol=1e-13, atol=0)


@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP, Local])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signal_comes_in_the_dtype_of_the_layer(signal, dtype):
    out = random(B, H).astype(dtype)
    assert signal(random(O, H)).delta(random(B, O).astype(dtype), TARGET, out).dtype == dtype


@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP, Local])
def test_tc18_signal_refuses_weights_for_other_units_or_classes(signal):
    out = random(B, H)
    for shape in [(O, H + 1), (O - 1, H), (O, H, 1)]:
        with pytest.raises(ValueError, match="^(B|target): got .*, expected .*$"):
            signal(random(*shape)).delta(ERR, TARGET, out)


@pytest.mark.parametrize("B_", [random(O), 3.0, np.array([[None]]), np.array([[np.nan, 1]]), [["a"]]], ids=str)
@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP, Local])
def test_signal_refuses_what_is_no_feedback_weight(signal, B_):
    with pytest.raises(ValueError, match="^B: got .*, expected .*$"):
        signal(B_)


@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP])
def test_tc18_fixed_feedback_weights_never_change(signal):
    B_ = random(O, H)
    fixed = signal(B_)
    trained = net(fixed)
    before, adam = trained.get(), Adam(trained, lr=0.01)
    for _ in range(3):
        adam.step(grads(trained))
    assert all(np.abs(value - before[name]).max() > 1e-3 for name, value in trained.get().items())
    np.testing.assert_array_equal(fixed.B, B_)


@pytest.mark.parametrize("signal", [DRTP, Local])
def test_tc18_readout_weights_do_not_enter_a_signal_without_output_error(signal):
    a, b = net(signal(random(O, H))), net(signal(random(O, H)))
    b.put({"2.W": random(O, H, seed=77)})
    assert all(np.array_equal(grads(a)[name], grads(b)[name]) for name in ("0.W", "1.W")) and not np.array_equal(grads(a)["2.W"], grads(b)["2.W"])


def test_tc18_readout_weights_enter_dfa_through_the_output_error_alone():
    """The same error at the output, another readout weight: the hidden update is the same under DFA, another under BP."""
    for signal, same in [(DFA(random(O, H)), True), (None, False)]:
        updates = []
        for seed in (20, 77):
            one = net(signal)
            one.put({"2.W": random(O, H, seed=seed)})
            updates.append(taught_at_the_last_step(one)["1.W"])
        assert np.abs(updates[0]).max() > 0 and np.array_equal(*updates) == same


def test_dfa_through_the_transposed_readout_is_bp_times_the_batch_size():
    bp, dfa = net(hidden=1), net(DFA(random(O, H, seed=20)), hidden=1)
    assert error(grads(dfa)["0.W"], B * grads(bp)["0.W"]) < 1e-12


def test_signal_throws_away_what_comes_from_above():
    zero = net(DFA(np.zeros((O, H))))
    got = grads(zero)
    assert not got["0.W"].any() and not got["1.W"].any() and got["2.W"].any()


def test_each_layer_takes_the_signal_directly_above_it():
    """With a signal over the upper hidden layer alone, the lower one gets the upper one's error, not the signal itself."""
    lower, upper = (Layer(Dense(random(H, n, seed=seed)), neuron(), RULE) for n, seed in [(N, 10), (H, 11)])
    one = Network([lower, upper, DFA(random(O, H)), Layer(Dense(random(O, H, seed=20)), Leaky(0), SLTT())])
    both = net(DFA(random(O, H)))
    np.testing.assert_array_equal(grads(one)["1.W"], grads(both)["1.W"])
    got = taught_at_the_last_step(one)["0.W"]
    lower.clear()
    lower.learn((ERR @ random(O, H) * upper.now.psi) @ upper.synapses["W"].weight.value)
    assert error(got, lower.grads()["W"]) < 1e-12


def test_signal_above_a_pool_reaches_the_layer_through_the_pool():
    B_ = random(O, 2, 3, 3)
    conv = Layer(Conv2d(random(2, 1, 3, 3)), neuron(), SLTT())
    one = Network([conv, AvgPool(2), DFA(B_), GlobalAvg(), Layer(Dense(random(O, 2)), Leaky(0), SLTT())])
    got = taught_at_the_last_step(one, spikes(T, B, 1, 6, 6))["0.W"]
    conv.clear()
    conv.learn(np.kron(np.tensordot(ERR, B_, 1), np.ones((2, 2))) / 4)
    assert 0 < conv.now.y.mean() < 1 and error(got, conv.grads()["W"]) < 1e-12


def test_frozen_stops_everything_below_and_nothing_above():
    got, free = grads(net(Frozen())), grads(net())
    assert not got["0.W"].any() and not got["1.W"].any()
    np.testing.assert_array_equal(got["2.W"], free["2.W"])


@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP, Local])
def test_signal_is_masked_by_each_samples_window(signal):
    """Sample 1 has no step in the window: hidden layers must learn as if it were not there."""
    inside = window(T, [T] * B, last=5)
    inside[:, 1] = False
    full, kept = net(signal(random(O, H))), np.array([0, 2])
    alone = network.run(net(signal(random(O, H))), x()[:, kept], TARGET[kept], cross_entropy, inside[:, kept])[1]
    got = grads(full, inside)
    assert all(error(got[name], alone[name]) < 1e-12 for name in alone if not name.startswith("2."))
    assert not any(value.any() for value in grads(full, np.zeros_like(inside)).values())


def test_local_signal_is_the_derivative_of_its_own_loss_by_the_output():
    B_, out = random(O, 2, 3), random(B, 2, 3, seed=3)
    expected = np.empty_like(out)
    for index in np.ndindex(out.shape):
        moved = out.astype(complex)
        moved[index] += 1e-20j
        expected[index] = cross_entropy(np.tensordot(moved, B_, ((1, 2), (1, 2))), TARGET)[0].sum().imag / 1e-20
    assert error(Local(B_).delta(None, TARGET, out), expected) < 1e-13


def test_local_classifier_learns_the_derivative_of_its_own_loss_inside_the_window():
    B_, out, inside = random(O, 2, 3), random(B, 2, 3, seed=3), np.array([1.0, 0, 1])
    signal, expected = Local(B_), np.empty_like(B_)
    for index in np.ndindex(B_.shape):
        moved = B_.astype(complex)
        moved[index] += 1e-20j
        expected[index] = (inside * cross_entropy(np.tensordot(out, moved, ((1, 2), (1, 2))), TARGET)[0]).sum().imag / 1e-20
    for _ in range(2):
        signal.learn(None, TARGET, out, inside)
    assert error(signal.dB, 2 * expected) < 1e-13


def test_learned_local_classifier_is_a_parameter_and_a_fixed_one_is_not():
    assert set(net(Local(random(O, H), learned=False)).get()) == {"0.W", "1.W", "2.W"}
    learned = net(Local(random(O, H)), hidden=1)
    assert set(learned.get()) == {"0.W", "0.B", "1.W"} == set(grads(learned)) and grads(learned)["0.B"].any()
    np.testing.assert_array_equal(learned.get()["0.B"], random(O, H))


def test_local_classifier_in_float32_fits_a_float32_network():
    layers = [Layer(Dense(random(n, m).astype(np.float32)), neuron(), SLTT()) for n, m in [(H, N), (O, H)]]
    one = Network([layers[0], Local(random(O, H).astype(np.float32)), layers[1]])
    assert one.dtype == np.float32 == one.get()["0.B"].dtype
