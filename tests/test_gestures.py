"""The embedded set `gestures` and its camera: the same from the same seed, hands that move as their class says, events pixel by pixel."""

from dataclasses import replace

import numpy as np
import pytest

from stllr_ref import training
from stllr_ref.data import camera, gestures, parts
from stllr_ref.experiments import classify
from stllr_ref.experiments import gestures as experiment

pytestmark = pytest.mark.filterwarnings("error")
NAMES = list(gestures.CLASSES)


@pytest.fixture(scope="module")
def splits():
    return gestures.load(seed=0)


def test_splits_have_the_documented_shapes_and_types(splits):
    for part, B in zip(splits, (770, 154, 396)):
        assert part.x.shape == (20, B, 512) and part.y.shape == part.source.shape == (B,)
        assert part.x.dtype == np.float32 and part.y.dtype == part.source.dtype == np.int64
        assert set(np.unique(part.x)) == {0, 1}


def test_there_are_eleven_classes_in_equal_shares_of_every_split(splits):
    assert len(NAMES) == 11
    assert [np.bincount(part.y, minlength=11).tolist() for part in splits] == [[70] * 11, [14] * 11, [36] * 11]


def test_no_recording_is_in_two_splits_and_every_recording_is_in_one(splits):
    assert np.sort(np.concatenate([part.source for part in splits])).tolist() == list(range(1320))


def test_same_seed_gives_the_same_bits_and_another_seed_other_events_of_the_same_recordings(splits):
    again, other = gestures.load(seed=0), gestures.load(seed=1)
    for part, same, new in zip(splits, again, other):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.source, new.source)
        np.testing.assert_array_equal(part.y, new.y)
        assert 0.05 < (part.x != new.x).mean() < 0.3


def test_events_of_a_recording_do_not_depend_on_the_sizes_of_the_splits(splits):
    small = gestures.load(seed=0, sizes=(30, 20, 10))
    where = {int(source): (part, i) for part in splits for i, source in enumerate(part.source)}
    for part, B in zip(small, (30, 20, 10)):
        assert part.x.shape[1] == B
        for i, source in enumerate(part.source):
            old, k = where[int(source)]
            np.testing.assert_array_equal(part.x[:, i], old.x[:, k])


def test_global_random_state_is_neither_read_nor_moved():
    np.random.seed(3)
    before = np.random.get_state()
    first = gestures.load(seed=0, sizes=(5, 5, 5))
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    np.random.seed(4)
    np.testing.assert_array_equal(gestures.load(seed=0, sizes=(5, 5, 5)).train.x, first.train.x)


def test_both_polarities_live_in_every_split_and_at_every_step(splits):
    for part in splits:
        rate = part.x.reshape(20, len(part.y), 2, 256).mean((1, 3))
        assert (rate > 0.05).all() and (rate < 0.15).all()


def test_single_polarity_fires_where_either_polarity_did(splits):
    for part, merged in zip(splits, gestures.load(seed=0, polarity="single")):
        off, on = part.x[:, :, :256], part.x[:, :, 256:]
        assert ((off > 0) & (on > 0)).any()
        np.testing.assert_array_equal(merged.x, np.logical_or(off, on))
        assert merged.x.dtype == np.float32
        np.testing.assert_array_equal(merged.y, part.y)


def test_layout_is_polarity_row_column(splits):
    whole = gestures.film(np.arange(1320) % 11, np.random.default_rng(0))
    for polarity, row, column in ((0, 9, 3), (1, 4, 11)):
        events = splits.test.x[:, :, polarity * 256 + row * 16 + column]
        np.testing.assert_array_equal(events, whole[:, splits.test.source, polarity, row, column])
        assert events.any()


def hand(name, i, seed=0, B=400):
    """Return the path [T+1, B, 2] of hand i of many recordings of one class, less its mean over whole recordings."""
    where, _ = gestures._hands(np.full(B, NAMES.index(name)), np.random.default_rng(seed))
    return where[:, :, i]


@pytest.mark.parametrize("name, right, left", [
    ("clap", (0, 1), (0, 1)), ("right wave", (0, 1), None), ("left wave", None, (0, 1)),
    ("right clockwise", (1, 1), None), ("right counter-clockwise", (1, 1), None),
    ("left clockwise", None, (1, 1)), ("left counter-clockwise", None, (1, 1)),
    ("roll forwards", (1, 1), (1, 1)), ("roll backwards", (1, 1), (1, 1)),
    ("drums", (1, 0), (1, 0)), ("guitar", (1, 0), (0, 1)),
])
def test_a_gesture_moves_the_named_hands_along_the_named_axes(name, right, left):
    """A movement of amplitude 1.8 to 2.8 has a standard deviation of 1.3 to 2; the body's jitter has 0.1."""
    expected = [axes for axes in ((4.5, right), (10.5, left)) if axes[1]]
    for i, (column, axes) in enumerate(expected):
        path = hand(name, i)
        np.testing.assert_allclose(path.mean((0, 1)), (7.5, column), rtol=0, atol=0.25)
        spread = path.std(0).mean(0)
        for moves, s in zip(axes, spread):
            # The left hand of the guitar moves by half an amplitude.
            assert (0.6 < s < 2 if moves else 0.05 < s < 0.15), (name, i, spread)
    if len(expected) == 1:
        assert np.isnan(hand(name, 1)).all()


def turning(path):
    """Return the area [B] that each path [T+1, B, 2] sweeps about its mean: above 0 clockwise on a screen (rows go down)."""
    row, column = np.moveaxis(path - path.mean(0), -1, 0)
    return (column[:-1] * row[1:] - column[1:] * row[:-1]).sum(0)


@pytest.mark.parametrize("name, hands, way", [
    ("right clockwise", 1, 1), ("right counter-clockwise", 1, -1), ("left clockwise", 1, 1), ("left counter-clockwise", 1, -1),
    ("roll forwards", 2, 1), ("roll backwards", 2, -1),
])
def test_circles_turn_the_way_that_their_name_says(name, hands, way):
    for i in range(hands):
        assert (way * turning(hand(name, i)) > 5).all()


@pytest.mark.parametrize("name, axis", [("clap", 1), ("drums", 0), ("roll forwards", 0), ("roll forwards", 1)])
def test_two_hands_are_half_a_period_apart(name, axis):
    first, second = (hand(name, i)[:, :, axis] for i in (0, 1))
    together = [np.corrcoef(first[:, b], second[:, b])[0, 1] for b in range(first.shape[1])]
    assert max(together) < -0.9


def test_periods_amplitudes_and_phases_are_spread_as_said():
    path = hand("right wave", 0, B=3000)[:, :, 1]
    half = np.abs(path - path.mean(0)).max(0)
    assert 1.6 < np.quantile(half, 0.02) and np.quantile(half, 0.98) < 3.4
    # Crossings of the middle: two a period of 7 to 12 steps, in 20 steps.
    crossings = (np.diff(np.sign(path - np.median(path, 0)), axis=0) != 0).sum(0)
    assert 3 <= np.quantile(crossings, 0.05) and np.quantile(crossings, 0.95) <= 7
    first = path[0] - path.mean(0)
    assert abs(first.mean()) < 0.15 and first.std() > 1.2


def test_places_vary_from_recording_to_recording_and_the_two_hands_do_so_apart():
    paths = np.stack([hand("drums", i, B=3000) for i in (0, 1)])
    places = paths.mean(1)
    np.testing.assert_allclose(places[:, :, 1].std(1), 0.8, rtol=0, atol=0.05)
    assert abs(np.corrcoef(places[0, :, 1], places[1, :, 1])[0, 1]) < 0.1
    # The body's jitter moves both hands alike, at each step anew; across the movement nothing else does.
    jitter = paths[..., 1] - places[:, None, :, 1]
    np.testing.assert_allclose(jitter[0], jitter[1], rtol=0, atol=1e-12)
    assert abs(jitter.std() - 0.1) < 0.01
    assert abs(np.mean(jitter[0, 1:] * jitter[0, :-1]) / jitter.var()) < 0.1


def test_light_is_that_of_round_spots_the_nearer_one_seen():
    where, radius = np.array([[[7.0, 4.0], [9.0, 10.0]], [[3.0, 3.0], [np.nan, np.nan]]]), np.array([1.0, 1.5])
    got = gestures._log_light(where, radius)
    for b in range(2):
        for i in range(16):
            for j in range(16):
                lights = [np.exp(-((i - r) ** 2 + (j - c) ** 2) / 2 / radius[b] ** 2) for r, c in where[b] if not np.isnan(r)]
                assert abs(got[b, i, j] - np.log(max(lights) + 0.1)) < 1e-12


def test_events_equal_a_pixel_by_pixel_event_camera():
    classes = [0, 4]
    got = gestures.film(classes, np.random.default_rng(7), noise=0)
    where, radius = gestures._hands(np.array(classes), np.random.default_rng(7))
    seen = np.array([gestures._log_light(now, radius) for now in where])
    assert got.mean() > 0.05
    for b, i, j in np.ndindex(2, 16, 16):
        reference = seen[0, b, i, j]
        for t in range(20):
            gap = seen[t + 1, b, i, j] - reference
            fired = abs(gap) > 0.25 + 1e-9
            if fired:
                reference += np.sign(gap) * int(abs(gap) / 0.25 + 1e-9) * 0.25
            assert got[t, b, :, i, j].tolist() == [float(fired and gap < 0), float(fired and gap > 0)]


def test_the_leading_edge_is_on_and_the_trailing_edge_off():
    """While a hand goes right, ON events lie to the right of OFF events."""
    path = hand("right wave", 0, B=200)[:, :, 1]
    x = gestures.film(np.full(200, NAMES.index("right wave")), np.random.default_rng(0), noise=0)
    speed, columns = np.diff(path, axis=0), np.arange(16)
    off, on = np.moveaxis(x.sum(3), 2, 0)
    alive = (np.abs(speed) > 0.5) & (off.sum(2) > 3) & (on.sum(2) > 3)
    assert alive.mean() > 0.4
    apart = (on @ columns)[alive] / on.sum(2)[alive] - (off @ columns)[alive] / off.sum(2)[alive]
    assert (np.sign(apart) == np.sign(speed[alive])).mean() > 0.95


def test_noise_fires_an_input_with_its_probability():
    clean, noisy = (gestures.film(np.arange(110) % 11, np.random.default_rng(0), noise=q) for q in (0, 0.01))
    assert (noisy >= clean).all() and abs((noisy > clean).sum() / (clean == 0).sum() - 0.01) < 0.001


def test_shuffling_keeps_each_sample_s_frames_and_changes_their_order_only():
    x = np.random.default_rng(0).random((20, 30, 7))
    mixed = gestures.shuffle_frames(x, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(mixed, axis=0), np.sort(x, axis=0))
    orders = [[int(np.flatnonzero((x[:, b] == frame).all(1))[0]) for frame in mixed[:, b]] for b in range(30)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 30
    assert mixed.shape == gestures.shuffle_frames(x[..., None, None], np.random.default_rng(1)).shape[:3]


def test_every_place_gets_every_frame_equally_often():
    x = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 4000, 1))
    mixed = gestures.shuffle_frames(x, np.random.default_rng(0))[..., 0]
    shares = np.array([[(row == k).mean() for k in range(4)] for row in mixed])
    np.testing.assert_allclose(shares, 0.25, rtol=0, atol=0.03)


def test_counts_alone_classify_about_70_percent_with_a_logistic_regression(splits):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000).fit(splits.train.x.sum(0), splits.train.y)
    for part in (splits.validation, splits.test):
        assert 0.6 < model.score(part.x.sum(0), part.y) < 0.85


def shuffled_and_not(task, settings):
    """Return validation accuracy of exact BPTT, one seed, as it is and with the frames of each sample shuffled."""
    sets = experiment.sets(task)
    result = classify.run(settings, 0, sets)
    x, y = sets[1]
    net = classify.build(settings, x.shape[2], 11, 0)
    net.put(result.params)
    mixed = gestures.shuffle_frames(x, np.random.default_rng(0))
    return result.validation, training.evaluate(net, (mixed, y), last=settings.last)


@pytest.mark.slow
def test_with_both_polarities_shuffled_frames_cost_little_and_with_one_they_cost_the_direction():
    both = shuffled_and_not("gestures", replace(experiment.SETTINGS, rule="bptt"))
    one = shuffled_and_not("gestures_single", replace(experiment.SINGLE, rule="bptt"))
    assert both[0] > 0.9 and both[0] - both[1] < 0.08
    # Five classes of eleven keep their name without an order, the six circles and rolls are guessed: 8 / 11 = 73 %.
    assert one[0] > 0.8 and one[0] - one[1] > 0.1


@pytest.mark.parametrize("task, polarity", [("gestures", "on_off"), ("gestures_single", "single")])
def test_the_experiment_trains_on_the_polarity_of_its_task(task, polarity):
    for (x, y), part in zip(experiment.sets(task), gestures.load(seed=0, polarity=polarity)):
        np.testing.assert_array_equal(x, part.x)
        np.testing.assert_array_equal(y, part.y)


def test_the_single_polarity_experiment_is_recurrent_and_the_other_dense():
    assert (experiment.SETTINGS.recurrent, experiment.SINGLE.recurrent) == (False, True)


def test_describe_computes_its_numbers_from_the_splits(splits):
    small = gestures.load(seed=2, sizes=(33, 22, 11))
    said = gestures.describe(small)
    assert said["shape [T, B, ...]"] == {"train": (20, 33, 512), "validation": (20, 22, 512), "test": (20, 11, 512)}
    assert said["samples of each class"]["test"] == [1] * 11 and said["classes"] == NAMES
    assert said["inputs that fire at a step (%)"]["test"] == round(100 * float(small.test.x.mean(dtype=float)), 2)
    assert said["sources in two splits"] == 0
    assert gestures.describe(parts.Splits(small.train, small.train, small.test))["sources in two splits"] == 33
    assert gestures.describe() == gestures.describe(splits)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0"])
def test_seed_must_be_a_whole_number(seed):
    with pytest.raises(ValueError, match="^seed: got .*, expected a whole number of at least 0$"):
        gestures.load(seed)


@pytest.mark.parametrize("sizes", [(770, 154, 397), (1, 1), (0, 1, 1), (1.5, 1, 1), 3, ("a", 1, 1), None])
def test_sizes_must_fit_the_recordings(sizes):
    with pytest.raises(ValueError, match="^sizes: got .*, expected three whole numbers of at least 1, together at most 1320$"):
        gestures.load(0, sizes)


@pytest.mark.parametrize("polarity", ["both", 1, None, ["on_off"]])
def test_polarity_must_be_one_of_two(polarity):
    with pytest.raises(ValueError, match="^polarity: got .*, expected one of on_off, single$"):
        gestures.load(0, polarity=polarity)


@pytest.mark.parametrize("change, message", [
    ({"threshold": 0}, "^threshold: got 0, expected a number above 0$"),
    ({"threshold": np.nan}, "^threshold: got nan, expected a number above 0$"),
    ({"noise": 1.1}, "^noise: got 1.1, expected a probability$"),
    ({"noise": np.nan}, "^noise: got nan, expected a probability$"),
])
def test_the_camera_checks_threshold_and_noise(change, message):
    with pytest.raises(ValueError, match=message):
        camera.watch(lambda t: np.zeros((1, 2, 2)), 3, np.random.default_rng(0), **{"threshold": 1, **change})


def test_the_camera_leaves_the_light_unchanged_and_takes_a_sensor_that_is_not_square():
    light = np.cumsum(np.random.default_rng(0).normal(0, 1, (6, 4, 2, 3)), axis=0)
    before = light.copy()
    x = camera.watch(lambda t: light[t], 5, np.random.default_rng(0), threshold=0.5)
    np.testing.assert_array_equal(light, before)
    assert x.shape == (5, 4, 2, 2, 3) and 0.1 < x.mean() < 0.5
