"""Arrays inside an npz, read piece by piece: one entry of the first axis at a time, never the whole.

An npz is a zip of .npy files.  What a header says is checked before anything of that size is made, so that a small file
that unfolds into a huge one does no harm.  The zip's checksum is compared where an array is read to its end, no sooner.
"""

import zipfile
from collections import deque

import numpy as np

from stllr_ref.data.files import npy_header, reading, refuse

MOST = 2**20  # numbers that are read at once


class Frames:
    """The entries of one array [k, ...] of an npz, read when they are asked for; reading forwards is fast.

    Close it when done.  The last two entries are kept, because neighbours share them.
    """

    def __init__(self, path, name, entry=None):
        """Open array `name` of the npz at path; each entry must have the shape `entry`, where given."""
        self.path, self.name, self._archive, self._file, self._recent = path, name, None, None, deque(maxlen=2)
        try:
            with reading(path, "an npz"):
                self._open(entry)
        except BaseException:
            self.close()
            raise

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, i):
        """Return entry i."""
        for k, entry in self._recent:
            if k == i:
                return entry
        size = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        with reading(self.path, f"entry {i} of {self.name}"):
            self._file.seek(self._start + i * size)
            entry = np.frombuffer(self._read(size, f"entry {i}"), self.dtype).reshape(self.shape[1:])
        self._recent.append((i, entry))
        return entry

    def all(self):
        """Return the whole array, refused where it is not small."""
        count = int(np.prod([float(n) for n in self.shape]))
        if count > MOST:
            refuse(self.path, f"{self.name} of {self.shape}", f"at most {MOST} numbers")
        with reading(self.path, self.name):
            self._file.seek(self._start)
            return np.frombuffer(self._read(count * self.dtype.itemsize, "all"), self.dtype).reshape(self.shape)

    def close(self):
        """Close the file."""
        for file in (self._file, self._archive):
            if file is not None:
                file.close()

    def _open(self, entry):
        """Find the array, and refuse what its header says if that is not numbers [k, *entry] that fill it."""
        self._archive = zipfile.ZipFile(self.path)
        member = f"{self.name}.npy"
        if member not in self._archive.namelist():
            refuse(self.path, f"no {self.name}, but {', '.join(self._archive.namelist())[:80] or 'nothing'}", member)
        self._file = self._archive.open(member)
        self.shape, fortran, self.dtype, says = npy_header(self.path, self._file, self.name)
        self._start = self._file.tell()
        if fortran or not self.shape or (entry is not None and self.shape[1:] != entry):
            order = " in Fortran order" if fortran else ""
            refuse(self.path, f"{self.name} {self.shape}{order}", f"numbers [k{''.join(f', {n}' for n in entry or ())}]")
        if self._archive.getinfo(member).file_size != says:
            refuse(self.path, f"{self._archive.getinfo(member).file_size} bytes of {self.name}", f"{says}, as its header says")

    def _read(self, size, what):
        """Return the next bytes, refused where the file ends before."""
        data = self._file.read(size)
        if len(data) != size:
            refuse(self.path, f"{len(data)} bytes of {self.name}, {what}", f"{size}")
        return data
