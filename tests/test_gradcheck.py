"""The instruments themselves: comparison, liveness, alignment, complex step and differences."""

import functools

import numpy as np
import pytest
from test_exactness import INSIDE, RANGE, TARGET, B, O, T, live, make, run, spikes

from stllr_ref import gradcheck
from stllr_ref.gradcheck import alignment, cosine, error, largest_error
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, mse, window
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import SLTT
from stllr_ref.synapses import Bias, Dense

A = np.array([[1.0, -2, 3], [0.5, 0, 4]])

# ----------------------------------------------------------------------------------------------------------- comparison


def test_error_is_the_largest_difference_over_the_largest_expected():
    assert error(A + [[0, 0, 0.5], [-1, 0, 0]], A) == 0.25
    assert error(A, -A) == 2 and error(A, A) == 0 and error(np.zeros((2, 3)), A) == 1


def test_error_is_measured_by_the_expected_side():
    assert error(2 * A, A) == 1 and error(A, 2 * A) == 0.5


@pytest.mark.parametrize("index", list(np.ndindex(A.shape)))
def test_error_sees_one_planted_entry(index):
    wrong = A.copy()
    wrong[index] += 4e-9
    assert error(wrong, A) == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["got", "expected", "both"])
def test_error_refuses_nan_and_inf_on_either_side(bad, side):
    broken = A.copy()
    broken[1, 1] = bad
    with pytest.raises(ValueError, match="^error: got NaN or inf, expected finite numbers$"):
        error(A if side == "expected" else broken, A if side == "got" else broken)


@pytest.mark.parametrize("expected", [np.zeros((2, 3)), -np.zeros((2, 3)), np.zeros((0, 3))], ids=["zeros", "minus", "empty"])
def test_error_refuses_nothing_to_compare_with(expected):
    with pytest.raises(ValueError, match="^error: got an expected array of zeros, expected something to compare with$"):
        error(expected, expected)


@pytest.mark.parametrize("got", [A[:, :1], A.T, A[0], A[None], 1.0], ids=["column", "transposed", "row", "stacked", "number"])
def test_error_refuses_what_would_broadcast(got):
    with pytest.raises(ValueError, match=r"^got: got shape .*, expected \(2, 3\)$"):
        error(got, A)


def test_largest_error_is_that_of_the_worst_array():
    assert largest_error({"a": A, "b": 1.5 * A, "c": 0.9 * A}, {"a": A, "b": A, "c": A}) == 0.5


@pytest.mark.parametrize("got, expected", [({"a": A}, {"a": A, "b": A}), ({"a": A, "b": A}, {"a": A}), ({}, {"a": A}), ({}, {})], ids=["missing", "more", "none", "empty"])
def test_largest_error_refuses_other_names(got, expected):
    with pytest.raises(ValueError, match="^got: got names .*, expected .*$"):
        largest_error(got, expected)


def test_largest_error_refuses_one_array_of_zeros_among_others():
    with pytest.raises(ValueError, match="^error: got an expected array of zeros"):
        largest_error({"a": A, "b": 0 * A}, {"a": A, "b": 0 * A})


# ------------------------------------------------------------------------------------------------------------ alignment


@pytest.mark.parametrize("a, b, expected", [
    ([1, 0], [1, 1], 0.5**0.5), ([3, 4], [3, 4], 1), ([3, 4], [-6, -8], -1), ([1, 2], [2, -1], 0), ([[1, 2], [2, 0]], [[2, 2], [1, 4]], 8 / 15),
], ids=str)  # fmt: skip
def test_cosine_by_hand(a, b, expected):
    assert cosine(np.array(a), np.array(b)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1, 1e30])
def test_cosine_does_not_depend_on_the_scale(scale, dtype):
    """Squares of small gradients underflow, in float32 from 1e-23 on: the answer must not."""
    a, b = np.array([3, 4, 0], dtype), np.array([3, 0, 4], dtype)
    assert cosine(a * dtype(scale), b) == pytest.approx(9 / 25, rel=1e-6)


@pytest.mark.parametrize("a, b", [([0.0, 0], [1.0, 2]), ([1.0, 2], [0.0, 0]), ([0.0, 0], [0.0, 0])], ids=str)
def test_cosine_with_an_array_of_zeros_is_nan_without_a_warning(a, b):
    assert np.isnan(cosine(np.array(a), np.array(b)))


@pytest.mark.parametrize("b", [A.T, A.ravel(), A[:1]], ids=["transposed", "flat", "row"])
def test_cosine_refuses_another_shape(b):
    with pytest.raises(ValueError, match=r"^b: got shape \(.*\), expected \(2, 3\)$"):
        cosine(A, b)


def test_alignment_by_hand():
    got = alignment({"a": np.array([3.0, -4, 0]), "rest": A}, {"a": np.array([3.0, 0, 4])})
    assert got == {"a": {"cosine": pytest.approx(9 / 25), "norm_ratio": 1, "sign_agreement": pytest.approx(1 / 3)}}
    assert alignment({"a": 2 * A}, {"a": -A})["a"] == pytest.approx({"cosine": -1, "norm_ratio": 2, "sign_agreement": 1 / 6})


def test_alignment_with_a_dead_exact_gradient_is_nan_throughout():
    for dead in (A, 0 * A):
        assert all(np.isnan(value) for value in alignment({"a": dead}, {"a": 0 * A})["a"].values())


def test_alignment_of_a_dead_gradient_has_no_direction():
    got = alignment({"a": 0 * A[:1]}, {"a": A[:1]})["a"]
    assert np.isnan(got.pop("cosine")) and got == {"norm_ratio": 0, "sign_agreement": 0}


@pytest.mark.parametrize("grads, message", [({"b": A}, "grads: got names b, expected a among them"), ({"a": A[0]}, r"a: got shape \(3,\), expected \(2, 3\)")], ids=["name", "shape"])
def test_alignment_refuses_what_cannot_be_compared(grads, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        alignment(grads, {"a": A})


# ------------------------------------------------------------------------------------------------------------- liveness


def one_neuron(bias, theta=1.0):
    return Network([Layer(Dense(np.zeros((1, 2))), LIF(0, theta, "triangle"), SLTT(), bias=Bias([bias])), Layer(Dense([[1.0]]), Leaky(0), SLTT())])


def test_activity_is_the_share_of_spikes_and_the_smallest_distance_to_a_threshold():
    net = Network([Layer(Dense([[1.0], [2.0]]), LIF(0, 1.25, "triangle", "none"), SLTT()), Layer(Dense([[1.0, 1]]), Leaky(0), SLTT())])
    rates, margin = gradcheck.activity(net, np.array([0.0, 1, 1, 3]).reshape(4, 1, 1))  # u: 0 0, 1 2, 1 2, 3 6
    assert rates == [4 / 8] and margin == 0.25


def test_activity_counts_neither_the_rate_nor_the_distance_of_padding():
    net = Network([Layer(Dense([[1.0], [2.0]]), LIF(0, 1.25, "triangle", "none"), SLTT()), Layer(Dense([[1.0, 1]]), Leaky(0), SLTT())])
    x = np.array([[0.0, 0], [1, 1], [1, 1.26], [3, 1.26], [1.26, 1.26]])[..., None]  # 1.26 is padding: 0.01 above theta
    rates, margin = gradcheck.activity(net, x, lengths=[4, 2])
    assert rates == [pytest.approx(5 / 12)] and margin == 0.25


def test_activity_leaves_the_readout_out_and_counts_every_spiking_layer():
    net = make("dense-3")
    assert len(gradcheck.activity(net, spikes("dense"))[0]) == 3


@pytest.mark.parametrize("psi", RANGE)
def test_activity_of_a_smooth_twin_is_how_often_u_lies_above_theta(psi):
    """Not the mean of what it emits, whose range may end at 0.02."""
    twin, x = gradcheck.twin(make("dense-1", psi, "none"), smooth=True), spikes("dense")
    rates, _ = gradcheck.activity(twin, x)
    assert rates == gradcheck.activity(make("dense-1", psi, "none"), x)[0]  # without reset and depth, the same potentials


@pytest.mark.parametrize("bias, rate", [(0.5, "0.000"), (2, "1.000")])
def test_liveness_refuses_silent_and_saturated_layers(bias, rate):
    with pytest.raises(ValueError, match=f"^spiking layer 0: got a firing rate of {rate}, expected 0.02 to 0.98$"):
        gradcheck.liveness(one_neuron(bias), np.zeros((T, B, 2)))


def test_liveness_looks_at_every_layer_and_names_the_dead_one():
    net = make("dense-3")
    net.put({"2.b": np.full(7, -50.0)})
    with pytest.raises(ValueError, match="^spiking layer 2: "):
        gradcheck.liveness(net, spikes("dense"))


def test_liveness_returns_what_activity_saw():
    net, x = make("dense-2"), spikes("dense")
    assert gradcheck.liveness(net, x) == gradcheck.activity(net, x)


def test_liveness_bounds_may_be_chosen():
    net, x = make("dense-1"), spikes("dense")
    rate = gradcheck.activity(net, x)[0][0]
    gradcheck.liveness(net, x, low=rate - 0.01, high=rate + 0.01)
    with pytest.raises(ValueError, match="expected 0.0 to 0.01$"):
        gradcheck.liveness(net, x, low=0.0, high=0.01)


# ------------------------------------------------------------------------------------------ twins and their derivatives


@pytest.mark.parametrize("kind", ["dense-2", "recurrent-2", "conv-2"])
def test_tangent_twin_has_the_spikes_of_the_network(kind):
    net, x = make(kind), spikes(kind)
    hard = gradcheck.forward(net, x)
    twin = gradcheck.twin(net, smooth=False)
    np.testing.assert_array_equal(gradcheck.forward(twin, x), hard)
    twin.put({"0.W": net.get()["0.W"] + 1e-20j})
    logits = gradcheck.forward(twin, x)
    assert error(logits.real, hard) < 1e-13 and logits.imag.any()


def test_twin_leaves_the_network_alone():
    net, x = make("recurrent-1"), spikes("recurrent")
    before, params = run(net, x), net.get()
    twin = gradcheck.twin(net, smooth=True, through_V=False, memory=[0.3, 0])
    twin.put({name: value + 1j for name, value in params.items()})
    assert all(np.array_equal(run(net, x)[name], before[name]) and np.array_equal(net.get()[name], params[name]) for name in params)


@pytest.mark.parametrize("memory", [[], [0.5], [0.5, 0, 0, 0]], ids=len)
def test_twin_refuses_a_memory_that_is_not_one_a_layer(memory):
    """A shorter one would leave the layers above it without derivatives."""
    with pytest.raises(ValueError, match=rf"^memory: got {len(memory)} numbers, expected 3, one a layer, the readout included$"):
        gradcheck.twin(make("dense-2"), smooth=False, memory=memory)


def test_complex_step_leaves_the_parameters_as_they_were():
    twin = gradcheck.twin(make("dense-1"), smooth=True)
    before = twin.get()
    gradcheck.complex_step(twin, spikes("dense"), TARGET, cross_entropy, INSIDE, names=["0.b", "1.W"])
    assert all(value.dtype == float and np.array_equal(value, before[name]) for name, value in twin.get().items())


def test_complex_step_gives_the_names_asked_for():
    twin = gradcheck.twin(make("dense-1"), smooth=True)
    assert list(gradcheck.complex_step(twin, spikes("dense"), TARGET, cross_entropy, INSIDE, names=["1.b"])) == ["1.b"]


def test_smooth_twin_refuses_a_psi_without_a_primitive():
    net = Network([Layer(Dense(A), LIF(0.5, 1, np.cos), SLTT()), Layer(Dense(A[:, :2]), Leaky(0), SLTT())])
    with pytest.raises(ValueError, match="^psi: got cos without a primitive, expected one in PRIMITIVE, or smooth=False$"):
        gradcheck.twin(net, smooth=True)


def test_smooth_twin_refuses_a_psi_without_a_name():
    net = Network([Layer(Dense(A), LIF(0.5, 1, functools.partial(np.clip, a_min=0, a_max=1)), SLTT())])
    with pytest.raises(ValueError, match="^psi: got functools.partial.* without a primitive, expected .*$"):
        gradcheck.twin(net, smooth=True)


def test_complex_step_refuses_an_unknown_name():
    twin = gradcheck.twin(make("dense-1"), smooth=True)
    with pytest.raises(ValueError, match="^names: got '0.V', expected one of 0.W, 0.b, 1.W, 1.b$"):
        gradcheck.complex_step(twin, spikes("dense"), TARGET, cross_entropy, INSIDE, names=["0.V"])


def test_complex_step_refuses_a_network_that_spikes():
    with pytest.raises(ValueError, match="^layer 0: got spikes, which let no derivative pass, expected a twin of the network$"):
        gradcheck.complex_step(make("dense-1"), spikes("dense"), TARGET, cross_entropy, INSIDE)


@pytest.mark.parametrize("derivative", [gradcheck.complex_step, gradcheck.central_differences])
def test_derivatives_of_a_quadratic_by_hand(derivative):
    """z = W x, loss = mean (z - target)^2 of each step in the window, mean over the batch: dL/dW = 2/O sum (z - target) x / B."""
    W, x, target = A[:, :2], spikes("dense")[..., :2], np.array([[1.0, 2], [-1, 0.5]])
    net = Network([Layer(Dense(W), Leaky(0), SLTT())])
    got = derivative(net, x, target, mse, INSIDE)["0.W"]
    z = x @ W.T
    expected = np.einsum("tbo,tbi,tb->oi", z - target, x, INSIDE) / B
    assert error(got, expected) < (1e-13 if derivative is gradcheck.complex_step else 1e-8)


def test_total_loss_is_the_mean_over_the_batch_of_the_sum_over_the_window():
    net, x = make("dense-1"), spikes("dense")
    logits = gradcheck.forward(net, x)
    by_hand = sum(cross_entropy(logits[t], TARGET)[0][b] for t in range(T) for b in range(B) if INSIDE[t, b]) / B
    assert gradcheck.total_loss(net, x, TARGET, cross_entropy, INSIDE) == pytest.approx(by_hand, rel=1e-14)
    summed = sum(cross_entropy(logits[INSIDE[:, b], b].sum(0)[None], TARGET[b : b + 1])[0][0] for b in range(B)) / B
    assert gradcheck.total_loss(net, x, TARGET, cross_entropy, INSIDE, summed=True) == pytest.approx(summed, rel=1e-14)


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_central_differences_refuse_a_detached_reset_in_one_line(reset):
    twin = gradcheck.twin(make("dense-2", reset=reset), smooth=True)
    with pytest.raises(ValueError, match=r"^layer 0: got a detached reset, expected an attached one or none \(use complex_step\)$"):
        gradcheck.central_differences(twin, spikes("dense"), TARGET, cross_entropy, INSIDE)


@pytest.mark.parametrize("number, paths", [(0, dict(through_V=False)), (0, dict(memory=[0, None, None])), (2, dict(memory=[None, None, 0.5]))], ids=str)
def test_central_differences_refuse_a_cut_path_in_one_line(number, paths):
    twin = gradcheck.twin(make("recurrent-2"), smooth=True, attached=True, **paths)
    with pytest.raises(ValueError, match=rf"^layer {number}: got a path that is cut \(through_V, memory\), expected every path open \(use complex_step\)$"):
        gradcheck.central_differences(twin, spikes("recurrent"), TARGET, cross_entropy, INSIDE)


def test_central_differences_of_hard_spikes_are_right_for_the_readout_alone():
    net = make("dense-1", kappa=0)
    x = live(net, "dense-1")
    differences, exact = gradcheck.central_differences(net, x, TARGET, cross_entropy, INSIDE), run(net, x)
    assert not differences["0.W"].any() and not differences["0.b"].any()
    assert max(error(differences[name], exact[name]) for name in ("1.W", "1.b")) < 1e-8


@pytest.mark.parametrize("last", [1, T])
def test_derivatives_honour_the_window(last):
    twin, x = gradcheck.twin(make("dense-1", reset="none"), smooth=True), spikes("dense")
    inside = window(T, [T] * B, last=last)
    got = gradcheck.complex_step(twin, x, TARGET, cross_entropy, inside, names=["1.b"])["1.b"]
    shares = np.cumsum(0.8 ** np.arange(T))  # of the bias in the leaky readout at each step
    logits = gradcheck.forward(twin, x)
    expected = sum(shares[t] * cross_entropy(logits[t], TARGET)[1].sum(0) / B for t in range(T - last, T))
    assert got.shape == (O,) and error(got, expected) < 1e-12
