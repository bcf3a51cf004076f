"""`homeward provision` on boards on pseudo-terminals: what is on them afterwards, and what it refuses."""

import json
import os
import pty
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import insert, select, update

import firmware
from bridge import inventory, keys
from bridge.broker.nats import find_server
from bridge.cases.scheme import Scheme, apply_scheme
from bridge.orders import bench as scheme_bench
from bridge.orders.payloads import Lease, parse_config
from bridge.provisioning import LINKS
from bridge.store import open_store, schema
from firmware.core import ident, message
from firmware.core.blockdev import FileDevice
from firmware.core.lease import Lease as LeaseSlot
from firmware.core.slots import Slots
from sim.board.board import Board
from tests.tools.commands import ENVIRONMENT, HOMEWARD
from tests.tools.provision.boards import pretend_firmware, slot, told, usb, value, values, words_of
from tools.board.ports import REGISTRY
from tools.provision.doing import boards

TAG, UNIT = "tag-000001", "hmu-000001"
Plugged = Callable[..., Board]
Command = Callable[..., Any]


class Files:
    """A board's settings store as `firmware.core.lease` reads it."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def blob(self, key: str, size: int) -> bytes:
        return value(self._board, key)


def worn(folder: Path, tag: str = TAG, unit: str | None = UNIT) -> None:
    """A wearer has it since June, with a zone, and without an end."""
    zone = {"kind": "exclusion", "name": "Station Road", "circle": {"lat": 50.71, "lon": -2.43, "radius_m": 150}}
    wearer = {"id": "w1", "name": "A. Wearer", "tag": tag, "home_unit": unit, "from": "2026-06-01T05:00:00Z"}
    data = {"timezone": "UTC", "policy": {"fix_interval_s": 90}, "wearers": [{**wearer, "conditions": [zone]}]}
    engine = open_store(folder / "store.db")
    apply_scheme(engine, Scheme.model_validate(data))
    engine.dispose()


def config_of(board: Board) -> Slots:
    slots = Slots(FileDevice(str(board.folder / "config.flash"), 32))
    assert slots.mount()
    return slots


def fleet_key(folder: Path) -> bytes:
    return keys.load_fleet_key(folder / "fleet.key")


def test_a_blank_board_gets_the_next_number_and_all_that_its_firmware_reads(
    command: Command, plugged: Plugged, folder: Path
) -> None:
    board = plugged()
    assert "tag-000001: wrote" in command("provision", "tag").stdout
    own = slot(board)
    device, fleet = ident.parse_device_name(TAG), fleet_key(folder)
    assert (own.name, own.host, own.port, own.shard, own.partners, own.slot) == (TAG, "127.0.0.1", 8883, "0", [], 0)
    assert own.key == keys.device_key(fleet, device, 1) and own.rf_key == keys.rf_key(fleet, device, 1)
    assert own.password == keys.broker_password(fleet, device)
    assert value(board, "board") == b"tag_t_a7670_l76k"
    ca = x509.load_der_x509_certificate(value(board, "ca"))
    mine = x509.load_der_x509_certificate(value(board, "cert"))
    mine.verify_directly_issued_by(ca)
    assert mine.subject.rfc4514_string() == f"CN={TAG}"
    entry = json.loads(command("inventory", "list", "--json").stdout)[0]
    assert (entry["device"], entry["state"], entry["usb_serial"]) == (TAG, "ready", usb(1))
    assert int(entry["certificate"], 16) == mine.serial_number


def test_again_it_writes_nothing_and_says_so(command: Command, plugged: Plugged) -> None:
    board = plugged()
    command("provision", "tag")
    before = values(board)
    assert "nothing to do" in command("provision", "--port", board.port).stdout
    assert "nothing to do" in command("provision", TAG).stdout
    assert "nothing to do" in command("provision", "HW:TAG-000001:O").stdout
    assert values(board) == before
    assert command("inventory", "show", TAG).stdout.count("provisioned by") == 1


def test_nothing_secret_is_printed_or_comes_back_over_the_cable(command: Command, plugged: Plugged, folder: Path) -> None:
    board = plugged()
    worn(folder)
    said = told(command("provision", TAG)) + told(command("provision", TAG)) + told(command("provision", TAG, "--dry-run"))
    said += told(command("inventory", "show", TAG)) + told(command("ca", "show"))
    own = slot(board)
    for secret in (own.key, own.rf_key, own.password.encode(), value(board, "cert_key"), fleet_key(folder)):
        for words in words_of(secret):
            assert words not in board.log and words not in said.encode()
    for path in [folder, *folder.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_a_tag_that_is_worn_needs_no_order_after_the_bench(command: Command, plugged: Plugged, folder: Path) -> None:
    worn(folder)
    board = plugged()
    assert "paired, as the scheme has it" in command("provision", TAG).stdout
    lease, slots = LeaseSlot(Files(board)), config_of(board)
    content = bytearray(slots.size)
    slots.readinto(0, content)
    assert lease.period == 1 and lease.until_s > lease.from_s
    assert parse_config(bytes(content))[0] == {"fix_interval_s": 90} and len(content) > 40
    engine = open_store(folder / "store.db")
    with engine.connect() as connection:
        rows = connection.execute(select(schema.orders).order_by(schema.orders.c.number)).all()
    assert [(row.kind, row.state, row.number) for row in rows] == [
        (message.ORDER_LEASE, "done", lease.number),
        (message.ORDER_CONFIG, "done", slots.number),
    ]
    known = Lease(lease.period, lease.from_s, lease.until_s)
    wanted = scheme_bench.wanted(engine, TAG, lease.number * 1000, known=known)
    assert wanted == {message.ORDER_CONFIG: bytes(content)}
    engine.dispose()


def test_a_device_in_use_is_not_touched_unless_somebody_says_yes(command: Command, plugged: Plugged, folder: Path) -> None:
    board = plugged()
    command("provision", TAG)
    worn(folder)
    before = values(board)
    refused = command("provision", TAG, "--with", "hmu-000009", code=2)
    assert refused.stderr == ("homeward: tag-000001: in use: got 'it is worn by wearer w1', expected --yes, if that is meant\n")
    assert values(board) == before
    assert [row["device"] for row in json.loads(command("inventory", "list", "--json").stdout)] == [TAG]
    assert "wrote name and keys" in command("provision", TAG, "--with", "hmu-000009", "--yes").stdout
    assert slot(board).partners == [ident.parse_device_name("hmu-000009")]
    lease, config = value(board, "lease"), (board.folder / "config.flash").read_bytes()
    assert command("provision", TAG, "--with", "hmu-000010", "--yes").stdout.startswith(f"{TAG}: wrote name and keys\n")
    assert (value(board, "lease"), (board.folder / "config.flash").read_bytes()) == (lease, config)


def test_a_device_that_was_heard_today_is_in_use(command: Command, plugged: Plugged, folder: Path) -> None:
    import time

    plugged()
    command("provision", "tag")
    engine = open_store(folder / "store.db")
    with engine.begin() as connection:
        connection.execute(update(schema.device).values(heard_ms=time.time_ns() // 1_000_000 - 600_000, key_id=1))
    engine.dispose()
    assert "it was heard 10 minutes ago" in command("provision", TAG, "--with", UNIT, code=2).stderr
    assert "nothing to do" in command("provision", TAG).stdout


def test_a_number_is_one_board_s_and_a_board_is_one_device(command: Command, plugged: Plugged) -> None:
    first, second = plugged(usb(1)), plugged(usb(2))
    command("provision", TAG, "--port", usb(1))
    assert "it is on another board" in command("provision", TAG, "--port", usb(2), code=2).stderr
    assert "this one is tag-000001" in command("provision", "tag-000002", "--port", usb(1), code=2).stderr
    assert "a hmu" in command("provision", "hmu", "--port", usb(1), code=2).stderr
    assert "which is not plugged in" in _unplugged(command, first)
    assert values(second) == {}


def _unplugged(command: Command, board: Board) -> str:
    board.close()
    return command("provision", TAG, code=2).stderr


def test_a_retired_number_is_never_given_again_and_its_board_becomes_another_device(command: Command, plugged: Plugged) -> None:
    board = plugged()
    command("provision", "tag")
    (board.folder / "journal.flash").write_bytes(b"\0" * (512 * 1024))
    assert "retired" in command("inventory", "retire", TAG, "--reason", "clip broken").stdout
    assert "not retired" in command("provision", TAG, "--port", usb(1), code=2).stderr
    assert "tag-000002: wrote" in command("provision", "tag").stdout
    assert slot(board).name == "tag-000002"
    assert (board.folder / "journal.flash").read_bytes() == b"\xff" * (512 * 1024)
    listed = json.loads(command("inventory", "list", "--all", "--json").stdout)
    assert [(row["device"], row["state"]) for row in listed] == [(TAG, "retired"), ("tag-000002", "ready")]


def test_a_board_of_another_scheme_is_not_erased_unless_somebody_says_yes(
    command: Command, plugged: Plugged, tmp_path: Path
) -> None:
    board = plugged()
    command("ca", "init", "--broker", "other.example", "--state", tmp_path / "other")
    command("provision", "tag-000055", "--state", tmp_path / "other")
    before = values(board)
    assert "it is tag-000055: all that it holds would be erased" in command("provision", "tag", code=2).stderr
    assert values(board) == before
    command("provision", "tag", "--yes")
    assert slot(board).name == TAG


def test_a_board_whose_flash_was_erased_goes_on_under_its_next_key(command: Command, plugged: Plugged, folder: Path) -> None:
    board = plugged()
    command("provision", TAG)
    assert int.from_bytes(value(board, "rf"), "little") == 0
    engine = open_store(folder / "store.db")
    with engine.begin() as connection:
        connection.execute(insert(schema.boot_clock).values(device_id=slot(board).device, boot=41, seq=1, zero_ms=1))
    board.power_off()
    for path in [*board.folder.glob("*.nvs"), *board.folder.glob("*.flash")]:
        path.unlink()
    board.power_on()
    assert "it goes on with key 2" in command("provision", TAG).stdout
    own = slot(board)
    assert own.key_id == 2 and own.key == keys.device_key(fleet_key(folder), own.device, 2)
    assert int.from_bytes(value(board, "boots"), "little") >= 41
    assert int.from_bytes(value(board, "rf"), "little") > 50_000_000  # no radio frame has a number that it had before
    assert "nothing to do" in command("provision", TAG).stdout
    engine.dispose()


def test_what_it_is_flashed_as_says_what_it_becomes(command: Command, plugged: Plugged, folder: Path) -> None:
    board = plugged()
    pretend_firmware(board, "hmu_t_a7670")
    assert "is flashed as a tag" in command("provision", "tag", code=2).stderr
    assert "firmware for hmu_esp32_poe" in command("provision", "hmu", "--board", "hmu_esp32_poe", code=2).stderr
    assert values(board) == {}
    (folder / "provision.toml").write_text((folder / "provision.toml").read_text() + 'apn = "m2m"\n')
    command("provision")
    assert slot(board).name == UNIT and value(board, "board") == b"hmu_t_a7670"
    fields = json.loads(value(board, "provision"))
    assert (fields["links"], fields["cellular"]) == (["cellular"], ["m2m"])


def test_a_home_unit_s_ways_are_those_that_its_board_knows() -> None:
    for board in boards():
        if board.startswith("hmu_"):
            source = (Path(firmware.__path__[0]) / "boards" / board / "__init__.py").read_text("utf-8")
            assert set(re.findall(r'name == "(\w+)"', source)) == set(LINKS[board])


def test_a_tag_and_its_home_unit_learn_of_each_other_in_either_order(command: Command, plugged: Plugged, folder: Path) -> None:
    tag, unit = plugged(usb(1)), plugged(usb(2))
    done = command("provision", TAG, "--port", usb(1), "--with", UNIT)
    command("provision", UNIT, "--port", usb(2))
    assert slot(tag).partners == [slot(unit).device] and slot(unit).partners == [slot(tag).device]
    assert slot(tag).rf_key == slot(unit).rf_key and slot(tag).key != slot(unit).key
    assert "does not know of it yet" not in done.stdout  # it is not on any board yet
    assert "hmu-000001 does not know of it yet" in command("inventory", "pair", "tag-000002", UNIT).stdout
    assert "provision it again" in command("inventory", "list").stdout
    command("provision", UNIT)
    assert [ident.device_name(partner) for partner in slot(unit).partners] == [TAG, "tag-000002"]


def test_a_bench_is_done_at_once_and_those_who_cannot_be_are_named(command: Command, plugged: Plugged, tmp_path: Path) -> None:
    boards = [plugged(usb(n)) for n in range(1, 5)]
    for board in boards[1:3]:
        pretend_firmware(board, "tag_t_a7670_l76k")
    pretend_firmware(boards[3], "hmu_esp32_poe")
    done = command("provision", "--all", "--label", tmp_path / "sheet.pdf", code=2)
    assert usb(1) not in done.stdout and "1 of 4 boards are not done" in done.stderr
    assert [slot(board).name for board in boards[1:]] == [TAG, "tag-000002", UNIT]  # in the order of their USB serial numbers
    assert f"{usb(1)}: command line: NAME" in done.stderr and (tmp_path / "sheet.pdf").exists()
    again = command("provision", "--all", "tag", code=2)  # the home unit is none
    assert again.stdout.count("nothing to do") == 2 and slot(boards[0]).name == "tag-000003"


def test_a_dry_run_changes_nothing(command: Command, plugged: Plugged, folder: Path) -> None:
    board = plugged()
    said = command("provision", "tag", "--with", UNIT, "--dry-run").stdout
    assert "tag-000001 on a tag_t_a7670_l76k, home unit hmu-000001" in said and "would erase" in said
    assert values(board) == {} and command("inventory", "list").stdout.strip() == "the inventory is empty"
    assert not (folder / "tls" / "tag-000001.crt").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("wrist",), "expected"),
        (("tag", "--port", "PTY-999999"), "no such board or port"),
        (("tag", "--with", "hmu-000001", "--all"), "--all"),
        (("tag", "--with", "tag-000002"), "a home unit's name"),
        (("tag", "--board", "hmu_esp32_poe"), "one of tag_t_a7670_l76k"),
        (("tag", "--label", "x.gif"), ".png, .svg or .pdf"),
        (("tag", "--state", "nowhere"), "homeward ca init"),
        (("HW:TAG-000001:P",), "another check character"),
    ],
)
def test_what_cannot_be_is_one_line(command: Command, plugged: Plugged, arguments: tuple[str, ...], words: str) -> None:
    board = plugged()
    refused = command("provision", *arguments, code=2)
    assert words in refused.stderr and refused.stderr.count("\n") == 1 and refused.stdout == ""
    assert values(board) == {}


def test_a_port_that_another_program_holds_is_named(command: Command, plugged: Plugged) -> None:
    from tools.board import Link

    board = plugged()
    with Link(board.port):
        assert usb(1) in command("provision", "tag", code=2).stderr


def test_the_broker_s_users_are_those_that_are_not_retired(command: Command, plugged: Plugged, tmp_path: Path) -> None:
    for n in (1, 2):
        plugged(usb(n))
        command("provision", "tag", "--port", usb(n))
    command("inventory", "retire", TAG, "--reason", "lost")
    conf = tmp_path / "users.conf"
    conf.write_text(command("inventory", "users").stdout)
    assert '"CN=tag-000002"' in conf.read_text() and '"CN=bridge"' in conf.read_text() and TAG not in conf.read_text()
    checked = subprocess.run([find_server(), "-t", "-c", conf], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    acl = command("inventory", "users", "--broker", "mosquitto").stdout
    assert "user tag-000002\ntopic write hw/0/tag-000002/up\n" in acl and TAG not in acl


def test_the_inventory_is_the_bridge_s_store(command: Command, plugged: Plugged, folder: Path) -> None:
    plugged()
    command("provision", "tag")
    with open_store(folder / "store.db").connect() as connection:
        row = inventory.known(connection, TAG)
        assert row.state == inventory.READY and row.chip
    assert os.path.exists(folder / "bridge.toml")


def test_somebody_at_a_terminal_is_asked(command: Command, plugged: Plugged, folder: Path, tmp_path: Path) -> None:
    board = plugged()
    command("provision", TAG)
    worn(folder)
    assert (_answered(tmp_path, folder, "n"), slot(board).partners) == (2, [])
    assert _answered(tmp_path, folder, "y") == 0 and slot(board).partners == [ident.parse_device_name(UNIT)]


def _answered(cwd: Path, folder: Path, answer: str) -> int:
    """The exit code of the command on a terminal of its own, whose question is answered so."""
    ours, theirs = pty.openpty()
    environment = ENVIRONMENT | {"HOMEWARD_STATE": str(folder), REGISTRY: str(cwd / "registry")}
    arguments = [str(HOMEWARD), "provision", TAG]
    with subprocess.Popen(arguments, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while b"all the same? [y/N]:" not in said:
            said += os.read(ours, 4096)
        assert b"tag-000001: it is worn by wearer w1" in said
        os.write(ours, answer.encode() + b"\n")
        try:
            while os.read(ours, 4096):
                pass
        except OSError:
            pass  # it has ended
        os.close(ours)
        return process.wait(30)
