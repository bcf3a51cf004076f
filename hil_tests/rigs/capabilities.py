"""What a rig can do to the device under test, one Protocol a capability. A test that names one may use it; a rig has those of
which it is an instance. Times are the device's own milliseconds since the rig was opened, levels dB.
"""

from typing import Protocol, runtime_checkable

from firmware.core.record import Record


@runtime_checkable
class Clock(Protocol):
    """The device's time passes: simulated time as fast as it can, real time by waiting."""

    @property
    def now_ms(self) -> int: ...

    def advance(self, ms: int) -> None: ...


@runtime_checkable
class Store(Protocol):
    """What has come out at the other end of the bridge."""

    def stored(self) -> list[Record]:
        """Every record of the device that the bridge's store holds, in order of sequence."""
        ...

    def utc_ms(self, now_ms: int) -> int:
        """UTC (since 1970) at a moment of the rig's clock."""
        ...


@runtime_checkable
class Gnss(Protocol):
    def inject(self, lat_e7: int, lon_e7: int) -> None:
        """From the next second on, the receiver prints valid epochs at this position whenever it is awake."""
        ...

    def no_fix(self) -> None:
        """… or says that it has none."""
        ...

    @property
    def receiver_is_on(self) -> bool: ...


@runtime_checkable
class Radio(Protocol):
    def attenuate(self, db: float) -> None:
        """Put so much between the tag and its home unit, both ways."""
        ...


@runtime_checkable
class Strap(Protocol):
    def cut_strap(self) -> int:
        """When it was cut."""
        ...

    def close_strap(self) -> int: ...


@runtime_checkable
class Power(Protocol):
    def cut_power(self) -> None:
        """At once and for a moment: the device starts anew."""
        ...

    def flash(self) -> dict[int, bytes]:
        """sequence → the 32 bytes that the device's flash holds."""
        ...


CAPABILITIES: dict[str, type] = {
    "clock": Clock,
    "store": Store,
    "gnss": Gnss,
    "radio": Radio,
    "strap": Strap,
    "power": Power,
}


def missing(rig: object, wanted: tuple[str, ...]) -> list[str]:
    """Those of the wanted capabilities that a rig lacks. KeyError for one that there is no such thing as."""
    return [name for name in wanted if not isinstance(rig, CAPABILITIES[name])]
