"""The firmware's pure core for a virtual hour, one second a step: the same text on a microcontroller, the unix port and CPython.

    for part, digest in drive(seconds, numbers, zones, places): …

What goes in is made here from a small generator of random numbers, in integers that fit 31 bits with their signs, so that it is
the same everywhere: sentences of a walk in four places, one west of 107 degrees of longitude (a long integer on a
microcontroller), one across the 180th meridian, one south of the equator; some garbled, cut or denied; beacons that fade; bytes
that were flipped on the air. What comes out goes into a SHA-256 for each part. `numbers` are the core's constants, which a
device's modules have folded in; `zones` is a map as a tag gets it, `places` (lat_e7, lon_e7) where it is walked.
"""

import hashlib
import struct
from array import array
from binascii import hexlify

from firmware.core import clock as clocks
from firmware.core import frame as frames
from firmware.core import geo, gnss, message, seal
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.recorder import Recorder
from firmware.core.settings import Settings
from firmware.tag.mode import ModeMachine
from firmware.tag.zones import Zones

START_S = 1_780_000_000  # 2026-05-28 20:26:40 UTC: the hour is not a round one
TURN_E7 = 3_600_000_000
HALF_E7 = 1_800_000_000
PARTS = ("nmea", "fixes", "geo", "zones", "mode", "frame", "record", "journal", "seal")


class Chance:
    """Numbers below 65537 by a multiplicative generator: no product leaves 23 bits."""

    def __init__(self, seed):
        self.x = seed

    def below(self, n):
        self.x = self.x * 75 % 65537
        return self.x % n


class State:
    mode = 1
    charging = False
    moving = True
    battery = 80


class Hour:
    def __init__(self, numbers, zones, places):
        self.numbers = numbers
        self.places = places
        self.chance = Chance(4711)
        self.sums = {}
        for part in PARTS:
            self.sums[part] = hashlib.sha256()
        self.now_s = 0
        clocks.ticks_ms = self.ticks_ms
        self.epochs = 0
        self.clock = clocks.Clock()
        self.flash = RamDevice(4)
        self.journal = Journal(self.flash)
        assert self.journal.mount()
        self.state = State()
        self.recorder = Recorder(self.journal, self.clock, 7, self.state, self.on_record)
        self.receiver = gnss.Receiver(self.on_epoch)
        self.zones = Zones(self.reader(zones), 0, len(zones), 15, 200, 60, self.on_zone)
        assert not self.zones.refused
        self.machine = ModeMachine(Settings({}), 0)
        key = bytes(range(16))
        self.unit = frames.FrameSealer(key, numbers["hmu"], frames.Counter(self.limit, self.limit, 64))
        self.ear = frames.FrameOpener(key, numbers["tag"])
        self.ear.hear_after(numbers["hmu"], 1000)
        self.frame = bytearray(24)
        self.old = bytearray(24)
        self.ccm = seal.Ccm(b"homeward" + key[:8])
        self.opener = seal.Ccm(b"homeward" + key[:8])
        self.sent = 1
        self.rssi = -70
        self.lat = self.lon = 0
        self.w = array("i", (0, 0, 0, 0))
        self.other = array("i", (0, 0) * 5)

    def limit(self, *_):
        return 1000  # of the counter's last life

    @staticmethod
    def reader(data):
        view = memoryview(data)

        def read(offset, buf):
            buf[:] = view[offset : offset + len(buf)]

        return read

    def put(self, part, *values):
        # Each value modulo 2**32, as bytes: a number prints the same everywhere, and packs the same.
        for value in values:
            self.sums[part].update(struct.pack("<I", int(value) & 0xFFFFFFFF))

    def ticks_ms(self):
        return self.now_s * 1000 & 0x3FFFFFFF

    # What the core calls

    def on_record(self, urgent):
        self.put("record", self.journal.next_seq, urgent)

    def on_zone(self, zone, kind, inside, radius_dm):
        self.put("zones", self.now_s, zone, kind, inside, radius_dm)
        self.recorder.event(self.numbers["zone"], inside << 16 | zone, radius_dm)

    def on_epoch(self, fix):
        self.epochs += 1
        self.put("fixes", fix.valid, fix.contradicted, fix.day, fix.tod_s, fix.millis, fix.speed_cms, fix.course_deg)
        self.put("fixes", fix.satellites, fix.hdop_tenths, fix.quality, fix.fix_type, fix.radius_dm, fix.cn0_max, fix.heard)
        self.put("fixes", fix.pos[0], fix.pos[1], fix.utc_s, fix.date_doubtful)
        if fix.valid and fix.utc_s:
            self.clock.offer(fix.utc_s, fix.millis)
        if fix.valid and self.now_s % 15 == 0:
            self.zones.travel_dm = 300
            self.zones.check(fix.pos, fix.radius_dm, self.clock.utc_s)
            self.put("zones", self.zones.interval_s(), self.zones.violations, self.home(fix))
            self.measure(fix.pos)
            self.put(
                "mode", self.machine.located(self.zones.is_home(fix.pos, fix.radius_dm), self.ticks_ms(), self.now_s % 2 == 1)
            )
        if fix.valid and self.now_s % 20 == 0:
            self.recorder.fix(fix)

    def home(self, fix):
        home = self.zones.is_home(fix.pos, fix.radius_dm)
        return 2 if home is None else home

    def measure(self, pos):
        # A place and a quadrangle some way off, by differences that wrap at the 180th meridian.
        spread = (20_000, 200_000, 2_000_000)[self.chance.below(3)]
        for i in range(0, 10, 2):
            self.other[i] = pos[0] + (self.chance.below(2001) - 1000) * (spread // 1000)
            lon = pos[1] + (self.chance.below(2001) - 1000) * (spread // 1000)
            self.other[i + 1] = lon - TURN_E7 if lon > HALF_E7 else lon + TURN_E7 if lon < -HALF_E7 else lon
        geo.scale(self.w, pos, self.other, 8)
        self.put("geo", *self.w)
        self.put("geo", geo.separation(self.w, pos, self.other, 8, 20_000))
        geo.scale(self.w, pos, pos, 0)
        self.put("geo", geo.polygon(self.w, pos, self.other, 0, 4, 20_000))

    # What is put in

    def second(self, s):
        self.now_s = s
        chance = self.chance
        if s % 900 == 0:
            self.lat, self.lon = self.places[s // 900 % len(self.places)]
            self.receiver.forget()
        self.lat += chance.below(401) - 150
        self.lon += chance.below(801) - 300
        if self.lon > HALF_E7:
            self.lon -= TURN_E7
        self.feed(self.sentences(s))
        if s % 10 == 3:
            self.beacon()
        if s % 5 == 0:
            self.put("mode", self.machine.tick(self.ticks_ms()), self.machine.looks_again(self.ticks_ms()))
        if s % 1200 == 1100 or s % 1200 == 1150:
            self.put("mode", self.machine.lease(s % 1200 == 1150, self.ticks_ms()))
        self.state.mode = self.machine.mode
        if s % 60 == 30:
            self.clock.read()
            self.zones.tick(self.clock.utc_s)
        if s % 300 == 200:
            self.recorder.event(self.numbers["status"], START_S + s, -START_S - s, False)
        if self.journal.pending > 16:
            self.send()
        if s % 700 == 650:
            self.restart()

    def sentences(self, s):
        chance = self.chance
        tod = (START_S + s) % 86400
        clock = "%02d%02d%02d.%03d" % (tod // 3600, tod // 60 % 60, tod % 60, s % 10 * 100)
        denied = chance.below(50) == 0
        status, mode = ("V", "N") if denied else ("A", "A")
        north = "%02d%s" % angle(self.lat) + ("S" if self.lat < 0 else "N")
        east = "%03d%s" % angle(self.lon) + ("W" if self.lon < 0 else "E")
        speed = "%d.%02d" % (chance.below(1300) if s % 8 == 0 else chance.below(9), chance.below(100))
        course = "%d.%d" % (chance.below(360), chance.below(10))
        hdop = "%d.%d" % (chance.below(1100) if s % 16 == 0 else chance.below(4), chance.below(10))
        bodies = [
            "GNRMC,%s,%s,%s,%s,%s,%s,280526,,,%s,V" % (clock, status, north, east, speed, course, mode),
            "GNGGA,%s,%s,%s,%d,%02d,%s,77.5,M,-21.6,M,," % (clock, north, east, not denied, 4 + chance.below(20), hdop),
            "GNGSA,A,%d,01,02,03,04,05,06,,,,,,,1.5,%s,1.2,1" % (2 + chance.below(2), hdop),
        ]
        if s % 4 == 0:
            bodies.append(
                "GNGST,%s,1.1,2.2,1.3,45.0,%d.%d,%d.5,3.0" % (clock, chance.below(9), chance.below(10), chance.below(9))
            )
        if s % 5 == 0:
            for i in (1, 2):
                heard = ",".join("%02d,40,083,%02d" % (i * 4 + k, chance.below(50)) for k in range(4))
                bodies.append("GPGSV,2,%d,08,%s,1" % (i, heard))
        if s % 30 == 0:
            bodies.append("GNZDA,%s,28,05,2026,00,00" % clock)
            bodies.append("PMTK010,001")
        data = bytearray()
        for body in bodies:
            total = 0
            for c in body.encode():
                total ^= c
            data += ("$%s*%02X\r\n" % (body, total)).encode()
        if chance.below(20) == 0:
            data[chance.below(len(data))] ^= 1 << chance.below(8)
        if chance.below(40) == 0:
            data = data[: chance.below(len(data))]
        return data

    def feed(self, data):
        view = memoryview(data)
        at = 0
        while at < len(data):
            n = 1 + self.chance.below(200)
            piece = view[at : at + n]
            self.receiver.feed(piece, len(piece))
            at += n
        self.receiver.idle()
        state = self.receiver.state
        self.put("nmea", state[self.numbers["accepted"]], state[self.numbers["bad"]], state[self.numbers["refused"]])

    def beacon(self):
        chance = self.chance
        fades = 12 if self.now_s % 1000 > 600 else 0  # he goes out
        self.rssi += chance.below(13) - 6
        self.rssi = min(-60, max(-100 - fades, self.rssi - fades // 4))
        frame = self.frame
        frames.pack_beacon(frame, 3, 100, chance.below(65536), START_S + self.now_s, chance.below(65536) << 4)
        self.put("frame", self.unit.seal(frame, self.numbers["beacon"]))
        self.sums["frame"].update(frame)
        if chance.below(10) == 0:
            frame[chance.below(24)] ^= 1 << chance.below(8)
        elif chance.below(10) == 0:
            frame[:] = self.old
        elif chance.below(10) == 0:
            self.old[:] = frame
        heard = frames.find_frame(frames.to_advertisement(frame))
        found = 9 if heard is None else self.ear.open(heard)
        self.put("frame", found, self.ear.refused, self.ear.replayed)
        if found == self.numbers["fresh"] and self.rssi > -105:
            changed = self.machine.heard(self.ticks_ms(), frames.counter_of(frame), self.rssi)
            self.put("mode", changed, self.machine.mode, self.machine.reason, self.machine.in_doubt)

    def send(self):
        n = self.numbers
        first = self.journal.first_unreleased
        buf = bytearray(n["header"] + 16 * n["size"] + n["tag_length"])
        count = self.journal.read_into(first, buf, n["header"], 16)
        self.sums["record"].update(buf)
        message.pack_header(buf, n["records"], 1, count, n["tag"], first)
        total = self.ccm.seal(buf, count * n["size"])
        self.sums["seal"].update(buf)
        if self.chance.below(4) == 0:
            buf[self.chance.below(total)] ^= 1 << self.chance.below(8)
        self.put("seal", total, self.opener.open(buf, total))
        self.sums["seal"].update(buf)
        self.put("journal", count, self.journal.release(first + count - 1), self.journal.pending)

    def restart(self):
        """The device starts anew: a new journal on what is in flash."""
        self.sums["journal"].update(self.flash.data)
        self.journal = Journal(self.flash)
        self.put("journal", self.journal.mount(), self.journal.next_seq, self.journal.released, self.journal.lost)
        self.recorder = Recorder(self.journal, self.clock, 8, self.state, self.on_record)


def angle(value_e7):
    """(degrees, "minutes with seven decimals") of a number of 1e-7 degrees, without its sign."""
    value_e7 = abs(value_e7)
    degrees = value_e7 // 10_000_000
    rest = (value_e7 - degrees * 10_000_000) * 6  # 1e-6 minutes
    return degrees, "%02d.%06d0," % (rest // 1_000_000, rest % 1_000_000)


def drive(seconds, numbers, zones, places):
    """(part, its SHA-256 in hex) of so many seconds; and ("epochs", how many there were)."""
    hour = Hour(numbers, zones, places)
    for s in range(seconds):
        hour.second(s)
    hour.put("zones", hour.zones.interval_s())
    return [(part, hexlify(hour.sums[part].digest()).decode()) for part in PARTS] + [("epochs", str(hour.epochs))]
