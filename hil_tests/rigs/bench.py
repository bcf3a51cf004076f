"""A bench of a TOML file as a rig: capabilities put together from the drivers that the file names. Time is real here.

All is done in the test's own thread: while a test waits (`clock.advance`), the receiver speaks once a second and the drivers
tick. When the rig is closed, everything is as it was found: strap closed, mains on, all drivers at rest.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bridge.errors import ConfigError
from bridge.store.opening import open_store
from firmware.core.ident import parse_device_name
from firmware.core.record import Record
from hil_tests.drivers.base import Driver, Place
from hil_tests.drivers.manual import Hands, has_terminal
from hil_tests.drivers.ports import Port, SerialSettings
from hil_tests.drivers.recording import Recorder
from hil_tests.rigs import RigSpec
from hil_tests.rigs.benchfile import Bench, BenchFile, Line, PowerLine
from hil_tests.rigs.reading import last_seq, records
from hil_tests.rigs.rig import Rig
from hil_tests.rigs.sky import LiveGnss
from hil_tests.steps import Steps
from tools.release.build import architecture

_SLICE_S = 0.1
_LAG_MS = 100  # from a second to the first character of its epoch, as the L76K's (unmeasured)
_ANSWER_S = 2.0
# capability → (its table's methods for on and off, what is noted)
_SWITCHED = {
    "strap": ("close", "cut"),
    "case": ("close", "open"),
    "mains": ("restore", "lose"),
    "charger": ("plug", "unplug"),
    "network": ("restore", "lose"),
}


def spec_of(path: Path) -> RigSpec:
    """ConfigError for the first thing wrong with the file; nothing is opened yet."""
    bench = Bench(path)
    file = bench.file
    tables = {name for name in (*_SWITCHED, "gnss", "radio", "battery", "power", "zone", "store") if getattr(file, name)}
    has = {"clock", *tables}
    if file.device.serial or file.device.port:
        has.add("board" if file.device.expendable else "console")
    if file.gnss is not None and file.gnss.awake is not None:
        has.add("wake")
    why_not = {}
    for name in (*_SWITCHED, "radio", "battery", "power"):
        line = getattr(file, name)
        driver = bench.drivers[line.driver] if line else None
        if isinstance(driver, Hands) and not has_terminal(driver.settings.terminal):
            has.discard(name)
            why_not[name] = f"it is done by hand, and there is no terminal at {driver.settings.terminal}"
    return RigSpec(str(path), frozenset(has), lambda folder, steps, wanted: BenchRig(bench, frozenset(has), steps), why_not)


class BenchRig:
    """A context manager that gives a `Rig`. DriverError or ConfigError when something on the bench does not answer."""

    def __init__(self, bench: Bench, has: frozenset[str], steps: Steps) -> None:
        self._bench, self._has, self._steps = bench, has, steps

    def __enter__(self) -> Rig:
        with ExitStack() as stack:
            rig = self._build(stack)
            self._stack = stack.pop_all()
        return rig

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _build(self, stack: ExitStack) -> Rig:
        file, steps = self._bench.file, self._steps
        clock = RealClock()
        steps.now_ms = lambda: clock.now_ms
        for driver in self._opened(stack):
            clock.each_second.append(driver.tick)
        parts: dict[str, Any] = {"clock": clock}
        for name, (on, off) in _SWITCHED.items():
            if name in self._has:
                parts[name] = switched = _Switched(name, getattr(file, name), self._bench.drivers, clock, steps, on, off)
                stack.callback(switched.rest)
                switched.rest()
        if file.store is not None:
            parts["store"] = _Store(self._engine(stack), file)
        if file.zone is not None:
            parts["zone"] = _Zone(file)
        if "radio" in self._has:
            parts["radio"] = radio = _Radio(file, self._bench.drivers, steps)
            radio.attenuate(0.0)
        if "battery" in self._has:
            parts["battery"] = _Battery(file, self._bench.drivers, steps)
        if file.gnss is not None:
            parts["gnss"] = gnss = _Gnss(file, self._bench.drivers, clock, steps)
            clock.each_second.append(gnss.speak)
            if file.gnss.awake is not None:
                parts["wake"] = gnss
        if "board" in self._has:
            parts["board"] = _Board(file, lambda: parts["power"].cut() if "power" in parts else None)
        if "console" in self._has:
            parts["console"] = self._console(stack)
        if "power" in self._has and file.power is not None:
            parts["power"] = power = _Power(file.power, self._bench.drivers[file.power.driver], clock, steps)
            power.cut()  # a device that starts as the rig is opened, as the simulated one does
        return Rig(file.name, **parts)

    def _opened(self, stack: ExitStack) -> list[Driver]:
        opened = []
        for name, made in self._bench.drivers.items():
            if isinstance(made, Hands) and not has_terminal(made.settings.terminal):
                continue
            made.place = replace(made.place, heard=self._steps.heard)
            made.open()
            with ExitStack() as closing:  # the recorder last, for closing a driver says something too
                closing.callback(made.close)
                port = getattr(made, "_port", None)
                if isinstance(port, Port):
                    self._record(stack, name, port)
                stack.callback(closing.pop_all().close)
            opened.append(made)
        return opened

    def _record(self, stack: ExitStack, name: str, port: Port) -> None:
        port.recorder = recorder = Recorder(self._steps.folder / f"recording-{name}.jsonl", port.device, 0)
        stack.callback(recorder.close)

    def _console(self, stack: ExitStack) -> "_Console":
        device = self._bench.file.device
        settings = SerialSettings(serial=device.serial, port=device.port, baud=device.baud)
        port = settings.open(Place(str(self._bench.path), "device", heard=self._steps.heard))
        stack.callback(port.close)
        self._record(stack, "device", port)
        return _Console(port)

    def _engine(self, stack: ExitStack) -> Engine:
        assert self._bench.file.store is not None
        path = self._bench.path.absolute().parent / self._bench.file.store.file
        if not path.is_file():
            raise ConfigError(self._bench.path, "[store] file", str(path), "the store of a bridge, store.db of its folder")
        engine = open_store(path, read_only=True)
        stack.callback(engine.dispose)
        return engine


class RealClock:
    """Of this host; `each_second` is called as each second of UTC has begun, while a test lets time pass."""

    is_virtual = False

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._began_utc_ms = round(time.time() * 1000)
        self.each_second: list[Callable[[], None]] = []
        self._done_s = self._began_utc_ms // 1000

    @property
    def now_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    def utc_ms(self, now_ms: int) -> int:
        return self._began_utc_ms + now_ms

    def advance(self, ms: int) -> None:
        until_ms = self.now_ms + ms
        while True:
            utc_s = (self.utc_ms(self.now_ms) - _LAG_MS) // 1000
            if utc_s > self._done_s:
                self._done_s = utc_s
                for each in self.each_second:
                    each()
            left_s = (until_ms - self.now_ms) / 1000
            if left_s <= 0:
                return
            time.sleep(min(_SLICE_S, left_s))  # real time passing is what this does


class _Switched:
    """A line whose "on" and "off" are named as the capability names them: `strap.close()`, `strap.cut()`."""

    def __init__(
        self, name: str, line: Line, drivers: dict[str, Driver], clock: RealClock, steps: Steps, on: str, off: str
    ) -> None:
        self._name, self._line, self._clock, self._steps = name, line, clock, steps
        self._driver: Any = drivers[line.driver]
        setattr(self, on, lambda: self._set(on, True))
        setattr(self, off, lambda: self._set(off, False))

    def rest(self) -> None:
        self._driver.switch(self._line.channel, not self._line.inverted)

    def _set(self, what: str, on: bool) -> int:
        self._steps.note(f"{self._name}: {what}", channel=self._line.channel)
        self._driver.switch(self._line.channel, on != self._line.inverted)
        return self._clock.now_ms


class _Power:
    def __init__(self, line: PowerLine, driver: Any, clock: RealClock, steps: Steps) -> None:
        self._line, self._driver, self._clock, self._steps = line, driver, clock, steps

    def cut(self) -> int:
        self._steps.note("power: cut", off_s=self._line.off_s)
        self._driver.switch(self._line.channel, self._line.inverted)
        at_ms = self._clock.now_ms
        try:
            self._clock.advance(round(self._line.off_s * 1000))
        finally:
            self._driver.switch(self._line.channel, not self._line.inverted)
        return at_ms


class _Radio:
    def __init__(self, file: BenchFile, drivers: dict[str, Driver], steps: Steps) -> None:
        assert file.radio is not None
        self._line, self._steps = file.radio, steps
        self._driver: Any = drivers[file.radio.driver]

    def attenuate(self, db: float) -> None:
        """As much of it as the attenuator has."""
        top = (1 << len(self._line.channels)) - 1
        units = max(0, min(top, round(db / self._line.step_db)))
        self._steps.note("attenuate", db=units * self._line.step_db)
        for bit, channel in enumerate(self._line.channels):
            self._driver.switch(channel, bool(units >> bit & 1) != self._line.inverted)


class _Battery:
    def __init__(self, file: BenchFile, drivers: dict[str, Driver], steps: Steps) -> None:
        assert file.battery is not None
        self._line, self._steps = file.battery, steps
        self._driver: Any = drivers[file.battery.driver]

    def set_millivolts(self, millivolts: int) -> None:
        self._steps.note("battery", mv=millivolts)
        self._driver.supply(self._line.channel, millivolts)


class _Gnss(LiveGnss):
    """The receiver model on the device's GNSS line; with `awake` it sleeps and wakes as the device wishes."""

    def __init__(self, file: BenchFile, drivers: dict[str, Driver], clock: RealClock, steps: Steps) -> None:
        super().__init__(parse_device_name(file.device.name), clock, steps)
        assert file.gnss is not None
        self._awake = file.gnss.awake
        self._driver: Any = drivers[file.gnss.driver]
        self._senses: Any = drivers[self._awake.driver] if self._awake else None
        self._on_since: int | None = None

    @property
    def receiver_is_on(self) -> bool:
        return self._awake is None or self._senses.sense(self._awake.channel) != self._awake.inverted

    def speak(self) -> None:
        """Once a second: the epoch of the second that has just begun."""
        utc_ms = self._second()
        if not self.receiver_is_on:
            self._on_since = None
            return
        if self._on_since is None:
            self._on_since = utc_ms - 1000
        if data := self._epoch(utc_ms, self._on_since):
            self._driver.speak(data)


class _Store:
    def __init__(self, engine: Engine, file: BenchFile) -> None:
        self._engine = engine
        self._tag = parse_device_name(file.device.name)
        self._unit = parse_device_name(file.device.home_unit) if file.device.home_unit else 0
        self._before = {device: last_seq(engine, device) for device in (self._tag, self._unit)}

    def stored(self) -> list[Record]:
        return records(self._engine, self._tag, self._before[self._tag])

    def of_unit(self) -> list[Record]:
        return records(self._engine, self._unit, self._before[self._unit])


class _Zone:
    def __init__(self, file: BenchFile) -> None:
        assert file.zone is not None
        self.lat_e7, self.lon_e7 = round(file.zone.lat * 1e7), round(file.zone.lon * 1e7)
        self.radius_m = file.zone.radius_m


class _Board:
    """The device itself, at its cable: nothing else of the rig opens its port."""

    def __init__(self, file: BenchFile, cut: Callable[[], object]) -> None:
        self.serial = file.device.serial or file.device.port or ""
        self.environment: dict[str, str] = {}
        self.kind = file.device.board
        self.architecture = architecture(file.device.board)
        self._cut = cut

    def cut_power(self) -> None:
        self._cut()


class _Console:
    def __init__(self, port: Port) -> None:
        self._port = port

    def ask(self, command: str) -> str:
        self._port.read()
        self._port.write(command.encode("ascii") + b"\n")
        line = self._port.read_line(_ANSWER_S)
        return "" if line is None else line.decode("utf-8", "replace")
