"""The wearer's zones: which of them each fix is inside or outside of, when that is told, and how often a fix is wanted.

Guarantees: a fix is inside only if its whole 95 % circle is inside, outside only if the whole circle is outside, else unknown;
no exception, whatever the map's bytes: a malformed map is refused whole; 0 bytes are allocated a check besides what the map's
`read` does; a zone further away than matters costs its bounding box. Where distances are uncertain (see core/geo) the band
of unknown is wider by that.

The map (its layout: bridge/orders/zonemap.py) is read in place; one of 0 bytes has no zones. In RAM are the boxes and the state,
36 bytes a zone, and one buffer for the points of one zone; room for the largest map is taken once, at the start, for a heap that
has lived for a week has no such pieces left.

A change is told after `confirm` points of the zone that say so, or by the second when `dwell_s` has passed since the first
(0: points alone count). This holds for the first state after a start as well. A point on the old side begins anew; an unknown
one counts for neither. Who has been on one side must come half a radius further into the other than the circle needs.
The state goes on while a zone's schedule is out; nothing is told then. As it comes in, the settled state is told anew: by
`tick` when the last fix still holds, else by the first fix that agrees. So a wearer who stands inside is told of.

The fix interval asked for, the zone's own or the setting: in an exclusion zone or near it; outside an inclusion zone or near its
edge, deep inside it only if it has an interval of its own (sampling no finer than the condition needs); in or near a home zone
only if it has one of its own.
"""

import struct
from array import array

from ..core.geo import scale
from ..core.port import const
from ..core.zonemap import HEAD_SIZE, INTERVAL_SIZE, INTERVALS_MAX, MAP_SIZE, SIZE_MAX, VERSION, ZONES_MAX

try:
    from ._zones_viper import (
        ACTIVE,
        CHECK,
        FIRST,
        HOMES,
        ROW,
        TELL,
        UNTOLD,
        admit,
        begin,
        buffers,
        due,
        encloses,
        judge,
        next_row,
        verdict,
        wanted,
    )
except (SyntaxError, ValueError):  # an interpreter without machine code
    from ._zones_plain import *  # type: ignore  # noqa: F403

_ENDED = const(0x7FFFFFFE)
_POINTS_MAX = const(64)


def _open(read, start, size, s):
    # The counts of zones and intervals into s[4] and s[0]; what is wrong with them, else None.
    s[4] = 0
    s[22] = size
    if size == 0:
        return None
    if size < MAP_SIZE or size > SIZE_MAX or size & 3:
        return "size"
    head = bytearray(MAP_SIZE)
    read(start, head)
    version, n, intervals = struct.unpack("<BBH", head)
    if version != VERSION:
        return "version"
    if n > ZONES_MAX or intervals > INTERVALS_MAX or MAP_SIZE + n * HEAD_SIZE + intervals * INTERVAL_SIZE > size:
        return "counts"
    s[4] = n
    s[0] = intervals
    return None


def refusal(read, start, size):
    """Why the `size` bytes from `start` on are no zone map, in a word or two; None when they are. Reads all of it."""
    s = array("i", bytes(4 * (FIRST + ROW)))  # type: ignore
    why = _open(read, start, size, s)
    if why:
        return why
    n_intervals = s[0]
    intervals = MAP_SIZE + s[4] * HEAD_SIZE
    head, words = buffers(HEAD_SIZE // 4)
    room, corners = buffers(2 * _POINTS_MAX)
    pair = bytearray(INTERVAL_SIZE)
    for i in range(s[4]):
        read(start + MAP_SIZE + i * HEAD_SIZE, head)
        n = admit(s, FIRST, words, intervals + n_intervals * INTERVAL_SIZE, n_intervals)
        if not n:
            return "zone %d" % i
        read(start + (s[FIRST + 4] & 0xFFFF), memoryview(room)[: 4 * n])
        scale(s, corners, corners, 0)
        if not encloses(s, FIRST, corners):
            return "points of zone %d" % i
        first, n = struct.unpack_from("<HH", head, 12)
        ended = 0
        for k in range(first, first + n):
            read(start + intervals + k * INTERVAL_SIZE, pair)
            from_s, until_s = struct.unpack("<II", pair)
            if not ended <= from_s < until_s:
                return "intervals of zone %d" % i
            ended = until_s
    return None


class Zones:
    """Calls on_change(zone_id, kind, inside, radius_dm), with the radius of the fix that decided.

    `read(offset, buf)` fills buf, as in `refusal`; `refused` says why the map is not used (then there are no zones). Numbers as
    in core/settings: zone_interval_s, zone_near_m, zone_dwell_s. Before a `check` `travel_dm` may be set: how far the wearer
    may come until the next fix; that far is near, too.
    """

    def __init__(self, read, start, size, interval_s, near_m, dwell_s, on_change):
        self._read = read
        self._on_change = on_change
        self._state = array("i", range(FIRST + ZONES_MAX * ROW))
        self._room, self._points = buffers(2 * _POINTS_MAX)
        self.load(start, size, interval_s, near_m, dwell_s)

    def load(self, start, size, interval_s, near_m, dwell_s):
        """Another map, and other settings. Nothing is known of its zones yet."""
        self.travel_dm = 0
        self._start = start
        self._near_dm = near_m * 10
        self._wanted = 0
        s = self._state
        self.refused = refusal(self._read, start, size)
        for i in range(len(s)):
            s[i] = 0
        if not self.refused:
            _open(self._read, start, size, s)
        n_intervals = s[0]
        s[24] = interval_s
        s[25] = dwell_s
        head, words = buffers(HEAD_SIZE // 4)
        for i in range(s[4]):
            self._read(start + MAP_SIZE + i * HEAD_SIZE, head)
            s[23] = max(s[23], admit(s, FIRST + i * ROW, words, MAP_SIZE, n_intervals))
        self._buf = memoryview(self._room)[: 4 * s[23]]

    def interval_s(self):
        """The fix interval wanted now; 0: the zones want none."""
        return self._wanted & 0xFFFF

    @property
    def in_violation(self):
        """Inside an active exclusion zone or outside an active inclusion zone, or the last fixes say so."""
        return self._wanted >> 16 & 0x7F > 0

    @property
    def violations(self):
        """A number that is another one when the last fix was the first to say that a violation begins or ends. To the bridge's
        rules a circle just beyond the edge says so, too, and two centres in a row in an exclusion zone."""
        return self._wanted >> 16

    def check(self, pos, radius_dm, utc_s):
        """A fix at pos, array('i') of lat_e7 and lon_e7. With a radius of 0 or less, or off the Earth, it is none."""
        s = self._state
        self._schedules(utc_s)
        scale(s, pos, pos, 0)
        if begin(s, pos, radius_dm, max(self._near_dm, self.travel_dm)):
            points = self._points
            row = next_row(s, 0, CHECK)
            while row:
                if s[14]:
                    self._read(self._start + s[14], self._buf)
                if judge(s, pos, points, row):
                    self._on_change(s[20], s[21], s[18] != 0, s[7])
                row = next_row(s, row, CHECK)
        self._wanted = wanted(s)

    def tick(self, utc_s):
        """Between fixes, when schedules may begin or end (a minute is often enough). No-op with utc_s 0."""
        s = self._state
        self._schedules(utc_s)
        row = next_row(s, 0, TELL)
        while row:
            self._on_change(s[20], s[21], s[18] != 0, s[7])
            row = next_row(s, row, TELL)
        self._wanted = wanted(s)

    def forget(self):
        """Nobody knows where the tag is (the receiver is off in RF mode): `tick` tells nothing before the next fix."""
        self._state[13] = 0

    def is_home(self, pos, radius_dm):
        """Whether a fix is in a zone of kind HOME: None when there is none, or it cannot be said."""
        s = self._state
        scale(s, pos, pos, 0)
        home = None
        if begin(s, pos, radius_dm, 0):
            row = next_row(s, 0, HOMES)
            home = False if row else None
            while row:
                if s[14]:
                    self._read(self._start + s[14], self._buf)
                seen = verdict(s, pos, self._points)
                if seen == 2:
                    return True
                if seen == 0:
                    home = None
                row = next_row(s, row, HOMES)
        return home

    def _schedules(self, utc_s):
        if utc_s <= 0:
            return
        s = self._state
        row = due(s, utc_s)
        while row:
            self._schedule(row, utc_s)
            row = due(s, utc_s)

    def _schedule(self, row, utc_s):
        # The schedule of the row at utc_s: whether it is in, and when that changes.
        s = self._state
        pair = bytearray(INTERVAL_SIZE)
        self._read(self._start + MAP_SIZE + (row - FIRST) // ROW * HEAD_SIZE + 12, pair)
        first, last = struct.unpack_from("<HH", pair)
        last += first
        change = _ENDED
        active = False
        while first < last:
            k = (first + last) >> 1
            self._read(self._start + MAP_SIZE + s[4] * HEAD_SIZE + k * INTERVAL_SIZE, pair)
            from_s, until_s = struct.unpack("<II", pair)
            if until_s <= utc_s:
                first = k + 1
            else:
                last = k
                active = from_s <= utc_s
                change = until_s if active else from_s
        s[row + 7] = min(change, _ENDED)
        s[row + 6] = s[row + 6] | ACTIVE if active else (s[row + 6] | ACTIVE | UNTOLD) ^ ACTIVE
