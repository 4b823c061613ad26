"""The competitors of the speed race compute what the library computes: every gradient, S-TLLR's and BPTT's."""

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs PyTorch: pip install -e ".[bench]"')

from test_exactness import assert_nonzero  # noqa: E402

from benchmarks import networks, peers  # noqa: E402
from stllr_ref import LIF, STLLR, Dense, Layer, Leaky, Network, Standardised, bptt, cross_entropy, kaiming, network, window  # noqa: E402
from stllr_ref.gradcheck import error, largest_error, liveness  # noqa: E402
from stllr_ref.maps import AvgPool, Dropout, Flatten, MaxPool  # noqa: E402
from stllr_ref.signals import DFA  # noqa: E402
from stllr_ref.synapses import Bias, Conv2d  # noqa: E402

pytestmark = pytest.mark.torch

T = 26
REFERENCE = {"stllr": network.run, "bptt": bptt.run}


def speech(dtype=np.float64, rule=None, readout=None, last=None):
    """Return the speech network with 9 neurons, its input, and ragged windows where `last` is given."""
    net, x, target, inside = networks.recurrent(4, T, inputs=12, hidden=9, outputs=3, rate=0.2, dtype=dtype)
    x[-2:, -1] = 0  # rows without an event, the last one among them
    x[3] *= 2  # counts
    net.layers[0].rule = rule or net.layers[0].rule
    net.layers[1].rule = readout or net.layers[1].rule
    return net, x, target, inside if last is None else window(T, [T, T - 3, T, 17], last=last)


def vision(pool=AvgPool, dtype=np.float64):
    return networks.conv(3, 14, channels=(2, 3, 4, 5), size=8, pool=pool, dtype=dtype)


def odd():
    """Return a network of what the two others lack: two filters without bias, stride 2, a pool that drops a row, Flatten, a second dense layer, no gain."""
    rng = np.random.default_rng(3)
    rule = STLLR(lam_pre=0.6, lam_post=0.4, alpha_pre=0.8, alpha_post=-0.5, bias_decay=0.6)
    neuron = LIF(0.8, 0.6, "triangle")
    net = Network([
        Layer(Conv2d(kaiming(rng, 3, 2, 3, 3), stride=2), neuron, rule), AvgPool(2), Flatten(),
        Layer(Dense(Standardised(2 * kaiming(rng, 7, 12), np.full(7, 2.0))), neuron, rule, bias=Bias(rng.normal(0, 0.1, 7))),
        Layer(Dense(kaiming(rng, 6, 7)), neuron, rule, V=Dense(kaiming(rng, 6, 6)), bias=Bias(np.full(6, 0.1))),
        Layer(Dense(kaiming(rng, 3, 6)), Leaky(0.9), STLLR(lam_pre=0.7, lam_post=0, alpha_pre=1.3, alpha_post=0), bias=Bias(np.zeros(3))),
    ])  # fmt: skip
    x = (rng.random((T, 4, 2, 9, 9)) < 0.3).astype(float)
    return net, x, rng.integers(0, 3, 4), window(T, [T] * 4, last=9)


def reference(case, algorithm="stllr"):
    """Return the library's gradients, after asserting that there is something to compare."""
    net, x, target, inside = case
    assert liveness(net, x)[1] > (1e-9 if net.dtype == np.float64 else 1e-6)
    _, grads = REFERENCE[algorithm](net, x, target, cross_entropy, inside)
    assert_nonzero(grads)
    return grads


def test_the_two_algorithms_give_different_gradients():
    stllr, exact = (reference(speech(), algorithm) for algorithm in REFERENCE)
    assert all(error(stllr[name], exact[name]) > 0.01 for name in exact if name.startswith("0"))


def test_the_speech_network_is_the_published_one():
    net, x, target, inside = networks.recurrent(2)
    sizes = {name: value.size for name, value in net.get().items()}
    assert sum(sizes[name] for name in ("0.W", "0.V", "0.b", "1.W", "1.b")) == 526_970
    assert (x.shape, target.shape) == ((100, 2, 700), (2,)) and x.dtype == np.float32 and 0.028 < x.mean() < 0.032
    assert not inside[:10].any() and inside[10:].all()
    assert net.layers[0].rule == STLLR(lam_pre=1, lam_post=0.5, alpha_pre=1, alpha_post=1)
    assert (net.layers[0].neuron, net.layers[1].neuron) == (LIF(0.99, 0.6, "fast_sigmoid"), Leaky(0.99))


def test_the_convolutional_network_learns_in_its_last_ten_steps():
    net, x, _, inside = networks.conv(2)
    assert len(net.layers) == 4 and x.shape == (20, 2, 2, 32, 32) and x.dtype == np.float32
    assert all(layer.rule.alpha_post == -1 for layer in net.layers[:3])
    assert not inside[:10].any() and inside[10:].all()


@pytest.mark.parametrize("build", [networks.recurrent, networks.conv])
def test_a_network_is_the_same_for_the_same_seed_and_another_for_another(build):
    first, again, other = (build(2, 12, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first[1], again[1]) and not np.array_equal(first[1], other[1])
    assert np.array_equal(first[0].get()["0.W"], again[0].get()["0.W"])


@pytest.mark.parametrize("build", [networks.recurrent, networks.conv])
def test_a_network_that_is_silent_is_refused(build):
    with pytest.raises(ValueError, match="firing rate"):
        build(2, 12, rate=0)


@pytest.mark.parametrize(
    "case", [speech, lambda: speech(last=12), vision, lambda: vision(MaxPool), odd], ids=["speech", "ragged", "avg", "max", "odd"]
)
@pytest.mark.parametrize("once", [False, True])
def test_published_bptt_equals_bptt(case, once):
    case = case()
    assert largest_error(peers.published_bptt(*case, once=once)(), reference(case, "bptt")) < 1e-10


@pytest.mark.parametrize("last", [None, 12])
def test_snntorch_equals_bptt(last):
    pytest.importorskip("snntorch", reason='needs snnTorch: pip install -e ".[bench]"')
    case = speech(last=last)
    assert largest_error(peers.snntorch_bptt(*case)(), reference(case, "bptt")) < 1e-10


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("last", [None, 12])
@pytest.mark.parametrize("chunk", [1, 3, 16, 99])
def test_chunks_of_any_size_equal_the_steps(chunk, last, sparse):
    case = speech(last=last)
    assert largest_error(peers.torch_chunked(*case, chunk=chunk, sparse=sparse)(), reference(case)) < 1e-10


@pytest.mark.parametrize("change", [
    dict(lam_pre=0), dict(lam_pre=0.7), dict(lam_post=0), dict(alpha_pre=0.4), dict(alpha_post=0), dict(alpha_post=-0.3),
    dict(post_trace="paper"), dict(bias_decay=0.6), dict(bias_decay=1, alpha_pre=0.4),
], ids=str)  # fmt: skip
def test_chunks_equal_the_steps_for_every_number_of_the_rule(change):
    base = dict(lam_pre=0.9, lam_post=0.5, alpha_pre=1, alpha_post=1)
    case = speech(rule=STLLR(**{**base, **change}), readout=STLLR(lam_pre=0, lam_post=0, alpha_pre=0.7, alpha_post=0))
    assert largest_error(peers.torch_chunked(*case, chunk=7)(), reference(case)) < 1e-10


@pytest.mark.parametrize("chunk", [1, 3, 20])
@pytest.mark.parametrize("case", [vision, lambda: vision(MaxPool), odd], ids=["avg", "max", "odd"])
def test_chunks_of_convolutions_equal_the_steps(case, chunk):
    case = case()
    assert largest_error(peers.torch_conv(*case, chunk=chunk)(), reference(case)) < 1e-10


@pytest.mark.parametrize("onednn", [True, False])
def test_chunks_in_float32_equal_the_steps(onednn):
    case = speech(np.float32)
    assert largest_error(peers.torch_chunked(*case, onednn=onednn)(), reference(case)) < 5e-4


def test_chunks_of_convolutions_in_float32_equal_the_steps():
    case = vision(dtype=np.float32)
    assert largest_error(peers.torch_conv(*case)(), reference(case)) < 5e-4


@pytest.mark.parametrize("name", ["published_bptt", "snntorch_bptt", "torch_chunked", "torch_conv"])
def test_a_second_batch_starts_afresh_and_leaves_the_first_gradients_alone(name):
    if name == "snntorch_bptt":
        pytest.importorskip("snntorch", reason='needs snnTorch: pip install -e ".[bench]"')
    step = getattr(peers, name)(*(vision() if name == "torch_conv" else speech()))
    first = step()
    kept = {key: grad.copy() for key, grad in first.items()}
    assert largest_error(step(), kept) < 1e-12
    assert all(np.array_equal(first[key], kept[key]) for key in kept)


def hard(net):
    net.layers[0].neuron = LIF(0.9, 0.6, "triangle", reset="hard")


def smooth(net):
    net.layers[0].neuron = LIF(0.9, 0.6, "sigmoid")


def silent(net):
    net.layers[0].neuron = Leaky(0.9)


def fed(net):
    net.layers[1].feedback = Dense(np.ones((3, 9)))


def skipping(net):
    net.layers[1].skips = {"S": 0}


def signalled(net):
    net.row.insert(1, DFA(np.ones((3, 9))))


def dropped(net):
    net.row.insert(1, Dropout(0.5))


@pytest.mark.parametrize("change", [hard, smooth, silent, fed, skipping, signalled, dropped])
@pytest.mark.parametrize("name", ["published_bptt", "torch_chunked"])
def test_what_is_not_written_there_is_refused(name, change):
    case = speech()
    change(case[0])
    with pytest.raises(ValueError, match="net: got"):
        getattr(peers, name)(*case)


def test_snntorch_refuses_another_network():
    pytest.importorskip("snntorch", reason='needs snnTorch: pip install -e ".[bench]"')
    with pytest.raises(ValueError, match="net: got a row of 7"):
        peers.snntorch_bptt(*vision())


@pytest.mark.parametrize("change", [
    dict(rule=STLLR(lam_pre=0.9, lam_post=0.5, alpha_pre=1, alpha_post=1, psi="triangle")),
    dict(readout=STLLR(lam_pre=0.9, lam_post=0.5, alpha_pre=1, alpha_post=1)),
], ids=["psi", "alpha_post"])  # fmt: skip
def test_rules_that_chunks_do_not_know_are_refused(change):
    with pytest.raises(ValueError, match="Psi of its own"):
        peers.torch_chunked(*speech(**change))
