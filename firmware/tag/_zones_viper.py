"""What `zones` does over all zones at once, in 32-bit integers: which boxes a fix is near, what a measured zone makes of it,
which interval is wanted, and whether a zone's bytes are in order. No allocation, no exception.

One source for every interpreter, as `core/_geo_viper`. `s` is the array('i') of `Zones`: a head, then a row of ROW words a zone.
Nothing negative is kept in it (viper reads it unsigned where it has 64 bits): latitudes have 90 degrees added, longitudes are
halved and have 90 degrees added, for 360 degrees do not fit 32 bits.

     0  of `geo`'s scale, four words
     4  zones; 5 the fix's latitude, 6 longitude, 7 radius in dm; 8 near in dm; 9 UTC; 10 reach in dm, 11 in units of latitude,
    12  in half units of longitude; 13 UTC of the last fix, 0: not known where the tag is now
    14  what one row gives: 14 where to read its points, 0: its box is far; 15 the word there; 16 points; 17 dm from its edge;
    18  1 inside it; 19 error bound in dm; 20 its id; 21 its kind
    22  bytes of the map; 23 words of the points' buffer; 24 interval_s of the settings; 25 dwell_s
  Row: 0 lat_min, 1 lon_min, 2 lat_max, 3 width of longitude; 4 offset | points << 16; 5 id | kind << 16 | confirm << 18;
    6  state | interval_s << 12; 7 UTC when a schedule changes next; 8 UTC when the pending change was seen first
  State: bits 0-1 settled (0 unknown, 1 outside, 2 inside), 2-3 pending (same), 4-7 points of the pending change, then ACTIVE,
    UNTOLD, _CLOSE: so near that its interval is wanted, _CENTRE: the centre of the last fix was in this exclusion zone, and in
    bits 28 and 29 _TWICE: that of two fixes in a row, and none has been outside since; _OTHER: the last fix is on the other side
    than the settled one, if only by its circle and not by half a radius more
"""
# pyright: reportInvalidTypeForm=false, reportGeneralTypeIssues=false

from ..core.geo import polygon, scale, separation
from ..core.port import MICROPYTHON, const

if MICROPYTHON:

    def buffers(words):  # type: ignore
        """One buffer of so many 32-bit words, as bytes to read into, and as what is given for a ptr32."""
        buf = bytearray(4 * words)
        return buf, buf

else:
    from array import array

    from ..core._cpython import micropython, ptr32

    def buffers(words):  # type: ignore
        buf = array("i", bytes(4 * words))
        return memoryview(buf).cast("B"), buf


FIRST = const(26)
ROW = const(9)
ACTIVE = const(0x100)
UNTOLD = const(0x200)
_CLOSE = const(0x400)
_CENTRE = const(0x800)
_TWICE = const(0x10000000)
_OTHER = const(0x20000000)

# What `next_row` looks for.
CHECK = const(0)  # near zones, and far ones that this settles
HOMES = const(1)  # all of kind HOME
TELL = const(2)  # settled, active and not told

# As in core/zonemap: machine code is made with the numbers of its own file.
_EXCLUSION = const(1)
_INCLUSION = const(2)
_HOME = const(3)
_CIRCLE = const(1)
_POLYGON = const(2)
_POINTS_MAX = const(64)
_CONFIRM_MAX = const(10)
_RADIUS_MAX_DM = const(1000000)
_LAT_MAX_E7 = const(860000000)

_QUARTER = const(900000000)
_VAGUEST = const(65534)  # dm, the largest that a record can say
_REACH_MAX = const(20000)  # dm, how near `near` may be
_WIDE = const(0x0FFFFFFF)  # half units: no zone and no margin is wider than 53.7 degrees
_VAGUE = const(20000)  # dm: a poorer fix decides nothing but what is far from it; `geo` need not be exact there
_CENTRE_DM = const(600)  # as the bridge's rules: a larger circle's centre says nothing
_STALE_S = const(5400)  # a fix says no more where the tag is; at rest there is one an hour


@micropython.viper
def begin(s: ptr32, p: ptr32, radius_dm: int, near_dm: int) -> int:
    """A fix at p, for whose latitude s is scaled; 0 when it is none."""
    top = 0x3FFFFFFF
    top += top + 1
    lat = p[0]
    if lat > top:
        lat = lat - top - top - 2
    x = p[1]
    if x > top:
        x = x - top - top - 2
    half = _QUARTER
    half += half
    if lat < -_QUARTER or lat > _QUARTER or x < 0 - half or x > half or radius_dm <= 0:
        return 0
    if radius_dm > _VAGUEST:
        radius_dm = _VAGUEST
    if near_dm > _REACH_MAX:
        near_dm = _REACH_MAX
    s[5] = lat + _QUARTER
    s[6] = (x >> 1) + _QUARTER
    s[7] = radius_dm
    s[13] = s[9]
    s[8] = near_dm
    # As far as anything matters: near, or a circle half as large again for who leaves; rounded up for the plane's error.
    x = radius_dm + (radius_dm >> 1) + near_dm
    x += (x >> 6) + 16
    s[10] = x
    x = x * 10  # a decimetre has no more than 9.05 units; the rest makes up for meridians that meet
    s[11] = x
    x = (x << 8) // s[0] + 1
    if x > 32767:
        x = 32767
    x = (x << (s[1] - 9)) + 2
    if x > _WIDE:
        x = _WIDE
    s[12] = x
    return 1


@micropython.viper
def next_row(s: ptr32, row: int, what: int) -> int:
    """The next row after `row` (0: the first) that `what` asks for, 0 when there is none; s[14:22] tell of it.

    With CHECK far zones that stay outside are passed over: a far zone costs its bounding box and no more.
    """
    turn = _QUARTER
    turn += turn
    end = FIRST + s[4] * ROW
    row += ROW
    if row == ROW:
        row = FIRST
    if what == TELL and (s[13] == 0 or s[9] - s[13] > _STALE_S):
        return 0
    while row < end:
        state = s[row + 6]
        kind = s[row + 5]
        s[20] = kind & 0xFFFF
        kind = kind >> 16 & 3
        s[21] = kind
        if what == TELL:
            if state & (ACTIVE | UNTOLD) == ACTIVE | UNTOLD and state & 3 != 0:
                s[row + 6] = state ^ UNTOLD
                s[18] = (state & 3) >> 1
                return row
        elif what == CHECK or kind == _HOME:
            far = 1
            if s[5] + s[11] >= s[row] and s[5] - s[11] <= s[row + 2]:
                x = s[6] - s[row + 1]
                if x < 0:
                    x += turn
                if x <= s[row + 3] + s[12] + 1 or turn - x <= s[12] + 1:
                    far = 0
            s[14] = 0
            if far == 0:
                x = s[row + 4]
                s[16] = x >> 16
                x &= 0xFFFF
                s[15] = 0
                far = s[22] - (s[23] << 2)  # the whole buffer is read, so it must not begin later
                if x > far:
                    s[15] = (x - far) >> 2
                    x = far
                s[14] = x
                return row
            if what == HOMES or state & 0xF != 1 or state & (ACTIVE | UNTOLD) == ACTIVE | UNTOLD:
                return row
            state &= 0x3FFFFFFF ^ (_CLOSE | _CENTRE | _TWICE | _OTHER)
            if kind == _INCLUSION:
                state |= _CLOSE
            s[row + 6] = state
        row += ROW
    return 0


@micropython.viper
def measure(o, pos, points):
    """What the row found is to the fix at pos: s[17:20]. A zone whose box is far is as far as anything matters. o is s."""
    s = ptr32(o)
    reach = s[10]
    s[17] = reach
    s[18] = 0
    s[19] = 0
    if s[14] != 0:
        if s[7] > _VAGUE:
            s[17] = 0
        else:
            if s[16] == 1:
                b = ptr32(points)
                x = b[s[15] + 2] & 0xFFFFF
                reach += x + (x >> 8)  # further than the radius by more than the error bound
                scale(o, pos, points, s[15])
                x -= int(separation(o, pos, points, s[15], reach))
                scale(o, pos, pos, 0)
                if x >= 0:
                    s[18] = 1
                else:
                    x = 0 - x
                s[17] = x
            else:
                x = int(polygon(o, pos, points, s[15], s[16], reach))
                s[18] = x & 1
                s[17] = x >> 1
            s[19] = 2 + (reach >> s[3])


@micropython.viper
def verdict(o, pos, points) -> int:
    """2 the whole circle of the fix is inside the row found, 1 it is outside, 0 unknown."""
    measure(o, pos, points)
    s = ptr32(o)
    x = s[7] + s[19]
    if s[17] < x:
        return 0
    if s[18] != 0:
        return 2
    if s[17] == x:
        return 0
    return 1


@micropython.viper
def judge(o, pos, points, row: int) -> int:
    """Take what the row found is to the fix into its state; 1 when it is to be told (s[18], s[20], s[21])."""
    measure(o, pos, points)
    s = ptr32(o)
    state = s[row + 6]
    settled = state & 3
    seen = 2
    if s[18] == 0:
        seen = 1
    x = s[7] + s[19]
    other = 0
    if settled != 0 and seen != settled:  # who changes sides has to come half a radius further
        if s[17] > s[7]:
            other = _OTHER
        x += s[7] >> 1
    if s[17] < x or (s[17] == x and seen == 1):
        seen = 0
    kind = s[21]
    centre = 0
    twice = state & _TWICE
    if kind == _EXCLUSION and s[18] != 0 and s[7] <= _CENTRE_DM:
        centre = _CENTRE
        if state & _CENTRE != 0:
            twice = _TWICE
    elif seen == 1:
        twice = 0
    told = 0
    count = state >> 4 & 15
    pending = state >> 2 & 3
    if seen != 0:
        if seen == settled:
            pending = 0
            count = 0
        else:
            if seen != pending:
                pending = seen
                count = 0
            if count == 0 or s[9] < s[row + 8]:
                s[row + 8] = s[9]
            if count < 15:
                count += 1
            x = s[25]
            if count >= s[row + 5] >> 18 or (x != 0 and count > 1 and s[9] - s[row + 8] >= x):
                settled = seen
                other = 0
                pending = 0
                count = 0
                state |= UNTOLD
        if seen == settled and state & (ACTIVE | UNTOLD) == ACTIVE | UNTOLD:
            told = 1
            state ^= UNTOLD
    x = 0
    if s[17] <= s[7] + s[8]:
        x = 1
    if kind == _INCLUSION:
        if s[18] == 0:
            x = 1
    elif s[18] != 0:
        x = 1
    own = state >> 12 & 0xFFFF
    if own == 0:
        if kind == _HOME:
            x = 0
    elif kind == _INCLUSION:
        x = 1
    state = own << 12 | state & (ACTIVE | UNTOLD) | count << 4 | pending << 2 | settled | centre | twice | other
    if x != 0:
        state |= _CLOSE
    s[row + 6] = state
    return told


@micropython.viper
def wanted(s: ptr32) -> int:
    """The shortest interval in seconds that an active zone asks for, 0: none does; 1 << 16 more for each one that is violated or
    whose violation waits to be confirmed, 1 << 23 more for each of which the last fixes say something else, by the bridge's
    rules alone or not yet often enough."""
    best = 0
    violated = 0
    row = FIRST
    end = FIRST + s[4] * ROW
    while row < end:
        state = s[row + 6]
        if state & ACTIVE != 0:
            kind = s[row + 5] >> 16 & 3
            x = state & _CLOSE
            bad = 0
            if kind == _EXCLUSION:
                bad = 2
            if kind == _INCLUSION:
                bad = 1
            if bad != 0 and (state & 3 == bad or state >> 2 & 3 == bad):
                x = 1
                violated += 1 << 16
                if state >> 2 & 3 == 3 - bad or (state & 3 == bad and state & _OTHER != 0):
                    violated += 1 << 23
            elif bad != 0 and (state & _OTHER != 0 or (bad == 2 and state & _TWICE != 0)):
                violated += 1 << 23
            if x != 0:
                x = state >> 12 & 0xFFFF
                if x == 0:
                    x = s[24]
                if state & (_CENTRE | _TWICE) == _CENTRE and state & 3 != 2 and state >> 2 & 3 != 2:
                    x = (x + 1) >> 1  # a second centre decides
                if best == 0 or x < best:
                    best = x
        row += ROW
    return best | violated


@micropython.viper
def due(s: ptr32, utc_s: int) -> int:
    """It is utc_s (above 0; s[9] keeps it): the first row whose schedule says something else than before; 0: none."""
    top = 0x3FFFFFFF
    top += top - 1
    if utc_s > top or utc_s < 0:
        utc_s = top
    back = 0
    if utc_s < s[9]:
        back = 1
    s[9] = utc_s
    found = 0
    row = FIRST + s[4] * ROW
    while row > FIRST:
        row -= ROW
        x = s[row + 7]
        if back != 0 and x <= top + 1:  # the clock was set back: look again
            s[row + 7] = 0
            x = 0
        if x <= utc_s:
            found = row
    return found


@micropython.viper
def admit(s: ptr32, row: int, h: ptr32, floor: int, intervals: int) -> int:
    """Read a zone's head h (8 words) into the row; how many words its points have, 0 when the head is not in order.

    Points lie from byte `floor` to s[22]; there are so many `intervals` in the map.
    """
    top = 0x3FFFFFFF
    top += top + 1
    turn = _QUARTER
    turn += turn
    x = h[0]
    kind = x >> 16 & 255
    shape = x >> 24 & 255
    s[row + 5] = x & 0xFFFF | kind << 16 & 0x30000
    x = h[1]
    s[row + 6] = (x & 0xFFFF) << 12 | UNTOLD
    n = x >> 24 & 255
    x = x >> 16 & 255
    if kind < 1 or kind > _HOME or x < 1 or x > _CONFIRM_MAX:
        return 0
    s[row + 5] |= x << 18
    words = n + n
    if shape == _CIRCLE:
        words = 4
        if n != 1:
            return 0
    elif shape != _POLYGON or n < 3 or n > _POINTS_MAX:
        return 0
    x = h[2]
    if x < floor or x > 0xFFFF or x & 3 != 0 or x + (words << 2) > s[22]:
        return 0
    s[row + 4] = x | n << 16
    x = h[3]
    n = x >> 16 & 0xFFFF
    if (x & 0xFFFF) + n > intervals:
        return 0
    s[row + 8] = 0
    s[row + 7] = 0
    if n == 0:
        s[row + 7] = top
        s[row + 6] |= ACTIVE
    n = 0
    while n < 4:
        x = h[4 + n]
        if x > top:
            x = x - top - top - 2
        if n & 1 == 0:
            if x < -_LAT_MAX_E7 or x > _LAT_MAX_E7:
                return 0
            x += _QUARTER
        else:
            x = (x >> 1) + _QUARTER
            if x < 0 or x > turn:
                return 0
        if n == 3:
            x -= s[row + 1]
            if x < 0:
                x += turn
            if x > _WIDE:
                return 0
        elif n == 2 and (x < s[row] or x - s[row] > _WIDE + _WIDE):
            return 0
        s[row + n] = x
        n += 1
    return words


@micropython.viper
def encloses(s: ptr32, row: int, b: ptr32) -> int:
    """Whether the row's box has all of the zone's points b in it, and a whole circle, for whose centre s is scaled."""
    top = 0x3FFFFFFF
    top += top + 1
    turn = _QUARTER
    turn += turn
    n = s[row + 4] >> 16
    dy = 0
    dx = 0
    if n == 1:
        dy = b[2]
        if dy < 1 or dy > _RADIUS_MAX_DM:
            return 0
        dy = (dy >> 12) * s[2] + ((dy & 4095) * s[2] >> 12)
        dy -= dy >> 10
        dx = (dy // s[0] << 14) + (dy % s[0] << 14) // s[0]  # half units
        i = s[1]
        while i > 15:
            dx += dx
            if dx > _WIDE:
                return 0
            i -= 1
    i = 0
    while i < n + n:
        x = b[i]
        if x > top:
            x = x - top - top - 2
        if x < 0 - _QUARTER or x > _QUARTER:
            return 0
        x += _QUARTER - s[row]
        if x < dy or x > s[row + 2] - s[row] - dy:
            return 0
        x = b[i + 1]
        if x > top:
            x = x - top - top - 2
        x = (x >> 1) + _QUARTER
        if x < 0 or x > turn:
            return 0
        x -= s[row + 1]
        if x < 0:
            x += turn
        if x < dx or x > s[row + 3] - dx:
            return 0
        i += 2
    return 1
