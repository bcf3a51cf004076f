"""A tag's way up, run by the real MicroPython interpreter in the tests: a journal on a file, seal, uplink, session, stream.

Arguments: the folder of `firmware`, the port, the journal's file, how many records, how many a message, the password, and for
TLS the broker's name and a folder with ca, cert and key in DER.
Standard output, a line each: `event KIND DETAIL`, at the end `drained` and figures as name=value; then it stays idle until
killed. Records are made a few at a time, each an event that is urgent.
"""

# ruff: noqa: UP031, UP041
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc

from firmware.core import record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import Journal
from firmware.core.mqtt.opener import tcp_opener, tls_opener
from firmware.core.mqtt.retained import Retained
from firmware.core.mqtt.session import Session
from firmware.core.mqtt.stream import Jitter, Stream
from firmware.core.port import ticks_ms
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink

DEVICE = 0x01000001
KEY = bytes(range(16))
TIMEOUT_MS = 1000


class Watched(Uplink):
    """Notes the most messages that were ever in flight."""

    most = 0
    acknowledged = 0

    def sent(self, token, now):
        super().sent(token, now)
        self.most = max(self.most, self.in_flight)

    def acked(self, token, now):
        super().acked(token, now)
        self.acknowledged += 1


async def obey(stream):
    while True:
        line = await asyncio.StreamReader(sys.stdin).readline()
        if line == b"off\n":
            stream.disable()
        elif line == b"on\n":
            stream.enable()
        elif not line:
            return


def read(path):
    with open(path, "rb") as file:
        return file.read()


async def main(port, path, records, batch, password, host="", folder=""):
    journal = Journal(FileDevice(path, 16))
    journal.mount()
    uplink = Watched(journal, Ccm(KEY), DEVICE, 3, b"hw/0/tag-000001/up", batch=batch, receipt_timeout_ms=1500)
    state = Retained(b"hw/0/tag-000001/state", b"online")

    def on_message(view, n):
        uplink.on_down(view, n, ticks_ms())
        done.set()

    def on_event(kind, detail):
        print("event", kind, detail)

    done = asyncio.Event()
    session = Session(
        b"tag-000001", None if host else b"tag-000001", password, b"hw/0/tag-000001/down", (state, uplink), on_message,
        will_topic=state.topic, will=b"offline", window=4, keepalive_s=30, response_timeout_ms=TIMEOUT_MS,
    )  # fmt: skip
    if host:
        opener = tls_opener(host, port, *[read(folder + "/" + name) for name in ("ca", "cert", "key")])
    else:
        opener = tcp_opener("127.0.0.1", port)
    stream = Stream(session, opener, on_event, Jitter(DEVICE), connect_timeout_ms=TIMEOUT_MS, backoff_ms=100)
    running = asyncio.create_task(stream.run())
    commands = asyncio.create_task(obey(stream))
    stream.enable()
    buf = bytearray(32)
    while journal.next_seq <= records:
        for _ in range(5):
            record.pack_event(buf, journal.next_seq, journal.next_seq, 0, 0, record.STATUS, 0, 0, 90)
            journal.append(buf)
        uplink.urgent = True
        stream.notify()
        await asyncio.sleep_ms(5)
    while not uplink.drained or session.in_flight:
        done.clear()
        stream.notify()
        try:
            await asyncio.wait_for_ms(done.wait(), 50)
        except asyncio.TimeoutError:
            pass
    print(
        "drained made=%d most=%d resent=%d repeats=%d attempts=%d acknowledged=%d refused=%d replayed=%d free=%d"
        % (
            journal.next_seq - 1, uplink.most, session.resent, uplink.repeats, stream.attempts, uplink.acknowledged,
            uplink.refused, uplink.replayed, gc.mem_free(),
        )
    )  # fmt: skip
    await commands
    running.cancel()


if len(sys.argv) > 9:
    TIMEOUT_MS = int(sys.argv[9])
asyncio.run(main(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6].encode(), *sys.argv[7:9]))
