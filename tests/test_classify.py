"""The networks of the experiments are the ones that the names of their rules promise."""

from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import bptt, network
from stllr_ref.experiments import classify, digits
from stllr_ref.gradcheck import error, liveness
from stllr_ref.losses import cross_entropy, window
from stllr_ref.optim import Adam
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
    return classify.algorithm(replace(SETTINGS, **change))(net, x, TARGET, cross_entropy, INSIDE, rng=np.random.default_rng(0))[1]


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


# ------------------------------------------------------------------------------------------------------------ what a trial returns


def data(samples=30):
    """Return train, validation and test; the labels of the test are those of validation, one further, on the same spikes."""
    rng = np.random.default_rng(3)
    patterns, y = rng.random((O, T, N)) < 0.4, rng.integers(0, O, samples)
    x = (patterns[y] & (rng.random((samples, T, N)) < 0.8)).swapaxes(0, 1).astype(np.float32)
    return (x[:, :18], y[:18]), (x[:, 18:], y[18:]), (x[:, 18:], (y[18:] + 1) % O)


def scored(params, x, y):
    """Return the accuracy of a network with some parameters: the largest softmax, summed over the last 4 steps."""
    net = built()
    net.put(params)
    logits = network.run(net, x, y, cross_entropy, window(T, [T] * len(y), last=4))[0].astype(float)
    p = np.exp(logits[-4:])
    return float(((p / p.sum(-1, keepdims=True)).sum(0).argmax(1) == y).mean())


def test_a_trial_s_scores_are_those_of_the_trained_network_on_their_own_samples():
    sets = data()
    result = classify.run(replace(SETTINGS, epochs=4, batch=6), 0, sets)
    validation, test = (scored(result.params, *part) for part in sets[1:])
    assert validation != test and (result.validation, result.test) == (pytest.approx(validation, abs=1e-12), pytest.approx(test, abs=1e-12))


def test_the_readout_of_counts_learns_at_the_last_step_alone_whatever_the_window():
    def trained(rule, last):
        return classify.run(replace(SETTINGS, rule=rule, last=last, epochs=2, batch=6), 0, data())

    counts, short = trained("counts", 4), trained("counts", 1)
    assert counts.settings.last == 1 and counts.params["0.W"].any()
    assert all(np.array_equal(counts.params[name], short.params[name]) for name in short.params)
    assert not np.array_equal(trained("stllr", 4).params["0.W"], trained("stllr", 1).params["0.W"])  # where the window counts


# --------------------------------------------------------------------------------------------------------- signals, and what they cost

S = N * 12 + 12 * 10 + 10 * O  # products of a step


@pytest.mark.parametrize("change, expected", [
    (dict(rule="stllr"), 3 * 4 * S), (dict(rule="stllr", signal="fa"), 3 * 4 * S),
    (dict(rule="stllr", alpha_post=0), 2 * 4 * S), (dict(rule="stllr", alpha_post=0, signal="fa"), 2 * 4 * S),
    (dict(rule="stllr", signal="dfa"), None), (dict(rule="stllr", alpha_post=0, signal="dfa"), None), (dict(rule="stllr", signal="local"), None),
    (dict(rule="sltt"), 2 * 4 * S), (dict(rule="ottt", signal="sdfa"), None), (dict(rule="ottt", signal="fa"), 2 * 4 * S),
    (dict(rule="tess"), 2 * 4 * S), (dict(rule="tess", alpha_post=0), None), (dict(rule="tess", signal="dfa"), 2 * 4 * S),
    (dict(rule="stdp"), 2 * 4 * S), (dict(rule="stdp", alpha_post=0), None), (dict(rule="rstdp", alpha_post=0), None),
    (dict(rule="bptt", signal="dfa", alpha_post=0), 2 * T * S), (dict(rule="frozen"), None),
], ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "")  # fmt: skip
def test_macs_by_formula_are_those_of_what_really_runs_and_none_where_no_formula_is_theirs(change, expected):
    settings, x = replace(SETTINGS, **change), (np.random.default_rng(0).random((T, B, N)) < 0.4).astype(np.float32)
    counted, macs = classify.cost(built(**change), settings, x, TARGET)
    assert macs == (None if expected is None else B * expected)
    assert 0 < counted.learning and (macs is None or counted.learning <= macs)


@pytest.mark.parametrize("rule", [rule for rule in classify.RULES if rule != "counts"])
def test_a_rule_reads_the_signal_where_another_changes_what_the_hidden_layers_learn(rule):
    bp, dfa = (gradients(rule=rule, signal=signal)["0.W"] for signal in ("bp", "dfa"))
    assert bp.any() == (rule != "frozen") and np.array_equal(bp, dfa) != classify.reads_signal(rule)


def test_counts_has_no_layer_that_a_signal_could_teach():
    assert not classify.reads_signal("counts") and len(built(rule="counts", signal="dfa").row) == 1


def test_online_is_taken_by_the_rules_that_are_local_in_time_and_refused_by_the_others():
    taken = []
    for rule in classify.RULES:
        try:
            taken.append(replace(SETTINGS, rule=rule, update="online").rule)
        except ValueError as bad:
            assert str(bad) == f"update: got online with the rule {rule}, expected accumulated, or a rule such as stllr or frozen"
    assert set(classify.RULES) - set(taken) == {"bptt", "tbptt", "rtrl", "etlp", "sltt_k"}
    with pytest.raises(ValueError, match="^update: got 'batch', expected one of accumulated, online"):
        replace(SETTINGS, update="batch")


def test_online_trials_change_weights_within_the_sequence():
    x = (np.random.default_rng(0).random((T, B, N)) < 0.4).astype(np.float32)
    sets = ((x, TARGET),) * 3
    short = replace(SETTINGS, epochs=1, batch=B)
    found = {update: classify.run(replace(short, update=update), 0, sets) for update in classify.UPDATES}
    net = classify.build(short, N, O, 0)
    adam = Adam(net, short.lr)
    order = np.random.default_rng(np.random.SeedSequence([0, 1])).permutation(B)
    network.run(net, x[:, order], TARGET[order], cross_entropy, INSIDE, online=adam.step)
    assert adam.t == 4 and all(np.array_equal(found["online"].params[name], value) for name, value in net.get().items())
    assert not np.array_equal(found["online"].params["0.W"], found["accumulated"].params["0.W"])
