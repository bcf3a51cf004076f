"""What is left of a crash: where it was, for a record after the restart, and how many there were of late.

Kept as one value in the settings store: u8 crashes in a row, u8 1 when the last is not told yet, u16 seconds from the one
before to the last, u32 CRC-32 of the module's path, u16 line, u16 type of the exception (the low 15 bits of the CRC-32 of its
name). `LIMIT` crashes within `WINDOW_S`, from the first to the last, start the safe application instead.
"""

import struct
import sys
from binascii import crc32
from io import StringIO

from .port import const

LIMIT = const(3)
WINDOW_S = const(600)

_FORMAT = "<BBHIHH"
_SIZE = const(12)
_TYPE_MASK = const(0x7FFF)


def read(store):
    """(crashes in a row, not told yet, seconds between the last two, path, line, type); zeros when there was none."""
    blob = store.blob("crash", _SIZE)
    return struct.unpack(_FORMAT, blob) if len(blob) == _SIZE else (0, 0, 0, 0, 0, 0)


def keep(store, error, uptime_s):
    """Note an exception that ended the application after `uptime_s`. Prints its traceback."""
    text = StringIO()
    sys.print_exception(error, text)  # type: ignore
    text = text.getvalue()  # type: ignore
    print(text, end="")
    path, line = place(text)
    _note(store, uptime_s, crc32(path.encode()), line, crc32(type(error).__name__.encode()) & _TYPE_MASK)


def keep_reset(store, uptime_s):
    """Note that the watchdog had to reset the application, which took about `uptime_s`."""
    _note(store, uptime_s, 0, 0, 0)


def told(store):
    """The last one is in the journal."""
    count, is_new, gap_s, path, line, kind = read(store)
    if is_new:
        store.keep_blob("crash", struct.pack(_FORMAT, count, 0, gap_s, path, line, kind))


def forget(store):
    """The application has run long enough: the next crash is the first."""
    if read(store)[0]:
        store.forget("crash")  # of one that is not told yet too: what tells it comes first


def _note(store, uptime_s, path, line, kind):
    # With a limit of three, the two times between the last three crashes say it all.
    count, _, gap_s, _, _, _ = read(store)
    if uptime_s > WINDOW_S:
        count = 0
        uptime_s = WINDOW_S + 1
    elif count > 1 and gap_s + uptime_s > WINDOW_S:
        count = 1
    store.keep_blob("crash", struct.pack(_FORMAT, min(count + 1, 255), 1, uptime_s, path, min(line, 0xFFFF), kind))


def place(traceback):
    """(path, line) of the innermost of our own modules in a traceback; ("", 0) when none is in it."""
    found = "", 0
    for text in traceback.split("\n"):
        # `  File "firmware/tag/tracker.py", line 117, in run`
        parts = text.split('"')
        if len(parts) == 3 and parts[1].startswith("firmware/") and parts[2].startswith(", line "):
            digits = parts[2][7:].split(",")[0]
            if digits.isdigit():
                found = parts[1], int(digits)
    return found
