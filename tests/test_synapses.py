"""Synapses: three verbs of one linear map."""

import numpy as np
import pytest

from stllr_ref.gradcheck import error
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.weights import Standardised

LEAD = [(), (2,), (3, 2), (2, 3, 2)]
CONVS = [(k, stride, padding, size) for k in (1, 2, 3) for stride in (1, 2, 3) for padding in (None, 0, 1, 2) for size in ((5, 7), (6, 6), (3, 4))]


def random(*shape, kind=float, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x if kind is float else x + 1j * rng.normal(size=shape)


def conv(k=3, stride=1, padding=None, c_out=4, c_in=2):
    return Conv2d(random(c_out, c_in, k, k), stride=stride, padding=padding)


def conv_by_loops(x, W, stride, padding):
    """Return the convolution of one image x [C, H, W], one output pixel after another."""
    k = W.shape[-1]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((n - k) // stride + 1 for n in x.shape[1:])
    out = np.zeros((len(W), rows, columns), x.dtype)
    for o, i, j in np.ndindex(out.shape):
        for c, a, b in np.ndindex(W.shape[1:]):
            out[o, i, j] += W[o, c, a, b] * x[c, stride * i + a, stride * j + b]
    return out


def verbs_agree(synapse, x):
    """Assert <g, forward(x)> = <backward(g), x> = <outer(g, x), W> for a random g."""
    out = synapse.forward(x)
    g = random(*out.shape, seed=1)
    back, outer, W = synapse.backward(g, x.shape), synapse.outer(g, x), synapse.weight.value
    assert back.shape == x.shape and outer.shape == W.shape and np.abs(out).max() > 0
    scale = np.abs(g * out).sum()
    assert abs((g * out).sum() - (back * x).sum()) < 1e-12 * scale
    assert abs((g * out).sum() - (outer * W).sum()) < 1e-12 * scale


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("lead", LEAD, ids=str)
def test_verbs_of_dense_are_adjoint(lead, kind):
    verbs_agree(Dense(random(4, 5)), random(*lead, 5, kind=kind))


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("lead", LEAD, ids=str)
def test_verbs_of_conv_are_adjoint_for_any_leading_axes(lead, kind):
    verbs_agree(conv(3, 2, 1), random(*lead, 2, 7, 6, kind=kind))


@pytest.mark.parametrize("k, stride, padding, size", CONVS, ids=str)
def test_verbs_of_conv_are_adjoint_for_any_stride_padding_and_size(k, stride, padding, size):
    verbs_agree(conv(k, stride, padding), random(3, 2, *size))


@pytest.mark.parametrize("k, stride, padding, size", [(3, 1, 1, (5, 7)), (3, 2, 1, (5, 7)), (2, 3, 0, (5, 8)), (1, 2, 0, (3, 5))], ids=str)
def test_transpose_of_conv_takes_the_smallest_image_that_fits_when_not_told(k, stride, padding, size):
    synapse = conv(k, stride, padding)
    g = random(*synapse.forward(random(3, 2, *size)).shape, seed=1)
    assert synapse.forward(random(3, 2, size[0] - 1, size[1])).shape != g.shape != synapse.forward(random(3, 2, size[0], size[1] - 1)).shape
    np.testing.assert_array_equal(synapse.backward(g), synapse.backward(g, size))


@pytest.mark.parametrize("k, stride, padding, size", CONVS[::5], ids=str)
def test_conv_equals_a_plain_loop(k, stride, padding, size):
    synapse, x = conv(k, stride, padding), random(3, 2, *size)
    expected = [conv_by_loops(image, synapse.weight.value, stride, k // 2 if padding is None else padding) for image in x]
    assert error(synapse.forward(x), np.array(expected)) < 1e-14


def test_dense_equals_a_plain_loop():
    W, x = random(4, 5), random(3, 5)
    expected = [[sum(W[i, j] * x[b, j] for j in range(5)) for i in range(4)] for b in range(3)]
    assert error(Dense(W).forward(x), np.array(expected)) < 1e-14


@pytest.mark.parametrize("synapse, shape", [(Dense(random(4, 5)), (5,)), (conv(3, 2, 1), (2, 7, 6))], ids=["dense", "conv"])
def test_outer_is_the_derivative_of_forward_by_the_weight(synapse, shape):
    x, base = random(3, *shape), synapse.weight.params[""]
    g, expected = random(*synapse.forward(x).shape, seed=1), np.empty_like(base)
    for index in np.ndindex(base.shape):
        moved = base.astype(complex)
        moved[index] += 1e-20j
        synapse.weight.params[""] = moved
        synapse.weight.refresh()
        expected[index] = (g * synapse.forward(x)).sum().imag / 1e-20
    synapse.weight.params[""] = base
    synapse.weight.refresh()
    assert error(synapse.outer(g, x), expected) < 1e-13


@pytest.mark.parametrize("synapse, shape", [(Dense(random(4, 5)), (5,)), (conv(3, 2, 1), (2, 7, 6))], ids=["dense", "conv"])
def test_outer_sums_its_leading_axes(synapse, shape):
    x = random(3, 2, *shape)
    g = random(*synapse.forward(x).shape, seed=1)
    singles = sum(synapse.outer(g[k, b], x[k, b]) for k in range(3) for b in range(2))
    assert error(synapse.outer(g, x), singles) < 1e-13


def test_conv_of_one_pixel_is_dense():
    W, x = random(4, 5), random(3, 5)
    one, dense = Conv2d(W[:, :, None, None]), Dense(W)
    assert error(one.forward(x[..., None, None])[..., 0, 0], dense.forward(x)) < 1e-14


def test_conv_moves_an_impulse_to_the_flipped_filter():
    x = np.zeros((1, 5, 5))
    x[0, 2, 2] = 1
    W = random(1, 1, 3, 3)
    np.testing.assert_array_equal(Conv2d(W).forward(x)[0, 1:4, 1:4], W[0, 0, ::-1, ::-1])


def test_conv_keeps_the_size_of_an_image_by_default():
    for k in (1, 3, 5):
        assert conv(k).forward(random(3, 2, 7, 6)).shape == (3, 4, 7, 6)


def test_conv_takes_images_of_another_size_one_after_another():
    synapse = conv(3, 2, 0)
    for size in ((7, 6), (5, 9), (7, 6)):
        verbs_agree(synapse, random(3, 2, *size))


@pytest.mark.parametrize("make", [lambda W: Dense(W[:, :, 0, 0]), Conv2d], ids=["dense", "conv"])
def test_verbs_keep_float32_and_their_arguments(make):
    synapse = make(random(4, 2, 3, 3).astype(np.float32))
    x = random(3, 2, *[6, 6][: 2 * (synapse.axes == 3)]).astype(np.float32)
    before = x.copy()
    out = synapse.forward(x)
    assert {a.dtype for a in (out, synapse.backward(out), synapse.outer(out, x))} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(x, before)


def test_synapse_multiplies_by_the_value_of_its_weight():
    weight = Standardised(random(4, 5), np.arange(1.0, 5))
    assert error(Dense(weight).forward(np.eye(5)).T, weight.value) < 1e-15


@pytest.mark.parametrize("b, shape", [(random(4), (4,)), (random(4, 1, 1), (4, 6, 7))], ids=["dense", "conv"])
@pytest.mark.parametrize("lead", LEAD, ids=str)
def test_bias_is_adjoint_over_all_that_share_it(b, shape, lead):
    post = random(*lead, *shape, seed=1)
    assert abs((post * (0 * post + Bias(b).forward())).sum() - (Bias(b).outer(post) * b).sum()) < 1e-12 * np.abs(post).sum()
    assert Bias(b).outer(post).shape == b.shape


def test_bias_scales_with_the_trace_of_its_constant_input():
    post = random(3, 4)
    np.testing.assert_allclose(Bias(random(4)).outer(post, 2.5), 2.5 * post.sum(0), rtol=1e-14, atol=0)


def test_bias_keeps_float32():
    assert Bias(random(4).astype(np.float32)).outer(random(3, 4).astype(np.float32), 1.75).dtype == np.float32


@pytest.mark.parametrize("call, message", [
    (lambda: Dense(random(4)), r"W: got shape \(4,\), expected \[N_out, N_in\]"),
    (lambda: Dense([[1.0, 2], [3.0]]), "W: got rows of unequal length, expected one rectangular array"),
    (lambda: Dense(random(4, 5)).forward(random(3, 4)), r"x: got 4 inputs, expected 5 \(W has shape \(4, 5\)\)"),
    (lambda: Conv2d(random(4, 5)), r"W: got shape \(4, 5\), expected \[C_out, C_in, k, k\]"),
    (lambda: Conv2d(random(4, 2, 3, 2)), r"W: got shape \(4, 2, 3, 2\), expected \[C_out, C_in, k, k\]"),
    (lambda: conv(stride=0), "stride: got 0, expected a whole number of at least 1"),
    (lambda: conv(stride=1.5), "stride: got 1.5, expected a whole number of at least 1"),
    (lambda: conv(padding=-1), "padding: got -1, expected a whole number of at least 0"),
    (lambda: conv().forward(random(3, 5, 6, 6)), "x: got an image of 5 x 6 x 6, expected 2 channels of at least 1 x 1"),
    (lambda: conv(3, 1, 0).forward(random(3, 2, 2, 6)), "x: got an image of 2 x 2 x 6, expected 2 channels of at least 3 x 3"),
])
def test_synapse_refuses_what_does_not_fit_in_one_line(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
