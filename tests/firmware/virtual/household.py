"""A tag and its home unit, the real applications' parts on one air, and a bridge that receipts what comes up. MicroPython.

`Flat` is a board without hardware: the tag's is outdoors or at home, as the script says.
"""

# pyright: basic, reportAttributeAccessIssue=false, reportOptionalCall=false, reportOptionalSubscript=false, reportArgumentType=false

import asyncio
import json
import struct
import time
from binascii import crc32

import _hw

from firmware.boards.drivers.ble import Ble
from firmware.core import message, record
from firmware.core.blockdev import RamDevice
from firmware.core.message import pack_receipt
from firmware.core.seal import Ccm

KEY = bytes(range(16))
RF_KEY = bytes(range(16, 32))
TAG = 0x01000001
UNIT = 0x02000001


def provision(device, partners, policy, slot=0):
    fields = {
        "device": device, "shard": "0", "broker": ["127.0.0.1", 1883], "password": "p", "key_id": 1, "key": KEY.hex(),
        "rf_key": RF_KEY.hex(), "partners": partners, "slot": slot, "policy": policy,
    }  # fmt: skip
    return json.dumps(fields).encode()


class Store:
    def __init__(self, blob):
        self._values = {"provision": blob}

    def number(self, key, default=0):
        return self._values.get(key, default)

    def keep_number(self, key, value):
        self._values[key] = value

    def blob(self, key, size):
        return self._values.get(key, b"")

    keep_blob = keep_number


class Watchdog:
    def feed(self):
        pass


class Battery:
    mv = 3900

    def millivolts(self):
        return self.mv


class Gnss:
    """Off, and silent: `on` is counted."""

    def __init__(self):
        self.is_on = False
        self.starts = 0

    def on(self):
        self.is_on = True
        self.starts += 1

    def off(self):
        self.is_on = False

    def any(self):
        return 0

    def age_ms(self, n):
        return 0

    async def readinto(self, buf):
        await asyncio.sleep(10**6)


class NoModem:
    """There is no network; the modem itself answers."""

    attempts = 0
    answered = True

    def is_up(self):
        return False

    async def up(self):
        self.attempts += 1
        await asyncio.sleep_ms(2000)
        return False

    async def down(self):
        pass


class Flat:
    name = "flat"
    reset_cause = 1

    def __init__(self, device, partners, policy=None, flash=None):
        self.store = Store(provision(device, partners, policy or {}))
        lease = struct.pack("<IIII", 1, 1, 1, 0xFFFFFFFF)
        self.store.keep_blob("lease", lease + struct.pack("<I", crc32(lease)))
        self.ble = Ble()
        self.gnss = Gnss()
        self.modem = NoModem()
        self.battery = Battery()
        self.flash = flash or RamDevice(8)
        self.closed = True
        self.moves = False
        self.on_mains = True
        self.handler = None

    def journal_device(self):
        return self.flash

    def config_device(self):
        return RamDevice(2)

    def case_is_closed(self):
        return True

    def strap_is_closed(self):
        return self.closed

    def is_moving(self):
        return self.moves

    def is_charging(self):
        return False

    def has_mains(self):
        return self.on_mains

    def tilt(self):
        return 0

    def on_change(self, handler):
        self.handler = handler

    def watchdog(self, timeout_s):
        return Watchdog()

    def sleep(self, ms):
        """Not at all: others live in this process."""


class Bridge:
    """In the place of broker and bridge: takes what the home unit relays, `delay_ms` later its receipt comes down."""

    def __init__(self, unit, delay_ms=300, tag=TAG):
        self.tag = tag
        self.others = {}  # bridges of the other tags, by device
        self._unit = unit
        self._ccm = Ccm(KEY)
        self._delay_ms = delay_ms
        self._counter = 0
        self.messages = 0
        self.stored = {}  # seq -> (virtual ms, code)
        self.through = 0
        self.silent = False

    async def run(self):
        upward = self._unit.upward
        view = memoryview(bytearray(256))
        while True:
            token = upward.poll(time.ticks_ms()) if self._unit.is_online else -1
            if token < 0:
                await asyncio.sleep_ms(20)
                continue
            n = upward.render(token, view)
            upward.sent(token, time.ticks_ms())
            if not n:
                continue
            upward.acked(token, time.ticks_ms())
            await asyncio.sleep_ms(self._delay_ms)
            self._take(bytearray(view[message.HEADER : n]), message.parse_header(view)[4])

    def _take(self, sealed, token):
        self.messages += 1
        device, first = message.parse_header(sealed)[3:]
        if device != self.tag:
            self.others.setdefault(device, Bridge(self._unit, 0, device))._take(sealed, token)
            return
        size = self._ccm.open(sealed, len(sealed))
        assert size > 0
        for at in range(message.HEADER, message.HEADER + size, 32):
            one = record.Record(bytes(sealed[at : at + 32]))
            if one.seq not in self.stored:
                self.stored[one.seq] = (_hw.now, getattr(one, "code", 0))
        while self.through + 1 in self.stored:
            self.through += 1
        if self.silent:
            return
        self._counter += 1
        body = pack_receipt(self.through, first)
        down = bytearray(message.HEADER + len(body) + message.TAG_LENGTH)
        message.pack_header(down, message.DOWN, 1, len(body), device, self._counter)
        down[message.HEADER : message.HEADER + len(body)] = body
        n = self._ccm.seal(memoryview(down), len(body))
        head = bytearray(message.HEADER)
        message.pack_header(head, message.RELAY_DOWN, 0, 0, device, token)
        self._unit.down(bytes(head) + bytes(down[:n]))


class Wearer:
    """A tag's end of the radio, with a journal and nothing else of a tag; who is in doubt is away."""

    strap_is_cut = charging = moving = wants_time = False
    still_ms = 0
    battery = 80
    may_relay = True

    def __init__(self, device, tags, policy=None, flash=None, boot=0):
        from firmware.core.clock import Clock
        from firmware.core.frame import Counter
        from firmware.core.journal import Journal
        from firmware.core.provision import Provision
        from firmware.core.recorder import Recorder
        from firmware.core.uplink import Uplink
        from firmware.tag.home import HomeLink
        from firmware.tag.mode import ModeMachine

        own = Provision(provision(device, [UNIT], policy or {}, tags.index(device)))
        self.device = device
        self.ble = Ble()
        self.flash = flash or RamDevice(8)
        self.journal = Journal(self.flash)
        self.journal.mount()
        self.modes = ModeMachine(own.settings, time.ticks_ms())
        self.uplink = Uplink(self.journal, Ccm(KEY), device, 1)
        self.recorder = Recorder(self.journal, Clock(), 1, self, self._recorded)
        counter = Counter(lambda: 1024 * boot, lambda limit: None)
        self.home = HomeLink(self.ble, own, counter, self.modes, self.uplink, self.journal, self)
        self.rounds = []
        self.changes = []  # (virtual ms, mode)

    @property
    def mode(self):
        return self.modes.mode

    @property
    def all_is_told(self):
        return self.uplink.drained

    def _recorded(self, urgent):
        if urgent:
            self.uplink.urgent = True
            self.home.notify()

    def mode_changed(self):
        self.changes.append((_hw.now, self.mode))
        self.recorder.event(record.MODE, self.mode, self.modes.reason)

    def heard_time(self, utc_s, age_ms):
        pass

    def heard_beacon(self, rssi_dbm):
        pass

    def attend(self):
        self.rounds.append(_hw.now)
        if self.modes.in_doubt and self.modes.located(False, time.ticks_ms()):
            self.mode_changed()


class Unit:
    """The home unit's household without its own way up: `upward` is the bridge's to read."""

    battery = None
    has_mains = True
    is_online = True
    utc_s = 0
    mode = charging = moving = 0

    def __init__(self, tags=(TAG,), policy=None, relays=None, boot=0):
        from firmware.core.clock import Clock
        from firmware.core.frame import Counter
        from firmware.core.journal import Journal
        from firmware.core.provision import Provision
        from firmware.core.recorder import Recorder
        from firmware.hmu.household import Household
        from firmware.hmu.relay import Downward, Upward

        own = Provision(provision(UNIT, list(tags), policy or {}))
        self.ble = Ble()
        self.flash = RamDevice(4)
        journal = Journal(self.flash)
        journal.mount()
        recorder = Recorder(journal, Clock(), 1, self, lambda urgent: None)
        self.relays = relays or RamDevice(32)
        self.upward = Upward(b"up", UNIT, own.partners, self.relays)
        self.downward = Downward(own.partners)
        self.rounds = 0
        counter = Counter(lambda: 1024 * boot, lambda limit: None)
        self.household = Household(self.ble, own, counter, recorder, self.upward, self.downward, self, lambda: None)

    def attend(self):
        self.rounds += 1

    def down(self, raw):
        if self.downward.take(memoryview(raw), len(raw)):
            if self.downward.answers:
                self.upward.answered(self.downward.answers, time.ticks_ms())
            self.household.came_down()

    def presence(self, tag=TAG):
        from firmware.core.journal import read_all

        events = [record.Record(raw) for raw in read_all(self.flash)]
        return [(one.time_s, one.value_a) for one in events if one.code == record.PRESENCE and one.value_b == tag]


def records(flash):
    from firmware.core.journal import read_all

    return [record.Record(raw) for raw in read_all(flash)]
