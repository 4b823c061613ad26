"""Filtered products, e-prop and OSTL: exact where their sources say so, measurably not elsewhere; their traces are plain loops."""

import tracemalloc

import numpy as np
import oracles
import pytest

from stllr_ref import bptt, checks, network
from stllr_ref.gradcheck import error, largest_error, liveness
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import OTTT, SLTT, STDP, STLLR
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.synaptic import OSTL, EProp, Filtered
from stllr_ref.weights import Standardised

T, B, N, H, O, GAMMA = 8, 3, 5, 6, 4, 0.7
TARGET, INSIDE = np.array([2, 0, 3]), window(T, [T, T - 1, T], last=4)


def spikes():
    return (np.random.default_rng(0).random((T, B, N)) < 0.45).astype(float)


def make(rule, reset="soft", kappa=0.0, recurrent=False, depth=1, dtype=None):
    """Return `depth` spiking layers under rules made by rule(), and a readout of leak kappa with an exact rule."""
    rng, row, below = np.random.default_rng(1), [], N
    for _ in range(depth):
        V = Dense(rng.normal(0, 0.4, (H, H))) if recurrent else None
        W = Dense(Standardised(rng.normal(0.3, 1, (H, below)), np.full(H, 1.5)))
        row.append(Layer(W, LIF(GAMMA, 0.6, "triangle", reset), rule(), V=V, bias=Bias(rng.normal(0, 0.1, H))))
        below = H
    top = Layer(Dense(rng.normal(0, 0.5, (O, H))), Leaky(kappa), OTTT(kappa, bias_decay=kappa), bias=Bias(rng.normal(0, 0.1, O)))
    return Network([*row, top], dtype=dtype)


def difference(net, **options):
    """Return the largest error of a rule's gradients from BPTT's, on a network that is alive."""
    x = spikes()
    assert liveness(net, x)[1] > 1e-9
    local, exact = network.run(net, x, TARGET, cross_entropy, INSIDE)[1], bptt.run(net, x, TARGET, cross_entropy, INSIDE, **options)[1]
    return largest_error(local, exact)


@pytest.mark.parametrize("kappa", [0.0, 0.8])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("reset", ["soft", "none"])
def test_eprop_is_bptt_without_error_through_v_whatever_the_readout_remembers(reset, recurrent, kappa):
    assert difference(make(lambda: EProp(GAMMA, kappa), reset, kappa, recurrent), through_V=False) < 1e-12


@pytest.mark.parametrize(
    "change, options",
    [
        (dict(reset="hard"), {}),
        (dict(rule=lambda: EProp(GAMMA, 0.0)), {}),
        (dict(rule=lambda: EProp(0.9, 0.8)), {}),
        (dict(depth=2), {}),
        (dict(recurrent=True), {}),
        ({}, dict(attached=True)),
    ],
    ids=["hard reset", "no readout filter", "another decay", "two layers", "error through V", "reset attached"],
)
def test_eprop_is_not_bptt_when_one_condition_breaks(change, options):
    assert difference(make(**{**dict(rule=lambda: EProp(GAMMA, 0.8), kappa=0.8), **change}), **options) > 1e-3


def test_eprop_without_readout_filter_is_ottt_with_an_exact_bias():
    a, b = (network.run(make(rule), spikes(), TARGET, cross_entropy, INSIDE)[1] for rule in (lambda: EProp(GAMMA), lambda: OTTT(GAMMA, GAMMA)))
    assert largest_error(a, b) < 1e-12


@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_ostl_is_bptt_with_the_reset_attached_feed_forward(reset):
    assert difference(make(OSTL, reset), attached=True) < 1e-12


@pytest.mark.parametrize("reset", ["soft", "hard", "none"])
def test_ostl_with_the_recurrent_jacobian_is_bptt_of_a_recurrent_layer(reset):
    assert difference(make(lambda: OSTL(recurrent=True), reset, recurrent=True), attached=True) < 1e-12


@pytest.mark.parametrize(
    "change, options",
    [(dict(recurrent=True), dict(attached=True)), (dict(depth=2), dict(attached=True)), (dict(kappa=0.8), dict(attached=True)), ({}, {})],
    ids=["recurrent, own Jacobian alone", "two layers", "readout with memory", "reset detached"],
)
def test_ostl_is_not_bptt_when_one_condition_breaks(change, options):
    assert difference(make(OSTL, **change), **options) > 1e-3


def test_eprop_s_trace_is_the_double_sum_of_its_paper():
    """ebar_ij[t] = sum_s kappa^(t-s) psi_i[s] sum_k gamma^(s-k) x_j[k], by loops that import no rule."""
    layer, x = make(lambda: EProp(GAMMA, 0.8)).layers[0], spikes()
    psis = []
    for x_t in x:
        layer.step(x_t)
        psis.append(layer.now.psi)
    expected = np.zeros((B, H, N))
    for s in range(T):
        pre = sum(GAMMA ** (s - k) * x[k] for k in range(s + 1))
        for b, i, j in np.ndindex(B, H, N):
            expected[b, i, j] += 0.8 ** (T - 1 - s) * psis[s][b, i] * pre[b, j]
    assert error(layer.rule.e["W"], expected) < 1e-12


@pytest.mark.parametrize("rule", [lambda: EProp(GAMMA, 0.8), OSTL, lambda: OSTL(recurrent=True)], ids=["e-prop", "OSTL", "OSTL recurrent"])
def test_a_second_run_starts_from_nothing_and_float32_stays_float32(rule):
    net, x = make(rule, recurrent=True, dtype=np.float32), spikes()
    first, second = (network.run(net, x, TARGET, cross_entropy, INSIDE)[1] for _ in range(2))
    assert all((first[name] == second[name]).all() and first[name].any() for name in first)
    assert {a.dtype for a in (*first.values(), *net.layers[0].state().values())} == {np.dtype(np.float32)}


def test_state_grows_with_the_synapses_and_not_with_the_steps():
    sizes = []
    for n in (6, 12, 24):
        layer = Layer(Dense(np.ones((n, n))), LIF(GAMMA, 0.6, "triangle"), EProp(GAMMA, 0.8))
        for _ in range(3):
            layer.step(np.ones((2, n)))
            sizes.append(layer.state()["e W"].size)
    assert sizes == [72] * 3 + [288] * 3 + [1152] * 3


def test_a_state_beyond_200_mb_is_refused_before_it_is_allocated():
    layer = Layer(Dense(np.ones((3000, 3000), np.float32)), LIF(GAMMA, 0.6, "triangle"), OSTL(recurrent=True))
    with pytest.raises(ValueError, match=r"^rule: got a trace of 216000 MB \(2, 3000, 3000, 3000\), expected at most 200 MB .*$"):
        layer.step(np.ones((2, 3000), np.float32))


def test_convolutions_and_shared_rules_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^rule: got Filtered on a convolution, expected .*$"):
        Layer(Conv2d(np.ones((2, 2, 3, 3))), LIF(GAMMA, 0.6, "triangle"), EProp(GAMMA))
    rule = OSTL()
    layers = [Layer(Dense(np.ones((H, H))), LIF(GAMMA, 0.6, "triangle"), rule) for _ in range(2)]
    with pytest.raises(ValueError, match=r"^row: got one rule with traces of its own in two layers, expected .*$"):
        Network([*layers, Layer(Dense(np.ones((O, H))), Leaky(0), SLTT())])


@pytest.mark.parametrize("rule, dw, dv", [(lambda: OSTL(recurrent=True), 0.761591540253, 0.42389251875), (lambda: EProp(0.5), 0.78421875, 0.433125)], ids=["OSTL", "e-prop"])
def test_tc13_a_self_recurrent_neuron_by_hand(rule, dw, dv):
    """w = 0.8, v = 0.4, gamma = 0.5, theta = 1, loss y[3] + y[4]: OSTL is exact with the reset attached, e-prop sends no error through v."""
    layer = Layer(Dense([[0.8]]), LIF(0.5, 1, "triangle"), rule(), V=Dense([[0.4]]))
    ys = []
    for t, x in enumerate([1.0, 1, 0, 1, 1]):
        ys.append(layer.step(np.array([[x]]))[0, 0])
        if t >= 3:
            layer.learn(np.ones((1, 1)))
    assert ys == [0, 1, 0, 1, 1]
    assert layer.grads()["W"][0, 0] == pytest.approx(dw, rel=0, abs=1e-10)
    assert layer.grads()["V"][0, 0] == pytest.approx(dv, rel=0, abs=1e-10)


# ------------------------------------------------------------------------------------------------------ any rule, filtered: eq. (8)

FULL = dict(lam_pre=0.6, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.5)
RULES = {
    "S-TLLR": lambda: STLLR(**FULL), "of the paper": lambda: STLLR(**FULL, post_trace="paper"), "exact bias": lambda: STLLR(**FULL, bias_decay=0.6),
    "STDP": lambda: STDP(**FULL), "SLTT": SLTT,
}  # fmt: skip


def learned(rule):
    net, x = make(rule, recurrent=True), spikes()
    assert liveness(net, x)[1] > 1e-9
    return network.run(net, x, TARGET, cross_entropy, INSIDE)[1]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_filtered_by_0_is_the_rule(rule):
    filtered, plain = learned(lambda: Filtered(RULES[rule](), 0)), learned(RULES[rule])
    assert {"0.W", "0.V", "0.b"} <= set(plain) and largest_error(filtered, plain) < 1e-12


@pytest.mark.parametrize("rule", RULES)
def test_a_filter_shows(rule):
    filtered, plain = learned(lambda: Filtered(RULES[rule](), 0.8)), learned(RULES[rule])
    assert all(error(filtered[name], plain[name]) > 1e-3 for name in ("0.W", "0.V", "0.b"))


def test_filtered_s_tllr_is_the_sum_of_equation_8():
    """dW_ij = sum over t of delta_i[t] sum over s <= t of beta^(t-s) e_ij[s], e of eq. (10), by loops that import no rule."""
    beta, net, x = 0.8, make(lambda: Filtered(STLLR(**FULL), 0.8), recurrent=True), spikes()
    assert liveness(net, x)[1] > 1e-9
    layers, got = oracles.describe(net), network.run(net, x, TARGET, cross_entropy, INSIDE)[1]
    dV, db = np.zeros((H, H)), np.zeros(H)
    for b in range(B):
        low, top = oracles.walk(layers, x[:, b])
        _, _, y, psi = low
        err = [[e / B if INSIDE[t, b] else 0.0 for e in oracles.cross_entropy(top[2][t], TARGET[b])[1]] for t in range(T)]
        delta = oracles.downwards(layers, [low, top], err)[0]
        z = [[0.0] * H, *y[:-1]]
        for i in range(H):
            for t in range(T):
                for s in range(t + 1):
                    filtered, past = delta[t][i] * beta ** (t - s), sum(0.4 ** (s - 1 - k) * psi[k][i] for k in range(s))
                    db[i] += filtered * psi[s][i]
                    for j in range(H):
                        dV[i, j] += filtered * (0.8 * psi[s][i] * sum(0.6 ** (s - k) * z[k][j] for k in range(s + 1)) - 0.5 * past * z[s][j])
    assert error(got["0.V"], dV) < 1e-12 and error(got["0.b"], db) < 1e-12


@pytest.mark.parametrize("beta", [-0.1, 1.1, np.nan, "0.5", None])
def test_filtered_refuses_a_decay_out_of_range(beta):
    with pytest.raises(ValueError, match="^beta: got .*, expected a number.*$"):
        Filtered(SLTT(), beta)


@pytest.mark.parametrize("gamma, kappa, name", [(1.1, 0, "gamma"), (0.5, 2, "kappa")])
def test_eprop_refuses_leaks_out_of_range(gamma, kappa, name):
    with pytest.raises(ValueError, match=f"^{name}: got .*, expected a number from 0.* to 1.*$"):
        EProp(gamma, kappa)


def test_a_filtered_state_beyond_200_mb_is_refused_before_it_is_allocated():
    layer = Layer(Dense(np.ones((3000, 3000), np.float32)), LIF(GAMMA, 0.6, "triangle"), Filtered(SLTT(), 0.9))
    x = np.ones((6, 3000), np.float32)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^rule: got a trace of 216 MB \(6, 3000, 3000\), expected at most 200 MB .*$"):
        layer.step(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


@pytest.mark.parametrize("rule, neurons", [(lambda: Filtered(SLTT(), 0.9), 1), (OSTL, 1), (lambda: OSTL(recurrent=True), H)], ids=["filtered", "OSTL", "OSTL recurrent"])
def test_the_limit_counts_all_synapses_of_a_layer_together(rule, neurons):
    """W of N inputs and V of H, three samples: with room for less than both the layer refuses, with room for both it runs."""
    size = 8 * B * neurons * H * (N + H)
    for largest, refused in [(size, False), (size - 1, True)]:
        layer, line = Layer(Dense(np.ones((H, N))), LIF(GAMMA, 0.6, "triangle"), rule(), V=Dense(np.ones((H, H)))), ""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checks, "LARGEST", largest)
            try:
                layer.step(spikes()[0])
            except ValueError as error_:
                line = str(error_)
        assert line.startswith("rule: got a trace of ") == refused
        assert refused or sum(a.size for name, a in layer.rule.state().items() if name[:2] in ("e ", "ep")) * 8 == size


@pytest.mark.parametrize("rule", [OSTL(), EProp(GAMMA), "SLTT", None], ids=["OSTL", "e-prop", "a name", "None"])
def test_filtered_refuses_a_rule_without_a_trace_a_neuron(rule):
    with pytest.raises(ValueError, match=rf"^rule: got {type(rule).__name__}, expected one with a trace a neuron, such as OTTT\(gamma\)$"):
        Filtered(rule, 0.5)


@pytest.mark.parametrize("recurrent", ["no", "", 1, None])
def test_ostl_refuses_what_is_not_true_or_false(recurrent):
    with pytest.raises(ValueError, match=f"^recurrent: got {recurrent!r}, expected True or False$"):
        OSTL(recurrent)
    assert OSTL(np.True_).recurrent and not OSTL(np.False_).recurrent


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_reset_leaves_ostl_nothing_of_the_batch_before_so_that_its_size_may_change(recurrent):
    net, x, inside = make(lambda: OSTL(recurrent), recurrent=True), spikes(), INSIDE[:, 1:]
    network.run(net, x, TARGET, cross_entropy, INSIDE)
    assert net.layers[0].rule.state()
    net.reset()
    assert net.layers[0].rule.state() == {}
    second = network.run(net, x[:, 1:], TARGET[1:], cross_entropy, inside)[1]
    fresh = network.run(make(lambda: OSTL(recurrent), recurrent=True), x[:, 1:], TARGET[1:], cross_entropy, inside)[1]
    assert all(second[name].any() and np.array_equal(second[name], fresh[name]) for name in fresh)
