"""Optical flow: pixels without truth have no part in anything, flips change nothing but the view, every rule runs on the network it names."""

import json
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stllr_ref import bptt, engine, gradcheck, network, training
from stllr_ref.data import motion
from stllr_ref.experiments import classify, flow, photometric, report
from stllr_ref.experiments.encoder import encoder_decoder
from stllr_ref.gradcheck import error, largest_error, liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import mse, window
from stllr_ref.maps import Upsample
from stllr_ref.network import Network
from stllr_ref.neurons import Leaky
from stllr_ref.rules import OTTT, STLLR
from stllr_ref.synapses import Bias, Conv2d
from stllr_ref.weights import kaiming

pytestmark = pytest.mark.filterwarnings("error")

T, B, N = 7, 5, 8
SETTINGS = replace(
    flow.SETTINGS, channels=(4, 3), gains=(2.0, 2.5), gamma=0.8, theta=0.5, readout=0.6, lam_pre=0.65, lam_post=0.3,
    alpha_pre=1.5, alpha_post=-0.4, last=3, epochs=2, batch=3, lr=0.02,
)
INSIDE = window(T, [T] * B, last=3)


def batch(seed=0, samples=B):
    """Return events [T, B, 2, 8, 8] and a target with two pixels of three missing; of the last sample all of them."""
    rng = np.random.default_rng(seed)
    x = (rng.random((T, samples, 2, N, N)) < 0.3).astype(np.float32)
    mask = rng.random((samples, N, N)) < 1 / 3
    mask[-1] = False
    return x, flow.only(rng.normal(size=(samples, 2, N, N)).astype(np.float32), mask)


def parts():
    return tuple(batch(seed, samples) for seed, samples in ((0, 8), (1, 4), (2, 6)))


def built(seed=1, **change):
    return flow.build(replace(SETTINGS, **change), 2, seed)


def gradients(**change):
    """Return the gradients that a rule gives on the batch, its network alive."""
    net, (x, target) = built(**change), batch()
    liveness(net, x)
    return classify.algorithm(replace(SETTINGS, **change))(net, x, target, flow.masked_mse, INSIDE)[1]


# --- what counts


def test_a_pixel_counts_where_both_components_are_finite():
    target = np.zeros((1, 2, 2, 3))
    target[0, 0, 0, 0], target[0, 1, 0, 1], target[0, :, 0, 2], target[0, 1, 1, 0] = np.nan, np.nan, np.nan, -np.inf
    assert flow.valid(target).tolist() == [[[False, False, False], [False, True, True]]]


def test_only_marks_what_the_mask_leaves_out_and_nothing_else():
    y = np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype(np.float32)
    mask = np.random.default_rng(1).random((2, 3, 3)) < 0.5
    target = flow.only(y, mask)
    assert target.dtype == np.float32
    np.testing.assert_array_equal(flow.valid(target), mask)
    np.testing.assert_array_equal(target[:, 0][mask], y[:, 0][mask])
    np.testing.assert_array_equal(target[:, 1][mask], y[:, 1][mask])


def test_the_sets_are_the_embedded_ones_with_the_pixels_that_fired_in_the_last_three_steps():
    for (x, target), part in zip(flow.sets(), motion.load()):
        np.testing.assert_array_equal(x, part.x)
        fired = part.x[5:].sum((0, 2)) > 0
        np.testing.assert_array_equal(flow.valid(target), fired)
        np.testing.assert_array_equal(target.transpose(0, 2, 3, 1)[fired], part.y.transpose(0, 2, 3, 1)[fired])


# --- loss


def test_the_loss_is_the_mean_square_over_the_pixels_that_count_and_err_its_derivative_by_hand():
    output, target = np.random.default_rng(0).normal(size=(B, 2, N, N)), batch()[1].astype(float)
    loss, err = flow.masked_mse(output, target)
    for b in range(B):
        terms = [
            (c, i, j, output[b, c, i, j] - target[b, c, i, j])
            for c in range(2) for i in range(N) for j in range(N)
            if np.isfinite(target[b, 0, i, j]) and np.isfinite(target[b, 1, i, j])
        ]
        expected = np.zeros((2, N, N))
        for c, i, j, d in terms:
            expected[c, i, j] = 2 * d / len(terms)
        assert loss[b] == pytest.approx(sum(d * d for *_, d in terms) / max(len(terms), 1), rel=1e-12)
        np.testing.assert_allclose(err[b], expected, rtol=1e-12, atol=0)
    assert 0 < flow.valid(target).mean() < 1


def test_a_sample_without_a_pixel_that_counts_has_no_loss_and_no_error():
    loss, err = flow.masked_mse(np.ones((2, 2, 3, 3)), np.stack([np.full((2, 3, 3), np.nan), np.zeros((2, 3, 3))]))
    assert loss.tolist() == [0, 1] and not err[0].any() and err[1].all()


def test_where_every_pixel_counts_the_loss_is_mse():
    output, target = np.random.default_rng(0).normal(size=(2, B, 2, N, N))
    for got, expected in zip(flow.masked_mse(output, target), mse(output, target)):
        np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_what_a_network_says_of_a_pixel_that_does_not_count_changes_nothing():
    output, target = np.random.default_rng(0).normal(size=(B, 2, N, N)), batch()[1].astype(float)
    other = output + 5 * ~flow.valid(target)[:, None]
    assert (other != output).any()
    for one, two in zip(flow.masked_mse(output, target), flow.masked_mse(other, target)):
        np.testing.assert_array_equal(one, two)


def test_the_loss_passes_complex_numbers_and_keeps_float32():
    output, target = np.random.default_rng(0).normal(size=(B, 2, N, N)), batch()[1]
    direction, h = np.random.default_rng(1).normal(size=output.shape), 1e-20
    loss, _ = flow.masked_mse(output + 1j * h * direction, target)
    np.testing.assert_allclose(loss.imag / h, (flow.masked_mse(output, target)[1] * direction).sum((1, 2, 3)), rtol=1e-12)
    loss, err = flow.masked_mse(output.astype(np.float32), target)
    assert loss.dtype == err.dtype == np.float32


@pytest.mark.parametrize("shape", [(B, 2, N, N + 1), (1, 2, N, N), (B, 1, N, N), (B, N, N)])
def test_a_target_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"^target: got shape .*, expected \(5, 2, 8, 8\)$"):
        flow.masked_mse(np.zeros((B, 2, N, N)), np.zeros(shape))


# --- metric


def test_the_endpoint_error_is_a_masked_mean_of_lengths():
    """Errors 5, 0, 0, 1, the mask on the first and the last: 3; unmasked 1.5."""
    y = np.zeros((1, 2, 1, 4))
    says = y.copy()
    says[0, :, 0, 0], says[0, :, 0, 3] = (3, -4), (0, 1)
    assert flow.errors(says, y).tolist() == [5, 0, 0, 1]
    assert flow.mean(flow.errors(says, y)) == 1.5
    mask = np.array([[[True, False, False, True]]])
    assert flow.mean(flow.errors(says, flow.only(y, mask))) == 3


def test_an_empty_mask_has_no_error_and_that_is_never_0():
    x, target = batch()
    nothing = np.full_like(target, np.nan)
    logits = np.zeros((T, *target.shape), np.float32)
    for value in (flow.aee(logits, nothing, INSIDE), flow.evaluate(built(), (x, nothing), last=3), flow.mean(flow.errors(0 * target, nothing))):
        assert np.isnan(value)
    assert flow.aee(logits, target, INSIDE) > 0


def test_a_network_says_the_mean_of_its_output_over_the_window_of_each_sample():
    logits = np.random.default_rng(0).normal(size=(T, B, 2, 3, 3)).astype(np.float32)
    inside = window(T, [T, T, 4, T, T], last=3)
    got = flow.predicted(logits, inside)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0], (logits[4, 0] + logits[5, 0] + logits[6, 0]) / 3, rtol=1e-6)
    np.testing.assert_allclose(got[2], (logits[1, 2] + logits[2, 2] + logits[3, 2]) / 3, rtol=1e-6)


def test_every_pixel_that_counts_weighs_the_same_whatever_the_batches():
    net, (x, target) = built(), batch()
    y = network.forward(net, x)[4:].mean(0)
    lengths = [
        np.hypot(*(y[b, :, i, j] - target[b, :, i, j]))
        for b in range(B) for i in range(N) for j in range(N) if np.isfinite(target[b, 0, i, j])
    ]
    found = [flow.evaluate(net, (x, target), last=3, batch=n) for n in (1, 2, 50)]
    np.testing.assert_allclose(found, np.mean(lengths), rtol=1e-6)
    each = [flow.evaluate(net, (x[:, b : b + 1], target[b : b + 1]), last=3) for b in range(B - 1)]
    assert abs(np.mean(each) - found[0]) > 1e-4  # samples have not as many pixels that count


# --- network


def test_the_network_has_the_layers_that_its_settings_say():
    net = built()
    low, high, readout = net.layers
    assert [layer.synapses["W"].weight.value.shape for layer in net.layers] == [(4, 2, 5, 5), (3, 4, 3, 3), (2, 3, 3, 3)]
    assert [layer.synapses["W"].stride for layer in net.layers] == [2, 1, 1] and net.row[-1].k == 2
    assert [layer.bias is None for layer in net.layers] == [True, True, False]
    for layer, gain in ((low, 2), (high, 2.5)):
        assert layer.neuron.gamma == 0.8 and layer.neuron.theta == 0.5 and (layer.synapses["W"].weight.params["gain"] == gain).all()
        assert layer.rule == STLLR(lam_pre=0.65, lam_post=0.3, alpha_pre=1.5, alpha_post=-0.4)
    assert readout.neuron == Leaky(0.6) and readout.rule == OTTT(0.6, bias_decay=0.6)
    assert network.forward(net, batch()[0]).shape == (T, B, 2, N, N)


def test_rules_of_one_seed_share_their_initial_weights_and_seeds_do_not():
    one = built().get()
    for rule in flow.RULES[:-1]:
        for name, value in built(rule=rule).get().items():
            np.testing.assert_array_equal(value, one[name])
    assert (built(seed=2).get()["0.W"] != one["0.W"]).all()


@pytest.mark.parametrize("rule, lam_pre", [("ottt", 0.8), ("sltt", 0.0)])
def test_ottt_decays_by_the_leak_and_sltt_keeps_nothing(rule, lam_pre):
    expected = STLLR(lam_pre=lam_pre, lam_post=0, alpha_pre=1, alpha_post=0)
    assert [layer.rule for layer in built(rule=rule).layers[:-1]] == [expected, expected]


def test_bptt_through_stride_upsampling_and_mask_is_the_complex_step():
    rng = np.random.default_rng(0)
    one = Layer(Conv2d(rng.normal(0.1, 0.4, (2, 2, 3, 3)), 2), built().layers[0].neuron, STLLR(lam_pre=0.8, lam_post=0, alpha_pre=1, alpha_post=0))
    top = Layer(Conv2d(rng.normal(size=(2, 2, 3, 3))), Leaky(0.6), OTTT(0.6, bias_decay=0.6), bias=Bias(np.zeros((2, 1, 1))))
    net, (x, target) = Network([one, top, Upsample(2)]), batch()
    liveness(net, x.astype(float))
    args = x.astype(float), target.astype(float), flow.masked_mse, INSIDE
    exact = gradcheck.complex_step(gradcheck.twin(net, smooth=False), *args)
    assert largest_error(bptt.run(net, *args)[1], exact) < 1e-12
    assert largest_error(network.run(net, *args)[1], exact) > 1e-1  # lam_pre is gamma, but the readout remembers
    whole = args[0], np.nan_to_num(args[1]), *args[2:]
    assert largest_error(bptt.run(net, *whole)[1], exact) > 0.1


@pytest.mark.parametrize("name", ["2.W", "2.b"])
@pytest.mark.parametrize("rule", ["stllr", "ottt", "frozen"])
def test_the_readout_learns_its_exact_gradient_under_every_rule_but_sltt(rule, name):
    exact = gradients(rule="bptt")[name]
    assert error(gradients(rule=rule)[name], exact) < 1e-5
    assert error(gradients(rule="sltt")[name], exact) > 1e-3


def test_rules_differ_in_the_gradients_of_the_hidden_layers():
    found = [gradients(**change)["0.W"] for change in
             ({}, dict(alpha_post=0.4), dict(rule="bptt"), dict(rule="tbptt"), dict(rule="ottt"), dict(rule="sltt"))]
    for i, one in enumerate(found):
        for two in found[:i]:
            assert error(one, two) > 1e-2
    assert not gradients(rule="frozen")["0.W"].any() and not gradients(rule="frozen")["1.W"].any()


# --- training


def test_in_training_the_rule_sees_flipped_samples_and_its_output_is_flipped_back(monkeypatch):
    x, target = batch()
    how = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]], bool)
    monkeypatch.setattr(motion, "draw_flips", lambda rng, samples: how)
    net, rng = built(), np.random.default_rng(0)
    liveness(net, x)
    logits, grads = flow.in_training(SETTINGS)(net, x, target, flow.masked_mse, INSIDE, rng=rng)
    seen, flipped = motion.flip(x, how), motion.flip(target, how, vector=True)
    there, expected = network.run(net, seen, flipped, flow.masked_mse, INSIDE)
    np.testing.assert_array_equal(grads["0.W"], expected["0.W"])
    assert error(grads["0.W"], network.run(net, x, target, flow.masked_mse, INSIDE)[1]["0.W"]) > 0.05
    for t in range(T):  # what was lost is lost in the unflipped view as well: losses and metrics of `fit` are right
        np.testing.assert_allclose(flow.masked_mse(logits[t], target)[0], flow.masked_mse(there[t], flipped)[0], rtol=1e-5)
    assert flow.aee(logits, target, INSIDE) == pytest.approx(flow.aee(there, flipped, INSIDE), rel=1e-6)
    assert np.abs(flow.masked_mse(logits[-1], flipped)[0] - flow.masked_mse(there[-1], flipped)[0]).max() > 0.01


def test_without_flips_training_is_the_rule_itself_but_for_the_gains():
    net, (x, target) = built(), batch()
    plain = replace(SETTINGS, flips=False)
    logits, grads = flow.in_training(plain)(net, x, target, flow.masked_mse, INSIDE, rng=np.random.default_rng(0))
    expected_logits, expected = network.run(net, x, target, flow.masked_mse, INSIDE)
    np.testing.assert_array_equal(logits, expected_logits)
    assert set(expected) - set(grads) == {"0.W.gain", "1.W.gain"} and expected["0.W.gain"].any()
    for name in grads:
        np.testing.assert_array_equal(grads[name], expected[name])


@pytest.mark.parametrize("rule", flow.RULES[:-1])
def test_training_moves_what_the_rule_says_and_never_the_gains(rule):
    settings = replace(SETTINGS, rule=rule)
    before, result = flow.build(settings, 2, 0).get(), flow.trial(settings, 0, parts())
    moved = {name for name, value in result.params.items() if (value != before[name]).any()}
    assert moved == ({"2.W", "2.b"} if rule == "frozen" else {"0.W", "1.W", "2.W", "2.b"})


def test_a_trial_reports_what_its_network_scores():
    seen, (train, validation, test) = [], parts()
    result = flow.trial(SETTINGS, 3, (train, validation, test), seen.append)
    net = built()
    net.put(result.params)
    assert isinstance(result, classify.Result) and (result.settings, result.seed) == (SETTINGS, 3)
    assert result.test == flow.evaluate(net, test, last=3) and result.validation == flow.evaluate(net, validation, last=3)
    assert result.validation == pytest.approx(result.history[-1].validation, rel=1e-6)
    assert result.history == seen and [epoch.epoch for epoch in seen] == [1, 2]
    assert len(seen[-1].rates) == 2 and all(0 < rate < 1 for rate in seen[-1].rates)
    assert result.cost.learning > 0 and result.macs > 0 and result.cost.state > 0
    assert pickle.loads(pickle.dumps(result)).test == result.test


def test_settings_and_seed_decide_the_numbers():
    one, two, other = (flow.trial(SETTINGS, seed, parts()) for seed in (0, 0, 1))
    assert one.test == two.test != other.test
    for name, value in one.params.items():
        np.testing.assert_array_equal(value, two.params[name])


def test_zero_says_zero_everywhere_and_learns_nothing():
    seen, data = [], parts()
    result = flow.trial(replace(SETTINGS, rule="zero"), 0, data, seen.append)
    expected = [
        np.mean([np.hypot(*y[b, :, i, j]) for b in range(len(y)) for i in range(N) for j in range(N) if np.isfinite(y[b, 0, i, j])])
        for _, y in data
    ]
    np.testing.assert_allclose([result.history[-1].score, result.validation, result.test], expected, rtol=1e-6)
    assert result.history == seen and [epoch.epoch for epoch in seen] == [1, 2] and seen[0].rates == []
    assert result.params == {} and result.cost.learning == result.cost.state == 0 and result.macs is None
    silent = network.forward(built(), np.zeros_like(data[0][0]))
    loss = sum(flow.masked_mse(out, data[0][1])[0].mean() for out in silent[-3:])
    assert not silent.any() and result.history[-1].loss == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("rule", ["stllr", "zero"])
def test_a_part_without_a_pixel_that_counts_is_reported_as_no_valid_pixel_and_as_null(rule):
    """The table's words, and the JSON object's null, in every score, also after the trial's way through a file; never 0."""
    train, validation, (x, target) = parts()
    nothing = x, np.full_like(target, np.nan)
    result = flow.trial(replace(SETTINGS, rule=rule, epochs=1), 0, (train, validation, nothing))
    again = report.from_plain(json.loads(json.dumps(report.to_plain(result), allow_nan=False)), flow.Settings)
    for one in (result, again):
        assert np.isnan([one.test, *one.more.values()]).all() and np.isfinite(one.validation)
        row, line = report.row([one]), report.table([[one]]).splitlines()[1]
        assert [row[name] for name in ("test", "slow", "middle", "fast", "outliers")] == [[None]] * 5 and row["mean"] is None
        assert line.count("no valid pixel") == 1 and line.count("no pixel") == 4 and "nan" not in line


def test_a_trial_that_was_kept_without_its_other_scores_is_still_read():
    result = flow.trial(replace(SETTINGS, epochs=1), 0, parts())
    kept = report.to_plain(result)
    assert report.from_plain(kept, flow.Settings).more == result.more
    del kept["more"]
    before = report.from_plain(kept, flow.Settings)
    assert (before.more, before.test) == ({}, result.test) and "slow" not in report.row([before]) and "slow" in report.row([result])
    for mixed in ([[before], [result]], [[result], [before]], [[result, before]]):
        assert "slow px" not in report.table(mixed) and "slow" not in report.row(mixed[0] + mixed[-1])
    assert "slow px" in report.table([[result]])


def test_a_part_with_fewer_than_three_pixels_that_count_has_no_fast_third():
    train, validation, (x, target) = parts()
    few = np.full_like(target, np.nan)
    few[0, :, 2, 3], few[1, :, 4, 4] = 1, 2
    result = flow.trial(replace(SETTINGS, epochs=1), 0, (train, validation, (x, few)))
    assert np.isnan(result.more["fast"]) and result.test == pytest.approx((result.more["slow"] + result.more["middle"]) / 2)
    line = report.table([[result]]).splitlines()[1]
    assert line.count("no pixel") == 1 and "no valid pixel" not in line and report.row([result])["fast"] == [None]


def test_s_tllr_keeps_as_much_for_a_longer_sequence_and_bptt_more():
    kept = {}
    for rule in ("stllr", "bptt"):
        settings = replace(SETTINGS, rule=rule)
        for steps in (T, 2 * T):
            x, target = np.tile(batch()[0], (2, 1, 1, 1, 1))[:steps], batch()[1]
            kept[rule, steps] = classify.cost(built(rule=rule), settings, x, target, flow.masked_mse)[0].state
    assert kept["stllr", T] == kept["stllr", 2 * T]
    assert kept["bptt", 2 * T] > 1.9 * kept["bptt", T]


def test_s_tllr_learns_what_frozen_hidden_layers_cannot():
    """A world of four shifts: what the set asks for, made easy enough for seconds."""
    found, shifts = [], np.array([1, 1j, -1, -1j])
    for first, samples in ((0, 160), (10_000, 40), (20_000, 60)):
        texture, still, shift = motion.textures(first + np.arange(samples)), np.ones(samples, complex), np.resize(shifts, samples)
        x = motion.film(texture, still, shift)
        found.append((x, flow.only(motion.flow(still, shift), motion.mask(x))))
    settings = replace(flow.SETTINGS, channels=(8, 8), epochs=12, lr=0.01, readout=0.0, flips=False)
    stllr, frozen, zero = (flow.trial(replace(settings, rule=rule), 0, found) for rule in ("stllr", "frozen", "zero"))
    assert zero.test == pytest.approx(1, rel=1e-6)
    assert stllr.history[-1].score < frozen.history[-1].score - 0.015
    assert stllr.test < frozen.test - 0.01 and stllr.test < 0.985


def test_a_window_longer_than_the_sequence_is_refused():
    with pytest.raises(ValueError, match="^last: got 8, expected at most T = 7$"):
        flow.trial(replace(SETTINGS, last=8), 0, parts())


@pytest.mark.parametrize("change, message", [
    (dict(rule="eprop"), "^rules: got 'eprop', expected one of stllr, bptt, tbptt, ottt, sltt, frozen, zero$"),
    (dict(psi="spike"), "^psi: got 'spike', expected one of"),
    (dict(signal="dfa"), "^signal: got 'dfa', expected one of bp$"),
    (dict(last=0), "^last: got 0, expected a whole number of at least 1$"),
    (dict(epochs=0), "^epochs: got 0, expected a whole number of at least 1$"),
    (dict(alpha_post=np.nan), "^alpha_post: got nan, expected a finite number$"),
    (dict(network="u-net"), "^network: got 'u-net', expected one of flat, unet$"),
    (dict(smooth=-1.0), "^smooth: got -1.0, expected a number from 0 to inf$"),
    (dict(loss="mae"), "^loss: got 'mae', expected one of mse, photometric$"),
    (dict(network="unet"), "^gains: got 2, expected 3 of the network 'unet'$"),
    (dict(gains=(1.0, 2.0, 3.0)), "^gains: got 3, expected 2 of the network 'flat'$"),
])
def test_settings_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **change)


def test_run_is_a_trial_on_the_embedded_set(monkeypatch):
    small = tuple((part.x, flow.only(part.y, motion.mask(part.x))) for part in motion.load(0, (6, 4, 5)))
    monkeypatch.setattr(flow, "sets", lambda loss: small)
    settings = replace(SETTINGS, epochs=1)
    assert flow.run(settings, 0).test == flow.trial(settings, 0, small).test


def test_an_epochs_metric_is_lower_where_the_flow_is_better():
    x, target = batch()
    logits = np.zeros((T, *target.shape), np.float32)
    logits[4:] = np.nan_to_num(target)
    assert flow.aee(logits, target, INSIDE) < 1e-6 and flow.aee(0 * logits, target, INSIDE) > 1
    assert flow.Settings.metric == "aee" and training.Epoch._fields[3] == "validation"


def test_macs_by_formula_count_two_products_at_alpha_post_0():
    x, target = sets_of_ten()
    macs = {a: classify.cost(flow.build(s, 2, 0), s, x, target, flow.masked_mse)[1] for a in (-0.2, 0.0) for s in [replace(flow.SETTINGS, alpha_post=a)]}
    assert macs[0.0] * 3 == macs[-0.2] * 2 > 0


def sets_of_ten():
    part = motion.load(seed=0, sizes=(10, 1, 1)).train
    return part.x, flow.only(part.y, motion.mask(part.x))


# --- what a flow is judged by


def test_thirds_are_of_the_pixels_that_count_in_the_order_of_their_true_speed():
    error, speed = np.arange(1.0, 8), np.array([3.0, 1, 2, 7, 5, 6, 4])
    found = flow.judged(error, speed, steps=1)
    assert found[:4] == (4, (2 + 3 + 1) / 3, (7 + 5) / 2, (6 + 4) / 2)  # seven pixels: three, two and two


def test_an_outlier_is_more_than_3_px_and_more_than_5_percent_wrong_between_two_grey_frames():
    error, speed = np.array([0.5, 0.5001, 0.7, 0.7, 0.0]), np.array([1.0, 1.0, 14.1, 13.9, 0.0])
    assert flow.judged(error, speed, steps=6).outliers == 2 / 5  # 3.0006 px, and 4.2 px of 83.4
    assert flow.judged(error, speed, steps=4).outliers == 0


def test_no_pixel_has_no_scores():
    assert np.isnan(flow.judged(np.zeros(0), np.zeros(0), steps=8)).all()


@pytest.mark.parametrize("change", [{}, dict(rule="zero"), dict(loss="photometric"), dict(network="unet", gains=(2.0, 2.5, 1.0))])
def test_a_trial_has_the_scores_of_its_network_on_test_data_beside_their_mean(change):
    settings = replace(SETTINGS, epochs=1, **change)
    data = parts() if settings.loss == "mse" else tuple((x, framed(target)) for x, target in parts())
    result = flow.trial(settings, 3, data)
    found, n = flow.scores(result, data[2]), int(flow.valid(data[2][1]).sum())
    assert {"aee": result.test, **result.more} == found._asdict() and list(result.more) == ["slow", "middle", "fast", "outliers"]
    thirds = [len(part) for part in np.array_split(range(n), 3)]
    assert result.test == pytest.approx(np.average(list(result.more.values())[:3], weights=thirds), rel=1e-6)
    assert len({round(v, 3) for v in found}) == 5 and flow.scores(result, data[1]) != found
    at_once = flow.trial(settings, 3, data, steps=1)
    assert {"aee": at_once.test, **at_once.more} == flow.scores(result, data[2], steps=1)._asdict()
    assert at_once.more["outliers"] < result.more["outliers"] and at_once.more["slow"] == result.more["slow"]


@pytest.mark.parametrize("change", [{}, dict(rule="zero"), dict(loss="photometric")])
def test_scores_are_those_of_the_trials_network(change):
    settings = replace(SETTINGS, epochs=1, **change)
    data = parts() if settings.loss == "mse" else tuple((x, framed(target)) for x, target in parts())
    result = flow.trial(settings, 3, data)
    found, (x, target) = flow.scores(result, data[1]), data[1]
    assert found.aee == result.validation and found.slow != found.fast
    y = np.zeros_like(target[:, :2]) if settings.rule == "zero" else predictions(result, x)
    pixels = [(b, i, j) for b in range(len(target)) for i in range(N) for j in range(N) if np.isfinite(target[b, 0, i, j])]
    error, speed = (np.array([np.hypot(*(f[b, :, i, j])) for b, i, j in pixels]) for f in (y - target[:, :2], target[:, :2]))
    third = -(-len(pixels) // 3)
    assert found.slow == pytest.approx(error[np.argsort(speed)[:third]].mean(), rel=1e-5)
    assert found.outliers == pytest.approx(((error * T > 3) & (error > 0.05 * speed)).mean())
    assert 0 < found.outliers < 1 and flow.scores(result, data[1], steps=1).outliers < found.outliers


def predictions(result, x):
    net = flow.build(result.settings, 2, result.seed)
    net.put(result.params)
    return network.forward(net, x)[4:].mean(0)


# --- the encoder-decoder

UNET = dict(network="unet", channels=(4, 3), gains=(2.0, 2.5, 1.0))


def small(channels=(3, 4), seed=0, **change):
    """Return an encoder-decoder in float64 with gains that keep every layer alive, and data for it."""
    settings = replace(SETTINGS, network="unet", channels=channels, gains=(2.0, 3.0, 1.5), **change)
    net = Network(encoder_decoder(settings, 2, np.random.default_rng(seed)))
    x, target = batch()
    liveness(net, x.astype(float))
    return net, (x.astype(float), target.astype(float), flow.masked_mse, INSIDE)


def test_the_encoder_decoder_has_the_layers_that_its_settings_say():
    net = built(network="unet", channels=(4, 3, 5), gains=(2.0, 2.5, 1.0))
    assert [layer.synapses["W"].weight.value.shape for layer in net.layers] == [
        (4, 2, 5, 5), (3, 4, 3, 3), (5, 3, 3, 3), (5, 5, 3, 3), (3, 5, 3, 3), (2, 3, 3, 3)]  # fmt: skip
    assert [layer.synapses["W"].stride for layer in net.layers] == [2, 2, 2, 1, 1, 1]
    assert [layer.skips for layer in net.layers] == [{}, {}, {}, {"S": 1}, {"S": 0}, {}]
    assert [layer.synapses["S"].weight.value.shape for layer in net.layers[3:5]] == [(5, 3, 3, 3), (3, 4, 3, 3)]
    gains = {name: set(value) for name, value in net.get().items() if name.endswith("gain")}
    assert gains == {"0.W.gain": {2}, "1.W.gain": {2.5}, "2.W.gain": {2.5}, "3.W.gain": {1}, "3.S.gain": {2.5}, "4.W.gain": {1}, "4.S.gain": {2.5}}
    assert [type(item) for item in net.row] == [Layer] * 3 + [Upsample, Layer] * 2 + [Layer, Upsample]
    assert net.layers[-1].neuron == Leaky(0.6) and net.layers[-1].rule == OTTT(0.6, bias_decay=0.6)
    for layer in net.layers[:-1]:
        assert layer.neuron.gamma == 0.8 and layer.neuron.theta == 0.5 and layer.bias is None
        assert layer.rule == STLLR(lam_pre=0.65, lam_post=0.3, alpha_pre=1.5, alpha_post=-0.4)
    x = np.zeros((T, B, 2, 16, 24), np.float32)
    assert network.forward(net, x).shape == x.shape


def test_the_flat_network_is_what_it_was():
    """A loop over the settings, as the network was before there was another: the same draws in the same order."""
    rng, found = np.random.default_rng(np.random.SeedSequence([1, 0])), built().get()
    for name, shape in (("0.W", (4, 2, 5, 5)), ("1.W", (3, 4, 3, 3)), ("2.W", (2, 3, 3, 3))):
        np.testing.assert_array_equal(found[name], kaiming(rng, *shape).astype(np.float32))


def test_bptt_through_encoders_skips_and_decoders_is_the_complex_step():
    net, args = small()
    exact = gradcheck.complex_step(gradcheck.twin(net, smooth=False), *args)
    assert largest_error(bptt.run(net, *args)[1], exact) < 1e-12
    assert {"2.S", "2.S.gain"} < set(exact) and error(network.run(net, *args)[1]["2.S"], exact["2.S"]) > 1e-2


def test_bptt_of_the_photometric_loss_is_the_complex_step():
    net, (x, target, _, inside) = small()
    args = x, framed(target), lambda output, y: photometric.loss(output, y[:, 2:], scales=2), inside
    exact = gradcheck.complex_step(gradcheck.twin(net, smooth=False), *args, names=["0.W", "1.W", "2.S", "3.W"])
    found = bptt.run(net, *args)[1]
    assert largest_error({name: found[name] for name in exact}, exact) < 1e-11


@pytest.mark.parametrize("alpha_post", [-0.4, 0.0])
@pytest.mark.parametrize("channels", [(3, 4), (3, 2, 4)])
def test_the_engine_is_step_by_step_on_the_encoder_decoder(channels, alpha_post):
    net, args = small(channels, alpha_post=alpha_post)
    logits, grads = network.run(net, *args)
    got, fast = engine.run(net, *args)
    np.testing.assert_allclose(got, logits, rtol=1e-11, atol=1e-13)
    assert largest_error(fast, grads) < 1e-12


def test_an_encoder_learns_through_its_skip_too():
    net, args = small()
    whole, below = network.run(net, *args)[1], net.layers[2].synapses["S"]
    below.backward = lambda g, shape=None: np.zeros((*g.shape[:-3], 3, *shape[-2:]))
    cut = network.run(net, *args)[1]
    assert error(cut["0.W"], whole["0.W"]) > 0.05 and error(cut["2.S"], whole["2.S"]) == error(cut["1.W"], whole["1.W"]) == 0


@pytest.mark.parametrize("rule", flow.RULES[:-1])
def test_training_the_encoder_decoder_moves_what_the_rule_says_and_never_the_gains(rule):
    settings = replace(SETTINGS, rule=rule, **UNET)
    before, result = flow.build(settings, 2, 0).get(), flow.trial(settings, 0, parts())
    moved = {name for name, value in result.params.items() if (value != before[name]).any()}
    assert moved == ({"3.W", "3.b"} if rule == "frozen" else {"0.W", "1.W", "2.W", "2.S", "3.W", "3.b"})
    assert len(result.history[-1].rates) == 3 and result.cost.learning > 0


# --- the self-supervised loss


def framed(target):
    """Return a target with two frames that no loss knows beforehand, [B, 4, H, W]."""
    frames = np.random.default_rng(7).normal(size=target.shape).astype(target.dtype)
    return np.concatenate([target, frames], axis=1)


PHOTOMETRIC = replace(SETTINGS, loss="photometric", smooth=2.0)
SELF = flow.loss_of(PHOTOMETRIC)


@pytest.fixture(autouse=True)
def two_scales(monkeypatch):
    """Images of 8 x 8 have room for two."""
    monkeypatch.setattr(photometric, "loss", partial(photometric.loss, scales=2))


def test_the_photometric_loss_sees_the_frames_and_never_the_truth():
    (_, target), output = batch(), np.random.default_rng(0).normal(size=(B, 2, N, N)).astype(np.float32)
    whole, other = framed(target), framed(target)
    other[:, :2] = np.nan
    for got, same, expected in zip(SELF(output, whole), SELF(output, other), photometric.loss(output, whole[:, 2:], smooth=2.0)):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(same, expected)


def test_the_rule_sees_frames_flipped_as_images_and_the_flow_as_vectors(monkeypatch):
    (x, target), how = batch(), np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]], bool)
    monkeypatch.setattr(motion, "draw_flips", lambda rng, samples: how)
    seen, whole = [], framed(target)

    def spy(net, x, y, loss, inside, *, rng):
        seen.append(y)
        return network.run(net, x, y, loss, inside, rng=rng)

    logits, _ = flow.in_training(PHOTOMETRIC, spy)(built(), x, whole, SELF, INSIDE, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(seen[0][:, :2], motion.flip(target, how, vector=True))
    np.testing.assert_array_equal(seen[0][:, 2:], motion.flip(whole[:, 2:], how))
    there = motion.flip(logits[-1], how, vector=True)  # the loss of a flipped flow in a flipped view is that of the flow
    np.testing.assert_allclose(SELF(logits[-1], whole)[0], SELF(there, seen[0])[0], rtol=1e-4)


def test_a_trial_learns_from_frames_alone_and_is_measured_by_the_truth():
    data = tuple((x, framed(target)) for x, target in parts())
    blind = tuple((x, np.concatenate([np.full_like(y[:, :2], 0.5), y[:, 2:]], axis=1)) for x, y in data)
    one, two, zero = flow.trial(PHOTOMETRIC, 0, data), flow.trial(PHOTOMETRIC, 0, blind), flow.trial(replace(PHOTOMETRIC, rule="zero"), 0, data)
    for name, value in one.params.items():
        np.testing.assert_array_equal(value, two.params[name])
    assert one.test != two.test and zero.test == flow.trial(replace(SETTINGS, rule="zero"), 0, parts()).test
    assert zero.history[0].loss == pytest.approx(3 * SELF(np.zeros((8, 2, N, N), np.float32), data[0][1])[0].mean(), rel=1e-6)
    other = flow.trial(SETTINGS, 0, parts())
    assert (one.params["0.W"] != other.params["0.W"]).any() and one.history[0].loss > 2 * other.history[0].loss


def test_the_flow_alone_says_which_pixels_count():
    target, whole = batch()[1], framed(batch()[1])
    whole[:, 2:] = np.where(np.random.default_rng(0).random(whole[:, 2:].shape) < 0.5, np.nan, 1)
    np.testing.assert_array_equal(flow.valid(whole), flow.valid(target))
    zero = np.zeros_like(target)
    np.testing.assert_array_equal(flow.errors(zero, whole), flow.errors(zero, target))


def test_the_photometric_loss_without_frames_is_refused():
    with pytest.raises(ValueError, match=r"^frames: got shape \(3, 0, 8, 8\), expected \(3, 2, 8, 8\)$"):
        flow.trial(PHOTOMETRIC, 0, parts())


def test_the_sets_of_the_photometric_loss_are_the_same_with_frames():
    for (x, target), (other, whole), first in zip(flow.sets(), flow.sets("photometric"), (0, 10_000, 20_000)):
        np.testing.assert_array_equal(x, other)
        np.testing.assert_array_equal(target, whole[:, :2])
        np.testing.assert_array_equal(whole[:2, 2:], motion.frames(first + np.arange(2)))
        assert whole.dtype == np.float32
