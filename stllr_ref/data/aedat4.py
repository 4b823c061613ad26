"""Whether an AEDAT4 file holds what it says: header and packets end where their lengths say, so that none was cut short.

The file begins with its version, then a header that names the streams and says where the packets end; a packet is the
number of its stream, its length and so many bytes.  Header and packets are flatbuffers, tables of entries found by
offsets.  The decoder follows offsets unchecked and takes the process with it where they lead astray: so they are
followed here first.  Of compressed packets only the length is looked at.
"""

import struct

MAGIC = b"#!AER-DAT4.0\r\n"
EVENT = 16  # bytes


class Astray(ValueError):
    """A length or an offset that leads out of the file; its two arguments are what was found and what was expected."""


def packets(file, size):
    """Return how many packets an AEDAT4 file has.

    Parameters
    ----------
    file : binary file
        At its beginning.
    size : int
        Bytes of the file.

    Raises
    ------
    Astray
        At the first length or offset that does not fit.
    """
    head = file.read(len(MAGIC) + 4)
    if head[: len(MAGIC)] != MAGIC or len(head) < len(MAGIC) + 4:
        raise Astray(f"the version {head[: len(MAGIC)]!r}", f"{MAGIC!r}")
    start = len(head) + struct.unpack_from("<I", head, len(MAGIC))[0]
    if start > size:
        raise Astray(f"a header that ends at byte {start}", "an end within the file (a file cut short?)")
    compression, end = _header(file.read(start - len(head)))
    end = size if end == -1 else end
    if not start <= end <= size:
        raise Astray(f"packets that end at byte {end}", f"an end from {start} to {size} (a file cut short?)")
    count, streams = 0, set()
    while start < end:
        file.seek(start)
        head = file.read(min(8, end - start))
        stop = start + 8 + (struct.unpack("<4xI", head)[0] if len(head) == 8 else 0)
        if stop > end:
            raise Astray(f"packet {count} from byte {start} to {stop}", f"an end at {end} or before (a file cut short?)")
        if not compression and _packet(file.read(stop - start - 8), count):
            streams.add(head[:4])
        start, count = stop, count + 1
    if len(streams) > 1:  # tonic would read the first alone
        raise Astray(f"events in {len(streams)} streams", "one stream of events")
    return count


def _header(data):
    """Return the number of the compression, 0 for none, and where packets end, -1 if that is not said."""
    try:
        compression, end, text = _entries(data, 0, 3)
        text += struct.unpack_from("<I", data, text)[0]
        stop = text + 4 + struct.unpack_from("<I", data, text)[0]
        if data[4:8] != b"IOHE" or stop > len(data):
            raise struct.error
        data[text + 4 : stop].decode()
        return struct.unpack_from("<i", data, compression)[0] if compression else 0, struct.unpack_from("<q", data, end)[0] if end else -1
    except (struct.error, UnicodeDecodeError):
        raise Astray(f"a header of {len(data)} bytes that is none", "one that names the streams") from None


def _packet(data, number):
    """Return whether an uncompressed packet holds events; refused unless it is as long as it says, and holds them all."""
    try:
        if struct.unpack_from("<I", data, 0)[0] != len(data) - 4:
            raise struct.error
        if data[8:12] != b"EVTS":
            return False
        (events,) = _entries(data, 4, 1)
        if events:
            events += struct.unpack_from("<I", data, events)[0]
            count = struct.unpack_from("<I", data, events)[0]
            if events + 4 + EVENT * count > len(data):
                raise Astray(f"{count} events in packet {number} of {len(data)} bytes", f"{EVENT} bytes an event")
        return True
    except struct.error:
        raise Astray(f"packet {number} of {len(data)} bytes that is none", "a packet as long as it says") from None


def _entries(data, root, count):
    """Return where the first entries of the table stand to which the number at `root` leads, 0 for one that is not there."""
    table = root + struct.unpack_from("<I", data, root)[0]
    directory = table - struct.unpack_from("<i", data, table)[0]
    if directory < 0:
        raise struct.error
    known = (struct.unpack_from("<H", data, directory)[0] - 4) // 2
    offsets = struct.unpack_from(f"<{min(max(known, 0), count)}H", data, directory + 4)
    return [table + at if at else 0 for at in offsets] + [0] * (count - len(offsets))
