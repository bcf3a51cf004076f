"""The same parser on the device's interpreter: machine code and bytecode read what CPython reads, and allocate nothing."""

import random
import struct
from binascii import crc32
from pathlib import Path

import pytest
from hypothesis import given, settings

from firmware.core import nmea
from tests.firmware.core import sentences
from tests.firmware.core.receivers import log, names, needs_logs, needs_micropython, run_micropython, sentence

pytestmark = needs_micropython

# Both interpreters run this: CRC-32 over position, kind and the whole state after each sentence, and after each stream.
DIGEST = """
def digest(scan, decode, sky, state, data, crc32):
    total = 0
    at = 0
    while at < len(data):
        n = min(len(data), at + 1 + (at * 7 + len(data)) % 61)
        while at < n:
            at = scan(data, at, n, state)
            kind = decode(state) if state[KIND] else -1
            sky(state)
            total = crc32(bytes((kind & 255, at & 255)), total)
            total = crc32(state, total)
    return total
"""
ON_DEVICE = (
    DIGEST
    + """
import binascii, struct
from firmware.core import nmea
core = nmea
if sys.argv[1] == "plain":
    from firmware.core import _nmea_plain as core
else:
    assert "firmware.core._nmea_plain" not in sys.modules, "no machine code here"
KIND = nmea.KIND
with open(sys.argv[2], "rb") as corpus:
    while True:
        head = corpus.read(4)
        if not head:
            break
        data = bytearray(corpus.read(struct.unpack("<I", head)[0]))
        print(digest(core.scan, core.decode, core.sky, nmea.new_state(), data, binascii.crc32))
"""
)


def write_corpus(path: Path, streams: list[bytes]) -> Path:
    path.write_bytes(b"".join(struct.pack("<I", len(data)) + data for data in streams))
    return path


def digests_here(streams: list[bytes]) -> list[int]:
    scope: dict = {"KIND": nmea.KIND}
    exec(DIGEST, scope)
    return [scope["digest"](nmea.scan, nmea.decode, nmea.sky, nmea.new_state(), data, crc32) for data in streams]


def compare(path: Path, streams: list[bytes]) -> None:
    corpus = write_corpus(path, streams)
    here = digests_here(streams)
    for how in ("native", "plain"):
        there = [int(line) for line in run_micropython(ON_DEVICE, how, corpus).split()]
        assert len(there) == len(here)
        differing = [data for data, a, b in zip(streams, here, there, strict=True) if a != b]
        assert not differing, (how, differing[:1])


def test_machine_code_bytecode_and_cpython_agree_on_any_stream(tmp_path):
    streams: list[bytes] = []

    @settings(max_examples=500, derandomize=True, database=None)
    @given(sentences.streams())
    def collect(data):
        streams.append(data)

    collect()
    compare(tmp_path / "corpus", streams)
    assert sum(map(len, streams)) > 50_000


@needs_logs
def test_machine_code_bytecode_and_cpython_agree_on_real_receivers(tmp_path):
    compare(tmp_path / "corpus", [log(name)[:20_000] for name in names()])


def mutated(rng: random.Random, pool: list[bytes]) -> bytes:
    """A few sentences with bytes changed, cut out, doubled, and their checksums mended half of the time."""
    pieces = []
    for _ in range(rng.randrange(1, 6)):
        body = bytearray(rng.choice(pool))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 8))):
            at = rng.randrange(len(body))
            what = rng.randrange(4)
            if what == 0:
                body[at] = rng.randrange(256)
            elif what == 1:
                del body[at : at + rng.randrange(1, 6)]
            elif what == 2:
                body[at:at] = body[at : at + 8] * rng.randrange(1, 4)
            else:
                body[at:at] = rng.choice((b",", b".", b"9999999999", b"$", b"*", b"-", b",,,,,,,,,,,,"))
            if not body:
                break
        text = body.decode("latin-1").encode("ascii", "replace")
        pieces.append(sentence(text.decode()) if rng.random() < 0.5 else b"$" + bytes(body) + b"*%02X\r\n" % rng.randrange(256))
    return b"".join(pieces)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_pieces_are_read_alike_and_harm_nothing(tmp_path):
    rng = random.Random(20260102)
    pool = [
        b"GNRMC,235959.99,A,8959.99999999,S,17959.99999999,W,999.999,359.99,311226,,,D,V",
        b"GPGGA,000000.000,0000.0001,N,00000.0001,E,4,12,0.5,100.0,M,47.0,M,1.0,0001",
        b"GAGSA,A,3,01,02,03,04,05,06,07,08,09,10,11,12,1.5,0.9,1.2,3",
        b"GBGSV,3,1,12,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1",
        b"QZGST,120000.00,999999999,999999999,1.0,2.0,199.999,199.999,3.0",
        b"BDZDA,120000.00,29,02,2024,00,00",
    ]
    streams = [b"".join(mutated(rng, pool) for _ in range(50)) for _ in range(700)]
    assert sum(stream.count(b"$") for stream in streams) > 100_000
    compare(tmp_path / "corpus", streams)


ALLOCATION = """
import gc, micropython
from firmware.core import nmea, gnss
epochs = 0
def on_epoch(fix):
    global epochs
    epochs += 1
receiver = gnss.Receiver(on_epoch)
with open(sys.argv[1], "rb") as file:
    data = bytearray(file.read())
n = len(data)
receiver.feed(data, n)
receiver.idle()
before = receiver.state[nmea.ACCEPTED]
micropython.heap_lock()
receiver.feed(data, n)
receiver.idle()
micropython.heap_unlock()
gc.collect()
gc.disable()
start = gc.mem_alloc()
for _ in range(20):
    receiver.feed(data, n)
    receiver.idle()
end = gc.mem_alloc()
print(end - start, receiver.state[nmea.ACCEPTED] - before, epochs)
"""


def second(tod_s: int, lon: str) -> str:
    clock = f"{tod_s // 3600:02}{tod_s // 60 % 60:02}{tod_s % 60:02}.000"
    return "".join(
        sentence(body).decode()
        for body in (
            f"GNRMC,{clock},A,5043.0000,N,{lon},0.02,35.55,010126,,,A,V",
            f"GNGGA,{clock},5043.0000,N,{lon},1,17,0.8,77.5,M,-21.6,M,,",
            "GNGSA,A,3,01,02,03,04,05,06,,,,,,,1.5,0.9,1.2,1",
            "GNGSA,A,3,65,66,,,,,,,,,,,1.5,0.9,1.2,2",
            "GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1",
            "GLGSV,1,1,02,65,40,083,46,66,17,308,41,1",
            f"GNGST,{clock},12.3,4.5,3.2,45.0,1.2,1.3,9.1",
            f"GNZDA,{clock},01,01,2026,00,00",
        )
    )


def test_no_byte_is_allocated_a_sentence(tmp_path):
    stream = tmp_path / "stream.nmea"
    stream.write_text("".join(second(43200 + i, "17959.9999,W") for i in range(30)))
    allocated, accepted, epochs = map(int, run_micropython(ALLOCATION, stream).split())
    assert accepted == 21 * 30 * 8
    assert epochs == 22 * 30
    assert allocated == 0


RECEIVER = """
from binascii import crc32
from firmware.core.gnss import Receiver
def on_epoch(fix):
    print(fix.valid, fix.contradicted, fix.has_date, fix.date_doubtful, fix.estimated, fix.utc_s, fix.tod_s, fix.millis,
          fix.pos[0], fix.pos[1], fix.speed_cms, fix.course_deg, fix.satellites, fix.hdop_tenths, fix.quality, fix.fix_type,
          fix.radius_dm, fix.cn0_max, fix.in_view, fix.heard)
def run(path):
    receiver = Receiver(on_epoch)
    with open(path, "rb") as file:
        while True:
            piece = file.read(100)
            if not piece:
                break
            receiver.feed(piece, len(piece))
    receiver.idle()
"""


@needs_logs
@pytest.mark.parametrize(
    "name", ["telit-pls83-w", "gp-320fw-2019-04-07-coldboot", "nmea-rtk", "skytraq-dgps", "quectel-l76k-dual"]
)
def test_the_receiver_gives_the_same_epochs_on_the_device(name, tmp_path, capsys):
    path = tmp_path / "log"
    path.write_bytes(log(name))
    scope: dict = {}
    exec(RECEIVER, scope)
    scope["run"](path)
    assert run_micropython(RECEIVER + "run(sys.argv[1])", path).splitlines() == capsys.readouterr().out.splitlines()
