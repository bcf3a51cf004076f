"""A board is found by the serial number of its USB interface, or by a part of it that only it has."""

import json
import os
from pathlib import Path

import pytest

from tools.board import BoardError, Port, find_port, list_boards, ports
from tools.board.errors import DeviceError
from tools.board.locks import BoardLock


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Serial number → port, of three boards; the last one's port is not there any more."""
    registry = tmp_path / "registry"
    registry.mkdir()
    monkeypatch.setenv(ports.REGISTRY, str(registry))
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [])
    found = {}
    for number, name in enumerate(("5A4F0123", "5A4F0777", "5A4F0999")):
        found[name] = tmp_path / f"tty{number}"
        about = {"serial_number": name, "port": str(found[name]), "description": "a board"}
        (registry / f"{name}.json").write_text(json.dumps(about))
        if number < 2:
            found[name].write_bytes(b"")
    (registry / "torn.json").write_text('{"serial_nu')
    return found


def test_those_that_are_there(plugged: dict[str, Path]) -> None:
    assert [port.serial_number for port in list_boards()] == ["5A4F0123", "5A4F0777"]


@pytest.mark.parametrize("wanted", ["5A4F0777", "777", "5A4F07", "0777"])
def test_by_the_whole_number_or_an_end_of_it(plugged: dict[str, Path], wanted: str) -> None:
    assert find_port(wanted).serial_number == "5A4F0777"


def test_by_its_port_it_has_its_number_all_the_same(plugged: dict[str, Path]) -> None:
    assert find_port(str(plugged["5A4F0123"])).serial_number == "5A4F0123"


def test_what_two_boards_have_is_not_guessed(plugged: dict[str, Path]) -> None:
    with pytest.raises(BoardError, match=r"2 boards have that in their serial numbers: 5A4F0123 on .*, 5A4F0777 on "):
        find_port("5A4F0")


def test_what_is_not_there_is_told_with_what_is(plugged: dict[str, Path]) -> None:
    with pytest.raises(BoardError, match=r"5A4F0999: no such board or port; plugged in: 5A4F0123 on .*, 5A4F0777 on "):
        find_port("5A4F0999")


@pytest.mark.parametrize("url", ["rfc2217://bench:4000", "socket://127.0.0.1:5000", "COM3"])
def test_what_pyserial_opens_by_itself_is_left_to_it(plugged: dict[str, Path], url: str) -> None:
    assert find_port(url) == Port(url)


def test_a_board_is_one_program_s_and_free_again_afterwards(plugged: dict[str, Path], tmp_path: Path) -> None:
    port = Port(str(plugged["5A4F0123"]), f"lock-{tmp_path.parent.name}-{tmp_path.name}")
    with BoardLock(port):
        with pytest.raises(BoardError, match=rf"in use by .* \(process {os.getpid()}\)"), BoardLock(port):
            pass
        with BoardLock(Port(port.device, port.serial_number + "x")):
            pass  # another board
    with BoardLock(port):
        pass


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("Traceback:\n  File x\nOSError: 28\n", "OSError", 28),
        ("OSError: [Errno 28] ENOSPC", "OSError", 28),
        ("OSError: (-4354, 'ESP_ERR_NVS_NOT_FOUND')", "OSError", -4354),
        ("ValueError: 7", "ValueError", 0),
        ("", "an exception without words", 0),
    ],
)
def test_what_a_board_raised_is_known_by_its_last_line(text: str, kind: str, number: int) -> None:
    error = DeviceError("P", text)
    assert (error.kind, error.number) == (kind, number) and "\n" not in str(error)
