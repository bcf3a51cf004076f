"""The device's end of a cable to the bridge: hands over what the journal and the relay store hold, takes what comes down.

Imported when a zero comes in on the serial port, which nobody types (`line`), and dropped when the host falls
silent or says BYE; the console then has the port again. `cobs` has the frames, `bridge.carriers.cable` is the other end.

What it guarantees:
  - The same sealed messages go as by any other carrier, and are freed by the bridge's sealed receipt alone. A cable that is
    pulled at any byte loses and doubles nothing: what has no receipt goes again, by cable or by radio.
  - A message that did not come whole is sent again: at once when a later one is acknowledged, else after `_AGAIN_MS`, doubling.
    One that is lost twice halves what is put into a message: a bad line takes shorter ones.
  - A session begins with one short message. Each that is acknowledged quickly lets one more go, and longer ones: a slow
    line is never filled with what the host waits behind.
  - At most `_WINDOW` messages are without an acknowledgement, and no more of the journal's than the uplink's own window.
  - While a session lasts the sources of messages are the cable's alone: MQTT stays connected, and takes nothing.
  - The host never says Ctrl-C; one that a bad line makes up does not interrupt while a session lasts.

Port: what is read one byte at a time and only when a poll says that there is one (a board's stdin waits for all that it is asked
for), and written in pieces, so that the application goes on in between. MicroPython only.
"""

import asyncio
import struct

from . import cobs, message
from .port import MICROPYTHON, const, ticks_diff, ticks_ms
from .record import SIZE
from .wake import Wake

if MICROPYTHON:
    from asyncio import core  # type: ignore
    from select import POLLIN, poll

    from micropython import kbd_intr

_WINDOW = const(8)
_PIECE = const(256)
_SILENCE_MS = const(5000)  # the host says something each half second
_CALL_MS = const(1200)
_AGAIN_MS = const(1500)  # two messages at 38,400 baud
_BACKOFF_MAX = const(2)
_RECORDS_FIRST = const(8)
_QUICK_MS = const(500)
_GOOD = const(16)
_RECORDS_MIN = const(4)  # a relayed message needs as much room
_TICK_MS = const(250)  # how soon a record is seen that has just been made
_CTRL_C = const(3)
_AT = const(19)  # cobs.GAP + cobs.HEAD: where a payload stands
_BODY = const(3)  # cobs.HEAD


class Cable:
    """One session. `read` and `write` are tasks, `attend` ends when the session does."""

    def __init__(self, node, port_in, port_out, records):
        carrier = node._carrier
        session = carrier.stream.session
        self._node = node
        self._in = port_in
        self._out = port_out
        self._uplink = uplink = node._uplink
        self._on_relay = carrier._on_relay
        self._mqtt = session
        self._sources = session._sources  # the first one tells that the device is connected, which a cable does not
        self._batch_before = uplink.batch
        self._records = _RECORDS_FIRST
        self._records_max = records
        self._allowed = 1  # messages without an acknowledgement
        self._good = 0  # quick acknowledgements since, and how many make messages longer
        self._good_enough = 1
        self._buf = bytearray(cobs.room(message.HEADER * 2 + message.TAG_LENGTH + records * SIZE))
        self._view = memoryview(self._buf)
        self._payload = self._view[_AT : len(self._buf) - cobs.CRC - 2]
        self._rx = bytearray(cobs.DOWN_MAX + 2)
        self._rx_view = memoryview(self._rx)
        self._rx_n = 0
        self._turn_byte = 0  # what the next byte is XORed with
        self._byte = bytearray(1)
        self._poll = poll()
        self._poll.register(port_in, POLLIN)
        self._wake = Wake()
        self._session = 0
        self._is_over = False
        self._heard_at = ticks_ms()
        # What is on its way without an acknowledgement: parallel lists. Source None: the place is free.
        self._source = [None] * _WINDOW
        self._token = [0] * _WINDOW
        self._number = [0] * _WINDOW
        self._sent_at = [0] * _WINDOW
        self._turn = [0] * _WINDOW  # in which order they were sent; 0: more than once
        self._again = [False] * _WINDOW
        self._next_number = 0
        self._turns = 0
        self._backoff = 0
        self._down = 0  # number of the last one that came down, in order
        # What is to be said, the number with it; -1: nothing.
        self._here = True
        self._speed = -1
        self._is_fast = False
        self._ack = -1
        self._state = -1

    # A session begins and ends.

    def _begin(self, session, speed):
        if session != self._session:
            if not self._session:
                kbd_intr(-1)
                self._mqtt._sources = self._sources[:1]
                self._node.docked = True
            self._session = session
            self._down = 0
            for i in range(_WINDOW):
                self._source[i] = None
            now = ticks_ms()
            self._uplink.recut(self._records, now)
            for source in self._sources[2:]:
                source.restart(now)
        change = getattr(self._node._board, "cable_speed", None)
        self._speed = speed if change is not None else 0

    def _end(self):
        if not self._session:
            return
        kbd_intr(_CTRL_C)
        if self._is_fast:
            self._node._board.cable_speed(0)
        self._mqtt._sources = self._sources
        self._node.docked = False
        now = ticks_ms()
        self._uplink.recut(self._batch_before, now)
        for source in self._sources[2:]:
            source.restart(now)
        self._node._carrier.notify()

    async def attend(self):
        """Until the host falls silent."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            while not self._is_over and 0 <= ticks_diff(ticks_ms(), self._heard_at) < _SILENCE_MS:
                await asyncio.sleep_ms(_TICK_MS)  # type: ignore  # MicroPython's own
                self._wake.set()
        finally:
            for task in tasks:
                task.cancel()
            self._end()

    # Down

    async def _read(self):
        one = self._byte
        ready = self._poll
        try:
            while True:
                await _ready(core._io_queue.queue_read, self._in)  # type: ignore
                for _ in ready.ipoll(0):
                    got = self._in.readinto(one)
                    if got:
                        self._feed(one[0])
                    elif got is not None:
                        self._is_over = True  # the port is gone
                        return
        except OSError:
            self._is_over = True

    def _feed(self, byte):
        n = self._rx_n
        if byte == cobs.ESCAPE:
            self._turn_byte = cobs.TURN
            return
        if byte:
            if n < len(self._rx):
                self._rx[n] = byte ^ self._turn_byte
            self._turn_byte = 0
            self._rx_n = n + 1  # what is too long is none
            return
        self._rx_n = self._turn_byte = 0
        if not n:
            # A host that was in a session speaks more often: this is another one, or the same after the cable was pulled.
            if not self._session or ticks_diff(ticks_ms(), self._heard_at) >= _CALL_MS:
                self._here = True
                self._wake.set()
            return
        n = cobs.decode(self._rx, n) if n <= len(self._rx) else -1
        frame = cobs.parse(self._rx_view, n, self._session) if n >= 0 else None
        if frame is None and n >= 0:
            frame = cobs.parse(self._rx_view, n, 0)
            if frame is not None and frame[0] != cobs.START:
                frame = None
        if frame is not None:
            self._heard_at = ticks_ms()
            self._take(frame[0], frame[1], frame[2])
            self._wake.set()

    def _take(self, kind, number, end):
        if kind == cobs.START and end > _BODY + 4:
            session = struct.unpack_from("<I", self._rx, _BODY)[0]
            speed = bytes(self._rx_view[_BODY + 4 : end])
            if session and speed.isdigit():
                self._begin(session, int(speed))
        elif not self._session:
            return
        elif kind == cobs.PING:
            self._state = number
        elif kind == cobs.ACK:
            self._acked(number)
        elif kind == cobs.DOWN:
            if number == self._down + 1 & 0xFFFF:
                self._down = number
                self._take_down(self._rx_view[_BODY:end], end - _BODY)
            self._ack = self._down
        elif kind == cobs.BYE:
            self._is_over = True

    def _take_down(self, view, n):
        if self._on_relay is None or not self._on_relay(view, n):
            self._uplink.on_down(view, n, ticks_ms())

    def _acked(self, number):
        for i in range(_WINDOW):
            source = self._source[i]
            if source is not None and self._number[i] == number:
                self._source[i] = None
                self._backoff = 0
                now = ticks_ms()
                source.acked(self._token[i], now)
                if self._turn[i] and ticks_diff(now, self._sent_at[i]) < _QUICK_MS:
                    self._went_well()
                for j in range(_WINDOW):
                    if 0 < self._turn[j] < self._turn[i]:
                        self._again[j] = True  # sent before one that has come: it was lost
                return

    def _went_well(self):
        if self._allowed < _WINDOW:
            self._allowed += 1
        self._good += 1
        if self._good >= self._good_enough and self._records < self._records_max:
            self._good = 0
            self._records <<= 1
            self._uplink.batch = self._records

    # Up

    async def _write(self):
        try:
            while True:
                if self._here:
                    self._here = False
                    await self._say_here()
                if self._session:
                    await self._answer()
                    while await self._hand_over():
                        await self._answer()
                await self._wake.wait(_SILENCE_MS)
        except OSError:
            self._is_over = True

    async def _say_here(self):
        topic = self._uplink.topic
        self._payload[0] = cobs.VERSION
        self._pack_state(1)
        self._payload[13 : 13 + len(topic)] = topic
        await self._say(cobs.HERE, 0, 13 + len(topic), 0)

    def _pack_state(self, at):
        journal = self._node._journal
        waiting = 0
        for source in self._sources[2:]:
            waiting += source.store.pending
        struct.pack_into("<III", self._payload, at, journal.first_unreleased, journal.next_seq, waiting)

    async def _answer(self):
        if self._ack >= 0:
            number, self._ack = self._ack, -1
            await self._say(cobs.ACK, number, 0, self._session)
        if self._state >= 0:
            number, self._state = self._state, -1
            self._pack_state(0)
            await self._say(cobs.STATE, number, 12, self._session)
        if self._speed >= 0:
            speed, self._speed = self._speed, -1
            struct.pack_into("<I", self._payload, 0, speed)
            await self._say(cobs.READY, 0, 4, self._session)
            if speed:
                await asyncio.sleep_ms(20)  # type: ignore  # what is still in the port's own buffer goes at the old speed
                self._node._board.cable_speed(speed)
                self._is_fast = True

    async def _hand_over(self):
        # The next message, if one is due. Whether there was one.
        now = ticks_ms()
        free = -1
        going = 0
        for i in range(_WINDOW):
            source = self._source[i]
            if source is None:
                free = i
            elif self._again[i] or ticks_diff(now, self._sent_at[i]) >= _AGAIN_MS << self._backoff:
                if not self._again[i]:
                    self._backoff = min(self._backoff + 1, _BACKOFF_MAX)
                self._allowed = 1
                self._good = 0
                if not self._turn[i] and source is self._uplink and self._records > _RECORDS_MIN:
                    self._records >>= 1
                    self._good_enough = _GOOD
                    self._uplink.recut(self._records, now)
                if await self._send(i, source, self._token[i]):
                    return True
                free = i
            else:
                going += 1
        if free < 0 or going >= self._allowed:
            return False
        if self._uplink.batch > self._records:
            self._uplink.recut(self._records, now)
        for i in range(1, len(self._sources)):
            source = self._sources[i]
            token = source.poll(now)
            if token >= 0 and await self._send(free, source, token):
                return True
        return False

    async def _send(self, i, source, token):
        n = source.render(token, self._payload)
        if not n:
            self._source[i] = None
            return False
        source.sent(token, ticks_ms())
        if self._source[i] is None:
            self._next_number = self._next_number + 1 & 0xFFFF
            self._turns = self._turns + 1
            self._source[i] = source
            self._token[i] = token
            self._number[i] = self._next_number
            self._turn[i] = self._turns
        else:
            self._turn[i] = 0  # which of the two an acknowledgement speaks of cannot be told
        self._again[i] = False
        self._sent_at[i] = ticks_ms()
        await self._say(cobs.MESSAGE, self._number[i], n, self._session)
        self._sent_at[i] = ticks_ms()
        return True

    async def _say(self, kind, number, n, session):
        end = cobs.seal(self._buf, self._view, kind, number, n, session)
        at = 0
        while at < end:
            await _ready(core._io_queue.queue_write, self._out)  # type: ignore
            at += self._out.write(self._view[at : min(at + _PIECE, end)]) or 0


def _ready(queue, stream):
    # To be awaited, as asyncio's own are: until the stream can be read (`queue_read`) or written (`queue_write`).
    queue(stream)
    yield


async def serve(node, port_in, port_out):
    """One session on a `node.Node`, from the zero that was heard until it is over. Raises nothing of its own."""
    records = message.RECORDS_MAX
    while True:
        try:
            cable = Cable(node, port_in, port_out, records)
            break
        except MemoryError:
            records >>= 1  # a heap that has lived for long may have no such piece; smaller messages are as good
            if records < _RECORDS_FIRST:
                return
    await cable.attend()
