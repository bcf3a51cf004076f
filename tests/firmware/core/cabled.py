"""A device on a cable for tests: its process, the wire and its faults, the host's end, and a bridge that keeps what comes."""

import os
import random
import select
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bridge.carriers.cable import Backlog, Session
from bridge.keys import Keyring
from firmware.core import message, record
from tests.firmware.core.interpreter import HEAP, ROOT, micropython

FLEET_KEY = bytes(range(32))
DEVICE = 0x01000001
TOPIC = "hw/0/tag-000001/up"
_SCRIPT = Path(__file__).with_name("cabled_device.py")
_DEADLINE_S = 40.0


class Bridge:
    """Opens what comes and keeps each record once; a receipt says how far they are there without a gap."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        self.messages = 0
        self._keyring = Keyring(FLEET_KEY)
        self._counter = 0

    @property
    def through(self) -> int:
        through = 0
        while through + 1 in self.records:
            through += 1
        return through

    def take(self, payload: bytes) -> bytes:
        """A message as the device sealed it; the receipt. AssertionError when it is not authentic, or not what it was before."""
        plain = self._keyring.open(payload)
        assert plain is not None
        self.messages += 1
        first = struct.unpack_from("<I", payload, 8)[0]
        for at in range(0, len(plain), record.SIZE):
            raw = plain[at : at + record.SIZE]
            assert record.is_intact(raw) and self.records.setdefault(record.seq_of(raw), raw) == raw
        return self.down(message.pack_receipt(self.through, first))

    def down(self, body: bytes) -> bytes:
        self._counter += 1
        return self._keyring.seal_down(DEVICE, 1, self._counter, body)


class Wire:
    """What happens to bytes on their way, a few in a thousand: changed, lost, or others put in. `rate` 0: nothing."""

    def __init__(self, seed: int = 0, rate: float = 0.0) -> None:
        self._chance = random.Random(seed)
        self.rate = rate

    def pass_on(self, data: bytes) -> bytes:
        if not self.rate:
            return data
        out = bytearray()
        for byte in data:
            if self._chance.random() >= self.rate:
                out.append(byte)
                continue
            what = self._chance.randrange(3)
            out += (
                b"" if what == 0 else bytes([byte ^ 1 << self._chance.randrange(8)]) if what == 1 else self._chance.randbytes(9)
            )
        return bytes(out)


class Cabled:
    """The device's process and the host's end of its cable. `run` until something is so."""

    def __init__(self, folder: Path, records: int, wire: Wire | None = None, piece: int = 0) -> None:
        self.bridge = Bridge()
        self.wire = wire or Wire()
        self.gives_receipts = True
        self.may_take = True
        self.backlogs: list[Backlog] = []
        self.left_for: list[str] = []
        self.docked_times = 0
        self.said = bytearray()  # by the device, ever
        self.sent = bytearray()  # by the host
        self._down: list[bytes] = []
        self._folder = folder
        self._records = records
        self._piece = piece
        self.start()
        self.plug()

    # The device

    def start(self) -> None:
        key = Keyring(FLEET_KEY).device_key(DEVICE, 1).hex()
        arguments = [str(ROOT), str(self._folder / "journal"), str(self._records), key, str(self._piece)]
        self._errors = open(self._folder / "device.err", "w+b")  # noqa: SIM115 - closed with the device
        self.process = subprocess.Popen(
            [micropython(), "-X", f"heapsize={HEAP}", str(_SCRIPT), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0,
        )  # fmt: skip
        assert self.process.stdin and self.process.stdout
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self._out, False)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self._errors.seek(0)
        complaints = self._errors.read()
        self._errors.close()
        assert not complaints, complaints.decode()

    # The cable

    def plug(self) -> None:
        """A host that knows nothing of what was before."""
        self.session = Session(self, lambda: self.may_take, lambda baud: None, fast_baud=0)

    def write(self, data: bytes) -> None:
        self.sent += data
        try:
            os.write(self._in, data)
        except BrokenPipeError:
            pass

    def step(self) -> bytes:
        """A moment: what the device said."""
        ready, _, _ = select.select([self._out], [], [], 0.01)
        data = b""
        if ready:
            data = os.read(self._out, 65536)
            assert data or self.process.poll() is None, (self._folder / "device.err").read_text()
            self.said += data
            self.session.received(self.wire.pass_on(data), time.monotonic())
        for payload in self._down:
            self.session.send(payload)
        self._down.clear()
        if out := self.session.output(time.monotonic()):
            self.write(self.wire.pass_on(out))
        return data

    def run(self, until: Callable[[], object], why: str) -> None:
        end = time.monotonic() + _DEADLINE_S
        while not until():
            assert time.monotonic() < end, f"waited {_DEADLINE_S} s until {why}: {self.backlogs[-1:]}, {bytes(self.said[-80:])!r}"
            self.step()

    def run_bytes(self, n: int) -> None:
        """Until the device has said so many bytes more, or has nothing left."""
        until = len(self.said) + n
        self.run(lambda: len(self.said) >= until or self.is_drained, f"{n} bytes more were said")

    @property
    def is_drained(self) -> bool:
        return bool(self.backlogs) and self.backlogs[-1].is_empty

    def send(self, payload: bytes) -> None:
        self._down.append(payload)

    # What the session tells

    def docked(self, topic: str, backlog: Backlog) -> None:
        assert topic == TOPIC
        self.docked_times += 1

    def message(self, topic: str, payload: bytes) -> None:
        receipt = self.bridge.take(payload)
        if self.gives_receipts:
            self.send(receipt)

    def backlog(self, topic: str, backlog: Backlog) -> None:
        self.backlogs.append(backlog)

    def left(self, topic: str, reason: str) -> None:
        self.left_for.append(reason)
