"""How many instructions a call takes and how many bytes of the heap it leaves, on an emulated Cortex-M3 in virtual time.

    count(name, function, times)    prints `name.instructions` and `name.bytes`, means over so many calls

A tick of `time.ticks_cpu` is five instructions (board.INSTRUCTIONS_PER_TICK); what an empty call takes is taken off, and the
collector is off. `spin` is what that is checked by: a loop of two instructions.
"""

import gc
import time
from array import array

import micropython
from esp32 import Partition

from firmware.core import frame as frames
from firmware.core import gnss, message, record, seal
from firmware.core.clock import Clock
from firmware.core.journal import Journal
from firmware.core.nmea import decode, new_state, scan
from firmware.core.recorder import Recorder
from firmware.core.settings import Settings
from firmware.core.slots import Slots
from firmware.tag.mode import ModeMachine
from firmware.tag.zones import Zones

PER_TICK = 5


@micropython.asm_thumb
def spin(r0):
    label(AGAIN)  # noqa: F821
    sub(r0, 1)  # noqa: F821
    bne(AGAIN)  # noqa: F821


def nothing():
    pass


def _ticks(function, times):
    started = time.ticks_cpu()
    for _ in range(times):
        function()
    return time.ticks_diff(time.ticks_cpu(), started)


def count(name, function, times=20, calls=1):
    function()  # what is made at the first call is none of the next ones'
    gc.collect()
    gc.disable()
    ticks = _ticks(function, times) - _ticks(nothing, times)
    before = after = 0
    before = gc.mem_alloc()
    _ticks(function, times)
    after = gc.mem_alloc()
    empty = gc.mem_alloc()
    _ticks(nothing, times)
    empty = gc.mem_alloc() - empty
    gc.enable()
    print(name + ".instructions", ticks * PER_TICK // (times * calls))
    print(name + ".bytes", (after - before - empty) // (times * calls))


def loop():
    for n in (100_000, 300_000):
        count("loop.%d" % n, lambda n=n: spin(n), 5)


def nmea(sentences):
    """The parser alone, and with the receiver that makes a fix of it; each sentence by itself, and all of them."""
    state = new_state()

    def parse(buf):
        n = len(buf)

        def run():
            i = 0
            while i < n:
                i = scan(buf, i, n, state)
                if state[16]:  # nmea.KIND
                    decode(state)

        return run

    for name, text in sentences:
        count("nmea." + name, parse(bytearray(text)))
    stream = bytearray(b"".join([text for _, text in sentences]))
    count("nmea.parser", parse(stream), 20, len(sentences))
    epochs = 0

    def on_epoch(fix):
        nonlocal epochs
        epochs += 1

    receiver = gnss.Receiver(on_epoch)

    def second():
        receiver.feed(stream, size)
        receiver.idle()

    size = len(stream)
    count("nmea.receiver", second, 20, len(sentences))
    assert epochs == 41 and receiver.fix.valid, epochs


def zones(data, places):
    """A fix among the zones of a map that lies in flash, as a configuration does."""
    slots = Slots(Partition.find(label="config")[0])
    slots.mount()
    slots.begin(len(data))
    slots.write(0, data)
    slots.keep(1, len(data))
    kept = Zones(slots.readinto, 0, slots.size, 15, 200, 60, lambda *what: None)
    assert not kept.refused, kept.refused
    for name, lat, lon in places:
        pos = array("i", (lat, lon))
        for _ in range(12):  # until each zone has settled
            kept.check(pos, 100, 1_780_000_000)
        count("zones." + name, lambda pos=pos: kept.check(pos, 100, 1_780_000_000))


class _State:
    mode = 1
    charging = False
    moving = True
    battery = 80


def rest(numbers):
    header, size, tag_length = numbers["header"], numbers["size"], numbers["tag_length"]
    ccm = seal.Ccm(bytes(range(16)))
    for n in (1, 32):
        buf = bytearray(header + n * size + tag_length)
        message.pack_header(buf, numbers["records"], 1, n, numbers["tag"], 1)
        count("seal.%d_records" % n, lambda buf=buf, n=n: ccm.seal(buf, n * size))
    journal = Journal(Partition.find(label="journal")[0])
    journal.mount()
    raw = bytearray(size)

    def append():
        record.pack_event(raw, journal.next_seq, 1_780_000_000, 1, 0, numbers["status"], 1, 2, 80)
        journal.append(raw)

    count("journal.append", append)
    clock = Clock()
    recorder = Recorder(journal, clock, 1, _State(), lambda urgent: None)
    count("recorder.event", lambda: recorder.event(numbers["status"], 1, 2))
    key = bytes(range(16))
    sealer = frames.FrameSealer(key, numbers["hmu"], frames.Counter(lambda: 0, lambda limit: None))
    opener = frames.FrameOpener(key, numbers["tag"])
    opener.hear_after(numbers["hmu"], 1)
    frame = bytearray(24)
    frames.pack_beacon(frame, 3, 100, 0, 1_780_000_000, 0)
    count("frame.seal", lambda: sealer.seal(frame, numbers["beacon"]))
    count("frame.open", lambda: opener.open(frame))
    machine = ModeMachine(Settings({}), 0)
    count("mode.tick", lambda: machine.tick(1000))
    count("mode.heard", lambda: machine.heard(1000, 7, -95))
