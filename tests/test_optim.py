"""Optimisers: hand steps, an independent loop, the sign, and what a checkpoint needs."""

import numpy as np
import oracles
import pytest
from test_exactness import INSIDE, TARGET, exact_rule, live, make, run

from stllr_ref import gradcheck
from stllr_ref.gradcheck import error
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy
from stllr_ref.network import Network
from stllr_ref.neurons import Leaky
from stllr_ref.optim import SGD, Adam, cosine_schedule
from stllr_ref.rules import SLTT
from stllr_ref.synapses import Bias, Dense


def linear(W=((1.0, -2.0, 0.5), (0.25, 3.0, -1.0)), b=(0.5, -0.5), dtype=None):
    return Network([Layer(Dense(np.array(W)), Leaky(0), SLTT(), bias=Bias(np.array(b)))], dtype)


def sequence(steps=7, seed=0):
    """Return `steps` random gradients of the parameters of `linear`."""
    rng = np.random.default_rng(seed)
    return [{"0.W": rng.normal(0, 2, (2, 3)), "0.b": rng.normal(0, 0.1, 2)} for _ in range(steps)]


# ------------------------------------------------------------------------------------------------------------------ SGD


def test_sgd_subtracts_lr_times_the_gradient():
    net, (grads,) = linear(), sequence(1)
    before = net.get()
    SGD(net, 0.25).step(grads)
    for name, value in net.get().items():
        np.testing.assert_allclose(value, before[name] - 0.25 * grads[name], rtol=1e-15, atol=0)


@pytest.mark.parametrize("optimiser", [SGD, Adam])
@pytest.mark.parametrize("psi", ["triangle", "sigmoid", "arctan"])
def test_tc16_a_small_step_lowers_the_loss(optimiser, psi):
    """On the smooth net, where S-TLLR is exact and the loss no staircase: descent, although eq. (13) prints a plus."""
    net = gradcheck.twin(make("dense-1", psi, "none", kappa=0, rules=[exact_rule()]), smooth=True)
    x = live(net, "dense-1")
    before = gradcheck.total_loss(net, x, TARGET, cross_entropy, INSIDE)
    optimiser(net, 1e-3).step(run(net, x))
    assert gradcheck.total_loss(net, x, TARGET, cross_entropy, INSIDE) < before - 1e-6


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_step_changes_the_named_parameters_alone(optimiser):
    net = linear()
    before = net.get()
    optimiser(net, 0.1).step({"0.b": np.array([1.0, -1])})
    after = net.get()
    assert np.array_equal(after["0.W"], before["0.W"]) and (after["0.b"] != before["0.b"]).all()


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_lr_may_change_between_steps(optimiser):
    net, (grads,) = linear(), sequence(1)
    change, before = optimiser(net, 0.1), net.get()
    change.lr = 0.0
    change.step(grads)
    assert all(np.array_equal(value, before[name]) for name, value in net.get().items())


# ----------------------------------------------------------------------------------------------------------------- Adam


def test_adam_two_steps_by_hand():
    """w = 1, lr = 0.1, betas 0.9 and 0.99, eps 0: gradients 2 and -1."""
    net = linear(((1.0,),), (1.0,))
    adam, seen = Adam(net, 0.1, betas=(0.9, 0.99), eps=0), []
    for g in (2.0, -1.0):
        adam.step({"0.W": np.array([[g]])})
        seen.append(net.get()["0.W"][0, 0])
    m, v = (0.9 * 0.2 - 0.1) / 0.19, (0.99 * 0.04 + 0.01) / 0.0199
    np.testing.assert_allclose(seen, [0.9, 0.9 - 0.1 * m / np.sqrt(v)], rtol=1e-14, atol=0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_adam_s_first_step_is_lr_whatever_the_gradient(scale):
    net, (grads,) = linear(), sequence(1)
    before = net.get()
    Adam(net, 0.01, eps=1e-30).step({name: scale * grad for name, grad in grads.items()})
    for name, value in net.get().items():
        np.testing.assert_allclose(before[name] - value, 0.01 * np.sign(grads[name]), rtol=1e-10, atol=0)


@pytest.mark.parametrize("options", [dict(), dict(betas=(0.8, 0.95)), dict(eps=0.3), dict(betas=(0, 0.5))], ids=str)
def test_adam_is_the_loop_of_its_paper(options):
    net, steps = linear(), sequence()
    start, adam, path = net.get(), Adam(net, 0.05, **options), []
    for grads in steps:
        adam.step(grads)
        path.append(net.get())
    b1, b2 = options.get("betas", (0.9, 0.999))
    for name, value in start.items():
        for index in np.ndindex(value.shape):
            expected = oracles.adam(value[index], [grads[name][index] for grads in steps], 0.05, b1, b2, options.get("eps", 1e-8))
            assert error([params[name][index] for params in path], expected) < 1e-12


@pytest.mark.parametrize("change", [dict(betas=(0.8, 0.999)), dict(betas=(0.9, 0.9)), dict(eps=0.1)], ids=str)
def test_every_number_of_adam_shows(change):
    moved = []
    for options in (dict(), change):
        net = linear()
        adam = Adam(net, 0.05, **options)
        for grads in sequence(5):
            adam.step(grads)
        moved.append(net.get()["0.W"] - linear().get()["0.W"])
    assert error(*moved) > 1e-3


def test_adam_state_put_back_continues_bit_for_bit():
    whole, part, steps = linear(), linear(), sequence()
    straight, first = Adam(whole, 0.05), Adam(part, 0.05)
    for grads in steps:
        straight.step(grads)
    for grads in steps[:3]:
        first.step(grads)
    again = Adam(part, 0.05)
    again.put(first.get())
    for grads in steps[3:]:
        again.step(grads)
    assert all(np.array_equal(value, whole.get()[name]) for name, value in part.get().items())
    assert set(again.get()) == {"t", "m.0.W", "m.0.b", "v.0.W", "v.0.b"} and again.get()["t"] == 7


def test_adam_state_once_read_does_not_change():
    adam, steps = Adam(linear(), 0.05), sequence()
    adam.step(steps[0])
    read = adam.get()
    before = {name: value.copy() for name, value in read.items()}
    other = Adam(linear(), 0.05)
    other.put(read)
    for each in (adam, other):
        each.step(steps[1])
    assert all(np.array_equal(read[name], before[name]) for name in read)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_adam_goes_on_after_a_refused_gradient_as_if_it_had_not_come(bad):
    adam, untouched, (first, second) = Adam(linear(), 0.05), Adam(linear(), 0.05), sequence(2)
    adam.step(first)
    with pytest.raises(ValueError, match=rf"^0.b: got {bad} at \(1,\), expected finite numbers$"):
        adam.step({"0.W": second["0.W"], "0.b": np.array([1.0, bad])})
    adam.step(second)
    for grads in (first, second):
        untouched.step(grads)
    for got, expected in [(adam.get(), untouched.get()), (adam.net.get(), untouched.net.get())]:
        assert all(np.array_equal(got[name], value) for name, value in expected.items())


def test_two_optimisers_do_not_share_moments():
    first, second = Adam(linear(), 0.05), Adam(linear(), 0.05)
    first.step(sequence(1)[0])
    assert set(second.get()) == {"t"}


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_optimisers_keep_float32(optimiser):
    net = linear(dtype=np.float32)
    change = optimiser(net, np.float64(0.05))
    for grads in sequence(2):
        change.step({name: grad.astype(np.float32) for name, grad in grads.items()})
    moments = [value for name, value in change.get().items() if name != "t"] if optimiser is Adam else []
    assert {value.dtype for value in (*net.get().values(), *moments)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_step_leaves_the_gradients_alone(optimiser):
    (grads,) = sequence(1)
    before = {name: grad.copy() for name, grad in grads.items()}
    change = optimiser(linear(), 0.1)
    change.step(grads)
    change.step(grads)
    assert all(np.array_equal(grads[name], before[name]) for name in grads)


# ------------------------------------------------------------------------------------------------- schedule and refusals


def test_cosine_schedule_falls_from_1_to_0():
    factors = [cosine_schedule(step, 7) for step in range(8)]
    assert factors[0] == 1 and factors[7] == 0 and all(a > b for a, b in zip(factors, factors[1:]))


@pytest.mark.parametrize("step, steps, factor", [(3, 6, 0.5), (1, 3, 0.75), (2, 3, 0.25), (1, 4, (2 + 2**0.5) / 4)])
def test_cosine_schedule_by_hand(step, steps, factor):
    assert cosine_schedule(step, steps) == pytest.approx(factor, rel=1e-15)


@pytest.mark.parametrize("make_one, name", [
    (lambda: SGD(linear(), -0.1), "lr"), (lambda: SGD(linear(), np.nan), "lr"), (lambda: Adam(linear(), "0.1"), "lr"), (lambda: Adam(linear(), np.inf), "lr"),
    (lambda: Adam(linear(), 0.1, betas=(1, 0.9)), "betas"), (lambda: Adam(linear(), 0.1, betas=(0.9, 1.0)), "betas"), (lambda: Adam(linear(), 0.1, betas=(-0.1, 0.9)), "betas"),
    (lambda: Adam(linear(), 0.1, eps=-1e-8), "eps"),
])  # fmt: skip
def test_optimisers_refuse_bad_numbers_in_one_line(make_one, name):
    with pytest.raises(ValueError, match=f"^{name}: got .*, expected a number.*$"):
        make_one()


@pytest.mark.parametrize("optimiser", [SGD, Adam])
@pytest.mark.parametrize("grads, message", [
    ({"0.b": np.zeros(1)}, r"0.b: got shape \(1,\), expected \(2,\)"), ({"0.b": 1.0}, r"0.b: got shape \(\), expected \(2,\)"),
    ({"0.W": np.zeros((3, 2))}, r"0.W: got shape \(3, 2\), expected \(2, 3\)"), ({"1.W": np.zeros((2, 3))}, "grads: got '1.W', expected names among 0.W, 0.b"),
], ids=["broadcast", "number", "transposed", "name"])  # fmt: skip
def test_optimisers_refuse_gradients_of_other_names_and_shapes(optimiser, grads, message):
    net = linear()
    change, before = optimiser(net, 0.1), net.get()
    with pytest.raises(ValueError, match=f"^{message}$"):
        change.step(grads)
    assert all(np.array_equal(value, before[name]) for name, value in net.get().items())


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_optimisers_refuse_a_step_to_nan(optimiser):
    with pytest.raises(ValueError, match="^0.b: got nan at .*, expected finite numbers$"):
        optimiser(linear(), 0.1).step({"0.b": np.array([1.0, np.nan])})
