"""A session is recorded both ways with its times, and a replay answers as it was recorded, byte for byte."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from hil_tests.drivers.base import Place
from hil_tests.drivers.fixture import Fixture, FixtureSettings
from hil_tests.drivers.recording import Between, Recorder, Replay, load
from tests.hil_tests.peers import fixture_board

PLACE = Place("bench.toml", "drivers.board")


def session(port: str) -> list[object]:
    """Some use of a fixture; what it said."""
    board = Fixture(FixtureSettings(port=port), PLACE)
    board.open()
    board.switch("16", True)
    told = [board.identity, board.sense("16"), board.sense("17")]
    board.close()
    return told


def written(path: Path, pieces: list[tuple[int, str, bytes]]) -> Path:
    head = {"recording": 1, "port": "x", "baud": 9600, "utc": "2026-06-01T06:00:00.000Z"}
    lines = [head] + [{"us": us, "way": way, "hex": data.hex()} for us, way, data in pieces]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_replayed_session_is_the_session(tmp_path):
    file = tmp_path / "board.jsonl"
    with fixture_board(tmp_path / "wires") as real, Between(real, file) as between:
        live = session(between.port)
    assert any(way == ">" for _, way, _ in load(file)) and any(way == "<" for _, way, _ in load(file))
    with Replay(file) as replay:
        assert session(replay.port) == live
    assert replay.is_over and not replay.problem


def test_who_says_something_else_is_told_nothing_more_and_where(tmp_path):
    file = written(tmp_path / "s.jsonl", [(0, ">", b"who\n"), (10, "<", b"ok me\n"), (20, ">", b"set 1 1\n"), (30, "<", b"ok\n")])
    with Replay(file) as replay, serial.Serial(replay.port, timeout=2) as port:
        port.write(b"who\nset 2")
        assert port.readline() == b"ok me\n"
        while not replay.problem:
            port.timeout = 0.02
            assert port.read(1) == b""
    assert replay.problem == "at byte 8: got b'2', expected b'1 1\\n'"
    assert not replay.is_over


def test_pauses_are_those_of_the_recording(tmp_path):
    file = written(tmp_path / "s.jsonl", [(0, ">", b"?"), (200_000, "<", b"a"), (400_000, "<", b"b")])
    for speed, least_s in ((1.0, 0.39), (0.0, 0.0)):
        with Replay(file, speed) as replay, serial.Serial(replay.port, timeout=5) as port:
            began = time.monotonic()
            port.write(b"?")
            assert port.read(2) == b"ab"
            assert time.monotonic() - began >= least_s


def test_times_are_whole_microseconds_that_never_go_back(tmp_path):
    recorder = Recorder(tmp_path / "r.jsonl", "/dev/ttyX", 9600)
    for n in range(50):
        recorder.passed("><"[n % 2], bytes([n]))
    recorder.close()
    pieces = load(tmp_path / "r.jsonl")
    assert [data for _, _, data in pieces] == [bytes([n]) for n in range(50)]
    assert [us for us, _, _ in pieces] == sorted(us for us, _, _ in pieces)


@pytest.mark.parametrize(
    "text",
    ["", "{}\n", '{"recording": 2}\n', '{"recording": 1}\nnonsense\n', '{"recording": 1}\n{"us": 1, "way": "<", "hex": "xx"}\n',
     '{"recording": 1}\n{"us": 5, "way": "<", "hex": ""}\n{"us": 4, "way": "<", "hex": ""}\n', "é"],
)  # fmt: skip
def test_what_is_no_recording_is_refused_by_line(tmp_path, text):
    path = tmp_path / "bad.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"bad\.jsonl"):
        load(path)


@given(st.lists(st.tuples(st.sampled_from("<>"), st.binary(max_size=40)), max_size=20))
def test_what_is_recorded_is_read_again(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("r") / "r.jsonl"
    recorder = Recorder(path, "p", 1)
    for way, data in pieces:
        recorder.passed(way, data)
    recorder.close()
    assert [(way, data) for _, way, data in load(path)] == pieces


def test_a_session_in_pieces_of_other_sizes_is_the_same_session(tmp_path):
    rng = random.Random(7)
    said = [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60))) for _ in range(12)]
    pieces = [(n * 10, "><"[n % 2], data) for n, data in enumerate(said)]
    with Replay(written(tmp_path / "s.jsonl", pieces)) as replay, serial.Serial(replay.port, timeout=5) as port:
        for _, way, data in pieces:
            if way == "<":
                assert port.read(len(data)) == data
            else:
                for byte in data:
                    port.write(bytes([byte]))
    assert not replay.problem


def test_the_command_replays_for_any_program(tmp_path):
    file = written(tmp_path / "s.jsonl", [(0, ">", b"ping"), (9, "<", b"pong")])
    command = [sys.executable, "-m", "hil_tests.drivers.recording", "replay", str(file), "--speed", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        with serial.Serial(process.stdout.readline().strip(), timeout=5) as port:
            port.write(b"ping")
            assert port.read(4) == b"pong"
        assert process.wait(10) == 0
