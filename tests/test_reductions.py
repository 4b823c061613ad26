"""What one algorithm becomes when a number is 0 or a part is left out: OTTT, SLTT, STDP, feed-forward, dense, BP."""

import numpy as np
import oracles
import pytest
from test_exactness import GAMMA, INSIDE, KAPPA, TARGET, WIDTHS, B, O, T, assert_nonzero, live, make, spikes

from stllr_ref import bptt, network
from stllr_ref.gradcheck import cosine, error, largest_error, liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.maps import GlobalAvg
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT, SLTT, STLLR
from stllr_ref.signals import DFA
from stllr_ref.surrogates import spike
from stllr_ref.synapses import Bias, Conv2d, Dense

FULL = dict(lam_pre=0.6, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.5)


def run(net, x, inside=INSIDE):
    grads = network.run(net, x, TARGET, cross_entropy, inside)[1]
    assert_nonzero(grads)
    return grads


def assert_differs(got, other, names):
    assert all(error(got[name], other[name]) > 1e-3 for name in names)


# ------------------------------------------------------------------------- OTTT and SLTT, as their own papers print them

depths = pytest.mark.parametrize("depth", [1, 2, 3])
either_reset = pytest.mark.parametrize("reset", ["soft", "none"])


def weights(depth):
    return [f"{i}.W" for i in range(depth + 1)]


@depths
@either_reset
@pytest.mark.parametrize("psi", ["triangle", "sigmoid"])
def test_ottt_is_its_paper_s(depth, reset, psi):
    net = make(f"dense-{depth}", psi, reset, rules=[OTTT(GAMMA)] * depth, readout_rule=OTTT(KAPPA))
    x = live(net, f"dense-{depth}")
    assert largest_error(run(net, x), oracles.ottt(oracles.describe(net), x, TARGET, INSIDE)[1]) < 1e-12


@depths
@either_reset
@pytest.mark.parametrize("psi", ["triangle", "sigmoid"])
def test_sltt_is_its_paper_s(depth, reset, psi):
    net = make(f"dense-{depth}", psi, reset, rules=[SLTT()] * depth, readout_rule=SLTT())
    x = live(net, f"dense-{depth}")
    assert largest_error(run(net, x), oracles.sltt(oracles.describe(net), x, TARGET, INSIDE)[1]) < 1e-12


@pytest.mark.parametrize("rule, readout, differ", [
    (SLTT(), SLTT(), ["0.W", "1.W", "2.W"]),
    (OTTT(GAMMA + 0.1), OTTT(KAPPA), ["0.W", "1.W"]),
    (OTTT(GAMMA), SLTT(), ["2.W"]),
    (OTTT(GAMMA, bias_decay=GAMMA), OTTT(KAPPA), ["0.b", "1.b"]),
    (STLLR(lam_pre=GAMMA, lam_post=0.4, alpha_pre=1, alpha_post=-0.2), OTTT(KAPPA), ["0.W", "1.W"]),
], ids=["sltt", "decay", "readout without a trace", "exact bias", "non-causal term"])  # fmt: skip
def test_a_neighbour_of_ottt_is_not_ottt(rule, readout, differ):
    net = make("dense-2", rules=[rule] * 2, readout_rule=readout)
    x = live(net, "dense-2")
    got, paper = run(net, x), oracles.ottt(oracles.describe(net), x, TARGET, INSIDE)[1]
    assert_differs(got, paper, differ)
    assert all(error(got[name], paper[name]) < 1e-12 for name in set(got) - set(differ))


@pytest.mark.parametrize("rule, differ", [
    (OTTT(GAMMA), ["0.W", "1.W"]), (OTTT(0.05), ["0.W", "1.W"]), (STLLR(lam_pre=0, lam_post=0, alpha_pre=1, alpha_post=0.2), ["0.W", "1.W"]),
], ids=["ottt", "a short trace", "non-causal term"])  # fmt: skip
def test_a_neighbour_of_sltt_is_not_sltt(rule, differ):
    net = make("dense-2", rules=[rule] * 2, readout_rule=SLTT())
    x = live(net, "dense-2")
    got, paper = run(net, x), oracles.sltt(oracles.describe(net), x, TARGET, INSIDE)[1]
    assert_differs(got, paper, differ)
    assert all(error(got[name], paper[name]) < 1e-12 for name in set(got) - set(differ))


@pytest.mark.parametrize("gamma, steps", [(0.0, T), (GAMMA, 1)], ids=["gamma 0", "T 1"])
def test_sltt_is_bptt_where_there_is_no_past(gamma, steps):
    low, out = make("dense-1", kappa=0).layers
    net = Network([Layer(low.synapses["W"], LIF(gamma, 0.6, "triangle"), SLTT(), bias=low.bias), Layer(out.synapses["W"], Leaky(0), SLTT(), bias=out.bias)])
    x = live(net, "dense-1")[T - steps :]
    exact = bptt.run(net, x, TARGET, cross_entropy, np.ones((steps, B), bool))[1]
    assert largest_error(run(net, x, np.ones((steps, B), bool)), exact) < 1e-12


def test_ottt_is_bptt_with_one_hidden_layer_and_a_readout_without_memory():
    net = make("dense-1", kappa=0, rules=[OTTT(GAMMA, bias_decay=GAMMA)], readout_rule=OTTT(0))
    x = live(net, "dense-1")
    assert largest_error(run(net, x), bptt.run(net, x, TARGET, cross_entropy, INSIDE)[1]) < 1e-12


# --------------------------------------------------------------------------------------------------------- STDP, eq. (4)


@pytest.mark.parametrize("alpha_post", [-1.0, 0.3])
def test_stdp_is_s_tllr_of_spikes_with_delta_1_and_the_post_trace_of_the_paper(alpha_post):
    window_ = dict(lam_pre=0.75, lam_post=0.4, alpha_pre=0.9, alpha_post=alpha_post)

    def change(**options):
        low = make("dense-1").layers[0]
        layer, ys = Layer(low.synapses["W"], low.neuron, STLLR(**{**window_, "psi": spike, "post_trace": "paper", **options}), bias=low.bias), []
        for x_t in x:
            ys.append(layer.step(x_t))
            layer.learn(np.ones((B, WIDTHS[1])))
        return layer.grads()["W"], np.array(ys)

    x = live(make("dense-1"), "dense-1")
    dW, y = change()
    expected = sum(oracles.stdp(x[:, b], y[:, b], **window_) for b in range(B))
    assert error(dW, expected) < 1e-12
    assert min(error(change(**other)[0], expected) for other in (dict(post_trace="code"), dict(psi=None))) > 1e-3


def test_another_psi_of_the_eligibility_changes_its_own_layer_and_not_the_error_sent_down():
    def grads(**change):
        net = make("dense-2", rules=[STLLR(**FULL), STLLR(**FULL, **change)])
        return run(net, live(net, "dense-2"))

    own, other = grads(), grads(psi=spike)
    assert_differs(other, own, ["1.W"])
    assert max(error(other[name], own[name]) for name in ("0.W", "0.b", "1.b")) < 1e-15


# --------------------------------------------------------------------------------------------------------- parts left out


@pytest.mark.parametrize("kind", ["dense-2", "recurrent-2", "standardised-1", "conv-2", "skips-2"])
@pytest.mark.parametrize("post_trace", ["code", "paper"])
def test_the_two_terms_add_up_and_alpha_post_0_leaves_the_causal_one(kind, post_trace):
    def grads(**change):
        net = make(kind, rules=[STLLR(**{**FULL, "post_trace": post_trace, **change})] * 3)
        return run(net, live(net, kind))

    causal, whole, mirrored = grads(alpha_post=0), grads(), grads(alpha_post=0.5)
    assert largest_error({name: (whole[name] + mirrored[name]) / 2 for name in whole}, causal) < 1e-12
    assert_differs(whole, causal, [name for name in whole if name[0] != kind[-1] and name[-1] in "WVS"])


def test_without_a_past_decay_the_paper_s_non_causal_term_is_gone_and_the_code_s_is_not():
    def grads(**change):
        net = make("dense-2", rules=[STLLR(**{**FULL, "lam_post": 0, **change})] * 2)
        return run(net, live(net, "dense-2"))

    causal = grads(alpha_post=0)
    assert largest_error(grads(post_trace="paper"), causal) < 1e-15
    assert_differs(grads(post_trace="code"), causal, ["0.W", "1.W"])


@pytest.mark.parametrize("algorithm", [network.run, bptt.run], ids=["local", "bptt"])
@pytest.mark.parametrize("depth", [1, 2])
def test_recurrent_weights_of_0_make_a_feed_forward_network(algorithm, depth):
    net = make(f"recurrent-{depth}", rules=[STLLR(**FULL)] * 2)
    x = live(net, f"recurrent-{depth}")
    net.put({f"{i}.V": np.zeros((WIDTHS[i + 1],) * 2) for i in range(depth)})
    layers = [Layer(layer.synapses["W"], layer.neuron, layer.rule, bias=layer.bias) for layer in net.layers]
    got, expected = (algorithm(n, x, TARGET, cross_entropy, INSIDE) for n in (net, Network(layers)))
    assert_nonzero(got[1])  # V learns all the same: it is 0, not absent
    np.testing.assert_array_equal(got[0], expected[0])
    assert largest_error({name: got[1][name] for name in expected[1]}, expected[1]) < 1e-15


@pytest.mark.parametrize("algorithm", [network.run, bptt.run], ids=["local", "bptt"])
def test_1x1_convolutions_of_1x1_images_are_dense_layers(algorithm):
    dense = make("dense-2", rules=[STLLR(**FULL)] * 2)
    x, (low, top, out) = live(dense, "dense-2"), dense.layers

    def pixel(layer):
        W, b = layer.synapses["W"].weight.value, layer.bias.weight.value
        return Layer(Conv2d(W[:, :, None, None]), layer.neuron, layer.rule, bias=Bias(b[:, None, None]))

    conv = Network([pixel(low), pixel(top), GlobalAvg(), Layer(out.synapses["W"], out.neuron, out.rule, bias=out.bias)])
    got = algorithm(conv, x[..., None, None], TARGET, cross_entropy, INSIDE)
    expected = algorithm(dense, x, TARGET, cross_entropy, INSIDE)
    assert error(got[0], expected[0]) < 1e-12
    assert_nonzero(expected[1])
    assert largest_error({name: grad.reshape(expected[1][name].shape) for name, grad in got[1].items()}, expected[1]) < 1e-12


# ----------------------------------------------------------------------------------------------------- signals and windows


def with_top(top_neuron):
    """Return (BP, DFA with B = W of the top layer) of one hidden layer under a top layer with that neuron."""
    low, out = make("dense-1", rules=[STLLR(**FULL)]).layers
    top = Layer(out.synapses["W"], top_neuron, SLTT(), bias=out.bias)
    nets = Network([low, top]), Network([low, DFA(out.synapses["W"].weight.value), top])
    x = spikes("dense-1")
    liveness(nets[0], x)
    return [run(net, x) for net in nets]


@pytest.mark.parametrize("kappa", [0, 0.8])
def test_dfa_through_the_readout_s_own_weights_is_bp_times_the_batch(kappa):
    """Under a linear readout; DFA is not divided by the batch size, BP is."""
    bp, dfa = with_top(Leaky(kappa))
    assert largest_error({"W": dfa["0.W"], "b": dfa["0.b"]}, {"W": B * bp["0.W"], "b": B * bp["0.b"]}) < 1e-12
    assert error(dfa["1.W"], bp["1.W"]) == 0


def test_dfa_through_the_top_layer_s_own_weights_is_not_bp_when_the_top_spikes():
    bp, dfa = with_top(LIF(0.7, 0.3, "triangle"))
    assert cosine(dfa["0.W"], bp["0.W"]) < 1 - 1e-3  # not even up to a factor


@pytest.mark.parametrize("kind", ["dense-2", "recurrent-2", "standardised-2", "conv-2", "skips-2"])
def test_a_window_is_the_sum_of_its_single_steps(kind):
    net = make(kind, rules=[STLLR(**FULL)] * 3)
    x = live(net, kind)
    single = [network.run(net, x, TARGET, cross_entropy, INSIDE & (np.arange(T) == t)[:, None])[1] for t in range(T)]
    assert not any(grad.any() for t in (0, 1) for grad in single[t].values())  # nothing is learned before the window
    assert largest_error({name: sum(one[name] for one in single) for name in single[0]}, run(net, x)) < 1e-12


# ----------------------------------------------------------------------------------------------------------- the depth gap

STEPS, SAMPLES, WIDE = 20, 4, (10, 12, 14)


def layer_1_cosine(gamma2, seed):
    """Return how well the local rule points along BPTT below a layer of leak gamma2; two spiking layers, linear readout."""
    rng = np.random.default_rng([5, seed])

    def spiking(n, n_in, gamma):
        return Layer(Dense(rng.normal(0.1, 1.2 / np.sqrt(n_in), (n, n_in))), LIF(gamma, 0.6, "triangle"), OTTT(gamma))

    low, top = spiking(WIDE[1], WIDE[0], 0.8), spiking(WIDE[2], WIDE[1], gamma2)
    net = Network([low, top, Layer(Dense(rng.normal(0, 1 / np.sqrt(WIDE[2]), (O, WIDE[2]))), Leaky(0), SLTT())])
    x, target = (rng.random((STEPS, SAMPLES, WIDE[0])) < 0.4).astype(float), rng.integers(0, O, SAMPLES)
    liveness(net, x)
    local, exact = (run(net, x, target, cross_entropy, window(STEPS, [STEPS] * SAMPLES, last=STEPS))[1] for run in (network.run, bptt.run))
    assert_nonzero(exact)
    return cosine(local["0.W"], exact["0.W"])


def test_layer_1_is_exact_below_a_layer_without_leak():
    assert layer_1_cosine(0.0, 0) > 1 - 1e-12


def test_layer_1_falls_away_from_bptt_as_the_layer_above_remembers_longer():
    """Mean of 20 seeds: what the upper layer remembers is credit that the lower one does not get."""
    means = [np.mean([layer_1_cosine(gamma2, seed) for seed in range(20)]) for gamma2 in (0, 0.2, 0.5, 0.8, 0.95)]
    assert means[0] > 1 - 1e-12 and 0.8 < means[-1] < 0.98
    assert all(low < high - 1e-4 for high, low in zip(means, means[1:]))
