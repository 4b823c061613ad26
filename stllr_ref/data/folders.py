"""Which recordings of a set a folder holds: path, label and part of each, in the order of paths.

Labels and parts hang on the path of a file alone, never on what else is there, so that any subset will do.  (The labels
of N-Caltech101 alone count the class folders in alphabetical order: keep them all, empty ones too.)  Files whose name
begins with a dot are none of the set's.  Nothing is downloaded.
"""

from pathlib import Path
from typing import NamedTuple

from stllr_ref.data import files
from stllr_ref.data.catalogue import CIFAR10, PARTS, SETS


class Item(NamedTuple):
    """One sample: a recording, or a clip of it."""

    path: Path
    label: int
    row: int = 0  # of the recording, where a file holds many
    clip: int = 0  # of the clips of the recording, this one
    clips: int = 1


def find(folder, name):
    """Return the recordings of a set below a folder, as a dict of two lists of `Item`: "train" and "test".

    Parameters
    ----------
    folder : path
        Where the set's folder lies, as tonic lays it out.
    name : str
        Of the set, one of `SETS`; not MVSEC, which has flow for labels.

    Raises
    ------
    ValueError
        If there is none: names the place looked at; or if a file's label is none of the set's.
    """
    root = Path(folder) / name
    found = _FIND[name](root)
    if not any(found.values()):
        raise files.BadFile(missing(folder, name))
    return found


def present(folder):
    """Return the names of the sets whose folder lies in a folder, refused where that is no folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise files.BadFile(f"{folder}: got {'a file' if folder.exists() else 'no such folder'}, expected a folder of recorded sets")
    return [name for name in SETS if (folder / name).is_dir()]


def missing(folder, name):
    """Return one line that says what a folder lacks of a set, who publishes it and where it goes."""
    info, root = SETS[name], Path(folder) / name
    packed = [root / archive for archive in info.archives if (root / archive).is_file()]
    hint = "".join(f"; {p} ({p.stat().st_size} bytes) is not unpacked" for p in packed)
    looked = " or ".join(str(root / place) for place in info.files)
    return f"{root}: got no recordings of {info.title}, expected {looked}; published by {info.publisher}; nothing is downloaded{hint}"


def below(root, suffix):
    """Return the files below a folder whose name has the suffix, in the order of their paths; none where there is no folder."""
    found = (path for path in root.rglob(f"*{suffix}") if not path.name.startswith("."))
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _label(path, text, classes):
    """Return the label that a name spells, 0 to classes - 1."""
    if text not in map(str, range(classes)):
        files.refuse(path, f"the label {text[:40]!r}", f"0 to {classes - 1}")
    return int(text)


def _nmnist(root):
    """Return the recordings of N-MNIST: the folder is part and digit."""
    parts = zip(PARTS, ("Train", "Test"))
    return {part: [Item(p, _label(p, p.parent.name, 10)) for p in below(root / place, ".bin")] for part, place in parts}


def _gesture(root):
    """Return the recordings of DVS Gesture: the folder is the part, the name the gesture."""
    parts = zip(PARTS, ("ibmGestureTrain", "ibmGestureTest"))
    return {part: [Item(p, _label(p, p.stem, 11)) for p in below(root / place, ".npy")] for part, place in parts}


def _shd(root):
    """Return the recordings of SHD: a file a part, a row a recording."""
    paths = {part: root / f"shd_{part}.h5" for part in PARTS}
    labels = {part: files.labels_shd(path, 20).tolist() if path.exists() else [] for part, path in paths.items()}
    return {part: [Item(paths[part], label, row) for row, label in enumerate(labels[part])] for part in PARTS}


def _cifar10(root):
    """Return the recordings of CIFAR10-DVS: the folder is the class, the number gives the part."""
    out = {part: [] for part in PARTS}
    for path in below(root, ".aedat4"):
        if path.parent.name not in CIFAR10:
            files.refuse(path, f"the class {path.parent.name[:40]!r}", f"one of {', '.join(CIFAR10)}")
        # The authors' program takes the last 100 of 1,000 names; in the order of text 0, 1, 10, 100, 101, ... 909 is the 901st.
        part = "test" if _number(path) >= "909" else "train"
        out[part].append(Item(path, CIFAR10.index(path.parent.name)))
    return out


def _ncaltech101(root):
    """Return the recordings of N-Caltech101: the folder is the class, the number gives the part."""
    root, out = root / "Caltech101", {part: [] for part in PARTS}
    classes = sorted(place.name for place in root.iterdir() if place.is_dir()) if root.is_dir() else []
    for path in below(root, ".bin"):
        if path.parent.name not in classes:
            files.refuse(path, "no folder of a class around it", f"{root / '<class>' / '*.bin'}")
        out["test" if _number(path).endswith("0") else "train"].append(Item(path, classes.index(path.parent.name)))
    return out


def _number(path):
    """Return the digits at the end of a file's name, as text; empty where there are none, which is "train"."""
    stem = path.stem
    return stem[len(stem.rstrip("0123456789")) :]


_FIND = {"NMNIST": _nmnist, "SHD": _shd, "DVSGesture": _gesture, "CIFAR10DVS": _cifar10, "NCALTECH101": _ncaltech101}
