"""The emulated microcontroller: that it is one, that its core does as every other does, and what a call costs on it."""

import binascii
import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hil_tests.emulated import application, board, core, counts, heap
from hil_tests.emulated.build import EmulatedError, image, missing
from sim.board.board import Board
from sim.board.line import Fault
from sim.engine.image import host_architecture
from tools.board import BoardError, Link, LinkError

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"the emulated microcontroller: {missing()}")

HOUR_S = 3600


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One that all tests of a healthy machine share."""
    with board.EmulatedBoard(tmp_path_factory.mktemp("machine")) as opened:
        yield opened


def test_floats_have_32_bits_and_small_integers_31(tmp_path):
    code = "import sys\nprint(16777216.0 + 1 == 16777216.0, sys.maxsize, 0x3fffffff is 0x3ffffffe + 1)\nimport gc\n"
    code += "gc.collect(); a = gc.mem_alloc(); x = 0x40000000 + int('0'); print(gc.mem_alloc() > a)\n"
    assert board.run(tmp_path, code) == "True 2147483647 True\nTrue\n"


@pytest.mark.slow
def test_an_hour_of_the_core_comes_out_the_same_on_32_bits_as_on_64_and_on_cpython():
    on_cpython = core.on_cpython(HOUR_S)
    assert int(on_cpython["epochs"]) > 3_000 and len(set(on_cpython.values())) == len(on_cpython)
    assert core.on_unix(HOUR_S) == on_cpython
    assert core.on_mcu(HOUR_S) == on_cpython


def test_bytecode_alone_does_the_same_as_machine_code():
    assert core.on_mcu(60, architecture="") == core.on_unix(60, architecture="") == core.on_cpython(60)


def test_another_firmware_gets_its_modules_by_mpremotes_mount(tmp_path):
    # The unix port on a pseudo-terminal stands for it: a MicroPython that has no /host, and a vfs.
    with Board(tmp_path / "board", heap="1024wK") as other:
        said = board.run_on(other.port, core.modules(host_architecture()), core.script(30), mounts=True)
    assert core.lines(said) == core.on_cpython(30)


def test_instructions_and_bytes_are_within_what_the_firmware_promises():
    found = counts.measure()  # a counter that is wrong is an error there
    assert found["nmea.parser.instructions"] <= 10_000
    assert found["zones.near.instructions"] <= 1_600_000
    assert found["zones.far.instructions"] <= 100_000
    nothing = ("nmea.parser", "nmea.receiver", "zones.far", "seal.32_records", "frame.seal", "frame.open", "mode.tick")
    assert {name: found[f"{name}.bytes"] for name in nothing} == dict.fromkeys(nothing, 0)


def test_modules_take_more_than_half_of_what_they_take_on_64_bits():
    # Who halves the unix port's bytes to tell a board's is too hopeful: bytecode is as large on either.
    assert 0.6 < heap.share(heap.bytes_of_modules()) < 0.85


@pytest.mark.slow
@pytest.mark.parametrize("name", application.NAMES)
def test_an_application_starts_out_of_files_in_about_what_the_docs_say(name, tmp_path):
    folder = application.modules(tmp_path)
    told = application.taken(folder, name)
    assert told["running"] <= told["built"] < {"tag": 128_000, "hmu": 111_000}[name[:3]]
    assert 0.6 < told["built"] / application.taken_on_unix(name)["built"] < 0.85
    assert application.least(folder, name) <= {"tag": 136, "hmu": 120}[name[:3]] * 1024


def test_sums_and_ciphers_are_those_of_the_libraries(machine):
    chance = random.Random(7)
    with Link(machine.port) as link:
        link.enter()
        for size in (0, 1, 55, 56, 64, 200):
            key, data = chance.randbytes(16), chance.randbytes(size)
            blocks = data + bytes(-size % 16)
            code = (
                "import hashlib,binascii,cryptolib\n"
                f"d={data!r}\nk={key!r}\n"
                "h=hashlib.sha256(d[:7])\nh.update(d[7:])\n"
                f"r=(h.digest(),binascii.crc32(d),binascii.b2a_base64(d),"
                f"cryptolib.aes(k,1).encrypt({blocks!r}),cryptolib.aes(k,2,k).encrypt({blocks!r}))"
            )
            ecb, cbc = (Cipher(algorithms.AES(key), mode).encryptor() for mode in (modes.ECB(), modes.CBC(key)))
            expected = hashlib.sha256(data).digest(), binascii.crc32(data), binascii.b2a_base64(data)
            assert link.run(code) == (*expected, ecb.update(blocks), cbc.update(blocks)), size


def test_mpremote_copies_a_file_and_runs_it(machine, tmp_path):
    (tmp_path / "hello.py").write_text("import os\nprint('hello', os.stat('hello.py')[6])\n")
    mpremote = [sys.executable, "-m", "mpremote", "connect", machine.port]
    subprocess.run([*mpremote, "fs", "cp", str(tmp_path / "hello.py"), ":"], check=True, timeout=30, capture_output=True)
    done = subprocess.run([*mpremote, "exec", "import hello"], check=True, timeout=30, capture_output=True, text=True)
    assert done.stdout == f"hello {(tmp_path / 'hello.py').stat().st_size}\n"


def test_ctrl_c_ends_a_program_and_a_watchdog_one_that_hangs(machine):
    with Link(machine.port, timeout_s=1.0) as link:
        link.enter()
        with pytest.raises(LinkError):
            link.run("while True: pass")
        link.enter()
        assert link.run("import machine\nr=machine.reset_cause()") == 5
        link.run("import machine\nw=machine.WDT(timeout=300)")
        deadline = time.monotonic() + 10
        cause = None
        while cause != 3:
            assert time.monotonic() < deadline, cause
            try:
                link.enter(soft_reset=False)
                cause = link.run("import machine\nr=machine.reset_cause()")
            except BoardError:
                continue


def test_files_and_settings_outlive_the_power_cut_while_one_is_written(tmp_path):
    data = [bytes([n]) * 3_000 for n in range(2)]
    cuts = random.Random(11)
    with board.EmulatedBoard(tmp_path) as machine:
        with Link(machine.port) as link:
            link.enter()
            link.write_file("/kept", data[0])
            link.keep_number("kept", 7)
        for _ in range(3):
            with Link(machine.port) as link:
                link.enter()
                link.exec(f"d=[{data[0]!r},{data[1]!r}]")
                link._do(lambda t: t.exec_raw_no_follow(_REWRITE))  # for ever, until the power goes
                time.sleep(cuts.uniform(0.0, 0.2))
                machine.power_off()
            machine.power_on()
            with Link(machine.port) as link:
                link.enter()
                assert link.read_file("/kept") in data
                number = link.number("kept")
                assert number == 7 or number >= 100


_REWRITE = b"""
import os
from esp32 import NVS
s = NVS("homeward")
n = 100
while True:
    f = open("/new", "wb")
    f.write(d[n & 1])
    f.close()
    os.rename("/new", "/kept")
    s.set_i32("kept", n)
    n += 1
"""


def test_a_garbled_line_is_noticed_and_the_machine_goes_on(machine):
    with Link(machine.port, timeout_s=1.0) as link:
        link.enter()
        machine.set_faults([Fault(400, "garbage", 9), Fault(900, "flip"), Fault(1500, "lost", 3)])
        for _ in range(20):
            try:
                link.write_file("/noisy", b"x" * 2_000)
                break
            except LinkError:
                link.enter()
        assert link.sha256("/noisy") == hashlib.sha256(b"x" * 2_000).hexdigest()
        assert not machine.line.faults


def test_what_cannot_be_is_said_in_a_line(tmp_path):
    with pytest.raises(EmulatedError, match=r"--firmware: got '.*/none', expected an ELF"):
        board.EmulatedBoard(tmp_path, firmware=tmp_path / "none")
    with pytest.raises(EmulatedError, match="ZeroDivisionError"):
        board.run(tmp_path, "1 / 0")
    assert image() == image()


def test_an_elf_of_ones_own_runs_in_place_of_the_built_one(tmp_path):
    elf = tmp_path / "mine.elf"
    elf.write_bytes(Path(image()).read_bytes())
    with board.EmulatedBoard(tmp_path / "machine", firmware=elf) as machine, Link(machine.port) as link:
        link.enter()
        assert link.run("r=6*7") == 42
