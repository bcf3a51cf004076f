# The program of a bench's fixture: a second board with MicroPython whose pins are wired to the device under test.
# Put it there once, as main.py:   mpremote connect PORT cp hil_tests/drivers/fixture_board.py :main.py + reset
#
# A line in, a line out, over its USB serial port. PIN is what machine.Pin takes: a number or a name.
#
#   who                  ok homeward-fixture 1 UNIQUE-ID
#   set PIN 0|1          ok            an output from now on
#   pulse PIN 0|1 MS     ok            to that level, and back after so many milliseconds (1 to 10000), timed here
#   get PIN [up|down]    ok 0|1        an input from now on
#   release PIN          ok            as it was before: an input without a pull
#   hold S               ok            without a line for so many seconds (1 to 3600) all pins are released; 120 at first
#   rest                 ok            all pins released
#
# What cannot be done is answered by "err" and why. All pins are released when it starts, so a bench without a program is at rest.

import select
import sys
import time
from binascii import hexlify

import machine  # pyright: ignore[reportMissingImports]

VERSION = 1
LINE_MAX = 80


class Fixture:
    def __init__(self, pin_class=machine.Pin, unique=b"\0"):
        self._pin_class = pin_class
        self._unique = unique
        self._used = {}
        self.hold_s = 120

    def _pin(self, name, *mode):
        if name not in self._used and len(self._used) >= 64:
            raise ValueError("too many pins")
        pin = self._pin_class(int(name) if name.isdigit() else name, *mode)
        self._used[name] = pin
        return pin

    def _set(self, name, level):
        if level not in ("0", "1"):
            raise ValueError("level: 0 or 1")
        self._pin(name, self._pin_class.OUT).value(int(level))

    def release(self):
        for pin in self._used.values():
            pin.init(self._pin_class.IN)
        self._used.clear()

    def _do(self, words):
        what, given = words[0], words[1:]
        if what == "who" and not given:
            return f"homeward-fixture {VERSION} {hexlify(self._unique).decode()}"
        if what == "set" and len(given) == 2:
            self._set(*given)
        elif what == "pulse" and len(given) == 3:
            ms = self._number(given[2], 10000)
            self._set(given[0], given[1])
            time.sleep_ms(ms)  # pyright: ignore[reportAttributeAccessIssue]
            self._set(given[0], "1" if given[1] == "0" else "0")
        elif what == "get" and len(given) in (1, 2):
            pulls = {"up": self._pin_class.PULL_UP, "down": self._pin_class.PULL_DOWN}
            if len(given) == 2 and given[1] not in pulls:
                raise ValueError("pull: up or down")
            mode = (self._pin_class.IN, pulls[given[1]]) if len(given) == 2 else (self._pin_class.IN,)
            return str(self._pin(given[0], *mode).value())
        elif what == "release" and len(given) == 1:
            self._pin(given[0], self._pin_class.IN)
        elif what == "hold" and len(given) == 1:
            self.hold_s = self._number(given[0], 3600)
        elif what == "rest" and not given:
            self.release()
        else:
            raise ValueError("who, set PIN 0|1, pulse PIN 0|1 MS, get PIN [up|down], release PIN, hold S, rest")
        return ""

    def _number(self, text, top):
        if not (text.isdigit() and 1 <= int(text) <= top):
            raise ValueError(f"a number from 1 to {top}")
        return int(text)

    def answer(self, line):
        """A line for a line; raises nothing."""
        words = line.split()
        if not words:
            return ""
        try:
            told = self._do(words)
            return "ok " + told if told else "ok"
        except (ValueError, TypeError, OSError, AttributeError) as error:
            return "err " + (" ".join(str(each) for each in error.args) or type(error).__name__)


def serve(fixture, stream):
    """Answer lines of a stream of bytes until it ends."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    line = bytearray()
    while True:
        if not poll.poll(fixture.hold_s * 1000):
            fixture.release()
            poll.poll(-1)
        byte = stream.read(1)
        if not byte:
            return
        if byte not in b"\r\n":
            if len(line) <= LINE_MAX:
                line += byte
            continue
        try:
            text = str(line, "utf-8") if len(line) <= LINE_MAX else "?"
        except (ValueError, UnicodeError):
            text = "?"
        line = bytearray()
        told = fixture.answer(text)
        if told:
            print(told)


if __name__ == "__main__":
    serve(Fixture(unique=machine.unique_id() if hasattr(machine, "unique_id") else b"\0"), sys.stdin.buffer)
