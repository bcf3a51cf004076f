"""A person at the bench: what is to be done is asked on the terminal, and waited for.

The terminal is asked itself, for pytest holds stdin. Without one (a CI job) a bench has none of what it gives a person to do.
"""

import os
from typing import TextIO

from pydantic import Field

from hil_tests.drivers.base import Driver, DriverError, DriverSettings


class ManualSettings(DriverSettings):
    """`words`: channel → what to say to switch it on and off, such as {strap = ["close the strap", "open the strap"]}."""

    words: dict[str, list[str]] = Field(default_factory=dict)
    terminal: str = "/dev/tty"


def has_terminal(path: str) -> bool:
    try:
        with open(path) as terminal:
            return os.isatty(terminal.fileno())
    except OSError:
        return False


class Hands(Driver):
    """Any channel: its name is what is said, unless `words` says it better."""

    Settings = ManualSettings
    settings: ManualSettings
    _terminal: TextIO

    def check(self, channel: str) -> str:
        words = self.settings.words.get(channel)
        return "" if words is None or len(words) == 2 else f"two texts, for on and for off, in words.{channel}"

    def open(self) -> None:
        # Line by line: a terminal cannot be sought in, so it takes one descriptor to ask and one to hear.
        self._asks = open(self.settings.terminal, "w", buffering=1)  # noqa: SIM115
        self._hears = open(self.settings.terminal)  # noqa: SIM115

    def switch(self, channel: str, on: bool) -> None:
        words = self.settings.words.get(channel)
        self._ask(words[0 if on else 1] if words else f"{channel}: {'on' if on else 'off'}")

    def supply(self, channel: str, millivolts: int) -> None:
        self._ask(f"{channel}: set {millivolts / 1000:.2f} V")

    def sense(self, channel: str) -> bool:
        while True:
            self._asks.write(f"\n  >>> {channel}: high or low? [h/l] ")
            self._asks.flush()
            if (answer := self._line()) in ("h", "l"):
                return answer == "h"

    def close(self) -> None:
        self._asks.close()
        self._hears.close()

    def _ask(self, words: str) -> None:
        self._asks.write(f"\n  >>> {words}, then Enter (s: cannot be done) ")
        self._asks.flush()
        if self._line() == "s":
            raise DriverError(f"{self.place.table}: {words}: cannot be done, said the person at the bench")

    def _line(self) -> str:
        line = self._hears.readline()
        if not line:
            raise DriverError(f"{self.place.table}: nobody at {self.settings.terminal} any more")
        return line.strip().lower()
