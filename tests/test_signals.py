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
from stllr_ref.optim import SGD, Adam
from stllr_ref.rules import OTTT, SLTT, STLLR
from stllr_ref.signals import DFA, DRTP, Adaptive, Frozen, Local, Reward, hit, sDFA, waves
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


@pytest.mark.parametrize("signal", [DFA, sDFA])
def test_tc18_signal_refuses_weights_for_more_classes(signal):
    with pytest.raises(ValueError, match=rf"^B: got shape \({O + 1}, {H}\), expected \({O}, {H}\) \(classes, units\)$"):
        signal(random(O + 1, H)).delta(ERR, TARGET, random(B, H))


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


# ------------------------------------------------------------------------------------ adaptive feedback (e-prop, Kolen and Pollack)

KAPPA = 0.7


def adaptive(dtype=None):
    """Return one spiking layer under adaptive feedback, directly below a readout that learns its exact gradient; alive."""
    row = [Layer(Dense(random(H, N, seed=10)), neuron(), RULE), Adaptive(random(O, H, seed=30), KAPPA)]
    out = Network([*row, Layer(Dense(random(O, H, seed=20)), Leaky(KAPPA), OTTT(KAPPA))], dtype=dtype)
    liveness(out, x())
    return out


def test_adaptive_signal_is_dfa_through_the_b_of_now():
    signal, out = Adaptive(random(O, H), KAPPA), random(B, H, seed=3)
    np.testing.assert_array_equal(signal.delta(ERR, TARGET, out), DFA(random(O, H)).delta(ERR, TARGET, out))
    one = adaptive()
    one.put({"0.B": random(O, H, seed=31)})
    assert error(taught_at_the_last_step(one)["0.W"], taught_at_the_last_step(adaptive())["0.W"]) > 1e-3


def test_tc18_adaptive_feedback_by_hand():
    """Spikes (1, 0, 1), then (0, 1, 1), leak 0.5: a trace of (0.5, 1, 1.5); err (0.5, -0.5) of one sample, another outside its window."""
    signal = Adaptive(TC18_B, 0.5)
    for y in ([1.0, 0, 1], [0.0, 1, 1]):
        signal.watch(np.array([y, y]))
    np.testing.assert_array_equal(signal.delta(**TC18), [[0.5, 0.5, 0.5]])
    signal.learn(np.array([[0.5, -0.5], [9, 9]]), None, None, np.array([1.0, 0]))
    np.testing.assert_array_equal(signal.dB, np.array([[0.5, 1, 1.5], [-0.5, -1, -1.5]]) * 0.5 / 2)


def test_adaptive_feedback_has_the_gradient_of_the_readout_s_own_weights():
    inside = window(T, [T, T - 2, T - 1], last=4)
    got = grads(adaptive(), inside)
    assert error(got["0.B"], got["1.W"]) < 1e-12


def test_adaptive_feedback_that_decays_as_the_readout_does_becomes_its_weights():
    """w <- (1 - decay) w - lr g of both, g the same: B - W shrinks by 1 - decay a step, whatever is learned meanwhile."""
    one, decay, steps = adaptive(), 0.05, 12
    sgd, before = SGD(one, lr=0.3), one.get()
    for _ in range(steps):
        g, w = grads(one), one.get()
        sgd.step({name: g[name] + decay / 0.3 * w[name] for name in ("0.B", "1.W")})
    after = one.get()
    assert error(after["1.W"], before["1.W"] * (1 - decay) ** steps) > 1e-3  # more than decay moved it
    assert error(after["0.B"] - after["1.W"], (before["0.B"] - before["1.W"]) * (1 - decay) ** steps) < 1e-12


def test_adaptive_feedback_without_decay_keeps_its_distance_from_the_readout():
    one = adaptive()
    sgd, before = SGD(one, lr=0.3), one.get()
    for _ in range(5):
        sgd.step(grads(one))
    after = one.get()
    assert error(after["1.W"], before["1.W"]) > 1e-2
    assert error(after["0.B"] - after["1.W"], before["0.B"] - before["1.W"]) < 1e-12


def test_adaptive_feedback_starts_every_sequence_from_nothing():
    one = adaptive()
    first, second = grads(one), grads(one)
    assert all(first[name].any() and np.array_equal(first[name], second[name]) for name in ("0.W", "0.B", "1.W"))


def test_adaptive_feedback_of_a_float32_network_is_float32():
    one = adaptive(np.float32)
    got = grads(one)
    signal = one.row[1]
    assert {a.dtype for a in (*got.values(), signal.trace, one.get()["0.B"])} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kappa", [-0.1, 1.1, np.nan, "0.5", None])
def test_adaptive_feedback_refuses_a_leak_out_of_range(kappa):
    with pytest.raises(ValueError, match="^kappa: got .*, expected a number.*$"):
        Adaptive(random(O, H), kappa)


@pytest.mark.parametrize("B_", [random(O), 3.0, np.array([[None]]), np.array([[np.nan, 1]]), [["a"]]], ids=str)
def test_adaptive_feedback_refuses_what_is_no_feedback_weight(B_):
    with pytest.raises(ValueError, match="^B: got .*, expected .*$"):
        Adaptive(B_, KAPPA)


@pytest.mark.parametrize("signal", [DFA, sDFA, DRTP, Local, lambda B_: Adaptive(B_, KAPPA)], ids=["DFA", "sDFA", "DRTP", "Local", "Adaptive"])
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_signal_refuses_complex_feedback_weights(signal, dtype):
    with pytest.raises(ValueError, match=f"^B: got {np.dtype(dtype)}, expected real numbers$"):
        signal(random(O, H).astype(dtype))


@pytest.mark.parametrize("shape", [(O, H + 1), (O - 1, H), (O, H, 1)], ids=str)
@pytest.mark.parametrize("make", [lambda B_: Adaptive(B_, KAPPA), lambda B_: Local(B_, unit=True)], ids=["Adaptive", "Local unit"])
def test_new_signals_refuse_weights_for_other_units_or_classes(make, shape):
    with pytest.raises(ValueError, match="^(B|target): got .*, expected .*$"):
        make(random(*shape)).delta(ERR, TARGET, random(B, H))


# ----------------------------------------------------------------------------------------- the local loss of TESS and of LLS


def own_loss(out, B_):
    """Return the loss [B] of a classifier B_ that sees out / |out|, for complex numbers too."""
    axes = tuple(range(1, out.ndim))
    seen = out / np.sqrt((out * out).sum(axes, keepdims=True))
    return cross_entropy(np.tensordot(seen, B_, (axes, axes)), TARGET)[0]


@pytest.mark.parametrize("shape", [(H,), (2, 3, 4)], ids=str)
def test_unit_signal_is_the_derivative_of_its_own_loss_by_the_output(shape):
    B_, out = random(O, *shape), random(B, *shape, seed=3)
    expected = np.empty_like(out)
    for index in np.ndindex(out.shape):
        moved = out.astype(complex)
        moved[index] += 1e-20j
        expected[index] = own_loss(moved, B_).sum().imag / 1e-20
    got = Local(B_, unit=True).delta(None, TARGET, out)
    assert error(got, expected) < 1e-13
    assert error(Local(B_).delta(None, TARGET, out), expected) > 1e-2  # the norm shows


def test_unit_classifier_learns_the_derivative_of_its_own_loss_inside_the_window():
    B_, out, inside = random(O, 2, 3), random(B, 2, 3, seed=3), np.array([1.0, 0, 1])
    signal, expected = Local(B_, unit=True), np.empty_like(B_)
    for index in np.ndindex(B_.shape):
        moved = B_.astype(complex)
        moved[index] += 1e-20j
        expected[index] = (inside * own_loss(out, moved)).sum().imag / 1e-20
    signal.learn(None, TARGET, out, inside)
    assert error(signal.dB, expected) < 1e-13


def test_unit_signal_points_across_the_output_and_falls_with_its_length():
    B_, out = random(O, H), random(B, H, seed=3)
    got = Local(B_, unit=True).delta(None, TARGET, out)
    assert np.abs((got * out).sum(1)).max() < 1e-14 * np.abs(got).max() * np.abs(out).max() * H
    assert error(Local(B_, unit=True).delta(None, TARGET, 4 * out), got / 4) < 1e-14


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unit_signal_of_a_silent_layer_is_that_of_a_norm_of_1_and_warns_of_nothing(dtype):
    """There is no derivative at 0; the classifier sees zeros, so the signal is B^T (1/O - onehot), in the layer's dtype."""
    B_, out = random(O, H), random(B, H, seed=3).astype(dtype)
    out[1] = 0
    got = Local(B_, unit=True).delta(None, TARGET, out)
    assert got.dtype == dtype and np.isfinite(got).all()
    assert error(got[1], (np.full(O, 1 / O) - np.eye(O)[TARGET[1]]) @ B_) < 1e-6
    signal = Local(B_, unit=True)
    signal.learn(None, TARGET[1:2], out[1:2], np.ones(1))
    assert not signal.dB.any()


@pytest.mark.parametrize("square", [True, False], ids=["TESS", "LLS"])
def test_a_basis_shaped_as_images_is_the_flat_one_unit_by_unit(square):
    B_, out = waves(O, 24, square), random(B, 2, 3, 4, seed=3)
    for unit in (True, False):
        got = Local(B_.reshape(O, 2, 3, 4), learned=False, unit=unit).delta(None, TARGET, out)
        flat = Local(B_, learned=False, unit=unit).delta(None, TARGET, out.reshape(B, -1))
        assert error(got, flat.reshape(out.shape)) < 1e-14


def test_tess_s_basis_is_ternary_divided_by_the_units_and_gives_unit_0_nothing():
    basis = waves(10, 64, square=True)
    assert basis.shape == (10, 64) and not basis[:, 0].any()
    assert np.array_equal(np.unique(basis * 64), [-1, 0, 1]) and (basis[:, 1:] != 0).all()


def test_lls_s_basis_is_a_sine_not_divided_by_the_units():
    few, many = waves(3, 8, square=False), waves(3, 800, square=False)
    np.testing.assert_array_equal(few, many[:, :8])
    np.testing.assert_allclose(few, [[np.sin(f * k) for k in range(8)] for f in (50, 281, 512)], rtol=0, atol=1e-12)
    assert np.abs(many).max() > 0.999


def test_rows_of_tess_s_basis_are_nearly_orthogonal():
    """10 classes, 1024 units: the largest off-diagonal of the normalised Gram matrix is 0.052 (0.056 if f k is rounded to float32)."""
    basis = waves(10, 1024, square=True)
    rows = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    gram = np.abs(rows @ rows.T - np.eye(10))
    assert abs(gram.max() - 0.0518) < 5e-5 and np.linalg.matrix_rank(basis) == 10


def test_frequencies_of_tess_s_basis_alias_so_that_classes_are_not_in_the_order_of_their_sign_changes():
    """A frequency f changes sign |f - 2 pi round(f / 2 pi)| / pi times an index, wherever f itself stands."""
    signs = waves(10, 4096, square=True)[:, 1:] * 4096
    changes = (signs[:, 1:] != signs[:, :-1]).mean(1)
    frequencies = np.array([50 + (512 - 50) * c / 9 for c in range(10)])
    folded = np.abs(frequencies - 2 * np.pi * np.round(frequencies / (2 * np.pi))) / np.pi
    np.testing.assert_allclose(changes, folded, rtol=0, atol=1e-3)
    np.testing.assert_allclose(changes, [0.085, 0.255, 0.595, 0.935, 0.725, 0.385, 0.045, 0.295, 0.635, 0.975], rtol=0, atol=1.5e-3)


# ----------------------------------------------------------------------------------------------------------------- rewards


def test_hit_is_1_where_the_likeliest_class_is_the_target_and_minus_1_elsewhere():
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.34, 0.33, 0.33]])
    target = np.array([0, 1, 2, 2])
    np.testing.assert_array_equal(hit(p - np.eye(3)[target], target), [1, -1, 1, -1])


@pytest.mark.parametrize("target", [np.array([0, 3]), np.array([0.0, 1.0]), np.array([0])], ids=str)
def test_hit_refuses_labels_that_are_none(target):
    with pytest.raises(ValueError, match="^target: got .*, expected .*$"):
        hit(np.zeros((2, 3)), target)


@pytest.mark.parametrize("shape", [(H,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reward_is_minus_one_number_a_sample_for_every_unit(shape, dtype):
    out = random(B, *shape).astype(dtype)
    got = Reward(lambda err, target: err[:, 0] + target).delta(ERR, TARGET, out)
    assert got.shape == out.shape and got.dtype == dtype
    for b in range(B):
        np.testing.assert_allclose(got[b], np.full(shape, -(ERR[b, 0] + TARGET[b])), rtol=1e-6 if dtype == np.float32 else 1e-15, atol=0)
    np.testing.assert_array_equal(Reward(0.5).delta(ERR, TARGET, out), np.full(out.shape, -0.5))


@pytest.mark.parametrize("reward", [lambda err, target: err, lambda err, target: 1.0, lambda err, target: np.ones(B + 1)], ids=["a matrix", "a number", "one too many"])
def test_reward_refuses_what_is_not_one_number_a_sample(reward):
    with pytest.raises(ValueError, match="^reward: got .*, expected .*$"):
        Reward(reward).delta(ERR, TARGET, random(B, H))


@pytest.mark.parametrize("reward", [lambda err, target: np.array([1, np.nan, 0]), lambda err, target: ["a"] * B, lambda err, target: [None] * B], ids=["NaN", "text", "None"])
def test_reward_refuses_what_comes_back_and_is_no_finite_number(reward):
    with pytest.raises(ValueError, match=r"^reward: got [^\n]*, expected (finite )?numbers$"):
        Reward(reward).delta(ERR, TARGET, random(B, H))


@pytest.mark.parametrize("reward", [np.nan, None, "a", np.ones((3, 1))], ids=["NaN", "None", "text", "array"])
def test_a_reward_that_is_no_number_is_refused_in_one_line(reward):
    with pytest.raises(ValueError, match=r"^reward: got [^\n]*, expected [^\n]*$"):
        Reward(reward)


@pytest.mark.parametrize("classes, units", [(0, 3), (2, 0), (2, 2.5)])
def test_a_basis_of_no_whole_size_is_refused_in_one_line(classes, units):
    with pytest.raises(ValueError, match=r"^(classes|units): got [^\n]*, expected [^\n]*$"):
        waves(classes, units, square=True)
