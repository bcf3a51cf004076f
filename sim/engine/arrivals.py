"""When each sealed message went up, on the virtual clock: what the store cannot tell, whose receive times are the records' own.

`arrivals*.csv` in the run's folder, a line a message of records in the order in which they were sent: the device that passed it
on, the device that made it, first and last sequence, virtual ms of its last byte, and the one-way latency of that moment (empty
without a network for long). What is sent again has a line of its own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from firmware.core import message
from sim.engine.mqttlook import PUBLISH, _publish

NAME = "arrivals.csv"
_GLOB = "arrivals*.csv"


class Sent(NamedTuple):
    """One message: `carrier` is a name, `device_id` whose records it holds. Virtual ms."""

    carrier: str
    device_id: int
    first: int
    last: int
    sent_ms: int
    latency_ms: int | None


def records_in(packet: bytes) -> tuple[int, int, int] | None:
    """(device id, first, last sequence) of the records in a whole MQTT packet that a device has sent; None without any."""
    if packet[0] >> 4 != PUBLISH or not packet[0] & 0x06:
        return None
    payload = _publish(packet)[2]
    header = message.parse_header(payload[: message.HEADER])
    if header is not None and header[0] == message.RELAY_UP:
        header = message.parse_header(payload[message.HEADER : 2 * message.HEADER])
    if header is None or header[0] != message.RECORDS:
        return None
    _, _, count, device_id, first = header
    return device_id, first, first + count - 1


class Arrivals:
    """Written while a run goes on: `note` is for `Network.on_sent`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii", newline="")

    def note(self, carrier: str, t_ms: int, latency_ms: int | None, packet: bytes) -> None:
        """A whole MQTT packet that a device has sent; only those with records are kept."""
        sent = records_in(packet)
        if sent is not None:
            latency = "" if latency_ms is None else latency_ms
            self._file.write(f"{carrier},{sent[0]},{sent[1]},{sent[2]},{t_ms},{latency}\n")

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(folder: Path) -> Iterator[Sent]:
    """All that was noted in a run's folder, in order of time."""
    found: list[Sent] = []
    for path in sorted(folder.glob(_GLOB)):
        with path.open(encoding="ascii") as file:
            for line in file:
                carrier, device_id, first, last, sent_ms, latency_ms = line.rstrip("\n").split(",")
                latency = int(latency_ms) if latency_ms else None
                found.append(Sent(carrier, int(device_id), int(first), int(last), int(sent_ms), latency))
    return iter(sorted(found, key=lambda sent: (sent.sent_ms, sent.carrier, sent.device_id, sent.first)))
