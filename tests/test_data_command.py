"""The command `data` says of every set what is there, what is missing, who publishes it and where it goes; it fetches nothing."""

import importlib.util
import json
import socket
from pathlib import Path

import make_recordings as make
import numpy as np
import pytest

from stllr_ref import __main__ as cli
from stllr_ref.commands import data
from stllr_ref.data import catalogue

NAMES = ["NMNIST", "SHD", "DVSGesture", "CIFAR10DVS", "NCALTECH101", "MVSEC"]
REAL = Path(__file__).parents[2] / "shared" / "recorded"


@pytest.fixture(autouse=True)
def command(monkeypatch):
    def refused(*args, **options):
        raise AssertionError("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)
    monkeypatch.setattr(cli, "COMMANDS", (*(c for c in cli.COMMANDS if c is not data), data))


@pytest.fixture
def everything(tmp_path):
    """Write a few recordings of every set."""
    rng = np.random.default_rng(0)
    make.nmnist_set(tmp_path, rng, 12, 5)
    make.shd_set(tmp_path, rng)
    make.gesture_set(tmp_path, rng, until_ms=5000)
    make.cifar10_set(tmp_path, rng)
    make.ncaltech101_set(tmp_path, rng)
    for name in ("outdoor_day2", "outdoor_day1", "indoor_flying1"):
        flow = np.ones((2, 2, 260, 346))
        make.write_mvsec(tmp_path / f"MVSEC/{name}_data.hdf5", tmp_path / f"MVSEC/{name}_gt_flow_dist.npz", [1.5], [0], [0], [1], [1, 2], [1, 2], flow)
    return tmp_path


def run(capsys, *arguments):
    """Run the command, which must succeed; return what standard output got."""
    assert cli.main(["data", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def answer(capsys, *arguments):
    """Return the JSON object, its sets by name."""
    result = json.loads(run(capsys, *arguments, "--json"))
    assert [s["name"] for s in result["sets"]] == NAMES
    return result["data"], {s["name"]: s for s in result["sets"]}


def test_every_set_that_is_there_is_counted(everything, capsys):
    place, sets = answer(capsys, "--data", everything)
    assert place == str(everything)
    found = {name: (s["found"]["train"], s["found"]["test"]) for name, s in sets.items()}
    assert found == {"NMNIST": (12, 5), "SHD": (6, 4), "DVSGesture": (3, 2), "CIFAR10DVS": (6, 6), "NCALTECH101": (6, 3), "MVSEC": (1, 2)}
    assert sets["NMNIST"]["missing"] == 70_000 - 17 and sets["MVSEC"]["missing"] == 2
    assert all(s["problem"] is None for s in sets.values())


def test_what_is_not_there_is_missing(tmp_path, capsys):
    make.nmnist_set(tmp_path, np.random.default_rng(0), 3, 0)
    _, sets = answer(capsys, "--data", tmp_path)
    assert sets["NMNIST"]["found"] == {"train": 3, "test": 0}
    for name in NAMES[1:]:
        assert sets[name]["found"] is None and sets[name]["missing"] == sets[name]["whole"] > 0 and sets[name]["problem"] is None


def test_without_a_folder_it_says_what_would_go_where(capsys):
    place, sets = answer(capsys)
    assert place is None and all(s["found"] is None for s in sets.values())
    out = run(capsys)
    assert out.startswith("no folder given (--data DIR)")
    for name in NAMES:
        info = catalogue.SETS[name]
        assert name in out and info.publisher in out and all(f"{name}/{place}" in out for place in info.files)


def test_the_table_says_publisher_place_and_what_is_there(everything, capsys):
    out = run(capsys, "--data", everything)
    lines = out.splitlines()
    assert lines[0] == f"in {everything}:" and lines[-1] == "Nothing is downloaded; a subset of the files will do."
    assert "NMNIST      N-MNIST: 12 recordings for training, 5 for testing; 69,983 of 70,000 missing" in lines
    assert "MVSEC       MVSEC: 1 sequences for training, 2 for testing; 2 of 5 missing" in lines
    for name in NAMES:
        info = catalogue.SETS[name]
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{name} "))
        about = "\n".join(lines[at : at + 6])
        assert f"published by {info.publisher}" in about and all(place in about for place in info.files)


def test_it_names_no_address_to_download_from(everything, capsys):
    for out in (run(capsys), run(capsys, "--data", everything), run(capsys, "--json")):
        assert "http" not in out and "www" not in out and ".com" not in out and ".org" not in out


def test_a_broken_set_is_told_and_hides_no_other(everything, capsys):
    path = everything / "SHD" / "shd_train.h5"
    path.write_bytes(path.read_bytes()[:100])
    (everything / "NMNIST" / "Train" / "x").mkdir()
    (everything / "NMNIST" / "Train" / "x" / "1.bin").touch()
    _, sets = answer(capsys, "--data", everything)
    assert sets["SHD"]["problem"].startswith(f"{path} (100 bytes): got something unreadable") and sets["SHD"]["found"] is None
    assert "got the label 'x', expected 0 to 9" in sets["NMNIST"]["problem"]
    assert sets["MVSEC"]["found"] == {"train": 1, "test": 2} and sets["MVSEC"]["problem"] is None
    assert f"problem: {path} (100 bytes)" in run(capsys, "--data", everything)


def test_an_archive_that_was_not_unpacked_is_told(tmp_path, capsys):
    (tmp_path / "DVSGesture").mkdir()
    (tmp_path / "DVSGesture" / "ibmGestureTrain.tar.gz").touch()
    _, sets = answer(capsys, "--data", tmp_path)
    assert sets["DVSGesture"]["problem"].endswith("ibmGestureTrain.tar.gz (0 bytes) is not unpacked")


def test_packages_that_are_not_installed_are_told_with_the_line_that_installs_them(everything, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "aedat" else real(name))
    _, sets = answer(capsys, "--data", everything)
    assert sets["CIFAR10DVS"]["needs"] == {"tonic": True, "aedat": False} and sets["CIFAR10DVS"]["found"] == {"train": 6, "test": 6}
    assert "to read it: pip install aedat\n" in run(capsys, "--data", everything)


def test_a_folder_that_is_none_is_bad_input(tmp_path, capsys):
    for place, words in ((tmp_path / "x", "got no such folder"), (__file__, "got a file"), ("", "empty name")):
        assert cli.main(["data", "--data", str(place)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == 1 and words in err


def test_nothing_is_written(everything, capsys):
    before = {path: path.read_bytes() for path in everything.rglob("*") if path.is_file()}
    run(capsys, "--data", everything)
    assert {path: path.read_bytes() for path in everything.rglob("*") if path.is_file()} == before


def test_the_real_recordings_are_counted(capsys):
    if not REAL.is_dir():
        pytest.skip(f"no folder {REAL}: a small piece of the real N-MNIST, for trying")
    _, sets = answer(capsys, "--data", REAL)
    assert sets["NMNIST"]["found"] == {"train": 200, "test": 100} and sets["NMNIST"]["missing"] == 69_700
