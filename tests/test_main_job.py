"""What the main job claims on real digits, five seeds, settings chosen on validation (about a minute)."""

from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import losses, training
from stllr_ref.experiments import classify, digits

SEEDS = range(5)


@pytest.fixture(scope="module")
def accuracy():
    """Return rule -> test accuracy of each seed."""
    sets = digits.sets()
    return {rule: [classify.run(replace(digits.SETTINGS, rule=rule), seed, sets).test for seed in SEEDS] for rule in ("stllr", "bptt", "frozen")}


@pytest.mark.slow
def test_s_tllr_is_at_most_2_points_below_bptt_seed_by_seed(accuracy):
    mean, error = classify.paired(accuracy["stllr"], accuracy["bptt"])
    assert mean >= -0.02, (mean, error)


@pytest.mark.slow
def test_s_tllr_is_at_least_15_points_above_frozen_layers(accuracy):
    assert np.mean(accuracy["stllr"]) - np.mean(accuracy["frozen"]) >= 0.15


def first_batch():
    train = digits.sets()[0]
    return train[0][:, :20], train[1][:20]


@pytest.mark.parametrize("signal", [s for s in classify.SIGNALS if s != "bp"])
def test_every_signal_teaches_every_layer_and_differs_from_bp(signal):
    x, y = first_batch()
    inside = losses.window(21, [21] * 20, last=15)
    bp, other = (
        classify.algorithm(digits.SETTINGS)(classify.build(replace(digits.SETTINGS, signal=s), 512, 10, 0), x, y, losses.cross_entropy, inside)[1]
        for s in ("bp", signal)
    )
    assert all(grad.any() for grad in other.values())
    assert np.abs(other["0.W"] - bp["0.W"]).max() > 1e-3 * np.abs(bp["0.W"]).max()
    np.testing.assert_array_equal(other["2.W"], bp["2.W"])


def test_rules_that_share_a_seed_share_their_initial_weights():
    nets = [classify.build(replace(digits.SETTINGS, rule=rule), 512, 10, 3).get() for rule in ("stllr", "bptt", "frozen")]
    assert all((nets[0][name] == net[name]).all() for net in nets for name in net)
    assert (nets[0]["0.W"] != classify.build(digits.SETTINGS, 512, 10, 4).get()["0.W"]).any()


@pytest.mark.parametrize("signal", classify.SIGNALS)
def test_frozen_layers_do_not_move_and_their_readout_does(signal):
    x, y = first_batch()
    net = classify.build(replace(digits.SETTINGS, rule="frozen", signal=signal), 512, 10, 0)
    before = net.get()
    training.fit(net, (x, y), last=15, epochs=1, batch=10, lr=1e-2, rng=np.random.default_rng(0))
    moved = {name: (net.get()[name] != before[name]).any() for name in before}
    assert moved == {name: name.startswith("2.") for name in before}


def test_counts_is_a_linear_readout_of_the_summed_input():
    x, y = first_batch()
    net = classify.build(replace(digits.SETTINGS, rule="counts"), 512, 10, 0)
    rng = np.random.default_rng(0)
    net.put({name: rng.normal(size=value.shape) for name, value in net.get().items()})
    logits, grads = classify.algorithm(replace(digits.SETTINGS, rule="counts"))(net, x, y, losses.cross_entropy, losses.window(21, [21] * 20, last=1))
    p = net.get()
    expected = x.sum(0) @ p["0.W"].T + 21 * p["0.b"]
    np.testing.assert_allclose(logits[-1], expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    err = losses.cross_entropy(logits[-1], y)[1] / 20
    np.testing.assert_allclose(grads["0.W"], err.T @ x.sum(0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rule", classify.RULES)
def test_every_rule_trains_tests_and_reports_its_memory(rule):
    x, y = first_batch()
    sets = tuple((x[:, part], y[part]) for part in (slice(0, 12), slice(12, 16), slice(16, 20)))
    result = classify.run(replace(digits.SETTINGS, rule=rule, epochs=1, batch=6, hidden=(12, 10)), 0, sets)
    assert 0 <= result.test <= 1 and result.cost.state > 0 and result.cost.peak > 0 and result.cost.learning > 0
    assert (result.macs is None) == (rule in ("frozen", "counts"))
    norms = result.history[-1].grad_norms
    moving = [name for name in norms if rule != "frozen" or name.startswith("2.")]
    assert all((norms[name] > 0) == (name in moving) for name in norms)
