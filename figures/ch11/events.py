"""Motion as events: one sample of the sensor, its true flow as arrows and as colours."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import hsv_to_rgb

from stllr_ref.data import motion

SAMPLE = 370  # of the test part: one that turns much
TRUE = "#E69F00"  # arrows of what really moves
SIGNED = dict(cmap="RdBu_r", vmin=-1.3, vmax=1.3)  # ON red, OFF blue


def hues(flow):
    """Return the colours [H, W, 3] of a flow [2, H, W]: the hue says where to, the strength of the colour how fast, white is 0."""
    right, down = flow
    hue = np.arctan2(down, right) / (2 * np.pi) % 1
    strength = np.clip(np.hypot(right, down) / motion.SPEED, 0, 1)
    return hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], -1))


def ch11_motion(rng):
    """Draw the events of one sample step by step, its flow as arrows, and as colours where pixels count; nothing is random."""
    source = np.array([2 * motion.MOST + SAMPLE])
    texture, (twist, shift) = motion.textures(source), motion.motions(0, source)
    x, flow = motion.film(texture, twist, shift)[:, 0], motion.flow(twist, shift)[0]
    figure = plt.figure(figsize=(6.4, 3.9))
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2.2))
    for t, (ax, (off, on)) in enumerate(zip(above.subplots(1, motion.STEPS), x)):
        ax.imshow(on - off, **SIGNED)
        frame(ax, f"step {t}")
    above.suptitle("events of one sample: ON red, OFF blue", fontsize=9)
    arrows, colours, circle = below.subplots(1, 3)
    arrows.imshow(motion.log_light(texture, twist, shift, 0)[0], cmap="gray")
    at = np.arange(1, motion.SENSOR, 2)
    right, down = flow[:, at[:, None], at]
    arrows.quiver(at, at, right, down, color=TRUE, angles="xy", scale_units="xy", scale=1 / 1.5, width=0.012)
    frame(arrows, "true flow (x 1.5) on the light")
    seen = motion.mask(x[:, None])[0]
    colours.imshow(np.where(seen[..., None], hues(flow), 0.75))
    frame(colours, f"where pixels count: {seen.sum()} of {seen.size}")
    wheel(circle)
    return figure


def wheel(ax):
    """Draw the colour of every flow up to the fastest shift."""
    span = np.linspace(-motion.SPEED, motion.SPEED, 121)
    flow = np.stack(np.meshgrid(span, span))
    inside = np.hypot(*flow) <= motion.SPEED
    ax.imshow(np.where(inside[..., None], hues(flow), 1), extent=(-motion.SPEED, motion.SPEED, motion.SPEED, -motion.SPEED))
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="right (px a step)", ylabel="down (px a step)")
    ax.set_title("colour of a flow", fontsize=9)


def frame(ax, title):
    """Leave the ticks out and show where the sensor ends."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
    ax.spines[:].set_visible(True)
