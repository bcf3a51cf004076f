"""The commands of the bench on an emulated microcontroller: another processor, 32 bits, littlefs, a watchdog, and the firmware as
it starts from its own `/main.py`. Of its hardware only the air and the network are missing (docs/emulated.md)."""

import random
import re
import time
from pathlib import Path

import pytest
import serial

from firmware.core import message, record
from hil_tests.emulated.build import missing
from hil_tests.emulated.desk import BUILD_OF_NEWER, KIND, TAG, UNIT, Desk, fill, owed
from sim.board.line import FAULTS, random_faults

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"the emulated microcontroller: {missing()}")

NOISE = ("garbage", "lost", "flip", "stall")
SEED = 5
ONCE = ("--once", "--timeout", 120)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The firmware and its keys are on it: what the cable is tested on."""
    desk = Desk(tmp_path_factory.mktemp("loaded") / "desk")
    desk.load()
    return desk


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A bare board was flashed with a release and provisioned, by the commands."""
    desk = Desk(tmp_path_factory.mktemp("prepared") / "desk")
    bundle = desk.release()
    with desk.board() as board:
        said = desk.typed("flash", "tag", *desk.port, "--board", KIND, "--release", bundle)
        assert "not provisioned yet" in said and int(re.findall(r"(\d+) files sent", said)[0]) > 80
        desk.typed("ca", "init", "--broker", "127.0.0.1:8883")
        assert "wrote" in desk.typed("provision", TAG, "--with", UNIT, *desk.port, "--yes")
        board.power_off()
    return desk


@pytest.fixture
def docked(loaded: Desk, tmp_path: Path) -> Desk:
    """Worn by somebody."""
    desk = Desk.copied(loaded, tmp_path / "desk")
    desk.wear()
    return desk


@pytest.fixture
def desk(prepared: Desk, tmp_path: Path) -> Desk:
    return Desk.copied(prepared, tmp_path / "desk")


def bundle_of(desk: Desk) -> Path:
    return next(iter((desk.folder / "dist").glob("homeward-*.hwr")))


def wait_for(what, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def dock(desk: Desk) -> str:
    return desk.typed("dock", *desk.store, *desk.port, *ONCE)


def test_the_firmware_starts_from_its_main_and_hands_over_its_journal_through_every_fault(docked: Desk):
    with docked.board(SEED) as board:
        assert "all is stored" in dock(docked)
        assert docked.orders()[message.ORDER_LEASE] == "done"
        board.power_off()
        fixes = fill(board, 600)
        board.power_on()
        board.set_faults(random_faults(SEED, 20_000, 7, FAULTS))
        assert "all is stored" in dock(docked)
        assert not board.line.faults  # all of them came
        board.power_off()
        assert docked.stored(record.FIX) == fixes
        assert owed(board) <= 32  # a mark of what is receipted is kept each 32 records


def test_a_port_that_another_program_has_is_told_and_nothing_is_done_to_the_board(docked: Desk):
    with docked.board() as board, serial.Serial(board.port, exclusive=True):
        before = len(board.log)
        held = docked.typed("dock", *docked.store, *docked.port, "--once", "--timeout", 1, code=1)
        assert "another program has it open" in held
        assert len(board.log) == before and board.boots == 1


@pytest.mark.slow
def test_a_port_that_another_program_has_is_served_when_it_is_free(docked: Desk):
    with docked.board() as board:
        board.power_off()
        fixes = fill(board, 50)
        board.power_on()
        with serial.Serial(board.port, exclusive=True):
            process = docked.started("dock", *docked.store, *docked.port, *ONCE)
            wait_for(lambda: "another program" in (docked.folder / "out").read_text())
        assert process.wait(60) == 0
    assert docked.stored(record.FIX) == fixes


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(4))
def test_whatever_becomes_of_the_cable_and_the_tag_each_record_is_stored_once(docked: Desk, turn: int):
    with docked.board(turn, 115_200 if turn % 2 else 921_600) as board:
        board.power_off()
        fixes = fill(board, 900)
        board.power_on()
        board.set_faults(random_faults(turn, 30_000, 9, FAULTS))
        dock(docked)
        assert not board.line.faults
    assert docked.stored(record.FIX) == fixes


@pytest.mark.slow
def test_a_slow_port_takes_longer_and_no_harm(docked: Desk):
    with docked.board(baud=9600) as board:
        board.power_off()
        fixes = fill(board, 120)
        board.power_on()
        assert dock(docked).count("docked, ") == 1
    assert docked.stored(record.FIX) == fixes


@pytest.mark.slow
def test_power_that_fails_again_and_again_while_it_is_docked_loses_nothing(docked: Desk):
    chance = random.Random(SEED)
    with docked.board() as board:
        board.power_off()
        fixes = fill(board, 2_000)
        process = docked.started("dock", *docked.store, *docked.port, "--once", "--timeout", 200)
        for _ in range(6):
            before = len(docked.stored(record.FIX))
            board.power_on()
            wait_for(lambda before=before: len(docked.stored(record.FIX)) > before)
            time.sleep(chance.uniform(0.0, 0.05))  # any moment will do
            board.power_off()
        board.power_on()
        assert process.wait(200) == 0
    assert docked.stored(record.FIX) == fixes


@pytest.mark.slow
def test_flash_waits_for_its_first_healthy_word(desk: Desk):
    with desk.board():
        said = desk.typed("flash", "tag", *desk.port, "--release", bundle_of(desk))
        assert "0 files sent" in said and "healthy after" in said and "mode 3 strap closed" in said
        assert "nothing to do" in desk.typed("provision", TAG, "--with", UNIT, *desk.port, "--yes")


@pytest.mark.slow
def test_a_release_that_does_not_start_is_taken_back(desk: Desk):
    good = bundle_of(desk)
    with desk.board() as board:
        desk.typed("flash", "tag", *desk.port, "--release", good)
        said = desk.typed("flash", "tag", *desk.port, "--release", desk.broken(good), "--wait", 15, code=1)
        assert "ValueError: not today" in said
        board.power_off()
        board.power_on()
        again = desk.typed("flash", "tag", *desk.port, "--release", good)
        assert "nothing differs, nothing sent; healthy after" in again
        desk.wear()
        dock(desk)
        assert any(record.Record(raw).code == record.CRASH for _, raw in desk.stored(record.EVENT))


@pytest.mark.slow
def test_a_release_is_flashed_over_a_line_that_garbles_loses_and_stalls_and_takes_over(desk: Desk):
    with desk.board(3) as board:
        desk.typed("flash", "tag", *desk.port, "--release", bundle_of(desk))
        newer = desk.newer(bundle_of(desk))
        board.set_faults(random_faults(3, 20_000, 4, NOISE))
        said = desk.typed("flash", "tag", *desk.port, "--release", newer)
        assert not board.line.faults  # all of them came
        assert "healthy after" in said and BUILD_OF_NEWER in said
        # What is the same in both is copied on the board.
        assert re.search(r" [1-9] files sent", said)
        assert "nothing to do" in desk.typed("provision", TAG, "--with", UNIT, *desk.port, "--yes")


@pytest.mark.slow
def test_it_is_flashed_over_a_line_that_garbles_loses_and_stalls(prepared: Desk, tmp_path: Path):
    desk = Desk.copied(prepared, tmp_path / "desk")
    (desk.folder / "board" / "flash").unlink()  # a bare one
    with desk.board(3) as board:
        board.set_faults(random_faults(3, 150_000, 4, NOISE))
        assert "files sent" in desk.typed("flash", "tag", *desk.port, "--board", KIND, "--release", bundle_of(desk))
        assert not board.line.faults
        assert "0 files sent" in desk.typed("flash", "tag", *desk.port, "--release", bundle_of(desk))
