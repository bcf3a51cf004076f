"""What each part of a run takes of the machine: processor time, and private memory of each device."""

from collections.abc import Iterable
from dataclasses import dataclass

from sim.engine.memory import private_mib
from sim.engine.processor import processor_s
from sim.engine.run import Run

PARTS = ("engine", "devices", "broker", "bridge", "console")


@dataclass(frozen=True)
class Private:
    """Private memory (USS) of a process each, MiB."""

    mean_mib: float
    max_mib: float


def processes(run: Run) -> dict[str, list[int]]:
    """The processes of a run by part. The devices' parents count as devices; what is left over is the engine."""
    services = run.services
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    parts["devices"] = [*(run.zygote.pids if run.zygote is not None else ()), *device_pids(run)]
    if services is not None:
        parts["broker"] = [pid for pid in (services.broker.pid,) if pid]
        parts["bridge"] = [pid for pid in (services.bridge.pid,) if pid]
        parts["console"] = [pid for pid in (services.console.pid if services.console is not None else None,) if pid]
    taken = {pid for pids in parts.values() for pid in pids}
    parts["engine"] = [pid for pid in run.pids() if pid not in taken]
    return parts


def device_pids(run: Run) -> list[int]:
    """Of the devices that have power."""
    return [device.process.pid for device in run.kernel.devices if not device.is_off]


def cpu_s(pids: Iterable[int]) -> float:
    """Processor time of these processes until now, user and system, s. What one that has ended had used is not counted."""
    return sum(processor_s(pid) or 0.0 for pid in pids)


def cpu_of_parts_s(run: Run) -> dict[str, float]:
    """`cpu_s` of each part."""
    return {part: cpu_s(pids) for part, pids in processes(run).items()}


def private(pids: Iterable[int]) -> Private:
    """Of those that run."""
    found = [mib for mib in map(private_mib, pids) if mib is not None]
    return Private(sum(found) / len(found), max(found)) if found else Private(0.0, 0.0)
