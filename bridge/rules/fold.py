"""The fold: one wearer's facts, in order, through all steps. And what stands at the end of it.

`fold` of facts in order of their key, from `begin` on, gives the findings of a case. `advance` lets the clock run without a fact.
`moment_of_checkpoint` says where a caller may keep a copy of the state to go back to: nothing found later lies before it.
"""

from typing import Any

from firmware.core import record

from . import curfew, device, presence, zones
from .conditions import Conditions, Period
from .facts import Fact, Finding

State = dict[str, Any]

LOOK_BACK_MS = 2 * 86_400_000  # of a case whose period began long before its first record, this much is gone through by the clock


def step(state: State | None, fact: Fact, conditions: Conditions) -> tuple[State | None, list[Finding]]:
    """One fact. A fact of no period of his changes nothing. Facts have to come in order of their key."""
    period = conditions.period_of(fact.device_id, fact.at_ms)
    if period is None:
        return state, []
    state, found = _enter(state, fact, period, conditions)
    state["devices"], findings = device.step(state["devices"], fact, period)
    found += findings
    state["presence"], findings, says = presence.step(state["presence"], fact, period)
    found += findings
    if says:
        state["curfew"], findings = curfew.stated(state["curfew"], fact.at_ms, state["presence"]["value"], conditions)
        found += findings
    state["zones"], findings = zones.step(state["zones"], fact, period, conditions)
    found += findings
    state["latest"] = _latest(state["latest"], fact, period)
    return state, found


def advance(state: State, to_ms: int, conditions: Conditions) -> tuple[State, list[Finding]]:
    """The clock alone, up to but not including `to_ms` and the end of the period."""
    period = _period(state, conditions)
    if period is not None and period.until_ms is not None:
        to_ms = min(to_ms, period.until_ms)
    if to_ms <= state["now_ms"]:
        return state, []
    running, found = curfew.advance(state["curfew"], state["now_ms"], to_ms, state["presence"], conditions)
    return {**state, "curfew": running, "now_ms": to_ms}, found


def live_of(state: State) -> dict[str, Any]:
    """The columns of `live` that follow from the state (codes as in the records)."""
    latest = state["latest"]
    words = {presence.HOME: record.PRESENCE_HOME, presence.NOT_HOME: record.PRESENCE_NOT_HOME}
    devices = state["devices"]
    return {
        "tag_id": state["period"][0],
        "at_ms": latest.get("at_ms"),
        "fix_at_ms": latest.get("fix_at_ms"),
        "lat_e7": latest.get("lat_e7"),
        "lon_e7": latest.get("lon_e7"),
        "radius_dm": latest.get("radius_dm"),
        "speed_cms": latest.get("speed_cms"),
        "mode": latest.get("mode"),
        "presence": words.get(presence.supported(state["presence"], state["now_ms"]), record.PRESENCE_UNKNOWN),
        "battery": latest.get("battery"),
        "strap": "cut" if devices.get("cut") else devices.get("loop"),
    }


def _enter(state: State | None, fact: Fact, period: Period, conditions: Conditions) -> tuple[State, list[Finding]]:
    """The state just before the fact, in a new dict that the steps may write to: begun, or brought forward by the clock."""
    found: list[Finding] = []
    if state is not None and state["period"] == [period.tag_id, period.from_ms]:
        state, found = advance(state, fact.at_ms, conditions)
        return dict(state), found
    if state is not None and state["period"][1] < period.from_ms:
        state, found = advance(state, fact.at_ms, conditions)  # up to the end of the former period
    since_ms = max(period.from_ms, fact.at_ms - LOOK_BACK_MS)
    fresh: State = {
        "period": [period.tag_id, period.from_ms],
        "now_ms": since_ms,
        "devices": {},
        "presence": {},
        "zones": {},
        "curfew": curfew.start(conditions, since_ms),
        "latest": {},
    }
    fresh, more = advance(fresh, fact.at_ms, conditions)
    return dict(fresh), found + more


def _period(state: State, conditions: Conditions) -> Period | None:
    return next((p for p in conditions.periods if [p.tag_id, p.from_ms] == state["period"]), None)


def _latest(latest: State, fact: Fact, period: Period) -> State:
    """The newest of everything, by event time: facts come in that order."""
    news: State = {**latest, "at_ms": fact.at_ms}
    if fact.device_id != period.tag_id:
        return news
    if fact.mode != record.MODE_UNKNOWN:
        news["mode"] = fact.mode
    if fact.kind == record.EVENT and fact.code == record.MODE:
        news["mode"] = fact.value_a
    if fact.battery is not None:
        news["battery"] = fact.battery
    if fact.kind == record.FIX and fact.lat_e7 is not None:
        news["fix_at_ms"] = fact.at_ms
        for name in ("lat_e7", "lon_e7", "radius_dm", "speed_cms"):
            news[name] = getattr(fact, name)
    return news
