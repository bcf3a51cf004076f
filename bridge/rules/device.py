"""What the devices say of themselves: starts, mode, strap, battery, mains.

The strap latches: once cut it stays cut for the wear period; closing it again adds an event and undoes nothing.
"""

from typing import Any

from firmware.core import record

from .conditions import Period
from .facts import Fact, Finding, finding_of

State = dict[str, Any]

LOW_PERCENT = 20

_MODES = {record.MODE_UNKNOWN: "unknown", record.MODE_GPS: "gps", record.MODE_RF: "rf"}
_REASONS = {
    record.MODE_BY_BOOT: "by_boot",
    record.MODE_BY_BEACON: "by_beacon",
    record.MODE_BY_SILENCE: "by_silence",
    record.MODE_BY_WEAK: "by_weak",
}
_TOLD_AS_IS = {
    record.MAINS_LOST: "mains_lost",
    record.MAINS_BACK: "mains_back",
    record.MOVED: "moved",
    record.JOURNAL_FULL: "journal_full",
    record.FAULT: "fault",
}


def step(state: State, fact: Fact, period: Period) -> tuple[State, list[Finding]]:
    """State: mode, loop (open | closed), cut (latched), low (device → lowest percent told)."""
    if fact.kind != record.EVENT:
        return state, []
    device = "tag" if fact.device_id == period.tag_id else "home_unit"
    found: list[Finding] = []
    if fact.code == record.BOOT:
        found.append(finding_of("boot", fact, {"device": device, "cause": fact.value_a, "count": fact.value_b}))
    elif fact.code == record.BATTERY:
        state, found = _battery(state, fact, device)
    elif fact.code in _TOLD_AS_IS:
        found.append(finding_of(_TOLD_AS_IS[fact.code], fact, {"device": device, "value": fact.value_a}))
    elif device == "tag" and fact.code == record.MODE:
        mode = _MODES.get(fact.value_a or 0, "unknown")
        if mode != state.get("mode"):
            state = {**state, "mode": mode}
            found.append(finding_of("mode", fact, {"mode": mode, "reason": _REASONS.get(fact.value_b or 0, "unknown")}))
    elif device == "tag" and fact.code == record.STRAP_CUT:
        if state.get("loop") != "open":
            found.append(finding_of("strap_cut", fact, {"loop_mv": fact.value_a}))
        state = {**state, "loop": "open", "cut": True}
    elif device == "tag" and fact.code == record.STRAP_CLOSED:
        if state.get("loop") != "closed":
            found.append(finding_of("strap_closed", fact, {"loop_mv": fact.value_a, "latched": bool(state.get("cut"))}))
        state = {**state, "loop": "closed"}
    return state, found


def _battery(state: State, fact: Fact, device: str) -> tuple[State, list[Finding]]:
    """Told at each lower stage once; forgotten when it has been charged above the level."""
    percent = fact.value_a if fact.value_a is not None else 100
    told = state.get("low", {})
    if percent > LOW_PERCENT:
        if device in told:
            state = {**state, "low": {name: low for name, low in told.items() if name != device}}
        return state, []
    if percent >= told.get(device, LOW_PERCENT + 1):
        return state, []
    state = {**state, "low": {**told, device: percent}}
    return state, [finding_of("battery_low", fact, {"device": device, "percent": percent, "battery_mv": fact.value_b})]
