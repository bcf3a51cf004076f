"""The inner loop of NMEA 0183: bytes in, checked and decoded integers out. No allocation, no exception, whatever the bytes.

One source for every interpreter, in the subset that viper and Python read alike: machine code on MicroPython, plain Python
on CPython, and plain Python on a MicroPython that cannot make machine code (`nmea` loads it there without the decorators).
Viper integers have 32 bits on a microcontroller and 64 on a laptop: no intermediate here leaves 31 bits and a sign, and no
negative number is ever read back from `state` (the 64-bit port would load it unsigned). tests/firmware/core/test_nmea.py
runs this file with integers that object.

`state` is an array('i') of STATE_SIZE, made by `nmea.new_state`:
     0  the scanner between two bytes
    10  the names of the kinds
    16  KIND ... counters; V_*: what the last sentence said, -1 where it said nothing
    40  the sky: for each of 9 talkers epoch, second of the day, satellites in view, signals heard << 8 | best C/N0
    76  the 21 fields of the sentence (a GSV with a signal id has 21), three numbers each: digits before the point, seven
        digits after it, and the form (0 empty, 1 malformed, 33 to 126 the one character that it holds, 128 + n a number
        with n digits before the point)
   139  the names of the talkers; the fields that are wanted of each kind
"""
# pyright: reportInvalidTypeForm=false, reportGeneralTypeIssues=false

from .port import MICROPYTHON, const

if not MICROPYTHON:
    from ._cpython import micropython, ptr8, ptr32

STATE_SIZE = const(154)

# Kinds of sentence, and what `scan` has found (0: the bytes ran out first).
RMC = const(1)
GGA = const(2)
ZDA = const(3)
GST = const(4)
GSA = const(5)
GSV = const(6)

KIND = const(16)
TALKER = const(17)  # GI 1, GQ 2, QZ 3, BD 4, GB 5, GA 6, GL 7, GN 8, GP 9
ACCEPTED = const(18)  # sentences decoded
BAD = const(19)  # sentences of ours that were cut, too long or failed their checksum
REFUSED = const(20)  # right checksum, impossible content
V_TOD = const(21)  # second of the day, 86400 in a leap second; -1 when the time field is empty
V_MILLIS = const(22)
V_OK = const(23)  # RMC: status A and not mode N; GGA: quality above 0
V_LAT = const(24)  # 1e-7 degrees; set only when V_OK
V_LON = const(25)
V_SPEED = const(26)  # cm/s
V_COURSE = const(27)  # degrees, 0-359
V_DAY = const(28)  # days since 1970-01-01
V_QUALITY = const(29)  # GGA's 0-8; for RMC its mode indicator in the same numbers
V_SATELLITES = const(30)
V_HDOP = const(31)  # tenths
V_FIX_TYPE = const(32)  # GSA's 1, 2, 3
V_RADIUS = const(33)  # dm, 95 %, from GST
V_IN_VIEW = const(34)  # by `sky`
V_CN0 = const(35)  # dBHz, by `sky`
V_HEARD = const(39)  # signals of 20 dBHz and more, by `sky`

RADIUS_HUGE = const(65534)  # dm: 200 m or more in an axis; the largest radius that a record can say

TYPE_WORDS = const(9)  # state[TYPE_WORDS + kind] is its name as a number, "RMC" for RMC
TALKER_WORDS = const(138)
WANTED = const(147)  # state[WANTED + kind] has a bit for each field that `decode` reads

_EPOCH = const(36)
_NOW = const(37)
_NOW_MILLIS = const(38)
_SKY = const(40)
_FIELDS = const(76)
_FORM_1 = const(81)  # form of field 1; field n is 3 * (n - 1) further
_LAST_FIELD = const(20)
_NUMBER = const(128)
_BODY_MAX = const(116)  # `$`, 116 characters, `*hh`: lines to 120. The standard says 82; RTK receivers go to 100
_SKY_AGE_S = const(10)  # a talker's GSV older than this says nothing about now; slow receivers send it every 5 s
_COUNT_MASK = const(0x3FFFFFFF)
_HEARD_DBHZ = const(20)  # what a receiver of this class can track; weaker ones are guesses that come and go


@micropython.viper
def scan(b: ptr8, i: int, n: int, s: ptr32) -> int:
    """Read the bytes b[i:n] to the end of the next sentence with a right checksum; where to go on. s[KIND] says what came.

    A sentence may be spread over any number of calls. Whatever is no sentence of ours is passed over, and every `$` starts anew.
    """
    # Viper keeps the first three locals in registers: b, i and n. A digit is c ^ 48 < 10, one comparison for two.
    phase = s[0]  # 0 seeking `$`, 1 in the address, 2 in the fields, 3 and 4 at the digits of the checksum
    xor = s[1]
    start = i - s[2]  # where the body began, perhaps in an earlier call
    k = s[3]  # the field
    whole = s[4]
    frac = s[5]
    digits = s[6]  # before the point
    places = s[7]  # 0 no point yet, else 1 + digits after it; no more than 8
    odd = s[8]  # the first character that is not of a number, or 1 when it cannot be either any more
    wanted = s[9]  # bit k: field k is read, else only summed
    bad = s[BAD]
    s[KIND] = 0
    while i < n:
        c = b[i]
        i += 1
        if phase == 2:
            d = c ^ 48
            if d < 10:
                if odd:
                    odd = 1
                i -= 1
                p = i
                if not places:
                    last = i + 9 - digits
                    if last > n:
                        last = n
                    while i < last:
                        d = b[i] ^ 48
                        if d > 9:
                            break
                        xor ^= d
                        whole = whole * 10 + d
                        i += 1
                    digits += i - p
                    if i == p:  # a tenth digit
                        odd = 1
                else:
                    last = i + 8 - places
                    if last > n:
                        last = n
                    while i < last:
                        d = b[i] ^ 48
                        if d > 9:
                            break
                        xor ^= d
                        frac = frac * 10 + d
                        i += 1
                    places += i - p
                if i == p:
                    xor ^= c
                    i += 1
                elif (i - p) & 1:
                    xor ^= 48
                continue
            if c == 44 or c == 42:  # , or *: the field ends
                if wanted >> k & 1:
                    if not odd and digits:
                        odd = _NUMBER + digits
                    elif places:
                        odd = 1
                    if frac:
                        while places < 6:
                            frac *= 1000
                            places += 3
                        while places < 8:
                            frac *= 10
                            places += 1
                    p = _FIELDS + 3 * k
                    s[p] = whole
                    s[p + 1] = frac
                    s[p + 2] = odd
                if i - start > _BODY_MAX + 1:  # the separator is not of the body
                    phase = 0
                    bad += 1
                elif c == 42:
                    phase = 3
                else:
                    xor ^= c
                    if k <= _LAST_FIELD:  # further ones are all number 21, which nobody wants
                        k += 1
                    if not wanted >> k & 1:  # no use in it: on to its end
                        while i < n:
                            c = b[i]
                            if c < 45 or c > 126:
                                break
                            xor ^= c
                            i += 1
                    whole = frac = digits = places = odd = 0
            elif c == 36:
                phase = 1
                bad += 1
            elif c < 32 or c > 126:
                phase = 0
                bad += 1
            else:
                xor ^= c
                if c == 46 and not places and not odd:
                    places = 1
                elif odd or places or digits:
                    odd = 1
                else:
                    odd = c
            if phase != 1:
                continue
        if c == 36:  # $
            phase = 1
            start = i
            xor = whole = k = 0
        elif phase == 1:
            p = i - start
            xor ^= c
            if p < 6:
                whole = (whole & 0xFFFF) << 8 | c
                if p == 2:
                    k = 9
                    while k and whole != s[TALKER_WORDS + k]:
                        k -= 1
                    s[TALKER] = k
                    if not k:
                        phase = 0
            else:
                k = 0
                if c == 44:
                    k = 6
                    while k and whole != s[TYPE_WORDS + k]:
                        k -= 1
                phase = 0
                if k:
                    phase = 2
                    s[_FIELDS] = k
                    wanted = s[WANTED + k]
                    s[9] = wanted
                    k = 1
                    whole = frac = digits = places = odd = 0
        elif not phase:
            while i < n and b[i] != 36:
                i += 1
        else:
            d = c ^ 48
            if d > 9:
                d = (c | 32) - 87  # a-f, A-F
                if d < 10 or d > 15:
                    d = 256  # no hexadecimal digit: matches nothing
            if phase == 3:
                phase = 4
                xor ^= d << 4
            else:
                phase = 0
                if xor == d:
                    s[KIND] = s[_FIELDS]
                    break
                bad += 1
    p = i - start
    if p > 200:  # nothing but rubbish without a comma; keep the number small
        p = 200
    s[2] = p
    s[BAD] = bad & _COUNT_MASK
    s[0] = phase
    s[1] = xor
    s[3] = k
    s[4] = whole
    s[5] = frac
    s[6] = digits
    s[7] = places
    s[8] = odd
    return i


@micropython.viper
def decode(s: ptr32) -> int:
    """Read the sentence that `scan` found into the V_* it carries, and return its kind; 0 when its content is impossible.

    A refused sentence must be taken as never sent: some V_* may have been written.
    """
    kind = s[KIND]
    k = s[3]
    while k < _LAST_FIELD:  # the fields it does not have are empty
        k += 1
        s[_FIELDS + 2 + 3 * k] = 0
    s[REFUSED] = (s[REFUSED] + 1) & _COUNT_MASK  # until shown otherwise
    if kind < GSA:
        form = s[_FORM_1]
        if not form:
            s[V_TOD] = -1
            s[V_MILLIS] = 0
        else:
            p = s[_FIELDS + 3]
            hour = p // 10000
            p -= hour * 10000
            minute = p // 100
            tod = (hour * 60 + minute) * 60 + p - minute * 100
            p -= minute * 100
            if form != _NUMBER + 6 or hour > 23 or minute > 59 or p > 60:
                return 0
            if p == 60 and tod != 86400:  # a leap second is the last of a UTC day
                return 0
            p = s[_FIELDS + 4] // 10000
            s[V_TOD] = tod
            s[V_MILLIS] = p
            if kind <= GGA and (tod != s[_NOW] or p != s[_NOW_MILLIS]):
                s[_NOW] = tod
                s[_NOW_MILLIS] = p
                s[_EPOCH] = (s[_EPOCH] + 1) & _COUNT_MASK
        if kind <= GGA and not form:
            s[_EPOCH] = (s[_EPOCH] + 1) & _COUNT_MASK

    if kind <= GGA:
        s[V_OK] = 0
        ok = 0
        if kind == RMC:
            if s[_FORM_1 + 3] == 65:
                p = s[_FORM_1 + 33]  # the mode indicator, since NMEA 2.3
                ok = 1
                if p == 68:  # D
                    ok = 2
                elif p == 80:  # P
                    ok = 3
                elif p == 82:  # R
                    ok = 4
                elif p == 70:  # F
                    ok = 5
                elif p == 69:  # E
                    ok = 6
                elif p == 77:  # M
                    ok = 7
                elif p == 83:  # S
                    ok = 8
                elif p == 78:  # N: no fix, whatever the status says
                    ok = 0
            p = _FIELDS + 9
        else:
            form = s[_FORM_1 + 15]
            if form == _NUMBER + 1:
                ok = s[_FIELDS + 18]
                if ok > 8:
                    return 0
            elif form:
                return 0
            p = _FIELDS + 6
        s[V_QUALITY] = ok
        if ok:
            if not s[_FORM_1]:  # a position of no time is no fix
                return 0
            axis = 0
            anywhere = 0
            while axis < 2:
                degrees = s[p] // 100
                x = (s[p] - degrees * 100) * 10000000
                top = 90 + 90 * axis
                # ddmm and dddmm, always all digits. Ties are rounded away from zero, so seven decimals of a minute decide:
                # what follows is less than one in x, and cannot lift a remainder of 29 sixtieths to 30.
                if s[p + 2] != _NUMBER + 4 + axis or x >= 600000000 or degrees > top:
                    return 0
                x += s[p + 1]
                if degrees == top and x:
                    return 0
                x = (x + 30) // 60 + degrees * 10000000
                anywhere |= x
                hemisphere = s[p + 5]
                if hemisphere == 78 - 9 * axis:  # N, E
                    s[V_LAT + axis] = x
                elif hemisphere == 83 + 4 * axis:  # S, W
                    s[V_LAT + axis] = 0 - x
                else:
                    return 0
                axis += 1
                p += 6
            if not anywhere:  # 0,0 is what a receiver sends that knows nothing
                return 0
            s[V_OK] = 1

    if kind == RMC:
        s[V_SPEED] = -1
        if s[_FORM_1 + 18] > _NUMBER and s[_FIELDS + 21] < 1274:
            # A knot is 1852 m/h (SI brochure): 463/9 cm/s.
            s[V_SPEED] = ((s[_FIELDS + 21] * 1000 + s[_FIELDS + 22] // 10000) * 463 + 4500) // 9000
        s[V_COURSE] = -1
        if s[_FORM_1 + 21] > _NUMBER and s[_FIELDS + 24] <= 360:
            p = s[_FIELDS + 24]
            if s[_FIELDS + 25] >= 5000000:
                p += 1
            if p >= 360:
                p -= 360
            s[V_COURSE] = p

    if kind == RMC or kind == ZDA:
        s[V_DAY] = -1
        form = s[_FORM_1 + 24]
        if kind == RMC:
            x = s[_FIELDS + 27]
            day = x // 10000
            x -= day * 10000
            month = x // 100
            year = x - month * 100 + 2000
            if year > 2079:
                year -= 100
            if form and form != _NUMBER + 6:
                return 0
        else:
            form = s[_FORM_1 + 3]
            day = s[_FIELDS + 6]
            month = s[_FIELDS + 9]
            year = s[_FIELDS + 12]
            if form and (form != _NUMBER + 2 or s[_FORM_1 + 6] != _NUMBER + 2 or s[_FORM_1 + 9] != _NUMBER + 4):
                return 0
        if form:
            if month < 1 or month > 12 or year < 1980 or year > 2099:
                return 0
            x = 31 - ((month - 1) % 7 & 1)
            if month == 2:
                x = 28
                if not year & 3:  # true from 1901 to 2099
                    x = 29
            if day < 1 or day > x:
                return 0
            if month < 3:  # years from March, so that the leap day is the last
                month += 12
                year -= 1
            s[V_DAY] = 365 * year + year // 4 + (153 * month - 457) // 5 + day - 719484

    if kind == GGA:
        s[V_SATELLITES] = -1
        if s[_FORM_1 + 18] > _NUMBER and s[_FORM_1 + 18] < _NUMBER + 4:
            s[V_SATELLITES] = s[_FIELDS + 21]
    if kind == GGA or kind == GSA:
        p = _FIELDS + 24
        if kind == GSA:
            p = _FIELDS + 48
            form = s[_FORM_1 + 3]
            s[V_FIX_TYPE] = s[_FIELDS + 6]
            if form != _NUMBER + 1 or s[_FIELDS + 6] < 1 or s[_FIELDS + 6] > 3:
                return 0
        s[V_HDOP] = -1
        if s[p + 2] > _NUMBER and s[p] < 1000:
            x = s[p] * 10 + (s[p + 1] + 500000) // 1000000
            if x:  # 0.0 is a receiver's word for unknown
                s[V_HDOP] = x

    if kind == GST:
        s[V_RADIUS] = -1
        p = _FIELDS + 18
        if s[p + 2] > _NUMBER and s[p + 5] > _NUMBER:
            if s[p] >= 200 or s[p + 3] >= 200:
                s[V_RADIUS] = RADIUS_HUGE
            else:
                x = s[p] * 100 + s[p + 1] // 100000  # standard deviations, in cm, below 20,000
                k = s[p + 3] * 100 + s[p + 4] // 100000
                x = x * x + k * k  # below 2**30
                k = 0
                p = 1 << 14
                while p:
                    if (k + p) * (k + p) <= x:
                        k += p
                    p >>= 1
                if k:
                    s[V_RADIUS] = (k + 4) // 5  # 2DRMS, twice the root of the sum of squares, rounded up

    if kind == GSV:
        if s[_FORM_1 + 3] < _NUMBER or s[_FORM_1 + 6] < _NUMBER or s[_FORM_1 + 6] > _NUMBER + 3:
            return 0
        p = _SKY + 4 * s[TALKER] - 4
        if s[_FIELDS + 6] == 1 and s[p] != s[_EPOCH] + 1:
            s[p] = s[_EPOCH] + 1  # a new round; the other signals of this talker (NMEA 4.11) come in the same epoch
            s[p + 2] = 0
            s[p + 3] = 0
        s[p + 1] = s[_NOW]
        if s[_FIELDS + 9] > s[p + 2]:
            s[p + 2] = s[_FIELDS + 9]
        k = _FIELDS + 21
        while k <= _FIELDS + 57:
            if s[k + 2] > _NUMBER and s[k + 2] < _NUMBER + 3:
                if s[k] >= _HEARD_DBHZ:
                    s[p + 3] += 256
                if s[k] > s[p + 3] & 255:
                    s[p + 3] += s[k] - (s[p + 3] & 255)
            k += 12

    s[REFUSED] = (s[REFUSED] - 1) & _COUNT_MASK
    s[ACCEPTED] = (s[ACCEPTED] + 1) & _COUNT_MASK
    return kind


@micropython.viper
def sky(s: ptr32):
    """Sum up the recent GSV of all talkers into V_IN_VIEW, V_CN0 and V_HEARD."""
    in_view = 0
    cn0 = 0
    heard = 0
    seen = 0
    p = _SKY
    while p < _SKY + 36:
        age = s[_NOW] - s[p + 1]
        if age < 0:
            age += 86400
        if s[p] and age <= _SKY_AGE_S:
            seen = 1
            in_view += s[p + 2]
            heard += s[p + 3] >> 8
            if s[p + 3] & 255 > cn0:
                cn0 = s[p + 3] & 255
        p += 4
    if not seen:
        in_view = -1
        cn0 = -1
        heard = -1
    s[V_IN_VIEW] = in_view
    s[V_CN0] = cn0
    s[V_HEARD] = heard


@micropython.viper
def take_position(s: ptr32, p: ptr32):
    """Copy V_LAT and V_LON into `p`, an array('i'): as Python numbers they would be heap objects on a microcontroller."""
    p[0] = s[V_LAT]
    p[1] = s[V_LON]
