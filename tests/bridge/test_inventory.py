"""The inventory: numbers that are given once, boards that are one device each, and pairs that stay true on the boards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from bridge import inventory
from bridge.errors import ConfigError
from bridge.store import open_store
from firmware.core.ident import device_name, parse_device_name

ME = "somebody"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(tmp_path / "store.db")
    yield engine
    engine.dispose()


def ready(connection: Connection, name: str, chip: str) -> None:
    inventory.check_board(connection, name, chip)
    inventory.claim(connection, name, "0", chip, None, "tag_t_a7670_l76k", 1)
    partners, slot, _ = inventory.place_of(connection, parse_device_name(name))
    inventory.finish(connection, name, ME, {"partners": list(partners), "slot": slot}, ("ab", 1), [])


def test_numbers_go_on_from_the_highest_that_anybody_ever_had(engine: Engine) -> None:
    with engine.begin() as connection:
        assert inventory.free_name(connection, "tag") == "tag-000001"
        inventory.plan(connection, "tag-000041", "0")
        inventory.retire(connection, "tag-000041", ME, "lost")
        assert inventory.free_name(connection, "tag") == "tag-000042"
        assert inventory.free_name(connection, "hmu") == "hmu-000001"
        inventory.plan(connection, "tag-16777215", "0")
        with pytest.raises(ConfigError, match="all are given"):
            inventory.free_name(connection, "tag")


def test_two_boards_of_one_number_cannot_be_stored_whoever_tries(engine: Engine) -> None:
    with engine.begin() as connection:
        ready(connection, "tag-000001", "aa")
    with pytest.raises(IntegrityError), engine.begin() as connection:
        inventory.claim(connection, "tag-000002", "0", "aa", None, "tag_t_a7670_l76k", 1)
    with engine.connect() as connection:
        assert inventory.entry(connection, parse_device_name("tag-000002")) is None


def test_a_home_unit_keeps_the_place_of_who_has_left_until_another_takes_it(engine: Engine) -> None:
    unit = parse_device_name("hmu-000001")
    with engine.begin() as connection:
        for n in range(1, 4):
            inventory.pair(connection, f"tag-{n:06d}", "hmu-000001", ME, "0")
        ready(connection, "hmu-000001", "cc")
        inventory.unpair(connection, parse_device_name("tag-000002"), ME)
        row = inventory.known(connection, "hmu-000001")
        assert not inventory.is_stale(connection, row)  # what is on its board does no harm, and the others keep their slots
        assert [device_name(tag) for tag in inventory.places_of(connection, unit)] == ["tag-000001", "tag-000002", "tag-000003"]
        inventory.pair(connection, "tag-000009", "hmu-000001", ME, "0")
        assert [device_name(tag) for tag in inventory.places_of(connection, unit)] == ["tag-000001", "tag-000009", "tag-000003"]
        assert inventory.is_stale(connection, row)


def test_a_home_unit_has_sixteen_places(engine: Engine) -> None:
    with engine.begin() as connection:
        for n in range(1, 17):
            inventory.pair(connection, f"tag-{n:06d}", "hmu-000001", ME, "0")
        with pytest.raises(ConfigError, match="it has 16 tags"):
            inventory.pair(connection, "tag-000017", "hmu-000001", ME, "0")


TAGS = [f"tag-{n:06d}" for n in range(1, 7)]
UNITS = ["hmu-000001", "hmu-000002"]


class Household(RuleBasedStateMachine):
    """Pairs made and ended in any order, against a dictionary of who belongs to whom."""

    store: Engine

    @initialize()
    def begin(self) -> None:
        self.connection = self.store.connect()
        self.transaction = self.connection.begin()
        self.owner: dict[str, str] = {}
        self.slots: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "transaction"):
            self.transaction.rollback()
            self.connection.close()

    @rule(tag=st.sampled_from(TAGS), unit=st.sampled_from(UNITS))
    def pair(self, tag: str, unit: str) -> None:
        news = inventory.pair(self.connection, tag, unit, ME, "0")
        assert news == (self.owner.get(tag) != unit)
        if news:
            self.slots.pop(tag, None)
        self.owner[tag] = unit

    @rule(name=st.sampled_from(TAGS + UNITS))
    def unpair(self, name: str) -> None:
        gone = {tag for tag, unit in self.owner.items() if name in (tag, unit)}
        assert set(inventory.unpair(self.connection, parse_device_name(name), ME)) == gone
        for tag in gone:
            del self.owner[tag]
            self.slots.pop(tag, None)

    @invariant()
    def both_ends_agree(self) -> None:
        if not hasattr(self, "owner"):
            return
        for unit in UNITS:
            places = [device_name(tag) for tag in inventory.places_of(self.connection, parse_device_name(unit))]
            mine = [tag for tag, owner in self.owner.items() if owner == unit]
            for tag in mine:
                partners, slot, home = inventory.place_of(self.connection, parse_device_name(tag))
                assert partners == (parse_device_name(unit),) and home == parse_device_name(unit)
                assert places[slot] == tag, "a tag's slot is its place in its home unit's list"
                assert self.slots.setdefault(tag, slot) == slot, "it keeps its slot as long as it stays"
        for tag in set(TAGS) - self.owner.keys():
            assert inventory.place_of(self.connection, parse_device_name(tag)) == ((), 0, None)


def test_pairs_hold_in_any_order(engine: Engine) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    machine: Any = type("Machine", (Household,), {"store": engine})
    quick = settings(max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine, settings=quick)
