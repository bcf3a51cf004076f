"""What somebody, or something, does to a tag's radio and sensors: jamming, spoofing, foil, parts that are dead or stuck.

Plain functions of time, place and the scenario's list. Ordinary losses (a roof, a street) are none of these: they are the
receiver's own (`gnss`) and the network's (`cellular`). The figures here are our judgement.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from .plane import distance_m
from .spec import Trouble

JAM_EDGE = 1.5  # a jammer is felt up to so many times its radius, ever less
SHIELD_DB = 60  # foil or a bag sold for it: nothing is heard


class Reception(NamedTuple):
    """What is wrong with what a receiver hears at a moment.

    `loss_db`: C/N0 falls by so much on every satellite. `false_m`: east and north of the truth that a stronger false signal
    shows. `silent`: it prints nothing; `garbage`: nothing that makes sense. `says`: a sentinel in place of the truth.
    """

    loss_db: int = 0
    false_m: tuple[float, float] | None = None
    silent: bool = False
    garbage: bool = False
    says: str = ""


class Troubles:
    def __init__(self, troubles: Iterable[Trouble]) -> None:
        self._by_kind: dict[str, list[Trouble]] = {}
        for trouble in troubles:
            self._by_kind.setdefault(trouble.kind, []).append(trouble)

    def begin(self, trouble: Trouble) -> None:
        """One more, from a time on that nobody has asked about yet."""
        self._by_kind.setdefault(trouble.kind, []).append(trouble)

    def end(self, kind: str, wearer_id: str | None, t_ms: int) -> None:
        """Those of a kind and a wearer (None: those that are everyone's) that go on at t_ms, or begin then, are over then."""
        self._by_kind[kind] = [
            replace(each, until_ms=t_ms) if each.wearer_id == wearer_id and each.from_ms <= t_ms < each.until_ms else each
            for each in self._by_kind.get(kind, ())
        ]

    def is_on(self, kind: str, wearer_id: str | None, t_ms: int) -> bool:
        """Whether there is one for just this wearer (None: one that is everyone's)."""
        return any(t.wearer_id == wearer_id and t.from_ms <= t_ms < t.until_ms for t in self._by_kind.get(kind, ()))

    def now(self, kind: str, wearer_id: str, t_ms: int) -> Trouble | None:
        """The trouble of a kind that this wearer has at a time."""
        for trouble in self._by_kind.get(kind, ()):
            if trouble.from_ms <= t_ms < trouble.until_ms and trouble.wearer_id in (None, wearer_id):
                return trouble
        return None

    def edges(self, kind: str) -> list[int]:
        """When troubles of a kind begin and end."""
        return [t for trouble in self._by_kind.get(kind, ()) for t in (trouble.from_ms, trouble.until_ms)]

    def reception(self, wearer_id: str, lat: float, lon: float, t_ms: int) -> Reception | None:
        """None when nothing is wrong."""
        if not self._by_kind:
            return None
        if dead := self.now("receiver_dead", wearer_id, t_ms):
            return Reception(silent=dead.how != "garbage", garbage=dead.how == "garbage")
        if self.now("shield", wearer_id, t_ms):
            return Reception(loss_db=SHIELD_DB)
        loss_db = self._jam_db(wearer_id, lat, lon, t_ms)
        says = self.now("receiver_says", wearer_id, t_ms)
        false_m = None
        if spoof := self.now("spoof", wearer_id, t_ms):
            metres = spoof.jump_m + spoof.drift_mps * (t_ms - spoof.from_ms) / 1000
            turn = math.radians(spoof.bearing_deg)
            false_m = (metres * math.sin(turn), metres * math.cos(turn))
        if not loss_db and not says and false_m is None:
            return None
        return Reception(loss_db, false_m, says=says.how if says else "")

    def _jam_db(self, wearer_id: str, lat: float, lon: float, t_ms: int) -> int:
        most = 0.0
        for jam in self._by_kind.get("jam", ()):
            if not jam.from_ms <= t_ms < jam.until_ms or jam.wearer_id not in (None, wearer_id):
                continue
            share = min(1.0, (t_ms - jam.from_ms) / jam.ramp_ms) if jam.ramp_ms else 1.0
            if jam.radius_m:
                metres = distance_m(lat, lon, jam.lat, jam.lon)
                share *= max(0.0, min(1.0, (JAM_EDGE - metres / jam.radius_m) / (JAM_EDGE - 1.0)))
            most = max(most, jam.fall_db * share)
        return round(most)
