"""The animation of the online step: committed, the same bytes twice, and what it draws are the numbers of a plain loop."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from figures import online
from stllr_ref import cross_entropy, gradcheck, network


@pytest.fixture(scope="module")
def run():
    """Return network, batch and frames of the committed animation."""
    rng = np.random.default_rng(1)
    net, data = online.build(rng), online.batch(rng)
    return net, data, online.record(net, *data)


def by_hand(net, x, target):
    """Return the frames of one sequence by a loop over scalars' rows that knows nothing of layers."""
    W, R = (layer.synapses["W"].weight.value for layer in net.layers)
    kept, tr_x, past, out, tr_y = np.zeros(online.H), np.zeros(online.N), np.zeros(online.H), np.zeros(online.O), np.zeros(online.H)
    sums, frames = [np.zeros_like(W), np.zeros_like(R)], []
    for t, x_t in enumerate(x[:, 0]):
        u = 0.8 * kept + W @ x_t
        y = (u > 0.6).astype(float)
        psi = 0.3 * np.maximum(1 - np.abs(u - 0.6), 0)
        tr_x, tr_y, out = 0.75 * tr_x + x_t, 0.8 * tr_y + y, 0.8 * out + R @ y
        delta, below = None, None
        if t >= online.T - online.LAST:
            e = np.exp(out - out.max())
            delta = e / e.sum() - np.eye(online.O)[target[0]]
            below = R.T @ delta
            sums = [
                sums[0] + below[:, None] * (psi[:, None] * tr_x - past[:, None] * x_t),
                sums[1] + delta[:, None] * tr_y,
            ]
        frames.append(online.Frame(x_t, tr_x, u, y, psi, past, out, [below, delta], sums))
        kept, past = u - 0.6 * y, 0.5 * past + psi
    return frames


def test_the_frames_are_those_of_a_plain_loop(run):
    net, (x, target, _), frames = run
    gradcheck.liveness(net, x)
    assert len(frames) == online.T and np.abs(frames[-1].sums[0]).min() > 1e-3
    for got, expected in zip(frames, by_hand(net, x, target)):
        for name, a, b in zip(got._fields, got, expected):
            for part, other in zip(*((a, b) if isinstance(a, list) else ([a], [b]))):
                if other is None:
                    assert part is None
                else:
                    np.testing.assert_allclose(part, other, rtol=0, atol=1e-12, err_msg=name)


def test_the_sums_of_the_last_frame_are_the_gradient_of_the_run(run):
    net, data, frames = run
    _, grads = network.run(net, data[0], data[1], cross_entropy, data[2])
    for number, total in enumerate(frames[-1].sums):
        np.testing.assert_allclose(total, grads[f"{number}.W"], rtol=0, atol=1e-15)


@pytest.mark.parametrize("t", [3, online.T - 1])
def test_what_is_drawn_are_the_numbers_of_the_frame(run, t):
    matplotlib.use("agg")
    frame, figure = run[2][t], plt.figure()
    online.draw(figure, run[2], t)
    drawn = {artist.get_gid(): artist for artist in figure.findobj() if artist.get_gid()}
    bars = {
        name: [drawn[f"{name} {i}"].get_height() for i in range(n)] for name, n in (("tr_x", online.N), ("u", online.H), ("past", online.H))
    }
    filled = [drawn[f"y {i}"].get_facecolor() == (0, 0, 0, 1) for i in range(online.H)]
    arrows = sorted(name for name in drawn if name.startswith("delta"))
    plt.close(figure)
    for name, heights in bars.items():
        values = getattr(frame, name)
        assert np.ptp(values) > 0.01
        np.testing.assert_allclose(heights, values * (heights[-1] / values[-1]), rtol=1e-12)
    assert filled == list(frame.y == 1)
    assert len(arrows) == (online.H + online.O if t >= online.T - online.LAST else 0)
    for i, j in np.ndindex(online.H, online.N):
        line, total = drawn[f"W 0 {i} {j}"], frame.sums[0][i, j]
        assert line.get_linewidth() == pytest.approx(0.5 + 3.5 * abs(total) / np.abs(run[2][-1].sums[0]).max())
        assert (line.get_linestyle() == "--") == (total < 0)


def test_the_animation_is_committed_small_and_the_same_twice(tmp_path):
    copies = [tmp_path / "a.gif", tmp_path / "b.gif"]
    for copy in copies:
        online.animate_online(np.random.default_rng(1), copy)
    assert copies[0].read_bytes() == copies[1].read_bytes()
    with Image.open(copies[0]) as made, Image.open(online.PATH) as kept:
        assert kept.size == made.size == (640, 420) and kept.n_frames == made.n_frames == online.T + 1
    assert online.PATH.stat().st_size < 500_000
