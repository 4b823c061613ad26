"""The pixel of an event camera: it fires where the logarithm of its light has moved by a threshold since its last event."""

import numpy as np


def watch(log_light, steps, rng, *, threshold, noise=0.0):
    """Turn light that changes into events.

    Parameters
    ----------
    log_light : callable
        t -> logarithm of the light, [B, H, W], called in turn for t = 0, which sets every pixel's reference and makes
        no event, to t = steps.
    steps : int
        T, steps of time.
    rng : numpy.random.Generator
        Source of the noise.
    threshold : float
        Change of log light since a pixel's last event that makes the next.
    noise : float
        Probability that an input (a polarity of a pixel) fires at a step by itself.

    Returns
    -------
    ndarray of float32, shape [T, B, 2, H, W]
        1 where a pixel fired, else 0; OFF (darker) then ON (brighter), as in `events.bin_by_width`.

    Raises
    ------
    ValueError
        If the threshold is not above 0 or the noise no probability.

    Notes
    -----
    An event moves the pixel's reference by whole thresholds, so that what is left of a change is not forgotten, and a
    large change within a step is one event.

    Examples
    --------
    >>> light = np.array([0.0, 0.5, 1.2, 1.2, -0.5]).reshape(5, 1, 1, 1)
    >>> watch(lambda t: light[t], 4, np.random.default_rng(0), threshold=1).reshape(4, 2)
    array([[0., 0.],
           [0., 1.],
           [0., 0.],
           [1., 0.]], dtype=float32)
    """
    if not threshold > 0:
        raise ValueError(f"threshold: got {threshold}, expected a number above 0")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise: got {noise}, expected a probability")
    start, reference = log_light(0), 0.0
    x = np.empty((steps, len(start), 2, *start.shape[1:]), np.float32)
    for t in range(steps):
        # In thresholds since the start, rounded: a pixel that is dark again has moved by whole thresholds exactly, and
        # whether that is more than one must not hang on the last bit.
        gap = np.round((log_light(t + 1) - start) / threshold, 9) - reference
        moved = np.where(np.abs(gap) > 1, np.trunc(gap), 0)
        reference = reference + moved
        x[t, :, 0], x[t, :, 1] = moved < 0, moved > 0
        x[t][rng.random(x[t].shape, np.float32) < noise] = 1
    return x
