"""Networks: a row of layers, maps and signals that learns while it runs."""

import functools

import numpy as np
import pytest

from stllr_ref import bptt, gradcheck, network
from stllr_ref.gradcheck import error, liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, mse, window
from stllr_ref.maps import AvgPool, Dropout, Flatten, GlobalAvg, MaxPool
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT, SLTT, STLLR
from stllr_ref.signals import DFA, DRTP, Local, sDFA
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.synaptic import OSTL
from stllr_ref.weights import Standardised

T, B, N, H, O = 9, 3, 6, 5, 4
TARGET = np.array([2, 0, 3])
RULE = dict(lam_pre=0.7, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.6)
INSIDE = window(T, [T] * B, last=5)
SIGNALS = {"DFA": DFA, "sDFA": sDFA, "DRTP": DRTP, "Local": Local}


def random(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape)


def spikes(*shape):
    return (np.random.default_rng(1).random(shape) < 0.5).astype(float)


def neuron(**options):
    return LIF(**{**dict(gamma=0.6, theta=0.5, psi="triangle"), **options})


def dense(n_out, n_in, seed, rule=None, **options):
    return Layer(Dense(random(n_out, n_in, seed=seed)), options.pop("neuron", neuron()), rule or STLLR(**RULE), **options)


def readout(n_in, gamma=0.8):
    return Layer(Dense(random(O, n_in, seed=9)), Leaky(gamma), SLTT(), bias=Bias(random(O, seed=8)))


def recurrent(**options):
    """Return a standardised recurrent layer with both kinds of weight and a bias."""
    W, V, b = Standardised(random(H, N, seed=2), 1 + random(H, seed=3) ** 2), Standardised(random(H, H, seed=4)), random(H, seed=5, scale=0.1)
    return Layer(Dense(W), neuron(**options), STLLR(**RULE, bias_decay=0.7), V=Dense(V), bias=Bias(b))


def conv(n_out, n_in, seed, **options):
    bias = Bias(random(n_out, 1, 1, seed=seed + 1, scale=0.1))
    return Layer(Conv2d(Standardised(random(n_out, n_in, 3, 3, seed=seed)), **options), neuron(theta=0.3), STLLR(**RULE), bias=bias)


def row(kind):
    if kind in SIGNALS:
        return [recurrent(), SIGNALS[kind](random(O, H, seed=6)), dense(H, H, 7), SIGNALS[kind](random(O, H, seed=10)), readout(H)]
    return {
        "dense": lambda: [dense(H, N, 2), dense(H, H, 3), readout(H)],
        "recurrent": lambda: [recurrent(), dense(H, H, 7), readout(H)],
        "hard": lambda: [recurrent(reset="hard"), dense(H, H, 7, neuron=neuron(reset="none")), readout(H)],
        "conv": lambda: [conv(3, 2, 2), MaxPool(2), conv(4, 3, 4, stride=2), AvgPool(1), GlobalAvg(), readout(4)],
        "skip": lambda: [dense(H, N, 2), dense(7, H, 3), dense(H, 7, 4, skips={"S": (Dense(random(H, H, seed=5)), 0)}), readout(H)],
        "FA": lambda: [dense(H, N, 2), dense(H, H, 7, feedback=Dense(random(H, H, seed=6))), readout(H)],
    }[kind]()


KINDS = ["dense", "recurrent", "hard", "conv", "skip", "FA", *SIGNALS]
each = pytest.mark.parametrize("kind", KINDS)


def make(kind, dtype=None):
    return Network(row(kind), dtype)


@functools.cache
def data(kind):
    """Return an input on which every layer of that network is alive."""
    x = spikes(T, B, 2, 7, 6) if kind == "conv" else spikes(T, B, N)
    liveness(make(kind), x)
    return x


def learn(kind, x=None, target=TARGET, inside=INSIDE, net=None, loss=cross_entropy, **options):
    return network.run(net or make(kind), data(kind) if x is None else x, target, loss, inside, **options)


def same_bits(a, b):
    return np.array_equal(a[0], b[0]) and set(a[1]) == set(b[1]) and all(np.array_equal(a[1][name], b[1][name]) for name in a[1])


def live(grads):
    """Return grads after asserting that no gradient of a parameter is all 0."""
    assert all(np.isfinite(grad).all() and grad.any() for grad in grads.values())
    return grads


def largest(got, expected):
    return gradcheck.largest_error(got, live(expected))


# ------------------------------------------------------------------------------------------ what goes up and down a row


@each
def test_run_is_a_loop_of_step_and_learn_inside_the_window(kind):
    net, by_hand = make(kind), []
    net.reset()
    for t in range(T):
        by_hand.append(net.step(data(kind)[t]))
        if INSIDE[t].any():
            net.learn(cross_entropy(by_hand[t], TARGET)[1], TARGET, INSIDE[t])
    live(net.grads())
    assert same_bits((by_hand, net.grads()), learn(kind))


@each
def test_forward_gives_the_logits_of_run(kind):
    np.testing.assert_array_equal(network.forward(make(kind), data(kind)), learn(kind)[0])


@pytest.mark.parametrize("kind", ["dense", "recurrent", "hard"])
def test_error_reaches_each_layer_through_the_layers_above_it_at_this_step_alone(kind):
    net = make(kind)
    for x_t in data(kind):
        net.step(x_t)
    err = random(B, O, seed=11)
    net.learn(err, TARGET, np.ones(B, bool))
    hidden, top, out = net.layers
    delta = err / B @ out.synapses["W"].weight.value
    below = (delta * top.now.psi) @ top.synapses["W"].weight.value
    got = net.grads()
    for layer, d, number in [(top, delta, 1), (hidden, below, 0)]:
        layer.clear()
        layer.learn(d)
        for name, grad in layer.grads().items():
            assert error(got[f"{number}.{name}"], grad) < 1e-13


def test_error_passes_the_neuron_s_psi_whatever_psi_the_rule_uses():
    """The upper layer learns by its own Psi; what it sends to the lower one does not depend on that."""
    a, b = make("dense"), Network([dense(H, N, 2), dense(H, H, 3, STLLR(**RULE, psi="spike")), readout(H)])
    a, b = learn("dense", net=a)[1], learn("dense", net=b)[1]
    assert live(a)["0.W"].any() and np.array_equal(a["0.W"], b["0.W"]) and not np.array_equal(a["1.W"], live(b)["1.W"])


def test_no_error_is_carried_down_where_a_signal_takes_its_place(monkeypatch):
    net = make("DFA")
    monkeypatch.setattr(Dense, "backward", None)
    live(learn("DFA", net=net)[1])


def test_conv_network_sends_its_error_through_pools_strides_and_means():
    """The derivative of <err, output> of the first step by the lower filter, by the complex step on the tangent twin."""
    net = Network([conv(3, 2, 2), MaxPool(2), conv(4, 3, 4, stride=2), GlobalAvg(), Layer(Dense(random(O, 4, seed=9)), Leaky(0), SLTT())])
    x, err = spikes(B, 2, 7, 6), random(B, O, seed=11)
    net.step(x)
    net.learn(err * B, TARGET, np.ones(B, bool))
    got = net.grads()["0.W"]
    twin, expected = gradcheck.twin(net, smooth=False), np.empty_like(got)
    for index in np.ndindex(got.shape):
        moved = net.get()["0.W"].astype(complex)
        moved[index] += 1e-20j
        twin.put({"0.W": moved})
        twin.reset()
        expected[index] = (err * twin.step(x)).sum().imag / 1e-20
    assert 0.1 < net.layers[0].now.y.mean() < 0.9 and 0.1 < net.layers[1].now.y.mean() < 0.9
    assert error(got, 0.8 * expected) < 1e-12  # alpha_pre; at the first step traces are the input


def test_skip_network_equals_an_explicit_computation():
    names = {"0.W": (H, N), "1.W": (7, H), "2.W": (H, 7), "2.S": (H, H), "3.W": (O, H), "3.b": (O,)}
    net = make("skip")
    p = net.get()
    assert {name: value.shape for name, value in p.items()} == names

    def psi(u):
        return 0.3 * np.maximum(1 - np.abs(u - 0.5), 0)

    entering = {"0.W": "x", "1.W": 0, "2.W": 1, "2.S": 0}
    u, y, past = ([np.zeros((B, n)) for n in (H, 7, H)] for _ in range(3))
    traces, out, expected = {name: 0.0 for name in entering}, 0.0, {name: np.zeros(shape) for name, shape in names.items()}
    logits = []
    for t, x in enumerate(data("skip")):
        before = [0.6 * (u[i] - 0.5 * y[i]) for i in range(3)]
        past = [0.4 * past[i] + (psi(u[i]) if t else 0) for i in range(3)]
        u[0] = before[0] + x @ p["0.W"].T
        y[0] = (u[0] > 0.5).astype(float)
        u[1] = before[1] + y[0] @ p["1.W"].T
        y[1] = (u[1] > 0.5).astype(float)
        u[2] = before[2] + y[1] @ p["2.W"].T + y[0] @ p["2.S"].T
        y[2] = (u[2] > 0.5).astype(float)
        out = 0.8 * out + y[2] @ p["3.W"].T + p["3.b"]
        logits.append(out)
        inputs = {name: x if source == "x" else y[source] for name, source in entering.items()}
        traces = {name: 0.7 * traces[name] + inputs[name] for name in entering}
        if not INSIDE[t].any():
            continue
        err = cross_entropy(out, TARGET)[1] / B
        d2 = err @ p["3.W"]
        d1 = (d2 * psi(u[2])) @ p["2.W"]
        d0 = (d1 * psi(u[1])) @ p["1.W"] + (d2 * psi(u[2])) @ p["2.S"]
        for name in entering:
            i, d = int(name[0]), (d0, d1, d2)[int(name[0])]
            expected[name] += (0.8 * d * psi(u[i])).T @ traces[name] - (0.6 * d * past[i]).T @ inputs[name]
        expected["3.W"] += err.T @ y[2]
        expected["3.b"] += err.sum(0)
    got = learn("skip")
    assert error(got[0], np.array(logits)) < 1e-13
    assert largest(got[1], expected) < 1e-12


def test_skip_is_thrown_away_where_a_signal_stands_above_its_source():
    B_ = random(O, H, seed=6)
    net = Network([dense(H, N, 2), DFA(B_), dense(7, H, 3), dense(H, 7, 4, skips={"S": (Dense(random(H, H, seed=5)), 0)}), readout(H)])
    for x_t in data("skip"):
        net.step(x_t)
    err = random(B, O, seed=11)
    net.learn(err, TARGET, np.ones(B, bool))
    got, layer = net.grads()["0.W"], net.layers[0]
    layer.clear()
    layer.learn(err @ B_)
    assert error(got, layer.grads()["W"]) < 1e-13


def test_feedback_replaces_the_weights_on_the_way_down_and_nothing_else():
    F, plain, through_F = random(H, H, seed=6), make("dense"), make("FA")
    W = random(H, H, seed=7)
    plain.put({"1.W": W})
    with_transpose = Network([dense(H, N, 2), dense(H, H, 7, feedback=Dense(W)), readout(H)])
    a, b, c = (learn("FA", net=net) for net in (plain, through_F, with_transpose))
    assert not np.array_equal(F, W) and np.array_equal(a[0], b[0])
    assert largest(c[1], a[1]) < 1e-13
    assert all(np.array_equal(a[1][name], b[1][name]) for name in ("1.W", "2.W", "2.b")) and error(b[1]["0.W"], a[1]["0.W"]) > 0.1
    assert set(through_F.get()) == set(plain.get())


# ------------------------------------------------------------------------------------------------ state and its reset


@each
def test_tc04_a_second_run_equals_the_first_and_a_fresh_network_s(kind):
    net = make(kind)
    assert same_bits(learn(kind, net=net), learn(kind, net=net)) and same_bits(learn(kind, net=net), learn(kind))


@each
def test_tc04_nan_in_every_state_does_not_survive_a_reset(kind):
    net = make(kind)
    learn(kind, net=net)
    for layer in net.layers:
        assert layer.state()
        for array in (*layer.state().values(), *layer.sums.values()):
            array.fill(np.nan)
        layer.ones = np.nan
    assert same_bits(learn(kind, net=net), learn(kind))


@each
def test_tc04_a_reset_leaves_another_network_alone(kind):
    a, b = make(kind), make(kind)
    for x_t in data(kind)[:4]:
        b.step(x_t)
    learn(kind, net=a)
    a.reset()
    logits = [b.step(x_t) for x_t in data(kind)[4:]]
    np.testing.assert_array_equal(logits, learn(kind)[0][4:])


@each
def test_tc05_output_and_gradient_of_a_sample_do_not_depend_on_its_batch(kind):
    logits, grads = learn(kind)
    alone = [learn(kind, data(kind)[:, s : s + 1], TARGET[s : s + 1], INSIDE[:, s : s + 1]) for s in range(B)]
    assert error(np.concatenate([one[0] for one in alone], axis=1), logits) < 1e-13
    for name, grad in live(grads).items():
        share = 1 if kind in SIGNALS and not name.startswith("2.") else B  # signals are summed over the batch, BP averaged
        assert error(grad * share, sum(one[1][name] for one in alone)) < 1e-12


@each
def test_tc05_a_batch_of_another_size_before_it_does_not_matter(kind):
    net, x = make(kind), data(kind)
    other = x[:, [0, 1, 2, 0, 1], :, :5, :4] if kind == "conv" else x[:, [0, 1, 2, 0, 1]]
    learn(kind, other, TARGET[[0, 1, 2, 0, 1]], INSIDE[:, [0, 1, 2, 0, 1]], net=net)
    assert same_bits(learn(kind, net=net), learn(kind))


@each
def test_memory_does_not_grow_with_time(kind):
    net, sizes = make(kind), []
    for t in range(T):
        net.step(data(kind)[t])
        net.learn(random(B, O, seed=t), TARGET, np.ones(B, bool))
        sizes.append((len(net.trail), [{name: value.shape for name, value in layer.state().items()} for layer in net.layers]))
    assert all(size == sizes[0] for size in sizes)


def test_memory_is_a_potential_and_a_trace_for_each_end_of_a_layer():
    net = make("dense")
    learn("dense", net=net)
    numbers = sum(array.size for layer in net.layers for array in layer.state().values()) / B
    assert numbers == (H + N + H) + (H + H + H) + O  # potential, tr_x, past of each hidden layer; the readout's potential


def test_silent_batch_has_gradient_0():
    grads = learn("dense", np.zeros((T, B, N)))[1]
    assert not grads["0.W"].any() and not grads["1.W"].any() and not grads["2.W"].any() and grads["2.b"].any()


@each
def test_run_changes_neither_parameters_nor_its_input(kind):
    net, x = make(kind), data(kind).copy()
    before = net.get()
    learn(kind, x, net=net)
    np.testing.assert_array_equal(x, data(kind))
    assert all(np.array_equal(value, before[name]) for name, value in net.get().items())


# --------------------------------------------------------------------------------------------------------- the window


@each
def test_tc14_windows_add_up(kind):
    early, late = window(T, [T] * B, start=2), window(T, [T] * B, start=6)
    parts = [learn(kind, inside=early & ~late)[1], learn(kind, inside=late)[1]]
    whole = learn(kind, inside=early)[1]
    assert largest({name: parts[0][name] + parts[1][name] for name in whole}, whole) < 1e-12


@each
def test_tc14_empty_window_changes_nothing(kind):
    logits, grads = learn(kind, inside=window(T, [T] * B, start=T))
    assert set(grads) == set(make(kind).get()) and not any(grad.any() for grad in grads.values())
    np.testing.assert_array_equal(logits, learn(kind)[0])


@pytest.mark.parametrize("last", [1, 5, T])
def test_tc14_loss_is_asked_in_the_window_alone_for_a_static_input_too(last):
    asked = []

    def loss(output, target):
        asked.append(output)
        return cross_entropy(output, target)

    still = np.repeat(data("dense")[:1], T, axis=0)
    logits, _ = learn("dense", still, inside=window(T, [T] * B, last=last), loss=loss)
    np.testing.assert_array_equal(asked, logits[T - last :])


@each
def test_tc15_padding_is_exact(kind):
    """Sample 1 ends early: whatever follows it, its part of the gradient is that of the run without padding."""
    lengths, x = [T, 7, T - 1], data(kind)
    padded = x.copy()
    padded[8:, 2], padded[7:, 1] = 0, 7
    grads = learn(kind, padded, inside=window(T, lengths, last=4))[1]
    alone = [learn(kind, x[:n, s : s + 1], TARGET[s : s + 1], window(n, [n], last=4))[1] for s, n in enumerate(lengths)]
    for name, grad in live(grads).items():
        share = 1 if kind in SIGNALS and not name.startswith("2.") else B
        assert error(grad * share, sum(one[name] for one in alone)) < 1e-12


# ------------------------------------------------------------------------------------------------- descent and updates


def half_square(output, target):
    return (output**2).sum(1) / 2, output


def scalar_net():
    return Network([Layer(Dense([[1.0]]), Leaky(0), SLTT())])


def test_tc16_accumulated_and_online_updates_differ():
    x, one = np.array([1.0, 2]).reshape(2, 1, 1), np.ones((2, 1), bool)
    net = scalar_net()
    grads = network.run(net, x, np.zeros((1, 1)), half_square, one)[1]
    assert 1 - 0.5 * grads["0.W"] == -1.5

    def descend(grads):
        net.put({"0.W": net.get()["0.W"] - 0.5 * grads["0.W"]})

    network.run(net, x, np.zeros((1, 1)), half_square, one, online=descend)
    assert net.get()["0.W"] == -0.5


@each
def test_tc16_online_run_is_a_loop_of_single_updates_that_keeps_the_traces(kind):
    def sgd(net):
        return lambda grads: net.put({name: value - 0.05 * grads[name] for name, value in net.get().items()})

    net, by_hand, logits = make(kind), make(kind), []
    by_hand.reset()
    for t in range(T):
        logits.append(by_hand.step(data(kind)[t]))
        if INSIDE[t].any():
            by_hand.learn(cross_entropy(logits[t], TARGET)[1], TARGET, INSIDE[t])
            sgd(by_hand)(by_hand.grads())
            by_hand.clear()
    got, _ = learn(kind, net=net, online=sgd(net))
    np.testing.assert_array_equal(got, logits)
    for name, value in net.get().items():
        np.testing.assert_array_equal(value, by_hand.get()[name])
        assert np.abs(value - make(kind).get()[name]).max() > 0


def test_tc16_a_small_step_against_the_gradient_lowers_the_loss():
    """On the smooth twin, where the loss is no staircase; the rule is exact for one hidden layer without reset (lam_pre = gamma)."""
    hidden = dense(H, N, 2, OTTT(0.6), neuron=neuron(psi="sigmoid", reset="none"))
    net = gradcheck.twin(Network([hidden, readout(H, gamma=0)]), smooth=True)
    x = data("dense")
    grads = live(network.run(net, x, TARGET, cross_entropy, INSIDE)[1])
    losses = [gradcheck.total_loss(net, x, TARGET, cross_entropy, INSIDE)]
    for name in grads:
        start = net.get()
        net.put({name: start[name] - 1e-5 * grads[name]})
        losses.append(gradcheck.total_loss(net, x, TARGET, cross_entropy, INSIDE))
        net.put(start)
    drops = losses[0] - np.array(losses[1:])
    np.testing.assert_allclose(drops, [1e-5 * (grad**2).sum() for grad in grads.values()], rtol=0.01, atol=0)


def test_tc17_gradient_is_the_sum_over_steps_of_each_step_s_own_loss():
    logits, grads = learn("dense")
    by_step = [cross_entropy(logits[t], TARGET)[1] / B for t in range(T) if INSIDE[t].any()]
    assert error(grads["2.b"], sum(by_step).sum(0)) < 1e-13
    of_the_sum = cross_entropy((logits * INSIDE[..., None]).sum(0), TARGET)[1].sum(0) / B
    assert error(of_the_sum, grads["2.b"]) > 0.1


def test_network_learns_from_targets_that_are_no_labels():
    target = random(B, O, seed=12)
    logits, grads = learn("dense", target=target, loss=mse)
    expected = sum(2 * (logits[t] - target).sum(0) / O / B for t in range(T) if INSIDE[t].any())
    assert error(live(grads)["2.b"], expected) < 1e-13


# --------------------------------------------------------------------------------------------------- names and numbers


def test_names_count_layers_and_not_maps_or_signals():
    assert list(make("conv").get()) == ["0.W", "0.W.gain", "0.b", "1.W", "1.W.gain", "1.b", "2.W", "2.b"]
    assert list(make("recurrent").get()) == list(make("DFA").get()) == ["0.W", "0.W.gain", "0.V", "0.V.gain", "0.b", "1.W", "2.W", "2.b"]
    assert set(make("Local").get()) - set(make("DFA").get()) == {"0.B", "1.B"}


@each
def test_gradients_have_the_names_and_shapes_of_the_parameters(kind):
    shapes = {name: value.shape for name, value in make(kind).get().items()}
    assert {name: grad.shape for name, grad in live(learn(kind)[1]).items()} == shapes


@each
def test_put_sets_what_get_gave(kind):
    net, other = make(kind), make(kind)
    other.put({name: value + 0.3 for name, value in net.get().items()})
    assert not same_bits(learn(kind, net=other), learn(kind))
    other.put(net.get())
    assert same_bits(learn(kind, net=other), learn(kind))


def test_get_and_put_copy():
    net = make("recurrent")
    given = net.get()
    net.put(given)
    for value in (*given.values(), *net.get().values()):
        value += 1
    assert same_bits(learn("recurrent", net=net), learn("recurrent"))


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_array_of_state_gradient_and_output_has_the_network_s_dtype(kind, dtype):
    net, x = make(kind, dtype), data(kind).astype(dtype)
    logits, grads = learn(kind, x, net=net)
    arrays = [logits, *grads.values(), *net.get().values()]
    for layer in net.layers:
        now = layer.now
        arrays += [*layer.state().values(), *layer.sums.values(), *(synapse.weight.value for synapse in layer.synapses.values())]
        arrays += [now.u, now.y, now.psi, now.eligible, *now.inputs.values(), *(trace for pre in now.pre.values() for trace in pre)]
        arrays += [] if now.past is None else [now.past]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def cross_entropy_of_doubles(output, target):
    return cross_entropy(output.astype(np.float64), target)


class NumPyDecays:
    """A rule of one's own that follows S-TLLR with NumPy's doubles."""

    decays, past_decay, psi, bias_decay = (np.float64(0.7), np.float64(0)), np.float64(0.4), None, np.float64(0.7)

    def posts(self, psi, past):
        return np.float64(0.8) * psi, np.float64(-1) * past

    def bias_post(self, psi, eligible):
        return np.float64(0.8) * eligible


class Doubles:
    """A signal of one's own that computes in float64."""

    def delta(self, err, target, out):
        return np.ones(out.shape)


def dtypes(net, run, loss=cross_entropy):
    """Return the dtypes of all gradients of a run and of the state that it leaves."""
    _, grads = run(net, data("dense"), TARGET, loss, INSIDE)
    return {array.dtype for array in (*live(grads).values(), *(a for layer in net.layers for a in layer.state().values()))}


@pytest.mark.parametrize("run", [network.run, bptt.run], ids=["local", "bptt"])
def test_a_loss_that_computes_in_float64_leaves_a_float32_network_in_float32(run):
    assert dtypes(make("dense", np.float32), run, cross_entropy_of_doubles) == {np.dtype(np.float32)}


@pytest.mark.parametrize("run", [network.run, bptt.run], ids=["local", "bptt"])
def test_a_psi_that_computes_in_float64_leaves_a_float32_network_in_float32(run):
    net = Network([dense(H, N, 2, neuron=neuron(psi=lambda v: np.float64(0.3) * np.exp(-np.abs(v)))), readout(H)], np.float32)
    assert dtypes(net, run) == {np.dtype(np.float32)}


def test_a_signal_that_computes_in_float64_leaves_a_float32_network_in_float32():
    assert dtypes(Network([dense(H, N, 2), Doubles(), readout(H)], np.float32), network.run) == {np.dtype(np.float32)}


@pytest.mark.parametrize("run", [network.run, bptt.run], ids=["local", "bptt"])
def test_a_rule_with_numbers_of_numpy_leaves_a_float32_network_in_float32(run):
    net = Network([dense(H, N, 2, NumPyDecays(), bias=Bias(np.zeros(H))), readout(H)], np.float32)
    assert dtypes(net, run) == {np.dtype(np.float32)}


@each
def test_float32_network_agrees_with_float64(kind):
    logits, grads = learn(kind)
    small = learn(kind, net=make(kind, np.float32))
    assert error(small[0], logits) < 5e-4 and largest(small[1], grads) < 5e-4


@each
@pytest.mark.parametrize("given", [np.float32, np.int64, bool])
def test_input_of_another_dtype_is_taken_into_the_network_s(kind, given):
    assert same_bits(learn(kind, data(kind).astype(given)), learn(kind))


def test_single_step_takes_its_input_into_the_network_s_dtype():
    net = make("dense", np.float32)
    assert net.step(data("dense")[0]).dtype == np.float32 and net.step(data("dense")[1].tolist()).dtype == np.float32


def test_dropout_is_drawn_from_the_generator_alone():
    net = Network([dense(H, N, 2), Dropout(0.4), readout(H)])
    a, b, c = (learn("dense", net=net, rng=np.random.default_rng(seed)) for seed in (0, 0, 1))
    off = learn("dense", net=net)
    assert same_bits(a, b) and not same_bits(a, c) and same_bits(off, learn("dense", net=Network([dense(H, N, 2), readout(H)])))


def test_dropped_unit_neither_speaks_nor_learns_during_a_whole_sequence():
    drop = Dropout(0.5)
    net = Network([dense(H, N, 2), drop, readout(H)])
    _, grads = learn("dense", data("dense")[:, :1], TARGET[:1], INSIDE[:, :1], net=net, rng=np.random.default_rng(0))
    dead = drop.mask[0] == 0
    assert 0 < dead.sum() < H
    assert not grads["0.W"][dead].any() and not grads["1.W"][:, dead].any() and grads["0.W"][~dead].any()


# ------------------------------------------------------------------------------------------------------------ bad input


def refused(call):
    """Assert that a call raises a ValueError of one line that says what was got and what was expected."""
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and "got" in message and "expected" in message and len(message) < 250, message


def with_nan(value):
    x = data("dense").copy()
    x[3, 1, 2] = value
    return x


BAD_RUNS = {
    "axes swapped": dict(x=data("dense").swapaxes(0, 1)), "no batch axis": dict(x=data("dense")[:, 0]),
    "images for dense": dict(x=data("conv")),
    "another N": dict(x=data("dense")[..., 1:]), "longer than its window": dict(x=np.concatenate([data("dense")] * 2)),
    "NaN": dict(x=with_nan(np.nan)), "inf": dict(x=with_nan(np.inf)),
    "object": dict(x=data("dense").astype(object)), "text": dict(x="spikes"), "None": dict(x=np.array(None)),
    "rows of unequal length": dict(x=[[1.0, 2], [3.0]]), "no sample": dict(x=data("dense")[:, :0], inside=INSIDE[:, :0], target=TARGET[:0]),
    "no step": dict(x=data("dense")[:0], inside=INSIDE[:0]), "no input": dict(x=data("dense")[..., :0]),
    "window of numbers": dict(inside=INSIDE.astype(float)), "window transposed": dict(inside=INSIDE.T), "window without samples": dict(inside=INSIDE[:, 0]),
    "label too large": dict(target=np.array([0, O, 1])), "label negative": dict(target=np.array([0, -1, 1])), "labels of another batch": dict(target=TARGET[:2]),
    "labels as floats": dict(target=TARGET.astype(float)), "labels one-hot": dict(target=np.eye(O, dtype=int)[TARGET]),
    "another shape for mse": dict(loss=mse, target=np.zeros((B, O + 1))),
}
BAD_NETWORKS = {
    "complex input": lambda: learn("dense", data("dense") + 1j), "no target": lambda: learn("dense", target=None),
    "whole numbers as dtype": lambda: make("dense", int), "float16": lambda: make("dense", np.float16),
    "V for one neuron": lambda: network.forward(Network([dense(H, N, 2, V=Dense(random(1, H))), readout(H)]), data("dense")),
    "skip for one neuron": lambda: network.forward(Network([dense(H, N, 2), dense(H, H, 3, skips={"S": (Dense(random(1, H)), 0)})]), data("dense")),
    "an array for W": lambda: Layer(random(H, N), neuron(), SLTT()), "an array for bias": lambda: dense(H, N, 2, bias=np.zeros(H)),
    "a number for psi": lambda: neuron(psi=3), "a matrix for gamma": lambda: neuron(gamma=np.eye(3)), "an array for reset": lambda: neuron(reset=np.eye(2)),
    "learning before a step": lambda: make("dense").learn(random(B, O), TARGET, np.ones(B, bool)),
    "two local classifiers of one name": lambda: Network([dense(H, N, 2), Local(random(O, H)), Local(random(O, H)), readout(H)]),
    "local classifier below the first layer": lambda: Network([Local(random(O, N)), dense(H, N, 2), readout(H)]),
    "a weight beyond float32": lambda: make("dense", np.float32).put({"2.b": np.full(O, 1e300)}),
    "an input beyond float32": lambda: learn("dense", 1e300 * data("dense"), net=make("dense", np.float32)),
    "a layer without a row": lambda: Network(dense(H, N, 2)),
    "no layer": lambda: Network([]), "a map alone": lambda: Network([Flatten()]), "signal last": lambda: Network([dense(H, N, 2), DFA(random(O, H))]),
    "not a layer": lambda: Network([dense(H, N, 2), "pool"]), "an array": lambda: Network([random(H, N)]),
    "one rule with traces of its own twice": lambda: Network([dense(H, N, 2, rule := OSTL()), dense(H, H, 3, rule), readout(H)]),
    "one layer twice": lambda: Network([layer := dense(H, H, 2), layer]),
    "mixed dtypes": lambda: Network([dense(H, N, 2), Layer(Dense(random(O, H).astype(np.float32)), Leaky(0), SLTT())]),
    "skip from itself": lambda: Network([dense(H, N, 2, skips={"S": (Dense(random(H, H)), 0)})]),
    "skip from above": lambda: Network([dense(H, N, 2, skips={"S": (Dense(random(H, H)), 1)}), readout(H)]),
    "unknown name": lambda: make("dense").put({"0.V": random(H, H)}), "another shape": lambda: make("dense").put({"0.W": random(N, H)}),
    "a NaN weight": lambda: make("dense").put({"0.W": np.full((H, N), np.nan)}), "a text": lambda: make("dense").put({"0.W": "W"}),
    "layers that do not fit": lambda: network.forward(Network([dense(H, N, 2), dense(H, H + 1, 3)]), data("dense")),
    "another N": lambda: network.forward(make("dense"), data("dense")[..., 1:]), "a NaN": lambda: network.forward(make("dense"), with_nan(np.nan)),
    "fan-in 1": lambda: Standardised(random(H, 1)),
    "B for other classes": lambda: learn("dense", net=Network([dense(H, N, 2), DFA(random(O + 1, H)), readout(H)])),
}


@pytest.mark.parametrize("bad", BAD_RUNS)
def test_run_refuses_bad_input_in_one_line(bad):
    refused(lambda: learn("dense", **BAD_RUNS[bad]))


@pytest.mark.parametrize("bad", BAD_NETWORKS)
def test_network_refuses_bad_parts_in_one_line(bad):
    refused(BAD_NETWORKS[bad])


def test_window_of_another_shape_is_told_the_steps_and_samples_of_an_image_alone():
    with pytest.raises(ValueError, match=rf"^inside: got shape \(2, 3\), expected \({T}, {B}\), steps and samples of x: time is axis 0$"):
        learn("conv", inside=INSIDE[:2])


@pytest.mark.parametrize("err, inside, message", [
    (np.ones((B, 1)), np.ones(B, bool), r"err: got shape \(3, 1\), expected \(3, 4\)"),
    (np.ones((B, O)), np.ones(1, bool), r"inside: got shape \(1,\), expected \(3,\)"),
    (np.ones((B, O)), np.ones(B - 1, bool), r"inside: got shape \(2,\), expected \(3,\)"),
], ids=["err", "one", "fewer"])  # fmt: skip
def test_learn_refuses_an_error_or_a_window_that_would_broadcast(err, inside, message):
    net = make("dense")
    net.step(data("dense")[0])
    with pytest.raises(ValueError, match=f"^{message}$"):
        net.learn(err, TARGET, inside)


def one_error_a_sample(output, target):
    loss, err = cross_entropy(output, target)
    return loss, err.sum(1)


@pytest.mark.parametrize("run", [network.run, bptt.run, functools.partial(bptt.run, summed=True)], ids=["local", "bptt", "summed"])
def test_run_refuses_a_loss_with_one_error_a_sample(run):
    with pytest.raises(ValueError, match=r"^err: got shape \(3,\), expected \(3, 4\)$"):
        run(make("dense"), data("dense"), TARGET, one_error_a_sample, INSIDE)


def test_swapped_axes_are_named():
    with pytest.raises(ValueError, match="time is axis 0"):
        learn("dense", data("dense").swapaxes(0, 1))


def test_no_error_of_a_refused_run_stays_in_the_network():
    net = make("dense")
    refused(lambda: learn("dense", with_nan(np.nan), net=net))
    assert same_bits(learn("dense", net=net), learn("dense"))


def test_refused_put_changes_nothing():
    net = make("dense")
    refused(lambda: net.put({"0.W": random(H, N, seed=77), "nope": 1.0}))
    assert same_bits(learn("dense", net=net), learn("dense"))


def test_row_may_begin_with_a_map():
    x = spikes(T, B, 2, 1, 3)
    flat = network.forward(make("dense"), x.reshape(T, B, N))
    np.testing.assert_array_equal(network.forward(Network([Flatten(), *row("dense")]), x), flat)


def test_window_may_be_given_as_nested_lists():
    assert same_bits(learn("dense", inside=INSIDE.tolist()), learn("dense"))
