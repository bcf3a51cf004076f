"""Is the wearer at home: HOME, NOT_HOME or UNKNOWN. Unknown is never taken for either.

The newest statement stands. These state it: the home unit's PRESENCE records; the tag's records in RF mode (it hears the home
unit); a fix whose whole circle is away from home while the tag is in GPS mode. A change to GPS mode alone states nothing: with
the home unit's power the beacons go as well, so the tag gets a fix before it says so.

A home unit that is not heard though the tag has a fix at home (UNIT_SILENT) is no absence: home goes on to hold as long as it is
supported, and not home becomes unknown.

A statement needs support: its source has to be heard from time to time. Without, it is unknown what holds now (`supported`).
"""

from typing import Any

from firmware.core import record

from .conditions import Period
from .facts import Fact, Finding, finding_of
from .geometry import distance_m

State = dict[str, Any]

HOME, NOT_HOME, UNKNOWN = "home", "not_home", "unknown"
AWAY_M = 100.0  # from home, beyond the whole error circle: further than BLE carries through walls and a garden
SUPPORT_MS = 35 * 60_000  # two status records of the home unit (15 min each, requirements section 2) and something over
UNKNOWN_RADIUS_DM = 1000  # a fix that does not say how good it is counts as a poor one

_STATED = {record.PRESENCE_UNKNOWN: UNKNOWN, record.PRESENCE_HOME: HOME, record.PRESENCE_NOT_HOME: NOT_HOME}


def step(state: State, fact: Fact, period: Period) -> tuple[State, list[Finding], bool]:
    """State: value, by, hmu (the home unit's last word), at_ms (last support). Also: whether this fact states or supports."""
    value, by = _statement(state, fact, period)
    if value is None:
        return state, [], False
    changed = value != state.get("value")
    news: State = {**state, "value": value, "by": by, "at_ms": fact.at_ms}
    if by == "home_unit":
        news["hmu"] = value
    return news, [finding_of("presence", fact, {"presence": value, "by": by})] if changed else [], True


def supported(state: State, at_ms: int) -> str:
    """What is known of the presence at a time, given all facts before it."""
    value = state.get("value", UNKNOWN)
    return value if at_ms - state.get("at_ms", 0) <= SUPPORT_MS else UNKNOWN


def _statement(state: State, fact: Fact, period: Period) -> tuple[str | None, str]:
    value = state.get("value")
    if fact.device_id == period.hmu_id:
        if fact.code == record.PRESENCE and fact.kind == record.EVENT:
            if fact.value_b in (period.tag_id, 0, None):  # some other tag's presence is not his
                return _STATED.get(fact.value_a or 0, UNKNOWN), "home_unit"
            return None, ""
        # Any sign of life says that what it said last still holds for it.
        return (value, "home_unit") if value is not None and value == state.get("hmu") else (None, "")
    if fact.kind == record.EVENT and fact.code == record.UNIT_SILENT:
        return (UNKNOWN if value == NOT_HOME else value), "tag"
    if fact.mode == record.MODE_RF or (fact.kind == record.EVENT and fact.code == record.MODE and fact.value_a == record.MODE_RF):
        return HOME, "tag"
    if fact.mode == record.MODE_GPS:
        if fact.lat_e7 is not None and fact.lon_e7 is not None and fact.kind == record.FIX and _is_away(fact, period):
            return NOT_HOME, "fix"
        if value == NOT_HOME:
            return NOT_HOME, state.get("by", "tag")  # it goes on hearing no beacons
    return None, ""


def _is_away(fact: Fact, period: Period) -> bool:
    if period.home is None:
        return False
    radius_dm = fact.radius_dm if fact.radius_dm is not None else UNKNOWN_RADIUS_DM
    away_m = distance_m(period.home[0], period.home[1], (fact.lat_e7 or 0) / 1e7, (fact.lon_e7 or 0) / 1e7)
    return away_m - radius_dm / 10 > AWAY_M
