"""The devices under the journal: NOR rules, the interface of esp32.Partition, and a file that outlives kill -9."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.blockdev import BLOCK_COUNT, BLOCK_ERASE, BLOCK_SIZE, SYNC, FileDevice, RamDevice
from firmware.core.journal import Journal, read_all
from firmware.core.record import seq_of
from tests.firmware.core.interpreter import ROOT, micropython, run


@pytest.fixture(params=["ram", "file"])
def device(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "ram":
        yield RamDevice(4, 512)
    else:
        made = FileDevice(str(tmp_path / "flash"), 4, 512)
        yield made
        made.close()


def read(device, block: int, n: int, offset: int = 0) -> bytes:
    buf = bytearray(n)
    assert not device.readblocks(block, buf, offset)
    return bytes(buf)


def test_a_new_device_is_erased_and_says_how_large_it_is(device):
    assert (device.ioctl(BLOCK_COUNT, 0), device.ioctl(BLOCK_SIZE, 0), device.ioctl(SYNC, 0)) == (4, 512, 0)
    assert device.ioctl(99, 0) is None
    assert b"".join(read(device, block, 512) for block in range(4)) == b"\xff" * 2048


def test_writing_with_an_offset_leaves_the_rest_alone(device):
    device.writeblocks(1, b"hello", 100)
    assert read(device, 1, 7, 99) == b"\xffhello\xff"
    device.writeblocks(1, b"again", 490)
    assert read(device, 1, 5, 100) == b"hello"


def test_writing_without_an_offset_erases_the_blocks_first(device):
    device.writeblocks(1, b"hello", 500)
    device.writeblocks(2, b"there", 500)
    device.writeblocks(3, b"kept", 500)
    device.writeblocks(1, b"x" * 600)
    assert read(device, 1, 1024) == b"x" * 600 + b"\xff" * 424
    assert read(device, 3, 4, 500) == b"kept"


def test_erasing_takes_one_block(device):
    for block in range(4):
        device.writeblocks(block, b"data", 8)
    assert device.ioctl(BLOCK_ERASE, 2) == 0
    assert [read(device, block, 4, 8) for block in range(4)] == [b"data", b"data", b"\xff" * 4, b"data"]


@pytest.mark.parametrize(("block", "offset", "n"), [(4, 0, 1), (3, 500, 13), (-1, 0, 1), (0, -1, 1), (0, 0, 2049)])
def test_outside_the_device_is_an_oserror(device, block: int, offset: int, n: int):
    with pytest.raises(OSError):
        device.readblocks(block, bytearray(n), offset)
    with pytest.raises(OSError):
        device.writeblocks(block, bytes(n), offset)
    with pytest.raises(OSError):
        device.ioctl(BLOCK_ERASE, 4)


@given(st.lists(st.tuples(st.integers(0, 100), st.binary(min_size=1, max_size=80)), max_size=10))
def test_programming_only_clears_bits_and_counts_what_it_could_not_set(writes: list[tuple[int, bytes]]):
    device = RamDevice(2, 256)
    plain = bytearray(b"\xff" * 512)
    impossible = 0
    for offset, data in writes:
        device.writeblocks(0, data, offset)
        for i, byte in enumerate(data):
            impossible += byte & ~plain[offset + i] != 0
            plain[offset + i] &= byte
    assert device.data == plain and device.violations == impossible


def test_a_file_that_is_too_short_is_lengthened_and_one_that_is_too_long_refused(tmp_path: Path):
    path = tmp_path / "flash"
    path.write_bytes(b"abc")
    FileDevice(str(path), 2, 512).close()
    assert path.read_bytes() == b"abc" + b"\xff" * 1021
    with pytest.raises(ValueError, match="1024 bytes, expected at most 512"):
        FileDevice(str(path), 1, 512)
    assert path.stat().st_size == 1024


def test_an_image_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="image of 3 bytes for 1 blocks of 512"):
        RamDevice(1, 512, b"abc")


WRITER = """
import sys
sys.path.insert(0, {root!r})
from firmware.core import record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import Journal
journal = Journal(FileDevice({path!r}, 8))
assert journal.mount()
raw = bytearray(32)
while True:
    seq = journal.next_seq
    record.pack_event(raw, seq, 1, 0, 0, 13, seq * 3, 0, 5)
    assert journal.append(raw)
    if seq % 10 == 0:
        journal.release(seq - 5)
    sys.stdout.write("%d\\n" % seq)
"""


@pytest.mark.parametrize("interpreter", ["cpython", "micropython"])
def test_what_was_appended_outlives_kill_9(interpreter: str, tmp_path: Path, seed: int):
    path = str(tmp_path / "flash")
    script = tmp_path / "writer.py"
    script.write_text(WRITER.format(root=str(ROOT), path=path))
    rng = random.Random(seed)
    last = 0
    for _ in range(6):
        command = [sys.executable if interpreter == "cpython" else micropython(), str(script)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as writer:
            assert writer.stdout is not None
            wanted = last + rng.randrange(1, 400)
            for line in writer.stdout:
                last = int(line)
                if last >= wanted:
                    break
            writer.send_signal(signal.SIGKILL)
            said = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        last = max([last, *said])
        device = FileDevice(path, 8)
        journal = Journal(device)
        assert journal.mount()
        assert journal.next_seq - 1 >= last, "said to stand, and gone"
        seqs = [seq_of(raw) for raw in read_all(device)]
        assert seqs == list(range(seqs[0], journal.next_seq))
        last = journal.next_seq - 1
        device.close()


def test_a_file_written_on_the_device_is_read_on_the_host(tmp_path: Path):
    path = str(tmp_path / "flash")
    script = f"""
from firmware.core.blockdev import FileDevice, BLOCK_ERASE
device = FileDevice({path!r}, 3, 512)
device.writeblocks(0, b"x" * 600)
device.writeblocks(2, b"hello", 7)
device.ioctl(BLOCK_ERASE, 0)
buf = bytearray(6)
device.readblocks(2, buf, 6)
print(buf)
device.close()
"""
    assert run(script) == ["bytearray(b'\\xffhello')"]
    data = Path(path).read_bytes()
    assert data == b"\xff" * 512 + b"x" * 88 + b"\xff" * 424 + b"\xff" * 7 + b"hello" + b"\xff" * 500
