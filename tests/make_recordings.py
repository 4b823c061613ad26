"""Small files of the recorded sets, each in its real format, written without the packages that read them.

`events(rng, n, sensor)` makes events; `write_*` writes one file; `*_set` a whole folder as tonic lays it out.  Nothing
here imports stllr_ref or tonic.
"""

import io
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def events(rng, n, sensor, until_us=300_000):
    """Return t (sorted, us), x, y, p of n events of a sensor (height, width) or (channels,); y is None for the latter."""
    t = np.sort(rng.integers(0, until_us, n))
    x = rng.integers(0, sensor[-1], n)
    return t, x, rng.integers(0, sensor[0], n) if len(sensor) == 2 else None, rng.integers(0, 2, n)


def write_bin(path, t, x, y, p):
    """N-MNIST, N-Caltech101: five bytes an event, x, y, polarity and 23 bits of time, most significant first."""
    rows = [bytes([x_, y_, p_ << 7 | t_ >> 16, t_ >> 8 & 255, t_ & 255]) for t_, x_, y_, p_ in zip(*(np.asarray(a).tolist() for a in (t, x, y, p)))]
    _place(path).write_bytes(b"".join(rows))


def write_npy(path, t_ms, x, y, p, dtype=np.float64):
    """DVS Gesture: an array [n, 4] of x, y, p, t in ms."""
    np.save(_place(path), np.stack([np.asarray(a) for a in (x, y, p, t_ms)], 1).astype(dtype))


def write_shd(path, recordings, labels, **extra):
    """SHD: recordings is a list of (times in s, units); times float16, units uint16, both ragged."""
    data = {"times": (np.float16, [t for t, _ in recordings]), "units": (np.uint16, [x for _, x in recordings])}
    with h5py.File(_place(path), "w") as file:
        for name, (kind, rows) in data.items():
            out = file.create_dataset(f"spikes/{name}", (len(rows),), h5py.vlen_dtype(kind))
            for i, row in enumerate(rows):
                out[i] = np.asarray(row, kind)
        file["labels"] = np.asarray(labels, extra.get("labels", np.uint16))
        file["extra/keys"] = np.array([f"word {k}" for k in range(20)], "S8")
        file["extra/speaker"] = np.zeros(len(labels), np.uint16)


def write_aedat4(path, packets, *, end=True, streams=(("0", "EVTS"),), tail=b""):
    """CIFAR10-DVS: an uncompressed AEDAT4 file; packets is a list of (t, x, y, p), or of bytes for stream 0."""
    body = b""
    for packet in packets:
        data = packet if isinstance(packet, bytes) else event_packet(*packet)
        body += struct.pack("<II", 0, len(data)) + data
    head = io_header(-1, streams)
    start = 14 + 4 + len(head)
    if end:
        head = io_header(start + len(body), streams)
    _place(path).write_bytes(b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(head)) + head + body + tail)


def io_header(end, streams):
    """Return the flatbuffer of the header: compression none, where packets end, the streams in XML."""
    node = '<node name="{}"><attr key="typeIdentifier" type="string">{}</attr><node name="info"><attr key="sizeX" type="int">128</attr><attr key="sizeY" type="int">128</attr></node></node>'
    xml = f'<dv version="2.0"><node name="outInfo">{"".join(node.format(*s) for s in streams)}</node></dv>'.encode()
    vtable = struct.pack("<5H", 10, 24, 20, 8, 4)  # of the table below: compression at 20, end at 8, text at 4
    vtable += bytes(2)  # the table begins at a multiple of 4, its 64 bits at one of 8
    table = struct.pack("<iIqii", len(vtable), 20, end, 0, 0)
    text = struct.pack("<I", len(xml)) + xml + b"\0"
    return struct.pack("<I", 8 + len(vtable)) + b"IOHE" + vtable + table + text


def event_packet(t, x, y, p):
    """Return the flatbuffer of a packet of events, its size before it: 64 bits of time, 16 of x and y, one byte ON."""
    rows = np.zeros(len(t), np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "u1"), ("pad", "V3")]))
    rows["t"], rows["x"], rows["y"], rows["on"] = t, x, y, p
    head = struct.pack("<I", 16) + b"EVTS" + struct.pack("<3H2x", 6, 8, 4) + struct.pack("<iI", 8, 8) + bytes(4) + struct.pack("<I", len(t))
    data = head + rows.tobytes()
    return struct.pack("<I", len(data)) + data


def write_mvsec(data, truth, t, x, y, p, frames_s, flow_s, flow, *, inds=None, compressed=False):
    """MVSEC: an HDF5 file of events and grey frames, an npz of flow [k, 2, 260, 346]; times in s, polarity -1 or 1."""
    frames_s = np.asarray(frames_s, float)
    rows = np.stack([x, y, t, p], 1).astype(float)
    with h5py.File(_place(data), "w") as file:
        left = file.create_group("davis/left")
        left["events"] = rows
        left["image_raw_ts"] = frames_s
        left["image_raw_event_inds"] = np.searchsorted(rows[:, 2], frames_s) if inds is None else np.asarray(inds)
        left.create_dataset("image_raw", (len(frames_s), 260, 346), np.uint8)
    flow = np.asarray(flow, float)
    save = np.savez_compressed if compressed else np.savez
    save(_place(truth), timestamps=np.asarray(flow_s, float), x_flow_dist=flow[:, 0], y_flow_dist=flow[:, 1])


def npz_member(shape, dtype="<f8", data=b"", version=(1, 0)):
    """Return the bytes of an .npy that says it has a shape, whatever follows."""
    out = io.BytesIO()
    write = np.lib.format.write_array_header_1_0 if version == (1, 0) else np.lib.format.write_array_header_2_0
    write(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


def write_npz(path, members, compressed=True):
    """Write an npz of name -> bytes."""
    with zipfile.ZipFile(_place(path), "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)


def nmnist_set(folder, rng, train=20, test=10, n=200):
    """Write an N-MNIST of that many recordings; return path -> (t, x, y, p)."""
    out = {}
    for part, count in (("Train", train), ("Test", test)):
        for k in range(count):
            path = Path(folder) / "NMNIST" / part / str(k % 10) / f"{k:05d}.bin"
            out[path] = events(rng, n, (34, 34))
            write_bin(path, *out[path])
    return out


def shd_set(folder, rng, train=6, test=4, n=300):
    """Write an SHD; return path -> list of (times in s as float16, units)."""
    out = {}
    for part, count in (("train", train), ("test", test)):
        path, rows = Path(folder) / "SHD" / f"shd_{part}.h5", []
        for _ in range(count):
            t, x, _, _ = events(rng, n, (700,), 900_000)
            rows.append(((t / 1e6).astype(np.float16), x))
        write_shd(path, rows, [3 * k % 20 for k in range(count)])
        out[path] = rows
    return out


def gesture_set(folder, rng, train=(("user02_led", 0, 10), ("user10_lab", 3)), test=(("user24_fluorescent", 2, 10),), n=400, until_ms=2000):
    """Write a DVS Gesture of users and labels; return path -> (t in ms, x, y, p)."""
    out = {}
    for part, users in (("ibmGestureTrain", train), ("ibmGestureTest", test)):
        for user, *labels in users:
            for label in labels:
                path = Path(folder) / "DVSGesture" / part / user / f"{label}.npy"
                out[path] = events(rng, n, (128, 128), until_ms)
                write_npy(path, *out[path])
    return out


def cifar10_set(folder, rng, numbers=(3, 20, 909, 91), classes=("dog", "airplane", "truck"), n=300, start_us=1_500_000_000_000_000):
    """Write a CIFAR10-DVS of numbers of each class; return path -> (t, x, y, p)."""
    out = {}
    for name in classes:
        for number in numbers:
            path = Path(folder) / "CIFAR10DVS" / name / f"cifar10_{name}_{number}.aedat4"
            t, *rest = events(rng, n, (128, 128))
            out[path] = (t + start_us, *rest)
            write_aedat4(path, [tuple(a[s] for a in out[path]) for s in (slice(0, 100), slice(100, None))])
    return out


def ncaltech101_set(folder, rng, numbers=(1, 2, 10), classes=("Faces_easy", "BACKGROUND_Google", "anchor"), n=300):
    """Write an N-Caltech101; return path -> (t, x, y, p), x and y from 3 and 5 on."""
    out = {}
    for name in classes:
        for number in numbers:
            path = Path(folder) / "NCALTECH101" / "Caltech101" / name / f"image_{number:04d}.bin"
            t, x, y, p = events(rng, n, (175, 237))
            out[path] = t, x + 3, y + 5, p
            write_bin(path, *out[path])
    return out


def _place(path):
    """Return a path whose folder exists."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def edit(data, rng):
    """Return bytes with a random edit: cut off, overwritten, left out, put in, filled with extremes, one bit."""
    out, how = bytearray(data), rng.integers(6)
    at = int(rng.integers(min(len(out), int(rng.choice([64, 400, 10**9])))))
    if how == 0:
        del out[rng.integers(len(out) + 1) :]
    elif how == 1:
        for _ in range(rng.integers(1, 8)):
            out[rng.integers(at, len(out))] = rng.integers(256)
    elif how == 2:
        del out[at : at + rng.integers(1, 20)]
    elif how == 3:
        out[at:at] = rng.bytes(rng.integers(1, 20))
    elif how == 4:
        out[at : at + 8] = (b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f")[rng.integers(4)]
    else:
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)
