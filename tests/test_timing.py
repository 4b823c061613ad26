"""The embedded sets of pure timing: the same from the same seed, counts that tell nothing where they should, silence that is silent."""

from dataclasses import replace

import numpy as np
import pytest

from stllr_ref.data import parts, timing
from stllr_ref.experiments import classify
from stllr_ref.experiments import timing as experiment

pytestmark = pytest.mark.filterwarnings("error")
NAMES = list(timing.LOADERS)
SHAPES = {"randman": (50, 30, 10), "delay": (12, 48, 2), "recall": (16, 54, 8)}  # steps, channels, classes


@pytest.fixture(scope="module")
def sets():
    return {name: load(seed=0) for name, load in timing.LOADERS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_splits_have_the_documented_shapes_and_types(sets, name):
    T, N, _ = SHAPES[name]
    for part, B in zip(sets[name], (1200, 200, 400)):
        assert part.x.shape == (T, B, N) and part.y.shape == part.source.shape == (B,)
        assert part.x.dtype == np.float32 and part.y.dtype == part.source.dtype == np.int64
        assert set(np.unique(part.x)) == {0, 1}


@pytest.mark.parametrize("name", NAMES)
def test_classes_have_equal_shares_of_every_split(sets, name):
    classes = SHAPES[name][2]
    assert [np.bincount(part.y).tolist() for part in sets[name]] == [[B // classes] * classes for B in (1200, 200, 400)]


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_is_in_two_splits(sets, name):
    sources = np.concatenate([part.source for part in sets[name]])
    assert np.sort(sources).tolist() == list(range(1800))


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_gives_the_same_bits_and_another_seed_other_spikes_of_the_same_samples(sets, name):
    again, other = (timing.LOADERS[name](seed=seed) for seed in (0, 1))
    for part, same, new in zip(sets[name], again, other):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.source, new.source)
        np.testing.assert_array_equal(part.y, new.y)
        assert 0.005 < (part.x != new.x).mean() < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_spikes_of_a_sample_do_not_depend_on_the_sizes_of_the_splits(sets, name):
    small = timing.LOADERS[name](seed=0, sizes=(30, 20, 10))
    where = {int(source): (part, i) for part in sets[name] for i, source in enumerate(part.source)}
    for part, B in zip(small, (30, 20, 10)):
        assert part.x.shape[1] == B
        for i, source in enumerate(part.source):
            old, k = where[int(source)]
            np.testing.assert_array_equal(part.x[:, i], old.x[:, k])
            assert part.y[i] == old.y[k]


@pytest.mark.parametrize("name", NAMES)
def test_global_random_state_is_neither_read_nor_moved(name):
    np.random.seed(3)
    before = np.random.get_state()
    first = timing.LOADERS[name](sizes=(5, 5, 5))
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    np.random.seed(4)
    np.testing.assert_array_equal(timing.LOADERS[name](sizes=(5, 5, 5)).train.x, first.train.x)


def test_randman_has_one_spike_on_every_channel_of_every_sample(sets):
    for part in sets["randman"]:
        assert (part.x.sum(0) == 1).all()


def test_randman_counts_are_at_chance_and_its_times_are_not(sets):
    """Counts are the same for every sample, so no classifier can do better than one class; times have neighbours of their class."""
    train, _, test = sets["randman"]
    assert len(np.unique(np.concatenate([part.x.sum(0) for part in sets["randman"]]), axis=0)) == 1
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1).fit(train.x.argmax(0), train.y)
    assert model.score(test.x.argmax(0), test.y) > 0.9


def test_randman_spike_times_equal_curves_computed_one_by_one():
    y = np.arange(200) % 10
    got = timing.spike_times(y, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    weight, phase = rng.random((2, 10, 30, 10))
    place = rng.random(200)
    value = np.zeros((200, 30))
    for i in range(200):
        for n in range(30):
            for k in range(1, 11):
                value[i, n] += weight[y[i], n, k - 1] / k * np.sin(2 * np.pi * (k * place[i] + phase[y[i], n, k - 1]))
    checked = 0
    for i in range(200):
        for n in range(30):
            mine = value[y == y[i], n]
            share = 50 * (value[i, n] - mine.min()) / (mine.max() - mine.min())
            if abs(share - round(share)) > 1e-6:  # else two orders of summation may fall on two sides
                assert got[i, n] == int(share)
                checked += 1
    assert checked > 5000  # all but the first and the last of each curve


def test_randman_times_reach_from_the_first_step_to_the_last_in_every_class_and_channel():
    y = np.arange(2000) % 10
    times = timing.spike_times(y, np.random.default_rng(0))
    for c in range(10):
        assert (times[y == c].min(0) == 0).all() and (times[y == c].max(0) == 49).all()


def test_randman_curves_are_smooth_and_closed():
    """Samples at even places, in order: neighbours on a curve spike at nearly the same time, the last and the first too."""
    y = np.repeat(np.arange(10), 500)

    class Even:
        def __init__(self, rng):
            self.rng = rng

        def random(self, shape):
            return np.tile(np.arange(500) / 500, 10) if isinstance(shape, int) else self.rng.random(shape)

    times = timing.spike_times(y, Even(np.random.default_rng(0))).reshape(10, 500, 30)
    steps = np.abs(times - np.roll(times, 1, axis=1))
    assert times.std() > 8 and steps.max() <= 4


@pytest.mark.parametrize("silence", [0, 8, 20])
def test_delay_is_a_cue_of_four_steps_and_then_silent(silence):
    for part in timing.delay(silence=silence, sizes=(400, 50, 50)):
        assert len(part.x) == 4 + silence
        assert not part.x[4:].any()
        assert (part.x[:4].mean((1, 2)) > 0.2).all()


def test_delay_asks_for_the_parity_of_bits_that_can_be_read_off_its_channels(sets):
    for part in sets["delay"]:
        halves = part.x[:4].reshape(4, -1, 3, 2, 8).sum((0, 4))
        assert (halves.min(2) == 0).all() and (halves.max(2) > 0).all()
        bits = halves.argmax(2)
        np.testing.assert_array_equal(bits.sum(1) % 2, part.y)
        assert (np.bincount(bits @ [1, 2, 4]) == len(part.y) // 8).all()
        np.testing.assert_array_equal(bits @ [1, 2, 4], part.source % 8)


@pytest.mark.parametrize("name", ["delay", "recall"])
def test_a_channel_of_a_cue_fires_at_half_of_its_steps(name):
    x = timing.LOADERS[name](sizes=(1600, 200, 200)).train.x[:4]
    rates = x.mean(0)[:, x.any(0).any(0)]
    shown = 24 if name == "delay" else 6
    assert abs(x.sum(2).mean() / shown - 0.5) < 0.01 and rates.max() == 1


def test_delay_counts_tell_a_logistic_regression_nothing(sets):
    from sklearn.linear_model import LogisticRegression

    train, validation, test = sets["delay"]
    model = LogisticRegression(max_iter=2000).fit(train.x.sum(0), train.y)
    assert 0.4 < model.score(np.concatenate([validation.x, test.x], 1).sum(0), np.concatenate([validation.y, test.y])) < 0.6


@pytest.mark.parametrize("silence", [0, 8, 20])
def test_recall_is_a_pattern_of_its_class_silence_and_a_signal_that_is_no_class(silence):
    for part in timing.recall(silence=silence, sizes=(400, 50, 50)):
        assert len(part.x) == 8 + silence
        assert not part.x[4:-4].any()
        groups = part.x.reshape(len(part.x), -1, 9, 6).sum(3)
        cue, signal = groups[:4].sum(0), groups[-4:].sum(0)
        np.testing.assert_array_equal(cue.argmax(1), part.y)
        assert ((cue > 0).sum(1) == 1).all()
        assert (signal[:, 8] > 0).all() and not signal[:, :8].any()


def test_recall_signal_says_nothing_of_the_class():
    part = timing.recall(sizes=(1600, 200, 200)).train
    rates = [part.x[-4:, part.y == c].mean((0, 1)) for c in range(8)]
    assert np.ptp(rates, axis=0).max() < 0.12


@pytest.mark.parametrize("name", NAMES)
def test_describe_computes_its_numbers_from_the_splits(sets, name):
    small = timing.LOADERS[name](seed=2, sizes=(40, 20, 10))
    said = timing.describe(name, small)
    T, N, classes = SHAPES[name]
    assert said["shape [T, B, ...]"] == {"train": (T, 40, N), "validation": (T, 20, N), "test": (T, 10, N)}
    assert said["samples of each class"]["train"] == np.bincount(small.train.y, minlength=classes).tolist()
    counts = small.test.x.sum((0, 2))
    assert said["spikes of a sample, fewest and most"]["test"] == (counts.min(), counts.max())
    assert said["sources in two splits"] == 0
    assert timing.describe(name, parts.Splits(small.train, small.train, small.test))["sources in two splits"] == 40
    assert timing.describe(name) == timing.describe(name, sets[name])


def test_describe_refuses_a_set_that_is_none():
    with pytest.raises(ValueError, match="^name: got 'digits', expected one of randman, delay, recall$"):
        timing.describe("digits")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0"])
def test_seed_must_be_a_whole_number(name, seed):
    with pytest.raises(ValueError, match="^seed: got .*, expected a whole number of at least 0$"):
        timing.LOADERS[name](seed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(1200, 400, 401), (1, 1), (0, 1, 1), (1.5, 1, 1), 3, None])
def test_sizes_must_fit_the_samples(name, sizes):
    with pytest.raises(ValueError, match="^sizes: got .*, expected three whole numbers of at least 1, together at most 2000$"):
        timing.LOADERS[name](0, sizes=sizes)


@pytest.mark.parametrize("load", [timing.delay, timing.recall])
@pytest.mark.parametrize("silence", [-1, 501, 10**30, 1.0, True, None, "8"])
def test_silence_must_be_a_whole_number_of_steps(load, silence):
    with pytest.raises(ValueError, match="^silence: got .*, expected a whole number of steps from 0 to 500$"):
        load(0, silence)


@pytest.mark.parametrize("task", experiment.SETTINGS)
def test_the_experiment_trains_on_the_set_of_its_task(task, sets):
    assert experiment.SETTINGS[task].task == task
    for (x, y), part in zip(experiment.sets(task), sets[task]):
        np.testing.assert_array_equal(x, part.x)
        np.testing.assert_array_equal(y, part.y)


@pytest.mark.slow
def test_the_counts_of_randman_leave_a_readout_at_chance():
    assert classify.run(replace(experiment.RANDMAN, rule="counts", epochs=3), 0, experiment.sets("randman")).validation == 0.1


@pytest.mark.slow
def test_a_silence_defeats_s_tllr_where_only_its_end_is_judged_and_not_where_every_step_is():
    """BPTT learns the parity either way; S-TLLR only where the cue lies inside the window."""
    sets, base = experiment.sets("delay"), experiment.DELAY
    assert classify.run(replace(base, rule="bptt"), 0, sets).validation > 0.98
    assert classify.run(replace(base, last=12), 0, sets).validation > 0.98
    assert classify.run(base, 0, sets).validation < 0.8
