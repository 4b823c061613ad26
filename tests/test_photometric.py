"""The self-supervised loss: what it is by plain loops, its gradient by the complex step, borders, and that the true flow has the least of it."""

import numpy as np
import pytest

from stllr_ref.data import motion
from stllr_ref.experiments import photometric
from stllr_ref.experiments.photometric import loss
from stllr_ref.gradcheck import error

pytestmark = pytest.mark.filterwarnings("error")

B, H, W = 3, 8, 12  # two scales; height and width differ


def case(seed=0):
    """Return flow and frames [B, 2, H, W]: no sample on the centre of a pixel, no second difference 0, some pixels leave on every side."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1.3, (B, 2, H, W)), rng.normal(0, 1, (B, 2, H, W))


def plain_loss(flow, frames, scales, alpha, eps, smooth):
    """Return the loss of one sample [2][H][W] by loops over pixels."""
    total = 0.0
    for s in range(scales):
        k, h, w = 2**s, len(flow[0]) // 2**s, len(flow[0][0]) // 2**s

        def block(image, i, j, k=k):
            return sum(image[k * i + m][k * j + n] for m in range(k) for n in range(k)) / k**2

        before, after, right, down = ([[block(image, i, j) for j in range(w)] for i in range(h)] for image in (*frames, *flow))
        right, down = ([[v / k for v in line] for line in part] for part in (right, down))
        for i in range(h):
            for j in range(w):
                y, x, read = i + down[i][j], j + right[i][j], 0.0
                if 0 <= y <= h - 1 and 0 <= x <= w - 1:
                    for m in range(h):
                        for n in range(w):
                            read += max(0, 1 - abs(y - m)) * max(0, 1 - abs(x - n)) * after[m][n]
                total += ((read - before[i][j]) ** 2 + eps**2) ** alpha / scales
        for (a, b), (c, d) in (((0, 1), (0, 1)), ((0, 1), (1, 0)), ((1, 0), (0, 1)), ((1, 0), (1, 0))):
            found = [
                abs(f[i + a + c][j + b + d] - f[i + a][j + b] - f[i + c][j + d] + f[i][j])
                for f in (right, down) for i in range(h - a - c) for j in range(w - b - d)
            ]
            total += smooth / k * sum(found) / len(found)
    return total


# --- the loss


@pytest.mark.parametrize("scales", [1, 2])
def test_the_loss_of_each_sample_is_that_of_the_loops(scales):
    flow, frames = case()
    options = dict(scales=scales, alpha=0.4, eps=0.01, smooth=3.0)
    found = loss(flow, frames, **options)[0]
    np.testing.assert_allclose(found, [plain_loss(f.tolist(), g.tolist(), **options) for f, g in zip(flow, frames)], rtol=1e-12)


def test_the_published_numbers_are_the_defaults():
    flow, frames = np.zeros((2, 1, 2, 12, 12))
    frames[0, 0], flow[0, 0] = -2.0, np.arange(12) ** 2 / 64  # xx is 1/32 at the first scale, everywhere
    data = (144 + 36 + 9) / 3  # pixels; what is left of before once `after` is black costs (4 + 1e-6)^0.45
    rough = [np.diff(f, 2).mean() / 2 for f in (flow[0, 0, 0], *(flow[0, 0, 0].reshape(-1, k).mean(1) / k for k in (2, 4)))]  # of two components one is 0
    assert rough[0] == 1 / 64
    np.testing.assert_allclose(loss(flow, frames)[0], data * (4 + 1e-6) ** 0.45 + 10 * (rough[0] + rough[1] / 2 + rough[2] / 4), rtol=1e-12)


def test_a_flow_that_is_a_straight_line_is_perfectly_smooth_and_a_parabola_is_not():
    column, row = np.arange(W) * np.ones((H, 1)), np.arange(H)[:, None] * np.ones(W)
    line, parabola, saddle = (np.stack([f, 0 * f])[None] for f in (2 * column - 3 * row + 1, column**2, column * row))
    assert photometric.roughness(line)[0] == [0] and not photometric.roughness(line)[1].any()
    assert photometric.roughness(parabola)[0] == [1]  # xx is 2, of one component of two
    assert photometric.roughness(saddle)[0] == [1]  # xy and yx are 1


def test_the_loss_of_a_sample_does_not_depend_on_the_batch():
    flow, frames = case()
    together, alone = loss(flow, frames, scales=2), [loss(flow[b : b + 1], frames[b : b + 1], scales=2) for b in range(B)]
    for i in range(2):
        np.testing.assert_allclose(together[i], np.concatenate([parts[i] for parts in alone]), rtol=1e-13)


# --- its derivative


@pytest.mark.parametrize("options", [
    dict(scales=1, smooth=0), dict(scales=1, smooth=50.0), dict(scales=2), dict(scales=2, alpha=1.0, eps=0.5), dict(scales=2, eps=0.1, smooth=0),
])  # fmt: skip
def test_err_is_the_complex_step(options):
    flow, frames = case()
    expected = np.empty_like(flow)
    for index in np.ndindex(flow.shape):
        moved = flow.astype(complex)
        moved[index] += 1e-20j
        expected[index] = loss(moved, frames, **options)[0][index[0]].imag / 1e-20
    assert error(loss(flow, frames, **options)[1], expected) < 1e-13


def test_err_is_the_central_difference():
    flow, frames = case()
    expected, h = np.empty_like(flow), 1e-7
    for index in np.ndindex(flow.shape):
        sides = []
        for step in (h, -h):
            moved = flow.copy()
            moved[index] += step
            sides.append(loss(moved, frames, scales=2, eps=0.1)[0][index[0]])
        expected[index] = (sides[0] - sides[1]) / (2 * h)
    assert error(loss(flow, frames, scales=2, eps=0.1)[1], expected) < 1e-6


def test_the_case_has_pixels_that_leave_on_every_side_and_none_on_a_kink():
    flow, _ = case()
    column, row = flow[:, 0] + np.arange(W), flow[:, 1] + np.arange(H)[:, None]
    assert min(p.sum() for p in (column < 0, column > W - 1, row < 0, row > H - 1)) > 3
    assert min(np.abs(q - np.rint(q)).min() for q in (column, row)) > 1e-5
    assert all(np.abs(np.diff(np.diff(flow, axis=a), axis=b)).min() > 1e-6 for a in (-1, -2) for b in (-1, -2))


def test_a_flow_of_zero_has_the_slope_to_the_right_and_below():
    frames = np.zeros((1, 2, 3, 3))
    frames[0, 1] = [[5, 7, 8], [1, 3, 9], [0, 2, 4]]
    err = loss(np.zeros((1, 2, 3, 3)), frames, scales=1, alpha=0.5, eps=1e-9)[1]
    np.testing.assert_allclose(err[0, 0], [[2, 1, 1], [2, 6, 6], [0, 2, 2]], atol=1e-8)  # of the last column, of the block that ends there
    np.testing.assert_allclose(err[0, 1], [[-4, -4, 1], [-1, -1, -5], [0, -1, -5]], atol=1e-8)  # 0: |after - before| is 0 there


# --- borders


def test_what_leaves_the_image_reads_0_costs_its_own_brightness_and_has_no_gradient():
    frames = np.full((1, 2, 3, 4), 5.0)
    for right, down, leaves in ((0.1, 0, np.s_[:, 3]), (-0.1, 0, np.s_[:, 0]), (0, 0.1, np.s_[2]), (0, -0.1, np.s_[0])):
        flow = np.array([right, down])[:, None, None] * np.ones((1, 2, 3, 4))
        moved, slope = photometric.warp(frames[:, 1], flow)
        out = np.zeros((3, 4), bool)
        out[leaves] = True
        np.testing.assert_allclose(moved[0], np.where(out, 0, 5.0), rtol=1e-15)
        found, err = loss(flow, frames, scales=1, alpha=0.5, eps=1e-9)
        assert found == pytest.approx(5 * out.sum(), abs=1e-6) and not err[0, :, out].any() and not slope[0, :, out].any()


def test_the_centre_of_an_outermost_pixel_is_still_inside():
    image, flow = np.arange(12.0).reshape(1, 3, 4) + 1, np.zeros((1, 2, 3, 4))
    flow[0, 0, :, 0], flow[0, 1, 0] = 3, 2  # from the first column to the last, from the first row to the last
    assert photometric.warp(image, flow)[0].tolist() == [[[12, 10, 11, 12], [8, 6, 7, 8], [12, 10, 11, 12]]]


def test_a_flow_far_out_of_the_image_or_without_a_number_reads_no_pixel():
    frames = np.ones((1, 2, 6, 6))
    for far in (1e30, -1e30):
        found, err = loss(np.full((1, 2, 6, 6), far), frames, scales=1, smooth=0)
        assert found == pytest.approx(36, rel=1e-5) and not err.any()
    assert np.isnan(loss(np.full((1, 2, 6, 6), np.nan), frames, scales=1)[0]).all()


# --- what it is for


def moved(shift, n=16):
    """Return frames [1, 2, n, n] of a texture of five waves, 6 to 20 px long, before and after it moved by shift = (right, down)."""
    rng, at = np.random.default_rng(5), np.arange(n)
    angle, length, phase = rng.uniform(0, np.pi, 5), rng.uniform(6, 20, 5), rng.uniform(0, 2 * np.pi, 5)
    kx, ky = 2 * np.pi * np.cos(angle) / length, 2 * np.pi * np.sin(angle) / length
    return np.array([[
        sum(np.sin(x * (at - s * shift[0]) + y * (at[:, None] - s * shift[1]) + p) for x, y, p in zip(kx, ky, phase)) for s in (0, 1)
    ]])  # fmt: skip


def uniform(right, down, n=16):
    return np.array([right, down])[:, None, None] * np.ones((1, 2, n, n))


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, -1.0), (0.5, -0.8), (-0.7, 0.4)])
def test_the_true_shift_of_a_texture_has_the_least_loss(shift):
    """On a grid of 0.1 px; of all flows that are the same everywhere."""
    grid, frames = np.round(np.arange(-1.5, 1.55, 0.1), 1), moved(shift)
    found = {(right, down): loss(uniform(right, down), frames)[0][0] for right in grid for down in grid}
    assert min(found, key=found.get) == shift
    assert found[shift] < 0.75 * found[0.0, 0.0]  # what left the image costs at either


def test_descent_from_a_flow_of_zero_finds_the_shift():
    shift, frames, flow = (0.6, -0.3), moved((0.6, -0.3)), uniform(0.0, 0.0)
    for i in range(300):
        flow = flow - 0.02 / (1 + 0.05 * i) * np.sign(loss(flow, frames)[1].sum((2, 3), keepdims=True))
    np.testing.assert_allclose(flow[0, :, 0, 0], shift, atol=0.05)


def test_the_loss_is_the_same_in_every_flipped_view():
    flow, frames = (part[:, :, :, :8] for part in case())
    how = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1]], bool)
    found, err = loss(flow, frames, scales=2)
    other, turned = loss(motion.flip(flow, how, vector=True), motion.flip(frames, how), scales=2)
    np.testing.assert_allclose(other, found, rtol=1e-12)
    np.testing.assert_allclose(turned, motion.flip(err, how, vector=True), rtol=1e-9, atol=1e-12)


# --- the frames of the embedded set


def test_frames_are_the_light_one_step_before_the_end_and_at_the_end():
    source = np.array([4, 20_001])
    frames, (k, amplitude), (twist, shift) = motion.frames(source, seed=3), motion.textures(source), motion.motions(3, source)
    assert frames.shape == (2, 2, 16, 16) and frames.dtype == np.float32
    for b in range(2):
        for row, column in ((0, 0), (3, 14), (15, 7)):
            q = complex(column - 7.5, row - 7.5)
            for step in range(1, 9):
                q = (q - shift[b]) / twist[b]  # where it was a step ago
                if step >= 7:
                    light = sum(abs(a) * np.cos((w.conjugate() * q).real + np.angle(a)) for w, a in zip(k[b], amplitude[b]))
                    assert frames[b, step - 7, row, column] == pytest.approx(light / 0.1, abs=1e-5)


def test_what_stands_on_a_pixel_before_stands_where_the_flow_leads_after():
    source = np.arange(60)
    frames, y = motion.frames(source), motion.load(0, (60, 1, 1)).train.y
    true, zero, wrong = (loss(f.astype(float), frames, smooth=0)[0].mean() for f in (y, 0 * y, -y))
    assert true < 0.8 * zero and zero < wrong


# --- bad input


def test_float32_stays_float32():
    found, err = loss(*(part.astype(np.float32) for part in case()), scales=2)
    assert found.dtype == err.dtype == np.float32
    assert [a.dtype for a in loss(case()[0].astype(np.float32), case()[1], scales=2)] == [np.float32] * 2


@pytest.mark.parametrize("flow, frames, scales, message", [
    ((1, 2, 8, 8), (1, 0, 8, 8), 1, r"^frames: got shape \(1, 0, 8, 8\), expected \(1, 2, 8, 8\)$"),
    ((1, 2, 8, 8), (1, 2, 8, 8), 3, "^flow: got 8 x 8 for 3 scales, expected 3 or more times 4$"),
    ((1, 2, 9, 8), (1, 2, 9, 8), 2, "^flow: got 9 x 8 for 2 scales, expected 3 or more times 2$"),
    ((1, 2, 8, 2), (1, 2, 8, 2), 1, "^flow: got 8 x 2 for 1 scales, expected 3 or more times 1$"),
    ((1, 2, 8, 8), (1, 2, 8, 8), 0, "^scales: got 0, expected a whole number of at least 1$"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(flow, frames, scales, message):
    with pytest.raises(ValueError, match=message):
        loss(np.zeros(flow), np.zeros(frames), scales=scales)
