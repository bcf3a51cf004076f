"""A bench of a TOML file as a rig: first each line of it, then the suite itself on a whole bench without hardware."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil_tests.drivers.base import DriverError
from hil_tests.drivers.recording import load
from hil_tests.rigs.bench import spec_of
from hil_tests.rigs.capabilities import FAR_DB
from hil_tests.steps import Steps
from tests.hil_tests.box import bench_in_a_box
from tests.hil_tests.peers import Peer, Supply, fixture_board

ROOT = Path(__file__).parents[2]
_TOML = """
name = "desk"
[device]
name = "tag-000123"
[drivers.board]
kind = "fixture"
port = "{fixture}"
[drivers.relays]
kind = "relay"
port = "{relays}"
channels = 4
[drivers.supply]
kind = "scpi"
port = "{supply}"
[drivers.sky]
kind = "receiver"
port = "{sky}"
[gnss]
driver = "sky"
awake = {{driver = "board", channel = "17"}}
[strap]
driver = "board"
channel = "16"
inverted = true
[mains]
driver = "relays"
channel = "2"
[radio]
driver = "board"
channels = ["2", "3", "4", "5", "6", "7"]
[battery]
driver = "supply"
channel = "1"
[power]
driver = "supply"
channel = "1"
off_s = 0.05
"""


@pytest.fixture
def desk(tmp_path: Path):
    """(the rig's spec, the wires' folder, the supply, what the relays have heard, what the tag's GNSS line has)"""
    supply = Supply()
    wires = tmp_path / "wires"
    with fixture_board(wires) as fixture, Peer() as relays, Peer(supply.answer) as wire, Peer() as sky:
        path = tmp_path / "desk.toml"
        path.write_text(_TOML.format(fixture=fixture, relays=relays.port, supply=wire.port, sky=sky.port))
        yield spec_of(path), wires, supply, relays, sky


def opened(desk, steps: Steps):
    return desk[0].open(steps.folder, steps, frozenset())


def level(wires: Path, pin: str) -> str:
    return (wires / pin).read_text()


def test_each_line_does_what_its_table_says_and_all_is_at_rest_afterwards(desk, tmp_path):
    _, wires, supply, relays, _ = desk
    with Steps(tmp_path / "steps") as steps:
        with opened(desk, steps) as rig:
            assert rig.has() == {"clock", "strap", "mains", "gnss", "wake", "radio", "battery", "power"}
            assert level(wires, "16") == "0"
            rig.strap.cut()
            assert level(wires, "16") == "1"
            rig.mains.lose()
            rig.battery.set_millivolts(3715)
            assert supply.volts["1"] == 3.715 and supply.on["1"]
            before = rig.clock.now_ms
            rig.power.cut()
            assert rig.clock.now_ms - before >= 50 and supply.on["1"]
        assert [level(wires, pin) for pin in ("16", "2")] == ["z", "z"]
        expected = bytes.fromhex("A00201A3 A00200A2 A00201A3 A00200A2")  # there, lost, there again, and the relay at rest
        assert relays.wait_for(expected) == expected


def test_an_attenuator_is_set_in_its_steps_and_at_its_most_where_more_is_asked(desk, tmp_path):
    _, wires, *_ = desk
    with Steps(tmp_path / "steps") as steps, opened(desk, steps) as rig:
        for db, bits in ((0.0, "000000"), (0.5, "100000"), (20.0, "000101"), (FAR_DB, "111111")):
            rig.radio.attenuate(db)
            assert "".join(level(wires, pin) for pin in "234567") == bits


def test_the_receiver_speaks_once_a_second_while_the_tag_has_it_awake(desk, tmp_path):
    _, wires, *_, sky = desk
    with Steps(tmp_path / "steps") as steps, opened(desk, steps) as rig:
        (wires / "17").write_text("0")
        rig.gnss.inject(507_151_234, -24_368_765)
        rig.clock.advance(1_200)
        assert not rig.wake.receiver_is_on and not sky.heard
        (wires / "17").write_text("1")
        rig.clock.advance(2_300)
        said = bytes(sky.heard)
    assert rig.wake is not None
    assert said.count(b"RMC,") in (2, 3) and said.count(b"GSV,") > 2 and said.endswith(b"\r\n")


def test_a_session_leaves_serial_logs_and_a_recording_of_each_port(desk, tmp_path):
    with Steps(tmp_path / "steps") as steps, opened(desk, steps) as rig:
        rig.strap.cut()
    names = {path.name for path in (tmp_path / "steps").iterdir()}
    assert {"recording-board.jsonl", "recording-relays.jsonl", "serial-drivers.board.log", "steps.jsonl"} <= names
    sent = b"".join(data for _, way, data in load(tmp_path / "steps" / "recording-board.jsonl") if way == ">")
    assert b"set 16 1\n" in sent and sent.endswith(b"rest\n")
    assert "> b'set 16 1\\n'" in (tmp_path / "steps" / "serial-drivers.board.log").read_text()


def test_what_does_not_answer_as_it_is_opened_leaves_the_rest_closed_and_free(desk, tmp_path):
    supply = desk[2]
    answer = supply._do
    supply._do = lambda line: b""
    with Steps(tmp_path / "steps") as steps:
        with pytest.raises(DriverError, match=r"drivers\.supply: '\*IDN\?' was not answered"), opened(desk, steps):
            pass
        supply._do = answer
        with opened(desk, steps) as rig:
            assert rig.strap is not None


def suite(bench: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-o addopts= -o timeout="}
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-q", "-rs", "--rig", str(bench), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=280)


def test_the_suite_runs_on_a_bench_and_skips_by_name_what_it_lacks(tmp_path):
    with bench_in_a_box(tmp_path) as bench:
        done = suite(bench, "hil_tests/test_tag.py", "-k", "boot or mains")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    assert f"the rig '{bench}' lacks mains" in done.stdout


@pytest.mark.slow
def test_a_fix_and_a_cut_strap_on_a_bench(tmp_path):
    with bench_in_a_box(tmp_path) as bench:
        done = suite(bench, "hil_tests/test_tag.py", "-k", "injected_position or cut_strap_is_recorded or bounces")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
