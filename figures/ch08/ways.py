"""The error's ways down: what a network needs for each, and how each is drawn."""

from figures import COLOURS
from stllr_ref import DFA, DRTP, Frozen, Local, sDFA


def frozen(weights):
    """Return the signal that is none; weights are not used."""
    return Frozen()


# Way down -> what `build` or `train` needs for it; its colour, line and marker.
WAYS = {
    "BP": {},
    "FA": dict(feedback=True),
    "DFA": dict(signal=DFA),
    "sDFA": dict(signal=sDFA),
    "DRTP": dict(signal=DRTP),
    "local": dict(signal=Local),
}
CONTROLS = {"BPTT": dict(exact=True), "frozen": dict(signal=frozen)}
LOOKS = {
    "BP": (COLOURS["stllr"], "-", "o"),
    "FA": (COLOURS["stllr"], "--", "s"),
    "DFA": (COLOURS["dfa"], "-", "^"),
    "sDFA": (COLOURS["dfa"], "--", "v"),
    "DRTP": (COLOURS["dfa"], ":", "D"),
    "local": (COLOURS["control"], "-.", "X"),
    "BPTT": (COLOURS["bptt"], "-", "o"),
    "frozen": (COLOURS["control"], ":", "o"),
}
