"""Recorded sets in place of the embedded ones: which task reads which, and as what.

`sets` loads them: the settings stay those of the embedded set, so that nothing is chosen on recordings: there is no validation
part.  For the same reason inputs are 0 or 1, as the embedded events are, and not counts.  `streams` leaves them in their files,
for the published networks (`networks`), whose inputs are counts but for CIFAR10DVS.
"""

from pathlib import Path

import numpy as np

from stllr_ref import checks
from stllr_ref.data import catalogue, folders, mvsec, recorded
from stllr_ref.experiments import flow, networks

SETS = {
    "digits": ("NMNIST", "CIFAR10DVS", "NCALTECH101"),
    "speech": ("SHD",),
    "gestures": ("DVSGesture",),
    "flow": ("MVSEC",),
}  # task -> the sets that it stands for
OPTIONS = {"flow": {"steps": 1}}  # task -> what its trial is told of recordings: a flow of MVSEC is that between two grey frames
CROP = 64  # height and width of MVSEC's centre that a task takes, px; the paper has 256


def sets(task, folder, set_name=None, published="paper", say=lambda text: None):
    """Return (train, None, test) of a recorded set for a task; no validation part.

    Parameters
    ----------
    task : str
        One of SETS.
    folder : path
        Holds the folder of the set, as tonic lays it out.
    set_name : str, optional
        Which; not needed where the folder holds one alone that the task can read.
    published : str
        Bins of the "paper" or of its "code"; MVSEC has the paper's alone.
    say : callable
        Is told, a line a part, what became of the events.

    Returns
    -------
    tuple
        Each part (x [T, B, N], y [B], lengths [B]); of MVSEC (x [T, B, 2, 64, 64], flow [B, 2, 64, 64] in px between two grey
        frames, NaN where it does not count).

    Raises
    ------
    ValueError
        If the set, or one of its parts, is not there, or does not fit into memory.
    """
    name = named(task, folder, set_name)
    if name == "MVSEC" and published != "paper":
        raise ValueError(f"--published: got {published} with MVSEC, expected paper")
    parts = mvsec.load(folder, CROP) if name == "MVSEC" else recorded.load(folder, name, published, binary=True)
    train, test = (_flow(part) if name == "MVSEC" else part.arrays() for part in parts)
    for what, part in parts._asdict().items():
        read, kept, dropped = part.report
        say(f"{name}, {what}: {len(part)} samples, {read:,} events read, {kept:,} kept, {dropped:,} dropped")
    if name != "MVSEC":
        _tell_absent(name, train[1], say)
    return train, None, test


def streams(task, folder, set_name=None, published="paper", say=lambda text: None):
    """Return (train, None, test) as `sets` takes them, each (`recorded.Recorded`, labels), of which a batch is read when its turn comes.

    MVSEC is loaded as `sets` loads it: its flow can only be unpacked in the order of time.
    """
    name = named(task, folder, set_name)
    if name == "MVSEC":
        return sets(task, folder, name, published, say)
    parts = recorded.load(folder, name, published, binary=networks.published_settings(name).binary)
    for part in parts:
        say(f"{name}, {part.part}: {part.shape[1]} samples of {part.recordings} recordings, read when their turn comes")
    train, test = ((part, part.labels) for part in parts)
    _tell_absent(name, parts.train.labels, say)
    return train, None, test


def _tell_absent(name, labels, say):
    """Say which classes of a set have no training recording: of a set that is half unpacked, say."""
    absent = sorted(set(range(catalogue.SETS[name].classes or 0)) - set(np.asarray(labels).tolist()))
    if absent:
        say(f"{name}, train: no recordings of the classes {', '.join(map(str, absent))}")


def named(task, folder, set_name):
    """Return the name of the set that is meant, refused unless the task reads it and, if no name is given, it is the only one."""
    if task not in SETS:
        raise ValueError(f"--data: got it with {task}, expected one of the tasks {', '.join(SETS)}")
    if set_name is not None:
        name = catalogue.named(set_name)
        checks.choice("--set", name, SETS[task])
        return name
    there = [name for name in folders.present(folder) if name in SETS[task]]
    if len(there) != 1:
        here = Path(folder).resolve()
        hint = f" (did you mean the folder above it, {here.parent}?)" if here.name in SETS[task] else ""
        found = f"{' and '.join(there) or 'no set of this task'} in {folder}{hint}"
        raise ValueError(f"--data: got {found}, expected one of {', '.join(SETS[task])}")
    return there[0]


def _flow(part):
    """Return x [T, B, 2, H, W] and targets [B, 2, H, W] of a part of MVSEC."""
    if not len(part):
        raise ValueError("MVSEC: got a part without sequences, expected outdoor_day2 for training and another for testing")
    cells = len(part) * 2 * mvsec.STEPS * part.crop**2
    if cells > recorded.LARGEST:
        raise ValueError(f"MVSEC: got {len(part)} pairs of frames, {4e-9 * cells:.0f} GB, expected at most 4 GiB (fewer sequences)")
    x, true, mask = (np.concatenate(parts, axis) for parts, axis in zip(zip(*part.batches()), (1, 0, 0)))
    return x, flow.only(true, mask)
