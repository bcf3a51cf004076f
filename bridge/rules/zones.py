"""Zones entered and left, with the uncertainty of each fix respected.

Inside: the whole error circle is inside, or the centres of two fixes in a row are whose circles are of a street, not of a roof.
Outside: the whole circle is out. Anything
between changes nothing. A way between two fixes at most two minutes apart that leads through the zone, deeper than either circle,
counts as entering and leaving. Whoever is inside an exclusion zone, or outside an inclusion zone, when first seen is told of too.
"""

from typing import Any

from firmware.core import record

from .conditions import Conditions, Period, Zone
from .facts import Fact, Finding, finding_of

State = dict[str, Any]

CROSSING_MS = 120_000
CENTRE_RADIUS_DM = 600  # a larger circle: what is wrong with one fix is wrong with the next as well
UNKNOWN_RADIUS_DM = 1000  # a fix that does not say how good it is counts as a poor one


def step(state: State, fact: Fact, period: Period, conditions: Conditions) -> tuple[State, list[Finding]]:
    """State: last (at_ms, lat_e7, lon_e7, radius_dm of the last fix), in (zone → inside?), centre (zones its centre was in)."""
    if fact.kind != record.FIX or fact.device_id != period.tag_id or fact.lat_e7 is None or fact.lon_e7 is None:
        return state, []
    radius_dm = fact.radius_dm if fact.radius_dm is not None else UNKNOWN_RADIUS_DM
    inside: dict[str, bool] = {}
    centred: list[str] = []
    found: list[Finding] = []
    for zone in conditions.zones:
        was = state.get("in", {}).get(zone.key)
        at = zone.shape.plane.xy(fact.lat_e7 / 1e7, fact.lon_e7 / 1e7)
        depth_m = zone.shape.depth_m(at)
        if depth_m >= 0 and radius_dm <= CENTRE_RADIUS_DM:
            centred.append(zone.key)
        if depth_m >= radius_dm / 10 or (zone.key in centred and zone.key in state.get("centre", ())):
            now: bool | None = True
        elif -depth_m > radius_dm / 10:
            now = False
        else:
            now = was
        if now is not None:
            inside[zone.key] = now
        if now and not was and (was is False or zone.kind == "exclusion"):
            found.append(_finding("zone_entered", fact, zone, was is None))
        elif now is False and (was or (was is None and zone.kind == "inclusion")):
            found.append(_finding("zone_left", fact, zone, was is None))
        elif now is False and was is False and _crossed(state, fact, zone, at, radius_dm):
            found += [_finding(kind, fact, zone, False, crossing=True) for kind in ("zone_entered", "zone_left")]
    return {"last": [fact.at_ms, fact.lat_e7, fact.lon_e7, radius_dm], "in": inside, "centre": centred}, found


def _crossed(state: State, fact: Fact, zone: Zone, at: tuple[float, float], radius_dm: int) -> bool:
    last = state.get("last")
    if last is None or fact.at_ms - last[0] > CROSSING_MS:
        return False
    before = zone.shape.plane.xy(last[1] / 1e7, last[2] / 1e7)
    return zone.shape.crosses(before, at, max(radius_dm, last[3]) / 10)


def _finding(kind: str, fact: Fact, zone: Zone, first_seen: bool, crossing: bool = False) -> Finding:
    detail: dict[str, Any] = {"zone": zone.name, "zone_kind": zone.kind, "lat_e7": fact.lat_e7, "lon_e7": fact.lon_e7}
    detail["radius_dm"] = fact.radius_dm
    if first_seen:
        detail["first_seen"] = True
    if crossing:
        detail["crossing"] = True
    return finding_of(kind, fact, detail, zone.key)
