"""Weights: plain, standardised, and how they start."""

import numpy as np
import pytest

from stllr_ref.gradcheck import error
from stllr_ref.weights import Plain, Standardised, as_weight, kaiming, uniform

SHAPES = [(4, 5), (3, 2, 3, 3)]


def standardised(shape, dtype=float):
    rng = np.random.default_rng(0)
    return Standardised(rng.normal(0.3, 1, shape).astype(dtype), rng.normal(1, 0.3, shape[0]).astype(dtype))


def test_tc22_standardisation_uses_the_unbiased_variance():
    value = Standardised(np.array([[1.0, 2, 3, 4]])).value
    np.testing.assert_allclose(value, [[-0.580943145, -0.193647715, 0.193647715, 0.580943145]], rtol=1e-8, atol=0)
    assert abs(value[0, 3] - 0.670813685) > 0.08  # ddof 0


@pytest.mark.parametrize("shape", SHAPES)
def test_standardised_rows_have_mean_0_and_norm_near_the_gain(shape):
    weight = standardised(shape)
    rows, n = weight.value.reshape(len(weight.value), -1), weight.value[0].size
    np.testing.assert_allclose(rows.mean(1), 0, rtol=0, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.abs(weight.params["gain"]) * np.sqrt((n - 1) / n), rtol=1e-4, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_standardisation_ignores_scale_and_offset_of_a_row(shape):
    weight, W = standardised(shape), standardised(shape).params[""]
    assert error(Standardised(W + 7, weight.params["gain"]).value, weight.value) < 1e-12
    assert error(Standardised(W * 1e3, weight.params["gain"]).value, weight.value) < 1e-4  # but for the 1e-4 under the root


def test_standardisation_of_equal_weights_is_0_and_finite():
    np.testing.assert_array_equal(Standardised(np.full((2, 4), 0.5)).value, np.zeros((2, 4)))


@pytest.mark.parametrize("param", ["", "gain"])
@pytest.mark.parametrize("shape", SHAPES)
def test_tc22_gradient_passes_mean_variance_and_gain(shape, param):
    weight, h = standardised(shape), 1e-20
    dvalue = np.random.default_rng(1).normal(size=shape)
    pulled = weight.pull(dvalue)[param]
    base, expected = weight.params[param], np.empty_like(pulled)
    for index in np.ndindex(base.shape):
        weight.params[param] = base.astype(complex)
        weight.params[param][index] += 1j * h
        weight.refresh()
        expected[index] = (dvalue * weight.value).sum().imag / h
    assert error(pulled, expected) < 1e-12


def test_tc22_standardisation_refuses_a_fan_in_of_1():
    for shape in [(3, 1), (3, 1, 1, 1)]:
        with pytest.raises(ValueError, match="W: got fan-in 1 .*expected at least 2"):
            Standardised(np.ones(shape))


@pytest.mark.parametrize("W", [3.0, np.ones(4), np.ones((0, 3))], ids=["number", "vector", "empty"])
def test_standardisation_refuses_what_has_no_rows(W):
    with pytest.raises(ValueError, match=r"^W: got shape \(.*\), expected \[N_out, N_in\] or \[C_out, C_in, k, k\]$"):
        Standardised(W)


def test_gain_is_ones_by_default_and_may_come_as_a_column():
    W = standardised((4, 5)).params[""]
    np.testing.assert_array_equal(Standardised(W).params["gain"], np.ones(4))
    column = Standardised(W, np.arange(1.0, 5)[:, None])
    assert error(column.value, np.arange(1, 5)[:, None] * Standardised(W).value) < 1e-15


def test_gain_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"gain: got shape \(3,\), expected \(4,\)"):
        Standardised(np.eye(4, 5), np.ones(3))


@pytest.mark.parametrize("make", [Plain, Standardised])
def test_weight_copies_the_array_that_it_is_given(make):
    W = np.arange(6.0).reshape(2, 3)
    weight = make(W)
    before = weight.value.copy()
    W += 1
    weight.refresh()
    np.testing.assert_array_equal(weight.value, before)


@pytest.mark.parametrize("make", [Plain, Standardised])
def test_refresh_follows_the_parameters(make):
    W = np.arange(6.0).reshape(2, 3)
    weight = make(W)
    weight.params[""] = W[::-1] ** 2
    weight.refresh()
    np.testing.assert_array_equal(weight.value, make(W[::-1] ** 2).value)


def test_plain_weight_pulls_the_gradient_unchanged():
    dvalue = np.arange(6.0).reshape(2, 3)
    pulled = Plain(np.ones((2, 3))).pull(dvalue)
    assert list(pulled) == [""] and pulled[""] is not dvalue
    np.testing.assert_array_equal(pulled[""], dvalue)


@pytest.mark.parametrize("given, kept", [(np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64), (np.float16, np.float64)])
@pytest.mark.parametrize("make", [Plain, Standardised])
def test_weight_keeps_float32_and_turns_other_numbers_to_float64(make, given, kept):
    weight = make(np.arange(6).reshape(2, 3).astype(given))
    assert weight.value.dtype == kept
    assert {array.dtype for array in weight.pull(np.ones((2, 3), kept)).values()} == {np.dtype(kept)}


def test_as_weight_wraps_an_array_and_lets_a_weight_be():
    weight = standardised((4, 5))
    assert as_weight(weight) is weight and isinstance(as_weight(np.eye(2)), Plain)


@pytest.mark.parametrize("W", [np.array([[1, None]]), np.array([["a"]]), np.array([[np.nan, 1.0]]), np.array([[np.inf, 1.0]])])
@pytest.mark.parametrize("make", [Plain, Standardised])
def test_weight_refuses_what_is_no_finite_number(make, W):
    with pytest.raises(ValueError, match="^W: got .*, expected .*numbers$"):
        make(W)


def test_kaiming_has_variance_2_over_fan_in():
    for fan_in in [(500,), (20, 5, 5)]:
        W = kaiming(np.random.default_rng(0), 200, *fan_in)
        assert W.shape == (200, *fan_in) and abs(W.var() * 500 / 2 - 1) < 0.02 and abs(W.mean()) < 1e-3


def test_uniform_fills_its_bound():
    W = uniform(np.random.default_rng(0), 200, 20, 5, 5)
    assert W.shape == (200, 20, 5, 5) and 0.999 < np.abs(W).max() * np.sqrt(500) <= 1 and abs(W.mean()) < 1e-3


@pytest.mark.parametrize("start", [kaiming, uniform])
def test_initial_weights_depend_on_the_generator_alone(start):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    a, b, c = (start(np.random.default_rng(seed), 3, 4) for seed in (0, 0, 1))
    assert np.array_equal(a, b) and not np.array_equal(a, c) and np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
