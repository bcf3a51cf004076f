"""Either end of the household's radio link: frames in and out, sealed messages in fragments, acknowledgements.

Holds what tag and home unit do alike: open what was heard, answer fragments, and get one message at a time across. What a
frame means is for the owner: `on_frame(kind, sender, frame, rssi, is_new)`, and `on_message(sender, data, n, slot)` for a sealed
message that came in fragments, with the slot it is for or from. `is_ours(sender, slot)`: whether to listen to it at all.

After a start no frame is acted on before its sender has proved that it is fresh (see `frame` about the echo): a BEACON or a
STATUS can, by echoing a number of ours; fragments and acknowledgements wait for one. `asks` says that somebody is heard who
has not proved it: say a STATUS with the flag ASKS.
"""

import asyncio

from .frame import (
    ACK,
    BEACON,
    BODY,
    DUPLICATE,
    FRAGMENT,
    FRESH,
    SIZE,
    UNPROVEN,
    FrameOpener,
    FrameSealer,
    counter_of,
    echo_for,
    echo_of,
    kind_of,
    sender_of,
    to_advertisement,
)
from .link import DONE, SENDING, Reassembler, Sender
from .message import sealed_length
from .port import const, ticks_ms

FRAME_MS = const(100)  # on the air before the next frame: three or four advertisements, one of which gets through
_FRAME_INTERVAL_MS = const(30)
_ACK_MS = const(200)
_ANSWER_MS = const(800)  # for the acknowledgement, which waits for another's at the most


class Radio:
    """`ble` is a board's `Ble`. One `say` at a time; `attend` handles all that was heard so far. `slot` is a tag's own;
    `places` messages can be put together at once, `tries` questions go to one that answers no more."""

    def __init__(self, ble, rf_key, device, counter, on_frame, on_message, is_ours, slot=0, places=2, tries=10):
        self.opener = FrameOpener(rf_key, device)
        self._sealer = FrameSealer(rf_key, device, counter, self.opener.ccm)
        self._ble = ble
        self._on_frame = on_frame
        self._on_message = on_message
        self._is_ours = is_ours
        self._slot = slot
        self.echo = 0  # what our next BEACON or STATUS echoes
        self.asks = False
        self.foreign = 0  # authentic frames of others, and for others
        self._reassembler = Reassembler(places)
        self._frame = bytearray(SIZE)
        self._out = bytearray(SIZE)
        self._advertisement = None
        self._acks = []  # frames of acknowledgements to be said
        self.sender = Sender(0, FRAME_MS, _ANSWER_MS, tries)  # for good: see Sender about message ids

    def attend(self):
        """Open and hand on everything in the ring. Returns how many authentic frames there were."""
        frame = self._frame
        authentic = 0
        while True:
            rssi = self._ble.pop(frame)
            if rssi is None:
                return authentic
            result = self.opener.open(frame)
            if (result == FRESH or result == DUPLICATE or result == UNPROVEN) and self._take(frame, result, rssi):
                authentic += 1

    def _take(self, frame, result, rssi):
        # Whether it may be acted on.
        sender = sender_of(frame)
        kind = kind_of(frame)
        slot = self._slot if kind == BEACON else frame[BODY + 1 if kind >= FRAGMENT else BODY] & 0x0F
        if not self._is_ours(sender, slot):
            self.foreign += 1
            return False
        if result != DUPLICATE and kind < FRAGMENT:
            self.echo = echo_for(frame, slot)
        if result == UNPROVEN:
            self.asks = True
            if kind >= FRAGMENT or echo_of(frame) & 0x0F != slot or not self._sealer.has_said(echo_of(frame)):
                return False
            self.asks = False
            self.opener.hear_after(sender, counter_of(frame))
            result = FRESH
        if result == FRESH and kind >= FRAGMENT:
            if kind == FRAGMENT:
                self._fragment(sender, frame)
            else:
                self.sender.on_ack(frame, ticks_ms())
        self._on_frame(kind, sender, frame, rssi, result == FRESH)
        return True

    def is_answer(self, frame):
        """Whether a BEACON or a STATUS echoes what was said last, and so was sealed after that."""
        return echo_of(frame) & 0x0F == self._slot and self._sealer.has_just_said(echo_of(frame))

    def _fragment(self, sender, frame):
        whole = self._reassembler.feed(sender, frame, ticks_ms())
        if self._reassembler.ack_due and len(self._acks) < 4:
            ack = bytearray(SIZE)
            self._reassembler.ack_into(ack)
            self._acks.append(ack)
        if whole is not None:
            self._on_message(sender, whole, sealed_length(whole), frame[BODY + 1] & 0x0F)

    async def hear(self, ms):
        """Wait until something is heard, `ms` at the longest, attend to it and answer it."""
        if ms:
            await self._ble.heard.wait(ms)
        self.attend()
        await self.answer()

    @property
    def is_asked(self):
        """Whether there is something to `answer`."""
        return len(self._acks) > 0

    async def answer(self):
        """Say the acknowledgements that are due."""
        while self._acks:
            await self.say(self._acks.pop(0), ACK, _ACK_MS)

    async def say(self, frame, kind, ms, interval_ms=_FRAME_INTERVAL_MS):
        """Seal a frame whose body is written and advertise it for `ms`. False when there is no counter to be had."""
        if not self.show(frame, kind, interval_ms):
            return False
        await asyncio.sleep_ms(ms)
        self._ble.quiet()
        return True

    def show(self, frame, kind, interval_ms):
        """Seal a frame and advertise it until something else is said."""
        if not self._sealer.seal(frame, kind):
            return False
        self._advertisement = to_advertisement(frame, self._advertisement)
        self._ble.advertise(self._advertisement, interval_ms)
        return True

    async def send(self, sealed, n, slot, hear):
        """Get a sealed message across in fragments. `hear(ms)` listens and attends for that long. True when acknowledged."""
        sender = self.sender
        if not sender.start(sealed, n, ticks_ms(), slot):
            return False
        while sender.state == SENDING:
            index = sender.poll(ticks_ms())
            if index >= 0:
                sender.body_into(self._out, index)
                if not await self.say(self._out, FRAGMENT, FRAME_MS):
                    return False
                await hear(0)
            else:
                await hear(min(max(sender.wait_ms(ticks_ms()), 10), 100))
        return sender.state == DONE
