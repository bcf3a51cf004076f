"""NMEA 0183 (to 4.11) from any bytes: RMC, GGA, GSA, GST, ZDA and GSV of the talkers GP GN GL GA GB BD GQ QZ GI.

Guarantees: every sentence has shown its own checksum, one without is refused; it never raises, whatever the bytes, and finds
the next sentence after any garbage; lines to 120 characters; 0 bytes allocated. Impossible content (minute 60, latitude 91,
31 February, 24:00:00, no hemisphere, position 0,0, a position of no time) refuses the whole sentence. VTG, GLL and everything
proprietary are passed over.

    state = new_state()
    i = 0
    while i < n:
        i = scan(buf, i, n, state)
        if state[KIND]:
            kind = decode(state)  # 0: refused; then see V_* for what a kind carries

`buf` is a bytearray, bytes or a memoryview of bytes with at least `n` bytes. The work is done in `_nmea_viper`.
"""

from array import array

try:
    from ._nmea_viper import *  # noqa: F403
    from ._nmea_viper import GGA, GSA, GST, GSV, RMC, STATE_SIZE, TALKER_WORDS, TYPE_WORDS, WANTED, ZDA
except (SyntaxError, ValueError):  # an interpreter without machine code, such as the unix port on a 64-bit Arm
    from ._nmea_plain import *  # noqa: F403
    from ._nmea_plain import GGA, GSA, GST, GSV, RMC, STATE_SIZE, TALKER_WORDS, TYPE_WORDS, WANTED, ZDA  # type: ignore


def new_state():
    """What one stream of bytes needs from call to call."""
    state = array("i", (0 for _ in range(STATE_SIZE)))
    _put_words(state, TYPE_WORDS, b"RMCGGAZDAGSTGSAGSV", 3)
    _put_words(state, TALKER_WORDS, b"GIGQQZBDGBGAGLGNGP", 2)
    for kind, fields in (
        (RMC, (1, 2, 3, 4, 5, 6, 7, 8, 9, 12)),
        (GGA, (1, 2, 3, 4, 5, 6, 7, 8)),
        (ZDA, (1, 2, 3, 4)),
        (GST, (1, 6, 7)),
        (GSA, (2, 16)),
        (GSV, (2, 3, 7, 11, 15, 19)),
    ):
        for field in fields:
            state[WANTED + kind] |= 1 << field
    return state


def _put_words(state, at, names, width):
    for i in range(0, len(names), width):
        at += 1
        for c in names[i : i + width]:
            state[at] = state[at] << 8 | c
