"""The bridge's composition root: the only place where its parts are built and wired, and its one loop.

The loop: wait for a message → take what is there (500 at most) → one transaction → orders and receipts → acknowledge. When
nothing waits, or when findings have waited long enough, the rules read on; five times a second the store is asked for new orders.
SIGTERM and SIGINT end it after what has arrived is stored.
"""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.carriers.mqtt import Delivery, MqttCarrier
from bridge.cases.scheme import apply_scheme, load_scheme
from bridge.counts import Counts
from bridge.findings import Findings
from bridge.ingest import Ingest
from bridge.ingest.state import States
from bridge.keys import Keyring, load_fleet_key
from bridge.orders.service import Orders
from bridge.releases import load_trusted
from bridge.releases.shelf import Shelf
from bridge.settings import Settings
from bridge.store import open_store
from bridge.store.settings import put_settings

BATCH = 500  # messages in one transaction
QUIET_S = 0.02  # nothing has come for so long: the rules' turn
FINDINGS_WAIT_S = 0.25  # … or this long after the last turn, however busy it is
TICK_S = 1.0  # the rules' own clock: a curfew begins with no record at all
ORDERS_S = 0.2  # requirements: locate-now is answered within 3 min, and who asks is looking at a screen
RETRY_S = 0.5
LOOK_AGAIN_S = 2.0


class Bridge:
    """All parts of one bridge process. `run` returns after `stop`."""

    def __init__(
        self, carrier: MqttCarrier, ingest: Ingest, orders: Orders, findings: Findings, states: States, counts: Counts
    ) -> None:
        self.carrier = carrier
        self.states = states
        self.ingest = ingest
        self.orders = orders
        self.findings = findings
        self.counts = counts
        self._stopped = threading.Event()
        self._look_after = 0.0
        self._log = structlog.get_logger("bridge")

    def stop(self) -> None:
        """From any thread or a signal handler."""
        self._stopped.set()
        self.carrier.wake()

    def run(self) -> None:
        behind = True  # there may be records that the rules have not seen
        looked = asked = time.monotonic()
        while not self._stopped.is_set():
            taken = self.carrier.take(BATCH, QUIET_S if behind else ORDERS_S)
            if taken:
                self._store(taken)
                behind = True
            if time.monotonic() - asked >= ORDERS_S:
                self._pump()
                self._keep_states()
                asked = time.monotonic()
            waited_s = time.monotonic() - looked
            if waited_s >= (FINDINGS_WAIT_S if taken else TICK_S) or (behind and not taken):
                behind = self._look()
                looked = time.monotonic()
        while taken := self.carrier.take(BATCH, 0):  # what has arrived is stored before we go
            if not self._store(taken):
                break
        while self._look():
            pass

    def _store(self, taken: list[Delivery]) -> bool:
        """One batch: stored, receipted, acknowledged. Tries for ever unless stopped: unstored is unacknowledged."""
        while True:
            try:
                receipts = self.ingest.handle(delivery.inbound for delivery in taken)
            except SQLAlchemyError as error:
                self.counts.add("store", "failed")
                self._log.error("the store does not take records", error=str(getattr(error, "orig", error)))
                if self._stopped.wait(RETRY_S):
                    return False
            except Exception as error:
                # A fault of ours. One message must not stop all others: it gets no receipt, so its device keeps the records.
                self.counts.add("faults", "ingest")
                self._log.error("fault in ingest", error=type(error).__name__, messages=len(taken), exc_info=len(taken) == 1)
                if len(taken) > 1:
                    return all([self._store([delivery]) for delivery in taken])
                self.carrier.settle(taken)
                return True
            else:
                self.carrier.send(receipts)
                self.carrier.settle(taken)
                return True

    def _pump(self) -> None:
        """New orders, and those that are due again."""
        try:
            self.carrier.send(self.orders.pump())
        except Exception as error:  # what could not be sent stays in the store and is taken up again
            self.counts.add("faults", "orders")
            reason = str(getattr(error, "orig", error)) if isinstance(error, SQLAlchemyError) else type(error).__name__
            self._log.error("no orders", error=reason, exc_info=not isinstance(error, SQLAlchemyError))

    def _keep_states(self) -> None:
        try:
            self.states.keep(self.carrier.take_states())
        except SQLAlchemyError as error:
            self.counts.add("faults", "states")
            self._log.error("no states", error=str(getattr(error, "orig", error)))

    def _look(self) -> bool:
        """Let the rules read on. Whether there is more to read."""
        if time.monotonic() < self._look_after:
            return False
        try:
            return self.findings.run()
        except Exception as error:  # records are stored and receipted whatever becomes of the findings
            self.counts.add("faults", "findings")
            reason = str(getattr(error, "orig", error)) if isinstance(error, SQLAlchemyError) else type(error).__name__
            self._log.error("no findings", error=reason, exc_info=not isinstance(error, SQLAlchemyError))
            self._look_after = time.monotonic() + LOOK_AGAIN_S
            return False


def build(settings: Settings) -> Bridge:
    """The bridge of these settings, with its store open and its scheme applied. ConfigError before anything is changed."""
    fleet_key = load_fleet_key(settings.fleet_key_file)
    tls = settings.broker_tls()
    password = settings.broker_password() if tls is None else None
    scheme = load_scheme(settings.scheme_file) if settings.scheme_file is not None else None
    shelf = Shelf(load_trusted(settings.release_keys_file)) if settings.release_keys_file is not None else None
    engine = open_store(settings.store, is_simulated=settings.clock == "records")
    if scheme is not None:
        apply_scheme(engine, scheme)
    put_settings(engine, clock=settings.clock, town=str(settings.town_file) if settings.town_file else None)
    counts = Counts()
    carrier = MqttCarrier(
        settings.broker_host,
        settings.broker_port,
        user=settings.broker_user,
        password=password,
        tls=tls,
        client_id=settings.client_id,
        shards=settings.shards,
        counts=counts,
    )
    keyring = Keyring(fleet_key)
    orders = Orders(engine, keyring, clock=settings.clock, counts=counts, shelf=shelf)
    ingest = Ingest(engine, keyring, clock=settings.clock, counts=counts, orders=orders)
    findings = Findings(engine, clock=settings.clock, counts=counts)
    return Bridge(carrier, ingest, orders, findings, States(engine, counts), counts)


def run_bridge(settings: Settings, on_ready: Callable[[Bridge], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT. Logs "bridge ready" when the store is open and the broker has granted the subscriptions, or
    with `subscribed: false` when the broker did not in time: the bridge goes on trying."""
    log = structlog.get_logger("bridge")
    bridge = build(settings)

    def end(number: int, frame: FrameType | None) -> None:
        bridge.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    bridge.carrier.start()
    try:
        subscribed = bridge.carrier.wait_subscribed(settings.ready_timeout_s)
        log.info("bridge ready", subscribed=subscribed, store=settings.store.rpartition("@")[2], clock=settings.clock)
        if on_ready is not None:
            on_ready(bridge)
        bridge.run()
    finally:
        bridge.carrier.stop()
        log.info("bridge stopped", **bridge.counts.as_dict())


def configure_logging() -> None:
    """One JSON object a line on stdout, flushed at once: supervisors wait for lines."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
