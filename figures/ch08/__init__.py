"""Figures of chapter 8: the error's ways down, and how near to the exact gradient each brings a layer."""

from figures.ch08.compared import ch08_signals, ch08_training
from figures.ch08.networks import LEAKS, accuracies, arrival, build, case, draw, gap, seeds, task, train, trained, untrained
from figures.ch08.routes import ch08_routes
from figures.ch08.ways import CONTROLS, WAYS, frozen
