"""When each record first reached the bridge, in virtual time, from what the engine noted in the run's folder.

A record has arrived when the message that carries it, sent by its device or passed on by a home unit, has travelled one way
through the network; what was written on a connection without coverage does not count. The bridge's own share, commit and
finding, passes on the host's clock and not on the virtual one: `BRIDGE_MS` is added for it, the bridge's own longest wait
(`bridge.main`: FINDINGS_WAIT_S, 0.25 s) and as much again for its work (our judgement).
"""

from collections.abc import Iterable
from pathlib import Path

from sim.engine.arrivals import Sent, read

BRIDGE_MS = 500
Arrivals = dict[tuple[int, int], int]  # (device id, sequence) -> virtual ms


def first_arrivals(folder: Path) -> Arrivals:
    """Of each record that was sent in a run's folder."""
    return first_of(read(folder))


def first_of(sent: Iterable[Sent]) -> Arrivals:
    """When each record first arrived, of all that was sent."""
    out: Arrivals = {}
    for each in sent:
        if each.latency_ms is None:
            continue
        arrived_ms = each.sent_ms + each.latency_ms
        for seq in range(each.first, each.last + 1):
            key = each.device_id, seq
            if arrived_ms < out.get(key, arrived_ms + 1):
                out[key] = arrived_ms
    return out
