"""The embedded set `motion`: the flow is exact, events are an event camera's, flips carry the flow along, no texture in two splits."""

import itertools

import numpy as np
import pytest

from stllr_ref.data import motion, parts

pytestmark = pytest.mark.filterwarnings("error")

EIGHT = np.array(list(itertools.product([False, True], repeat=3)))  # every way to turn and mirror a square
AXIS = [i - 7.5 for i in range(16)]


@pytest.fixture(scope="module")
def splits():
    return motion.load(seed=0)


@pytest.fixture(scope="module")
def scene():
    """Return texture, twist and shift of three samples that move in different ways."""
    source = np.array([5, 20_003, 17])
    return motion.textures(source), *motion.motions(3, source)


def light(texture, b, q):
    """Return the log light of texture b before the first step, at the place q, by a plain sum over its waves."""
    k, amplitude = texture
    return sum(abs(a) * np.cos(w.real * q.real + w.imag * q.imag + np.angle(a)) for w, a in zip(k[b], amplitude[b]))


def field(y):
    """Return flow(q), complex, of any place q: the affine function that passes through the flow y [2, 16, 16] of three pixels."""
    at = {name: complex(*y[:, row, column]) for name, row, column in (("corner", 0, 0), ("right", 0, 15), ("down", 15, 0))}
    across, down = ((at[name] - at["corner"]) / 15 for name in ("right", "down"))
    return lambda q: at["corner"] + across * (q.real + 7.5) + down * (q.imag + 7.5)


def before(q, flow):
    """Return where what is at q now was one step ago: the p with p + flow(p) = q, by iteration."""
    p = q
    for _ in range(30):
        p = q - flow(p)
    return p


def test_splits_have_the_documented_shapes_and_types(splits):
    for part, B in zip(splits, motion.SIZES):
        assert part.x.shape == (8, B, 2, 16, 16) and part.y.shape == (B, 2, 16, 16) and part.source.shape == (B,)
        assert part.x.dtype == part.y.dtype == np.float32 and part.source.dtype == np.int64
        assert set(np.unique(part.x)) == {0, 1} and np.isfinite(part.y).all()


def test_every_sample_has_a_texture_of_its_own_in_the_range_of_its_split(splits):
    for number, part in enumerate(splits):
        assert part.source.tolist() == list(range(number * 10_000, number * 10_000 + len(part.source)))


def test_same_seed_gives_the_same_bits_and_another_seed_other_motions_of_the_same_textures():
    sizes = (30, 20, 10)
    for part, same, other in zip(*(motion.load(seed, sizes) for seed in (0, 0, 1))):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.y, same.y)
        np.testing.assert_array_equal(part.source, other.source)
        assert (part.x != other.x).any((0, 2, 3, 4)).all() and (part.y != other.y).any((1, 2, 3)).all()


def test_a_sample_depends_on_seed_and_texture_alone_not_on_the_sizes(splits):
    for part, small in zip(splits, motion.load(0, (30, 20, 10))):
        np.testing.assert_array_equal(small.x, part.x[:, : len(small.y)])
        np.testing.assert_array_equal(small.y, part.y[: len(small.y)])


def test_two_textures_never_move_alike_or_look_alike(splits):
    y = np.concatenate([part.y for part in splits]).reshape(sum(motion.SIZES), -1)
    assert len(np.unique(y, axis=0)) == len(y)
    k, _ = motion.textures(np.concatenate([part.source for part in splits]))
    assert len(np.unique(k)) == k.size


def test_global_random_state_is_neither_read_nor_moved():
    np.random.seed(3)
    state = np.random.get_state()
    first = motion.load(seed=0, sizes=(5, 5, 5))
    after = np.random.get_state()
    np.testing.assert_array_equal(state[1], after[1])
    assert state[2:] == after[2:]
    np.random.seed(4)
    np.testing.assert_array_equal(motion.load(seed=0, sizes=(5, 5, 5)).train.x, first.train.x)


def test_the_texture_moves_by_the_flow_from_step_to_step(scene):
    """What each pixel sees after t steps stood, t times one flow back, elsewhere on the texture: traced with y alone."""
    texture, twist, shift = scene
    flows = [field(y.astype(float)) for y in motion.flow(twist, shift)]
    for t in (0, 1, 4, 8):
        got = motion.log_light(texture, twist, shift, t)
        assert got.shape == (3, 16, 16)
        for b, row, column in itertools.product(range(3), (0, 6, 15), (0, 9, 15)):
            q = complex(AXIS[column], AXIS[row])
            for _ in range(t):
                q = before(q, flows[b])
            assert abs(got[b, row, column] - light(texture, b, q)) < 1e-5
    still = motion.log_light(texture, twist, shift, 0)
    assert (np.abs(got - still).max((1, 2)) > 0.1).all()


def test_finite_differences_of_a_smooth_texture_obey_the_flow():
    """The light of what moves stays: dI/dt + right dI/dcolumn + down dI/drow = 0, and with the components exchanged it is not."""
    rng = np.random.default_rng(0)
    k = 2 * np.pi / 25 * np.exp(2j * np.pi * rng.random((20, 6)))
    texture = k, np.exp(2j * np.pi * rng.random((20, 6)))
    twist, shift = motion.motions(0, np.arange(20))
    y = motion.flow(twist, shift).astype(float)
    frames = np.stack([motion.log_light(texture, twist, shift, t) for t in (2, 3, 4)])
    dt, (down, right) = (frames[2] - frames[0]) / 2, np.gradient(frames[1], axis=(1, 2))
    inner = np.s_[:, 1:-1, 1:-1]

    def left_over(u, v):
        return np.abs((dt + u * right + v * down)[inner]).mean() / np.abs(dt[inner]).mean()

    assert left_over(y[:, 0], y[:, 1]) < 0.05
    assert min(left_over(*wrong) for wrong in ((y[:, 1], y[:, 0]), (-y[:, 0], y[:, 1]), (y[:, 0], -y[:, 1]))) > 0.5


def test_warping_a_frame_by_the_flow_gives_the_frame_before(scene):
    """Frame t + 1, looked up where the flow says that each pixel goes, is frame t (smooth waves alone: between pixels it is bilinear)."""
    (k, amplitude), twist, shift = scene
    texture = k, amplitude * (np.abs(k) < 2 * np.pi / 10)
    for y, one, two in zip(motion.flow(twist, shift), *(motion.log_light(texture, twist, shift, t) for t in (4, 5))):
        errors = []
        for times in (1, 0):
            for row, column in itertools.product(range(2, 14), repeat=2):
                right, down = column + times * y[0, row, column], row + times * y[1, row, column]
                c, r = int(right // 1), int(down // 1)
                a, b = right - c, down - r
                warped = (1 - b) * ((1 - a) * two[r, c] + a * two[r, c + 1]) + b * ((1 - a) * two[r + 1, c] + a * two[r + 1, c + 1])
                errors.append(abs(warped - one[row, column]))
        assert np.mean(errors[:144]) < 0.15 * np.mean(errors[144:])


@pytest.mark.parametrize("shift, right, down", [(1, 1, 0), (1j, 0, 1), (-1 + 0.5j, -1, 0.5)])
def test_a_shift_is_the_flow_of_every_pixel_right_then_down(shift, right, down):
    y = motion.flow(np.ones(1, complex), np.array([shift]))
    np.testing.assert_array_equal(y, np.broadcast_to(np.float32([right, down]).reshape(1, 2, 1, 1), (1, 2, 16, 16)))


@pytest.mark.parametrize("shift, now, earlier", [(1, np.s_[:, :, 1:], np.s_[:, :, :-1]), (1j, np.s_[:, 1:], np.s_[:, :-1])])
def test_a_shift_of_one_pixel_moves_columns_right_or_rows_down(scene, shift, now, earlier):
    still, shift = np.ones(3, complex), np.full(3, shift, complex)
    one, two = (motion.log_light(scene[0], still, shift, t) for t in (3, 4))
    np.testing.assert_allclose(two[now], one[earlier], rtol=0, atol=1e-12)
    assert np.abs(two - one).max() > 0.05


def test_a_rotation_turns_clockwise_and_growth_leads_outwards():
    turning = motion.flow(np.array([np.exp(0.02j)]), np.zeros(1, complex))[0]
    assert (turning[0, 0] > 0).all() and (turning[0, 15] < 0).all() and (turning[1, :, 15] > 0).all() and (turning[1, :, 0] < 0).all()
    growing = motion.flow(np.array([1.02]), np.zeros(1, complex))[0]
    np.testing.assert_allclose(growing[0], np.tile(0.02 * np.array(AXIS), (16, 1)), rtol=1e-6)
    np.testing.assert_allclose(growing[1], growing[0].T)


def test_shifts_are_uniform_in_a_disc_and_twists_small():
    twist, shift = motion.motions(0, np.arange(5000))
    assert np.abs(shift).max() <= 1.2
    for part in (0.25, 0.5, 0.75):  # areas
        assert abs((np.abs(shift) ** 2 < part * 1.44).mean() - part) < 0.03
    assert np.abs(np.histogram(np.angle(shift), 4, (-np.pi, np.pi))[0] / 5000 - 0.25).max() < 0.03
    for values in (np.abs(twist) - 1, np.angle(twist)):
        assert abs(values.std() - 0.01) < 0.0005 and abs(values.mean()) < 0.0006


def test_the_amplitude_spectrum_falls_as_f_to_the_minus_1_3_alike_in_all_directions():
    """The mean periodogram of frames of 64 x 64, made wave by wave: power f^-2.6."""
    n, count = 64, 120
    k, amplitude = motion.textures(np.arange(count))
    at, power, hann = np.arange(n), 0, np.hanning(n)
    for b in range(count):
        frame = ((np.exp(1j * np.outer(at, k[b].imag)) * amplitude[b]) @ np.exp(1j * np.outer(k[b].real, at))).real
        power = power + np.abs(np.fft.fft2(frame * np.outer(hann, hann))) ** 2
    f, right = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n)] * 2)), np.abs(np.fft.fftfreq(n))
    edges = np.geomspace(0.06, 0.36, 8)
    rings = [(f >= low) & (f < high) for low, high in zip(edges, edges[1:])]
    slope = np.polyfit(np.log([f[ring].mean() for ring in rings]), np.log([power[ring].mean() for ring in rings]), 1)[0]
    assert abs(slope + 2.6) < 0.2
    middle = (f > 0.06) & (f < 0.36)
    flat, steep = (power[middle & half].sum() for half in (right[None] > right[:, None], right[None] < right[:, None]))
    assert abs(flat / steep - 1) < 0.15


def test_the_contrast_of_a_texture_is_the_one_documented():
    seen = motion.log_light(motion.textures(np.arange(400)), np.ones(400, complex), np.zeros(400, complex), 0)
    assert abs(np.sqrt((seen**2).mean()) - 0.1) < 0.005 and abs(seen.mean()) < 0.01


def test_events_equal_a_pixel_by_pixel_event_camera(scene):
    got, (texture, twist, shift) = motion.film(*scene), scene
    for b, row, column in itertools.product(range(3), (0, 7, 15), (0, 3, 11)):
        flow, q, seen = field(motion.flow(twist, shift)[b].astype(float)), complex(AXIS[column], AXIS[row]), []
        for _ in range(9):
            seen.append(light(texture, b, q))
            q = before(q, flow)
        reference = seen[0]
        for t in range(8):
            gap = seen[t + 1] - reference
            assert abs(abs(gap) / 0.1 - round(abs(gap) / 0.1)) > 1e-4  # the trace through y is good to rounding of float32
            reference += np.sign(gap) * int(abs(gap) / 0.1) * 0.1
            assert got[t, b, :, row, column].tolist() == [float(gap < -0.1), float(gap > 0.1)]
    assert (got.mean((0, 1, 3, 4)) > 0.03).all()


def test_a_grating_that_slides_along_its_stripes_makes_no_event_and_across_them_many():
    """The aperture problem: of one wave only the motion across its stripes can be seen."""
    texture = np.full((2, 1), 2 * np.pi / 8 + 0j), np.full((2, 1), 0.2 + 0j)  # upright stripes
    along, across = motion.film(texture, np.ones(2, complex), np.array([1j, 1])).mean((0, 2, 3, 4))
    assert along == 0 and across > 0.2


def test_motions_must_fit_the_textures(scene):
    texture, twist, shift = scene
    for wrong in ((texture, twist[:2], shift), (texture, twist, shift[:1]), (texture, twist, shift[0])):
        with pytest.raises(ValueError, match=r"^twist, shift: got shapes .*, expected \(3,\), one a texture$"):
            motion.film(*wrong)


def test_the_mask_says_which_pixels_had_an_event_of_any_kind_in_the_last_steps():
    x = np.zeros((8, 2, 2, 3, 4), np.float32)
    x[4, 0, 0, 0, 0] = x[5, 0, 1, 1, 2] = x[7, 1, 0, 2, 3] = x[7, 1, 1, 2, 3] = 1
    expected = np.zeros((2, 3, 4), bool)
    expected[0, 1, 2] = expected[1, 2, 3] = True
    np.testing.assert_array_equal(motion.mask(x), expected)
    expected[0, 0, 0] = True
    np.testing.assert_array_equal(motion.mask(x, last=4), expected)
    assert not motion.mask(x, last=1)[0].any() and motion.mask(x, last=8).dtype == bool


@pytest.mark.parametrize("last", [0, 9, -1, 2.0, True, None])
def test_the_mask_needs_a_number_of_steps_that_there_are(last):
    with pytest.raises(ValueError, match="^last: got .*, expected a whole number from 1 to T = 8$"):
        motion.mask(np.zeros((8, 1, 2, 2, 2)), last)


def test_two_pixels_of_five_count_and_only_what_hardly_moves_has_none(splits):
    for part in splits:
        share, speed = motion.mask(part.x).mean((1, 2)), np.hypot(*part.y.mean((2, 3)).T)
        assert 0.35 < share.mean() < 0.45 and share.max() < 1
        assert (share == 0).mean() < 0.01 and (speed[share == 0] < 0.1).all()


def test_both_polarities_fire_at_every_step_of_every_split(splits):
    for part in splits:
        rates = part.x.mean((1, 3, 4))
        assert rates.shape == (8, 2) and (rates > 0.02).all() and (rates < 0.12).all()


def test_zero_flow_is_wrong_by_about_0_89_px_a_step_where_pixels_count(splits):
    for part in splits:
        speed = np.sqrt((part.y.astype(float) ** 2).sum(1))
        assert 0.85 < speed[motion.mask(part.x)].mean() < 0.93


def flipped_scene(scene, transpose, upside_down, mirror):
    """Return the scene as it would be, its waves and motions transposed, then turned upside down, then mirrored."""
    (k, amplitude), twist, shift = scene
    for done, reflect in ((transpose, lambda q: 1j * q.conj()), (upside_down, np.conj), (mirror, lambda q: -q.conj())):
        if done:
            k, twist, shift = reflect(k), twist.conj(), reflect(shift)
    return (k, amplitude), twist, shift


@pytest.mark.parametrize("how", EIGHT, ids=str)
def test_flipped_events_and_flow_are_those_of_the_flipped_scene(scene, how):
    x, y, hows = motion.film(*scene), motion.flow(*scene[1:]), np.tile(how, (3, 1))
    other = flipped_scene(scene, *how)
    np.testing.assert_array_equal(motion.flip(x, hows), motion.film(*other))
    np.testing.assert_allclose(motion.flip(y, hows, vector=True), motion.flow(*other[1:]), rtol=0, atol=1e-7)
    if how.any():
        assert np.abs(motion.flip(y, hows, vector=True) - motion.flip(y, hows)).max() > 0.1  # a flow is no pair of images
        assert (motion.flip(x, hows) != x).any()


def test_every_sample_is_flipped_in_its_own_way():
    y = np.random.default_rng(0).normal(size=(8, 2, 3, 3)).astype(np.float32)
    x = np.random.default_rng(1).normal(size=(5, 8, 4, 3, 3))
    together, apart = motion.flip(y, EIGHT, vector=True), motion.flip(x, EIGHT)
    assert together.dtype == np.float32 and together.shape == y.shape and apart.shape == x.shape
    for b in range(8):
        np.testing.assert_array_equal(together[b : b + 1], motion.flip(y[b : b + 1], EIGHT[b : b + 1], vector=True))
        np.testing.assert_array_equal(apart[:, b : b + 1], motion.flip(x[:, b : b + 1], EIGHT[b : b + 1]))
    assert len({together[b].tobytes() for b in range(8)}) == 8


def test_undo_takes_each_of_the_eight_back():
    y = np.random.default_rng(0).normal(size=(8, 2, 3, 3))
    for vector in (True, False):
        there = motion.flip(y, EIGHT, vector)
        np.testing.assert_array_equal(motion.flip(there, motion.undo(EIGHT), vector), y)
    assert sum((motion.flip(y, EIGHT) != y).any((1, 2, 3))) == 7


def test_flips_leave_their_input_and_missing_values_alone():
    y = np.random.default_rng(0).normal(size=(8, 2, 3, 3))
    y[:, :, 0, 1] = np.nan
    before = y.copy()
    out = motion.flip(y, EIGHT, vector=True)
    np.testing.assert_array_equal(y, before)
    assert (np.isnan(out).sum((2, 3)) == 1).all() and np.isnan(out[0, :, 0, 1]).all() and np.isnan(out[4, :, 1, 0]).all()


def test_all_eight_flips_are_drawn_equally_often():
    how = motion.draw_flips(np.random.default_rng(0), 8000)
    assert how.shape == (8000, 3) and how.dtype == bool
    assert np.abs(np.bincount(how @ [4, 2, 1], minlength=8) - 1000).max() < 120


@pytest.mark.parametrize("shape, how, vector", [
    ((2, 2, 3, 4), EIGHT[:2], False),
    ((2, 2, 3, 3), EIGHT[:3], False),
    ((2, 2, 3, 3), EIGHT[0], False),
    ((2, 3, 3, 3), EIGHT[:2], True),
])
def test_flips_refuse_what_does_not_fit(shape, how, vector):
    with pytest.raises(ValueError, match=r"^images: got shape .* and how of shape .*, expected square ones, .* channels, and how of shape \(2, 3\)$"):
        motion.flip(np.zeros(shape), how, vector)


def test_describe_computes_its_numbers_from_the_splits():
    small = motion.load(seed=2, sizes=(30, 20, 10))
    said = motion.describe(small)
    assert said["shape [T, B, ...]"] == {"train": (8, 30, 2, 16, 16), "validation": (8, 20, 2, 16, 16), "test": (8, 10, 2, 16, 16)}
    seen = small.test.x[5:].max((0, 2)) > 0
    speed = np.sqrt((small.test.y.astype(float) ** 2).sum(1))
    assert said["pixels that count (%)"]["test"] == round(100 * seen.mean(), 2)
    assert abs(said["speed (px a step)"]["test"] - speed.mean()) < 0.0006
    assert abs(said["error of zero flow where pixels count (px a step)"]["test"] - speed[seen].mean()) < 0.0006
    assert said["sources in two splits"] == 0
    assert motion.describe(parts.Splits(small.train, small.train, small.test))["sources in two splits"] == 30
    dark = parts.Split(np.zeros_like(small.test.x), small.test.y, small.test.source)
    said = motion.describe(parts.Splits(small.train, small.validation, dark))
    assert said["error of zero flow where pixels count (px a step)"]["test"] == "no valid pixel"


def test_describe_without_splits_describes_the_default_set(splits):
    assert motion.describe() == motion.describe(splits)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True, "0"])
def test_seed_must_be_a_whole_number(seed):
    with pytest.raises(ValueError, match="^seed: got .*, expected a whole number of at least 0$"):
        motion.load(seed)


@pytest.mark.parametrize("sizes", [(9000, 500, 501), (1, 1), (0, 1, 1), (1.5, 1, 1), 3, ("a", 1, 1), None])
def test_sizes_must_fit(sizes):
    with pytest.raises(ValueError, match="^sizes: got .*, expected three whole numbers of at least 1, together at most 10000$"):
        motion.load(0, sizes)
