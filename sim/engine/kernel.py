"""Virtual time: who may run how far, and the loop that lets them.

A device may run to its bound: the least of the pace, the next moment at which a peer in radio range could say something, the
moment an answer from the broker is due, and as far as its circuit has inputs for it. Whoever acts earliest can always run, so
time never sticks; devices that cannot reach each other run side by side, each in its own process.
"""

import selectors
import time
from collections.abc import Callable
from typing import Protocol

from sim.engine.air import Air
from sim.engine.device import CRASH_WORDS, Device
from sim.engine.net import Network
from sim.engine.process import Zygote
from sim.engine.wire import Item
from sim.silicon import _channels as ch

LEAD_MS = 120_000  # how far the fastest device may be ahead of the slowest: keeps the picture of the fleet together
HORIZON_MS = 60_000  # of inputs handed to a device at once: more would not fit its heap


class Circuit(Protocol):
    """What hangs on a device's pins and ports."""

    def fill(self, upto_ms: int) -> int:
        """Push inputs up to a time; the time up to which they are now complete, which may be earlier."""
        ...

    def output(self, item: Item) -> None:
        """The device did something to a pin, a port or a network interface."""
        ...

    def stopped(self, t_ms: int) -> None:
        """The device's processor has no power: its outputs are at rest."""
        ...

    def restarted(self, t_ms: int) -> None:
        """The device's processor starts anew: its outputs are at rest, its inputs must be told again."""
        ...


CRASHES_MAX = 20  # of one device in one run; then the firmware is at fault and going on would show nothing


class DeviceBroken(Exception):
    """A device crashed again and again; the text holds its last words."""


class Stuck(Exception):
    """No device can run and nothing is awaited: an error in the engine, never a state of the world."""


class Kernel:
    def __init__(self, selector: selectors.BaseSelector, zygote: Zygote, air: Air, network: Network) -> None:
        self._selector = selector
        self._zygote = zygote
        self._air = air
        self._network = network
        network.on_change = self.candidate
        self._devices: dict[str, Device] = {}
        self._circuits: dict[str, Circuit] = {}
        self._candidates: dict[str, Device] = {}
        self._leaders: dict[str, Device] = {}  # as far ahead as they may be
        self._limit_ms = 0
        self.runs = 0
        selector.register(zygote, selectors.EVENT_READ, zygote.on_readable)

    def add(self, device: Device, circuit: Circuit) -> None:
        """A device whose process has just been started."""
        self._devices[device.name] = device
        self._circuits[device.name] = circuit
        self._listen(device)

    @property
    def devices(self) -> list[Device]:
        return list(self._devices.values())

    def circuit(self, name: str) -> Circuit:
        """What hangs on the device of that name."""
        return self._circuits[name]

    @property
    def time_ms(self) -> int:
        """The virtual time that every device has reached."""
        return min((min(self._acts_ms(device), self._limit_ms) for device in self._devices.values()), default=self._limit_ms)

    def candidate(self, device: Device) -> None:
        """Something changed that may let this device run, or those who wait for what it may say."""
        self._candidates[device.name] = device
        for peer in self._air.peers(device):
            if not peer.running:
                self._candidates[peer.name] = peer

    def run_to(self, limit_ms: int, tick: Callable[[], None] = lambda: None, tick_s: float = 0.1) -> None:
        """Let every device live to `limit_ms`. `tick` is called about every `tick_s` seconds of wall time."""
        self._limit_ms = limit_ms
        self._candidates = dict(self._devices)
        self._leaders = {}
        next_tick = time.monotonic() + tick_s
        stalled = ""
        while True:
            self._dispatch()
            running = any(device.running for device in self._devices.values())
            waiting = self._network.is_waiting()
            if not running and not self._candidates:
                if self._is_complete():
                    return
                if not waiting:
                    # Who hears whom goes through others too: only if looking at everybody changes nothing does time stick.
                    portrait = self._portrait()
                    if portrait == stalled:
                        raise Stuck(portrait)
                    stalled = portrait
                    self._candidates = dict(self._devices)
                    continue
            for key, _ in self._selector.select(0 if self._candidates else 0.02 if waiting else 0.2):
                key.data()
            if waiting:
                self._network.poll()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + tick_s
                tick()

    def idle(self, timeout_s: float) -> None:
        """Attend to the real world while virtual time stands still."""
        for key, _ in self._selector.select(timeout_s):
            key.data()
        self._network.poll()

    # Inside.

    def _is_complete(self) -> bool:
        return all(self._acts_ms(device) > self._limit_ms for device in self._devices.values())

    def _dispatch(self) -> None:
        if not self._candidates:
            return
        lead_ms = min(self._limit_ms, self.time_ms + LEAD_MS)
        if self._leaders:
            self._candidates.update(self._leaders)
            self._leaders = {}
        while self._candidates:
            _, device = self._candidates.popitem()
            if not device.running:
                self._let_run(device, lead_ms)

    def _let_run(self, device: Device, lead_ms: int) -> None:
        while True:
            bound_ms = min(lead_ms, _from_ms(device) + HORIZON_MS)
            bound_ms = self._network.bound(device, bound_ms)
            air_ms, clear_ms = self._air_bound(device, bound_ms)
            bound_ms = max(device.horizon_ms, air_ms)
            filled_ms = self._fill(device, bound_ms)
            if device.activity_ms <= filled_ms:
                self._run(device, filled_ms, clear_ms)
                return
            device.horizon_ms = max(device.horizon_ms, filled_ms)  # it sleeps until then, whatever comes
            if filled_ms >= bound_ms:
                if bound_ms >= lead_ms and lead_ms < self._limit_ms:
                    self._leaders[device.name] = device
                return

    def _air_bound(self, device: Device, bound_ms: int) -> tuple[int, int]:
        """How far it may run before somebody in radio range could say something that it hears; and until when nobody hears.

        Until the first of them acts, what all of them advertise is known, so everybody can be told what it hears up to then;
        that may make somebody act earlier. Beyond it, only those count on who can hear nothing meanwhile.
        """
        peers, clear_ms = self._air.coupled(device, _from_ms(device))
        bound_ms = min(bound_ms, clear_ms)
        if not peers:
            return bound_ms, clear_ms
        first_ms = min(bound_ms, self._acts_ms(device), *map(self._acts_ms, peers))
        for member in (device, *peers):
            if not member.running:
                self._fill(member, first_ms)
        first_ms = min(first_ms, self._acts_ms(device), *map(self._acts_ms, peers))
        for peer in peers:
            acts_ms = self._acts_ms(peer)
            clear_ms = min(clear_ms, 0 if self._air.listens(peer, first_ms) else acts_ms)
            if acts_ms >= bound_ms and peer.running:
                continue
            if acts_ms > first_ms and self._air.may_hear(peer, first_ms):
                acts_ms = first_ms
            elif acts_ms > first_ms and not peer.running:
                acts_ms = min(self._circuits[peer.name].fill(min(acts_ms, bound_ms)), self._acts_ms(peer))
            bound_ms = min(bound_ms, acts_ms)
        return bound_ms, clear_ms

    def _fill(self, device: Device, upto_ms: int) -> int:
        upto_ms = self._circuits[device.name].fill(upto_ms)
        self._air.fill(device, upto_ms)
        return upto_ms

    def _acts_ms(self, device: Device) -> int:
        """The earliest time at which it could do something, by what is known now."""
        return self._network.bound(device, device.activity_ms - 1) + 1

    def _run(self, device: Device, horizon_ms: int, clear_ms: int) -> None:
        self.runs += 1
        if device.is_off:
            device.power_up()
            self._circuits[device.name].restarted(device.now_ms)
            self._listen(device)
            return
        try:
            device.run(horizon_ms, clear_ms)
        except BrokenPipeError:
            self._died(device, "its pipe is closed")

    def _listen(self, device: Device) -> None:
        self._selector.register(device.process, selectors.EVENT_READ, lambda: self._answered(device))

    def _answered(self, device: Device) -> None:
        try:
            answer = device.receive()
        except (EOFError, ValueError) as error:
            self._died(device, str(error))
            return
        if answer is None:
            return
        for item in answer.items:
            self._output(device, item)
        self.candidate(device)

    def _output(self, device: Device, item: Item) -> None:
        t_ms, channel, sub, payload = item
        if channel == ch.BLE_ADVERTISE:
            self._air.advertise(device, t_ms, payload)
        elif channel == ch.BLE_SCAN:
            self._air.scan(device, t_ms, payload)
        elif channel == ch.SOCK_OUT:
            self._network.output(device, t_ms, sub, payload)
        elif channel == ch.SLEEP:
            self._air.sleep(device, t_ms, sub)
            if sub == 2:
                self._network.disconnect(device)
        elif channel == ch.CRASHED:
            self._crashed(device, payload.decode("utf-8", "replace"))
            return
        elif channel == ch.RESET:
            self._reset(device, t_ms, payload[0])
            return
        self._circuits[device.name].output(item)

    def _reset(self, device: Device, t_ms: int, cause: int) -> None:
        self._selector.unregister(device.process)
        self._network.disconnect(device)
        self._air.silence(device, t_ms)
        if cause == ch.POWER_LOST:
            device.power_off()
            self._circuits[device.name].stopped(t_ms)
            return
        device.reboot(cause)
        self._circuits[device.name].restarted(device.now_ms)
        self._listen(device)

    def _died(self, device: Device, reason: str) -> None:
        """Its process ended without having said why: a crash of the interpreter."""
        self._crashed(device, reason)
        self._reset(device, device.now_ms, 2)

    def _crashed(self, device: Device, reason: str) -> None:
        if CRASH_WORDS in reason:
            return  # what the scenario wanted
        log = device.folder / "console.log"
        tail = log.read_text("utf-8", "replace")[-2000:] if log.exists() else ""
        device.crashes.append(f"{device.name} at {device.now_ms} ms: {reason}\n{tail}".strip())
        if len(device.crashes) >= CRASHES_MAX:
            raise DeviceBroken(device.crashes[-1])

    def _portrait(self) -> str:
        lines = [f"no device can run to {self._limit_ms} ms"]
        for device in self._devices.values():
            lines.append(
                f"{device.name}: now {device.now_ms} wake {device.wake_ms} horizon {device.horizon_ms} acts {device.activity_ms}"
            )
        return "\n".join(lines)


def _from_ms(device: Device) -> int:
    """Where its next run begins, as far as that is known: a device without power, or asleep for ever, has only the present."""
    return max(device.now_ms, device.activity_ms if device.activity_ms < ch.NEVER else device.horizon_ms)
