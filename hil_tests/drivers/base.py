"""What a driver is: a class with pydantic `Settings`, made with a `Place`, that has one or several of the methods below.

A rig asks for methods, never for a class: whatever has `switch` can cut a strap. Channels are texts, as the bench file has
them; a driver refuses one that it has not got when it is opened (`check`), before anything on the bench has moved.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from bridge.errors import ConfigError


class DriverError(Exception):
    """The thing on the bench did not do what was asked; the text names the driver, what was asked and what came back."""


@runtime_checkable
class Switches(Protocol):
    def switch(self, channel: str, on: bool) -> None: ...


@runtime_checkable
class Senses(Protocol):
    def sense(self, channel: str) -> bool:
        """The level of an input."""
        ...


@runtime_checkable
class Supplies(Protocol):
    def supply(self, channel: str, millivolts: int) -> None: ...


@runtime_checkable
class Speaks(Protocol):
    def speak(self, data: bytes) -> None:
        """Send bytes to the device, as its receiver would."""
        ...


class DriverSettings(BaseModel):
    """A driver's keys in the bench file beside `kind`; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _quiet(port: str, way: str, data: bytes) -> None:
    pass


@dataclass(frozen=True)
class Place:
    """Where a driver stands: `file` and `table` of its settings, for what is told of them; `folder` of that file, which paths
    are relative to; `heard(port, way, data)` is told every byte of a serial port, way ">" to it and "<" from it."""

    file: str
    table: str
    folder: Path = field(default_factory=Path)
    heard: Callable[[str, str, bytes], None] = _quiet

    def wrong(self, key: str, value: object, expected: str) -> ConfigError:
        return ConfigError(self.file, f"[{self.table}] {key}", value, expected)


class Driver:
    """Base of all drivers. `open()` may raise DriverError or ConfigError; `close()` leaves the bench at rest and is always
    called after `open()`; `tick()` about once a second while a test waits."""

    Settings: ClassVar[type[DriverSettings]] = DriverSettings

    def __init__(self, settings: Any, place: Place) -> None:
        self.settings, self.place = settings, place

    def check(self, channel: str) -> str:
        """ "", or what is expected in place of a channel that it has not got."""
        return ""

    def open(self) -> None: ...

    def tick(self) -> None: ...

    def close(self) -> None: ...
