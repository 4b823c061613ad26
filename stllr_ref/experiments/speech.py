"""Spoken digits: a recurrent spiking network on the set `speech`, S-TLLR beside exact BPTT."""

from stllr_ref.data import speech
from stllr_ref.experiments import classify

# Chosen on validation data, three seeds (results/choose.csv): lr, readout, lam_pre and alpha_post; the rest was not tuned.
SETTINGS = classify.Settings(
    task="speech", rule="stllr", hidden=(128,), recurrent=True, gamma=0.95, theta=0.6, readout=0.97,
    lam_pre=0.95, lam_post=0.5, alpha_pre=1.0, alpha_post=1.0, psi="triangle", signal="bp",
    last=50, epochs=15, batch=50, lr=8e-3,
)  # fmt: skip


def sets():
    """Return train, validation and test, each (x [T, B, 70], y [B]); the utterances are the same in every trial."""
    data = speech.load(seed=0)
    return tuple((part.x, part.y) for part in (data.train, data.validation, data.test))


def run(settings, seed, callback=None):
    """Return the `classify.Result` of one trial."""
    return classify.run(settings, seed, sets(), callback)
