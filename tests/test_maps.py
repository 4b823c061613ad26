"""Maps between layers: pools, flatten, upsampling, dropout."""

import numpy as np
import pytest

from stllr_ref.maps import AvgPool, Dropout, Flatten, GlobalAvg, MaxPool, Upsample

MAPS = {"max 2": MaxPool(2), "max 3": MaxPool(3), "avg 1": AvgPool(1), "avg 2": AvgPool(2), "avg 3": AvgPool(3), "global": GlobalAvg(), "flatten": Flatten(),
        "up 1": Upsample(1), "up 3": Upsample(3)}
LEAD = [(2,), (4, 2), (3, 4, 2)]
each = pytest.mark.parametrize("name", MAPS)


def image(lead=(4, 2), size=(3, 7, 6), kind=float):
    """Return a random image [*lead, C, H, W]: odd height, not square."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*lead, *size))
    return x if kind is float else x + 1j * rng.normal(size=x.shape)


@each
@pytest.mark.parametrize("lead", LEAD, ids=str)
@pytest.mark.parametrize("kind", [float, complex])
def test_backward_is_the_transpose_of_forward(name, lead, kind):
    x = image(lead, kind=kind)
    out, memo = MAPS[name].forward(x)
    g = np.random.default_rng(1).normal(size=out.shape)
    back = MAPS[name].backward(g, memo)
    assert back.shape == x.shape and np.abs(back).max() > 0
    assert abs((g * out).sum() / (back * x).sum() - 1) < 1e-12


@each
def test_forward_is_the_same_for_any_leading_axes(name):
    x = image((4, 2))
    out, _ = MAPS[name].forward(x)
    one_by_one = [[MAPS[name].forward(x[a, b])[0] for b in range(2)] for a in range(4)]
    np.testing.assert_allclose(out, one_by_one, rtol=1e-14, atol=0)


@each
def test_map_remembers_in_its_memo_alone(name):
    """BPTT walks back through memos of many steps; another image in between must not matter."""
    x = image()
    out, memo = MAPS[name].forward(x)
    before = MAPS[name].backward(out, memo)
    MAPS[name].forward(image((5,), (3, 9, 9))[::-1])
    np.testing.assert_array_equal(MAPS[name].backward(out, memo), before)


@each
def test_map_keeps_float32_and_its_input(name):
    x = image().astype(np.float32)
    out, memo = MAPS[name].forward(x)
    assert out.dtype == MAPS[name].backward(out, memo).dtype == np.float32
    np.testing.assert_array_equal(x, image().astype(np.float32))


def blocks(x, k, reduce):
    """Return reduce of each whole k x k block of one image [H, W], by a plain loop."""
    return np.array([[reduce(x[k * i : k * i + k, k * j : k * j + k]) for j in range(x.shape[1] // k)] for i in range(x.shape[0] // k)])


@pytest.mark.parametrize("k", [1, 2, 3, 6])
@pytest.mark.parametrize("pool, reduce", [(MaxPool, np.max), (AvgPool, np.mean)])
def test_pool_reduces_whole_blocks_and_drops_the_rest(pool, reduce, k):
    x = image((), (7, 6))
    np.testing.assert_allclose(pool(k).forward(x)[0], blocks(x, k, reduce), rtol=1e-14, atol=0)


def test_dropped_pixels_get_no_gradient():
    for pool in (MaxPool(2), AvgPool(2)):
        out, memo = pool.forward(image((), (7, 6)))
        back = pool.backward(np.ones_like(out), memo)
        assert (back[6] == 0).all() and back[:6].sum() == out.size


def test_first_of_tied_spikes_wins_the_max_pool():
    x = np.array([[[0.0, 1, 0, 0], [1, 1, 0, 0]]])
    out, memo = MaxPool(2).forward(x)
    np.testing.assert_array_equal(out, [[[1, 0]]])
    np.testing.assert_array_equal(MaxPool(2).backward(np.array([[[5.0, 7]]]), memo), [[[0, 5, 7, 0], [0, 0, 0, 0]]])


def test_max_pool_finds_a_winner_beyond_the_256th_of_its_block():
    x = np.zeros((1, 1, 17, 17))
    x[..., -1, -1] = 1
    out, memo = MaxPool(17).forward(x)
    np.testing.assert_array_equal(MaxPool(17).backward(out, memo), x)


def test_max_pool_compares_real_parts_and_takes_the_imaginary_one_along():
    x = np.array([[[1 + 0j, 1 + 9j], [2 - 3j, 2 + 9j]]])  # the two largest real parts tie: the first wins
    np.testing.assert_array_equal(MaxPool(2).forward(x)[0], [[[2 - 3j]]])


def test_upsample_copies_each_pixel():
    np.testing.assert_array_equal(Upsample(2).forward(np.array([[[1, 2]]]))[0], [[[1, 1, 2, 2], [1, 1, 2, 2]]])


def test_upsample_then_avg_pool_is_the_identity():
    x = image()
    np.testing.assert_allclose(AvgPool(3).forward(Upsample(3).forward(x)[0])[0], x, rtol=1e-14, atol=0)


def test_flatten_is_row_major():
    np.testing.assert_array_equal(Flatten().forward(np.arange(24).reshape(2, 3, 2, 2))[0], np.arange(24).reshape(2, 12))


def test_global_average_is_the_mean_over_pixels():
    x = image()
    np.testing.assert_allclose(GlobalAvg().forward(x)[0], x.reshape(4, 2, 3, -1).mean(-1), rtol=1e-14, atol=0)


@pytest.mark.parametrize("pool", [MaxPool, AvgPool])
def test_pool_refuses_an_image_smaller_than_its_block(pool):
    with pytest.raises(ValueError, match="^x: got an image of 2 x 3 to pool by 3, expected at least 3 x 3$"):
        pool(3).forward(np.zeros((1, 2, 3)))


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "2", None])
@pytest.mark.parametrize("make", [MaxPool, AvgPool, Upsample])
def test_block_size_must_be_a_whole_number(make, k):
    with pytest.raises(ValueError, match="^k: got .*, expected a whole number of at least 1$"):
        make(k)


def test_dropout_keeps_one_binary_mask_through_a_sequence():
    drop, x = Dropout(0.4), np.random.default_rng(0).random((3, 50)) + 1
    drop.reset(np.random.default_rng(1))
    first, later = drop.forward(x)[0], drop.forward(2 * x)[0]
    assert set(np.unique(first / x)) == {0, 1}
    np.testing.assert_array_equal(later, 2 * first)


def test_dropout_drops_with_its_probability():
    drop = Dropout(0.1)
    drop.reset(np.random.default_rng(0))
    assert abs((drop.forward(np.ones((100, 1000)))[0] == 0).mean() - 0.1) < 0.005


def test_dropout_draws_a_new_mask_after_a_reset_and_the_same_from_the_same_seed():
    drop, masks = Dropout(0.5), []
    for seed in (0, 0, 1):
        drop.reset(np.random.default_rng(seed))
        masks.append(drop.forward(np.ones((4, 30)))[0])
    assert np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[0], masks[2])


def test_dropout_without_a_generator_lets_everything_pass():
    drop, x = Dropout(0.9), np.ones((2, 5))
    drop.reset(np.random.default_rng(0))
    drop.forward(x)
    drop.reset(None)
    out, memo = drop.forward(x)
    assert (out == 1).all() and (drop.backward(x, memo) == 1).all()


def test_dropout_sends_no_gradient_to_dropped_units():
    drop, x = Dropout(0.5), np.ones((2, 20), np.float32)
    drop.reset(np.random.default_rng(0))
    out, memo = drop.forward(x)
    back = drop.backward(3 * x, memo)
    np.testing.assert_array_equal(back, 3 * out)
    assert 0 < out.sum() < out.size and out.dtype == back.dtype == np.float32


@pytest.mark.parametrize("p, passed", [(0, 1), (1, 0)])
def test_dropout_at_its_limits_passes_all_or_nothing(p, passed):
    drop = Dropout(p)
    drop.reset(np.random.default_rng(0))
    assert (drop.forward(np.ones((2, 99)))[0] == passed).all()


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan, "half", None])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="^p: got .*, expected a number"):
        Dropout(p)


def test_max_pool_does_not_lose_a_nan():
    for at in range(4):
        x = np.arange(4.0)
        x[at] = np.nan
        assert np.isnan(MaxPool(2).forward(x.reshape(1, 2, 2))[0]).all()


def test_average_of_small_whole_numbers_does_not_wrap():
    assert AvgPool(2).forward(np.full((1, 2, 2), 200, np.uint8))[0] == 200
