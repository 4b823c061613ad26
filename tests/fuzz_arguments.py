"""A property of what people hand over: any value in the place of any argument is taken, or refused in one line that names the argument."""

import numpy as np

from stllr_ref import (
    DFA,
    DRTP,
    LIF,
    OSTL,
    OTTT,
    SGD,
    SLTT,
    STLLR,
    Adam,
    Bias,
    Conv2d,
    Dense,
    EProp,
    Layer,
    Leaky,
    Local,
    Network,
    Plain,
    Standardised,
    cross_entropy,
    decay,
    sDFA,
    triangle,
    window,
)  # fmt: skip
from stllr_ref.data.events import bin_by_count, bin_by_width, seconds_to_us
from stllr_ref.maps import AvgPool, Dropout, MaxPool, Upsample
from stllr_ref.rules import STDP
from stllr_ref.signals import Adaptive, Reward, waves
from stllr_ref.synaptic import Filtered

ROWS = [[1.0], [1, 2]]
VALUES = [
    None, "abc", "two\nlines", b"x", np.nan, np.inf, -np.inf, -1, 0, 2, 7.5, 1e308, 5e-324, True, 1j, [1, 2], {}, (1,), (), range(3), [np.nan],
    ROWS, object(), len, STLLR, np.datetime64("2020"), np.float16(2), np.float32(1e-45), np.int8(3), np.array("a"), np.array([]),
    np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((2, 2)), np.ones(3), np.ones((2, 3, 4)), np.ones((2, 2, 3, 3)), np.array([[1, np.inf]]),
    np.array([[1j, 2]]), np.array([[object()]]), np.ma.masked_array([[1.0, 2.0]], [[True, False]]),
]  # fmt: skip
W, T_US = np.ones((2, 3)), np.array([0, 5, 9])
EVENTS = {"t": T_US, "x": T_US % 3, "y": T_US % 2, "p": T_US % 2, "sensor": (2, 3), "size": (1, 2), "dtype": np.float32}


def net():
    """Return a network of one layer."""
    return Network([Layer(Dense(W), Leaky(0), SLTT())])


def calls():
    """Return (function, arguments that it takes) of what people build with."""
    rates = {"lam_pre": 0.5, "lam_post": 0.5, "alpha_pre": 1, "alpha_post": 1}
    parts = {"V": Dense(np.eye(2)), "bias": Bias(np.ones(2)), "feedback": Dense(W)}
    return [
        (decay, {"tau_ms": 20, "dt_ms": 1}),
        (LIF, {"gamma": 0.5, "theta": 1, "psi": "triangle", "reset": "soft"}),
        (Leaky, {"gamma": 0.5}),
        (STLLR, {**rates, "post_trace": "code", "psi": None, "bias_decay": 0.0}),
        (OTTT, {"gamma": 0.5, "bias_decay": 0.2}),
        (STDP, rates),
        (EProp, {"gamma": 0.5, "kappa": 0.5}),
        (Filtered, {"rule": SLTT(), "beta": 0.5}),
        (Plain, {"W": W}),
        (Standardised, {"W": W, "gain": np.ones(2)}),
        (Dense, {"W": W}),
        (Conv2d, {"W": np.ones((2, 2, 3, 3)), "stride": 1, "padding": 1}),
        (Bias, {"b": np.ones(2)}),
        (Layer, {"W": Dense(W), "neuron": LIF(0.5, 1, triangle), "rule": SLTT(), **parts}),
        (Layer, {"W": Dense(W), "neuron": LIF(0.5, 1, triangle), "rule": OSTL(), **parts}),
        (Network, {"row": [Layer(Dense(W), Leaky(0), SLTT())]}),
        (DFA, {"B": W}),
        (sDFA, {"B": W}),
        (DRTP, {"B": W}),
        (Local, {"B": W}),
        (Adaptive, {"B": W, "kappa": 0.5}),
        (Reward, {"reward": 1.0}),
        (waves, {"classes": 3, "units": 4, "square": True}),
        (MaxPool, {"k": 2}),
        (AvgPool, {"k": 2}),
        (Upsample, {"k": 2}),
        (Dropout, {"p": 0.5}),
        (window, {"T": 5, "lengths": [3, 5], "last": 2}),
        (cross_entropy, {"logits": np.ones((2, 3)), "target": np.array([0, 1])}),
        (SGD, {"net": net(), "lr": 0.1}),
        (Adam, {"net": net(), "lr": 0.1, "eps": 1e-8}),
        (seconds_to_us, {"t": [0.1]}),
        (bin_by_width, {**EVENTS, "width_us": 3, "start_us": 0, "n_bins": 4}),
        (bin_by_count, {**EVENTS, "n_bins": 4, "start_us": 0, "stop_us": 9}),
    ]


FLAGS = {(waves, "square"), (SGD, "net"), (Adam, "net")}  # taken as they are
RAGGED = {(cross_entropy, "logits")}  # rows of unequal length: NumPy says it


def any_argument_is_taken_or_refused(rng, folder):
    """Every argument of every constructor in turn, one value for each."""
    for function, given in calls():
        for name in given:
            value = VALUES[rng.integers(len(VALUES))]
            if (function, name) in FLAGS or (value is ROWS and (function, name) in RAGGED):
                continue
            try:
                function(**{**given, name: value})
            except ValueError as bad:
                text = str(bad)
                assert text.isprintable() and "got " in text and "expected " in text and len(text) < 300, (function, name, text)
            except Exception as bad:
                raise AssertionError(f"{function.__name__}, {name} = {value!r}: {type(bad).__name__}: {bad}") from bad
    return True


ARGUMENTS = [any_argument_is_taken_or_refused]
