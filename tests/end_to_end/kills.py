"""SIGKILL at seeded random moments of the wall clock: for the broker, the bridge, both at once, or a device's interpreter."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sim.engine.run import Run

VICTIMS = ("broker", "bridge", "both", "device")
_PAUSES_S = (0.02, 2.0)  # between kills: from "while the last is still starting" to "while all is well"


@dataclass
class Plan:
    """`victims` are drawn from evenly, `most` times: no run would ever end if somebody always died."""

    seed: int
    victims: tuple[str, ...]
    most: int = 8
    killed: list[str] = field(default_factory=list)

    @contextmanager
    def against(self, run: Run) -> Iterator[None]:
        """Kill while the scenario lasts. What is dead at the moment of its kill is not counted."""
        over = threading.Event()
        thread = threading.Thread(target=self._kill_on, args=(run, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _kill_on(self, run: Run, over: threading.Event) -> None:
        rng = random.Random(self.seed)
        for _ in range(self.most):
            if over.wait(rng.uniform(*_PAUSES_S)):
                return
            victim = rng.choice(self.victims)
            device = rng.randrange(len(run.kernel.devices))
            for name, pid in self._pids(run, victim, device):
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(name)
                except ProcessLookupError:
                    pass

    def _pids(self, run: Run, victim: str, device: int) -> Iterator[tuple[str, int]]:
        services = run.services
        assert services is not None
        if victim in ("broker", "both") and (pid := services.broker.pid):
            yield "broker", pid
        if victim in ("bridge", "both") and services.bridge.alive and (pid := services.bridge.pid):
            yield "bridge", pid
        if victim == "device":
            yield "device", run.kernel.devices[device].process.pid
