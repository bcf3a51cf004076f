"""What the devices say of themselves: starts, crashes, mode, strap, case, battery, mains, and what disturbs their work.

- What is tampering latches for the wear period: a strap or a case that is closed, a jammer that stops add an event and undo
  nothing.
- What begins and ends is one episode, however often the device says that it has begun.
- A ZONE event is the tag's early notice of a fix; whether a zone was entered follows from the fixes alone (`zones`).
  So it is evidence and no finding; neither are codes that only a newer firmware knows.
"""

from typing import Any

from firmware.core import record

from .conditions import Period
from .facts import Fact, Finding, finding_of

State = dict[str, Any]

LOW_PERCENT = 20

_MODES = {record.MODE_UNKNOWN: "unknown", record.MODE_GPS: "gps", record.MODE_RF: "rf", record.MODE_OFF: "off"}
_REASONS = {
    record.MODE_BY_BOOT: "by_boot",
    record.MODE_BY_BEACON: "by_beacon",
    record.MODE_BY_SILENCE: "by_silence",
    record.MODE_BY_WEAK: "by_weak",
    record.MODE_BY_UNIT_SILENT: "by_unit_silent",
    record.MODE_BY_DOUBT: "by_doubt",
    record.MODE_BY_LEASE: "by_lease",
}
_TOLD_AS_IS = {
    record.MAINS_LOST: "mains_lost",
    record.MAINS_BACK: "mains_back",
    record.MOVED: "moved",
    record.JOURNAL_FULL: "journal_full",
    record.FAULT: "fault",
    record.BROWN_OUT: "brown_out",
    record.WARNED: "wearer_warned",
    record.CLOCK_GONE: "clock_gone",
}
# What begins, and the names of its two values; what ends it.
_BEGINS = {
    record.CASE_OPENED: ("case_opened", "", ""),
    record.SHIELDED: ("shielded", "cn0_dbhz", "seconds"),
    record.JAMMED: ("jammed", "fall_db", "satellites"),
    record.SPOOFED: ("spoofed", "metres", "seconds"),
    record.MOTION_NO_FIX: ("motion_no_fix", "seconds", ""),
    record.RECEIVER_DEAD: ("receiver_dead", "bytes_heard", "seconds"),
    record.MODEM_DEAD: ("modem_dead", "attempts", ""),
    record.UNIT_SILENT: ("unit_silent", "radius_dm", ""),
    record.COMMS_LOST: ("comms_lost", "seconds", ""),
}
_ENDS = {
    record.CASE_CLOSED: ("case_closed", "case_opened"),
    record.SHIELD_ENDED: ("shield_ended", "shielded"),
    record.JAM_ENDED: ("jam_ended", "jammed"),
    record.SPOOF_ENDED: ("spoof_ended", "spoofed"),
    record.RECEIVER_BACK: ("receiver_back", "receiver_dead"),
    record.MODEM_BACK: ("modem_back", "modem_dead"),
    record.UNIT_BACK: ("unit_back", "unit_silent"),
    record.COMMS_BACK: ("comms_back", "comms_lost"),
}
_LATCHING = ("case_opened", "shielded", "jammed", "spoofed")
_LEASES = {record.LEASE_BEGUN: "begun", record.LEASE_ENDED: "ended", record.LEASE_WITHDRAWN: "withdrawn"}


def step(state: State, fact: Fact, period: Period) -> tuple[State, list[Finding]]:
    """State: mode, loop (open | closed), cut (latched), low (device → lowest percent told), open (what has begun → since_ms),
    tampers (what has ever begun and latches)."""
    device = "tag" if fact.device_id == period.tag_id else "home_unit"
    if fact.kind != record.EVENT:
        if fact.kind == record.FIX and "tag:motion_no_fix" in state.get("open", ()):
            state, _ = _close(state, "tag:motion_no_fix")
        return state, []
    found: list[Finding] = []
    if fact.code == record.BOOT:
        found.append(finding_of("boot", fact, {"device": device, "cause": fact.value_a, "count": fact.value_b}))
    elif fact.code == record.BATTERY:
        state, found = _battery(state, fact, device)
    elif fact.code in _BEGINS:
        state, found = _begin(state, fact, device)
    elif fact.code in _ENDS:
        state, found = _end(state, fact, device)
    elif fact.code == record.CRASH:
        # `bridge.findings` puts names to the numbers.
        place = {"path_crc": (fact.value_a or 0) & 0xFFFFFFFF, "line": (fact.value_b or 0) & 0xFFFF}
        found.append(finding_of("crash", fact, {"device": device, **place, "type": (fact.value_b or 0) >> 16 & 0x7FFF}))
    elif fact.code == record.SAFE_MODE:
        found.append(finding_of("safe_mode" if fact.value_a else "safe_mode_ended", fact, {"device": device}))
    elif device == "tag" and fact.code == record.LEASE:
        what = _LEASES.get(fact.value_b or 0, "unknown")
        found.append(finding_of("lease", fact, {"wear_period": fact.value_a, "lease": what}))
    elif device == "home_unit" and fact.code == record.RANGE:
        frames, room = (fact.value_a or 0) & 0xFFFF, (fact.value_a or 0) >> 16 & 0xFFFF
        median = ((fact.value_b or 0) + 0x8000 & 0xFFFF) - 0x8000
        found.append(finding_of("range_test", fact, {"room": room, "frames": frames, "median_dbm": median}))
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


def _begin(state: State, fact: Fact, device: str) -> tuple[State, list[Finding]]:
    kind, name_a, name_b = _BEGINS[fact.code or 0]
    key = f"{device}:{kind}"
    if key in state.get("open", ()):
        return state, []
    state = {**state, "open": {**state.get("open", {}), key: fact.at_ms}}
    detail: dict[str, Any] = {"device": device}
    if name_a:
        detail[name_a] = fact.value_a
    if name_b == "satellites":
        detail["satellites_before"], detail["satellites"] = (fact.value_b or 0) >> 16 & 0xFFFF, (fact.value_b or 0) & 0xFFFF
    elif name_b:
        detail[name_b] = fact.value_b
    if kind in _LATCHING and key not in state.get("tampers", ()):
        state["tampers"] = [*state.get("tampers", ()), key]
    return state, [finding_of(kind, fact, detail)]


def _end(state: State, fact: Fact, device: str) -> tuple[State, list[Finding]]:
    kind, began = _ENDS[fact.code or 0]
    state, since_ms = _close(state, f"{device}:{began}")
    if since_ms is None:
        return state, []
    detail: dict[str, Any] = {"device": device, "since_ms": since_ms, "seconds": (fact.at_ms - since_ms) // 1000}
    if began in _LATCHING:
        detail["latched"] = True
    return state, [finding_of(kind, fact, detail)]


def _close(state: State, key: str) -> tuple[State, int | None]:
    """Without what was open under this key; since when it was."""
    begun = state.get("open", {})
    if key not in begun:
        return state, None
    return {**state, "open": {name: at_ms for name, at_ms in begun.items() if name != key}}, begun[key]


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
