"""A recording gives back what was put into it, its owner's alone, and as far as it goes when its end was never written."""

import os
import stat
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.recording import (
    BLOCK,
    END,
    LIFE,
    MAGIC,
    RUN,
    VERSION,
    YIELD,
    Head,
    KeptFolder,
    Life,
    Reader,
    Recorder,
    RecordingError,
    Recordings,
    parse_life,
    parse_run,
)  # fmt: skip
from sim.engine.telling import moment, tell
from sim.engine.wire import Item, pack_run
from sim.silicon import _channels as ch

HEAD = Head("errand", 7, "0123456789ab", "tag-000001", "firmware.tag", False)


def recorder(folder: Path) -> Recorder:
    return Recorder(folder / "recordings" / "tag-000001.rec", HEAD)


def test_what_goes_in_comes_out_in_its_order(tmp_path: Path):
    flash = tmp_path / "device"
    flash.mkdir()
    (flash / "a.flash").write_bytes(b"\xff" * 5000)
    (flash / "console.log").write_text("of no account")
    kept = recorder(tmp_path)
    kept.life(flash, 0, 1, b"\x02\0\0\0\0\1")
    kept.run(b"a run")
    kept.answer(b"an answer")
    kept.ended("somebody killed it")
    (flash / "a.flash").write_bytes(b"\xff" * 4500 + b"x")
    (flash / "b.nvs").write_bytes(b"")
    kept.life(flash, 77, 5, b"\x02\0\0\0\0\1")
    kept.close()
    reader = Reader(kept.path)
    assert reader.head == HEAD
    frames = list(reader.frames)
    assert reader.is_whole
    assert [kind for kind, _ in frames] == [BLOCK, BLOCK, LIFE, RUN, YIELD, END, BLOCK, LIFE]  # the first block is unchanged
    assert [body for kind, body in frames if kind in (RUN, YIELD)] == [b"a run", b"an answer"]
    first, second = [parse_life(body) for kind, body in frames if kind == LIFE]
    assert first == (0, 1, b"\x02\0\0\0\0\1", {"a.flash": 5000})
    assert second == (77, 5, b"\x02\0\0\0\0\1", {"a.flash": 4501, "b.nvs": 0})
    folder = KeptFolder()
    for kind, body in frames:
        if kind == BLOCK:
            folder.block(body)
        elif kind == LIFE:
            folder.life(parse_life(body))
    assert folder.differences(flash) == []
    again = tmp_path / "again"
    again.mkdir()
    (again / "old.nvs").write_bytes(b"from before")
    folder.write(again)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {"a.flash": b"\xff" * 4500 + b"x", "b.nvs": b""}
    (again / "a.flash").write_bytes(b"\xff" * 4499 + b"xx")
    (again / "c.nvs").touch()
    (again / "b.nvs").unlink()
    assert folder.differences(again) == ["c.nvs is new", "a.flash differs from byte 4499", "b.nvs is missing"]


def test_a_recording_and_the_flash_made_from_it_are_their_owners_alone(tmp_path: Path):
    flash = tmp_path / "device"
    flash.mkdir()
    (flash / "homeward.provision.nvs").write_bytes(b"keys")
    (flash / "homeward.provision.nvs").chmod(0o644)
    kept = recorder(tmp_path)
    kept.life(flash, 0, 1, b"123456")
    kept.close()
    folder = KeptFolder()
    for kind, body in Reader(kept.path).frames:
        if kind == BLOCK:
            folder.block(body)
        else:
            folder.life(parse_life(body))
    (tmp_path / "again").mkdir()
    folder.write(tmp_path / "again")
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600 and stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "again" / "homeward.provision.nvs").stat().st_mode) == 0o600


def test_only_who_is_wanted_is_recorded(tmp_path: Path):
    some = Recordings(tmp_path / "r", frozenset({"tag-000002"}), "errand", 7, "0123", False)
    assert some.of("tag-000001", "firmware.tag") is None and not (tmp_path / "r").exists()
    one = some.of("tag-000002", "firmware.tag")
    assert one is not None
    one.close()
    every = Recordings(tmp_path / "r", frozenset({"all"}), "errand", 7, "0123", False).of("hmu-000001", "firmware.hmu")
    assert every is not None and every.path.name == "hmu-000001.rec"
    every.close()


@given(size=st.integers(0, 400))
def test_a_recording_cut_anywhere_is_read_as_far_as_it_goes(tmp_path_factory, size: int):
    folder = tmp_path_factory.mktemp("cut")
    kept = recorder(folder)
    (folder / "device").mkdir()
    kept.life(folder / "device", 0, 1, b"123456")
    for n in range(50):
        kept.run(os.urandom(3) + b"%d" % n)
    kept.close()
    whole = list(Reader(kept.path).frames)
    data = kept.path.read_bytes()
    kept.path.write_bytes(data[:size])
    try:
        reader = Reader(kept.path)
    except RecordingError:
        assert size < 300
        return
    frames = list(reader.frames)
    assert frames == whole[: len(frames)]
    assert reader.is_whole == (size >= len(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin"),
        (b"PK\3\4" * 20, "does not begin"),
        (MAGIC + bytes([VERSION + 1]), "of version 2, not 1"),
        (MAGIC + bytes([VERSION]), "ends before it says what was run"),
        (MAGIC + bytes([VERSION]) + b"not zlib", "damaged"),
        (MAGIC + bytes([VERSION]) + zlib.compress(struct.pack("<BI", 9, 4) + b"1234"), "kind 9"),
        (MAGIC + bytes([VERSION]) + zlib.compress(struct.pack("<BI", 1, 1 << 30)), "1073741824 bytes"),
        (MAGIC + bytes([VERSION]) + zlib.compress(struct.pack("<BI", 1, 2) + b"[]"), "head"),
        (MAGIC + bytes([VERSION]) + zlib.compress(struct.pack("<BI", 1, 9) + b'{"seed":7'), "head"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(tmp_path: Path, data: bytes, words: str):
    path = tmp_path / "some.rec"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=words):
        Reader(path)


def test_no_file_of_a_recording_lies_outside_its_folder():
    for name in (b"../../etc/passwd", b"/etc/passwd", b"..", b""):
        with pytest.raises(RecordingError, match="a file of the name"):
            KeptFolder().block(struct.pack("<H", len(name)) + name + struct.pack("<I", 0) + b"data")
        with pytest.raises(RecordingError, match="a file of the name"):
            KeptFolder().life(Life(0, 1, b"", {name.decode(): 4}))


items = st.builds(Item, st.integers(10, 2**32), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=200))


@given(st.lists(items, max_size=10), st.integers(0, 2**40))
def test_a_run_is_read_as_it_was_packed(handed: list[Item], horizon_ms: int):
    assert parse_run(pack_run(10, horizon_ms, handed)) == (10, horizon_ms, handed)


@given(items)
def test_whatever_a_device_hears_or_says_can_be_told(item: Item):
    assert tell(item)


def test_secrets_are_told_by_their_length():
    secret = b"correct-horse"
    hidden = [
        Item(0, ch.NIC, ch.NIC_WLAN, b"\1Cafe\0" + secret),
        Item(0, ch.UART_TX, 1, b'AT+CGAUTH=1,1,"me","' + secret + b'"\r'),
        Item(0, ch.UART_RX, 0, b"key " + secret),
        *(Item(0, channel, 1, bytes([what]) + secret) for channel in (ch.SOCK_IN, ch.SOCK_OUT) for what in (2, 6, 7, 8)),
        Item(0, ch.SOCK_OUT, 1, b"\x02\x10\x0f\0\4" + secret),
    ]
    for item in hidden:
        words = tell(item)
        assert secret.decode() not in words and secret.hex() not in words
    assert tell(hidden[0]) == "network WLAN connect Cafe"
    assert tell(hidden[-1]) == "says on socket 1: 17 bytes, CONNECT"


def test_moments_are_told_from_the_scenarios_start():
    assert moment(0) == "0:00:00.000"
    assert moment(3 * 86_400_000 + 7_323_004) == "3d 2:02:03.004"
