"""A scenario's orders: asked for in the store at their virtual time, as an officer would, while virtual time stands still.

It goes on when the bridge has sent the order and what it sent is on the connection of the device, or of its home unit, where it
arrives a fixed latency later. So a run with orders is the same at any speed. To a device that is not connected nothing is sent
that could be waited for: it gets the order when it comes back.
"""

import time
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, func, insert, select, update

from bridge.orders.asking import ask, device_called, order_of
from bridge.store import schema
from bridge.store.opening import open_store
from firmware.core import ident, message
from sim.engine.net import Network
from sim.scenario import Order

_KINDS = {
    "lease": message.ORDER_LEASE,
    "config": message.ORDER_CONFIG,
    "locate": message.ORDER_LOCATE,
    "vibrate": message.ORDER_VIBRATE,
    "range_test": message.ORDER_RANGE_TEST,
    "rotate_key": message.ORDER_KEY,
}
_SENT_S = 10.0  # of wall time; the bridge looks for orders four times a second
_ARRIVES_S = 2.0
_SCHEME_S = 3.0  # the bridge reads the scheme again each second
_QUIET_S = 0.1  # pieces of one order come together
_LATENCY_MS = 150


class Idle(Protocol):
    def idle(self, timeout_s: float) -> None:
        """Attend to the real world while virtual time stands still."""
        ...


class Orders:
    """`next_ms` is when something is due; `apply` does it."""

    def __init__(self, orders: list[Order], start_utc_ms: int) -> None:
        self._orders = sorted(orders, key=lambda order: order.at_ms)
        self._start_utc_ms = start_utc_ms
        self.asked: list[int] = []  # ids in the store

    @property
    def next_ms(self) -> int | None:
        return self._orders[0].at_ms if self._orders else None

    def apply(self, t_ms: int, store: Path, network: Network, kernel: Idle) -> None:
        """Everything that is due at t_ms."""
        if not self._orders or self._orders[0].at_ms > t_ms:
            return
        engine = open_store(store)
        try:
            while self._orders and self._orders[0].at_ms <= t_ms:
                order = self._orders.pop(0)
                names = _ways_to(engine, order.device)
                before = network.bytes_down
                network.not_before(names, t_ms + _LATENCY_MS)
                order_id = self._ask(engine, order, kernel)
                if order_id and names:
                    _until_sent(engine, order_id, network, names, before, kernel)
        finally:
            engine.dispose()

    def _withdraw(self, engine: Engine, order: Order) -> None:
        """Consent is withdrawn: the wear period ends now, and the bridge draws the consequence."""
        table = schema.wear_period
        mine = table.c.tag_id == ident.parse_device_name(order.device)
        with engine.begin() as connection:
            connection.execute(update(table).where(mine).values(until_ms=self._start_utc_ms + order.at_ms))

    def _add_zone(self, engine: Engine, tag: str, spec: dict) -> None:
        """A condition more, from which the bridge makes the tag's new zones."""
        period, table = schema.wear_period, schema.condition
        kind, name = spec.pop("kind"), spec.pop("name")
        with engine.begin() as connection:
            whose = select(period.c.wearer_id).where(period.c.tag_id == ident.parse_device_name(tag))
            wearer = connection.execute(whose).scalars().first()
            connection.execute(insert(table).values(wearer_id=wearer, kind=kind, name=name, spec=spec))

    def _ask(self, engine: Engine, order: Order, kernel: Idle) -> int | None:
        """The id in the store; None when the bridge found nothing to say."""
        if order.kind not in ("lease_withdrawn", "zone_added"):
            order_id = ask(
                engine, order.device, _KINDS[order.kind],
                by_whom="scenario", reason=order.reason, pattern=order.pattern, room=order.room, seconds=order.seconds,
            )  # fmt: skip
            self.asked.append(order_id)
            return order_id
        last = _next_order(engine, 0, func.max)
        if order.zone is None:
            self._withdraw(engine, order)
        else:
            self._add_zone(engine, order.device, dict(order.zone))
        _wait(kernel, lambda: _next_order(engine, last) is not None, _SCHEME_S)
        return _next_order(engine, last)


def _ways_to(engine: Engine, device: str) -> list[str]:
    """On whose connections an order for a device may go: none when it was never heard."""
    with engine.connect() as connection:
        row = device_called(connection, device)
        table = schema.wear_period
        mine = (table.c.tag_id == row.device_id) & table.c.hmu_id.is_not(None)
        units = connection.execute(select(table.c.hmu_id).where(mine)).scalars().all()
    return [] if row.heard_ms is None else [device, *(ident.device_name(unit) for unit in units)]


def _next_order(engine: Engine, after: int | None, which: Any = func.min) -> int | None:
    table = schema.orders
    with engine.connect() as connection:
        return connection.execute(select(which(table.c.id)).where(table.c.id > (after or 0))).scalar()


def _until_sent(engine: Engine, order_id: int, network: Network, names: list[str], before: int, kernel: Idle) -> None:
    def is_sent() -> bool:
        with engine.connect() as connection:
            return order_of(connection, order_id).state != "queued"

    if _wait(kernel, is_sent, _SENT_S) and any(network.is_connected(name) for name in names):
        _wait(kernel, lambda: network.bytes_down > before, _ARRIVES_S)
        seen = -1
        while seen != network.bytes_down:
            seen = network.bytes_down
            _wait(kernel, lambda: False, _QUIET_S)


def _wait(kernel: Idle, is_over, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_over():
        if time.monotonic() >= deadline:
            return False
        kernel.idle(0.02)
    return True
