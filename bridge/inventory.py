"""The inventory: which devices a scheme owns, which board each of them is, and which tag belongs to which home unit.

A number is given once. The board that bears it is known by its processor's own number (`chip`), not by the port it hangs on;
a board that is broken is retired, and its number with it. All functions work in the caller's transaction, and raise
ConfigError, which undoes it, in words for whoever stands at the bench.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select, update

from bridge.broker.users import User, bridge_user, device_user
from bridge.cases.scheme import ensure_device
from bridge.errors import ConfigError
from bridge.orders.asking import KEY_ID_MAX, now_ms
from bridge.orders.wanted import Worn, is_over, period_at
from bridge.provisioning import KEY_ID, PARTNERS_MAX
from bridge.store import schema
from firmware.core import ident

PLANNED, BEGUN, READY, RETIRED = "planned", "begun", "ready", "retired"
HEARD_LATELY_MS = 24 * 3600_000  # our judgement: a tag on the shelf speaks once an hour, one without network for a day not
# No device was made before 2026, and none says four frames a second year in, year out: a home unit's beacon has a new number each
# ten seconds, a message of a tag a few (firmware.core.radio). The settings store keeps 31 bits, which is 17 years of that.
FIRST_S, FRAMES_PER_S, FRAMES_MAX = 1_767_225_600, 4, 0x7FFF0000
_BY_CERTIFICATE = "-"  # in the place of a password that nobody asks for
_table = schema.inventory
_pairing = schema.pairing
_CLASSES = {"tag": ident.TAG, "hmu": ident.HMU}


# Who is there.


def entry(connection: Connection, device_id: int) -> Row[Any] | None:
    return connection.execute(select(_table).where(_table.c.device_id == device_id)).first()


def known(connection: Connection, name: str) -> Row[Any]:
    """The entry of a name. ConfigError when there is none."""
    try:
        row = entry(connection, ident.parse_device_name(name))
    except ValueError:
        row = None
    if row is None:
        raise ConfigError("inventory", "device", name, "the name of a device in the inventory (homeward inventory list)")
    return row


def entry_of_chip(connection: Connection, chip: str) -> Row[Any] | None:
    """The device that this board is; a retired one is none."""
    return connection.execute(select(_table).where(_table.c.chip == chip, _table.c.state != RETIRED)).first()


def last_of_chip(connection: Connection, chip: str) -> list[int]:
    """Retired devices that this board has been."""
    found = select(_table.c.device_id).where(_table.c.chip == chip, _table.c.state == RETIRED)
    return list(connection.execute(found).scalars())


def entries(connection: Connection) -> list[Row[Any]]:
    """All of them with `name`, `kind`, `heard_ms`, `shard`; by kind and number."""
    columns = (_table, *(schema.device.c[name] for name in ("name", "kind", "heard_ms", "shard")))
    return list(connection.execute(select(*columns).join(schema.device).order_by(schema.device.c.device_id)))


def free_name(connection: Connection, kind: str) -> str:
    """The next number that nobody has or had. `kind`: tag or hmu. ConfigError when there is no more."""
    first = _CLASSES[kind] << 24
    last = ident.SERIAL_MAX + first
    highest = select(func.max(schema.device.c.device_id)).where(schema.device.c.device_id.between(first, last))
    device_id = max(connection.execute(highest).scalar() or first, first) + 1
    if device_id > last:
        raise ConfigError("inventory", "number", ident.SERIAL_MAX, "a free one: all are given")
    return ident.device_name(device_id)


def use_of(connection: Connection, device_id: int) -> str:
    """Why this device must not be taken apart without asking, in words; empty when nobody would miss it. What no bench has begun
    with and nobody has heard is a name in the scheme, and not in use."""
    moment, row = now_ms(connection), entry(connection, device_id)
    heard = connection.execute(select(schema.device.c.heard_ms).where(schema.device.c.device_id == device_id)).scalar()
    if heard is None and (row is None or row.chip is None):
        return ""
    worn = period_at(_periods(connection, device_id), moment)
    if worn is not None and not is_over(worn, moment):
        if worn.tag_id != device_id:
            return f"it stands in the home of wearer {worn.wearer_id}"
        return f"it {'is' if worn.from_ms <= moment else 'will be'} worn by wearer {worn.wearer_id}"
    if heard is not None and moment - heard < HEARD_LATELY_MS:
        return f"it was heard {max(moment - heard, 0) // 60_000} minutes ago"
    return ""


def key_for_empty(connection: Connection, row: Row[Any]) -> int:
    """The key for a board whose memory is empty: if the device ever lived, the next one, for its numbers begin anew, which no key
    may see twice."""
    device = schema.device
    heard_ms, used = connection.execute(
        select(device.c.heard_ms, device.c.key_id).where(device.c.device_id == row.device_id)
    ).one()
    if row.state != READY and (heard_ms is None or (used or 0) < row.key_id):
        return row.key_id  # the bench has begun with it, or not even that
    key_id = max(row.key_id, used or 0) + 1
    if key_id > KEY_ID_MAX:
        raise ConfigError(ident.device_name(row.device_id), "key", key_id, f"at most {KEY_ID_MAX}: give this board another name")
    return key_id


class Past(NamedTuple):
    """Counters that a board whose memory is empty again must not begin anew: of starts, and of radio frames."""

    boots: int
    frames: int


def past_of(connection: Connection, row: Row[Any]) -> Past:
    """Of a device that ever lived, at least as much as it can have counted; of another, nothing."""
    table, device = schema.boot_clock, schema.device
    mine = select(func.max(table.c.boot)).where(table.c.device_id == row.device_id)
    heard_ms = connection.execute(select(device.c.heard_ms).where(device.c.device_id == row.device_id)).scalar()
    if row.provisioned_ms is None and heard_ms is None:
        return Past(0, 0)
    frames = max(now_ms(connection) // 1000 - FIRST_S, 0) * FRAMES_PER_S
    return Past(connection.execute(mine).scalar() or 0, min(frames, FRAMES_MAX))


def broker_users(connection: Connection) -> tuple[User, ...]:
    """Whom a broker that knows all by certificate lets in: the bridge, and each device that is on a board and not retired."""
    let_in = [row for row in entries(connection) if row.state in (BEGUN, READY)]
    return (bridge_user(_BY_CERTIFICATE), *(device_user(row.shard, row.name, _BY_CERTIFICATE) for row in let_in))


# What the bench does.


def plan(connection: Connection, name: str, shard: str) -> Row[Any]:
    """Its entry, made when there is none. ConfigError when it is retired."""
    device_id = ensure_device(connection, name, shard)
    row = entry(connection, device_id)
    if row is None:
        connection.execute(insert(_table).values(device_id=device_id, state=PLANNED, key_id=KEY_ID))
        row = entry(connection, device_id)
    assert row is not None
    if row.state == RETIRED:
        raise ConfigError("inventory", "device", name, "a name that is not retired: no number is given twice")
    return row


def check_board(connection: Connection, name: str, chip: str) -> None:
    """ConfigError when this board is another device, or this device another board."""
    mine, device_id = entry_of_chip(connection, chip), ident.parse_device_name(name)
    if mine is not None and mine.device_id != device_id:
        other = ident.device_name(mine.device_id)
        raise ConfigError("inventory", "board", f"chip {chip}", f"a board that is free: this one is {other} (inventory retire)")
    row = entry(connection, device_id)
    if row is not None and row.state == RETIRED:
        raise ConfigError("inventory", "device", name, "a name that is not retired: no number is given twice")
    if row is not None and row.chip not in (None, chip):
        port = f", USB {row.usb_serial}" if row.usb_serial else ""
        raise ConfigError("inventory", "device", name, f"a name that is free: it is on another board (chip {row.chip}{port})")


def claim(connection: Connection, name: str, shard: str, chip: str, usb_serial: str | None, board: str, key_id: int) -> None:
    """From now on this board bears this name, whatever of it the bench gets to write. `check_board` before."""
    row = plan(connection, name, shard)
    values = {"chip": chip, "usb_serial": usb_serial, "board": board, "key_id": key_id, "state": BEGUN}
    connection.execute(update(_table).where(_table.c.device_id == row.device_id).values(values))
    # Receipts go where it was heard last; until it is heard that is where the bench has put it.
    device = schema.device
    unheard = (device.c.device_id == row.device_id) & device.c.heard_ms.is_(None)
    connection.execute(update(device).where(unheard).values(shard=shard))


def finish(
    connection: Connection, name: str, by_whom: str, written: dict[str, Any], certificate: tuple[str, int] | None, what: list[str]
) -> None:
    """All is on the board and was read back. `certificate`: its serial number and its end in ms; `what` was written anew."""
    device_id, moment = ident.parse_device_name(name), now_ms(connection)
    values = {"state": READY, "written": written, "provisioned_ms": moment}
    values["certificate"], values["certificate_until_ms"] = certificate or (None, None)
    connection.execute(update(_table).where(_table.c.device_id == device_id).values(values))
    log(connection, device_id, by_whom, "provisioned", {"wrote": what, "place": written})


def retire(connection: Connection, name: str, by_whom: str, reason: str) -> None:
    """For good: its number is given to nobody, its board may become another device."""
    row = known(connection, name)
    if row.state == RETIRED:
        return
    unpair(connection, row.device_id, by_whom)
    connection.execute(update(_table).where(_table.c.device_id == row.device_id).values(state=RETIRED))
    log(connection, row.device_id, by_whom, "retired", {"reason": reason})


def log(connection: Connection, device_id: int, by_whom: str, what: str, detail: dict[str, Any]) -> None:
    values = {"device_id": device_id, "at_ms": now_ms(connection), "by_whom": by_whom, "what": what, "detail": detail}
    connection.execute(insert(schema.bench_log).values(values))


def history(connection: Connection, device_id: int) -> list[Row[Any]]:
    """What the bench did to it, oldest first."""
    table = schema.bench_log
    return list(connection.execute(select(table).where(table.c.device_id == device_id).order_by(table.c.id)))


def take_over(connection: Connection, other: Connection) -> list[str]:
    """The devices that a bench with a store of its own has finished, and what it did to them. Those that are news. ConfigError
    when one of them is another board here."""
    news = []
    for theirs in entries(other):
        if theirs.state != READY:
            continue
        check_board(connection, theirs.name, theirs.chip)
        ours = plan(connection, theirs.name, theirs.shard)
        if (ours.provisioned_ms or 0) >= theirs.provisioned_ms:
            continue
        claim(connection, theirs.name, theirs.shard, theirs.chip, theirs.usb_serial, theirs.board, theirs.key_id)
        names = ("state", "written", "certificate", "certificate_until_ms", "provisioned_ms")
        values = {name: getattr(theirs, name) for name in names}
        connection.execute(update(_table).where(_table.c.device_id == theirs.device_id).values(values))
        for done in history(other, theirs.device_id):
            if done.what == "provisioned" and done.at_ms > (ours.provisioned_ms or 0):
                about = {"at_ms": done.at_ms, "by_whom": done.by_whom, "what": done.what, "detail": done.detail}
                connection.execute(insert(schema.bench_log).values(device_id=theirs.device_id, **about))
        news.append(theirs.name)
    return news


# Pairs.


def home_unit_of(connection: Connection, tag_id: int) -> tuple[int, int] | None:
    """(home unit, slot) of a tag."""
    table = _pairing
    row = connection.execute(select(table).where(table.c.tag_id == tag_id, table.c.ended_ms.is_(None))).first()
    return None if row is None else (row.hmu_id, row.slot)


def places_of(connection: Connection, hmu_id: int) -> tuple[int, ...]:
    """A home unit's tags in the order of their slots, up to the last that is taken. A place that was left holds its last tag."""
    table = _pairing
    rows = list(connection.execute(select(table).where(table.c.hmu_id == hmu_id).order_by(table.c.slot)))
    while rows and rows[-1].ended_ms is not None:
        rows.pop()
    return tuple(row.tag_id for row in rows)


def pair(connection: Connection, tag: str, unit: str, by_whom: str, shard: str) -> bool:
    """This tag belongs to this home unit, and to no other. Whether that is news. ConfigError when the unit has no place left."""
    tag_id = plan(connection, _expect(tag, ident.TAG), shard).device_id
    hmu_id = plan(connection, _expect(unit, ident.HMU), shard).device_id
    before = home_unit_of(connection, tag_id)
    if before is not None and before[0] == hmu_id:
        return False
    unpair(connection, tag_id, by_whom)
    table = _pairing
    rows = connection.execute(select(table).where(table.c.hmu_id == hmu_id)).all()
    taken = {row.slot for row in rows if row.ended_ms is None}
    # Its own former place first: that of another who has left is still on that home unit's board.
    own = next((row.slot for row in rows if row.tag_id == tag_id), None)
    slot = own if own is not None else next((slot for slot in range(PARTNERS_MAX) if slot not in taken), None)
    if slot is None:
        raise ConfigError("inventory", "home unit", unit, f"one with a free place: it has {PARTNERS_MAX} tags")
    put_place(connection, hmu_id, slot, tag_id)
    for device_id in (tag_id, hmu_id):
        log(connection, device_id, by_whom, "paired", {"tag": tag, "home_unit": unit, "slot": slot})
    return True


def put_place(connection: Connection, hmu_id: int, slot: int, tag_id: int) -> None:
    """As another inventory has it: this tag in this place."""
    table = _pairing
    elsewhere = (table.c.tag_id == tag_id) & table.c.ended_ms.is_(None) & ((table.c.hmu_id != hmu_id) | (table.c.slot != slot))
    connection.execute(update(table).where(elsewhere).values(ended_ms=now_ms(connection)))
    here = (table.c.hmu_id == hmu_id) & (table.c.slot == slot)
    if connection.execute(update(table).where(here).values(tag_id=tag_id, ended_ms=None)).rowcount == 0:
        connection.execute(insert(table).values(hmu_id=hmu_id, slot=slot, tag_id=tag_id))


def unpair(connection: Connection, device_id: int, by_whom: str) -> list[str]:
    """A tag from its home unit, or a home unit from all of its tags. The tags that were."""
    table = _pairing
    mine = ((table.c.tag_id == device_id) | (table.c.hmu_id == device_id)) & table.c.ended_ms.is_(None)
    rows = connection.execute(select(table).where(mine)).all()
    connection.execute(update(table).where(mine).values(ended_ms=now_ms(connection)))
    for row in rows:
        detail = {"tag": ident.device_name(row.tag_id), "home_unit": ident.device_name(row.hmu_id), "slot": row.slot}
        for each in (row.tag_id, row.hmu_id):
            log(connection, each, by_whom, "unpaired", detail)
    return [ident.device_name(row.tag_id) for row in rows]


def pair_by_scheme(connection: Connection, device_id: int, by_whom: str, shard: str) -> list[tuple[str, str]]:
    """The pairs that the running wear periods of a device ask for and the inventory does not have yet: (tag, home unit)."""
    moment = now_ms(connection)
    made = []
    for worn in _periods(connection, device_id):
        if worn.hmu_id is None or is_over(worn, moment) or home_unit_of(connection, worn.tag_id) is not None:
            continue
        names = ident.device_name(worn.tag_id), ident.device_name(worn.hmu_id)
        if pair(connection, *names, by_whom, shard):
            made.append(names)
    return made


def place_of(connection: Connection, device_id: int) -> tuple[tuple[int, ...], int, int | None]:
    """(partners, slot, home unit) as they should stand on a device's board."""
    if ident.device_class(device_id) == ident.HMU:
        return places_of(connection, device_id), 0, device_id
    found = home_unit_of(connection, device_id)
    return ((), 0, None) if found is None else ((found[0],), found[1], found[0])


def is_stale(connection: Connection, row: Row[Any]) -> bool:
    """Whether its board still says another household than the inventory: it has to come to the bench again."""
    if row.state not in (BEGUN, READY) or row.written is None:
        return row.state == BEGUN
    partners, slot, _ = place_of(connection, row.device_id)
    return (list(partners), slot) != (row.written.get("partners"), row.written.get("slot"))


# How.


def _expect(name: str, device_class: int) -> str:
    word = {ident.TAG: "a tag's name such as tag-000001", ident.HMU: "a home unit's name such as hmu-000001"}[device_class]
    try:
        if ident.device_class(ident.parse_device_name(name)) == device_class:
            return name
    except ValueError:
        pass
    raise ConfigError("inventory", "device", name, word)


def _periods(connection: Connection, device_id: int) -> list[Worn]:
    table = schema.wear_period
    mine = (table.c.tag_id == device_id) | (table.c.hmu_id == device_id)
    rows = connection.execute(select(table).where(mine).order_by(table.c.id))
    return [Worn(r.id, r.wearer_id, r.tag_id, r.hmu_id, r.from_ms, r.until_ms, None, 0) for r in rows]
