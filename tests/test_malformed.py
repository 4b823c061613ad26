"""Broken files of every recorded format through the command line: exit 2, one line that names the file and the reason, nothing written.

The files are those of test_recorded.py and test_mvsec.py, which read them through the library.
"""

from collections import Counter

import h5py
import make_recordings as make
import numpy as np
import pytest
import test_mvsec as flow
import test_recorded as events
from test_recorded import no_network  # noqa: F401

from stllr_ref import __main__ as cli


def whole_file(name, data):
    """Return a function that writes a recording of a set from bytes, or by write(path) -> None; it returns the path."""

    def make_it(folder):
        path = make._place(folder / events.FILE[name])
        data(path) if callable(data) else path.write_bytes(data)
        return path

    return make_it


def changed_hdf5(edit):
    """Return a function that writes a sequence of MVSEC for training and changes its HDF5 file; it returns the path."""

    def make_it(folder):
        path, _ = flow.write(folder, flow.recording(np.random.default_rng(0)), "outdoor_day2")
        with h5py.File(path, "r+") as file:
            edit(file)
        return path

    return make_it


def other_npz(members):
    """Return a function that writes a sequence of MVSEC for training and another npz in place of its own; it returns the path."""

    def make_it(folder):
        _, path = flow.write(folder, flow.recording(np.random.default_rng(0), 50), "outdoor_day2")
        make.write_npz(path, members)
        return path

    return make_it


CASES = {  # (format, what is wrong) -> function that writes it and returns the path, what the line must say
    **{(name, what): (whole_file(name, data), words) for what, (name, data, words) in events.BAD_FILES.items()},
    **{("CIFAR10DVS", what): (whole_file("CIFAR10DVS", write), words) for what, (write, words) in events.BAD_AEDAT4.items()},
    **{("SHD", what): (whole_file("SHD", write), words) for what, (write, words) in events.BAD_SHD.items()},
    **{("MVSEC HDF5", what): (changed_hdf5(edit), words) for what, (edit, words) in flow.BAD_HDF5.items()},
    **{("MVSEC npz", what): (other_npz(members), words) for what, (members, words) in flow.BAD_NPZ.items()},
}
TASK = {
    "NMNIST": "digits",
    "NCALTECH101": "digits",
    "CIFAR10DVS": "digits",
    "DVSGesture": "gestures",
    "SHD": "speech",
    "MVSEC HDF5": "flow",
    "MVSEC npz": "flow",
}
IN_A_ROW = {  # of SHD, found when that row is read
    "unequal lengths", "a unit of 700", "a unit of -1", "a negative time", "a time NaN", "a time inf", "a time of 1e30 s",
    "a row of 2**32 times", "a row of 2**32 units", "a row of 2**32 times in a piece",
}  # fmt: skip
each_case = pytest.mark.parametrize(
    "kind, what",
    [pytest.param(*key, marks=events.needs_aedat if key[0] == "CIFAR10DVS" else (), id="-".join(key)) for key in CASES],
)


def content(folder):
    """Return path -> bytes of all below a folder, None of a folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder for recordings, which is also where the command is started, so that runs/ would show."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_at_least_60_broken_files_and_some_of_every_format():
    count = Counter(kind for kind, _ in CASES)
    assert count.total() >= 60 and count.keys() == TASK.keys() and min(count.values()) >= 4, count


@each_case
def test_training_on_a_broken_file_is_exit_2_and_one_line_and_nothing_is_written(kind, what, place, capfd):
    write, words = CASES[kind, what]
    path = write(place)
    before = content(place)
    assert cli.main(["run", TASK[kind], "--data", str(place)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.endswith("\n") and err[:-1].isprintable()  # one line, and no code that a terminal obeys
    assert err.startswith(f"stllr_ref: {path} (") and "bytes): got " in err and words in err and "Traceback" not in err, err
    assert content(place) == before


@each_case
def test_the_command_data_opens_no_recording_and_tells_of_shd_what_it_finds_wrong(kind, what, place, capfd):
    """It counts recordings; those of SHD are rows of a file, in which it looks at the labels.  A broken set hides no other: it exits with 0."""
    write, words = CASES[kind, what]
    path = write(place)
    before = content(place)
    assert cli.main(["data", "--data", str(place)]) == 0
    out, err = capfd.readouterr()
    problems = [line.strip() for line in out.splitlines() if "problem" in line]
    assert len(problems) == (kind == "SHD" and what not in IN_A_ROW)
    assert all(line.startswith(f"problem: {path} (") and words in line for line in problems)
    assert err == "" and "Traceback" not in out and content(place) == before


@pytest.mark.parametrize("task, file", [("digits", "NMNIST/Train/1/1{}.bin"), ("flow", "MVSEC/1{}_data.hdf5")])
def test_a_file_whose_name_has_two_lines_is_refused_in_one(task, file, place, capfd):
    make._place(place / file.format("\n\x1b[2J")).write_bytes(b"?")
    assert cli.main(["run", task, "--data", str(place)]) == 2
    err = capfd.readouterr().err
    assert err[:-1].isprintable() and str(place / file.format(r"\n\x1b[2J")) in err
