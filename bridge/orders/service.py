"""Orders on their way down: stop and wait, one at a time for each device, until the device says that it is done, or too late.

What holds:
- An order gets its number when it is sent first, in the transaction before that: numbers grow strictly for each device, and what
  stands under a number never changes, whatever crashes.
- It goes by the way on which the device was heard last: its own topic, or its home unit; by the home unit as well when the last
  that it said of itself is that it is at home, with its modem off. Unanswered for AGAIN_MS it goes both
  ways, and from then on with each message that is heard from the device, at most once in AGAIN_MS.
- A newer lease or config takes the place of an older one that is unanswered. A lease that withdraws takes that of all others.
- An update is an order like the others until the device has taken it up; from then on nothing waits for it. The device asks for
  pieces of the release by its records, and each record is answered once, over the device's own connection (`bridge.releases`).
- Long orders go RELAYED_AT_ONCE (or DIRECT_AT_ONCE) pieces at a time, so that a home unit is not flooded; the rest follows with
  the next messages.
- Leases and configs follow from the scheme (`scheme`, `wanted`); where time is that of the records they are looked at only when
  the device is heard, so that a simulation is the same at any speed. A device that was never heard is sent nothing.

All in the thread of ingest, in its transactions: `take_in` … `outgoing`, and `pump` between them.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, func, insert, select, update

from bridge.counts import Counts
from bridge.errors import ConfigError
from bridge.ingest import Outbound
from bridge.ingest.counters import DownCounters
from bridge.ingest.unseal import Opened
from bridge.keys import Keyring
from bridge.releases import rollout
from bridge.releases.shelf import Shelf
from bridge.store import schema
from firmware.core import ident, message, record

from .asking import next_number
from .going import OPEN, Going, Way, choose, is_withdrawing
from .payloads import NO_CONFIG, WORDS, lease_payload, parse_lease, pieces, range_result
from .scheme import SchemeView

TRY_ANEW_MS = 3_600_000  # a lease or config that the device had no room for
_NUMBER_MAX = 0xFFFFFFFF
_LOOK_MS = 1_000  # where time is the host's, how often it is asked what the scheme wants of every device
_table = schema.orders


class Orders:
    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        *,
        clock: str = "wall",
        counts: Counts | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        shelf: Shelf | None = None,
    ) -> None:
        self.counters = DownCounters()
        self._shelf = shelf  # None: nobody's releases are trusted
        self._engine = engine
        self._keyring = keyring
        self._is_wall = clock == "wall"
        self._wall_ms = now_ms
        self._counts = counts or Counts()
        self._log = structlog.get_logger("orders")
        self._scheme = SchemeView()
        self._open: dict[int, list[Going]] = {}  # queued and sent orders of each device, in order
        self._ways: dict[int, Way] = {}
        self._at_home: set[int] = set()  # in RF mode, by their newest records
        self._seen_id = 0  # the newest order that `_open` knows of
        self._newest_ms = 0
        self._told: dict[tuple[int, int], Any] = {}  # (device, kind) → the newest row that tells it something
        self._due_ms = 0  # when the scheme is to be looked at again, by the host's clock
        self._planned: list[tuple[int, int, Way, bytes]] = []  # device, key, way, body: sealed after the commit
        self.forget()

    def forget(self) -> None:
        """After a transaction that did not happen: read the store again."""
        self._open.clear()
        self._ways.clear()
        self._at_home.clear()
        self._told.clear()
        self._planned.clear()
        self._seen_id = 0
        self._newest_ms = 0
        self._is_loaded = False
        self.counters.rolled_back()

    # With each batch of messages.

    def take_in(
        self, connection: Connection, messages: Sequence[Opened], rows: Sequence[dict[str, Any]], received_ms: int
    ) -> dict[int, int]:
        """Messages that were opened and the new records in them. The devices whose key has changed: device → key id."""
        self._load(connection)
        self._newest_ms = max(self._newest_ms, received_ms)
        now_ms = self._now_ms()
        changed: dict[int, int] = {}
        asks: dict[int, dict[str, Any]] = {}  # the last that each device wants of a release
        last = {each.device_id: each for each in messages}
        for row in rows:
            (self._at_home.add if row["mode"] == record.MODE_RF else self._at_home.discard)(row["device_id"])
            if row["kind"] != record.EVENT:
                continue
            if row["code"] == record.ORDER_DONE:
                changed.update(self._done(connection, row, messages))
            elif row["code"] == record.RANGE:
                self._measured(connection, row)
            elif row["code"] == record.UPDATE:
                asks[row["device_id"]] = row
        for device_id, each in last.items():
            before = self._ways.get(device_id)
            relay = each.carrier if each.relayed_by is not None else None
            key_id = max(each.key_id, before.key_id if before is not None else 0)
            if before is not None and key_id > before.key_id and not self._is_rotating(device_id, key_id):
                changed[device_id] = key_id  # it was rotated, and what told so came by another key or was in a lost store
            self._ways[device_id] = Way(each.shard, key_id, relay)
        for device_id in last:
            self._follow_scheme(connection, device_id, now_ms)
            if device_id in asks:
                self._hand_out(connection, asks[device_id])
            self._go(connection, device_id, now_ms, heard=True)
        return changed

    def outgoing(self) -> list[Outbound]:
        """What is to be published now that the transaction is committed."""
        out = []
        for device_id, key_id, way, body in self._planned:
            counter = self.counters.take(device_id)
            if counter is None:
                self._log.error("no counters left: the device needs a new key", device=ident.device_name(device_id))
                continue
            sealed = self._keyring.seal_down(device_id, key_id, counter, body)
            name = ident.device_name(device_id)
            if way.relay is not None:
                name = way.relay
                header = bytearray(message.HEADER)
                message.pack_header(header, message.RELAY_DOWN, 0, 0, device_id, 0)
                sealed = bytes(header) + sealed
            out.append(Outbound(ident.topic(way.shard, name, ident.DOWN), sealed))
        self._planned.clear()
        self._counts.add("orders", "pieces", len(out))
        return out

    # Between the batches.

    def pump(self) -> list[Outbound]:
        """Take up new orders, let old ones expire, send what is due. Cheap when there is nothing."""
        try:
            with self._engine.begin() as connection:
                fresh = self._load(connection)
                now_ms = self._now_ms()
                due = {device_id for device_id in fresh if device_id in self._ways}
                for device_id in self._open.keys() - self._ways.keys():
                    self._expire(connection, device_id, now_ms)
                if self._is_wall:
                    due |= self._open.keys() & self._ways.keys()
                due |= self._look_at_scheme(connection, now_ms)
                for device_id in sorted(due):
                    self._go(connection, device_id, now_ms, heard=False)
        except BaseException:
            self.forget()
            raise
        self.counters.committed()
        return self.outgoing()

    def _look_at_scheme(self, connection: Connection, now_ms: int) -> set[int]:
        """Now and then: what it wants of every device. Those that something was asked of. By the records' own clock, which
        stands still between messages, that is of interest when the scheme has changed."""
        wall_ms = self._wall_ms()
        if self._due_ms - _LOOK_MS <= wall_ms < self._due_ms:
            return set()
        self._due_ms = wall_ms + _LOOK_MS
        if not self._scheme.load(connection) and not self._is_wall:
            return set()
        return {
            device_id
            for device_id in sorted(self._ways.keys() & self._scheme.devices)
            if self._follow_scheme(connection, device_id, now_ms)
        }

    def _now_ms(self) -> int:
        return self._wall_ms() if self._is_wall else self._newest_ms

    def _load(self, connection: Connection) -> set[int]:
        """Orders that others have put into the store. The devices that have new ones."""
        if not self._is_loaded:
            self._is_loaded = True
            self._scheme.load(connection)
            devices = connection.execute(select(schema.device).where(schema.device.c.heard_ms.is_not(None))).all()
            for row in devices:
                relay = None if row.relayed_by is None else ident.device_name(row.relayed_by)
                self._ways[row.device_id] = Way(row.shard, row.key_id or 1, relay)
                self._newest_ms = max(self._newest_ms, row.heard_ms)
        newest = connection.execute(select(func.max(_table.c.id))).scalar() or 0
        if newest == self._seen_id:
            return set()
        found = select(_table).where(_table.c.id > self._seen_id, _table.c.state.in_(OPEN)).order_by(_table.c.id)
        fresh = set()
        for row in connection.execute(found):
            self._open.setdefault(row.device_id, []).append(Going(row))
            fresh.add(row.device_id)
        self._seen_id = newest
        return fresh

    # What a device says.

    def _done(self, connection: Connection, row: dict[str, Any], messages: Sequence[Opened]) -> dict[int, int]:
        device_id, number, status = row["device_id"], row["value_a"] & _NUMBER_MAX, row["value_b"]
        mine = (_table.c.device_id == device_id) & (_table.c.number == number)
        order = connection.execute(select(_table).where(mine)).first()
        if order is None or order.state in ("done", "refused"):
            self._counts.add("orders", "answer to none")
            return {}
        state = "done" if status == message.DONE else "refused"
        values = {"state": state, "status": status, "done_ms": row["received_ms"], "done_seq": row["seq"]}
        connection.execute(update(_table).where(_table.c.id == order.id).values(values))
        self._drop(device_id, order.id, order.kind)
        self._counts.add("orders", state)
        self._log.info(
            "order " + state, device=ident.device_name(device_id), kind=WORDS.get(order.kind), number=number, status=status
        )
        if order.kind == message.ORDER_KEY and status == message.DONE:
            key_id = next(each.key_id for each in messages if each.device_id == device_id and row["raw"] in each.raws)
            if key_id == order.detail["key_id"]:
                return {device_id: key_id}
        return {}

    def _measured(self, connection: Connection, row: dict[str, Any]) -> None:
        """The result of a range test belongs to the newest order for that room. With several tags it is the worst of them."""
        result = range_result(row["value_a"], row["value_b"])
        mine = (_table.c.device_id == row["device_id"]) & (_table.c.kind == message.ORDER_RANGE_TEST)
        mine &= _table.c.number.is_not(None)
        for order in connection.execute(select(_table).where(mine).order_by(_table.c.id.desc())).all():
            if order.detail["number"] == result["room"]:
                tags = [each for each in (order.result or {}).get("tags", ()) if each["slot"] != result["slot"]] + [result]
                worst = min(tags, key=lambda each: (bool(each["frames"]), each["median_dbm"]))
                values = {**worst, **order.detail, "tags": tags}
                connection.execute(update(_table).where(_table.c.id == order.id).values(result=values))
                return

    def _hand_out(self, connection: Connection, row: dict[str, Any]) -> None:
        """The pieces of a release that a device asks for."""
        device_id = row["device_id"]
        asked = rollout.wanted(row["value_a"], row["value_b"])
        mine = (_table.c.device_id == device_id) & (_table.c.number == asked.number) & (_table.c.kind == message.ORDER_UPDATE)
        order = connection.execute(select(_table).where(mine, _table.c.state == "sent")).first()
        if order is None:
            self._counts.add("releases", "asked for none")
            return
        for going in self._open.get(device_id, ()):
            if going.id == order.id:
                going.is_taken = True
        rollout.noted(connection, order, asked, order.detail["size"], row["received_ms"])
        if not asked.pieces:
            return
        try:
            if self._shelf is None:
                raise ConfigError("settings", "release_keys_file", None, "the public keys of those who sign releases")
            image = self._shelf.take(connection, order.detail["release"]).image
        except (ConfigError, KeyError) as error:
            if self._counts.add("releases", "not to be had") in (1, 10, 100, 1000):
                self._log.error("no release to be sent", device=ident.device_name(device_id), reason=str(error))
            return
        bodies = rollout.pieces(asked, image)
        way = self._ways[device_id]._replace(relay=None)
        self._planned += [(device_id, way.key_id, way, body) for body in bodies]
        self.counters.reserve(connection, device_id, len(bodies))
        self._counts.add("releases", "pieces", len(bodies))

    def _is_rotating(self, device_id: int, key_id: int) -> bool:
        return any(
            going.kind == message.ORDER_KEY and going.detail["key_id"] == key_id for going in self._open.get(device_id, ())
        )

    # What a device should be told.

    def _follow_scheme(self, connection: Connection, device_id: int, now_ms: int) -> bool:
        """Ask for the lease and the config that follow from the scheme, unless the device has them. Whether there was one."""
        worn = self._scheme.period(device_id, now_ms)
        if worn is None or not now_ms:
            return False
        asked = False
        if device_id == worn.tag_id:
            payload = self._known(connection, device_id, message.ORDER_LEASE, now_ms)
            known = None if payload is None else parse_lease(payload)
            lease = self._scheme.lease(device_id, known, now_ms)
            if lease is not None and lease != known:
                self._ask(connection, device_id, message.ORDER_LEASE, lease_payload(*lease), worn, now_ms)
                asked = True
        config = self._scheme.config(device_id, now_ms)
        if config is None:
            self._tell_fault(device_id)
        elif config != (self._known(connection, device_id, message.ORDER_CONFIG, now_ms) or NO_CONFIG):
            self._ask(connection, device_id, message.ORDER_CONFIG, config, worn, now_ms)
            asked = True
        return asked

    def _tell_fault(self, device_id: int) -> None:
        fault = self._scheme.faults.get(device_id, "")
        if self._counts.add("orders", "config impossible") in (1, 10, 100, 1000):
            self._log.error("no config can be made", device=ident.device_name(device_id), reason=fault)

    def _known(self, connection: Connection, device_id: int, kind: int, now_ms: int) -> bytes | None:
        """What the device was told last of this kind, or is being told."""
        key = device_id, kind
        if key not in self._told:
            mine = (_table.c.device_id == device_id) & (_table.c.kind == kind) & _table.c.payload.is_not(None)
            mine &= _table.c.state.in_(("queued", "sent", "done", "refused"))
            self._told[key] = connection.execute(select(_table).where(mine).order_by(_table.c.id.desc()).limit(1)).first()
        row = self._told[key]
        if row is None:
            return None
        if row.state == "refused" and row.status in (message.NO_ROOM, message.INTERRUPTED):
            return row.payload if now_ms < row.done_ms + TRY_ANEW_MS else None
        return row.payload

    def _ask(self, connection: Connection, device_id: int, kind: int, payload: bytes, worn: Any, now_ms: int) -> None:
        detail: dict[str, Any] = {"wear_period": worn.id}
        if kind == message.ORDER_LEASE and is_withdrawing(payload, now_ms):
            detail["withdraws"] = True
        values = {
            "device_id": device_id, "kind": kind, "payload": payload, "detail": detail, "by_whom": "bridge",
            "reason": f"wear period {worn.id} of {worn.wearer_id}", "created_ms": now_ms, "state": "queued", "sent_count": 0,
        }  # fmt: skip
        order_id = connection.execute(insert(_table).values(values)).inserted_primary_key[0]  # pyright: ignore
        row = connection.execute(select(_table).where(_table.c.id == order_id)).one()
        self._open.setdefault(device_id, []).append(Going(row))
        self._told.pop((device_id, kind), None)
        if self._seen_id == order_id - 1:
            self._seen_id = order_id

    # Sending.

    def _go(self, connection: Connection, device_id: int, now_ms: int, *, heard: bool) -> None:
        """Send the next pieces of this device's order, if it is time."""
        self._expire(connection, device_id, now_ms)
        going, overtaken = choose(self._open.get(device_id, ()))
        for each in overtaken:
            self._end(connection, each, "replaced")
        if going is None or not going.is_due(now_ms, heard, self._is_wall):
            return
        if not going.is_sent and not self._begin(connection, going, now_ms):
            return
        assert going.number is not None and going.payload is not None
        payload = going.payload
        if going.kind == message.ORDER_KEY:  # the key itself stands in no store
            payload += self._keyring.device_key(device_id, going.detail["key_id"])
        worn = self._scheme.period(device_id, now_ms)
        other = ident.device_name(worn.hmu_id) if worn is not None and worn.hmu_id and device_id == worn.tag_id else None
        last = self._ways[device_id]
        taken = going.take(pieces(going.number, going.kind, payload), going.ways(last, other, device_id in self._at_home))
        self._planned += [(device_id, last.key_id, way, body) for way, body in taken]
        self.counters.reserve(connection, device_id, len(taken))
        going.last_sent_ms = now_ms
        going.sent_count += 1
        values = {"last_sent_ms": now_ms, "sent_count": going.sent_count}
        connection.execute(update(_table).where(_table.c.id == going.id).values(values))

    def _expire(self, connection: Connection, device_id: int, now_ms: int) -> None:
        for going in list(self._open.get(device_id, ())):
            if going.expires_ms is not None and now_ms >= going.expires_ms:
                self._end(connection, going, "expired")

    def _begin(self, connection: Connection, going: Going, now_ms: int) -> bool:
        """Give it its number, and what it says when that was left open. False when there is nothing to say."""
        device_id = going.device_id
        if going.payload is None:
            if going.kind == message.ORDER_KEY:
                going.payload = bytes([going.detail["key_id"]])
            elif going.kind == message.ORDER_CONFIG:
                going.payload = self._scheme.config(device_id, now_ms)
            else:
                lease = self._scheme.lease(device_id, None, now_ms)
                going.payload = None if lease is None else lease_payload(*lease)
            if going.payload is None:
                self._end(
                    connection, going, "refused", message.BAD_VALUE if device_id in self._scheme.faults else message.NO_LEASE
                )
                return False
        number = going.number = next_number(connection, device_id, now_ms)
        if number > _NUMBER_MAX:
            self._end(connection, going, "refused", message.BAD_VALUE)
            return False
        values = {"number": going.number, "payload": going.payload, "sent_ms": now_ms, "state": "sent"}
        connection.execute(update(_table).where(_table.c.id == going.id).values(values))
        self._told.pop((device_id, going.kind), None)
        self._counts.add("orders", "sent")
        return True

    def _end(self, connection: Connection, going: Going, state: str, status: int | None = None) -> None:
        connection.execute(update(_table).where(_table.c.id == going.id).values(state=state, status=status))
        self._drop(going.device_id, going.id, going.kind)
        self._counts.add("orders", state)

    def _drop(self, device_id: int, order_id: int, kind: int) -> None:
        self._told.pop((device_id, kind), None)
        left = [going for going in self._open.get(device_id, ()) if going.id != order_id]
        if left:
            self._open[device_id] = left
        else:
            self._open.pop(device_id, None)
