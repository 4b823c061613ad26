"""Binning against tonic's ToFrame: the same events, the same counts, seconds of both.

Run: OMP_NUM_THREADS=1 python benchmarks/binning.py (needs tonic).

Where the conventions differ, and what the recording must be for them to agree:

- tonic finds the ends of a bin by binary search and so takes the times as sorted; here any order gives the same
  frames.  The events are sorted.
- By width, tonic starts at the first event, and drops the last window unless it is whole; here the bins start at
  start_us, and n_bins says how many.  First and last event are n_bins widths apart; both drop the last event, which
  lies on the open end of the last bin.
- By count, a bin of tonic is (last - first) // n_bins wide, what remains is dropped, and so is the last event: the last
  edge is open.  Here nothing is dropped, and the last edge is closed.  n_bins divides the span, and the last event,
  alone at its time, is the only difference.
- tonic counts in int16, and wraps past 32767 unseen; here such a count is refused.  The frames asked for are int16, and
  no count comes near.
- tonic takes coordinates as they are: -1 is the last pixel.  Here they are checked, and the checks are timed too.
"""

import argparse
import statistics
import time

import numpy as np
from tonic.transforms import ToFrame

from stllr_ref.data.events import bin_by_count, bin_by_width

SIDE = 128  # pixels, as of a DVS128
N_BINS = 21
WIDTH_US = 75_000  # the bins of DVS Gesture in the paper


def recording(n, seed=0):
    """Return n sorted events in tonic's format of DVS Gesture, the first at 5 us and the only last one N_BINS widths later."""
    rng = np.random.default_rng(seed)
    events = np.empty(n, [("x", np.int16), ("y", np.int16), ("p", bool), ("t", np.int64)])
    for name, most in (("x", SIDE), ("y", SIDE), ("p", 2)):
        events[name] = rng.integers(0, most, n)
    t = np.sort(rng.integers(0, N_BINS * WIDTH_US, n))
    t[0], t[-1] = 0, N_BINS * WIDTH_US
    events["t"] = t + 5
    return events


def by_width(events):
    """Return (frames, Report) of bins of WIDTH_US from the first event on."""
    how = {"sensor": (SIDE, SIDE), "width_us": WIDTH_US, "start_us": 5, "n_bins": N_BINS, "dtype": np.int16}
    return bin_by_width(events["t"], events["x"], events["y"], events["p"], **how)


def by_count(events):
    """Return (frames, Report) of N_BINS bins from the first event to the last."""
    return bin_by_count(events["t"], events["x"], events["y"], events["p"], sensor=(SIDE, SIDE), n_bins=N_BINS, dtype=np.int16)


PAIRS = {
    "tonic-width": (by_width, ToFrame((SIDE, SIDE, 2), time_window=WIDTH_US)),
    "tonic-count": (by_count, ToFrame((SIDE, SIDE, 2), n_time_bins=N_BINS)),
}


def assert_same_counts(events):
    """Raise unless both count the same in every cell, but for the last event of bins by count."""
    for name, (ours, theirs) in PAIRS.items():
        (frames, report), expected = ours(events), theirs(events)
        assert expected.dtype == frames.dtype == np.int16 and expected.sum() == len(events) - 1
        last = events[-1]
        if name == "tonic-count":
            assert report.dropped == 0
            expected[-1, int(last["p"]), last["y"], last["x"]] += 1
        else:
            assert report.dropped == 1
        np.testing.assert_array_equal(frames, expected)


def ratio(events=10_000_000, repeats=5):
    """Time both on the same events, in turn, after asserting that they count the same.

    Parameters
    ----------
    events : int
        Number of events.
    repeats : int
        How often each is timed; medians are taken.

    Returns
    -------
    dict of str to dict
        One row a convention, under its name: name, B (None), T, threads, ratio (ours_s / theirs_s), ours_s, theirs_s, repeats.
    """
    sample = recording(events)
    assert_same_counts(sample)
    rows = {}
    for convention, pair in PAIRS.items():
        seconds = [[], []]
        for _ in range(repeats):
            for side, work in zip(seconds, pair):
                begin = time.perf_counter()
                work(sample)
                side.append(time.perf_counter() - begin)
        ours, theirs = (statistics.median(side) for side in seconds)
        name = f"binning/{convention}"
        rows[name] = {
            "name": name,
            "B": None,
            "T": N_BINS,
            "threads": 1,
            "ratio": ours / theirs,
            "ours_s": ours,
            "theirs_s": theirs,
            "repeats": repeats,
        }
    return rows


def main():
    """Print a table of seconds and ratios."""
    parser = argparse.ArgumentParser(description="Time binning against tonic's ToFrame.")
    parser.add_argument("--events", type=int, default=10_000_000, metavar="N", help="events of the recording (default 10000000)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="calls of each, medians are shown (default 5)")
    args = parser.parse_args()
    print(f"{'convention':22}{'ours s':>9}{'tonic s':>9}{'ratio':>8}")
    for row in ratio(args.events, args.repeats).values():
        print(f"{row['name']:22}{row['ours_s']:9.3f}{row['theirs_s']:9.3f}{row['ratio']:8.2f}")


if __name__ == "__main__":
    main()
