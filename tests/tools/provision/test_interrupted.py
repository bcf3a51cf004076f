"""Provisioning that something comes between: cable, supply, the bench's own machine. Run again, it ends as if nothing had."""

import getpass
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from bridge import inventory
from bridge.errors import ConfigError
from bridge.store import schema
from sim.board.board import Board
from sim.board.line import Fault, random_faults
from tests.tools.provision.boards import bench, value, values
from tests.tools.provision.test_provision import TAG, UNIT, config_of, worn
from tools.board import LinkError
from tools.provision.doing import Outcome, Wish, provision
from tools.provision.state import State

Plugged = Callable[..., Board]
WISH = Wish(TAG, (UNIT,), None, getpass.getuser())
CONSTANT = ("provision", "board", "ca", "cert", "cert_key")


@pytest.fixture
def scheme(folder: Path) -> State:
    worn(folder)
    return State(folder)


@pytest.fixture
def engine(scheme: State) -> Iterator[Engine]:
    engine = scheme.open_store()
    yield engine
    engine.dispose()


def once(board: Board, scheme: State, engine: Engine, timeout_s: float = 0.7) -> Outcome:
    def refuse(name: str, questions: list[str]) -> None:
        pass  # somebody says yes

    with bench(board, timeout_s) as one:
        return provision(one, scheme, engine, WISH, refuse)


def to_its_end(board: Board, scheme: State, engine: Engine, tries: int = 12) -> tuple[Outcome, int]:
    """Again and again, as somebody at a bench does. What came of it, and how often it broke off."""
    for broken in range(tries):
        try:
            return once(board, scheme, engine), broken
        except ConfigError:
            board.set_faults([])
            board.never_cut()
            board.plug()
            board.power_on()
    raise AssertionError("it never came to its end")


def forget(board: Board, engine: Engine) -> None:
    """It is blank again, and the inventory as it was when the bench had just begun with it."""
    board.power_off()
    for path in [*board.folder.glob("*.nvs"), *board.folder.glob("config.flash")]:
        path.unlink()
    board.power_on()
    with engine.begin() as connection:
        connection.execute(schema.inventory.update().values(state=inventory.BEGUN, provisioned_ms=None))


def is_whole(board: Board, engine: Engine) -> None:
    """The board holds what its firmware needs, and the store knows all of it."""
    slots = config_of(board)
    numbers = {int.from_bytes(value(board, "lease")[:4], "little"), slots.number}
    with engine.connect() as connection:
        row = inventory.known(connection, TAG)
        assert row.state == inventory.READY and not inventory.is_stale(connection, row)
        orders = connection.execute(select(schema.orders)).all()
    assert numbers == {order.number for order in orders if order.number in numbers}
    assert all(order.state == "done" for order in orders)
    assert slots.size and all(value(board, key) for key in CONSTANT)


def test_the_cable_is_pulled_at_any_byte(plugged: Plugged, scheme: State, engine: Engine) -> None:
    board = plugged()
    board.line.passed = 0
    once(board, scheme, engine)
    total = board.line.passed
    first = {key: value(board, key) for key in CONSTANT}
    chance = random.Random(5)
    broke = 0
    for at in sorted(chance.randrange(total) for _ in range(4)):
        forget(board, engine)
        board.set_faults([Fault(at, "unplug", for_s=0.05)])
        _, broken = to_its_end(board, scheme, engine)
        broke += broken
        assert {key: value(board, key) for key in CONSTANT} == first, at
        is_whole(board, engine)
    assert broke >= 2


@pytest.mark.parametrize(
    "writes", [(2, 6, 9), pytest.param(tuple(range(1, 15)), marks=pytest.mark.slow)], ids=["some writes", "each write"]
)
def test_the_supply_fails_at_a_write(plugged: Plugged, scheme: State, engine: Engine, writes: tuple[int, ...]) -> None:
    board = plugged()
    chance = random.Random(6)
    broke = 0
    for write in writes:
        forget(board, engine)
        with bench(board) as one:
            one.look()  # it has started, and written what a start writes
        board.cut_power_at_write(write, chance.randrange(1001))
        _, broken = to_its_end(board, scheme, engine)
        broke += broken
        is_whole(board, engine)
    assert broke >= 0.6 * len(writes)


def test_noise_on_the_cable_never_puts_a_wrong_byte_on_the_board(plugged: Plugged, scheme: State, engine: Engine) -> None:
    board = plugged()
    once(board, scheme, engine)
    first = {key: value(board, key) for key in CONSTANT}
    for seed in range(3):
        forget(board, engine)
        board.set_faults(random_faults(seed, 40_000, 3, ("garbage", "lost", "flip")))
        to_its_end(board, scheme, engine)
        assert {key: value(board, key) for key in CONSTANT} == first
        is_whole(board, engine)


def test_a_cable_pulled_half_way_is_said_with_what_to_do(command: Any, plugged: Plugged, folder: Path) -> None:
    board = plugged()
    board.set_faults([Fault(14_000, "unplug", for_s=0.2)])
    refused = command("provision", TAG, code=2)
    assert "tag-000001 is half done: plug it in and type the same again" in refused.stderr
    assert "half done: provision it again" in command("inventory", "list").stdout
    board.plug()
    command("provision", TAG)
    assert "ready" in command("inventory", "list").stdout


def test_the_bench_s_machine_dies_before_it_has_entered_it(
    plugged: Plugged, scheme: State, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = plugged()

    def dies(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(inventory, "finish", dies)
        once(board, scheme, engine)
    written = values(board)
    with engine.connect() as connection:
        assert inventory.known(connection, TAG).state == inventory.BEGUN
    assert once(board, scheme, engine).changed == []
    assert values(board) == written
    is_whole(board, engine)


@pytest.mark.parametrize("what", ["provision", "cert_key", "lease"])
def test_a_board_that_forgets_what_it_is_given_is_no_device(plugged: Plugged, scheme: State, engine: Engine, what: str) -> None:
    board = plugged()
    with bench(board) as one:
        real = one.store.keep_blob

        def forgets(key: str, given: bytes) -> None:
            real(key, given if key != what else given[:-2] + b" }")

        one.store.keep_blob = forgets  # type: ignore[method-assign]
        with pytest.raises(ConfigError, match="keeps what it is given"):
            provision(one, scheme, engine, WISH, lambda name, questions: None)
    with engine.connect() as connection:
        assert inventory.known(connection, TAG).state == inventory.BEGUN


def test_a_board_that_starts_anew_while_somebody_thinks_about_it_is_taken_again(
    plugged: Plugged, scheme: State, engine: Engine
) -> None:
    board = plugged()
    once(board, scheme, engine)

    def thinks(name: str, questions: list[str]) -> None:
        board.press_reset()  # its watchdog does not wait

    with bench(board) as one:
        outcome = provision(one, scheme, engine, Wish(TAG, ("hmu-000009",), None, "me"), thinks)
    assert outcome.changed == ["name and keys"]
    is_whole(board, engine)


def test_an_unplugged_board_is_a_link_error(plugged: Plugged, scheme: State, engine: Engine) -> None:
    board = plugged()
    with bench(board, 0.7) as one, pytest.raises(LinkError):
        one.look()
        board.unplug()
        provision(one, scheme, engine, WISH, lambda name, questions: None)
