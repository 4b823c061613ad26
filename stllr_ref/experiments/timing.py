"""Tasks of pure timing: random manifolds, told apart by spike times alone, and a parity asked for after a silence."""

from dataclasses import replace

from stllr_ref.data import timing
from stllr_ref.experiments import classify

# Chosen on validation data, three seeds (results/choose.csv): lr, readout, lam_pre and alpha_post; the rest was not tuned.
RANDMAN = classify.Settings(
    task="randman", rule="stllr", hidden=(128,), recurrent=False, gamma=0.95, theta=0.6, readout=0.97,
    lam_pre=0.95, lam_post=0.2, alpha_pre=1.0, alpha_post=-1.0, psi="triangle", signal="bp",
    last=10, epochs=30, batch=50, lr=8e-3,
)  # fmt: skip
# The leak decides where the limit lies: after 8 silent steps 0.7 leaves 6 % of a potential, and of a trace.
DELAY = replace(RANDMAN, task="delay", gamma=0.7, lam_pre=0.7, last=2, lr=2e-3)
SETTINGS = {"randman": RANDMAN, "delay": DELAY}


def sets(task="randman"):
    """Return train, validation and test of a task in SETTINGS, each (x [T, B, N], y [B]); the same in every trial."""
    return tuple((part.x, part.y) for part in timing.LOADERS[task](seed=0))


def run(settings, seed, callback=None):
    """Return the `classify.Result` of one trial of the settings' task."""
    return classify.run(settings, seed, sets(settings.task), callback)
