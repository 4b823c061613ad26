"""The twins: loops over every index, outer products, matrix products and the independent oracle give the same numbers."""

import numpy as np
import oracles
import pytest
from test_exactness import GAMMA, KAPPA, N, O, T, assert_nonzero, live, make, spikes

from stllr_ref import network, twins
from stllr_ref.gradcheck import error, largest_error
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, mse, window
from stllr_ref.maps import Dropout
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import STLLR
from stllr_ref.signals import DFA
from stllr_ref.synapses import Conv2d, Dense

TARGET, LENGTHS = np.array([1, 2]), [T, 6]
INSIDE = window(T, LENGTHS, last=4)
RULE = dict(lam_pre=0.6, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.5, post_trace="code", bias_decay=0.0)
READOUT = dict(lam_pre=0.5, lam_post=0.3, alpha_pre=1.2, alpha_post=0.4, post_trace="code", bias_decay=0.7)
KINDS = [f"{kind}-{depth}" for kind in ("dense", "recurrent", "standardised") for depth in (1, 2, 3)]
SLOW = {"loops": twins.loops, "outer": twins.outer}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_twin = pytest.mark.parametrize("slow", SLOW)


def build(kind, reset="soft", psi="triangle", **change):
    """Return a network whose layers learn by the full rule, non-causal half included."""
    rule = STLLR(**{**RULE, **change})
    return make(kind, psi, reset, rules=[rule] * 3, readout_rule=STLLR(**{**READOUT, "post_trace": rule.post_trace}))


def assert_same(got, expected):
    assert_nonzero(expected[1])
    assert error(got[0], expected[0]) < 1e-12 and largest_error(got[1], expected[1]) < 1e-12


def both(slow, net, x, target=TARGET, loss=cross_entropy, inside=INSIDE):
    return (run(net, x, target, loss, inside) for run in (getattr(twins, slow), network.run))


@each_twin
@each_kind
@pytest.mark.parametrize("post_trace", ["code", "paper"])
@pytest.mark.parametrize("reset", ["none", "soft", "hard"])
def test_twins_equal_the_matrix_products(slow, kind, post_trace, reset):
    net = build(kind, reset, post_trace=post_trace)
    assert_same(*both(slow, net, live(net, kind)))


@each_twin
@pytest.mark.parametrize("bias_decay", [0, 0.35, 1])
@pytest.mark.parametrize("kind", ["dense-2", "recurrent-1"])
def test_twins_equal_the_matrix_products_for_every_bias(slow, kind, bias_decay):
    net = build(kind, bias_decay=bias_decay)
    assert_same(*both(slow, net, live(net, kind)))


@each_twin
@pytest.mark.parametrize("change", [
    dict(lam_pre=0), dict(lam_pre=1), dict(lam_post=0), dict(lam_post=0, post_trace="paper"), dict(lam_post=1), dict(alpha_pre=0), dict(alpha_post=0),
], ids=str)  # fmt: skip
def test_twins_equal_the_matrix_products_at_the_edges_of_every_decay(slow, change):
    net = build("recurrent-2", **change)
    assert_same(*both(slow, net, live(net, "recurrent-2")))


@each_twin
@pytest.mark.parametrize("psi", ["fast_sigmoid", "sigmoid", "arctan"])
def test_twins_equal_the_matrix_products_for_every_psi(slow, psi):
    net = build("dense-2", psi=psi)
    assert_same(*both(slow, net, live(net, "dense-2")))


@each_twin
def test_twins_equal_the_matrix_products_for_targets_that_are_no_labels(slow):
    net = build("dense-2")
    assert_same(*both(slow, net, live(net, "dense-2"), target=np.random.default_rng(2).normal(0, 1, (2, O)), loss=mse))


@each_twin
@pytest.mark.parametrize("last", [1, 6, T])
def test_twins_equal_the_matrix_products_in_every_window(slow, last):
    net = build("recurrent-1")
    assert_same(*both(slow, net, live(net, "recurrent-1"), inside=window(T, LENGTHS, last=last)))


@each_twin
def test_tc15_padding_is_exact_in_the_twins(slow):
    net = build("recurrent-1")
    x = live(net, "recurrent-1")
    expected = getattr(twins, slow)(net, x, TARGET, cross_entropy, INSIDE)[1]
    x[LENGTHS[1] :, 1] = 3
    got = getattr(twins, slow)(net, x, TARGET, cross_entropy, INSIDE)[1]
    assert largest_error(got, expected) < 1e-15


@each_twin
def test_empty_window_has_gradient_0_in_the_twins(slow):
    net = build("recurrent-1")
    grads = getattr(twins, slow)(net, spikes("recurrent-1"), TARGET, cross_entropy, np.zeros((T, 2), bool))[1]
    assert set(grads) == set(net.get()) and not any(grad.any() for grad in grads.values())


# ------------------------------------------------------------------------------------------------ the independent oracle


def by_oracle(net, x, post_trace="code", **change):
    rules = [{**RULE, "post_trace": post_trace, **change}] * (len(net.layers) - 1) + [{**READOUT, "post_trace": post_trace}]
    return oracles.stllr(oracles.describe(net), x, TARGET, INSIDE, rules)


@pytest.mark.parametrize("run", [network.run, twins.loops, twins.outer], ids=["run", "loops", "outer"])
@pytest.mark.parametrize("kind", ["dense-1", "dense-2", "dense-3", "recurrent-1", "recurrent-2", "recurrent-3"])
@pytest.mark.parametrize("post_trace", ["code", "paper"])
def test_all_forms_equal_the_sums_of_equation_10(run, kind, post_trace):
    net = build(kind, post_trace=post_trace)
    x = live(net, kind)
    assert_same(run(net, x, TARGET, cross_entropy, INSIDE), by_oracle(net, x, post_trace))


@pytest.mark.parametrize("reset", ["none", "hard"])
@pytest.mark.parametrize("bias_decay", [0, 0.35])
def test_run_equals_the_sums_of_equation_10_for_other_resets_and_biases(reset, bias_decay):
    net = build("recurrent-2", reset, bias_decay=bias_decay)
    x = live(net, "recurrent-2")
    assert_same(network.run(net, x, TARGET, cross_entropy, INSIDE), by_oracle(net, x, bias_decay=bias_decay))


@pytest.mark.parametrize("change", [dict(lam_pre=0.5), dict(lam_post=0.3), dict(alpha_pre=0.7), dict(alpha_post=-0.4), dict(post_trace="paper"), dict(bias_decay=0.3)], ids=str)
def test_the_oracle_tells_neighbouring_rules_apart(change):
    net = build("recurrent-2")
    x = live(net, "recurrent-2")
    got, other = network.run(net, x, TARGET, cross_entropy, INSIDE)[1], by_oracle(net, x, **change)[1]
    seen = ["0.b", "1.b"] if "bias_decay" in change else ["0.W", "0.V", "1.W", "1.V"]
    assert all(error(got[name], other[name]) > 1e-3 for name in seen)


# -------------------------------------------------------------------------------------------- what the twins do not take


def dense(n_out, n_in, rule=None, **options):
    return Layer(Dense(np.ones((n_out, n_in))), LIF(GAMMA, 1, "triangle"), rule or STLLR(**RULE), **options)


def readout(n_in):
    return Layer(Dense(np.ones((O, n_in))), Leaky(KAPPA), STLLR(**READOUT))


class OtherRule:
    decays, past_decay, psi, bias_decay = (0.5,), None, None, 0.0

    def posts(self, psi, past):
        return (psi,)


class OtherNeuron:
    gamma, theta = GAMMA, 1.0

    def fire(self, u):
        return (u > 1).astype(u.dtype), np.ones_like(u)

    def rest(self, u, y):
        return 0 * u


class HeavyReset(LIF):
    def rest(self, u, y):
        return self.gamma * (u - 2 * y)


PLAIN = "expected Dense layers under STLLR"
LEFT_OUT = {
    "convolution": ([Layer(Conv2d(np.ones((2, 1, 3, 3))), LIF(GAMMA, 1, "triangle"), STLLR(**RULE))], f"layer 0: .*, {PLAIN}"),
    "other rule": ([dense(4, N), dense(6, 4, OtherRule()), readout(6)], f"layer 1: .*, {PLAIN}"),
    "other neuron": ([dense(4, N), Layer(Dense(np.ones((6, 4))), OtherNeuron(), STLLR(**RULE)), readout(6)], f"layer 1: .*, {PLAIN}"),
    "LIF with another reset": ([Layer(Dense(np.ones((6, N))), HeavyReset(GAMMA, 1, "triangle"), STLLR(**RULE)), readout(6)], f"layer 0: .*, {PLAIN}"),
    "other Psi": ([dense(4, N, STLLR(**RULE, psi="spike")), readout(4)], f"layer 0: .*, {PLAIN}"),
    "skip": ([dense(4, N), dense(6, 4), dense(7, 6, skips={"S": (Dense(np.ones((7, 4))), 0)}), readout(7)], f"layer 2: .*, {PLAIN}"),
    "feedback": ([dense(4, N), dense(6, 4, feedback=Dense(np.ones((6, 4)))), readout(6)], f"layer 1: .*, {PLAIN}"),
    "map": ([dense(4, N), Dropout(0.5), readout(4)], "row: got maps or signals, expected layers alone"),
    "signal": ([dense(4, N), DFA(np.ones((O, 4))), readout(4)], "row: got maps or signals, expected layers alone"),
}


@each_twin
@pytest.mark.parametrize("what", LEFT_OUT)
def test_twins_refuse_what_they_do_not_take_in_one_line(slow, what):
    row, message = LEFT_OUT[what]
    with pytest.raises(ValueError, match=f"^{message}$"):
        getattr(twins, slow)(Network(row), spikes("dense"), TARGET, cross_entropy, INSIDE)


@each_twin
def test_twins_refuse_inputs_that_do_not_fit_in_one_line(slow):
    with pytest.raises(ValueError, match=r"^inside: got shape \(2, 8\), expected \(8, 2\), steps and samples of x: time is axis 0$"):
        getattr(twins, slow)(build("dense-1"), spikes("dense"), TARGET, cross_entropy, INSIDE.T)


@each_twin
def test_twins_refuse_a_loss_with_one_error_a_sample(slow):
    with pytest.raises(ValueError, match=r"^err: got shape \(\d,\), expected \(\d, 3\)$"):
        getattr(twins, slow)(build("dense-1"), spikes("dense"), TARGET, lambda out, target: (None, out[:, 0]), INSIDE)


@each_twin
def test_twins_leave_parameters_and_input_alone(slow):
    net = build("recurrent-1")
    x = spikes("recurrent-1")
    before = net.get()
    getattr(twins, slow)(net, x, TARGET, cross_entropy, INSIDE)
    np.testing.assert_array_equal(x, spikes("recurrent-1"))
    assert all(np.array_equal(value, before[name]) for name, value in net.get().items())
