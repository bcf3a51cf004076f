"""The scheme as the orders see it: who wears what under which conditions, and the policy; read from the store when it changes."""

import json
from typing import Any

from sqlalchemy import Connection, select

from bridge.errors import ConfigError
from bridge.store import schema
from bridge.store.settings import get_settings

from .payloads import Lease, config_payload
from .wanted import HOME_RADIUS_M, LEASE_DAYS, Worn, is_over, period_at, wanted_lease, zones_of
from .zonemap import pack


class SchemeView:
    """`load` reads; `lease` and `config` say what a device should have been told. Pure between two loads."""

    def __init__(self) -> None:
        self._read_from: object = None
        self._of: dict[int, list[Worn]] = {}
        self._conditions: dict[str, list[Any]] = {}
        self._configs: dict[tuple[int, int], bytes] = {}
        self._policy: dict[str, int] = {}
        self.lease_days = LEASE_DAYS
        self.faults: dict[int, str] = {}  # devices whose config cannot be made, and why

    def load(self, connection: Connection) -> bool:
        """Read what the store says now. Whether it is news."""
        periods = connection.execute(select(schema.wear_period).order_by(schema.wear_period.c.id)).all()
        conditions = connection.execute(select(schema.condition).order_by(schema.condition.c.id)).all()
        settings = get_settings(connection)
        read_from = periods, conditions, settings.get("policy"), settings.get("lease_days")
        if read_from == self._read_from:
            return False
        self._read_from = read_from
        self._policy = json.loads(settings.get("policy") or "{}")
        self.lease_days = int(settings.get("lease_days") or LEASE_DAYS)
        self._configs.clear()
        self.faults.clear()
        self._conditions = {}
        for row in conditions:
            self._conditions.setdefault(row.wearer_id, []).append(row)
        self._of = {}
        for row in periods:
            home = None if row.home_lat_e7 is None else (row.home_lat_e7 / 1e7, row.home_lon_e7 / 1e7)
            worn = Worn(
                row.id, row.wearer_id, row.tag_id, row.hmu_id, row.from_ms, row.until_ms, home, row.home_radius_m or HOME_RADIUS_M
            )
            for device_id in {row.tag_id, row.hmu_id} - {None}:
                self._of.setdefault(device_id, []).append(worn)
        return True

    @property
    def devices(self) -> list[int]:
        """Those that have or had a wear period."""
        return list(self._of)

    def period(self, device_id: int, now_ms: int) -> Worn | None:
        return period_at(self._of.get(device_id, ()), now_ms)

    def lease(self, tag_id: int, known: Lease | None, now_ms: int) -> Lease | None:
        return wanted_lease(self.period(tag_id, now_ms), known, now_ms, self.lease_days)

    def config(self, device_id: int, now_ms: int) -> bytes | None:
        """The config payload; None when it cannot be made, which `faults` then explains."""
        worn = self.period(device_id, now_ms)
        key = device_id, worn.id if worn is not None and not is_over(worn, now_ms) else 0
        if key not in self._configs:
            zones = zones_of(worn, self._conditions.get(worn.wearer_id, ())) if worn is not None and key[1] else []
            try:
                zone_map = pack(zones) if worn is not None and device_id == worn.tag_id else b""
                self._configs[key] = config_payload(self._policy, zone_map)
            except (ConfigError, ValueError) as error:
                self.faults[device_id] = str(error)
                return None
        return self._configs[key]
