"""The debug console: what a device says of itself to whoever sits at its serial line. It only reads, and cannot tell a key.

A command is one word a line; `help` names them. Of the application a `Console` keeps functions that give the numbers to be
told, and no object: from it there is no attribute that leads to the settings store, to a key or to a password.

Imported when somebody types, for the heap's sake. `serve` is a task that lasts until the line ends.
"""

import sys

from . import crash
from .port import MICROPYTHON, const
from .version import BUILD, VERSION

_LINE_MAX = const(200)


def _functions(node, board):
    journal, uplink, clock, gauge = node._journal, node._uplink, node._clock, node._gauge
    settings, orders, lease = node._settings, node._orders, node._lease
    stream = node._carrier.stream
    carrier = node._carrier
    name = board.name
    last = crash.read(board.store)
    sleeper = getattr(node, "_sleeper", None)

    def version():
        # The module is there as long as a release is taken or on trial; who flashes waits for the trial's end.
        updates = MICROPYTHON and "firmware.core.update" in sys.modules
        return "version %s build %s board %s%s" % (VERSION, BUILD, name, " updating" if updates else "")

    def state():
        clock.read()
        return "mode %d strap %s moving %d charging %d battery %d%% %d mV; utc %s uptime %d s; lease %d from %d until %d" % (
            node.mode,
            ("closed", "cut", "none")[2 if not hasattr(node, "strap_is_cut") else 1 if node.strap_is_cut else 0],
            node.moving,
            node.charging,
            gauge.percent,
            gauge.millivolts,
            clock.utc_s if clock.is_set else "unknown",
            clock.uptime_s,
            lease.period,
            lease.from_s,
            lease.until_s,
        )

    def told_settings():
        return " ".join("%s=%d" % pair for pair in sorted(settings.__dict__.items()))

    def told_journal():
        return "next %d unreleased from %d lost %d faults %d" % (
            journal.next_seq,
            journal.first_unreleased,
            journal.lost,
            journal.faults,
        )

    def told_uplink():
        return "in flight %d receipts %d refused %d replayed %d repeats %d; orders: last %d refused %d replayed %d" % (
            uplink.in_flight,
            uplink.receipts,
            uplink.refused,
            uplink.replayed,
            uplink.repeats,
            orders.last,
            orders.refused,
            orders.replayed,
        )

    def power():
        clock.read()
        if sleeper is None:
            return "always awake"
        return "asleep %d s of %d s" % (sleeper.asleep_ms // 1000, clock.uptime_s)

    def last_crash():
        count, _, gap_s, path, line, kind = last
        return (
            "%d in a row, the last after %d s: path %08x line %d type %04x" % (count, gap_s, path, line, kind)
            if count
            else "none"
        )

    def net():
        return "off %d connected %d attempts %d" % (carrier.is_off, stream.connected, stream.attempts)

    return {
        "version": version,
        "state": state,
        "settings": told_settings,
        "journal": told_journal,
        "uplink": told_uplink,
        "power": power,
        "crash": last_crash,
        "net": net,
    }


class Console:
    """On a `node.Node` that is built."""

    def __init__(self, node):
        self._functions = _functions(node, node._board)

    def answer(self, line):
        """A line of text for a line of text; raises nothing."""
        word = line.strip()
        if not word:
            return ""
        if word == "help":
            return "help " + " ".join(sorted(self._functions))
        function = self._functions.get(word)
        return function() if function else "unknown; try help"


async def serve(node, stream):
    """Answer each line of an asyncio stream of bytes by `print`, until it ends or a zero comes: which of the two, as it was read.
    What is longer than any command is dropped."""
    console = Console(node)
    line = bytearray()
    while True:
        got = await stream.read(1)
        if not got or got == b"\0":
            return got
        if got not in (b"\n", b"\r"):
            if len(line) < _LINE_MAX:
                line += got
            continue
        try:
            text = console.answer(line.decode())
        except ValueError:
            text = "unknown; try help"  # no text
        line = bytearray()
        if text:
            print(text)
