"""A store as the bridge fills it, for the console's tests: real schema and scheme, real 32-byte records."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, update

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.ingest.columns import COLUMNS, take_apart
from bridge.store import schema
from bridge.store.opening import open_store
from bridge.store.settings import put_settings
from firmware.core import ident, record
from tests.bridge.console.demo_town import at, corner

START = "2026-06-01T00:00:00Z"
NOON_MS = int(datetime(2026, 6, 1, 11, 0, tzinfo=UTC).timestamp() * 1000)  # 12:00 BST
MINUTE_MS = 60_000
NAMES = ("Ada Quill", "Ben Marsh", "Cleo Hart", "Dan Frost", "Eve Stone", "Finn Reed", "Gail West", "Hugh Lane", "Ivy Cross",
         "Jack Holm", "Kit Moor", "Lena Ford", "Max Thorn")  # fmt: skip


def tag(n: int) -> str:
    return f"tag-{n:06d}"


def home_of(n: int) -> tuple[float, float]:
    x, y = corner((n * 3) % 9 - 4, (n * 5) % 7 - 2)
    return at(x + 20, y + 18)


def wearer_entry(n: int, conditions: list[dict[str, Any]] | None = None, /, **more: Any) -> dict[str, Any]:
    lat, lon = home_of(n)
    return {
        "id": f"w{n}",
        "name": NAMES[(n - 1) % len(NAMES)],
        "tag": tag(n),
        "home_unit": f"hmu-{n:06d}",
        "home": {"lat": lat, "lon": lon},
        "from": START,
        "conditions": conditions or [{"kind": "curfew", "name": "Night", "from": "19:00", "until": "07:00"}],
        **more,
    }


class Field:
    """Writes what devices would have sent and what the rules would have found. All of it is received soon after it happened."""

    def __init__(self, path: Path, clock: str = "records", timezone: str = "Europe/London", town: Path | None = None) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.engine: Engine = open_store(self.url)
        self.timezone = timezone
        self._seq: dict[int, int] = {}
        put_settings(self.engine, timezone=timezone, clock=clock, town=str(town) if town else None)

    def close(self) -> None:
        self.engine.dispose()

    def enrol(self, *entries: dict[str, Any]) -> None:
        apply_scheme(self.engine, Scheme.model_validate({"timezone": self.timezone, "wearers": list(entries)}))

    def fix(self, n: int, at_ms: int, place: tuple[float, float], *, live: bool = True, **known: Any) -> None:
        self.fixes(n, [(at_ms, place)], live=live, **known)

    def fixes(self, n: int, track: Iterable[tuple[int, tuple[float, float]]], *, live: bool = True, **known: Any) -> None:
        """Fixes of tag n, committed in one transaction; the last one becomes the live state unless told otherwise."""
        device_id = ident.parse_device_name(tag(n))
        rows, last = [], None
        for at_ms, (lat, lon) in track:
            raw = bytearray(record.SIZE)
            seq = self._next_seq(device_id)
            flags = known.get("mode", record.MODE_GPS) | known.get("flags", 0)
            speed, radius = known.get("speed_cms", 135), known.get("radius_dm", 62)
            battery = known.get("battery", 87)
            record.pack_fix(
                raw,
                seq,
                at_ms // 1000,
                flags,
                at_ms % 1000,
                round(lat * 1e7),
                round(lon * 1e7),
                speed,
                radius,
                90,
                11,
                9,
                battery,
            )
            rows.append(self._row(device_id, bytes(raw), known.get("received_ms", at_ms + 1_200)))
            last = (at_ms, lat, lon)
        with self.engine.begin() as connection:
            if rows:
                connection.execute(insert(schema.record), rows)
        if last and live:
            at_ms, lat, lon = last
            self.live(
                n, at_ms=at_ms, fix_at_ms=at_ms, lat_e7=round(lat * 1e7), lon_e7=round(lon * 1e7), heard_ms=at_ms,
                speed_cms=known.get("speed_cms", 135), radius_dm=known.get("radius_dm", 62), mode=record.MODE_GPS,
                presence=record.PRESENCE_NOT_HOME, battery=known.get("battery", 87), strap=known.get("strap", "closed"),
            )  # fmt: skip

    def undated_fix(self, n: int, place: tuple[float, float]) -> int:
        """A fix made before the clock was known; its record id. `date` dates it."""
        device_id, raw = ident.parse_device_name(tag(n)), bytearray(record.SIZE)
        lat, lon = place
        record.pack_fix(raw, self._next_seq(device_id), 30, record.UNDATED, 1, round(lat * 1e7), round(lon * 1e7), *[None] * 6)
        with self.engine.begin() as connection:
            made = connection.execute(insert(schema.record).values(self._row(device_id, bytes(raw), NOON_MS)))
        return int(made.inserted_primary_key[0])  # type: ignore[index]

    def date(self, record_id: int, at_ms: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(schema.record).where(schema.record.c.id == record_id).values(at_ms=at_ms))
            connection.execute(insert(schema.dated).values(record_id=record_id))

    def live(self, n: int, **columns: Any) -> None:
        values = {"tag_id": ident.parse_device_name(tag(n)), **columns}
        with self.engine.begin() as connection:
            mine = schema.live.c.wearer_id == f"w{n}"
            if connection.execute(update(schema.live).where(mine).values(values)).rowcount == 0:
                connection.execute(insert(schema.live).values(wearer_id=f"w{n}", **values))

    def at_home(self, n: int, at_ms: int, battery: int = 96) -> None:
        self.live(
            n, at_ms=at_ms, heard_ms=at_ms, mode=record.MODE_RF, presence=record.PRESENCE_HOME, battery=battery, strap="closed"
        )

    def event(
        self, n: int, kind: str, at_ms: int, /, *, received_ms: int | None = None, late: bool = False, **detail: Any
    ) -> int:
        with self.engine.begin() as connection:
            made = connection.execute(
                insert(schema.event).values(
                    wearer_id=f"w{n}",
                    device_id=ident.parse_device_name(tag(n)),
                    seq=None,
                    kind=kind,
                    at_ms=at_ms,
                    received_ms=at_ms + 2_000 if received_ms is None else received_ms,
                    late=late,
                    superseded=False,
                    detail=detail,
                    dedupe=f"w{n}/{kind}/{at_ms}/{detail}",
                )
            )
        return int(made.inserted_primary_key[0])  # type: ignore[index]

    def supersede(self, event_id: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(schema.event).where(schema.event.c.id == event_id).values(superseded=True))

    def _next_seq(self, device_id: int) -> int:
        self._seq[device_id] = self._seq.get(device_id, 0) + 1
        return self._seq[device_id]

    @staticmethod
    def _row(device_id: int, raw: bytes, received_ms: int) -> dict[str, Any]:
        facts = take_apart(raw)
        columns = (device_id, facts.seq, raw, facts.kind, facts.flags, facts.at_ms, facts.boot, facts.quarantine, *facts.fields)
        return dict(zip(COLUMNS, (*columns, received_ms, None, None), strict=True))


def walk(n: int, from_ms: int, minutes: int, every_s: int = 60) -> list[tuple[int, tuple[float, float]]]:
    """A walk along the demo town's streets from wearer n's home: one corner to the next, at about 1.4 m/s."""
    i, j = (n * 3) % 9 - 4, (n * 5) % 7 - 2
    legs, step = [corner(i, j)], 0
    track = []
    for k in range(minutes * 60 // every_s):
        need = k * every_s * 1.4
        while (len(legs) - 2) * 120 < need:
            east = (step * 7 + n * 3) % 5 < 3
            away = 1 if (step + n) // 4 % 2 == 0 else -1
            i, j = (max(-5, min(5, i + away)), j) if east else (i, max(-2, min(5, j + away)))
            legs.append(corner(i, j))
            step += 1
        leg, part = int(need // 120), need % 120 / 120
        (x0, y0), (x1, y1) = legs[leg], legs[leg + 1]
        track.append((from_ms + k * every_s * 1000, at(x0 + part * (x1 - x0), y0 + part * (y1 - y0))))
    return track
