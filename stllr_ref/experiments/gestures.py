"""Gestures seen by an event camera: a dense network on both polarities, a recurrent one on the polarities merged."""

from dataclasses import replace

from stllr_ref.data import gestures
from stllr_ref.experiments import classify

# Chosen on validation data, three seeds (results/choose.csv): lr, readout and, for one polarity, lam_pre and alpha_post.
SETTINGS = classify.Settings(
    task="gestures", rule="stllr", hidden=(128, 128), recurrent=False, gamma=0.88, theta=0.6, readout=0.97,
    lam_pre=0.75, lam_post=0.2, alpha_pre=1.0, alpha_post=-1.0, psi="triangle", signal="bp",
    last=10, epochs=12, batch=50, lr=4e-3,
)  # fmt: skip
SINGLE = replace(SETTINGS, task="gestures_single", hidden=(160,), recurrent=True, epochs=20, lam_pre=0.5)
POLARITY = {"gestures": "on_off", "gestures_single": "single"}  # task -> polarity of its inputs


def sets(task="gestures"):
    """Return train, validation and test, each (x [T, B, 512], merged 256, y [B]); the events are the same in every trial."""
    data = gestures.load(seed=0, polarity=POLARITY[task])
    return tuple((part.x, part.y) for part in data)


def run(settings, seed, callback=None):
    """Return the `classify.Result` of one trial; the task of the settings says with which polarity."""
    return classify.run(settings, seed, sets(settings.task), callback)
