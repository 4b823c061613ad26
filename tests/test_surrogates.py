"""Psi and its primitives."""

import numpy as np
import pytest

from stllr_ref.gradcheck import error
from stllr_ref.surrogates import PRIMITIVE, PSI, arctan, fast_sigmoid, sigmoid, spike, triangle

SMOOTH = [fast_sigmoid, triangle, sigmoid, arctan]
INTEGRAL = {fast_sigmoid: 0.02, triangle: 0.3, sigmoid: 1.0, arctan: np.pi / 10}
SEAMS = np.array([-1.0, 0.0, 1.0])  # where the pieces of the four meet
V = np.concatenate([np.linspace(-2.03, 1.97, 41), SEAMS, [-40.0, 40.0]])
AWAY = V[np.abs(V[:, None] - SEAMS).min(1) > 0.01]

each = pytest.mark.parametrize("psi", SMOOTH, ids=lambda f: f.__name__)


@pytest.mark.parametrize("psi, values", [
    (fast_sigmoid, [1 / 101**2, 1 / 26**2, 1, 1 / 26**2, 1 / 101**2]),
    (triangle, [0, 0.225, 0.3, 0.225, 0]),
    (sigmoid, [0.0706508248531645, 0.786447732965927, 1, 0.786447732965927, 0.0706508248531645]),
    (arctan, [1 / 101, 4 / 29, 1, 4 / 29, 1 / 101]),
    (spike, [0, 0, 0, 1, 1]),
], ids=lambda f: getattr(f, "__name__", ""))
def test_tc06_psi_has_its_table_of_values(psi, values):
    np.testing.assert_allclose(psi(np.array([-1, -0.25, 0, 0.25, 1])), values, rtol=1e-14, atol=0)


@each
def test_tc06_psi_has_its_integral(psi):
    ds = 60 / 100_000
    s = (np.arange(100_000) + 0.5) * ds - 30  # v = sinh(s)/100 resolves the narrow peaks and reaches the long tails
    by_sum = (psi(np.sinh(s) / 100) * np.cosh(s) / 100).sum() * ds
    assert abs(by_sum / INTEGRAL[psi] - 1) < 1e-6


@each
def test_primitive_starts_at_0_and_ends_at_the_integral(psi):
    np.testing.assert_allclose(PRIMITIVE[psi](np.array([-1e13, 1e13])), [0, INTEGRAL[psi]], rtol=1e-12, atol=1e-14)


@each
def test_primitive_rises_from_0_everywhere(psi):
    values = PRIMITIVE[psi](np.linspace(-3, 3, 2001))
    assert (values >= 0).all() and (np.diff(values) >= 0).all() and values[-1] > 0.9 * INTEGRAL[psi]


@each
def test_primitive_is_continuous_at_its_seams(psi):
    below, above = PRIMITIVE[psi](SEAMS - 1e-14), PRIMITIVE[psi](SEAMS + 1e-14)
    np.testing.assert_allclose(below, above, rtol=0, atol=1e-13)


@each
def test_psi_is_the_derivative_of_its_primitive_by_the_complex_step(psi):
    by_step = PRIMITIVE[psi](V + 1e-20j).imag / 1e-20
    assert error(by_step, psi(V)) < 1e-12
    np.testing.assert_allclose(by_step, psi(V), rtol=1e-12, atol=1e-300)  # small values too, seams included


@each
def test_psi_is_the_derivative_of_its_primitive_by_central_differences(psi):
    h = 1e-6
    by_difference = (PRIMITIVE[psi](AWAY + h) - PRIMITIVE[psi](AWAY - h)) / (2 * h)
    assert error(by_difference, psi(AWAY)) < 1e-7


@each
def test_primitive_of_a_complex_number_has_the_value_of_its_real_part(psi):
    assert error(PRIMITIVE[psi](V + 1e-20j).real, PRIMITIVE[psi](V)) < 1e-15


@each
def test_psi_is_even_with_its_peak_at_threshold(psi):
    v = np.linspace(0, 3, 301)
    np.testing.assert_array_equal(psi(-v), psi(v))
    assert (np.diff(psi(v)) <= 0).all() and psi(v)[0] == {triangle: 0.3}.get(psi, 1)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tc06_psi_and_primitive_stay_finite_far_from_threshold(psi, dtype):
    far = np.array([-1e10, -1e4, -100, 100, 1e4, 1e10], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        values, integrals = psi(far), PRIMITIVE[psi](far)
    assert np.isfinite(values).all() and np.isfinite(integrals).all() and (values < 1e-5).all()


def test_tc06_sigmoid_keeps_its_tiny_tail():
    np.testing.assert_allclose(sigmoid(np.array([-31.25, 31.25])), 4 * np.exp(-125.0), rtol=1e-14, atol=0)
    assert (sigmoid(np.array([-31.25, 31.25], np.float32)) == 0).all()


def test_tc06_sigmoid_has_the_slope_inside_that_the_print_lacks():
    s = 1 / (1 + np.exp(-1.0))
    assert sigmoid(np.array(1.0)) < 0.1 < 4 * s * (1 - s)


@pytest.mark.parametrize("f", [*PSI.values(), *PRIMITIVE.values()], ids=lambda f: f.__name__)
def test_float32_stays_float32(f):
    assert f(V.astype(np.float32)).dtype == np.float32


def test_spike_needs_v_strictly_above_0():
    np.testing.assert_array_equal(spike(np.array([-1e-300, 0.0, 1e-300])), [0, 0, 1])


def test_tables_name_every_psi_and_give_spike_no_primitive():
    assert set(PSI) == {"fast_sigmoid", "triangle", "sigmoid", "arctan", "spike"}
    assert all(PSI[name].__name__ == name for name in PSI) and set(PRIMITIVE) == set(SMOOTH)
