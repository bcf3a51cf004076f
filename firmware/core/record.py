"""The record: the only form that a fact from a device ever has. 32 bytes, little-endian, written once, the same in flash,
on the air, on the wire and at the bridge's door.

     0  u32  seq        never reused, gap-free per device, from 1
     4  u32  time       UTC seconds since 1970; see UNDATED and TIME_OF_DAY
     8  u8   kind       FIX or EVENT
     9  u8   flags      bits 0-1 mode, then the flags below
    10  u16  millis     0-999; the boot number of an UNDATED record
         FIX                                      EVENT
    12  i32  lat_e7     1e-7 degrees              12  u16  code     what happened (the codes below)
    16  i32  lon_e7                               14  u16  spare    0
    20  u16  speed_cms  65535 unknown             16  i32  value_a  evidence, by code
    22  u16  radius_dm  95 %; 65535 unknown       20  i32  value_b
    24  u8   course     2-degree steps; 255       24  u8   spare    255
    25  u8   satellites 255 unknown               25  u8   spare    255
    26  u8   hdop       tenths; 255 unknown       26  u8   spare    255
    27  u8   battery    percent; 255 unknown      27  u8   battery
    28  u32  crc        CRC-32 of bytes 0-27

A record made before the clock is known is UNDATED: `time` is the uptime in seconds and `millis` the low 16 bits of the
boot count. The CLOCK_SET event of the same boot carries both times, and with it the bridge dates the others.
"""

import struct
from binascii import crc32

from .port import const

SIZE = const(32)

FIX = const(1)
EVENT = const(2)

MODE_MASK = const(3)
MODE_UNKNOWN = const(0)
MODE_GPS = const(1)
MODE_RF = const(2)
MODE_OFF = const(3)  # no valid lease: nothing is tracked

UNDATED = const(4)  # time is uptime, millis is the boot number
TIME_OF_DAY = const(8)  # the receiver gave no date: time is seconds since midnight UTC
CHARGING = const(16)
MOVING = const(32)
DATE_DOUBTFUL = const(64)  # dated by the receiver, but before this firmware was built or after the receiver's rollover

BOOT = const(1)  # a reset cause, b boot count
CLOCK_SET = const(2)  # a uptime in s at this record's time, b boot count
MODE = const(3)  # a the new mode, b the reason (MODE_BY_*)
STRAP_CUT = const(4)  # a loop reading in mV
STRAP_CLOSED = const(5)  # a loop reading in mV; never undoes a cut
BATTERY = const(6)  # a percent, b mV; at each stage on the way down and on the way up
CHARGER_ON = const(7)
CHARGER_OFF = const(8)
PRESENCE = const(9)  # home unit: a PRESENCE_*, b the tag's device id
MAINS_LOST = const(10)
MAINS_BACK = const(11)
MOVED = const(12)  # home unit: a debounce in ms
STATUS = const(13)  # heartbeat: a uptime in s, b battery in mV
GNSS_LOST = const(14)  # a seconds without a fix while one was sought
GNSS_BACK = const(15)
JOURNAL_FULL = const(16)  # a unreceipted records gone since this was told last, b the first sequence number still held
FAULT = const(17)  # a FAULT_*, b detail
CASE_OPENED = const(18)
CASE_CLOSED = const(19)  # never undoes an opening
SHIELDED = const(20)  # the receiver, the home unit and the network fell silent together: a the C/N0 before, in dBHz, b seconds
SHIELD_ENDED = const(21)  # a seconds it lasted
JAMMED = const(22)  # a the fall of C/N0 in dB, b satellites in view before << 16 | now
JAM_ENDED = const(23)  # a seconds it lasted
SPOOFED = const(24)  # positions jump while the tag is at rest: a metres, b the first jump's seconds
SPOOF_ENDED = const(25)  # a seconds it lasted
MOTION_NO_FIX = const(26)  # moving, and the receiver works, but no fix: a seconds
RECEIVER_DEAD = const(27)  # nothing that makes sense comes from it: a bytes heard, b seconds
RECEIVER_BACK = const(28)
MODEM_DEAD = const(29)  # it does not answer (a network that is not there is none of this): a attempts
MODEM_BACK = const(30)
CLOCK_GONE = const(31)  # no UTC since the start: a uptime in s
UNIT_SILENT = const(32)  # tag: its home unit is not heard, though a fix is at home: a the radius in dm
UNIT_BACK = const(33)
ZONE = const(34)  # a ZONE_* state << 16 | the zone's id, b the radius in dm
ORDER_DONE = const(35)  # a the order's number, b 0 or why not (message.ORDER_*)
LEASE = const(36)  # a the wear period's id, b LEASE_*
CRASH = const(37)  # a CRC-32 of the module's path ("firmware/tag/tracker.py"), b type of the exception << 16 | line
SAFE_MODE = const(38)  # a 1: crashes came too fast, the safe tracker runs; 0: the whole application again
COMMS_LOST = const(39)  # home unit: a seconds without the broker
COMMS_BACK = const(40)  # a seconds it lasted
RANGE = const(41)  # range test: a room << 16 | slot << 12 | frames, b lowest RSSI << 16 | median, as signed numbers
BROWN_OUT = const(42)  # the supply failed: a mV at the start
WARNED = const(43)  # the wearer was warned by vibration: a percent
UPDATE = const(44)  # a release is coming: a the order's number, b pieces wanted << 24 | from which offset in its image

ZONE_OUTSIDE = const(0)
ZONE_INSIDE = const(1)

LEASE_BEGUN = const(1)
LEASE_ENDED = const(2)  # its time is over
LEASE_WITHDRAWN = const(3)

FAULT_FLASH_LOST = const(1)  # the bridge had records that this flash has not; b the last of them

MODE_BY_BOOT = const(0)
MODE_BY_BEACON = const(1)  # the home unit's beacons were heard near enough for long enough
MODE_BY_SILENCE = const(2)  # no authentic beacon for the exit time
MODE_BY_WEAK = const(3)  # beacons heard, but below the exit level for the exit time
MODE_BY_UNIT_SILENT = const(4)  # no beacon, and a fix that is at home: the home unit, not the wearer, has gone
MODE_BY_DOUBT = const(5)  # no beacon, and no fix to tell the wearer's leaving from the home unit's silence
MODE_BY_LEASE = const(6)  # a lease began or ended

PRESENCE_UNKNOWN = const(0)
PRESENCE_HOME = const(1)
PRESENCE_NOT_HOME = const(2)

U16_UNKNOWN = const(0xFFFF)
U8_UNKNOWN = const(0xFF)

_FIX = "<IIBBHiiHHBBBB"
_EVENT = "<IIBBHHHiiBBBB"


def _clip(value, top):
    # None is unknown; anything that does not fit is unknown as well rather than wrong.
    return value if value is not None and 0 <= value < top else top


def pack_fix(buf, seq, time_s, flags, millis, lat_e7, lon_e7, speed_cms, radius_dm, course_deg, satellites, hdop_tenths, battery):
    """Write a FIX into buf[0:32]. `None`, or a value that does not fit, becomes unknown in the optional fields."""
    struct.pack_into(
        _FIX,
        buf,
        0,
        seq,
        time_s,
        FIX,
        flags,
        millis,
        lat_e7,
        lon_e7,
        _clip(speed_cms, U16_UNKNOWN),
        _clip(radius_dm, U16_UNKNOWN),
        U8_UNKNOWN if course_deg is None or not 0 <= course_deg <= 360 else course_deg // 2 % 180,
        _clip(satellites, U8_UNKNOWN),
        _clip(hdop_tenths, U8_UNKNOWN),
        _clip(battery, U8_UNKNOWN),
    )
    _seal_crc(buf)


def pack_event(buf, seq, time_s, flags, millis, code, value_a, value_b, battery):
    """Write an EVENT into buf[0:32]. `value_a` and `value_b` are taken modulo 2**32, as signed numbers."""
    struct.pack_into(
        _EVENT,
        buf,
        0,
        seq,
        time_s,
        EVENT,
        flags,
        millis,
        code,
        0,
        _signed(value_a),
        _signed(value_b),
        U8_UNKNOWN,
        U8_UNKNOWN,
        U8_UNKNOWN,
        _clip(battery, U8_UNKNOWN),
    )
    _seal_crc(buf)


def _signed(value):
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def renumber(buf, seq):
    """Give the record in buf[0:32] another sequence number."""
    struct.pack_into("<I", buf, 0, seq)
    _seal_crc(buf)


def _seal_crc(buf):
    struct.pack_into("<I", buf, 28, crc32(memoryview(buf)[:28]))


def is_intact(buf):
    """Whether the 32 bytes carry their own CRC. Erased flash (all FF) and zeros do not."""
    if len(buf) != SIZE:
        return False
    view = memoryview(buf)
    return struct.unpack_from("<I", buf, 28)[0] == crc32(view[:28]) and view[8] in (FIX, EVENT)


def seq_of(buf, offset=0):
    """The sequence number of the record at `offset`."""
    return struct.unpack_from("<I", buf, offset)[0]


def time_of(buf):
    """The seconds of the record in buf: UTC unless its flags say otherwise."""
    return struct.unpack_from("<I", buf, 4)[0]


class Record:
    """A record read back, for the host, for tests and for anything that is not the device's steady loop.

    `None` stands for unknown. `course_deg` is even: 2-degree steps. ValueError when the bytes are not a record.
    """

    def __init__(self, raw):
        if not is_intact(raw):
            raise ValueError("not a record: %r" % (bytes(raw),))
        self.raw = bytes(raw)
        self.seq, self.time_s, self.kind, self.flags, self.millis = struct.unpack_from("<IIBBH", raw)
        self.mode = self.flags & MODE_MASK
        self.battery = _known(raw[27], U8_UNKNOWN)
        if self.kind == FIX:
            self.lat_e7, self.lon_e7, speed, radius = struct.unpack_from("<iiHH", raw, 12)
            self.speed_cms = _known(speed, U16_UNKNOWN)
            self.radius_dm = _known(radius, U16_UNKNOWN)
            self.course_deg = None if raw[24] == U8_UNKNOWN else raw[24] * 2
            self.satellites = _known(raw[25], U8_UNKNOWN)
            self.hdop_tenths = _known(raw[26], U8_UNKNOWN)
        else:
            self.code, _, self.value_a, self.value_b = struct.unpack_from("<HHii", raw, 12)

    @property
    def is_dated(self):
        """Whether `time_s` is a UTC date (it may still be doubtful, see DATE_DOUBTFUL)."""
        return not self.flags & (UNDATED | TIME_OF_DAY)

    def __repr__(self):
        what = "FIX %d,%d" % (self.lat_e7, self.lon_e7) if self.kind == FIX else "EVENT %d" % self.code
        return "<Record %d %s at %d.%03d>" % (self.seq, what, self.time_s, self.millis)


def _known(value, unknown):
    return None if value == unknown else value
