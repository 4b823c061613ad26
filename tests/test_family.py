"""Every rule of the family, as the experiments build it, against a loop of its own that imports no rule."""

import ast
import inspect
from dataclasses import replace
from itertools import combinations

import family_loops
import numpy as np
import oracles
import pytest

from stllr_ref import network
from stllr_ref.experiments import classify, digits, family
from stllr_ref.experiments.family import FAMILY, SHARE, SIGNALS, SLOW
from stllr_ref.gradcheck import error, largest_error, liveness
from stllr_ref.losses import cross_entropy, window
from stllr_ref.network import Network
from stllr_ref.weights import kaiming

T, B, N, O, HIDDEN = 9, 4, 7, 3, (6, 5)
SETTINGS = replace(
    digits.SETTINGS, hidden=HIDDEN, gamma=0.8, theta=0.5, readout=0.6, lam_pre=0.7, lam_post=0.3, alpha_pre=1.5, alpha_post=-0.5, last=5
)
NUMBERS = {
    "slow": SLOW,
    **{name: getattr(SETTINGS, name) for name in ("gamma", "readout", "lam_pre", "lam_post", "alpha_pre", "alpha_post")},
}
TARGET, INSIDE = np.array([2, 0, 1, 0]), window(T, [T, T - 1, T, T - 2], last=5)
DRAWN = {"sltt_k", "etlp"}  # their algorithms draw the steps in which they learn

each = pytest.mark.parametrize("name", FAMILY)
both = pytest.mark.parametrize("recurrent", [False, True], ids=["feed-forward", "recurrent"])


def settings(name, **change):
    return replace(SETTINGS, rule=name, **change)


def built(s, seed=11):
    """Return (network in float64, input), biases that are not 0; every layer alive."""
    net = Network(classify.build(s, N, O, seed).row, dtype=np.float64)
    rng = np.random.default_rng(5)
    net.put({key: rng.normal(0.1, 0.1, value.shape) for key, value in net.get().items() if key.endswith("b")})
    net.put({key: rng.uniform(1.2, 1.8, value.shape) for key, value in net.get().items() if key.endswith("gain")})
    x = (rng.random((T, B, N)) < 0.45).astype(float)
    assert liveness(net, x)[1] > 1e-9
    return net, x


def drawn(inside):
    """Return `network.run`, which puts into the list `inside` the window that an algorithm hands to it, at every run."""
    return lambda net, x, target, loss, on, **more: inside.append(on) or network.run(net, x, target, loss, on, **more)


def gradients(s, seed=3):
    """Return (network, input, logits, gradients, the window in which the rule really learned)."""
    net, x = built(s)
    inside = []
    logits, grads = classify.algorithm(s, drawn(inside))(net, x, TARGET, cross_entropy, INSIDE, rng=np.random.default_rng(seed))
    return net, x, logits, grads, inside[0] if s.rule in DRAWN else INSIDE


def feedback(net, signal):
    """Return the matrices of a signal, a hidden layer (fa: a layer) each: TESS's and LLS's computed anew, others read off the row."""
    if signal in ("square", "sine"):
        return [family_loops.waves(O, n, signal == "square") for n in HIDDEN]
    if signal == "fa":
        return [layer.feedback.weight.value.tolist() if layer.feedback else None for layer in net.layers]
    signals = [item for item in net.row if hasattr(item, "delta")]
    values = [item.weight.value if hasattr(item, "weight") else getattr(item, "B", None) for item in signals]
    return [B.tolist() for B in values if B is not None]  # a reward has none


def looped(s, net, x, inside):
    """Return (logits, gradients of every parameter) by loops."""
    layers, loop, signal = oracles.describe(net), family_loops.LOOPS[s.rule], classify.signal_of(s)
    if callable(loop):
        logits, values = loop(layers, x, TARGET, inside)
    else:
        logits, values = family_loops.learn(loop, layers, x, TARGET, inside, NUMBERS, feedback(net, signal), signal)
    params = net.get()
    for key in [key for key in params if key.endswith(".gain")]:
        raw = key.removesuffix(".gain")
        values[raw], values[key] = family_loops.through_standardisation(params[raw].tolist(), params[key].tolist(), values[raw])
    return logits, values


# ------------------------------------------------------------------------------------------------- each rule is its equation


def test_every_name_of_the_family_has_a_loop():
    assert set(family_loops.LOOPS) == set(FAMILY)


@pytest.mark.parametrize("module", [family_loops, oracles], ids=lambda module: module.__name__)
def test_loops_import_nothing_of_ours(module):
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {node.module if isinstance(node, ast.ImportFrom) else alias.name for node in nodes for alias in node.names}
    assert names <= {"math", "typing", "numpy", "oracles"}


def test_every_signal_has_a_loop():
    assert set(family_loops.SIGNALS) == set(SIGNALS)


@both
@each
def test_a_rule_is_its_printed_equation(name, recurrent):
    net, x, logits, grads, inside = gradients(settings(name, recurrent=recurrent))
    expected = looped(settings(name, recurrent=recurrent), net, x, inside)
    assert set(grads) == set(net.get()) and ("1.V" in grads) == recurrent
    assert error(logits, expected[0]) < 1e-12
    assert largest_error(grads, expected[1]) < 1e-12  # refuses arrays of zeros


@pytest.mark.parametrize("signal", [name for name in SIGNALS if name != "bp"])
def test_s_tllr_under_any_signal_is_the_product_of_both(signal):
    s = settings("stllr", recurrent=True, signal=signal)
    net, x, logits, grads, inside = gradients(s)
    assert largest_error(grads, looped(s, net, x, inside)[1]) < 1e-12


@pytest.mark.parametrize("name", [name for name, member in FAMILY.items() if member.signal != "bp"])
def test_a_signal_of_the_rule_s_own_is_not_exchanged(name):
    own, other = (gradients(settings(name, signal=signal))[3] for signal in ("bp", "sdfa"))
    assert set(own) == set(other) and all(np.array_equal(own[key], other[key]) for key in own)


EQUAL = {frozenset({"bptt", "rtrl"})}  # the same gradient, backwards and forwards: that is the statement
SAME_START = {"eprop_random", "eprop_adaptive"}  # the second's B begins as the first's, and learns


@both
def test_no_two_rules_teach_the_hidden_layers_the_same(recurrent):
    grads = {name: gradients(settings(name, recurrent=recurrent))[3] for name in FAMILY}
    hidden = ["0.W", "0.b", "1.W", "1.b", *(["1.V"] if recurrent else [])]
    for a, b in combinations(FAMILY, 2):
        if {a, b} in EQUAL:
            assert largest_error(grads[a], grads[b]) < 1e-12
        elif {a, b} != SAME_START:
            assert max(error(grads[a][key], grads[b][key]) for key in hidden) > 1e-6, (a, b)


def test_adaptive_feedback_begins_as_random_feedback_and_learns():
    random, adaptive = (gradients(settings(name))[3] for name in ("eprop_random", "eprop_adaptive"))
    assert set(adaptive) - set(random) == {"0.B", "1.B"}
    assert all(error(adaptive[key], random[key]) < 1e-6 for key in random)  # B is a parameter, rounded to float32


def test_adaptive_feedback_above_the_last_hidden_layer_has_the_gradient_of_the_readout():
    grads = gradients(settings("eprop_adaptive", recurrent=True))[3]
    assert error(grads["1.B"], grads["2.W"]) < 1e-12


def test_rules_share_the_weights_that_they_start_from():
    weights = {name: classify.build(settings(name, recurrent=True), N, O, 2).get() for name in FAMILY}
    assert all(np.array_equal(params[key], weights["stllr"][key]) for params in weights.values() for key in weights["stllr"])


# -------------------------------------------------------------------------------------------------- drawn steps and events

WIDE = window(20, [20, 20, 18], last=20)


def draw(algorithm, inside, rng, share):
    """Return the window that an algorithm draws on a tiny network."""
    net, seen = classify.build(settings("sltt"), N, O, 0), []
    zeros, target = np.zeros((*inside.shape, N)), np.zeros(inside.shape[1], int)
    algorithm(net, zeros, target, cross_entropy, inside, rng=rng, share=share, run=drawn(seen))
    return seen[0]


both_draws = pytest.mark.parametrize("algorithm", [family.some_steps, family.teaching_events], ids=["sltt_k", "etlp"])


@both_draws
def test_a_draw_lies_within_the_window(algorithm):
    for seed in range(20):
        assert not (draw(algorithm, INSIDE, np.random.default_rng(seed), 0.6) & ~INSIDE).any()


@both_draws
def test_a_draw_is_the_generator_s(algorithm):
    first, again, other = (draw(algorithm, WIDE, np.random.default_rng(seed), 0.4) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@both_draws
def test_two_draws_of_one_generator_differ(algorithm):
    rng = np.random.default_rng(0)
    assert not np.array_equal(draw(algorithm, WIDE, rng, 0.4), draw(algorithm, WIDE, rng, 0.4))


@both_draws
def test_a_share_of_1_is_the_whole_window(algorithm):
    assert np.array_equal(draw(algorithm, INSIDE, np.random.default_rng(0), 1.0), INSIDE)


@both_draws
@pytest.mark.parametrize("rng", [None, 0, np.random], ids=["None", "0", "np.random"])
def test_a_draw_without_a_generator_is_refused_in_one_line(algorithm, rng):
    net, x = built(settings("sltt"))
    with pytest.raises(ValueError, match=r"^rng: got \w+, expected a numpy.random.Generator \(the steps are drawn\)$"):
        algorithm(net, x, TARGET, cross_entropy, INSIDE, rng=rng, share=SHARE)


@pytest.mark.parametrize("last, steps", [(20, 4), (13, 3), (10, 2), (8, 2), (5, 1), (2, 1)])
def test_sltt_k_draws_a_fifth_of_the_steps_and_one_at_least(last, steps):
    """4 of 20 and 2 of 10, as its authors; 2.6 of 13 and 1.6 of 8 are rounded."""
    for seed in range(5):
        on = draw(family.some_steps, window(20, [20] * 3, last=last), np.random.default_rng(seed), SHARE)
        assert on.any(1).sum() == steps


def test_sltt_k_draws_one_set_for_the_whole_batch():
    on = draw(family.some_steps, WIDE, np.random.default_rng(0), 0.4)
    chosen = on.any(1)
    assert chosen.sum() == 8 and np.array_equal(on, WIDE & chosen[:, None])


def test_sltt_k_draws_every_step_of_the_window_alike():
    """200 draws of 2 of 5 steps: 80 each, with a standard deviation of about 7."""
    inside, rng = window(9, [9] * 2, last=5), np.random.default_rng(0)
    counts = sum(draw(family.some_steps, inside, rng, 0.4)[:, 0].astype(int) for _ in range(200))
    assert not counts[:4].any() and counts.sum() == 400 and (np.abs(counts[4:] - 80) < 28).all()


def test_the_gradients_of_sltt_k_at_each_single_step_add_up_to_sltt_s():
    net, x = built(settings("sltt_k"))
    by_step, rng = {}, np.random.default_rng(0)
    for _ in range(100):
        seen = []
        grads = family.some_steps(net, x, TARGET, cross_entropy, INSIDE, rng=rng, share=0.1, run=drawn(seen))[1]
        by_step[int(np.flatnonzero(seen[0].any(1))[0])] = grads
    whole = network.run(net, x, TARGET, cross_entropy, INSIDE)[1]
    assert sorted(by_step) == np.flatnonzero(INSIDE.any(1)).tolist()
    assert largest_error({key: sum(grads[key] for grads in by_step.values()) for key in whole}, whole) < 1e-12


def test_etlp_draws_each_step_and_sample_by_itself_at_its_rate():
    """1000 samples: 200 events at each of 20 steps, with a standard deviation of 13; correlations of 0, with one of 0.032."""
    events = draw(family.teaching_events, window(20, [20] * 1000, last=20), np.random.default_rng(0), SHARE)
    assert abs(events.mean() - SHARE) < 4 * (SHARE * (1 - SHARE) / events.size) ** 0.5
    assert (np.abs(events.sum(1) - 200) < 52).all()
    assert np.abs(np.corrcoef(events)[np.triu_indices(20, 1)]).max() < 0.13


def deviations(share, draws=400):
    """Return the mean gradient of many draws at SHARE minus `share` times the full one, in standard errors, of every entry that varies."""
    net, x = built(settings("etlp"))
    whole, rng = network.run(net, x, TARGET, cross_entropy, INSIDE)[1], np.random.default_rng(0)
    flat = [family.teaching_events(net, x, TARGET, cross_entropy, INSIDE, rng=rng, share=SHARE)[1] for _ in range(draws)]
    flat = np.array([np.concatenate([grads[key].ravel() for key in whole]) for grads in flat])
    off, error_of_mean = flat.mean(0) - share * np.concatenate([grad.ravel() for grad in whole.values()]), flat.std(0, ddof=1) / draws**0.5
    varies = error_of_mean > 0
    assert varies.mean() > 0.5 and not off[~varies].any()
    return off[varies] / error_of_mean[varies]


def test_the_expected_gradient_of_etlp_is_its_share_of_the_full_one():
    assert np.abs(deviations(SHARE)).max() < 4
    assert np.abs(deviations(1.3 * SHARE)).max() > 4  # the test can tell


# ---------------------------------------------------------------------------------------- reductions to what is tested elsewhere


def test_reward_modulated_stdp_without_its_slow_trace_is_the_reward_times_stdp():
    s = settings("rstdp", recurrent=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, "SLOW", 0.0)
        filtered = gradients(s)[3]
    net, x = built(s)
    for layer in net.layers[:-1]:
        layer.rule, layer.synaptic = layer.rule.rule, False  # the per-neuron form
    plain = network.run(net, x, TARGET, cross_entropy, INSIDE)[1]
    assert largest_error(filtered, plain) < 1e-12
    assert error(gradients(s)[3]["0.W"], plain["0.W"]) > 1e-3


@pytest.mark.parametrize("signal", ["dfa", "sdfa", "drtp", "local", "fixed", "adaptive"])
def test_b_is_drawn_as_kaiming_draws_and_for_each_layer_anew(signal):
    net = classify.build(replace(SETTINGS, signal=signal, hidden=(40, 40)), N, O, 0)
    low, high = (np.array(B_) for B_ in feedback(net, signal))
    assert low.shape == high.shape == (O, 40) and error(low, high) > 0.1
    expected = kaiming(np.random.default_rng(7), O, 40)
    made = SIGNALS[signal](np.random.default_rng(7), O, 40, SETTINGS)
    assert np.array_equal(made.weight.value if hasattr(made, "weight") else made.B, expected)
