"""Flash and settings of a simulated ESP32: NOR as it is, values that are there whole or not at all."""

import os

from firmware.core import record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import read_all
from firmware.core.record import Record
from tests.sim.silicon.harness import Device, lines_of


def test_bits_only_go_from_one_to_zero_until_their_block_is_erased(tmp_path):
    script = """
from esp32 import Partition
p = Partition.find(Partition.TYPE_DATA, label="journal")[0]
print(p.ioctl(4, 0), p.ioctl(5, 0), p.info()[3], Partition.find(Partition.TYPE_DATA, label="other"))
b = bytearray(4)
def show():
    p.readblocks(3, b, 8)
    print(b.hex())
show()
p.writeblocks(3, b"\\xf0\\x0f\\xff\\x00", 8); show()
p.writeblocks(3, b"\\x3c\\x3c\\x3c\\x3c", 8); show()
p.writeblocks(3, b"\\xff\\xff\\xff\\xff", 8); show()
p.ioctl(6, 2); p.ioctl(6, 4); show()
p.ioctl(6, 3); show()
"""
    assert lines_of(tmp_path, script) == [
        "128 4096 524288 []", "ffffffff", "f00fff00", "300c3c00", "300c3c00", "300c3c00", "ffffffff",
    ]  # fmt: skip


def test_a_write_without_an_offset_erases_first_and_only_its_own_blocks(tmp_path):
    script = """
from esp32 import Partition
p = Partition.find(Partition.TYPE_DATA, label="journal")[0]
for block in range(4):
    p.writeblocks(block, bytes(16), 4080)
p.writeblocks(1, b"\\xaa" * 8192)
b = bytearray(16)
for block in range(4):
    p.readblocks(block, b, 4080)
    print(b.hex())
"""
    assert lines_of(tmp_path, script) == ["00" * 16, "aa" * 16, "aa" * 16, "00" * 16]


def test_what_was_programmed_is_in_the_file_when_the_process_is_killed(tmp_path):
    script = """
import time
from esp32 import Partition
p = Partition.find(Partition.TYPE_DATA, label="journal")[0]
p.writeblocks(0, b"standing", 100)
time.sleep_ms(1000)
"""
    with Device(tmp_path, script) as device:
        device.run(10)
        device.process.kill()
        device.process.wait()
    image = (tmp_path / "journal.flash").read_bytes()
    assert len(image) == 512 * 1024 and image[100:108] == b"standing" and image.count(b"\xff") == len(image) - 8


def test_the_journal_lives_on_it_over_a_reset_and_the_host_reads_it(tmp_path):
    script = """
from esp32 import Partition
from firmware.core import record
from firmware.core.journal import Journal
j = Journal(Partition.find(Partition.TYPE_DATA, label="journal")[0])
print(j.mount(), j.next_seq)
raw = bytearray(32)
for _ in range(200):
    record.pack_event(raw, j.next_seq, 5, record.UNDATED, 1, record.STATUS, j.next_seq, 0, 50)
    j.append(raw)
j.release(150)
"""
    for life in range(3):
        (tmp_path / str(life)).mkdir()
        if life:
            os.rename(tmp_path / str(life - 1) / "journal.flash", tmp_path / str(life) / "journal.flash")
        assert lines_of(tmp_path / str(life), script) == [f"True {1 + 200 * life}"]
    device = FileDevice(str(tmp_path / "2" / "journal.flash"), 128)
    found = [Record(raw) for raw in read_all(device)]
    device.close()
    assert [one.seq for one in found] == list(range(1, 601)) and {one.code for one in found} == {record.STATUS}


def test_settings_are_there_after_a_commit_and_only_then(tmp_path):
    script = """
from esp32 import NVS
n = NVS("homeward")
for get in (lambda: n.get_i32("boots"), lambda: n.get_blob("key", bytearray(8)), lambda: n.erase_key("boots")):
    try:
        get()
        print("?")
    except OSError as error:
        print(hex(-error.errno))
for value in (0, 7, -1, 2**31 - 1, -2**31):
    n.set_i32("boots", value)
    print(n.get_i32("boots") == value)
n.commit()
n.set_blob("key", b"abc")
b = bytearray(8)
print(n.get_blob("key", b), bytes(b))
"""
    assert lines_of(tmp_path, script) == ["0x1102"] * 3 + ["True"] * 5 + ["3 b'abc\\x00\\x00\\x00\\x00\\x00'"]
    assert [path.name for path in tmp_path.glob("*.nvs")] == ["homeward.boots.nvs"]
    again = """
from esp32 import NVS
n = NVS("homeward")
print(n.get_i32("boots"))
try:
    n.get_i32("key")
except OSError:
    print("no key")
try:
    NVS("other").get_i32("boots")
except OSError:
    print("another's namespace")
n.erase_key("boots"); n.commit()
"""
    assert lines_of(tmp_path, again) == [str(-(2**31)), "no key", "another's namespace"]
    assert not list(tmp_path.glob("*.nvs*"))


def test_a_blob_that_does_not_fit_is_an_error_and_not_a_longer_buffer(tmp_path):
    """ESP_ERR_NVS_INVALID_LENGTH, as from the chip: a bytearray must not grow under its owner."""
    script = """
from esp32 import NVS
n = NVS("homeward")
n.set_blob("key", bytes(100)); n.commit()
b = bytearray(10)
try:
    n.get_blob("key", b)
    print("?")
except OSError as error:
    print(hex(-error.errno), len(b))
"""
    assert lines_of(tmp_path, script) == ["0x110c 10"]


def test_a_cut_in_the_middle_of_a_commit_leaves_the_old_value(tmp_path):
    """A commit makes a new file and moves it into place: what a cut leaves behind is not read."""
    lines_of(tmp_path, "from esp32 import NVS\nn = NVS('homeward')\nn.set_i32('rf', 1024)\nn.commit()\n")
    (tmp_path / "homeward.rf.nvs.new").write_bytes(b"\x07")
    assert lines_of(tmp_path, "from esp32 import NVS\nprint(NVS('homeward').get_i32('rf'))\n") == ["1024"]
