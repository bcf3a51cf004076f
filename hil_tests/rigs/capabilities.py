"""What a rig can do to the device under test, one Protocol a capability: `rig.strap.cut()` where the rig has `strap`.

A test names what it needs; what a rig lacks is None there, and skips the test by name. Times are the rig's own milliseconds
since it was opened, levels dB, voltages mV. What is done is done when the method returns, and takes effect within a second on a
real bench, within a millisecond in the simulator.
"""

from collections.abc import Mapping
from typing import Protocol

from firmware.core.record import Record


class Clock(Protocol):
    """The device's time passes: simulated time as fast as it can, real time by waiting."""

    is_virtual: bool

    @property
    def now_ms(self) -> int: ...

    def advance(self, ms: int) -> None: ...

    def utc_ms(self, now_ms: int) -> int:
        """UTC (since 1970) at a moment of this clock."""
        ...


class Store(Protocol):
    """What has come out at the other end of the bridge."""

    def stored(self) -> list[Record]:
        """The tag's records that the bridge's store holds, in order of sequence; those made since the rig was opened."""
        ...

    def of_unit(self) -> list[Record]:
        """The same of its home unit."""
        ...


class Gnss(Protocol):
    def inject(self, lat_e7: int, lon_e7: int) -> None:
        """From the next second on, the receiver prints what it would under an open sky at this position, whenever it is awake."""
        ...

    def no_fix(self) -> None:
        """… or what it prints where it has none."""
        ...


class Wake(Protocol):
    @property
    def receiver_is_on(self) -> bool:
        """Whether the device has its receiver awake."""
        ...


class Radio(Protocol):
    def attenuate(self, db: float) -> None:
        """Put so much between the tag and its home unit, both ways; at least FAR_DB is out of range."""
        ...


class Strap(Protocol):
    def cut(self) -> int:
        """When it was cut."""
        ...

    def close(self) -> int: ...


class Case(Protocol):
    def open(self) -> int: ...

    def close(self) -> int: ...


class Mains(Protocol):
    """Of the home unit."""

    def lose(self) -> int: ...

    def restore(self) -> int: ...


class Charger(Protocol):
    """Of the tag."""

    def plug(self) -> int: ...

    def unplug(self) -> int: ...


class Battery(Protocol):
    def set_millivolts(self, millivolts: int) -> None:
        """What the tag's cell gives from now on."""
        ...


class Network(Protocol):
    """The tag's mobile network."""

    def lose(self) -> int: ...

    def restore(self) -> int: ...


class Power(Protocol):
    def cut(self) -> int:
        """All power off at once, and on again after a moment: the device starts anew. When it was cut."""
        ...


class Flash(Protocol):
    def held(self) -> dict[int, bytes]:
        """sequence → the 32 bytes that the tag's flash holds."""
        ...


class Zone(Protocol):
    """An exclusion zone that the device was configured with: a circle."""

    lat_e7: int
    lon_e7: int
    radius_m: int


class Console(Protocol):
    def ask(self, command: str) -> str:
        """A line of the device's debug console, answered; "" when nothing comes within two seconds."""
        ...


class Board(Protocol):
    """A board at the end of a cable that tests may flash and provision: what is on it is lost. `serial` finds it; `environment`
    is what programs that look for it need; `architecture` is what its native code is compiled for, `kind` its folder in
    firmware/boards. Programs talk to it, not tests."""

    serial: str
    environment: dict[str, str]
    architecture: str
    kind: str

    def cut_power(self) -> None:
        """Off at once, and on again."""
        ...


class Releases(Protocol):
    """Releases over the air to the tag, which was flashed with one as the rig was opened."""

    def send(self, change: str) -> int:
        """Ask for another release, "good" or "broken" (it raises as it starts); a number for `state`."""
        ...

    def state(self, order: int) -> str:
        """ "queued", "sent", "done", "refused", or "rolled back"."""
        ...

    def runs(self) -> str:
        """The number of the release that the tag runs."""
        ...


class Core(Protocol):
    """The firmware's pure core, compiled for what the rig is, without a device around it."""

    def hour(self, seconds: int) -> Mapping[str, str]:
        """part → digest of what it gave while it was driven for so many virtual seconds."""
        ...


CAPABILITIES: dict[str, str] = {
    "clock": "the device's time passes",
    "store": "what has come out of the bridge",
    "gnss": "what the receiver prints",
    "wake": "whether the receiver is awake",
    "radio": "an attenuator between tag and home unit",
    "strap": "the strap's loop",
    "case": "the case's contact",
    "mains": "the home unit's mains",
    "charger": "the tag's charger",
    "battery": "the voltage of the tag's cell",
    "network": "the mobile network, lost and restored",
    "power": "the tag's power, cut at any moment",
    "flash": "the records in the tag's flash",
    "zone": "a zone that the tag was configured with",
    "console": "the tag's debug console",
    "board": "a board that may be flashed and provisioned",
    "core": "the firmware's pure core by itself",
    "releases": "releases over the air",
    "virtual": "a day in seconds",
}

FAR_DB = 200.0
