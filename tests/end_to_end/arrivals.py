"""When each record first left for the broker, in virtual ms: read from what devices write on their connections.

What a device writes on a connection is at the bridge a network's latency later (at most 120 ms, `sim.world.cellular`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from firmware.core import message
from sim.engine.mqttlook import PUBLISH, Splitter, _publish
from sim.engine.run import Run


class Arrivals:
    """`at` is (device id, sequence) → ms; `by` the name of the device that passed it on."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, int], int] = {}
        self.by: dict[tuple[int, int], str] = {}

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """For `run_scenario(around=…)`."""
        assert run.network is not None
        inner = run.network._sent

        def sent(connection: Any, t_ms: int, data: bytes) -> None:
            splitter = Splitter()
            splitter._buffer = connection.up._buffer  # what the network has not yet put together
            for packet in splitter.feed(data):
                self._note(connection.device.name, t_ms, packet)
            inner(connection, t_ms, data)

        run.network._sent = sent  # pyright: ignore[reportAttributeAccessIssue]
        yield

    def _note(self, name: str, t_ms: int, packet: bytes) -> None:
        if packet[0] >> 4 != PUBLISH or not packet[0] & 0x06:
            return
        payload = _publish(packet)[2]
        header = message.parse_header(payload[: message.HEADER])
        if header is not None and header[0] == message.RELAY_UP:
            header = message.parse_header(payload[message.HEADER : 2 * message.HEADER])
        if header is None or header[0] != message.RECORDS:
            return
        _, _, count, device, first = header
        for seq in range(first, first + count):
            self.at.setdefault((device, seq), t_ms)
            self.by.setdefault((device, seq), name)
