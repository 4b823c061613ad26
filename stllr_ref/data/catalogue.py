"""The recorded sets: who publishes them, where their files go, how a recording becomes frames as published.

`BINS` holds two ways.  "paper" is what the text of Apolinario and Roy (2025) says; "code" is what the authors' program
does with the times of the events.  What that program does to finished frames (interpolated resizing, random crops, a
scale that wraps around) is no part of it: here every event is moved to its place in the smaller frame, and counted.
"""

from typing import NamedTuple, Optional

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PARTS = ("train", "test")


class RecordedSet(NamedTuple):
    """What there is to know of a set before a file is opened."""

    title: str
    publisher: str
    files: tuple  # where the files of the parts go, below the set's folder
    archives: tuple  # of the parts, as published: of no use before they are unpacked
    whole: int  # recordings in the complete set
    train: int  # of them, those of its training part (N-Caltech101: about, nine tenths)
    sensor: tuple  # (height, width), or (channels,)
    classes: Optional[int] = None  # None: as many as there are folders
    needs: str = "tonic"  # packages that read it


SETS = {  # by the name of tonic's class, which is the name of the folder
    "NMNIST": RecordedSet(
        "N-MNIST", "Orchard et al. (2015), on Mendeley Data",
        ("Train/<digit>/*.bin", "Test/<digit>/*.bin"), ("train.zip", "test.zip"), 70_000, 60_000, (34, 34), 10,
    ),
    "SHD": RecordedSet(
        "Spiking Heidelberg Digits", "Cramer et al. (2020), the Zenke Lab; also on IEEE DataPort",
        ("shd_train.h5", "shd_test.h5"), ("shd_train.h5.zip", "shd_test.h5.zip"), 10_420, 8_156, (700,), 20,
    ),
    "DVSGesture": RecordedSet(
        "DVS Gesture", "Amir et al. (2017), IBM Research; cut into recordings by the authors of tonic, on figshare",
        ("ibmGestureTrain/<user>/<label>.npy", "ibmGestureTest/<user>/<label>.npy"),
        ("ibmGestureTrain.tar.gz", "ibmGestureTest.tar.gz"), 1_341, 1_077, (128, 128), 11,
    ),
    "CIFAR10DVS": RecordedSet(
        "CIFAR10-DVS", "Li et al. (2017), on figshare",
        ("<class>/*.aedat4, the first 900 of a class by name", "<class>/*.aedat4, the last 100 (from number 909 on, compared as text)"),
        ("CIFAR10DVS.zip", "<class>.zip"), 10_000, 9_000, (128, 128), 10, "tonic and aedat",
    ),
    "NCALTECH101": RecordedSet(
        "N-Caltech101", "Orchard et al. (2015), on Mendeley Data",
        ("Caltech101/<class>/*.bin", "Caltech101/<class>/*.bin, the numbers that end in 0"),
        ("N-Caltech101-archive.zip", "Caltech101.zip"), 8_709, 7_838, (180, 240),
    ),
    "MVSEC": RecordedSet(
        "MVSEC", "Zhu et al. (2018), the Daniilidis Group, University of Pennsylvania",
        ("<any>/<sequence>_data.hdf5 and <any>/<sequence>_gt_flow_dist.npz of outdoor_day2",
         "<any>/<sequence>_data.hdf5 and <any>/<sequence>_gt_flow_dist.npz of outdoor_day1, indoor_flying1, 2 and 3"),
        (), 5, 1, (260, 346), None, "h5py",
    ),
}  # fmt: skip


class Bins(NamedTuple):
    """How the events of a recording become frames."""

    size: tuple  # (height, width) of a frame, or (channels,)
    steps: int = 0  # T; 0: as many whole bins as fit between the first event and the last, at least one
    width_us: int = 0  # of a bin; 0: `steps` equal shares
    start: str = "zero"  # of the first bin: time "zero", the "clip"'s beginning, its first "event"
    clip_us: int = 0  # a sample is a clip of this length, the first from the first event on; 0: the whole recording
    share: str = "time"  # what is shared out equally where no width is given: the "time", or the "number" of events


BINS = {
    # N-MNIST is in neither paper nor code: 336 ms hold the three saccades.
    "NMNIST": dict.fromkeys(("paper", "code"), Bins((17, 17), 21, 16_000)),
    # A recording is shorter than two clips, so that the code's first second is its only one.
    "SHD": {"paper": Bins((700,), 100, 10_000), "code": Bins((700,), 0, 10_000, "event", 1_000_000)},
    "DVSGesture": {
        "paper": Bins((32, 32), 20, 75_000, "clip", 1_500_000),
        "code": Bins((32, 32), 0, 75_000, "event", 1_575_000),
        "code test": Bins((32, 32), 0, 75_000, "event"),
    },
    "CIFAR10DVS": {"paper": Bins((48, 48), 10), "code": Bins((48, 48), 10, share="number")},
    "NCALTECH101": {"paper": Bins((45, 60), 10, 30_000), "code": Bins((45, 60), 0, 30_000, "event")},
}


def bins(name, published, part):
    """Return the `Bins` of a part ("train" or "test") of a set, as published in the "paper" or in its "code"."""
    if published not in ("paper", "code"):
        raise ValueError(f"published: got {published!r}, expected paper or code")
    return BINS[name].get(f"{published} {part}", BINS[name][published])


def named(text):
    """Return the set that a text means, by folder or title: "SHD", "n-mnist", "dvs_gesture"."""
    wanted = _plain(str(text))
    for name, info in SETS.items():
        if wanted in (_plain(name), _plain(info.title)):
            return name
    raise ValueError(f"set: got {text!r}, expected one of {', '.join(SETS)}")


def _plain(text):
    """Return the letters and digits of a text, in lower case."""
    return "".join(c for c in text.lower() if c.isalnum())
