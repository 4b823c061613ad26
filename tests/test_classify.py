"""The networks of the experiments are the ones that the names of their rules promise."""

from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import bptt
from stllr_ref.experiments import classify, digits
from stllr_ref.gradcheck import error, liveness
from stllr_ref.losses import cross_entropy, window
from stllr_ref.rules import STLLR
from stllr_ref.synaptic import OSTL, Filtered

T, B, N, O = 9, 6, 14, 3
SETTINGS = replace(
    digits.SETTINGS, hidden=(12, 10), gamma=0.8, readout=0.6, lam_pre=0.7, lam_post=0.3, alpha_pre=1.5, alpha_post=-0.5, theta=0.55, last=4
)
TARGET, INSIDE = np.array([0, 1, 2, 2, 1, 0]), window(T, [T] * B, last=4)


def built(**change):
    return classify.build(replace(SETTINGS, **change), N, O, seed=1)


def gradients(**change):
    """Return the gradients that a rule gives on a batch, its network alive."""
    x = (np.random.default_rng(0).random((T, B, N)) < 0.4).astype(np.float32)
    net = built(**change)
    liveness(net, x)
    return classify.algorithm(replace(SETTINGS, **change))(net, x, TARGET, cross_entropy, INSIDE)[1]


def test_s_tllr_has_the_decays_and_alphas_of_its_settings():
    expected = STLLR(lam_pre=0.7, lam_post=0.3, alpha_pre=1.5, alpha_post=-0.5)
    assert [layer.rule for layer in built().layers[:-1]] == [expected, expected]


@pytest.mark.parametrize("rule, lam_pre", [("ottt", 0.8), ("sltt", 0.0)])
def test_ottt_decays_by_the_leak_and_sltt_keeps_nothing(rule, lam_pre):
    expected = STLLR(lam_pre=lam_pre, lam_post=0, alpha_pre=1, alpha_post=0)
    assert [layer.rule for layer in built(rule=rule).layers[:-1]] == [expected, expected]


def test_eprop_filters_by_the_leak_of_the_readout_and_each_layer_has_its_own():
    low, high = (layer.rule for layer in built(rule="eprop").layers[:-1])
    assert isinstance(low, Filtered) and low is not high
    assert [(rule.decays, rule.bias_decay, rule.beta) for rule in (low, high)] == [((0.8,), 0.8, 0.6)] * 2


@pytest.mark.parametrize("recurrent", [False, True])
def test_ostl_keeps_the_full_jacobian_where_a_layer_is_recurrent(recurrent):
    rule = built(rule="ostl", recurrent=recurrent).layers[1].rule
    assert isinstance(rule, OSTL) and rule.recurrent == recurrent


@pytest.mark.parametrize("recurrent", [False, True])
def test_only_the_last_hidden_layer_is_recurrent(recurrent):
    assert ["V" in layer.synapses for layer in built(recurrent=recurrent).layers] == [False, recurrent, False]


def test_neurons_have_the_leak_threshold_and_psi_of_the_settings():
    net = built(psi="arctan")
    assert [(n.gamma, n.theta, n.psi.__name__, n.reset) for n in (layer.neuron for layer in net.layers[:-1])] == [(0.8, 0.55, "arctan", "soft")] * 2
    assert net.layers[-1].neuron.gamma == 0.6


@pytest.mark.parametrize("name", ["2.W", "2.b"])
@pytest.mark.parametrize("rule", ["stllr", "ottt", "eprop", "ostl", "frozen"])
def test_the_readout_learns_its_exact_gradient_under_every_rule_but_sltt(rule, name):
    exact = gradients(rule="bptt")[name]
    assert error(gradients(rule=rule)[name], exact) < 1e-5
    assert error(gradients(rule="sltt")[name], exact) > 1e-3


def test_truncated_bptt_is_cut_where_the_window_begins_and_bptt_is_not():
    x = (np.random.default_rng(0).random((T, B, N)) < 0.4).astype(np.float32)
    expected = bptt.run(built(), x, TARGET, cross_entropy, INSIDE, truncated=True)[1]
    np.testing.assert_array_equal(gradients(rule="tbptt")["0.W"], expected["0.W"])
    assert error(gradients(rule="bptt")["0.W"], expected["0.W"]) > 1e-3
