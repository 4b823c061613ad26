"""What must equal what and what must not: BPTT, S-TLLR and derivatives taken without a backward pass."""

import numpy as np
import pytest

from stllr_ref import bptt, gradcheck, network
from stllr_ref.gradcheck import error
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, window
from stllr_ref.maps import AvgPool, Flatten, GlobalAvg, MaxPool, Upsample
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.rules import STLLR
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.weights import Standardised

T, B, N, O = 8, 2, 5, 3
GAMMA, THETA, KAPPA = 0.7, 0.6, 0.8
WIDTHS = (N, 4, 6, 7)
SEED = 4  # every layer alive in every network below, on hard spikes and on the smooth twin
TARGET = np.array([2, 0])
LENGTHS = [T, T - 1]
INSIDE = window(T, LENGTHS, last=5)
RANGE = {"fast_sigmoid": 0.02, "triangle": 0.3, "sigmoid": 1.0, "arctan": np.pi / 10}  # of the primitive: what a smooth twin emits
PSIS = list(RANGE)
RESETS = {"none": ("none", False), "soft": ("soft", False), "soft-attached": ("soft", True), "hard": ("hard", False), "hard-attached": ("hard", True)}
KINDS = [f"{kind}-{depth}" for kind in ("dense", "recurrent", "standardised", "conv") for depth in (1, 2, 3)] + ["skips-2", "skips-3"]


def exact_rule(lam_pre=GAMMA, alpha_pre=1.0, **options):
    """Return the causal half of S-TLLR with the exact bias: what can be a gradient."""
    return STLLR(**{**dict(lam_pre=lam_pre, lam_post=0.4, alpha_pre=alpha_pre, alpha_post=0, bias_decay=lam_pre), **options})


def make(kind, psi="triangle", reset="soft", unit=1.0, rules=None, kappa=KAPPA, readout_rule=None):
    """Return a network of `kind` ("dense-2", ...); unit is what one spike is worth: 1, or the range of a smooth twin's primitive."""
    kind, depth = kind.rsplit("-", 1)
    depth, rng = int(depth), np.random.default_rng([SEED, PSIS.index(psi), KINDS.index(f"{kind}-{depth}")])
    rules = rules or [exact_rule()] * depth
    neuron = LIF(gamma=GAMMA, theta=THETA, psi=psi, reset=reset)

    def matrix(*shape, one, mean=0.1, scale=0.75):
        spread = scale * np.sqrt(5 / np.prod(shape[1:]))
        return rng.normal(mean * spread, spread, shape) / one

    def weight(*shape, one, **options):
        if kind in ("dense", "recurrent", "skips"):
            return matrix(*shape, one=one, **options)
        return Standardised(rng.normal(0.2, 1, shape), rng.uniform(1, 1.6, shape[0]) / one)

    def hidden(i):
        one, n_in, n = 1.0 if i == 0 else unit, WIDTHS[i], WIDTHS[i + 1]
        if kind == "conv":
            channels = (1, 2, 3, 2)
            W, b = weight(channels[i + 1], channels[i], 3, 3, one=one), rng.normal(0.2, 0.1, (channels[i + 1], 1, 1))
            return Layer(Conv2d(W, stride=2 if i == 2 else 1), neuron, rules[i], bias=Bias(b))
        W, b, more = weight(n, n_in, one=one), rng.normal(0.25, 0.1, n), {}
        if kind in ("recurrent", "standardised"):
            more["V"] = Dense(weight(n, n, one=unit, mean=0, scale=0.5))
        if kind == "skips" and i == depth - 1:
            more["skips"] = {"S": (Dense(matrix(n, WIDTHS[1], one=unit)), 0)}
        return Layer(Dense(W), neuron, rules[i], bias=Bias(b), **more)

    row = [hidden(i) for i in range(depth)]
    if kind == "conv":  # images 1 x 6 x 5
        maps = {1: [[MaxPool(2), Flatten()]], 2: [[AvgPool(2)], [Upsample(2), MaxPool(3), GlobalAvg()]],
                3: [[MaxPool(2)], [Upsample(2)], [AvgPool(2), GlobalAvg()]]}[depth]  # fmt: skip
        row = [item for layer, above in zip(row, maps) for item in (layer, *above)]
    n = {1: 12, 2: 3, 3: 2}[depth] if kind == "conv" else WIDTHS[depth]
    more = {"skips": {"R": (Dense(matrix(O, WIDTHS[1], one=unit)), 0)}} if kind == "skips" else {}
    row.append(Layer(Dense(matrix(O, n, one=unit)), Leaky(kappa), readout_rule or exact_rule(kappa), bias=Bias(rng.normal(0, 0.3, O)), **more))
    return Network(row)


def spikes(kind):
    shape = (T, B, 1, 6, 5) if kind.startswith("conv") else (T, B, N)
    return (np.random.default_rng(1).random(shape) < 0.5).astype(float)


def live(net, kind, flat=False):
    """Return the input, after asserting that every layer of the network (or smooth twin) sees v of both signs, far from ties; flat: and |v| > 1."""
    x = spikes(kind)
    _, margin = gradcheck.liveness(net, x)
    assert margin > 1e-9
    if flat:
        assert all(min(np.abs(u - THETA).min() for u in us) < 1 < max(np.abs(u - THETA).max() for u in us) for us in potentials(net, x))
    return x


def potentials(net, x):
    """Return for each spiking layer its potentials of every step."""
    net.reset(traces=False)
    steps = []
    for x_t in x:
        net.step(x_t)
        steps.append([layer.now.u for layer in net.layers[:-1]])
    return list(zip(*steps))


def assert_nonzero(grads):
    assert all(np.isfinite(grad).all() and np.abs(grad).max() > 0 for grad in grads.values())


def directional_error(twin, name, grad, x, h=1e-20):
    """Return the error of grad along one random direction, every entry weighing 0.5 to 1.5: the complex step in one run, not one an entry."""
    value, rng = twin.get()[name], np.random.default_rng(7)
    direction = rng.uniform(0.5, 1.5, value.shape) * rng.choice([-1, 1], value.shape)
    twin.put({name: value + 1j * h * direction})
    slope = gradcheck.total_loss(twin, x, TARGET, cross_entropy, INSIDE).imag / h
    twin.put({name: value})
    return abs((grad * direction).sum() - slope) / np.abs(grad).max()


def run(net, x, inside=INSIDE):
    return network.run(net, x, TARGET, cross_entropy, inside)[1]


def exact(net, x, **options):
    return bptt.run(net, x, TARGET, cross_entropy, INSIDE, **options)[1]


each_psi = pytest.mark.parametrize("psi", PSIS)
each_kind = pytest.mark.parametrize("kind", KINDS)
each_reset = pytest.mark.parametrize("reset", RESETS)
shallow = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith("-1")])
both_twins = pytest.mark.parametrize("smooth", [True, False], ids=["smooth", "tangent"])


# ------------------------------------------------------------------------------------------------- BPTT = complex step


@both_twins
@each_kind
@each_psi
@each_reset
def test_bptt_is_the_complex_step_in_a_random_direction(smooth, kind, psi, reset):
    """Every parameter array, Psi, reset, kind of layer and depth; on the smooth twin BPTT walks the twin's own u and y."""
    reset, attached = RESETS[reset]
    net = make(kind, psi, reset, unit=RANGE[psi] if smooth else 1.0)
    twin = gradcheck.twin(net, smooth=smooth, attached=attached)
    x = live(twin if smooth else net, kind, flat=smooth and psi == "triangle")
    grads = exact(twin if smooth else net, x, attached=attached)
    assert_nonzero(grads)
    for name, grad in grads.items():
        assert directional_error(twin, name, grad, x) < 1e-12, name


@both_twins
@pytest.mark.parametrize("kind, psi, reset", [
    ("dense-1", "fast_sigmoid", "none"), ("dense-2", "triangle", "soft"), ("recurrent-1", "sigmoid", "hard"), ("recurrent-2", "arctan", "soft-attached"),
    ("standardised-1", "triangle", "hard-attached"), ("conv-1", "arctan", "soft"), ("conv-2", "triangle", "hard"), ("skips-2", "sigmoid", "none"),
])  # fmt: skip
def test_bptt_is_the_complex_step_entry_by_entry(smooth, kind, psi, reset):
    reset, attached = RESETS[reset]
    net = make(kind, psi, reset, unit=RANGE[psi] if smooth else 1.0)
    twin = gradcheck.twin(net, smooth=smooth, attached=attached)
    x = live(twin if smooth else net, kind, flat=smooth and psi == "triangle")
    expected = gradcheck.complex_step(twin, x, TARGET, cross_entropy, INSIDE)
    assert gradcheck.largest_error(exact(twin if smooth else net, x, attached=attached), expected) < 1e-12


@both_twins
@each_psi
def test_bptt_without_error_through_v_is_the_complex_step_with_that_path_cut(smooth, psi):
    kind = "recurrent-2"
    net = make(kind, psi, unit=RANGE[psi] if smooth else 1.0)
    cut, whole = (gradcheck.twin(net, smooth=smooth, through_V=through) for through in (False, True))
    x = live(whole if smooth else net, kind, flat=smooth and psi == "triangle")
    walked = gradcheck.twin(net, smooth=True) if smooth else net
    grads = exact(walked, x, through_V=False)
    assert_nonzero(grads)
    for name, grad in grads.items():
        assert directional_error(cut, name, grad, x) < 1e-12, name


@pytest.mark.parametrize("psi", ["triangle", "sigmoid", "arctan"])
@pytest.mark.parametrize("kind", ["recurrent-1", "recurrent-2"])
def test_error_through_v_shows(kind, psi):
    net = make(kind, psi)
    x = live(net, kind)
    whole, cut = exact(net, x), exact(net, x, through_V=False)
    assert all(error(cut[name], whole[name]) > 1e-3 for name in ("0.W", "0.V", "0.b"))


@pytest.mark.parametrize("reset", ["soft", "hard"])
@each_psi
def test_attached_and_detached_resets_give_different_gradients(psi, reset):
    net = make("dense-2", psi, reset)
    x = live(net, "dense-2")
    assert error(exact(net, x, attached=True)["0.W"], exact(net, x)["0.W"]) > 1e-3


# ------------------------------------------------------------------------------------------ central differences, second


@pytest.mark.parametrize("kind", ["dense-1", "recurrent-1", "conv-1"])
@pytest.mark.parametrize("reset", ["none", "soft-attached", "hard-attached"])
@each_psi
def test_bptt_of_the_smooth_twin_is_the_central_difference(kind, psi, reset):
    reset, attached = RESETS[reset]
    twin = gradcheck.twin(make(kind, psi, reset, unit=RANGE[psi]), smooth=True, attached=attached)
    x = live(twin, kind, flat=psi == "triangle")
    h = 1e-6 if psi == "triangle" else 1e-5  # a kink inside a step costs accuracy
    expected = gradcheck.central_differences(twin, x, TARGET, cross_entropy, INSIDE, h=h)
    assert gradcheck.largest_error(exact(twin, x, attached=attached), expected) < (1e-3 if psi == "fast_sigmoid" else 1e-6)


@pytest.mark.parametrize("kind", ["dense-2", "recurrent-1", "standardised-1", "conv-1"])
@pytest.mark.parametrize("reset", ["none", "soft", "hard"])
def test_central_differences_of_hard_spikes_are_0_and_the_surrogate_gradient_is_not(kind, reset):
    """The output spikes too, so the loss is a staircase in every parameter: differences can never prove a surrogate."""
    row = make(kind, reset=reset).row
    W = row[-1].synapses["W"].weight.value
    net = Network([*row[:-1], Layer(Dense(W - W.mean(1, keepdims=True)), LIF(GAMMA, 0.1, "triangle", reset), exact_rule(), bias=Bias(np.full(O, 0.03)))])
    x = spikes(kind)
    assert gradcheck.liveness(net, x)[1] > 1e-5  # no step of h may cross a threshold
    differences = gradcheck.central_differences(net, x, TARGET, cross_entropy, INSIDE, h=1e-7)
    assert not any(difference.any() for difference in differences.values())
    assert_nonzero(exact(net, x))


# ------------------------------------------------------------------------------------------------------ S-TLLR and BPTT


@shallow
@each_psi
@pytest.mark.parametrize("reset", ["none", "soft"])
def test_stllr_is_bptt_where_it_must_be(kind, psi, reset):
    """One hidden layer, no or soft reset detached, lam_pre = gamma, alpha_post = 0, exact bias, V's error cut, readout without memory."""
    net = make(kind, psi, reset, kappa=0)
    x = live(net, kind)
    expected = exact(net, x, through_V=False)
    assert gradcheck.largest_error(run(net, x), expected) < 1e-12


def gap(net, kind, **options):
    """Return name -> error of S-TLLR as a gradient, after asserting that the network is alive."""
    x = live(net, kind)
    got, expected = run(net, x), exact(net, x, **options)
    return {name: error(got[name], expected[name]) for name in expected}


def test_stllr_is_not_bptt_when_lam_pre_is_not_the_leak():
    gaps = gap(make("dense-1", kappa=0, rules=[exact_rule(lam_pre=0.6)]), "dense-1")
    assert min(gaps["0.W"], gaps["0.b"]) > 1e-3 and max(gaps["1.W"], gaps["1.b"]) < 1e-12


def test_stllr_is_not_bptt_when_alpha_post_is_not_0():
    gaps = gap(make("dense-1", kappa=0, rules=[exact_rule(alpha_post=-0.2)]), "dense-1")
    assert gaps["0.W"] > 1e-3 and gaps["0.b"] < 1e-12


def test_stllr_is_not_bptt_when_its_psi_is_not_the_surrogate():
    gaps = gap(make("dense-1", kappa=0, rules=[exact_rule(psi="arctan")]), "dense-1")
    assert min(gaps["0.W"], gaps["0.b"]) > 1e-3


def test_stllr_is_not_bptt_under_a_hard_reset():
    gaps = gap(make("dense-1", reset="hard", kappa=0), "dense-1")
    assert min(gaps["0.W"], gaps["0.b"]) > 1e-3 and max(gaps["1.W"], gaps["1.b"]) < 1e-12


def test_stllr_is_not_bptt_when_the_reset_is_attached():
    gaps = gap(make("dense-1", kappa=0), "dense-1", attached=True)
    assert min(gaps["0.W"], gaps["0.b"]) > 1e-3


@pytest.mark.parametrize("depth", [2, 3])
def test_stllr_is_not_bptt_below_the_top_layer(depth):
    gaps = gap(make(f"dense-{depth}", kappa=0), f"dense-{depth}")
    assert all(min(gaps[f"{i}.W"], gaps[f"{i}.b"]) > 1e-3 for i in range(depth - 1))
    assert all(max(gaps[f"{i}.W"], gaps[f"{i}.b"]) < 1e-12 for i in (depth - 1, depth))


def test_stllr_is_not_bptt_when_errors_flow_through_v():
    gaps = gap(make("recurrent-1", kappa=0), "recurrent-1")
    assert min(gaps["0.W"], gaps["0.V"], gaps["0.b"]) > 1e-3 and max(gaps["1.W"], gaps["1.b"]) < 1e-12


def test_stllr_is_not_bptt_when_the_readout_remembers():
    """The readout's own weights are still exact (trace and leak agree); the layer below misses the error carried by its potential."""
    gaps = gap(make("dense-1"), "dense-1")
    assert min(gaps["0.W"], gaps["0.b"]) > 1e-3 and max(gaps["1.W"], gaps["1.b"]) < 1e-12


def test_stllr_is_not_bptt_with_the_published_bias():
    gaps = gap(make("dense-1", kappa=0, rules=[exact_rule(bias_decay=0)]), "dense-1")
    assert gaps["0.b"] > 1e-3 and gaps["0.W"] < 1e-12


def test_stllr_is_not_bptt_of_a_loss_on_the_summed_output():
    gaps = gap(make("dense-1", kappa=0), "dense-1", summed=True)
    assert min(gaps.values()) > 1e-3


# ----------------------------------------------------------------------------------------- what deep S-TLLR is, exactly


@each_kind
@each_psi
@pytest.mark.parametrize("reset", ["none", "soft", "hard"])
def test_causal_term_of_deep_stllr_is_the_complex_step_with_cut_paths(kind, psi, reset):
    lams, alpha = (0.9, 0.35, 0.6), 0.8
    net = make(kind, psi, reset, rules=[exact_rule(lam, alpha) for lam in lams], readout_rule=exact_rule(0.45))
    x = live(net, kind)
    grads = run(net, x)
    assert_nonzero(grads)
    twins = [gradcheck.causal_twin(net, number) for number in range(len(net.layers))]
    for name, grad in grads.items():
        number = int(name[0])
        scale = alpha if number < len(net.layers) - 1 else 1
        assert directional_error(twins[number], name, grad / scale, x) < 1e-12, name


@pytest.mark.parametrize("number", [0, 1, 2])
def test_causal_term_is_the_complex_step_entry_by_entry(number):
    net = make("recurrent-2", rules=[exact_rule(0.9), exact_rule(0.35)])
    x, names = live(net, "recurrent-2"), [name for name in net.get() if int(name[0]) == number]
    expected = gradcheck.complex_step(gradcheck.causal_twin(net, number), x, TARGET, cross_entropy, INSIDE, names=names)
    got = run(net, x)
    assert gradcheck.largest_error({name: got[name] for name in names}, expected) < 1e-12


@pytest.mark.parametrize("options", [dict(memory=[0.7, 0, 0]), dict(memory=[0.9, 0.7, 0]), dict(memory=[0.9, 0, 0.8]), dict(memory=[0.9, 0, 0], through_V=True)], ids=str)
def test_causal_term_is_not_the_complex_step_when_another_path_is_open(options):
    """Another decay, the membrane of the layer above, the readout's, or the error through V: each must show."""
    net = make("recurrent-2", rules=[exact_rule(0.9)] * 2)
    x = live(net, "recurrent-2")
    twin = gradcheck.twin(net, smooth=False, **{"through_V": False, **options})
    expected = gradcheck.complex_step(twin, x, TARGET, cross_entropy, INSIDE, names=["0.W"])
    assert error(run(net, x)["0.W"], expected["0.W"]) > 1e-3


# --------------------------------------------------------------------------------------------------------- who is alive


@pytest.mark.parametrize("smooth", [False, True], ids=["hard", "smooth"])
@pytest.mark.parametrize("bias, rate", [(-50, "0.000"), (50, "1.000")])
def test_tc25_a_comparison_refuses_dead_and_saturated_layers(bias, rate, smooth):
    net = make("dense-2")
    net.put({"1.b": np.full(WIDTHS[2], float(bias))})
    net = gradcheck.twin(net, smooth=True) if smooth else net
    with pytest.raises(ValueError, match=f"^spiking layer 1: got a firing rate of {rate}, expected 0.02 to 0.98$"):
        live(net, "dense-2")


def test_tc25_a_comparison_refuses_a_gradient_of_zeros():
    """At theta = 1 and u = 0 the triangle is 0 for good: zeros equal zeros, and that proves nothing."""
    net = Network([Layer(Dense(np.full((4, N), -1.0)), LIF(GAMMA, 1, "triangle"), exact_rule()), Layer(Dense(np.ones((O, 4))), Leaky(0), exact_rule(0))])
    x = spikes("dense")
    with pytest.raises(ValueError, match="^error: got an expected array of zeros"):
        gradcheck.largest_error(run(net, x), exact(net, x))
