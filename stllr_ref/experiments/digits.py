"""The main job: real handwritten digits as events, a dense spiking network, S-TLLR beside exact BPTT."""

from stllr_ref.data import digits
from stllr_ref.experiments import classify

# Chosen on the validation set; see the note for what was compared.
SETTINGS = classify.Settings(
    task="digits", rule="stllr", hidden=(128, 128), recurrent=False, gamma=0.88, theta=0.6, readout=0.97,
    lam_pre=0.75, lam_post=0.2, alpha_pre=1.0, alpha_post=-1.0, psi="triangle", signal="bp",
    last=15, epochs=15, batch=50, lr=2e-3,
)  # fmt: skip


def sets():
    """Return train, validation and test, each (x [T, B, 512], y [B]); the events of a digit are the same in every trial."""
    data = digits.load(seed=0)
    return tuple((part.x, part.y) for part in (data.train, data.validation, data.test))


def run(settings, seed, callback=None):
    """Return the `classify.Result` of one trial."""
    return classify.run(settings, seed, sets(), callback)
