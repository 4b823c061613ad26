r"""The self-supervised loss of optical flow: a flow is good if it leads from one grey frame to the next, and is smooth.

With q = p + flow(p), d(p) = after(q) - before(p), `after` read between its pixels bilinearly, and the sums over the pixels p
of one sample,

    loss = 1/S sum over scales of sum_p (d^2 + eps^2)^alpha   +   smooth sum over scales s of 2^-s R(flow)

(Lee et al. 2020, Spike-FlowNet, eqs. (3) to (5), as in the authors' code, which S-TLLR's flow experiment trains on).  R is
what is left when the flow is differenced twice: over neighbours to the right and below, the mean of |.| of each of the four
second differences (xx, xy, yx, yy), summed.  A flow that is a straight line in both directions is perfectly smooth.

Conventions.  A scale s is the mean over blocks of 2^s x 2^s pixels, of frames and flow alike, the flow divided by 2^s since
that is its length there: the published network predicts a flow for each scale, ours one.  A pixel whose q lies beyond the
centre of an outermost pixel reads 0, as published: it costs what its own brightness does and has no gradient by its data.
Frames are best free of a mean for that reason.  The authors sum the first term over the batch and average the second, so
that their `smooth` weakens as the batch grows; here both belong to one sample.

Every condition looks at the real part: the loss passes complex numbers, and its gradient is checked by the complex step.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.maps import AvgPool

SCALES = 3  # of 16 x 16 pixels: 16, 8 and 4 (published: 4 scales of 256 x 256)


def loss(flow, frames, *, scales=SCALES, alpha=0.45, eps=1e-3, smooth=10.0):
    r"""Return the photometric and smoothness loss of each sample, and its derivative by the flow.

    Parameters
    ----------
    flow : ndarray, shape [B, 2, H, W]
        Predicted flow at one step: to the right, down; px between the two frames.
    frames : ndarray, shape [B, 2, H, W]
        The frame before and the frame after.
    scales : int
        How often the image is halved, once less: H and W are multiples of 2^(scales-1), at least 3 x 3 remain.
    alpha, eps : float
        Charbonnier's exponent and, in units of the frames, the error below which it is a parabola; above 0.
    smooth : float
        Weight of the smoothness.  The published 10 stands beside sums over up to 256 x 256 pixels: smaller images and frames of
        little contrast want less.

    Returns
    -------
    loss : ndarray, shape [B]
    err : ndarray, shape [B, 2, H, W]
        d loss / d flow of each sample, not divided by B.

    Raises
    ------
    ValueError
        If the shapes differ or the image is too small for so many scales.

    Notes
    -----
    The derivative does not exist where q lies on the centre of a pixel or a second difference is 0: taken there are that to the
    right and below, and 0.  So a flow of zero everywhere, where training begins, has an ordinary gradient.

    Examples
    --------
    >>> before, after = np.zeros((2, 1, 3, 3)); before[0, 1, 1] = after[0, 1, 2] = 1
    >>> frames, right = np.stack([before, after], 1), np.array([1.0, 0.0])[:, None, None] * np.ones((1, 2, 3, 3))
    >>> [round(float(loss(flow, frames, scales=1, eps=1e-9)[0][0]), 6) for flow in (right, 0 * right)]
    [0.0, 2.0]
    """
    flow, frames = np.asarray(flow), np.asarray(frames)
    checks.same("frames", frames.shape, flow.shape)
    smallest = 2 ** (checks.whole("scales", scales, 1) - 1)
    if min(flow.shape[-2:]) < 3 * smallest or any(side % smallest for side in flow.shape[-2:]):
        raise ValueError(f"flow: got {flow.shape[-2]} x {flow.shape[-1]} for {scales} scales, expected 3 or more times {smallest}")
    frames, total, err = frames.astype(flow.real.dtype, copy=False), 0, np.zeros_like(flow)
    for size in (2**s for s in range(scales)):
        pool = AvgPool(size)
        scaled, (before, after) = pool.forward(flow)[0] / size, pool.forward(frames)[0].swapaxes(0, 1)
        moved, slope = warp(after, scaled)
        cost, pull = charbonnier(moved - before, alpha, eps)
        rough, smoother = roughness(scaled)
        total = total + cost.sum((1, 2)) / scales + smooth / size * rough
        err += pool.backward((slope * pull[:, None] / scales + smooth / size * smoother) / size, flow.shape)
    return total, err


def warp(image, flow):
    """Read images where a flow points to.

    Parameters
    ----------
    image : ndarray, shape [B, H, W]
    flow : ndarray, shape [B, 2, H, W]
        To the right, down; px.

    Returns
    -------
    moved : ndarray, shape [B, H, W]
        image at p + flow(p), between the four pixels around it bilinearly; 0 beyond the centres of the outermost ones.
    slope : ndarray, shape [B, 2, H, W]
        d moved / d flow, of the pixels to the right and below where p + flow(p) is itself one.

    Examples
    --------
    >>> image = np.array([[[0.0, 10.0, 30.0], [0.0, 10.0, 30.0]]])
    >>> warp(image, np.full((1, 2, 2, 3), 0.5) * np.array([[[1]], [[0]]]))[0]
    array([[[ 5., 20.,  0.],
            [ 5., 20.,  0.]]])
    """
    (B, H, W), real = image.shape, flow.real.dtype
    column, row = flow[:, 0] + np.arange(W, dtype=real), flow[:, 1] + np.arange(H, dtype=real)[:, None]
    inside = (column.real >= 0) & (column.real <= W - 1) & (row.real >= 0) & (row.real <= H - 1)
    # Of the last column and row the earlier neighbour starts the block: its far side is the pixel itself.
    left, top = (np.minimum(np.floor(np.where(inside, q.real, 0)), n - 2).astype(int) for q, n in ((column, W), (row, H)))
    across, down, sample = column - left.astype(real), row - top.astype(real), np.arange(B)[:, None, None]
    a, b, c, d = (image[sample, top + i, left + j] for i in (0, 1) for j in (0, 1))
    upper, lower = a + across * (b - a), c + across * (d - c)
    slope = np.stack([b - a + down * (d - c - b + a), lower - upper], axis=1)
    return (upper + down * (lower - upper)) * inside, slope * inside[:, None]


def charbonnier(d, alpha, eps):
    """Return (d^2 + eps^2)^alpha and its derivative by d, both of the shape of d.

    >>> [round(float(value), 6) for value in charbonnier(np.float64(4.0), alpha=0.5, eps=3)]
    [5.0, 0.8]
    """
    square = d * d + eps**2
    return square**alpha, 2 * alpha * d * square ** (alpha - 1)


def roughness(flow):
    """Return the mean of |second difference| of each sample of flow [B, 2, H, W], xx, xy, yx and yy summed: [B]; and its derivative.

    The derivative of |d| at d = 0 is 0.
    """
    total, slope = 0, np.zeros_like(flow)
    for first in (-1, -2):
        for second in (-1, -2):
            d = np.diff(np.diff(flow, axis=first), axis=second)
            sign = np.sign(d.real)
            total = total + (sign * d).mean((1, 2, 3))
            slope += _undiff(_undiff(sign / sign[0].size, second), first)
    return total, slope


def _undiff(g, axis):
    """Return the transpose of np.diff along an axis: g with n - 1 entries there to n."""
    none = np.zeros_like(g.take([0], axis))
    return np.concatenate([none, g], axis) - np.concatenate([g, none], axis)
