"""The board on a pseudo-terminal, as the real mpremote and the host's own drivers find it."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from sim.board.board import Board, missing
from sim.board.line import Fault
from tests.boards import MPREMOTE, mpremote, said

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board(tmp_path / "board") as one:
        yield one


def quiet(port: serial.Serial) -> None:
    """At the friendly REPL's prompt, with nothing more to come."""
    port.write(b"\r\x03\x02'here'\r")
    assert port.read_until(b"\n'here'\n>>> ").endswith(b">>> ")


def until(happened: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def test_unmodified_mpremote_keeps_files_on_it(board: Board, tmp_path: Path) -> None:
    local = tmp_path / "some.bin"
    local.write_bytes(bytes(range(256)) * 8)
    said(board.port, "fs", "mkdir", ":d", "+", "fs", "cp", str(local), ":d/x.bin")
    assert said(board.port, "fs", "ls", ":d").split() == ["ls", ":d", "2048", "x.bin"]
    back = tmp_path / "back.bin"
    said(board.port, "fs", "cp", ":d/x.bin", str(back))
    assert back.read_bytes() == local.read_bytes()
    said(board.port, "fs", "rm", "-r", ":d")
    assert said(board.port, "eval", "__import__('os').listdir('/')").strip() == "[]"


def test_what_runs_it_cannot_be_seen_or_deleted_from_it(board: Board) -> None:
    mpremote(board.port, "fs", "rm", "-r", ":/")
    assert said(board.port, "eval", "[__import__(m) and m for m in ('machine','esp32','network')]")
    assert (Path(__file__).parents[3] / "sim/silicon/machine.py").exists()


def test_a_soft_reset_forgets_the_heap_and_keeps_the_files(board: Board) -> None:
    said(board.port, "exec", "x = 5; open('kept', 'w').close()")
    assert said(board.port, "resume", "eval", "x").strip() == "5"
    assert said(board.port, "eval", "'x' in globals(), __import__('os').listdir()").strip() == "False ['kept']"
    assert board.hard_boots == 1 and board.boots > 2


def test_main_py_runs_at_a_start_but_not_after_a_soft_reset_in_the_raw_repl(board: Board, tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text("with open('runs', 'a') as file:\n    file.write('x')\n")
    said(board.port, "fs", "cp", str(program), ":main.py", "+", "soft-reset")
    assert mpremote(board.port, "fs", "cat", ":runs").returncode
    board.press_reset()
    assert said(board.port, "fs", "cat", ":runs") == "x"
    with serial.Serial(board.port, exclusive=True, timeout=5) as port:
        port.write(b"\r\x02\x04")  # the friendly REPL's soft reset runs it
        assert port.read_until(b"soft reboot\r\n").endswith(b"soft reboot\r\n") and port.read_until(b">>> ")
    assert said(board.port, "fs", "cat", ":runs") == "xx"


def test_ctrl_c_interrupts_a_program_unless_it_says_that_it_is_data(board: Board) -> None:
    said(board.port, "exec", "open('main.py', 'w').write('import time\\nwhile True:\\n time.sleep_ms(10)')")
    board.press_reset()
    assert said(board.port, "eval", "'got in'").strip() == "got in"
    code = "import micropython, sys; micropython.kbd_intr(-1); print('ready'); print(sys.stdin.buffer.read(3))"
    with serial.Serial(board.port, exclusive=True, timeout=5) as port:
        port.write(b"\r\x03\x02")
        port.read_until(b">>> ")
        port.write(code.encode() + b"\r")
        port.read_until(b"ready\n")
        port.write(b"a\x03b")
        assert port.read_until(b">>> ").startswith(b"b'a\\x03b'")


def test_mpremote_mounts_a_folder_of_the_host(board: Board, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "note.txt").write_text("from the host")
    out = said(board.port, "mount", str(tmp_path / "there"), "exec", "print(open('/remote/note.txt').read())")
    assert "from the host" in out


def test_a_hard_reset_a_watchdog_and_the_power_switch_are_told_apart(board: Board) -> None:
    cause = "__import__('machine').reset_cause()"
    assert said(board.port, "resume", "eval", cause).strip() == "1"
    said(board.port, "reset")
    until(lambda: board.hard_boots == 2)
    assert said(board.port, "resume", "eval", cause).strip() == "2"
    said(board.port, "exec", "--no-follow", "import machine; machine.WDT(timeout=50)\nwhile True: pass")
    until(lambda: board.hard_boots == 3)
    assert said(board.port, "resume", "eval", cause).strip() == "3"
    board.power_off()
    assert not board.is_on
    board.power_on()
    assert said(board.port, "resume", "eval", cause).strip() == "1"


def test_pins_and_voltages_are_there_before_the_first_instruction(board: Board) -> None:
    board.set_pin(32, 1)
    board.set_microvolts(35, 1_800_000)
    board.press_reset()
    code = "from machine import *; print(Pin(32, Pin.IN).value(), ADC(Pin(35)).read_uv())"
    assert said(board.port, "exec", code).strip() == "1 1800000"


def test_its_file_system_can_be_full(tmp_path: Path) -> None:
    with Board(tmp_path / "small", vfs_kib=64) as board:
        done = mpremote(board.port, "exec", "open('big', 'wb').write(bytes(60000)); open('more', 'wb').write(bytes(9000))")
        assert "ENOSPC" in done.stderr + done.stdout or "OSError: 28" in done.stderr + done.stdout
        assert said(board.port, "eval", "2 + 2").strip() == "4"


@pytest.mark.slow
def test_power_may_fail_at_any_write_and_a_file_is_the_old_one_or_the_new_one(tmp_path: Path, seed: int) -> None:
    """And a number in the settings store as well."""
    chance = random.Random(seed)
    change = """
import os
from esp32 import NVS
with open('new', 'wb') as f:
    f.write(b'B' * 5000)
os.rename('new', 'file')
s = NVS('homeward')
s.set_i32('n', 7000)
s.commit()
print('through')
"""
    look = "b=open('file','rb').read();from esp32 import NVS;print(b[:1],len(b),b==b[:1]*len(b),NVS('homeward').get_i32('n'))"
    begin = (
        "f=open('file','wb');f.write(b'A'*4000);f.close();from esp32 import NVS;s=NVS('homeward');s.set_i32('n',-1);s.commit()"
    )
    seen = set()
    with Board(tmp_path / "board") as board:
        for write in [1, 2, *sorted(chance.sample(range(3, 190), 5)), 500]:
            said(board.port, "exec", begin)
            board.cut_power_at_write(write, chance.randrange(1001))
            done = mpremote_until_off(board, change)
            board.never_cut()
            board.power_on()
            found = said(board.port, "exec", look).strip()
            seen.add(found)
            if done:
                assert found == "b'B' 5000 True 7000"
    assert seen <= {f"{file} True {n}" for file in ("b'A' 4000", "b'B' 5000") for n in (-1, 7000)}
    assert len(seen) >= 2


def mpremote_until_off(board: Board, code: str) -> bool:
    """True when the program came to its end, False when the power failed before."""
    with subprocess.Popen(
        [str(MPREMOTE), "connect", board.port, "exec", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        until(lambda: process.poll() is not None or not board.is_on)
        if not board.is_on:
            process.kill()
            return False
        return "through" in process.stdout.read()


def test_a_port_that_is_pulled_out_comes_back_as_another_and_the_board_ran_on(board: Board) -> None:
    before = os.readlink(board.port)
    said(board.port, "exec", "x = 77")
    with serial.Serial(board.port, timeout=5) as port:
        board.unplug()
        with pytest.raises(serial.SerialException):
            port.read(1)
    assert not os.path.exists(board.port)
    board.plug()
    assert said(board.port, "resume", "eval", "x").strip() == "77"
    assert os.readlink(board.port) != before or board.hard_boots == 1


def test_a_fault_comes_at_its_byte(board: Board) -> None:
    with serial.Serial(board.port, exclusive=True, timeout=5) as port:
        quiet(port)
        board.set_faults([Fault(2, "flip")])
        port.write(b"'AAAA'\r")
        echo = port.read_until(b">>> ")
    assert board.line.faults == [] and b"'AAAA'" not in echo.splitlines()[0]


def test_a_slow_line_takes_its_time(tmp_path: Path) -> None:
    with Board(tmp_path / "slow", baud=19200) as board, serial.Serial(board.port, exclusive=True, timeout=5) as port:
        quiet(port)
        began = time.monotonic()
        port.write(
            b"'" + b"x" * 960 + b"'\r"
        )  # half a second there, and half a second for the answer, at the same time as the echo
        assert b"x" * 960 in port.read_until(b"'\n>>> ")
        assert time.monotonic() - began > 0.9


def test_two_programs_cannot_have_it_at_once(board: Board) -> None:
    with serial.Serial(board.port, exclusive=True):
        done = mpremote(board.port, "eval", "1")
        assert done.returncode and "in use" in done.stdout + done.stderr
