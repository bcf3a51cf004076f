"""How much memory a whole run takes at its peak: the engine, the devices, the broker, the bridge and the console together."""

import os
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from sim.engine.run import Run

_EVERY_S = 2.0


class Memory:
    """`peak_mb` is the largest sum seen of the memory that would be free again without each process (USS), in MiB."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._next_at = 0.0

    def sample(self, run: "Run", now: bool = False) -> None:
        """At most every two seconds, unless told to."""
        if not now and time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _EVERY_S
        pids = [os.getpid(), *(device.process.pid for device in run.kernel.devices)]
        if run.services is not None:
            pids += [pid for pid in (run.services.broker.pid, run.services.bridge.pid) if pid]
            if run.services.console is not None and run.services.console.pid:
                pids.append(run.services.console.pid)
        if run.zygote is not None:
            pids.append(run.zygote.pid)
        total = 0
        for pid in pids:
            try:
                total += psutil.Process(pid).memory_full_info().uss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass
        self.peak_mb = max(self.peak_mb, total / 2**20)
