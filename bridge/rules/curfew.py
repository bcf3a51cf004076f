"""Curfews: at home from the start of the window (and its grace) until its end.

- `late_home`: grace is over and he has not been home in this window. Found by the clock, with or without a record; also when he
  was away long before the window began. Where his whereabouts are unknown then, `curfew_unknown` says so, and `late_home` follows
  when it becomes known that he is out.
- `left_home`: he was home in this window, went, and has been gone for longer than the grace.
- `home`: he is back after one of these, with the minutes since the window began (late) or since he went (left).
- `out_all_night`: the window ended without his having been home in it.
"""

from typing import Any

from . import presence
from .conditions import Conditions, Curfew, Window
from .facts import Finding

State = dict[str, Any]

BEFORE, GRACE, NIGHT = "before", "grace", "night"


def start(conditions: Conditions, at_ms: int) -> State:
    """The state of a case that begins: each curfew waits for its window, or is in it already."""
    return {curfew.key: _before(curfew.window_after(at_ms)) for curfew in conditions.curfews}


def advance(state: State, since_ms: int, to_ms: int, known: State, conditions: Conditions) -> tuple[State, list[Finding]]:
    """What the clock brings before `to_ms`, with the presence as it is known (`known`: the state of `presence`)."""
    found: list[Finding] = []
    for curfew in conditions.curfews:
        here = state.get(curfew.key) or _before(curfew.window_after(since_ms))  # a condition that is new
        while (moment := _moment(curfew, here, since_ms)) < to_ms:
            # Before anybody has ever said where he is, the devices are still being fitted: that is no finding.
            value = presence.supported(known, moment) if "value" in known else None
            here, findings = _at(curfew, here, moment, value)
            found += findings
        if here is not state.get(curfew.key):
            state = {**state, curfew.key: here}
    if len(state) > len(conditions.curfews):
        keys = {curfew.key for curfew in conditions.curfews}
        state = {key: here for key, here in state.items() if key in keys}
    return state, found


def stated(state: State, at_ms: int, value: str, conditions: Conditions) -> tuple[State, list[Finding]]:
    """Somebody has said where he is."""
    found: list[Finding] = []
    for curfew in conditions.curfews:
        here = state.get(curfew.key)
        if here is None:  # a condition that is new since the clock moved last
            continue
        news = here
        if value == presence.HOME:
            if here["open"]:
                found.append(_home(curfew, here["open"], at_ms))
                news = {**news, "open": None}
            if here["phase"] != BEFORE and (not here["seen"] or here["left_ms"] is not None):
                news = {**news, "seen": True, "left_ms": None}
        elif value == presence.NOT_HOME and here["phase"] != BEFORE and not _is_open_now(here):
            if here["seen"]:
                if here["left_ms"] is None:
                    news = {**news, "left_ms": at_ms}
            elif here["phase"] == NIGHT:
                news, findings = _open(curfew, news, "late_home", at_ms, here["window"][0])
                found += findings
        if news is not here:
            state = {**state, curfew.key: news}
    return state, found


def _before(window: Window) -> State:
    return {"window": list(window), "phase": BEFORE, "seen": False, "left_ms": None, "open": None}


def _is_open_now(here: State) -> bool:
    return here["open"] is not None and here["open"]["window_ms"] == here["window"][0]


def _moment(curfew: Curfew, here: State, since_ms: int) -> int:
    """When the clock next matters to this curfew."""
    start_ms, end_ms, due_ms = here["window"]
    if here["phase"] == BEFORE:
        return max(start_ms, since_ms) if end_ms > since_ms else start_ms
    if here["phase"] == GRACE:
        return min(max(due_ms, start_ms), end_ms)
    if here["left_ms"] is not None and not _is_open_now(here):
        return min(here["left_ms"] + curfew.grace_ms, end_ms)
    return end_ms


def _at(curfew: Curfew, here: State, moment: int, value: str | None) -> tuple[State, list[Finding]]:
    start_ms, end_ms, due_ms = here["window"]
    if here["phase"] == BEFORE:
        # Who came to be tagged in the middle of a night has the grace from then on.
        due_ms = max(due_ms, moment + due_ms - start_ms)
        here = {**here, "window": [start_ms, end_ms, due_ms], "phase": GRACE, "seen": value == presence.HOME}
        return here, []
    if moment >= end_ms:
        return _end(curfew, here)
    if here["phase"] == GRACE:
        here = {**here, "phase": NIGHT}
        if here["seen"]:
            return here, []
        if value == presence.NOT_HOME:
            return _open(curfew, here, "late_home", moment, start_ms)
        detail = {"curfew": curfew.name, "start_ms": start_ms, "end_ms": end_ms}
        return here, [_finding("curfew_unknown", curfew, moment, start_ms, detail)] if value == presence.UNKNOWN else []
    left_ms = here["left_ms"]
    here = {**here, "left_ms": None}
    if value != presence.NOT_HOME:
        return here, []
    return _open(curfew, here, "left_home", moment, left_ms)


def _open(curfew: Curfew, here: State, kind: str, at_ms: int, since_ms: int) -> tuple[State, list[Finding]]:
    start_ms, end_ms, due_ms = here["window"]
    opened = {"kind": kind, "window_ms": start_ms, "since_ms": since_ms}
    detail = {"curfew": curfew.name, "start_ms": start_ms, "end_ms": end_ms, "due_ms": due_ms}
    if kind == "late_home":
        detail["minutes_late"] = (at_ms - start_ms) // 60_000
    else:
        detail["left_ms"] = since_ms
    return {**here, "open": opened}, [_finding(kind, curfew, at_ms, since_ms, detail)]


def _home(curfew: Curfew, opened: State, at_ms: int) -> Finding:
    minutes = (at_ms - opened["since_ms"]) // 60_000
    detail = {"curfew": curfew.name, "after": opened["kind"], "start_ms": opened["window_ms"]}
    detail["minutes_late" if opened["kind"] == "late_home" else "minutes_away"] = minutes
    return _finding("home", curfew, at_ms, opened["since_ms"], detail)


def _end(curfew: Curfew, here: State) -> tuple[State, list[Finding]]:
    """The next window; an episode that is open stays open until he is home."""
    start_ms, end_ms, _ = here["window"]
    found: list[Finding] = []
    if _is_open_now(here) and not here["seen"]:
        detail = {"curfew": curfew.name, "start_ms": start_ms, "end_ms": end_ms}
        found.append(_finding("out_all_night", curfew, end_ms, start_ms, detail))
    return {**_before(curfew.window_after(end_ms)), "open": here["open"]}, found


def _finding(kind: str, curfew: Curfew, at_ms: int, since_ms: int, detail: dict[str, Any]) -> Finding:
    return Finding(kind, at_ms, None, None, f"{kind}:{curfew.key}:{since_ms}", detail)
