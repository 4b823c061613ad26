"""Figures of chapter 11: gestures and what order tells, the sets of pure timing, motion as events, the flow that a network says."""

from figures.ch11.events import ch11_motion
from figures.ch11.flow_said import (
    animate_ch11_flow,
    ch11_aperture,
    ch11_flow,
    cosines,
    flow_sets,
    flow_trial,
    rebuilt,
    says,
    slopes,
    stripes,
)
from figures.ch11.on_recordings import recorded
from figures.ch11.order import PARTNER, ROUND, SEEDS, answers, ch11_gestures, ch11_shuffled, hits
from figures.ch11.pure_timing import ch11_timing
