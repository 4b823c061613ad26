"""Training: the epoch loop, its seeds, predictions, files, and what stops it."""

import re
from functools import partial

import numpy as np
import pytest

from stllr_ref import bptt, engine, network, training
from stllr_ref.checkpoints import Checkpoint
from stllr_ref.gradcheck import activity
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, mse, softmax, window
from stllr_ref.maps import Dropout
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.optim import Adam
from stllr_ref.rules import SLTT, STLLR
from stllr_ref.synapses import Bias, Dense
from stllr_ref.training import Diverged, accuracy, sum_logits, window_softmax
from stllr_ref.weights import Standardised, kaiming

T, S, N, H, O = 7, 10, 6, 8, 3  # S samples


def build(seed=0, dtype=None, hidden=H, dropout=0.0):
    rng = np.random.default_rng(seed)
    rule = STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1)
    low = Layer(Dense(Standardised(kaiming(rng, hidden, N), np.full(hidden, 1.5))), LIF(0.7, 0.6, "triangle"), rule, bias=Bias(np.zeros(hidden)))
    out = Layer(Dense(kaiming(rng, O, hidden)), Leaky(0.5), SLTT(), bias=Bias(np.zeros(O)))
    return Network([low, *([Dropout(dropout)] if dropout else []), out], dtype)


def data(seed=1, samples=S):
    rng = np.random.default_rng(seed)
    return (rng.random((T, samples, N)) < 0.5).astype(float), rng.integers(0, O, samples)


def fit(net=None, train=None, validation=None, **options):
    net = net or build()
    options = {**dict(last=3, epochs=3, batch=4, lr=3e-3, rng=np.random.default_rng(0)), **options}
    return training.fit(net, train or data(), validation, **options), net


def same(a, b):
    return set(a) == set(b) and all(np.array_equal(a[name], b[name]) for name in a)


def same_histories(a, b):
    return [tuple(map(str, epoch)) for epoch in a] == [tuple(map(str, epoch)) for epoch in b]


# ------------------------------------------------------------------------------------------------------------- the loop


def test_fit_is_the_loop_of_run_and_adam_by_hand():
    (x, y), by_hand, rng = data(), build(), np.random.default_rng(0)
    adam, lr = Adam(by_hand, 0.0), 3e-3
    for epoch in range(3):
        adam.lr = lr * (1 + np.cos(np.pi * epoch / 3)) / 2
        order = rng.permutation(S)
        for at in (order[:4], order[4:8], order[8:]):
            adam.step(engine.run(by_hand, x[:, at], y[at], cross_entropy, window(T, [T] * len(at), last=3))[1])
    start = build().get()
    assert same(fit()[1].get(), by_hand.get()) and not any(np.array_equal(value, start[name]) for name, value in by_hand.get().items())


def test_online_takes_a_step_of_adam_after_each_step_of_the_window_within_the_sequence():
    (x, y), by_hand, rng = data(), build(), np.random.default_rng(0)
    adam, counted = Adam(by_hand, 3e-3), 0
    order = rng.permutation(S)
    for at in (order[:4], order[4:8], order[8:]):
        by_hand.reset()
        for t in range(T):
            logits = by_hand.step(x[t, at])
            if t >= T - 3:
                by_hand.clear()
                by_hand.learn(cross_entropy(logits, y[at])[1], y[at], np.ones(len(at), bool))
                adam.step(by_hand.grads())
                counted += 1
    assert counted == adam.t == 9
    (epoch,), online = fit(epochs=1, online=True)
    assert same(online.get(), by_hand.get()) and not same(online.get(), fit(epochs=1)[1].get())
    assert epoch.grad_norms["0.W"] > 0


def test_online_is_refused_where_weights_stand_still_and_a_step_that_is_not_finite_names_its_epoch():
    with pytest.raises(ValueError, match="^online: got a function, expected None"):
        fit(run=engine.run, online=True)
    with pytest.raises(Diverged, match="^epoch 1, "):
        fit(lr=1e308, online=True)


@pytest.mark.parametrize("run, name", [(bptt.run, "stllr_ref.bptt.run"), (partial(bptt.run, truncated=True), "functools.partial.*")], ids=["bptt", "tbptt"])
def test_online_is_refused_with_an_algorithm_that_takes_no_step_within_a_sequence(run, name):
    net = build()
    with pytest.raises(ValueError, match=f"^online: got True with {name}, which takes no step within a sequence, expected it with stllr_ref.network.run$"):
        fit(net, run=run, online=True)
    assert same(net.get(), build().get())


def test_a_checkpoint_of_online_training_is_not_that_of_the_other(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.npz", {})
    fit(online=True, epochs=2, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="online"):
        fit(epochs=2, checkpoint=checkpoint)


def test_epoch_reports_loss_score_rates_and_norms():
    x, y = data()
    net, before = build(), build()
    (epoch,), _ = fit(net, (x, y), epochs=1, batch=S)  # one update: all is measured before it but the rates
    inside = window(T, [T] * S, last=3)
    logits, grads = network.run(before, x, y, cross_entropy, inside)
    assert epoch.epoch == 1
    assert epoch.loss == pytest.approx(sum(cross_entropy(z, y)[0].mean() for z in logits[-3:]), rel=1e-12)
    assert epoch.score == pytest.approx((softmax(logits[-3:]).sum(0).argmax(1) == y).mean(), rel=1e-12)
    assert epoch.rates == activity(net, x)[0] and 0.02 < epoch.rates[0] < 0.98
    assert epoch.grad_norms == pytest.approx({name: np.sqrt((grad**2).sum()) for name, grad in grads.items()}, rel=1e-12)
    assert np.isnan(epoch.validation)


@pytest.mark.parametrize("batch", [3, 4])
def test_loss_and_score_weigh_every_sample_alike_whatever_its_batch(batch):
    (parts,), (whole,) = (fit(epochs=1, lr=0.0, batch=size)[0] for size in (batch, S))
    assert (parts.loss, parts.score) == pytest.approx((whole.loss, whole.score), rel=1e-12) and 0 < whole.score < 1


def test_fit_draws_dropout_from_its_generator():
    (dropped, net), (_, plain) = (fit(build(dropout=p), epochs=1, batch=S) for p in (0.5, 0.0))
    assert not same(net.get(), plain.get()) and dropped[0].rates == activity(net, data()[0])[0]


def test_norms_are_means_over_the_batches():
    x, y = data(samples=8)
    (epoch,), _ = fit(build(), (x, y), epochs=1, lr=0.0)
    order = np.random.default_rng(0).permutation(8)
    runs = [network.run(build(), x[:, at], y[at], cross_entropy, window(T, [T] * 4, last=3))[1] for at in (order[:4], order[4:])]
    assert epoch.grad_norms["0.W"] == pytest.approx(np.mean([np.linalg.norm(grads["0.W"]) for grads in runs]), rel=1e-12)


def test_lengths_put_each_sample_s_window_at_its_own_end():
    (x, y), lengths = data(), np.array([T, 5, 6, 3, T, 4, 7, 5, 6, 3])
    padded = x.copy()
    for s, length in enumerate(lengths):
        padded[length:, s] = 3
    (a, first), (b, second) = (fit(train=(each, y, lengths), batch=S) for each in (x, padded))
    assert [epoch.loss for epoch in a] == pytest.approx([epoch.loss for epoch in b], rel=1e-10)
    assert max(np.abs(first.get()[name] - second.get()[name]).max() for name in first.get()) < 1e-9
    assert abs(fit(train=(x, y))[0][0].loss - a[0].loss) > 1e-3


def test_firing_rates_do_not_count_padding():
    (x, y), lengths = data(), np.array([T, 5, 6, 3, T, 4, 7, 5, 6, 3])
    padded = x.copy()
    for s, length in enumerate(lengths):
        padded[length:, s] = 3
    rates = [fit(train=(each, y, lengths), epochs=1, batch=S, lr=0.0)[0][0].rates for each in (x, padded)]
    assert rates[0] == rates[1] and rates[0] != activity(build(), x)[0]


def test_validation_is_the_score_after_each_epoch_and_trains_nothing():
    held = data(seed=5, samples=9)
    history, net = fit(validation=held)
    _, alone = fit()
    assert same(net.get(), alone.get())
    assert history[-1].validation == training.evaluate(net, held, last=3)


def test_algorithm_loss_and_metric_are_arguments():
    x, target = data()[0], np.random.default_rng(2).normal(0, 1, (S, O))

    def distance(logits, target, inside):
        return float(np.abs((logits * inside[..., None]).sum(0) - target).mean())

    history, net = fit(train=(x, target), loss=mse, run=bptt.run, metric=distance, epochs=8, lr=0.03)
    assert history[-1].loss < 0.9 * history[0].loss and history[0].score > 0
    assert not same(net.get(), fit(train=(x, target), loss=mse, metric=distance, epochs=8, lr=0.03)[1].get())


def test_callback_sees_every_epoch_and_may_stop():
    seen = []
    history, _ = fit(callback=seen.append)
    assert seen == history and [epoch.epoch for epoch in seen] == [1, 2, 3]
    history, net = fit(epochs=3, callback=lambda epoch: epoch.epoch == 2)
    assert [epoch.epoch for epoch in history] == [1, 2] and not same(net.get(), fit()[1].get())


def test_lr_falls_along_a_cosine_over_the_epochs():
    moved = []

    def record(epoch):
        moved.append(net.get()["1.b"])

    net = build()
    fit(net, epochs=4, batch=S, callback=record, run=lambda net, x, y, loss, inside, rng: (np.zeros((T, len(y), O)), {"1.b": np.ones(O)}))
    steps = -np.diff([np.zeros(O), *moved], axis=0)[:, 0]
    np.testing.assert_allclose(steps, 3e-3 * np.array([1, 0.853553390593, 0.5, 0.146446609407]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fit_learns_a_toy_task(seed):
    """Three spike patterns, 80 % of whose spikes each sample keeps; 60 new samples for the score."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((O, 12, N)) < 0.35

    def draw(samples):
        y = rng.integers(0, O, samples)
        return (patterns[y] & (rng.random((samples, 12, N)) < 0.8)).swapaxes(0, 1).astype(float), y

    net, train, test = build(seed, hidden=24), draw(90), draw(60)
    before = training.evaluate(net, test, last=5)
    training.fit(net, train, last=5, epochs=12, batch=15, lr=0.01, rng=rng)
    assert before < 0.7 and training.evaluate(net, test, last=5) > 0.9


# ---------------------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("seed", [0, 1])
def test_tc23_a_trial_repeats_bit_for_bit(seed):
    runs = [fit(build(seed, dropout=0.3), rng=np.random.default_rng(seed), validation=data(3)) for _ in range(2)]
    assert same(runs[0][1].get(), runs[1][1].get()) and same_histories(runs[0][0], runs[1][0])


def test_tc23_seed_0_is_a_seed_like_any_other():
    nets = [fit(rng=np.random.default_rng(seed))[1].get() for seed in (0, 0, 1)]
    assert same(nets[0], nets[1]) and not same(nets[0], nets[2])


def test_tc23_global_random_state_is_neither_read_nor_changed():
    np.random.seed(3)
    before, first = np.random.get_state()[1].copy(), fit(build(dropout=0.3))[1].get()
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(4)
    assert same(fit(build(dropout=0.3))[1].get(), first)


def test_tc23_order_of_the_samples_does_not_depend_on_the_model_s_start():
    orders = []
    for seed in (0, 1):
        seen = []

        def spy(net, x, y, loss, inside, rng, seen=seen):
            seen.append(x)
            return network.run(net, x, y, loss, inside, rng=rng)

        fit(build(seed), run=spy)
        orders.append(seen)
    assert all(np.array_equal(a, b) for a, b in zip(*orders, strict=True)) and not np.array_equal(orders[0][0], orders[0][3])


def test_tc23_trial_k_alone_is_trial_k_of_a_series():
    children = np.random.default_rng(7).spawn(3)
    series = [fit(rng=rng)[1].get() for rng in children]
    assert same(series[2], fit(rng=np.random.default_rng(7).spawn(3)[2])[1].get()) and not same(series[1], series[2])


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_a_batch_is_one_block_of_memory_whatever_the_layout_of_its_samples(axes):
    x = np.empty([(T, S, N)[axis] for axis in axes]).transpose(np.argsort(axes))  # [T, S, N], stored in the order of axes
    x[:] = np.arange(T * S * N).reshape(T, S, N)
    batch = training.pick(x, np.array([7, 2, 5]))
    assert batch.flags.c_contiguous and batch.tolist() == [[x[t, i].tolist() for i in (7, 2, 5)] for t in range(T)]


def test_batches_cover_every_sample_once():
    parts = list(training.batches(10, 4, np.random.default_rng(0)))
    assert [len(part) for part in parts] == [4, 4, 2] and sorted(np.concatenate(parts)) == list(range(10))
    assert not np.array_equal(np.concatenate(parts), np.arange(10))
    assert [part.tolist() for part in training.batches(5, 3)] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("share, held", [(0.3, 3), (0.25, 2), (0.9, 9)])
def test_holdout_splits_the_samples_and_loses_none(share, held):
    x, y = np.arange(T * S * N, dtype=float).reshape(T, S, N), np.arange(S)
    (x_train, y_train), (x_held, y_held) = training.holdout((x, y), share, np.random.default_rng(0))
    assert len(y_held) == held and sorted([*y_train, *y_held]) == list(range(S)) and y_held.tolist() != list(range(held))
    np.testing.assert_array_equal(x_train, x[:, y_train])
    np.testing.assert_array_equal(x_held, x[:, y_held])
    again = training.holdout((x, y), share, np.random.default_rng(0))
    assert np.array_equal(again[1][1], y_held)


def test_holdout_keeps_the_type_of_its_input():
    x, y = data()
    assert [part[0].dtype for part in training.holdout((x.astype(bool), y), 0.3, np.random.default_rng(0))] == [bool, bool]


def test_holdout_takes_the_lengths_along():
    x, y = data()
    parts = training.holdout((x, np.arange(S), 1 + np.arange(S) % T), 0.3, np.random.default_rng(0))
    assert all(np.array_equal(lengths, 1 + samples % T) for _, samples, lengths in parts)


@pytest.mark.parametrize("share", [0, 0.01, 1, 0.99])
def test_holdout_refuses_an_empty_side(share):
    with pytest.raises(ValueError, match=f"^share: got {share} of 10 samples, expected at least one on each side$"):
        training.holdout(data(), share, np.random.default_rng(0))


# ---------------------------------------------------------------------------------------------------------- predictions

LOGITS = np.array([[[0.0, 9], [2, 0]], [[1, 0], [0, 1]], [[2, 0], [0, 0.5]]])  # [T = 3, B = 2, O = 2]
LAST_2 = np.array([[False, False], [True, True], [True, True]])


def test_window_softmax_by_hand():
    s = 1 / (1 + np.exp([-1.0, -2, -0.5]))  # winner's share at a difference of 1, 2 and 0.5
    expected = [[s[0] + s[1], 2 - s[0] - s[1]], [2 - s[0] - s[2], s[0] + s[2]]]
    np.testing.assert_allclose(window_softmax(LOGITS, LAST_2), expected, rtol=1e-14, atol=0)


def test_sum_logits_takes_every_step():
    np.testing.assert_array_equal(sum_logits(LOGITS, LAST_2), [[3, 9], [2, 1.5]])


def test_the_two_scores_choose_differently():
    assert window_softmax(LOGITS, LAST_2).argmax(1).tolist() == [0, 1] and sum_logits(LOGITS, LAST_2).argmax(1).tolist() == [1, 0]


def test_accuracy_is_the_share_of_right_samples():
    target = np.array([0, 0])
    assert accuracy(LOGITS, target, LAST_2) == 0.5 and accuracy(LOGITS, np.array([0, 1]), LAST_2) == 1
    assert accuracy(LOGITS, np.array([0, 1]), LAST_2, score=sum_logits) == 0


def test_accuracy_refuses_a_column_of_targets():
    with pytest.raises(ValueError, match=r"^target: got shape \(2, 1\), expected \(2,\)$"):
        accuracy(LOGITS, np.array([[0], [1]]), LAST_2)


@pytest.mark.parametrize("score", [window_softmax, sum_logits])
def test_predict_does_not_depend_on_the_size_of_its_batches(score):
    (x, _), lengths = data(), np.array([T, 5, 6, 3, T, 4, 7, 5, 6, 3])
    whole = training.predict(build(), x, last=3, lengths=lengths, score=score)
    expected = score(network.forward(build(), x), window(T, lengths, last=3)).argmax(1)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(training.predict(build(), x, last=3, lengths=lengths, score=score, batch=3), whole)
    assert len(set(whole)) > 1


@pytest.mark.parametrize("batch", [1, 3, 200])
def test_evaluate_weighs_every_sample_alike(batch):
    x, y = data()
    got = training.evaluate(build(), (x, y), last=3, batch=batch)
    assert got == pytest.approx((training.predict(build(), x, last=3) == y).mean(), rel=1e-12) and 0 < got < 1


def test_predictions_are_made_without_dropout():
    net = build(dropout=0.9)
    np.testing.assert_array_equal(training.predict(net, data()[0], last=3), training.predict(build(), data()[0], last=3))


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tc25_load_gives_back_what_save_took_bit_for_bit(tmp_path, dtype):
    _, net = fit(build(dtype=dtype))
    training.save(tmp_path / "net.npz", net)
    again = build(seed=4, dtype=dtype)
    training.load(tmp_path / "net.npz", again)
    assert same(again.get(), net.get()) and {value.dtype for value in again.get().values()} == {np.dtype(dtype)}
    np.testing.assert_array_equal(network.forward(again, data()[0]), network.forward(net, data()[0]))


def test_tc25_file_holds_the_parameters_and_no_state(tmp_path):
    net = build()
    fit(net)
    training.save(tmp_path / "net.npz", net)
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert set(file.files) == set(net.get())
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


def test_tc25_training_goes_on_from_a_file_bit_for_bit(tmp_path):
    """Parameters from the file, moments from `Adam.get`, and the Generator: all that an uninterrupted run has."""
    (x, y), inside = data(), window(T, [T] * S, last=3)

    def train(net, adam, rng, steps):
        for _ in range(steps):
            adam.step(network.run(net, x, y, cross_entropy, inside, rng=rng)[1])

    whole, rng = build(dropout=0.3), np.random.default_rng(0)
    train(whole, Adam(whole, 0.01), rng, 7)
    part, rng = build(dropout=0.3), np.random.default_rng(0)
    adam = Adam(part, 0.01)
    train(part, adam, rng, 3)
    training.save(tmp_path / "net.npz", part)
    again = build(seed=9, dropout=0.3)
    training.load(tmp_path / "net.npz", again)
    resumed, later = Adam(again, 0.01), np.random.default_rng(5)
    resumed.put(adam.get())
    later.bit_generator.state = rng.bit_generator.state
    train(again, resumed, later, 4)
    assert same(again.get(), whole.get())


def write(path, **change):
    np.savez(path, **{**build().get(), **change})


BAD_FILES = {
    "missing": (lambda path: None, "got no file, expected one that save wrote"),
    "empty": (lambda path: path.write_bytes(b""), "got something else than an npz of parameters, expected a file that save wrote"),
    "text": (lambda path: path.write_text("weights\n" * 9), "got something else than an npz of parameters, expected a file that save wrote"),
    "folder": (lambda path: path.mkdir(), "got something else than an npz of parameters, expected a file that save wrote"),
    "array": (lambda path: (np.save(path.with_suffix(".npy"), np.ones(3)), path.with_suffix(".npy").rename(path)), "got something else than an npz of parameters, expected a file that save wrote"),
    "half": (lambda path: (write(path), path.write_bytes(path.read_bytes()[:700])), "got something else than an npz of parameters, expected a file that save wrote"),
    "pickle": (lambda path: write(path, **{"0.b": np.array([None] * H)}), "got something else than an npz of parameters, expected a file that save wrote"),
    "shape": (lambda path: write(path, **{"1.W": np.ones((O, H + 1))}), r"1.W: got shape \(3, 9\), expected \(3, 8\)"),
    "names": (lambda path: np.savez(path, **{"0.W": np.ones((H, N))}), "got parameters 0.W, expected 0.W, 0.W.gain, 0.b, 1.W, 1.b"),
    "more": (lambda path: write(path, **{"2.W": np.ones(2)}), "got parameters .*, 2.W, expected 0.W, 0.W.gain, 0.b, 1.W, 1.b"),
    "NaN": (lambda path: write(path, **{"0.W": np.ones((H, N)), "1.b": np.array([0, np.nan, 0])}), r"1.b: got nan at \(1,\), expected finite numbers"),
    "words": (lambda path: write(path, **{"0.b": np.array(["a"] * H)}), "0.b: got dtype <U1, expected floats"),
    "complex": (lambda path: write(path, **{"0.b": np.ones(H) * 1j}), "0.b: got dtype complex128, expected floats"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_tc25_a_wrong_file_is_refused_in_one_line_that_names_it_and_nothing_is_set(tmp_path, what):
    make, message = BAD_FILES[what]
    make(tmp_path / "net.npz")
    net = build()
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / 'net.npz'))}: {message}$"):
        training.load(tmp_path / "net.npz", net)
    assert same(net.get(), build().get())


def test_tc25_a_number_that_float32_cannot_hold_is_refused(tmp_path):
    write(tmp_path / "net.npz", **{"1.b": np.array([0, 1e300, 0])})
    net = build(dtype=np.float32)
    with pytest.raises(ValueError, match=r"net.npz: 1.b: got 1e\+300 at \(1,\), expected numbers that float32 can hold$"):
        training.load(tmp_path / "net.npz", net)
    assert same(net.get(), build(dtype=np.float32).get())


def test_tc25_a_save_that_is_killed_leaves_the_old_file_whole(tmp_path, monkeypatch):
    old, new = build(), build(seed=1)
    training.save(tmp_path / "net.npz", old)

    def dies_half_way(file, **arrays):
        file.write(b"PK half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", dies_half_way)
    with pytest.raises(KeyboardInterrupt):
        training.save(tmp_path / "net.npz", new)
    training.load(tmp_path / "net.npz", new)
    assert same(new.get(), old.get())


# ------------------------------------------------------------------------------------------------------- what stops it


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name, where", [("0.W", "layer 0, gradient of 0.W"), ("1.b", "layer 1, gradient of 1.b"), ("output", "layer 1, output")])
def test_nan_or_inf_stops_with_the_epoch_and_the_layer(bad, name, where):
    calls = []

    def breaks_in_the_second_epoch(net, x, y, loss, inside, rng):
        logits, grads = network.run(net, x, y, loss, inside, rng=rng)
        calls.append(1)
        if len(calls) > 3:  # three batches an epoch
            (logits if name == "output" else grads[name]).flat[-1] = bad
        return logits, grads

    with pytest.raises(Diverged, match=rf"^epoch 2, {where}: got NaN or inf, expected finite numbers \(a smaller lr may help\)$"):
        fit(run=breaks_in_the_second_epoch)


@pytest.mark.parametrize("lr", [1e200, 1e308])
def test_a_hopeless_lr_stops_with_diverged_and_no_warning(lr):
    with pytest.raises(Diverged, match=r"^epoch 1, layer \d.*: got .*, expected finite numbers \(a smaller lr may help\)$"):
        fit(lr=lr)


def test_diverged_is_an_arithmetic_error():
    assert issubclass(Diverged, ArithmeticError)


X, Y = data()
NAN = X.copy()
NAN[2, 1, 4] = np.nan


@pytest.mark.parametrize("options, message", [
    (dict(epochs=0), "epochs: got 0, expected a whole number of at least 1"), (dict(batch=0), "batch: got 0, .*"), (dict(batch=2.0), "batch: got 2.0, .*"),
    (dict(last=-1), "last: got -1, .*"), (dict(last=0), "last: got 0, expected a whole number of at least 1"), (dict(lr=-1), "lr: got -1.0, .*"), (dict(lr=np.nan), "lr: got nan, .*"),
    (dict(train=(X,)), r"data: got tuple, expected \(x, y\) or \(x, y, lengths\), .*"), (dict(train=(X, Y, [T] * S, 1)), "data: got tuple, .*"), (dict(train=(X, 1)), "data: got tuple, .*, y one a sample"),
    (dict(train=(X[:, 0], Y)), r"x: got shape \(7, 6\), expected \[T, B, N\].*"), (dict(train=(X[:, :0], Y[:0])), r"x: got shape \(7, 0, 6\), expected .*"),
    (dict(train=(X.swapaxes(0, 1), Y)), r"y: got 10 samples, expected 7, as x \(10, 7, 6\): time is axis 0"), (dict(train=(X[..., :4], Y)), "x: got 4 inputs, expected 6.*"),
    (dict(train=(NAN, Y)), r"x: got nan at \(2, 1, 4\), expected finite numbers"), (dict(train=(X.astype(str), Y)), "x: got dtype .*, expected numbers"),
    (dict(train=(X, Y + 1)), "target: got label 3 at .*, expected 0 to 2"), (dict(train=(X, Y * 1.0)), "target: got dtype float64, expected whole-number labels"),
    (dict(train=(X, Y, [T] * 9)), r"lengths: got shape \(9,\), expected \(10,\)"), (dict(train=(X, Y, [T + 1] * S)), "lengths: got 8 to 8, expected 1 to T = 7"),
    (dict(validation=(X[:, :0], Y[:0])), r"x: got shape \(7, 0, 6\), expected .*"),
], ids=lambda value: None if isinstance(value, str) else "-".join(value))  # fmt: skip
def test_fit_refuses_bad_input_in_one_line(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        fit(**options)


@pytest.mark.parametrize("arguments, message", [
    (dict(x=X[0, 0]), r"x: got shape \(6,\), expected .*"), (dict(x=X[:, :0]), r"x: got shape \(7, 0, 6\), expected .*"), (dict(x=NAN), "x: got nan at .*"),
    (dict(x=X, lengths=[T] * 9), r"lengths: got shape \(9,\), expected \(10,\)"), (dict(x=X, batch=0), "batch: got 0, expected a whole number of at least 1"),
    (dict(x=X, last=0), "last: got 0, expected a whole number of at least 1"),
], ids=["vector", "empty", "NaN", "lengths", "batch", "last"])  # fmt: skip
def test_predict_refuses_bad_input_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        training.predict(build(), **{"last": 3, **arguments})


def test_evaluate_refuses_an_empty_window():
    with pytest.raises(ValueError, match="^last: got 0, expected a whole number of at least 1$"):
        training.evaluate(build(), data(), last=0)


def test_a_bad_validation_set_is_refused_before_anything_trains():
    net = build()
    with pytest.raises(ValueError, match="^y: got 9 samples, expected 10, .*$"):
        fit(net, validation=(X, Y[:-1]))
    assert same(net.get(), build().get())


def test_save_replaces_no_file_of_another_kind(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("print()")
    with pytest.raises(ValueError, match=r"^.*mine\.py: got a name that does not end in \.npz, expected one that does$"):
        training.save(script, build())
    assert script.read_text() == "print()"


def test_save_refuses_a_missing_folder_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"^.*nowhere.*: got No such file or directory, expected .*$"):
        training.save(tmp_path / "nowhere" / "a.npz", Network([Layer(Dense(np.ones((2, 3))), Leaky(0), SLTT())]))


def test_a_run_of_ones_own_that_returns_an_unknown_name_is_no_divergence():
    def run(net, *args, **options):
        logits, grads = network.run(net, *args, **options)
        return logits, {"9.W": grads["0.W"]}

    x, y = np.ones((3, 4, 3)), np.array([0, 1, 0, 1])
    net = Network([Layer(Dense(np.ones((2, 3))), Leaky(0), SLTT())])
    with pytest.raises(ValueError, match=r"^[^:]*: got .*9\.W.*, expected .*$"):
        training.fit(net, (x, y), last=2, epochs=1, batch=2, lr=0.1, rng=np.random.default_rng(0), run=run)


@pytest.mark.parametrize("online", [False, True])
def test_what_is_no_algorithm_is_refused_in_one_line(online):
    with pytest.raises(ValueError, match="^run: got int, expected a function such as network.run$"):
        fit(build(), run=7, online=online)
