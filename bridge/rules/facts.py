"""What the rules read and what they say."""

from typing import Any, NamedTuple

Key = tuple[int, int, int]


class Fact(NamedTuple):
    """A record as the rules see it: dated and believed. Units and codes as in `firmware.core.record`."""

    device_id: int
    seq: int
    kind: int
    flags: int
    at_ms: int
    mode: int
    lat_e7: int | None
    lon_e7: int | None
    speed_cms: int | None
    radius_dm: int | None
    battery: int | None
    code: int | None
    value_a: int | None
    value_b: int | None

    @property
    def key(self) -> Key:
        """The order in which facts are folded: by time; at the same millisecond by device and number."""
        return self.at_ms, self.device_id, self.seq


class Finding(NamedTuple):
    """Something that people are told. `dedupe` is the same whenever the same thing is found again."""

    kind: str
    at_ms: int
    device_id: int | None
    seq: int | None
    dedupe: str
    detail: dict[str, Any]


def finding_of(kind: str, fact: Fact, detail: dict[str, Any] | None = None, which: str = "") -> Finding:
    """A finding that follows from one fact; `which` tells two of the same kind apart (the zone, the curfew)."""
    dedupe = f"{kind}:{fact.device_id:08x}:{fact.seq}" + (f":{which}" if which else "")
    return Finding(kind, fact.at_ms, fact.device_id, fact.seq, dedupe, detail or {})
