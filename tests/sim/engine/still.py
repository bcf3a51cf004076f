"""Devices that stand still: the engine's own `Device`, with a process that does only what the test says."""

import struct
from pathlib import Path
from typing import Any, cast

from sim.engine.device import Device
from sim.engine.wire import Item, Yield


class StillProcess:
    """Keeps what it is sent; answers with the next of `answers`."""

    pid = 0

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.answers: list[Yield] = []
        self.closed = False

    def send(self, run: bytes) -> None:
        self.sent.append(run)

    def receive(self) -> Yield | None:
        return self.answers.pop(0) if self.answers else None

    def close(self) -> None:
        self.closed = True


class StillZygote:
    def __init__(self) -> None:
        self.causes: list[int] = []

    def spawn(self, folder: Path, unique_id: bytes, reset_cause: int, application: str) -> StillProcess:
        self.causes.append(reset_cause)
        return StillProcess()


def still_device(name: str = "tag-000001", device_id: int = 0x01000001) -> Device:
    """At time 0, running its first life."""
    return Device(name, device_id, Path("nowhere"), "firmware.tag", cast(Any, StillZygote()))


def process_of(device: Device) -> StillProcess:
    return cast(StillProcess, device.process)


def inbox(device: Device) -> list[Item]:
    """The inputs that wait for it, in the order in which it will get them."""
    return [item for _, item in device._inbox]


def answer(device: Device, now_ms: int, wake_ms: int, consumed: int = 0, items: list[Item] | None = None) -> Yield:
    """Let it come to the end of its turn."""
    process_of(device).answers.append(Yield(now_ms, wake_ms, consumed, items or []))
    received = device.receive()
    assert received is not None
    return received


def parse_run(run: bytes) -> tuple[int, int, list[Item]]:
    """(base, horizon, items) of a RUN, by the format's description in sim/silicon/_channels.py."""
    length, base_ms, horizon_ms, clear_ms, n = struct.unpack_from("<IQQQH", run)
    assert length == len(run) - 4 and clear_ms == 0
    at, items = 30, []
    for _ in range(n):
        dt, channel, sub, size = struct.unpack_from("<IBBH", run, at)
        items.append(Item(base_ms + dt, channel, sub, run[at + 8 : at + 8 + size]))
        at += 8 + size
    assert at == len(run)
    return base_ms, horizon_ms, items
