"""A release over the air, on the device: taken into the folder that does not run, tried, and told of. Imported while one is under
way, and at a start that has one to go on with.

ORDER_UPDATE names the release by the SHA-256 of its manifest. From then on the device asks, by UPDATE records, for the pieces
that it lacks, at most `_WINDOW` at a time, over its own connection alone; what is lost is asked for again. The order is kept in
the settings store (`update`: u32 its number, then its payload) beside what has come, so a restart goes on. When the folder is
whole it goes on trial (`switch`) and the device starts anew; under the new release it is confirmed by the first receipt of
the bridge over a connection of its own. Without one in `_TRIAL_S`, or after `switch.STARTS` starts, the old one runs again. Every
end is told by ORDER_DONE.

Nothing else waits for it: pieces are no orders, and the tasks of the application run on.
"""

import asyncio
import struct
import sys

from .. import switch
from . import message, record, release
from .node import _drop
from .port import const, ticks_diff, ticks_ms
from .wake import Wake

_KEPT_MAX = const(128)
_FIXED = const(39)  # of an ORDER_UPDATE's payload, before the board's name
_WINDOW = const(32)
_QUIET_MS = const(15_000)  # nothing more is coming of what was asked for
_QUIET_MAX = const(5)  # doublings of that: 8 min
_GIVE_UP = const(180)  # times in a row that nothing came: a day
_LOOK_MS = const(1000)
_SEEK_S = const(600)  # without a connection the modem rests for an hour
_REST_MS = const(3_600_000)
_TRIAL_S = const(3600)
_EASY_MS = const(3000)
_CRASHES = const(2)  # in a row, of late: then an update is given up, before the third brings the safe application
_LOCATE_S = const(300)  # so long the restart waits for a fix that somebody has asked for
_BATTERY_LOW = const(30)  # percent: below it a release waits for the charger (our judgement)

_going = None  # the one update that is under way


def _folders():
    # (the folder that runs, the other one): "" when this firmware runs out of neither.
    running = sys.path[0]
    for i in (0, 1):
        if running.endswith("/" + switch.NAMES[i]):
            return running, running[:-1] + switch.NAMES[1 - i]
    return "", ""


def _runs(folder, data):
    # Whether this is the release that runs already.
    size = struct.unpack_from("<H", data, 5)[0]
    return release.is_file(folder + release.MANIFEST, size, data[7:_FIXED])


def order(node, number, data):
    """An ORDER_UPDATE: a message.* status, or None when it is under way."""
    running, other = _folders()
    if len(data) <= _FIXED or len(data) > _KEPT_MAX - 4:
        return message.BAD_FORM
    if not other:
        return message.NOT_HERE
    flags, age = struct.unpack_from("<BI", data)
    if data[_FIXED:] != node._board.name.encode():
        return message.WRONG_BOARD
    if _runs(running, data):
        return message.DONE
    if age < release.head(running, "number", 0) and not flags & 1:
        return message.OLDER
    store = node._board.store
    value = store.number(switch.KEY)
    if switch.on_trial(value):
        _settle(node, value)  # an order of the bridge is as good as a receipt
    if _going is not None:
        _going.replaced()
    node._orders.begun(number)
    store.keep_blob("update", struct.pack("<I", number) + data)
    store.keep_number(switch.KEY, switch.busy(store.number(switch.KEY)))
    node._recorder.event(record.UPDATE, number, 0)
    _start(node, number, data)
    return None


def resume(node):
    """At a start: a trial, or an update that goes on."""
    store = node._board.store
    value = store.number(switch.KEY)
    kept = bytes(store.blob("update", _KEPT_MAX)) if switch.is_busy(value) else b""
    if len(kept) > 4 + _FIXED:
        node._orders.is_going(struct.unpack_from("<I", kept)[0])
    if switch.on_trial(value):
        asyncio.create_task(_trial(node, switch.is_easy(value)))
    elif switch.has_failed(value):
        _end(node, message.ROLLED_BACK)
    elif len(kept) <= 4 + _FIXED or _runs(_folders()[0], kept[4:]):
        _end(node, message.DONE)
    elif len(store.blob("crash", 12)) and store.blob("crash", 12)[0] >= _CRASHES:
        _end(node, message.INTERRUPTED)  # it may be this update that is too much
    else:
        _start(node, struct.unpack_from("<I", kept)[0], kept[4:])


def _start(node, number, data):
    global _going
    _going = Update(node, number, data)
    asyncio.create_task(_going.run())


def _end(node, status):
    """The update that is kept, if there is one, is over; and a trial that failed is told."""
    global _going
    _going = None
    store = node._board.store
    value = store.number(switch.KEY)
    if switch.is_busy(value):
        kept = store.blob("update", _KEPT_MAX)
        if len(kept) > 4:
            node._orders.finished(struct.unpack_from("<I", kept)[0], status)
    if switch.is_busy(value) or switch.has_failed(value):
        store.keep_number(switch.KEY, switch.told(value))
    store.forget("update")
    for name in ("update", "release"):
        _drop(name)


async def _trial(node, is_easy):
    began = ticks_ms()
    if is_easy:
        await asyncio.sleep_ms(_EASY_MS)
    else:
        _hold(node, True)
        while not (node._uplink.receipts and node._carrier.stream.connected):
            if ticks_diff(ticks_ms(), began) > _TRIAL_S * 1000:
                store = node._board.store
                store.keep_number(switch.KEY, switch.given_up(store.number(switch.KEY)))
                node._journal.sync()
                node._board.reset()
            await asyncio.sleep_ms(_LOOK_MS)
        _hold(node, False)
    value = node._board.store.number(switch.KEY)
    if switch.on_trial(value):  # else an order settled it meanwhile
        _settle(node, value)


def _settle(node, value):
    node._board.store.keep_number(switch.KEY, switch.confirmed(value))
    _end(node, message.DONE)


def _hold(node, on):
    # The device's own connection, whatever the mode says.
    node._carrier.hold(on)


class Update:
    """One release on its way into the other folder."""

    def __init__(self, node, number, data):
        running, other = _folders()
        _, age, size = struct.unpack_from("<BIH", data)
        self._node = node
        self._number = number
        self._is_over = False
        self._heard = Wake()
        self._until = 0  # the end of what was asked for
        self._taking = release.Taking(other, running, size, bytes(data[7:_FIXED]))

    def replaced(self):
        """Another release is wanted instead."""
        self._is_over = True
        self._taking.close()
        self._node._orders.on_piece = None
        self._node.ordered(self._number, message.INTERRUPTED)

    async def run(self):
        """Until the device starts under the new release, or it cannot."""
        node = self._node
        store = node._board.store
        node._orders.on_piece = self.on_piece
        try:
            status = await self._take()
            if self._is_over:
                return
            if status == message.DONE:
                self._taking.finish()
                for _ in range(_LOCATE_S):
                    if not node._locating:
                        break
                    await asyncio.sleep_ms(1000)
                node._journal.sync()
                store.keep_number(switch.KEY, switch.trial(store.number(switch.KEY)))
                node._board.reset()
        except (OSError, MemoryError):
            status = message.NO_ROOM
        except ValueError:
            status = message.BAD_RELEASE
        if self._is_over:
            return
        self._taking.close()
        node._orders.on_piece = None
        _hold(node, False)
        _end(node, status)

    async def _take(self):
        taking = self._taking
        node = self._node
        quiet = sought_s = 0
        while not self._is_over:
            had_manifest = taking.has_manifest
            for _ in taking.survey():
                await asyncio.sleep_ms(0)
                if self._is_over:
                    return None
            while taking.state == release.COMING and taking.has_manifest == had_manifest and not self._is_over:
                if not node.charging and node.battery is not None and node.battery < _BATTERY_LOW:
                    _hold(node, False)
                    await self._heard.wait(60_000)
                    continue
                _hold(node, sought_s < _SEEK_S)
                if not node._carrier.stream.connected:
                    await self._heard.wait(_LOOK_MS if sought_s < _SEEK_S else _REST_MS)
                    sought_s = (sought_s + 1) % (_SEEK_S + 1)
                    continue
                sought_s = 0
                before = taking.at
                await self._ask(_QUIET_MS << min(quiet, _QUIET_MAX))
                quiet = 0 if taking.at != before else quiet + 1
                if quiet > _GIVE_UP:
                    return message.INTERRUPTED
            if taking.state != release.COMING:
                break
        if taking.state == release.WHOLE:
            return message.DONE
        return message.NO_ROOM if taking.state == release.NO_ROOM else message.BAD_RELEASE

    async def _ask(self, quiet_ms):
        # What is wanted next, until it has come or nothing comes any more.
        taking = self._taking
        length = taking.run_length()
        pieces = min(-(-length // message.UPDATE_DATA_MAX), _WINDOW)
        self._until = taking.at + min(length, pieces * message.UPDATE_DATA_MAX)
        self._heard.clear()
        self._node._recorder.event(record.UPDATE, self._number, pieces << 24 | taking.at)
        at = -1
        while at != taking.at:
            at = taking.at
            await self._heard.wait(quiet_ms)
            if not at <= taking.at < self._until or self._is_over:
                break
        taking.keep()

    def on_piece(self, body, n):
        """An authentic DOWN message that is no order. Whether it is a piece of a release."""
        parsed = message.parse_update(body)
        if parsed is None:
            return False
        number, offset = parsed
        if number == self._number and not self._is_over:
            try:
                self._taking.take(offset, body[message.UPDATE_HEADER : n])
            except (OSError, MemoryError):
                self._taking.state = release.NO_ROOM
            self._heard.set()
        return True
