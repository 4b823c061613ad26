"""The engine gives what `network.run` gives: every rule, signal, reset, window, map and chunk size, in memory that T does not change."""

import tracemalloc
from functools import partial

import numpy as np
import pytest

from stllr_ref import (
    DFA,
    DRTP,
    LIF,
    OTTT,
    SLTT,
    STLLR,
    Adam,
    Bias,
    Conv2d,
    Dense,
    EProp,
    Frozen,
    Layer,
    Leaky,
    Local,
    Network,
    Standardised,
    arctan,
    bptt,
    cross_entropy,
    engine,
    fast_sigmoid,
    kaiming,
    mse,
    network,
    sDFA,
    sigmoid,
    spike,
    triangle,
    window,
)  # fmt: skip
from stllr_ref.gradcheck import activity, error
from stllr_ref.maps import AvgPool, Dropout, Flatten, GlobalAvg, MaxPool, Upsample
from stllr_ref.rules import STDP
from stllr_ref.signals import Adaptive, Reward, hit

O = 3  # classes


class ThreeTerms:
    """A rule of one's own: two decaying terms and one without memory, one decay twice."""

    decays, past_decay, psi, bias_decay = (0.7, 0.0, 0.7), 0.4, None, 0.3

    def posts(self, psi, past):
        return psi, -0.5 * past, past * psi

    def bias_post(self, psi, eligible):
        return 2 * psi


def rule(rng):
    """Return a random rule."""
    lam_pre, lam_post = (float(rng.choice([0, rng.random(), 1])) for _ in range(2))
    shaped = STLLR(
        lam_pre=lam_pre, lam_post=lam_post, alpha_pre=float(rng.choice([1, -0.4])), alpha_post=float(rng.choice([0, 1, -0.7])),
        post_trace=rng.choice(["code", "paper"]).item(), psi=(None, spike, arctan)[rng.integers(3)], bias_decay=float(rng.choice([0, lam_pre])),
    )  # fmt: skip
    return (shaped, shaped, OTTT(0.8, bias_decay=0.8), SLTT(), STDP(0.6, 0.5, 1.0, -0.5), ThreeTerms())[rng.integers(6)]


def neuron(rng):
    """Return a random spiking neuron."""
    psi = (triangle, sigmoid, arctan, fast_sigmoid)[rng.integers(4)]
    return LIF(gamma=float(rng.choice([0, 0.5, 0.9, 1])), theta=float(rng.uniform(0.3, 0.8)), psi=psi, reset=("soft", "hard", "none")[rng.integers(3)])


def signal(rng, shape):
    """Return a random signal for units of that shape, as a list of none or one."""
    B = kaiming(rng, O, *shape)
    made = [DFA(B), sDFA(B), DRTP(B), Local(B), Local(B, learned=False, unit=True), Frozen(), Reward(hit)]
    if len(shape) == 1:
        made.append(Adaptive(B, 0.8))
    return [made[rng.integers(len(made))]] if rng.random() < 0.5 else []


def dense_layer(rng, n_in, n, number, sizes):
    """Return a random dense layer that may be recurrent, biased, standardised, fed by a skip, or taught through other weights."""
    skips = {"S": (Dense(kaiming(rng, n, sizes[0])), 0)} if number > 1 and rng.random() < 0.4 else {}
    W = kaiming(rng, n, n_in)
    return Layer(
        Dense(Standardised(W, np.full(n, 1.5)) if rng.random() < 0.5 else W), neuron(rng), rule(rng), V=Dense(kaiming(rng, n, n)) if rng.random() < 0.4 else None,
        bias=Bias(rng.normal(0, 0.1, n)) if rng.random() < 0.6 else None, skips=skips, feedback=Dense(kaiming(rng, n, n_in)) if rng.random() < 0.3 else None,
    )  # fmt: skip


def readout(rng, n):
    """Return a random readout."""
    leak = float(rng.choice([0, 0.9]))
    return Layer(Dense(kaiming(rng, O, n)), Leaky(leak), (OTTT(leak, bias_decay=leak), SLTT(), rule_without_psi(rng))[rng.integers(3)], bias=Bias(np.zeros(O)))


def rule_without_psi(rng):
    """Return a rule with a non-causal term that a neuron without threshold can carry."""
    return STLLR(lam_pre=0.6, lam_post=0.3, alpha_pre=1, alpha_post=float(rng.choice([0.5, -1])))


def dense(rng):
    """Return (row, shape of one input) of a dense stack."""
    sizes = rng.integers(4, 9, rng.integers(1, 4)).tolist()
    n_in, row = int(rng.integers(3, 8)), []
    for number, (below, here) in enumerate(zip([n_in, *sizes], sizes)):
        row += [dense_layer(rng, below, here, number, sizes), *([Dropout(0.3)] if rng.random() < 0.3 else []), *signal(rng, (here,))]
    return [*row, readout(rng, sizes[-1])], (n_in,)


def images(rng):
    """Return (row, shape of one input) of a convolutional stack with maps between and, at times, a skip."""
    pool = (MaxPool, AvgPool)[rng.integers(2)]
    first = Layer(Conv2d(Standardised(kaiming(rng, 3, 2, 3, 3), np.full(3, 2.0))), neuron(rng), rule(rng), bias=Bias(np.zeros((3, 1, 1))))
    skips = {"S": (Conv2d(kaiming(rng, 4, 3, 1, 1), stride=2), 0)} if rng.random() < 0.5 else {}
    V = Conv2d(kaiming(rng, 4, 4, 3, 3)) if rng.random() < 0.3 else None
    second = Layer(Conv2d(kaiming(rng, 4, 3, 3, 3)), neuron(rng), rule(rng), V=V, skips=skips)
    end = [[Flatten()], [GlobalAvg()], [Upsample(2), GlobalAvg()]][rng.integers(3)]
    row = [first, pool(2), *signal(rng, (3, 3, 3)), second, *end]
    return [*row, readout(rng, 36 if isinstance(end[0], Flatten) else 4)], (2, 6, 6)


def case(seed):
    """Return a random network on random input: net, x, target, loss, inside, seed of dropout."""
    rng = np.random.default_rng(seed)
    row, shape = (images if seed % 3 == 0 else dense)(rng)
    T, B = int(rng.integers(1, 20)), int(rng.integers(1, 6))
    x = (rng.random((T, B, *shape)) < 0.4) * rng.integers(1, 3, (T, B, *shape)).astype(float)
    lengths = rng.integers(1, T + 1, B)
    x = x * (np.arange(T)[:, None] < lengths).reshape(T, B, *[1] * len(shape))
    span = {"last": int(rng.integers(1, T + 3))} if rng.random() < 0.6 else {"start": int(rng.integers(0, T))}
    loss = cross_entropy
    if rng.random() < 0.25 and not any(hasattr(item, "reward") and callable(item.reward) for item in row):
        loss = lambda out, target: mse(out, np.eye(O)[target])  # noqa: E731
    return Network(row), x, rng.integers(0, O, B), loss, window(T, lengths, **span), seed


def alive(net, x):
    """Return whether every spiking layer fires and rests, and no potential lies within rounding of its threshold."""
    rates, margin = activity(net, x)
    return all(0.02 < rate < 0.98 for rate in rates) and margin > 1e-9


CASES = [seed for seed in range(330) if alive(*case(seed)[:2])]


def test_most_random_cases_are_alive_and_learn():
    assert len(CASES) > 150
    learning = [seed for seed in CASES if any(g.any() for g in network.run(*case(seed)[:5])[1].values())]
    assert len(learning) > 0.9 * len(CASES)


@pytest.mark.parametrize("block", range(12))
def test_the_engine_equals_the_run_step_by_step(block):
    for seed in CASES[block::12]:
        net, x, target, loss, inside, s = case(seed)
        logits, grads = network.run(net, x, target, loss, inside, rng=np.random.default_rng(s))
        states = [layer.state() for layer in net.layers]
        for chunk in (None, 1, 2, 3, 5, 7, 64):
            got_logits, got = engine.run(net, x, target, loss, inside, rng=np.random.default_rng(s), chunk=chunk)
            assert got.keys() == grads.keys()
            same(got_logits, logits, (seed, chunk, "logits"))
            for name in grads:
                same(got[name], grads[name], (seed, chunk, name))
            for layer, state in zip(net.layers, states):
                assert layer.state().keys() == state.keys()
                for name in state:
                    same(layer.state()[name], state[name], (seed, chunk, name))


def same(got, expected, where):
    """Assert equality to 1e-12 of the largest entry; zeros must be zeros."""
    if expected.any():
        assert error(got, expected) < 1e-12, where
    else:
        np.testing.assert_array_equal(got, expected, str(where))


def test_forward_equals_the_forward_pass_step_by_step():
    for seed in CASES[:40]:
        net, x, *_ = case(seed)
        same(engine.forward(net, x, rng=np.random.default_rng(1), chunk=3), network.forward(net, x, rng=np.random.default_rng(1)), seed)
        assert not any(layer.state() for layer in net.layers)


def test_a_float32_run_holds_float32_alone():
    kinds = []
    for seed in CASES[:60]:
        net, x, target, loss, inside, s = case(seed)
        net = Network(net.row, dtype=np.float32)

        def watching(out, target):
            for layer in net.layers:
                now = layer.now
                arrays = [*layer.state().values(), *now.inputs.values(), now.y, now.psi, now.eligible, *layer.sums.values()]
                arrays += [trace for name, traces in now.pre.items() if name != "b" for trace in traces if trace is not None]
                kinds.extend(a.dtype for a in arrays + ([now.past] if isinstance(now.past, np.ndarray) else []))
            return loss(out, target)

        logits, grads = engine.run(net, x.astype(np.float32), target, watching, inside, rng=np.random.default_rng(s))
        kinds.extend(a.dtype for a in (logits, *grads.values()))
    assert len(kinds) > 2000 and set(kinds) == {np.dtype(np.float32)}


def test_training_by_the_engine_is_training():
    net, x, target, loss, inside, s = case(CASES[1])
    first = None
    adam = Adam(net, 0.01)
    for _ in range(30):
        logits, grads = engine.run(net, x, target, loss, inside)
        total = sum((loss(z, target)[0] * on).sum() for z, on in zip(logits, inside))
        first = total if first is None else first
        adam.step(grads)
    assert total < first


def speech_like(T, B=16, n_in=60, n=50):
    """Return a recurrent network and T steps of input, float32."""
    rng = np.random.default_rng(0)
    hidden = Layer(
        Dense(Standardised(kaiming(rng, n, n_in))), LIF(0.99, 0.6, fast_sigmoid), STLLR(lam_pre=0.9, lam_post=0.5, alpha_pre=1, alpha_post=1),
        V=Dense(Standardised(kaiming(rng, n, n))), bias=Bias(np.zeros(n)),
    )  # fmt: skip
    net = Network([hidden, Layer(Dense(kaiming(rng, O, n)), Leaky(0.99), OTTT(0.99), bias=Bias(np.zeros(O)))], dtype=np.float32)
    x = (rng.random((T, B, n_in)) < 0.1).astype(np.float32)
    return net, x, rng.integers(0, O, B), cross_entropy, window(T, [T] * B, last=T - 10)


def peak(*args, **kwargs):
    """Return the most bytes that a run of the engine held at once, the logits that it returns apart."""
    engine.run(*args, **kwargs)
    tracemalloc.start()
    try:
        logits, _ = engine.run(*args, **kwargs)
        return tracemalloc.get_traced_memory()[1] - logits.nbytes
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_steps():
    short, long = (peak(*speech_like(T, B=32, n_in=200, n=100)) for T in (100, 1600))
    assert short > 100_000 and long < 1.02 * short


def test_memory_grows_with_the_chunk():
    assert peak(*speech_like(100), chunk=32) > 1.5 * peak(*speech_like(100), chunk=8)


def test_the_published_network_needs_at_most_25_megabytes():
    assert 10e6 < peak(*speech_like(30, B=128, n_in=700, n=450)) < 25e6


def test_an_update_at_every_step_is_refused():
    with pytest.raises(ValueError, match=r"^online: got a function, expected None"):
        engine.run(*speech_like(12), online=lambda grads: None)


def test_a_rule_with_a_trace_a_synapse_is_refused_by_name():
    net, x, *rest = speech_like(12)
    slow = Network([Layer(Dense(np.ones((4, 60))), LIF(0.5, 0.5, triangle), EProp(0.5, 0.5)), Layer(Dense(np.ones((O, 4))), Leaky(0), SLTT())])
    with pytest.raises(ValueError, match=r"^rule: got Filtered in layer 0, expected .* \(network.run takes it\)$"):
        engine.run(slow, x, *rest)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, "8"])
def test_a_chunk_that_is_no_number_of_steps_is_refused(chunk):
    with pytest.raises(ValueError, match=r"^chunk: got .*, expected a whole number of at least 1$"):
        engine.run(*speech_like(12), chunk=chunk)


def test_a_post_factor_of_another_shape_is_refused():
    class Odd(ThreeTerms):
        def posts(self, psi, past):
            return psi, past, psi[..., :1]

    net, *rest = speech_like(12)
    net.layers[0].rule = Odd()
    with pytest.raises(ValueError, match="^post factor of the rule: got shape"):
        engine.run(net, *rest)


# ------------------------------------------------------------------------------------------ what a user plugs in


class WholeSample(ThreeTerms):
    """A rule that looks across neurons and samples, in every hook."""

    def psi(self, v):
        return triangle(v) / (1 + triangle(v).sum(1, keepdims=True))

    def posts(self, psi, past):
        return psi, past / (1 + past.sum(1, keepdims=True)), past * past.mean(0)

    def bias_post(self, psi, eligible):
        return psi.mean(0)


class Causal(ThreeTerms):
    """A rule that asks for no past."""

    decays, past_decay = (0.7,), None

    def posts(self, psi, past):
        assert past is None
        return (psi,)


class Centred:
    """A map that looks across a sample, and another that remembers the step before."""

    def forward(self, x):
        return x - x.mean(1, keepdims=True), None

    def backward(self, g, memo):
        return g - g.mean(1, keepdims=True)


class Lagging:
    """A map that shows the step before."""

    def __init__(self):
        self.before = None

    def reset(self, rng):
        self.before = None

    mask = None  # so that a network resets it

    def forward(self, x):
        out = np.zeros_like(x) if self.before is None else self.before
        self.before = x.copy()
        return out, None

    def backward(self, g, memo):
        return 0.5 * g


class Sometimes:
    """A signal that is silent at some steps, remembers what it saw, and learns nothing."""

    def __init__(self, B):
        self.B, self.seen = B, []

    def reset(self):
        self.seen = []

    def watch(self, out):
        self.seen.append(out)

    def delta(self, err, target, out):
        return err @ self.B + self.seen[-2] if len(self.seen) % 3 else None


class Aging(Dropout):
    """A Dropout of one's own."""

    def forward(self, x):
        out, memo = super().forward(x)
        return (out, memo) if memo is None else (out / (1 - self.p), memo / (1 - self.p))

    def backward(self, g, memo):
        return super().backward(g, memo)


def own(rng, *middle, rule=None, neuron=None):
    """Return a network with something of one's own between two layers."""
    neuron = neuron or LIF(0.8, 0.5, triangle)
    first = Layer(Dense(kaiming(rng, 8, 6)), neuron, rule or ThreeTerms(), bias=Bias(rng.normal(0, 0.1, 8)))
    second = Layer(Dense(kaiming(rng, 7, 8)), neuron, OTTT(0.8), V=Dense(kaiming(rng, 7, 7)))
    return Network([first, *middle, second, Layer(Dense(kaiming(rng, O, 7)), Leaky(0.9), OTTT(0.9), bias=Bias(np.zeros(O)))])


class WinnerTakesAll(LIF):
    """A neuron that fires where its potential is the largest of the sample's, too."""

    def fire(self, u):
        y, psi = super().fire(u)
        return np.maximum(y, u == u.max(1, keepdims=True)), psi / (1 + psi.sum(1, keepdims=True))


class OwnLeaks(LIF):
    """A neuron whose slope is an array over the neurons."""

    def slope(self, u, y, psi, attached=False):
        return np.linspace(0.1, 0.9, u.shape[-1])


OWN = {
    "rule": {"rule": WholeSample()}, "rule without a past": {"rule": Causal()}, "map": {"middle": [Centred()]}, "map with state": {"middle": [Lagging()]}, "dropout": {"middle": [Aging(0.4)]},
    "signal": {"middle": [Sometimes(kaiming(np.random.default_rng(8), O, 8))]}, "neuron": {"neuron": WinnerTakesAll(0.8, 0.5, triangle)},
    "slope": {"neuron": OwnLeaks(0.8, 0.5, triangle)},
}  # fmt: skip


BOTH = [(algorithm, what) for algorithm in (engine.run, bptt.run) for what in OWN if (algorithm, what) != (bptt.run, "map with state")]  # it asks again


@pytest.mark.parametrize("algorithm, what", BOTH, ids=[f"{algorithm.__module__.split('.')[1]}-{what}" for algorithm, what in BOTH])
def test_what_a_user_plugs_in_is_asked_step_by_step(algorithm, what):
    rng = np.random.default_rng(3)
    net = own(rng, *OWN[what].get("middle", ()), **{key: value for key, value in OWN[what].items() if key != "middle"})
    x, target, inside = (rng.random((17, 8, 6)) < 0.5).astype(float), rng.integers(0, O, 8), window(17, [17] * 8, last=9)
    one = partial(network.run, net) if algorithm is engine.run else partial(bptt.run, net, chunk=1)
    logits, grads = one(x, target, cross_entropy, inside, rng=np.random.default_rng(0))
    assert all(grads[name].any() for name in ("0.W", "1.V", "2.W"))
    for chunk in (2, 7, 8, 64):
        got_logits, got = algorithm(net, x, target, cross_entropy, inside, rng=np.random.default_rng(0), chunk=chunk)
        same(got_logits, logits, chunk)
        for name in grads:
            same(got[name], grads[name], (chunk, name))


def test_a_loss_may_keep_what_it_saw():
    net, x, target, _, inside = speech_like(40)
    runs = {}
    for run in (network.run, engine.run):
        seen = []
        run(Network(net.row, dtype=np.float64), x, target, lambda out, y: (seen.append(out), cross_entropy(out, y))[1], inside)
        runs[run] = np.array(seen)
    assert len(runs[engine.run]) == 30
    same(runs[engine.run], runs[network.run], "logits that a loss kept")


def test_a_layer_with_steps_of_its_own_is_refused_and_trained_step_by_step():
    class Loud(Layer):
        def step(self, x, skipped=None):
            return 2 * super().step(x, skipped)

    net, *rest = speech_like(12)
    loud = Network([Loud(Dense(np.ones((4, 60))), LIF(0.5, 0.5, triangle), SLTT()), Layer(Dense(np.ones((O, 4))), Leaky(0), SLTT())], np.float32)
    with pytest.raises(ValueError, match=r"^row: got Loud with steps of its own, expected a Layer \(network.run takes it\)$"):
        engine.run(loud, *rest)
    assert engine.fastest(loud) is network.run and engine.fastest(net) is engine.run


@pytest.mark.parametrize("kind", [np.uint8, bool])
def test_whole_numbers_are_converted_a_chunk_at_a_time(kind):
    net, x, *rest = speech_like(200)
    narrow = x.astype(kind)
    same(engine.run(net, narrow, *rest)[1]["0.W"], engine.run(net, x, *rest)[1]["0.W"], kind)
    assert peak(net, narrow, *rest) < peak(net, x, *rest) + x[:12].nbytes


def test_a_rule_without_a_term_is_refused():
    class Empty(ThreeTerms):
        decays = ()

    with pytest.raises(ValueError, match=r"^rule: got decays \(\) of Empty"):
        Layer(Dense(np.ones((2, 2))), LIF(0.5, 0.5, triangle), Empty())


def test_a_rule_with_fewer_posts_than_decays_is_refused():
    class Short(ThreeTerms):
        def posts(self, psi, past):
            return psi, past

    net, *rest = speech_like(12)
    net.layers[0].rule = Short()
    with pytest.raises(ValueError, match="^rule: got 2 posts for 3 decays, expected one a term$"):
        engine.run(net, *rest)


def test_what_is_refused_step_by_step_is_refused_in_the_same_words():
    net, x, target, loss, inside = speech_like(12)
    for bad in ((x[..., :5], target, loss, inside), (x, target[:3], loss, inside), (x, target, loss, inside.astype(int)), (x, target + 7, loss, inside)):
        words = []
        for run in (network.run, engine.run):
            with pytest.raises(ValueError) as caught:
                run(net, *bad)
            words.append(str(caught.value))
        assert words[0] == words[1]
