"""What several commands ask for: counts, lists of numbers, folders; a refusal is one line."""

import argparse
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path


def numbers(text):
    """Return the numbers of a list such as "-1,0,1"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected numbers such as -1,0,1") from None


def count(text):
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of at least 1")
    return int(text)


def folder(text):
    """Return the path of a folder, which has a name."""
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected a folder")
    return Path(text)


@contextmanager
def results_folder(out, name):
    """Make the folder for results, out or runs/<name>-<time>; yield it, and take it away again if nothing was written.

    Refused where it cannot be written or holds results already.  An interrupt says what it leaves behind.
    """
    place = out or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    made = not place.exists()
    if not made and not place.is_dir():
        raise ValueError(f"--out: got {place}, a file, expected a folder")
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()  # a folder that is there may still refuse files
    except OSError as bad:
        raise ValueError(f"--out: got {place} ({bad.strerror}), expected a folder that can be written") from None
    if (place / "result.json").exists():
        raise ValueError(f"--out: got {place}, which holds results, expected a new folder or an empty one")
    try:
        yield place
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what was finished is in {place}" if any(place.iterdir()) else "nothing was finished") from None
    finally:
        if made and not any(place.iterdir()):
            place.rmdir()
