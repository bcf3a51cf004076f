"""Logs and tracks through the whole way, and what a person may ask of it."""

import json
from datetime import datetime
from itertools import pairwise

import pytest

from bridge.errors import ConfigError
from sim.replay.log import Log
from sim.replay.replay import EVERY_FIX, NORMAL
from sim.replay.source import open_source
from tests.firmware.core.receivers import needs_micropython, sentence
from tests.sim.replay.test_gpx import fixes as read_by_firmware
from tests.sim.replay.test_gpx import gpx

pytestmark = needs_micropython

WAY = [(0, 50.7154001, -2.4367009), (120, 50.7171001, -2.4301007), (240, 50.7202003, -2.4249999)]


def nmea(second: int, date: str, valid: str = "A") -> bytes:
    return sentence(f"GPRMC,12{second // 60:02d}{second % 60:02d}.000,{valid},5043.0000,N,00226.0000,W,0.0,0.0,{date},,,A")


def without_date(second: int, millis: str = "500") -> bytes:
    return sentence(f"GPGGA,12{second // 60:02d}{second % 60:02d}.{millis},5043.0000,N,00226.0000,W,1,08,1.0,10.0,M,,M,,")


def test_a_track_comes_out_of_the_store_as_it_was_walked(play, tmp_path):
    track = tmp_path / "walk.gpx"
    track.write_bytes(gpx(WAY))
    source = open_source(str(track))
    assert isinstance(source, Log)
    out = tmp_path / "fixes.jsonl"
    replayed = play(source, json_file=out)
    assert replayed.summary.is_good and replayed.epochs == 241
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    expected = read_by_firmware(source.data)
    assert [(round(line["lat"] * 1e7), round(line["lon"] * 1e7)) for line in lines] == [
        (lat, lon) for _, lat, lon, *_ in expected
    ]
    assert [datetime.fromisoformat(line["time"]).timestamp() - 1780358370 for line in lines] == [at for at, *_ in expected]
    assert all(line["date_known"] and not line["doubtful"] and line["radius_m"] == 6.0 for line in lines)
    assert (lines[120]["lat"], lines[120]["lon"]) == (50.7171001, -2.4301007)


def test_the_receiver_is_on_all_the_time_and_nothing_is_said_to_be_lost(play):
    log = Log("x", b"".join(nmea(second, "010626") for second in range(400)))
    replayed = play(log)
    assert len(replayed.fixes[0]) == 400
    # Beside the fixes: boot and the clock that is set.
    assert replayed.summary.records_made == 402


def test_positions_that_no_vehicle_makes_and_dates_far_apart_are_recorded_as_they_were_said(play):
    places = ["5043.0000,N,00226.0000,W", "3351.0000,S,15112.0000,E"]
    dates = ["010126", "011026"]
    said = b"".join(
        sentence(f"GPRMC,1200{second:02d}.000,A,{places[second // 3 % 2]},0.0,0.0,{dates[second // 30]},,,A")
        for second in range(60)
    )
    replayed = play(Log("x", said))
    assert len(replayed.fixes[0]) == 60 and {fix.lat > 0 for fix in replayed.fixes[0]} == {True, False}
    assert [fix.time[:7] for fix in replayed.fixes[0]] == ["2026-01"] * 30 + ["2026-10"] * 30


def test_an_epoch_larger_than_the_receive_buffer_comes_through_whole(play):
    many = sentence("GPGSV,1,1,04,05,45,100,40,06,45,101,41,07,45,102,42,08,45,103,43") * 100
    noise = bytes(range(256)) * 40
    # The date stands behind all of it: it is there when nothing was lost.
    seconds = range(0, 40, 10)
    log = Log("x", b"".join(without_date(second, "000") + many + noise + nmea(second, "010626") for second in seconds))
    assert len(log.epochs) == 4 and len(log.data) > 4 * 15_000
    assert [fix.time for fix in play(log).fixes[0]] == [f"2026-06-01T12:00:{second:02d}.000Z" for second in seconds]


def test_policy_normal_wakes_the_receiver_for_a_fix_a_minute(play, tmp_path):
    track = tmp_path / "walk.gpx"
    track.write_bytes(gpx([(at, 50.7154 + at / 1e5, -2.4367) for at in range(0, 2401, 100)]))
    replayed = play(open_source(str(track)), policy=NORMAL)
    at = [datetime.fromisoformat(fix.time).timestamp() for fix in replayed.fixes[0]]
    assert 40 <= len(at) <= 41, "nobody knows of the wearer's rest"
    assert all(50 <= later - earlier <= 70 for earlier, later in pairwise(at))


def test_the_same_log_gives_the_same_records(play):
    log = Log("x", b"".join(nmea(second, "010626") for second in range(60)))
    assert play(log).summary.digest == play(log).summary.digest


def test_a_fix_without_a_date_keeps_its_time_of_day_and_a_doubtful_one_its_date(play):
    log = Log("x", without_date(0) + nmea(1, "200806") + nmea(2, "010626"))
    undated, doubtful, good = play(log).fixes[0]
    assert (undated.time, undated.date_known, undated.doubtful) == ("1970-01-01T12:00:00.500Z", False, False)
    assert (doubtful.time, doubtful.doubtful, doubtful.quarantine) == ("2006-08-20T12:00:01.000Z", True, "doubtful")
    assert (good.time, good.doubtful, good.quarantine) == ("2026-06-01T12:00:02.000Z", False, None)


def test_a_log_without_a_fix_is_fine_and_empty(play, tmp_path):
    out = tmp_path / "fixes.jsonl"
    replayed = play(Log("x", nmea(0, "010626", "V") * 3), json_file=out)
    assert replayed.summary.is_good and replayed.fixes == [[]]
    assert out.read_text() == ""


def test_part_of_a_log(play):
    log = Log("x", b"".join(nmea(second, "010626") for second in range(300)))
    replayed = play(log, until_ms=60_000)
    assert replayed.summary.simulated_s == 60
    assert 50 <= len(replayed.fixes[0]) <= 60


def test_a_policy_that_does_not_exist(play):
    with pytest.raises(ConfigError, match=f"replay: policy: got 'hourly', expected one of {EVERY_FIX}, {NORMAL}"):
        play(Log("x", nmea(0, "010626")), policy="hourly")
