"""The tasks by the names that a command takes: settings, data, and how one trial is run."""

from functools import partial
from typing import Callable, NamedTuple

from stllr_ref.experiments import classify, digits, flow, gestures, speech, timing


class Task(NamedTuple):
    """What `run TASK` needs to know."""

    settings: object  # of S-TLLR, the other rules' are made from it
    sets: Callable  # () -> (train, validation, test)
    trial: Callable  # (settings, seed, sets, callback) -> classify.Result
    rules: tuple  # names that settings.rule may have
    controls: tuple  # rules that the table has by default beside stllr and bptt


def _classified(settings, sets):
    """Return the `Task` of a classification."""
    return Task(settings, sets, classify.run, classify.RULES, ("frozen",))


TASKS = {
    "digits": _classified(digits.SETTINGS, digits.sets),
    "speech": _classified(speech.SETTINGS, speech.sets),
    "gestures": _classified(gestures.SETTINGS, gestures.sets),
    "gestures_single": _classified(gestures.SINGLE, partial(gestures.sets, "gestures_single")),
    "flow": Task(flow.SETTINGS, flow.sets, flow.trial, flow.RULES, ("frozen", "zero")),
    "randman": _classified(timing.RANDMAN, partial(timing.sets, "randman")),
    "delay": _classified(timing.DELAY, partial(timing.sets, "delay")),
}
