"""A recorded log as a receiver would send it: its bytes as they are, cut into epochs, each with the time at which it goes out.

An epoch begins with an RMC or GGA that brings another time of day than the one before, or repeats what its epoch has had from
the same talker. Epochs are as far apart as their times say; a step back, no step, or a gap of more than MAX_STEP_MS counts as
one second. Nothing is taken out: garbage, binary and comments go out with the epoch that they follow. Times are milliseconds
since the log's beginning.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.errors import ConfigError

MAX_STEP_MS = 60_000
EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)
BYTES_PER_MS = 11.52  # 115200 baud: what a log takes at most to go out, and what the tag's UART buffer stands
_DEFAULT_STEP_MS = 1_000
_DAY_MS = 86_400_000
_SENTENCE = re.compile(rb"\$([A-Z][A-Z0-9]{1,9}),([^$*\r\n]{0,200})\*([0-9A-Fa-f]{2})")
_EPOCH = re.compile(rb"\$([A-Z]{2}(?:RMC|GGA)),([^$*\r\n]{0,200})\*([0-9A-Fa-f]{2})")
_TIME = re.compile(rb"(\d\d)(\d\d)(\d\d)(?:\.(\d*))?")


@dataclass(frozen=True, slots=True)
class Epoch:
    """Bytes `start` to `end` of the log go out from `at_ms` on."""

    at_ms: int
    start: int
    end: int


class Log:
    """A log of NMEA. ConfigError when `data` holds not one sentence that a tag would take."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        if not data:
            raise ConfigError(name, "content", "an empty file", "a log of NMEA sentences, or a GPX track")
        if not any(_is_sound(found) for found in _SENTENCE.finditer(data)):
            raise ConfigError(
                name, "content", data[:40], "NMEA sentences with a right checksum ($GPRMC,…*hh), or a GPX track; there is none"
            )
        self.epochs = list(_cut(data))
        last = self.epochs[-1]
        self.duration_ms = last.at_ms + _takes_ms(last.end - last.start)

    def dates(self) -> Iterator[datetime]:
        """Of its RMC with a fix, in order."""
        for found in _EPOCH.finditer(self.data):
            fields = found[2].split(b",")
            if found[1].endswith(b"RMC") and len(fields) > 8 and fields[1] == b"A" and _is_sound(found):
                try:
                    yield datetime.strptime((fields[8] + fields[0][:6]).decode("ascii"), "%d%m%y%H%M%S").replace(tzinfo=UTC)
                except ValueError:
                    continue


def _is_sound(found: re.Match[bytes]) -> bool:
    body = found[0][1:-3]
    return functools.reduce(lambda total, byte: total ^ byte, body, 0) == int(found[3], 16)


def _tod_ms(field: bytes) -> int | None:
    found = _TIME.fullmatch(field)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    return ((hour * 60 + minute) * 60 + second) * 1000 + int((found[4] or b"")[:3].ljust(3, b"0"))


def _takes_ms(n: int) -> int:
    return int(n / BYTES_PER_MS) + 1


def _cut(data: bytes) -> Iterator[Epoch]:
    start, at_ms = 0, 0
    tod_ms: int | None = None
    seen: set[bytes] = set()
    for found in _EPOCH.finditer(data):
        if not _is_sound(found):
            continue
        kind, now_ms = found[1], _tod_ms(found[2].partition(b",")[0])
        if not seen:
            tod_ms = now_ms
        elif now_ms != tod_ms or kind in seen:
            yield Epoch(at_ms, start, found.start())
            at_ms += max(_step_ms(tod_ms, now_ms), _takes_ms(found.start() - start))
            start, tod_ms, seen = found.start(), now_ms, set()
        seen.add(kind)
    yield Epoch(at_ms, start, len(data))


def _step_ms(before_ms: int | None, after_ms: int | None) -> int:
    if before_ms is None or after_ms is None:
        return _DEFAULT_STEP_MS
    step_ms = after_ms - before_ms
    if step_ms < -_DAY_MS // 2:  # over midnight
        step_ms += _DAY_MS
    return step_ms if 0 < step_ms <= MAX_STEP_MS else _DEFAULT_STEP_MS


def is_plausible(moment: datetime) -> bool:
    """As a tag sees it."""
    return EARLIEST <= moment < datetime(2036, 1, 1, tzinfo=UTC)


def plausible_start(moment: datetime | None) -> datetime:
    """When a run over a log begins: a while before its first date, or, when that is not to be believed, some fixed day."""
    if moment is None or not is_plausible(moment):
        return EARLIEST
    return max(EARLIEST, moment - timedelta(seconds=1))
