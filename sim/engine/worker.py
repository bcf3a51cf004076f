"""Parts of a run in processes of their own, and all of them spoken to as if they were one.

A worker is handed the scenario, builds the world again, and lives in it with its own households; what it is asked for comes by
a pipe: (name, arguments), answered by ("done", value) or ("failed", exception), with ("at", virtual ms) on the way. It ends
when the pipe does. `Kernels` and `Networks` are what a `Kernel` and a `Network` are to those who use them: the first part is in
this process, so whoever looks at a device closely finds it there when there is only one.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from operator import attrgetter
from pathlib import Path
from typing import Any

from sim.control.acts import Act
from sim.engine.connection import Slow
from sim.engine.figures import DeviceFigures
from sim.engine.net import Network
from sim.engine.part import Part, Site
from sim.scenario import Scenario

_IDLE_S = 0.2
_END_S = 10.0


@dataclass(frozen=True)
class _Process:
    pid: int


@dataclass(frozen=True)
class DeviceState:
    """What can be seen from outside of a device that lives in another process; its fields are named as `Device` has them."""

    name: str
    device_id: int
    folder: Path
    process: _Process
    is_off: bool
    is_broken: bool
    lives: int
    crashes: list[str]
    bytes_up: int
    bytes_down: int


def _asked(network: Network, name: str, arguments: tuple, more: dict[str, Any]) -> Any:
    found = attrgetter(name)(network)
    return found(*arguments, **more) if callable(found) else found


class _Served:
    """A part, as what a worker's pipe can ask for."""

    def __init__(self, part: Part, pipe: Connection) -> None:
        self._part = part
        self._pipe = pipe

    def run_to(self, limit_ms: int, tick_s: float) -> int:
        kernel = self._part.kernel
        kernel.run_to(limit_ms, lambda: self._pipe.send(("at", kernel.time_ms)), tick_s)
        return kernel.time_ms

    def kernel(self, name: str) -> Any:
        return getattr(self._part.kernel, name)

    def network(self, name: str, arguments: tuple, more: tuple[tuple[str, Any], ...]) -> Any:
        return _asked(self._part.network, name, arguments, dict(more))

    def devices(self) -> list[DeviceState]:
        out = []
        for d in self._part.kernel.devices:
            seen = (_Process(d.process.pid), d.is_off, d.is_broken, d.lives, list(d.crashes), d.bytes_up, d.bytes_down)
            out.append(DeviceState(d.name, d.device_id, d.folder, *seen))
        return out

    def do(self, act: Act) -> None:
        self._part.do(act)

    def figures(self) -> list[DeviceFigures]:
        return self._part.device_figures()

    def pids(self) -> list[int]:
        return self._part.pids()

    def flush(self) -> None:
        self._part.arrivals.flush()


def _serve(pipe: Connection, scenario: Scenario, site: Site, mine: list[str], number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's; it ends this process by closing the pipe
    part = None
    try:
        part = Part(scenario.world(), site, mine, number)
        pipe.send(("done", None))
        part.kernel.attend(pipe.fileno())
        served = _Served(part, pipe)
        while True:
            while not pipe.poll():
                part.kernel.idle(_IDLE_S)
            name, arguments = pipe.recv()
            try:
                answer = ("done", getattr(served, name)(*arguments))
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:
                answer = ("failed", error)
            pipe.send(answer)
    except (EOFError, BrokenPipeError):
        pass  # the run is over
    except Exception as error:
        pipe.send(("failed", error))
    finally:
        if part is not None:
            part.close()


class WorkerEnded(Exception):
    """A worker has ended before its run: somebody killed it."""


class Worker:
    """A part in another process. `ask` waits for the answer, `begin` and `end` do not and do; what fails there is raised here."""

    def __init__(self, scenario: Scenario, site: Site, mine: list[str], number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, scenario, site, mine, number), daemon=True)
        self._process.start()
        theirs.close()
        self.time_ms = 0
        self._is_busy = True  # starting its devices
        self._told: dict[tuple, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def ask(self, name: str, *arguments: Any) -> Any:
        self.begin(name, *arguments)
        return self.end()

    def look(self, name: str, *arguments: Any) -> Any:
        """Something that `ask` would tell; while the worker lives through its time, what it told last, or None."""
        key = (name, *arguments)
        if not self._is_busy:
            self._told[key] = self.ask(name, *arguments)
        return self._told.get(key)

    def begin(self, name: str, *arguments: Any) -> None:
        self._is_busy = True
        try:
            self.pipe.send((name, arguments))
        except BrokenPipeError:
            raise self._gone() from None

    def end(self) -> Any:
        while True:
            found, value = self.hear()
            if found:
                return value

    def hear(self) -> tuple[bool, Any]:
        """One message: whether it was the answer, and which."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            raise self._gone() from None
        self._is_busy = kind == "at"
        if kind == "failed":
            raise value
        if kind == "at":
            self.time_ms = value
        return kind == "done", value

    def close(self) -> None:
        self.pipe.close()
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _gone(self) -> WorkerEnded:
        return WorkerEnded(f"a worker of the simulation (process {self.pid}) has ended: somebody killed it")


class Kernels:
    """The kernels of all parts."""

    def __init__(self, part: Part, workers: Sequence[Worker]) -> None:
        self._part = part
        self._workers = workers

    def run_to(self, limit_ms: int, tick: Callable[[], None] = lambda: None, tick_s: float = 0.1) -> None:
        for worker in self._workers:
            worker.begin("run_to", limit_ms, tick_s)
        self._part.kernel.run_to(limit_ms, tick, tick_s)
        busy = {worker.pipe: worker for worker in self._workers}
        due = time.monotonic() + tick_s
        while busy:
            for pipe in wait(list(busy), max(0.0, due - time.monotonic())):
                is_over, value = busy[pipe].hear()  # pyright: ignore[reportArgumentType]: what is waited for is what was given
                if is_over:
                    busy.pop(pipe).time_ms = value  # pyright: ignore[reportArgumentType, reportCallIssue]
            if time.monotonic() >= due:
                due = time.monotonic() + tick_s
                tick()

    def idle(self, timeout_s: float) -> None:
        self._part.kernel.idle(timeout_s)  # the workers attend to their own meanwhile

    @property
    def time_ms(self) -> int:
        return min([self._part.kernel.time_ms, *(worker.time_ms for worker in self._workers)])

    @property
    def devices(self) -> list[Any]:
        return [*self._part.kernel.devices, *(state for worker in self._workers for state in worker.look("devices") or ())]

    @property
    def runs(self) -> int:
        return self._part.kernel.runs + sum(worker.look("kernel", "runs") or 0 for worker in self._workers)


class Networks:
    """The networks of all parts."""

    def __init__(self, part: Part, workers: Sequence[Worker]) -> None:
        self._network = part.network
        self._workers = workers

    def _all(self, name: str, *arguments: Any, **more: Any) -> list[Any]:
        return [_asked(self._network, name, arguments, more)] + [
            worker.ask("network", name, arguments, tuple(more.items())) for worker in self._workers
        ]

    def is_waiting(self) -> bool:
        return any(self._all("is_waiting"))

    def is_connected(self, name: str) -> bool:
        return any(self._all("is_connected", name))

    def broker_is(self, up: bool, t_ms: int = 0) -> None:
        self._all("broker_is", up, t_ms)

    def receipts_come(self, come: bool, t_ms: int = 0) -> None:
        self._all("receipts_come", come, t_ms)

    def cut(self, names: Iterable[str]) -> None:
        self._all("cut", list(names))

    def part(self, names: Iterable[str]) -> None:
        self._all("part", list(names))

    def join(self, names: Iterable[str], t_ms: int) -> None:
        self._all("join", list(names), t_ms)

    def mend(self, names: Iterable[str], t_ms: int) -> None:
        self._all("mend", list(names), t_ms)

    def not_before(self, names: Iterable[str], due_ms: int) -> None:
        self._all("not_before", list(names), due_ms)

    @property
    def ways(self) -> "Networks":
        """Its ways to the broker, which all parts have alike."""
        return self

    def slow(self, names: Iterable[str], how: Slow | None) -> None:
        self._all("ways.slow", list(names), how)

    def late(self, what: str, delay_ms: int) -> None:
        self._all("ways.late", what, delay_ms)

    def _sum(self, name: str) -> int:
        return attrgetter(name)(self._network) + sum(worker.look("network", name, (), ()) or 0 for worker in self._workers)

    @property
    def bytes_up(self) -> int:
        return self._sum("bytes_up")

    @property
    def bytes_down(self) -> int:
        return self._sum("bytes_down")

    @property
    def holds_expired(self) -> int:
        return self._sum("holds_expired")
