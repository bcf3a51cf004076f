"""Findings in words."""

from typing import Any


def describe(kind: str, detail: dict[str, Any]) -> str:
    """An event in words: its kind, and what its detail adds (`bridge.rules` says what that may be)."""
    if kind == "mode":
        return f"mode {str(detail.get('mode', 'unknown')).upper()}, {plain(detail.get('reason', ''))}".rstrip(", ")
    if kind == "presence":
        return {"home": "at home", "not_home": "out"}.get(str(detail.get("presence")), "whereabouts unknown")
    if kind == "flapping":
        return f"comes and goes: {plain(detail.get('what', ''))}"
    text = plain(kind)
    if kind in ("boot", "battery_low"):
        text = f"{text}: {plain(detail.get('device', 'device'))}"
    about = detail.get("zone") or detail.get("curfew")
    return f"{text}: {about}" if about else text


def plain(word: object) -> str:
    return str(word).replace("_", " ")
