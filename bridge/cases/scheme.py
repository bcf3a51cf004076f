"""The scheme file: a time zone, and the wearers with their devices, homes and conditions.

    timezone: Europe/London
    lease_days: 35                       # how long a tag goes on when it hears nothing from the bridge; renewed at half
    policy: {fix_interval_s: 60}         # settings of the devices that differ (`firmware.core.settings`)
    wearers:
      - id: w1
        name: A. Wearer
        tag: tag-000001
        home_unit: hmu-000001
        home: {lat: 50.7154, lon: -2.4367, radius_m: 100}
        from: 2026-06-01T05:00:00Z
        conditions:
          - {kind: curfew, name: Nights, from: "21:00", until: "07:00", grace_min: 5}
          - {kind: exclusion, name: Station Road, circle: {lat: 50.71, lon: -2.43, radius_m: 150}}

A tag is one wearer's at a time; those who live together may have one home unit: then their `home` is the same.

`load_scheme` reads and checks all of it before anything is touched; `apply_scheme` brings the store into line with it in one
transaction and may be repeated. It never takes a wearer or a wear period away: what is gone from the file ends by `until`.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator
from sqlalchemy import Connection, Engine, delete, insert, select, update

from bridge.errors import ConfigError
from bridge.store import schema
from firmware.core import ident
from firmware.core.settings import Settings, SettingsError

from .conditions import Condition, Point, Strict
from .reading import Loc, field_name, read_model, read_yaml, where


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError('the name of a time zone such as "Europe/London"') from None
    except KeyError:
        raise ValueError('the name of a time zone such as "Europe/London"') from None
    return name


def _device_of(device_class: int, example: str):
    def check(name: str) -> str:
        try:
            if ident.device_class(ident.parse_device_name(name)) == device_class:
                return name
        except ValueError:
            pass
        raise ValueError(f"a device name such as {example}")

    return check


def _instant(value: object) -> object:
    """YAML gives a datetime for an unquoted date, a string for a quoted one; without a zone it would be anybody's guess."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a date and time with its zone such as 2026-06-01T05:00:00Z")
    return value.astimezone(UTC)


TimeZone = Annotated[str, AfterValidator(_timezone)]
TagName = Annotated[str, AfterValidator(_device_of(ident.TAG, "tag-000001"))]
HomeUnitName = Annotated[str, AfterValidator(_device_of(ident.HMU, "hmu-000001"))]
Instant = Annotated[datetime, BeforeValidator(_instant)]


TAGS_MAX = 16  # of one home unit: the slots of its beacon (firmware.core.frame)


class Home(Point):
    """Within `radius_m` of it he is at home, as far as his tag's fixes tell."""

    radius_m: Annotated[int, Field(ge=20, le=1000)] = 100


def _policy(values: dict[str, int]) -> dict[str, int]:
    try:
        Settings(values)
    except SettingsError as error:
        raise ValueError(f"settings of a device ({error})") from None
    return values


class WearerEntry(Strict):
    """One wear period of one wearer. The same `id` may come again with another period."""

    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    name: Annotated[str, Field(min_length=1)]
    tag: TagName
    home_unit: HomeUnitName | None = None
    home: Home | None = None
    start: Instant = Field(alias="from")
    end: Instant | None = Field(None, alias="until")
    conditions: list[Condition] = Field(default_factory=list)

    @property
    def from_ms(self) -> int:
        return round(self.start.timestamp() * 1000)

    @property
    def until_ms(self) -> int | None:
        return None if self.end is None else round(self.end.timestamp() * 1000)


class Scheme(Strict):
    timezone: TimeZone
    lease_days: Annotated[int, Field(ge=1, le=365)] = 35
    policy: Annotated[dict[str, StrictInt], AfterValidator(_policy)] = Field(default_factory=dict)
    wearers: list[WearerEntry]

    @model_validator(mode="before")
    @classmethod
    def _no_wearers_is_none(cls, data: Any) -> Any:
        return {**data, "wearers": []} if isinstance(data, dict) and "wearers" in data and data["wearers"] is None else data


def load_scheme(path: Path | str) -> Scheme:
    """The scheme in the file. ConfigError naming file:line, field, value and what was expected."""
    scheme = read_model(path, Scheme)
    problem = find_conflict(scheme)
    if problem is not None:
        loc, value, expected = problem
        raise ConfigError(where(path, read_yaml(path)[1], loc), field_name(loc), value, expected)
    return scheme


def find_conflict(scheme: Scheme) -> tuple[Loc, object, str] | None:
    """(where, value, expected) of the first entry that cannot stand beside the others, or None."""
    for i, entry in enumerate(scheme.wearers):
        at: Loc = ("wearers", i)
        if entry.end is not None and entry.end <= entry.start:
            return (*at, "until"), entry.end.isoformat(), f"a time after its `from`, {entry.start.isoformat()}"
        names: dict[str, int] = {}
        for j, condition in enumerate(entry.conditions):
            if names.setdefault(condition.name, j) != j:
                return (*at, "conditions", j, "name"), condition.name, "a name that no other condition of this wearer has"
        for j, other in enumerate(scheme.wearers[:i]):
            overlap = (other.end is None or entry.start < other.end) and (entry.end is None or other.start < entry.end)
            if entry.id == other.id and entry.name != other.name:
                return (*at, "name"), entry.name, f"{other.name!r}, as in wearers[{j}] with the same id"
            if entry.id == other.id and entry.conditions != other.conditions:
                return (*at, "conditions"), entry.id, f"the same conditions as in wearers[{j}] with the same id"
            if entry.id == other.id and overlap:
                return (*at, "id"), entry.id, f"a period that does not overlap wearers[{j}]"
            if overlap and entry.tag == other.tag:
                return (*at, "tag"), entry.tag, f"a tag that no other wearer has at that time (wearers[{j}] has it)"
            if overlap and entry.home_unit is not None and entry.home_unit == other.home_unit and entry.home != other.home:
                home = "no home" if other.home is None else f"{other.home.lat}, {other.home.lon}"
                return (*at, "home"), entry.home_unit, f"the home of wearers[{j}], who has the same home unit then ({home})"
        if entry.home_unit is not None:
            # Most are counted at the beginning of some period.
            here = [e for e in scheme.wearers if e.home_unit == entry.home_unit]
            here = [e for e in here if e.start <= entry.start and (e.end is None or entry.start < e.end)]
            if len(here) > TAGS_MAX:
                return (*at, "home_unit"), entry.home_unit, f"at most {TAGS_MAX} wearers with one home unit at a time"
    return None


def apply_scheme(engine: Engine, scheme: Scheme, shard: str = "0") -> None:
    """Bring the store into line with the scheme: all of it or nothing. Repeating it changes nothing.

    `shard` is where devices are that have not been heard yet. ConfigError when a device is another wearer's in the store.
    """
    problem = find_conflict(scheme)
    if problem is not None:
        raise ConfigError("scheme", field_name(problem[0]), problem[1], problem[2])
    with engine.begin() as connection:
        _put_setting(connection, "timezone", scheme.timezone)
        _put_setting(connection, "lease_days", str(scheme.lease_days))
        _put_setting(connection, "policy", json.dumps(scheme.policy, sort_keys=True))
        for entry in scheme.wearers:
            _put_wearer(connection, entry)
            tag_id = ensure_device(connection, entry.tag, shard)
            hmu_id = ensure_device(connection, entry.home_unit, shard) if entry.home_unit else None
            _put_period(connection, entry, tag_id, hmu_id)
            _put_conditions(connection, entry)
        _refuse_shared_devices(connection)


def ensure_device(connection: Connection, name: str, shard: str) -> int:
    """The device's id; its row is made when it is new."""
    device_id = ident.parse_device_name(name)
    table = schema.device
    if connection.execute(select(table.c.device_id).where(table.c.device_id == device_id)).first() is None:
        kind = "tag" if ident.device_class(device_id) == ident.TAG else "hmu"
        connection.execute(insert(table).values(device_id=device_id, name=name, kind=kind, shard=shard))
    return device_id


def _put_setting(connection: Connection, key: str, value: str) -> None:
    table = schema.setting
    if connection.execute(update(table).where(table.c.key == key).values(value=value)).rowcount == 0:
        connection.execute(insert(table).values(key=key, value=value))


def _put_wearer(connection: Connection, entry: WearerEntry) -> None:
    table = schema.wearer
    if connection.execute(update(table).where(table.c.wearer_id == entry.id).values(name=entry.name)).rowcount == 0:
        connection.execute(insert(table).values(wearer_id=entry.id, name=entry.name))


def _put_period(connection: Connection, entry: WearerEntry, tag_id: int, hmu_id: int | None) -> None:
    table = schema.wear_period
    key = (table.c.wearer_id == entry.id) & (table.c.tag_id == tag_id) & (table.c.from_ms == entry.from_ms)
    values = {
        "hmu_id": hmu_id,
        "home_lat_e7": round(entry.home.lat * 1e7) if entry.home else None,
        "home_lon_e7": round(entry.home.lon * 1e7) if entry.home else None,
        "home_radius_m": entry.home.radius_m if entry.home else None,
        "until_ms": entry.until_ms,
    }
    if connection.execute(update(table).where(key).values(values)).rowcount == 0:
        connection.execute(insert(table).values(wearer_id=entry.id, tag_id=tag_id, from_ms=entry.from_ms, **values))


def _put_conditions(connection: Connection, entry: WearerEntry) -> None:
    table = schema.condition
    stored = {row.name: row for row in connection.execute(select(table).where(table.c.wearer_id == entry.id))}
    for condition in entry.conditions:
        row = stored.pop(condition.name, None)
        values = {"kind": condition.kind, "spec": condition.spec()}
        if row is None:
            connection.execute(insert(table).values(wearer_id=entry.id, name=condition.name, **values))
        elif (row.kind, row.spec) != (condition.kind, condition.spec()):
            connection.execute(update(table).where(table.c.id == row.id).values(values))
    for row in stored.values():
        connection.execute(delete(table).where(table.c.id == row.id))


def _refuse_shared_devices(connection: Connection) -> None:
    """A tag at two wearers at the same time, or a home unit in two homes; one of them may stand only in the store. Raising undoes
    the transaction."""
    periods = connection.execute(select(schema.wear_period).order_by(schema.wear_period.c.id)).all()
    for i, later in enumerate(periods):
        for earlier in periods[:i]:
            overlap = (earlier.until_ms is None or later.from_ms < earlier.until_ms) and (
                later.until_ms is None or earlier.from_ms < later.until_ms
            )
            if not overlap:
                continue
            if later.tag_id == earlier.tag_id or later.wearer_id == earlier.wearer_id:
                expected = f"a device that is free: the store has it with wearer {earlier.wearer_id!r} for the same time"
                raise ConfigError("scheme", f"wearer {later.wearer_id}", ident.device_name(later.tag_id), expected)
            if later.hmu_id is not None and later.hmu_id == earlier.hmu_id and _home_of(later) != _home_of(earlier):
                expected = f"a home unit in the same home: the store has it with wearer {earlier.wearer_id!r} for the same time"
                raise ConfigError("scheme", f"wearer {later.wearer_id}", ident.device_name(later.hmu_id), expected)


def _home_of(period: Any) -> tuple[int | None, int | None, int | None]:
    return period.home_lat_e7, period.home_lon_e7, period.home_radius_m
