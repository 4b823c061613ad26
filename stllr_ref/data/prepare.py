"""From the events of a recording to the frames of a sample, as `catalogue.Bins` says: clips, bins, true length.

All times are whole microseconds.  The counting is that of `events`; here is only which bins, from when, and how many.
"""

import numpy as np

from stllr_ref.data.events import bin_by_count, bin_by_width

MOST = 10_000  # clips of a recording, and steps of a sample that has no given number of them


def clips(bins, span_us):
    """Return how many clips a recording of span_us from its first event to its last has: whole ones, at least one."""
    return max(1, span_us // bins.clip_us) if bins.clip_us else 1


def cut(bins, t, clip, of):
    """Return which events t [n] belong to clip number `clip` of `of`, bool [n], and when it begins, in us.

    Clips begin with the first event; the last one takes what is left after it as well, so that every event has a clip.
    """
    if not bins.clip_us or not len(t):
        return np.ones(len(t), bool), 0
    low = int(t.min()) + clip * bins.clip_us
    return (t >= low) & ((t < low + bins.clip_us) | (clip == of - 1)), low


def frames(bins, sensor, t, x, y=None, p=None, low=0, binary=False):
    """Count the events of a sample.

    Parameters
    ----------
    bins : catalogue.Bins
    sensor : tuple of int
        (height, width) or (channels,).
    t, x, y, p : ndarray of int, shape [n]
        As in `events.bin_by_width`.
    low : int
        When the clip begins, in us.
    binary : bool
        Say 1 where there is any event, in place of the count.

    Returns
    -------
    frames : ndarray of float32, shape [T, P, H, W] or [T, N]
    report : events.Report
        Events read, kept, and dropped because they lie outside the bins.
    length : int
        Steps up to the last event, 1 to T; all T where they share out the time between the events.

    Examples
    --------
    >>> from stllr_ref.data.catalogue import Bins
    >>> counts, report, length = frames(Bins((2,), 4, 10), (2,), np.array([0, 9, 25, 70]), np.array([0, 1, 1, 0]))
    >>> counts.T, tuple(report), length
    (array([[1., 0., 0., 0.],
           [1., 0., 1., 0.]], dtype=float32), (4, 3, 1), 4)
    """
    how = {"sensor": sensor, "size": bins.size, "binary": binary}
    if not len(t):
        return *bin_by_width(t, x, y, p, width_us=1, n_bins=bins.steps or 1, **how), 1
    if not bins.width_us:
        if bins.share == "time":
            return *bin_by_count(t, x, y, p, n_bins=bins.steps, **how), bins.steps
        return *bin_by_width(_turns(t, bins.steps), x, y, p, width_us=1, n_bins=bins.steps, **how), bins.steps
    inside = t[t < low + bins.clip_us] if bins.clip_us else t
    first, last = int(inside.min()), int(inside.max())
    start = {"zero": 0, "clip": low, "event": first}[bins.start]
    steps = bins.steps or max(1, (last - first) // bins.width_us)
    if steps > MOST:
        raise ValueError(f"t: got {last - first} us from first event to last, {steps} steps, expected at most {MOST}")
    counted = bin_by_width(t, x, y, p, width_us=bins.width_us, start_us=start, n_bins=steps, **how)
    return *counted, min(steps, (last - start) // bins.width_us + 1)


def _turns(t, steps):
    """Return the step of each event [n] where every step has n // steps of them in the order of time, and the last one the rest."""
    turn = np.empty(len(t), np.int64)
    turn[np.argsort(t, kind="stable")] = np.arange(len(t)) // max(len(t) // steps, 1)
    return np.minimum(turn, steps - 1)
