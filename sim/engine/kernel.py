"""Virtual time: who may run how far, and the loop that lets them.

Devices of one household hear each other by radio; of others they hear nothing that they could open (`household`). So each
household lives through its own time, its devices in processes of their own, and all wait for each other only at the ends of
stretches of `STRETCH_MS`, which keeps the picture of the fleet together.
"""

import heapq
import selectors
import time
from collections.abc import Callable

from sim.engine import breakdown
from sim.engine.device import Device
from sim.engine.household import Circuit, Household
from sim.engine.net import Network
from sim.engine.process import Zygote
from sim.engine.wire import Item
from sim.silicon import _channels as ch

STRETCH_MS = 600_000  # no device is further ahead of another than this
AT_ONCE = 16  # households that run at the same time: a thousand would leave broker, bridge and this process no time
_POLL_S = 0.02  # while an answer of the real world is awaited
_IDLE_S = 0.2


class Stuck(Exception):
    """No device can run and nothing is awaited: an error in the engine, never a state of the world."""


class Kernel:
    def __init__(self, selector: selectors.BaseSelector, zygote: Zygote, network: Network) -> None:
        self._selector = selector
        self._zygote = zygote
        self._network = network
        network.on_change = self.changed
        self._households: list[Household] = []
        self._home: dict[str, Household] = {}
        self._devices: dict[str, Device] = {}
        self._due: list[tuple[int, int]] = []  # a heap of (when it acts, which household); what has changed since is skipped
        self._changed: dict[int, Household] = {}
        self._busy: dict[int, Household] = {}  # has a device that runs
        self._waiting: dict[int, Household] = {}
        self._limit_ms = 0
        self._stretch_ms = 0
        self.runs = 0
        self.overruns = breakdown.Overruns()
        selector.register(zygote, selectors.EVENT_READ, zygote.on_readable)

    def add(self, household: Household) -> None:
        """Devices whose processes have just been started."""
        household.index = len(self._households)
        self._households.append(household)
        for device in household.devices:
            self._home[device.name] = household
            self._devices[device.name] = device
            self._listen(device)
        self._busy[household.index] = household

    @property
    def devices(self) -> list[Device]:
        return list(self._devices.values())

    @property
    def households(self) -> list[Household]:
        return self._households

    def circuit(self, name: str) -> Circuit:
        """What hangs on the device of that name."""
        return self._home[name].circuits[name]

    @property
    def time_ms(self) -> int:
        """The virtual time that every device has reached."""
        return min((household.time_ms(self._limit_ms) for household in self._households), default=self._limit_ms)

    def changed(self, device: Device) -> None:
        """Something changed that may let this device run, or those who wait for what it may say."""
        household = self._home[device.name]
        self._changed[household.index] = household

    def run_to(self, limit_ms: int, tick: Callable[[], None] = lambda: None, tick_s: float = 0.1) -> None:
        """Let every device live to `limit_ms`. `tick` is called about every `tick_s` seconds of wall time."""
        self._limit_ms = limit_ms
        if limit_ms <= self._stretch_ms + STRETCH_MS:  # of a live fleet nobody need be asked where they are
            self._stretch_ms = max(self._stretch_ms, limit_ms)
        else:
            self._stretch_ms = min(limit_ms, max(self._stretch_ms, self.time_ms + STRETCH_MS))
        self._changed.update(self._waiting)
        next_tick = time.monotonic() + tick_s
        while True:
            self._start_all()
            waiting = self._network.is_waiting()
            if not self._busy and not self._changed and not waiting:
                if self._stretch_ms >= limit_ms:
                    self._check_complete()
                    return
                self._stretch_ms = min(limit_ms, self._stretch_ms + STRETCH_MS)
                self._changed.update(self._waiting)
                continue
            for key, _ in self._selector.select(0 if self._goes_on else _POLL_S if waiting else _IDLE_S):
                key.data()
            if waiting:
                self._network.poll()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + tick_s
                for device in self.overruns.look(self._devices.values()):
                    self._overran(device)
                tick()

    def idle(self, timeout_s: float) -> None:
        """Attend to the real world while virtual time stands still."""
        for key, _ in self._selector.select(timeout_s):
            key.data()
        self._network.poll()

    def attend(self, fd: int) -> None:
        """Have `idle` end when there is something to read from a descriptor that is somebody else's."""
        self._selector.register(fd, selectors.EVENT_READ, lambda: None)

    # Inside.

    def _start_all(self) -> None:
        for index in [index for index in self._changed if index in self._busy]:
            if len(self._busy) > AT_ONCE and not self._changed[index].is_running:
                self._busy.pop(index)  # the others first
            else:
                self._start(self._changed.pop(index))
        while self._changed and self._has_room:
            first = next(iter(self._changed))  # who has waited longest: an answer that waits here too long counts as none
            self._start(self._changed.pop(first))
        while self._due and self._due[0][0] <= self._stretch_ms and self._has_room:
            due_ms, index = heapq.heappop(self._due)
            household = self._households[index]
            if household.due_ms == due_ms and index not in self._busy:
                self._start(household)

    @property
    def _has_room(self) -> bool:
        return len(self._busy) < AT_ONCE

    @property
    def _goes_on(self) -> bool:
        """Whether somebody can be started without anything having to come first."""
        return bool(self._changed) and (self._has_room or not self._busy.keys().isdisjoint(self._changed))

    def _start(self, household: Household) -> None:
        household.due_ms = -1
        self._waiting.pop(household.index, None)
        for device, horizon_ms, clear_ms in household.who_may_run(self._stretch_ms):
            self._run(device, horizon_ms, clear_ms)
        if household.is_running:
            self._busy[household.index] = household
            return
        self._busy.pop(household.index, None)
        due_ms = household.due_again_ms
        if due_ms > self._stretch_ms:
            household.due_ms = due_ms
            heapq.heappush(self._due, (due_ms, household.index))
        else:
            self._waiting[household.index] = household  # one of its devices awaits an answer: `changed` tells when that is here

    def _check_complete(self) -> None:
        for household in self._waiting.values():  # the others have nothing to do until later
            if household.acts_ms <= self._limit_ms:
                lines = [f"no device can run to {self._limit_ms} ms", *household.portrait()]
                raise Stuck("\n".join(lines))

    def _run(self, device: Device, horizon_ms: int, clear_ms: int) -> None:
        self.runs += 1
        if device.is_off:
            device.power_up()
            self.circuit(device.name).restarted(device.now_ms)
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
        self.changed(device)

    def _output(self, device: Device, item: Item) -> None:
        t_ms, channel, sub, payload = item
        household = self._home[device.name]
        if channel == ch.SOCK_OUT:
            self._network.output(device, t_ms, sub, payload)
        elif channel == ch.SLEEP and sub == 2:
            self._network.disconnect(device)
        elif channel == ch.CRASHED:
            breakdown.crashed(device, payload.decode("utf-8", "replace"))
            return
        elif channel == ch.RESET:
            self._reset(device, t_ms, payload[0])
            return
        household.output(device, item)

    def _reset(self, device: Device, t_ms: int, cause: int) -> None:
        household = self._home[device.name]
        self._selector.unregister(device.process)
        self._network.disconnect(device)
        household.silence(device, t_ms)
        if cause == ch.POWER_LOST or breakdown.is_out_of_service(device, t_ms, cause):
            (device.retire if device.is_broken else device.power_off)()
            household.circuits[device.name].stopped(t_ms)
            return
        device.reboot(cause)
        household.circuits[device.name].restarted(device.now_ms)
        self._listen(device)

    def _died(self, device: Device, reason: str) -> None:
        """Its process ended without having said why: a crash of the interpreter, or somebody killed it."""
        reason = f"{reason}, {self._zygote.fate(device.process.pid)}"
        if device.recorder is not None:
            device.recorder.ended(reason)
        breakdown.crashed(device, reason)
        self._reset(device, device.now_ms, 2)
        self.changed(device)

    def _overran(self, device: Device) -> None:
        """It would compute for ever at this moment of its clock."""
        device.process.kill()
        device.is_broken = True
        self._died(device, f"{self.overruns.limit_s:.0f} s of the processor used while its clock stood")
