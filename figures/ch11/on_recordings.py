"""The networks of the chapter on recorded gestures and flow."""

import numpy as np

from figures.ch11.flow_said import flow_trial, rebuilt, says
from figures.ch11.order import LIGHT
from stllr_ref import training
from stllr_ref.data import folders, gestures
from stllr_ref.experiments import classify, flow, recordings


def recorded(folder):
    """Return a line for each recorded set of gestures or flow in a folder, after training (gestures) or testing (flow) on it."""
    there, lines = folders.present(folder), []
    if "DVSGesture" in there:
        train, _, (x, y, lengths) = recordings.sets("gestures", folder, "DVSGesture")
        s = LIGHT["gestures"]
        result = classify.run(s, 0, (train, None, (x, y, lengths)))
        net = classify.build(s, x.shape[2], len(result.params[f"{len(s.hidden)}.b"]), 0)
        net.put(result.params)
        mixed = training.evaluate(net, (gestures.shuffle_frames(x, np.random.default_rng(0)), y, lengths), last=s.last)
        lines.append(f"DVSGesture: test {100 * result.test:.1f} % in order, {100 * mixed:.1f} % shuffled, {len(y)} recordings")
    if "MVSEC" in there:
        _, _, (x, target) = recordings.sets("flow", folder, "MVSEC")
        said = np.concatenate([says(rebuilt(flow_trial(0)), x[:, i : i + 8]) for i in range(0, len(target), 8)])
        zero, ours = (flow.mean(flow.errors(len(x) * guess, target)) for guess in (0 * said, said))
        lines.append(f"MVSEC: AEE {zero:.2f} px by zero flow, {ours:.2f} by the network of this chapter as it is, {len(target)} pairs")
    return lines or [f"{folder}: neither DVSGesture nor MVSEC"]
