"""The exercises of chapter 11: the gradient of a filter, the endpoint error, an image read between its pixels."""

import numpy as np

from stllr_ref.exercises.checking import Exercise
from stllr_ref.experiments import flow, photometric
from stllr_ref.synapses import Conv2d

RNG = np.random.default_rng(11)


def filter_gradient(post, pre):
    """Return what `Conv2d.outer` makes of post [B, O, h, w] and pre [B, C, H, W] without padding, [O, C, k, k]."""
    k = pre.shape[2] - post.shape[2] + 1
    return Conv2d(np.zeros((post.shape[1], pre.shape[1], k, k)), padding=0).outer(post, pre)


def gradient_then(change):
    """Return a function that changes the right gradient."""
    return lambda post, pre: change(filter_gradient(post, pre))


def one_for_all(grad):
    """Return the middle entry of each filter in all its places."""
    middle = grad.shape[2] // 2
    return np.broadcast_to(grad[:, :, middle, middle][:, :, None, None], grad.shape).copy()


def mean_place(post, pre):
    """Return the mean over places where the sum is asked for."""
    return filter_gradient(post, pre) / post[0, 0].size


def endpoint_error(said, target, mask):
    """Return the AEE as the experiment has it."""
    return flow.mean(flow.errors(said, flow.only(target, mask)))


def lengths(said, target):
    """Return the endpoint error of every pixel, [B, H, W]."""
    return np.hypot(*np.moveaxis(said - target, 1, 0))


def error_of(score):
    """Return a function that gives score(lengths, components, mask), NaN where no pixel counts."""
    return lambda said, target, mask: score(lengths(said, target), said - target, mask) if mask.any() else np.nan


def everywhere(said, target, mask):
    """Return the mean over all pixels."""
    return lengths(said, target).mean()


def diluted(said, target, mask):
    """Return the sum over the pixels that count, divided by the number of all."""
    return (lengths(said, target) * mask).mean()


def perfect(said, target, mask):
    """Return the AEE, 0 where no pixel counts."""
    return endpoint_error(said, target, mask) if mask.any() else 0.0


def read_between(image, x, y):
    """Return image [H, W] at columns x and rows y, both [n], by a flow that leads from pixel (0, 0) there."""
    leads = np.stack([x, y], 1)[:, :, None, None] * np.ones((1, 1, *image.shape))
    return photometric.warp(np.broadcast_to(image, (len(x), *image.shape)), leads)[0][:, 0, 0]


def read_at(place):
    """Return a function that reads at place(x, y) instead of x, y."""
    return lambda image, x, y: read_between(image, *place(x, y))


def other_side(x):
    """Return x as far from the next whole number as it was from the last one."""
    return 2 * np.floor(x) + 1 - x


EXERCISES = {
    "11.1": Exercise(
        "filter_gradient",
        filter_gradient,
        ((RNG.normal(size=(4, 2, 5, 6)), RNG.normal(size=(4, 3, 7, 8))),),
        {
            "you turned the filter by half a turn: what is called a convolution here does not": gradient_then(
                lambda grad: grad[:, :, ::-1, ::-1]
            ),
            "you took the mean over the samples: the batch is summed": gradient_then(lambda grad: grad / 4),
            "you took the mean over the places of the filter: each place adds its product": mean_place,
            "you put the channels of the input first: a filter is [C_out, C_in, k, k]": gradient_then(lambda grad: grad.swapaxes(0, 1)),
            "you swapped rows and columns of the filter": gradient_then(lambda grad: grad.swapaxes(2, 3)),
            "you gave every entry of a filter the same gradient: each meets pixels of its own": gradient_then(one_for_all),
        },
        "[C_out, C_in, k, k]",
    ),
    "11.2": Exercise(
        "endpoint_error",
        endpoint_error,
        (
            (RNG.normal(size=(3, 2, 4, 5)), RNG.normal(size=(3, 2, 4, 5)), RNG.random((3, 4, 5)) < 0.4),
            (RNG.normal(size=(2, 2, 3, 4)), RNG.normal(size=(2, 2, 3, 4)), np.zeros((2, 3, 4), bool)),
        ),
        {
            "you averaged over all pixels, those that do not count too": everywhere,
            "you set the errors of the other pixels to 0 but still divided by all of them": diluted,
            "you called an answer perfect of which no pixel counts: that is NaN, not 0": perfect,
            "you took the root of the mean square, which large errors rule": error_of(lambda e, d, on: np.sqrt((e[on] ** 2).mean())),
            "you took the mean of the squares: the error is a length in px": error_of(lambda e, d, on: (e[on] ** 2).mean()),
            "you averaged the components: the error of a pixel is the length of a vector": error_of(
                lambda e, d, on: np.abs(d).mean(1)[on].mean()
            ),
            "you averaged the AEE of each sample: all pixels that count weigh the same": error_of(
                lambda e, d, on: np.mean([a[b].mean() for a, b in zip(e, on)])
            ),
        },
    ),
    "11.3": Exercise(
        "read_between",
        read_between,
        ((RNG.normal(size=(5, 6)), np.array([0.3, 2.6, 1.25, 3.9]), np.array([1.7, 0.2, 3.55, 2.1])),),
        {
            "you took x for the row: x counts columns, to the right": read_at(lambda x, y: (y, x)),
            "you read the nearest pixel": read_at(lambda x, y: (np.rint(x), np.rint(y))),
            "you cut off the fraction and read the pixel above and to the left": read_at(lambda x, y: (np.floor(x), np.floor(y))),
            "you swapped the weights: the nearer pixel weighs more": read_at(lambda x, y: (other_side(x), other_side(y))),
            "you read between two pixels along x alone": read_at(lambda x, y: (x, np.floor(y))),
            "you read between two pixels along y alone": read_at(lambda x, y: (np.floor(x), y)),
        },
        "[n]",
    ),
}
