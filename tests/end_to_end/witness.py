"""What a store cannot tell of a run: when each record first left for the broker, and when a receiver was on. In virtual ms.

What a device writes on a connection is at the bridge a network's latency later (40-120 ms: `sim.world.cellular`).
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from sim.engine.arrivals import records_in
from sim.engine.circuit.receiver import ReceiverChip
from sim.engine.circuit.tag import TagCircuit
from sim.engine.mqttlook import Splitter
from sim.engine.run import Run


class Witness:
    """`left`: (device id, sequence) → when; `by`: the name of the device that passed it on; `receiver`: tag → (when, on)."""

    def __init__(self) -> None:
        self.left: dict[tuple[int, int], int] = {}
        self.by: dict[tuple[int, int], str] = {}
        self.receiver: dict[str, list[tuple[int, bool]]] = defaultdict(list)

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """For `run_scenario(around=…)`."""
        self._watch_network(run.network)
        for device in run.kernel.devices:
            circuit = run.kernel.circuit(device.name)
            if isinstance(circuit, TagCircuit) and isinstance(circuit.receiver, ReceiverChip):
                self._watch_receiver(device.name, circuit.receiver)
        yield

    def on_between(self, name: str, from_ms: int, until_ms: int) -> int:
        """For how long a tag's receiver was on in that time."""
        total = 0
        changes = [*self.receiver[name], (1 << 60, False)]
        for (since, on), (to, _) in pairwise(changes):
            if on:
                total += max(0, min(to, until_ms) - max(since, from_ms))
        return total

    def _watch_network(self, network: Any) -> None:
        inner = network._sent

        def sent(connection: Any, t_ms: int, data: bytes) -> None:
            splitter = Splitter()
            splitter._buffer = connection.up._buffer  # what is not yet put together there
            for packet in splitter.feed(data):
                self._note(connection.device.name, t_ms, packet)
            inner(connection, t_ms, data)

        network._sent = sent

    def _watch_receiver(self, name: str, receiver: Any) -> None:
        inner = receiver.power

        def power(t_ms: int, on: bool) -> None:
            if not self.receiver[name] or self.receiver[name][-1][1] != on:
                self.receiver[name].append((t_ms, on))
            inner(t_ms, on)

        receiver.power = power

    def _note(self, name: str, t_ms: int, packet: bytes) -> None:
        sent = records_in(packet)
        if sent is None:
            return
        device, first, last = sent
        for seq in range(first, last + 1):
            self.left.setdefault((device, seq), t_ms)
            self.by.setdefault((device, seq), name)
