"""A tag, its home unit and a bridge without a broker, for tests of orders: time is a number, nothing is lost but on purpose."""

from pathlib import Path
from typing import Any, NamedTuple

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.counts import Counts
from bridge.ingest import Inbound, Ingest, Outbound
from bridge.keys import Keyring
from bridge.orders import asking
from bridge.orders.service import Orders
from bridge.store import open_store, schema
from firmware.core import message, record
from tests.bridge.devices import FLEET_KEY, START_S, Device

NOW_MS = START_S * 1000


class Piece(NamedTuple):
    """A piece of an order as it arrives, opened with the device's key."""

    number: int
    kind: int
    offset: int
    total: int
    data: bytes
    counter: int
    relayed: bool


def scheme(until: str | None = None, **more: Any) -> dict[str, Any]:
    entry = {"id": "w1", "name": "W", "tag": "tag-000001", "home_unit": "hmu-000001", "from": "2026-06-01T05:00:00Z", **more}
    return {"timezone": "Europe/London", "wearers": [entry if until is None else {**entry, "until": until}]}


class Household:
    def __init__(self, folder: Path, wears: dict[str, Any] | None = None, clock: str = "wall") -> None:
        self.now_ms = NOW_MS
        self.clock = clock
        self.engine = open_store(folder / "store.db")
        self.apply(scheme() if wears is None else wears)
        self.counts = Counts()
        self.tag, self.hmu = Device("tag-000001"), Device("hmu-000001")
        self.keyring = Keyring(FLEET_KEY)
        self.out: list[Outbound] = []
        self.restart()

    def apply(self, wears: dict[str, Any]) -> None:
        apply_scheme(self.engine, Scheme.model_validate(wears))

    def restart(self) -> None:
        """The bridge's process ends and begins anew."""
        how: dict[str, Any] = {"clock": self.clock, "counts": self.counts, "now_ms": lambda: self.now_ms}
        self.orders = Orders(self.engine, Keyring(FLEET_KEY), **how)
        self.ingest = Ingest(self.engine, Keyring(FLEET_KEY), orders=self.orders, **how)

    # What comes up. Each returns what the bridge publishes then.

    def hear(self, raws: list[bytes] | None = None, *, relayed: bool = False) -> list[Outbound]:
        """A message of the tag: these records, or a fix of now."""
        sealed = self.tag.message(raws or [self.tag.fix(self.now_ms)])
        up = Inbound(self.hmu.up, self.hmu.relay(sealed)) if relayed else Inbound(self.tag.up, sealed)
        return self.ingest.handle([up])

    def send(self, device: Device, *raws: bytes) -> list[Outbound]:
        return self.ingest.handle([Inbound(device.up, device.message(raws))])

    def done(self, number: int, status: int = 0, **how: Any) -> list[Outbound]:
        return self.hear([self.tag.event(record.ORDER_DONE, self.now_ms, number, status)], **how)

    def settle(self) -> None:
        """The tag is told what the scheme wants, and does it."""
        self.hear()
        while sent := [row for row in self.rows() if row.state == "sent"]:
            for row in sent:
                self.done(row.number)
        assert not self.open()

    def wait(self, seconds: float) -> list[Outbound]:
        """Time passes, and nobody says anything."""
        self.now_ms += round(seconds * 1000)
        return self.orders.pump()

    def pump(self) -> list[Outbound]:
        return self.wait(1)

    def ask(self, kind: int, **more: Any) -> int:
        return asking.ask(
            self.engine, more.pop("name", self.tag.name), kind, by_whom="officer", reason="a call", at_ms=self.now_ms, **more
        )

    # What comes down.

    def pieces(self, out: list[Outbound]) -> list[Piece]:
        """The orders among what is published, each checked for its topic."""
        found = []
        for each in out:
            sealed, relayed = each.payload, False
            header = message.parse_header(sealed)
            assert header is not None
            if header[0] == message.RELAY_DOWN:
                assert each.topic == self.hmu.down
                relayed, sealed = True, sealed[message.HEADER :]
                header = message.parse_header(sealed)
                assert header is not None
            else:
                assert each.topic.endswith(f"/{'tag' if header[3] == self.tag.id else 'hmu'}-000001/down")
            body = self.keyring.open(sealed)
            assert body is not None and header[0] == message.DOWN
            parsed = message.parse_order(body)
            if parsed is not None:
                found.append(Piece(*parsed, body[message.ORDER_HEADER :], header[4], relayed))
        return found

    def rows(self) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(schema.orders.select().order_by(schema.orders.c.id)))

    def open(self) -> list[int]:
        return [row.kind for row in self.rows() if row.state in ("queued", "sent")]

    def row(self, order_id: int) -> Any:
        return next(row for row in self.rows() if row.id == order_id)
