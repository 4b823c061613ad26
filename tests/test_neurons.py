"""Neurons: equations (1) and (2), the three resets, and their derivatives."""

import dataclasses

import numpy as np
import pytest

from stllr_ref import neurons
from stllr_ref.gradcheck import error
from stllr_ref.neurons import LIF, RESETS, Leaky
from stllr_ref.surrogates import fast_sigmoid, sigmoid, spike, triangle

each_reset = pytest.mark.parametrize("reset", RESETS)


def drive(neuron, currents):
    """Return u, y, psi of a neuron at every step of an input current [T, ...]."""
    u, y = neurons.drive(neuron, currents)
    return u, y, neuron.fire(u)[1]


def lif(gamma=0.5, theta=1.0, psi=triangle, reset="soft"):
    return LIF(gamma=gamma, theta=theta, psi=psi, reset=reset)


TC1 = {
    "soft": ([0.9, 1.35, 1.075, 0.9375, 1.36875, 1.084375], [0, 1, 1, 0, 1, 1]),
    "hard": ([0.9, 1.35, 0.9, 1.35, 0.9, 1.35], [0, 1, 0, 1, 0, 1]),
    "none": ([0.9, 1.35, 1.575, 1.6875, 1.74375, 1.771875], [0, 1, 1, 1, 1, 1]),
}
LEAK_THEN_SUBTRACT = [0.9, 1.35, 0.575, 1.1875, 0.49375, 1.146875]


@each_reset
def test_tc01_reset_acts_before_the_leak(reset):
    u, y, _ = drive(lif(reset=reset), np.full(6, 0.9))
    np.testing.assert_allclose(u, TC1[reset][0], rtol=1e-14, atol=0)
    np.testing.assert_array_equal(y, TC1[reset][1])


def test_tc01_soft_reset_does_not_leak_first():
    u, _, _ = drive(lif(), np.full(6, 0.9))
    assert np.abs(u - LEAK_THEN_SUBTRACT).max() > 0.8


def test_tc01_spike_depends_on_the_potential_of_its_own_step():
    u, y, _ = drive(lif(reset="hard"), np.full(6, 0.9))
    np.testing.assert_array_equal(y, u > 1)


def test_tc01_resets_differ_from_each_other_after_a_spike():
    us = [drive(lif(reset=reset), np.full(6, 0.9))[0] for reset in RESETS]
    assert all(np.array_equal(a[:2], b[:2]) and np.abs(a[2:] - b[2:]).min() > 0.02 for a, b in [(us[0], us[1]), (us[0], us[2]), (us[1], us[2])])


def test_lif_has_its_hand_table():
    u, y, _ = drive(lif(gamma=0.8), np.array([0.5, 0.7, 0.4, 0, 0.9, 1.2]))
    np.testing.assert_allclose(u, [0.5, 1.1, 0.48, 0.384, 1.2072, 1.36576], rtol=1e-14, atol=0)
    np.testing.assert_array_equal(y, [0, 1, 0, 0, 1, 1])


def test_threshold_is_subtracted_not_one():
    u, y, _ = drive(lif(theta=0.5), np.array([1.0, 0, 0]))
    np.testing.assert_array_equal(u, [1, 0.25, 0.125])
    np.testing.assert_array_equal(y, [1, 0, 0])


@pytest.mark.parametrize("current, first", [(0.21, 14), (0.25, 8), (0.35, 4), (0.6, 2)])
def test_first_spike_under_constant_input_has_its_closed_form(current, first):
    gamma, theta = 0.8, 1.0
    _, y, _ = drive(lif(gamma=gamma, theta=theta), np.full(30, current))
    step = int(np.log(1 - theta * (1 - gamma) / current) / np.log(gamma)) + 1
    assert np.flatnonzero(y)[0] + 1 == first == step


def test_constant_input_at_the_rheobase_never_fires_and_a_little_above_does():
    _, y, _ = drive(lif(gamma=0.75), np.full(200, 0.25))
    _, more, _ = drive(lif(gamma=0.75), np.full(200, 0.2501))
    assert y.sum() == 0 < more.sum()


def test_tc02_spike_needs_a_potential_strictly_above_threshold():
    u, y, _ = drive(lif(gamma=1), np.array([0.5, 0.5, 0.25]))
    np.testing.assert_array_equal(u, [0.5, 1, 1.25])
    np.testing.assert_array_equal(y, [0, 0, 1])


def test_tc02_precision_may_decide_a_spike_at_equality():
    tenths = np.full((3, 1), 0.1)
    assert drive(lif(gamma=1, theta=0.3), tenths)[1][-1] == 1
    assert drive(lif(gamma=1, theta=0.3), tenths.astype(np.float32))[1][-1] == 0


def test_tc03_neuron_without_leak_counts_to_its_threshold():
    _, y, _ = drive(lif(gamma=1), np.full(17, 1 / 16))
    assert y.tolist() == [0] * 16 + [1]


def test_tc03_input_is_not_scaled_by_the_leak():
    u, _, _ = drive(lif(gamma=0.5, theta=9), np.ones(3))
    np.testing.assert_array_equal(u, [1, 1.5, 1.75])


@each_reset
@pytest.mark.parametrize("limit, near", [(0, 1e-13), (1, 1 - 1e-13)])
def test_tc03_limits_of_the_leak_are_valid_and_continuous(reset, limit, near):
    currents = np.random.default_rng(0).random((9, 5)) * 0.9
    at, close = (drive(lif(gamma=gamma, theta=0.61, reset=reset), currents) for gamma in (limit, near))
    assert 0.1 < at[1].mean() < 1 and np.abs(at[0] - 0.61).min() > 1e-9
    np.testing.assert_allclose(close[0], at[0], rtol=0, atol=1e-11)


@each_reset
def test_leak_of_0_forgets_everything(reset):
    currents = np.array([2.0, 0.1, 3.0, 0.0])
    np.testing.assert_array_equal(drive(lif(gamma=0, reset=reset), currents)[0], currents)


@pytest.mark.parametrize("theta, expected", [(1.0, 0.195), (0.8, 0.135)])
def test_tc07_psi_sees_the_potential_before_the_reset(theta, expected):
    y, psi = lif(theta=theta).fire(np.array([1.35]))
    np.testing.assert_array_equal(y, [1])
    np.testing.assert_allclose(psi, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", ["fast_sigmoid", "triangle", "sigmoid", "arctan"])
def test_tc07_peak_of_psi_moves_with_the_threshold(name):
    u = np.arange(0, 2, 0.0625)
    for theta in (0.5, 1.25):
        assert u[lif(theta=theta, psi=name).fire(u)[1].argmax()] == theta


def slope_by_complex_step(neuron, u, attached):
    """Return d rest / d u, with dy/du = psi where the reset is attached."""
    h = 1e-20
    y, psi = neuron.fire(u)
    return neuron.rest(u + 1j * h, y + 1j * h * psi * attached).imag / h


@each_reset
@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("psi", [triangle, sigmoid])
def test_slope_is_the_derivative_of_rest(reset, attached, psi):
    neuron = lif(gamma=0.7, theta=0.6, psi=psi, reset=reset)
    u = np.random.default_rng(0).normal(0.6, 0.5, (3, 7))
    y, slope = neuron.fire(u)[0], neuron.slope(u, *neuron.fire(u), attached)
    assert 0.2 < y.mean() < 0.8
    assert error(slope + 0 * u, slope_by_complex_step(neuron, u, attached)) < 1e-14


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_attached_slope_differs_from_the_detached_one(reset):
    neuron, u = lif(gamma=0.7, theta=0.6, reset=reset), np.array([0.3, 0.7])
    attached, detached = (neuron.slope(u, *neuron.fire(u), flag) + 0 * u for flag in (True, False))
    assert np.abs(attached - detached).min() > 0.01


def test_slope_is_detached_by_default():
    neuron, u = lif(reset="hard"), np.array([0.3, 1.7])
    np.testing.assert_array_equal(neuron.slope(u, *neuron.fire(u)), neuron.slope(u, *neuron.fire(u), False))


@pytest.mark.parametrize("neuron", [*(lif(gamma=np.float64(0.7), theta=np.float64(0.6), reset=reset) for reset in RESETS), Leaky(np.float64(0.9))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neuron_keeps_the_dtype_of_its_potential(neuron, dtype):
    u = np.random.default_rng(0).normal(0.6, 0.5, (3, 7)).astype(dtype)
    y, psi = neuron.fire(u)
    slopes = [np.asarray(neuron.slope(u, y, psi, attached) * u) for attached in (False, True)]
    assert {array.dtype for array in (y, psi, neuron.rest(u, y), *slopes)} == {np.dtype(dtype)}


def test_neuron_does_not_change_its_potential():
    u = np.array([0.3, 1.7])
    for neuron in [*(lif(reset=reset) for reset in RESETS), Leaky(0.5)]:
        neuron.rest(u, neuron.fire(u)[0])
        np.testing.assert_array_equal(u, [0.3, 1.7])


def test_leaky_puts_out_its_potential_and_never_resets():
    u, y, psi = drive(Leaky(0.5), np.array([4.0, 0, 1]))
    np.testing.assert_array_equal(u, [4, 2, 2])
    np.testing.assert_array_equal(y, u)
    np.testing.assert_array_equal(psi, [1, 1, 1])
    assert Leaky(0.5).slope(u, y, psi) == Leaky(0.5).slope(u, y, psi, True) == 0.5


def test_leaky_of_leak_0_is_a_plain_linear_readout():
    np.testing.assert_array_equal(drive(Leaky(0), np.array([4.0, 0, 1]))[0], [4, 0, 1])


def test_psi_may_be_given_by_name_or_as_a_function():
    assert lif(psi="fast_sigmoid").psi is fast_sigmoid and lif(psi=np.cos).psi is np.cos


def test_neuron_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        lif().gamma = 0.9


@pytest.mark.parametrize("arguments", [
    dict(gamma=1.5), dict(gamma=10), dict(gamma=-0.1), dict(gamma=np.nan), dict(gamma="0.5"), dict(gamma=None), dict(gamma=0.5j), dict(gamma=[0.5, 0.6]),
    dict(theta=0), dict(theta=-1), dict(theta=np.inf), dict(theta="1"),
    dict(reset="Soft"), dict(reset="subtract"), dict(reset=None), dict(reset=True), dict(psi="relu"), dict(psi=""),
], ids=str)
def test_lif_refuses_bad_parameters_in_one_line(arguments):
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: got .*, expected .*$"):
        lif(**arguments)


@pytest.mark.parametrize("psi", [spike, "spike"])
def test_lif_refuses_the_spike_as_the_psi_that_errors_pass(psi):
    with pytest.raises(ValueError, match="^psi: got spike, expected a Psi that errors can pass"):
        lif(psi=psi)


@pytest.mark.parametrize("gamma", [-0.1, 1.1, np.nan, "x", None])
def test_leaky_refuses_a_leak_that_is_none(gamma):
    with pytest.raises(ValueError, match="^gamma: got .*, expected a number"):
        Leaky(gamma)


def test_lif_has_no_defaults_for_leak_threshold_and_psi():
    fields = {field.name: field.default for field in dataclasses.fields(LIF)}
    assert all(fields[name] is dataclasses.MISSING for name in ("gamma", "theta", "psi")) and fields["reset"] == "soft"


@pytest.mark.parametrize("neuron", [LIF(0.5, 1.0, triangle), Leaky(0.5)], ids=["LIF", "Leaky"])
def test_neuron_cannot_change_under_the_layers_that_share_it(neuron):
    with pytest.raises(dataclasses.FrozenInstanceError):
        neuron.gamma = 0.9
