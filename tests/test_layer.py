"""One layer alone, driven by an outside delta: equations (9) to (16) against plain loops."""

import numpy as np
import pytest

from stllr_ref.gradcheck import error
from stllr_ref.layer import Layer
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT, SLTT, STLLR
from stllr_ref.surrogates import spike
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.synaptic import OSTL, EProp, Filtered
from stllr_ref.weights import Standardised

T, B, N, H = 9, 3, 5, 4
RULE = dict(lam_pre=0.7, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.6)


def random(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape)


def spikes(*shape):
    return (np.random.default_rng(1).random(shape) < 0.5).astype(float)


X, DELTA = spikes(T, B, N), random(T, B, H, seed=2)
W, V, b = random(H, N, seed=3), random(H, H, seed=4, scale=0.6), random(H, seed=5, scale=0.2)


def neuron(**options):
    return LIF(**{**dict(gamma=0.6, theta=0.5, psi="triangle"), **options})


def recurrent(rule=None, **options):
    """Return a recurrent layer with bias that follows RULE."""
    return Layer(Dense(W), neuron(**options), rule or STLLR(**RULE), V=Dense(V), bias=Bias(b))


def run(layer, x=X, delta=DELTA, start=0):
    """Return the records (Now) of a run in which a layer learns from step `start` on; asserts that it fires, not always."""
    nows = []
    layer.reset()
    for t in range(len(x)):
        layer.step(x[t])
        if t >= start:
            layer.learn(delta[t])
        nows.append(layer.now)
    assert 0.1 < np.mean([now.y for now in nows]) < 0.9
    return nows


def by_loops(nows, rule, delta, entering):
    """Return dW by eqs. (10), (11) as sums over all earlier steps, a synapse at a time; entering[t] [B, N] is its input."""
    dW = np.zeros((delta.shape[2], entering[0].shape[1]))
    for i, j in np.ndindex(dW.shape):
        for s in range(delta.shape[1]):
            for t in range(len(delta)):
                psi = [nows[k].eligible[s, i] for k in range(t + 1)]
                causal = psi[t] * sum(rule.lam_pre ** (t - k) * entering[k][s, j] for k in range(t + 1))
                lag = {"code": 1, "paper": 0}[rule.post_trace]
                noncausal = entering[t][s, j] * sum(rule.lam_post ** (t - k - lag) * psi[k] for k in range(t))
                dW[i, j] += delta[t, s, i] * (rule.alpha_pre * causal + rule.alpha_post * noncausal)
    return dW


RULES = {
    "code": STLLR(**RULE), "paper": STLLR(**RULE, post_trace="paper"), "positive": STLLR(**{**RULE, "alpha_post": 0.6}), "causal": STLLR(**{**RULE, "alpha_post": 0}),
    "lam_post 0": STLLR(**{**RULE, "lam_post": 0}), "counts": STLLR(**{**RULE, "lam_pre": 1}), "no trace": STLLR(**{**RULE, "lam_pre": 0}),
    "spike": STLLR(**RULE, psi=spike), "other psi": STLLR(**RULE, psi="sigmoid"), "OTTT": OTTT(0.6), "SLTT": SLTT(),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_gradients_of_w_and_v_are_the_printed_sums(rule):
    layer = recurrent(rule)
    nows = run(layer)
    before = [np.zeros((B, H)), *(now.y for now in nows[:-1])]
    assert error(layer.grads()["W"], by_loops(nows, rule, DELTA, X)) < 1e-13
    assert error(layer.grads()["V"], by_loops(nows, rule, DELTA, before)) < 1e-13


def test_potential_is_equation_1_with_recurrence_and_bias():
    nows, u, y = run(recurrent()), np.zeros((B, H)), np.zeros((B, H))
    for t in range(T):
        u = 0.6 * (u - 0.5 * y) + X[t] @ W.T + y @ V.T + b
        y = (u > 0.5).astype(float)
        np.testing.assert_allclose(nows[t].u, u, rtol=1e-13, atol=1e-15)
        np.testing.assert_array_equal(nows[t].y, y)


def test_tc07_layer_records_psi_before_the_reset():
    for now in run(recurrent()):
        np.testing.assert_array_equal(now.psi, 0.3 * np.maximum(1 - np.abs(now.u - 0.5), 0))


def test_eligibility_may_use_another_psi_than_the_neuron():
    for now in run(recurrent(STLLR(**RULE, psi="arctan"))):
        np.testing.assert_array_equal(now.eligible, 1 / (1 + (10 * (now.u - 0.5)) ** 2))
        np.testing.assert_array_equal(now.psi, 0.3 * np.maximum(1 - np.abs(now.u - 0.5), 0))


def test_tc13_recurrent_synapse_reads_the_spikes_of_the_step_before():
    nows = run(recurrent())
    assert not nows[0].inputs["V"].any() and nows[1].y.any()
    for t in range(1, T):
        np.testing.assert_array_equal(nows[t].inputs["V"], nows[t - 1].y)


def test_recurrence_of_weight_0_is_a_feed_forward_layer():
    without, zero = Layer(Dense(W), neuron(), STLLR(**RULE)), Layer(Dense(W), neuron(), STLLR(**RULE), V=Dense(np.zeros((H, H))))
    run(without)
    run(zero)
    np.testing.assert_array_equal(without.grads()["W"], zero.grads()["W"])
    assert zero.grads()["V"].any()


def test_published_bias_is_delta_psi_of_the_neuron_whatever_the_rule():
    for rule in (STLLR(**RULE), STLLR(**RULE, psi=spike)):
        layer = recurrent(rule)
        nows = run(layer)
        assert error(layer.grads()["b"], sum((DELTA[t] * nows[t].psi).sum(0) for t in range(T))) < 1e-14


@pytest.mark.parametrize("psi", [None, "sigmoid"])
def test_exact_bias_is_the_causal_term_of_an_input_that_is_always_1(psi):
    rule = STLLR(**{**RULE, "alpha_post": 0}, bias_decay=0.7, psi=psi)
    wide = np.concatenate([W, b[:, None]], axis=1)
    as_input = Layer(Dense(wide), neuron(), rule, V=Dense(V))
    biased = recurrent(rule)
    run(as_input, np.concatenate([X, np.ones((T, B, 1))], axis=2))
    run(biased)
    assert error(biased.grads()["b"], as_input.grads()["W"][:, -1]) < 1e-13


def test_conv_layer_of_one_pixel_is_a_dense_layer():
    options = dict(rule=STLLR(**RULE, bias_decay=0.3), neuron=neuron())
    dense = Layer(Dense(W), V=Dense(V), bias=Bias(b), **options)
    conv = Layer(Conv2d(W[:, :, None, None]), V=Conv2d(V[:, :, None, None]), bias=Bias(b[:, None, None]), **options)
    run(dense)
    run(conv, X[..., None, None], DELTA[..., None, None])
    for name, grad in dense.grads().items():
        assert error(conv.grads()[name].reshape(grad.shape), grad) < 1e-13


@pytest.mark.parametrize("stride, padding", [(1, None), (2, 0)])
def test_conv_layer_is_a_dense_layer_of_shared_weights(stride, padding):
    """The filter's gradient is that of the dense matrix that does the same, summed over the entries that a tap fills."""
    kernel, size = random(2, 2, 3, 3, seed=6), (2, 5, 4)
    x = spikes(T, B, *size)
    conv = Layer(Conv2d(kernel, stride=stride, padding=padding), neuron(), STLLR(**RULE))
    shape = conv.step(x[0]).shape[1:]
    delta = random(T, B, *shape, seed=7)
    taps = np.zeros((kernel.size, np.prod(shape), np.prod(size)))  # what each filter weight adds to the dense matrix
    basis = np.eye(np.prod(size)).reshape(-1, *size)
    for n in range(kernel.size):
        one = np.zeros(kernel.size)
        one[n] = 1
        taps[n] = Conv2d(one.reshape(kernel.shape), stride=stride, padding=padding).forward(basis).reshape(len(basis), -1).T
    dense = Layer(Dense(np.tensordot(kernel.ravel(), taps, 1)), neuron(), STLLR(**RULE))
    run(conv, x, delta)
    run(dense, x.reshape(T, B, -1), delta.reshape(T, B, -1))
    assert error(conv.grads()["W"].ravel(), np.tensordot(taps, dense.grads()["W"], 2)) < 1e-13


def test_standardised_layer_carries_the_gradient_of_its_value_to_the_parameters():
    plain, weight = Layer(Dense(Standardised(W).value), neuron(), STLLR(**RULE)), Standardised(W)
    standardised = Layer(Dense(weight), neuron(), STLLR(**RULE))
    run(plain)
    run(standardised)
    pulled = weight.pull(plain.grads()["W"])
    assert set(standardised.grads()) == {"W", "W.gain"}
    assert error(standardised.grads()["W"], pulled[""]) < 1e-13 and error(standardised.grads()["W.gain"], pulled["gain"]) < 1e-13


def test_gradients_of_single_steps_sum_to_that_of_the_window():
    layer, total = recurrent(), 0.0
    for t in range(T):
        layer.step(X[t])
        if t >= 4:
            layer.clear()
            layer.learn(DELTA[t])
            total = total + layer.grads()["W"]
    run(layer, start=4)
    assert error(layer.grads()["W"], total) < 1e-13


def test_traces_run_before_the_window_starts():
    layer = recurrent()
    nows = run(layer, start=4)
    late = DELTA * (np.arange(T) >= 4)[:, None, None]
    assert error(layer.grads()["W"], by_loops(nows, layer.rule, late, X)) < 1e-13


def test_gradient_is_0_and_not_missing_where_nothing_was_learned():
    layer = recurrent()
    run(layer, start=T)
    assert {name: grad.shape for name, grad in layer.grads().items()} == {"W": (H, N), "V": (H, H), "b": (H,)}
    assert not any(grad.any() for grad in layer.grads().values())


def test_layer_of_silent_input_and_neurons_has_gradient_0():
    layer = Layer(Dense(W), neuron(), STLLR(**RULE))
    for t in range(T):
        layer.step(np.zeros((B, N)))
        layer.learn(DELTA[t])
    assert not layer.grads()["W"].any()


def test_gradient_is_summed_over_the_batch():
    layer = recurrent()
    run(layer)
    together, alone = layer.grads(), []
    for s in range(B):
        layer.reset()
        for t in range(T):
            layer.step(X[t, s : s + 1])
            layer.learn(DELTA[t, s : s + 1])
        alone.append(layer.grads())
    for name, grad in together.items():
        assert error(grad, sum(one[name] for one in alone)) < 1e-13


@pytest.mark.parametrize("change", [
    dict(gamma=0.7), dict(theta=0.6), dict(psi="arctan"), dict(reset="hard"), dict(reset="none"),
    dict(lam_pre=0.6), dict(lam_post=0.5), dict(alpha_pre=0.9), dict(alpha_post=-0.5), dict(post_trace="paper"), dict(bias_decay=0.5),
], ids=str)
def test_every_parameter_changes_the_gradient(change):
    name = next(iter(change))
    layer, other = recurrent(), recurrent(**change) if hasattr(neuron(), name) else recurrent(STLLR(**{**RULE, **change}))
    run(layer)
    run(other)
    seen = {"bias_decay": ["b"]}.get(name, ["W", "V"])
    assert all(error(other.grads()[key], layer.grads()[key]) > 1e-3 for key in seen)


def test_send_carries_the_error_down_through_w_alone():
    layer, g = recurrent(), DELTA[0]
    np.testing.assert_allclose(layer.send(g), g @ W, rtol=1e-14, atol=0)


def test_feedback_carries_the_error_down_in_place_of_w():
    F = random(H, N, seed=8)
    layer = Layer(Dense(W), neuron(), STLLR(**RULE), feedback=Dense(F))
    np.testing.assert_allclose(layer.send(DELTA[0]), DELTA[0] @ F, rtol=1e-14, atol=0)


@pytest.mark.parametrize("stride, size", [(1, (5, 4)), (2, (5, 4)), (2, (6, 4))])
def test_feedback_of_a_convolution_carries_the_error_down_in_place_of_w(stride, size):
    kernel, F = random(2, 3, 3, 3), random(2, 3, 3, 3, seed=8)
    layer = Layer(Conv2d(kernel, stride=stride), neuron(), STLLR(**RULE), feedback=Conv2d(F, stride=stride))
    g = random(*layer.step(spikes(B, 3, *size)).shape, seed=2)
    expected = Conv2d(F, stride=stride).backward(g, (B, 3, *size))
    assert expected.shape == (B, 3, *size)
    np.testing.assert_array_equal(layer.send(g), expected)


def test_tc04_reset_forgets_even_nan():
    layer = recurrent(STLLR(**RULE, bias_decay=0.3))
    nows, grads = run(layer), layer.grads()
    layer.kept, layer.y, layer.past, layer.ones = (np.full((B, H), np.nan) for _ in range(4))
    layer.traces = {key: np.full_like(value, np.inf) for key, value in layer.traces.items()}
    layer.sums = {"W": np.full((H, N), np.nan)}
    again = run(layer)
    assert all(np.array_equal(now.u, other.u) for now, other in zip(nows, again))
    assert all(np.array_equal(layer.grads()[name], grads[name]) for name in grads)


def test_state_is_one_number_a_neuron_for_each_trace_and_does_not_grow_with_time():
    layer, sizes = recurrent(), []
    for t in range(T):
        layer.step(X[t])
        sizes.append({name: value.shape for name, value in layer.state().items()})
    expected = {"kept": (B, H), "past": (B, H), "y": (B, H), "trace W 0.7": (B, N), "trace V 0.7": (B, H)}
    assert all(size == expected for size in sizes)


def test_rule_without_past_keeps_no_post_trace():
    layer = Layer(Dense(W), neuron(), SLTT())
    layer.step(X[0])
    assert set(layer.state()) == {"kept"} and layer.now.past is None


def test_layer_without_traces_runs_the_same_and_keeps_none():
    layer, ys = recurrent(), []
    nows = run(layer)
    layer.reset(traces=False)
    for t in range(T):
        ys.append(layer.step(X[t]))
    np.testing.assert_array_equal(ys, [now.y for now in nows])
    assert set(layer.state()) == {"kept", "y"}


def test_leaky_layer_learns_from_its_error_directly():
    layer = Layer(Dense(W), Leaky(0.6), SLTT())
    out = layer.step(X[0])
    layer.learn(DELTA[0])
    np.testing.assert_allclose(out, X[0] @ W.T, rtol=1e-14, atol=0)
    np.testing.assert_allclose(layer.grads()["W"], DELTA[0].T @ X[0], rtol=1e-14, atol=1e-16)


def test_layer_leaves_its_input_its_delta_and_its_weights_alone():
    x, delta, layer = X.copy(), DELTA.copy(), recurrent()
    run(layer, x, delta)
    for got, before in [(x, X), (delta, DELTA), (layer.synapses["W"].weight.value, W), (layer.synapses["V"].weight.value, V)]:
        np.testing.assert_array_equal(got, before)


def test_gradients_once_read_do_not_change_while_the_layer_learns_on():
    layer = recurrent()
    layer.step(X[0])
    layer.learn(DELTA[0])
    read = layer.grads()
    before = {name: grad.copy() for name, grad in read.items()}
    layer.step(X[1])
    layer.learn(DELTA[1])
    assert all(np.array_equal(read[name], before[name]) for name in read)
    assert not np.array_equal(layer.grads()["W"], read["W"])


def test_batch_may_change_size_at_a_reset_and_not_before():
    layer = recurrent()
    layer.step(X[0])
    for size in (2, 1):  # one sample would broadcast
        with pytest.raises(ValueError, match=rf"^x: got a step for neurons \({size}, 4\), expected \(3, 4\) \(reset between sequences\)$"):
            layer.step(X[1, :size])
    layer.reset()
    assert layer.step(X[0, :2]).shape == (2, H)


@pytest.mark.parametrize("delta", [np.ones((B, 1)), np.ones(H), 1.0], ids=["column", "row", "number"])
def test_layer_refuses_a_delta_that_would_broadcast(delta):
    layer = recurrent()
    layer.step(X[0])
    with pytest.raises(ValueError, match=r"^delta: got shape \(.*\), expected \(3, 4\)$"):
        layer.learn(delta)


@pytest.mark.parametrize("rule", [lambda: STLLR(**RULE), lambda: EProp(0.6, 0.5), lambda: Filtered(STLLR(**RULE), 0.5), OSTL, lambda: OSTL(True)], ids=["S-TLLR", "e-prop", "filtered", "OSTL", "OSTL recurrent"])
def test_a_float64_delta_leaves_the_gradients_of_a_float32_layer_float32(rule):
    synapses = dict(W=Dense(W.astype(np.float32)), V=Dense(V.astype(np.float32)), bias=Bias(b.astype(np.float32)))
    layer, single = (Layer(synapses["W"], neuron(), rule(), V=synapses["V"], bias=synapses["bias"]) for _ in range(2))
    for x, delta in zip(X.astype(np.float32), DELTA):
        layer.step(x), single.step(x)
        layer.learn(delta), single.learn(delta.astype(np.float32))
    got, expected = layer.grads(), single.grads()
    assert {g.dtype for g in (*got.values(), *layer.state().values())} == {np.dtype(np.float32)}
    assert all(g.any() and np.array_equal(g, expected[name]) for name, g in got.items())


class OnePostForTwoDecays:
    decays, past_decay, psi, bias_decay = (0.5, 0.0), None, None, 0.0

    def posts(self, psi, past):
        return (psi,)


def test_layer_refuses_a_rule_of_more_decays_than_posts():
    layer = Layer(Dense(W), neuron(), OnePostForTwoDecays())
    layer.step(X[0])
    with pytest.raises(ValueError, match="^rule: got 1 posts for 2 decays, expected one a term$"):
        layer.learn(DELTA[0])


def conv(**options):
    """Return a filter bank that keeps an image of 3 x 3, unless an option says otherwise."""
    return Conv2d(random(2, 2, 3, 3), **options)


PIXELS = spikes(B, 2, 3, 3)


@pytest.mark.parametrize("make, message", [
    (lambda: Layer(Dense(W), neuron(), SLTT(), bias=Bias(np.zeros(N))), r"bias: got shape \(5,\), expected \(4,\)"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), bias=Bias(np.zeros((H, 1, 1)))), r"bias: got shape \(4, 1, 1\), expected \(4,\)"),
    (lambda: Layer(Conv2d(random(2, 3, 3, 3)), neuron(), SLTT(), bias=Bias(np.zeros(2))), r"bias: got shape \(2,\), expected \(2, 1, 1\)"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), feedback=Dense(W.T)), r"feedback: got shape \(5, 4\), expected \(4, 5\)"),
    (lambda: Layer(conv(), neuron(), SLTT(), feedback=conv(stride=2)), r"feedback: got stride and padding \[2, 1\], expected \[1, 1\], as W"),
    (lambda: Layer(conv(), neuron(), SLTT(), feedback=conv(padding=0)), r"feedback: got stride and padding \[1, 0\], expected \[1, 1\], as W"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), feedback=W), r"feedback: got ndarray, expected a synapse such as Dense\(W\) or Bias\(b\)"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), V=V), r"V: got ndarray, expected a synapse such as Dense\(W\) or Bias\(b\)"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), V=Dense(random(H - 1, H))), "V: got 3 rows or another kind, expected 4, as W"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), V=Dense(random(H + 1, H))), "V: got 5 rows or another kind, expected 4, as W"),
    (lambda: Layer(conv(), neuron(), SLTT(), V=Dense(random(2, 2))), "V: got 2 rows or another kind, expected 2, as W"),
    (lambda: Layer(Bias(b), neuron(), SLTT()), "W: got Bias, expected Dense or Conv2d"),
    (lambda: Layer(Dense(W), Leaky(0.5), STLLR(**RULE, psi="triangle")), "rule: got a Psi of its own with a neuron without threshold, expected psi=None"),
    (lambda: Layer(conv(), neuron(), SLTT(), V=conv(padding=0)).step(PIXELS), r"output of V: got shape \(3, 2, 1, 1\), expected \(3, 2, 3, 3\)"),
    (lambda: Layer(conv(), neuron(), SLTT(), skips={"S": (conv(padding=0), 0)}).step(PIXELS, {"S": PIXELS}), r"output of S: got shape \(3, 2, 1, 1\), expected \(3, 2, 3, 3\)"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), skips={"S.1": (Dense(W), 0)}), "skips: got the name 'S.1', expected one other than W, V, b, B and without a dot"),
    (lambda: Layer(Dense(W), neuron(), SLTT(), skips={"V": (Dense(W), 0)}), "skips: got the name 'V', expected one other than W, V, b, B and without a dot"),
    (lambda: Layer(Dense(W), neuron(), SLTT()).step(np.zeros((B, H))), r"x: got 4 inputs, expected 5 \(W has shape \(4, 5\)\)"),
])
def test_layer_refuses_what_does_not_fit_in_one_line(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


class Mine:
    """A rule of one's own with the six names."""

    decays, past_decay, psi, bias_decay = (0.5,), None, None, 0.0

    def posts(self, psi, past=None):
        return (psi,)

    def bias_post(self, psi, eligible):
        return psi


def with_(**changes):
    """Return a rule like Mine with other attributes; None takes one away."""
    names = {name: value for name, value in {**vars(Mine), **changes}.items() if not name.startswith("__") and value is not Ellipsis}
    return type("Mine", (), names)()


def own(rule, psi="triangle", bias=False):
    return Layer(Dense(np.eye(3)), LIF(0.5, 0.6, psi), rule, bias=Bias(np.zeros(3)) if bias else None)


@pytest.mark.parametrize(
    "rule, words",
    [
        (Mine, "rule: got the class Mine, expected an object of it"),
        (with_(past_decay=...), "rule: got Mine without past_decay, expected "),
        (with_(bias_post=...), "rule: got Mine without bias_post, expected "),
        (with_(decays=0.9), "rule: got decays 0.9 of Mine, expected a tuple"),
        (with_(decays=(1.5,)), "decay of Mine: got 1.5, expected "),
        (with_(past_decay=-0.1), "decay of Mine: got -0.1, expected "),
    ],
)
def test_what_is_no_rule_is_refused_in_one_line_when_the_layer_is_made(rule, words):
    own(with_(), bias=True)
    with pytest.raises(ValueError) as refused:
        own(rule, bias=True)
    assert str(refused.value).startswith(words) and "\n" not in str(refused.value)


def test_a_rule_without_a_bias_post_does_for_a_layer_without_a_bias():
    own(with_(bias_post=...))


def test_a_post_factor_of_another_shape_is_refused_and_not_broadcast():
    layer = own(with_(posts=lambda self, psi, past=None: (psi.sum(0),)))
    layer.step(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^post factor of the rule: got shape \(3,\), expected \(2, 3\)$"):
        layer.learn(np.ones((2, 3)))


def test_a_psi_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"^Psi: got shape \(\), expected \(2, 3\)$"):
        own(with_(), psi=lambda v: 0.3).step(np.ones((2, 3)))
