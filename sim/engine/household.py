"""The devices of one household, which hear each other by radio, in one order of virtual time.

A device may run to its bound: the end of the stretch, the moment at which another one acts that it could hear, the moment when an
answer from the broker is due, and as far as its circuit has inputs for it. Whoever acts earliest can always run, so time
never sticks; devices that cannot reach each other run side by side.

What a device will hear is told it ahead, up to its bound and as the air is now; when somebody says something new, what was told
of him beyond that moment is taken back (`air`). Nobody has lived through it: bounds end where others act.
"""

from collections.abc import Iterator
from typing import Protocol

from sim.engine.air import Air
from sim.engine.device import Device
from sim.engine.net import Network
from sim.engine.wire import Item
from sim.silicon import _channels as ch

_HEARING_MS = 300  # so far ahead is told what is heard: most of it will be taken back
HORIZON_MS = 600_000  # of inputs at once, where the circuit gives as much: a receiver that prints gives much less


class Circuit(Protocol):
    """What hangs on a device's pins and ports."""

    def fill(self, upto_ms: int) -> int:
        """Push inputs up to a time; the time up to which they are now complete, which may be earlier."""
        ...

    @property
    def next_ms(self) -> int:
        """Before this time it has no input for the device but those that it pushed; NEVER when that is up to the device."""
        ...

    def output(self, item: Item) -> None:
        """The device did something to a pin, a port or a network interface."""
        ...

    def changed(self, t_ms: int) -> None:
        """Somebody changed the world as it is from t_ms on, a time that the device has not reached."""
        ...

    def stopped(self, t_ms: int) -> None:
        """The device's processor has no power: its outputs are at rest."""
        ...

    def restarted(self, t_ms: int) -> None:
        """The device's processor starts anew: its outputs are at rest, its inputs must be told again."""
        ...


class Household:
    """`devices` in a fixed order with their `circuits` by name. `air` is theirs alone."""

    def __init__(self, devices: list[Device], circuits: dict[str, Circuit], air: Air, network: Network) -> None:
        self.index = 0  # the kernel's
        self.due_ms = -1  # the kernel's
        self.devices = devices
        self.circuits = circuits
        self._air = air
        self._network = network
        self._complete_ms = {device.name: -1 for device in devices}  # up to when its circuit has told everything

    @property
    def is_running(self) -> bool:
        return any(device.running for device in self.devices)

    @property
    def acts_ms(self) -> int:
        """The earliest time at which one of them could do something."""
        return min(map(self._acts_ms, self.devices))

    @property
    def due_again_ms(self) -> int:
        """Until then there is nothing to do for the household, unless somebody tells it something."""
        return min(self.acts_ms, *(circuit.next_ms for circuit in self.circuits.values()))

    def time_ms(self, limit_ms: int) -> int:
        """The virtual time that all of them have reached, `limit_ms` at the most."""
        return min(limit_ms, self.acts_ms)

    @property
    def _runs_since_ms(self) -> int:
        return min((device.activity_ms for device in self.devices if device.running), default=ch.NEVER + 1)

    def who_may_run(self, limit_ms: int) -> Iterator[tuple[Device, int, int]]:
        """(device, horizon, until when nobody hears what it says by radio), for each that is to be run now."""
        moved = True
        while moved:
            moved = False
            idle = sorted((self._acts_ms(device), i) for i, device in enumerate(self.devices) if not device.running)
            for acts_ms, i in idle:
                device = self.devices[i]
                if acts_ms > limit_ms <= device.horizon_ms:
                    continue
                if acts_ms >= self._runs_since_ms and not self._air.is_apart(device, acts_ms):
                    continue  # it waits for what that one says
                horizon_ms = device.horizon_ms
                found = self._bounds(device, limit_ms)
                if found is not None:
                    yield device, *found
                elif device.horizon_ms > horizon_ms:
                    moved = True  # it slept on, and that may let others go further

    def output(self, device: Device, item: Item) -> None:
        """What a device said, to the air and to its circuit."""
        t_ms, channel, sub, payload = item
        if channel == ch.BLE_ADVERTISE:
            self._air.advertise(device, t_ms, payload)
        elif channel == ch.BLE_SCAN:
            self._air.scan(device, t_ms, payload)
        elif channel == ch.SLEEP:
            self._air.sleep(device, t_ms, sub)
        self._complete_ms[device.name] = -1  # what it did may change what it is told
        self.circuits[device.name].output(item)

    def silence(self, device: Device, t_ms: int) -> None:
        """The device lost its processor."""
        self._complete_ms[device.name] = -1
        self._air.silence(device, t_ms)

    def forget(self) -> None:
        """The world was changed by hand: what is known ahead of places is known no more."""
        self._complete_ms = {device.name: -1 for device in self.devices}
        self._air.forget()

    def portrait(self) -> list[str]:
        return [
            f"{device.name}: now {device.now_ms} wake {device.wake_ms} horizon {device.horizon_ms} acts {device.activity_ms}"
            for device in self.devices
        ]

    # Inside.

    def _bounds(self, device: Device, limit_ms: int) -> tuple[int, int] | None:
        while True:
            from_ms = _from_ms(device)
            bound_ms = self._network.bound(device, min(limit_ms, from_ms + HORIZON_MS))
            bound_ms, clear_ms = self._air_bound(device, from_ms, bound_ms)
            bound_ms = max(device.horizon_ms, bound_ms)
            filled_ms = self._fill(device, bound_ms)
            if device.activity_ms <= filled_ms:
                return filled_ms, clear_ms
            if filled_ms <= device.horizon_ms:
                return None
            device.horizon_ms = filled_ms  # it sleeps until then, whatever comes
            if filled_ms >= bound_ms:
                return None

    def _air_bound(self, device: Device, from_ms: int, bound_ms: int) -> tuple[int, int]:
        """How far it may run before somebody in radio range could say something that it hears; and until when nobody hears."""
        peers, clear_ms = self._air.coupled(device, from_ms)
        bound_ms = min(bound_ms, clear_ms)
        if self._air.hears(device, from_ms):
            bound_ms = min(bound_ms, from_ms + _HEARING_MS)
        for peer in peers:
            bound_ms = min(bound_ms, self._acts_ms(peer), self.circuits[peer.name].next_ms)
        for peer in peers:
            if self._air.listens(peer, from_ms):
                if self._air.hears(peer, from_ms):
                    bound_ms = min(bound_ms, from_ms + _HEARING_MS)
                if not peer.running:
                    self._air.fill(peer, bound_ms)
                    bound_ms = min(bound_ms, self._acts_ms(peer))
                clear_ms = 0
            else:
                clear_ms = min(clear_ms, self._acts_ms(peer), self.circuits[peer.name].next_ms)
        if self._air.has_bystanders or self._air.could_hear(device, from_ms):
            clear_ms = 0  # as soon as it listens, or listens anew, it hears somebody
        return bound_ms, clear_ms

    def _fill(self, device: Device, upto_ms: int) -> int:
        complete_ms = self._complete_ms[device.name]
        if complete_ms < upto_ms:
            complete_ms = self._complete_ms[device.name] = self.circuits[device.name].fill(upto_ms)
        upto_ms = min(upto_ms, complete_ms)
        self._air.fill(device, upto_ms)
        return upto_ms

    def _acts_ms(self, device: Device) -> int:
        """The earliest time at which it could do something, by what is known now."""
        return self._network.bound(device, device.activity_ms - 1) + 1


def _from_ms(device: Device) -> int:
    """Where its next run begins, as far as that is known: a device without power, or asleep for ever, has only the present."""
    return max(device.now_ms, device.activity_ms if device.activity_ms < ch.NEVER else device.horizon_ms)
