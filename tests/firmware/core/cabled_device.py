"""A device on a cable, as far as the cable goes: MicroPython runs this. Journal in a file, the rest of a Node as plain as can be.

cabled_device.py ROOT JOURNAL RECORDS KEY_HEX
"""
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
from binascii import unhexlify

from firmware.core import record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import Journal
from firmware.core.node import Node
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink


class Any:
    """What is asked for and does not matter here."""

    def __getattr__(self, name):
        return 7


journal = Journal(FileDevice(sys.argv[2], 16))
assert journal.mount()
while journal.next_seq <= int(sys.argv[3]):
    raw = bytearray(record.SIZE)
    record.pack_event(raw, journal.next_seq, 1_780_290_000 + journal.next_seq, record.MODE_GPS, 0, record.STATUS, 0, 4000, 80)
    journal.append(raw)

device = Any()
device._journal = journal
device._uplink = Uplink(
    journal, Ccm(unhexlify(sys.argv[4])), 0x01000001, 1, b"hw/0/tag-000001/up", on_body=lambda body, n: print("body", n)
)
device._carrier = Any()
device._carrier._on_relay = None
device._carrier.notify = lambda: None
device._carrier.stream = Any()
device._carrier.stream.session = Any()
device._carrier.stream.session._sources = sources = [None, device._uplink]
device._board = Any()
device._board.cable_speed = lambda baud: None
device._board.store = Any()
device._board.store.blob = lambda key, size: b""
device._clock = Any()
device._settings = device._gauge = device._orders = device._lease = Any()
device.docked = False


hoard = [None] * 1000
if int(sys.argv[5]):
    from firmware.core import cable, line  # noqa: F401  (a board has them compiled)

    i = 0
    try:
        while True:
            hoard[i] = bytearray(int(sys.argv[5]))
            i += 1
    except MemoryError:
        for i in range(0, len(hoard), 2):
            hoard[i] = None


async def main():
    await Node._console(device)
    assert device._carrier.stream.session._sources == sources and not device.docked


print("ready")
asyncio.run(main())
