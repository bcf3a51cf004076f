"""One board, from looking at it to the inventory's entry.

1. Look at the board, and plan in a transaction that is undone: which device it is to be, and what that would change.
2. Ask where somebody could miss what is there: nothing has been touched so far, neither on the board nor in the store.
3. Claim: the inventory says that this board bears this name, before the first byte is written.
4. Write what differs, the board's name last, and have the board say by its hashes that it stands.
5. Enter it: inventory, and lease and configuration as orders that are done.

Whatever ends it half-way, the same command goes on with it: what stands is not written again.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

import firmware
from bridge import inventory, provisioning
from bridge.errors import ConfigError
from bridge.orders import asking
from bridge.orders import bench as scheme_bench
from bridge.orders.payloads import Lease, lease_payload
from bridge.provisioning import Place
from bridge.store import schema
from firmware.core import ident, message
from firmware.core.lease import Lease as LeaseSlot
from firmware.core.slots import Slots

from .bench import Bench, Found
from .state import State

_WORDS = {
    "ca": "certificate",
    "cert": "certificate",
    "cert_key": "certificate",
    provisioning.KEY_SLOT: "name and keys",
    provisioning.BOARD: "board",
    message.ORDER_LEASE: "lease",
    message.ORDER_CONFIG: "settings and zones",
}
KINDS = {"tag": ident.TAG, "hmu": ident.HMU}


@dataclass(frozen=True)
class Wish:
    """`name`: a device's, or "tag" or "hmu" for the next free number, or "" for what the board is or is flashed as. `partners`:
    names of its home unit, or of its tags."""

    name: str = ""
    partners: tuple[str, ...] = ()
    board: str | None = None
    by_whom: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to come of a board."""

    name: str
    board: str
    place: Place
    home_unit: str | None
    key_id: int
    state: str
    written: dict[str, Any] | None
    wipes: bool
    past: inventory.Past
    questions: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def device_id(self) -> int:
        return ident.parse_device_name(self.name)


@dataclass(frozen=True)
class Change:
    """What differs on the board from what should stand there."""

    values: dict[str, bytes] = field(repr=False)
    differing: tuple[str, ...]
    orders: dict[int, bytes] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """For people: of what there is something to write."""
        return list(dict.fromkeys(_WORDS[each] for each in (*self.differing, *self.orders)))


@dataclass(frozen=True)
class Outcome:
    """`changed`: what was written, in words; empty when all of it stood there already. `again`: partners whose boards still say
    another household."""

    name: str
    changed: list[str]
    notes: list[str]
    again: list[str]


def provision(
    bench: Bench,
    state: State,
    engine: Engine,
    wish: Wish,
    ask: Callable[[str, list[str]], None],
    tell: Callable[[str], None] = lambda text: None,
    begun: Callable[[str], None] = lambda name: None,
    planning: AbstractContextManager[Any] | None = None,
) -> Outcome:
    """ConfigError when it cannot be, or when `ask(name, questions)` raises it; LinkError when the board was lost half-way.
    `begun(name)`: from now on it is written to. `planning`: held until then, by those who plan at the same time."""
    found = bench.look()
    with planning or nullcontext():
        with engine.connect() as connection, connection.begin() as dry:
            plan = _plan(connection, bench, state, found, wish)
            dry.rollback()
        change = _compare(bench, state, engine, plan)
        is_done = not change.words and not plan.wipes and plan.state == inventory.READY and plan.written == plan.place.told()
        if not is_done:
            if plan.questions:
                ask(plan.name, list(plan.questions))
                found = bench.look()  # who is asked may take a while, and a board's watchdog does not wait for him
            # What it is to be given must be had, and the board must have room for it, before the inventory says anything.
            _values(state, plan)
            bench.flash("config")
            plan = _claim(bench, state, engine, found, replace(wish, name=plan.name, board=plan.board))
    begun(plan.name)
    if not is_done:
        change = _write(bench, state, engine, plan, found, tell)
        tell("verifying")
        stands = _verify(bench, change)
        with engine.begin() as connection:
            _note(connection, plan, stands)
            certificate = _certificate_of(change.values)
            inventory.finish(connection, plan.name, wish.by_whom, plan.place.told(), certificate, change.words)
    with engine.connect() as connection:
        again = [
            ident.device_name(partner)
            for partner in plan.place.partners
            if (row := inventory.entry(connection, partner)) is not None and inventory.is_stale(connection, row)
        ]
    return Outcome(plan.name, [] if is_done else change.words, [*plan.notes, *change.notes], again)


def look_ahead(bench: Bench, state: State, engine: Engine, wish: Wish) -> tuple[Plan, Change]:
    """What `provision` would do; nothing is touched."""
    found = bench.look()
    with engine.connect() as connection, connection.begin() as dry:
        plan = _plan(connection, bench, state, found, wish)
        dry.rollback()
    return plan, _compare(bench, state, engine, plan)


# The plan.


def _plan(connection: Connection, bench: Bench, state: State, found: Found, wish: Wish) -> Plan:
    name = _name(connection, bench, found, wish)
    device_id, kind = ident.parse_device_name(name), name.partition("-")[0]
    board = _board(bench, state, found, wish, kind)
    inventory.check_board(connection, name, found.chip)
    shard = state.site.shard
    row = inventory.plan(connection, name, shard)
    notes = []
    if (kit := state.kit_place(name)) is not None:
        _place_by_kit(connection, name, kit, wish, shard)
    for partner in wish.partners:
        pair = (name, partner) if kind == "tag" else (partner, name)
        if inventory.pair(connection, *pair, wish.by_whom, shard):
            notes.append(f"paired: {pair[0]} with {pair[1]}")
    for pair in inventory.pair_by_scheme(connection, device_id, wish.by_whom, shard):
        notes.append(f"paired, as the scheme has it: {pair[0]} with {pair[1]}")
    partners, slot, unit = inventory.place_of(connection, device_id)
    place = Place(state.broker, shard, partners, slot)
    if kind == "hmu":
        links = state.site.links or provisioning.LINKS.get(board, ())[:1]
        place = replace(place, links=links, wifi=state.wifi(), apn=state.site.apn)

    questions = []
    if use := inventory.use_of(connection, device_id):
        questions.append(use)
    is_it = found.device == device_id
    if found.device is not None and not is_it and found.device not in inventory.last_of_chip(connection, found.chip):
        questions.append(f"the board says that it is {_called(found.device)}: all that it holds would be erased")
    key_id = max(row.key_id, found.key_id) if is_it else inventory.key_for_empty(connection, row)
    if key_id != row.key_id:
        notes.append(f"its memory was empty: it goes on with key {key_id}")
    past = inventory.past_of(connection, row)
    home = None if unit is None else ident.device_name(unit)
    return Plan(
        name, board, place, home, key_id, row.state, row.written, not is_it, past, tuple(questions), tuple(notes)
    )  # fmt: skip


def _place_by_kit(connection: Connection, name: str, kit: tuple[list[str], int], wish: Wish, shard: str) -> None:
    """A kit's household is settled where it was made; the inventory at this bench follows it."""
    partners, slot = kit
    for other in wish.partners:
        if other not in partners:
            known = ", ".join(partners) or "nobody"
            raise ConfigError("command line", "--with", other, f"{known}, for whom {name}'s kit was made, or a new kit")
    for at, partner in enumerate(partners):
        tag, unit, place = (name, partner, slot) if name.startswith("tag") else (partner, name, at)
        rows = [inventory.plan(connection, each, shard) for each in (unit, tag)]
        inventory.put_place(connection, rows[0].device_id, place, rows[1].device_id)


def _name(connection: Connection, bench: Bench, found: Found, wish: Wish) -> str:
    if wish.name and wish.name not in KINDS:
        try:
            return ident.device_name(ident.parse_device_name(wish.name))
        except ValueError:
            expected = "tag-000001 or hmu-000001, or tag or hmu for the next free number"
            raise ConfigError("command line", "NAME", wish.name, expected) from None
    row = inventory.entry_of_chip(connection, found.chip)
    if row is not None:
        name = ident.device_name(row.device_id)
        if wish.name and not name.startswith(wish.name):
            raise ConfigError(
                bench.name, "device", name, f"a {wish.name}: give its name, or retire it (homeward inventory retire)"
            )
        return name
    kind = wish.name or (found.firmware_board or wish.board or "").partition("_")[0]
    if kind not in KINDS:
        expected = "tag or hmu, or the device's name: this board has no firmware yet that would say which it is"
        raise ConfigError("command line", "NAME", wish.name, expected)
    return inventory.free_name(connection, kind)


def _board(bench: Bench, state: State, found: Found, wish: Wish, kind: str) -> str:
    if found.firmware_board is not None and not found.firmware_board.startswith(f"{kind}_"):
        expected = f"a board that is flashed as a {kind} (homeward flash {kind})"
        raise ConfigError(bench.name, "firmware", found.firmware_board, expected)
    if wish.board and found.firmware_board not in (None, wish.board):
        expected = f"firmware for {wish.board}, as --board says (homeward flash {kind} --board {wish.board})"
        raise ConfigError(bench.name, "firmware", found.firmware_board, expected)
    board = wish.board or found.firmware_board or state.board(kind)
    known = boards()
    if board not in known or not board.startswith(f"{kind}_"):
        expected = "one of " + ", ".join(name for name in known if name.startswith(f"{kind}_"))
        raise ConfigError("command line", "--board", board, expected)
    return board


def boards() -> list[str]:
    """The folders of firmware/boards/ that are a board each."""
    return sorted(path.parent.name for path in (Path(firmware.__path__[0]) / "boards").glob("*/manifest.py"))


def _called(device_id: Any) -> str:
    try:
        return ident.device_name(device_id)
    except (ValueError, TypeError):
        return "another device"


def _claim(bench: Bench, state: State, engine: Engine, found: Found, wish: Wish) -> Plan:
    try:
        with engine.begin() as connection:
            plan = _plan(connection, bench, state, found, wish)
            usb = bench.link.port.serial_number or None
            inventory.claim(connection, plan.name, plan.place.shard, found.chip, usb, plan.board, plan.key_id)
            return plan
    except IntegrityError:
        raise ConfigError("inventory", "device", wish.name, "a board that no other bench has just taken: try again") from None


# What differs, and writing it.


def _values(state: State, plan: Plan) -> dict[str, bytes]:
    keys = state.keys(plan.name, plan.home_unit, plan.key_id)
    return provisioning.settings(plan.name, plan.board, plan.place, keys, state.credentials(plan.name))


def _compare(bench: Bench, state: State, engine: Engine, plan: Plan) -> Change:
    if plan.wipes or plan.state != inventory.READY:
        # All of it, or what the last try left undone: found out when it is claimed.
        return Change({}, (*provisioning.CERTIFICATES, provisioning.KEY_SLOT, provisioning.BOARD), {})
    values = _values(state, plan)
    slots = Slots(bench.flash("config"))
    slots.mount()
    orders, notes = _orders(bench, engine, plan, slots)
    return Change(values, tuple(bench.store.differing(values)), orders, tuple(notes))


def _orders(bench: Bench, engine: Engine, plan: Plan, slots: Slots) -> tuple[dict[int, bytes], list[str]]:
    """Lease and configuration that the device should have and has not: kind → payload; and what is to be said of them."""
    with engine.connect() as connection:
        now_ms = asking.now_ms(connection)
    lease = LeaseSlot(bench.store)
    known = Lease(lease.period, lease.from_s, lease.until_s) if lease.number else None
    scheme = scheme_bench.scheme_of(engine)
    wanted = scheme_bench.wanted(engine, plan.name, now_ms, scheme, known)
    if message.ORDER_CONFIG in wanted and _content(slots) == wanted[message.ORDER_CONFIG]:
        del wanted[message.ORDER_CONFIG]
    fault = scheme.faults.get(plan.device_id)
    return wanted, [f"no configuration: {fault}"] if fault else []


def _content(slots: Slots) -> bytes | None:
    if not slots.size:
        return None
    there = bytearray(slots.size)
    slots.readinto(0, there)
    return bytes(there)


def _write(bench: Bench, state: State, engine: Engine, plan: Plan, found: Found, tell: Callable[[str], None]) -> Change:
    values = _values(state, plan)
    flash = bench.flash("config")
    if plan.wipes:
        bench.wipe(found.partitions, lambda label: tell(f"erasing {label}"))
        bench.store.keep_number("boots", plan.past.boots)
        bench.store.keep_number("rf", plan.past.frames)
    slots = Slots(flash)
    slots.mount()
    orders, notes = _orders(bench, engine, plan, slots)
    differing = tuple(bench.store.differing(values))
    with engine.connect() as connection:
        number = asking.next_number(connection, plan.device_id, asking.now_ms(connection))
    number = max(number, slots.number + 1, LeaseSlot(bench.store).number + 1)
    tell("writing")
    given = {kind: (number + at, payload) for at, (kind, payload) in enumerate(sorted(orders.items()))}
    try:
        provisioning.give(bench.store, flash, given)
    except OSError as error:
        raise ConfigError(
            bench.name, "flash", str(error), "flash that can be written: try once more, else the board is broken"
        ) from None
    provisioning.write(bench.store, {key: values[key] for key in differing})
    return Change(values, differing, orders, tuple(notes))


def _verify(bench: Bench, change: Change) -> dict[int, tuple[int, bytes]]:
    """ConfigError unless all of it stands on the board. Lease and configuration as they are there: kind → (number, payload)."""
    wrong = bench.store.differing(change.values)
    stands: dict[int, tuple[int, bytes]] = {}
    lease = LeaseSlot(bench.store)
    if lease.number:
        stands[message.ORDER_LEASE] = lease.number, lease_payload(lease.period, lease.from_s, lease.until_s)
    slots = Slots(bench.flash("config"))
    slots.mount()
    if (content := _content(slots)) is not None:
        stands[message.ORDER_CONFIG] = slots.number, content
    wrong += [asking.WORDS[kind] for kind, payload in change.orders.items() if stands.get(kind, (0, None))[1] != payload]
    if wrong:
        raise ConfigError(bench.name, wrong[0], "another value than was written", "a board that keeps what it is given")
    return stands


def _note(connection: Connection, plan: Plan, stands: dict[int, tuple[int, bytes]]) -> None:
    """What stands there and the bridge does not know of yet: also what a try before this one has written."""
    table = schema.orders
    known = set(connection.execute(select(table.c.number).where(table.c.device_id == plan.device_id)).scalars())
    for kind, (number, payload) in stands.items():
        if number not in known:
            asking.put_provisioned(connection, plan.name, kind, payload, number)


def _certificate_of(values: dict[str, bytes]) -> tuple[str, int]:
    certificate = x509.load_der_x509_certificate(values["cert"])
    return f"{certificate.serial_number:x}", round(certificate.not_valid_after_utc.timestamp() * 1000)
