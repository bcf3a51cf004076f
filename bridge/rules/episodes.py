"""What begins and ends, and comes and goes: one episode, however often a device says so.

- That it begins is told, and that it ends.
- What begins again within WHILE_MS of its end is the same episode. That it flaps is told once; from then on it counts as going
  on, whatever the device says, until it has been over for WHILE_MS. Its end then says since when, and how often it began.
- A device that starts anew knows nothing of what it said in its former life, and says again what still holds. So what it does not
  say again within WHILE_MS of its start is over; without this an outage that ended while a home unit had no power would hide
  all later ones.

An episode is `{since_ms, ended_ms | None, times, owed}`; owed: that it ended has not been told. What has been over for long is
forgotten with the next fact of the device, for the rules have no other clock here.
"""

from typing import Any

State = dict[str, Any]
Episode = dict[str, Any]

# A quarter of an hour is what a home unit may be silent between two records of its status, and a tag before it is listed as not
# reporting (requirements, section 2): who is told of nothing more often than that misses nothing. As long again, for a device too
# waits before it says something, up to 15 min (`motion_no_fix_s`): without it, losing all positions anew after each single
# fix would be something else each time. And a start is given time to say again what holds.
WHILE_MS = 30 * 60_000

BEGUN, FLAPS = "begun", "flaps"


def begin(state: State, key: str, at_ms: int) -> tuple[State, str | None]:
    """It begins. BEGUN or FLAPS, when that has to be told. `settle` must have been called for this moment."""
    episode = state.get("episodes", {}).get(key)
    if episode is None:
        return _put(state, key, {"since_ms": at_ms, "ended_ms": None, "times": 1, "owed": False}), BEGUN
    if episode["ended_ms"] is None:
        return state, None
    times = episode["times"] if _was_cut_short(episode) else episode["times"] + 1
    state = _put(state, key, {**episode, "ended_ms": None, "times": times, "owed": False})
    return state, None if episode["owed"] else FLAPS


def end(state: State, key: str, at_ms: int) -> tuple[State, Episode | None]:
    """It ends. The episode, when that has to be told now."""
    episode = state.get("episodes", {}).get(key)
    if episode is None or (episode["ended_ms"] is not None and not _was_cut_short(episode)):
        return state, None
    flaps = episode["times"] > 1
    episode = {**episode, "ended_ms": at_ms, "owed": flaps}
    return _put(state, key, episode), None if flaps else episode


def cut_short(state: State, device: str, at_ms: int) -> State:
    """The device has started anew."""
    for key, episode in _of(state, device):
        if episode["ended_ms"] is None:
            state = _put(state, key, {**episode, "ended_ms": at_ms, "owed": True})
    return state


def settle(state: State, device: str, at_ms: int) -> tuple[State, list[tuple[str, Episode]]]:
    """Without the device's episodes that have been over for long by now; and those of them whose end has to be told."""
    over = [each for each in _of(state, device) if each[1]["ended_ms"] is not None and at_ms - each[1]["ended_ms"] > WHILE_MS]
    if not over:
        return state, []
    gone = {key for key, _ in over}
    state = {**state, "episodes": {key: episode for key, episode in state["episodes"].items() if key not in gone}}
    return state, [each for each in over if each[1]["owed"]]


def _was_cut_short(episode: Episode) -> bool:
    """It did not end by itself; what flaps is not told to be over either way."""
    return episode["owed"] and episode["times"] == 1


def _of(state: State, device: str) -> list[tuple[str, Episode]]:
    return [(key, episode) for key, episode in state.get("episodes", {}).items() if key.startswith(f"{device}:")]


def _put(state: State, key: str, episode: Episode) -> State:
    return {**state, "episodes": {**state.get("episodes", {}), key: episode}}
