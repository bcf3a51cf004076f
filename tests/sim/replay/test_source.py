"""What a person names is opened, or refused in words that let them mend it."""

import gzip

import pytest

from bridge.errors import ConfigError
from sim.replay.log import Log
from sim.replay.source import open_source
from tests.firmware.core.receivers import sentence
from tests.sim.replay.test_gpx import gpx

NMEA = sentence("GPRMC,120000,A,5043.0000,N,00226.0000,W,0.0,0.0,010626,,,A")


def test_a_log_and_a_track_are_told_apart_by_what_they_hold(tmp_path):
    log, track = tmp_path / "log", tmp_path / "track"
    log.write_bytes(b"\x00\xffgarbage" + NMEA)
    track.write_bytes(gpx([(0, 50.0, 0.0), (9, 50.0, 0.0)]))
    opened = open_source(str(log))
    assert isinstance(opened, Log) and opened.data == log.read_bytes()
    opened = open_source(str(track))
    assert isinstance(opened, Log) and len(opened.epochs) == 10


@pytest.mark.parametrize(
    ("name", "data"),
    [("empty.log", b""), ("text.log", b"no NMEA in here\n"), ("log.gz", gzip.compress(NMEA, mtime=0)), ("bad.gpx", NMEA)],
)
def test_a_file_without_nmea_is_refused(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"{name}: content: got .*, expected .*GPX"):
        open_source(str(path))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.log: source: got 'no such file', expected a file with an NMEA log"):
        open_source(str(tmp_path / "none.log"))
    with pytest.raises(ConfigError, match=r"source: got 'a folder', expected a file"):
        open_source(str(tmp_path))
    with pytest.raises(ConfigError, match=r"source: got .*, expected a file"):
        open_source("a\0b")


@pytest.mark.parametrize("name", ["/dev/ttyUSB99", "COM99", "socket://127.0.0.1:1", "nosuch://port", "/dev/null"])
def test_a_port_that_cannot_be_opened_is_refused(name):
    with pytest.raises(ConfigError, match=rf"{name}: port: got .*, expected a serial port"):
        open_source(name)
