"""The embedded set `speech`: the same from the same seed, no speaker in two splits, words as a synthesiser says and a cochlea hears them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stllr_ref.data import parts, speech
from stllr_ref.data.phonemes import PHONEMES, WORDS
from stllr_ref.experiments import classify
from stllr_ref.experiments import speech as experiment

pytestmark = pytest.mark.filterwarnings("error")
NAMES = list(WORDS)
PLAIN = speech.Speaker(tract=1.0, pitch=100.0, tempo=1.0, tilt=0.0, accent=np.ones(3))


@pytest.fixture(scope="module")
def splits():
    return speech.load(seed=0)


@pytest.fixture(scope="module")
def counts_alone(splits):
    """Return how well the summed spikes of each channel classify validation and test."""
    model = regression(splits.train.x.sum(0), splits.train.y)
    return [model.score(part.x.sum(0), part.y) for part in splits[1:]]


@pytest.fixture
def steady(monkeypatch):
    """Make every utterance of a word by a speaker the same, from step 0."""
    for name, value in {"LENGTH": (1, 1), "SLIP": 0, "TONE": (1, 1), "LOUDNESS": (0, 0), "ONSET": 0}.items():
        monkeypatch.setattr(speech, name, value)


def regression(x, y, C=1.0):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2000, C=C).fit(x, y)


def tenths(x):
    """Return the spikes of each channel in each of six stretches of ten steps, [B, 420]."""
    return x.reshape(6, 10, x.shape[1], 70).sum(1).swapaxes(0, 1).reshape(x.shape[1], -1)


# ------------------------------------------------------------------------------------------------------------- the set


def test_splits_have_the_documented_shapes_and_types(splits):
    for part, B in zip(splits, (1200, 400, 400)):
        assert part.x.shape == (60, B, 70) and part.y.shape == part.source.shape == (B,)
        assert part.x.dtype == np.float32 and part.y.dtype == part.source.dtype == np.int64
        assert set(np.unique(part.x)) == {0, 1}


def test_no_speaker_is_in_two_splits(splits):
    train, validation, test = (set(part.source.tolist()) for part in splits)
    assert (train, validation, test) == (set(range(10)), set(range(10, 20)), set(range(30, 40)))


def test_every_speaker_says_every_word_equally_often(splits):
    for part, takes in zip(splits, (6, 2, 2)):
        pairs, counts = np.unique(np.stack([part.y, part.source]), axis=1, return_counts=True)
        assert pairs.shape == (2, 200) and (counts == takes).all()


def test_same_seed_gives_the_same_bits_and_another_seed_other_utterances_of_the_same_speakers(splits):
    small, again, other = (speech.load(seed, (11, 1, 2)) for seed in (0, 0, 1))
    for part, same, new in zip(small, again, other):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.source, new.source)
        np.testing.assert_array_equal(part.y, new.y)
        assert 0.03 < (part.x != new.x).mean() < 0.1


def test_utterances_do_not_depend_on_the_sizes_of_the_splits(splits):
    for part, whole in zip(speech.load(0, (11, 1, 12)), splits):
        for word in range(20):
            mine, theirs = np.flatnonzero(part.y == word), np.flatnonzero(whole.y == word)[: (part.y == word).sum()]
            np.testing.assert_array_equal(part.source[mine], whole.source[theirs])
            np.testing.assert_array_equal(part.x[:, mine], whole.x[:, theirs])


def test_a_sample_of_the_set_is_the_utterance_of_its_word_speaker_and_take(splits):
    for word, number, take, part in ((7, 3, 0, splits.train), (13, 3, 5, splits.train), (19, 32, 1, splits.test)):
        mine = np.flatnonzero((part.y == word) & (part.source == number))
        np.testing.assert_array_equal(part.x[:, mine[take]], speech.utterance(word, number, take)[1])


def test_no_two_utterances_are_alike():
    said = [speech.utterance(7, number, take, seed)[1] for number in (3, 4) for take in (0, 1) for seed in (0, 1)]
    for i, a in enumerate(said):
        for b in said[:i]:
            assert (a != b).mean() > 0.02


def test_global_random_state_is_neither_read_nor_moved():
    np.random.seed(3)
    before = np.random.get_state()
    first = speech.load(0, (1, 1, 1))
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    np.random.seed(4)
    np.testing.assert_array_equal(speech.load(0, (1, 1, 1)).train.x, first.train.x)


def test_about_3_7_percent_of_the_inputs_fire(splits):
    for part in splits:
        assert 0.034 < part.x.mean() < 0.04
        assert (part.x.mean((0, 2)) > 0.01).all()


def test_every_channel_fires_and_none_all_the_time(splits):
    for part in splits:
        rates = part.x.mean((0, 1), dtype=float)
        assert rates.min() > 0.004 and rates.max() < 0.15


def test_counts_alone_classify_about_82_percent_with_a_logistic_regression(counts_alone):
    for score in counts_alone:
        assert 0.77 < score < 0.87


def test_when_a_channel_fires_says_more_than_how_often_and_less_once_frames_are_shuffled(splits, counts_alone):
    model = regression(tenths(splits.train.x), splits.train.y, C=0.1)
    for part, counts in zip(splits[1:], counts_alone):
        mixed = np.random.default_rng(0).permuted(np.broadcast_to(np.arange(60)[:, None], part.x.shape[:2]), axis=0)
        shuffled = np.take_along_axis(part.x, mixed[..., None], 0)
        assert model.score(tenths(part.x), part.y) > counts + 0.05
        assert model.score(tenths(shuffled), part.y) < counts - 0.1


# ------------------------------------------------------------------------------------------------------ sounds and words


def test_there_are_twenty_words_of_known_sounds_and_no_sound_goes_unused():
    assert NAMES[:10] == "zero one two three four five six seven eight nine".split()
    assert NAMES[10:] == "null eins zwei drei vier fünf sechs sieben acht neun".split()
    used = {symbol for spelling in WORDS.values() for symbol in spelling.split()}
    assert used | {"d", "b"} == set(PHONEMES) and {"d", "b"} <= used
    assert len(set(WORDS.values())) == 20


@pytest.mark.parametrize("symbol", PHONEMES)
def test_a_sound_has_formants_in_order_and_powers_and_times_in_their_ranges(symbol):
    sound = PHONEMES[symbol]
    assert 200 <= sound.formants[0] < sound.formants[1] < sound.formants[2] < 3500
    assert 0 <= sound.voice <= 1 and 0 <= sound.noise <= 1 and (sound.voice or sound.noise or symbol == "_")
    assert 500 < sound.centre < 7000 and 0 < sound.width < 1 and 30 <= sound.ms <= 200


def test_vowels_stand_where_phonetics_puts_them():
    """F1 falls as the mouth closes, F2 as the tongue goes back."""
    first, second = ({symbol: PHONEMES[symbol].formants[k] for symbol in "iIeEaOUu"} for k in (0, 1))
    assert first["i"] < first["I"] < first["E"] < first["a"] > first["O"] > first["U"] > first["u"]
    assert second["i"] > second["I"] > second["E"] > second["a"] > second["O"]
    assert second["i"] > second["e"] > second["E"] and first["i"] < first["e"] < first["E"]


def test_every_word_ends_before_the_recording_does():
    for spelling in WORDS.values():
        longest = sum(PHONEMES[symbol].ms for symbol in spelling.split()) * speech.TEMPO[1] * speech.LENGTH[1]
        assert speech.ONSET * 12.5 + longest < 60 * 12.5


# -------------------------------------------------------------------------------------------------------------- speakers


def test_a_speaker_is_fixed_by_the_number():
    a, b, c = speech.speaker(4), speech.speaker(4), speech.speaker(5)
    assert a[:4] == b[:4] and (a.accent == b.accent).all() and all(x != y for x, y in zip(a[:4], c[:4])) and (a.accent != c.accent).all()


def test_speakers_fill_the_ranges_they_are_drawn_from():
    tract, pitch, tempo, tilt, accent = (np.array(values) for values in zip(*map(speech.speaker, range(2000))))
    for values, low, high in ((tract, 0.85, 1.2), (pitch, 90, 240), (tempo, 0.85, 1.15), (tilt, -1, 1)):
        assert low <= values.min() < values.max() <= high
        part = (values - low) / (high - low)
        assert abs(part.mean() - 0.5) < 0.03 and abs(part.var() - 1 / 12) < 0.005
    assert np.abs(np.log(accent).mean(0)).max() < 0.002 and np.abs(np.log(accent).std(0) - 0.02).max() < 0.002
    assert np.abs(np.corrcoef([tract, pitch, tempo, tilt, *accent.T]) - np.eye(7)).max() < 0.1


def test_no_utterance_draws_from_the_stream_that_made_a_speaker(monkeypatch):
    """A list of whole numbers and the same list with zeros at its end are one seed to NumPy."""
    seen = []
    monkeypatch.setattr(speech, "say", lambda word, who, rng: seen.append(rng.bit_generator.state["state"]["state"]))
    monkeypatch.setattr(speech, "hear", lambda tracks: None)
    monkeypatch.setattr(speech, "fire", lambda a, rng: None)
    for number in range(4):
        speech.utterance(0, number, 0, seed=70)
    born = [np.random.default_rng([70, number]).bit_generator.state["state"]["state"] for number in range(4)]
    assert born == [np.random.default_rng([70, number, 0, 0]).bit_generator.state["state"]["state"] for number in range(4)]
    assert len(set(seen)) == 4 and not set(seen) & set(born)


# ------------------------------------------------------------------------------------------------------------ saying a word


@pytest.mark.parametrize("word", range(20), ids=NAMES)
def test_a_sound_is_held_for_the_middle_half_of_its_duration(word, steady):
    tracks = speech.say(word, PLAIN, np.random.default_rng(0))
    now, start, held = 12.5 * (np.arange(60) + 0.5), 0.0, 0
    for symbol, edge in zip(WORDS[NAMES[word]].split(), tracks.edges):
        sound = PHONEMES[symbol]
        assert edge == start
        inside = (now >= start + sound.ms / 4) & (now <= start + sound.ms * 3 / 4)
        np.testing.assert_allclose(tracks.formants[inside], np.broadcast_to(sound.formants, (inside.sum(), 3)), rtol=1e-12)
        for name in ("voice", "noise", "centre", "width"):
            np.testing.assert_allclose(getattr(tracks, name)[inside], getattr(sound, name), rtol=1e-12, atol=1e-12)
        start, held = start + sound.ms, held + inside.sum()
    assert held >= len(WORDS[NAMES[word]].split()) and tracks.edges[-1] == start


def test_between_two_sounds_everything_glides_in_a_straight_line(steady):
    """From 7.5 ms to 22.5 ms `s`, here of "six": three quarters of s at 82.5 ms, a quarter of I at 132.5 ms."""
    tracks = speech.say(NAMES.index("six"), PLAIN, np.random.default_rng(0))
    now = 12.5 * (np.arange(60) + 0.5)
    between = (now > 82.5) & (now < 132.5)
    assert between.sum() == 4
    part = ((now[between] - 82.5) / 50)[:, None]
    np.testing.assert_allclose(tracks.formants[between], (1 - part) * (300, 1500, 2550) + part * (390, 1990, 2550), rtol=1e-12)
    np.testing.assert_allclose(tracks.noise[between], 0.9 * (1 - part[:, 0]), rtol=1e-12)
    np.testing.assert_allclose(tracks.voice[between], part[:, 0], rtol=1e-12)


@pytest.mark.parametrize("word", range(20), ids=NAMES)
def test_nothing_is_said_before_and_after_the_word(word):
    for seed in range(20):
        tracks = speech.say(word, speech.speaker(seed), np.random.default_rng(seed))
        now = 12.5 * (np.arange(60) + 0.5)
        outside = (now < tracks.edges[0]) | (now > tracks.edges[-1])
        power = tracks.voice + tracks.noise
        assert outside[-1] and (power[outside] == 0).all()
        closed = ["_"] if "_" in WORDS[NAMES[word]] else []
        assert (power[~outside] > 0).sum() >= (~outside).sum() - 5 * len(closed) and power.max() > 0.4


def test_a_longer_tract_divides_formants_and_noise_by_its_length_and_leaves_the_rest(steady):
    for word in (6, 12, 17):
        short, long = (speech.say(word, PLAIN._replace(tract=tract), np.random.default_rng(0)) for tract in (1.0, 1.25))
        np.testing.assert_allclose(short.formants, 1.25 * long.formants, rtol=1e-12)
        np.testing.assert_allclose(short.centre, 1.25 * long.centre, rtol=1e-12)
        for name in ("voice", "noise", "width", "pitch", "edges"):
            np.testing.assert_array_equal(getattr(short, name), getattr(long, name))


def test_a_speaker_brings_pitch_tempo_tilt_and_accent_to_the_word(steady):
    who = speech.Speaker(tract=1.0, pitch=210.0, tempo=1.1, tilt=0.7, accent=np.array([1.01, 0.98, 1.03]))
    plain, other = (speech.say(7, speaker, np.random.default_rng(0)) for speaker in (PLAIN, who))
    assert (other.pitch, other.tilt) == (210.0, 0.7)
    np.testing.assert_allclose(other.edges, 1.1 * plain.edges, rtol=1e-12)
    np.testing.assert_allclose(other.formants[0], plain.formants[0] * (1.01, 0.98, 1.03), rtol=1e-12)


def test_utterances_vary_as_much_as_the_constants_say():
    said = [speech.say(4, PLAIN, np.random.default_rng(seed)) for seed in range(2000)]
    onset = np.array([t.edges[0] for t in said]) / 12.5
    assert set(onset) == set(range(8)) and abs(onset.mean() - 3.5) < 0.2
    lengths = np.array([np.diff(t.edges) for t in said]) / [PHONEMES[s].ms for s in ("f", "O", "r")]
    assert 0.8 <= lengths.min() < 0.81 and 1.19 < lengths.max() <= 1.2 and np.abs(np.corrcoef(lengths.T) - np.eye(3)).max() < 0.1
    pitch = np.array([t.pitch for t in said]) / 100
    assert 0.9 <= pitch.min() < 0.91 and 1.09 < pitch.max() <= 1.1
    slips = np.log([[*t.formants[0] / PHONEMES["f"].formants, *t.formants[-1] / PHONEMES["r"].formants] for t in said])
    assert np.abs(slips.mean(0)).max() < 0.002 and np.abs(slips.std(0) - 0.02).max() < 0.002
    assert np.abs(np.corrcoef(slips.T) - np.eye(6)).max() < 0.1
    peak = 10 * np.log10([t.voice.max() for t in said])
    assert -2 <= peak.min() < -1.9 and 1.9 < peak.max() <= 2 and abs(peak.mean()) < 0.15


# ------------------------------------------------------------------------------------------------------------ hearing it


def heard(tracks):
    """Return the activity [60][70] of the channels by plain loops over steps, channels and peaks."""
    keep, out = math.exp(-12.5 / 150), [[0.0] * 70 for _ in range(60)]
    for c in range(70):
        best = 120 * (8000 / 120) ** (c / 69)
        slow = 0.0
        for t in range(60):
            voiced = 0.0
            for f, power in zip(tracks.formants[t], (1.0, 0.7, 0.4)):
                voiced += power * math.exp(-0.5 * (math.log2(best / f) / 0.1) ** 2)
            for k in (1, 2, 3):
                voiced += 0.07 * math.exp(-0.5 * (math.log2(best / (k * tracks.pitch)) / 0.08) ** 2)
            power = tracks.voice[t] * voiced
            power += tracks.noise[t] * math.exp(-0.5 * (math.log2(best / tracks.centre[t]) / tracks.width[t]) ** 2)
            a = (2.0 * power * 10 ** (0.1 * tracks.tilt * math.log2(best / 1000))) ** 0.6
            out[t][c] = max(a - 0.6 * slow, 0.0)
            slow = keep * slow + (1 - keep) * a
    return np.array(out)


@pytest.mark.parametrize("word, number", [(5, 1), (12, 2), (18, 31)])
def test_what_is_heard_equals_plain_loops(word, number):
    tracks = speech.utterance(word, number)[0]
    assert abs(tracks.tilt) > 0.1 and (tracks.voice > 0.1).any() and (tracks.noise > 0.1).any()
    expected = heard(tracks)
    assert expected.max() > 0.5
    np.testing.assert_allclose(speech.hear(tracks), expected, rtol=0, atol=1e-12)


def test_silence_is_heard_as_nothing():
    tracks = speech.utterance(0, 0)[0]
    np.testing.assert_array_equal(speech.hear(tracks._replace(voice=np.zeros(60), noise=np.zeros(60))), 0)


def test_adaptation_takes_from_a_steady_tone_what_the_closed_form_says():
    keep = np.exp(-12.5 / 150)
    expected = 1 - 0.6 * (1 - keep ** np.arange(60))
    np.testing.assert_allclose(speech.adapt(np.ones((60, 2))), np.stack([expected, expected], 1), rtol=1e-12)


def test_adaptation_never_goes_below_nothing():
    a = np.zeros((60, 1))
    a[:20] = 1
    np.testing.assert_array_equal(speech.adapt(a)[20:], 0)


def test_channels_go_from_low_to_high_in_equal_ratios():
    assert speech.CHANNELS.shape == (70,) and speech.CHANNELS[0] == 120 and abs(speech.CHANNELS[-1] - 8000) < 1e-9
    ratios = speech.CHANNELS[1:] / speech.CHANNELS[:-1]
    np.testing.assert_allclose(ratios, (8000 / 120) ** (1 / 69), rtol=1e-12)


@pytest.mark.parametrize("word, step, low, high", [("six", 4, 4000, 8000), ("two", 12, 120, 1400), ("nine", 15, 120, 3500)])
def test_a_sound_is_heard_where_its_energy_is(word, step, low, high, steady):
    """`s` is a hiss above 4 kHz, the formants of `u` lie low but for the third, those of `a` below 3.5 kHz."""
    a = speech.hear(speech.say(NAMES.index(word), PLAIN, np.random.default_rng(0)))[step]
    inside = (speech.CHANNELS >= low) & (speech.CHANNELS <= high)
    assert a.max() > 0.3 and a[inside].sum() > 0.7 * a.sum()


@pytest.mark.parametrize("a", [0.0, 0.3, 1.0, 3.0])
def test_a_channel_fires_with_the_probability_of_its_activity(a):
    x = speech.fire(np.full((1000, 200), a), np.random.default_rng(0))
    assert x.dtype == np.float32 and abs(x.mean(dtype=float) - (1 - math.exp(-(0.6 * a + 0.004)))) < 0.004 * (1 if a else 0.2)


# ----------------------------------------------------------------------------------------------------- describe, bad input


def test_describe_computes_its_numbers_from_the_splits():
    small = speech.load(2, (10, 3, 1))
    said = speech.describe(small)
    assert said["shape [T, B, ...]"] == {"train": (60, 200, 70), "validation": (60, 60, 70), "test": (60, 20, 70)}
    assert said["samples of each class"]["validation"] == [3] * 20
    assert said["inputs that fire at a step (%)"]["test"] == round(100 * float(small.test.x.mean(dtype=float)), 2)
    assert said["speakers"] == {"train": list(range(10)), "validation": [10, 11, 12], "test": [30]}
    assert said["sources in two splits"] == 0
    assert speech.describe(parts.Splits(small.train, small.train, small.test))["sources in two splits"] == 10


def test_describe_without_splits_describes_the_default_set(splits):
    assert speech.describe() == speech.describe(splits)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0"])
def test_seed_must_be_a_whole_number(seed):
    for call in (speech.load, lambda seed: speech.utterance(0, 0, 0, seed)):
        with pytest.raises(ValueError, match="^seed: got .*, expected a whole number of at least 0$"):
            call(seed)


@pytest.mark.parametrize("sizes", [(999, 1, 1), (1, 1), (0, 1, 1), (1.5, 1, 1), 3, ("a", 1, 1), None])
def test_sizes_must_fit(sizes):
    with pytest.raises(ValueError, match="^sizes: got .*, expected three whole numbers of at least 1, together at most 1000$"):
        speech.load(0, sizes)


@pytest.mark.parametrize("bad", [-1, 1.0, None, True, "0", 2**31 + 1])
def test_words_speakers_and_takes_must_be_whole_numbers(bad):
    for name, most, call in (
        ("word", 19, lambda: speech.utterance(bad, 0)),
        ("word", 19, lambda: speech.say(bad, PLAIN, np.random.default_rng(0))),
        ("number", 2**31, lambda: speech.utterance(0, bad)),
        ("number", 2**31, lambda: speech.speaker(bad)),
        ("take", 2**31, lambda: speech.utterance(0, 0, bad)),
    ):
        with pytest.raises(ValueError, match=f"^{name}: got .*, expected a whole number from 0 to {most}$"):
            call()


def test_there_is_no_twenty_first_word():
    with pytest.raises(ValueError, match="^word: got 20, expected a whole number from 0 to 19$"):
        speech.utterance(20, 0)


@pytest.mark.parametrize("bad", [-0.1, np.nan])
def test_activity_must_not_be_negative(bad):
    with pytest.raises(ValueError, match=f"^a: got {bad}, expected numbers of at least 0$"):
        speech.fire([0.5, bad], np.random.default_rng(0))


# ------------------------------------------------------------------------------------------------------------ experiment


def test_the_experiment_trains_a_recurrent_network_on_the_set_of_seed_0(splits):
    sets = experiment.sets()
    for (x, y), part in zip(sets, splits):
        np.testing.assert_array_equal(x, part.x)
        np.testing.assert_array_equal(y, part.y)
    net = classify.build(experiment.SETTINGS, 70, 20, seed=0)
    assert [layer.synapses["W"].weight.value.shape for layer in net.layers] == [(128, 70), (20, 128)]
    assert net.layers[0].synapses["V"].weight.value.shape == (128, 128)


@pytest.mark.parametrize("rule", ["stllr", "bptt"])
def test_two_epochs_on_a_part_of_the_set_are_well_above_chance(rule, splits):
    some = splits.train.x[:, ::2], splits.train.y[::2]
    rest = splits.validation.x, splits.validation.y
    result = classify.run(replace(experiment.SETTINGS, rule=rule, epochs=2), 0, (some, rest, rest))
    assert 0.02 < result.history[-1].rates[0] < 0.98
    assert result.test > 0.2
