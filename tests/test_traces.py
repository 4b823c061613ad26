"""Traces and the STDP window: equations (3) to (6)."""

import numpy as np
import pytest

from stllr_ref.gradcheck import error
from stllr_ref.traces import decay, stdp_sums, stdp_traces, stdp_window, trace, trace_step

STDP = dict(lam_pre=0.75, lam_post=0.4, alpha_pre=0.9, alpha_post=-1.3)


def counts(T=11, B=3, N=4):
    return np.random.default_rng(0).integers(0, 3, (T, B, N)).astype(float)


def spike_pair(T=25):
    """Return pre- and post-synaptic spikes with several coincidences."""
    x, y = np.random.default_rng(1).random((2, T)) < 0.4
    assert 2 < (x & y).sum() < x.sum() and not np.array_equal(x, y)
    return x.astype(float), y.astype(float)


def lag_matrix(T):
    return np.arange(T)[:, None] - np.arange(T)


@pytest.mark.parametrize("lam", [0, 0.3, 1])
def test_trace_of_an_impulse_is_a_power_of_the_decay(lam):
    x = np.array([0.0, 1, 0, 0, 0])
    np.testing.assert_allclose(trace(x, lam), [0, 1, lam, lam**2, lam**3], rtol=1e-15, atol=0)


@pytest.mark.parametrize("lam", [0, 0.3, 0.95, 1])
def test_trace_equals_its_matrix_twin(lam):
    x = counts()
    lags = lag_matrix(len(x))
    M = np.where(lags >= 0, float(lam) ** np.maximum(lags, 0), 0)
    assert error(trace(x, lam), np.einsum("tk,kbn->tbn", M, x)) < 1e-14


def test_trace_is_linear():
    x, z = counts(), counts()[::-1]
    assert error(trace(2 * x - z, 0.7), 2 * trace(x, 0.7) - trace(z, 0.7)) < 1e-14


def test_tc12_trace_of_decay_0_is_the_input_itself():
    np.testing.assert_array_equal(trace(counts(), 0), counts())


def test_trace_that_never_decays_counts():
    np.testing.assert_array_equal(trace(counts(), 1), counts().cumsum(0))


def test_trace_counts_the_present_spike_undecayed():
    last = trace(np.array([1.0, 0, 0, 1, 1, 0, 0, 1]), 0.8)[-1]
    assert abs(last - 2.1313152) < 1e-12  # 1.4141 adds it too late, 1.7051 decays it, 0.4263 scales it


def test_tc13_trace_of_delayed_spikes():
    np.testing.assert_array_equal(trace(np.array([0.0, 1, 0, 1]), 0.75), [0, 1, 0.75, 1.5625])
    np.testing.assert_array_equal(trace(np.array([1.0, 0, 1, 0]), 0.75), [1, 0.75, 1.5625, 1.171875])


def test_trace_step_changes_none_of_its_arguments():
    old, x = np.ones((2, 3)), np.full((2, 3), 2.0)
    first = trace_step(None, x, 0.5)
    first += 1
    trace_step(old, x, 0.5)
    assert (old == 1).all() and (x == 2).all()


def test_trace_keeps_float32():
    assert trace(counts().astype(np.float32), 0.3).dtype == np.float32


def test_tc12_trace_without_the_present_step_is_the_decayed_trace_of_the_step_before():
    psi, lam = np.array([0.1, 0.2, 0.05, 0.3]), 0.2
    tr = trace(psi, lam)
    assert error((tr - psi)[1:], lam * tr[:-1]) < 1e-14


def test_tc03_decay_is_the_exponential_and_not_eulers_step():
    assert abs(decay(20, 1) - 0.951229424500714) < 1e-15 and abs(decay(20, 1) - 0.95) > 1e-3


def test_decay_is_the_same_for_the_same_ratio_of_times():
    assert decay(20, 1) == decay(40, 2) == decay(2e4, 1e3) and decay(5, 0) == 1 and 0 < decay(1, 100) < 1e-40


@pytest.mark.parametrize("tau_ms, dt_ms", [(0, 1), (-1, 1), (20, -1), (np.nan, 1), (np.inf, 1), ("20", 1)])
def test_decay_refuses_times_that_are_none(tau_ms, dt_ms):
    with pytest.raises(ValueError, match="_ms: got .*expected a number"):
        decay(tau_ms, dt_ms)


def test_stdp_window_is_the_closed_form_with_coincidence_causal():
    got = stdp_window(np.arange(-3, 4), **STDP)
    expected = [-1.3 * 0.4**3, -1.3 * 0.4**2, -1.3 * 0.4, 0.9, 0.9 * 0.75, 0.9 * 0.75**2, 0.9 * 0.75**3]
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=0)


def test_stdp_window_of_decay_0_is_a_coincidence_detector():
    np.testing.assert_array_equal(stdp_window(np.array([-1, 0, 1]), lam_pre=0, lam_post=0, alpha_pre=2, alpha_post=-1), [0, 2, 0])


def test_stdp_sums_add_the_window_of_every_pair_at_its_later_spike():
    x, y = spike_pair()
    pairs = stdp_window(lag_matrix(len(x)), **STDP) * y[:, None] * x  # [t_post, t_pre]
    expected = [pairs[t, : t + 1].sum() + pairs[:t, t].sum() for t in range(len(x))]
    assert error(stdp_sums(x, y, **STDP), np.array(expected)) < 1e-14


def test_stdp_traces_equal_stdp_sums():
    x, y = spike_pair()
    assert error(stdp_traces(x, y, **STDP), stdp_sums(x, y, **STDP)) < 1e-14


def test_stdp_has_no_noncausal_term_at_a_coincidence():
    one = np.array([1.0])
    np.testing.assert_array_equal(stdp_traces(one, one, **STDP), [0.9])


def test_stdp_accepts_lists_of_whole_numbers():
    np.testing.assert_allclose(stdp_traces([1, 0], [0, 1], **STDP), [0, 0.9 * 0.75], rtol=1e-15, atol=0)


@pytest.mark.parametrize("stdp", [stdp_sums, stdp_traces])
@pytest.mark.parametrize("y", [np.ones(1), np.ones(5), np.ones(())], ids=["one", "longer", "number"])
def test_stdp_refuses_spike_trains_of_different_length(stdp, y):
    with pytest.raises(ValueError, match=r"^y: got shape \(.*\), expected \(4,\)$"):
        stdp(np.ones(4), y, **STDP)
