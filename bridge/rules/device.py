"""What the devices say of themselves: starts, crashes, mode, strap, case, battery, mains, and what disturbs their work.

- What is tampering latches for the wear period: a strap or a case that is closed, a jammer that stops add an event and undo
  nothing.
- What begins and ends is one episode, however often the device says that it has begun, and though it comes and goes (`episodes`).
  A strap is not: each cut is told.
- A ZONE event is the tag's early notice of a fix; whether a zone was entered follows from the fixes alone (`zones`).
  So it is evidence and no finding; neither are codes that only a newer firmware knows.
"""

from typing import Any

from firmware.core import record

from . import episodes
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
    record.JOURNAL_FULL: "journal_full",
    record.FAULT: "fault",
    record.BROWN_OUT: "brown_out",
    record.WARNED: "wearer_warned",
    record.CLOCK_GONE: "clock_gone",
}
# What begins, and the names of its two values; what ends it.
_BEGINS = {
    record.MAINS_LOST: ("mains_lost", "battery_mv", ""),
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
    record.MAINS_BACK: ("mains_back", "mains_lost"),
    record.CASE_CLOSED: ("case_closed", "case_opened"),
    record.SHIELD_ENDED: ("shield_ended", "shielded"),
    record.JAM_ENDED: ("jam_ended", "jammed"),
    record.SPOOF_ENDED: ("spoof_ended", "spoofed"),
    record.RECEIVER_BACK: ("receiver_back", "receiver_dead"),
    record.MODEM_BACK: ("modem_back", "modem_dead"),
    record.UNIT_BACK: ("unit_back", "unit_silent"),
    record.COMMS_BACK: ("comms_back", "comms_lost"),
}
_END_OF = {began: kind for kind, began in _ENDS.values()}
_LATCHING = ("case_opened", "shielded", "jammed", "spoofed")
_LEASES = {record.LEASE_BEGUN: "begun", record.LEASE_ENDED: "ended", record.LEASE_WITHDRAWN: "withdrawn"}


def step(state: State, fact: Fact, period: Period) -> tuple[State, list[Finding]]:
    """State: mode, loop (open | closed), cut (latched), low (device → lowest percent told), episodes (see there), tampers
    (what has ever begun and latches)."""
    device = "tag" if fact.device_id == period.tag_id else "home_unit"
    state, over = episodes.settle(state, device, fact.at_ms)
    found = [_told_end(key, episode, fact) for key, episode in over if key.partition(":")[2] in _END_OF]
    if fact.kind != record.EVENT:
        if fact.kind == record.FIX:
            state, _ = episodes.end(state, "tag:motion_no_fix", fact.at_ms)
        return state, found
    state, more = _event(state, fact, device)
    return state, found + more


def _event(state: State, fact: Fact, device: str) -> tuple[State, list[Finding]]:
    found: list[Finding] = []
    if fact.code == record.BOOT:
        state = episodes.cut_short(state, device, fact.at_ms)
        found.append(finding_of("boot", fact, {"device": device, "cause": fact.value_a, "count": fact.value_b}))
    elif fact.code == record.BATTERY:
        state, found = _battery(state, fact, device)
    elif fact.code in _BEGINS:
        state, found = _begin(state, fact, device)
    elif fact.code in _ENDS:
        state, found = _end(state, fact, device)
    elif fact.code == record.MOVED:
        # It has no end of its own; carried about for half an hour is one.
        state, news = episodes.begin(state, f"{device}:moved", fact.at_ms)
        state, _ = episodes.end(state, f"{device}:moved", fact.at_ms)
        if news == episodes.BEGUN:
            found.append(finding_of("moved", fact, {"device": device, "value": fact.value_a}))
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
    state, news = episodes.begin(state, key, fact.at_ms)
    if news is None:
        return state, []
    detail: dict[str, Any] = {"device": device}
    if news == episodes.FLAPS:
        detail.update(what=kind, since_ms=state["episodes"][key]["since_ms"])
        return state, [finding_of("flapping", fact, detail, kind)] if kind in _END_OF else []
    if name_a:
        detail[name_a] = fact.value_a
    if name_b == "satellites":
        detail["satellites_before"], detail["satellites"] = (fact.value_b or 0) >> 16 & 0xFFFF, (fact.value_b or 0) & 0xFFFF
    elif name_b:
        detail[name_b] = fact.value_b
    if kind in _LATCHING and key not in state.get("tampers", ()):
        state = {**state, "tampers": [*state.get("tampers", ()), key]}
    return state, [finding_of(kind, fact, detail)]


def _end(state: State, fact: Fact, device: str) -> tuple[State, list[Finding]]:
    key = f"{device}:{_ENDS[fact.code or 0][1]}"
    state, episode = episodes.end(state, key, fact.at_ms)
    return state, [_told_end(key, episode, fact)] if episode else []


def _told_end(key: str, episode: episodes.Episode, fact: Fact) -> Finding:
    """That it is over: at once, or, when it flapped, with the first fact by which it has stayed over."""
    device, _, began = key.partition(":")
    since_ms, ended_ms = episode["since_ms"], episode["ended_ms"]
    detail: dict[str, Any] = {"device": device, "since_ms": since_ms, "seconds": (ended_ms - since_ms) // 1000}
    if episode["owed"]:
        detail.update(ended_ms=ended_ms, times=episode["times"])
    if began in _LATCHING:
        detail["latched"] = True
    return finding_of(_END_OF[began], fact, detail)


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
