"""The embedded set `digits`: the same from the same seed, no image in two splits, events as an event camera makes them."""

import sys

import numpy as np
import pytest

from stllr_ref.data import digits, parts

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def splits():
    return digits.load(seed=0)


@pytest.fixture(scope="module")
def images():
    return digits._images()[0][:60]


def test_splits_have_the_documented_shapes_and_types(splits):
    for part, B in zip(splits, (1100, 247, 450)):
        assert part.x.shape == (21, B, 512) and part.y.shape == part.source.shape == (B,)
        assert part.x.dtype == np.float32 and part.y.dtype == part.source.dtype == np.int64
        assert set(np.unique(part.x)) == {0, 1}


def test_images_are_light_from_0_to_1():
    images, labels = digits._images()
    assert images.shape == (1797, 8, 8) and images.min() == 0 and images.max() == 1 and labels.dtype == np.int64


def test_no_image_is_in_two_splits_and_every_image_is_in_one(splits):
    assert np.sort(np.concatenate([part.source for part in splits])).tolist() == list(range(1797))


def test_every_class_is_in_every_split_in_the_shares_of_the_whole(splits):
    for part in splits:
        assert (np.abs(np.bincount(part.y, minlength=10) / len(part.y) - 0.1) < 0.05).all()


def test_labels_are_those_of_the_source_images(splits):
    labels = digits._images()[1]
    for part in splits:
        np.testing.assert_array_equal(part.y, labels[part.source])


def test_same_seed_gives_the_same_bits_and_another_seed_other_events_of_the_same_images(splits):
    again, other = digits.load(seed=0), digits.load(seed=1)
    for part, same, new in zip(splits, again, other):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.source, new.source)
        np.testing.assert_array_equal(part.y, new.y)
        assert 0.03 < (part.x != new.x).mean() < 0.3


def test_events_of_an_image_do_not_depend_on_the_sizes_of_the_splits(splits):
    small = digits.load(seed=0, sizes=(30, 20, 10))
    assert [part.x.shape[1] for part in small] == [30, 20, 10]
    where = {int(source): (part, i) for part in splits for i, source in enumerate(part.source)}
    for part in small:
        for i, source in enumerate(part.source):
            old, k = where[int(source)]
            np.testing.assert_array_equal(part.x[:, i], old.x[:, k])


def test_global_random_state_is_neither_read_nor_moved():
    np.random.seed(3)
    before = np.random.get_state()
    first = digits.load(seed=0, sizes=(5, 5, 5))
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    np.random.seed(4)
    np.testing.assert_array_equal(digits.load(seed=0, sizes=(5, 5, 5)).train.x, first.train.x)


def test_both_polarities_live_in_every_split_and_saccade(splits):
    for part in splits:
        rate = part.x.reshape(3, 7, len(part.y), 2, 256).mean((1, 2, 4))
        assert (rate > 0.03).all() and (rate < 0.1).all()


def test_layout_is_polarity_row_column(splits):
    """A bright bar that is long in a row gives a row of events, in the first half of the inputs where it gets darker."""
    bar = np.zeros((1, 8, 8))
    bar[0, 4] = 1
    x = digits.saccades(bar, np.random.default_rng(0), noise=0)
    off, on = x[:7].sum((0, 1))
    assert off.any(0).sum() >= 11 and on.any(0).sum() >= 11 and off.any(1).sum() <= 7
    # The first saccade goes down: what it leaves gets darker, what it reaches brighter.
    assert np.average(np.arange(16), weights=off.sum(1)) + 1 < np.average(np.arange(16), weights=on.sum(1))
    whole = digits.saccades(digits._images()[0], np.random.default_rng(0))
    for polarity, row, column in ((0, 9, 6), (1, 4, 11)):
        events = splits.test.x[:, :, polarity * 256 + row * 16 + column]
        np.testing.assert_array_equal(events, whole[:, splits.test.source, polarity, row, column])
        assert events.any()


@pytest.mark.parametrize("change", [0.35, -0.35])
def test_a_pixel_that_is_dark_again_is_no_matter_of_the_last_bit(monkeypatch, change):
    """A pixel that moved by 1.5 thresholds and back is one threshold from its reference, to the last bit or nearly."""
    start = np.full((1, 16, 16), np.log(0.1))
    seen = iter([start, start + 1.5 * change] + [start + k * 2e-16 for k in range(-10, 10)])
    monkeypatch.setattr(digits, "_log_light", lambda images, where: next(seen))
    x = digits.saccades(np.zeros((1, 8, 8)), np.random.default_rng(0), noise=0)
    assert x[0].sum() == 256 and x[1:].sum() == 0


def log_light(image, down, right):
    """Return log(light + 0.1) [16, 16] of an 8 x 8 image whose first pixel lies at (down, right), bilinear, by a loop."""
    out = np.empty((16, 16))
    for i in range(16):
        for j in range(16):
            a, b, light = (i - down + 0.5) * 8 / 12 - 0.5, (j - right + 0.5) * 8 / 12 - 0.5, 0.0
            for k in range(8):
                for m in range(8):
                    light += image[k, m] * max(0, 1 - abs(a - k)) * max(0, 1 - abs(b - m))
            out[i, j] = np.log(light + 0.1)
    return out


def test_events_equal_a_pixel_by_pixel_event_camera(images):
    got = digits.saccades(images[:2], np.random.default_rng(7), noise=0)
    where = digits._path(2, np.random.default_rng(7))
    for b in range(2):
        seen = [log_light(images[b], *where[t, b]) for t in range(22)]
        for i in range(16):
            for j in range(16):
                reference = seen[0][i, j]
                for t in range(21):
                    gap = seen[t + 1][i, j] - reference
                    fired = abs(gap) > 0.35 + 1e-9  # back in the dark is back by whole thresholds, to the last bit or nearly
                    if fired:
                        reference += np.sign(gap) * int(abs(gap) / 0.35 + 1e-9) * 0.35
                    assert got[t, b, :, i, j].tolist() == [float(fired and gap < 0), float(fired and gap > 0)]


def test_the_path_is_a_triangle_of_three_saccades():
    where = digits._path(4000, np.random.default_rng(0))
    assert where.shape == (22, 4000, 2)
    np.testing.assert_allclose(where[0], where[21], rtol=0, atol=1e-12)
    corners = where[[0, 7, 14]]
    np.testing.assert_allclose(corners.mean((0, 1)), 2, rtol=0, atol=0.03)
    legs = where[[7, 14, 21]] - where[[0, 7, 14]]
    np.testing.assert_allclose(legs.mean(1), [[3**0.5, 1], [-(3**0.5), 1], [0, -2]], rtol=0, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(legs.mean(1), axis=1), 2, rtol=0, atol=0.02)
    assert np.abs(legs.std(1) - 0.24 * 2**0.5).max() < 0.02
    for k in range(3):
        steps = np.diff(where[7 * k : 7 * k + 8], axis=0)
        np.testing.assert_allclose(steps, np.broadcast_to(legs[k] / 7, steps.shape), rtol=0, atol=1e-12)


def test_finer_steps_cut_the_same_way_and_a_pixel_may_fire_more_often(images):
    coarse, fine = (digits._path(5, np.random.default_rng(3), steps) for steps in (21, 336))
    np.testing.assert_allclose(fine[::16], coarse, rtol=0, atol=1e-12)
    few, many = (digits.saccades(images[:5], np.random.default_rng(3), noise=0, steps=steps) for steps in (21, 336))
    np.testing.assert_array_equal(few, digits.saccades(images[:5], np.random.default_rng(3), noise=0))
    assert many.shape == (336, 5, 2, 16, 16) and many.sum() > 1.1 * few.sum()
    # A bin of 16 fine steps holds an event, or more than one, where the coarse step has one, but for pixels on the edge of a threshold.
    binned = many.reshape(21, 16, *few.shape[1:]).sum(1)
    assert (binned[few > 0] > 0).mean() > 0.9 and binned.max() > 1


def test_a_digit_stands_within_a_pixel_of_the_centre_and_is_12_pixels_wide():
    where = digits._path(4000, np.random.default_rng(0))
    centre = where[[0, 7, 14]].mean(0) + 5.5
    # The mean of three jittered corners adds a normal of 0.24 / sqrt(3).
    spread = np.abs(centre - 7.5)
    assert spread.max() < 1 + 5 * 0.24 / 3**0.5 and abs(centre.var() - (1 / 3 + 0.24**2 / 3)) < 0.02
    weights = digits._interpolation(8, np.array([2.0]))[0]
    np.testing.assert_allclose(weights[3:13].sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(weights[[2, 13]].sum(1), 5 / 6, rtol=1e-12)
    np.testing.assert_allclose(weights.sum(0), 1.5, rtol=0, atol=0.2)
    np.testing.assert_allclose(weights, weights[::-1, ::-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(digits._interpolation(8, np.array([3.0]))[0, 1:], weights[:-1], rtol=0, atol=1e-12)


def test_noise_fires_an_input_with_its_probability(images):
    dark = np.zeros((200, 8, 8))
    assert digits.saccades(dark, np.random.default_rng(0), noise=0).sum() == 0
    assert abs(digits.saccades(dark, np.random.default_rng(0)).mean() - 0.002) < 0.0001
    clean, noisy = (digits.saccades(images, np.random.default_rng(0), noise=q) for q in (0, 0.01))
    assert (noisy >= clean).all() and abs((noisy > clean).sum() / (clean == 0).sum() - 0.01) < 0.001


def test_a_higher_threshold_makes_fewer_events(images):
    low, high = (digits.saccades(images, np.random.default_rng(0), threshold=q, noise=0).mean() for q in (0.35, 0.7))
    assert 0 < high < low


def test_images_are_unchanged(images):
    before = images.copy()
    digits.saccades(images, np.random.default_rng(0))
    np.testing.assert_array_equal(images, before)


def test_counts_alone_classify_about_81_percent_with_a_logistic_regression(splits):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000).fit(splits.train.x.sum(0), splits.train.y)
    for part in (splits.validation, splits.test):
        assert 0.77 < model.score(part.x.sum(0), part.y) < 0.87


def test_describe_computes_its_numbers_from_the_splits():
    small = digits.load(seed=2, sizes=(30, 20, 10))
    said = digits.describe(small)
    assert said["shape [T, B, ...]"] == {"train": (21, 30, 512), "validation": (21, 20, 512), "test": (21, 10, 512)}
    assert said["samples of each class"]["test"] == np.bincount(small.test.y, minlength=10).tolist()
    assert said["events a step, OFF (%)"]["train"] == round(100 * float(small.train.x[:, :, :256].mean(dtype=float)), 2)
    assert said["events a step, ON (%)"]["test"] == round(100 * float(small.test.x[:, :, 256:].mean(dtype=float)), 2)
    assert said["sources in two splits"] == 0
    assert digits.describe(parts.Splits(small.train, small.train, small.test))["sources in two splits"] == 30


def test_describe_without_splits_describes_the_default_set(splits):
    assert digits.describe() == digits.describe(splits)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0"])
def test_seed_must_be_a_whole_number(seed):
    with pytest.raises(ValueError, match="^seed: got .*, expected a whole number of at least 0$"):
        digits.load(seed)


@pytest.mark.parametrize("sizes", [(1100, 247, 451), (1, 1), (0, 1, 1), (1.5, 1, 1), 3, ("a", 1, 1), None])
def test_sizes_must_fit_the_images(sizes):
    with pytest.raises(ValueError, match="^sizes: got .*, expected three whole numbers of at least 1, together at most 1797$"):
        digits.load(0, sizes)


@pytest.mark.parametrize("bad", [np.zeros((8, 8)), np.full((1, 8, 8), 1.1), np.full((1, 8, 8), -0.1), np.full((1, 8, 8), np.nan)], ids=str)
def test_images_must_be_light_from_0_to_1(bad):
    with pytest.raises(ValueError, match=r"^images: got shape .*, expected \[B, h, w\] with light from 0 to 1$"):
        digits.saccades(bad, np.random.default_rng(0))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"threshold": 0}, "^threshold: got 0, expected a number above 0$"),
        ({"threshold": np.nan}, "^threshold: got nan, expected a number above 0$"),
        ({"noise": -0.1}, "^noise: got -0.1, expected a probability$"),
        ({"noise": 1.1}, "^noise: got 1.1, expected a probability$"),
        ({"steps": 0}, "^steps: got 0, expected a whole number of at least 1$"),
        ({"steps": 2.5}, "^steps: got 2.5, expected a whole number of at least 1$"),
    ],
)
def test_threshold_noise_and_steps_are_checked(images, change, message):
    with pytest.raises(ValueError, match=message):
        digits.saccades(images, np.random.default_rng(0), **change)


def test_a_missing_scikit_learn_is_named_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="^digits: .*, expected scikit-learn, which arrives with tonic: pip install tonic$"):
        digits.load()
