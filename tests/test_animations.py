"""The animation of chapter 11 is committed, small, shows every step, and comes out the same twice."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from figures import ch11, make_all
from stllr_ref.data import motion

COMMITTED = make_all.HERE / "ch11_flow.gif"


def frames(path):
    """Return the pictures of a GIF, each an array [height, width, 3], and how long each stays, ms."""
    with Image.open(path) as gif:
        shown = []
        for number in range(gif.n_frames):
            gif.seek(number)
            shown.append((np.asarray(gif.convert("RGB")), gif.info["duration"]))
    return zip(*shown)


def test_the_committed_animation_is_small_shows_every_step_and_stays_at_the_last():
    assert COMMITTED.stat().st_size < 400_000
    pictures, stay = frames(COMMITTED)
    assert len(pictures) == motion.STEPS  # the last one is held
    assert all((a != b).any() for a, b in zip(pictures, pictures[1:]))
    assert stay[:-1] == (500,) * (motion.STEPS - 1) and stay[-1] == 2000


@pytest.mark.slow
def test_the_animation_comes_out_the_same_twice(tmp_path):
    matplotlib.use("agg")
    copies = [tmp_path / "a.gif", tmp_path / "b.gif"]
    for copy in copies:
        ch11.animate_ch11_flow(np.random.default_rng(0), copy)
    assert copies[0].read_bytes() == copies[1].read_bytes()
