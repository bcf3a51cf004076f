"""Drivers against what they drive: the fixture's program on a real MicroPython, byte-exact peers for what is not here."""

import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from hil_tests.drivers.base import DriverError, Place, Senses, Speaks, Supplies, Switches
from hil_tests.drivers.fixture import Fixture, FixtureSettings
from hil_tests.drivers.kinds import KINDS, driver_class
from hil_tests.drivers.manual import Hands, ManualSettings, has_terminal
from hil_tests.drivers.ptys import PtyPair
from hil_tests.drivers.receiver import ReceiverPort, ReceiverSettings
from hil_tests.drivers.relay import RelayBoard, RelaySettings, frame
from hil_tests.drivers.scpi import ScpiSettings, ScpiSupply
from hil_tests.drivers.usb_power import UsbPower, UsbPowerSettings
from tests.hil_tests.peers import Peer, Supply, fixture_board

PLACE = Place("bench.toml", "drivers.it")


# The fixture board


@pytest.fixture
def wires(tmp_path: Path) -> Path:
    return tmp_path / "wires"


@pytest.fixture
def fixture(wires: Path):
    with fixture_board(wires) as port:
        made = Fixture(FixtureSettings(port=port), PLACE)
        made.open()
        yield made
        made.close()


def test_a_pin_that_is_switched_has_the_level_when_the_call_returns(fixture, wires):
    fixture.switch("16", True)
    assert (wires / "16").read_text() == "1"
    fixture.switch("16", False)
    assert (wires / "16").read_text() == "0"


def test_a_pin_that_is_read_gives_what_the_device_drives(fixture, wires):
    (wires / "GP17").write_text("1")
    assert fixture.sense("GP17")
    (wires / "GP17").write_text("0")
    assert not fixture.sense("GP17")


def test_a_pulse_ends_by_itself(fixture, wires):
    fixture.pulse("5", True, 30)
    assert (wires / "5").read_text() == "0"


def test_a_pin_that_the_board_has_not_got_is_said_in_its_words(fixture):
    with pytest.raises(DriverError, match=r"drivers\.it: 'set 99 1' was answered by 'err no such pin'"):
        fixture.switch("99", True)
    fixture.switch("4", True)


def test_all_pins_are_let_go_when_the_driver_is_closed(fixture, wires):
    fixture.switch("16", True)
    fixture.switch("4", False)
    fixture.close()
    assert [(wires / pin).read_text() for pin in ("16", "4")] == ["z", "z"]
    fixture.open()


def test_a_fixture_that_hears_nothing_for_its_time_lets_go_of_all_pins(wires):
    with fixture_board(wires) as port, Peer() as watcher:
        made = Fixture(FixtureSettings(port=port, hold_s=1), PLACE)
        made.open()
        made.switch("16", True)
        while (wires / "16").read_text() != "z":
            watcher.wait_for(b"x", 0.02)  # time passes
        made.switch("16", True)
        assert (wires / "16").read_text() == "1"
        made.close()


def test_a_port_with_no_fixture_behind_it_is_said_with_what_to_do():
    with Peer(lambda data: b"ets Jul 29 2019\r\n") as peer:
        made = Fixture(FixtureSettings(port=peer.port, timeout_s=0.05), PLACE)
        with pytest.raises(DriverError, match=r"runs no fixture_board\.py"):
            made.open()


@given(st.lists(st.binary(max_size=90), max_size=12))
def test_no_bytes_end_the_fixtures_program(lines):
    # The program itself, on CPython: its pins are the test's, all else is what runs on the board.
    import importlib.util
    import sys
    import types

    machine = types.ModuleType("machine")
    machine.Pin = _Pin  # type: ignore[attr-defined]
    before = sys.modules.get("machine")
    sys.modules["machine"] = machine
    try:
        path = Path(__file__).parents[2] / "hil_tests/drivers/fixture_board.py"
        spec = importlib.util.spec_from_file_location("fixture_board", path)
        assert spec and spec.loader
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
    finally:
        del sys.modules["machine"]
        if before is not None:
            sys.modules["machine"] = before
    board = program.Fixture(_Pin, b"\x01\xff")
    for line in lines:
        text = line.decode("latin-1").replace("pulse", "pu1se")  # its milliseconds are MicroPython's
        assert board.answer(text).startswith(("ok", "err")) or not text.split()
    assert board.answer("who") == "ok homeward-fixture 1 01ff"
    assert board.answer("set 1 1") == "ok"
    assert board.answer("rest") == "ok"


class _Pin:
    IN, OUT, PULL_UP, PULL_DOWN = 0, 1, 1, 2

    def __init__(self, name: int | str, *mode: int) -> None:
        if isinstance(name, int) and name > 40:
            raise ValueError("no such pin")

    def init(self, *mode: int) -> None: ...

    def value(self, level: int = 0) -> int:
        return level


# Relays


def test_a_relays_bytes_are_those_of_its_sheet():
    assert frame(1, True) == bytes.fromhex("A0 01 01 A2")
    assert frame(1, False) == bytes.fromhex("A0 01 00 A1")
    assert frame(2, True) == bytes.fromhex("A0 02 01 A3")
    assert frame(8, False) == bytes.fromhex("A0 08 00 A8")


def test_relays_are_switched_and_left_off():
    with Peer() as peer:
        board = RelayBoard(RelaySettings(port=peer.port, channels=4), PLACE)
        board.open()
        board.switch("1", True)
        board.switch("4", True)
        board.switch("1", False)
        board.close()
        expected = bytes.fromhex("A00101A2 A00401A5 A00100A1 A00100A1 A00400A4")
        assert peer.wait_for(expected) == expected


def test_a_relay_that_the_board_has_not_got_is_refused_by_number():
    board = RelayBoard(RelaySettings(port="/dev/null", channels=2), PLACE)
    assert board.check("2") == ""
    assert board.check("3") == "a relay, one of 1, 2"


# A supply


@pytest.fixture
def supply():
    peer = Supply()
    with Peer(peer.answer) as wire:
        made = ScpiSupply(ScpiSettings(port=wire.port, channels=2), PLACE)
        made.open()
        yield made, peer
        made.close()


def test_a_supply_gives_what_is_asked_on_the_channel_that_is_asked(supply):
    made, peer = supply
    made.supply("2", 3715)
    made.switch("1", False)
    assert made.identity == "HOMEWARD,PEER,0,1"
    assert peer.volts == {"1": 0.0, "2": 3.715} and peer.on == {"1": False, "2": True}
    made.close()
    made.open()
    assert peer.on["1"]  # at rest a device has its power


def test_more_than_the_cell_may_have_is_never_sent(supply):
    made, peer = supply
    with pytest.raises(DriverError, match=r"4251 mV, expected 0 to 4250 \(top_millivolts\)"):
        made.supply("1", 4251)
    assert peer.volts["1"] == 0.0


def test_what_a_supply_refuses_is_said_in_its_words():
    peer = Supply()
    with Peer(peer.answer) as wire:
        made = ScpiSupply(ScpiSettings(port=wire.port, set_voltage="VOLTAGE:ALL {volts}"), PLACE)
        made.open()
        with pytest.raises(DriverError, match=r"'VOLTAGE:ALL 3\.7' was answered by '-113,\"Undefined header\"'"):
            made.supply("1", 3700)
        made.close()


def test_a_supply_that_is_silent_is_said():
    with Peer() as wire:
        made = ScpiSupply(ScpiSettings(port=wire.port, timeout_s=0.05), PLACE)
        with pytest.raises(DriverError, match=r"'\*IDN\?' was not answered within 0.05 s"):
            made.open()


# USB power


@pytest.fixture
def recorded_program(tmp_path: Path) -> tuple[str, Path]:
    """A program that writes down how it was called, in uhubctl's place: no hub that it could switch is here."""
    calls = tmp_path / "calls"
    program = tmp_path / "uhubctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{calls}\ncase "$*" in *"-p 9"*) echo "No compatible devices" >&2; exit 1;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program), calls


def test_usb_power_goes_by_hub_and_port_and_comes_back(recorded_program):
    program, calls = recorded_program
    power = UsbPower(UsbPowerSettings(hub="1-1.4", program=program), PLACE)
    power.open()
    power.switch("2", False)
    power.close()
    assert calls.read_text().splitlines() == ["-l 1-1.4 -p 2 -a off -r 3", "-l 1-1.4 -p 2 -a on -r 3"]
    with pytest.raises(DriverError, match="No compatible devices"):
        power.switch("9", True)


def test_a_missing_uhubctl_is_said_with_its_package():
    power = UsbPower(UsbPowerSettings(hub="1-1", program="no-such-uhubctl"), PLACE)
    with pytest.raises(ConfigError, match=r"bench.toml: \[drivers.it\] program: got 'no-such-uhubctl'.*apt install uhubctl"):
        power.open()


@pytest.mark.skipif(
    not (shutil.which("uhubctl") or shutil.which("uhubctl", path="/usr/sbin")), reason="no uhubctl on this machine"
)
def test_the_real_uhubctl_understands_the_command_and_says_what_it_misses():
    power = UsbPower(UsbPowerSettings(hub="99-99"), PLACE)
    power.open()
    with pytest.raises(DriverError, match=r"(?i)no compatible"):
        power.switch("1", False)


# A person


def test_a_person_is_asked_and_waited_for():
    with PtyPair() as terminal:
        hands = Hands(ManualSettings(words={"strap": ["close the strap", "open the strap"]}, terminal=terminal.name), PLACE)
        assert has_terminal(terminal.name) and not has_terminal("/dev/null") and not has_terminal("/nowhere")
        hands.open()
        terminal.write(b"\ns\n\nh\n")
        hands.switch("strap", False)
        with pytest.raises(DriverError, match="mains: on: cannot be done"):
            hands.switch("mains", True)
        hands.supply("cell", 3700)
        assert hands.sense("led")
        asked = ""
        while "high or low? [h/l] " not in asked:  # the terminal gives it in pieces
            asked += terminal.read_available().decode()
        hands.close()
    for words in ("open the strap, then Enter", "mains: on", "cell: set 3.70 V", "led: high or low?"):
        assert words in asked


# All


def test_a_receivers_port_passes_bytes_as_they_are():
    with Peer() as peer:
        port = ReceiverPort(ReceiverSettings(port=peer.port), PLACE)
        port.open()
        port.speak(b"$GNRMC,,V,,,,,,,,,,N,V*37\r\n\xff\x00\x03")
        assert peer.wait_for(b"x" * 30) == b"$GNRMC,,V,,,,,,,,,,N,V*37\r\n\xff\x00\x03"
        port.close()


def test_each_kind_says_by_its_methods_what_it_can_do():
    methods = {"switch": Switches, "sense": Senses, "supply": Supplies, "speak": Speaks}
    can = {kind: {name for name, wants in methods.items() if hasattr(made, name)} for kind, made in KINDS.items()}
    assert can == {
        "fixture": {"switch", "sense"},
        "relay": {"switch"},
        "scpi": {"switch", "supply"},
        "uhubctl": {"switch"},
        "receiver": {"speak"},
        "manual": {"switch", "supply", "sense"},
    }


def test_a_driver_of_ones_own_that_cannot_be_loaded_is_said(tmp_path):
    place = Place("bench.toml", "drivers.lamp", tmp_path)
    (tmp_path / "bad.py").write_text("import nothing_like_it\n")
    (tmp_path / "no.py").write_text("Lamp = 3\n")
    for kind, expected in (
        ("lamp", "one of fixture, relay"),
        ("lamp.py:Lamp", "a file that is there"),
        ("bad.py:Lamp", "No module named 'nothing_like_it'"),
        ("no.py:Lamp", "a class Lamp in no.py"),
    ):
        with pytest.raises(ConfigError, match=r"bench\.toml: \[drivers\.lamp\] kind: got .*expected .*" + expected):
            driver_class(kind, place)
