"""What may be stored of a device: everything while it is worn, its own health always, nothing else. Pure.

Nobody has consented to records from outside of a wear period (from its beginning to its end or the withdrawal of consent), so
they are never stored. What a device says of itself (HEALTH) is about no person and is wanted on the shelf too.

A record is judged by the time of its event. One whose date nobody knows or believes is judged by when it was received: then a
tag may be sending what it made before its period ended, so BACKLOG_MS more is allowed; nothing shows such a record to anybody,
and when it comes to be dated outside of the period after all, it is deleted.
"""

from collections.abc import Sequence
from typing import NamedTuple

from firmware.core import record

BACKLOG_MS = 14 * 86_400_000  # a tag stores ten days without coverage at least (requirements section 2)
SLACK_MS = 2_000  # what is dated by an uptime in whole seconds and a clock set in the same way may be dated too early by this

HEALTH = frozenset(
    (
        record.BOOT, record.CLOCK_SET, record.CLOCK_GONE, record.STRAP_CUT, record.STRAP_CLOSED, record.BATTERY,
        record.CHARGER_ON, record.CHARGER_OFF, record.FAULT, record.STATUS, record.CRASH, record.SAFE_MODE, record.ORDER_DONE,
        record.LEASE, record.BROWN_OUT, record.CASE_OPENED, record.CASE_CLOSED, record.RECEIVER_DEAD, record.RECEIVER_BACK,
        record.MODEM_DEAD, record.MODEM_BACK, record.JOURNAL_FULL, record.UPDATE,
        # of a home unit, also where it is put up before the tag is worn
        record.MAINS_LOST, record.MAINS_BACK, record.COMMS_LOST, record.COMMS_BACK, record.RANGE,
    )
)  # fmt: skip


class Span(NamedTuple):
    """A wear period of a device: from_ms <= time < until_ms; None: open."""

    from_ms: int
    until_ms: int | None


def is_kept(kind: int, code: int | None, at_ms: int | None, spans: Sequence[Span], slack_ms: int = 0) -> bool:
    """Whether a record whose date is believed may be stored. `slack_ms`: how much too early its date may be."""
    if kind == record.EVENT and code in HEALTH:
        return True
    if at_ms is None:
        return False
    return any(span.from_ms - slack_ms <= at_ms and (span.until_ms is None or at_ms < span.until_ms) for span in spans)


def is_kept_undated(kind: int, code: int | None, received_ms: int, spans: Sequence[Span], is_wall: bool) -> bool:
    """The same of one whose date is not known, or not believed. Receive times of records' own clock may lie before all of it."""
    if kind == record.EVENT and code in HEALTH:
        return True
    return any(
        (not is_wall or span.from_ms <= received_ms) and (span.until_ms is None or received_ms < span.until_ms + BACKLOG_MS)
        for span in spans
    )
