"""Exact backpropagation through time: numbers worked out by hand, independent loops, windows, padding, pooling, skips."""

import numpy as np
import oracles
import pytest
from test_exactness import INSIDE, LENGTHS, PSIS, TARGET, B, N, O, T, assert_nonzero, live, make, spikes

from stllr_ref import bptt, gradcheck, network
from stllr_ref.gradcheck import error, largest_error
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, mse, window
from stllr_ref.maps import Dropout
from stllr_ref.network import Network
from stllr_ref.neurons import LIF
from stllr_ref.rules import STLLR
from stllr_ref.signals import DFA, Frozen
from stllr_ref.synapses import Dense

# ------------------------------------------------------------------------------------------ one and two neurons, by hand


def sum_of_outputs(output, target):
    """Loss y: its derivative by every output is 1."""
    return output.sum(1), np.ones_like(output)


def causal(lam_pre):
    return STLLR(lam_pre=lam_pre, lam_post=0, alpha_pre=1, alpha_post=0)


def neuron(w, lam_pre=0.5, v=None, reset="soft", psi="triangle"):
    return Layer(Dense([[w]]), LIF(gamma=0.5, theta=1, psi=psi, reset=reset), causal(lam_pre), V=None if v is None else Dense([[v]]))


def column(*numbers):
    return np.array(numbers, float).reshape(-1, 1, 1)


def by_hand(algorithm, row, x, start, **options):
    """Return name -> number: the gradient of the sum of the spikes from `start` on."""
    x = column(*x)
    grads = algorithm(Network(row), x, np.zeros(1, int), sum_of_outputs, window(len(x), [len(x)], start=start), **options)[1]
    return {name: float(grad[0, 0]) for name, grad in grads.items()}


TC8 = (1, 1, 0, 1)


@pytest.mark.parametrize("attached, dw", [(False, 0.373125), (True, 0.33558717)])
def test_tc08_bptt_of_one_neuron_with_the_reset_detached_and_attached(attached, dw):
    assert by_hand(bptt.run, [neuron(0.8)], TC8, 2, attached=attached) == pytest.approx({"0.W": dw}, rel=1e-14)


def test_tc08_potentials_spikes_and_psi_on_the_way_up():
    net, seen = Network([neuron(0.8)]), []
    for x_t in column(*TC8):
        net.step(x_t)
        now = net.layers[0].now
        seen.append([now.u[0, 0], now.y[0, 0], now.psi[0, 0]])
    np.testing.assert_allclose(seen, [[0.8, 0, 0.24], [1.2, 1, 0.24], [0.1, 0, 0.03], [0.85, 0, 0.255]], rtol=1e-14, atol=0)


@pytest.mark.parametrize("reset, attached, dw", [
    ("none", False, 0.18 * 0.75 + 0.27 * 1.375),  # u .8 1.2 .6 1.1; du/dw 1 1.5 .75 1.375
    ("hard", False, 0.24),  # u .8 1.2 0 .8; du/dw 1 1.5 0 1
    ("hard", True, 0.24 * 0.898912),  # du/dw 1 1.404 -.202176 .898912
])  # fmt: skip
def test_tc08_bptt_of_one_neuron_with_another_reset(reset, attached, dw):
    assert by_hand(bptt.run, [neuron(0.8, reset=reset)], TC8, 2, attached=attached)["0.W"] == pytest.approx(dw, rel=1e-14)


def test_tc09_differences_of_the_hard_loss_are_0():
    net = Network([neuron(0.8)])
    args = net, column(*TC8), np.zeros(1, int), sum_of_outputs, window(4, [4], start=2)
    assert gradcheck.central_differences(*args)["0.W"][0, 0] == 0
    assert bptt.run(*args)[1]["0.W"][0, 0] == pytest.approx(0.373125, rel=1e-14)


def test_tc09_differences_of_the_smooth_loss_are_bptt_through_the_reset():
    twin = gradcheck.twin(Network([neuron(0.8, psi="sigmoid")]), smooth=True, attached=True)
    args = twin, column(*TC8), np.zeros(1, int), sum_of_outputs, window(4, [4], start=2)
    exact, differences = bptt.run(*args, attached=True)[1]["0.W"][0, 0], gradcheck.central_differences(*args)["0.W"][0, 0]
    assert exact == pytest.approx(0.964513733543, abs=1e-12) and differences == pytest.approx(0.964513733465, abs=2e-11)
    assert 0 < abs(exact - differences) < 2e-10
    assert gradcheck.complex_step(*args)["0.W"][0, 0] == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("lam_pre, dw", [(0.5, 0.373125), (0.75, 0.545390625), (0, 0.255)])
def test_tc10_local_rule_with_a_pre_trace_of(lam_pre, dw):
    local = by_hand(network.run, [neuron(0.8, lam_pre)], TC8, 2)["0.W"]
    exact = by_hand(bptt.run, [neuron(0.8)], TC8, 2)["0.W"]
    assert local == pytest.approx(dw, rel=1e-14)
    assert (abs(local - exact) < 1e-15) == (lam_pre == 0.5) and (lam_pre == 0.5 or abs(local - exact) > 1e-3)


TC11 = (1, 1, 1, 0, 1, 1)


@pytest.mark.parametrize("algorithm, lam_pre, hidden, top", [
    (bptt.run, 0.5, 0.09510266052, 0.2586328125), (network.run, 0.5, 0.05008265442, 0.2586328125), (network.run, 0.75, 0.07945666758, None),
], ids=["bptt", "local", "local-0.75"])  # fmt: skip
def test_tc11_two_neurons_in_series(algorithm, lam_pre, hidden, top):
    got = by_hand(algorithm, [neuron(0.9, lam_pre), neuron(0.7, lam_pre)], TC11, 3)
    assert got["0.W"] == pytest.approx(hidden, rel=1e-9)
    assert top is None or got["1.W"] == pytest.approx(top, rel=1e-14)


TC13 = (1, 1, 0, 1, 1)


@pytest.mark.parametrize("options, dw, dv", [
    (dict(), 0.888111944, 0.4720428), (dict(attached=True), 0.761591540253, 0.42389251875), (dict(through_V=False), 0.78421875, 0.433125),
], ids=str)  # fmt: skip
def test_tc13_recurrent_neuron(options, dw, dv):
    assert by_hand(bptt.run, [neuron(0.8, v=0.4)], TC13, 3, **options) == pytest.approx({"0.W": dw, "0.V": dv}, rel=1e-9)


def test_tc13_local_rule_of_a_recurrent_neuron_reads_the_spike_of_the_step_before():
    got = by_hand(network.run, [neuron(0.8, v=0.4)], TC13, 3)
    assert got == pytest.approx({"0.W": 0.78421875, "0.V": 0.433125}, rel=1e-14)
    assert abs(got["0.V"] - 0.7340625) > 0.1  # the spike of this step instead


# --------------------------------------------------------------------------------------------------------- larger networks

NETS = ["dense-2", "recurrent-2", "standardised-1", "conv-1", "conv-2", "skips-2"]
each_net = pytest.mark.parametrize("kind", NETS)
each_reset = pytest.mark.parametrize("reset", ["none", "soft", "hard"])
either_reset = pytest.mark.parametrize("attached", [False, True], ids=["detached", "attached"])


def nonzero(grads):
    assert_nonzero(grads)
    return grads


def exact(net, x, target=TARGET, inside=INSIDE, loss=cross_entropy, **options):
    return nonzero(bptt.run(net, x, target, loss, inside, **options)[1])


# ------------------------------------------------------------------------------------------- against independent loops


@pytest.mark.parametrize("kind", ["dense-1", "dense-2", "recurrent-1", "recurrent-2"])
@each_reset
@either_reset
def test_bptt_is_the_loops(kind, reset, attached):
    net = make(kind, reset=reset)
    x = live(net, kind)
    logits, grads = bptt.run(net, x, TARGET, cross_entropy, INSIDE, attached=attached)
    expected = oracles.bptt(oracles.describe(net), x, TARGET, INSIDE, attached=attached)
    assert error(logits, expected[0]) < 1e-12 and largest_error(nonzero(grads), nonzero(expected[1])) < 1e-12


@pytest.mark.parametrize("psi", PSIS)
def test_bptt_is_the_loops_for_every_psi(psi):
    net = make("dense-2", psi)
    x = live(net, "dense-2")
    assert largest_error(exact(net, x), oracles.bptt(oracles.describe(net), x, TARGET, INSIDE)[1]) < 1e-12


@pytest.mark.parametrize("options", [dict(summed=True), dict(truncated=True), dict(through_V=False), dict(summed=True, truncated=True, attached=True)], ids=str)
@each_reset
def test_bptt_is_the_loops_with_an_option_and_the_option_shows(options, reset):
    net = make("recurrent-2", reset=reset)
    x = live(net, "recurrent-2")
    got = exact(net, x, **options)
    assert largest_error(got, nonzero(oracles.bptt(oracles.describe(net), x, TARGET, INSIDE, **options)[1])) < 1e-12
    assert error(got["0.W"], exact(net, x)["0.W"]) > 1e-3


@each_net
def test_bptt_logits_are_those_of_the_local_run_bit_for_bit(kind):
    net = make(kind)
    x = live(net, kind)
    np.testing.assert_array_equal(*(run(net, x, TARGET, cross_entropy, INSIDE)[0] for run in (bptt.run, network.run)))


# ----------------------------------------------------------------------------------------- windows, truncation, padding


def cut_step(net, x, name, h=1e-20, **paths):
    """Return the derivative by one parameter array of a tangent twin whose state is made real wherever the window has not begun."""
    twin, value = gradcheck.twin(net, smooth=False, **paths), net.get()[name]
    begun, out = np.logical_or.accumulate(INSIDE), np.empty_like(value)
    for index in np.ndindex(value.shape):
        moved = value.astype(complex)
        moved[index] += 1j * h
        twin.put({name: moved})
        twin.reset(traces=False)
        total = 0.0
        for t, x_t in enumerate(x):
            for layer in twin.layers if t else ():
                on = begun[t - 1].reshape(-1, *[1] * (layer.kept.ndim - 1))
                layer.kept, layer.y = (np.where(on, a, a.real) for a in (layer.kept, layer.y))
            total += (cross_entropy(twin.step(x_t), TARGET)[0] * INSIDE[t]).mean()
        out[index] = total.imag / h
    return out


@each_net
def test_truncated_bptt_is_the_complex_step_with_the_state_cut_where_the_window_begins(kind):
    net = make(kind)
    x = live(net, kind)
    got, whole = exact(net, x, truncated=True), exact(net, x)
    assert error(got["0.W"], cut_step(net, x, "0.W")) < 1e-12
    assert error(got["0.W"], whole["0.W"]) > 1e-3


def test_truncated_bptt_passes_a_gap_in_the_window():
    net, gap = make("recurrent-2"), INSIDE & (np.arange(T) != 5)[:, None]
    x = live(net, "recurrent-2")
    got = exact(net, x, inside=gap, truncated=True)
    assert largest_error(got, oracles.bptt(oracles.describe(net), x, TARGET, gap, truncated=True)[1]) < 1e-12


@each_net
def test_truncated_bptt_over_all_steps_is_bptt(kind):
    net, all_steps = make(kind), window(T, LENGTHS, start=0)
    x = live(net, kind)
    assert largest_error(exact(net, x, inside=all_steps, truncated=True), exact(net, x, inside=all_steps)) < 1e-15


@each_net
@pytest.mark.parametrize("options", [dict(), dict(attached=True, summed=True), dict(truncated=True, through_V=False)], ids=str)
def test_tc15_padding_is_exact(kind, options):
    """Whatever follows a sample's end, its part of the gradient is that of the unpadded run."""
    net = make(kind)
    x = live(net, kind)
    for sample, length in enumerate(LENGTHS):
        x[length:, sample] = 3
    got = exact(net, x, **options)
    alone = [
        bptt.run(net, x[:n, s : s + 1], TARGET[s : s + 1], cross_entropy, window(n, [n], last=5), **options)[1] for s, n in enumerate(LENGTHS)
    ]
    assert largest_error(got, {name: sum(one[name] for one in alone) / B for name in got}) < 1e-12


@each_net
def test_windows_add_up(kind):
    net = make(kind)
    x = live(net, kind)
    steps = [bptt.run(net, x, TARGET, cross_entropy, INSIDE & (np.arange(T) == t)[:, None])[1] for t in range(T)]
    assert largest_error({name: sum(one[name] for one in steps) for name in steps[0]}, exact(net, x)) < 1e-12


def test_empty_window_has_gradient_0():
    net = make("recurrent-2")
    grads = bptt.run(net, live(net, "recurrent-2"), TARGET, cross_entropy, np.zeros((T, B), bool))[1]
    assert set(grads) == set(net.get()) and not any(grad.any() for grad in grads.values())


# ----------------------------------------------------------------------- pooling, skips, signals, dropout, other losses


@pytest.mark.parametrize("kind", ["conv-1", "conv-2"])
@each_reset
@either_reset
def test_bptt_of_a_convolution_passes_its_pool(kind, reset, attached):
    """Max pool, and average pool with upsampling: the filters below, entry by entry; winners of tied pools included."""
    net = make(kind, reset=reset)
    x = live(net, kind)
    twin = gradcheck.twin(net, smooth=False, attached=attached)
    expected = gradcheck.complex_step(twin, x, TARGET, cross_entropy, INSIDE, names=["0.W"])
    assert error(exact(net, x, attached=attached)["0.W"], expected["0.W"]) < 1e-12


@each_reset
def test_bptt_passes_skips(reset):
    net = make("skips-2", reset=reset)
    x = live(net, "skips-2")
    got = exact(net, x)
    assert largest_error(got, gradcheck.complex_step(gradcheck.twin(net, smooth=False), x, TARGET, cross_entropy, INSIDE)) < 1e-12
    assert {"1.S", "2.R"} < set(got)


def normal(*shape):
    return np.random.default_rng(3).normal(0, 1, shape)


@pytest.mark.parametrize("signal", [DFA(normal(O, 4)), Frozen()], ids=["DFA", "Frozen"])
def test_bptt_ignores_signals(signal):
    net = make("recurrent-2")
    x, (low, top, out) = live(net, "recurrent-2"), net.layers
    assert largest_error(exact(Network([low, signal, top, out]), x), exact(net, x)) < 1e-15


def test_bptt_ignores_feedback_synapses():
    net = make("dense-2")
    x, (low, top, out) = live(net, "dense-2"), net.layers
    crooked = Layer(top.synapses["W"], top.neuron, top.rule, bias=top.bias, feedback=Dense(normal(6, 4)))
    assert largest_error(exact(Network([low, crooked, out]), x), exact(net, x)) < 1e-15


def dropping(p=0.4):
    """Return a network with dropout in which S-TLLR is exact, its input, and the other arguments of a run."""
    net = make("dense-1", kappa=0)
    x, (low, out) = live(net, "dense-1"), net.layers
    return Network([low, Dropout(p), out]), x, (TARGET, cross_entropy, INSIDE)


def test_bptt_draws_the_dropout_masks_of_the_local_run():
    net, x, args = dropping()
    (logits, local), (again, grads) = (run(net, x, *args, rng=np.random.default_rng(1)) for run in (network.run, bptt.run))
    np.testing.assert_array_equal(logits, again)
    assert largest_error(local, nonzero(grads)) < 1e-12
    assert error(bptt.run(net, x, *args)[1]["0.W"], grads["0.W"]) > 1e-3


@pytest.mark.parametrize("algorithm", [network.run, bptt.run], ids=["local", "bptt"])
def test_no_error_passes_a_dropped_unit(algorithm):
    """The complex step of the loss with that mask, by the bias of each hidden unit."""
    net, x, args = dropping()
    got = algorithm(net, x, *args, rng=np.random.default_rng(1))[1]["0.b"]
    twin, b = gradcheck.twin(net, smooth=False), net.get()["0.b"]
    expected = np.empty_like(b)
    for i in range(len(b)):
        twin.put({"0.b": b + 1e-20j * (np.arange(len(b)) == i)})
        logits = network.forward(twin, x, rng=np.random.default_rng(1))
        expected[i] = sum((cross_entropy(z, TARGET)[0] * on).mean() for z, on in zip(logits, INSIDE)).imag / 1e-20
    assert error(got, expected) < 1e-12


def test_bptt_takes_targets_that_are_no_labels():
    net, target = make("dense-2"), normal(B, O)
    x = live(net, "dense-2")
    expected = gradcheck.complex_step(gradcheck.twin(net, smooth=False), x, target, mse, INSIDE)
    assert largest_error(exact(net, x, target, loss=mse), expected) < 1e-12


@each_net
def test_second_run_equals_the_first_bit_for_bit(kind):
    net = make(kind)
    x = live(net, kind)
    first, second = exact(net, x), exact(net, x)
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("change, message", [
    (dict(x=np.zeros((T, N))), r"x: got shape \(8, 5\), expected 3 axes"),
    (dict(inside=np.ones((T, B))), r"inside: got dtype float64, expected bool \(see window\)"),
    (dict(inside=np.ones((B, T), bool)), r"inside: got shape \(2, 8\), expected \(8, 2\), steps and samples of x: time is axis 0"),
    (dict(target=np.array([0, 1, 2])), r"target: got 3 samples, expected 2, as x \(8, 2, 5\): time is axis 0"),
], ids=["x", "dtype", "swapped", "target"])  # fmt: skip
def test_bptt_refuses_what_does_not_fit_in_one_line(change, message):
    args = dict(x=spikes("dense"), target=TARGET, loss=cross_entropy, inside=INSIDE)
    with pytest.raises(ValueError, match=f"^{message}$"):
        bptt.run(make("dense-1"), **{**args, **change})
