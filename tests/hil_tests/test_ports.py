"""Ports by serial number and by URL; one program at a time on a board, and a message that says who has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from hil_tests.drivers.base import DriverError, Place
from hil_tests.drivers.fixture import Fixture, FixtureSettings
from hil_tests.drivers.ports import Port, SerialSettings
from tests.hil_tests.peers import Peer, Rfc2217Server, fixture_board

ROOT = Path(__file__).parents[2]
PLACE = Place("bench.toml", "drivers.it")

_HOLD = """
import sys
from hil_tests.drivers.base import Place
from hil_tests.drivers.ports import SerialSettings
port = SerialSettings(port=sys.argv[1]).open(Place("other.toml", "device"))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_board_that_another_program_holds_is_refused_with_who_it_is_and_free_when_that_dies():
    with Peer() as peer:
        other = subprocess.Popen(
            [sys.executable, "-c", _HOLD, peer.port], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=rf"got '/dev/pts/.*a board that is free: in use by .*python.*process {other.pid}"):
            SerialSettings(port=peer.port).open(PLACE)
        other.kill()  # as a run that is killed by its CI
        other.communicate()
        port = SerialSettings(port=peer.port).open(PLACE)
        port.close()
        SerialSettings(port=peer.port).open(PLACE).close()


def test_a_board_that_is_not_plugged_in_is_told_with_those_that_are():
    with pytest.raises(
        ConfigError, match=r"bench\.toml: \[drivers\.it\] serial: got 'NO-SUCH-BOARD', expected a board that is there"
    ):
        SerialSettings(serial="NO-SUCH-BOARD").open(PLACE)


def test_a_board_is_found_by_its_serial_number_wherever_it_is_plugged_in(tmp_path, monkeypatch):
    with Peer(lambda data: data) as peer:
        about = f'{{"port": "{peer.port}", "serial_number": "BENCH-77", "description": "a board"}}'
        (tmp_path / "BENCH-77.json").write_text(about)
        monkeypatch.setenv("HOMEWARD_BOARDS", str(tmp_path))
        port = SerialSettings(serial="BENCH-77").open(PLACE)
        assert port.device == peer.port
        port.write(b"hello\n")
        assert port.read_line(5) == b"hello"
        port.close()


def test_a_line_that_comes_in_two_pieces_is_one_and_an_unfinished_one_is_kept():
    with Peer() as peer:
        port = SerialSettings(port=peer.port).open(PLACE)
        peer._pty.write(b"hal")
        assert port.read_line(0.05) is None
        peer._pty.write(b"f\r\nmore")
        assert port.read_line(5) == b"half"
        assert port.read(5) == b"more"
        port.close()


def test_a_port_that_vanishes_is_said():
    peer = Peer()
    peer.__enter__()
    port = SerialSettings(port=peer.port).open(PLACE)
    peer.__exit__()
    with pytest.raises(DriverError, match="has gone"):
        while True:
            port.write(b"x" * 100)
            port.read(0.05)
    port.close()


def test_every_byte_is_told_both_ways():
    told: list[tuple[str, str, bytes]] = []
    place = Place("bench.toml", "drivers.it", heard=lambda *each: told.append(each))
    with Peer(lambda data: data.upper()) as peer:
        port = Port(SerialSettings(port=peer.port), place)
        port.write(b"abc\n")
        assert port.read_line(5) == b"ABC"
        port.close()
    assert told[0] == ("drivers.it", ">", b"abc\n")
    assert b"".join(data for _, way, data in told if way == "<") == b"ABC\n"


def test_an_exporters_port_works_by_its_rfc2217_url(tmp_path):
    """As labgrid's exporter gives it (ser2net with telnet and RFC 2217): here pyserial's server side, in front of a fixture."""
    wires = tmp_path / "wires"
    with fixture_board(wires) as port, Rfc2217Server(port) as server:
        made = Fixture(FixtureSettings(port=server.url, baud=57600), PLACE)
        made.open()
        assert server.baud == 57600
        made.switch("16", True)
        assert (wires / "16").read_text() == "1"
        made.close()
        made.open()  # a second client, after the first
        assert not made.sense("17")
        made.close()


def test_all_byte_values_pass_an_rfc2217_port_unchanged():
    every = bytes(range(256)) * 2
    with Peer(lambda data: data) as peer, Rfc2217Server(peer.port) as server:
        port = SerialSettings(port=server.url).open(PLACE)
        port.write(every)
        back = b""
        while len(back) < len(every) and (more := port.read(5)):
            back += more
        port.close()
    assert back == every


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open anything")
def test_a_port_that_may_not_be_opened_is_said(tmp_path):
    path = tmp_path / "port"
    path.touch(mode=0)
    with pytest.raises(ConfigError, match=r"\[drivers\.it\] port: got .*expected a port that can be opened"):
        SerialSettings(port=str(path)).open(PLACE)
