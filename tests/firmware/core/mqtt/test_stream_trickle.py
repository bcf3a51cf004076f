"""The stream on sockets of another make (as the simulator's): written in Python, taking a few bytes at a time."""

import pytest

from tests.firmware.core.interpreter import run

SCRIPT = """
import asyncio, io
from firmware.core.mqtt import codec, session, stream
from firmware.core.mqtt.peer import PeerDecoder

class Source:
    topic = b"hw/0/tag-000001/up"
    retain = False
    def __init__(self, n):
        self.left = list(range(n))
        self.done = []
    def poll(self, now):
        return self.left[0] if self.left else -1
    def render(self, token, view):
        for i in range(300):
            view[i] = token
        return 300
    def sent(self, token, now):
        self.left.pop(0)
    def acked(self, token, now):
        self.done.append(token)
    def restart(self, now):
        pass
    def due_ms(self, now):
        return -1

class Trickle(io.IOBase):
    # A socket whose other end is a broker that acknowledges everything; `write` takes nothing, or TAKE bytes.
    def __init__(self):
        self.peer = PeerDecoder(1000)
        self.out = bytearray()
        self.turn = 0
        self.messages = []
        self.closed = False
    def write(self, buf):
        self.turn += 1
        if STUCK and self.turn > STUCK:
            return None
        if self.turn % 2 == 0:
            return None
        n = min(TAKE, len(buf))
        at = 0
        while at < n:
            at = self.peer.feed(buf, at, n)
            kind = self.peer.kind
            assert kind >= 0, kind
            if kind == codec.CONNECT:
                self.out += b"\\x20\\x02\\0\\0"
            elif kind == codec.SUBSCRIBE:
                self.out += bytes([0x90, 3, self.peer.packet_id >> 8, self.peer.packet_id & 255, 1])
                self.out += ORDER
            elif kind == codec.PUBLISH:
                self.messages.append(self.peer.payload())
                self.out += bytes([0x40, 2, self.peer.packet_id >> 8, self.peer.packet_id & 255])
        return n
    def readinto(self, buf):
        n = min(len(buf), len(self.out), 3)
        buf[:n] = self.out[:n]
        self.out = self.out[n:]
        return n if n else None
    def ioctl(self, op, flags):
        if op == 3:
            return flags & (4 | (1 if self.out else 0))
        return 0 if op == 4 else -1
    def close(self):
        self.closed = True

sockets = []
def open_socket():
    sockets.append(Trickle())
    return sockets[-1], sockets[-1]
ended = asyncio.Event()
def on_event(kind, detail):
    print("event", kind, detail)
    if kind == stream.LOST:
        ended.set()
source = Source(20)
def on_message(view, n):
    raise MemoryError(bytes(view[:n]))
one = session.Session(b"t", None, None, b"down", (source,), on_message, window=3, response_timeout_ms=300)
wire = stream.Stream(one, open_socket, on_event, stream.Jitter(1), connect_timeout_ms=300)
async def main():
    running = asyncio.create_task(wire.run())
    wire.enable()
    for _ in range(2000):
        if len(source.done) == 20 or ended.is_set():
            break
        await asyncio.sleep_ms(2)
    print("done", source.done == list(range(20)), [m == bytes([m[0]]) * 300 for m in sockets[0].messages].count(True))
    wire.disable()
    while not ended.is_set():
        await asyncio.sleep_ms(1)
    print("closed", sockets[0].closed, len(sockets))
async def raises():
    running = asyncio.create_task(wire.run())
    wire.enable()
    try:
        await running
    except MemoryError as error:
        print("raised", error, sockets[0].closed)
asyncio.run(raises() if ORDER else main())
"""


@pytest.mark.parametrize("take", [5, 64, 1000])
def test_a_socket_that_takes_a_few_bytes_at_a_time_gets_every_packet_whole(take: int) -> None:
    lines = run(f"TAKE = {take}\nSTUCK = 0\nORDER = b''\n{SCRIPT}")
    assert lines == ["event 1 0", "done True 20", "event 2 5", "closed True 1"]


@pytest.mark.parametrize("stuck", [1, 40])
def test_a_socket_that_takes_nothing_more_is_given_up(stuck: int) -> None:
    lines = run(f"TAKE = 64\nSTUCK = {stuck}\nORDER = b''\n{SCRIPT}")
    assert "event 2 2" in lines, "an answer is overdue"
    assert lines[-1].startswith("closed True")


def test_an_exception_of_the_application_at_a_message_ends_the_task_so_that_it_is_told_as_a_crash() -> None:
    order = b"\x30\x0b\0\x04downorder"
    assert run(f"TAKE = 64\nSTUCK = 0\nORDER = {order}\n{SCRIPT}") == ["event 1 0", "raised b'order' True"]
