"""Losses and the learning window (equation (12))."""

import re

import numpy as np
import pytest

from stllr_ref.gradcheck import error
from stllr_ref.losses import cross_entropy, mse, softmax, window

ONE = np.array([0])


def batch(B=3, O=4):
    rng = np.random.default_rng(0)
    return rng.normal(0, 2, (B, O)), np.array([2, 0, 2])


def complex_derivative(loss, output, target):
    """Return d loss / d output of each sample by the complex step."""
    out = np.empty_like(output)
    for index in np.ndindex(output.shape):
        moved = output.astype(complex)
        moved[index] += 1e-20j
        out[index] = loss(moved, target)[0].sum().imag / 1e-20
    return out


def test_cross_entropy_is_minus_log_of_the_softmax_of_the_label():
    logits, target = batch()
    loss, _ = cross_entropy(logits, target)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(loss, [-np.log(p[b, k]) for b, k in enumerate(target)], rtol=1e-13, atol=0)


@pytest.mark.parametrize("loss, target", [(cross_entropy, batch()[1]), (mse, batch()[0][::-1] ** 2)], ids=["cross_entropy", "mse"])
def test_err_is_the_derivative_of_each_samples_own_loss(loss, target):
    output, _ = batch()
    assert error(loss(output, target)[1], complex_derivative(loss, output, target)) < 1e-14


@pytest.mark.parametrize("loss, target", [(cross_entropy, batch()[1]), (mse, batch()[0][::-1] ** 2)], ids=["cross_entropy", "mse"])
def test_loss_of_a_sample_does_not_depend_on_the_batch(loss, target):
    output, _ = batch()
    alone = [loss(output[b : b + 1], target[b : b + 1]) for b in range(len(output))]
    for i in range(2):
        np.testing.assert_allclose(np.concatenate([parts[i] for parts in alone]), loss(output, target)[i], rtol=1e-14, atol=0)


def test_err_of_the_cross_entropy_sums_to_0_over_classes():
    np.testing.assert_allclose(cross_entropy(*batch())[1].sum(1), 0, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_huge_logits_does_not_overflow(dtype):
    loss, err = cross_entropy(np.array([[1e4, 0, -1e4]], dtype), np.array([1]))
    np.testing.assert_array_equal(loss, [1e4])
    np.testing.assert_array_equal(err, [[1, -1, 0]])


def test_softmax_of_huge_logits_does_not_overflow():
    np.testing.assert_allclose(softmax(np.array([[[1e4, 1e4, -1e4]]])), [[[0.5, 0.5, 0]]], rtol=1e-15, atol=0)


def test_softmax_is_err_plus_the_onehot_target():
    logits, target = batch()
    assert error(softmax(logits), cross_entropy(logits, target)[1] + np.eye(4)[target]) < 1e-15


def test_tc17_loss_of_each_step_is_not_the_loss_of_the_mean_output():
    steps = [np.array([[2.0, 0]]), np.array([[0.0, 2]])]
    each = [cross_entropy(logits, ONE)[0][0] for logits in steps]
    np.testing.assert_allclose([sum(each), sum(each) / 2], [2.253856, 1.126928011], rtol=1e-6, atol=0)
    for one in (sum(steps) / 2, sum(steps)):
        np.testing.assert_allclose(cross_entropy(one, ONE)[0], np.log(2), rtol=1e-15, atol=0)


def test_mse_is_the_mean_over_a_samples_outputs():
    loss, err = mse(np.array([[[1.0, 3.0]], [[0.0, 2.0]]]), np.array([[[0, 1]], [[0, 2]]]))
    np.testing.assert_array_equal(loss, [2.5, 0])
    np.testing.assert_array_equal(err, [[[1, 2]], [[0, 0]]])


def test_mse_takes_lists():
    loss, err = mse([[1.0, 3.0]], [[0, 1]])
    assert loss.tolist() == [2.5] and err.tolist() == [[1, 2]]


def test_losses_stay_in_float32():
    logits, target = batch()
    small = logits.astype(np.float32)
    assert {array.dtype for array in (*cross_entropy(small, target), *mse(small, logits), softmax(small))} == {np.dtype(np.float32)}


def test_losses_change_none_of_their_arguments():
    logits, target = batch()
    cross_entropy(logits, target)
    mse(logits, logits + 1)
    softmax(logits)
    np.testing.assert_array_equal(logits, batch()[0])
    np.testing.assert_array_equal(target, batch()[1])


@pytest.mark.parametrize("target, message", [
    ([0, 1, 4], "got label 4 at 2, expected 0 to 3"),
    ([0, -1, 2], "got label -1 at 1, expected 0 to 3"),
    ([0, 1], r"got shape \(2,\), expected \(3,\)"),
    (np.eye(4)[:3].astype(int), r"got shape \(3, 4\), expected \(3,\)"),
    ([0.0, 1.0, 2.0], "got dtype float64, expected whole-number labels"),
    ([True, False, True], "got dtype bool, expected whole-number labels"),
    (["a", "b", "c"], "got dtype <U1, expected whole-number labels"),
])
def test_cross_entropy_refuses_labels_that_are_none(target, message):
    with pytest.raises(ValueError, match=f"^target: {message}$"):
        cross_entropy(batch()[0], target)


@pytest.mark.parametrize("shape", [(4,), (2, 1, 4)], ids=str)
def test_cross_entropy_refuses_logits_that_are_no_batch_of_one_step(shape):
    with pytest.raises(ValueError, match=f"^logits: got shape {re.escape(str(shape))}, expected {re.escape('[B, O]')}$"):
        cross_entropy(np.zeros(shape), ONE)


def test_mse_refuses_a_target_of_another_shape():
    with pytest.raises(ValueError, match=r"^target: got shape \(3,\), expected \(3, 4\)$"):
        mse(batch()[0], np.zeros(3))


@pytest.mark.parametrize("T, start, steps", [(20, 15, 5), (20, 0, 20), (20, 20, 0), (10, 9, 1)])
def test_tc14_window_starts_at_t_l(T, start, steps):
    inside = window(T, [T, T], start=start)
    assert inside.shape == (T, 2) and inside.dtype == bool
    np.testing.assert_array_equal(inside, np.repeat(np.arange(T)[:, None] >= start, 2, axis=1))
    assert (inside.sum(0) == steps).all()


@pytest.mark.parametrize("T", [1, 7, 20])
def test_tc14_last_and_start_name_the_same_window(T):
    for last in range(T + 1):
        np.testing.assert_array_equal(window(T, [T], last=last), window(T, [T], start=T - last))


def test_tc14_window_longer_than_a_sample_is_all_its_steps():
    np.testing.assert_array_equal(window(6, [6, 4], last=99), [[1, 1]] * 4 + [[1, 0]] * 2)


def test_tc15_window_counts_the_last_real_steps_of_each_sample():
    inside = window(20, [12, 20, 3], last=5)
    assert [np.flatnonzero(column).tolist() for column in inside.T] == [[7, 8, 9, 10, 11], [15, 16, 17, 18, 19], [0, 1, 2]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int8])
@pytest.mark.parametrize("last", [4, 300])
def test_window_neither_wraps_nor_overflows_lengths_of_a_small_or_unsigned_type(dtype, last):
    np.testing.assert_array_equal(window(6, np.array([6, 3], dtype), last=last), window(6, [6, 3], last=last))


def test_window_that_starts_in_the_padding_is_empty():
    np.testing.assert_array_equal(window(5, [5, 2], start=3).sum(0), [2, 0])


@pytest.mark.parametrize("arguments", [
    dict(T=4, lengths=[4]), dict(T=4, lengths=[4], last=1, start=1), dict(T=4, lengths=[5], last=1), dict(T=4, lengths=[4, 0], last=1),
    dict(T=4, lengths=[-1], last=1), dict(T=4, lengths=[], last=1), dict(T=4, lengths=4, last=1), dict(T=4, lengths=[[4]], last=1),
    dict(T=4, lengths=[4.0], last=1), dict(T=0, lengths=[1], last=1), dict(T=4.0, lengths=[4], last=1), dict(T=4, lengths=[4], last=-1),
    dict(T=4, lengths=[4], last=1.5), dict(T=4, lengths=[4], start=-1), dict(T=4, lengths=[4], last=True),
], ids=str)
def test_window_refuses_what_is_no_window_in_one_line(arguments):
    with pytest.raises(ValueError, match="^(T|lengths|window|last|start): got .*, expected .*$"):
        window(**arguments)
