"""`homeward dock`: the real command, a board that runs the firmware on a cable with faults, a real broker and a real bridge."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

from bridge.broker.nats import EmbeddedBroker
from bridge.broker.users import dock_user
from firmware.core import message, record
from sim.board.line import random_faults
from sim.engine.folder import RunFolder
from tests.bridge.bridges import BridgeProcess, write_secret
from tests.bridge.devices import Device
from tests.brokers import missing_reason, wait_for
from tests.tools.cabled import TAG, event_codes, home_unit_on_a_cable, orders, pending, scheme_of, stored, tag_on_a_cable
from tests.tools.commands import ENVIRONMENT, homeward, refused, started

RECORDS = 900
ONCE = ("--once", "--timeout", 90)  # the watchdog's time, should a flipped bit be a Ctrl-C, and as much again


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.write_bridge_settings(1, "wall")
    scheme_of(folder)
    return folder


def output(run: RunFolder) -> str:
    return (run.path / "out").read_text()


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(20)


def test_a_tag_without_a_network_hands_over_its_days_and_takes_its_lease_and_settings(run):
    with tag_on_a_cable(run, RECORDS) as board:
        done = homeward("dock", "--store", run.path / "bridge.toml", "--port", board.port, *ONCE, cwd=run.path)
        folder = board.folder
    assert done.returncode == 0, done
    assert f"{TAG} on " in done.stdout and "docked, 90" in done.stdout and "all is stored, 90" in done.stdout
    assert stored(run) == list(range(1, RECORDS + 1))
    assert pending(folder) <= 32, "a mark of what is receipted is kept each 32 records"
    assert orders(run) == {message.ORDER_LEASE: "done", message.ORDER_CONFIG: "done"} or orders(run) == {
        message.ORDER_LEASE: "done"
    }
    assert (folder / "homeward.lease.nvs").exists()
    secrets = [run.fleet_key.hex(), run.bridge_password]
    assert not any(secret in done.stdout + done.stderr for secret in secrets)


def test_a_tag_whose_application_keeps_crashing_hands_over_all_the_same(run):
    with tag_on_a_cable(run, 100, crashes=3) as board:
        done = homeward("dock", "--store", "bridge.toml", "-p", board.port, *ONCE, cwd=run.path)
    assert done.returncode == 0, done
    assert stored(run) == list(range(1, 101))
    assert event_codes(run).count(record.SAFE_MODE) == 1


def test_a_field_laptop_without_keys_passes_on_to_the_broker(run):
    if missing_reason("nats"):
        pytest.skip(missing_reason("nats"))
    laptop = run.path / "laptop"
    laptop.mkdir()
    users = [*run.users([TAG]), dock_user("dock-1", "password of dock-1")]
    with EmbeddedBroker(run.path / "broker", 0, users) as broker:
        write_secret(laptop / "dock.password", "password of dock-1")
        (laptop / "dock.toml").write_text(
            f'broker_port = {broker.port}\nbroker_user = "dock-1"\nbroker_password_file = "dock.password"\n'
        )
        run.write_bridge_settings(broker.port, "wall")
        with BridgeProcess(run.path / "bridge.toml"), tag_on_a_cable(run, 300) as board:
            done = homeward("dock", "--broker", laptop / "dock.toml", "-p", board.port, *ONCE, cwd=laptop)
    assert done.returncode == 0, done
    assert "records go by the broker" in done.stdout and "all is stored, 30" in done.stdout
    assert stored(run) == list(range(1, 301))
    assert orders(run)[message.ORDER_LEASE] == "done"


def test_while_the_broker_is_away_nothing_is_taken_over(run):
    (run.path / "dock.toml").write_text('broker_port = 1\nbroker_user = "dock-1"\nbroker_password_file = "bridge.password"\n')
    with tag_on_a_cable(run, 100) as board:
        done = homeward("dock", "--broker", "dock.toml", "-p", board.port, "--once", "--timeout", 3, cwd=run.path)
        folder = board.folder
    assert done.returncode == 1
    assert "the broker at 127.0.0.1:1: cannot be reached; nothing is taken over until it can" in done.stdout
    assert "no device has answered" in done.stderr and done.stderr.count("\n") == 1
    assert pending(folder) >= 100


def test_offline_the_store_takes_the_place_of_the_broker(run):
    (run.path / "dock.toml").write_text('broker_port = 1\nbroker_user = "dock-1"\nbroker_password_file = "bridge.password"\n')
    with tag_on_a_cable(run, 100) as board:
        both = ("--broker", "dock.toml", "--store", "bridge.toml")
        done = homeward("dock", *both, "-p", board.port, *ONCE, cwd=run.path)
    assert done.returncode == 0 and "straight into" in done.stdout, done
    assert stored(run) == list(range(1, 101))


def test_a_home_unit_without_a_network_hands_over_what_it_keeps_for_its_tag(run):
    tag = Device(TAG, run.fleet_key)
    began_ms = int(time.time() - 60 * 450) * 1000
    fixes = [tag.fix(began_ms + 60_000 * minute) for minute in range(450)]
    messages = [tag.message(fixes[at : at + 3]) for at in range(0, len(fixes), 3)]
    with home_unit_on_a_cable(run, messages) as board:
        done = homeward("dock", "--store", "bridge.toml", "-p", board.port, *ONCE, cwd=run.path)
        again = homeward("dock", "--store", "bridge.toml", "-p", board.port, *ONCE, cwd=run.path)
    assert done.returncode == 0 and "records and 150 relayed messages to hand over" in done.stdout, done
    assert stored(run) == list(range(1, 451))
    assert again.returncode == 0 and "relayed" not in again.stdout, "they are freed there"


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.slow) for turn in range(1, 6))])
def test_whatever_becomes_of_the_cable_and_the_tag_each_record_is_stored_once(run, seed: int, turn: int):
    kinds = ("garbage", "lost", "flip", "stall", "unplug", "reset", "power")
    with tag_on_a_cable(run, RECORDS, seed=seed + turn, baud=921_600) as board:
        board.set_faults(random_faults(seed + turn, 30_000, 7, kinds))
        done = homeward("dock", "--store", "bridge.toml", "-p", board.port, *ONCE, cwd=run.path)
    assert done.returncode == 0, done
    assert stored(run) == list(range(1, RECORDS + 1))


@pytest.mark.slow
def test_a_slow_port_takes_longer_and_no_harm(run):
    with tag_on_a_cable(run, 120) as board:
        board.do(lambda: setattr(board.line, "baud", 9600))
        done = homeward("dock", "--store", "bridge.toml", "-p", board.port, *ONCE, cwd=run.path)
    assert done.returncode == 0 and done.stdout.count("docked, ") == 1, done
    assert stored(run) == list(range(1, 121))


def test_a_port_that_another_program_has_is_told_and_served_when_it_is_free(run):
    with tag_on_a_cable(run, 50) as board, serial.Serial(board.port, exclusive=True) as other:
        held = homeward("dock", "--store", "bridge.toml", "-p", board.port, "--once", "--timeout", 2, cwd=run.path)
        assert held.returncode == 1
        assert held.stderr == f"homeward: {board.port}: another program has it open\n"
        process = started("dock", "--store", "bridge.toml", "-p", board.port, *ONCE, cwd=run.path)
        wait_for(lambda: "another program" in output(run), "it tells so")
        other.close()
        assert process.wait(30) == 0, output(run)
    assert stored(run) == list(range(1, 51))


def test_boards_come_and_go_and_are_known_by_their_serial_number(run, tmp_path, monkeypatch):
    registry = tmp_path / "boards"
    registry.mkdir()
    monkeypatch.setitem(ENVIRONMENT, "HOMEWARD_BOARDS", str(registry))
    with tag_on_a_cable(run, 400, registry=registry, baud=115_200) as board:
        process = started("dock", "--store", "bridge.toml", cwd=run.path)
        wait_for(lambda: "docked" in output(run), "it is found")
        board.unplug()
        wait_for(lambda: "left" in output(run), "it is missed")
        board.plug()
        wait_for(lambda: "all is stored" in output(run), "it is found again")
        assert stop(process) == 0
    assert output(run).count("docked, ") == 2 and "unplugged" in output(run)
    assert stored(run) == list(range(1, 401))


def test_a_repl_on_the_port_is_not_disturbed(run):
    with tag_on_a_cable(run, 10, runs=False) as board:
        called = homeward("dock", "--store", "bridge.toml", "-p", board.port, "--once", "--timeout", 3, cwd=run.path)
        assert called.returncode == 1 and f"no device has answered on {board.port}" in called.stderr
        with serial.Serial(board.port, timeout=10) as port:
            port.write(b"6*7\r\n")
            assert port.read_until(b"42") == b"6*7\r\n42", "what was on the line before was nothing"


def test_what_is_wrong_is_told_in_one_line(run):
    assert "--broker or --store: got None, expected a file" in refused("dock", cwd=run.path)
    assert "missing.toml" in refused("dock", "--store", "missing.toml", cwd=run.path)
    (run.path / "fleet.key").chmod(0o644)
    assert "0600" in refused("dock", "--store", "bridge.toml", cwd=run.path)
    (run.path / "fleet.key").chmod(0o600)
    absent = homeward("dock", "--store", "bridge.toml", "-p", "/dev/ttyNONE", "--once", "--timeout", 1, cwd=run.path)
    assert absent.returncode == 1 and absent.stderr.count("\n") == 1
    assert "/dev/ttyNONE: no such board or port" in absent.stderr


def test_a_port_behind_a_network_is_served_by_its_url(run):
    with tag_on_a_cable(run, 100) as board:
        forward = (
            "import serial, socket, sys, threading\n"
            "port = serial.Serial(sys.argv[1], timeout=0.02)\n"
            "server = socket.create_server(('127.0.0.1', 0)); print(server.getsockname()[1], flush=True)\n"
            "peer, _ = server.accept()\n"
            "def down():\n"
            "    while data := peer.recv(4096): port.write(data)\n"
            "threading.Thread(target=down, daemon=True).start()\n"
            "while True: peer.sendall(port.read(4096))\n"
        )
        command = [sys.executable, "-c", forward, board.port]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout is not None
            url = f"socket://127.0.0.1:{server.stdout.readline().strip()}"
            try:
                done = homeward("dock", "--store", "bridge.toml", "-p", url, *ONCE, cwd=run.path)
            finally:
                server.kill()
    assert done.returncode == 0 and f"{TAG} on {url}: all is stored" in done.stdout, done
    assert stored(run) == list(range(1, 101))
