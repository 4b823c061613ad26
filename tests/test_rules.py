"""The three-factor rule: equations (10) and (11), in both conventions of the post trace."""

import dataclasses

import numpy as np
import oracles
import pytest

from stllr_ref import network
from stllr_ref.gradcheck import error
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT, SLTT, STDP, STLLR
from stllr_ref.signals import Reward
from stllr_ref.surrogates import spike, triangle
from stllr_ref.synapses import Dense
from stllr_ref.traces import stdp_traces, trace

X = np.array([1.0, 0, 1, 1])
PSI = np.array([0.1, 0.2, 0.05, 0.3])
E = {"paper": [0.1, 0.15, 0.034125, 0.6327625], "code": [0.1, 0.15, -0.141875, 0.5575625]}


def stllr(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1, **options):
    return STLLR(lam_pre=lam_pre, lam_post=lam_post, alpha_pre=alpha_pre, alpha_post=alpha_post, **options)


def eligibility(rule, x=X, psi=PSI):
    """Return e[t] of one synapse: the rule's post factors times traces of its decays."""
    tr = trace(psi, rule.lam_post)
    past = np.concatenate([[0.0], tr[:-1]])
    return sum(post * trace(x, lam) for post, lam in zip(rule.posts(psi, past), rule.decays, strict=True))


def test_rule_cannot_change_under_the_layers_that_share_it():
    with pytest.raises(dataclasses.FrozenInstanceError):
        stllr().alpha_post = 1


@pytest.mark.parametrize("post_trace", E)
def test_tc12_eligibility_of_the_equation_and_of_the_code(post_trace):
    np.testing.assert_allclose(eligibility(stllr(post_trace=post_trace)), E[post_trace], rtol=1e-13, atol=0)


def test_tc12_the_two_conventions_differ_even_in_sign():
    assert E["paper"][2] > 0 > E["code"][2]


def test_tc12_code_is_the_default():
    assert stllr().post_trace == "code" and stllr() == stllr(post_trace="code") != stllr(post_trace="paper")


@pytest.mark.parametrize("alpha_post", [-1, 0.3])
def test_tc12_code_at_alpha_post_is_paper_at_alpha_post_over_lam_post(alpha_post):
    code, paper = stllr(alpha_post=alpha_post), stllr(alpha_post=alpha_post / 0.2, post_trace="paper")
    assert error(eligibility(code), eligibility(paper)) < 1e-14


def test_tc12_at_lam_post_0_the_equation_has_no_noncausal_term_and_the_code_has_one():
    causal = PSI * trace(X, 0.75)
    np.testing.assert_array_equal(eligibility(stllr(lam_post=0, post_trace="paper")), causal)
    np.testing.assert_allclose(eligibility(stllr(lam_post=0)), causal - X * [0, *PSI[:-1]], rtol=1e-14, atol=0)


@pytest.mark.parametrize("post_trace", E)
def test_tc12_first_step_has_no_noncausal_term(post_trace):
    assert eligibility(stllr(post_trace=post_trace))[0] == eligibility(stllr(alpha_post=0))[0] == 0.1


def test_tc12_lam_pre_0_keeps_no_trace_of_the_input():
    np.testing.assert_allclose(eligibility(stllr(lam_pre=0, alpha_post=0)), PSI * X, rtol=1e-15, atol=0)


def test_alpha_post_0_leaves_the_causal_term_and_keeps_no_post_trace():
    rule = stllr(alpha_post=0, alpha_pre=2)
    assert rule.decays == (0.75,) and rule.past_decay is None
    np.testing.assert_array_equal(rule.posts(PSI, None)[0], 2 * PSI)


def test_alphas_scale_their_own_term_alone():
    whole = eligibility(stllr(alpha_pre=3, alpha_post=-5))
    causal, noncausal = eligibility(stllr(alpha_post=0)), eligibility(stllr(alpha_pre=0))
    assert error(whole, 3 * causal + 5 * noncausal) < 1e-14


@pytest.mark.parametrize("post_trace", E)
def test_noncausal_term_is_not_gated_by_the_present_psi(post_trace):
    quiet_now = PSI * [1, 1, 0, 1]
    assert eligibility(stllr(post_trace=post_trace), psi=quiet_now)[2] < 0


def test_past_decay_is_lam_post_even_where_it_is_0():
    assert stllr().past_decay == 0.2 and stllr(lam_post=0).past_decay == 0


def test_published_bias_takes_psi_without_alpha():
    assert stllr(alpha_pre=2).bias_post(0.3, 0.9) == 0.3 and stllr().bias_decay == 0


def test_exact_bias_takes_the_causal_term_with_its_alpha():
    assert stllr(alpha_pre=2, bias_decay=0.75).bias_post(0.9, 0.3) == 0.6


def test_ottt_is_the_causal_half_with_the_leak_as_decay():
    assert OTTT(0.9) == stllr(lam_pre=0.9, lam_post=0, alpha_post=0)
    assert OTTT(0.9, bias_decay=0.9).bias_decay == 0.9


def test_sltt_keeps_nothing_from_the_past():
    np.testing.assert_array_equal(eligibility(SLTT()), PSI * X)
    assert SLTT().decays == (0,) and SLTT().past_decay is None


def test_stdp_is_s_tllr_with_the_spike_for_psi_and_delta_1():
    """Every synapse of a small layer gets the STDP change of its own pair of spike trains, eq. (6)."""
    T, B, N_in, N_out = 12, 2, 4, 3
    rng = np.random.default_rng(0)
    x = (rng.random((T, B, N_in)) < 0.4).astype(float)
    rule = stllr(lam_post=0.4, post_trace="paper", psi=spike)
    layer, ys = Layer(Dense(rng.normal(0.4, 0.6, (N_out, N_in))), LIF(gamma=0.7, theta=0.5, psi=triangle), rule), []
    for x_t in x:
        ys.append(layer.step(x_t))
        layer.learn(np.ones((B, N_out)))
    y, pair = np.array(ys), dict(lam_pre=0.75, lam_post=0.4, alpha_pre=1, alpha_post=-1)
    assert (0.1 < y.mean((0, 1))).all() and (y.mean((0, 1)) < 0.9).all()
    expected = [[sum(stdp_traces(x[:, b, j], y[:, b, i], **pair).sum() for b in range(B)) for j in range(N_in)] for i in range(N_out)]
    assert error(layer.grads()["W"], np.array(expected)) < 1e-13


def test_rule_may_name_its_psi():
    assert stllr(psi="spike").psi is spike and stllr(psi=np.cos).psi is np.cos and stllr().psi is None


def test_numbers_become_python_floats():
    """A NumPy float64 would lift every float32 array that it multiplies."""
    rule = stllr(np.float64(0.75), np.float64(0.2), np.float64(1), np.float64(-1), bias_decay=np.float64(0.5))
    assert {type(getattr(rule, name)) for name in ("lam_pre", "lam_post", "alpha_pre", "alpha_post", "bias_decay")} == {float}
    small = PSI.astype(np.float32)
    assert {post.dtype for post in (*rule.posts(small, small), rule.bias_post(small, small))} == {np.dtype(np.float32)}


def test_rule_takes_keywords_alone_and_has_no_default_for_decays_and_alphas():
    with pytest.raises(TypeError):
        STLLR(0.75, 0.2, 1, -1)
    fields = {field.name for field in dataclasses.fields(STLLR) if field.default is dataclasses.MISSING}
    assert fields == {"lam_pre", "lam_post", "alpha_pre", "alpha_post"}


@pytest.mark.parametrize("arguments", [
    dict(lam_pre=-0.1), dict(lam_pre=1.1), dict(lam_pre=np.nan), dict(lam_pre="0.5"), dict(lam_post=2), dict(lam_post=None), dict(lam_post=1j),
    dict(alpha_pre=np.inf), dict(alpha_post=np.nan), dict(alpha_post="-1"), dict(bias_decay=1.5), dict(post_trace="eq"), dict(psi="relu"),
], ids=str)
def test_rule_refuses_bad_parameters_in_one_line(arguments):
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: got .*, expected .*$"):
        stllr(**arguments)


# --------------------------------------------------------------------------------------------------------- STDP by its name

PAIR = dict(lam_pre=0.75, lam_post=0.4, alpha_pre=0.9, alpha_post=-0.7)


def test_stdp_by_name_is_s_tllr_of_spikes_with_the_post_trace_of_the_paper():
    assert STDP(**PAIR) == STLLR(**PAIR, psi=spike, post_trace="paper")


@pytest.mark.parametrize("reward", [1.0, -2.0])
def test_stdp_through_a_constant_reward_is_minus_the_reward_times_the_change_of_every_spike_pair(reward):
    """Descending it adds STDP's change; summed over the batch, not averaged; W and V alike."""
    T, B, N, H, O, rng = 12, 3, 4, 5, 2, np.random.default_rng(0)
    x = (rng.random((T, B, N)) < 0.4).astype(float)
    low = Layer(Dense(rng.normal(0.4, 0.6, (H, N))), LIF(0.7, 0.5, triangle), STDP(**PAIR), V=Dense(rng.normal(0, 0.4, (H, H))))
    net = Network([low, Reward(reward), Layer(Dense(rng.normal(0, 0.5, (O, H))), Leaky(0.5), SLTT())])
    grads = network.run(net, x, np.array([0, 1, 0]), cross_entropy, np.ones((T, B), bool))[1]
    dW, dV, rates = np.zeros((H, N)), np.zeros((H, H)), []
    for b in range(B):
        y = np.array(oracles.walk(oracles.describe(net), x[:, b])[0][2])
        before = np.vstack([np.zeros((1, H)), y[:-1]])
        dW, dV = dW + oracles.stdp(x[:, b], y, **PAIR), dV + oracles.stdp(before, y, **PAIR)
        rates.append(y.mean())
    assert 0.1 < min(rates) and max(rates) < 0.9
    assert error(grads["0.W"], -reward * dW) < 1e-12 and error(grads["0.V"], -reward * dV) < 1e-12


@pytest.mark.parametrize("name, value", [("lam_pre", 1.1), ("lam_post", -0.1), ("alpha_pre", np.nan), ("alpha_post", "1")])
def test_stdp_refuses_bad_parameters_in_one_line(name, value):
    with pytest.raises(ValueError, match=f"^{name}: got .*, expected .*$"):
        STDP(**{**PAIR, name: value})
